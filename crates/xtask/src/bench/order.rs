//! A large mailbox put in order, in threads, and searched by text.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use interop::{Talk, expect};

use super::link::Link;
use super::mailbox::Bench;
use super::peer::Peer;

/// What is asked, and the name of its row.
const ASKED: [(&str, &str); 6] = [
    ("SORT (REVERSE ARRIVAL)", "SORT (REVERSE ARRIVAL) UTF-8 ALL"),
    ("SORT (SUBJECT)", "SORT (SUBJECT) UTF-8 ALL"),
    ("THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL"),
    ("SEARCH UNSEEN", "SEARCH UNSEEN"),
    ("SEARCH TEXT, in none", "SEARCH TEXT quixotryx"),
    ("SEARCH TEXT, in all", "SEARCH TEXT \"lazy dog\""),
];
/// How long a neighbour waits between two questions while others are answered.
const NEIGHBOUR_PAUSE: Duration = Duration::from_millis(5);

/// Each, at first and once more; and how long somebody else has to wait for a word meanwhile.
///
/// What a peer kept of the mailbox for earlier commands is taken away before each first time: a
/// sort would find the subjects that ENVELOPE left there.
pub(super) fn rows(bench: &mut Bench<'_>, peer: Option<&Peer>) -> Result<()> {
    for (row, command) in ASKED {
        let login = bench.target.login("ada");
        if let Some(peer) = peer {
            peer.forget(&login)?;
        }
        let mut link = Link::imap(bench.target.imap, &login)?;
        link.run("SELECT INBOX")?;
        for time in ["first", "again"] {
            let (stop, stopped) = std::sync::mpsc::channel::<()>();
            let (mut neighbour, _) = Talk::open(bench.target.imap)?;
            neighbour.imap_login(&bench.target.login("alan"), "secret")?;
            let neighbour = std::thread::spawn(move || -> Result<Duration> {
                let mut longest = Duration::ZERO;
                while stopped
                    .recv_timeout(NEIGHBOUR_PAUSE)
                    .is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout)
                {
                    let begun = Instant::now();
                    expect(neighbour.imap("STATUS INBOX (MESSAGES)")?.last(), "t OK")?;
                    longest = longest.max(begun.elapsed());
                }
                Ok(longest)
            });
            let (cost, wall) = bench.cost(bench.messages, || link.run(command))?;
            drop(stop);
            let longest = neighbour.join().ok().context("the neighbour")??;
            bench.note(&format!("{row}, {time}, per message"), cost);
            let name = bench.target.name;
            bench
                .table
                .note(&format!("{row}, {time}, ms"), name, wall * 1000.0);
            let longest = longest.as_secs_f64() * 1000.0;
            bench.table.note(
                &format!("{row}, {time}, a neighbour waits, ms"),
                name,
                longest,
            );
        }
    }
    memory(bench, "after searching and sorting");
    Ok(())
}

/// What the server takes in memory.
pub(super) fn memory(bench: &mut Bench<'_>, when: &str) {
    let octets = bench.target.cost().private_octets;
    let mib = f64::from(u32::try_from(octets / 1024).unwrap_or(u32::MAX)) / 1024.0;
    bench
        .table
        .note(&format!("memory, {when}, MiB"), bench.target.name, mib);
}
