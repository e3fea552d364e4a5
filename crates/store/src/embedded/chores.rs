//! What the committer does for whoever frees what is dead, between two groups: each piece is as
//! small as a group at most, so that nobody waits longer behind it.
//!
//! Not here: what is dead (`sweep`), and in which order this is asked for (`reclaim`).

use mail::BlobId;
use tokio::sync::oneshot;

use super::committer::Committer;
use super::log::{AppendError, Log, Position};
use super::record::{self, Located, Place, forgetting_octets, octets_max};
use super::view::{Changes, Frozen};
use crate::backend::{Batch, CommitError, Error, Staged};

/// Where the answer to a chore goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// A piece of such work.
#[derive(Debug)]
pub(super) enum Chore {
    /// Tells the view as it is now, and where the log ends.
    Freeze(Answer<(Frozen, Position)>),
    /// The same, with a view that is durable so far.
    Settle(Answer<(Frozen, Position)>),
    /// Forgets blobs that are dead; tells those that were there and went.
    Forget(Vec<BlobId>, Answer<Vec<BlobId>>),
    /// Copies blobs on that are still there, to the log's end; tells their octets.
    CopyOn(Vec<Moving>, Answer<u64>),
}

/// A blob on its way to the log's end.
#[derive(Debug)]
pub(super) struct Moving {
    /// Its octets.
    pub(super) staged: Staged,
    /// Where they were found.
    pub(super) place: Place,
}

impl Committer {
    pub(super) fn chore(&mut self, chore: Chore) {
        self.catch_up();
        // Whoever asked may have gone.
        match chore {
            Chore::Freeze(answer) => drop(answer.send(self.freeze())),
            Chore::Settle(answer) => {
                // Where that fails the next start makes the view again, from the snapshot.
                self.checkpoint_or_warn();
                drop(answer.send(self.freeze()));
            }
            Chore::CopyOn(blobs, answer) => drop(answer.send(self.copy_on(blobs))),
            Chore::Forget(blobs, answer) => drop(answer.send(self.forget(blobs))),
        }
    }

    /// Where the store has stopped the view may lack what the log has.
    fn freeze(&self) -> Result<(Frozen, Position), Error> {
        match self.stopped() {
            Some(cause) => Err(refused(cause)),
            None => Ok((self.view.frozen(), self.log.position())),
        }
    }

    /// Those that were moved or forgotten meanwhile stay as they are.
    fn copy_on(&mut self, blobs: Vec<Moving>) -> Result<u64, Error> {
        let mut batch = Batch::default();
        for Moving { staged, place } in blobs {
            let len = staged.len;
            if self.view.blob(staged.blob)? == Some(Located { len, place }) {
                batch.blobs.push(staged);
            }
        }
        if batch.blobs.is_empty() {
            return Ok(0);
        }
        let offset = self.append(octets_max(&batch), |log| log.add(&batch, &[]))?;
        let segment = self.log.position().segment;
        let mut changes = Changes::default();
        let mut octets = 0;
        for (blob, located) in record::places(&batch, &[], (segment, offset)) {
            octets += located.len;
            changes.blob(blob, located);
        }
        self.show(changes)?;
        Ok(octets)
    }

    /// The log says it first. Then the files go, and only then the view: whoever finds a blob in
    /// the view does not write it again, and whoever does not find it writes a file that stays.
    ///
    /// While somebody reads what the rows were, nothing is forgotten: they may mention it.
    fn forget(&mut self, blobs: Vec<BlobId>) -> Result<Vec<BlobId>, Error> {
        if self.holds.since().is_some() {
            return Ok(Vec::new());
        }
        let (mut names, mut files) = (Vec::new(), Vec::new());
        for blob in blobs {
            if self.touched.keeps(blob) {
                continue;
            }
            let Some(located) = self.view.blob(blob)? else {
                continue;
            };
            names.push(blob);
            if located.place == Place::Body {
                files.push(blob);
            }
        }
        if names.is_empty() {
            return Ok(names);
        }
        self.append(forgetting_octets(names.len()), |log| {
            log.add_forgotten(&names);
        })?;
        for blob in files {
            if let Err(error) = self.bodies.remove(blob) {
                tracing::warn!(%error, %blob, "a body that is dead stays until the next start");
            }
        }
        let mut changes = Changes::default();
        names.iter().for_each(|blob| changes.forget(*blob));
        self.show(changes)?;
        Ok(names)
    }

    /// Writes one record that `add` adds, durably.
    fn append<T>(&mut self, octets: usize, add: impl FnOnce(&mut Log) -> T) -> Result<T, Error> {
        if let Some(cause) = self.stopped() {
            return Err(refused(cause));
        }
        let written = self.log.begin_making_room(octets).and_then(|()| {
            self.bodies.log_is_in(self.log.position().segment);
            let added = add(&mut self.log);
            self.log.write().map(|()| added)
        });
        self.behind += octets as u64;
        written.map_err(|error| match error {
            AppendError::NotWritten(CommitError::Full) => Error::Full,
            AppendError::NotWritten(error) => refused(error.to_string()),
            AppendError::Lost(cause) => {
                self.stop(cause.clone());
                refused(cause)
            }
        })
    }

    /// Lets the view follow.
    fn show(&mut self, changes: Changes) -> Result<(), Error> {
        let shown = self.view.apply(changes, self.log.position().sequence);
        shown.inspect_err(|error| drop(self.stop(error.to_string())))
    }
}

fn refused(cause: String) -> Error {
    Error::Engine {
        doing: "freeing what is dead",
        cause,
    }
}
