//! A disk that forgets and fails.
//!
//! Reads see everything that was written. A power cut keeps what was synced, and of the rest what
//! the dice say: each 512-octet sector of each write on its own (so a write is torn, and a later
//! one may be there without an earlier), each cut of a file, each change of a name. A change of a
//! name is durable when its directory was synced, and not before, even if the file was.
//!
//! A sync that fails makes some of it durable, and the rest never: it can still be read, and no
//! later sync brings it to the disk, as where the system drops pages that could not be written.
//!
//! Not here: a disk that lies about syncs. What it would lose no program could keep.

mod image;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::disk::{Disk, DiskFile};
use tokio::sync::watch;

use self::image::{Image, Node};
use crate::{Dice, Trace};

/// Writes that fail though all of their octets were written, of a hundred that the device does not
/// answer.
const WHOLE_PERCENT: u64 = 50;
/// Operations that fail where it happens often, of a hundred.
const OFTEN_PERCENT: u64 = 25;

/// A kind of operation that changes the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A file is made.
    Create,
    /// Octets are written.
    Write,
    /// A file is cut.
    Cut,
    /// A file is synced.
    Sync,
    /// A name is changed.
    Rename,
    /// A name is removed.
    Remove,
    /// A directory is made.
    MakeDir,
    /// A directory is synced.
    SyncDir,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no room; a write stops in the middle.
    Full,
    /// The device does not answer; a write stops in the middle, or was done.
    Broken,
}

/// Which operation fails.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Only operations of this kind count, or all.
    pub kind: Option<Kind>,
    /// So many more of them pass.
    pub passing: u64,
    /// How it fails.
    pub failure: Failure,
    /// What becomes of those that follow.
    pub then: Then,
}

/// What becomes of the operations behind the first that failed, as far as the fault counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// They pass.
    Pass,
    /// Some of them fail, as with a cable that is loose.
    Often,
    /// They all fail.
    Fail,
}

/// A disk as one run of a server holds it: after a power cut nothing can be done through it.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    /// Which run this is.
    run: u64,
}

#[derive(Debug)]
struct State {
    image: Image,
    run: u64,
    fault: Option<Fault>,
    /// The operation that failed first.
    failed: Option<(Kind, PathBuf)>,
    dice: Dice,
    trace: Trace,
    /// Octets that files may have together.
    capacity: u64,
    operations: u64,
    /// True once an operation has failed since that was asked for.
    alarm: watch::Sender<bool>,
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(dice: Dice, trace: Trace) -> Self {
        let state = State {
            image: Image::default(),
            run: 0,
            fault: None,
            failed: None,
            dice,
            trace,
            capacity: u64::MAX,
            operations: 0,
            alarm: watch::Sender::new(false),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            run: 0,
        }
    }

    /// Cuts the power; what comes back with it is returned.
    #[must_use]
    pub fn cut(&self) -> Self {
        let mut state = self.lock();
        state.run += 1;
        state.fault = None;
        let dice = state.dice.clone();
        state.image.lose(&dice);
        let run = state.run;
        state.trace.event(format!("the power goes, run {run}"));
        drop(state);
        Self {
            state: Arc::clone(&self.state),
            run,
        }
    }

    /// Makes an operation fail, or none.
    pub fn fail(&self, fault: Option<Fault>) {
        let mut state = self.lock();
        state.fault = fault;
        state.failed = None;
        state.alarm.send_replace(false);
    }

    /// Returns once an operation has failed since that was asked for.
    pub async fn failing(&self) {
        let mut alarm = self.lock().alarm.subscribe();
        // The sender cannot be gone before.
        drop(alarm.wait_for(|failed| *failed).await);
    }

    /// The operation that failed, if one did since it was asked for.
    #[must_use]
    pub fn failed(&self) -> Option<(Kind, PathBuf)> {
        self.lock().failed.clone()
    }

    /// True if a refusal is no wonder: something failed, or there is a limit.
    #[must_use]
    pub fn is_in_trouble(&self) -> bool {
        let state = self.lock();
        state.failed.is_some() || state.capacity < u64::MAX
    }

    /// Lets so many octets more be written, or any number.
    pub fn limit(&self, more: Option<u64>) {
        let mut state = self.lock();
        let used = state.image.octets();
        state.capacity = more.map_or(u64::MAX, |more| used.saturating_add(more));
    }

    /// Operations that changed the disk since it was made.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Changes one bit of a file, durably; false if there is no such octet.
    pub fn flip(&self, path: &Path, at: u64, bit: u32) -> bool {
        self.lock().image.flip(path, at, bit)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk, if this run still has power.
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.lock();
        if state.run != self.run {
            return Err(broken());
        }
        Ok(state)
    }

    fn open_at(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.alive()?.image.find(path)?;
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            path: path.to_owned(),
            inode,
        }))
    }
}

impl State {
    /// Notes an operation that changes the disk, and fails it if it is its turn.
    fn pass(&mut self, kind: Kind, path: &Path, octets: &[u8]) -> Result<(), Failure> {
        self.operations += 1;
        self.trace
            .stir(format_args!("{kind:?} {}", path.display()), octets);
        let Some(fault) = &mut self.fault else {
            return Ok(());
        };
        if fault.kind.is_some_and(|counted| counted != kind) {
            return Ok(());
        }
        if fault.passing > 0 {
            fault.passing -= 1;
            return Ok(());
        }
        let failure = fault.failure;
        match fault.then {
            Then::Often if self.failed.is_some() && !self.dice.percent(OFTEN_PERCENT) => {
                return Ok(());
            }
            Then::Pass => self.fault = None,
            Then::Often | Then::Fail => {}
        }
        self.trace
            .event(format!("{kind:?} {} fails: {failure:?}", path.display()));
        self.failed.get_or_insert_with(|| (kind, path.to_owned()));
        self.alarm.send_replace(true);
        Err(failure)
    }

    fn act(&mut self, kind: Kind, path: &Path) -> io::Result<()> {
        self.pass(kind, path, &[]).map_err(error)
    }
}

fn broken() -> io::Error {
    io::Error::other("the device does not answer")
}

fn error(failure: Failure) -> io::Error {
    match failure {
        Failure::Full => io::ErrorKind::StorageFull.into(),
        Failure::Broken => broken(),
    }
}

impl Disk for SimDisk {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        if state.image.is_dir(path) {
            return Ok(());
        }
        state.act(Kind::MakeDir, path)?;
        state.image.make_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.alive()?;
        state.act(Kind::Create, path)?;
        state.image.create(path)?;
        drop(state);
        self.open_at(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open_at(path)
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open_at(path)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let state = self.alive()?;
        let inode = state.image.find(path)?;
        Ok(state.image.len(inode))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.alive()?.image.list(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        state.image.find(path)?;
        state.act(Kind::Remove, path)?;
        state.image.remove(path);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        if !state.image.is_dir(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.act(Kind::Remove, path)?;
        state.image.remove(path);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        state.act(Kind::Rename, to)?;
        state.image.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        state.act(Kind::SyncDir, path)?;
        state.image.sync_dir(path);
        Ok(())
    }

    fn room(&self, _: &Path) -> io::Result<u64> {
        let state = self.alive()?;
        Ok(state.capacity.saturating_sub(state.image.octets()))
    }

    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        // Of one run after the other only the last has power, so nobody else can hold it.
        if let Ok(file) = self.open_at(path) {
            return Ok(file);
        }
        self.create(path)
    }
}

/// An open file.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    inode: Node,
}

impl DiskFile for SimFile {
    fn read_at(&self, octets: &mut [u8], at: u64) -> io::Result<usize> {
        Ok(self.disk.alive()?.image.read(self.inode, octets, at))
    }

    fn write_at(&self, octets: &[u8], at: u64) -> io::Result<()> {
        let mut state = self.disk.alive()?;
        let end = at.saturating_add(octets.len() as u64);
        let grows = end.saturating_sub(state.image.len(self.inode));
        let full = state.image.octets().saturating_add(grows) > state.capacity;
        let failure = match state.pass(Kind::Write, &self.path, octets) {
            Ok(()) if full => Failure::Full,
            Ok(()) => {
                state.image.write(self.inode, octets, at);
                return Ok(());
            }
            Err(failure) => failure,
        };
        // At times all of it is written, and only the answer was bad.
        let part = match failure {
            Failure::Broken if state.dice.percent(WHOLE_PERCENT) => octets.len(),
            _ => state.dice.place(octets.len() + 1),
        };
        let (part, _) = octets.split_at(part);
        state.image.write(self.inode, part, at);
        Err(error(failure))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.alive()?;
        if let Err(failure) = state.pass(Kind::Sync, &self.path, &[]) {
            let dice = state.dice.clone();
            state.image.sync_in_part(self.inode, &dice);
            return Err(error(failure));
        }
        state.image.sync(self.inode);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.alive()?;
        state.act(Kind::Cut, &self.path)?;
        state.image.set_len(self.inode, len);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.alive()?.image.len(self.inode))
    }

    fn room(&self) -> io::Result<u64> {
        self.disk.room(&self.path)
    }
}
