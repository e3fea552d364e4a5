//! The power goes: the server is stopped, what has reached its disk is copied, and it is started
//! on the copy. What was only in the kernel's memory is lost then, as in a real cut.
//!
//! It shows that everything acknowledged was synced. That a disk keeps what it says it has, no
//! copy can show.

use std::path::Path;

use interop::Server;

use crate::disk::Image;
use crate::load::{Dice, work};
use crate::oracle::World;
use crate::strace::{SYNCS, Strace, freeze};
use crate::view::files;
use crate::{ROUNDS_PER_STORE, SMALL, Tally, freed, restart, rounds};

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

    /// Cuts the power in the middle of the work; says whether that fell into a moment when names
    /// of files are new.
    fn cut(&mut self, world: &mut World, seed: u64) -> bool {
        let (disk, store) = (&self.disk, self.server.data().join("store"));
        let mut is_new = false;
        work(&mut self.server, world, seed, |server, count| {
            count.wait_for(50 + Dice(seed * 7919 + 1).below(400));
            if seed.is_multiple_of(2) {
                freed::wait(server, seed.is_multiple_of(4));
            }
            // Nothing is acknowledged behind this; what was, may yet be on its way to a client.
            freeze(server.pid());
            is_new = has_new_names(&store);
            disk.copy();
            server.kill();
        });
        self.disk.become_copy();
        is_new
    }
}

/// True if a segment was just begun, or a checkpoint, a snapshot or a large letter is on its way.
fn has_new_names(store: &Path) -> bool {
    let log = files(&store.join("log"));
    let last = log.last().and_then(|path| path.metadata().ok());
    last.is_some_and(|last| last.len() <= 64)
        || store.join("view/checkpoint.new").exists()
        || files(&store.join("snapshots"))
            .iter()
            .any(|path| path.extension().is_some_and(|end| end == "new"))
        || files(&store.join("bodies"))
            .iter()
            .any(|path| path.to_string_lossy().contains("draft-"))
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let rounds = rounds("CARAMEL_CUTS", 3);
    let mut tally = Tally::new("power cut");
    let (mut store, mut new_names) = (None, 0);
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
        new_names += u32::from(powered.cut(world, seed));
        tally.freed.blow(&powered.server);
        tally.compared += restart(&mut powered.server, world);
        if seed % ROUNDS_PER_STORE == 0 || seed == rounds {
            tally.store(&powered.server, world);
            store = None;
        }
    }
    let each = tally.freed.begun() / rounds.max(1);
    assert!(each > 0, "no cut could fall between segments");
    eprintln!("power cut: {new_names} fell on new names; {each} segments were begun a round");
    tally.tell(rounds);
    // The fourth round waits until something has gone.
    assert!(rounds < 4 || tally.freed.is_some(), "nothing was freed");
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
