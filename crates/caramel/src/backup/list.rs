//! `caramel backup list`.

use backup::{Manifest, Repository};
use serde_json::json;

use super::Place;
use crate::cli::{Listing, say};
use crate::complaint::Complaint;

/// Lists the backups in a place.
pub(super) fn run(place: &Place, listing: &Listing) -> Result<(), Complaint> {
    let repository = place.open()?;
    let listed = repository
        .backups()
        .map_err(|error| super::complaint(&error))?;
    let mut damaged = 0;
    for one in &listed {
        if let Err(error) = show(&repository, &one.name, listing.json) {
            damaged += 1;
            say(&format!("{}: {error}", one.name))?;
        }
    }
    match damaged {
        0 => Ok(()),
        damaged => Err(Complaint::new(format!("{damaged} backups cannot be read"))),
    }
}

fn show(repository: &Repository, name: &str, json: bool) -> anyhow::Result<()> {
    let manifest = repository.manifest(Some(name))?;
    Ok(say(&line(&manifest, json))?)
}

/// A backup, on a line.
pub(super) fn line(manifest: &Manifest, json: bool) -> String {
    let name = manifest.name();
    let sums = manifest.sums();
    let made = manifest.made().to_rfc3339().to_string();
    match json {
        true => json!({
            "backup": name,
            "made": made,
            "host": manifest.host(),
            "accounts": sums.accounts,
            "messages": sums.messages,
            "octets": sums.message_octets,
            "rows": sums.rows,
            "files": sums.files,
            "lost": sums.lost,
            "unread": sums.unread,
        })
        .to_string(),
        false => format!(
            "{name}  {} accounts, {} messages, {} octets of mail, {}{}{}",
            sums.accounts,
            sums.messages,
            sums.message_octets,
            manifest.host(),
            match sums.lost {
                0 => String::new(),
                lost => format!("; {lost} messages could not be read in the store"),
            },
            match sums.unread {
                0 => String::new(),
                unread => format!("; {unread} files could not be read"),
            }
        ),
    }
}
