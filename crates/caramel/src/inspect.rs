//! Looking after a store that no server has open.

use anyhow::Context as _;
use post::Recount;
use store::{Embedded, EmbeddedSettings};

use crate::audit;
use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;

/// Reads everything and says what is damaged, or differs.
pub(crate) fn check(config: &Config, deep: bool) -> Result<(), Complaint> {
    require_store(config)?;
    let mut recount = Recount::default();
    let each = |partition, table, key: &[u8], value: &[u8]| {
        recount.row(partition, table, key, value);
    };
    let report = Embedded::check_rows(&config.store(), EmbeddedSettings::default(), each);
    let mut report = report.map_err(|error| not_open(config, &error))?;
    for flaw in recount.flaws() {
        report.flaw(flaw);
    }
    // Of a damaged log nobody knows what it means.
    if report.is_readable() {
        let (summary, flaws) = audit::flaws(config, deep)?;
        say(&format!("mail: {summary}"))?;
        flaws.into_iter().for_each(|flaw| report.flaw(flaw));
    }
    say(report.to_string().trim_end())?;
    if report.is_sound() {
        return Ok(());
    }
    Err(Complaint::new("the store is damaged")
        .because(format!("{} flaws", report.flaw_count))
        .next(
            "the index: caramel store rebuild; what differs: caramel audit; a damaged log: a \
             backup, or caramel store repair",
        ))
}

/// Makes the index anew.
pub(crate) fn rebuild(config: &Config) -> Result<(), Complaint> {
    require_store(config)?;
    let rebuilt = Embedded::rebuild(&config.store(), EmbeddedSettings::default());
    let batches = rebuilt.map_err(|error| not_open(config, &error))?;
    say(&format!("The index was made anew from {batches} batches."))
}

/// Leaves out what is damaged in the middle of the log.
pub(crate) fn repair(config: &Config, yes: bool) -> Result<(), Complaint> {
    require_store(config)?;
    if !yes && !confirmed()? {
        return Err(Complaint::new("nothing was done").next("caramel store repair --yes"));
    }
    let repaired = Embedded::repair(&config.store(), EmbeddedSettings::default());
    let repaired = repaired.map_err(|error| not_open(config, &error))?;
    for what in &repaired.left_out {
        say(&format!("left out: {what}"))?;
    }
    for what in &repaired.written_again {
        say(&format!("written again from the other one: {what}"))?;
    }
    say("The store can be opened; the log is read from here on.")?;
    say("Letters that cannot be read any more: caramel audit --deep")
}

fn confirmed() -> Result<bool, Complaint> {
    say(
        "Letters in damaged records are lost, unless you have a copy of the store to restore from.",
    )?;
    agreed("Leave them out, so that everything else serves?")
}

/// Asks whoever is there.
pub(crate) fn agreed(question: &str) -> Result<bool, Complaint> {
    say(&format!("{question} [y/N]"))?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context("reading the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// What helps where a later release wrote the store.
pub(crate) const NEWER: &str = "start the release that wrote it, or restore a backup from before \
                                that; nothing was changed";

/// Looking must not make a store where there is none.
pub(crate) fn require_store(config: &Config) -> Result<(), Complaint> {
    let store = config.store();
    if store.is_dir() {
        return Ok(());
    }
    let complaint = Complaint::new(format!("there is no store in {}", config.data().display()));
    Err(complaint.next("is it the right folder? --config and --data say which"))
}

/// What is said where the store cannot be opened.
pub(crate) fn not_open(config: &Config, error: &store::Error) -> Complaint {
    Complaint::new(format!(
        "the store in {} cannot be opened",
        config.store().display()
    ))
    .because(error)
    .next(match error {
        store::Error::Newer { .. } => NEWER,
        _ => "if a server runs on this folder, stop it first",
    })
}
