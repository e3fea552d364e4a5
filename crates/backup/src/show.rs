//! What a backup holds: its files, and of each account what there was in it. No body is read.
//!
//! Not here: what rows mean (`post`), and how it is shown (`caramel`).

use post::{AccountContents, Inventory};
use store::Partition;

use crate::catalogue::Catalogue;
use crate::chunk;
use crate::manifest::{Manifest, Part};
use crate::repository::Repository;
use crate::restore::Restored;
use crate::{Digest, Outcome, ROWS};

/// Chunks whose places are looked for together.
const WINDOW_MAX: usize = 256;

/// Something that a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file beside the store.
    File {
        /// Its path; relative to the data folder, or not.
        path: String,
    },
    /// A file beside the store that could not be read.
    Unread {
        /// Its path.
        path: String,
        /// What the disk said.
        why: String,
    },
    /// An account.
    Account(AccountContents),
}

/// Tells what a backup holds: files first, then accounts, those last that have no rows.
///
/// # Errors
///
/// If the repository cannot be read, or `each` says so; rows that are damaged or lost are in what
/// is returned, and do not count.
pub fn show(
    repository: &Repository,
    manifest: &Manifest,
    each: &mut dyn FnMut(Content) -> Outcome<()>,
) -> Outcome<Restored> {
    let mut catalogue = Catalogue::open(repository, ROWS)?;
    let mut found = Restored::default();
    let mut inventory = Inventory::default();
    let mut parts = manifest.parts(repository)?;
    let (mut at, mut window) = (None, Vec::new());
    while let Some(part) = parts.next()? {
        match part {
            Part::File { path, .. } => each(Content::File { path })?,
            Part::Unread { path, why } => each(Content::Unread { path, why })?,
            Part::Partition(partition) => at = Some(partition),
            Part::Chunk { digest, .. } => window.extend(at.map(|at| (at, digest))),
            Part::Lost(_) | Part::Packs(_) => {}
        }
        if window.len() >= WINDOW_MAX {
            let some = std::mem::take(&mut window);
            count(&mut catalogue, &some, &mut inventory, &mut found, each)?;
        }
    }
    count(&mut catalogue, &window, &mut inventory, &mut found, each)?;
    for account in inventory.end() {
        each(Content::Account(account))?;
    }
    Ok(found)
}

/// Counts the rows of some chunks.
fn count(
    catalogue: &mut Catalogue<'_>,
    window: &[(Partition, Digest)],
    inventory: &mut Inventory,
    found: &mut Restored,
    each: &mut dyn FnMut(Content) -> Outcome<()>,
) -> Outcome<()> {
    let digests: Vec<Digest> = window.iter().map(|(_, digest)| *digest).collect();
    let places = catalogue.find(&digests)?;
    for (of, place) in window.iter().zip(places) {
        if let Some(account) = inventory.enter(of.0) {
            each(Content::Account(account))?;
        }
        let Some(octets) = found.chunk(catalogue, *of, place)? else {
            continue;
        };
        for row in chunk::read(&octets).into_iter().flat_map(|(_, rows)| rows) {
            inventory.row(row.table, row.key, row.value);
        }
    }
    Ok(())
}
