//! IMAP's section specification as plain data, and where it lies in a message.
//!
//! RFC 9051 §6.4.5.1. Not here: its syntax on the wire.

use crate::header::Header;
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
    /// Runs [`filter_header`] as this section says; `None` if it does not filter.
    #[must_use]
    pub fn filter(&self, header: &[u8]) -> Option<Vec<u8>> {
        match &self.specifier {
            Specifier::HeaderFields(names) => Some(filter_header(header, names, false)),
            Specifier::HeaderFieldsNot(names) => Some(filter_header(header, names, true)),
            Specifier::All | Specifier::Header | Specifier::Text | Specifier::Mime => None,
        }
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
    let mut fields = Header::parse(header);
    for field in fields.by_ref() {
        let named = names
            .iter()
            .any(|name| field.name.eq_ignore_ascii_case(name.as_bytes()));
        if named != not {
            kept.extend_from_slice(field.raw);
        }
    }
    kept.extend_from_slice(fields.blank_line());
    kept
}
