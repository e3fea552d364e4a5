//! A commit on its way: who has a part in it, and what they are told once it is through.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use mail::{Instant, ModSeq};
use store::{Boxed, CommitError, Version};
use tokio::sync::watch;

use super::{Keeper, Settled};
use crate::Outside;
use crate::queue;
use crate::tally::{Noted, Tally};

/// An account's part in a commit.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) keeper: Arc<Keeper>,
    pub(super) generation: u64,
    pub(super) version: Version,
    pub(super) modseq: ModSeq,
}

impl Party {
    fn succeed(&self) {
        let mut desk = self.keeper.desk();
        let generation = desk.generation;
        desk.acknowledged = desk.acknowledged.max(self.version);
        match desk.ledger.as_deref_mut() {
            Some(ledger) if generation == self.generation => {
                ledger.durable = ledger.durable.max(self.version);
                let counters = &ledger.counters;
                let index = &self.keeper.index;
                index.notice(counters.email, counters.usage.messages);
                self.keeper.settled.set(Settled {
                    generation,
                    version: ledger.durable,
                });
            }
            // It was read anew before this commit was through: it lacks it.
            Some(ledger) if ledger.version < self.version => self.keeper.discard(&mut desk),
            Some(_) | None => {}
        }
        drop(desk);
        self.keeper.publish(self.modseq);
    }

    fn fail(&self) {
        let mut desk = self.keeper.desk();
        if desk.generation == self.generation {
            self.keeper.discard(&mut desk);
        }
    }
}

/// When the disk was last found full.
#[derive(Debug, Default)]
pub(crate) struct Full(Mutex<Option<Instant>>);

impl Full {
    /// How long a full disk is believed to be full.
    const RECENT: Duration = Duration::from_secs(1);

    fn note(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    pub(super) fn is_recent(&self, now: Instant) -> bool {
        let noted = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.is_some_and(|at| now.since(at) < Self::RECENT)
    }
}

/// A commit on its way. Dropped early, it is carried on outside: others wait for its end too.
pub(super) struct Settling {
    pub(super) commit: Option<Boxed<'static, Result<(), CommitError>>>,
    pub(super) parties: Vec<Party>,
    /// What is told of letters, and where it is counted.
    pub(super) noted: Noted,
    pub(super) tally: Arc<Tally>,
    /// The queue's part, if it has one.
    pub(super) queue: Option<queue::Party>,
    pub(super) outside: Arc<dyn Outside>,
    pub(super) stopped: Arc<watch::Sender<bool>>,
    pub(super) full: Arc<Full>,
    /// True once it was handed outside: nobody carries it on a second time.
    pub(super) carried_on: bool,
}

impl Settling {
    fn succeed(&self) {
        self.parties.iter().for_each(Party::succeed);
        self.queue.iter().for_each(queue::Party::succeed);
        self.tally.count(&self.noted);
    }

    fn fail(&self) {
        self.parties.iter().for_each(Party::fail);
        self.queue.iter().for_each(queue::Party::fail);
    }
}

impl Future for Settling {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(commit) = self.commit.as_mut() else {
            return Poll::Ready(Err(CommitError::Failed("asked again".into())));
        };
        let Poll::Ready(result) = commit.as_mut().poll(context) else {
            return Poll::Pending;
        };
        self.commit = None;
        match &result {
            Ok(()) => self.succeed(),
            Err(error) => {
                self.fail();
                tracing::error!(%error, accounts = self.parties.len(), "a commit failed");
                match error {
                    CommitError::Unknown(_) => {
                        self.stopped.send_replace(true);
                    }
                    CommitError::Full => self.full.note(self.outside.instant()),
                    CommitError::Conflict | CommitError::Gone(_) | CommitError::Failed(_) => {}
                }
            }
        }
        Poll::Ready(result)
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        let Some(commit) = self.commit.take() else {
            return;
        };
        if self.carried_on {
            // The world ends around us: what was not seen to be durable is not handed out.
            self.fail();
            return;
        }
        let rest = Self {
            commit: Some(commit),
            parties: std::mem::take(&mut self.parties),
            noted: self.noted,
            tally: Arc::clone(&self.tally),
            queue: self.queue.take(),
            outside: Arc::clone(&self.outside),
            stopped: Arc::clone(&self.stopped),
            full: Arc::clone(&self.full),
            carried_on: true,
        };
        // How it ended is told to the keepers; nobody else is left to be told.
        self.outside
            .detach(Box::pin(async move { drop(rest.await) }));
    }
}

/// Shows what a commit is about.
impl std::fmt::Debug for Settling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settling")
            .field("parties", &self.parties)
            .finish_non_exhaustive()
    }
}
