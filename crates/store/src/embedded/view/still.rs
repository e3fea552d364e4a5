//! The rows as they were between two commits, for whoever reads all of them while they go on
//! changing: page by page, from any row on.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::frozen::Frozen;
use super::rows::split_key;
use super::{MARK, Space, View};
use crate::backend::{Boxed, Error};
use crate::embedded::offload::Work;
use crate::snapshot::{Gather, Hold, Snapshot, SnapshotPage, SnapshotRow};

/// The rows at an instant; as long as this lives, what their blobs say is held.
pub(in crate::embedded) struct Still {
    frozen: Arc<Frozen>,
    sequence: u64,
    work: Work,
    _hold: Hold,
}

impl View {
    /// The rows as they are now: between two commits, if the committer asks.
    pub(in crate::embedded) fn still(&self, sequence: u64, work: Work, hold: Hold) -> Still {
        Still {
            frozen: Arc::new(self.frozen()),
            sequence,
            work,
            _hold: hold,
        }
    }
}

/// Rows from the one that `from` names, as many as have room.
fn page(frozen: &Frozen, from: &[u8], octets: usize) -> Result<SnapshotPage, Error> {
    let mut gather = Gather::new(octets);
    frozen.each_from(Space::Rows, from, &mut |key, value| {
        if *key == MARK {
            return Ok(true);
        }
        let Some((partition, table, key)) = split_key(key) else {
            return Err(Error::Damaged("a row's key in the view".into()));
        };
        Ok(gather.add(&SnapshotRow {
            partition,
            table,
            key,
            value,
        }))
    })?;
    Ok(gather.page())
}

impl Snapshot for Still {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn rows(&self, from: Bytes, octets: usize) -> Boxed<'_, Result<SnapshotPage, Error>> {
        let frozen = Arc::clone(&self.frozen);
        let work = self.work;
        Box::pin(async move { work.run(move || page(&frozen, &from, octets)).await? })
    }
}

impl fmt::Debug for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Still({})", self.sequence)
    }
}
