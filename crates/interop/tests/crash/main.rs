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
mod load;
mod oracle;
mod power;
mod strace;
mod view;

use std::fs;
use std::time::Instant;

use interop::Server;

use self::load::{Dice, work};
use self::oracle::World;

/// Rounds on one store; then a new one is begun, as each round reads all of it.
const ROUNDS_PER_STORE: u64 = 25;

/// Small files, many checkpoints and little memory for the view, so that what happens falls into
/// the making of them as well.
const SMALL: &str = "[store]\nsegment = \"128K\"\ncheckpoint = \"64K\"\n\
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
}

impl Tally {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            begun: Instant::now(),
            acknowledged: 0,
            compared: 0,
        }
    }

    /// A store's rounds are over.
    fn store(&mut self, world: &World) {
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
    }
}

/// After it was ended: checks the store at rest, starts on it, and compares.
fn restart(server: &mut Server, world: &mut World) -> usize {
    server.command(&["store", "check"], "").unwrap();
    server.run().unwrap();
    world.compare(server).sound()
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
            server.kill();
        });
        if drop_view {
            fs::remove_dir_all(server.data().join("store/view")).unwrap();
        }
        tally.compared += restart(server, world);
        if seed % ROUNDS_PER_STORE == 0 || seed == rounds {
            tally.store(world);
            store = None;
        }
    }
    tally.tell(rounds);
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    crashes("kill -9", false);
}

#[test]
fn what_was_acknowledged_survives_kill_9_without_the_view() {
    crashes("kill -9, and the view is gone", true);
}
