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
