//! What a group of records changes in the view.
//!
//! Not here: how it gets there (`engine`, `plain`).

use std::fmt;

use fjall::{UserKey, UserValue};
use mail::BlobId;

use super::rows::{located, located_octets, put_row_key};
use super::{MARK, Space};
use crate::backend::{Partition, Table, Version};
use crate::embedded::hints::{self, Arrivals};
use crate::embedded::record::Located;
use crate::packed::Change;

/// Told of a key's new value, none where it is removed.
pub(super) type Told<'a> = dyn FnMut(Space, UserKey, Option<UserValue>) + 'a;

/// What a group of records changes; later changes of a key replace earlier ones.
#[derive(Default)]
pub(in crate::embedded) struct Changes {
    /// As they came.
    rows: Vec<(UserKey, Option<UserValue>)>,
    versions: Vec<(Partition, Version)>,
    /// None for those that went.
    blobs: Vec<(BlobId, Option<Located>)>,
    octets: usize,
    /// Where a key is put together.
    key: Vec<u8>,
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({} rows)", self.rows.len())
    }
}

impl Changes {
    /// Adds a change; a value with room for a hint gets it.
    pub(in crate::embedded) fn change<T>(
        &mut self,
        partition: Partition,
        change: Change<'_>,
        arrivals: &mut Arrivals<'_, T>,
    ) {
        let value = change.value.filter(|_| change.beside);
        let filled = value.and_then(|value| hints::filled(value, |blob| arrivals.find(blob)));
        let value = filled.as_deref().or(change.value);
        self.row(partition, change.table, change.key, value);
    }

    /// How many rows are changed.
    pub(in crate::embedded) const fn rows(&self) -> usize {
        self.rows.len()
    }

    fn row(&mut self, partition: Partition, table: Table, key: &[u8], value: Option<&[u8]>) {
        self.octets += key.len() + value.map_or(0, <[u8]>::len);
        self.key.clear();
        put_row_key(&mut self.key, partition, table, key);
        let key = UserKey::from(&self.key[..]);
        self.rows.push((key, value.map(UserValue::from)));
    }

    pub(in crate::embedded) fn version(&mut self, partition: Partition, version: Version) {
        self.versions.push((partition, version));
    }

    pub(in crate::embedded) fn blob(&mut self, blob: BlobId, located: Located) {
        self.blobs.push((blob, Some(located)));
    }

    pub(in crate::embedded) fn forget(&mut self, blob: BlobId) {
        self.blobs.push((blob, None));
    }

    /// Octets of keys and values that were put in.
    pub(in crate::embedded) fn octets(&self) -> usize {
        self.octets
    }

    /// Adds a key as a view had it; none if it cannot be one.
    pub(in crate::embedded) fn restore(
        &mut self,
        space: Space,
        key: &[u8],
        value: &[u8],
    ) -> Option<()> {
        self.octets += key.len() + value.len();
        match space {
            Space::Rows => self.rows.push((key.into(), Some(value.into()))),
            Space::Versions => {
                let partition = Partition(u64::from_be_bytes(key.try_into().ok()?));
                self.version(
                    partition,
                    Version(u64::from_be_bytes(value.try_into().ok()?)),
                );
            }
            Space::Blobs => self.blob(BlobId(key.try_into().ok()?), located(value)?),
        }
        Some(())
    }

    /// Takes the rows that were changed so far, and tells each one's new value.
    pub(super) fn each_row(&mut self, each: &mut Told<'_>) {
        for (key, value) in latest(std::mem::take(&mut self.rows)) {
            each(Space::Rows, key, value);
        }
    }

    /// Tells each key's new value, none where it is removed, the marks among them.
    pub(super) fn each(mut self, sequence: u64, each: &mut Told<'_>) {
        self.each_row(each);
        for (partition, version) in latest(self.versions) {
            let (key, value) = (partition.0.to_be_bytes(), version.0.to_be_bytes());
            each(Space::Versions, key.into(), Some(value.into()));
        }
        for (blob, located) in latest(self.blobs) {
            let value = located.map(|located| located_octets(located).into());
            each(Space::Blobs, blob.0.into(), value);
        }
        for space in Space::ALL {
            each(space, MARK.into(), Some(sequence.to_be_bytes().into()));
        }
    }
}

/// The last change of each key, by rising key: what is next to each other in the engine's tree is
/// put there one after the other, which costs a fraction of jumping about in it.
fn latest<K: Ord, V>(mut changes: Vec<(K, V)>) -> impl Iterator<Item = (K, V)> {
    // Those of one key stay in their order.
    changes.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut changes = changes.into_iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let (key, value) = changes.next()?;
            if changes.peek().is_none_or(|(next, _)| *next != key) {
                return Some((key, value));
            }
        }
    })
}
