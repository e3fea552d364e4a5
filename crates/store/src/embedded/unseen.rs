//! What is durable and answered, and not in the view yet: it is put there when the answers are on
//! their way, of a crowd beside the group that follows. Whoever reads it meanwhile waits.
//!
//! Not here: what is written and answered (`committer`).

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{Notify, watch};

use super::committer::{Request, Written};
use super::hints::Arrivals;
use super::record;
use super::view::{Changes, View};
use crate::backend::{Batch, Error, Partition};
use crate::packed;

/// Changed rows that are put into the view at once: what is more goes there in pieces, so that it
/// takes no more memory than a piece.
const PIECE_ROWS_MAX: usize = 65_536;

/// A group that the view lacks.
#[derive(Debug)]
pub(super) struct Unseen {
    /// With those that were refused.
    pub(super) requests: Vec<Request>,
    /// The segment that has its records.
    pub(super) segment: u64,
    /// Its last record.
    pub(super) sequence: u64,
}

impl Unseen {
    /// Its batches, and what is written of each.
    pub(super) fn batches(&self) -> impl Iterator<Item = (&Batch, &Written)> {
        let requests = self.requests.iter();
        requests.filter_map(|request| Some((&request.batch, request.outcome.as_ref().ok()?)))
    }
}

/// How far the view is behind what was answered.
#[derive(Debug, Default, PartialEq, Eq)]
enum Distance {
    #[default]
    Nothing,
    /// By a group, which changes these partitions. One at most.
    Group {
        sequence: u64,
        parts: Vec<Partition>,
    },
    /// It will not follow before the store is opened anew.
    Failed,
}

/// Tells how far one may see; clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Horizon {
    distance: Arc<Mutex<Distance>>,
    /// Wakes those who wait in the order in which they came, which a `watch` does not.
    moved: Arc<Notify>,
}

/// Lets the view follow.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    pub(super) view: View,
    pub(super) horizon: Horizon,
    /// Why no more commits are taken, once that is so.
    pub(super) stopped: watch::Sender<Option<String>>,
}

/// A thread that does this.
#[derive(Debug)]
pub(super) struct Beside {
    /// None only when it ends.
    work: Option<SyncSender<Unseen>>,
    done: Receiver<()>,
    busy: bool,
    thread: Option<JoinHandle<()>>,
}

impl Horizon {
    /// Said before the group is answered.
    pub(super) fn behind(&self, unseen: &Unseen) {
        let parts = unseen.batches().flat_map(|(batch, _)| &batch.parts);
        self.move_to(Distance::Group {
            sequence: unseen.sequence,
            parts: parts.map(|part| part.partition).collect(),
        });
    }

    /// True if some of what was answered may be missing.
    pub(super) fn is_behind(&self) -> bool {
        *self.distance() != Distance::Nothing
    }

    /// A view that has failed once follows no more: it would lack what came in between.
    fn move_to(&self, distance: Distance) {
        let mut now = self.distance();
        if *now != Distance::Failed {
            *now = distance;
        }
        drop(now);
        self.moved.notify_waiters();
    }

    /// Nothing can panic while it is held.
    fn distance(&self) -> MutexGuard<'_, Distance> {
        self.distance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all is there that was answered so far: of a partition, or of all of them.
    ///
    /// # Errors
    ///
    /// If that will not be before the store is opened anew.
    pub(super) async fn reach(&self, partition: Option<Partition>) -> Result<(), Error> {
        let mut waited_for = None;
        loop {
            // Whoever moves it from here on wakes this.
            let moved = self.moved.notified();
            match &*self.distance() {
                Distance::Nothing => return Ok(()),
                Distance::Failed => return Err(stopped()),
                Distance::Group { sequence, parts } => {
                    let is_later = waited_for.is_some_and(|waited_for| *sequence > waited_for);
                    let is_other = partition.is_some_and(|partition| !parts.contains(&partition));
                    if is_later || is_other {
                        return Ok(());
                    }
                    waited_for = Some(*sequence);
                }
            }
            moved.await;
        }
    }
}

impl Follower {
    /// Makes a group visible. Where that fails the store stops.
    pub(super) fn follow(&self, unseen: &Unseen) {
        if *self.horizon.distance() == Distance::Failed {
            return;
        }
        let done = self
            .gather(unseen)
            .and_then(|changes| self.view.apply(changes, unseen.sequence));
        let distance = match done {
            Ok(()) => Distance::Nothing,
            Err(error) => {
                stop(&self.stopped, &error.to_string());
                Distance::Failed
            }
        };
        self.horizon.move_to(distance);
    }

    /// The view does not follow any more.
    pub(super) fn fail(&self, cause: &str) {
        stop(&self.stopped, cause);
        self.horizon.move_to(Distance::Failed);
    }

    /// Gathers what a group changes; of very many rows the last ones.
    fn gather(&self, unseen: &Unseen) -> Result<Changes, Error> {
        let mut changes = Changes::default();
        let mut came = Vec::new();
        for (batch, written) in unseen.batches() {
            came.clear();
            let at = (unseen.segment, written.inline);
            came.extend(record::places(batch, &written.present, at));
            for (blob, located) in &came {
                changes.blob(*blob, *located);
            }
            let mut arrivals = Arrivals::new(&came, |(blob, located)| (*blob, located.place));
            for part in &batch.parts {
                changes.version(part.partition, part.from.next());
                for write in &part.writes {
                    let mut done = Ok(());
                    packed::each(write, |change| {
                        changes.change(part.partition, change, &mut arrivals);
                        if changes.rows() >= PIECE_ROWS_MAX && done.is_ok() {
                            done = self.view.apply_piece(&mut changes);
                        }
                    });
                    done?;
                }
            }
        }
        Ok(changes)
    }
}

impl Beside {
    pub(super) fn begin(follower: Follower) -> std::io::Result<Self> {
        let (work, inbox) = sync_channel::<Unseen>(1);
        let (end, done) = sync_channel(1);
        let follow = move || {
            for unseen in inbox {
                follower.follow(&unseen);
                // Whoever asked may have gone. Who waits need not wait until its memory is freed.
                end.send(()).unwrap_or_default();
                drop(unseen);
            }
        };
        let thread = std::thread::Builder::new()
            .name("follower".into())
            .spawn(follow)?;
        Ok(Self {
            work: Some(work),
            done,
            busy: false,
            thread: Some(thread),
        })
    }

    /// Hands it a group; it has none, as `wait` says.
    pub(super) fn follow(&mut self, unseen: Unseen) -> Result<(), Gone> {
        let work = self.work.as_ref().ok_or(Gone)?;
        self.busy = true;
        work.send(unseen).map_err(|_| Gone)
    }

    /// Waits until it has nothing to do.
    pub(super) fn wait(&mut self) -> Result<(), Gone> {
        if std::mem::take(&mut self.busy) {
            self.done.recv().map_err(|_| Gone)?;
        }
        Ok(())
    }
}

/// The thread has panicked.
#[derive(Debug)]
pub(super) struct Gone;

impl Drop for Beside {
    fn drop(&mut self) {
        self.work = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread panicked that lets the view follow");
        }
    }
}

/// Lets no more commits be taken.
pub(super) fn stop(stopped: &watch::Sender<Option<String>>, cause: &str) {
    stopped.send_if_modified(|stopped| {
        let first = stopped.is_none();
        if first {
            tracing::error!(cause, "the store stops: no more commits");
            *stopped = Some(cause.into());
        }
        first
    });
}

fn stopped() -> Error {
    Error::Engine {
        doing: "reading what was changed",
        cause: "the store has stopped".into(),
    }
}
