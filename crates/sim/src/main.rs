//! `sim [--seeds N] [--from S] [--seed S] [--paths]`: runs seeded worlds, and says which fails.
#![expect(
    clippy::print_stdout,
    reason = "a command line tool speaks on standard output"
)]

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// Worlds that are run where nothing is said.
const SEEDS: u64 = 100;
/// Progress is told after so many.
const PROGRESS: u64 = 50;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match begin(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("sim: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn begin(words: &[String]) -> Result<bool> {
    let (mut from, mut seeds, mut paths) = (0, SEEDS, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64> {
            let word = words.next().context("a number is missing")?;
            Ok(word.parse()?)
        };
        match word.as_str() {
            "--seeds" => seeds = number()?,
            "--from" => from = number()?,
            "--seed" => (from, seeds) = (number()?, 1),
            "--paths" => paths = true,
            other => bail!("what is {other}? [--seeds N] [--from S] [--seed S] [--paths]"),
        }
    }
    if paths {
        let walked = sim::paths::PATHS.into_iter().all(path);
        return Ok(walked && sim::departures::ARROWS.into_iter().all(arrow));
    }
    Ok(worlds(from, seeds))
}

fn path(name: &str) -> bool {
    tried(name, sim::paths::fail_at_each)
}

fn arrow(name: &str) -> bool {
    tried(name, sim::departures::cut_at_each)
}

fn tried(name: &str, each: fn(&str) -> Result<u64, String>) -> bool {
    let begun = Instant::now();
    let failed = each(name);
    let took = begun.elapsed().as_secs_f64();
    match failed {
        Ok(operations) => println!("{name}: {operations} operations, {took:.1} s"),
        Err(what) => {
            println!("{what}");
            return false;
        }
    }
    true
}

fn worlds(from: u64, seeds: u64) -> bool {
    let begun = Instant::now();
    let (mut events, mut acknowledged, mut cuts, mut failures) = (0, 0, 0, 0);
    let (mut freed, mut compressed) = (0, 0);
    let (mut departed, mut repeated, mut reported) = (0, 0, 0);
    for (done, seed) in (1..).zip(from..from.saturating_add(seeds)) {
        match sim::run(seed).and_then(|tale| Ok((tale, sim::departures::run(seed)?))) {
            Ok((tale, letters)) => {
                departed += letters.taken;
                repeated += letters.repeated;
                reported += letters.reported;
                events += tale.events;
                acknowledged += tale.acknowledged;
                cuts += tale.cuts;
                failures += tale.failures;
                freed += tale.freed_octets;
                compressed += tale.compressed;
            }
            Err(broken) => {
                println!("{broken}");
                println!("{done} seeds, {:.1} s", begun.elapsed().as_secs_f64());
                return false;
            }
        }
        if done % PROGRESS == 0 || done == seeds {
            let took = begun.elapsed().as_secs_f64();
            println!(
                "{done} seeds, {took:.1} s: {events} events, {acknowledged} acknowledged, \
                 {cuts} power cuts, {failures} failures, {freed} octets freed, {compressed} \
                 segments compressed, {departed} letters sent, {repeated} of them again, \
                 {reported} reported"
            );
        }
    }
    true
}
