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
use super::chores::Chore;
use super::hints::{self, Arrivals};
use super::log::{AppendError, Log};
use super::offload::Work;
use super::record::{Located, Place};
use super::stats::{Counters, add};
use super::touched::Touched;
use super::view::{Changes, Still, View};
use crate::backend::{Batch, CommitError, Error, Partition, Version};
use crate::disk::Disk;
use crate::packed;
use crate::snapshot::Holds;

/// The most commits of one group.
const GROUP_COMMITS_MAX: usize = 512;
/// A group this large is written without looking for more.
const GROUP_OCTETS_MAX: usize = 8 << 20;
/// Changed rows that are put into the view at once: what is more goes there in pieces, so that it
/// takes no more memory than a piece.
const PIECE_ROWS_MAX: usize = 65_536;
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
    pub(super) answer: oneshot::Sender<Result<(), CommitError>>,
}

/// Of what a part may be seen before the rest of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Applying {
    /// Of nothing.
    #[default]
    Nothing,
    /// Of commits of these partitions: their versions are not told meanwhile.
    Parts(Vec<Partition>),
    /// The rest of it will not come before the store is opened anew.
    Failed,
}

/// Where the blobs of a batch will be that come with its record.
type Places = Vec<(BlobId, Place)>;
/// A batch that is written, and where its blobs are.
type Admitted<'a> = (&'a Batch, Places);

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
    pub(super) applying: Arc<watch::Sender<Applying>>,
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

    /// The rows as they are between two groups; none of a store that has stopped, as its view may
    /// have a part of one.
    pub(super) fn still(&self) -> Option<Still> {
        if self.stopped.borrow().is_some() {
            return None;
        }
        let sequence = self.log.position().sequence;
        let hold = self.holds.hold(sequence);
        Some(self.view.still(sequence, self.work, hold))
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
        let mut admitted = Vec::with_capacity(group.len());
        for request in group {
            let outcome = self.admit(&request.batch, &mut changes);
            outcomes.push(outcome.map(|places| admitted.push((&request.batch, places))));
        }
        let commits = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
        if commits == 0 {
            return Ok(());
        }
        self.log.write()?;
        self.versions.extend(changes.versions());
        self.apply(&admitted, changes)
            .map_err(|error| AppendError::Lost(error.to_string()))?;
        self.behind += octets as u64;
        add(&self.counters.commits, commits);
        add(&self.counters.groups, 1);
        self.counters
            .group_max
            .fetch_max(commits, Ordering::Relaxed);
        Ok(())
    }

    /// Makes a group visible. Whoever reads a part of it before the rest is there reads anew when
    /// the version has moved, which is said last.
    fn apply(&self, admitted: &[Admitted<'_>], mut changes: Changes) -> Result<(), Error> {
        let done = self
            .apply_pieces(admitted, &mut changes)
            .and_then(|()| self.view.apply(changes, self.log.position().sequence));
        self.applying.send_if_modified(|applying| {
            let in_pieces = *applying != Applying::Nothing;
            if in_pieces {
                *applying = match done {
                    Ok(()) => Applying::Nothing,
                    Err(_) => Applying::Failed,
                };
            }
            in_pieces
        });
        done
    }

    /// Gathers a group's rows; the last of them are left in `changes`.
    fn apply_pieces(&self, admitted: &[Admitted<'_>], changes: &mut Changes) -> Result<(), Error> {
        for (batch, places) in admitted {
            let mut arrivals = Arrivals::new(places, |came| *came);
            for part in &batch.parts {
                for write in &part.writes {
                    let mut done = Ok(());
                    packed::each(write, |change| {
                        changes.change(part.partition, change, &mut arrivals);
                        if changes.rows() >= PIECE_ROWS_MAX && done.is_ok() {
                            self.hold_back(admitted);
                            done = self.view.apply_piece(changes);
                        }
                    });
                    done?;
                }
            }
        }
        Ok(())
    }

    /// Tells no versions of a group until all of it is there.
    fn hold_back(&self, admitted: &[Admitted<'_>]) {
        self.applying.send_if_modified(|applying| {
            let first = *applying == Applying::Nothing;
            if first {
                let parts = admitted.iter().flat_map(|(batch, _)| &batch.parts);
                *applying = Applying::Parts(parts.map(|part| part.partition).collect());
            }
            first
        });
    }

    /// Adds a batch to the group, if the partitions are where its writer saw them; tells where its
    /// blobs will be.
    fn admit(&mut self, batch: &Batch, changes: &mut Changes) -> Result<Places, CommitError> {
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
                self.touched.note(staged.blob);
                present.push(staged.blob);
            } else if staged.bytes.is_none() && !self.bodies.has(staged.blob, staged.len) {
                let cause = format!("blob {} was not staged here", staged.blob);
                return Err(CommitError::Failed(cause));
            }
        }
        self.mentioned_are_there(batch, changes)?;
        let places = self.log.add(batch, &present);
        note(batch, &present, &places, changes);
        Ok(places)
    }

    /// Refuses a batch with a row about a blob that is not there, and that it does not bring.
    fn mentioned_are_there(&self, batch: &Batch, changes: &Changes) -> Result<(), CommitError> {
        let mut brought = Arrivals::new(&batch.blobs, |staged| (staged.blob, Place::Body));
        let mut outcome = Ok(());
        for write in batch.parts.iter().flat_map(|part| &part.writes) {
            packed::each(write, |change| {
                let value = change.value.filter(|_| change.beside);
                let Some(blob) = value.and_then(hints::name) else {
                    return;
                };
                if outcome.is_err() || brought.find(blob).is_some() || changes.has_blob(blob) {
                    return;
                }
                self.touched.note(blob);
                outcome = match self.view.blob(blob) {
                    Ok(Some(_)) => Ok(()),
                    Ok(None) => Err(CommitError::Gone(blob)),
                    Err(error) => Err(unread(&error)),
                };
            });
        }
        outcome
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
    pub(super) fn stop(&mut self, cause: String) -> CommitError {
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

/// Notes the versions and the blobs that a batch brings.
fn note(batch: &Batch, present: &[BlobId], places: &[(BlobId, Place)], changes: &mut Changes) {
    for part in &batch.parts {
        changes.version(part.partition, part.from.next());
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
