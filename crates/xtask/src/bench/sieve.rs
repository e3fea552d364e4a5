//! Fifty rules at delivery: what they take beside the delivery itself, and beside Dovecot's.
//!
//! Both take letters by LMTP. One reader has the script active and one has none, and they get their
//! letters by turns, some at a time: what changes meanwhile changes for both. The script alone is
//! measured in the room `sieve`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use interop::{Talk, Tls};

use super::letter::letter;
use super::peer::Peer;
use super::table::Table;
use super::target::{self, Target};

/// The rules, none of which is true of the letters.
pub(super) const RULES: &str = include_str!("../../../sieve/benches/rules.sieve");
/// Turns of a round.
const TURNS: usize = 24;
/// With more at the same time, how many letters share a sync depends on how long each takes.
const CONNECTIONS: usize = 1;
/// Letters of a turn; Dovecot takes longer for each.
const LETTERS_OURS: usize = 1000;
const LETTERS_THEIRS: usize = 200;
/// Who has the script, and who has none.
const FILTERED: &str = "u0";
const PLAIN: &str = "u1";

/// Runs both, by turns.
pub(crate) fn run(binary: &Path, folder: &Path, rounds: usize, table: &mut Table) -> Result<()> {
    for round in 0..rounds {
        println!("round {}", round + 1);
        let place = folder.join(format!("caramel-{round}"));
        std::fs::create_dir_all(&place)?;
        let (server, ours) = target::caramel(binary, &place)?;
        let rules = place.join("rules.sieve");
        std::fs::write(&rules, RULES).context("writing the rules")?;
        let account = ours.address(FILTERED);
        let words = [
            "sieve",
            "put",
            &account,
            &rules.display().to_string(),
            "--activate",
        ];
        server.command(&words, "")?;
        rows(
            &ours,
            server.address("lmtp", Tls::None),
            LETTERS_OURS,
            table,
        )?;
        drop(server);
        let peer = Peer::filtering(&folder.join(format!("peer-{round}")), FILTERED, RULES)?;
        rows(peer.target(), Peer::lmtp(), LETTERS_THEIRS, table)?;
    }
    Ok(())
}

fn rows(target: &Target, lmtp: SocketAddr, letters: usize, table: &mut Table) -> Result<()> {
    // What is opened once is open then.
    for user in [PLAIN, FILTERED] {
        deliver(lmtp, &target.address(user), letters)?;
        settle(target)?;
    }
    let (mut plain, mut filtered) = (0.0, 0.0);
    for turn in 0..TURNS {
        // Whoever comes first comes second the next time.
        let order = match turn % 2 {
            0 => [PLAIN, FILTERED],
            _ => [FILTERED, PLAIN],
        };
        for user in order {
            let before = target.cpu_seconds() - target.index_seconds();
            deliver(lmtp, &target.address(user), letters)?;
            settle(target)?;
            let took = target.cpu_seconds() - target.index_seconds() - before;
            match user {
                PLAIN => plain += took,
                _ => filtered += took,
            }
        }
    }
    let count = f64::from(u32::try_from(letters * TURNS).unwrap_or(u32::MAX));
    let micros = |seconds: f64| seconds * 1e6 / count;
    let mut note = |what: &str, figure: f64| table.note(what, target.name, figure);
    note("LMTP, no script: CPU µs per letter", micros(plain));
    note("LMTP, 50 rules: CPU µs per letter", micros(filtered));
    note("the rules: CPU µs per letter", micros(filtered - plain));
    note(
        "the rules, % of a delivery without",
        (filtered - plain) * 100.0 / plain,
    );
    Ok(())
}

/// Waits until nothing is done any more with what was delivered.
fn settle(target: &Target) -> Result<()> {
    let mut before = target.cpu_seconds();
    for _ in 0..200 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = target.cpu_seconds();
        if now - before < 0.011 {
            return Ok(());
        }
        before = now;
    }
    bail!("{} does not come to rest", target.name)
}

fn deliver(lmtp: SocketAddr, to: &str, letters: usize) -> Result<()> {
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|sender| scope.spawn(move || send(lmtp, to, letters, sender)))
            .collect();
        let joined = senders.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|result| result.unwrap_or_else(|_| bail!("a sender panicked")))
            .collect()
    });
    results.into_iter().collect()
}

fn send(lmtp: SocketAddr, to: &str, letters: usize, sender: usize) -> Result<()> {
    let (mut talk, _) = Talk::open(lmtp).context("connecting")?;
    talk.smtp("LHLO bench.localhost")?;
    for number in (sender..letters).step_by(CONNECTIONS) {
        let reply = talk.deliver("sender@elsewhere.example", &[to], &letter(number))?;
        if !reply.starts_with("250") {
            bail!("the letter was answered {reply}");
        }
    }
    talk.smtp("QUIT")?;
    Ok(())
}
