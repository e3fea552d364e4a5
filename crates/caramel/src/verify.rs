//! Does this disk keep its word? Asked by trying it out, by cutting the power of a file system in a
//! file, and by a person who pulls the plug.

mod cut;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use store::verify::{Blocks, Sync, Trial, Verdict, survived, try_out};

use crate::cli::say;
use crate::complaint::Complaint;

/// Writes in each way.
const WRITES: u64 = 1000;
/// How long each way is tried.
const TIME: Duration = Duration::from_secs(5);
/// The exit code where something is suspicious, but nothing was lost.
const SUSPICIOUS: u8 = 3;

/// How a disk is asked.
#[derive(Debug, Args)]
pub(crate) struct VerifyDisk {
    /// A folder on the disk: what is written there is removed again.
    #[arg(required_unless_present_any = ["before_cut", "after_cut"])]
    folder: Option<PathBuf>,
    /// Also cuts the power of a file system of its own, in a file in the folder: needs root, loop
    /// devices, mkfs.ext4, and 200 MB.
    #[arg(long, requires = "folder")]
    cut: bool,
    /// Writes blocks into this new file until the power goes, and prints the number of each that is
    /// acknowledged: keep what is printed on another machine.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["folder", "after_cut"])]
    before_cut: Option<PathBuf>,
    /// With --before-cut, ends after so many blocks.
    #[arg(long, value_name = "NUMBER", requires = "before_cut")]
    blocks: Option<u64>,
    /// Looks at such a file after the power was cut.
    #[arg(long, value_name = "FILE", conflicts_with = "folder")]
    after_cut: Option<PathBuf>,
    /// With --after-cut, the last number that was printed; without it, only gaps are found.
    #[arg(long, value_name = "NUMBER", requires = "after_cut")]
    acknowledged: Option<u64>,
}

/// Asks the disk.
pub(crate) fn run(asked: &VerifyDisk) -> Result<(), Complaint> {
    if let Some(file) = &asked.before_cut {
        return before_cut(file, asked.blocks);
    }
    if let Some(file) = &asked.after_cut {
        return after_cut(file, asked.acknowledged);
    }
    let folder = asked.folder.clone().unwrap_or_default();
    let trial = try_out(&folder, WRITES, TIME);
    let trial = trial.with_context(|| format!("writing in {}", folder.display()))?;
    show(&trial)?;
    let verdict = trial.verdict();
    if let Verdict::Broken(why) = &verdict {
        let complaint = Complaint::new("this disk does not keep what it acknowledges");
        return Err(complaint.because(why));
    }
    if asked.cut {
        cut::run(&folder)?;
    }
    match verdict {
        Verdict::Plausible => say("Verdict: nothing speaks against this disk."),
        Verdict::Suspicious(why) => {
            let what = "this disk may not keep its word: it acknowledges too fast";
            let next = "cut the power and see: caramel store verify-disk --before-cut FILE";
            let mut complaint = Complaint::new(what).because(why).next(next);
            complaint.code = SUSPICIOUS;
            Err(complaint)
        }
        Verdict::Broken(_) => Ok(()),
    }
}

fn show(trial: &Trial) -> Result<(), Complaint> {
    let medium = &trial.medium;
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "not known".to_owned());
    let turns = match medium.rotates {
        Some(true) => "it turns",
        Some(false) => "it does not turn",
        None => "not known whether it turns",
    };
    say(&format!(
        "device {}, model {}, {turns}, write cache: {}",
        known(&medium.device),
        known(&medium.model),
        known(&medium.write_cache)
    ))?;
    for latency in &trial.latencies {
        say(&format!(
            "{:<46} {:>5} times: median {:?}, 99% within {:?}, longest {:?}",
            latency.way.name(),
            latency.writes,
            latency.median,
            latency.slow,
            latency.longest
        ))?;
    }
    say("all that was written reads back as it was written")
}

fn before_cut(file: &Path, blocks: Option<u64>) -> Result<(), Complaint> {
    let opening = || format!("making {}", file.display());
    let mut writer = Blocks::begin(file, run_number()?, Sync::Real).with_context(opening)?;
    eprintln!("Pull the plug when you like; afterwards: caramel store verify-disk --after-cut");
    let mut output = std::io::stdout().lock();
    loop {
        let number = writer.write().context("writing a block")?;
        let told = writeln!(output, "{number}").and_then(|()| output.flush());
        told.context("telling the number")?;
        if blocks.is_some_and(|blocks| number >= blocks) {
            return Ok(());
        }
    }
}

fn after_cut(file: &Path, acknowledged: Option<u64>) -> Result<(), Complaint> {
    let reading = || format!("reading {}", file.display());
    let found = survived(file, acknowledged).with_context(reading)?;
    say(&format!(
        "the newest block is {}; {} that must be there are, {} are not",
        found.newest, found.kept, found.lost
    ))?;
    match found.first_lost {
        None if acknowledged.is_none() => {
            say("Verdict: no gaps; whether the last ones lack only the last number printed tells.")
        }
        None => say("Verdict: all that was acknowledged is there."),
        Some(first) => Err(Complaint::new("this disk lost what it had acknowledged")
            .because(format!(
                "block {first} and {} more are gone",
                found.lost - 1
            ))
            .next("turn its write cache off, or keep no mail on it")),
    }
}

fn run_number() -> Result<u64, Complaint> {
    let mut octets = [0; 8];
    let filled = getrandom::fill(&mut octets);
    filled.map_err(|error| Complaint::new("there is no randomness").because(error))?;
    Ok(u64::from_be_bytes(octets))
}
