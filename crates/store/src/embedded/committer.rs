//! The one that writes: it takes a group of what waits, writes it at once, syncs once, and answers
//! everyone. Then the view follows; who reads before it has waits for it.
//!
//! Not here: how a group gets into the log (`log`), how it gets into the view (`unseen`), and whose
//! turn it is when (`turns`).

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mail::BlobId;
use tokio::sync::oneshot;

use super::bodies::Bodies;
use super::checkpoint;
use super::chores::Chore;
use super::hints::{self, Arrivals};
use super::log::{AppendError, Log};
use super::offload::Work;
use super::record::Place;
use super::stats::{Counters, add};
use super::touched::Touched;
use super::unseen::{self, Beside, Follower, Gone, Unseen};
use super::view::{Still, View};
use crate::backend::{Batch, CommitError, Error, Partition, Version};
use crate::disk::Disk;
use crate::packed;
use crate::snapshot::Holds;

/// The most commits of one group.
const GROUP_COMMITS_MAX: usize = 512;
/// A group this large is written without looking for more.
const GROUP_OCTETS_MAX: usize = 8 << 20;
/// A group of so few commits gets into the view here: another thread would have to be woken.
const FOLLOWED_HERE_MAX: usize = 4;
/// Said where a thread has panicked.
const GONE: &str = "the thread is gone that lets the view follow";
/// Versions kept in memory; above that they are read from the view again.
const VERSIONS_MAX: usize = 1 << 16;

/// What the committer is asked.
#[derive(Debug)]
pub(super) enum Message {
    /// Make a batch durable.
    Commit(Request),
    /// Make the view durable.
    Checkpoint(oneshot::Sender<Result<(), Error>>),
    /// Do a piece of what frees what is dead.
    Chore(Chore),
    /// Tell the rows as they are behind what was asked before.
    Still(oneshot::Sender<Option<Still>>),
    /// End, after all that was asked before.
    Close,
}

/// A batch that waits.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) batch: Batch,
    /// At most how many octets its record has.
    pub(super) octets: usize,
    /// What came of it; nothing at first.
    pub(super) outcome: Result<Written, CommitError>,
    /// Until it was told.
    pub(super) answer: Option<Answer>,
}

/// Where the answer to a request goes.
pub(super) type Answer = oneshot::Sender<Result<(), CommitError>>;

/// What the log has of a batch.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Blobs that were there already.
    pub(super) present: Vec<BlobId>,
    /// Where in the segment the octets of the others begin.
    pub(super) inline: u64,
}

/// When the view is made durable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    /// After so many octets of log.
    pub(super) octets: u64,
    /// After so long without a commit.
    pub(super) idle: Duration,
}

/// Requests that become durable together.
#[derive(Debug, Default)]
pub(super) struct Group {
    requests: Vec<Request>,
    octets: usize,
}

/// What it knows.
#[derive(Debug)]
pub(super) struct Committer {
    pub(super) log: Log,
    pub(super) view: View,
    pub(super) view_dir: PathBuf,
    pub(super) bodies: Arc<Bodies>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) counters: Arc<Counters>,
    /// Octets that wait in the inbox.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) follower: Follower,
    /// Lets the view follow after a crowd, if there is a thread for it.
    pub(super) beside: Option<Beside>,
    /// What is answered, and left for [`Committer::follow`].
    pub(super) unseen: Option<Unseen>,
    /// Blobs that may not be in the view yet.
    pub(super) arriving: HashSet<BlobId>,
    /// Blobs of the group that is being written.
    pub(super) coming: HashSet<BlobId>,
    /// With what was not put into the view yet, or is being written.
    pub(super) versions: HashMap<Partition, Version>,
    /// What is mentioned beside a sweep.
    pub(super) touched: Arc<Touched>,
    pub(super) rhythm: Rhythm,
    /// The log's octets since the view was last durable.
    pub(super) behind: u64,
    /// What others still read.
    pub(super) holds: Arc<Holds>,
    /// Where they read it.
    pub(super) work: Work,
}

impl Group {
    pub(super) fn add(&mut self, request: Request) {
        self.octets += request.octets;
        self.requests.push(request);
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// True if it is written without looking for more.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= GROUP_COMMITS_MAX || self.room() == 0
    }

    /// Octets that may still come to it.
    pub(super) const fn room(&self) -> usize {
        GROUP_OCTETS_MAX.saturating_sub(self.octets)
    }
}

impl Committer {
    /// Does what is left to do when no more will come.
    pub(super) fn close(&mut self) {
        self.checkpoint_or_warn();
        if self.stopped().is_none() {
            self.log.trim();
        }
    }

    /// After so long without a message the view is made durable; never if it is.
    pub(super) fn idle(&self) -> Option<Duration> {
        (self.behind > 0).then_some(self.rhythm.idle)
    }

    /// The rows as they are between two groups; none of a store that has stopped, as its view may
    /// have a part of one.
    pub(super) fn still(&mut self) -> Option<Still> {
        self.catch_up();
        if self.stopped().is_some() {
            return None;
        }
        let sequence = self.log.position().sequence;
        let hold = self.holds.hold(sequence);
        Some(self.view.still(sequence, self.work, hold))
    }

    /// Why no more commits are taken, once that is so.
    pub(super) fn stopped(&self) -> Option<String> {
        self.follower.stopped.borrow().clone()
    }

    /// Commits a group and answers it; [`Committer::follow`] comes next.
    pub(super) fn serve(&mut self, group: Group) {
        let mut requests = group.requests;
        if let Err(error) = self.write(&mut requests) {
            let error = match error {
                AppendError::NotWritten(error) => {
                    add(&self.counters.full, 1);
                    error
                }
                AppendError::Lost(cause) => self.stop(cause),
            };
            // Those who were refused before anything was written keep their reason.
            for request in requests
                .iter_mut()
                .filter(|request| request.outcome.is_ok())
            {
                request.outcome = Err(error.clone());
            }
            self.forget_unwritten();
        }
        self.waiting.fetch_sub(group.octets, Ordering::Relaxed);
        let mut unseen = Unseen {
            requests,
            segment: self.log.position().segment,
            sequence: self.log.position().sequence,
        };
        let commits = unseen.batches().count();
        if commits > 0 {
            // The view is behind by one group at most.
            self.catch_up();
            std::mem::swap(&mut self.arriving, &mut self.coming);
            self.follower.horizon.behind(&unseen);
        }
        for request in &mut unseen.requests {
            let outcome = request.outcome.as_ref().map(|_| ()).map_err(Clone::clone);
            // Whoever asked may have gone.
            let answer = request.answer.take();
            drop(answer.map(|answer| answer.send(outcome)));
        }
        if commits > 0 {
            self.leave(unseen, commits);
        }
    }

    /// Leaves a group for the view.
    fn leave(&mut self, unseen: Unseen, commits: usize) {
        match &mut self.beside {
            Some(beside) if commits > FOLLOWED_HERE_MAX => {
                if let Err(Gone) = beside.follow(unseen) {
                    self.follower.fail(GONE);
                }
            }
            _ => self.unseen = Some(unseen),
        }
    }

    /// What is known of a group that is not in the log is not so.
    fn forget_unwritten(&mut self) {
        // What is not known is asked of the view, which has to have it.
        self.catch_up();
        self.versions.clear();
        self.coming.clear();
    }

    /// Lets the view follow what was left to be done here, and makes it durable if that is due.
    pub(super) fn follow(&mut self) {
        if let Some(unseen) = self.unseen.take() {
            self.follower.follow(&unseen);
        }
        if self.behind >= self.rhythm.octets {
            self.checkpoint_or_warn();
        }
    }

    /// The view has all that was answered, unless the store has stopped.
    pub(super) fn catch_up(&mut self) {
        if let Some(unseen) = self.unseen.take() {
            self.follower.follow(&unseen);
        }
        if let Some(Err(Gone)) = self.beside.as_mut().map(Beside::wait) {
            self.follower.fail(GONE);
        }
        self.arriving.clear();
    }

    /// Writes a group and makes it durable, but for what is refused.
    fn write(&mut self, group: &mut [Request]) -> Result<(), AppendError> {
        if let Some(cause) = self.stopped() {
            return Err(AppendError::Lost(cause));
        }
        if self.versions.len() > VERSIONS_MAX {
            // What is not known is asked of the view, which has to have it.
            self.catch_up();
            self.versions.clear();
        }
        let octets = group.iter().map(|request| request.octets).sum();
        self.log.begin(octets)?;
        self.bodies.log_is_in(self.log.position().segment);
        let mut commits = 0;
        for request in group {
            request.outcome = self.admit(&request.batch);
            commits += u64::from(request.outcome.is_ok());
        }
        if commits == 0 {
            return Ok(());
        }
        self.log.write()?;
        self.behind += octets as u64;
        add(&self.counters.commits, commits);
        add(&self.counters.groups, 1);
        self.counters
            .group_max
            .fetch_max(commits, Ordering::Relaxed);
        Ok(())
    }

    /// Adds a batch to the group, if the partitions are where its writer saw them.
    fn admit(&mut self, batch: &Batch) -> Result<Written, CommitError> {
        for part in &batch.parts {
            if self.version(part.partition)? != part.from {
                add(&self.counters.conflicts, 1);
                return Err(CommitError::Conflict);
            }
        }
        let mut present = Vec::new();
        for staged in &batch.blobs {
            if self.is_there(staged.blob)? {
                self.touched.note(staged.blob);
                present.push(staged.blob);
            } else if staged.bytes.is_none() && !self.bodies.has(staged.blob, staged.len) {
                let cause = format!("blob {} was not staged here", staged.blob);
                return Err(CommitError::Failed(cause));
            }
        }
        self.mentioned_are_there(batch)?;
        let inline = self.log.add(batch, &present);
        for part in &batch.parts {
            self.versions.insert(part.partition, part.from.next());
        }
        self.coming
            .extend(batch.blobs.iter().map(|staged| staged.blob));
        Ok(Written { present, inline })
    }

    /// True if a blob is in the log, or will be with this group.
    fn is_there(&self, blob: BlobId) -> Result<bool, CommitError> {
        if self.coming.contains(&blob) || self.arriving.contains(&blob) {
            return Ok(true);
        }
        let found = self.view.blob(blob).map_err(|error| unread(&error))?;
        Ok(found.is_some())
    }

    /// Refuses a batch with a row about a blob that is not there, and that it does not bring.
    fn mentioned_are_there(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut brought = Arrivals::new(&batch.blobs, |staged| (staged.blob, Place::Body));
        let mut outcome = Ok(());
        for write in batch.parts.iter().flat_map(|part| &part.writes) {
            packed::each(write, |change| {
                let value = change.value.filter(|_| change.beside);
                let Some(blob) = value.and_then(hints::name) else {
                    return;
                };
                if outcome.is_err() || brought.find(blob).is_some() {
                    return;
                }
                self.touched.note(blob);
                outcome = match self.is_there(blob) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(CommitError::Gone(blob)),
                    Err(error) => Err(error),
                };
            });
        }
        outcome
    }

    fn version(&mut self, partition: Partition) -> Result<Version, CommitError> {
        if let Some(version) = self.versions.get(&partition) {
            return Ok(*version);
        }
        let version = self
            .view
            .version(partition)
            .map_err(|error| unread(&error))?;
        self.versions.insert(partition, version);
        Ok(version)
    }

    /// Takes no more commits: a disk that did not sync once is not trusted again.
    pub(super) fn stop(&self, cause: String) -> CommitError {
        unseen::stop(&self.follower.stopped, &cause);
        CommitError::Unknown(cause)
    }

    pub(super) fn checkpoint_or_warn(&mut self) {
        if let Err(error) = self.checkpoint() {
            tracing::warn!(%error, "no checkpoint: the next start replays more of the log");
        }
    }

    /// Makes the view durable, and only then notes how far it goes.
    pub(super) fn checkpoint(&mut self) -> Result<(), Error> {
        self.catch_up();
        if self.behind == 0 || self.stopped().is_some() {
            return Ok(());
        }
        let position = self.log.position();
        if let Err(error) = self.view.persist() {
            self.stop(error.to_string());
            return Err(error);
        }
        // Not tried again before the next round, be it written or not.
        self.behind = 0;
        checkpoint::write(&*self.disk, &self.view_dir, position)?;
        add(&self.counters.checkpoints, 1);
        Ok(())
    }
}

fn unread(error: &Error) -> CommitError {
    CommitError::Failed(error.to_string())
}
