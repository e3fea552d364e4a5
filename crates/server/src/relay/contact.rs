//! What the conversations of one destination share: how many letters were taken lately, and which
//! of them have nothing to do for a moment, so that the next letters go over their connections
//! instead of over new ones.
//!
//! Not here: which letters (`relay`), and what is said (`talk`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use post::queue::{Claimed, Entry};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::routes::{Course, same};

/// What the conversations of one destination share.
#[derive(Debug, Default)]
pub(super) struct Contact {
    waiting: Mutex<Vec<Waiting>>,
    /// Letters that were taken since the pace last grew by it.
    taken: AtomicUsize,
}

#[derive(Debug)]
struct Waiting {
    course: Course,
    hand: oneshot::Sender<Vec<Claimed>>,
}

impl Contact {
    /// Notes that letters were taken. True if nobody knows of any yet.
    pub(super) fn took(&self, letters: usize) -> bool {
        letters > 0 && self.taken.fetch_add(letters, Ordering::Relaxed) == 0
    }

    /// How many were taken since this was asked last.
    pub(super) fn taken(&self) -> usize {
        self.taken.swap(0, Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if one waits.
    pub(super) fn is_waiting(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.retain(|one| !one.hand.is_closed());
        !waiting.is_empty()
    }

    /// Waits for letters that take this way; none if none come so soon.
    pub(super) async fn wait(&self, course: Course, most: Duration) -> Vec<Claimed> {
        let (hand, letters) = oneshot::channel();
        self.waiting().push(Waiting { course, hand });
        // Letters that come in the moment in which this gives up are dropped, and due again.
        match timeout(most, letters).await {
            Ok(Ok(letters)) => letters,
            _ => Vec::new(),
        }
    }

    /// Gives letters to a conversation that waits; where none is on their way, they come back. The
    /// one that has waited for the shortest time gets them, so that the others may end.
    pub(super) fn give(
        &self,
        mut letters: Vec<Claimed>,
        course: impl Fn(&Entry) -> Course,
    ) -> Result<(), Vec<Claimed>> {
        let Some(first) = letters.first().map(|letter| course(&letter.entry)) else {
            return Ok(());
        };
        if !letters
            .iter()
            .all(|letter| same(&course(&letter.entry), &first))
        {
            return Err(letters);
        }
        let mut waiting = self.waiting();
        while let Some(index) = waiting.iter().rposition(|one| same(&one.course, &first)) {
            match waiting.remove(index).hand.send(letters) {
                Ok(()) => return Ok(()),
                Err(back) => letters = back,
            }
        }
        Err(letters)
    }
}
