//! Where everything in a message is: its parts and header fields as offsets, nothing decoded.
//!
//! A part takes 64 octets, a field 16, whatever they contain; views (`outline` is one) read values
//! through it when they are asked for. Not here: how it is filled (`scanner`).

use crate::field_name::FieldName;
use crate::header::Field;
use crate::leniency::Leniencies;
use crate::outline::Limits;
use crate::part::Span;
use crate::scanner;

/// The parts of a message and their header fields, in the order in which they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub(crate) parts: Vec<Entry>,
    pub(crate) fields: Vec<FieldEntry>,
}

/// Where a table's offsets of header fields lead.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// Into the message itself.
    Message(&'a [u8]),
    /// Into the headers that a [`crate::Scanner`] kept of it.
    Headers(&'a [u8]),
}

/// What a part is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Octets.
    #[default]
    Leaf,
    /// Parts: at least one, and it follows at once.
    Multipart,
    /// A message of its own, which follows at once as one part.
    Message,
}

/// One part: a message, or an entity inside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub(crate) at: u64,
    pub(crate) header_len: u64,
    pub(crate) body_len: u64,
    pub(crate) lines: u64,
    pub(crate) leniencies: Leniencies,
    /// Where its fields begin among the headers kept.
    pub(crate) kept_at: u32,
    pub(crate) fields_at: u32,
    pub(crate) fields_len: u32,
    pub(crate) parent: u32,
    pub(crate) next: u32,
    pub(crate) depth: u16,
    pub(crate) kind: Kind,
    /// It stands in a digest: its default type is a message (RFC 2046 §5.1.5).
    pub(crate) in_digest: bool,
}

/// One header field, counted from the first octet of its header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldEntry {
    pub(crate) at: u32,
    pub(crate) len: u32,
    pub(crate) value_at: u32,
    pub(crate) name_len: u16,
    pub(crate) name: FieldName,
}

impl Table {
    /// Reads a message. Any octets have a table.
    #[must_use]
    pub fn of(message: &[u8]) -> Self {
        Self::within(message, &Limits::HOUSE)
    }

    /// Reads a message within other limits.
    #[must_use]
    pub fn within(message: &[u8], limits: &Limits) -> Self {
        scanner::whole(message, limits)
    }

    /// All parts, each before what is in it; the first is the message.
    #[must_use]
    pub fn parts(&self) -> &[Entry] {
        &self.parts
    }

    /// The parts directly in the part at this index, with their indices.
    pub fn children(&self, index: usize) -> impl Iterator<Item = (usize, &Entry)> {
        let end = self.parts.get(index).map_or(0, Entry::next);
        let mut at = index.saturating_add(1);
        std::iter::from_fn(move || {
            let child = self.parts.get(at).filter(|_| at < end)?;
            let index = at;
            // Never backwards, whatever the table says.
            at = child.next().max(at.saturating_add(1));
            Some((index, child))
        })
    }

    /// The fields of a part's header that were read.
    #[must_use]
    pub fn field_entries(&self, part: &Entry) -> &[FieldEntry] {
        let at = usize::try_from(part.fields_at).unwrap_or(usize::MAX);
        let len = usize::try_from(part.fields_len).unwrap_or(usize::MAX);
        self.fields.get(at..at.saturating_add(len)).unwrap_or(&[])
    }

    /// The fields of a part's header as they stand, in order.
    pub fn fields<'a>(
        &'a self,
        part: &Entry,
        text: Text<'a>,
    ) -> impl Iterator<Item = (FieldName, Field<'a>)> + 'a {
        let header = part.header_text(text);
        let entries = self.field_entries(part).iter();
        entries.filter_map(move |entry| Some((entry.name, entry.field(header)?)))
    }

    /// The fields of this well-known name in a part's header, in order.
    pub fn named<'a>(
        &'a self,
        part: &Entry,
        name: FieldName,
        text: Text<'a>,
    ) -> impl Iterator<Item = Field<'a>> + 'a {
        let header = part.header_text(text);
        let entries = self.field_entries(part).iter();
        let named = entries.filter(move |entry| entry.name == name);
        named.filter_map(move |entry| entry.field(header))
    }

    /// Everything that was wrong with any part.
    #[must_use]
    pub fn leniencies(&self) -> Leniencies {
        let mut all = Leniencies::NONE;
        for part in &self.parts {
            all.extend(part.leniencies);
        }
        all
    }

    /// Octets of memory it takes.
    #[must_use]
    pub const fn memory_octets(&self) -> usize {
        self.parts.capacity() * size_of::<Entry>()
            + self.fields.capacity() * size_of::<FieldEntry>()
    }
}

impl Entry {
    /// The part's header, its closing blank line included.
    #[must_use]
    pub const fn header(&self) -> Span {
        Span {
            offset: self.at,
            len: self.header_len,
        }
    }

    /// The part's body, without the line end that belongs to the delimiter behind it.
    #[must_use]
    pub const fn body(&self) -> Span {
        Span {
            offset: self.at.saturating_add(self.header_len),
            len: self.body_len,
        }
    }

    /// Line ends in the body; counted only for `text/*`, implied parts and messages, else 0.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// What it is made of.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What was wrong with it, as far as its place and structure go.
    #[must_use]
    pub const fn leniencies(&self) -> Leniencies {
        self.leniencies
    }

    /// Composite parts around it.
    #[must_use]
    pub const fn depth(&self) -> u16 {
        self.depth
    }

    /// The index of the part around it; `None` for the message.
    #[must_use]
    pub fn parent(&self) -> Option<usize> {
        let around = self.depth > 0;
        usize::try_from(self.parent).ok().filter(|_| around)
    }

    /// The index of the first part behind it that is not inside it.
    #[must_use]
    pub fn next(&self) -> usize {
        usize::try_from(self.next).unwrap_or(usize::MAX)
    }

    /// True if its type is `message/rfc822` where it says none: it stands in a digest.
    #[must_use]
    pub const fn is_in_digest(&self) -> bool {
        self.in_digest
    }

    /// The header and what follows it, in the text that the table belongs to.
    pub(crate) fn header_text<'a>(&self, text: Text<'a>) -> &'a [u8] {
        let (octets, at) = match text {
            Text::Message(message) => (message, usize::try_from(self.at).ok()),
            Text::Headers(kept) => (kept, usize::try_from(self.kept_at).ok()),
        };
        at.and_then(|at| octets.get(at..)).unwrap_or_default()
    }
}

impl FieldEntry {
    /// Which name it has.
    #[must_use]
    pub const fn name(&self) -> FieldName {
        self.name
    }

    /// The field, in its header's octets.
    pub(crate) fn field<'a>(&self, header: &'a [u8]) -> Option<Field<'a>> {
        let at = usize::try_from(self.at).ok()?;
        let len = usize::try_from(self.len).ok()?;
        let raw = header.get(at..at.checked_add(len)?)?;
        let value = raw.get(usize::try_from(self.value_at).ok()?..)?;
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        Some(Field {
            name: raw.get(..usize::from(self.name_len))?,
            value: value.strip_suffix(b"\r").unwrap_or(value),
            raw,
            offset: at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_and_a_field_are_small() {
        assert_eq!(size_of::<Entry>(), 64);
        assert_eq!(size_of::<FieldEntry>(), 16);
    }

    #[test]
    fn parts_and_fields_are_found() {
        let message = b"Subject: s\r\nTo: a\r\nX: 1\r\nTO : b\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nhi\r\n\
            --b\r\n\r\none\r\ntwo\r\n--b--\r\n";
        let table = Table::of(message);
        let text = Text::Message(message);
        let kinds: Vec<_> = table
            .parts()
            .iter()
            .map(|part| (part.kind(), part.depth(), part.parent(), part.next()))
            .collect();
        assert_eq!(
            kinds,
            [
                (Kind::Multipart, 0, None, 4),
                (Kind::Message, 1, Some(0), 3),
                (Kind::Leaf, 2, Some(1), 3),
                (Kind::Leaf, 1, Some(0), 4),
            ]
        );
        let indices: Vec<usize> = table.children(0).map(|(index, _)| index).collect();
        assert_eq!(indices, [1, 3]);
        let root = table.parts()[0];
        let to: Vec<&[u8]> = table
            .named(&root, FieldName::To, text)
            .map(|field| field.value)
            .collect();
        assert_eq!(to, [&b" a"[..], b" b"]);
        let names: Vec<&[u8]> = table
            .fields(&root, text)
            .map(|(_, field)| field.name)
            .collect();
        assert_eq!(
            names,
            [&b"Subject"[..], b"To", b"X", b"TO", b"Content-Type"]
        );
        let last = table.parts()[3];
        assert_eq!(
            (last.body().of(message), last.lines()),
            (&b"one\r\ntwo"[..], 1)
        );
        assert!(table.fields(&last, text).next().is_none());
    }
}
