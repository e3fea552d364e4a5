//! Address lists of header fields (RFC 5322 §3.4, §4.4), with groups, comments and routes.
//!
//! Read leniently: whatever stands between two commas becomes one entry. Not here: addresses of
//! the envelope, which are `mail::Address` and strict.

mod grammar;

pub use grammar::{AddressVerdict, judge_address};

use mail::{Address, Host, LocalPart};

use crate::encoded_word::{decode_words, decode_words_noting};
use crate::leniency::{Leniencies, Leniency};
use crate::scan::{Scan, is_space, unescaped};
use grammar::Form;

/// One entry of an address list; texts are raw octets, unquoted and unfolded, never decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Correspondent {
    /// A person: `name <@route:local@host>`.
    Mailbox {
        /// The display name, or the comment behind a bare address.
        name: Option<Vec<u8>>,
        /// An obsolete source route: `@a.example,@b.example`.
        route: Option<Vec<u8>>,
        /// The local part without quotes.
        local: Vec<u8>,
        /// The domain; empty where the entry has none.
        host: Vec<u8>,
    },
    /// A group of this name begins.
    GroupStart(Vec<u8>),
    /// The group ends.
    GroupEnd,
}

impl Correspondent {
    /// The address as the house knows it, where it is one.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        let Self::Mailbox { local, host, .. } = self else {
            return None;
        };
        Some(Address {
            local: LocalPart::new(std::str::from_utf8(local).ok()?)?,
            host: Host::parse(std::str::from_utf8(host).ok()?).ok()?,
        })
    }

    /// The decoded text a search looks into: `name <local@host>`, or the group's name.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Mailbox {
                name, local, host, ..
            } => {
                let local = decode_words(local);
                let host = decode_words(host);
                let at = if host.is_empty() { "" } else { "@" };
                match name {
                    Some(name) => format!("{} <{local}{at}{host}>", decode_words(name)),
                    None => format!("{local}{at}{host}"),
                }
            }
            Self::GroupStart(name) => decode_words(name).into_owned(),
            Self::GroupEnd => String::new(),
        }
    }
}

/// Reads the value of a From, To, … field; never fails, at most `max` entries.
#[must_use]
pub fn parse_addresses(value: &[u8], max: usize) -> Vec<Correspondent> {
    let mut list = Vec::new();
    read_into(value, max, &mut list);
    list
}

/// The same as RFC 8621 §4.1.2.3 has it: only a comment behind an address is its name, and a name
/// holds NUL, which no field does, beside whatever RFC 2047 §5 does not let be an encoded word: in
/// quotes, or glued to them or to what follows the name.
pub(crate) fn parse_addresses_marking(value: &[u8], max: usize) -> Vec<Correspondent> {
    let mut list = Vec::new();
    Reader::new(value, true).read(max, &mut list);
    for one in &mut list {
        if let Correspondent::Mailbox { local, host, .. } = one {
            local.retain(|&octet| octet != 0);
            host.retain(|&octet| octet != 0);
        }
    }
    list
}

/// The same, and adds what had to be repaired in the list and in its names.
#[must_use]
pub fn parse_addresses_noting(
    value: &[u8],
    max: usize,
    noted: &mut Leniencies,
) -> Vec<Correspondent> {
    let list = parse_addresses(value, max);
    match grammar::form(&crate::header::unfold(value)) {
        Form::Current => {}
        Form::Obsolete => noted.add(Leniency::AddressObsolete),
        Form::Broken => noted.add(Leniency::AddressRepaired),
    }
    if quotes_encoded_word(value) {
        noted.add(Leniency::EncodedWordMisplaced);
    }
    for one in &list {
        if let Correspondent::Mailbox {
            name: Some(name), ..
        }
        | Correspondent::GroupStart(name) = one
        {
            decode_words_noting(name, noted);
        }
    }
    list
}

/// True if a quoted string holds what looks like an encoded word (RFC 2047 §5 forbids it).
fn quotes_encoded_word(value: &[u8]) -> bool {
    let mut scan = Scan::new(value);
    while !scan.rest().is_empty() {
        scan.until(|octet| matches!(octet, b'"' | b'('));
        if scan.peek() == Some(b'(') {
            scan.comment();
        } else if scan.take(b'"') && memchr::memmem::find(&scan.quoted(), b"=?").is_some() {
            return true;
        }
    }
    false
}

/// Appends the value's entries until the list has `max`, then closes an open group.
pub(crate) fn read_into(value: &[u8], max: usize, list: &mut Vec<Correspondent>) {
    Reader::new(value, false).read(max, list);
}

/// What has been read of one entry.
#[derive(Default)]
struct Entry {
    /// Words outside angle brackets, one space between them, quotes and comments taken out.
    words: Vec<u8>,
    /// Where in `words` the first bare `@` stands.
    at: Option<usize>,
    /// A space is due before the next word.
    spaced: bool,
    comment: Option<Vec<u8>>,
    angle: Option<Angle>,
}

#[derive(Default)]
struct Angle {
    route: Option<Vec<u8>>,
    spec: Vec<u8>,
    at: Option<usize>,
}

struct Reader<'a> {
    scan: Scan<'a>,
    entry: Entry,
    in_group: bool,
    /// Marks what is no encoded word, and leaves comments in front of addresses out.
    marking: bool,
}

impl<'a> Reader<'a> {
    fn new(value: &'a [u8], marking: bool) -> Self {
        Self {
            scan: Scan::new(value),
            entry: Entry::default(),
            in_group: false,
            marking,
        }
    }

    fn read(mut self, max: usize, list: &mut Vec<Correspondent>) {
        while list.len() < max && self.step(list) {}
        if self.in_group {
            list.push(Correspondent::GroupEnd);
        }
    }

    /// Reads one element; false at the end.
    fn step(&mut self, list: &mut Vec<Correspondent>) -> bool {
        let text = self.scan.until(is_mark);
        if !text.is_empty() {
            self.word(text);
        }
        if self.scan.peek() == Some(b'(') {
            let comment = self.comment();
            self.entry.spaced = true;
            if !self.marking || self.entry.has_begun() {
                self.entry.comment.get_or_insert(comment);
            }
            return true;
        }
        let Some(octet) = self.scan.bump() else {
            self.entry.finish(list);
            return false;
        };
        match octet {
            b',' => self.entry.finish(list),
            b';' => {
                self.entry.finish(list);
                if std::mem::take(&mut self.in_group) {
                    list.push(Correspondent::GroupEnd);
                }
            }
            b':' if !self.in_group && self.entry.may_be_group() => {
                self.in_group = true;
                self.end_name();
                let name = std::mem::take(&mut self.entry).words;
                list.push(Correspondent::GroupStart(name));
            }
            b'<' if self.entry.angle.is_none() => {
                self.end_name();
                self.entry.angle = Some(self.angle());
            }
            b'"' => {
                let text = self.scan.quoted();
                let nothing = text.is_empty() && self.entry.words.is_empty();
                let marks = self.marking && !nothing;
                self.word(&if marks { marked(&text) } else { text });
            }
            b'@' => {
                self.entry.at.get_or_insert(self.entry.words.len());
                self.entry.spaced = false;
                self.entry.words.push(b'@');
            }
            0 => {}
            _ if octet.is_ascii_whitespace() => self.entry.spaced = true,
            _ => self.word(&[octet]),
        }
        true
    }

    fn word(&mut self, text: &[u8]) {
        if self.marking {
            // Not at the end, the comment was not behind the address.
            self.entry.comment = None;
        }
        self.entry.word(text);
    }

    /// The name is complete; what stands at its end without white space behind it is marked.
    fn end_name(&mut self) {
        if self.marking && !self.entry.spaced && !self.entry.words.is_empty() {
            self.entry.words.push(0);
        }
    }

    /// The text of the comment here; inner ones stay in the text.
    fn comment(&mut self) -> Vec<u8> {
        unescaped(self.scan.comment().trim_ascii())
    }

    /// What stands in angle brackets; a comma ends it too, as the world forgets brackets.
    fn angle(&mut self) -> Angle {
        let mut angle = Angle::default();
        loop {
            let text = self.scan.until(is_mark);
            angle.spec.extend_from_slice(text);
            let routed = angle.spec.first() == Some(&b'@');
            match self.scan.peek() {
                None => break,
                Some(b',') if !routed => break,
                Some(b'(') => {
                    self.scan.comment();
                    continue;
                }
                Some(_) => {}
            }
            match self.scan.bump().unwrap_or_default() {
                b'>' => break,
                b':' if routed => {
                    angle.route = Some(std::mem::take(&mut angle.spec));
                    angle.at = None;
                }
                b'"' => angle.spec.extend(self.scan.quoted()),
                b'@' => {
                    angle.at = Some(angle.spec.len());
                    angle.spec.push(b'@');
                }
                octet if is_space(octet) => {}
                octet => angle.spec.push(octet),
            }
        }
        angle
    }
}

/// The text of a quoted string with NULs around it and in whatever may look like an encoded word.
fn marked(quoted: &[u8]) -> Vec<u8> {
    let mut text = vec![0];
    for &octet in quoted {
        if octet == b'?' && text.ends_with(b"=") {
            text.push(0);
        }
        text.push(octet);
    }
    text.push(0);
    text
}

/// What is no plain text in a list.
const fn is_mark(octet: u8) -> bool {
    is_space(octet) || matches!(octet, b',' | b';' | b':' | b'<' | b'>' | b'(' | b'"' | b'@')
}

impl Entry {
    fn word(&mut self, text: &[u8]) {
        let glued = self.at.is_some_and(|at| at + 1 == self.words.len());
        if std::mem::take(&mut self.spaced) && !self.words.is_empty() && !glued {
            self.words.push(b' ');
        }
        self.words.extend_from_slice(text);
    }

    const fn has_begun(&self) -> bool {
        !self.words.is_empty() || self.angle.is_some()
    }

    const fn may_be_group(&self) -> bool {
        self.at.is_none() && self.angle.is_none()
    }

    /// Turns what was read into an entry of the list, unless it is nothing.
    fn finish(&mut self, list: &mut Vec<Correspondent>) {
        let Self {
            words,
            at,
            comment,
            angle,
            ..
        } = std::mem::take(self);
        let (name, route, mut spec, at) = match angle {
            Some(angle) => (Some(words), angle.route, angle.spec, angle.at),
            None => (None, None, words, at),
        };
        let host = at.and_then(|at| spec.get(at + 1..)).map(domain);
        let host = host.unwrap_or_default();
        spec.truncate(at.unwrap_or(spec.len()));
        let local = match spec.as_slice() {
            [b' ', ..] | [.., b' '] => spec.trim_ascii().to_vec(),
            _ => spec,
        };
        let named = name.filter(|name| !name.is_empty());
        if named.is_none() && local.is_empty() && host.is_empty() {
            return;
        }
        let name = named.or(comment).filter(|name| !name.is_empty());
        list.push(Correspondent::Mailbox {
            name,
            route,
            local,
            host,
        });
    }
}

/// The domain's first word; obsolete white space around its dots goes (RFC 5322 §4.4).
fn domain(words: &[u8]) -> Vec<u8> {
    if !words.iter().any(u8::is_ascii_whitespace) {
        return words.to_vec();
    }
    let mut domain: Vec<u8> = Vec::new();
    for word in words.split(u8::is_ascii_whitespace) {
        let joins = domain.is_empty() || domain.ends_with(b".") || word.starts_with(b".");
        if !word.is_empty() && !joins {
            break;
        }
        domain.extend_from_slice(word);
    }
    domain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> String {
        let list = parse_addresses(value.as_bytes(), 100);
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let show = |one: &Correspondent| match one {
            Correspondent::Mailbox {
                name,
                route,
                local,
                host,
            } => {
                let name = name.as_deref().map_or_else(String::new, text);
                let route = route.as_deref().map(|route| text(route) + ":");
                let route = route.unwrap_or_default();
                format!("{name}<{route}{}@{}>", text(local), text(host))
            }
            Correspondent::GroupStart(name) => format!("[{}", text(name)),
            Correspondent::GroupEnd => "]".to_owned(),
        };
        list.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_examples_of_rfc_5322_appendix_a() {
        let cases = [
            (
                "John Doe <jdoe@machine.example>",
                "John Doe<jdoe@machine.example>",
            ),
            (
                "\"Joe Q. Public\" <john.q.public@example.com>",
                "Joe Q. Public<john.q.public@example.com>",
            ),
            (
                "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
                "Mary Smith<mary@x.test> <jdoe@example.org> Who?<one@y.test>",
            ),
            (
                "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
                r#"<boss@nil.test> Giant; "Big" Box<sysservices@example.net>"#,
            ),
            (
                "A Group:Ed Jones <c@a.test>,joe@where.test;",
                "[A Group Ed Jones<c@a.test> <joe@where.test> ]",
            ),
            ("Undisclosed recipients:;", "[Undisclosed recipients ]"),
            (
                "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
                "Pete<pete@silly.test>",
            ),
            (
                "A Group(Some people)\r\n :Chris Jones <c@(Chris's host.)public.example>,\r\n \
                 joe@example.org; (the end of the group)",
                "[A Group Chris Jones<c@public.example> <joe@example.org> ]",
            ),
            (
                "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
                "[Hidden recipients ]",
            ),
            (
                "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
                "Mary Smith<@node.test:mary@example.net> <jdoe@test.example>",
            ),
            (
                "John Doe <jdoe@machine(comment).  example>",
                "John Doe<jdoe@machine.example>",
            ),
        ];
        for (value, list) in cases {
            assert_eq!(shown(value), list, "{value}");
        }
    }

    #[test]
    fn what_the_world_writes() {
        let cases = [
            ("ada@example.org (Ada L.)", "Ada L.<ada@example.org>"),
            (
                "phil@example.com <phil@example.com>",
                "phil@example.com<phil@example.com>",
            ),
            ("<a@b, c@d>", "<a@b> <c@d>>"),
            ("a@b; c@d", "<a@b> <c@d>"),
            ("nobody", "<nobody@>"),
            ("\"a b\"@c.example", "<a b@c.example>"),
            ("team: a@b", "[team <a@b> ]"),
            ("<>", ""),
            (" , ;,", ""),
            (
                "x <@a.example,@b.example:y@c>",
                "x<@a.example,@b.example:y@c>",
            ),
        ];
        for (value, list) in cases {
            assert_eq!(shown(value), list, "{value}");
        }
    }

    #[test]
    fn repairs_are_named() {
        use Leniency::{
            AddressObsolete, AddressRepaired, EncodedWordMisplaced, EncodedWordSpaced, RawHeader,
        };
        let cases: &[(&[u8], &[Leniency])] = &[
            (b"Ada <ada@example.org>,\n g: a@b;", &[]),
            (b"a@b,, J. Doe <c@d>", &[AddressObsolete]),
            (b"<@x.example:c@d>", &[AddressObsolete]),
            (b"a@b; c@d", &[AddressRepaired]),
            (b"Ada <ada@example.org", &[AddressRepaired]),
            (b"=?utf-8?q?Ada?= <a@b>", &[]),
            (b"\"=?utf-8?q?Ada?=\" <a@b>", &[EncodedWordMisplaced]),
            (
                b"\"=?utf-8?q?Ad a?=\" <a@b>",
                &[EncodedWordMisplaced, EncodedWordSpaced],
            ),
            (b"J\xf6rg <a@b>", &[RawHeader, AddressRepaired]),
        ];
        for (value, expected) in cases {
            let mut noted = Leniencies::NONE;
            let list = parse_addresses_noting(value, 100, &mut noted);
            assert_eq!(list, parse_addresses(value, 100));
            let expected: Leniencies = expected.iter().copied().collect();
            assert_eq!(noted, expected, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn addresses_become_the_house_s_own() {
        let list = parse_addresses(b"Ada <\"a b\"@Example.ORG>, x@, g:;", 100);
        let known: Vec<_> = list.iter().filter_map(Correspondent::address).collect();
        assert_eq!(known, [Address::parse("\"a b\"@example.org").unwrap()]);
        assert_eq!(
            list.first().map(Correspondent::text).as_deref(),
            Some("Ada <a b@Example.ORG>")
        );
        assert_eq!(parse_addresses(b"a@b,c@d,e@f", 2).len(), 2);
    }
}
