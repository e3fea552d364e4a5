//! The power goes: the server is stopped, what has reached its disk is copied, and it is started
//! on the copy. What was only in the kernel's memory is lost then, as in a real cut.
//!
//! It shows that everything acknowledged was synced. That a disk keeps what it says it has, no
//! copy can show.

use interop::Server;

use crate::disk::Image;
use crate::load::{Dice, work};
use crate::oracle::World;
use crate::strace::{SYNCS, Strace, freeze};
use crate::{ROUNDS_PER_STORE, SMALL, Tally, restart, rounds};

/// A server whose data are on a disk of their own.
struct Powered {
    server: Server,
    disk: Image,
    // The last to go: the disk is mounted in it.
    _folder: tempfile::TempDir,
}

impl Powered {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let disk = Image::mount(folder.path(), &folder.path().join("data"))?;
        let server = Server::start_at(&Server::binary(), folder.path(), SMALL).unwrap();
        Some(Self {
            server,
            disk,
            _folder: folder,
        })
    }

    /// Cuts the power in the middle of the work.
    fn cut(&mut self, world: &mut World, seed: u64) {
        let disk = &self.disk;
        work(&mut self.server, world, seed, |server, count| {
            count.wait_for(50 + Dice(seed * 7919 + 1).below(400));
            // Nothing is acknowledged behind this; what was, may yet be on its way to a client.
            freeze(server.pid());
            disk.copy();
            server.kill();
        });
        self.disk.become_copy();
    }

    /// Segments of its log.
    fn segments(&self) -> usize {
        let log = self.server.data().join("store/log");
        std::fs::read_dir(log).unwrap().count()
    }
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let rounds = rounds("CARAMEL_CUTS", 3);
    let mut tally = Tally::new("power cut");
    let mut store = None;
    for seed in 1..=rounds {
        if store.is_none() {
            let Some(powered) = Powered::start() else {
                return;
            };
            store = Some((powered, World::new()));
        }
        let Some((powered, world)) = &mut store else {
            return;
        };
        powered.cut(world, seed);
        tally.compared += restart(&mut powered.server, world);
        if seed % ROUNDS_PER_STORE == 0 || seed == rounds {
            assert!(powered.segments() > 2, "no cut could fall between segments");
            tally.store(world);
            store = None;
        }
    }
    tally.tell(rounds);
}

/// The same without a single sync: if nothing were lost then, the cut would show nothing.
#[test]
fn a_power_cut_takes_what_was_not_synced() {
    let Some(mut powered) = Powered::start() else {
        return;
    };
    let mut world = World::new();
    let strace = Strace::on(&powered.server, SYNCS, "retval=0");
    powered.cut(&mut world, 1);
    drop(strace);
    let acknowledged = world.acknowledged();
    let Ok(()) = powered.server.run() else {
        eprintln!("control: all of {acknowledged} messages lost, it does not even start");
        return;
    };
    let findings = world.compare(&powered.server);
    let lost = findings.wrong.len();
    assert!(
        lost > 0,
        "{acknowledged} acknowledged, none synced, none lost"
    );
    eprintln!(
        "control: of {acknowledged} messages {} were found",
        findings.compared
    );
}
