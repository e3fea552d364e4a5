//! Removes backups, and what only they had.
//!
//! Whatever the others have is marked first; nothing is removed if that is not sure. Then packs of
//! rows go, then those of bodies: a chunk is never there without the bodies that it mentions. A
//! pack of which others need a part is written anew without the rest: of rows always, so that no
//! chunk stays that nobody needs; of bodies where less than half of it is needed. A pack of bodies
//! of which a needed one cannot be read stays as it is.
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Backups.
    pub backups: u64,
    /// Packs.
    pub packs: u64,
    /// Octets of items that are gone.
    pub octets: u64,
    /// Octets that were written anew.
    pub written: u64,
    /// What is wrong with packs that stay as they are.
    pub flaws: Vec<String>,
}

/// What the backups that stay name.
#[derive(Default)]
struct Needed {
    chunks: Vec<Digest>,
    files: Vec<Digest>,
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
    // All of them are written anew or removed, so each has to be readable.
    (0..rows.packs().len()).try_for_each(|pack| rows.index(pack).map(drop))?;
    mark(&mut rows, &needed.chunks, &mut row_marks)?;
    mark(&mut rows, &needed.files, &mut row_marks)?;
    read_files(&mut rows, &needed.files)?;
    mark_bodies(&mut rows, &mut bodies, &needed.chunks, &mut body_marks)?;
    if let Some(flaw) = rows.flaws.first() {
        return Err(Error::damaged("the repository", flaw.clone()));
    }
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
fn needed(repository: &Repository, names: &[String]) -> Outcome<Needed> {
    let (mut chunks, mut files) = (HashSet::new(), HashSet::new());
    for listed in repository.backups()? {
        if names.contains(&listed.name) {
            continue;
        }
        let manifest = Manifest::open(repository, &listed.name)?;
        let mut parts = manifest.parts(repository)?;
        while let Some(part) = parts.next()? {
            match part {
                Part::Chunk { digest, .. } => chunks.insert(digest),
                Part::File { digest, .. } => files.insert(digest),
                _ => false,
            };
        }
    }
    Ok(Needed {
        chunks: chunks.into_iter().collect(),
        files: files.into_iter().collect(),
    })
}

/// Marks what is needed, as far as it is there.
fn mark(catalogue: &mut Catalogue<'_>, needed: &[Digest], marks: &mut Marks) -> Outcome<()> {
    for window in needed.chunks(WINDOW_MAX) {
        let places = catalogue.find(window)?;
        places.iter().flatten().for_each(|place| marks.set(place));
    }
    Ok(())
}

/// Reads the files that are needed, as far as they are there: what is damaged would stop the work
/// later.
fn read_files(rows: &mut Catalogue<'_>, files: &[Digest]) -> Outcome<()> {
    for window in files.chunks(WINDOW_MAX) {
        for place in rows.find(window)?.into_iter().flatten() {
            let mut pieces = rows.pieces(place, PIECE_OCTETS)?;
            while pieces.next()?.is_some() {}
        }
    }
    Ok(())
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
            let read = chunk::read(&octets);
            let (partition, chunk_rows) = read.ok_or_else(|| {
                let what = format!("{} in {}", place.entry.digest, rows.path(place.pack));
                Error::damaged(what, "it is no chunk")
            })?;
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
    let mut packer = Packer::new(repository, folder, octets_max);
    let mut emptied = Vec::new();
    for pack in 0..catalogue.packs().len() {
        let index = match catalogue.index(pack) {
            Ok(index) => index,
            Err(error) => {
                stay(folder, error, pruned)?;
                continue;
            }
        };
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
        let needed = index.entries().enumerate();
        let needed = needed.filter(|(at, _)| marks.has(pack, *at));
        let mut places = needed.map(|(at, entry)| Place { pack, at, entry });
        let copied = places.try_for_each(|place| copy(repository, catalogue, &mut packer, place));
        match copied {
            Ok(()) => {}
            Err(Stop::Unread(error)) => {
                packer.abandon();
                stay(folder, error, pruned)?;
                continue;
            }
            Err(Stop::Other(error)) => return Err(error),
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

/// Why an item was not copied.
enum Stop {
    /// It cannot be read.
    Unread(Error),
    /// Nothing more can be written.
    Other(Error),
}

/// Leaves a pack as it is, and names it. Only one of bodies: a chunk of rows that nobody needs
/// would be believed to have its bodies there.
fn stay(folder: &str, error: Error, pruned: &mut Pruned) -> Outcome<()> {
    if folder != BODIES {
        return Err(error);
    }
    pruned
        .flaws
        .push(format!("{error}; the pack stays as it is"));
    Ok(())
}

fn copy(
    repository: &Repository,
    catalogue: &mut Catalogue<'_>,
    packer: &mut Packer,
    place: Place,
) -> Result<(), Stop> {
    let pieces = catalogue.pieces(place, PIECE_OCTETS);
    let mut pieces = pieces.map_err(Stop::Unread)?;
    while let Some(piece) = pieces.next().map_err(Stop::Unread)? {
        packer.write(repository, &piece).map_err(Stop::Other)?;
    }
    packer.end(Some(place.entry.digest));
    if packer.is_full() {
        packer.finish().map_err(Stop::Other)?;
    }
    Ok(())
}
