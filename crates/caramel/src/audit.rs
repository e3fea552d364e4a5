//! The audit as people ask for it: of a running server, or of a store that nobody has open.

use std::io::IsTerminal as _;

use clap::Args;
use mail::Timestamp;
use serde_json::{Value, json};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::Talk;

/// Which audit.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only this account; without it all of them, and the directory.
    account: Option<String>,
    /// Reads every message whole and makes anew what was made of it; without this, one in 64.
    #[arg(long)]
    deep: bool,
    /// Tells what differs and repairs nothing.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Audits nothing; shows what the server's audits found since it was started.
    #[arg(long, conflicts_with_all = ["account", "deep", "dry_run"])]
    status: bool,
}

/// What is added up over all accounts.
const SUMS: [&str; 9] = [
    "accounts",
    "mailboxes",
    "messages",
    "bodies",
    "bodiesRead",
    "octets",
    "postponed",
    "found",
    "repaired",
];

/// Asks for an audit now, and shows what it found.
pub(crate) fn run(config: &Config, audit: &Audit) -> Result<(), Complaint> {
    if audit.status {
        return status(config, audit.json);
    }
    let mut talk = Talk::begin(config)?;
    let report = all(&mut talk, audit)?;
    match audit.json {
        true => say(&report.to_string())?,
        false => show(&report)?,
    }
    let left = number(&report, "found").saturating_sub(number(&report, "repaired"));
    if left == 0 {
        return Ok(());
    }
    let complaint = Complaint::new(format!("{left} differences are not repaired"));
    Err(complaint.next(match audit.dry_run {
        true => "caramel audit",
        false => "a letter that cannot be read: restore it from a backup, or delete it",
    }))
}

/// Looks at all accounts of a store that nobody has open, and repairs nothing; one line for each
/// thing that differs.
pub(crate) fn flaws(config: &Config, deep: bool) -> Result<(String, Vec<String>), Complaint> {
    let audit = Audit {
        account: None,
        deep,
        dry_run: true,
        json: true,
        status: false,
    };
    let report = all(&mut Talk::begin(config)?, &audit)?;
    let texts = differences(&report).filter_map(|one| one.get("text")?.as_str());
    let mut flaws: Vec<String> = texts.map(str::to_owned).collect();
    let found = number(&report, "found");
    let told = u64::try_from(flaws.len()).unwrap_or(u64::MAX);
    if found > told {
        flaws.push(format!("{} more differences", found - told));
    }
    Ok((summary(&report), flaws))
}

fn all(talk: &mut Talk, audit: &Audit) -> Result<Value, Complaint> {
    let mut sums = vec![0_u64; SUMS.len()];
    let mut told = Vec::new();
    let mut add = |answer: &Value| {
        for (sum, name) in sums.iter_mut().zip(SUMS) {
            *sum = sum.saturating_add(number(answer, name));
        }
        told.extend(differences(answer).cloned());
    };
    let (deep, repair) = (audit.deep, !audit.dry_run);
    let flags =
        |address: Option<&str>| json!({ "address": address, "deep": deep, "repair": repair });
    let addresses = match &audit.account {
        Some(account) => vec![account.clone()],
        None => {
            add(&talk.ask("Audit/directory", &flags(None))?);
            let listed = talk.ask("Account/list", &json!({}))?;
            let list = listed.get("list").and_then(Value::as_array);
            let list = list.map(Vec::as_slice).unwrap_or_default();
            let addresses = list.iter().filter_map(|one| one.get("address")?.as_str());
            addresses.map(str::to_owned).collect()
        }
    };
    let shows = !audit.json && std::io::stderr().is_terminal();
    for (at, address) in addresses.iter().enumerate() {
        if shows {
            eprint!("\r\x1b[K{} of {}: {address}", at + 1, addresses.len());
        }
        add(&talk.ask("Audit/account", &flags(Some(address)))?);
    }
    if shows {
        eprint!("\r\x1b[K");
    }
    let mut report: serde_json::Map<String, Value> = SUMS
        .iter()
        .zip(&sums)
        .map(|(name, sum)| ((*name).to_owned(), json!(sum)))
        .collect();
    report.insert("differences".to_owned(), Value::Array(told));
    Ok(Value::Object(report))
}

fn show(report: &Value) -> Result<(), Complaint> {
    for difference in differences(report) {
        let text = difference.get("text").and_then(Value::as_str);
        say(text.unwrap_or_default())?;
    }
    say(&summary(report))?;
    let (found, repaired) = (number(report, "found"), number(report, "repaired"));
    match found {
        0 => say("Nothing differs."),
        _ => say(&format!(
            "{found} differences, {repaired} of them repaired."
        )),
    }
}

fn summary(report: &Value) -> String {
    let of = |name: &str| number(report, name);
    let mut text = format!(
        "{} accounts, {} mailboxes, {} messages; {} bodies asked for, {} of them read whole.",
        of("accounts"),
        of("mailboxes"),
        of("messages"),
        of("bodies"),
        of("bodiesRead"),
    );
    if of("postponed") > 0 {
        text.push_str(&format!(
            " {} pieces changed too often meanwhile: ask again later.",
            of("postponed")
        ));
    }
    text
}

fn status(config: &Config, json: bool) -> Result<(), Complaint> {
    let status = crate::desk::ask_running(config, "Audit/status", &json!({}))?;
    if json {
        return say(&status.to_string());
    }
    let of = |name: &str| number(&status, name);
    let last = status.get("lastRound").and_then(Value::as_i64);
    let last = last.map_or_else(
        || "none has ended yet".to_owned(),
        |seconds| format!("the last ended {}", Timestamp::utc(seconds).to_rfc3339()),
    );
    say(&format!(
        "{} rounds through all accounts; {last}.",
        of("rounds")
    ))?;
    say(&format!(
        "{} accounts looked at, {} octets read, {} pieces put off.",
        of("accounts"),
        of("octets"),
        of("postponed")
    ))?;
    say(&format!(
        "{} differences, {} of them repaired.",
        of("found"),
        of("repaired")
    ))?;
    let kinds = status.get("kinds").and_then(Value::as_object);
    for (kind, counts) in kinds.into_iter().flatten() {
        let (found, repaired) = (number(counts, "found"), number(counts, "repaired"));
        say(&format!("  {kind}: {found}, {repaired} repaired"))?;
    }
    Ok(())
}

fn differences(report: &Value) -> impl Iterator<Item = &Value> {
    let list = report.get("differences").and_then(Value::as_array);
    list.into_iter().flatten()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}
