//! The one that writes: it takes a group of what waits, writes it at once, syncs once, applies it
//! to the view, and only then answers everyone.
//!
//! Not here: how a group gets into the log (`log`), and whose turn it is when (`turns`).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mail::BlobId;
use tokio::sync::{oneshot, watch};

use super::bodies::Bodies;
use super::checkpoint;
use super::log::{AppendError, Log};
use super::record::{Located, Place};
use super::stats::{Counters, add};
use super::view::{Changes, View};
use crate::backend::{Batch, CommitError, Error, Partition, Version, Write};
use crate::disk::Disk;

/// The most commits of one group.
const GROUP_COMMITS_MAX: usize = 512;
/// A group this large is written without looking for more.
const GROUP_OCTETS_MAX: usize = 8 << 20;
/// Versions kept in memory; above that they are read from the view again.
const VERSIONS_MAX: usize = 1 << 16;

/// What the committer is asked.
#[derive(Debug)]
pub(super) enum Message {
    /// Make a batch durable.
    Commit(Request),
    /// Make the view durable.
    Checkpoint(oneshot::Sender<Result<(), Error>>),
    /// End, after all that was asked before.
    Close,
}

/// A batch that waits.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) batch: Batch,
    /// At most how many octets its record has.
    pub(super) octets: usize,
    pub(super) answer: oneshot::Sender<Result<(), CommitError>>,
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
#[derive(Debug)]
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
    /// Why no more commits are taken, once that is so.
    pub(super) stopped: watch::Sender<Option<String>>,
    pub(super) versions: HashMap<Partition, Version>,
    pub(super) rhythm: Rhythm,
    /// The log's octets since the view was last durable.
    pub(super) behind: u64,
}

impl Group {
    pub(super) fn of(first: Request) -> Self {
        Self {
            octets: first.octets,
            requests: vec![first],
        }
    }

    pub(super) fn add(&mut self, request: Request) {
        self.octets += request.octets;
        self.requests.push(request);
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// True if it is written without looking for more.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= GROUP_COMMITS_MAX || self.octets >= GROUP_OCTETS_MAX
    }
}

impl Committer {
    /// Commits a group and answers it, and makes the view durable if that is due.
    pub(super) fn serve(&mut self, group: Group) {
        self.commit(group.requests);
        if self.behind >= self.rhythm.octets {
            self.checkpoint_or_warn();
        }
    }

    /// Does what is left to do when no more will come.
    pub(super) fn close(&mut self) {
        self.checkpoint_or_warn();
        if self.stopped.borrow().is_none() {
            self.log.trim();
        }
    }

    /// After so long without a message the view is made durable; never if it is.
    pub(super) fn idle(&self) -> Option<Duration> {
        (self.behind > 0).then_some(self.rhythm.idle)
    }

    fn commit(&mut self, group: Vec<Request>) {
        let mut outcomes = Vec::with_capacity(group.len());
        if let Err(error) = self.write(&group, &mut outcomes) {
            let error = match error {
                AppendError::NotWritten(error) => {
                    add(&self.counters.full, 1);
                    error
                }
                AppendError::Lost(cause) => self.stop(cause),
            };
            // Those who were refused before anything was written keep their reason.
            outcomes.resize(group.len(), Ok(()));
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(error.clone());
            }
        }
        for (request, outcome) in group.into_iter().zip(outcomes) {
            self.waiting.fetch_sub(request.octets, Ordering::Relaxed);
            // Whoever asked may have gone.
            drop(request.answer.send(outcome));
        }
    }

    /// Writes a group, makes it durable and visible.
    fn write(
        &mut self,
        group: &[Request],
        outcomes: &mut Vec<Result<(), CommitError>>,
    ) -> Result<(), AppendError> {
        if let Some(cause) = self.stopped.borrow().clone() {
            return Err(AppendError::Lost(cause));
        }
        if self.versions.len() > VERSIONS_MAX {
            self.versions.clear();
        }
        let octets = group.iter().map(|request| request.octets).sum();
        self.log.begin(octets)?;
        self.bodies.log_is_in(self.log.position().segment);
        let mut changes = Changes::default();
        for request in group {
            outcomes.push(self.admit(&request.batch, &mut changes));
        }
        let commits = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
        if commits == 0 {
            return Ok(());
        }
        self.log.write()?;
        self.versions.extend(changes.versions());
        let sequence = self.log.position().sequence;
        self.view
            .apply(changes, sequence)
            .map_err(|error| AppendError::Lost(error.to_string()))?;
        self.behind += octets as u64;
        add(&self.counters.commits, commits);
        add(&self.counters.groups, 1);
        self.counters
            .group_max
            .fetch_max(commits, Ordering::Relaxed);
        Ok(())
    }

    /// Adds a batch to the group, if the partitions are where its writer saw them.
    fn admit(&mut self, batch: &Batch, changes: &mut Changes) -> Result<(), CommitError> {
        for part in &batch.parts {
            if self.version(part.partition, changes)? != part.from {
                add(&self.counters.conflicts, 1);
                return Err(CommitError::Conflict);
            }
        }
        let mut present = Vec::new();
        for staged in &batch.blobs {
            let known = changes.has_blob(staged.blob)
                || self
                    .view
                    .blob(staged.blob)
                    .map_err(|error| unread(&error))?
                    .is_some();
            if known {
                present.push(staged.blob);
            } else if staged.bytes.is_none() && !self.bodies.has(staged.blob, staged.len) {
                let cause = format!("blob {} was not staged here", staged.blob);
                return Err(CommitError::Failed(cause));
            }
        }
        let places = self.log.add(batch, &present);
        gather_changes(batch, &present, &places, changes);
        Ok(())
    }

    fn version(&mut self, partition: Partition, changes: &Changes) -> Result<Version, CommitError> {
        if let Some(version) = changes.version_of(partition) {
            return Ok(version);
        }
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
    fn stop(&mut self, cause: String) -> CommitError {
        self.stopped.send_if_modified(|stopped| {
            let first = stopped.is_none();
            if first {
                tracing::error!(cause, "the store stops: no more commits");
                *stopped = Some(cause.clone());
            }
            first
        });
        CommitError::Unknown(cause)
    }

    pub(super) fn checkpoint_or_warn(&mut self) {
        if let Err(error) = self.checkpoint() {
            tracing::warn!(%error, "no checkpoint: the next start replays more of the log");
        }
    }

    /// Makes the view durable, and only then notes how far it goes.
    pub(super) fn checkpoint(&mut self) -> Result<(), Error> {
        if self.behind == 0 || self.stopped.borrow().is_some() {
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

fn gather_changes(
    batch: &Batch,
    present: &[BlobId],
    places: &[(BlobId, Place)],
    changes: &mut Changes,
) {
    for part in &batch.parts {
        changes.version(part.partition, part.from.next());
        for write in &part.writes {
            match write {
                Write::Put { table, key, value } => {
                    changes.row(part.partition, *table, key, Some(value));
                }
                Write::Delete { table, key } => changes.row(part.partition, *table, key, None),
            }
        }
    }
    for staged in &batch.blobs {
        if present.contains(&staged.blob) {
            continue;
        }
        let inline = places.iter().find(|(blob, _)| *blob == staged.blob);
        let place = inline.map_or(Place::Body, |(_, place)| *place);
        let len = staged.len;
        changes.blob(staged.blob, Located { len, place });
    }
}

fn unread(error: &Error) -> CommitError {
    CommitError::Failed(error.to_string())
}
