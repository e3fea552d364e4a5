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
use super::table::{Table, median};
use super::target::{self, Target};

/// The rules, none of which is true of the letters.
pub(super) const RULES: &str = include_str!("../../../sieve/benches/rules.sieve");
/// With more at the same time, how many letters share a sync depends on how long each takes.
const CONNECTIONS: usize = 1;
/// How each is measured. Our own threads are there from the beginning to the end, and each has a
/// fine clock: many short turns, of which the one in the middle says most. Dovecot's processes come
/// and go, and are counted by hundredths of a second: fewer and longer ones, taken together.
const OURS: Course = Course {
    turns: 240,
    letters: 60,
    seconds: Target::thread_seconds,
    typical: |figures| median(figures).unwrap_or_default(),
};
const THEIRS: Course = Course {
    turns: 24,
    letters: 200,
    seconds: Target::cpu_seconds,
    typical: mean,
};
/// Who has the script, and who has none.
const FILTERED: &str = "u0";
const PLAIN: &str = "u1";

/// How often how many letters are delivered, and what is made of what they took.
#[derive(Clone, Copy)]
struct Course {
    turns: usize,
    letters: usize,
    seconds: fn(&Target) -> f64,
    /// What is typical of the turns' figures.
    typical: fn(&[f64]) -> f64,
}

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
        rows(&ours, server.address("lmtp", Tls::None), OURS, table)?;
        drop(server);
        let peer = Peer::filtering(&folder.join(format!("peer-{round}")), FILTERED, RULES)?;
        rows(peer.target(), Peer::lmtp(), THEIRS, table)?;
    }
    Ok(())
}

fn rows(target: &Target, lmtp: SocketAddr, course: Course, table: &mut Table) -> Result<()> {
    // What is opened once is open then.
    for user in [PLAIN, FILTERED] {
        deliver(lmtp, &target.address(user), course.letters)?;
        settle(target)?;
    }
    let (mut plain, mut filtered) = (Vec::new(), Vec::new());
    let letters = f64::from(u32::try_from(course.letters).unwrap_or(u32::MAX));
    for turn in 0..course.turns {
        // Whoever comes first comes second the next time.
        let order = match turn % 2 {
            0 => [PLAIN, FILTERED],
            _ => [FILTERED, PLAIN],
        };
        for user in order {
            let before = (course.seconds)(target);
            deliver(lmtp, &target.address(user), course.letters)?;
            let took = ((course.seconds)(target) - before) * 1e6 / letters;
            match user {
                PLAIN => plain.push(took),
                _ => filtered.push(took),
            }
        }
    }
    let both = filtered.iter().zip(&plain);
    let rules: Vec<f64> = both.map(|(with, without)| with - without).collect();
    let (plain, filtered) = ((course.typical)(&plain), (course.typical)(&filtered));
    let rules = (course.typical)(&rules);
    let mut note = |what: &str, figure: f64| table.note(what, target.name, figure);
    note("LMTP, no script: CPU µs per letter", plain);
    note("LMTP, 50 rules: CPU µs per letter", filtered);
    note("the rules: CPU µs per letter", rules);
    note("the rules, % of a delivery without", rules * 100.0 / plain);
    Ok(())
}

fn mean(figures: &[f64]) -> f64 {
    let count = f64::from(u32::try_from(figures.len().max(1)).unwrap_or(u32::MAX));
    figures.iter().sum::<f64>() / count
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
