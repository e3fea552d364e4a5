//! A disk on which one chosen operation fails, and maybe all that follow.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::{Disk, DiskFile, RealDisk};

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
}

impl FailingDisk {
    pub(super) fn new(failure: Failure, forever: bool) -> Self {
        Self {
            plan: Arc::new(Plan {
                failure,
                left: AtomicU64::new(u64::MAX),
                done: AtomicU64::new(0),
                forever,
            }),
        }
    }

    /// Lets `n` more operations pass and fails the next.
    pub(super) fn fail_after(&self, n: u64) {
        self.plan.left.store(n, Ordering::SeqCst);
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

impl Disk for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.plan.pass()?;
        let inner = RealDisk.create(path)?;
        let plan = Arc::clone(&self.plan);
        Ok(Arc::new(FailingFile { inner, plan }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.plan.pass()?;
        let inner = RealDisk.open(path)?;
        let plan = Arc::clone(&self.plan);
        Ok(Arc::new(FailingFile { inner, plan }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.pass()?;
        RealDisk.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.plan.pass()?;
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
    plan: Arc<Plan>,
}

impl DiskFile for FailingFile {
    fn write_at(&self, octets: &[u8], at: u64) -> io::Result<()> {
        if let Err(error) = self.plan.pass() {
            let (half, _) = octets.split_at(octets.len() * 2 / 3);
            self.inner.write_at(half, at)?;
            return Err(error);
        }
        self.inner.write_at(octets, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.plan.pass()?;
        self.inner.sync()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.plan.pass()?;
        self.inner.set_len(len)
    }
}
