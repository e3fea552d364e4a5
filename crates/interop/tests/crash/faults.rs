//! The disk is full, or says that a sync failed: clear refusals, and nothing acknowledged is lost.

use std::fs;
use std::time::{Duration, Instant};

use interop::{Server, Talk, Tls};

use crate::disk::SmallDisk;
use crate::load::{Dice, work};
use crate::oracle::World;
use crate::strace::{SYNCS, Strace};
use crate::{ROUNDS_PER_STORE, SMALL, Tally, restart, rounds};

/// Delivers letters of `octets` until one is refused, at most `most`; returns how many were
/// acknowledged, and the refusal.
fn deliver(server: &Server, octets: usize, most: usize) -> (usize, String) {
    let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    talk.smtp("EHLO x").unwrap();
    let line = "Noise that fills a disk, line after line after line after line.\r\n";
    for count in 0..most {
        // Letters differ, so that none is stored in place of another.
        let letter = format!(
            "Subject: {count}\r\n\r\n{}",
            line.repeat(octets / line.len())
        );
        match talk.deliver("x@elsewhere.example", &["ada@test.localhost"], &letter) {
            Ok(reply) if reply.starts_with("250") => {}
            Ok(reply) => return (count, reply),
            Err(error) => return (count, error.to_string()),
        }
    }
    (most, String::new())
}

fn messages(server: &Server) -> usize {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    let lines = talk.imap("SELECT INBOX").unwrap();
    let exists = lines
        .iter()
        .find_map(|line| line.strip_prefix("* ")?.strip_suffix(" EXISTS"));
    let exists = exists.unwrap().parse().unwrap();
    if exists > 0 {
        let bodies = talk
            .imap("UID FETCH 1:* (RFC822.SIZE BODY.PEEK[])")
            .unwrap();
        assert_eq!(bodies.len(), exists + 1, "every body can be read");
    }
    exists
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(folder.path(), 160);
    let binary = Server::binary();
    let mut server = Server::start_at(&binary, folder.path(), "").unwrap();
    let (acknowledged, refusal) = deliver(&server, 100_000, 10_000);
    assert!(acknowledged > 10, "{refusal}");
    assert!(refusal.starts_with("452 4.3.1"), "{refusal}");
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    let text = "Subject: more\r\n\r\nMore.";
    let noise = "x".repeat(200_000);
    talk.send(
        format!(
            "t APPEND INBOX {{{}+}}\r\n{text}{noise}\r\n",
            text.len() + 200_000
        )
        .as_bytes(),
    )
    .unwrap();
    let last = talk.imap_response().unwrap().pop().unwrap();
    assert!(last.starts_with("t NO"), "{last}");
    assert_eq!(messages(&server), acknowledged);
    disk.grow(400);
    // A server that has just seen a full disk may refuse a moment longer: a sender comes again.
    let (begun, mut more) = (Instant::now(), 0);
    while more < 20 {
        let (count, refusal) = deliver(&server, 100_000, 20 - more);
        more += count;
        let late = begun.elapsed() > Duration::from_secs(20);
        assert!(!late, "room again, no mail: {refusal}\n{}", server.log());
    }
    server.kill();
    server.command(&["store", "check"], "").unwrap();
    server.run().unwrap();
    assert_eq!(messages(&server), acknowledged + 20);
}

#[test]
fn a_failed_sync_stops_the_server_and_loses_nothing() {
    let mut server = Server::start().unwrap();
    let mut acknowledged = 0;
    for nth in [1, 10] {
        let strace = Strace::on(&server, SYNCS, &format!("error=EIO:when={nth}+"));
        let (count, refusal) = deliver(&server, 10_000, 100);
        acknowledged += count;
        assert!(
            count < nth + 2,
            "{count} acknowledged though sync {nth} failed"
        );
        let clear = refusal.starts_with("451") || refusal.starts_with("421");
        assert!(clear, "{refusal}\n{}", server.log());
        assert!(
            !server.stop(),
            "a server whose disk broke its word does not end well"
        );
        drop(strace);
        server.command(&["store", "check"], "").unwrap();
        server.run().unwrap();
        let found = messages(&server);
        // What was refused for this reason may be there: nobody can know what the disk kept.
        assert!(
            (acknowledged..=acknowledged + 2).contains(&found),
            "{found} of {acknowledged}"
        );
        acknowledged = found;
    }
}

/// A way in which the disk fails.
struct Fault {
    /// System calls, as strace names them.
    calls: &'static str,
    /// What becomes of them; `{}` is the number of the first.
    how: &'static str,
    /// True if the server has to end by itself.
    is_final: bool,
}

/// A sync that fails is final; what could not be written is refused, and that is all.
const FAILING: [Fault; 3] = [
    Fault {
        calls: SYNCS,
        how: "error=EIO:when={}+",
        is_final: true,
    },
    Fault {
        calls: SYNCS,
        how: "error=EIO:when={}",
        is_final: false,
    },
    Fault {
        calls: "pwrite64,ftruncate",
        how: "error=EIO:when={}",
        is_final: false,
    },
];

fn failing(name: &'static str, faults: &[Fault]) {
    let rounds = rounds("CARAMEL_FAULTS", faults.len() as u64);
    let mut tally = Tally::new(name);
    let mut store = None;
    for seed in 1..=rounds {
        let (server, world) =
            store.get_or_insert_with(|| (Server::start_with(SMALL).unwrap(), World::new()));
        let fault = faults.iter().cycle().nth(usize::try_from(seed).unwrap());
        let (fault, mut dice) = (fault.unwrap(), Dice(seed * 7919 + 1));
        let nth = 1 + dice.below(60);
        let how = fault.how.replace("{}", &nth.to_string());
        let strace = Strace::on(server, fault.calls, &how);
        work(server, world, seed, |server, count| {
            if !fault.is_final {
                count.wait_for(200 + dice.below(400));
                server.kill();
            }
        });
        // All clients were sent away; killed it is not yet, unless above.
        assert!(!server.stop(), "{how}: it ended as if all were well");
        drop(strace);
        tally.freed.blow(server);
        tally.compared += restart(server, world);
        if seed % ROUNDS_PER_STORE == 0 || seed == rounds {
            tally.store(server, world);
            store = None;
        }
    }
    tally.tell(rounds);
}

#[test]
fn what_was_acknowledged_survives_a_failing_disk() {
    failing("failing disk", &FAILING);
}

/// The disk tells that it is full at any one write, and has room again behind it.
#[test]
fn what_was_acknowledged_survives_writes_without_room() {
    let full = Fault {
        calls: "pwrite64",
        how: "error=ENOSPC:when={}+7",
        is_final: false,
    };
    failing("writes without room", &[full]);
}

/// Somebody fills the disk up to its last octets in the middle of the work, and tidies up.
#[test]
fn what_was_acknowledged_survives_a_full_disk() {
    let rounds = rounds("CARAMEL_FAULTS", 1);
    let mut tally = Tally::new("full disk");
    for seed in 1..=rounds {
        let folder = tempfile::tempdir().unwrap();
        let disk = SmallDisk::mount(folder.path(), 256);
        let binary = Server::binary();
        let mut server = Server::start_at(&binary, folder.path(), SMALL).unwrap();
        let (mut world, mut dice) = (World::new(), Dice(seed * 7919 + 1));
        let mut ballast = None;
        work(&mut server, &mut world, seed, |_, count| {
            count.wait_for(50 + dice.below(300));
            ballast = Some(disk.fill(dice.below(2) * dice.below(2000)));
        });
        let refused = world.letters.get_mut().unwrap().refused.len();
        // What is there can be read, though there is no room; unless the view had none.
        if server.is_running() {
            assert!(refused > 0, "nobody was told that there is no room");
            tally.compared += world.compare(&server).sound();
        }
        server.kill();
        fs::remove_file(ballast.unwrap()).unwrap();
        tally.compared += restart(&mut server, &mut world);
        tally.store(&server, &world);
    }
    tally.tell(rounds);
}
