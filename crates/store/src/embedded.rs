//! The store in one directory: the log is the truth, a view beside it answers reads.
//!
//! A commit is a record in an append-only log, made durable together with all that waits at the
//! same time by one sync, and then applied to an ordered view, unsynced. At open the view is
//! brought up to the log; a view that is lost is made again. Small blobs are in the records, large
//! ones in files of their own.
//!
//! Not here: freeing what no row refers to any more; nothing is ever removed from the log.

mod bodies;
mod check;
mod checkpoint;
mod committer;
mod derived;
mod ground;
mod handles;
mod hints;
mod holdings;
mod layout;
mod log;
mod offload;
mod places;
mod reader;
mod record;
mod recovery;
mod segment;
mod stage;
mod stats;
mod turns;
mod view;

use std::collections::HashMap;
use std::fmt;
use std::future;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use mail::BlobRange;
use tokio::sync::{oneshot, watch};

pub use self::check::Report;
pub use self::ground::{Delay, Early, Epochs, Ground, Pace, ViewForm};
pub use self::holdings::{Files as HeldFiles, Holdings};
pub use self::stats::Stats;

use self::bodies::Bodies;
use self::committer::{Applying, Committer, Message, Request, Rhythm};
use self::derived::Files;
use self::handles::Handles;
use self::layout::Layout;
use self::log::{Limits, Log};
use self::offload::Work;
use self::places::Places;
use self::reader::Reader;
use self::record::octets_max;
use self::recovery::End;
use self::stage::Inflow;
use self::stats::Counters;
use self::turns::Queue;
use self::view::ViewMemory;
use crate::backend::{
    Batch, Boxed, CommitError, Cut, Direction, Error, Page, Partition, Sought, Stage, Store, Table,
    Version,
};
use crate::derived::Derived;
use crate::disk::failed;
use crate::packed;
use crate::snapshot::Snapshot;

/// A longer key is refused.
pub const KEY_OCTETS_MAX: usize = 4096;
/// A larger batch is refused.
pub const BATCH_OCTETS_MAX: usize = 64 << 20;
/// So many keys are looked up without leaving the caller's thread.
const GET_HERE_MAX: usize = 16;
/// So many rows are scanned without leaving the caller's thread.
const SCAN_HERE_MAX: usize = 256;
/// So many octets are read without leaving the caller's thread.
const READ_HERE_OCTETS_MAX: u64 = 64 << 10;

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
    applying: Arc<watch::Sender<Applying>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Embedded {
    /// Opens the store in a directory, or makes one there; brings its view up to its log.
    ///
    /// # Errors
    ///
    /// If another process has it open, if the disk says no, or if the log is damaged anywhere but
    /// at an end that was never acknowledged. Then nothing was changed.
    pub fn open(dir: &Path, settings: EmbeddedSettings) -> Result<Self, Error> {
        Self::open_on(&Ground::real(), dir, settings)
    }

    /// The same, on a ground that is given.
    ///
    /// # Errors
    ///
    /// As [`Embedded::open`].
    pub fn open_on(ground: &Ground, dir: &Path, settings: EmbeddedSettings) -> Result<Self, Error> {
        let disk = &ground.disk;
        let work = match ground.pace {
            Pace::Thread => Work::Aside,
            Pace::Task(_) => Work::Here,
        };
        let layout = Layout::enter(ground, dir)?;
        let counters = Arc::new(Counters::default());
        let (view, from) = layout.open_view(settings.view_memory())?;
        let (end, records) = recovery::replay(&**disk, &layout.log, from, &view)?;
        let log = open_log(ground, &layout.log, &counters, &settings, end)?;
        let bodies = Bodies::new(Arc::clone(disk), Arc::clone(&counters), &layout.bodies);
        bodies.log_is_in(log.position().segment);
        let orphans = recovery::sweep(&bodies, &layout.log, &view)?;
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
            bodies: Arc::new(bodies),
            layout,
            work,
            afloat: AtomicUsize::new(0),
            afloat_max: settings.inflow_octets,
        };
        Self::begin(ground, &settings, log, reader, derived, records)
    }

    /// Lets the committer begin on what was opened.
    fn begin(
        ground: &Ground,
        settings: &EmbeddedSettings,
        log: Log,
        reader: Reader,
        derived: Files,
        records: u64,
    ) -> Result<Self, Error> {
        let counters = Arc::clone(&reader.bodies.counters);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = watch::channel(None);
        let alarm = stop.clone();
        let applying = Arc::new(watch::Sender::default());
        let committer = Committer {
            log,
            view: reader.view.clone(),
            view_dir: reader.layout.view.clone(),
            bodies: Arc::clone(&reader.bodies),
            disk: Arc::clone(&ground.disk),
            counters: Arc::clone(&counters),
            waiting: Arc::clone(&waiting),
            stopped: stop,
            applying: Arc::clone(&applying),
            versions: HashMap::new(),
            rhythm: Rhythm {
                octets: settings.checkpoint_octets,
                idle: settings.checkpoint_idle,
            },
            // What was replayed is not durable in the view yet.
            behind: records,
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
            applying,
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

impl Store for Embedded {
    fn version(&self, partition: Partition) -> Boxed<'_, Result<Version, Error>> {
        let mut applying = self.inner.applying.subscribe();
        Box::pin(async move {
            let is_held = |now: &Applying| match now {
                Applying::Parts(parts) => parts.contains(&partition),
                Applying::Nothing | Applying::Failed => false,
            };
            let now = applying.wait_for(|now| !is_held(now)).await;
            if now.is_ok_and(|now| *now == Applying::Failed) {
                let (doing, cause) = ("reading a version", "the store has stopped".into());
                return Err(Error::Engine { doing, cause });
            }
            self.inner.reader.view.version(partition)
        })
    }

    fn get(
        &self,
        partition: Partition,
        table: Table,
        keys: Vec<Bytes>,
    ) -> Boxed<'_, Result<Vec<Option<Bytes>>, Error>> {
        let reader = &self.inner.reader;
        Box::pin(async move {
            if keys.len() <= GET_HERE_MAX {
                return reader.view.get(partition, table, &keys);
            }
            let (reader, work) = (Arc::clone(reader), reader.work);
            work.run(move || reader.view.get(partition, table, &keys))
                .await?
        })
    }

    fn scan(
        &self,
        partition: Partition,
        table: Table,
        (from, to): (Bytes, Option<Bytes>),
        limit: usize,
        direction: Direction,
    ) -> Boxed<'_, Result<Page, Error>> {
        self.inner
            .scan((partition, table), (from, to), limit, (direction, None))
    }

    fn scan_cut(
        &self,
        partition: Partition,
        table: Table,
        range: (Bytes, Option<Bytes>),
        limit: usize,
        cut: Cut,
    ) -> Boxed<'_, Result<Page, Error>> {
        let how = (Direction::Rising, Some(cut));
        self.inner.scan((partition, table), range, limit, how)
    }

    fn stage(&self) -> Box<dyn Stage> {
        Box::new(Inflow::new(Arc::clone(&self.inner.reader)))
    }

    fn read(&self, range: BlobRange) -> Boxed<'_, Result<Bytes, Error>> {
        let reader = &self.inner.reader;
        Box::pin(async move {
            if range.len <= READ_HERE_OCTETS_MAX {
                return reader.read(range);
            }
            let (reader, work) = (Arc::clone(reader), reader.work);
            work.run(move || reader.read(range)).await?
        })
    }

    fn read_many(&self, ranges: Vec<BlobRange>) -> Boxed<'_, Result<Vec<Bytes>, Error>> {
        let reader = &self.inner.reader;
        Box::pin(async move {
            let octets = ranges
                .iter()
                .fold(0, |sum: u64, range| sum.saturating_add(range.len));
            if octets <= READ_HERE_OCTETS_MAX {
                return reader.read_many(&ranges);
            }
            let (reader, work) = (Arc::clone(reader), reader.work);
            work.run(move || reader.read_many(&ranges)).await?
        })
    }

    fn read_sought(&self, sought: Vec<Sought>) -> Boxed<'_, Result<Vec<Bytes>, Error>> {
        let reader = &self.inner.reader;
        Box::pin(async move {
            let octets = sought
                .iter()
                .fold(0, |sum: u64, one| sum.saturating_add(one.range.len));
            if octets <= READ_HERE_OCTETS_MAX {
                return reader.read_sought(&sought);
            }
            let (reader, work) = (Arc::clone(reader), reader.work);
            work.run(move || reader.read_sought(&sought)).await?
        })
    }

    fn commit(&self, batch: Batch) -> Boxed<'static, Result<(), CommitError>> {
        match self.inner.queue(batch) {
            Ok(answer) => Box::pin(async move {
                let lost = || CommitError::Unknown("the committer is gone".into());
                answer.await.unwrap_or_else(|_| Err(lost()))
            }),
            Err(error) => Box::pin(future::ready(Err(error))),
        }
    }

    fn snapshot(&self) -> Boxed<'_, Result<Arc<dyn Snapshot>, Error>> {
        Box::pin(async move {
            let (answer, still) = oneshot::channel();
            let closed = || Error::Engine {
                doing: "taking a snapshot",
                cause: "the store is closed".into(),
            };
            let sent = self.inner.queue.send(Message::Still(answer));
            sent.map_err(|_| closed())?;
            let still = still.await.ok().flatten().ok_or_else(closed)?;
            Ok(Arc::new(still) as Arc<dyn Snapshot>)
        })
    }

    fn derived(&self) -> &dyn Derived {
        &self.inner.derived
    }
}

impl Inner {
    fn scan(
        &self,
        (partition, table): (Partition, Table),
        (from, to): (Bytes, Option<Bytes>),
        limit: usize,
        how: (Direction, Option<Cut>),
    ) -> Boxed<'_, Result<Page, Error>> {
        let reader = Arc::clone(&self.reader);
        let work = reader.work;
        let scan = move || {
            let range = (&from[..], to.as_deref());
            reader.view.scan(partition, table, range, limit, how)
        };
        Box::pin(async move {
            if limit <= SCAN_HERE_MAX {
                return scan();
            }
            work.run(scan).await?
        })
    }

    fn queue(
        &self,
        batch: Batch,
    ) -> Result<oneshot::Receiver<Result<(), CommitError>>, CommitError> {
        batch.well_formed()?;
        let octets = octets_max(&batch);
        if octets > BATCH_OCTETS_MAX {
            let cause = format!("a batch of {octets} octets");
            return Err(CommitError::Failed(cause));
        }
        let mut longest = 0;
        for write in batch.parts.iter().flat_map(|part| &part.writes) {
            packed::each(write, |change| longest = change.key.len().max(longest));
        }
        if longest > KEY_OCTETS_MAX {
            return Err(CommitError::Failed("a key is too long".into()));
        }
        if self.waiting.load(Ordering::Relaxed) > self.waiting_octets {
            return Err(CommitError::Failed("too much is waiting".into()));
        }
        let (answer, done) = oneshot::channel();
        let request = Request {
            batch,
            octets,
            answer,
        };
        self.waiting.fetch_add(octets, Ordering::Relaxed);
        let sent = self.queue.send(Message::Commit(request));
        sent.map_err(|_| CommitError::Failed("the store is closed".into()))?;
        Ok(done)
    }

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
