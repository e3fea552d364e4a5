//! `caramel import verify`: is what is here what the manifest says?

use std::collections::BTreeSet;
use std::io::{self, BufRead as _};
use std::iter::Peekable;
use std::path::Path;

use serde_json::{Value, json};

use super::key;
use super::manifest;
use super::sink::{Hashes, hex};
use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::line::Line;

/// Differences that are told one by one.
const TOLD_MAX: u64 = 100;

/// Lines of a manifest.
type Lines<I> = Peekable<I>;

/// What was found.
#[derive(Debug, Default)]
struct Report {
    same: u64,
    octets: u64,
    different: u64,
    /// Flags that were changed since.
    flags: u64,
}

impl Report {
    fn differs(&mut self, what: &str) -> Result<(), Complaint> {
        self.different += 1;
        match self.different {
            number if number <= TOLD_MAX => say(what),
            _ => Ok(()),
        }
    }
}

/// Compares.
pub(super) fn run(config: &Config, path: &Path, signer: Option<&str>) -> Result<(), Complaint> {
    let (lines, key) = manifest::open(path)?;
    let expected = match signer {
        Some(key) => key.to_ascii_lowercase(),
        None => hex(key::public(&key::open(config)?)),
    };
    if key != expected {
        let what = "the manifest is signed with another key than this installation's";
        return Err(Complaint::new(what).next(format!("--key {key} if you trust that")));
    }
    let mut lines = lines.lines().map(read).peekable();
    let mut line = Line::open(config)?;
    let mut report = Report::default();
    let head = lines.next().transpose()?.unwrap_or_default();
    let account = head
        .get("account")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    while let Some(head) = lines.next().transpose()? {
        if let Some(mailbox) = head.get("mailbox").and_then(Value::as_str) {
            let told = head
                .get("uidValidity")
                .and_then(Value::as_u64)
                .unwrap_or_default();
            let place = (account.as_str(), mailbox, told);
            one(&mut line, place, &mut lines, &mut report)?;
        }
    }
    let Report {
        same,
        octets,
        different,
        flags,
    } = report;
    say(&format!(
        "{same} messages, {octets} octets are what they were."
    ))?;
    if flags > 0 {
        say(&format!("{flags} of them have other flags now."))?;
    }
    match different {
        0 => Ok(()),
        _ => Err(Complaint::new(format!(
            "{different} messages are not what they were"
        ))),
    }
}

fn read(line: io::Result<String>) -> Result<Value, Complaint> {
    let value = line
        .map_err(anyhow::Error::from)
        .and_then(|line| Ok(serde_json::from_str(&line)?));
    value.map_err(|error| Complaint::new("the manifest cannot be read").because(error))
}

fn at<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// The UID of the next message, if one is next.
fn next_uid<I: Iterator<Item = Result<Value, Complaint>>>(lines: &mut Lines<I>) -> Option<u64> {
    lines.peek()?.as_ref().ok()?.get("uid")?.as_u64()
}

/// Compares one mailbox.
fn one<I: Iterator<Item = Result<Value, Complaint>>>(
    line: &mut Line,
    (account, mailbox, uidvalidity): (&str, &str, u64),
    lines: &mut Lines<I>,
    report: &mut Report,
) -> Result<(), Complaint> {
    let mut missing = None;
    while let Some(uid) = next_uid(lines) {
        if let Some(why) = &missing {
            let entry = lines.next().transpose()?.unwrap_or_default();
            report.differs(&format!(
                "{mailbox};UID={uid}: {why}; it was {}",
                at(&entry, "old")
            ))?;
            continue;
        }
        let arguments = json!({
            "account": account,
            "mailbox": mailbox,
            "after": uid.checked_sub(1).filter(|after| *after > 0),
        });
        let page = match line.call("Export/messages", &arguments) {
            Ok(page) => page,
            Err(error) => {
                missing = Some(error.to_string());
                continue;
            }
        };
        let another = page.get("uidValidity").and_then(Value::as_u64) != Some(uidvalidity);
        let rows = page.get("list").and_then(Value::as_array);
        for row in rows.into_iter().flatten() {
            let found = row.get("uid").and_then(Value::as_u64).unwrap_or_default();
            let octets = row
                .get("octets")
                .and_then(Value::as_u64)
                .unwrap_or_default();
            let mut hashes = Hashes::default();
            line.octets(octets, |piece| {
                hashes.pass(piece);
                Ok(())
            })?;
            while let Some(uid) = next_uid(lines).filter(|uid| *uid < found && !another) {
                let entry = lines.next().transpose()?.unwrap_or_default();
                report.differs(&format!(
                    "{mailbox};UID={uid} is gone; it was {}",
                    at(&entry, "old")
                ))?;
            }
            if next_uid(lines) == Some(found) && !another {
                let entry = lines.next().transpose()?.unwrap_or_default();
                compare((mailbox, row), &entry, hashes, report)?;
            }
        }
        if another {
            missing = Some("the mailbox has another UIDVALIDITY".to_owned());
        } else if page.get("more").is_none_or(Value::is_null) {
            missing = Some("gone".to_owned());
        }
    }
    Ok(())
}

fn compare(
    (mailbox, row): (&str, &Value),
    entry: &Value,
    hashes: Hashes,
    report: &mut Report,
) -> Result<(), Complaint> {
    let octets = hashes.octets;
    let (blake3, sha256) = hashes.finish();
    let same = *at(entry, "octets") == json!(octets)
        && *at(entry, "blake3") == json!(blake3)
        && *at(entry, "sha256") == json!(sha256);
    let uid = at(row, "uid");
    if !same {
        return report.differs(&format!("{mailbox};UID={uid} has other octets"));
    }
    if at(row, "date") != at(entry, "date") {
        return report.differs(&format!("{mailbox};UID={uid} has another date"));
    }
    report.same += 1;
    report.octets += octets;
    let words = |value: &Value| -> BTreeSet<String> {
        let words = at(value, "flags").as_array().into_iter().flatten();
        words
            .filter_map(Value::as_str)
            .map(str::to_ascii_lowercase)
            .collect()
    };
    report.flags += u64::from(words(row) != words(entry));
    Ok(())
}
