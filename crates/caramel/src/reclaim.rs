//! Freeing what is dead, when somebody asks for it.

use serde_json::{Value, json};

use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::Talk;

/// Frees what no mailbox has any more: through the server that runs, or in a store at rest.
pub(crate) fn run(config: &Config, listing: &Listing) -> Result<(), Complaint> {
    let mut talk = Talk::begin(config)?;
    let is_alone = matches!(talk, Talk::Stopped(_));
    let done = talk.ask("Store/reclaim", &json!({ "isAlone": is_alone }))?;
    match listing.json {
        true => say(&done.to_string()),
        false => show(&done),
    }
}

/// Tells what was freed, and what it cost.
pub(crate) fn show(done: &Value) -> Result<(), Complaint> {
    let of = |name: &str| done.get(name).and_then(Value::as_u64).unwrap_or_default();
    say(&format!(
        "{} letters that no mailbox has any more are forgotten, {} octets.",
        of("forgotten"),
        of("forgottenOctets")
    ))?;
    say(&format!(
        "{} files removed, {} octets; {} octets of letters copied on, {} octets of snapshots \
         written.",
        of("files"),
        of("freedOctets"),
        of("copiedOctets"),
        of("snapshotOctets")
    ))?;
    say(&format!(
        "{} files of the log compressed, from {} octets to {}.",
        of("compressed"),
        of("compressedFromOctets"),
        of("compressedToOctets")
    ))
}
