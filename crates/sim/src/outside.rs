//! The world outside, as the post sees it: the runtime's clock, and dice for chance.

use std::sync::{Arc, Mutex, PoisonError};

use mail::{Instant, Timestamp};
use net::Clock;
use store::Boxed;
use tokio::task::JoinSet;

use crate::Dice;

/// When the world begins: 2024-01-01 in Greenwich.
const BEGINNING: i64 = 1_704_067_200;

/// Tasks of one run of a server; they end with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(work);
    }

    /// Ends them all where they are; how many panicked before.
    pub(crate) async fn end(&self) -> usize {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.abort_all();
        let mut panicked = 0;
        while let Some(ended) = tasks.join_next().await {
            panicked += usize::from(ended.is_err_and(|error| error.is_panic()));
        }
        panicked
    }
}

/// The world outside of one server.
#[derive(Debug)]
pub(crate) struct Beyond {
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    pub(crate) tasks: Tasks,
}

impl post::Outside for Beyond {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.clock.now().0.as_secs()).unwrap_or_default();
        Timestamp::utc(BEGINNING + passed)
    }

    fn instant(&self) -> Instant {
        self.clock.now()
    }

    fn fill(&self, octets: &mut [u8]) {
        self.dice.fill(octets);
    }

    fn run_heavy(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn detach(&self, work: Boxed<'static, ()>) {
        self.tasks.spawn(work);
    }
}
