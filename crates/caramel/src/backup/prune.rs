//! `caramel backup prune`.

use clap::Args;
use mail::Timestamp;
use net::Clock;

use super::{Place, complaint};
use crate::cli::say;
use crate::complaint::Complaint;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Which backups stay.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    #[command(flatten)]
    place: Place,
    /// So many of the newest stay.
    #[arg(long, value_name = "NUMBER", required_unless_present = "days")]
    keep: Option<usize>,
    /// Those of so many days stay as well.
    #[arg(long, value_name = "NUMBER")]
    days: Option<u32>,
    /// Only says what would be removed.
    #[arg(long)]
    dry_run: bool,
}

/// Removes the others.
pub(super) fn run(prune: &Prune) -> Result<(), Complaint> {
    let repository = prune.place.open()?;
    let complain = |error: backup::Error| complaint(&error);
    let listed = repository.backups().map_err(complain)?;
    // The last one always stays.
    let keep = prune.keep.unwrap_or(1).max(1);
    let since = prune
        .days
        .map(|days| Clock::today().seconds - i64::from(days) * DAY);
    let mut names = Vec::new();
    for one in listed.iter().take(listed.len().saturating_sub(keep)) {
        let made: Timestamp = repository
            .manifest(Some(&one.name))
            .map_err(complain)?
            .made();
        if since.is_none_or(|since| made.seconds < since) {
            names.push(one.name.clone());
        }
    }
    for name in &names {
        say(name)?;
    }
    if prune.dry_run {
        return say(&format!("{} backups would be removed.", names.len()));
    }
    let pruned = backup::prune(&repository, &names).map_err(complain)?;
    for flaw in &pruned.flaws {
        say(flaw)?;
    }
    say(&format!(
        "{} backups and {} packs removed, {} octets of what was in them; {} octets written anew.",
        pruned.backups, pruned.packs, pruned.octets, pruned.written
    ))?;
    match pruned.flaws.len() {
        0 => Ok(()),
        damaged => Err(Complaint::new(format!("{damaged} packs cannot be read"))
            .because("they stay as they are")
            .next("caramel backup verify PLACE")),
    }
}
