//! The rows of messages, whatever mailboxes they are in.

use bytes::Bytes;
use mail::{BlobId, BlobRange, EmailId};
use message::Outline;
use store::{Hint, Sought, Write};

use super::{EMAILS, VERSION, delete};
use crate::Fault;
use crate::octets::{Reader, Writer};

/// [`EmailRow`] with a preview and without room for a hint.
const VERSION_PREVIEW: u8 = 2;
/// [`EmailRow`] as it is written: with room for the store's hint, with or without a preview.
const VERSION_HINTED: u8 = 3;
/// Versions that are read.
pub(crate) const VERSIONS: [u8; 3] = [VERSION, VERSION_PREVIEW, VERSION_HINTED];

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
    /// see [`EmailRow::parts_only`].
    pub(crate) bare: bool,
    /// The first words of its text, UTF-8; `None` where they were not looked for at delivery, as in
    /// rows of version 1.
    pub(crate) preview: Option<Bytes>,
}

impl EmailRow {
    pub(crate) fn put(&self, id: EmailId) -> Write {
        let outline = self.outline.as_deref().unwrap_or_default();
        let writer = Writer::version(VERSION_HINTED)
            .fixed(&self.blob.0)
            .fixed(&self.hint.0)
            .number(self.size)
            .octets(outline)
            .number(self.preview.is_some().into());
        let writer = match &self.preview {
            None => writer,
            Some(preview) => writer.octets(preview),
        };
        Write::PutBeside {
            table: EMAILS,
            key: email_key(id),
            value: writer.finish(),
        }
    }

    pub(crate) fn read(value: &Bytes) -> Option<Self> {
        let (mut row, mut reader, version) = Self::begin(value)?;
        let outline = reader.octets()?;
        row.outline = (!outline.is_empty()).then(|| value.slice_ref(outline));
        let previewed = match version {
            VERSION_HINTED => reader.small::<u8>()? != 0,
            version => version == VERSION_PREVIEW,
        };
        if previewed {
            row.preview = Some(value.slice_ref(reader.octets()?));
        }
        reader.end()?;
        Some(row)
    }

    /// Reads what [`EmailRow::parts_only`] left.
    pub(crate) fn read_cut(value: &Bytes) -> Option<Self> {
        let (mut row, mut reader, _) = Self::begin(value)?;
        let outline_octets: usize = reader.small()?;
        let parts = reader.rest();
        if parts.len() >= outline_octets {
            return Self::read(value);
        }
        row.outline = Some(value.slice_ref(parts));
        row.bare = true;
        Some(row)
    }

    /// Leaves the digest and the preview out of a row's value, where its outline can be read
    /// without: the longest half of it, which many do not ask for ([`store::Cut`]).
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
            hint: match version {
                VERSION_HINTED => Hint(reader.fixed()?),
                _ => Hint::NONE,
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
        let Some(preview) = &self.preview else {
            return Ok(None);
        };
        let text = std::str::from_utf8(preview).map_err(|_| Fault::Row("a preview"))?;
        Ok(Some(text.to_owned()))
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
        let hint = (version == VERSION_HINTED).then_some(row.hint);
        Some((row.blob, row.size, hint))
    }

    pub(crate) fn delete(id: EmailId) -> Write {
        delete(EMAILS, email_key(id))
    }
}

fn cut(value: &[u8]) -> Option<(usize, usize, usize)> {
    let (_, mut reader, _) = EmailRow::begin(value)?;
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

    fn value(row: &EmailRow) -> Bytes {
        match row.put(EmailId(1)) {
            Write::PutBeside { value, .. } => value,
            _ => panic!("no room for a hint"),
        }
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

    #[test]
    fn rows_come_back() {
        for row in rows() {
            assert_eq!(EmailRow::read(&value(&row)), Some(row.clone()));
            let unhinted = EmailRow {
                hint: Hint::NONE,
                ..row
            };
            assert_eq!(EmailRow::read(&older(&unhinted)), Some(unhinted));
        }
    }

    #[test]
    fn what_is_cut_has_the_parts_and_nothing_else() {
        for row in rows() {
            for value in [value(&row), older(&row)] {
                let (front, from, to) = EmailRow::parts_only(&value);
                let whole = EmailRow::read(&value).unwrap();
                let Some(outline) = &whole.outline else {
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
