//! The real world, as the post sees it: the clock, chance, names, processors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use mail::{Instant, Timestamp};
use net::{Clock, DnsSettings, Resolver};
use tokio::runtime::Handle;
use trust::{Answer, Proven, Question};

use crate::names;

type Work = Box<dyn FnOnce() + Send>;

/// Work of one kind that may wait for a processor; more is dropped.
const WAITING_MAX: usize = 256;

/// The real world.
#[derive(Debug)]
pub struct World {
    clock: Clock,
    resolver: Resolver,
    runtime: Handle,
    heavy: Pool,
    long: Pool,
}

/// Threads that do work of one kind.
#[derive(Debug)]
struct Pool(SyncSender<Work>);

impl Pool {
    fn start(kind: &str, threads: usize) -> std::io::Result<Self> {
        let (sender, waiting) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads {
            let waiting = Arc::clone(&waiting);
            thread::Builder::new()
                .name(format!("{kind}-{number}"))
                .spawn(move || labour(&waiting))?;
        }
        Ok(Self(sender))
    }

    fn run(&self, work: Work, what: &str) {
        match self.0.try_send(work) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                tracing::warn!("too much {what} at once");
            }
        }
    }
}

impl World {
    /// Opens the eyes: to be called inside the runtime.
    ///
    /// Heavy work gets half of the processors, so that a flood of logins leaves room for mail; long
    /// work as many, so that it is not in the way of logins either.
    pub fn open() -> std::io::Result<Self> {
        Self::open_asking(DnsSettings::default())
    }

    /// The same, and other servers are asked about names.
    pub fn open_asking(dns: DnsSettings) -> std::io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            clock: Clock::start(),
            resolver: Resolver::new(dns),
            runtime: Handle::current(),
            heavy: Pool::start("heavy", processors.div_ceil(2))?,
            long: Pool::start("long", processors.div_ceil(2))?,
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

    fn ask<'a>(
        &'a self,
        question: &'a Question,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(names::ask(&self.resolver, question))
    }

    fn ask_proven<'a>(
        &'a self,
        question: &'a Question,
    ) -> Pin<Box<dyn Future<Output = Proven> + Send + 'a>> {
        Box::pin(names::ask_proven(&self.resolver, question))
    }

    fn run_heavy(&self, work: Work) {
        self.heavy.run(work, "checking of passwords");
    }

    fn run_long(&self, work: Work) {
        self.long.run(work, "sorting");
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
            tracing::error!("heavy work panicked");
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
        for number in 0..WAITING_MAX + 10 {
            let done = done.clone();
            world.run_heavy(Box::new(move || done.send(number).unwrap()));
        }
        drop(done);
        for _ in 0..labourers {
            release.send(()).unwrap();
        }
        assert_eq!(count.iter().count(), WAITING_MAX);
    }

    #[tokio::test]
    async fn long_work_is_not_in_the_way_of_heavy_work() {
        let world = World::open().unwrap();
        let (release, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let (done, ended) = channel();
        for _ in 0..64 {
            let (held, done) = (Arc::clone(&held), done.clone());
            world.run_long(Box::new(move || {
                held.lock().unwrap().recv().unwrap();
                done.send(()).unwrap();
            }));
        }
        let (checked, check) = channel();
        world.run_heavy(Box::new(move || checked.send(()).unwrap()));
        check.recv().unwrap();
        for _ in 0..64 {
            release.send(()).unwrap();
        }
        drop(done);
        assert_eq!(ended.iter().count(), 64);
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
