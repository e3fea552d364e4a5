//! A disk on which one chosen operation fails, and maybe all that follow, and which forgets what
//! was not synced when the power goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::disk::{Disk, DiskFile, RealDisk};

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no room; a write stops in the middle.
    Full,
    /// The device does not answer; a write stops in the middle.
    Broken,
}

/// Counts operations and fails the chosen one.
#[derive(Clone, Debug)]
pub(super) struct FailingDisk {
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct Plan {
    failure: Failure,
    /// Operations to go before one fails; none fails at [`u64::MAX`].
    left: AtomicU64,
    /// Operations done.
    done: AtomicU64,
    /// True if all operations after the first failure fail as well.
    forever: bool,
    /// What a loss of power takes back, the latest last.
    unsynced: Mutex<Vec<(PathBuf, Undo)>>,
    /// True if syncs do nothing.
    lying: bool,
    /// What was removed, until that is durable.
    bin: TempDir,
    removed: AtomicU64,
}

/// How to take an operation back.
#[derive(Debug)]
enum Undo {
    /// Octets were written over these, in a file of this length.
    Write {
        at: u64,
        old: Vec<u8>,
        len: u64,
        new: usize,
    },
    /// The file was not there.
    Create,
    /// The file had this name.
    Rename(PathBuf),
    /// The file was there: it is kept under this name.
    Remove(PathBuf),
}

/// The octets that a disk writes together.
const SECTOR: usize = 64;

impl FailingDisk {
    pub(super) fn new(failure: Failure, forever: bool) -> Self {
        Self::make(failure, forever, false)
    }

    /// A disk that dies, and that keeps nothing at all unless it is honest.
    pub(super) fn dying(lying: bool) -> Self {
        Self::make(Failure::Broken, true, lying)
    }

    fn make(failure: Failure, forever: bool, lying: bool) -> Self {
        Self {
            plan: Arc::new(Plan {
                failure,
                left: AtomicU64::new(u64::MAX),
                done: AtomicU64::new(0),
                forever,
                unsynced: Mutex::default(),
                lying,
                bin: super::tests::tempdir(),
                removed: AtomicU64::new(0),
            }),
        }
    }

    /// Lets `n` more operations pass and fails the next.
    pub(super) fn fail_after(&self, n: u64) {
        self.plan.left.store(n, Ordering::SeqCst);
    }

    /// Takes back a part of what was not synced, a different one for each seed.
    pub(super) fn lose_power(&self, seed: u64) {
        let mut chance = blake3::Hasher::new();
        chance.update(&seed.to_be_bytes());
        let mut chance = chance.finalize_xof();
        let mut lost = || {
            let mut octet = [0];
            chance.fill(&mut octet);
            // Every third time everything that can be lost is lost.
            seed.is_multiple_of(3) || octet[0].is_multiple_of(2)
        };
        let mut unsynced = self.plan.unsynced.lock().unwrap();
        while let Some((path, undo)) = unsynced.pop() {
            undo.apply(&path, &mut lost).unwrap();
        }
    }

    /// Takes back the last operation that was not synced.
    pub(super) fn lose_last(&self) {
        let last = self.plan.unsynced.lock().unwrap().pop();
        if let Some((path, undo)) = last {
            undo.apply(&path, &mut || true).unwrap();
        }
    }

    /// True if the failure has happened.
    pub(super) fn has_failed(&self) -> bool {
        self.plan.done.load(Ordering::SeqCst) > 0
    }
}

impl Plan {
    fn pass(&self) -> io::Result<()> {
        let left = self.left.load(Ordering::SeqCst);
        if left == u64::MAX {
            return Ok(());
        }
        if left > 0 {
            self.left.store(left - 1, Ordering::SeqCst);
            return Ok(());
        }
        self.done.fetch_add(1, Ordering::SeqCst);
        if !self.forever {
            self.left.store(u64::MAX, Ordering::SeqCst);
        }
        Err(match self.failure {
            Failure::Full => io::ErrorKind::StorageFull.into(),
            Failure::Broken => io::Error::other("the device does not answer"),
        })
    }
}

impl Plan {
    fn remember(&self, path: &Path, undo: Undo) {
        self.unsynced.lock().unwrap().push((path.to_owned(), undo));
    }

    fn forget(&self, durable: impl Fn(&Path, &Undo) -> bool) {
        if !self.lying {
            let mut unsynced = self.unsynced.lock().unwrap();
            unsynced.retain(|(path, undo)| !durable(path, undo));
        }
    }
}

impl Undo {
    /// What writing so many octets, or cutting the file, would destroy.
    fn of_write(path: &Path, at: u64, new: usize, old: usize) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(at))?;
        let mut octets = Vec::new();
        file.take(old as u64).read_to_end(&mut octets)?;
        Ok(Self::Write {
            at,
            old: octets,
            len,
            new,
        })
    }

    fn apply(self, path: &Path, lost: &mut impl FnMut() -> bool) -> io::Result<()> {
        let (at, mut old, len, new) = match self {
            Self::Create if lost() => return std::fs::remove_file(path).or(Ok(())),
            Self::Rename(from) if lost() => return std::fs::rename(path, from).or(Ok(())),
            Self::Remove(kept) if lost() => return std::fs::rename(kept, path).or(Ok(())),
            Self::Remove(kept) => return std::fs::remove_file(kept).or(Ok(())),
            Self::Create | Self::Rename(_) => return Ok(()),
            Self::Write { at, old, len, new } => (at, old, len, new),
        };
        let Ok(file) = OpenOptions::new().write(true).open(path) else {
            return Ok(());
        };
        old.resize(old.len().max(new), 0);
        for (sector, old) in old.chunks(SECTOR).enumerate() {
            if lost() {
                file.write_all_at(old, at + (sector * SECTOR) as u64)?;
            }
        }
        if lost() {
            file.set_len(len)?;
        }
        Ok(())
    }
}

impl Disk for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.plan.pass()?;
        if !path.exists() {
            self.plan.remember(path, Undo::Create);
        }
        let (inner, path) = (RealDisk.create(path)?, path.to_owned());
        let plan = Arc::clone(&self.plan);
        Ok(Arc::new(FailingFile { inner, path, plan }))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.plan.pass()?;
        RealDisk.make_dir(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.plan.pass()?;
        RealDisk.open(path)
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.plan.pass()?;
        let (inner, path) = (RealDisk.open_to_write(path)?, path.to_owned());
        let plan = Arc::clone(&self.plan);
        Ok(Arc::new(FailingFile { inner, path, plan }))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.plan.pass()?;
        RealDisk.len(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.plan.pass()?;
        RealDisk.list(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.plan.pass()?;
        let number = self.plan.removed.fetch_add(1, Ordering::SeqCst);
        let kept = self.plan.bin.path().join(number.to_string());
        if path.exists() {
            std::fs::copy(path, &kept)?;
            self.plan.remember(path, Undo::Remove(kept));
        }
        RealDisk.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.plan.pass()?;
        RealDisk.remove_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.plan.pass()?;
        RealDisk.lock(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.pass()?;
        // What was done to the file goes with it.
        for (path, _) in self.plan.unsynced.lock().unwrap().iter_mut() {
            if path == from {
                to.clone_into(path);
            }
        }
        self.plan.remember(to, Undo::Rename(from.to_owned()));
        RealDisk.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.plan.pass()?;
        self.plan.forget(|file, undo| {
            file.parent() == Some(path) && !matches!(undo, Undo::Write { .. })
        });
        RealDisk.sync_dir(path)
    }

    fn room(&self, path: &Path) -> io::Result<u64> {
        self.plan.pass()?;
        RealDisk.room(path)
    }
}

#[derive(Debug)]
struct FailingFile {
    inner: Arc<dyn DiskFile>,
    path: PathBuf,
    plan: Arc<Plan>,
}

impl DiskFile for FailingFile {
    fn read_at(&self, octets: &mut [u8], at: u64) -> io::Result<usize> {
        self.inner.read_at(octets, at)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn write_at(&self, octets: &[u8], at: u64) -> io::Result<()> {
        let undo = Undo::of_write(&self.path, at, octets.len(), octets.len())?;
        self.plan.remember(&self.path, undo);
        if let Err(error) = self.plan.pass() {
            let (half, _) = octets.split_at(octets.len() * 2 / 3);
            self.inner.write_at(half, at)?;
            return Err(error);
        }
        self.inner.write_at(octets, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.plan.pass()?;
        self.plan
            .forget(|file, undo| file == self.path && matches!(undo, Undo::Write { .. }));
        self.inner.sync()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.plan.pass()?;
        let undo = Undo::of_write(&self.path, len, 0, usize::MAX)?;
        self.plan.remember(&self.path, undo);
        self.inner.set_len(len)
    }

    fn room(&self) -> io::Result<u64> {
        self.plan.pass()?;
        self.inner.room()
    }
}
