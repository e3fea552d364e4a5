//! Scripts of accounts: put, listed, one of them made the one that runs.

use std::path::Path;

use serde_json::{Value, json};

use super::name_of;
use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::ask;
use crate::input;

/// Keeps a script.
pub(super) fn put(
    config: &Config,
    account: &str,
    (file, name): (&Path, Option<&str>),
    activates: bool,
) -> Result<(), Complaint> {
    let name = name.map_or_else(|| name_of(file), str::to_owned);
    let text = input::message(file)?;
    let text = String::from_utf8(text).map_err(|_| {
        let complaint = Complaint::new(format!("{} is no script", file.display()));
        complaint.because("it is not UTF-8")
    })?;
    let arguments = json!({ "account": account, "name": name, "text": text });
    let answer = ask(config, "Script/put", &arguments)?;
    let warnings = answer.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        say(&format!("{}: {warning}", file.display()))?;
    }
    if activates {
        return activate(config, account, Some(&name));
    }
    say(&format!("{account} has the script {name}."))
}

/// Lists an account's scripts.
pub(super) fn list(config: &Config, account: &str, listing: &Listing) -> Result<(), Complaint> {
    let answer = ask(config, "Script/list", &json!({ "account": account }))?;
    crate::directory::show(&answer, listing, |script| {
        let name = script.get("name").and_then(Value::as_str);
        let octets = script.get("octets").and_then(Value::as_u64);
        let active = script.get("active").and_then(Value::as_bool);
        let active = if active == Some(true) {
            " (active)"
        } else {
            ""
        };
        let (name, octets) = (name.unwrap_or_default(), octets.unwrap_or_default());
        format!("{name}\t{octets} octets{active}")
    })
}

/// Writes a script's text to standard output.
pub(super) fn get(config: &Config, account: &str, name: &str) -> Result<(), Complaint> {
    let arguments = json!({ "account": account, "name": name });
    let answer = ask(config, "Script/get", &arguments)?;
    let text = answer.get("text").and_then(Value::as_str);
    let text = text.unwrap_or_default();
    say(text.strip_suffix('\n').unwrap_or(text))
}

/// Makes a script the one that runs, or none.
pub(super) fn activate(
    config: &Config,
    account: &str,
    name: Option<&str>,
) -> Result<(), Complaint> {
    let arguments = json!({ "account": account, "name": name });
    ask(config, "Script/activate", &arguments)?;
    match name {
        Some(name) => say(&format!(
            "{name} runs for what comes to {account} from now on."
        )),
        None => say(&format!("No script runs for {account} any more.")),
    }
}

/// Removes a script.
pub(super) fn remove(config: &Config, account: &str, name: &str) -> Result<(), Complaint> {
    let arguments = json!({ "account": account, "name": name });
    ask(config, "Script/remove", &arguments)?;
    say(&format!("{account} has no script {name} any more."))
}

/// Gives a script another name.
pub(super) fn rename(
    config: &Config,
    account: &str,
    (name, new): (&str, &str),
) -> Result<(), Complaint> {
    let arguments = json!({ "account": account, "name": name, "newName": new });
    ask(config, "Script/rename", &arguments)?;
    say(&format!("{name} of {account} is called {new} now."))
}
