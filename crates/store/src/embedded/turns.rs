//! Whose turn it is: what waits is gathered into groups and handed to the committer, by a thread
//! of its own, or by a task whose clock can be given.
//!
//! Not here: what is done with a group (`committer`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::committer::{Committer, Group, Message, Request};
use super::ground::{Delay, Pace};
use super::inbox::{self, Closed, Enough};
use crate::backend::Error;
use crate::disk::failed;

/// So long a crowd is waited for at most, however slow the disk is.
const PATIENCE_MAX: Duration = Duration::from_millis(2);

/// Where messages to the committer are put.
#[derive(Debug)]
pub(super) enum Queue {
    Thread(inbox::Sender),
    Task(UnboundedSender<Message>),
}

impl Queue {
    pub(super) fn send(&self, message: Message) -> Result<(), Closed> {
        match self {
            Self::Thread(queue) => queue.send(message),
            Self::Task(queue) => queue.send(message).map_err(|_| Closed),
        }
    }
}

/// Lets a committer work; the handle is of its thread, if it has one.
pub(super) fn begin(
    committer: Committer,
    pace: &Pace,
    alarm: watch::Sender<Option<String>>,
) -> Result<(Queue, Option<JoinHandle<()>>), Error> {
    match pace {
        Pace::Thread => {
            let (queue, inbox) = inbox::inbox();
            let worker = Worker {
                inbox,
                committer,
                patience: Duration::ZERO,
                crowd: 0,
            };
            let thread = std::thread::Builder::new()
                .name("committer".into())
                .spawn(move || {
                    if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
                        alarm.send_replace(Some("the committer panicked".into()));
                    }
                })
                .map_err(failed("starting the committer"))?;
            Ok((Queue::Thread(queue), Some(thread)))
        }
        Pace::Task(delay) => {
            let runtime = tokio::runtime::Handle::try_current();
            let runtime = runtime.map_err(|error| Error::Engine {
                doing: "starting the committer",
                cause: error.to_string(),
            })?;
            let (queue, inbox) = unbounded_channel();
            let task = Task {
                inbox,
                committer,
                delay: Delay::clone(delay),
            };
            // It ends when the queue is dropped.
            drop(runtime.spawn(task.run()));
            Ok((Queue::Task(queue), None))
        }
    }
}

/// The committer on a thread.
struct Worker {
    inbox: inbox::Receiver,
    committer: Committer,
    /// How long the next group waits for more: zero but in a crowd.
    patience: Duration,
    /// Commits of the last group: as many may come again, and no more are waited for.
    crowd: usize,
}

impl Worker {
    /// Works until it is told to close.
    fn run(mut self) {
        let mut left = None;
        loop {
            let message = match left.take() {
                Some(message) => Some(message),
                None => {
                    // A crowd that comes again wakes this once.
                    self.expect(&Group::default(), self.patience);
                    self.inbox.recv(self.committer.idle())
                }
            };
            match message {
                Some(Message::Commit(request)) => {
                    let group;
                    (group, left) = self.gather(request);
                    let crowd = group.len() > 1;
                    let begun = Instant::now();
                    self.crowd = group.len();
                    self.committer.serve(group);
                    let twice = begun.elapsed() * 2;
                    self.patience = if crowd {
                        twice.min(PATIENCE_MAX)
                    } else {
                        Duration::ZERO
                    };
                    self.committer.follow();
                }
                Some(Message::Chore(chore)) => self.committer.chore(chore),
                Some(Message::Checkpoint(answer)) => {
                    // Whoever asked may have gone.
                    drop(answer.send(self.committer.checkpoint()));
                }
                Some(Message::Still(answer)) => drop(answer.send(self.committer.still())),
                Some(Message::Close) => return self.committer.close(),
                None => self.committer.checkpoint_or_warn(),
            }
        }
    }

    /// Takes all that waits behind a request, and the first message that is not a commit.
    ///
    /// Who is alone is served at once. In a crowd the next ones are waited for, no longer than
    /// they would have to wait for a sync of their own.
    fn gather(&mut self, first: Request) -> (Group, Option<Message>) {
        let mut group = Group::default();
        group.add(first);
        let begun = Instant::now();
        while !group.is_full() {
            let left = || self.patience.saturating_sub(begun.elapsed());
            match self.inbox.try_recv() {
                Some(Message::Commit(request)) => group.add(request),
                Some(other) => return (group, Some(other)),
                None if self.expect(&group, left()) => {}
                None => break,
            }
        }
        (group, None)
    }

    /// Waits for the rest of a crowd, so long at most; false if nobody has come for a while.
    fn expect(&self, group: &Group, left: Duration) -> bool {
        let missing = self.crowd.saturating_sub(group.len());
        if missing == 0 || left.is_zero() {
            return false;
        }
        let enough = Enough {
            commits: missing,
            octets: group.room(),
        };
        self.inbox.wait(enough, Some(left.min(self.patience / 4)))
    }
}

/// The committer in a task.
struct Task {
    inbox: UnboundedReceiver<Message>,
    committer: Committer,
    delay: Delay,
}

impl Task {
    /// Works until it is told to close, or nobody is left who could ask.
    async fn run(mut self) {
        let mut left = None;
        loop {
            let message = match (left.take(), self.committer.idle()) {
                (Some(message), _) => Some(message),
                (None, Some(idle)) => match tokio::time::timeout(idle, self.inbox.recv()).await {
                    Ok(message) => message,
                    Err(_) => {
                        self.committer.checkpoint_or_warn();
                        continue;
                    }
                },
                (None, None) => self.inbox.recv().await,
            };
            match message {
                Some(Message::Commit(request)) => {
                    let delay = (self.delay)();
                    if !delay.is_zero() {
                        tokio::time::sleep(delay).await;
                    }
                    let group;
                    (group, left) = self.gather(request);
                    self.committer.serve(group);
                    // Whoever was answered may read before the view has followed.
                    tokio::task::yield_now().await;
                    self.committer.follow();
                }
                Some(Message::Chore(chore)) => self.committer.chore(chore),
                Some(Message::Checkpoint(answer)) => {
                    // Whoever asked may have gone.
                    drop(answer.send(self.committer.checkpoint()));
                }
                Some(Message::Still(answer)) => drop(answer.send(self.committer.still())),
                Some(Message::Close) | None => return self.committer.close(),
            }
        }
    }

    /// Takes all that waits behind a request, and the first message that is not a commit.
    fn gather(&mut self, first: Request) -> (Group, Option<Message>) {
        let mut group = Group::default();
        group.add(first);
        while !group.is_full() {
            match self.inbox.try_recv() {
                Ok(Message::Commit(request)) => group.add(request),
                Ok(other) => return (group, Some(other)),
                Err(_) => break,
            }
        }
        (group, None)
    }
}
