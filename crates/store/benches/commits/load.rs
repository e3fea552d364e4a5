//! What is committed: deliveries (a body and eight small rows), or changes of flags (three rows).

use bytes::Bytes;
use store::{Batch, Partition, Staged, Table, Version, Write, Writes};

/// Rows of one delivery: table, octets of the value.
const DELIVERY: [(u8, usize); 8] = [
    (1, 60),
    (2, 500),
    (3, 24),
    (4, 16),
    (5, 24),
    (6, 120),
    (7, 20),
    (8, 16),
];
/// Rows of one change of flags.
const CHANGE: [(u8, usize); 3] = [(1, 60), (3, 24), (4, 16)];
/// Each committer has so many accounts and turns from one to the next.
const ACCOUNTS: u64 = 20;

/// A kind of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Letters of many sizes; the largest are the most of the octets.
    Mixed,
    /// Letters of 4 KiB.
    Small,
    /// Changes of flags.
    Flags,
}

impl Load {
    /// All of them.
    pub(crate) const EACH: [Self; 3] = [Self::Mixed, Self::Small, Self::Flags];

    /// What it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed mail",
            Self::Small => "4 KiB mail",
            Self::Flags => "flags",
        }
    }

    const fn rows(self) -> &'static [(u8, usize)] {
        match self {
            Self::Mixed | Self::Small => &DELIVERY,
            Self::Flags => &CHANGE,
        }
    }

    /// Octets of one body; none for flags.
    const fn body_octets(self, committer: u64, number: u64) -> Option<usize> {
        match (self, (committer + number) % 33) {
            (Self::Flags, _) => None,
            (Self::Mixed, 0) => Some(1 << 20),
            (Self::Mixed, 1..5) => Some(75 << 10),
            (Self::Mixed, 5..13) => Some(20 << 10),
            _ => Some(4 << 10),
        }
    }

    /// The octets of a commit that are new: a body that no other has, or the rows.
    pub(crate) fn octets(self, committer: u64, number: u64) -> Bytes {
        let rows = || self.rows().iter().map(|(_, octets)| octets).sum();
        let len = self.body_octets(committer, number).unwrap_or_else(rows);
        let mut octets = vec![b'x'; len];
        let name = [committer, number].map(u64::to_be_bytes).concat();
        octets
            .iter_mut()
            .zip(name)
            .for_each(|(octet, one)| *octet = one);
        octets.into()
    }

    /// The commit.
    pub(crate) fn batch(self, committer: u64, number: u64, octets: Bytes) -> Batch {
        let from = number / ACCOUNTS;
        let row = |&(table, len): &(u8, usize)| Write::Put {
            table: Table(table),
            key: Bytes::copy_from_slice(&if table < 4 { from } else { 0 }.to_be_bytes()),
            value: vec![b'v'; len].into(),
        };
        let body = self.body_octets(committer, number);
        Batch {
            parts: vec![Writes {
                partition: Partition(committer * ACCOUNTS + number % ACCOUNTS),
                from: Version(from),
                writes: self.rows().iter().map(row).collect(),
            }],
            blobs: body.map(|_| Staged::of(octets)).into_iter().collect(),
        }
    }
}
