//! Where things are in the store's directory, and that nobody else has it open.
//!
//! ```text
//! lock               held while the store is open
//! log/               the segments: the truth
//! bodies/            large blobs, part of the truth
//! view/checkpoint    how far the view is durable
//! view/db/           the view; may be deleted
//! derived/           what else can be made again; may be deleted
//! ```
//!
//! Not here: what is in the files.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::checkpoint;
use super::disk::{Disk, failed};
use super::log::Position;
use super::view::{View, ViewMemory};
use crate::backend::Error;

/// The paths of an opened store; the lock is held as long as this lives.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) log: PathBuf,
    pub(super) bodies: PathBuf,
    pub(super) view: PathBuf,
    pub(super) derived: PathBuf,
    pub(super) root: PathBuf,
    _lock: File,
}

impl Layout {
    /// Takes a directory, makes what is missing.
    pub(super) fn enter(disk: &dyn Disk, root: &Path) -> Result<Self, Error> {
        // Mail is for its owner alone, whoever may look into the directory above.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .map_err(failed("making the store's directory"))?;
        let layout = Self {
            log: root.join("log"),
            bodies: root.join("bodies"),
            view: root.join("view"),
            derived: root.join("derived"),
            root: root.to_owned(),
            _lock: lock(&root.join("lock"))?,
        };
        let make = || -> io::Result<()> {
            for dir in [&layout.log, &layout.bodies, &layout.view] {
                std::fs::create_dir_all(dir)?;
            }
            disk.sync_dir(root)?;
            match root.parent().filter(|above| !above.as_os_str().is_empty()) {
                Some(above) => disk.sync_dir(above),
                None => Ok(()),
            }
        };
        make().map_err(failed("making the store's directory"))?;
        Ok(layout)
    }

    /// Opens the view, and says from where on the log is not in it.
    ///
    /// A view that is damaged, or has less than its checkpoint says, is thrown away: the log has
    /// everything.
    pub(super) fn open_view(&self, memory: ViewMemory) -> Result<(View, Option<Position>), Error> {
        let checkpoint = checkpoint::read(&self.view);
        match usable(&self.view, memory, checkpoint)? {
            Ok(view) => return Ok((view, checkpoint)),
            Err(flaw) => tracing::warn!(flaw, "the view is made again from the log"),
        }
        self.remove_view()?;
        match usable(&self.view, memory, None)? {
            Ok(view) => Ok((view, None)),
            Err(flaw) => Err(Error::Damaged(flaw)),
        }
    }

    /// Removes what is made by others of what is here.
    pub(super) fn remove_derived(&self) -> Result<(), Error> {
        match std::fs::remove_dir_all(&self.derived) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("removing derived data")(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the view with its checkpoint.
    pub(super) fn remove_view(&self) -> Result<(), Error> {
        let failed = failed("removing the view");
        // The checkpoint goes first: it must never be there without its view.
        match std::fs::remove_file(self.view.join("checkpoint")) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        std::fs::remove_dir_all(&self.view).map_err(&failed)?;
        std::fs::create_dir_all(&self.view).map_err(&failed)
    }
}

/// Opens a view; the inner error says that it is damaged, the outer one that we cannot know.
fn usable(
    dir: &Path,
    memory: ViewMemory,
    checkpoint: Option<Position>,
) -> Result<Result<View, String>, Error> {
    // The engine asserts here and there what only undamaged files give.
    let opened = catch_unwind(AssertUnwindSafe(|| View::open(&dir.join("db"), memory)));
    let view = match opened {
        Err(_) => return Ok(Err("the engine gave up on it".into())),
        Ok(Err(error)) if is_damage(&error) => return Ok(Err(error.to_string())),
        Ok(Err(error)) => {
            return Err(Error::Engine {
                doing: "opening the view",
                cause: error.to_string(),
            });
        }
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

fn lock(path: &Path) -> Result<File, Error> {
    let doing = "locking the store";
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path).map_err(failed(doing))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Engine {
            doing,
            cause: "another process has it open".into(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(doing)(error)),
    }
}
