//! Counters of what the store did, for benches and operators.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a store did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches that became durable.
    pub commits: u64,
    /// Batches that were refused because a partition had moved on.
    pub conflicts: u64,
    /// Writes that became durable together: `commits / groups` is the mean size of a group.
    pub groups: u64,
    /// The most commits that one group had.
    pub group_max: u64,
    /// Times the log or a body was synced.
    pub syncs: u64,
    /// Octets written to the log.
    pub log_octets: u64,
    /// Zeros written ahead of the log's end.
    pub fill_octets: u64,
    /// Octets written to bodies with a file of their own.
    pub body_octets: u64,
    /// Times the view was made durable.
    pub checkpoints: u64,
    /// Groups that found no room.
    pub full: u64,
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) conflicts: AtomicU64,
    pub(super) groups: AtomicU64,
    pub(super) group_max: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) log_octets: AtomicU64,
    pub(super) fill_octets: AtomicU64,
    pub(super) body_octets: AtomicU64,
    pub(super) checkpoints: AtomicU64,
    pub(super) full: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: read(&self.commits),
            conflicts: read(&self.conflicts),
            groups: read(&self.groups),
            group_max: read(&self.group_max),
            syncs: read(&self.syncs),
            log_octets: read(&self.log_octets),
            fill_octets: read(&self.fill_octets),
            body_octets: read(&self.body_octets),
            checkpoints: read(&self.checkpoints),
            full: read(&self.full),
        }
    }
}

/// Counts one more, or some more.
pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
