//! The real program under the mixed load, and what may happen to it: `kill -9`, a loss of power,
//! disks that are full or fail, a view that is gone or damaged, a bit that is flipped. What was
//! acknowledged is there, what was not is there wholly or not at all, and no UID ever means two
//! messages.
//!
//! `CARAMEL_CRASHES`, `CARAMEL_CUTS` and `CARAMEL_FAULTS` set the rounds; the tests' usual few
//! keep a change honest, a release runs 100, 50 and 20.
#![expect(clippy::unwrap_used, reason = "a test")]

mod bits;
mod disk;
mod faults;
mod freed;
mod load;
mod oracle;
mod power;
mod strace;
mod view;

use std::fs;
use std::time::Instant;

use interop::Server;

use self::freed::Freed;
use self::load::{Dice, work};
use self::oracle::World;

/// Rounds on one store; then a new one is begun, as each round reads all of it.
const ROUNDS_PER_STORE: u64 = 25;

/// Small files, many checkpoints, little memory for the view, and what is removed is freed at once,
/// so that what happens falls into all of that as well.
const SMALL: &str = "[store]\nsegment = \"128K\"\ncheckpoint = \"64K\"\n\
                     reclaim = \"1s\"\nreclaim_rate = \"1G\"\n\
                     [undo]\nwindow = \"0s\"\n\
                     [limits]\nview_memory = \"1M\"\n";

/// How many rounds are asked for.
fn rounds(variable: &str, usual: u64) -> u64 {
    let asked = std::env::var(variable).ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Counts over all rounds of a test, told at its end.
struct Tally {
    name: &'static str,
    begun: Instant,
    acknowledged: usize,
    compared: usize,
    freed: Freed,
}

impl Tally {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            begun: Instant::now(),
            acknowledged: 0,
            compared: 0,
            freed: Freed::default(),
        }
    }

    /// A store's rounds are over.
    fn store(&mut self, server: &Server, world: &World) {
        self.freed.store(server);
        let acknowledged = world.acknowledged();
        assert!(acknowledged > 0, "nothing was done");
        self.acknowledged += acknowledged;
    }

    fn tell(&self, rounds: u64) {
        eprintln!(
            "{}: {rounds} rounds, {} messages acknowledged, {} compared, none lost, {} s",
            self.name,
            self.acknowledged,
            self.compared,
            self.begun.elapsed().as_secs()
        );
        self.freed.tell(self.name);
    }
}

/// After it was ended: checks the store at rest, starts on it, compares, and tidies up.
fn restart(server: &mut Server, world: &mut World) -> usize {
    server.command(&["store", "check"], "").unwrap();
    server.run().unwrap();
    let compared = world.compare(server).sound();
    world.tidy(server).unwrap();
    compared
}

fn crashes(name: &'static str, drop_view: bool) {
    let rounds = rounds("CARAMEL_CRASHES", 2);
    let mut tally = Tally::new(name);
    let mut store = None;
    for seed in 1..=rounds {
        let (server, world) =
            store.get_or_insert_with(|| (Server::start_with(SMALL).unwrap(), World::new()));
        work(server, world, seed, |server, count| {
            // The blow falls at a different moment of the work each time.
            count.wait_for(100 + Dice(seed * 7919 + 1).below(1000));
            if seed % 2 == 0 {
                freed::wait(server, seed % 4 == 0);
            }
            server.kill();
        });
        tally.freed.blow(server);
        if drop_view {
            fs::remove_dir_all(server.data().join("store/view")).unwrap();
        }
        tally.compared += restart(server, world);
        if seed % ROUNDS_PER_STORE == 0 || seed == rounds {
            tally.store(server, world);
            store = None;
        }
    }
    tally.tell(rounds);
    // The fourth round waits until something has gone.
    assert!(rounds < 4 || tally.freed.is_some(), "nothing was freed");
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    crashes("kill -9", false);
}

#[test]
fn what_was_acknowledged_survives_kill_9_without_the_view() {
    crashes("kill -9, and the view is gone", true);
}
