//! IMAP's section specification as plain data, and where it lies in a message.
//!
//! RFC 9051 §6.4.5.1. Not here: its syntax on the wire.

use crate::header::{self, Header};
use crate::outline::Outline;
use crate::part::{Content, Part, Span};

/// What of a message is wanted: `3.2.HEADER`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Section {
    /// Part numbers from the outside in, each from 1; none for the message itself.
    pub parts: Vec<u32>,
    /// What of that part.
    pub specifier: Specifier,
}

/// Which octets of a part are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Specifier {
    /// All: of a part its body, of the message header and body.
    #[default]
    All,
    /// `HEADER`: the header of a message.
    Header,
    /// `HEADER.FIELDS`: the fields of that header with these names.
    HeaderFields(Vec<String>),
    /// `HEADER.FIELDS.NOT`: the fields of that header with other names.
    HeaderFieldsNot(Vec<String>),
    /// `TEXT`: the body of a message.
    Text,
    /// `MIME`: the header of a part.
    Mime,
}

/// Where a section lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// The octets in the message.
    pub span: Span,
    /// True if they are a header that must still pass [`filter_header`].
    pub filtered: bool,
}

impl Section {
    /// Runs [`filter_header`] as this section says, and adds to `kept` what it gives; false if this
    /// section does not filter.
    pub fn filter(&self, header: &[u8], kept: &mut Vec<u8>) -> bool {
        match &self.specifier {
            Specifier::HeaderFields(names) => keep_fields(header, names, false, kept),
            Specifier::HeaderFieldsNot(names) => keep_fields(header, names, true, kept),
            Specifier::All | Specifier::Header | Specifier::Text | Specifier::Mime => return false,
        }
        true
    }
}

impl Outline {
    /// Where the section's octets are; `None` if the message has no such section.
    #[must_use]
    pub fn locate(&self, section: &Section) -> Option<Located> {
        let (whole, message, part) = if section.parts.is_empty() {
            (self.span(), Some(self), None)
        } else {
            let part = self.part(&section.parts)?;
            let inner = match &part.content {
                Content::Message(inner) => Some(inner.as_ref()),
                Content::Leaf | Content::Multipart(_) => None,
            };
            (part.body, inner, Some(part))
        };
        let (span, filtered) = match &section.specifier {
            Specifier::All => (whole, false),
            // RFC 9051 §6.4.5.1
            Specifier::Header => (message?.root.header, false),
            Specifier::HeaderFields(_) | Specifier::HeaderFieldsNot(_) => {
                (message?.root.header, true)
            }
            Specifier::Text => (message?.root.body, false),
            Specifier::Mime => (part?.header, false),
        };
        Some(Located { span, filtered })
    }

    /// The part with these numbers, from the outside in; `None` for none and for no such part.
    #[must_use]
    pub fn part(&self, numbers: &[u32]) -> Option<&Part> {
        let (&first, rest) = numbers.split_first()?;
        let mut part = numbered_in_message(&self.root, first)?;
        for &number in rest {
            part = match &part.content {
                Content::Leaf => return None,
                Content::Multipart(parts) => nth(parts, number)?,
                Content::Message(inner) => numbered_in_message(&inner.root, number)?,
            };
        }
        Some(part)
    }
}

/// A message that is no multipart has itself as its part 1.
fn numbered_in_message(root: &Part, number: u32) -> Option<&Part> {
    match &root.content {
        Content::Multipart(parts) => nth(parts, number),
        Content::Leaf | Content::Message(_) => (number == 1).then_some(root),
    }
}

fn nth(parts: &[Part], number: u32) -> Option<&Part> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    parts.get(index)
}

/// The fields whose names are among `names` (or are not, if `not`), as they stand, and the blank
/// line if the header has one (RFC 9051 §6.4.5.1).
#[must_use]
pub fn filter_header(header: &[u8], names: &[String], not: bool) -> Vec<u8> {
    let mut kept = Vec::new();
    keep_fields(header, names, not, &mut kept);
    kept
}

fn keep_fields(header: &[u8], names: &[String], not: bool, kept: &mut Vec<u8>) {
    // Most are another field, which is mostly seen at the first letter.
    let letters = names
        .iter()
        .fold(0, |all, name| all | letter(name.as_bytes()));
    let mut lines = Header::parse(header);
    while let Some(raw) = lines.raw_line() {
        let begins = letter(raw) & letters != 0 && names.iter().any(|name| begins_with(raw, name));
        if !begins && !not {
            continue;
        }
        let Some((name_octets, _)) = header::split(raw) else {
            continue;
        };
        let named = begins
            && names
                .iter()
                .any(|name| name.len() == name_octets && begins_with(raw, name));
        if named != not {
            kept.extend_from_slice(raw);
        }
    }
    kept.extend_from_slice(lines.blank_line());
}

/// A bit for the first letter, whatever its case; it may stand for others as well.
fn letter(text: &[u8]) -> u32 {
    text.first().map_or(0, |octet| 1 << (octet & 31))
}

fn begins_with(raw: &[u8], name: &str) -> bool {
    let begin = raw.get(..name.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message drawn in RFC 9051 §6.4.5.1.
    const DRAWN: &[u8] = b"Subject: top\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n\
        --a\r\n\r\nP1\r\n\
        --a\r\nContent-Type: application/octet-stream\r\n\r\nP2\r\n\
        --a\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\nP31\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\nP32\r\n--b--\r\n\
        --a\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\
        --c\r\nContent-Type: image/gif\r\n\r\nP41\r\n\
        --c\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: four\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n\
        --d\r\n\r\nP421\r\n--d\r\nContent-Type: multipart/alternative; boundary=e\r\n\r\n\
        --e\r\n\r\nP4221\r\n--e\r\nContent-Type: text/richtext\r\n\r\nP4222\r\n--e--\r\n\
        --d--\r\n--c--\r\n--a--\r\n";

    fn text<'a>(message: &'a [u8], parts: &[u32], specifier: Specifier) -> Option<&'a str> {
        let parts = parts.to_vec();
        let found = Outline::parse(message).locate(&Section { parts, specifier })?;
        std::str::from_utf8(found.span.of(message)).ok()
    }

    #[test]
    fn the_drawn_message() {
        let bodies: [(&[u32], &str); 8] = [
            (&[1], "P1"),
            (&[2], "P2"),
            (&[3, 1], "P31"),
            (&[3, 2], "P32"),
            (&[4, 1], "P41"),
            (&[4, 2, 1], "P421"),
            (&[4, 2, 2, 1], "P4221"),
            (&[4, 2, 2, 2], "P4222"),
        ];
        for (parts, body) in bodies {
            assert_eq!(text(DRAWN, parts, Specifier::All), Some(body), "{parts:?}");
        }
        let starts = |parts: &[u32], specifier, start: &str| {
            let found = text(DRAWN, parts, specifier);
            assert!(
                found.is_some_and(|found| found.starts_with(start)),
                "{parts:?} {found:?}"
            );
        };
        starts(&[], Specifier::All, "Subject: top");
        starts(&[], Specifier::Header, "Subject: top");
        starts(&[], Specifier::Text, "--a");
        starts(&[3], Specifier::All, "Subject: three");
        starts(&[3], Specifier::Mime, "Content-Type: message/rfc822");
        starts(&[3], Specifier::Header, "Subject: three");
        starts(&[3], Specifier::Text, "--b");
        starts(&[4], Specifier::All, "--c");
        starts(&[4, 1], Specifier::Mime, "Content-Type: image/gif");
        starts(&[4, 2], Specifier::Header, "Subject: four");
        starts(&[4, 2], Specifier::Text, "--d");
        starts(&[4, 2, 2], Specifier::All, "--e");
    }

    #[test]
    fn sections_that_are_not_there() {
        let none: [(&[u32], Specifier); 9] = [
            (&[], Specifier::Mime),
            (&[0], Specifier::All),
            (&[5], Specifier::All),
            (&[1, 1], Specifier::All),
            (&[1], Specifier::Header),
            (&[1], Specifier::Text),
            (&[4], Specifier::Text),
            (&[4, 2, 2], Specifier::Header),
            (&[u32::MAX], Specifier::Mime),
        ];
        for (parts, specifier) in none {
            assert_eq!(text(DRAWN, parts, specifier), None, "{parts:?}");
        }
    }

    #[test]
    fn a_plain_message_is_its_own_first_part() {
        let plain = b"Subject: x\r\n\r\nbody";
        assert_eq!(text(plain, &[1], Specifier::All), Some("body"));
        assert_eq!(
            text(plain, &[1], Specifier::Mime),
            Some("Subject: x\r\n\r\n")
        );
        assert_eq!(text(plain, &[], Specifier::Text), Some("body"));
        assert_eq!(text(plain, &[1, 1], Specifier::All), None);
        assert_eq!(text(plain, &[2], Specifier::All), None);
        let enclosing = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody";
        assert_eq!(
            text(enclosing, &[1], Specifier::Header),
            Some("Subject: in\r\n\r\n")
        );
        assert_eq!(text(enclosing, &[1, 1], Specifier::All), Some("body"));
    }

    #[test]
    fn headers_are_filtered() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let header = b"To: a\r\nSubject: b\r\n c\r\nto : d\r\njunk\r\nX-To: e\r\n\r\n";
        let cases: [(&[&str], bool, &str); 6] = [
            (&["t", "tox", "jun", ""], false, "\r\n"),
            (
                &["t", "su"],
                true,
                "To: a\r\nSubject: b\r\n c\r\nto : d\r\nX-To: e\r\n\r\n",
            ),
            (&["TO"], false, "To: a\r\nto : d\r\n\r\n"),
            (&["TO", "x-to"], true, "Subject: b\r\n c\r\n\r\n"),
            (&["none"], false, "\r\n"),
            (&["subject"], false, "Subject: b\r\n c\r\n\r\n"),
        ];
        for (wanted, not, kept) in cases {
            assert_eq!(filter_header(header, &names(wanted), not), kept.as_bytes());
        }
        // RFC 9051 §6.4.5.1: without a blank line in the message there is none here.
        assert_eq!(
            filter_header(b"To: a\r\n", &names(&["to"]), false),
            b"To: a\r\n"
        );
    }
}
