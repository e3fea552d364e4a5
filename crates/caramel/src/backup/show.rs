//! `caramel backup show`.

use std::collections::HashMap;

use backup::{Content, Flaw};
use clap::Args;
use post::AccountContents;
use serde_json::{Value, json};
use store::Partition;

use super::{Place, Which, complaint, list};
use crate::cli::{Listing, say};
use crate::complaint::Complaint;

/// Which backup is shown.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    listing: Listing,
}

/// Shows what a backup holds.
pub(super) fn run(show: &Show) -> Result<(), Complaint> {
    let repository = show.place.open()?;
    let manifest = show.which.find(&repository)?;
    let as_json = show.listing.json;
    say(&list::line(&manifest, as_json))?;
    let mut names = HashMap::new();
    let mut told = Ok(());
    let found = backup::show(&repository, &manifest, &mut |content| {
        if let Content::Account(account) = &content {
            names.insert(account.partition, name(account));
        }
        let lines = match as_json {
            true => vec![in_json(content).to_string()],
            false => in_words(content),
        };
        for line in lines {
            if told.is_ok() {
                told = say(&line);
            }
        }
        Ok(())
    });
    let found = found.map_err(|error| complaint(&error))?;
    told?;
    for Flaw { partition, what } in &found.flaws {
        let whose = match partition {
            Some(Partition::DIRECTORY) | None => "the directory".to_owned(),
            Some(Partition::QUEUE) => "the queue".to_owned(),
            Some(partition) => names.get(partition).cloned().unwrap_or_default(),
        };
        match as_json {
            true => say(&json!({ "account": whose, "flaw": what }).to_string())?,
            false => say(&format!("{whose}: {what}"))?,
        }
    }
    match found.flaw_count {
        0 => Ok(()),
        lost => Err(Complaint::new(format!("{lost} pieces of rows are lost"))
            .because("what is in them does not count")
            .next("caramel backup verify PLACE")),
    }
}

fn name(account: &AccountContents) -> String {
    match &account.address {
        Some(address) => address.to_string(),
        None => format!("account {}", account.partition.0),
    }
}

fn sums(account: &AccountContents) -> (u64, u64) {
    let messages = account.mailboxes.iter().map(|one| one.messages).sum();
    (
        messages,
        account.mailboxes.iter().map(|one| one.octets).sum(),
    )
}

fn in_json(content: Content) -> Value {
    match content {
        Content::File { path } => json!({ "file": path }),
        Content::Unread { path, why } => json!({ "unread": path, "why": why }),
        Content::Account(account) => {
            let mailboxes = account.mailboxes.iter().map(
                |one| json!({ "name": one.name, "messages": one.messages, "octets": one.octets }),
            );
            let (messages, octets) = sums(&account);
            json!({
                "account": name(&account),
                "removed": account.removed,
                "messages": messages,
                "octets": octets,
                "mailboxes": mailboxes.collect::<Vec<_>>(),
            })
        }
    }
}

fn in_words(content: Content) -> Vec<String> {
    let account = match content {
        Content::File { path } => return vec![format!("the file {path}")],
        Content::Unread { path, why } => {
            return vec![format!("the file {path} could not be read: {why}")];
        }
        Content::Account(account) => account,
    };
    let (messages, octets) = sums(&account);
    let removed = match account.removed {
        true => "; removed, and can come back",
        false => "",
    };
    let whole = format!(
        "{}: {messages} messages, {octets} octets{removed}",
        name(&account)
    );
    let mailboxes = account.mailboxes.iter();
    let mailboxes = mailboxes.map(|one| {
        format!(
            "  {}: {} messages, {} octets",
            one.name, one.messages, one.octets
        )
    });
    std::iter::once(whole).chain(mailboxes).collect()
}
