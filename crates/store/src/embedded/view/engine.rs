//! The view kept by an engine (fjall), which does its own file work.
//!
//! It writes its journal in order, so a keyspace whose mark is there has lost nothing before it.
//! What it reads has checksums. A first one that is wrong is noted beside the view, so that the
//! next open throws the view away; until then what is there is served.

use std::fmt;
use std::io::ErrorKind;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, UserKey, UserValue};

use super::changes::Told;
use super::{Changes, DAMAGED, OpenError, Space, ViewMemory, page};
use crate::backend::{Cut, Direction, Error, Page};
use crate::disk::{Disk, replace};

/// Write buffers of the engine at once: one for each keyspace, and as many being written.
const MEMTABLES: u64 = 6;
/// How much the engine's journal may hold: it is read at open.
const JOURNAL_OCTETS: u64 = 128 << 20;

/// The engine with its keyspaces.
#[derive(Clone)]
pub(in crate::embedded) struct Engine {
    db: Database,
    rows: Keyspace,
    versions: Keyspace,
    blobs: Keyspace,
    alarm: Arc<Alarm>,
}

/// Notes beside the view that it is damaged, once.
struct Alarm {
    disk: Arc<dyn Disk>,
    /// The folder of the view, with its checkpoint.
    dir: PathBuf,
    is_raised: AtomicBool,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        memory: ViewMemory,
    ) -> Result<Self, OpenError> {
        Self::begin(disk, dir, memory).map_err(|error| {
            if is_damage(&error) {
                return OpenError::Damaged(error.to_string());
            }
            OpenError::Failed(failed("opening the view")(error))
        })
    }

    fn begin(disk: &Arc<dyn Disk>, dir: &Path, memory: ViewMemory) -> Result<Self, fjall::Error> {
        let db = Database::builder(dir)
            .cache_size(memory.cache_octets)
            .max_journaling_size(JOURNAL_OCTETS)
            .manual_journal_persist(true)
            .open()?;
        let keyspace = |space: Space| {
            let options = || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(memory.buffer_octets / MEMTABLES)
                    .manual_journal_persist(true)
            };
            db.keyspace(space.name(), options)
        };
        Ok(Self {
            rows: keyspace(Space::Rows)?,
            versions: keyspace(Space::Versions)?,
            blobs: keyspace(Space::Blobs)?,
            db,
            alarm: Arc::new(Alarm {
                disk: Arc::clone(disk),
                dir: dir.parent().unwrap_or(dir).to_owned(),
                is_raised: AtomicBool::new(false),
            }),
        })
    }

    fn keyspace(&self, space: Space) -> &Keyspace {
        match space {
            Space::Rows => &self.rows,
            Space::Versions => &self.versions,
            Space::Blobs => &self.blobs,
        }
    }

    pub(super) fn value(&self, space: Space, key: &[u8]) -> Result<Option<UserValue>, Error> {
        let doing = match space {
            Space::Rows => "reading rows",
            Space::Versions => "reading a version",
            Space::Blobs => "finding a blob",
        };
        self.keyspace(space).get(key).map_err(self.failed(doing))
    }

    pub(super) fn values(
        &self,
        keys: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Vec<Option<Bytes>>, Error> {
        let snapshot = self.db.snapshot();
        let value = |key: Vec<u8>| {
            let found = snapshot.get(&self.rows, key);
            let found = found.map_err(self.failed("reading rows"))?;
            // Copied, as the engine's value may hold on to a whole block.
            Ok(found.map(|value| Bytes::copy_from_slice(&value)))
        };
        keys.map(value).collect()
    }

    pub(super) fn scan(
        &self,
        range: (Bound<Vec<u8>>, Bound<Vec<u8>>),
        limit: usize,
        (direction, cut): (Direction, Option<Cut>),
    ) -> Result<Page, Error> {
        let rows = self.db.snapshot().range(&self.rows, range);
        let rows = rows.map(|row| row.into_inner().map_err(self.failed("scanning rows")));
        match direction {
            Direction::Rising => page(rows, limit, cut),
            Direction::Falling => page(rows.rev(), limit, cut),
        }
    }

    pub(super) fn apply_piece(&self, changes: &mut Changes) -> Result<(), Error> {
        self.write(|each| changes.each_row(each))
    }

    pub(super) fn apply(&self, changes: Changes, sequence: u64) -> Result<(), Error> {
        self.write(|each| changes.each(sequence, each))
    }

    /// Writes what `tell` tells, at once.
    fn write(&self, tell: impl FnOnce(&mut Told<'_>)) -> Result<(), Error> {
        let mut batch = self.db.batch();
        tell(&mut |space, key, value| match value {
            Some(value) => batch.insert(self.keyspace(space), key, value),
            None => batch.remove(self.keyspace(space), key),
        });
        batch.commit().map_err(|error| {
            if matches!(error, fjall::Error::Poisoned) {
                self.look_over();
            }
            failed("writing the view")(error)
        })
    }

    pub(super) fn persist(&self) -> Result<(), Error> {
        let done = self.db.persist(PersistMode::SyncAll);
        done.map_err(failed("syncing the view"))
    }

    pub(super) fn frozen(&self) -> FrozenEngine {
        FrozenEngine {
            engine: self.clone(),
            snapshot: self.db.snapshot(),
        }
    }

    pub(super) fn all(
        &self,
        space: Space,
    ) -> impl Iterator<Item = Result<(UserKey, UserValue), Error>> + use<> {
        let (rows, alarm) = (self.keyspace(space).iter(), Arc::clone(&self.alarm));
        rows.map(move |row| row.into_inner().map_err(alarm.failed("reading the view")))
    }

    /// Reads all of it until something cannot be read, which is noted.
    ///
    /// The engine has given up in a thread of its own and does not say why. If that was for its
    /// files, it would do so again after the next start.
    fn look_over(&self) {
        let read = || {
            let mut rows = Space::ALL.into_iter().flat_map(|space| self.all(space));
            rows.find_map(Result::err)
        };
        if catch_unwind(AssertUnwindSafe(read)).is_err() {
            self.alarm.raise("the engine gave up on it");
        }
    }

    fn failed(&self, doing: &'static str) -> impl Fn(fjall::Error) -> Error {
        self.alarm.failed(doing)
    }
}

impl Alarm {
    /// Tells an error of reading; one that tells of damage is noted.
    fn failed(&self, doing: &'static str) -> impl Fn(fjall::Error) -> Error {
        move |error| {
            if is_damage(&error) {
                self.raise(&error.to_string());
            }
            failed(doing)(error)
        }
    }

    fn raise(&self, cause: &str) {
        if self.is_raised.swap(true, Ordering::Relaxed) {
            return;
        }
        let next = "the next start makes it again from the log";
        tracing::error!(cause, next, "the view is damaged");
        if let Err(error) = replace(&*self.disk, &self.dir, DAMAGED, cause.as_bytes()) {
            tracing::error!(%error, "that could not be noted: caramel store rebuild");
        }
    }
}

/// The engine as it was at one instant.
pub(in crate::embedded) struct FrozenEngine {
    engine: Engine,
    snapshot: fjall::Snapshot,
}

impl FrozenEngine {
    pub(super) fn range(
        &self,
        space: Space,
        range: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> impl Iterator<Item = Result<(UserKey, UserValue), Error>> + use<> {
        let rows = self
            .snapshot
            .range::<&[u8], _>(self.engine.keyspace(space), range);
        rows.map(|row| row.into_inner().map_err(failed("reading the view")))
    }
}

/// True unless the error is about the machine, and would be there with an undamaged view as well.
fn is_damage(error: &fjall::Error) -> bool {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            let too_many_open_files = matches!(error.raw_os_error(), Some(23 | 24));
            !too_many_open_files
                && !matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied
                        | ErrorKind::StorageFull
                        | ErrorKind::QuotaExceeded
                        | ErrorKind::ReadOnlyFilesystem
                        | ErrorKind::OutOfMemory
                )
        }
        fjall::Error::Locked => false,
        _ => true,
    }
}

fn failed(doing: &'static str) -> impl Fn(fjall::Error) -> Error {
    move |error| Error::Engine {
        doing,
        cause: error.to_string(),
    }
}
