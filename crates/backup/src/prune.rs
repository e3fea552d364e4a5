//! Removes backups, and what only they had.
//!
//! Whatever the others have is marked first; nothing is removed if that is not sure. Then packs of
//! rows go, then those of bodies: a chunk is never there without the bodies that it mentions. A
//! pack of which others need a part is written anew without the rest: of rows always, so that no
//! chunk stays that nobody needs; of bodies where less than half of it is needed.
//!
//! Not here: which backups (`caramel`).

use std::collections::HashSet;

use post::stored_body;

use crate::catalogue::{Catalogue, Place};
use crate::chunk::{self, CHUNK_OCTETS_MAX, digest};
use crate::create::{BODY_PACK_OCTETS, ROW_PACK_OCTETS};
use crate::manifest::{Manifest, Part};
use crate::pack::Packer;
use crate::repository::Repository;
use crate::{BODIES, Digest, Error, MANIFESTS, Outcome, ROWS};

/// Items that are looked for together.
const WINDOW_MAX: usize = 1 << 16;
/// Octets of an item that are copied at once.
const PIECE_OCTETS: usize = 1 << 20;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Backups.
    pub backups: u64,
    /// Packs.
    pub packs: u64,
    /// Octets of items that are gone.
    pub octets: u64,
    /// Octets that were written anew.
    pub written: u64,
}

/// Which items of which packs are needed: a bit for each.
#[derive(Default)]
struct Marks(Vec<Vec<u64>>);

impl Marks {
    fn set(&mut self, place: &Place) {
        if self.0.len() <= place.pack {
            self.0.resize_with(place.pack + 1, Vec::new);
        }
        let word = place.at / 64;
        if let Some(pack) = self.0.get_mut(place.pack) {
            if pack.len() <= word {
                pack.resize(word + 1, 0);
            }
            if let Some(word) = pack.get_mut(word) {
                *word |= 1 << (place.at % 64);
            }
        }
    }

    fn has(&self, pack: usize, at: usize) -> bool {
        let word = self.0.get(pack).and_then(|pack| pack.get(at / 64));
        word.is_some_and(|word| word & 1 << (at % 64) != 0)
    }
}

/// Removes backups by their names, and what only they had.
///
/// # Errors
///
/// If something that others need cannot be read; then nothing was removed. Or if the medium says
/// no: then some of it may be gone, and what others need is there.
pub fn prune(repository: &Repository, names: &[String]) -> Outcome<Pruned> {
    let _held = repository.hold()?;
    let mut rows = Catalogue::open(repository, ROWS)?;
    let mut bodies = Catalogue::open(repository, BODIES)?;
    let (mut row_marks, mut body_marks) = (Marks::default(), Marks::default());
    let needed = needed(repository, names)?;
    mark(&mut rows, &needed, &mut row_marks)?;
    mark_bodies(&mut rows, &mut bodies, &needed, &mut body_marks)?;
    let mut pruned = Pruned::default();
    for name in names {
        repository.remove(&format!("{MANIFESTS}/{name}"))?;
        pruned.backups += 1;
    }
    sweep(repository, (&mut rows, ROWS), &row_marks, &mut pruned)?;
    sweep(repository, (&mut bodies, BODIES), &body_marks, &mut pruned)?;
    Ok(pruned)
}

/// The chunks and files of the backups that stay.
fn needed(repository: &Repository, names: &[String]) -> Outcome<Vec<Digest>> {
    let mut needed = HashSet::new();
    for listed in repository.backups()? {
        if names.contains(&listed.name) {
            continue;
        }
        let manifest = Manifest::open(repository, &listed.name)?;
        let mut parts = manifest.parts(repository)?;
        while let Some(part) = parts.next()? {
            if let Part::Chunk { digest, .. } | Part::File { digest, .. } = part {
                needed.insert(digest);
            }
        }
    }
    Ok(needed.into_iter().collect())
}

/// Marks what is needed, as far as it is there.
fn mark(catalogue: &mut Catalogue<'_>, needed: &[Digest], marks: &mut Marks) -> Outcome<()> {
    for window in needed.chunks(WINDOW_MAX) {
        let places = catalogue.find(window)?;
        places.iter().flatten().for_each(|place| marks.set(place));
    }
    match catalogue.flaws.first() {
        None => Ok(()),
        // What is in it nobody knows.
        Some(flaw) => Err(Error::damaged("the repository", flaw.clone())),
    }
}

/// Marks the bodies that needed chunks mention.
fn mark_bodies(
    rows: &mut Catalogue<'_>,
    bodies: &mut Catalogue<'_>,
    needed: &[Digest],
    marks: &mut Marks,
) -> Outcome<()> {
    let mut window = Vec::new();
    for some in needed.chunks(WINDOW_MAX) {
        for place in rows.find(some)?.into_iter().flatten() {
            let octets = rows.read(place, CHUNK_OCTETS_MAX)?;
            // A file is no chunk.
            let Some((partition, chunk_rows)) = chunk::read(&octets) else {
                continue;
            };
            for row in chunk_rows {
                let mentioned = stored_body(partition, row.table, row.value);
                window.extend(mentioned.map(|mention| digest(mention.blob)));
            }
            if window.len() >= WINDOW_MAX {
                mark(bodies, &window, marks)?;
                window.clear();
            }
        }
    }
    mark(bodies, &window, marks)
}

/// Removes what is not marked.
fn sweep(
    repository: &Repository,
    (catalogue, folder): (&mut Catalogue<'_>, &'static str),
    marks: &Marks,
    pruned: &mut Pruned,
) -> Outcome<()> {
    let octets_max = match folder {
        ROWS => ROW_PACK_OCTETS,
        _ => BODY_PACK_OCTETS,
    };
    let mut packer = Packer::new(folder, octets_max);
    let mut emptied = Vec::new();
    for pack in 0..catalogue.packs().len() {
        let index = catalogue.index(pack)?;
        let (mut kept, mut gone) = (0, 0);
        for (at, entry) in index.entries().enumerate() {
            match marks.has(pack, at) {
                true => kept += entry.len,
                false => gone += entry.len,
            }
        }
        let is_all_needed = index
            .entries()
            .enumerate()
            .all(|(at, _)| marks.has(pack, at));
        if is_all_needed || (folder == BODIES && kept > gone) {
            continue;
        }
        for (at, entry) in index.entries().enumerate() {
            if marks.has(pack, at) {
                copy(
                    repository,
                    catalogue,
                    &mut packer,
                    Place { pack, at, entry },
                )?;
            }
        }
        emptied.push(catalogue.path(pack));
        pruned.octets += gone;
    }
    packer.finish()?;
    pruned.written += packer.written;
    let written: Vec<String> = packer
        .finished
        .iter()
        .map(|name| format!("{folder}/{name}"))
        .collect();
    for path in emptied.iter().filter(|path| !written.contains(path)) {
        repository.remove(path)?;
        pruned.packs += 1;
    }
    Ok(())
}

fn copy(
    repository: &Repository,
    catalogue: &mut Catalogue<'_>,
    packer: &mut Packer,
    place: Place,
) -> Outcome<()> {
    let mut pieces = catalogue.pieces(place, PIECE_OCTETS)?;
    while let Some(piece) = pieces.next()? {
        packer.write(repository, &piece)?;
    }
    packer.end(Some(place.entry.digest));
    if packer.is_full() {
        packer.finish()?;
    }
    Ok(())
}
