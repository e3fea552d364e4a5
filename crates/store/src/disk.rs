//! What the embedded store asks of a disk: all the file work of its log, its bodies, its derived
//! data and its checkpoint goes through here, so that a test can make each operation fail and a
//! simulation can take the power away.
//!
//! Not here: the engine of the view, which has its own way to the disk and is never trusted with
//! the only copy of anything (`embedded`'s view has a form without it).

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, IoSlice, Read};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::buffer::spare_capacity;

use crate::backend::{CommitError, Error};

/// The most pieces that the kernel takes at once (`IOV_MAX`).
const PIECES_MAX: usize = 1024;

/// Files and directories. Names are durable after [`Disk::sync_dir`], octets after
/// [`DiskFile::sync`]; before that a loss of power may take any part of them.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes a directory, for its owner alone, with those above it that are missing; one that is
    /// there is left as it is.
    ///
    /// # Errors
    ///
    /// As the disk says; so for all that follow.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes an empty file, whatever was there before.
    ///
    /// # Errors
    ///
    /// If there is no such directory.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that is there, for reading alone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is not.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that is there, for reading and writing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is not.
    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Octets of a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is not there.
    fn len(&self, path: &Path) -> io::Result<u64>;
    /// What is in a directory, as whole paths, in order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is not there.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    /// Removes a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is not there.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with all that is in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is not there.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a file or a directory another name, in one step; a file of that name is gone then.
    ///
    /// # Errors
    ///
    /// If it is not there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    ///
    /// If the disk cannot say that they are.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Octets that may still be written.
    ///
    /// # Errors
    ///
    /// If the path is not there.
    fn room(&self, path: &Path) -> io::Result<u64>;
    /// Makes a file if there is none, and holds it alone as long as what is returned lives.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] if somebody holds it.
    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
}

/// One open file.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads octets from a position, and says how many; zero at the file's end.
    ///
    /// # Errors
    ///
    /// As the disk says; so for all that follow.
    fn read_at(&self, octets: &mut [u8], at: u64) -> io::Result<usize>;
    /// The same, into the room that is left in `octets`, behind what is there.
    ///
    /// # Errors
    ///
    /// As [`DiskFile::read_at`].
    fn read_behind(&self, octets: &mut Vec<u8>, at: u64) -> io::Result<usize> {
        let before = octets.len();
        octets.resize(octets.capacity(), 0);
        let (_, room) = octets.split_at_mut(before);
        let read = self.read_at(room, at);
        octets.truncate(before + read.as_ref().copied().unwrap_or(0));
        read
    }
    /// Writes all octets at a position.
    ///
    /// # Errors
    ///
    /// Then any part of them may be there.
    fn write_at(&self, octets: &[u8], at: u64) -> io::Result<()>;
    /// Writes all octets of some pieces, one behind the other, from a position on; what becomes of
    /// `pieces` is nobody's business.
    ///
    /// # Errors
    ///
    /// As [`DiskFile::write_at`].
    fn write_pieces_at(&self, pieces: &mut [IoSlice<'_>], at: u64) -> io::Result<()> {
        let octets: Vec<_> = pieces
            .iter()
            .flat_map(|piece| piece.iter())
            .copied()
            .collect();
        self.write_at(&octets, at)
    }
    /// Makes the octets, and the file's length, durable.
    ///
    /// # Errors
    ///
    /// Then nobody can say what is durable, however often it is asked for again.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file.
    ///
    /// # Errors
    ///
    /// Then the file may have either length.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Octets of the file.
    ///
    /// # Errors
    ///
    /// If the disk does not know.
    fn len(&self) -> io::Result<u64>;
    /// True if there are none.
    ///
    /// # Errors
    ///
    /// If the disk does not know.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Octets that may still be written to the disk it is on: asked of an open file, as finding a
    /// path costs more than the answer.
    ///
    /// # Errors
    ///
    /// If the disk does not know.
    fn room(&self) -> io::Result<u64>;
}

/// The disk there is.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        // Mail is for its owner alone, whoever may look into the directory above.
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Arc::new(options.open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(File::open(path)?))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(file))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(std::fs::metadata(path)?.len())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(dir)?;
        let paths: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut paths = paths?;
        paths.sort_unstable();
        Ok(paths)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path)
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

    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Arc::new(file)),
            Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl DiskFile for File {
    fn read_at(&self, octets: &mut [u8], at: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, octets, at)
    }

    fn read_behind(&self, octets: &mut Vec<u8>, at: u64) -> io::Result<usize> {
        // Into memory that was not zeroed for nothing.
        Ok(rustix::io::pread(self, spare_capacity(octets), at)?)
    }

    fn write_at(&self, octets: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(octets, at)
    }

    fn write_pieces_at(&self, mut pieces: &mut [IoSlice<'_>], mut at: u64) -> io::Result<()> {
        // Empty ones go first: nothing written means that nothing can be.
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            let (some, _) = pieces.split_at(pieces.len().min(PIECES_MAX));
            let written = match rustix::io::pwritev(self, some, at) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            at += written as u64;
            IoSlice::advance_slices(&mut pieces, written);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn room(&self) -> io::Result<u64> {
        Ok(available(&rustix::fs::fstatvfs(self)?))
    }
}

fn available(found: &rustix::fs::StatVfs) -> u64 {
    found.f_bavail.saturating_mul(found.f_frsize)
}

/// Reads a file from a position on.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    file: &'a dyn DiskFile,
    at: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, at: u64) -> Self {
        Self { file, at }
    }
}

impl Read for Cursor<'_> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(octets, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// All octets of a file.
pub(crate) fn read_whole(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let mut octets = Vec::new();
    Cursor::new(&*file, 0).read_to_end(&mut octets)?;
    Ok(octets)
}

/// True, unless what was to be removed is still there; false if it was not there.
pub(crate) fn gone(removed: io::Result<()>) -> io::Result<bool> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// Writes a small file whole, in place of the one before, durably.
pub(crate) fn replace(disk: &dyn Disk, dir: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
    let draft = dir.join(format!("{name}.new"));
    let file = disk.create(&draft)?;
    file.write_at(octets, 0)?;
    file.sync()?;
    disk.rename(&draft, &dir.join(name))?;
    disk.sync_dir(dir)
}

/// True if an error means that there is no room, which may pass.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

/// Says what could not be done.
pub(crate) fn failed(doing: &'static str) -> impl Fn(io::Error) -> Error {
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
pub(crate) fn not_written(error: &io::Error) -> CommitError {
    if is_full(error) {
        CommitError::Full
    } else {
        CommitError::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_written_one_behind_the_other_however_many_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = RealDisk.create(&path).unwrap();
        file.write_at(b"front", 0).unwrap();
        let octets: Vec<u8> = (0..=255).cycle().take(3 * PIECES_MAX * 7 + 3).collect();
        let mut pieces: Vec<_> = octets.chunks(7).map(IoSlice::new).collect();
        pieces.insert(PIECES_MAX, IoSlice::new(&[]));
        file.write_pieces_at(&mut pieces, 5).unwrap();
        assert_eq!(
            std::fs::read(&path).unwrap(),
            [&b"front"[..], &octets].concat()
        );
        file.write_pieces_at(&mut [], 5).unwrap();
        file.write_pieces_at(&mut [IoSlice::new(&[])], 5).unwrap();
    }
}
