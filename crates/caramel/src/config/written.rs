//! The configuration file as it was written: values with their places, and what is wrong there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};

use mail::{Address, Host, Network};
use net::Endpoint;
use post::Pattern;
use server::{Reach, UserPath};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::setting::{ALL, Kind, LISTS, SECTIONS, Setting};
use crate::complaint::Complaint;

/// Where name servers answer (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;

/// A file's values, each understood by itself.
#[derive(Debug)]
pub(crate) struct Written {
    /// What to call the file.
    name: String,
    text: String,
    pub(super) values: Table,
    /// Entries of sections that are lists.
    lists: Vec<(&'static str, Entry)>,
    flaws: Vec<Flaw>,
}

/// An entry of a list, and where it is written.
pub(super) type Entry = (Table, Range<usize>);

/// The values of one table, or of all but those in lists, by section and key.
pub(super) type Table = BTreeMap<(&'static str, &'static str), Value>;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) meaning: Meaning,
    /// As it is written in TOML.
    pub(super) shown: String,
    /// Where it is written; empty for a default.
    pub(super) span: Range<usize>,
}

impl Value {
    /// The number that it is, if it is one.
    pub(super) const fn number(&self) -> Option<u64> {
        match self.meaning {
            Meaning::Number(number) => Some(number),
            _ => None,
        }
    }
}

/// What a value means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Host(Host),
    Mail(Address),
    Path(PathBuf),
    /// Octets, seconds, or how many.
    Number(u64),
    Endpoint(Endpoint),
    /// One of the words there are, a name, or a URL.
    Word(String),
    Switch(bool),
    Server(SocketAddr),
    Many(Vec<Self>),
    Network(Network),
    Ip(IpAddr),
    Pattern(Pattern),
    Reach(Reach),
    UserPath(UserPath),
}

/// Something wrong at a place.
#[derive(Debug)]
struct Flaw {
    span: Range<usize>,
    what: String,
    hint: String,
}

impl Written {
    /// Reads a file's text; what is wrong is kept until [`Self::complaint`] is asked.
    pub(super) fn read(name: &str, text: String) -> Self {
        let mut written = Self {
            name: name.to_owned(),
            text,
            values: Table::new(),
            lists: Vec::new(),
            flaws: Vec::new(),
        };
        let text = std::mem::take(&mut written.text);
        match DeTable::parse(&text) {
            Ok(table) => written.top(&text, table.get_ref()),
            Err(error) => {
                let what = error.message().to_owned();
                written.flaw(error.span().unwrap_or_default(), what, "");
            }
        }
        written.text = text;
        written
    }

    /// Notes that something is wrong there.
    pub(super) fn flaw(&mut self, span: Range<usize>, what: String, hint: impl Into<String>) {
        let hint = hint.into();
        self.flaws.push(Flaw { span, what, hint });
    }

    /// All that is wrong, if anything is.
    pub(super) fn complaint(&self) -> Option<Complaint> {
        let first = self.flaws.first()?;
        let mut words = String::new();
        for flaw in &self.flaws {
            self.show(flaw, &mut words);
        }
        let count = self.flaws.len();
        let count = if count == 1 {
            "a mistake".to_owned()
        } else {
            format!("{count} mistakes")
        };
        let (line, _) = self.place(first.span.start);
        let complaint = Complaint::usage(format!("the configuration has {count}\n{words}"));
        Some(complaint.next(format!(
            "mend line {line}, then `caramel --config {} config check`",
            self.name
        )))
    }

    /// File, line and column, the line itself, a caret below it, and a hint.
    fn show(&self, flaw: &Flaw, words: &mut String) {
        let (line, column) = self.place(flaw.span.start);
        let text = self.text.lines().nth(line - 1).unwrap_or_default();
        let rest = text.chars().count().saturating_sub(column - 1).max(1);
        let marked = self.text.get(flaw.span.clone()).unwrap_or_default();
        let marked = marked.lines().next().unwrap_or_default().chars().count();
        let carets = "^".repeat(marked.clamp(1, rest));
        let _written = writeln!(words, "{}:{line}:{column}: {}", self.name, flaw.what);
        let _written = writeln!(words, "{line:>5} | {text}");
        let _written = writeln!(words, "      | {}{carets}", " ".repeat(column - 1));
        if !flaw.hint.is_empty() {
            let _written = writeln!(words, "      = {}", flaw.hint);
        }
    }

    /// Line and column, from 1.
    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        (line, column)
    }

    fn top(&mut self, text: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let section = SECTIONS.iter().map(|(section, _)| *section);
            let section = section
                .filter(|section| !section.is_empty() && !section.contains('.'))
                .find(|known| *known == name);
            match (section, value.get_ref()) {
                (Some(list), DeValue::Array(entries)) if LISTS.contains(&list) => {
                    for entry in entries {
                        self.entry(text, list, entry);
                    }
                }
                (Some(list), _) if LISTS.contains(&list) => {
                    let hint = format!("each {list} is a table: [[{list}]]");
                    self.flaw(key.span(), format!("{list} is not a list"), hint);
                }
                (Some(section), DeValue::Table(inner)) => {
                    self.tables_inside(text, section, inner);
                    let read = self.section(text, section, inner);
                    self.values.extend(read);
                }
                (Some(section), _) => {
                    let what = format!("{section} is not a table");
                    self.flaw(key.span(), what, format!("[{section}]"));
                }
                (None, _) => {
                    let read = self.setting(text, "", key, value);
                    self.values.extend(read);
                }
            }
        }
    }

    fn entry(&mut self, text: &str, list: &'static str, entry: &Spanned<DeValue<'_>>) {
        match entry.get_ref() {
            DeValue::Table(table) => {
                let read = self.section(text, list, table);
                self.lists.push((list, (read, entry.span())));
            }
            _ => {
                let hint = format!("each {list} is a table: [[{list}]]");
                self.flaw(entry.span(), "this is not a table".to_owned(), hint);
            }
        }
    }

    /// The entries of a list, in their order; they are told once.
    pub(super) fn take_list(&mut self, list: &str) -> Vec<Entry> {
        let (taken, left) = std::mem::take(&mut self.lists)
            .into_iter()
            .partition(|(name, _)| *name == list);
        self.lists = left;
        let taken: Vec<(&str, Entry)> = taken;
        taken.into_iter().map(|(_, entry)| entry).collect()
    }

    /// The tables inside one: those of `[[relay.route]]`, or `[sieve.spamtest]`.
    fn tables_inside(&mut self, text: &str, section: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let Some(inner) = section_inside(section, key.get_ref()) else {
                continue;
            };
            let name = key.get_ref();
            match (value.get_ref(), LISTS.contains(&inner)) {
                (DeValue::Array(entries), true) => {
                    for entry in entries {
                        self.entry(text, inner, entry);
                    }
                }
                (DeValue::Table(table), false) => {
                    let read = self.section(text, inner, table);
                    self.values.extend(read);
                }
                (_, true) => {
                    let hint = format!("each {name} is a table: [[{inner}]]");
                    self.flaw(key.span(), format!("{name} is not a list"), hint);
                }
                (_, false) => {
                    let what = format!("{name} is not a table");
                    self.flaw(key.span(), what, format!("[{inner}]"));
                }
            }
        }
    }

    fn section(&mut self, text: &str, section: &str, table: &DeTable<'_>) -> Table {
        let is_table =
            |key: &Spanned<Cow<'_, str>>| section_inside(section, key.get_ref()).is_some();
        let entries = table.iter().filter(|(key, _)| !is_table(key));
        entries
            .filter_map(|(key, value)| self.setting(text, section, key, value))
            .collect()
    }

    fn setting(
        &mut self,
        text: &str,
        section: &str,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<((&'static str, &'static str), Value)> {
        let name: &str = key.get_ref();
        let known = || ALL.iter().filter(|setting| setting.section == section);
        let Some(setting) = known().find(|setting| setting.key == name) else {
            let names: Vec<&str> = known().map(|setting| setting.key).collect();
            let tables = SECTIONS.iter().map(|(section, _)| *section);
            let tables = tables.filter(|_| section.is_empty());
            let all: Vec<&str> = names.iter().copied().chain(tables).collect();
            let hint = match nearest(name, &all) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", names.join(", ")),
            };
            self.flaw(key.span(), format!("there is no setting `{name}`"), hint);
            return None;
        };
        let shown = text.get(value.span()).unwrap_or_default();
        match understand(setting, value.get_ref()) {
            Some(meaning) => {
                let shown = shown.to_owned();
                let span = value.span();
                let value = Value {
                    meaning,
                    shown,
                    span,
                };
                Some(((setting.section, setting.key), value))
            }
            None => {
                let what = format!("{shown} is not what `{name}` can be");
                self.flaw(value.span(), what, setting.kind.expected());
                None
            }
        }
    }
}

/// The section that stands inside another under this key.
fn section_inside(section: &str, key: &str) -> Option<&'static str> {
    let mut sections = SECTIONS.iter().map(|(name, _)| *name);
    sections.find(|name| name.split_once('.') == Some((section, key)))
}

/// What a setting is where it is not written.
pub(super) fn default(setting: &Setting) -> Option<Value> {
    let parsed = DeValue::parse(setting.default).ok()?;
    Some(Value {
        meaning: understand(setting, parsed.get_ref())?,
        shown: setting.default.to_owned(),
        span: 0..0,
    })
}

fn understand(setting: &Setting, value: &DeValue<'_>) -> Option<Meaning> {
    meaning(setting.kind, value)
}

fn meaning(kind: Kind, value: &DeValue<'_>) -> Option<Meaning> {
    let text = value.as_str();
    Some(match kind {
        Kind::Host => match Host::parse(text?).ok()? {
            host @ Host::Domain(_) => Meaning::Host(host),
            Host::Ip(_) => return None,
        },
        Kind::Mail => Meaning::Mail(Address::parse(text?).ok()?),
        Kind::Path => Meaning::Path(text.filter(|text| !text.is_empty())?.into()),
        Kind::Count => Meaning::Number(number(value).filter(|number| *number > 0)?),
        Kind::Size => Meaning::Number(match text {
            Some(text) => octets(text)?,
            None => number(value)?,
        }),
        Kind::Span => Meaning::Number(span(text?)?),
        Kind::Word(words) => {
            let word = text.filter(|text| words.contains(text))?;
            Meaning::Word(word.to_owned())
        }
        Kind::Name => Meaning::Word(text.filter(|text| is_name(text))?.to_owned()),
        Kind::Text => Meaning::Word(text.filter(|text| is_text(text))?.to_owned()),
        Kind::Https => {
            let url = text.filter(|text| is_name(text))?;
            let rest = url.strip_prefix("https://")?;
            Meaning::Word((!rest.is_empty()).then(|| url.to_owned())?)
        }
        Kind::Switch => Meaning::Switch(value.as_bool()?),
        Kind::Endpoint => Meaning::Endpoint(endpoint(text?)?),
        Kind::Server => Meaning::Server(server(text?)?),
        Kind::Many(kind) => {
            let entries = value.as_array()?.iter();
            let all = entries.map(|entry| meaning(*kind, entry.get_ref()));
            Meaning::Many(all.collect::<Option<_>>()?)
        }
        Kind::Network => Meaning::Network(Network::parse(text?)?),
        Kind::Ip => Meaning::Ip(text?.parse().ok()?),
        Kind::Pattern => Meaning::Pattern(Pattern::parse(text?)?),
        Kind::Reach => Meaning::Reach(reach(text?)?),
        Kind::UserPath => Meaning::UserPath(UserPath::parse(text?)?),
        Kind::UserSocket => Meaning::UserPath(UserPath::parse(text?.strip_prefix("unix:")?)?),
    })
}

/// A host with its port, or a socket of this machine: `unix:/run/dovecot/lmtp`.
fn reach(text: &str) -> Option<Reach> {
    if text.starts_with("unix:") {
        return match endpoint(text)? {
            Endpoint::Unix(path) => Some(Reach::Socket(path)),
            Endpoint::Tcp(_) => None,
        };
    }
    host_port(text).map(|(host, port)| Reach::Host(host, port))
}

/// A host with its port: `smtp.example.org:587`, `192.0.2.1:25` or `[2001:db8::1]:25`.
fn host_port(text: &str) -> Option<(Host, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    let address = host.parse::<Ipv4Addr>().map(IpAddr::V4).or_else(|_| {
        let inside = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        inside.unwrap_or_default().parse()
    });
    // Without this an address would be looked up as a name.
    let host = match address {
        Ok(ip) => Host::Ip(ip),
        Err(_) => Host::parse(host).ok()?,
    };
    Some((host, port))
}

/// True for letters that need no quoting wherever a name is told.
// RFC 6749 §3.3
fn is_name(text: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\');
    !text.is_empty() && text.bytes().all(plain)
}

fn is_text(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

fn number(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// `500M`, `2G`.
pub(super) fn octets(text: &str) -> Option<u64> {
    scaled(text, &[("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)])
}

/// `30s`, `5m`.
pub(super) fn span(text: &str) -> Option<u64> {
    scaled(text, &[("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)])
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    digits.trim_end().parse::<u64>().ok()?.checked_mul(factor)
}

fn endpoint(text: &str) -> Option<Endpoint> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Path::new(path)
            .is_absolute()
            .then(|| Endpoint::Unix(path.into()));
    }
    text.parse::<SocketAddr>().ok().map(Endpoint::Tcp)
}

/// The address of a name server.
fn server(text: &str) -> Option<SocketAddr> {
    let bare = || Some(SocketAddr::new(text.parse().ok()?, DNS_PORT));
    text.parse().ok().or_else(bare)
}

/// The known word that is at most two letters away.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate));
    let (distance, candidate) = near.min()?;
    (distance <= 2).then_some(candidate)
}

/// How many letters have to be put in, taken out or changed.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.chars().enumerate() {
        let mut diagonal = at;
        let mut before = at + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (other, cell) in right.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(*other != letter);
            diagonal = *cell;
            before = changed.min(*cell + 1).min(before + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (left, right, expected) in [
            ("", "abc", 3),
            ("hostnam", "hostname", 1),
            ("mesage", "message", 1),
            ("a", "a", 0),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn sizes_and_spans() {
        let units = [("K", 1 << 10), ("M", 1 << 20)];
        assert_eq!(scaled("50M", &units), Some(50 << 20));
        assert_eq!(scaled("1 K", &units), Some(1024));
        assert_eq!(scaled("50", &units), None);
        assert_eq!(scaled("M", &units), None);
        assert_eq!(scaled("-1M", &units), None);
    }

    #[test]
    fn hosts_with_their_ports() {
        for (text, expected) in [
            ("smtp.example.org:587", "smtp.example.org 587"),
            ("192.0.2.1:25", "[192.0.2.1] 25"),
            ("[192.0.2.1]:25", "[192.0.2.1] 25"),
            ("[2001:db8::1]:465", "[IPv6:2001:db8::1] 465"),
            ("[IPv6:2001:db8::1]:465", "[IPv6:2001:db8::1] 465"),
        ] {
            let (host, port) = host_port(text).unwrap();
            assert_eq!(format!("{host} {port}"), expected, "{text}");
        }
        for text in ["smtp.example.org", "smtp.example.org:0", ":25", "[]:25"] {
            assert_eq!(host_port(text), None, "{text}");
        }
        for (text, expected) in [
            ("a.example:24", Some("a.example:24")),
            ("unix:/run/lmtp", Some("unix:/run/lmtp")),
            ("unix:run/lmtp", None),
            ("unix:24", None),
        ] {
            let found = reach(text).map(|reach| reach.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn every_default_and_every_example_is_right() {
        for setting in ALL {
            assert!(
                setting.default.is_empty() || default(setting).is_some(),
                "{setting:?}"
            );
            let example = DeValue::parse(setting.example).unwrap();
            assert!(
                understand(setting, example.get_ref()).is_some(),
                "{setting:?}"
            );
        }
    }
}
