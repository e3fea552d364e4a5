//! What happened to a letter, in plain words.

use std::collections::BTreeSet;

use clap::Args;
use mail::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::ask;
use crate::told::{list, printable_lines, text};
use crate::undo::read_moment;

/// The least digits of a letter's name: shorter ones are names in the queue.
const JOURNEY_DIGITS_MIN: usize = 10;

/// Which letter.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The letter's name (the id in its `Received` field), its name in the queue, its `Message-ID`,
    /// an address it is from or for, or words of its subject.
    #[arg(required = true)]
    letter: Vec<String>,
    /// Only since: a date (2026-11-23T20:15:00Z), or so long ago (3d, 2h).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only in the account of this address, and in the queue.
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
    /// As JSON: a line for each step.
    #[arg(long)]
    json: bool,
}

/// Tells what is remembered.
pub(crate) fn run(config: &Config, why: &Why) -> Result<(), Complaint> {
    let mut steps = Vec::new();
    for (name, value) in readings(&why.letter) {
        let mut arguments = Map::new();
        arguments.insert(name.to_owned(), json!(value));
        if let Some(since) = &why.since {
            arguments.insert("since".into(), json!(read_moment(since)?));
        }
        if let Some(account) = &why.account {
            arguments.insert("account".into(), json!(account));
        }
        let told = ask(config, "Journey/query", &Value::Object(arguments))?;
        steps = list(&told, "list").to_vec();
        if !steps.is_empty() {
            break;
        }
    }
    if why.json {
        return steps.iter().try_for_each(|step| say(&step.to_string()));
    }
    if steps.is_empty() {
        return Err(Complaint::new("No letter like that is remembered.").next(
            "a letter that was refused is in the log only; how long others are remembered says \
             `[journeys] window`",
        ));
    }
    let mut names = Vec::new();
    for step in &steps {
        let name = text(step, "journey");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for (place, name) in names.iter().enumerate() {
        if place > 0 {
            say("")?;
        }
        let own = steps.iter().filter(|step| text(step, "journey") == *name);
        story(name, own)?;
    }
    Ok(())
}

/// What the words may mean, the likeliest first.
fn readings(words: &[String]) -> Vec<(&'static str, String)> {
    let all = words.join(" ");
    let only = words.first().filter(|_| words.len() == 1);
    let Some(only) = only else {
        return vec![("words", all)];
    };
    if only.contains('@') || only.starts_with('<') {
        return vec![("name", all)];
    }
    let is_id = only.len() <= 13 && only.chars().all(|digit| digit.is_ascii_alphanumeric());
    let as_id = match only.len() >= JOURNEY_DIGITS_MIN {
        true => "journey",
        false => "queue",
    };
    // Words of a subject may look like a name, and have letters that names have not.
    let unlike = |digit: char| matches!(digit.to_ascii_lowercase(), 'i' | 'l' | 'o' | 'u');
    match is_id && !only.contains(unlike) {
        true => vec![(as_id, all.clone()), ("words", all)],
        false => vec![("words", all)],
    }
}

/// One letter's story.
fn story<'a>(name: &str, steps: impl Iterator<Item = &'a Value>) -> Result<(), Complaint> {
    say(&format!("letter {name}"))?;
    // How it came is told in each account; said once it is enough.
    let mut said = BTreeSet::new();
    let mut last = String::new();
    for step in steps {
        let seconds = step.get("when").and_then(Value::as_i64);
        let when = Timestamp::utc(seconds.unwrap_or_default());
        let when = when.to_rfc3339().to_string();
        let account = text(step, "account");
        for event in list(step, "events") {
            let words = words(event, account);
            let is_common = matches!(text(event, "event"), "arrived" | "checked");
            if is_common && !said.insert(words.clone()) {
                continue;
            }
            let begin = match last == when {
                true => " ".repeat(when.len()),
                false => when.clone(),
            };
            last.clone_from(&when);
            say(&format!("  {begin}  {}", printable_lines(&words)))?;
        }
    }
    Ok(())
}

/// One event.
fn words(event: &Value, account: &str) -> String {
    let get = |name: &str| text(event, name);
    let to = || {
        let to = list(event, "to").iter().filter_map(Value::as_str);
        to.collect::<Vec<_>>().join(", ")
    };
    match get("event") {
        "arrived" => arrived(event, &to()),
        // That is no result of a check, but told beside these.
        "checked" if get("results").starts_with("taken for ") => get("results").to_owned(),
        "checked" => format!("checked: {}", get("results")),
        "judged" => judged(event, account),
        "filtered" if get("cause") == "implicit" => {
            format!(
                "{account}: no line of a script says otherwise: {}",
                get("deed")
            )
        }
        "filtered" => format!("{account}: {} says {}", get("cause"), get("deed")),
        "scriptFailed" => format!(
            "{account}: the script failed, so it was kept: {}",
            get("trouble")
        ),
        "filed" => {
            let uid = event.get("uid").and_then(Value::as_u64).unwrap_or_default();
            format!("{account}: filed into {}, UID {uid}", get("mailbox"))
        }
        "unfiled" => format!("{account}: not filed"),
        "queued" => format!(
            "queued as {} for {}: {}",
            get("id"),
            get("destination"),
            to()
        ),
        "waits" => {
            let until = event.get("until").and_then(Value::as_i64);
            let until = Timestamp::utc(until.unwrap_or_default()).to_rfc3339();
            format!("{} waits; it is tried again at {until}", get("id"))
        }
        "handled" => {
            let done = match get("deed") {
                "hold" => "is held by hand",
                "release" => "is released by hand",
                "retry" => "is tried again, by hand",
                "retry-at" => "is put to another time by hand",
                "drop" => "is thrown away by hand; nobody was told",
                other => other,
            };
            format!("{} {done}", get("id"))
        }
        what @ ("delivered" | "deferred" | "bounced" | "expired") => {
            let tls = match get("tls") {
                "" => String::new(),
                tls => format!("\n        {tls}"),
            };
            let (id, to, said) = (get("id"), get("to"), get("said"));
            format!("{id} to {to} {what}: {said}{tls}")
        }
        other => other.to_owned(),
    }
}

/// What its words said, and which.
fn judged(event: &Value, account: &str) -> String {
    let percent = event.get("percent").and_then(Value::as_u64);
    let is_junk = event.get("junk").and_then(Value::as_bool);
    let so = match is_junk {
        Some(true) => "junk by its words",
        _ => "judged by its words",
    };
    let clues = list(event, "clues").iter().filter_map(Value::as_str);
    let clues: Vec<&str> = clues.collect();
    format!(
        "{account}: {so}, {} of 100\n        {}",
        percent.unwrap_or_default(),
        clues.join(", ")
    )
}

fn arrived(event: &Value, to: &str) -> String {
    let get = |name: &str| text(event, name);
    let size = event
        .get("size")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let from = match get("from") {
        "" => "<>",
        from => from,
    };
    let (by, peer, protocol) = (get("helo"), get("peer"), get("protocol"));
    // Nothing of it has come yet.
    if size == 0 {
        return format!(
            "wanted to come from {from} for {to}\n        by {by} [{peer}], {protocol}"
        );
    }
    let tls = match get("tls") {
        "" => ", without TLS".to_owned(),
        tls => format!(", {tls}"),
    };
    let login = match get("account") {
        "" => String::new(),
        account => format!(", logged in as {account}"),
    };
    let id = match get("messageId") {
        "" => "no Message-ID",
        id => id,
    };
    format!(
        "came from {from} for {to}\n        by {by} [{peer}], {protocol}{tls}{login}\n        \
         {size} octets, {id}, subject: {}",
        get("subject"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_words_may_mean() {
        for (given, expected) in [
            ("0a1b2c3d4e5f6", vec!["journey", "words"]),
            ("3k", vec!["queue", "words"]),
            ("hello", vec!["words"]),
            ("ada@example.org", vec!["name"]),
            ("<1@example.org>", vec!["name"]),
            ("two words", vec!["words"]),
        ] {
            let given: Vec<String> = given.split(' ').map(str::to_owned).collect();
            let names: Vec<_> = readings(&given).into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, expected, "{given:?}");
        }
    }
}
