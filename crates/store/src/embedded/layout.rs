//! Where things are in the store's directory, and that nobody else has it open.
//!
//! ```text
//! lock               held while the store is open
//! format             the number of the folder's form (`forms`)
//! log/               the segments, some of them compressed: the truth
//! bodies/            large blobs, part of the truth
//! view/checkpoint    how far the view is durable
//! view/db/           the view; may be deleted
//! view/damaged       there if a part of the view could not be read; it goes with the view
//! snapshots/         the view at one instant: the truth behind which segments were removed
//! derived/           what else can be made again; may be deleted
//! ```
//!
//! Not here: what is in the files.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoint;
use super::forms;
use super::ground::Ground;
use super::log::Position;
use super::snapshot::Base;
use super::view::{DAMAGED, OpenError, View, ViewMemory};
use crate::backend::Error;
use crate::disk::{Disk, DiskFile, failed, gone};

/// The paths of an opened store; the lock is held as long as this lives.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) log: PathBuf,
    pub(super) bodies: PathBuf,
    pub(super) view: PathBuf,
    pub(super) snapshots: PathBuf,
    pub(super) derived: PathBuf,
    pub(super) root: PathBuf,
    ground: Ground,
    _lock: Arc<dyn DiskFile>,
}

impl Layout {
    /// Takes a directory, makes what is missing.
    pub(super) fn enter(ground: &Ground, root: &Path) -> Result<Self, Error> {
        let failed = failed("making the store's directory");
        let disk = &*ground.disk;
        forms::guard(disk, root)?;
        disk.make_dir(root).map_err(&failed)?;
        let layout = Self {
            log: root.join("log"),
            bodies: root.join("bodies"),
            view: root.join("view"),
            snapshots: root.join("snapshots"),
            derived: root.join("derived"),
            root: root.to_owned(),
            ground: ground.clone(),
            _lock: lock(disk, &root.join("lock"))?,
        };
        let make = || -> io::Result<()> {
            for dir in [&layout.log, &layout.bodies, &layout.view, &layout.snapshots] {
                disk.make_dir(dir)?;
            }
            disk.sync_dir(root)?;
            match root.parent().filter(|above| !above.as_os_str().is_empty()) {
                Some(above) => disk.sync_dir(above),
                None => Ok(()),
            }
        };
        make().map_err(failed)?;
        forms::mark(disk, root)?;
        Ok(layout)
    }

    /// Opens the view, and says from where on the log is not in it.
    ///
    /// A view that is damaged, or has less than its checkpoint or a snapshot says, is thrown away:
    /// the snapshot and the log have everything.
    pub(super) fn open_view(
        &self,
        memory: ViewMemory,
        base: &Base,
    ) -> Result<(View, Option<Position>), Error> {
        let checkpoint = checkpoint::read(&*self.ground.disk, &self.view);
        if !base.is_beyond(checkpoint) {
            match usable(&self.ground, &self.view, memory, checkpoint)? {
                Ok(view) => return Ok((view, checkpoint)),
                Err(flaw) => tracing::warn!(flaw, "the view is made again from the log"),
            }
        }
        self.remove_view()?;
        match usable(&self.ground, &self.view, memory, None)? {
            Ok(view) => Ok((view, None)),
            Err(flaw) => Err(Error::Damaged(flaw)),
        }
    }

    /// Removes what is made by others of what is here.
    pub(super) fn remove_derived(&self) -> Result<(), Error> {
        let removed = gone(self.ground.disk.remove_dir(&self.derived));
        removed.map(drop).map_err(failed("removing derived data"))
    }

    /// Removes the view with its checkpoint.
    pub(super) fn remove_view(&self) -> Result<(), Error> {
        let disk = &*self.ground.disk;
        let remove = || {
            // The checkpoint goes first: it must never be there without its view.
            gone(disk.remove(&self.view.join(checkpoint::NAME)))?;
            disk.remove_dir(&self.view)?;
            disk.make_dir(&self.view)
        };
        remove().map_err(failed("removing the view"))
    }
}

/// True if a part of the view of a store could not be read, and nobody has made it again since.
pub(super) fn is_view_damaged(disk: &dyn Disk, root: &Path) -> bool {
    disk.len(&root.join("view").join(DAMAGED)).is_ok()
}

/// Opens a view; the inner error says that it is damaged, the outer one that we cannot know.
fn usable(
    ground: &Ground,
    dir: &Path,
    memory: ViewMemory,
    checkpoint: Option<Position>,
) -> Result<Result<View, String>, Error> {
    if ground.disk.len(&dir.join(DAMAGED)).is_ok() {
        return Ok(Err("a part of it could not be read".into()));
    }
    // The engine asserts here and there what only undamaged files give.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        View::open(&ground.view, &ground.disk, &dir.join("db"), memory)
    }));
    let view = match opened {
        Err(_) => return Ok(Err("the engine gave up on it".into())),
        Ok(Err(OpenError::Damaged(flaw))) => return Ok(Err(flaw)),
        Ok(Err(OpenError::Failed(error))) => return Err(error),
        Ok(Ok(view)) => view,
    };
    let durable = checkpoint.map_or(0, |checkpoint| checkpoint.sequence);
    Ok(match view.marks() {
        Err(error) => Err(error.to_string()),
        Ok((least, _)) if least < durable => {
            Err(format!("it ends at {least} and not at {durable}"))
        }
        Ok(_) => Ok(view),
    })
}

fn lock(disk: &dyn Disk, path: &Path) -> Result<Arc<dyn DiskFile>, Error> {
    let doing = "locking the store";
    disk.lock(path).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => Error::Engine {
            doing,
            cause: "another process has it open".into(),
        },
        _ => failed(doing)(error),
    })
}
