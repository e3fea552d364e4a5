//! The store in one directory: the log is the truth, a view beside it answers reads.
//!
//! A commit is a record in an append-only log, made durable together with all that waits at the
//! same time by one sync, and answered; then an ordered view follows, unsynced. At open the view is
//! brought up to the log; a view that is lost is made again. Small blobs are in the records, large
//! ones in files of their own.
//!
//! What no row mentions any more is freed beside the work, when it is asked for (`reclaim`), and
//! segments to which nothing is written any more are compressed (`compress`).

mod bodies;
mod check;
mod checkpoint;
mod chores;
mod committer;
mod compress;
mod compressed;
mod derived;
mod forms;
mod front;
mod ground;
mod handles;
mod hints;
mod holdings;
mod inbox;
mod layout;
mod log;
mod offload;
mod places;
mod reader;
mod reclaim;
mod record;
mod records;
mod recovery;
mod repair;
mod segment;
mod snapshot;
mod sound;
mod stage;
mod stats;
mod sweep;
mod touched;
mod turns;
mod unseen;
mod view;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::future;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

pub use self::check::Report;
pub use self::forms::{Each as EachSeen, Form, Forms, Seen};
pub use self::front::{BATCH_OCTETS_MAX, KEY_OCTETS_MAX};
pub use self::ground::{Delay, Early, Epochs, Ground, Pace, ViewForm};
pub use self::holdings::{Files as HeldFiles, Holdings};
pub use self::repair::Repaired;
pub use self::stats::Stats;

use self::bodies::Bodies;
use self::committer::{Committer, Message, Rhythm};
use self::derived::Files;
use self::handles::Handles;
use self::layout::Layout;
use self::log::{Limits, Log};
use self::offload::Work;
use self::places::Places;
use self::reader::Reader;
use self::recovery::End;
use self::snapshot::Base;
use self::sound::Sound;
use self::stats::Counters;
use self::touched::Touched;
use self::turns::Queue;
use self::unseen::{Beside, Follower, Horizon};
use self::view::ViewMemory;
use crate::backend::{Error, Partition, Table};
use crate::disk::failed;
use crate::reclaim::Reclaimed;

/// What the owner of an embedded store may choose.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedSettings {
    /// Memory for what is read often.
    pub cache_octets: u64,
    /// Memory for rows that the view has not written yet.
    pub view_octets: u64,
    /// Memory for blobs on their way in; beyond it each has less of it.
    pub inflow_octets: usize,
    /// When so many octets of batches wait, more are refused.
    pub waiting_octets: usize,
    /// A segment of the log is followed by another before it becomes longer.
    pub segment_octets: u64,
    /// The view is made durable after so many octets of log.
    pub checkpoint_octets: u64,
    /// The view is made durable after so long without a commit.
    pub checkpoint_idle: Duration,
    /// Commits are refused when less room is left on the disk: the view needs some to follow.
    pub reserve_octets: u64,
    /// Whether segments to which nothing is written any more are compressed, when what is dead is
    /// freed.
    pub compress: bool,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            cache_octets: 128 << 20,
            view_octets: 96 << 20,
            inflow_octets: 64 << 20,
            waiting_octets: 256 << 20,
            segment_octets: 128 << 20,
            checkpoint_octets: 64 << 20,
            checkpoint_idle: Duration::from_secs(30),
            reserve_octets: 64 << 20,
            compress: true,
        }
    }
}

impl EmbeddedSettings {
    const fn view_memory(&self) -> ViewMemory {
        ViewMemory {
            cache_octets: self.cache_octets,
            buffer_octets: self.view_octets,
        }
    }
}

/// A store in one directory; clones share it, the last one closes it.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    reader: Arc<Reader>,
    derived: Files,
    counters: Arc<Counters>,
    queue: Queue,
    waiting: Arc<AtomicUsize>,
    waiting_octets: usize,
    stopped: watch::Receiver<Option<String>>,
    horizon: Horizon,
    /// One at a time frees what is dead.
    reclaiming: tokio::sync::Mutex<()>,
    reclaimed: Mutex<Reclaimed>,
    /// Segments that could not be emptied.
    stuck: Mutex<BTreeSet<u64>>,
    compresses: bool,
    /// Segments that would not become shorter.
    stout: Mutex<BTreeSet<u64>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Embedded {
    /// Opens the store in a directory, or makes one there; brings its view up to its log.
    ///
    /// # Errors
    ///
    /// If another process has it open, if a later release wrote it, if the disk says no, or if the
    /// log is damaged anywhere but at an end that was never acknowledged. Then nothing was changed.
    pub fn open(dir: &Path, settings: EmbeddedSettings) -> Result<Self, Error> {
        Self::open_on(&Ground::real(), dir, settings)
    }

    /// The same, on a ground that is given.
    ///
    /// # Errors
    ///
    /// As [`Embedded::open`].
    pub fn open_on(ground: &Ground, dir: &Path, settings: EmbeddedSettings) -> Result<Self, Error> {
        match Self::try_open_on(ground, dir, settings) {
            // The note of it has the view made again.
            Err(error) if layout::is_view_damaged(&*ground.disk, dir) => {
                tracing::warn!(%error, "the view could not be read while it was opened");
                Self::try_open_on(ground, dir, settings)
            }
            opened => opened,
        }
    }

    fn try_open_on(ground: &Ground, dir: &Path, settings: EmbeddedSettings) -> Result<Self, Error> {
        let disk = &ground.disk;
        let work = match ground.pace {
            Pace::Thread => Work::Aside,
            Pace::Task(_) => Work::Here,
        };
        let layout = Layout::enter(ground, dir)?;
        let counters = Arc::new(Counters::default());
        snapshot::sweep(&**disk, &layout.snapshots)?;
        compress::sweep(&**disk, &layout.log)?;
        let base = Base::find(&**disk, &layout.snapshots)?;
        if let Base::Damaged(path) = &base {
            tracing::warn!(path = %path.display(), "a snapshot is damaged; a repair makes another");
        }
        let (view, from) = layout.open_view(settings.view_memory(), &base)?;
        let (end, records) = recovery::replay(&**disk, &layout.log, (&base, from), &view)?;
        let log = open_log(ground, &layout.log, &counters, &settings, end)?;
        let bodies = Bodies::new(Arc::clone(disk), Arc::clone(&counters), &layout.bodies);
        bodies.log_is_in(log.position().segment);
        let orphans = recovery::sweep(&bodies, (&layout.log, base.floor(from)), &view)?;
        tracing::info!(records, orphans, end = ?log.position(), "the store is open");
        let derived = Files {
            disk: Arc::clone(disk),
            dir: layout.derived.clone(),
            work,
            reserve_octets: settings.reserve_octets,
        };
        derived.sweep()?;
        let reader = Reader {
            view,
            handles: Handles::default(),
            places: Places::default(),
            sound: Sound::default(),
            bodies: Arc::new(bodies),
            layout,
            work,
            touched: Arc::new(Touched::default()),
            afloat: AtomicUsize::new(0),
            afloat_max: settings.inflow_octets,
        };
        // What was restored or replayed is not durable in the view yet.
        let behind = records + u64::from(from.is_none() && base != Base::Beginning);
        Self::begin(ground, &settings, log, reader, derived, behind)
    }

    /// Lets the committer begin on what was opened.
    fn begin(
        ground: &Ground,
        settings: &EmbeddedSettings,
        log: Log,
        reader: Reader,
        derived: Files,
        behind: u64,
    ) -> Result<Self, Error> {
        let counters = Arc::clone(&reader.bodies.counters);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = watch::channel(None);
        let alarm = stop.clone();
        let follower = Follower {
            view: reader.view.clone(),
            horizon: Horizon::default(),
            stopped: stop,
        };
        let horizon = follower.horizon.clone();
        let beside = match ground.pace {
            Pace::Thread => Some(Beside::begin(follower.clone())),
            Pace::Task(_) => None,
        };
        let beside = beside.transpose().map_err(failed("starting a thread"))?;
        let committer = Committer {
            log,
            view: reader.view.clone(),
            view_dir: reader.layout.view.clone(),
            bodies: Arc::clone(&reader.bodies),
            disk: Arc::clone(&ground.disk),
            counters: Arc::clone(&counters),
            waiting: Arc::clone(&waiting),
            follower,
            beside,
            unseen: None,
            arriving: HashSet::new(),
            coming: HashSet::new(),
            versions: HashMap::new(),
            touched: Arc::clone(&reader.touched),
            rhythm: Rhythm {
                octets: settings.checkpoint_octets,
                idle: settings.checkpoint_idle,
            },
            behind,
            holds: Arc::default(),
            work: reader.work,
        };
        let (queue, thread) = turns::begin(committer, &ground.pace, alarm)?;
        let inner = Inner {
            reader: Arc::new(reader),
            derived,
            counters,
            queue,
            waiting,
            waiting_octets: settings.waiting_octets,
            stopped,
            horizon,
            reclaiming: tokio::sync::Mutex::default(),
            reclaimed: Mutex::default(),
            stuck: Mutex::default(),
            compresses: settings.compress,
            stout: Mutex::default(),
            thread: Mutex::new(thread),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What was done since the store was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.counters.read()
    }

    /// Resolves with the cause when the store takes no more commits, for ever: the process should
    /// end, and a new one look at the disk afresh.
    pub fn stopped(&self) -> impl Future<Output = String> + Send + use<> {
        let mut stopped = self.inner.stopped.clone();
        async move {
            let cause = stopped.wait_for(Option::is_some).await;
            match cause.ok().and_then(|cause| cause.clone()) {
                Some(cause) => cause,
                None => future::pending().await,
            }
        }
    }

    /// Makes the view durable now, so that the next open has nothing to replay.
    ///
    /// # Errors
    ///
    /// If the disk says no; the log is not affected.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        let (answer, done) = oneshot::channel();
        let closed = || Error::Engine {
            doing: "making a checkpoint",
            cause: "the store is closed".into(),
        };
        let sent = self.inner.queue.send(Message::Checkpoint(answer));
        sent.map_err(|_| closed())?;
        done.await.map_err(|_| closed())?
    }

    /// Finishes what was asked, makes the view durable, and takes no more commits.
    ///
    /// The last clone does this when it is dropped.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Looks at every record, every blob and every row of a store that is not open.
    ///
    /// # Errors
    ///
    /// If the store is open or the disk says no; what is wrong in the store is in the report.
    pub fn check(dir: &Path, settings: EmbeddedSettings) -> Result<Report, Error> {
        Self::check_rows(dir, settings, |_, _, _, _| {})
    }

    /// The same, and where all is sound `each` is told every row, for whoever knows what rows mean.
    ///
    /// # Errors
    ///
    /// As [`Embedded::check`].
    pub fn check_rows(
        dir: &Path,
        settings: EmbeddedSettings,
        each: impl FnMut(Partition, Table, &[u8], &[u8]),
    ) -> Result<Report, Error> {
        Self::check_on(&Ground::real(), dir, settings, each)
    }

    /// The same, on a ground that is given.
    ///
    /// # Errors
    ///
    /// As [`Embedded::check`].
    pub fn check_on(
        ground: &Ground,
        dir: &Path,
        settings: EmbeddedSettings,
        each: impl FnMut(Partition, Table, &[u8], &[u8]),
    ) -> Result<Report, Error> {
        check::check(ground, dir, &settings, each)
    }

    /// Says which versions of each form a store has, and tells `each` what else has versions: rows
    /// and derived pieces. Nothing is changed or locked; a process may have the store open.
    ///
    /// # Errors
    ///
    /// If the disk says no, or the newest snapshot is damaged.
    pub fn forms(dir: &Path, each: &mut EachSeen<'_>) -> Result<Forms, Error> {
        forms::survey(&Ground::real(), dir, each)
    }

    /// Leaves out what is damaged in the middle of the log of a store that is not open, so that
    /// everything else serves; says what that is. A record that is left out before the view's end
    /// has lost its bodies and no rows; behind it the rows as well. A damaged head of a compressed
    /// segment is written again from the other one.
    ///
    /// # Errors
    ///
    /// If the store is open, the disk says no, or a snapshot or the log's end is damaged.
    pub fn repair(dir: &Path, settings: EmbeddedSettings) -> Result<Repaired, Error> {
        repair::repair(&Ground::real(), dir, &settings)
    }

    /// Makes the view of a store that is not open again from its log, and removes what else can be
    /// made again; says how many batches the log has.
    ///
    /// # Errors
    ///
    /// If the store is open, the disk says no, or the log is damaged.
    pub fn rebuild(dir: &Path, settings: EmbeddedSettings) -> Result<u64, Error> {
        Self::rebuild_on(&Ground::real(), dir, settings)
    }

    /// The same, on a ground that is given.
    ///
    /// # Errors
    ///
    /// As [`Embedded::rebuild`].
    pub fn rebuild_on(
        ground: &Ground,
        dir: &Path,
        settings: EmbeddedSettings,
    ) -> Result<u64, Error> {
        check::rebuild(ground, dir, &settings)
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedded({})", self.inner.reader.layout.root.display())
    }
}

impl Inner {
    fn close(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        // If it is gone already there is nothing to close.
        self.queue.send(Message::Close).unwrap_or_default();
        if let Some(Err(_)) = thread.take().map(JoinHandle::join) {
            tracing::error!("the committer panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// Settles the end that the replay found, and goes on from there; or begins a log.
fn open_log(
    ground: &Ground,
    dir: &Path,
    counters: &Arc<Counters>,
    settings: &EmbeddedSettings,
    end: Option<End>,
) -> Result<Log, Error> {
    let limits = Limits {
        segment_octets: settings.segment_octets,
        reserve_octets: settings.reserve_octets,
    };
    let owner = (Arc::clone(&ground.disk), Arc::clone(&ground.epochs));
    let counts = Arc::clone(counters);
    let log = match end {
        Some(end) => {
            recovery::refuse_sealed(&end)?;
            recovery::settle(&*ground.disk, dir, &end)?;
            Log::resume(owner, dir, counts, limits, (end.header, end.position))
        }
        None => Log::create(owner, dir, counts, limits),
    };
    log.map_err(failed("opening the log"))
}

#[cfg(test)]
mod failing;
#[cfg(test)]
mod tests;
