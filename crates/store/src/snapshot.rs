//! All rows as they were at one instant, to be read at leisure while commits go on.
//!
//! ```text
//! row: partition:u64 table:u8 key:u32 value:u32 key value
//! ```
//!
//! Not here: what is made of them (`backup`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::backend::{Boxed, Error, Partition, Table};

/// Octets before a row's key.
const HEAD_OCTETS: usize = 17;

/// All rows of all partitions, between two commits. What their blobs say stays readable as long as
/// this lives.
pub trait Snapshot: Send + Sync + fmt::Debug {
    /// The last commit that it has, by the store's own count.
    fn sequence(&self) -> u64;

    /// Rows in the order of partition, table and key: from the one that `from` names (empty: from
    /// the first), until there are `octets` octets of them. At least one, if there is one.
    fn rows(&self, from: Bytes, octets: usize) -> Boxed<'_, Result<SnapshotPage, Error>>;
}

/// Rows one behind the other.
#[derive(Clone, Debug, Default)]
pub struct SnapshotPage {
    /// As [`SnapshotRow::take`] reads them.
    pub octets: Bytes,
    /// What names the row behind them; none where they are the last.
    pub next: Option<Bytes>,
}

/// A row with where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRow<'a> {
    /// Its partition.
    pub partition: Partition,
    /// Its table.
    pub table: Table,
    /// Its key inside the table.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> SnapshotRow<'a> {
    /// Takes a row from the front of a page's octets; none if there is no whole one.
    pub fn take(octets: &mut &'a [u8]) -> Option<Self> {
        let (partition, rest) = octets.split_first_chunk()?;
        let (&[table], rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let len = |octets: &[u8; 4]| usize::try_from(u32::from_be_bytes(*octets)).ok();
        let (key, rest) = rest.split_at_checked(len(key)?)?;
        let (value, rest) = rest.split_at_checked(len(value)?)?;
        *octets = rest;
        Some(Self {
            partition: Partition(u64::from_be_bytes(*partition)),
            table: Table(table),
            key,
            value,
        })
    }

    /// Adds it behind others.
    fn put(&self, octets: &mut Vec<u8>) {
        // A longer key or value is never committed.
        let len = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
        octets.extend_from_slice(&self.partition.0.to_be_bytes());
        octets.push(self.table.0);
        octets.extend_from_slice(&len(self.key));
        octets.extend_from_slice(&len(self.value));
        octets.extend_from_slice(self.key);
        octets.extend_from_slice(self.value);
    }

    /// What names it, or the first row behind where it would be.
    pub(crate) fn name(&self) -> Bytes {
        let partition = self.partition.0.to_be_bytes();
        [&partition[..], &[self.table.0], self.key].concat().into()
    }
}

/// Gathers a page.
#[derive(Debug)]
pub(crate) struct Gather {
    octets: Vec<u8>,
    octets_max: usize,
    next: Option<Bytes>,
}

impl Gather {
    pub(crate) const fn new(octets_max: usize) -> Self {
        Self {
            octets: Vec::new(),
            octets_max,
            next: None,
        }
    }

    /// Adds a row; false if there is no room for it, and the page is full.
    pub(crate) fn add(&mut self, row: &SnapshotRow<'_>) -> bool {
        let octets = HEAD_OCTETS + row.key.len() + row.value.len();
        if !self.octets.is_empty() && self.octets.len() + octets > self.octets_max {
            self.next = Some(row.name());
            return false;
        }
        row.put(&mut self.octets);
        true
    }

    pub(crate) fn page(self) -> SnapshotPage {
        SnapshotPage {
            octets: self.octets.into(),
            next: self.next,
        }
    }
}

/// What somebody still reads: as long as it lives, nothing is freed that a row mentioned since
/// that commit. Whoever frees asks [`Holds::since`] first, between two commits.
#[derive(Debug)]
pub struct Hold {
    holds: Arc<Holds>,
    since: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut all = self.holds.all();
        if let Some(count) = all.get_mut(&self.since) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.since);
            }
        }
    }
}

/// All that is held.
#[derive(Debug, Default)]
pub struct Holds {
    all: Mutex<BTreeMap<u64, usize>>,
}

impl Holds {
    /// Holds what the rows mention that were there at a commit.
    #[must_use]
    pub fn hold(self: &Arc<Self>, since: u64) -> Hold {
        *self.all().entry(since).or_default() += 1;
        Hold {
            holds: Arc::clone(self),
            since,
        }
    }

    /// The oldest commit that somebody holds on to.
    #[must_use]
    pub fn since(&self) -> Option<u64> {
        self.all().keys().next().copied()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_the_oldest() {
        let holds = Arc::new(Holds::default());
        assert_eq!(holds.since(), None);
        let (late, early, same) = (holds.hold(9), holds.hold(3), holds.hold(3));
        assert_eq!(holds.since(), Some(3));
        drop(early);
        assert_eq!(holds.since(), Some(3));
        drop(same);
        assert_eq!(holds.since(), Some(9));
        drop(late);
        assert_eq!(holds.since(), None);
    }

    #[test]
    fn half_a_row_is_none() {
        let row = SnapshotRow {
            partition: Partition(7),
            table: Table(5),
            key: b"key",
            value: b"value",
        };
        let mut octets = Vec::new();
        row.put(&mut octets);
        assert_eq!(SnapshotRow::take(&mut octets.as_slice()), Some(row));
        for len in 0..octets.len() {
            assert_eq!(SnapshotRow::take(&mut &octets[..len]), None);
        }
    }
}
