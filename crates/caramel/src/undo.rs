//! What was done in an account, for people to see and to undo.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use mail::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::compose::moment;
use crate::config::{self, Config};
use crate::desk::{Talk, ask};
use crate::told::{self, number, text};

/// The word for the removal of an account, where an operation's number stands otherwise.
const ACCOUNT: &str = "account";

/// What is to be listed or undone.
#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// The account's address.
    account: String,
    /// The operation to undo, by its number in the list; `account` brings back the account that
    /// was removed last under this address.
    operation: Option<String>,
    /// Another mailbox for the messages that come back, another name for a mailbox that does, or
    /// another address for an account; also where `--as-of` puts its messages.
    #[arg(long, value_name = "NAME")]
    into: Option<String>,
    /// The account may hold more than its quota afterwards.
    #[arg(long)]
    over_quota: bool,
    /// Tells what would come back and changes nothing.
    #[arg(long, requires = "operation")]
    dry_run: bool,
    /// Lists only what was done since: a date (2026-11-23T20:15:00Z), or so long ago (3d, 2h).
    #[arg(long, value_name = "TIME", conflicts_with_all = ["operation", "as_of"])]
    since: Option<String>,
    /// Lists a mailbox as it was at a moment: a date, or so long ago.
    #[arg(long, value_name = "TIME", conflicts_with = "operation")]
    as_of: Option<String>,
    /// The mailbox for `--as-of`, by the name it had then.
    #[arg(long, value_name = "NAME", default_value = "INBOX", requires = "as_of")]
    mailbox: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What is to be forgotten for good.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true)))]
pub(crate) struct Purge {
    /// The account's address.
    account: String,
    /// This operation, by its number in the list of `caramel undo`.
    #[arg(long, value_name = "NUMBER", group = "which")]
    operation: Option<u64>,
    /// All operations from before: a date (2026-11-23T20:15:00Z), or so long ago (3d, 2h).
    #[arg(long, value_name = "TIME", group = "which")]
    before: Option<String>,
    /// All operations.
    #[arg(long, group = "which")]
    all: bool,
    /// All removed accounts of this address, with all their mail.
    #[arg(long, group = "which")]
    removed_account: bool,
    /// As JSON, with the name of each body that is gone.
    #[arg(long)]
    json: bool,
}

/// Lists, undoes, or shows how it was.
pub(crate) fn run(config: &Config, undo: &Undo) -> Result<(), Complaint> {
    if let Some(moment) = &undo.as_of {
        let moment = read_moment(moment)?;
        return match &undo.into {
            None => show_past(config, undo, moment),
            Some(into) => restore_past(config, undo, moment, into),
        };
    }
    match undo.operation.as_deref() {
        None => list(config, undo),
        Some(ACCOUNT) => restore_account(config, undo),
        Some(operation) => revert(config, undo, operation),
    }
}

fn list(config: &Config, undo: &Undo) -> Result<(), Complaint> {
    let since = undo.since.as_deref().map(read_moment).transpose()?;
    let arguments = json!({ "address": undo.account, "since": since });
    let answer = ask(config, "Undo/list", &arguments)?;
    if undo.json {
        return say(&answer.to_string());
    }
    let removed = told::list(&answer, "removedAccounts");
    let operations = told::list(&answer, "list");
    for account in removed {
        say(&format!(
            "{ACCOUNT:>9}  {}  the account was removed: {}",
            when(account),
            messages(number(account, "messages"))
        ))?;
    }
    for operation in operations {
        say(&line(operation))?;
    }
    if removed.is_empty() && operations.is_empty() {
        return say("Nothing is remembered that could be undone.");
    }
    Ok(())
}

/// One operation in words.
fn line(operation: &Value) -> String {
    let client = operation
        .get("client")
        .map_or("", |client| text(client, "text"));
    let mut line = format!(
        "{:>9}  {}  {} by {} ({client})",
        number(operation, "operation"),
        when(operation),
        what(operation),
        text(operation, "who"),
    );
    match text(operation, "state") {
        "undone" => {
            let by = number(operation, "undoneBy");
            line.push_str(&format!("; undone by {by}"));
        }
        "final" => match text(operation, "proof") {
            "" => line.push_str("; being forgotten"),
            proof => line.push_str(&format!("; proof {proof}")),
        },
        _ => {}
    }
    line
}

/// What an operation did.
fn what(operation: &Value) -> String {
    let count = messages(number(operation, "messages"));
    let (mailbox, target) = (text(operation, "mailbox"), text(operation, "target"));
    match text(operation, "kind") {
        "expunge" => format!("{count} removed from {mailbox}"),
        "replace" => format!("{count} replaced in {mailbox}"),
        "move" => format!("{count} moved from {mailbox} to {target}"),
        "move-away" => format!("{count} moved from {mailbox} to another account"),
        "copy" => format!("{count} copied to {mailbox}"),
        "flags" => format!("flags of {count} changed in {mailbox}"),
        "delete-mailbox" => format!("mailbox {mailbox} deleted with {count}"),
        "rename-mailbox" => format!("mailbox {mailbox} renamed to {target}"),
        "undo" => format!("operation {} undone", number(operation, "undoes")),
        "restore" => format!("{count} put into {mailbox} as they had been"),
        "purge" => format!("{count} purged"),
        kind => kind.to_owned(),
    }
}

fn revert(config: &Config, undo: &Undo, operation: &str) -> Result<(), Complaint> {
    let operation: u64 = operation.parse().map_err(|_| {
        let next = format!("caramel undo {} lists the operations", undo.account);
        Complaint::usage(format!("{operation} is not the number of an operation")).next(next)
    })?;
    let arguments = with_choices(
        undo,
        json!({ "address": undo.account, "operation": operation, "dryRun": undo.dry_run }),
    );
    let answer = ask(config, "Undo/revert", &arguments)?;
    if undo.json {
        return say(&answer.to_string());
    }
    say(&came_back(&answer, undo))
}

/// What came back, in words.
fn came_back(answer: &Value, undo: &Undo) -> String {
    let would = if undo.dry_run { "would be " } else { "" };
    let mut told = format!("{} {would}as before", messages(number(answer, "messages")));
    match text(answer, "mailbox") {
        "" => {}
        mailbox => told.push_str(&format!(", in {mailbox}")),
    }
    match number(answer, "missing") {
        0 => {}
        missing => told.push_str(&format!(
            "; {} elsewhere since, or removed: undo that first",
            messages(missing)
        )),
    }
    if let Some(number) = answer.get("operation").and_then(Value::as_u64) {
        told.push_str(&format!(
            ". That is operation {number}: caramel undo {} {number} takes it back",
            undo.account
        ));
    }
    told.push('.');
    told
}

fn restore_account(config: &Config, undo: &Undo) -> Result<(), Complaint> {
    let arguments = with_choices(
        undo,
        json!({ "address": undo.account, "dryRun": undo.dry_run }),
    );
    let answer = ask(config, "Undo/restoreAccount", &arguments)?;
    if undo.json {
        return say(&answer.to_string());
    }
    let would = if undo.dry_run { "would have" } else { "has" };
    say(&format!(
        "{} {would} its account again, with {} and the password it had.",
        text(&answer, "address"),
        messages(number(&answer, "messages"))
    ))
}

fn restore_past(config: &Config, undo: &Undo, moment: i64, into: &str) -> Result<(), Complaint> {
    let arguments = json!({
        "address": undo.account, "moment": moment, "mailbox": undo.mailbox, "into": into,
        "overQuota": undo.over_quota,
    });
    let answer = ask(config, "Undo/asOf", &arguments)?;
    if undo.json {
        return say(&answer.to_string());
    }
    let mut told = format!("{} put into {into}", messages(number(&answer, "messages")));
    tell_lost(&mut told, number(&answer, "missing"));
    told.push('.');
    say(&told)
}

fn show_past(config: &Config, undo: &Undo, moment: i64) -> Result<(), Complaint> {
    let mut talk = Talk::begin(config)?;
    let (mut after, mut all) = (0, Vec::new());
    let (lost, total) = loop {
        let arguments = json!({
            "address": undo.account, "moment": moment, "mailbox": undo.mailbox, "after": after,
        });
        let answer = talk.ask("Undo/asOf", &arguments)?;
        let some = told::list(&answer, "list");
        let Some(last) = some.last() else {
            break (number(&answer, "lost"), number(&answer, "total"));
        };
        after = number(last, "uid");
        match undo.json {
            true => all.extend(some.iter().cloned()),
            false => some
                .iter()
                .try_for_each(|message| say(&past_line(message)))?,
        }
    };
    if undo.json {
        return say(&json!({ "total": total, "lost": lost, "list": all }).to_string());
    }
    let date = Timestamp::utc(moment).to_rfc3339();
    let mut told = format!("{} in {} at {date}", messages(total), undo.mailbox);
    tell_lost(&mut told, lost);
    told.push('.');
    say(&told)
}

fn past_line(message: &Value) -> String {
    let date = message
        .get("date")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let subject: String = text(message, "subject")
        .chars()
        .filter(|letter| !letter.is_control())
        .collect();
    format!(
        "{:>9}  {}  {:>9}  {subject}  ({})",
        number(message, "uid"),
        Timestamp::utc(date).to_rfc3339(),
        number(message, "size"),
        text(message, "flags"),
    )
}

fn tell_lost(told: &mut String, lost: u64) {
    if lost > 0 {
        told.push_str(&format!("; {} gone for good since", messages(lost)));
    }
}

/// Forgets operations for good.
pub(crate) fn purge(config: &Config, purge: &Purge) -> Result<(), Complaint> {
    if purge.removed_account {
        let arguments = json!({ "address": purge.account });
        let answer = ask(config, "Undo/purgeAccount", &arguments)?;
        if purge.json {
            return say(&answer.to_string());
        }
        return say(&format!(
            "{} removed accounts are gone for good, with {}. Their octets go when the store \
             reclaims their place.",
            number(&answer, "accounts"),
            messages(number(&answer, "messages"))
        ));
    }
    let before = purge.before.as_deref().map(read_moment).transpose()?;
    let arguments = json!({
        "address": purge.account, "operation": purge.operation, "before": before,
        "all": purge.all,
    });
    let answer = ask(config, "Undo/purge", &arguments)?;
    if purge.json {
        return say(&answer.to_string());
    }
    let operations = told::list(&answer, "operations").len();
    if operations == 0 {
        return say("There was nothing to purge.");
    }
    say(&format!(
        "{operations} operations are gone for good, with {} that nothing else has. Their octets \
         go when the store reclaims their place.",
        messages(u64::try_from(told::list(&answer, "bodies").len()).unwrap_or(u64::MAX))
    ))?;
    say(&format!("Proof: {}", text(&answer, "proof")))
}

/// The arguments with what may be chosen where something is in the way.
fn with_choices(undo: &Undo, arguments: Value) -> Value {
    let mut arguments = match arguments {
        Value::Object(arguments) => arguments,
        _ => Map::new(),
    };
    if let Some(into) = &undo.into {
        arguments.insert("into".to_owned(), json!(into));
    }
    arguments.insert("overQuota".to_owned(), json!(undo.over_quota));
    Value::Object(arguments)
}

/// A date, or how long ago, as seconds since 1970.
pub(crate) fn read_moment(text: &str) -> Result<i64, Complaint> {
    if let Ok(moment) = moment::parse(text) {
        return Ok(moment.seconds);
    }
    let ago = config::span(text)
        .ok()
        .and_then(|ago| i64::try_from(ago).ok());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    ago.map(|ago| now.saturating_sub(ago)).ok_or_else(|| {
        Complaint::usage(format!("{text} is not a time"))
            .next("2026-11-23T20:15:00+01:00, or how long ago: 3d, 2h, 10m")
    })
}

fn messages(count: u64) -> String {
    match count {
        1 => "1 message".to_owned(),
        count => format!("{count} messages"),
    }
}

fn when(entry: &Value) -> String {
    let seconds = entry
        .get("when")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    Timestamp::utc(seconds).to_rfc3339().to_string()
}
