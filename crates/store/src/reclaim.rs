//! Freeing what no row mentions any more: the words for it.
//!
//! A store knows which blobs it has, and whoever writes rows knows what they mention. A sweep asks
//! every row, and what none mentions is dead. No counter is kept while mail comes and goes.
//!
//! Not here: when it is done and how fast (whoever asks), and how (`embedded`).

use std::fmt;
use std::time::Duration;

use mail::BlobId;

use crate::backend::{Boxed, Partition, Table};

/// What a row says of blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mention {
    /// It mentions none.
    Nothing,
    /// It mentions this one, which is to stay.
    Blob(BlobId),
    /// It cannot be read, and may mention any: then nothing is freed.
    Unreadable,
}

/// Reads what a row mentions from its partition, its table and its value.
pub type Mentions = fn(Partition, Table, &[u8]) -> Mention;

/// How fast something is done beside the work.
pub trait RateLimit: Send + Sync + fmt::Debug {
    /// Waits until so many octets more may have been read or written.
    fn spend(&self, octets: u64) -> Boxed<'_, ()>;
}

/// How it is done.
#[derive(Clone, Copy, Debug)]
pub struct Reclaim<'a> {
    /// What is still mentioned.
    pub mentions: Mentions,
    /// How fast.
    pub limit: &'a dyn RateLimit,
    /// So long what is dead can still be read by those who were reading it.
    pub grace: Duration,
}

/// What is used and what is dead, as a sweep found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The segments of the log, by number.
    pub segments: Vec<SegmentUse>,
    /// Large blobs with a file of their own.
    pub bodies: Use,
    /// All blobs.
    pub blobs: Use,
    /// Octets of all rows, their keys among them.
    pub row_octets: u64,
    /// Rows that could not be read: as long as there are some, nothing is freed.
    pub unreadable: u64,
}

/// How much of a segment is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentUse {
    /// Its number.
    pub number: u64,
    /// Its octets.
    pub octets: u64,
    /// Octets of its file: fewer where it was compressed.
    pub stored_octets: u64,
    /// Octets of blobs in it that rows mention.
    pub live_octets: u64,
}

/// What is used of something, and what is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// How many are mentioned.
    pub live: u64,
    /// Their octets.
    pub live_octets: u64,
    /// How many are not.
    pub dead: u64,
    /// Their octets.
    pub dead_octets: u64,
}

impl Use {
    pub(crate) fn count(&mut self, is_live: bool, octets: u64) {
        let (count, sum) = if is_live {
            (&mut self.live, &mut self.live_octets)
        } else {
            (&mut self.dead, &mut self.dead_octets)
        };
        *count = count.saturating_add(1);
        *sum = sum.saturating_add(octets);
    }
}

/// What was freed, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Times that all rows were asked.
    pub sweeps: u64,
    /// Blobs that were dead, and are not there any more.
    pub forgotten: u64,
    /// Their octets.
    pub forgotten_octets: u64,
    /// Files that were removed: of large blobs, and segments of the log.
    pub files: u64,
    /// Octets of them.
    pub freed_octets: u64,
    /// Octets of blobs that were copied on, so that the rest of their segment could go.
    pub copied_octets: u64,
    /// Octets of snapshots, behind which segments can go.
    pub snapshot_octets: u64,
    /// Segments of the log that were compressed.
    pub compressed: u64,
    /// Octets that their files had.
    pub compressed_from_octets: u64,
    /// Octets that their files have now: so many were written.
    pub compressed_to_octets: u64,
}

impl Reclaimed {
    /// Both together.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            sweeps: self.sweeps.saturating_add(more.sweeps),
            forgotten: self.forgotten.saturating_add(more.forgotten),
            forgotten_octets: self.forgotten_octets.saturating_add(more.forgotten_octets),
            files: self.files.saturating_add(more.files),
            freed_octets: self.freed_octets.saturating_add(more.freed_octets),
            copied_octets: self.copied_octets.saturating_add(more.copied_octets),
            snapshot_octets: self.snapshot_octets.saturating_add(more.snapshot_octets),
            compressed: self.compressed.saturating_add(more.compressed),
            compressed_from_octets: self
                .compressed_from_octets
                .saturating_add(more.compressed_from_octets),
            compressed_to_octets: self
                .compressed_to_octets
                .saturating_add(more.compressed_to_octets),
        }
    }
}
