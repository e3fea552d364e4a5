//! The ordered view of the log: rows, versions, and where each blob is.
//!
//! Written unsynced, behind the log; whatever it loses is replayed, and all of it can be made
//! again. Each of its three keyspaces carries a mark: the last record applied. A keyspace whose
//! mark is there has lost nothing before the mark, but the three may end at different records.
//!
//! It has two forms: an engine's (`engine`), and maps in memory that are written to the store's
//! own disk (`plain`), for a world in which every octet must pass through a disk that can be made
//! to fail.
//!
//! Not here: when it is made durable (`committer`) and how it is filled again (`recovery`).

mod changes;
mod engine;
mod frozen;
mod plain;
mod rows;
mod still;

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{UserKey, UserValue};
use mail::BlobId;

pub(super) use self::changes::Changes;
pub(super) use self::frozen::{Frozen, Rows};
pub(super) use self::rows::{located, split_key};
pub(super) use self::still::Still;

use self::engine::Engine;
use self::plain::Plain;
use self::rows::{Gathered, PREFIX_OCTETS, behind, row_key};
use super::ground::ViewForm;
use super::record::Located;
use crate::backend::{Cut, Direction, Error, Page, Partition, Table, Version, pieces};
use crate::disk::Disk;

/// The key of the mark: shorter than any other key, and below all of them.
const MARK: [u8; 1] = [0];

/// The file beside it that says that it is damaged.
pub(super) const DAMAGED: &str = "damaged";

/// The view; clones share it.
#[derive(Clone, Debug)]
pub(super) enum View {
    /// Kept by an engine.
    Engine(Engine),
    /// Kept in memory.
    Plain(Plain),
}

/// How much memory the view takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ViewMemory {
    /// For what is read often.
    pub(super) cache_octets: u64,
    /// For what is not written yet.
    pub(super) buffer_octets: u64,
}

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Rows,
    Versions,
    Blobs,
}

impl Space {
    pub(super) const ALL: [Self; 3] = [Self::Rows, Self::Versions, Self::Blobs];

    /// What it is in a snapshot.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Rows => 0,
            Self::Versions => 1,
            Self::Blobs => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Versions => "versions",
            Self::Blobs => "blobs",
        }
    }
}

/// Why a view is not open.
#[derive(Debug)]
pub(super) enum OpenError {
    /// It is damaged: made again, it would be open.
    Damaged(String),
    /// It may be whole.
    Failed(Error),
}

impl View {
    /// Opens the view, or makes an empty one.
    pub(super) fn open(
        form: &ViewForm,
        disk: &Arc<dyn Disk>,
        dir: &Path,
        memory: ViewMemory,
    ) -> Result<Self, OpenError> {
        match form {
            ViewForm::Engine => Engine::open(disk, dir, memory).map(Self::Engine),
            ViewForm::Plain(early) => {
                let (disk, early) = (Arc::clone(disk), Arc::clone(early));
                Plain::open(disk, dir, early).map(Self::Plain)
            }
        }
    }

    fn value(&self, space: Space, key: &[u8]) -> Result<Option<UserValue>, Error> {
        match self {
            Self::Engine(engine) => engine.value(space, key),
            Self::Plain(plain) => Ok(plain.value(space, key)),
        }
    }

    /// A partition's version.
    pub(super) fn version(&self, partition: Partition) -> Result<Version, Error> {
        let found = self.value(Space::Versions, &partition.0.to_be_bytes())?;
        let Some(found) = found else {
            return Ok(Version(0));
        };
        number(&found).map(Version)
    }

    /// Values of many keys, all of one instant.
    pub(super) fn get(
        &self,
        partition: Partition,
        table: Table,
        keys: &[Bytes],
    ) -> Result<Vec<Option<Bytes>>, Error> {
        let keys = keys.iter().map(|key| row_key(partition, table, key));
        match self {
            Self::Engine(engine) => engine.values(keys),
            Self::Plain(plain) => Ok(plain.values(keys)),
        }
    }

    /// Rows of a range.
    pub(super) fn scan(
        &self,
        partition: Partition,
        table: Table,
        (from, to): (&[u8], Option<&[u8]>),
        limit: usize,
        how: (Direction, Option<Cut>),
    ) -> Result<Page, Error> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Page::default());
        }
        let first = Bound::Included(row_key(partition, table, from));
        let last = match to {
            Some(to) => Bound::Excluded(row_key(partition, table, to)),
            None => behind(partition, table),
        };
        match self {
            Self::Engine(engine) => engine.scan((first, last), limit, how),
            Self::Plain(plain) => plain.scan((first, last), limit, how),
        }
    }

    /// Where a blob is.
    pub(super) fn blob(&self, blob: BlobId) -> Result<Option<Located>, Error> {
        self.value(Space::Blobs, &blob.0)?
            .map(|octets| located(&octets).ok_or_else(|| damaged("where a blob is")))
            .transpose()
    }

    /// The last record that each keyspace has: the least and the greatest of them.
    pub(super) fn marks(&self) -> Result<(u64, u64), Error> {
        let mark = |space| {
            let found = self.value(space, &MARK)?;
            found.map_or(Ok(0), |found| number(&found))
        };
        let [rows, versions, blobs] = Space::ALL.map(mark);
        let marks = [rows?, versions?, blobs?];
        let least = marks.into_iter().min().unwrap_or(0);
        let greatest = marks.into_iter().max().unwrap_or(0);
        Ok((least, greatest))
    }

    /// Makes the rows visible that were changed so far, and nothing else.
    pub(super) fn apply_piece(&self, changes: &mut Changes) -> Result<(), Error> {
        match self {
            Self::Engine(engine) => engine.apply_piece(changes),
            Self::Plain(plain) => {
                plain.apply_piece(changes);
                Ok(())
            }
        }
    }

    /// Makes changes visible, all at once, without making them durable.
    pub(super) fn apply(&self, changes: Changes, sequence: u64) -> Result<(), Error> {
        match self {
            Self::Engine(engine) => engine.apply(changes, sequence),
            Self::Plain(plain) => {
                plain.apply(changes, sequence);
                Ok(())
            }
        }
    }

    /// Makes all that was applied durable.
    pub(super) fn persist(&self) -> Result<(), Error> {
        match self {
            Self::Engine(engine) => engine.persist(),
            Self::Plain(plain) => plain.persist(),
        }
    }

    fn all(&self, space: Space) -> Box<dyn Iterator<Item = Result<(UserKey, UserValue), Error>>> {
        match self {
            Self::Engine(engine) => Box::new(engine.all(space)),
            Self::Plain(plain) => Box::new(plain.all(space).into_iter().map(Ok)),
        }
    }

    /// All of it as it is now.
    pub(super) fn frozen(&self) -> Frozen {
        match self {
            Self::Engine(engine) => Frozen::Engine(engine.frozen()),
            Self::Plain(plain) => Frozen::Plain(plain.frozen()),
        }
    }

    /// Every key with its value, marks left out, as one ordered list per keyspace.
    pub(super) fn contents(
        &self,
    ) -> impl Iterator<Item = Result<(u8, UserKey, UserValue), Error>> + use<> {
        let spaces = Space::ALL.map(|space| self.all(space));
        let contents = (0_u8..).zip(spaces).flat_map(|(space, rows)| {
            rows.map(move |row| row.map(|(key, value)| (space, key, value)))
        });
        contents.filter(|row| !matches!(row, Ok((_, key, _)) if **key == MARK))
    }

    /// Tells every row.
    pub(super) fn each_row(
        &self,
        mut each: impl FnMut(Partition, Table, &[u8], &[u8]),
    ) -> Result<(), Error> {
        for row in self.all(Space::Rows) {
            let (key, value) = row?;
            if let Some((partition, table, rest)) = split_key(&key) {
                each(partition, table, rest, &value);
            }
        }
        Ok(())
    }

    /// Every blob with its place.
    pub(super) fn blobs(&self) -> impl Iterator<Item = Result<(BlobId, Located), Error>> + use<> {
        self.all(Space::Blobs).filter_map(|row| {
            let (key, value) = match row {
                Ok(row) => row,
                Err(error) => return Some(Err(error)),
            };
            let blob = BlobId(key.get(..)?.try_into().ok()?);
            Some(Ok((blob, located(&value)?)))
        })
    }
}

/// The first rows that an iterator gives, which may fail.
fn page(
    rows: impl Iterator<Item = Result<(UserKey, UserValue), Error>>,
    limit: usize,
    cut: Option<Cut>,
) -> Result<Page, Error> {
    let mut gathered = Gathered::default();
    for row in rows {
        if gathered.len() == limit {
            return Ok(gathered.page(true));
        }
        let (key, value) = row?;
        let key = key.get(PREFIX_OCTETS..).unwrap_or_default();
        gathered.push(key, pieces(&value, cut));
    }
    Ok(gathered.page(false))
}

fn number(octets: &[u8]) -> Result<u64, Error> {
    let octets = octets.try_into().map_err(|_| damaged("a number"))?;
    Ok(u64::from_be_bytes(octets))
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("{what} is not readable in the view"))
}
