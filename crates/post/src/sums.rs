//! What the messages of a mailbox add up to, kept beside them: SELECT and STATUS look at none.

use std::cell::Cell;

use mail::{Flag, Uid, UidSet};

use crate::draft::bit;
use crate::tables::Entry;

/// The sums of a mailbox.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) uids: UidSet,
    /// How many lack `\Seen`.
    pub(crate) unseen: u32,
    /// How many have `\Deleted`.
    pub(crate) deleted: u32,
    /// Octets of all.
    pub(crate) octets: u64,
    /// Octets of those with `\Deleted`.
    pub(crate) deleted_octets: u64,
    /// So many at the beginning are known to have `\Seen`.
    seen_first: Cell<usize>,
}

impl Sums {
    /// The sums of these messages, by rising UID.
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut sums = Self::default();
        entries.iter().for_each(|entry| sums.add(entry));
        sums
    }

    /// True if both say the same.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let numbers = |sums: &Self| (sums.unseen, sums.deleted, sums.octets, sums.deleted_octets);
        numbers(self) == numbers(other) && self.uids == other.uids
    }

    /// One more, behind all others.
    pub(crate) fn add(&mut self, entry: &Entry) {
        let octets = u64::from(entry.size);
        self.uids.insert(entry.uid);
        self.octets += octets;
        self.unseen += u32::from(is_unseen(entry.system));
        if is_deleted(entry.system) {
            self.deleted += 1;
            self.deleted_octets += octets;
        }
    }

    /// The one at this place will have these system flags.
    pub(crate) fn flag(&mut self, at: usize, entry: &Entry, system: u8) {
        self.unseen -= u32::from(is_unseen(entry.system));
        self.unseen += u32::from(is_unseen(system));
        if is_unseen(system) {
            self.seen_first.set(self.seen_first.get().min(at));
        }
        let octets = u64::from(entry.size);
        match (is_deleted(entry.system), is_deleted(system)) {
            (false, true) => {
                self.deleted += 1;
                self.deleted_octets += octets;
            }
            (true, false) => {
                self.deleted -= 1;
                self.deleted_octets -= octets;
            }
            (false, false) | (true, true) => {}
        }
    }

    /// The first of the mailbox's messages without `\Seen`.
    pub(crate) fn first_unseen(&self, entries: &[Entry]) -> Option<Uid> {
        let from = self.seen_first.get();
        let behind = entries.iter().skip(from);
        let found = behind.clone().position(|entry| is_unseen(entry.system));
        let at = found.map_or(entries.len(), |passed| from + passed);
        self.seen_first.set(at);
        entries.get(at).map(|entry| entry.uid)
    }
}

fn is_unseen(system: u8) -> bool {
    system & bit(Flag::Seen) == 0
}

fn is_deleted(system: u8) -> bool {
    system & bit(Flag::Deleted) != 0
}
