//! Backups: as fast as copying? What do deliveries notice? What does one per cent more cost?

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use interop::Server;

use super::load::{self, Load};
use super::table::{Table, median};
use super::target::{self, Target};

/// Octets of mail where `CARAMEL_OCTETS` says nothing.
const OCTETS: usize = 200 << 20;
/// Octets of a letter.
const LETTER_OCTETS: usize = 20_000;
/// Accounts that have them.
const ACCOUNTS: usize = 10;
/// Letters that are delivered at a time while it is looked how fast that goes.
const DELIVERIES: usize = 500;

/// Runs every row.
pub(crate) fn run(binary: &Path, folder: &Path, rounds: usize, table: &mut Table) -> Result<()> {
    let octets = std::env::var("CARAMEL_OCTETS").ok();
    let octets = octets.and_then(|text| text.parse().ok());
    let octets: usize = octets.unwrap_or(OCTETS);
    let place = folder.join("caramel");
    fs::create_dir_all(&place)?;
    let (server, ours) = target::caramel(binary, &place)?;
    let mut seed = 1;
    fill(&server, folder, octets, &mut seed)?;
    let store = server.data().join("store");
    for round in 0..rounds {
        let copy = folder.join("copy");
        let seconds = timed(|| {
            tool("cp", &["-r".as_ref(), store.as_ref(), copy.as_ref()])?;
            tool("sync", &["-f".as_ref(), copy.as_ref()])
        })?;
        fs::remove_dir_all(&copy)?;
        table.note("all of it, MB/s", "cp -r, sync", rate(octets, seconds));
        let backups = folder.join(format!("backups-{round}"));
        let seconds = timed(|| create(&server, &backups).map(drop))?;
        table.note("all of it, MB/s", "backup", rate(octets, seconds));
        let again = timed(|| create(&server, &backups).map(drop))?;
        table.note("nothing new, s", "backup", again);

        let more = octets / 100;
        fill(&server, folder, more, &mut seed)?;
        let before = size(&backups)?;
        let seconds = timed(|| create(&server, &backups).map(drop))?;
        table.note("1 % more, s", "backup", seconds);
        let written = size(&backups)?.saturating_sub(before);
        table.note(
            "1 % more, octets written for each",
            "backup",
            ratio(written, more),
        );
        beside(&server, &ours, &folder.join("beside"), table)?;

        let verified = timed(|| command(binary, "verify", &backups, &[]))?;
        table.note("all of it, MB/s", "verify", rate(octets, verified));
        let restored = folder.join("restored");
        let to = ["--to".as_ref(), restored.as_ref()];
        let seconds = timed(|| command(binary, "restore", &backups, &to))?;
        table.note("all of it, MB/s", "restore", rate(octets, seconds));
        let seconds = timed(|| compare(binary, &server.data(), &restored))?;
        table.note("all of it, MB/s", "compared", rate(octets, seconds));
        fs::remove_dir_all(&restored)?;
        fs::remove_dir_all(&backups)?;
    }
    Ok(())
}

/// How fast letters are delivered, with and without a backup beside them.
fn beside(server: &Server, ours: &Target, backups: &Path, table: &mut Table) -> Result<()> {
    let load = Load {
        connections: 20,
        messages: DELIVERIES,
        octets: 1024,
        recipients: vec![ours.address("ada")],
    };
    let once = || -> Result<(f64, f64)> {
        let took = load::run(ours.smtp, &load)?;
        let median = median(&took.latencies).unwrap_or_default();
        Ok((ratio(DELIVERIES, 1) / took.seconds, median))
    };
    once()?;
    let (alone, waited) = once()?;
    table.note("deliver/s", "alone", alone);
    table.note("deliver, p50 ms", "alone", waited);
    let done = AtomicBool::new(false);
    let (rates, made) = thread::scope(|scope| {
        let made = scope.spawn(|| {
            let made = create(server, backups);
            done.store(true, Ordering::Release);
            made
        });
        let mut rates = Vec::new();
        while !done.load(Ordering::Acquire) {
            rates.push(once());
        }
        // The last of them went on when the backup was done.
        if rates.len() > 1 {
            rates.pop();
        }
        let rates: Result<Vec<_>> = rates.into_iter().collect();
        (rates, made.join())
    });
    match made {
        Ok(made) => drop(made?),
        Err(_) => bail!("the backup panicked"),
    }
    let rates = rates?;
    let all: Vec<f64> = rates.iter().map(|(rate, _)| *rate).collect();
    let waits: Vec<f64> = rates.iter().map(|(_, waited)| *waited).collect();
    table.note(
        "deliver/s",
        "beside a backup",
        median(&all).unwrap_or_default(),
    );
    table.note(
        "deliver, p50 ms",
        "beside a backup",
        median(&waits).unwrap_or_default(),
    );
    Ok(fs::remove_dir_all(backups)?)
}

fn create(server: &Server, backups: &Path) -> Result<String> {
    let backups = backups.to_str().context("a folder's name")?;
    Ok(server.command(&["backup", "create", backups], "")?)
}

fn command(binary: &Path, verb: &str, backups: &Path, more: &[&Path]) -> Result<()> {
    let mut command = Command::new(binary);
    command.args(["backup", verb]).arg(backups).args(more);
    let output = command.output().context("starting caramel")?;
    ensure!(output.status.success(), "backup {verb}: {output:?}");
    Ok(())
}

/// Compares what was restored with what each import has put down of its letters.
fn compare(binary: &Path, data: &Path, restored: &Path) -> Result<()> {
    for manifest in fs::read_dir(data.join("manifests"))? {
        let mut command = Command::new(binary);
        command.arg("--data").arg(restored);
        command.args(["import", "verify"]).arg(manifest?.path());
        let output = command.output().context("starting caramel")?;
        ensure!(output.status.success(), "import verify: {output:?}");
    }
    Ok(())
}

fn tool(name: &str, words: &[&Path]) -> Result<()> {
    let status = Command::new(name).args(words).status();
    let status = status.with_context(|| format!("starting {name}"))?;
    ensure!(status.success(), "{name} failed");
    Ok(())
}

/// Seconds that it took.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64())
}

fn rate(octets: usize, seconds: f64) -> f64 {
    ratio(octets, 1_000_000) / seconds
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(one: usize, other: usize) -> f64 {
    one as f64 / other as f64
}

/// Octets of all files in a folder.
fn size(folder: &Path) -> Result<usize> {
    let mut octets = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        octets += match found.is_dir() {
            true => size(&entry.path())?,
            false => usize::try_from(found.len())?,
        };
    }
    Ok(octets)
}

/// Puts so many octets of letters into the accounts, none like another.
fn fill(server: &Server, folder: &Path, octets: usize, seed: &mut u64) -> Result<()> {
    let file = folder.join("letters.mbox");
    for account in 0..ACCOUNTS {
        let mut output = BufWriter::new(File::create(&file)?);
        for number in 0..octets / ACCOUNTS / LETTER_OCTETS {
            let head = "From a@b.example Thu Nov 26 19:14:09 2026\nFrom: a@b.example\n";
            write!(output, "{head}Subject: {number}\n\n")?;
            for _ in 0..LETTER_OCTETS / 80 {
                for _ in 0..5 {
                    // xorshift
                    *seed ^= *seed << 13;
                    *seed ^= *seed >> 7;
                    *seed ^= *seed << 17;
                    write!(output, "{seed:016x}")?;
                }
                writeln!(output)?;
            }
            writeln!(output)?;
        }
        output.into_inner()?.sync_all()?;
        let account = format!("u{account}@test.localhost");
        let file = file.to_str().context("a folder's name")?;
        let words = [
            "import",
            "--again",
            "--account",
            &account,
            "--mailbox",
            "INBOX",
            file,
        ];
        server.command(&words, "")?;
    }
    Ok(fs::remove_file(&file)?)
}
