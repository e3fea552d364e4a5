//! What is kept of sources that are fetched: a mark for each, and notes on single ids.

use std::collections::BTreeMap;

use bytes::Bytes;
use mail::Timestamp;
use store::{Direction, Write};

use super::put;
use crate::import::SourceId;
use crate::octets::{Reader, Writer};
use crate::tables::{FETCH_MARKS, FETCH_NOTES};
use crate::{Account, Error, Fault, Outcome};

/// Ids of one source that notes are kept on.
const NOTES_MAX: usize = 1_000_000;
/// Notes that are read at a time.
const NOTES_PAGE: usize = 2000;
/// Octets an id may have.
const ID_OCTETS_MAX: usize = 32;
/// Octets of words about trouble that are kept.
const TROUBLE_OCTETS_MAX: usize = 2000;
const VERSION: u8 = 1;
/// Versions of rows that are read.
pub(crate) const VERSIONS: &[u8] = &[VERSION];

/// What a message is called at its source, or a hash of that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchId(Bytes);

impl FetchId {
    /// An id; one that is too long is none.
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        let fits = !octets.is_empty() && octets.len() <= ID_OCTETS_MAX;
        fits.then(|| Self(Bytes::copy_from_slice(octets)))
    }

    /// Its octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// How far a source was fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchMark {
    /// Which generation of ids it is (IMAP's UIDVALIDITY).
    pub generation: u32,
    /// All ids up to this one are known.
    pub through: u32,
    /// Messages that were fetched so far.
    pub fetched: u64,
    /// Messages that were left there, being too large.
    pub skipped: u64,
    /// Messages that are still to be taken away there.
    pub owed: u64,
    /// When it was fetched last without trouble and something changed.
    pub last: Option<Timestamp>,
    /// What went wrong since, in words; empty where nothing did.
    pub trouble: String,
}

/// What is known of one message at its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchNote {
    /// It was fetched.
    Fetched {
        /// It is still to be taken away at the source.
        owed: bool,
        /// Since when it is not there any more, if that was seen.
        gone: Option<Timestamp>,
    },
    /// It was left there, being too large.
    Skipped {
        /// How many octets it has.
        octets: u64,
    },
}

/// What a note is about, as it is written.
const FETCHED: u64 = 0;
const OWED: u64 = 1;
const SKIPPED: u64 = 2;

impl FetchMark {
    pub(super) fn put(&self, source: SourceId) -> Write {
        let mut cut = self.trouble.len().min(TROUBLE_OCTETS_MAX);
        while !self.trouble.is_char_boundary(cut) {
            cut -= 1;
        }
        let trouble = self.trouble.get(..cut).unwrap_or_default();
        let value = Writer::version(VERSION)
            .number(self.generation.into())
            .number(self.through.into())
            .number(self.fetched)
            .number(self.skipped)
            .number(self.owed)
            .number(self.last.is_some().into())
            .signed(self.last.map_or(0, |last| last.seconds))
            .octets(trouble.as_bytes());
        put(FETCH_MARKS, Bytes::copy_from_slice(&source), value.finish())
    }

    fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::version(value, VERSION)?;
        let (generation, through) = (reader.small()?, reader.small()?);
        let (fetched, skipped, owed) = (reader.number()?, reader.number()?, reader.number()?);
        let (is_known, seconds) = (reader.number()? != 0, reader.signed()?);
        let trouble = reader.text()?.to_owned();
        reader.end()?;
        Some(Self {
            generation,
            through,
            fetched,
            skipped,
            owed,
            last: is_known.then(|| Timestamp::utc(seconds)),
            trouble,
        })
    }
}

impl FetchNote {
    pub(super) fn put(&self, source: SourceId, id: &FetchId) -> Write {
        let writer = Writer::version(VERSION);
        let value = match self {
            Self::Fetched { owed, gone } => writer
                .number(if *owed { OWED } else { FETCHED })
                .signed(gone.map_or(0, |gone| gone.seconds)),
            Self::Skipped { octets } => writer.number(SKIPPED).number(*octets),
        };
        put(FETCH_NOTES, key(source, id), value.finish())
    }

    fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::version(value, VERSION)?;
        let kind = reader.number()?;
        let note = match kind {
            FETCHED | OWED => {
                let gone = reader.signed()?;
                Self::Fetched {
                    owed: kind == OWED,
                    gone: (gone != 0).then(|| Timestamp::utc(gone)),
                }
            }
            SKIPPED => Self::Skipped {
                octets: reader.number()?,
            },
            _ => return None,
        };
        reader.end()?;
        Some(note)
    }
}

pub(super) fn forget(source: SourceId, id: &FetchId) -> Write {
    Write::Delete {
        table: FETCH_NOTES,
        key: key(source, id),
    }
}

fn key(source: SourceId, id: &FetchId) -> Bytes {
    [&source, id.octets()].concat().into()
}

fn read_id(key: &[u8]) -> Option<FetchId> {
    let (_, id) = key.split_first_chunk::<16>()?;
    FetchId::new(id)
}

impl Account {
    /// How far a source was fetched; `None` where it never was.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn fetch_mark(&self, source: SourceId) -> Outcome<Option<FetchMark>> {
        let store = self.house.inner.store.as_ref();
        let key = Bytes::copy_from_slice(&source);
        let found = store.get(self.keeper.partition(), FETCH_MARKS, vec![key]);
        let found = found.await.map_err(Error::reading(READING))?;
        let Some(value) = found.into_iter().flatten().next() else {
            return Ok(None);
        };
        let mark = FetchMark::read(&value).ok_or(Fault::Row("a source"))?;
        Ok(Some(mark))
    }

    /// What is known of single ids of a source.
    ///
    /// # Errors
    /// [`crate::Why::Limit`] if they are too many, or if they cannot be read.
    pub async fn fetch_notes(&self, source: SourceId) -> Outcome<BTreeMap<FetchId, FetchNote>> {
        let store = self.house.inner.store.as_ref();
        let next = u128::from_be_bytes(source).checked_add(1);
        let end = next.map(|next| Bytes::copy_from_slice(&next.to_be_bytes()));
        let mut from = Bytes::copy_from_slice(&source);
        let mut notes = BTreeMap::new();
        loop {
            let partition = self.keeper.partition();
            let range = (from.clone(), end.clone());
            let page = store.scan(partition, FETCH_NOTES, range, NOTES_PAGE, Direction::Rising);
            let page = page.await.map_err(Error::reading(READING))?;
            for row in &page.rows {
                let note = read_id(&row.key).zip(FetchNote::read(&row.value));
                let (id, note) = note.ok_or(Fault::Row("a fetched message"))?;
                notes.insert(id, note);
            }
            if notes.len() > NOTES_MAX {
                return Err(Error::limit("Too much is known of this source"));
            }
            match page.rows.last() {
                // The smallest key behind the last.
                Some(last) if page.rows.len() >= NOTES_PAGE => {
                    from = [&last.key[..], &[0]].concat().into();
                }
                _ => return Ok(notes),
            }
        }
    }

    /// Forgets all that is known of a source: everything there is new again.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn forget_fetched(&self, source: SourceId) -> Outcome<()> {
        let notes = self.fetch_notes(source).await?;
        let ids: Vec<FetchId> = notes.into_keys().collect();
        for ids in ids.chunks(NOTES_PAGE) {
            self.change(|draft| {
                ids.iter().for_each(|id| draft.write(forget(source, id)));
                Ok(())
            })
            .await?;
        }
        self.change(|draft| {
            draft.write(Write::Delete {
                table: FETCH_MARKS,
                key: Bytes::copy_from_slice(&source),
            });
            Ok(())
        })
        .await
    }
}

const READING: &str = "reading what was fetched";

#[cfg(test)]
mod tests {
    use super::*;

    fn value(write: Write) -> Bytes {
        match write {
            Write::Put { value, .. } => value,
            _ => panic!("no plain row"),
        }
    }

    #[test]
    fn rows_come_back() {
        let id = FetchId::new(b"whqtswO00WBw418f9t5JxYwZ").unwrap();
        for note in [
            FetchNote::Fetched {
                owed: false,
                gone: None,
            },
            FetchNote::Fetched {
                owed: true,
                gone: Some(Timestamp::utc(1_795_464_900)),
            },
            FetchNote::Skipped { octets: 1 << 40 },
        ] {
            let read = FetchNote::read(&value(note.put([7; 16], &id)));
            assert_eq!(read, Some(note));
        }
        assert_eq!(read_id(&key([7; 16], &id)), Some(id));
        assert_eq!(FetchId::new(&[0; ID_OCTETS_MAX + 1]), None);
        let mark = FetchMark {
            generation: u32::MAX,
            through: 5,
            fetched: 6,
            skipped: 7,
            owed: 8,
            last: Some(Timestamp::utc(-1)),
            trouble: "its certificate is another".into(),
        };
        let read = FetchMark::read(&value(mark.put([0; 16])));
        assert_eq!(read.as_ref(), Some(&mark));
        let long = FetchMark {
            trouble: "é".repeat(TROUBLE_OCTETS_MAX),
            ..mark
        };
        let read = FetchMark::read(&value(long.put([0; 16]))).unwrap();
        assert_eq!(read.trouble.len(), TROUBLE_OCTETS_MAX);
    }
}
