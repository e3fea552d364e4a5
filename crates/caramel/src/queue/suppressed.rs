//! Addresses at other hosts to which nothing is sent for a while.

use clap::Args;
use serde_json::{Value, json};

use super::{IDS_AT_ONCE, moment};
use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::Talk;
use crate::told::{number, text};

/// Which addresses.
#[derive(Debug, Args)]
pub(crate) struct Addresses {
    /// The addresses.
    #[arg(required_unless_present = "all")]
    addresses: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "addresses")]
    all: bool,
}

/// Lists them, with what their hosts said.
pub(super) fn list(config: &Config, listing: &Listing) -> Result<(), Complaint> {
    let mut told = 0_u64;
    walk(&mut Talk::begin(config)?, |one| {
        told += 1;
        if listing.json {
            return say(&one.to_string());
        }
        let said: String = text(one, "said").chars().map(shown).collect();
        say(&format!(
            "{}  since {}, until {}\n          {said}",
            text(one, "address"),
            moment(one, "since"),
            moment(one, "until"),
        ))
    })?;
    match listing.json {
        true => Ok(()),
        false => say(&format!("{}.", addresses(told))),
    }
}

/// Lets mail go to them again.
pub(super) fn free(config: &Config, which: &Addresses) -> Result<(), Complaint> {
    let mut talk = Talk::begin(config)?;
    let mut named = which.addresses.clone();
    if which.all {
        walk(&mut talk, |one| {
            named.push(text(one, "address").to_owned());
            Ok(())
        })?;
    }
    let mut freed = 0;
    for named in named.chunks(IDS_AT_ONCE) {
        let done = talk.ask("Queue/unsuppress", &json!({ "addresses": named }))?;
        freed += number(&done, "freed");
    }
    say(&format!("Mail goes to {} again.", addresses(freed)))
}

/// Goes through them, page by page.
fn walk(
    talk: &mut Talk,
    mut each: impl FnMut(&Value) -> Result<(), Complaint>,
) -> Result<(), Complaint> {
    let mut after = Value::Null;
    loop {
        let page = talk.ask("Queue/suppressed", &json!({ "after": after }))?;
        let list = page.get("list").and_then(Value::as_array);
        let list = list.map(Vec::as_slice).unwrap_or_default();
        list.iter().try_for_each(&mut each)?;
        let more = page.get("more").and_then(Value::as_bool) == Some(true);
        match list.last().filter(|_| more) {
            Some(last) => after = json!(text(last, "address")),
            None => return Ok(()),
        }
    }
}

/// Another host's words: nothing in them moves the cursor.
fn shown(letter: char) -> char {
    if letter.is_control() { '?' } else { letter }
}

fn addresses(count: u64) -> String {
    match count {
        1 => "1 address".to_owned(),
        count => format!("{count} addresses"),
    }
}
