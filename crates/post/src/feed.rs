//! A value of which others are told when it moves, in the order in which they began to wait: so a
//! world that is run again runs as it did.
//!
//! Not here: what the values mean (`keeper`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The side that sets it.
#[derive(Debug, Default)]
pub(crate) struct Feed<T>(Arc<Shared<T>>);

#[derive(Debug, Default)]
struct Shared<T> {
    state: Mutex<State<T>>,
    moved: Notify,
}

#[derive(Debug, Default)]
struct State<T> {
    value: T,
    /// How often it moved.
    moves: u64,
}

/// The side that is told. What was there when it began is known.
#[derive(Debug)]
pub struct Watch<T> {
    shared: Arc<Shared<T>>,
    /// How often it had moved when it was last looked at.
    seen: u64,
}

impl<T: Copy> Feed<T> {
    /// Sets it, and tells all.
    pub(crate) fn set(&self, value: T) {
        self.change(|now| {
            *now = value;
            true
        });
    }

    /// Changes it, and tells all if that says so.
    pub(crate) fn change(&self, change: impl FnOnce(&mut T) -> bool) {
        let mut state = self.0.lock();
        if change(&mut state.value) {
            state.moves = state.moves.wrapping_add(1);
            drop(state);
            self.0.moved.notify_waiters();
        }
    }

    /// Begins to watch.
    pub(crate) fn watch(&self) -> Watch<T> {
        Watch {
            seen: self.0.lock().moves,
            shared: Arc::clone(&self.0),
        }
    }

    /// Waits until it is as wanted, which it may be already.
    pub(crate) async fn until(&self, wanted: impl Fn(T) -> bool) -> T {
        let mut watch = self.watch();
        loop {
            let now = watch.take();
            if wanted(now) {
                return now;
            }
            watch.moved().await;
        }
    }
}

impl<T: Copy> Watch<T> {
    /// What it is now; that it moved is still news.
    #[must_use]
    pub fn now(&self) -> T {
        self.shared.lock().value
    }

    /// What it is now: what was news is known then.
    pub fn take(&mut self) -> T {
        let state = self.shared.lock();
        self.seen = state.moves;
        state.value
    }

    /// True if it moved since it was last taken.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        self.shared.lock().moves != self.seen
    }

    /// Waits until it has moved since it was last taken; for ever, if nobody sets it any more.
    pub async fn moved(&self) {
        let mut moved = std::pin::pin!(self.shared.moved.notified());
        loop {
            // In the queue before it looks, or it would miss what comes in between.
            moved.as_mut().enable();
            if self.has_moved() {
                return;
            }
            moved.as_mut().await;
            moved.set(self.shared.moved.notified());
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};

    use super::*;

    /// Notes who is woken.
    struct Bell(usize, Arc<Mutex<Vec<usize>>>);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn all_are_woken_in_the_order_in_which_they_wait() {
        let feed = Feed::<u32>::default();
        let rung = Arc::new(Mutex::new(Vec::new()));
        let watches: Vec<_> = (0..40).map(|_| feed.watch()).collect();
        let mut waits: Vec<_> = watches
            .iter()
            .map(|watch| Box::pin(watch.moved()))
            .collect();
        for (number, wait) in waits.iter_mut().enumerate() {
            let waker = Waker::from(Arc::new(Bell(number, Arc::clone(&rung))));
            let polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        feed.set(1);
        assert_eq!(*rung.lock().unwrap(), (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn what_moved_is_news_until_it_is_taken() {
        let feed = Feed::<u32>::default();
        let mut watch = feed.watch();
        let mut context = Context::from_waker(Waker::noop());
        feed.change(|now| {
            *now = 3;
            false
        });
        assert!(!watch.has_moved());
        assert!(pin!(watch.moved()).poll(&mut context).is_pending());
        feed.set(4);
        assert!(watch.has_moved());
        assert!(pin!(watch.moved()).poll(&mut context).is_ready());
        assert_eq!((watch.now(), watch.take()), (4, 4));
        assert!(!watch.has_moved());
    }
}
