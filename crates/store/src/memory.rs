//! A store that forgets: everything in maps, for tests and for trying things out.
//!
//! Not here: durability. It keeps the same promises about order, conflicts and blobs as a store
//! on a disk, so that what holds here holds there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use mail::{BlobId, BlobRange};

use crate::backend::{
    Batch, Boxed, CommitError, Direction, Error, Page, Partition, Row, Sought, Stage, Staged,
    Store, Table, Version, Write,
};
use crate::derived::{Derived, Piece};
use crate::packed;
use crate::reclaim::{Mention, Mentions, RateLimit, Reclaim, Reclaimed, Survey};
use crate::snapshot::{Gather, Hold, Holds, Snapshot, SnapshotPage, SnapshotRow};

/// A store in memory; clones share it.
#[derive(Clone, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

type Tables = BTreeMap<(Partition, Table), BTreeMap<Bytes, Bytes>>;

#[derive(Default)]
struct State {
    versions: HashMap<Partition, Version>,
    /// How many there were.
    commits: u64,
    tables: Tables,
    blobs: HashMap<BlobId, Bytes>,
    derived: BTreeMap<(Partition, Piece), Bytes>,
    reclaimed: Reclaimed,
    /// What others still read.
    holds: Arc<Holds>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Memory")
            .field("partitions", &state.versions.len())
            .field("blobs", &state.blobs.len())
            .finish()
    }
}

impl Store for Memory {
    fn version(&self, partition: Partition) -> Boxed<'_, Result<Version, Error>> {
        let version = self.state().version(partition);
        Box::pin(async move { Ok(version) })
    }

    fn get(
        &self,
        partition: Partition,
        table: Table,
        keys: Vec<Bytes>,
    ) -> Boxed<'_, Result<Vec<Option<Bytes>>, Error>> {
        let state = self.state();
        let rows = state.tables.get(&(partition, table));
        let values = keys
            .iter()
            .map(|key| rows.and_then(|rows| rows.get(key)).cloned())
            .collect();
        Box::pin(async move { Ok(values) })
    }

    fn scan(
        &self,
        partition: Partition,
        table: Table,
        range: (Bytes, Option<Bytes>),
        limit: usize,
        direction: Direction,
    ) -> Boxed<'_, Result<Page, Error>> {
        let page = self
            .state()
            .page((partition, table), range, limit, direction);
        Box::pin(async move { Ok(page) })
    }

    fn stage(&self) -> Box<dyn Stage> {
        Box::new(Gathering::default())
    }

    fn read(&self, range: BlobRange) -> Boxed<'_, Result<Bytes, Error>> {
        let octets = self.state().octets(range);
        Box::pin(async move { octets })
    }

    fn sound(&self, sought: Vec<Sought>) -> Boxed<'_, Result<Vec<bool>, Error>> {
        let found = sought.iter().map(|one| self.state().octets(one.range));
        let sound = found.map(|octets| octets.is_ok()).collect();
        Box::pin(async move { Ok(sound) })
    }

    fn commit(&self, batch: Batch) -> Boxed<'static, Result<(), CommitError>> {
        let done = self.state().commit(batch);
        Box::pin(async move { done })
    }

    fn snapshot(&self) -> Boxed<'_, Result<Arc<dyn Snapshot>, Error>> {
        let state = self.state();
        let still: Arc<dyn Snapshot> = Arc::new(Still {
            sequence: state.commits,
            tables: state.tables.clone(),
            _hold: state.holds.hold(state.commits),
        });
        Box::pin(async move { Ok(still) })
    }

    fn derived(&self) -> &dyn Derived {
        self
    }

    fn survey<'a>(
        &'a self,
        mentions: Mentions,
        _limit: &'a dyn RateLimit,
    ) -> Boxed<'a, Result<Survey, Error>> {
        let survey = self.state().survey(mentions).0;
        Box::pin(async move { Ok(survey) })
    }

    fn reclaim<'a>(&'a self, how: Reclaim<'a>) -> Boxed<'a, Result<Reclaimed, Error>> {
        let done = self.state().reclaim(how.mentions);
        Box::pin(async move { done })
    }

    fn reclaimed(&self) -> Reclaimed {
        self.state().reclaimed
    }
}

/// What all rows were at an instant.
#[derive(Debug)]
struct Still {
    sequence: u64,
    tables: Tables,
    _hold: Hold,
}

impl Snapshot for Still {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn rows(&self, from: Bytes, octets: usize) -> Boxed<'_, Result<SnapshotPage, Error>> {
        let mut gather = Gather::new(octets);
        let rows = self.tables.iter().flat_map(|((partition, table), rows)| {
            rows.iter().map(|(key, value)| SnapshotRow {
                partition: *partition,
                table: *table,
                key,
                value,
            })
        });
        let mut rows = rows.filter(|row| row.name() >= from);
        while rows.next().is_some_and(|row| gather.add(&row)) {}
        Box::pin(async move { Ok(gather.page()) })
    }
}

impl Derived for Memory {
    fn pieces(&self, partition: Partition) -> Boxed<'_, Result<Vec<Piece>, Error>> {
        let all = (partition, Piece(0))..=(partition, Piece(u128::MAX));
        let state = self.state();
        let pieces = state.derived.range(all).map(|((_, piece), _)| *piece);
        let pieces = pieces.collect();
        Box::pin(async move { Ok(pieces) })
    }

    fn keep(
        &self,
        partition: Partition,
        piece: Piece,
        octets: Bytes,
    ) -> Boxed<'_, Result<(), Error>> {
        self.state().derived.insert((partition, piece), octets);
        Box::pin(async { Ok(()) })
    }

    fn peruse(
        &self,
        partition: Partition,
        piece: Piece,
        ranges: Vec<Range<u64>>,
    ) -> Boxed<'_, Result<Vec<Bytes>, Error>> {
        let found = self.state().derived.get(&(partition, piece)).cloned();
        let read = |range: &Range<u64>| match &found {
            Some(_) if range.is_empty() => Some(Bytes::new()),
            Some(octets) => {
                let start = usize::try_from(range.start).ok()?;
                let end = usize::try_from(range.end).ok()?;
                (end <= octets.len()).then(|| octets.slice(start..end))
            }
            None => None,
        };
        let octets = ranges.iter().map(read).collect::<Option<Vec<_>>>();
        let octets = octets.ok_or_else(|| Error::Engine {
            doing: "reading derived data",
            cause: "it is not there".into(),
        });
        Box::pin(async move { octets })
    }

    fn discard(&self, partition: Partition, piece: Piece) -> Boxed<'_, Result<(), Error>> {
        self.state().derived.remove(&(partition, piece));
        Box::pin(async { Ok(()) })
    }
}

impl State {
    fn version(&self, partition: Partition) -> Version {
        self.versions.get(&partition).copied().unwrap_or_default()
    }

    fn page(
        &self,
        table: (Partition, Table),
        (from, to): (Bytes, Option<Bytes>),
        limit: usize,
        direction: Direction,
    ) -> Page {
        // A map panics on a range that ends before it begins; here that is just an empty one.
        if to.as_ref().is_some_and(|to| *to <= from) {
            return Page::default();
        }
        let Some(rows) = self.tables.get(&table) else {
            return Page::default();
        };
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        let found = rows.range((Bound::Included(from), to));
        match direction {
            Direction::Rising => first(found, limit),
            Direction::Falling => first(found.rev(), limit),
        }
    }

    fn octets(&self, range: BlobRange) -> Result<Bytes, Error> {
        let blob = self
            .blobs
            .get(&range.blob)
            .ok_or(Error::NoBlob(range.blob))?;
        let start = usize::try_from(range.offset).ok();
        let end = range.offset.checked_add(range.len);
        let end = end.and_then(|end| usize::try_from(end).ok());
        match (start, end) {
            (Some(start), Some(end)) if end <= blob.len() => Ok(blob.slice(start..end)),
            _ => Err(Error::OutOfRange(range)),
        }
    }

    fn commit(&mut self, batch: Batch) -> Result<(), CommitError> {
        batch.well_formed()?;
        if batch.blobs.iter().any(|staged| staged.bytes.is_none()) {
            return Err(CommitError::Failed("a blob of another store".into()));
        }
        for part in &batch.parts {
            if self.version(part.partition) != part.from {
                return Err(CommitError::Conflict);
            }
        }
        self.mentioned_are_there(&batch)?;
        self.commits += 1;
        for staged in batch.blobs {
            if let Some(bytes) = staged.bytes {
                self.blobs.entry(staged.blob).or_insert(bytes);
            }
        }
        for part in batch.parts {
            self.versions.insert(part.partition, part.from.next());
            for write in &part.writes {
                self.write(part.partition, write);
            }
        }
        Ok(())
    }

    fn mentioned_are_there(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut outcome = Ok(());
        for write in batch.parts.iter().flat_map(|part| &part.writes) {
            packed::each(write, |change| {
                let value = change.value.filter(|_| change.beside);
                let name = value.and_then(|value| value.get(1..33)?.try_into().ok());
                let Some(blob) = name.map(BlobId) else {
                    return;
                };
                let is_brought = batch.blobs.iter().any(|staged| staged.blob == blob);
                if !is_brought && !self.blobs.contains_key(&blob) {
                    outcome = Err(CommitError::Gone(blob));
                }
            });
        }
        outcome
    }

    /// What is used and what is dead, and the names of those that are mentioned.
    fn survey(&self, mentions: Mentions) -> (Survey, HashSet<BlobId>) {
        let (mut survey, mut mentioned) = (Survey::default(), HashSet::new());
        for ((partition, table), rows) in &self.tables {
            for (key, value) in rows {
                survey.row_octets += (key.len() + value.len()) as u64;
                match mentions(*partition, *table, value) {
                    Mention::Nothing => {}
                    Mention::Blob(blob) => drop(mentioned.insert(blob)),
                    Mention::Unreadable => survey.unreadable += 1,
                }
            }
        }
        for (blob, octets) in &self.blobs {
            survey
                .blobs
                .count(mentioned.contains(blob), octets.len() as u64);
        }
        (survey, mentioned)
    }

    fn reclaim(&mut self, mentions: Mentions) -> Result<Reclaimed, Error> {
        let (survey, mentioned) = self.survey(mentions);
        if survey.unreadable > 0 {
            return Err(Error::Damaged("a row that may mention any blob".into()));
        }
        if self.holds.since().is_some() {
            return Ok(Reclaimed {
                sweeps: 1,
                ..Reclaimed::default()
            });
        }
        self.blobs.retain(|blob, _| mentioned.contains(blob));
        let done = Reclaimed {
            sweeps: 1,
            forgotten: survey.blobs.dead,
            forgotten_octets: survey.blobs.dead_octets,
            ..Reclaimed::default()
        };
        self.reclaimed = self.reclaimed.and(done);
        Ok(done)
    }

    fn write(&mut self, partition: Partition, write: &Write) {
        packed::each(write, |change| {
            let rows = self.tables.entry((partition, change.table)).or_default();
            match change.value {
                Some(value) => {
                    let key = Bytes::copy_from_slice(change.key);
                    rows.insert(key, Bytes::copy_from_slice(value));
                }
                None => drop(rows.remove(change.key)),
            }
        });
    }
}

fn first<'a>(rows: impl Iterator<Item = (&'a Bytes, &'a Bytes)>, limit: usize) -> Page {
    let mut page = Page::default();
    for (key, value) in rows {
        if page.rows.len() == limit {
            page.more = true;
            break;
        }
        page.rows.push(Row {
            key: key.clone(),
            value: value.clone(),
        });
    }
    page
}

/// A blob that is gathered in memory.
#[derive(Default)]
struct Gathering {
    octets: BytesMut,
}

impl fmt::Debug for Gathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gathering({} octets)", self.octets.len())
    }
}

impl Stage for Gathering {
    fn write(&mut self, bytes: Bytes) -> Boxed<'_, Result<(), Error>> {
        self.octets.extend_from_slice(&bytes);
        Box::pin(async { Ok(()) })
    }

    fn amend(&mut self, front: Bytes) -> Boxed<'_, Result<(), Error>> {
        let amended = match self.octets.get_mut(..front.len()) {
            Some(first) => {
                first.copy_from_slice(&front);
                Ok(())
            }
            None => Err(Error::longer_than_written()),
        };
        Box::pin(async { amended })
    }

    fn finish(self: Box<Self>) -> Boxed<'static, Result<Staged, Error>> {
        let staged = Staged::of(self.octets.freeze());
        Box::pin(async move { Ok(staged) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn conforms() {
        crate::testing::conform(&Memory::new()).await.unwrap();
    }
}
