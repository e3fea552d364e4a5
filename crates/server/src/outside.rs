//! The real world, as the post sees it: the clock, chance, processors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use mail::{Instant, Timestamp};
use net::Clock;
use tokio::runtime::Handle;

type Work = Box<dyn FnOnce() + Send>;

/// Heavy work that may wait for a processor; more is dropped.
const HEAVY_WAITING_MAX: usize = 256;

/// The real world.
#[derive(Debug)]
pub struct World {
    clock: Clock,
    runtime: Handle,
    heavy: SyncSender<Work>,
}

impl World {
    /// Opens the eyes: to be called inside the runtime.
    ///
    /// Heavy work gets half of the processors, so that a flood of logins leaves room for mail.
    pub fn open() -> std::io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let (heavy, waiting) = sync_channel(HEAVY_WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..processors.div_ceil(2) {
            let waiting = Arc::clone(&waiting);
            thread::Builder::new()
                .name(format!("heavy-{number}"))
                .spawn(move || labour(&waiting))?;
        }
        Ok(Self {
            clock: Clock::start(),
            runtime: Handle::current(),
            heavy,
        })
    }
}

impl post::Outside for World {
    fn now(&self) -> Timestamp {
        Clock::today()
    }

    fn instant(&self) -> Instant {
        self.clock.now()
    }

    fn fill(&self, octets: &mut [u8]) {
        if getrandom::fill(octets).is_err() {
            // Without chance no nonce and no salt is safe: nothing can go on.
            tracing::error!("the system has no randomness");
            std::process::abort();
        }
    }

    fn run_heavy(&self, work: Work) {
        match self.heavy.try_send(work) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                tracing::warn!("too many password checks at once");
            }
        }
    }

    fn detach(&self, work: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.runtime.spawn(work);
    }
}

fn labour(waiting: &Mutex<Receiver<Work>>) {
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(work) = next else { return };
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!("a password check panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use post::Outside;

    use super::*;

    #[tokio::test]
    async fn heavy_work_is_done_or_dropped_and_a_panic_costs_only_itself() {
        let world = World::open().unwrap();
        let processors = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..processors {
            world.run_heavy(Box::new(|| panic!("as wished")));
        }
        let (started, begun) = channel();
        let (release, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let labourers = processors.div_ceil(2);
        for _ in 0..labourers {
            let (started, held) = (started.clone(), Arc::clone(&held));
            world.run_heavy(Box::new(move || {
                started.send(()).unwrap();
                held.lock().unwrap().recv().unwrap();
            }));
        }
        for _ in 0..labourers {
            begun.recv().unwrap();
        }
        // All hands are busy: as much waits as may wait, and what is too much is dropped at once.
        let (done, count) = channel();
        for number in 0..HEAVY_WAITING_MAX + 10 {
            let done = done.clone();
            world.run_heavy(Box::new(move || done.send(number).unwrap()));
        }
        drop(done);
        for _ in 0..labourers {
            release.send(()).unwrap();
        }
        assert_eq!(count.iter().count(), HEAVY_WAITING_MAX);
    }

    #[tokio::test]
    async fn chance_is_never_the_same() {
        let world = World::open().unwrap();
        let (mut first, mut second) = ([0; 32], [0; 32]);
        world.fill(&mut first);
        world.fill(&mut second);
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn detached_work_goes_on_by_itself() {
        let world = World::open().unwrap();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        world.detach(Box::pin(async move { sender.send(7).unwrap() }));
        assert_eq!(receiver.await.unwrap(), 7);
    }
}
