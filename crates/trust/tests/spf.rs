//! The openspf.org test suite for RFC 7208, where it is there (`CARAMEL_VECTORS`).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

use std::collections::HashMap;

use serde::Deserialize as _;
use serde_norway::Value;
use trust::spf::Spf;
use trust::{Answer, Answers, Check as _, Kind, Question, Record};

#[path = "made/vectors.rs"]
mod vectors;

/// Cases whose result is meant to differ, each with the reason.
const JUDGED: &[(&str, &str)] = &[];

/// Aliases of aliases that the suite's DNS follows.
const ALIASES_MAX: u32 = 8;

/// The suite's DNS: a name has records, and may fail for what it has no record of.
struct Zone(HashMap<String, Vec<Entry>>);

enum Entry {
    Record(Kind, Record),
    /// The name is another's: what a resolver follows.
    Alias(String),
    Silence,
}

impl Zone {
    fn read(data: &Value) -> Self {
        let mut zone = HashMap::new();
        for (name, entries) in data.as_mapping().unwrap() {
            let name = name.as_str().unwrap().trim_end_matches('.');
            let list: Vec<&Value> = entries.as_sequence().unwrap().iter().collect();
            let texts = list.iter().any(|entry| !entry["TXT"].is_null());
            let read = list.iter().flat_map(|entry| entry_of(entry, texts));
            zone.insert(name.to_ascii_lowercase(), read.collect());
        }
        Self(zone)
    }

    fn answer(&self, question: &Question) -> Answer {
        self.follow(question, ALIASES_MAX)
    }

    fn follow(&self, question: &Question, aliases: u32) -> Answer {
        let Some(entries) = self.0.get(question.name()) else {
            return Answer::NoSuchName;
        };
        for entry in entries {
            if let Entry::Alias(target) = entry {
                let other = Question::new(target, question.kind());
                return match (other, aliases) {
                    (Some(other), 1..) => self.follow(&other, aliases - 1),
                    _ => Answer::NoData,
                };
            }
        }
        let records: Vec<Record> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Record(kind, record) if *kind == question.kind() => Some(record.clone()),
                _ => None,
            })
            .collect();
        let silent = entries.iter().any(|entry| matches!(entry, Entry::Silence));
        match records.is_empty() {
            false => Answer::Records(records),
            true if silent => Answer::Failed,
            true => Answer::NoData,
        }
    }
}

/// Records of type SPF are those of type TXT, unless the name has some of that type (the suite's
/// own rule).
fn entry_of(entry: &Value, texts: bool) -> Option<Entry> {
    if entry.as_str() == Some("TIMEOUT") {
        return Some(Entry::Silence);
    }
    let (kind, value) = entry.as_mapping().unwrap().iter().next().unwrap();
    let text = || octets(value.as_str().unwrap());
    Some(match kind.as_str().unwrap() {
        "SPF" if texts => return None,
        // No such record, even if there is one of the old kind.
        "TXT" if value.as_str() == Some("NONE") => return None,
        "SPF" | "TXT" => Entry::Record(
            Kind::Txt,
            Record::Txt(match value.as_sequence() {
                Some(parts) => parts
                    .iter()
                    .flat_map(|part| octets(part.as_str().unwrap()))
                    .collect(),
                None => text(),
            }),
        ),
        "A" => Entry::Record(Kind::A, Record::A(value.as_str().unwrap().parse().unwrap())),
        "AAAA" => Entry::Record(
            Kind::Aaaa,
            Record::Aaaa(value.as_str().unwrap().parse().unwrap()),
        ),
        "CNAME" => Entry::Alias(value.as_str().unwrap().to_owned()),
        "PTR" => Entry::Record(Kind::Ptr, Record::Ptr(value.as_str().unwrap().to_owned())),
        "MX" => Entry::Record(
            Kind::Mx,
            Record::Mx {
                preference: u16::try_from(value[0].as_u64().unwrap()).unwrap(),
                exchange: value[1].as_str().unwrap().to_owned(),
            },
        ),
        other => panic!("{other}"),
    })
}

/// The suite writes octets as characters up to 255.
fn octets(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| u8::try_from(u32::from(letter)).unwrap())
        .collect()
}

#[test]
fn the_suite_of_openspf() {
    let Some(folder) = vectors::folder("spf-rfc7208") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("rfc7208-tests.yml")).unwrap();
    let (mut cases, mut different) = (0, Vec::new());
    for document in serde_norway::Deserializer::from_str(&text) {
        let document = Value::deserialize(document).unwrap();
        let zone = Zone::read(&document["zonedata"]);
        for (name, test) in document["tests"].as_mapping().unwrap() {
            cases += 1;
            let name = name.as_str().unwrap();
            if let Some(what) = difference(test, &zone)
                && !JUDGED.iter().any(|(judged, _)| *judged == name)
            {
                different.push(format!("{name}: {what}"));
            }
        }
    }
    assert!(cases > 200, "{cases}");
    assert!(
        different.is_empty(),
        "of {cases}:\n{}",
        different.join("\n")
    );
}

fn difference(test: &Value, zone: &Zone) -> Option<String> {
    let word = |key: &str| test[key].as_str().unwrap_or_default();
    let ip = word("host").parse().unwrap();
    let spf = Spf::mail_from(ip, word("helo"), word("mailfrom")).checked_by("receiver.example", 9);
    let verdict = spf.settle(&mut Answers::default(), |question| zone.answer(question));
    let outcome = verdict.outcome.to_string();
    let expected = match &test["result"] {
        Value::Sequence(any) => any.clone(),
        one => vec![one.clone()],
    };
    if !expected.iter().any(|one| one.as_str() == Some(&outcome)) {
        return Some(format!("{verdict:?} and not {expected:?}"));
    }
    let explanation = verdict.explanation.as_deref().unwrap_or("DEFAULT");
    let expected = test["explanation"].as_str()?;
    (!explanation.eq_ignore_ascii_case(expected))
        .then(|| format!("{explanation:?} and not {expected:?}"))
}
