//! Makes a backup: reads all rows as they were at one instant, and writes what the repository does
//! not have.
//!
//! Chunks of rows are made and asked for in windows, so that memory does not grow with what is
//! kept. A chunk is written after the bodies that it mentions: so what a chunk mentions that the
//! repository has is there as well, and nobody looks for it. Only where packs have gone since the
//! last backup is everything looked for.
//!
//! Not here: how rows and bodies are fetched ([`Source`]), and how fast.

use std::collections::HashSet;

use bytes::Bytes;
use mail::{BlobRange, Timestamp};
use post::StoredBody;
use store::{Hint, SnapshotRow, Sought};

use crate::catalogue::Catalogue;
use crate::chunk::{Chunk, Cutter, digest};
use crate::extra::{self, Extra};
use crate::manifest::{Manifest, Part, Writer};
use crate::pack::Packer;
use crate::repository::Repository;
use crate::source::Source;
use crate::{BODIES, Digest, Error, Outcome, ROWS};

/// A pack of bodies ends with the body with which it has so many octets.
pub(crate) const BODY_PACK_OCTETS: u64 = 64 << 20;
/// The same for chunks of rows.
pub(crate) const ROW_PACK_OCTETS: u64 = 16 << 20;
/// Octets of rows that are asked for together.
const WINDOW_OCTETS_MAX: usize = 16 << 20;
/// Bodies that are asked for together, some hundred octets each.
const WINDOW_BODIES_MAX: usize = 1 << 16;
/// Octets of a body that are fetched at once.
const PIECE_OCTETS: u64 = 1 << 20;

/// What was made.
#[derive(Clone, Debug)]
pub struct Created {
    /// The backup.
    pub manifest: Manifest,
    /// Octets that were written, its manifest left out.
    pub written: u64,
    /// Bodies that were written.
    pub bodies: u64,
    /// Chunks of rows that were.
    pub chunks: u64,
    /// What is wrong with packs that are there.
    pub flaws: Vec<String>,
    /// The bodies that could not be had, as far as they are told one by one.
    pub lost: Vec<Digest>,
    /// The files that could not be read and why, as far as they are told one by one.
    pub unread: Vec<String>,
}

/// Bodies, and files, that are told one by one; of the others only the number.
const LOST_MAX: usize = 100;

/// What a window gathers.
#[derive(Default)]
struct Window {
    chunks: Vec<Chunk>,
    octets: usize,
    mentions: usize,
}

/// The work.
struct Maker<'r, 's> {
    repository: &'r Repository,
    source: &'s mut dyn Source,
    writer: Writer,
    /// The packs that there are, and the one that is being written.
    bodies: (Catalogue<'r>, Packer),
    rows: (Catalogue<'r>, Packer),
    /// Chunks that are there are not believed to have their bodies there.
    thorough: bool,
    body_count: u64,
    chunk_count: u64,
    lost: HashSet<Digest>,
    unread: Vec<String>,
}

/// Makes a backup of what was at a moment, the commit `sequence` the last. The files beside the
/// store are asked for one by one, and each is closed before the next.
///
/// # Errors
///
/// If the repository or the source says no; what was written by then is used by the next one.
pub fn create(
    repository: &Repository,
    source: &mut dyn Source,
    extras: &mut dyn Iterator<Item = Extra>,
    (made, host, sequence): (Timestamp, &str, u64),
) -> Outcome<Created> {
    let _held = repository.hold()?;
    let bodies = Catalogue::open(repository, BODIES)?;
    let mut maker = Maker {
        thorough: has_gaps(repository, bodies.packs())?,
        repository,
        source,
        writer: Writer::begin(repository, made, host, sequence)?,
        bodies: (bodies, Packer::new(repository, BODIES, BODY_PACK_OCTETS)),
        rows: (
            Catalogue::open(repository, ROWS)?,
            Packer::new(repository, ROWS, ROW_PACK_OCTETS),
        ),
        body_count: 0,
        chunk_count: 0,
        lost: HashSet::new(),
        unread: Vec::new(),
    };
    for extra in extras {
        maker.file(extra)?;
    }
    maker.all_rows()?;
    maker.finish()
}

/// True if packs of bodies have gone that the last backup knew of, or that backup cannot be read.
fn has_gaps(repository: &Repository, packs: &[Digest]) -> Outcome<bool> {
    let last = match repository.manifest(None) {
        Ok(last) => last,
        Err(Error::NoBackup(_)) => return Ok(false),
        Err(error) if error.is_loss() => return Ok(true),
        Err(error) => return Err(error),
    };
    let there: HashSet<&Digest> = packs.iter().collect();
    let mut parts = last.parts(repository)?;
    // What the store did not have it may have again.
    let mut gaps = last.sums().lost > 0;
    while let Some(part) = parts.next()? {
        if let Part::Packs(packs) = part {
            gaps |= packs.iter().any(|pack| !there.contains(pack));
        }
    }
    Ok(gaps)
}

impl Maker<'_, '_> {
    fn file(&mut self, Extra { path, content }: Extra) -> Outcome<()> {
        let put = match content {
            Ok(mut content) => extra::put(&mut *content, self.repository, &mut self.rows)?,
            Err(error) => Err(error),
        };
        if self.rows.1.is_full() {
            self.finish_rows()?;
        }
        match put {
            Ok(digest) => self.writer.file(&path, digest),
            Err(error) => {
                if self.unread.len() < LOST_MAX {
                    self.unread.push(format!("{path}: {error}"));
                }
                self.writer.unread(&path, &error.to_string())
            }
        }
    }

    fn all_rows(&mut self) -> Outcome<()> {
        let mut cutter = Cutter::default();
        let mut window = Window::default();
        let mut next = Some(Bytes::new());
        while let Some(from) = next {
            let page = self.source.rows(from)?;
            let mut rest = &page.octets[..];
            while !rest.is_empty() {
                let row = SnapshotRow::take(&mut rest);
                let row = row.ok_or_else(|| Error::Source("rows that are none".to_owned()))?;
                if let Some(chunk) = cutter.row(&row) {
                    self.gather(chunk, &mut window)?;
                }
            }
            next = page.next;
        }
        if let Some(chunk) = cutter.end() {
            self.gather(chunk, &mut window)?;
        }
        self.settle(window)
    }

    fn gather(&mut self, chunk: Chunk, window: &mut Window) -> Outcome<()> {
        window.octets += chunk.octets.len();
        window.mentions += chunk.mentions.len();
        window.chunks.push(chunk);
        if window.octets >= WINDOW_OCTETS_MAX || window.mentions >= WINDOW_BODIES_MAX {
            let window = std::mem::take(window);
            self.settle(window)?;
        }
        Ok(())
    }

    /// Writes what a window has and the repository does not.
    fn settle(&mut self, window: Window) -> Outcome<()> {
        let digests: Vec<Digest> = window.chunks.iter().map(|chunk| chunk.digest).collect();
        let known = self.rows.0.find(&digests)?;
        let is_new =
            |chunk: &Chunk, known: bool, packer: &Packer| !known && !packer.has(&chunk.digest);
        let mut mentions = Vec::new();
        for (chunk, place) in window.chunks.iter().zip(&known) {
            if self.thorough || is_new(chunk, place.is_some(), &self.rows.1) {
                mentions.extend_from_slice(&chunk.mentions);
            }
        }
        self.put_bodies(mentions)?;
        for (chunk, place) in window.chunks.into_iter().zip(known) {
            if is_new(&chunk, place.is_some(), &self.rows.1) {
                self.put_rows(chunk.digest, &chunk.octets)?;
                self.chunk_count += 1;
            }
            let octets = chunk.mentions.iter().map(|mention| mention.octets).sum();
            let messages = chunk.mentions.len() as u64;
            self.writer.sums.messages += messages;
            self.writer.sums.message_octets += octets;
            self.source.passed(messages, octets);
            let size = (chunk.rows, chunk.octets.len() as u64);
            self.writer.chunk(chunk.partition, chunk.digest, size)?;
        }
        Ok(())
    }

    fn put_rows(&mut self, digest: Digest, octets: &[u8]) -> Outcome<()> {
        let (_, packer) = &mut self.rows;
        packer.write(self.repository, octets)?;
        packer.end(Some(digest));
        if packer.is_full() {
            self.finish_rows()?;
        }
        Ok(())
    }

    /// A chunk is never there before the bodies that it mentions.
    fn finish_rows(&mut self) -> Outcome<()> {
        finish(&mut self.bodies)?;
        finish(&mut self.rows)
    }

    /// Writes the bodies that are not there.
    fn put_bodies(&mut self, mut mentions: Vec<StoredBody>) -> Outcome<()> {
        mentions.sort_unstable_by_key(|mention| mention.blob);
        mentions.dedup_by_key(|mention| mention.blob);
        mentions.retain(|mention| !self.bodies.1.has(&digest(mention.blob)));
        let digests: Vec<Digest> = mentions.iter().map(|one| digest(one.blob)).collect();
        let mut known = self.bodies.0.find(&digests)?.into_iter();
        mentions.retain(|_| known.next().flatten().is_none());
        // Where the store has them one behind the other, they are fetched so.
        mentions.sort_by_key(|mention| mention.hint.unwrap_or(Hint::NONE).0);
        let mut pieces = Vec::new();
        let mut ends = Vec::new();
        for mention in &mentions {
            pieces.extend(pieces_of(mention));
            ends.push(pieces.len());
        }
        let Self {
            repository,
            source,
            bodies: (catalogue, packer),
            body_count,
            lost,
            writer,
            ..
        } = self;
        let (mut at, mut piece, mut whole) = (0, 0, true);
        source.bodies(&pieces, &mut |octets| {
            match octets {
                Some(octets) if whole => packer.write(repository, &octets)?,
                _ => whole = false,
            }
            piece += 1;
            if ends.get(at) != Some(&piece) {
                return Ok(());
            }
            let wanted = mentions.get(at).map(|mention| digest(mention.blob));
            if !whole {
                packer.abandon();
            }
            match wanted {
                Some(wanted) if packer.end(Some(wanted)).is_none() => {
                    if lost.len() < LOST_MAX {
                        lost.insert(wanted);
                    }
                    writer.lost(wanted)?;
                }
                _ => *body_count += 1,
            }
            (at, whole) = (at + 1, true);
            if packer.is_full() {
                packer.finish()?;
                catalogue.add(packer);
            }
            Ok(())
        })
    }

    fn finish(mut self) -> Outcome<Created> {
        self.finish_rows()?;
        let (bodies, packed_bodies) = self.bodies;
        let (rows, packed_rows) = self.rows;
        let manifest = self.writer.finish(self.repository, bodies.packs())?;
        let mut lost: Vec<Digest> = self.lost.into_iter().collect();
        lost.sort_unstable();
        Ok(Created {
            manifest,
            written: packed_bodies.written + packed_rows.written,
            bodies: self.body_count,
            chunks: self.chunk_count,
            flaws: [bodies.flaws, rows.flaws].concat(),
            lost,
            unread: self.unread,
        })
    }
}

fn finish((catalogue, packer): &mut (Catalogue<'_>, Packer)) -> Outcome<()> {
    packer.finish()?;
    catalogue.add(packer);
    Ok(())
}

/// A body in pieces, at least one.
fn pieces_of(mention: &StoredBody) -> impl Iterator<Item = Sought> {
    let StoredBody { blob, octets, hint } = *mention;
    let count = octets.div_ceil(PIECE_OCTETS).max(1);
    (0..count).map(move |number| {
        let offset = number * PIECE_OCTETS;
        let len = PIECE_OCTETS.min(octets - offset);
        let range = BlobRange { blob, offset, len };
        Sought {
            range,
            len: octets,
            hint: hint.unwrap_or(Hint::NONE),
        }
    })
}
