//! Answers of DNS from a file or the command line, for checks that are to need nothing else.
//!
//! A line is `NAME TYPE VALUE`, as zone files have it: a time to live and `IN` may stand before the
//! type, `;` begins a comment, a text may be in quotes, in several pieces. `NAME FAIL` says that
//! nobody answers. Types: A, AAAA, MX, PTR, TXT, TLSA, CNAME.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use trust::dane::Tlsa;
use trust::{Answer, Kind, Question, Record};

use crate::complaint::Complaint;
use crate::input;

/// Aliases of aliases that are followed.
const ALIASES_MAX: usize = 8;

/// Where answers come from.
#[derive(Debug, Default, Args)]
pub(crate) struct ZoneSource {
    /// A file of DNS records, a line each: `example.org TXT "v=spf1 -all"`.
    #[arg(long, value_name = "FILE")]
    zone: Option<PathBuf>,
    /// A TXT record: `sel._domainkey.example.org=v=DKIM1; p=…`.
    #[arg(long = "record", value_name = "NAME=TEXT", value_parser = named_text)]
    records: Vec<(String, String)>,
}

/// What is known; of all other names, that they do not exist.
#[derive(Debug, Default)]
pub(crate) struct Zone(HashMap<String, Vec<Entry>>);

#[derive(Debug)]
enum Entry {
    Record(Record),
    Alias(String),
    Silence,
}

fn named_text(text: &str) -> Result<(String, String), &'static str> {
    let (name, record) = text.split_once('=').ok_or("a record is NAME=TEXT")?;
    Ok((name.trim().to_owned(), record.to_owned()))
}

impl ZoneSource {
    /// True if anything was given.
    pub(crate) const fn is_given(&self) -> bool {
        self.zone.is_some() || !self.records.is_empty()
    }

    /// Of one text, for a test.
    #[cfg(test)]
    pub(crate) fn of_text(name: &str, text: &str) -> Self {
        Self {
            zone: None,
            records: vec![(name.to_owned(), text.to_owned())],
        }
    }

    /// Reads everything.
    pub(crate) fn read(&self) -> Result<Zone, Complaint> {
        let mut zone = Zone::default();
        if let Some(path) = &self.zone {
            let octets = input::content(path)?;
            zone.read(path, &String::from_utf8_lossy(&octets))?;
        }
        for (name, text) in &self.records {
            let record = Record::Txt(text.as_bytes().to_vec());
            zone.add(name, Entry::Record(record));
        }
        Ok(zone)
    }
}

impl Zone {
    fn read(&mut self, path: &Path, text: &str) -> Result<(), Complaint> {
        for (at, line) in text.lines().enumerate() {
            let words = words(line);
            let Some((name, rest)) = words.split_first() else {
                continue;
            };
            let name = &name.text;
            let entry = entry(rest).ok_or_else(|| {
                let what = format!("{}:{}: no record", path.display(), at + 1);
                Complaint::usage(what).next("a line is NAME TYPE VALUE: example.org A 192.0.2.1")
            })?;
            self.add(name, entry);
        }
        Ok(())
    }

    fn add(&mut self, name: &str, entry: Entry) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.0.entry(name).or_default().push(entry);
    }

    /// What it says to a question.
    pub(crate) fn answer(&self, question: &Question) -> Answer {
        let mut name = question.name().to_owned();
        for _ in 0..ALIASES_MAX {
            let Some(entries) = self.0.get(&name) else {
                return Answer::NoSuchName;
            };
            let mut records = Vec::new();
            let mut target = None;
            for entry in entries {
                match entry {
                    Entry::Silence => return Answer::Failed,
                    Entry::Alias(other) => target = Some(other.clone()),
                    Entry::Record(record) if kind(record) == question.kind() => {
                        records.push(record.clone());
                    }
                    Entry::Record(_) => {}
                }
            }
            match target {
                Some(other) => name = other,
                None if records.is_empty() => return Answer::NoData,
                None => return Answer::Records(records),
            }
        }
        Answer::Failed
    }
}

/// A word of a line; what is in quotes is one.
struct Word {
    text: String,
    quoted: bool,
}

fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ';' | '#' => break,
            '"' => {
                let mut text = String::new();
                while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
                    match letter {
                        '\\' => text.extend(letters.next()),
                        letter => text.push(letter),
                    }
                }
                let quoted = true;
                words.push(Word { text, quoted });
            }
            letter if letter.is_whitespace() || letter == '(' || letter == ')' => {}
            letter => {
                let mut text = String::from(letter);
                while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace()) {
                    text.push(letter);
                }
                let quoted = false;
                words.push(Word { text, quoted });
            }
        }
    }
    words
}

/// Reads what stands behind a name.
fn entry(words: &[Word]) -> Option<Entry> {
    let is_time = |word: &str| word.bytes().all(|octet| octet.is_ascii_digit());
    let skipped = words
        .iter()
        .take_while(|word| is_time(&word.text) || word.text.eq_ignore_ascii_case("in"));
    let (kind, rest) = words.get(skipped.count()..)?.split_first()?;
    // A text of several words must be in quotes: its spaces would be lost.
    let lost = rest.len() > 1 && rest.iter().any(|word| !word.quoted);
    let values: Vec<&str> = rest.iter().map(|word| word.text.as_str()).collect();
    let record = match (kind.text.to_ascii_uppercase().as_str(), values.as_slice()) {
        ("FAIL", []) => return Some(Entry::Silence),
        ("CNAME", [name]) => return Some(Entry::Alias(bare(name).to_ascii_lowercase())),
        ("A", [ip]) => Record::A(ip.parse().ok()?),
        ("AAAA", [ip]) => Record::Aaaa(ip.parse().ok()?),
        ("PTR", [name]) => Record::Ptr(bare(name)),
        ("TXT", [_, ..]) if !lost => Record::Txt(values.concat().into_bytes()),
        ("MX", [preference, exchange]) => Record::Mx {
            preference: preference.parse().ok()?,
            exchange: bare(exchange),
        },
        ("TLSA", [usage, selector, matching, data]) => Record::Tlsa(Tlsa {
            usage: usage.parse().ok()?,
            selector: selector.parse().ok()?,
            matching: matching.parse().ok()?,
            data: hexadecimal(data)?,
        }),
        _ => return None,
    };
    Some(Entry::Record(record))
}

/// The kind of question that a record answers.
const fn kind(record: &Record) -> Kind {
    match record {
        Record::A(_) => Kind::A,
        Record::Aaaa(_) => Kind::Aaaa,
        Record::Mx { .. } => Kind::Mx,
        Record::Ptr(_) => Kind::Ptr,
        Record::Txt(_) => Kind::Txt,
        Record::Tlsa(_) => Kind::Tlsa,
    }
}

fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_owned()
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_zone_files() {
        let mut zone = Zone::default();
        let text = "; comment\n\nExample.org. 300 IN TXT ( \"v=spf1; \" \"a\\\"b\" )\n\
            example.org MX 10 mx.example.org. ; the only one\nmx.example.org A 192.0.2.1\n\
            mx.example.org AAAA 2001:db8::1\nalias.example.org CNAME Example.org.\n\
            loop.example.org CNAME loop.example.org\nbad.example.org FAIL\n\
            _25._tcp.mx.example.org TLSA 3 1 1 abcd\n";
        zone.read(Path::new("z"), text).unwrap();
        let answer = |name: &str, kind| zone.answer(&Question::new(name, kind).unwrap());
        let text = Answer::Records(vec![Record::Txt(b"v=spf1; a\"b".to_vec())]);
        assert_eq!(answer("example.org", Kind::Txt), text);
        assert_eq!(answer("alias.example.org", Kind::Txt), text);
        assert_eq!(answer("example.org", Kind::A), Answer::NoData);
        assert_eq!(answer("nobody.example.org", Kind::A), Answer::NoSuchName);
        assert_eq!(answer("bad.example.org", Kind::A), Answer::Failed);
        assert_eq!(answer("loop.example.org", Kind::A), Answer::Failed);
        assert_eq!(answer("mx.example.org", Kind::A).addresses().count(), 1);
        let tlsa = answer("_25._tcp.mx.example.org", Kind::Tlsa);
        assert!(matches!(tlsa.records(), [Record::Tlsa(tlsa)] if tlsa.data == [0xab, 0xcd]));
        for wrong in [
            "a",
            "a A",
            "a A 1.2.3",
            "a MX mx.b",
            "a SRV 1",
            "a TLSA 3 1 1 x",
            "a TXT v=spf1 -all",
        ] {
            assert!(zone.read(Path::new("z"), wrong).is_err(), "{wrong}");
        }
    }
}
