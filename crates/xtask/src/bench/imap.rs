//! Waiting connections and their wake-up: memory of an idle one, and from the final dot to EXISTS.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use interop::{Talk, expect};

use super::peer;
use super::table::{Table, percentile};
use super::target::Target;

/// Idle connections of one measurement.
const IDLE: u32 = 500;
/// Letters of the push row.
const LETTERS: usize = 100;

/// Opens so many connections, logs in, selects, goes idle, says `ready` and waits for its input's
/// end. A foreigner on purpose: no line of the house in it.
const IDLER: &str = include_str!("idler.py");

/// Runs every row for both servers, by turns.
pub(crate) fn run(binary: &Path, folder: &Path, rounds: usize, table: &mut Table) -> Result<()> {
    peer::by_turns(binary, folder, rounds, |target| rows(target, table))
}

pub(super) fn rows(target: &Target, table: &mut Table) -> Result<()> {
    let name = target.name;
    let latencies = push(target)?;
    table.note(
        "push, final dot to EXISTS, p50 ms",
        name,
        percentile(&latencies, 50).unwrap_or(0.0),
    );
    table.note(
        "push, final dot to EXISTS, p99 ms",
        name,
        percentile(&latencies, 99).unwrap_or(0.0),
    );
    for (kind, address) in [("plain", target.imap), ("tls", target.imaps)] {
        let before = target.cost();
        let user = target.login("ada");
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let mut idler = Command::new("python3")
            .args(["-c", IDLER, &host, &port, &IDLE.to_string(), &user, kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting python3")?;
        ready(&mut idler)?;
        let cost = target.cost();
        let grown = cost.private_octets.saturating_sub(before.private_octets);
        let kib = f64::from(u32::try_from(grown / 1024).unwrap_or(u32::MAX)) / f64::from(IDLE);
        table.note(&format!("idle connection, {kind}, KiB"), name, kib);
        let cpu = (cost.cpu_seconds - before.cpu_seconds) * 1000.0 / f64::from(IDLE);
        table.note(&format!("login+SELECT+IDLE, {kind}, CPU ms"), name, cpu);
        drop(idler.stdin.take());
        idler.wait().context("ending the idler")?;
    }
    Ok(())
}

fn ready(idler: &mut Child) -> Result<()> {
    let output = idler.stdout.take().context("the idler's output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    if line.trim() != "ready" {
        bail!("the idler said {line:?}");
    }
    Ok(())
}

/// Milliseconds from the octets of the final dot to the EXISTS in a waiting session, each.
fn push(target: &Target) -> Result<Vec<f64>> {
    let (mut reader, _) = Talk::open(target.imap)?;
    reader.imap_login(&target.login("alan"), "secret")?;
    reader.imap("SELECT INBOX")?;
    expect(reader.imap("IDLE")?.last(), "+")?;
    let (mut sender, _) = Talk::open(target.smtp)?;
    sender.smtp("EHLO bench.localhost")?;
    let mut latencies = Vec::with_capacity(LETTERS);
    for _ in 0..LETTERS {
        sender.smtp("MAIL FROM:<sender@elsewhere.example>")?;
        sender.smtp(&format!("RCPT TO:<{}>", target.address("alan")))?;
        sender.smtp("DATA")?;
        sender.send(b"Subject: now\r\n\r\nNow.\r\n")?;
        std::io::stdout().flush()?;
        let begun = Instant::now();
        sender.send(b".\r\n")?;
        while !reader.hear()?.contains("EXISTS") {}
        latencies.push(begun.elapsed().as_secs_f64() * 1000.0);
        sender.smtp_reply()?;
    }
    Ok(latencies)
}
