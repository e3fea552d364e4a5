//! Keys and values as the view has them, and rows on their way out of it.

use std::ops::Bound;

use bytes::Bytes;

use crate::backend::{Page, Partition, Row, Table};
use crate::embedded::record::{Located, Place};

/// Octets of rows that are copied into one piece of memory.
const GATHERED_OCTETS: usize = 8 << 10;
/// Octets before a row's own key: partition and table.
pub(super) const PREFIX_OCTETS: usize = 9;

/// Rows one behind the other: copied, as the engine's may hold on to a whole block each, and some
/// of them into the same memory, as most are looked at and let go together.
#[derive(Default)]
pub(super) struct Gathered {
    page: Page,
    octets: Vec<u8>,
    /// Where each row's key and its value end.
    ends: Vec<(usize, usize)>,
}

impl Gathered {
    pub(super) fn len(&self) -> usize {
        self.page.rows.len() + self.ends.len()
    }

    pub(super) fn push(&mut self, key: &[u8], (front, behind): (&[u8], &[u8])) {
        let octets = key.len() + front.len() + behind.len();
        if self.octets.len() + octets > self.octets.capacity() {
            self.settle();
            self.octets.reserve(octets.max(GATHERED_OCTETS));
        }
        self.octets.extend_from_slice(key);
        let key_end = self.octets.len();
        self.octets.extend_from_slice(front);
        self.octets.extend_from_slice(behind);
        self.ends.push((key_end, self.octets.len()));
    }

    pub(super) fn settle(&mut self) {
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

    pub(super) fn page(mut self, more: bool) -> Page {
        // A page of a few rows keeps no more than it needs.
        self.octets.shrink_to_fit();
        self.settle();
        Page { more, ..self.page }
    }
}

pub(super) fn row_key(partition: Partition, table: Table, key: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(PREFIX_OCTETS + key.len());
    put_row_key(&mut octets, partition, table, key);
    octets
}

pub(super) fn put_row_key(octets: &mut Vec<u8>, partition: Partition, table: Table, key: &[u8]) {
    octets.extend_from_slice(&partition.0.to_be_bytes());
    octets.push(table.0);
    octets.extend_from_slice(key);
}

/// Takes a row's key apart.
pub(in crate::embedded) fn split_key(key: &[u8]) -> Option<(Partition, Table, &[u8])> {
    let (partition, rest) = key.split_first_chunk::<8>()?;
    let (&table, rest) = rest.split_first()?;
    Some((
        Partition(u64::from_be_bytes(*partition)),
        Table(table),
        rest,
    ))
}

/// The end of a table's keys.
pub(super) fn behind(partition: Partition, table: Table) -> Bound<Vec<u8>> {
    if let Some(next) = table.0.checked_add(1) {
        return Bound::Excluded(row_key(partition, Table(next), &[]));
    }
    match partition.0.checked_add(1) {
        Some(next) => Bound::Excluded(row_key(Partition(next), Table(0), &[])),
        None => Bound::Unbounded,
    }
}

pub(super) fn located_octets(located: Located) -> Vec<u8> {
    let mut octets = located.len.to_be_bytes().to_vec();
    if let Place::Log { segment, offset } = located.place {
        octets.extend_from_slice(&segment.to_be_bytes());
        octets.extend_from_slice(&offset.to_be_bytes());
    }
    octets
}

pub(in crate::embedded) fn located(octets: &[u8]) -> Option<Located> {
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
