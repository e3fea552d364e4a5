//! What is kept of imports: for each source its mark, and the notes on its messages.

use bytes::{BufMut as _, Bytes, BytesMut};
use mail::Uid;
use store::{Direction, Write};

use super::SourceId;
use crate::octets::{Reader, Writer};
use crate::tables::{IMPORT_JOURNAL, IMPORT_NOTES};
use crate::{Account, Error, Fault, Outcome};

/// Sources one account remembers.
const SOURCES_MAX: usize = 10_000;
/// Notes that are read, or forgotten, at a time.
const NOTES_PAGE: usize = 500;
const VERSION: u8 = 1;
/// Versions of rows that are read.
pub(crate) const VERSIONS: &[u8] = &[VERSION];

/// How far a source has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JournalRow {
    pub(super) mark: Bytes,
    /// The number the next note gets.
    pub(super) notes: u64,
}

/// A note on a message that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportNote {
    /// Its number among those of its source.
    pub number: u64,
    /// The UID that the message was given.
    pub uid: Uid,
    /// What was noted.
    pub note: Bytes,
}

impl JournalRow {
    pub(super) fn put(&self, source: SourceId) -> Write {
        let writer = Writer::version(VERSION).octets(&self.mark);
        Write::Put {
            table: IMPORT_JOURNAL,
            key: Bytes::copy_from_slice(&source),
            value: writer.number(self.notes).finish(),
        }
    }

    fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::version(value, VERSION)?;
        let row = Self {
            mark: Bytes::copy_from_slice(reader.octets()?),
            notes: reader.number()?,
        };
        reader.end()?;
        Some(row)
    }
}

pub(super) fn put_note(source: SourceId, number: u64, uid: Uid, note: &[u8]) -> Write {
    let writer = Writer::version(VERSION).number(uid.value().into());
    Write::Put {
        table: IMPORT_NOTES,
        key: note_key(source, number),
        value: writer.octets(note).finish(),
    }
}

fn note_key(source: SourceId, number: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(24);
    key.put_slice(&source);
    key.put_u64(number);
    key.freeze()
}

fn read_note(key: &[u8], value: &[u8]) -> Option<ImportNote> {
    let (_, number) = key.split_last_chunk::<8>()?;
    let mut reader = Reader::version(value, VERSION)?;
    let note = ImportNote {
        number: u64::from_be_bytes(*number),
        uid: Uid::new(reader.small()?)?,
        note: Bytes::copy_from_slice(reader.octets()?),
    };
    reader.end()?;
    Some(note)
}

impl Account {
    pub(super) async fn import_journal(&self, source: SourceId) -> Outcome<Option<JournalRow>> {
        let reading = "reading what was imported";
        let store = self.house.inner.store.as_ref();
        let partition = self.keeper.partition();
        let key = Bytes::copy_from_slice(&source);
        let found = store.get(partition, IMPORT_JOURNAL, vec![key]).await;
        let found = found.map_err(Error::reading(reading))?;
        if let Some(value) = found.into_iter().flatten().next() {
            let row = JournalRow::read(&value);
            return Ok(Some(row.ok_or(Fault::Row("an import"))?));
        }
        let all = (Bytes::new(), None);
        let page = store
            .scan(
                partition,
                IMPORT_JOURNAL,
                all,
                SOURCES_MAX,
                Direction::Rising,
            )
            .await
            .map_err(Error::reading(reading))?;
        match page.rows.len() < SOURCES_MAX {
            true => Ok(None),
            false => Err(Error::limit("Too many sources have been imported")),
        }
    }

    /// The notes on messages of a source, a bounded page of those from a number on.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn import_notes(&self, source: SourceId, from: u64) -> Outcome<Vec<ImportNote>> {
        let range = (note_key(source, from), end(source));
        let store = self.house.inner.store.as_ref();
        let page = store
            .scan(
                self.keeper.partition(),
                IMPORT_NOTES,
                range,
                NOTES_PAGE,
                Direction::Rising,
            )
            .await
            .map_err(Error::reading("reading what was imported"))?;
        let notes = page.rows.iter().map(|row| read_note(&row.key, &row.value));
        let notes: Option<Vec<ImportNote>> = notes.collect();
        Ok(notes.ok_or(Fault::Row("an import"))?)
    }

    /// Forgets notes up to a number, which have been read; how far the source was read stays.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn forget_import_notes(&self, source: SourceId, to: u64) -> Outcome<()> {
        let mut from = 0;
        loop {
            let notes = self.import_notes(source, from).await?;
            let numbers = notes.iter().map(|note| note.number);
            let gone: Vec<u64> = numbers.filter(|number| *number <= to).collect();
            let Some(last) = gone.last() else {
                return Ok(());
            };
            // Behind those that are gone: a scan would pass over what is left of each.
            from = last.saturating_add(1);
            self.change(|draft| {
                for number in &gone {
                    draft.write(Write::Delete {
                        table: IMPORT_NOTES,
                        key: note_key(source, *number),
                    });
                }
                Ok(())
            })
            .await?;
        }
    }

    /// Forgets how far a source was read: it will be imported from its beginning.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn forget_import(&self, source: SourceId) -> Outcome<()> {
        self.forget_import_notes(source, u64::MAX).await?;
        self.change(|draft| {
            draft.write(Write::Delete {
                table: IMPORT_JOURNAL,
                key: Bytes::copy_from_slice(&source),
            });
            Ok(())
        })
        .await
    }
}

/// The smallest key behind all notes of a source.
fn end(source: SourceId) -> Option<Bytes> {
    let next = u128::from_be_bytes(source).checked_add(1)?;
    Some(Bytes::copy_from_slice(&next.to_be_bytes()))
}
