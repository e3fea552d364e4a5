//! Where what a committer on a thread is asked waits for it.
//!
//! It takes all of that at once, and sleeps until as much is there as it waits for: who brings less
//! wakes nobody. A thread that is woken by each commit of a crowd does little else on a machine
//! with few processors.
//!
//! Not here: for whom it waits, and how long (`turns`).

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::committer::Message;

/// Puts messages there.
#[derive(Debug)]
pub(super) struct Sender(Arc<Inbox>);

/// Takes them out; when it is gone no more are taken in.
#[derive(Debug)]
pub(super) struct Receiver {
    inbox: Arc<Inbox>,
    /// Taken out, and not looked at yet.
    taken: VecDeque<Message>,
}

/// Whoever takes the messages has gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed;

#[derive(Debug, Default)]
struct Inbox {
    waiting: Mutex<Waiting>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    /// Octets of the commits among them.
    octets: usize,
    /// True if there is another message than a commit.
    is_urgent: bool,
    /// What the receiver sleeps for; none while it is awake.
    awaited: Option<Enough>,
    is_closed: bool,
}

/// What is worth being woken for: so many commits, or so many octets of them, or any other message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enough {
    pub(super) commits: usize,
    pub(super) octets: usize,
}

impl Enough {
    /// Any message.
    const ANY: Self = Self {
        commits: 1,
        octets: 0,
    };
}

/// An inbox, from both sides.
pub(super) fn inbox() -> (Sender, Receiver) {
    let inbox = Arc::new(Inbox::default());
    let receiver = Receiver {
        inbox: Arc::clone(&inbox),
        taken: VecDeque::new(),
    };
    (Sender(inbox), receiver)
}

impl Inbox {
    /// Nothing can panic while it is held.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push(&mut self, message: Message) {
        match &message {
            Message::Commit(request) => self.octets += request.octets,
            _ => self.is_urgent = true,
        }
        self.messages.push_back(message);
    }

    fn has(&self, enough: Enough) -> bool {
        let commits = self.messages.len();
        self.is_urgent || commits >= enough.commits || commits > 0 && self.octets >= enough.octets
    }
}

impl Sender {
    pub(super) fn send(&self, message: Message) -> Result<(), Closed> {
        let mut waiting = self.0.lock();
        if waiting.is_closed {
            return Err(Closed);
        }
        waiting.push(message);
        if waiting.awaited.is_some_and(|enough| waiting.has(enough)) {
            waiting.awaited = None;
            drop(waiting);
            self.0.woken.notify_one();
        }
        Ok(())
    }
}

impl Receiver {
    /// The next message, if there is one.
    pub(super) fn try_recv(&mut self) -> Option<Message> {
        if self.taken.is_empty() {
            let mut waiting = self.inbox.lock();
            (waiting.octets, waiting.is_urgent) = (0, false);
            std::mem::swap(&mut self.taken, &mut waiting.messages);
        }
        self.taken.pop_front()
    }

    /// The next message; none if none came in time.
    pub(super) fn recv(&mut self, timeout: Option<Duration>) -> Option<Message> {
        self.wait(Enough::ANY, timeout);
        self.try_recv()
    }

    /// Waits until enough is there, or so long; true if anything is.
    pub(super) fn wait(&self, enough: Enough, timeout: Option<Duration>) -> bool {
        if !self.taken.is_empty() {
            return true;
        }
        let mut waiting = self.inbox.lock();
        if !waiting.has(enough) {
            waiting.awaited = Some(enough);
            waiting = self.inbox.sleep(waiting, timeout);
            waiting.awaited = None;
        }
        !waiting.messages.is_empty()
    }
}

impl Inbox {
    /// Sleeps until what is awaited is there, or so long.
    fn sleep<'a>(
        &'a self,
        waiting: MutexGuard<'a, Waiting>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, Waiting> {
        let is_awaited = |waiting: &mut Waiting| waiting.awaited.is_some();
        match timeout {
            None => {
                let woken = self.woken.wait_while(waiting, is_awaited);
                woken.unwrap_or_else(PoisonError::into_inner)
            }
            Some(timeout) => {
                let woken = self.woken.wait_timeout_while(waiting, timeout, is_awaited);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut waiting = self.inbox.lock();
        waiting.is_closed = true;
        // Who waits for an answer learns that there will be none.
        let left = std::mem::take(&mut waiting.messages);
        drop(waiting);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::super::committer::{Request, Written};
    use super::*;
    use crate::backend::Batch;

    fn commit(octets: usize) -> Message {
        Message::Commit(Request {
            batch: Batch::default(),
            octets,
            outcome: Ok(Written::default()),
            answer: None,
        })
    }

    fn octets(message: &Message) -> usize {
        match message {
            Message::Commit(request) => request.octets,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_sent_is_taken_in_order() {
        let (sender, mut receiver) = inbox();
        for octets in 1..=3 {
            sender.send(commit(octets)).unwrap();
        }
        assert_eq!(octets(&receiver.recv(None).unwrap()), 1);
        sender.send(commit(4)).unwrap();
        let rest: Vec<_> = std::iter::from_fn(|| receiver.try_recv()).collect();
        assert_eq!(rest.iter().map(octets).collect::<Vec<_>>(), [2, 3, 4]);
        assert!(receiver.recv(Some(Duration::ZERO)).is_none());
    }

    #[test]
    fn what_is_enough_is_known_by_commits_or_octets_or_another_message() {
        let (commits, octets) = (3, 100);
        let enough = Enough { commits, octets };
        let (close, some) = (|| Message::Close, commit);
        let cases = [
            (vec![], false),
            (vec![some(1), some(1)], false),
            (vec![some(1), some(1), some(1)], true),
            (vec![some(50), some(50)], true),
            (vec![some(1), close()], true),
        ];
        for (messages, expected) in cases {
            let mut waiting = Waiting::default();
            messages
                .into_iter()
                .for_each(|message| waiting.push(message));
            assert_eq!(waiting.has(enough), expected, "{waiting:?}");
        }
        let nothing = Enough {
            octets: 0,
            ..enough
        };
        assert!(!Waiting::default().has(nothing));
    }

    #[test]
    fn who_waits_for_a_crowd_is_woken_when_it_is_there() {
        let (sender, mut receiver) = inbox();
        let waiter = std::thread::spawn(move || {
            let (commits, octets) = (100, usize::MAX);
            assert!(receiver.wait(Enough { commits, octets }, None));
            std::iter::from_fn(|| receiver.try_recv()).count()
        });
        for _ in 0..100 {
            sender.send(commit(1)).unwrap();
        }
        assert_eq!(waiter.join().unwrap(), 100);
    }

    #[test]
    fn a_closed_inbox_takes_nothing_and_drops_what_waits() {
        let (sender, receiver) = inbox();
        let (answer, mut told) = oneshot::channel();
        sender.send(Message::Checkpoint(answer)).unwrap();
        drop(receiver);
        assert!(
            told.try_recv()
                .is_err_and(|error| error == oneshot::error::TryRecvError::Closed)
        );
        assert!(sender.send(commit(1)).is_err());
    }
}
