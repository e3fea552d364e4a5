//! Ten thousand who wait: what each of them costs, and how soon all of them are told.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use interop::Server;

use super::link::Link;
use super::mailbox::append;
use super::table::{Table, percentile};
use super::target::{self, Target};

/// Connections that wait, unless `CARAMEL_CONNECTIONS` says otherwise.
const CONNECTIONS: u32 = 10_000;
/// Accounts that they are logged in to, by turns.
const ACCOUNTS: u32 = 100;
/// Messages in each inbox, unless `CARAMEL_MESSAGES` says otherwise.
const MESSAGES: u32 = 1000;

/// Opens connections, waits, sends letters, hears who is told. A foreigner on purpose: no line of
/// the house in it.
const WATCHERS: &str = include_str!("watchers.py");

/// Runs every row; for Caramel alone: so many processes of the other server would not fit.
pub(crate) fn run(binary: &Path, folder: &Path, table: &mut Table) -> Result<()> {
    let (server, target) = target::caramel(binary, folder)?;
    fill(&server, &target)?;
    for (kind, address) in [("plain", target.imap), ("tls", target.imaps)] {
        rows(&target, kind, address, table)?;
    }
    Ok(())
}

/// A number from the environment.
fn wanted(name: &str, otherwise: u32) -> u32 {
    let asked = std::env::var(name).ok();
    asked
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

/// Makes the accounts `w0` …; with `CARAMEL_HOLES` every other message is removed, so that no
/// mailbox is one run of UIDs.
fn fill(server: &Server, target: &Target) -> Result<()> {
    let messages = wanted("CARAMEL_MESSAGES", MESSAGES);
    let holes = std::env::var_os("CARAMEL_HOLES").is_some();
    for number in 0..ACCOUNTS {
        let address = target.address(&format!("w{number}"));
        server.add_account(&address, "secret")?;
        let mut link = Link::imap(target.imap, &address)?;
        let all = messages * if holes { 2 } else { 1 };
        append(&mut link, "INBOX", 0..usize::try_from(all)?)?;
        if holes {
            let odd: Vec<String> = (0..messages)
                .map(|half| (half * 2 + 1).to_string())
                .collect();
            link.run("SELECT INBOX")?;
            for some in odd.chunks(500) {
                let command = format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", some.join(","));
                link.run(&command)?;
            }
            link.run("EXPUNGE")?;
        }
    }
    Ok(())
}

fn rows(target: &Target, kind: &str, address: SocketAddr, table: &mut Table) -> Result<()> {
    let connections = wanted("CARAMEL_CONNECTIONS", CONNECTIONS);
    let before = target.cost();
    let mut child = Command::new("python3")
        .args(["-c", WATCHERS, &address.ip().to_string()])
        .args([address.port(), target.smtp.port()].map(|port| port.to_string()))
        .args([
            &connections.to_string(),
            target.domain,
            &ACCOUNTS.to_string(),
            kind,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting python3")?;
    let output = child.stdout.take().context("the watchers' output")?;
    let mut lines = BufReader::new(output).lines();
    until(&mut lines, "ready")?;
    let mut note = |row: &str, figure| table.note(&format!("{kind}: {row}"), target.name, figure);
    let waiting = target.cost();
    let cpu = waiting.since(before).cpu_seconds * 1000.0 / f64::from(connections);
    note("login, SELECT and IDLE, CPU ms", cpu);
    let each = |octets: u64| kib(octets.saturating_sub(before.private_octets), connections);
    note("one that waits, KiB", each(waiting.private_octets));
    go_on(&mut child)?;
    let told = until(&mut lines, "told")?;
    let milliseconds: Vec<f64> = told.iter().map(|micros| micros / 1000.0).collect();
    for percent in [50, 99] {
        let figure = percentile(&milliseconds, percent).context("nobody was told")?;
        note(&format!("final dot to EXISTS, p{percent} ms"), figure);
    }
    let after = target.cost();
    note(
        "one that waits, afterwards, KiB",
        each(after.private_octets),
    );
    let cpu = after.since(waiting).cpu_seconds * 1e6 / f64::from(connections);
    note("telling one, CPU us", cpu);
    drop(child.stdin.take());
    child.wait().context("ending the watchers")?;
    Ok(())
}

fn kib(octets: u64, connections: u32) -> f64 {
    f64::from(u32::try_from(octets / 1024).unwrap_or(u32::MAX)) / f64::from(connections)
}

fn go_on(child: &mut Child) -> Result<()> {
    let input = child.stdin.as_mut().context("the watchers' input")?;
    input.write_all(b"\n").context("telling the watchers")
}

/// The numbers they say before this word.
fn until(lines: &mut Lines<BufReader<ChildStdout>>, word: &str) -> Result<Vec<f64>> {
    let mut numbers = Vec::new();
    for line in lines {
        let line = line?;
        if line == word {
            return Ok(numbers);
        }
        numbers.push(
            line.parse()
                .with_context(|| format!("they said {line:?}"))?,
        );
    }
    bail!("they said nothing more")
}
