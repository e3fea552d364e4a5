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
mod disk;
mod handles;
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
mod view;

use std::collections::HashMap;
use std::fmt;
use std::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use mail::BlobRange;
use tokio::sync::{oneshot, watch};

pub use self::check::Report;
pub use self::holdings::{Files as HeldFiles, Holdings};
pub use self::stats::Stats;

use self::bodies::Bodies;
use self::committer::{Committer, Message, Request, Rhythm};
use self::derived::Files;
use self::disk::{Disk, RealDisk, failed};
use self::handles::Handles;
use self::layout::Layout;
use self::log::{Limits, Log};
use self::offload::offload;
use self::places::Places;
use self::reader::Reader;
use self::record::octets_max;
use self::recovery::End;
use self::stage::Inflow;
use self::stats::Counters;
use self::view::ViewMemory;
use crate::backend::{
    Batch, Boxed, CommitError, Direction, Error, Page, Partition, Stage, Store, Table, Version,
    Write,
};
use crate::derived::Derived;

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
    queue: Sender<Message>,
    waiting: Arc<AtomicUsize>,
    waiting_octets: usize,
    stopped: watch::Receiver<Option<String>>,
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
        Self::open_on(Arc::new(RealDisk), dir, settings)
    }

    fn open_on(disk: Arc<dyn Disk>, dir: &Path, settings: EmbeddedSettings) -> Result<Self, Error> {
        let layout = Layout::enter(&*disk, dir)?;
        let counters = Arc::new(Counters::default());
        let (view, from) = layout.open_view(settings.view_memory())?;
        let (end, records) = recovery::replay(&layout.log, from, &view)?;
        let log = open_log(&disk, &layout.log, &counters, &settings, end)?;
        let bodies = Bodies::new(Arc::clone(&disk), Arc::clone(&counters), &layout.bodies);
        bodies.log_is_in(log.position().segment);
        let orphans = recovery::sweep(&bodies, &layout.log, &view)?;
        tracing::info!(records, orphans, end = ?log.position(), "the store is open");
        let (stop, stopped) = watch::channel(None);
        let alarm = stop.clone();
        let (queue, inbox) = channel();
        let derived = Files {
            disk: Arc::clone(&disk),
            dir: layout.derived.clone(),
            reserve_octets: settings.reserve_octets,
        };
        derived.sweep()?;
        let (bodies, waiting) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
        let committer = Committer {
            inbox,
            log,
            view: view.clone(),
            view_dir: layout.view.clone(),
            bodies: Arc::clone(&bodies),
            disk,
            counters: Arc::clone(&counters),
            waiting: Arc::clone(&waiting),
            stopped: stop,
            versions: HashMap::new(),
            rhythm: Rhythm {
                octets: settings.checkpoint_octets,
                idle: settings.checkpoint_idle,
            },
            // What was replayed is not durable in the view yet.
            behind: records,
            patience: Duration::ZERO,
        };
        let thread = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || {
                if catch_unwind(AssertUnwindSafe(|| committer.run())).is_err() {
                    alarm.send_replace(Some("the committer panicked".into()));
                }
            })
            .map_err(failed("starting the committer"))?;
        let reader = Reader {
            view,
            handles: Handles::default(),
            places: Places::default(),
            bodies,
            layout,
            afloat: AtomicUsize::new(0),
            afloat_max: settings.inflow_octets,
        };
        let inner = Inner {
            reader: Arc::new(reader),
            derived,
            counters,
            queue,
            waiting,
            waiting_octets: settings.waiting_octets,
            stopped,
            thread: Mutex::new(Some(thread)),
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
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (owner, counters) = (Arc::clone(&disk), Arc::default());
        let bodies = |dir: &Path| Bodies::new(owner, counters, dir);
        check::check(&*disk, dir, &settings, bodies, each)
    }

    /// Makes the view of a store that is not open again from its log, and removes what else can be
    /// made again; says how many batches the log has.
    ///
    /// # Errors
    ///
    /// If the store is open, the disk says no, or the log is damaged.
    pub fn rebuild(dir: &Path, settings: EmbeddedSettings) -> Result<u64, Error> {
        check::rebuild(&RealDisk, dir, &settings)
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedded({})", self.inner.reader.layout.root.display())
    }
}

impl Store for Embedded {
    fn version(&self, partition: Partition) -> Boxed<'_, Result<Version, Error>> {
        Box::pin(async move { self.inner.reader.view.version(partition) })
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
            let reader = Arc::clone(reader);
            offload(move || reader.view.get(partition, table, &keys)).await?
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
        let reader = Arc::clone(&self.inner.reader);
        let scan = move || {
            let range = (&from[..], to.as_deref());
            reader.view.scan(partition, table, range, limit, direction)
        };
        Box::pin(async move {
            if limit <= SCAN_HERE_MAX {
                return scan();
            }
            offload(scan).await?
        })
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
            let reader = Arc::clone(reader);
            offload(move || reader.read(range)).await?
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
            let reader = Arc::clone(reader);
            offload(move || reader.read_many(&ranges)).await?
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

    fn derived(&self) -> &dyn Derived {
        &self.inner.derived
    }
}

impl Inner {
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
        let mut writes = batch.parts.iter().flat_map(|part| &part.writes);
        if writes.any(|write| key(write).len() > KEY_OCTETS_MAX) {
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
        if let Some(thread) = thread.take() {
            // If it is gone already there is nothing to close.
            drop(self.queue.send(Message::Close));
            if thread.join().is_err() {
                tracing::error!("the committer panicked");
            }
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
    disk: &Arc<dyn Disk>,
    dir: &Path,
    counters: &Arc<Counters>,
    settings: &EmbeddedSettings,
    end: Option<End>,
) -> Result<Log, Error> {
    let limits = Limits {
        segment_octets: settings.segment_octets,
        reserve_octets: settings.reserve_octets,
    };
    let (owner, counts) = (Arc::clone(disk), Arc::clone(counters));
    let log = match end {
        Some(end) => {
            recovery::settle(&**disk, dir, &end)?;
            Log::resume(owner, dir, counts, limits, (end.header, end.position))
        }
        None => Log::create(owner, dir, counts, limits),
    };
    log.map_err(failed("opening the log"))
}

fn key(write: &Write) -> &Bytes {
    match write {
        Write::Put { key, .. } | Write::Delete { key, .. } => key,
    }
}

#[cfg(test)]
mod failing;
#[cfg(test)]
mod tests;
