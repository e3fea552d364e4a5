//! The words every backend speaks: a few functions in plain data.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use mail::{BlobId, BlobRange};

use crate::derived::Derived;
use crate::embedded::Stats;
use crate::packed::Packed;
use crate::reclaim::{Mentions, RateLimit, Reclaim, Reclaimed, Survey};
use crate::snapshot::Snapshot;

/// A future that can be handed around.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The unit of atomicity: an account, the directory, or a queue partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u64);

impl Partition {
    /// Domains, accounts' names and passwords, aliases.
    pub const DIRECTORY: Self = Self(0);
    /// Letters that wait to leave for other hosts.
    pub const QUEUE: Self = Self(1 << 62);
}

/// How many commits a partition has seen: the check that makes a batch conditional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The version after one more commit.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A table inside a partition: the first octet of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(pub u8);

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key inside the table, big-endian numbers first.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest key.
    Rising,
    /// From the largest key.
    Falling,
}

/// Where a blob may be found without a search, as the store itself said it in a row: see
/// [`Write::PutBeside`]. It is right or of no use; then the blob is searched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint(pub [u8; Self::OCTETS]);

impl Hint {
    /// Octets it takes.
    pub const OCTETS: usize = 8;
    /// Knows nothing.
    pub const NONE: Self = Self([0; Self::OCTETS]);
}

/// A range of a blob's octets, and what a row says of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sought {
    /// Which octets.
    pub range: BlobRange,
    /// Octets of the whole blob.
    pub len: u64,
    /// Where it may be.
    pub hint: Hint,
}

/// Which octets of a value are wanted, told by its first ones: those before the first number, and
/// those from the second on up to the third. Numbers beyond the end mean the end.
pub type Cut = fn(&[u8]) -> (usize, usize, usize);

/// The two pieces of a value that a cut leaves.
pub(crate) fn pieces(value: &[u8], cut: Option<Cut>) -> (&[u8], &[u8]) {
    let Some(cut) = cut else {
        return (value, &[]);
    };
    let (front, from, to) = cut(value);
    let to = to.min(value.len());
    let front_octets = value.get(..front).unwrap_or(value);
    // No octet is told twice.
    (
        front_octets,
        value.get(from.max(front)..to).unwrap_or_default(),
    )
}

/// Rows of one scan. A row may hold on to more memory than its own: what is kept is copied.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the scan's direction.
    pub rows: Vec<Row>,
    /// True if the limit cut the scan: go on behind the last key.
    pub more: bool,
}

/// One change of one row.
#[derive(Clone, Debug)]
pub enum Write {
    /// Sets a row.
    Put {
        /// Its table.
        table: Table,
        /// Its key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Sets a row about a blob. Behind its first octet the value has the blob's name, and behind
    /// that a [`Hint`]. If the batch brings the blob, and the store knows a hint, what is read has
    /// that in its place; else it stays as it is. A blob that the batch does not bring has to be
    /// there, or the commit fails with [`CommitError::Gone`].
    PutBeside {
        /// Its table.
        table: Table,
        /// Its key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Removes a row if it is there.
    Delete {
        /// Its table.
        table: Table,
        /// Its key.
        key: Bytes,
    },
    /// Many changes, in order.
    Packed(Packed),
}

/// The changes of one partition.
#[derive(Clone, Debug)]
pub struct Writes {
    /// Which.
    pub partition: Partition,
    /// The version the writer saw; the commit raises it by one, or fails with
    /// [`CommitError::Conflict`] if it is no longer this one.
    pub from: Version,
    /// In order; later ones win.
    pub writes: Vec<Write>,
}

/// A blob whose octets are on their way: immutable, not yet durable.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Its name: the hash of its octets.
    pub blob: BlobId,
    /// How many octets.
    pub len: u64,
    /// The octets while they are still in memory; `None` where the backend has put them away.
    pub bytes: Option<Bytes>,
    /// Where the backend put them; its own business.
    pub place: u64,
}

impl Staged {
    /// A blob that is in memory whole: ready to be named by a batch without a [`Stage`].
    #[must_use]
    pub fn of(bytes: Bytes) -> Self {
        Self {
            blob: BlobId(*blake3::hash(&bytes).as_bytes()),
            len: bytes.len() as u64,
            bytes: Some(bytes),
            place: 0,
        }
    }
}

/// All that one durable step does: whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// At most one entry for each partition.
    pub parts: Vec<Writes>,
    /// Blobs that become readable with it.
    pub blobs: Vec<Staged>,
}

impl Batch {
    /// Refuses a batch that names a partition twice.
    pub(crate) fn well_formed(&self) -> Result<(), CommitError> {
        let mut seen: Vec<_> = self.parts.iter().map(|part| part.partition).collect();
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(CommitError::Failed("a partition is named twice".into()));
        }
        Ok(())
    }
}

/// Why a commit did not happen, or may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A partition had moved on: load it again and try anew. Nothing was written.
    #[error("the partition has moved on")]
    Conflict,
    /// There is no room. Nothing was written.
    #[error("the disk is full")]
    Full,
    /// A row is about a blob that is not there, and the batch does not bring it. Nothing was
    /// written.
    #[error("blob {0} is gone")]
    Gone(BlobId),
    /// Nothing was written, for another reason.
    #[error("not committed: {0}")]
    Failed(String),
    /// The engine died during the commit: it may be there after a restart.
    #[error("the store has stopped: {0}")]
    Unknown(String),
}

/// Why a read failed: our own fault, always.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The disk or the engine said no.
    #[error("{doing}: {cause}")]
    Engine {
        /// What we were doing.
        doing: &'static str,
        /// What it said.
        cause: String,
    },
    /// Octets are not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// A later release wrote it, and this one does not know its form: nothing was changed.
    #[error("{what} is of version {found}, which a later release wrote; this one reads {known}")]
    Newer {
        /// Which part of the store.
        what: String,
        /// Its version.
        found: u32,
        /// The last version that is known.
        known: u32,
    },
    /// There is no such blob.
    #[error("no blob {0}")]
    NoBlob(BlobId),
    /// The blob is shorter than that.
    #[error("blob {} has no octets {}+{}", .0.blob, .0.offset, .0.len)]
    OutOfRange(BlobRange),
    /// There is no room.
    #[error("the disk is full")]
    Full,
}

impl Error {
    /// More is to be amended than is there.
    pub(crate) fn longer_than_written() -> Self {
        Self::Engine {
            doing: "amending a body",
            cause: "more octets than were written".into(),
        }
    }
}

/// A blob being written piece by piece.
pub trait Stage: Send + fmt::Debug {
    /// Adds octets.
    fn write(&mut self, bytes: Bytes) -> Boxed<'_, Result<(), Error>>;
    /// Puts other octets in the place of the first ones, as many as they are: what stands at a
    /// blob's beginning may be known only at its end. More than were written are an error.
    fn amend(&mut self, front: Bytes) -> Boxed<'_, Result<(), Error>>;
    /// Ends it. It becomes readable and durable with the batch that names it, or vanishes.
    fn finish(self: Box<Self>) -> Boxed<'static, Result<Staged, Error>>;
}

/// A store: a few functions in plain data, the same for every backend.
pub trait Store: Send + Sync + fmt::Debug {
    /// The version of a partition; zero if nothing was ever written there.
    fn version(&self, partition: Partition) -> Boxed<'_, Result<Version, Error>>;

    /// Many rows of one table in one round trip, in the order of `keys`.
    fn get(
        &self,
        partition: Partition,
        table: Table,
        keys: Vec<Bytes>,
    ) -> Boxed<'_, Result<Vec<Option<Bytes>>, Error>>;

    /// Rows with `range.0 <= key < range.1` (no end: to the table's end), at most `limit` of them,
    /// in `direction`: falling begins at the largest key below the end.
    fn scan(
        &self,
        partition: Partition,
        table: Table,
        range: (Bytes, Option<Bytes>),
        limit: usize,
        direction: Direction,
    ) -> Boxed<'_, Result<Page, Error>>;

    /// As [`Store::scan`] with rising keys, but of each value only what `cut` leaves is told: the
    /// rest is not even copied.
    fn scan_cut(
        &self,
        partition: Partition,
        table: Table,
        range: (Bytes, Option<Bytes>),
        limit: usize,
        cut: Cut,
    ) -> Boxed<'_, Result<Page, Error>> {
        let page = self.scan(partition, table, range, limit, Direction::Rising);
        Box::pin(async move {
            let mut page = page.await?;
            for row in &mut page.rows {
                let (front, behind) = pieces(&row.value, Some(cut));
                row.value = [front, behind].concat().into();
            }
            Ok(page)
        })
    }

    /// Begins a blob that may be large.
    fn stage(&self) -> Box<dyn Stage>;

    /// Octets of a committed blob: all that the range names, or an error.
    fn read(&self, range: BlobRange) -> Boxed<'_, Result<Bytes, Error>>;

    /// Octets of many ranges, in their order; all of them, or an error. Where they lie close
    /// together, they are read for less than one by one.
    fn read_many(&self, ranges: Vec<BlobRange>) -> Boxed<'_, Result<Vec<Bytes>, Error>> {
        Box::pin(async move {
            let mut all = Vec::with_capacity(ranges.len());
            for range in ranges {
                all.push(self.read(range).await?);
            }
            Ok(all)
        })
    }

    /// The same where rows say where the blobs may be.
    fn read_sought(&self, sought: Vec<Sought>) -> Boxed<'_, Result<Vec<Bytes>, Error>> {
        self.read_many(sought.into_iter().map(|one| one.range).collect())
    }

    /// Tells of each blob whether its octets can be read and are those that were written, without
    /// holding a large one in memory. Of those that were looked at lately this is known.
    fn sound(&self, sought: Vec<Sought>) -> Boxed<'_, Result<Vec<bool>, Error>>;

    /// Makes a batch durable.
    ///
    /// It is queued when this is *called*: two calls in order are two commits in order, and the
    /// second may be prepared before the first is durable. When the future is ready with `Ok`,
    /// the batch is on the disk and every read sees it.
    fn commit(&self, batch: Batch) -> Boxed<'static, Result<(), CommitError>>;

    /// All rows as they are now, between two commits: behind all that were asked for before.
    fn snapshot(&self) -> Boxed<'_, Result<Arc<dyn Snapshot>, Error>>;

    /// The place for what can be made again.
    fn derived(&self) -> &dyn Derived;

    /// Finds out what is used and what is dead, and changes nothing.
    fn survey<'a>(
        &'a self,
        mentions: Mentions,
        limit: &'a dyn RateLimit,
    ) -> Boxed<'a, Result<Survey, Error>>;

    /// Frees what no row mentions, beside the work. Blobs that are younger than its beginning, or
    /// were mentioned since, stay; so do all while there is a [`Snapshot`]. Once at a time; a
    /// second call waits for the first.
    fn reclaim<'a>(&'a self, how: Reclaim<'a>) -> Boxed<'a, Result<Reclaimed, Error>>;

    /// What was freed since the store was opened.
    fn reclaimed(&self) -> Reclaimed;

    /// What was done since the store was opened; nothing where nobody counts.
    fn stats(&self) -> Stats {
        Stats::default()
    }
}
