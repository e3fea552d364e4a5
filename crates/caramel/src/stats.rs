//! What is kept, in numbers.

use anyhow::Context as _;
use serde_json::{Value, json};
use store::embedded::{HeldFiles, Holdings};

use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::ask;
use crate::{inspect, reclaim};

/// Shows what the store has: its files, and its rows by table.
pub(crate) fn run(config: &Config, listing: &Listing) -> Result<(), Complaint> {
    inspect::require_store(config)?;
    let kept = ask(config, "Store/stats", &json!({}))?;
    let held = Holdings::of(&config.store()).context("counting the store's files")?;
    let files = [
        ("log", held.log),
        ("bodies", held.bodies),
        ("view", held.view),
        ("snapshots", held.snapshots),
        ("search", held.derived),
    ];
    if listing.json {
        let file = |(name, held): (&str, HeldFiles)| {
            (
                name.to_owned(),
                json!({ "files": held.files, "octets": held.octets }),
            )
        };
        let files: serde_json::Map<_, _> = files.into_iter().map(file).collect();
        return say(&json!({ "files": files, "kept": kept }).to_string());
    }
    let of = |name: &str| kept.get(name).and_then(Value::as_u64).unwrap_or_default();
    say(&format!(
        "{} accounts, {} domains, {} aliases",
        of("accounts"),
        of("domains"),
        of("aliases")
    ))?;
    say(&format!(
        "{} messages in mailboxes, {} octets",
        of("messages"),
        of("messagesOctets")
    ))?;
    for (name, held) in files {
        line(name, held.files, "files", held.octets)?;
    }
    used(kept.get("use").unwrap_or(&Value::Null))?;
    reclaim::show(kept.get("reclaimed").unwrap_or(&Value::Null))?;
    let tables = kept.get("tables").and_then(Value::as_array);
    for table in tables.into_iter().flatten() {
        let name = table.get("name").and_then(Value::as_str);
        let of = |name: &str| table.get(name).and_then(Value::as_u64).unwrap_or_default();
        line(name.unwrap_or_default(), of("rows"), "rows ", of("octets"))?;
    }
    Ok(())
}

/// How much of each file is still mentioned by a row.
fn used(used: &Value) -> Result<(), Complaint> {
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64).unwrap_or_default();
    let nothing = Value::Null;
    for (name, what) in [
        ("letters", "letters"),
        ("bodies", "with a file of their own"),
    ] {
        let of = used.get(name).unwrap_or(&nothing);
        say(&format!(
            "  {what}: {} live, {} octets; {} dead, {} octets",
            number(of, "live"),
            number(of, "liveOctets"),
            number(of, "dead"),
            number(of, "deadOctets")
        ))?;
    }
    let segments = used.get("segments").and_then(Value::as_array);
    for segment in segments.into_iter().flatten() {
        let (octets, live) = (number(segment, "octets"), number(segment, "liveOctets"));
        let stored = number(segment, "storedOctets");
        let compressed = match stored < octets {
            true => format!(", compressed to {stored}"),
            false => String::new(),
        };
        say(&format!(
            "  segment {:<14x} {octets:>16} octets, {} % live letters{compressed}",
            number(segment, "number"),
            live.saturating_mul(100) / octets.max(1)
        ))?;
    }
    Ok(())
}

fn line(name: &str, count: u64, what: &str, octets: u64) -> Result<(), Complaint> {
    say(&format!(
        "  {name:<22} {count:>10} {what} {octets:>16} octets"
    ))
}
