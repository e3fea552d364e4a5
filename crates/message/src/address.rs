//! Address lists of header fields (RFC 5322 §3.4, §4.4), with groups, comments and routes.
//!
//! Read leniently: whatever stands between two commas becomes one entry. Not here: addresses of
//! the envelope, which are `mail::Address` and strict.

use mail::{Address, Host, LocalPart};

use crate::encoded_word::decode_words;

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
            Self::GroupStart(name) => decode_words(name),
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

/// Appends the value's entries until the list has `max`, then closes an open group.
pub(crate) fn read_into(value: &[u8], max: usize, list: &mut Vec<Correspondent>) {
    let mut reader = Reader {
        rest: value,
        entry: Entry::default(),
        in_group: false,
    };
    while list.len() < max && reader.step(list) {}
    if reader.in_group {
        list.push(Correspondent::GroupEnd);
    }
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
    rest: &'a [u8],
    entry: Entry,
    in_group: bool,
}

impl Reader<'_> {
    /// Reads one element; false at the end.
    fn step(&mut self, list: &mut Vec<Correspondent>) -> bool {
        let Some(octet) = self.bump() else {
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
                let name = std::mem::take(&mut self.entry).words;
                list.push(Correspondent::GroupStart(name));
            }
            b'<' if self.entry.angle.is_none() => self.entry.angle = Some(self.angle()),
            b'(' => {
                let comment = self.comment();
                self.entry.spaced = true;
                self.entry.comment.get_or_insert(comment);
            }
            b'"' => {
                let text = self.quoted();
                self.entry.word(&text);
            }
            b'@' => {
                self.entry.at.get_or_insert(self.entry.words.len());
                self.entry.spaced = false;
                self.entry.words.push(b'@');
            }
            0 => {}
            _ if octet.is_ascii_whitespace() => self.entry.spaced = true,
            _ => self.entry.word(&[octet]),
        }
        true
    }

    fn bump(&mut self) -> Option<u8> {
        let (&octet, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(octet)
    }

    /// What stands behind a backslash, unless no text may hold it.
    fn escaped(&mut self) -> Option<u8> {
        self.bump()
            .filter(|octet| !matches!(octet, b'\r' | b'\n' | 0))
    }

    /// The text of a quoted string whose opening quote was read.
    fn quoted(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        while let Some(octet) = self.bump() {
            match octet {
                b'"' => break,
                b'\\' => text.extend(self.escaped()),
                b'\r' | b'\n' | 0 => {}
                _ => text.push(octet),
            }
        }
        text
    }

    /// The text of a comment whose opening parenthesis was read; inner ones stay in the text.
    fn comment(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut depth = 1_usize;
        while let Some(octet) = self.bump() {
            match octet {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\\' => {
                    text.extend(self.escaped());
                    continue;
                }
                b'\r' | b'\n' | 0 => continue,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            text.push(octet);
        }
        text.trim_ascii().to_vec()
    }

    /// What stands in angle brackets; a comma ends it too, as the world forgets brackets.
    fn angle(&mut self) -> Angle {
        let mut angle = Angle::default();
        while let Some(&octet) = self.rest.first() {
            let routed = angle.spec.first() == Some(&b'@');
            if octet == b',' && !routed {
                break;
            }
            self.bump();
            match octet {
                b'>' => break,
                b':' if routed => {
                    angle.route = Some(std::mem::take(&mut angle.spec));
                    angle.at = None;
                }
                b'(' => drop(self.comment()),
                b'"' => {
                    let text = self.quoted();
                    angle.spec.extend_from_slice(&text);
                }
                b'@' => {
                    angle.at = Some(angle.spec.len());
                    angle.spec.push(octet);
                }
                0 => {}
                _ if octet.is_ascii_whitespace() => {}
                _ => angle.spec.push(octet),
            }
        }
        angle
    }
}

impl Entry {
    fn word(&mut self, text: &[u8]) {
        let glued = self.at.is_some_and(|at| at + 1 == self.words.len());
        if std::mem::take(&mut self.spaced) && !self.words.is_empty() && !glued {
            self.words.push(b' ');
        }
        self.words.extend_from_slice(text);
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
        let (name, route, spec, at) = match angle {
            Some(angle) => (Some(words), angle.route, angle.spec, angle.at),
            None => (None, None, words, at),
        };
        let (local, host) = match at.and_then(|at| spec.split_at_checked(at)) {
            Some((local, host)) => (local, host.get(1..).unwrap_or_default()),
            None => (spec.as_slice(), &[][..]),
        };
        let local = local.trim_ascii().to_vec();
        let host = domain(host);
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
