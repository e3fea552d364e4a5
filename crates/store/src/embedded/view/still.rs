//! The view as it was between two commits, for whoever reads all of it while it goes on changing.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{UserKey, UserValue};

use super::engine::EngineStill;
use super::rows::split;
use super::{MARK, Space, View};
use crate::backend::{Boxed, Error};
use crate::embedded::offload::Work;
use crate::snapshot::{Gather, Hold, Snapshot, SnapshotPage, SnapshotRow};

/// The rows at an instant; as long as this lives, what their blobs say is held.
pub(in crate::embedded) struct Still {
    rows: Arc<Rows>,
    sequence: u64,
    work: Work,
    _hold: Hold,
}

enum Rows {
    Engine(EngineStill),
    Plain(super::plain::Map),
}

impl View {
    /// The rows as they are now: between two commits, if the committer asks.
    pub(in crate::embedded) fn still(&self, sequence: u64, work: Work, hold: Hold) -> Still {
        let rows = match self {
            Self::Engine(engine) => Rows::Engine(engine.still()),
            Self::Plain(plain) => Rows::Plain(plain.all(Space::Rows)),
        };
        Still {
            rows: Arc::new(rows),
            sequence,
            work,
            _hold: hold,
        }
    }
}

impl Rows {
    fn page(&self, from: &[u8], octets: usize) -> Result<SnapshotPage, Error> {
        let mut gather = Gather::new(octets);
        let mut add = |row: Result<(UserKey, UserValue), Error>| {
            let (key, value) = row?;
            if *key == MARK {
                return Ok(true);
            }
            let Some((partition, table, key)) = split(&key) else {
                return Err(Error::Damaged("a row's key in the view".into()));
            };
            Ok(gather.add(&SnapshotRow {
                partition,
                table,
                key,
                value: &value,
            }))
        };
        match self {
            Self::Engine(engine) => {
                for row in engine.from(from.to_vec()) {
                    if !add(row)? {
                        break;
                    }
                }
            }
            Self::Plain(map) => {
                for (key, value) in map.range::<[u8], _>((Bound::Included(from), Bound::Unbounded))
                {
                    if !add(Ok((key.clone(), value.clone())))? {
                        break;
                    }
                }
            }
        }
        Ok(gather.page())
    }
}

impl Snapshot for Still {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn rows(&self, from: Bytes, octets: usize) -> Boxed<'_, Result<SnapshotPage, Error>> {
        let rows = Arc::clone(&self.rows);
        let work = self.work;
        Box::pin(async move { work.run(move || rows.page(&from, octets)).await? })
    }
}

impl fmt::Debug for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Still({})", self.sequence)
    }
}
