//! Which mailboxes there are at a source, and which of them are wanted.
//!
//! RFC 9051 §6.3.9 (LIST), RFC 6154 (roles).

use imap::command::{List, ListReturn, ListSelect};
use imap::response::{Attribute, Listing};
use imap::{Command, MailboxName, Response};
use mail::Role;

use super::Talk;
use crate::fetch::source::Source;
use crate::fetch::trouble::Trouble;

/// Mailboxes that one source may have.
const FOLDERS_MAX: usize = 10_000;

/// A mailbox at a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::fetch) struct Folder {
    pub(in crate::fetch) name: MailboxName,
    /// Its levels, from the top.
    pub(in crate::fetch) levels: Vec<String>,
    pub(in crate::fetch) role: Option<Role>,
}

/// The mailboxes that the source's patterns name, INBOX first.
pub(in crate::fetch) async fn folders(
    talk: &mut Talk,
    source: &Source,
) -> Result<Vec<Folder>, Trouble> {
    // The empty pattern asks for the delimiter.
    // RFC 9051 §6.3.9
    let delimiter = list(talk, source, "").await?;
    let delimiter = delimiter.first().and_then(|listing| listing.delimiter);
    let mut folders: Vec<Folder> = Vec::new();
    for pattern in &source.folders {
        let pattern = match delimiter {
            Some(delimiter) => pattern.replace('/', &delimiter.to_string()),
            None => pattern.clone(),
        };
        let found = list(talk, source, &pattern).await?;
        let found = found.iter().filter_map(folder);
        for folder in found.take(FOLDERS_MAX) {
            if !folders.iter().any(|known| known.name == folder.name) {
                folders.push(folder);
            }
        }
    }
    folders.sort_by_key(|folder| (!folder.name.is_inbox(), folder.levels.clone()));
    folders.truncate(FOLDERS_MAX);
    match folders.is_empty() {
        true => {
            let what = format!("has no mailbox {}", source.folders.join(", "));
            let next = "folders = [\"INBOX\", \"Archive/*\"] names those there are";
            Err(Trouble::unable(source, &what, next))
        }
        false => Ok(folders),
    }
}

async fn list(talk: &mut Talk, source: &Source, pattern: &str) -> Result<Vec<Listing>, Trouble> {
    let mut found = Vec::new();
    let list = Command::List(List {
        select: ListSelect::default(),
        reference: String::new(),
        patterns: vec![pattern.to_owned()],
        returning: ListReturn::default(),
        extended: false,
    });
    talk.good(source, list, |response| {
        if let Response::List(listing) = response
            && found.len() < FOLDERS_MAX
        {
            found.push(listing);
        }
    })
    .await?;
    Ok(found)
}

/// The mailbox, if it can be opened.
fn folder(listing: &Listing) -> Option<Folder> {
    let has = |attribute| listing.attributes.contains(&attribute);
    if has(Attribute::NoSelect) || has(Attribute::NonExistent) {
        return None;
    }
    let mut attributes = listing.attributes.iter();
    let role = attributes.find_map(|attribute| match attribute {
        Attribute::Role(role) => Some(*role),
        _ => None,
    });
    let levels = match listing.delimiter {
        Some(delimiter) => listing.mailbox.as_str().split(delimiter).collect(),
        None => vec![listing.mailbox.as_str()],
    };
    Some(Folder {
        // What separates levels here cannot be within one.
        levels: levels.iter().map(|level| level.replace('/', "_")).collect(),
        role,
        name: listing.mailbox.clone(),
    })
}
