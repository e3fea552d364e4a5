//! The view is damaged: it is thrown away and made again at the start, or what cannot be read is
//! told, nothing is made up, and the next start makes it again.

use std::fs;
use std::path::{Path, PathBuf};

use interop::Server;

use crate::load::{Dice, work};
use crate::oracle::World;
use crate::{ROUNDS_PER_STORE, SMALL, Tally, restart, rounds};

/// All files below a folder, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Damages one file of the view; says how.
fn damage(view: &Path, dice: &mut Dice) -> String {
    let mut below = |limit: usize| usize::try_from(dice.below(limit.max(1) as u64)).unwrap();
    let files = files(view);
    let path = files.get(below(files.len())).unwrap();
    let mut octets = fs::read(path).unwrap();
    let (way, at) = (below(4), below(octets.len()));
    match way {
        0 => octets.truncate(at),
        1 => octets.iter_mut().skip(at).for_each(|octet| *octet = 0),
        _ => {
            let len = 1 + below(64);
            let some = octets.iter_mut().skip(at).take(len);
            some.for_each(|octet| *octet ^= 1 + u8::try_from(below(255)).unwrap());
        }
    }
    fs::write(path, octets).unwrap();
    let way = ["cut off", "zeros", "other octets", "other octets"]
        .get(way)
        .unwrap();
    let name = path.strip_prefix(view).unwrap_or(path);
    format!("{}: {way} from {at} on", name.display())
}

#[test]
fn a_damaged_view_is_never_believed() {
    let rounds = rounds("CARAMEL_FAULTS", 2);
    let mut tally = Tally::new("damaged view");
    let (mut store, mut told) = (None, 0);
    for seed in 1..=rounds {
        let (server, world) =
            store.get_or_insert_with(|| (Server::start_with(SMALL).unwrap(), World::new()));
        work(server, world, seed, |server, count| {
            count.wait_for(100 + Dice(seed * 7919 + 1).below(400));
            server.kill();
        });
        let mut dice = Dice(seed * 104_729 + 1);
        let what = damage(&server.data().join("store/view"), &mut dice);
        // Nobody may have read what is damaged: the check reads all.
        let is_told = dice.below(2) == 0 && is_told_by_the_server(server, world, &what);
        told += usize::from(is_told || is_told_by_the_check(server, &what));
        tally.freed.blow(server);
        tally.compared += restart(server, world);
        if seed % ROUNDS_PER_STORE == 0 || seed == rounds {
            tally.store(server, world);
            store = None;
        }
    }
    eprintln!("damaged view: {told} of {rounds} times noticed when it was read, else at the start");
    tally.tell(rounds);
}

/// Checks a store whose view is damaged. True if the check says so, and how to have it made anew;
/// else it was made again already, or nothing of it was read that is damaged.
fn is_told_by_the_check(server: &Server, what: &str) -> bool {
    let Err(error) = server.command(&["store", "check"], "") else {
        return false;
    };
    let said = error.to_string();
    let is_told = said.contains("view") && said.contains("caramel store rebuild");
    assert!(is_told, "{what}: the check says {said}");
    server.command(&["store", "rebuild"], "").unwrap();
    true
}

/// Starts on a damaged view, and reads all. True if the server could not tell it all, and said
/// why; then the next start makes the view again.
fn is_told_by_the_server(server: &mut Server, world: &mut World, what: &str) -> bool {
    server.run().unwrap();
    let findings = world.compare(server);
    let log = server.log();
    assert!(findings.wrong.is_empty(), "{what}: {findings:#?}\n{log}");
    server.kill();
    let is_told = log.contains("the view is damaged");
    let refused = findings.refused.join("\n");
    assert!(is_told || refused.is_empty(), "{what}: {refused}\n{log}");
    is_told
}
