//! The rows of messages, whatever mailboxes they are in.
//!
//! A message has two: a short one that says where it is, how long, and what its parts are, and
//! one with its digest and its preview, which fewer ask for. Where an outline cannot be cut in two
//! (there is none, or it is of an old version) one row has all of it, as rows of old versions have.

use std::iter;

use bytes::Bytes;
use mail::{BlobId, BlobRange, EmailId};
use message::Outline;
use store::{Hint, Sought, Table, Write};

use super::{DIGESTS, EMAILS, VERSION, delete, put};
use crate::Fault;
use crate::octets::{Reader, Writer};

/// [`EmailRow`] with a preview and without room for a hint.
const VERSION_PREVIEW: u8 = 2;
/// [`EmailRow`] with room for the store's hint, with or without a preview: as it is written where
/// its outline cannot be cut in two.
const VERSION_HINTED: u8 = 3;
/// [`EmailRow`] as it is written: of the outline it has the parts, and a [`DigestRow`] the rest.
const VERSION_PARTS: u8 = 4;
/// Versions that are read.
pub(crate) const VERSIONS: [u8; 4] = [VERSION, VERSION_PREVIEW, VERSION_HINTED, VERSION_PARTS];

/// A message, shared by its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmailRow {
    pub(crate) blob: BlobId,
    /// Where the store says the blob may be.
    pub(crate) hint: Hint,
    pub(crate) size: u64,
    /// As `message` encodes it; `None` where it was not made at delivery.
    pub(crate) outline: Option<Bytes>,
    /// True if all that was read of the outline is its parts, and a preview not even looked for:
    /// see [`EmailRow::read`] and [`EmailRow::parts_only`].
    pub(crate) bare: bool,
    /// The first words of its text, UTF-8; `None` where they were not looked for at delivery, as in
    /// rows of version 1.
    pub(crate) preview: Option<Bytes>,
}

/// The rest of a message's row of version 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DigestRow {
    /// What is before the parts in its outline ([`Outline::parts_at`]).
    pub(crate) head: Bytes,
    /// As [`EmailRow::preview`].
    pub(crate) preview: Option<Bytes>,
}

impl EmailRow {
    /// Writes it, in one row or in two.
    pub(crate) fn put(&self, id: EmailId) -> impl Iterator<Item = Write> + use<> {
        let outline = self.outline.clone().unwrap_or_default();
        let cut = Outline::parts_at(&outline).filter(|at| *at < outline.len());
        let writer = |version| {
            Writer::version(version)
                .fixed(&self.blob.0)
                .fixed(&self.hint.0)
                .number(self.size)
        };
        let (value, digest) = match cut {
            None => {
                let writer = writer(VERSION_HINTED).octets(&outline);
                (write_preview(writer, self.preview.as_deref()), None)
            }
            Some(at) => {
                let digest = DigestRow {
                    head: outline.slice(..at),
                    preview: self.preview.clone(),
                };
                let parts = outline.get(at..).unwrap_or_default();
                (writer(VERSION_PARTS).fixed(parts), Some(digest.put(id)))
            }
        };
        let row = Write::PutBeside {
            table: EMAILS,
            key: email_key(id),
            value: value.finish(),
        };
        iter::once(row).chain(digest)
    }

    /// Reads a value. One of version 4 is [`EmailRow::bare`] until it is read [`EmailRow::with`]
    /// the rest.
    pub(crate) fn read(value: &Bytes) -> Option<Self> {
        let (mut row, mut reader, version) = Self::begin(value)?;
        if version == VERSION_PARTS {
            return Some(row.of_parts(value, reader.rest()));
        }
        let outline = reader.octets()?;
        row.outline = (!outline.is_empty()).then(|| value.slice_ref(outline));
        row.preview = match version {
            VERSION => None,
            VERSION_PREVIEW => Some(value.slice_ref(reader.octets()?)),
            _ => read_preview(value, &mut reader)?,
        };
        reader.end()?;
        Some(row)
    }

    /// Reads what [`EmailRow::parts_only`] left.
    pub(crate) fn read_cut(value: &Bytes) -> Option<Self> {
        let (row, mut reader, version) = Self::begin(value)?;
        if version != VERSION_PARTS {
            let outline_octets: usize = reader.small()?;
            if reader.rest().len() >= outline_octets {
                return Self::read(value);
            }
        }
        Some(row.of_parts(value, reader.rest()))
    }

    fn of_parts(mut self, value: &Bytes, parts: &[u8]) -> Self {
        self.outline = Some(value.slice_ref(parts));
        self.bare = true;
        self
    }

    /// Joins it with the rest, if it is not whole. Where that is not there it is as if neither had
    /// been made at delivery: both are made when they are asked for.
    pub(crate) fn with(mut self, digest: Option<DigestRow>) -> Self {
        if !self.bare {
            return self;
        }
        let parts = self.outline.take();
        if let Some((digest, parts)) = digest.zip(parts) {
            self.outline = Some([digest.head, parts].concat().into());
            self.preview = digest.preview;
        }
        self.bare = false;
        self
    }

    /// Leaves the digest and the preview out of the value of an old version, where its outline can
    /// be read without: the longest half of it, which many do not ask for ([`store::Cut`]).
    pub(crate) fn parts_only(value: &[u8]) -> (usize, usize, usize) {
        cut(value).unwrap_or((usize::MAX, 0, 0))
    }

    /// The letter that a row is about.
    pub(crate) fn blob(value: &[u8]) -> Option<BlobId> {
        let (row, ..) = Self::begin(value)?;
        Some(row.blob)
    }

    /// What stands before the outline.
    fn begin(value: &[u8]) -> Option<(Self, Reader<'_>, u8)> {
        let (mut reader, version) = Reader::either(value, &VERSIONS)?;
        let row = Self {
            blob: BlobId(reader.fixed()?),
            hint: match version >= VERSION_HINTED {
                true => Hint(reader.fixed()?),
                false => Hint::NONE,
            },
            size: reader.number()?,
            outline: None,
            bare: false,
            preview: None,
        };
        Some((row, reader, version))
    }

    /// Its preview, if it is known.
    pub(crate) fn preview_text(&self) -> Result<Option<String>, Fault> {
        preview_text(self.preview.as_ref())
    }

    /// The octets of the message, whole, and where the store says they may be.
    pub(crate) const fn sought(&self) -> Sought {
        let range = BlobRange {
            blob: self.blob,
            offset: 0,
            len: self.size,
        };
        let (len, hint) = (self.size, self.hint);
        Sought { range, len, hint }
    }

    /// What its value says of the blob, and whether it has room for a hint.
    pub(crate) fn body(value: &[u8]) -> Option<(BlobId, u64, Option<Hint>)> {
        let (row, _, version) = Self::begin(value)?;
        let hint = (version >= VERSION_HINTED).then_some(row.hint);
        Some((row.blob, row.size, hint))
    }

    /// Removes both rows.
    pub(crate) fn delete(id: EmailId) -> [Write; 2] {
        [EMAILS, DIGESTS].map(|table: Table| delete(table, email_key(id)))
    }
}

impl DigestRow {
    fn put(&self, id: EmailId) -> Write {
        let writer = Writer::version(VERSION).octets(&self.head);
        let value = write_preview(writer, self.preview.as_deref()).finish();
        put(DIGESTS, email_key(id), value)
    }

    /// Its preview, if it is known.
    pub(crate) fn preview_text(&self) -> Result<Option<String>, Fault> {
        preview_text(self.preview.as_ref())
    }

    pub(crate) fn read(value: &Bytes) -> Option<Self> {
        let mut reader = Reader::version(value, VERSION)?;
        let head = value.slice_ref(reader.octets()?);
        let preview = read_preview(value, &mut reader)?;
        reader.end()?;
        let is_whole = Outline::parts_at(&head) == Some(head.len());
        is_whole.then_some(Self { head, preview })
    }
}

fn write_preview(writer: Writer, preview: Option<&[u8]>) -> Writer {
    match preview {
        None => writer.number(0),
        Some(preview) => writer.number(1).octets(preview),
    }
}

fn read_preview(value: &Bytes, reader: &mut Reader<'_>) -> Option<Option<Bytes>> {
    let is_there = reader.small::<u8>()? != 0;
    match is_there {
        false => Some(None),
        true => Some(Some(value.slice_ref(reader.octets()?))),
    }
}

fn preview_text(preview: Option<&Bytes>) -> Result<Option<String>, Fault> {
    let text = preview.map(|preview| std::str::from_utf8(preview).map(str::to_owned));
    text.transpose().map_err(|_| Fault::Row("a preview"))
}

fn cut(value: &[u8]) -> Option<(usize, usize, usize)> {
    let (_, mut reader, version) = EmailRow::begin(value)?;
    if version == VERSION_PARTS {
        return None;
    }
    let outline_octets: usize = reader.small()?;
    let behind = reader.rest();
    let front = value.len() - behind.len();
    let parts_at = Outline::parts_at(behind)?;
    let (from, to) = (
        front.checked_add(parts_at)?,
        front.checked_add(outline_octets)?,
    );
    (from <= to && to <= value.len()).then_some((front, from, to))
}

pub(crate) fn email_key(id: EmailId) -> Bytes {
    Bytes::copy_from_slice(&id.0.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The row's value, and that of its digest.
    fn values(row: &EmailRow) -> (Bytes, Option<Bytes>) {
        let mut writes = row.put(EmailId(1));
        let Some(Write::PutBeside { value, .. }) = writes.next() else {
            panic!("no room for a hint");
        };
        let rest = writes.next().map(|write| match write {
            Write::Put { value, .. } => value,
            _ => panic!("no row of its own"),
        });
        (value, rest)
    }

    fn rows() -> Vec<EmailRow> {
        let letter = b"Subject: x\r\nFrom: a@b.example\r\n\r\nGr\r\n";
        let outline = Bytes::from(Outline::parse(letter).encode());
        let mut rows = Vec::new();
        for outline in [None, Some(outline)] {
            for preview in [None, Some(Bytes::new()), Some(Bytes::from("Grüße"))] {
                rows.push(EmailRow {
                    blob: BlobId([7; 32]),
                    hint: Hint([1, 2, 3, 4, 5, 6, 7, 8]),
                    size: 99,
                    outline: outline.clone(),
                    bare: false,
                    preview,
                });
            }
        }
        rows
    }

    /// A value as versions 1 and 2 wrote it.
    fn older(row: &EmailRow) -> Bytes {
        let version = if row.preview.is_some() { 2 } else { 1 };
        let writer = Writer::version(version)
            .fixed(&row.blob.0)
            .number(row.size)
            .octets(row.outline.as_deref().unwrap_or_default());
        match &row.preview {
            None => writer.finish(),
            Some(preview) => writer.octets(preview).finish(),
        }
    }

    /// A value as version 3 wrote it.
    fn hinted(row: &EmailRow) -> Bytes {
        let writer = Writer::version(3)
            .fixed(&row.blob.0)
            .fixed(&row.hint.0)
            .number(row.size)
            .octets(row.outline.as_deref().unwrap_or_default());
        write_preview(writer, row.preview.as_deref()).finish()
    }

    #[test]
    fn rows_come_back() {
        for row in rows() {
            let (value, rest) = values(&row);
            assert_eq!(rest.is_some(), row.outline.is_some());
            let read = EmailRow::read(&value).unwrap();
            assert_eq!(read.bare, rest.is_some());
            let rest = rest.map(|rest| DigestRow::read(&rest).unwrap());
            assert_eq!(read.with(rest), row);
            assert_eq!(EmailRow::read(&hinted(&row)), Some(row.clone()));
            let unhinted = EmailRow {
                hint: Hint::NONE,
                ..row
            };
            assert_eq!(EmailRow::read(&older(&unhinted)), Some(unhinted));
        }
    }

    #[test]
    fn an_outline_of_an_old_version_stays_in_one_row() {
        let [row, ..] = &rows()[..] else {
            panic!("some rows");
        };
        for outline in [&[3, 1, 2, 3][..], b"nonsense", &[4, 200, 1]] {
            let row = EmailRow {
                outline: Some(Bytes::from_static(outline)),
                ..row.clone()
            };
            assert_eq!(values(&row), (hinted(&row), None));
        }
    }

    #[test]
    fn a_row_without_the_rest_is_as_if_nothing_had_been_made() {
        let whole = rows().pop().unwrap();
        let (value, rest) = values(&whole);
        let alone = EmailRow::read(&value).unwrap().with(None);
        let nothing = EmailRow {
            outline: None,
            preview: None,
            ..whole
        };
        assert_eq!(alone, nothing);
        let rest = rest.unwrap();
        for end in 0..rest.len() {
            assert_eq!(DigestRow::read(&rest.slice(..end)), None);
        }
    }

    #[test]
    fn what_is_cut_has_the_parts_and_nothing_else() {
        for row in rows() {
            for value in [hinted(&row), older(&row), values(&row).0] {
                let (front, from, to) = EmailRow::parts_only(&value);
                let whole = EmailRow::read(&value).unwrap();
                let Some(outline) = whole.outline.as_ref().filter(|_| !whole.bare) else {
                    // There is nothing to leave out.
                    assert!(front >= value.len());
                    assert_eq!(EmailRow::read_cut(&value), Some(whole));
                    continue;
                };
                let cut = [&value[..front], &value[from..to]].concat();
                assert!(cut.len() < value.len());
                let parts = outline.slice(Outline::parts_at(outline).unwrap()..);
                let bare = EmailRow {
                    outline: Some(parts),
                    bare: true,
                    preview: None,
                    ..whole.clone()
                };
                assert_eq!(EmailRow::read_cut(&cut.into()), Some(bare));
                assert_eq!(EmailRow::read_cut(&value), Some(whole));
            }
        }
    }
}
