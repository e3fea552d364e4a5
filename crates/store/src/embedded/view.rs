//! The ordered view of the log: rows, versions, and where each blob is.
//!
//! Written unsynced, behind the log; whatever it loses is replayed, and all of it can be made
//! again. Each of its three keyspaces carries a mark: the last record applied. The engine writes
//! its journal in order, so a keyspace whose mark is there has lost nothing before the mark.
//!
//! Not here: when it is made durable (`committer`) and how it is filled again (`recovery`).

use std::collections::HashMap;
use std::fmt;
use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, UserKey, UserValue};
use mail::BlobId;

use super::record::{Located, Place};
use crate::backend::{Direction, Error, Page, Partition, Row, Table, Version};

/// Write buffers of the engine at once: one for each keyspace, and as many being written.
const MEMTABLES: u64 = 6;
/// How much the engine's journal may hold: it is read at open.
const JOURNAL_OCTETS: u64 = 128 << 20;
/// Octets of rows that are copied into one piece of memory.
const GATHERED_OCTETS: usize = 8 << 10;
/// Octets before a row's own key: partition and table.
const PREFIX_OCTETS: usize = 9;
/// The key of the mark: shorter than any other key, and below all of them.
const MARK: [u8; 1] = [0];

/// The view; clones share it.
#[derive(Clone)]
pub(super) struct View {
    db: Database,
    rows: Keyspace,
    versions: Keyspace,
    blobs: Keyspace,
}

/// How much memory the view takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ViewMemory {
    /// For what is read often.
    pub(super) cache_octets: u64,
    /// For what is not written yet.
    pub(super) buffer_octets: u64,
}

/// What a group of records changes; later changes of a key replace earlier ones.
#[derive(Default)]
pub(super) struct Changes {
    /// As they came.
    rows: Vec<(UserKey, Option<UserValue>)>,
    versions: HashMap<Partition, Version>,
    blobs: HashMap<BlobId, Located>,
    octets: usize,
    /// Where a key is put together.
    key: Vec<u8>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("View")
    }
}

impl View {
    /// Opens the view, or makes an empty one.
    pub(super) fn open(dir: &Path, memory: ViewMemory) -> Result<Self, fjall::Error> {
        let db = Database::builder(dir)
            .cache_size(memory.cache_octets)
            .max_journaling_size(JOURNAL_OCTETS)
            .manual_journal_persist(true)
            .open()?;
        let keyspace = |name| {
            let options = || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(memory.buffer_octets / MEMTABLES)
                    .manual_journal_persist(true)
            };
            db.keyspace(name, options)
        };
        Ok(Self {
            rows: keyspace("rows")?,
            versions: keyspace("versions")?,
            blobs: keyspace("blobs")?,
            db,
        })
    }

    /// A partition's version.
    pub(super) fn version(&self, partition: Partition) -> Result<Version, Error> {
        let found = self.versions.get(partition.0.to_be_bytes());
        let found = found.map_err(failed("reading a version"))?;
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
        let snapshot = self.db.snapshot();
        let value = |key: &Bytes| {
            let found = snapshot.get(&self.rows, row_key(partition, table, key));
            let found = found.map_err(failed("reading rows"))?;
            // Copied, as the engine's value may hold on to a whole block.
            Ok(found.map(|value| Bytes::copy_from_slice(&value)))
        };
        keys.iter().map(value).collect()
    }

    /// Rows of a range.
    pub(super) fn scan(
        &self,
        partition: Partition,
        table: Table,
        (from, to): (&[u8], Option<&[u8]>),
        limit: usize,
        direction: Direction,
    ) -> Result<Page, Error> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Page::default());
        }
        let first = Bound::Included(row_key(partition, table, from));
        let last = match to {
            Some(to) => Bound::Excluded(row_key(partition, table, to)),
            None => behind(partition, table),
        };
        let mut rows = self.db.snapshot().range(&self.rows, (first, last));
        let mut gathered = Gathered::default();
        loop {
            let next = match direction {
                Direction::Rising => rows.next(),
                Direction::Falling => rows.next_back(),
            };
            let Some(row) = next else {
                return Ok(gathered.page(false));
            };
            if gathered.len() == limit {
                return Ok(gathered.page(true));
            }
            let (key, value) = row.into_inner().map_err(failed("scanning rows"))?;
            gathered.push(key.get(PREFIX_OCTETS..).unwrap_or_default(), &value);
        }
    }

    /// Where a blob is.
    pub(super) fn blob(&self, blob: BlobId) -> Result<Option<Located>, Error> {
        let found = self.blobs.get(blob.0).map_err(failed("finding a blob"))?;
        found
            .map(|octets| located(&octets).ok_or_else(|| damaged("where a blob is")))
            .transpose()
    }

    /// The last record that each keyspace has: the least and the greatest of them.
    pub(super) fn marks(&self) -> Result<(u64, u64), Error> {
        let mark = |keyspace: &Keyspace| {
            let found = keyspace.get(MARK).map_err(failed("reading a mark"))?;
            found.map_or(Ok(0), |found| number(&found))
        };
        let marks = [mark(&self.rows)?, mark(&self.versions)?, mark(&self.blobs)?];
        let least = marks.into_iter().min().unwrap_or(0);
        let greatest = marks.into_iter().max().unwrap_or(0);
        Ok((least, greatest))
    }

    /// Makes changes visible, all at once, without making them durable.
    pub(super) fn apply(&self, changes: Changes, sequence: u64) -> Result<(), Error> {
        let mut batch = self.db.batch();
        for (key, value) in latest(changes.rows) {
            match value {
                Some(value) => batch.insert(&self.rows, key, value),
                None => batch.remove(&self.rows, key),
            }
        }
        for (partition, version) in changes.versions {
            let (key, value) = (partition.0.to_be_bytes(), version.0.to_be_bytes());
            batch.insert(&self.versions, key, value);
        }
        for (blob, located) in changes.blobs {
            batch.insert(&self.blobs, blob.0, located_octets(located));
        }
        for keyspace in [&self.rows, &self.versions, &self.blobs] {
            batch.insert(keyspace, MARK, sequence.to_be_bytes());
        }
        batch.commit().map_err(failed("writing the view"))
    }

    /// Makes all that was applied durable.
    pub(super) fn persist(&self) -> Result<(), Error> {
        let done = self.db.persist(PersistMode::SyncAll);
        done.map_err(failed("syncing the view"))
    }

    /// Every key with its value, marks left out, as one ordered list per keyspace.
    pub(super) fn contents(
        &self,
    ) -> impl Iterator<Item = Result<(u8, UserKey, UserValue), Error>> + use<> {
        let keyspaces = [&self.rows, &self.versions, &self.blobs].map(Keyspace::iter);
        let contents = (0_u8..).zip(keyspaces).flat_map(|(keyspace, rows)| {
            rows.map(move |row| {
                let (key, value) = row.into_inner().map_err(failed("reading the view"))?;
                Ok((keyspace, key, value))
            })
        });
        contents.filter(|row| !matches!(row, Ok((_, key, _)) if **key == MARK))
    }

    /// Tells every row.
    pub(super) fn each_row(
        &self,
        mut each: impl FnMut(Partition, Table, &[u8], &[u8]),
    ) -> Result<(), Error> {
        for row in self.rows.iter() {
            let (key, value) = row.into_inner().map_err(failed("reading the view"))?;
            let split = key.split_first_chunk::<8>();
            let split = split.and_then(|(partition, rest)| Some((partition, rest.split_first()?)));
            if let Some((partition, (&table, rest))) = split {
                let partition = Partition(u64::from_be_bytes(*partition));
                each(partition, Table(table), rest, &value);
            }
        }
        Ok(())
    }

    /// Every blob with its place.
    pub(super) fn blobs(&self) -> impl Iterator<Item = Result<(BlobId, Located), Error>> + use<> {
        self.blobs.iter().filter_map(|row| {
            let (key, value) = match row.into_inner() {
                Ok(row) => row,
                Err(error) => return Some(Err(failed("reading the view")(error))),
            };
            let blob = BlobId(key.get(..)?.try_into().ok()?);
            Some(Ok((blob, located(&value)?)))
        })
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({} rows)", self.rows.len())
    }
}

impl Changes {
    pub(super) fn row(
        &mut self,
        partition: Partition,
        table: Table,
        key: &[u8],
        value: Option<&[u8]>,
    ) {
        self.octets += key.len() + value.map_or(0, <[u8]>::len);
        self.key.clear();
        put_row_key(&mut self.key, partition, table, key);
        let key = UserKey::from(&self.key[..]);
        self.rows.push((key, value.map(UserValue::from)));
    }

    pub(super) fn version(&mut self, partition: Partition, version: Version) {
        self.versions.insert(partition, version);
    }

    pub(super) fn blob(&mut self, blob: BlobId, located: Located) {
        self.blobs.insert(blob, located);
    }

    pub(super) fn version_of(&self, partition: Partition) -> Option<Version> {
        self.versions.get(&partition).copied()
    }

    pub(super) fn has_blob(&self, blob: BlobId) -> bool {
        self.blobs.contains_key(&blob)
    }

    pub(super) fn versions(&self) -> impl Iterator<Item = (Partition, Version)> {
        self.versions
            .iter()
            .map(|(partition, version)| (*partition, *version))
    }

    /// Octets of keys and values that were put in.
    pub(super) fn octets(&self) -> usize {
        self.octets
    }
}

/// Rows one behind the other: copied, as the engine's may hold on to a whole block each, and some
/// of them into the same memory, as most are looked at and let go together.
#[derive(Default)]
struct Gathered {
    page: Page,
    octets: Vec<u8>,
    /// Where each row's key and its value end.
    ends: Vec<(usize, usize)>,
}

impl Gathered {
    fn len(&self) -> usize {
        self.page.rows.len() + self.ends.len()
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        let octets = key.len() + value.len();
        if self.octets.len() + octets > self.octets.capacity() {
            self.settle();
            self.octets.reserve(octets.max(GATHERED_OCTETS));
        }
        self.octets.extend_from_slice(key);
        let key_end = self.octets.len();
        self.octets.extend_from_slice(value);
        self.ends.push((key_end, self.octets.len()));
    }

    fn settle(&mut self) {
        let octets = Bytes::from(std::mem::take(&mut self.octets));
        let mut begin = 0;
        self.page
            .rows
            .extend(self.ends.drain(..).map(|(key_end, end)| {
                let key = octets.slice(begin..key_end);
                let value = octets.slice(key_end..end);
                begin = end;
                Row { key, value }
            }));
    }

    fn page(mut self, more: bool) -> Page {
        // A page of a few rows keeps no more than it needs.
        self.octets.shrink_to_fit();
        self.settle();
        Page { more, ..self.page }
    }
}

/// The last change of each key, by rising key: what is next to each other in the engine's tree is
/// put there one after the other, which costs a fraction of jumping about in it.
fn latest(
    mut rows: Vec<(UserKey, Option<UserValue>)>,
) -> impl Iterator<Item = (UserKey, Option<UserValue>)> {
    // Those of one key stay in their order.
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut rows = rows.into_iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let (key, value) = rows.next()?;
            if rows.peek().is_none_or(|(next, _)| *next != key) {
                return Some((key, value));
            }
        }
    })
}

fn row_key(partition: Partition, table: Table, key: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(PREFIX_OCTETS + key.len());
    put_row_key(&mut octets, partition, table, key);
    octets
}

fn put_row_key(octets: &mut Vec<u8>, partition: Partition, table: Table, key: &[u8]) {
    octets.extend_from_slice(&partition.0.to_be_bytes());
    octets.push(table.0);
    octets.extend_from_slice(key);
}

/// The end of a table's keys.
fn behind(partition: Partition, table: Table) -> Bound<Vec<u8>> {
    if let Some(next) = table.0.checked_add(1) {
        return Bound::Excluded(row_key(partition, Table(next), &[]));
    }
    match partition.0.checked_add(1) {
        Some(next) => Bound::Excluded(row_key(Partition(next), Table(0), &[])),
        None => Bound::Unbounded,
    }
}

fn located_octets(located: Located) -> Vec<u8> {
    let mut octets = located.len.to_be_bytes().to_vec();
    if let Place::Log { segment, offset } = located.place {
        octets.extend_from_slice(&segment.to_be_bytes());
        octets.extend_from_slice(&offset.to_be_bytes());
    }
    octets
}

fn located(octets: &[u8]) -> Option<Located> {
    let (len, rest) = octets.split_first_chunk()?;
    let place = if rest.is_empty() {
        Place::Body
    } else {
        let (segment, offset) = rest.split_first_chunk()?;
        Place::Log {
            segment: u64::from_be_bytes(*segment),
            offset: u64::from_be_bytes(offset.try_into().ok()?),
        }
    };
    let len = u64::from_be_bytes(*len);
    Some(Located { len, place })
}

fn number(octets: &[u8]) -> Result<u64, Error> {
    let octets = octets.try_into().map_err(|_| damaged("a number"))?;
    Ok(u64::from_be_bytes(octets))
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("{what} is not readable in the view"))
}

fn failed(doing: &'static str) -> impl Fn(fjall::Error) -> Error {
    move |error| Error::Engine {
        doing,
        cause: error.to_string(),
    }
}
