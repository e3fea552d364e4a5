//! Does a disk keep its word? Numbered, checksummed blocks are written as the log writes, and each
//! counts as acknowledged once its sync has returned; after a power cut all of those must be there.
//!
//! Not here: cutting the power (`caramel store verify-disk`), what a store does with its disk.

mod block;
mod medium;
mod trial;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

pub use self::medium::Medium;
pub use self::trial::{Latency, Trial, Verdict, Way, try_out};

use self::block::{BLOCK_OCTETS, Block};

/// Blocks a file has before the first of them is written over.
pub const SLOTS: u64 = 16 * 1024;

/// How a block becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// By the system's call.
    Real,
    /// Not at all: the control, which must lose what it acknowledges.
    Omitted,
}

/// Blocks on their way into a file: first behind each other, then over the oldest.
#[derive(Debug)]
pub struct Blocks {
    file: File,
    sync: Sync,
    run: u64,
    next: u64,
}

impl Blocks {
    /// Begins a file; its name is durable when this returns. `run` tells it from any other.
    ///
    /// # Errors
    ///
    /// If there is such a file already, or the disk says no.
    pub fn begin(path: &Path, run: u64, sync: Sync) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(path)?;
        if sync == Sync::Real {
            file.sync_all()?;
            sync_folder(path)?;
        }
        Ok(Self {
            file,
            sync,
            run,
            next: 1,
        })
    }

    /// Writes the next block; its number is acknowledged with this.
    ///
    /// # Errors
    ///
    /// If the disk says no.
    pub fn write(&mut self) -> io::Result<u64> {
        let number = self.next;
        let block = Block {
            run: self.run,
            number,
        };
        self.file.write_all_at(&block.encode(), place(number))?;
        if self.sync == Sync::Real {
            self.file.sync_data()?;
        }
        self.next += 1;
        Ok(number)
    }
}

/// What is there after a cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survived {
    /// The newest block that is there; 0 if there is none.
    pub newest: u64,
    /// Blocks that must be there and are.
    pub kept: u64,
    /// Blocks that must be there and are not.
    pub lost: u64,
    /// The first of them.
    pub first_lost: Option<u64>,
}

/// Looks at a file after a cut. All blocks to `acknowledged` must be there that were not written
/// over since; where that is not known, all below the newest.
///
/// # Errors
///
/// If the file cannot be read.
pub fn survived(path: &Path, acknowledged: Option<u64>) -> io::Result<Survived> {
    let file = File::open(path)?;
    let mut blocks = Vec::new();
    let mut octets = [0; BLOCK_OCTETS];
    for slot in 0..SLOTS {
        match file.read_exact_at(&mut octets, place(slot + 1)) {
            Ok(()) => blocks.push(Block::decode(&octets)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    // Those of a run before this one are none.
    let newest = blocks.iter().flatten().max_by_key(|block| block.number);
    let (run, newest) = newest.map_or((0, 0), |block| (block.run, block.number));
    let last = acknowledged.unwrap_or_else(|| newest.saturating_sub(1));
    let mut found = Survived {
        newest,
        ..Survived::default()
    };
    // The one after the last acknowledged may have been on its way over another.
    let first = newest.max(last.saturating_add(1)).saturating_sub(SLOTS) + 1;
    for number in first..=last {
        let slot = usize::try_from((number - 1) % SLOTS).unwrap_or(usize::MAX);
        let wanted = Block { run, number };
        if blocks.get(slot).copied().flatten() == Some(wanted) {
            found.kept += 1;
        } else {
            found.lost += 1;
            found.first_lost.get_or_insert(number);
        }
    }
    Ok(found)
}

fn place(number: u64) -> u64 {
    (number - 1) % SLOTS * BLOCK_OCTETS as u64
}

/// Makes the names in a file's folder durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|above| !above.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_or_torn_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blocks");
        let mut blocks = Blocks::begin(&path, 7, Sync::Omitted).unwrap();
        let written = SLOTS + 100;
        while blocks.write().unwrap() < written {}
        let all = survived(&path, Some(written)).unwrap();
        assert_eq!((all.newest, all.lost), (written, 0));
        // One less than there are, for the next was on its way.
        assert_eq!(all.kept, SLOTS - 1);
        assert_eq!(survived(&path, None).unwrap().lost, 0);
        let more = survived(&path, Some(written + 2)).unwrap();
        assert_eq!((more.lost, more.first_lost), (2, Some(written + 1)));

        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"torn", place(500) + 90).unwrap();
        let torn = survived(&path, Some(written)).unwrap();
        assert_eq!((torn.lost, torn.first_lost), (1, Some(500)));
        file.set_len(place(400)).unwrap();
        let cut = survived(&path, Some(written)).unwrap();
        assert_eq!(cut.first_lost, Some(400));
        assert!(Blocks::begin(&path, 8, Sync::Omitted).is_err());
    }

    #[test]
    fn an_empty_file_has_lost_what_was_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blocks");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(survived(&path, None).unwrap(), Survived::default());
        assert_eq!(survived(&path, Some(3)).unwrap().lost, 3);
    }
}
