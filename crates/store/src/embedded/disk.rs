//! The few things that the log and the bodies ask of a disk, so that a test can make each fail.
//!
//! Not here: the view, whose engine has its own way to the disk and is never trusted with the
//! only copy of anything.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::backend::{CommitError, Error};

/// Files and directories.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Makes an empty file, whatever was there before.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that is there, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Octets that may still be written.
    fn room(&self, path: &Path) -> io::Result<u64>;
}

/// One open file.
pub(super) trait DiskFile: fmt::Debug + Send + Sync {
    /// Writes all octets at a position.
    fn write_at(&self, octets: &[u8], at: u64) -> io::Result<()>;
    /// Makes the octets durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Octets that may still be written to the disk it is on: asked of an open file, as finding a
    /// path costs more than the answer.
    fn room(&self) -> io::Result<u64>;
}

/// The disk there is.
#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Arc::new(options.open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn room(&self, path: &Path) -> io::Result<u64> {
        Ok(available(&rustix::fs::statvfs(path)?))
    }
}

impl DiskFile for File {
    fn write_at(&self, octets: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(octets, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn room(&self) -> io::Result<u64> {
        Ok(available(&rustix::fs::fstatvfs(self)?))
    }
}

fn available(found: &rustix::fs::StatVfs) -> u64 {
    found.f_bavail.saturating_mul(found.f_frsize)
}

/// True if an error means that there is no room, which may pass.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Says what could not be done.
pub(super) fn failed(doing: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| {
        if is_full(&error) {
            return Error::Full;
        }
        Error::Engine {
            doing,
            cause: error.to_string(),
        }
    }
}

/// Why a batch was not written, when nothing of it was.
pub(super) fn not_written(error: &io::Error) -> CommitError {
    if is_full(error) {
        CommitError::Full
    } else {
        CommitError::Failed(error.to_string())
    }
}
