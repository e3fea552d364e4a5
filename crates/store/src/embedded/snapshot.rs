//! Snapshots of the view: all rows, versions and places of one instant in one file. Segments of the
//! log before it can go, as the view is made again from the snapshot and the log behind it.
//!
//! ```text
//! file:   "caramsnp" format:u32 segment:u64 offset:u64 sequence:u64 crc:u32,
//!         frames, an empty frame
//! frame:  length:u32 crc:u32, then length octets: (space:u8 key:u32 value:u32 key value)*
//! ```
//!
//! A frame's checksum covers the snapshot's sequence number and the frame's own number as well. A
//! file gets its name when it is durable and was read back; so one that is there is whole, or was
//! damaged later. Of a damaged one nothing is used.
//!
//! Not here: when one is written, and what goes then (`reclaim`).

use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::forms;
use super::log::Position;
use super::view::{Frozen, Rows, Space};
use crate::backend::Error;
use crate::disk::{Cursor, Disk, DiskFile, failed, gone};

/// What its file begins with, before the version.
pub(super) const NAME: [u8; 8] = *b"caramsnp";
/// The version of its form.
pub(super) const FORMAT: u32 = 1;
const MAGIC: [u8; 12] = forms::magic(NAME, FORMAT);
const HEADER_OCTETS: usize = 40;
const FRAME_HEADER_OCTETS: usize = 8;
/// A frame that says it is longer is damaged. One row can be as large as a batch.
const FRAME_OCTETS_MAX: usize = 128 << 20;
const READ_OCTETS: usize = 1 << 20;
const WHOLE: &str = "snap";
const DRAFT: &str = "new";

/// What the log goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// Nothing: it is there from its beginning.
    Beginning,
    /// A snapshot, by its file and where the log goes on.
    Snapshot(PathBuf, Position),
    /// A snapshot that cannot be read.
    Damaged(PathBuf),
}

impl Base {
    /// The newest snapshot.
    pub(super) fn find(disk: &dyn Disk, dir: &Path) -> Result<Self, Error> {
        let mut damaged = Self::Beginning;
        for path in files(disk, dir, WHOLE)?.into_iter().rev() {
            match header(disk, &path) {
                Ok(position) => return Ok(Self::Snapshot(path, position)),
                Err(Error::Damaged(_)) => damaged = Self::Damaged(path),
                Err(other) => return Err(other),
            }
        }
        Ok(damaged)
    }

    /// The first segment that has to be there, where the log is read from a position on.
    pub(super) fn floor(&self, from: Option<Position>) -> u64 {
        match self {
            Self::Beginning => 1,
            Self::Snapshot(_, position) => position.segment,
            Self::Damaged(_) => from.map_or(1, |from| from.segment),
        }
    }

    /// True if a view that is durable up to there has to be made again.
    pub(super) fn is_beyond(&self, durable: Option<Position>) -> bool {
        let durable = durable.map_or(0, |durable| durable.sequence);
        matches!(self, Self::Snapshot(_, position) if position.sequence > durable)
    }
}

/// A snapshot that is being written.
#[derive(Debug)]
pub(super) struct Draft {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    position: Position,
    frames: u64,
    /// Octets written.
    pub(super) octets: u64,
    kept: bool,
}

impl Draft {
    pub(super) fn begin(disk: Arc<dyn Disk>, dir: &Path, at: Position) -> Result<Self, Error> {
        let path = dir.join(format!("{:016x}.{DRAFT}", at.sequence));
        let file = disk.create(&path).map_err(writing())?;
        let mut draft = Self {
            disk,
            dir: dir.to_owned(),
            path,
            file,
            position: at,
            frames: 0,
            octets: 0,
            kept: false,
        };
        draft.write(&encode_header(at))?;
        Ok(draft)
    }

    /// Adds a piece of the view.
    pub(super) fn add(&mut self, space: Space, rows: &Rows) -> Result<(), Error> {
        let mut octets = vec![0; FRAME_HEADER_OCTETS];
        for (key, value) in rows {
            octets.push(space.number());
            for len in [key.len(), value.len()] {
                let len = u32::try_from(len).unwrap_or(u32::MAX);
                octets.extend_from_slice(&len.to_be_bytes());
            }
            octets.extend_from_slice(key);
            octets.extend_from_slice(value);
        }
        self.frame(octets)
    }

    /// Makes it durable, reads it back, and gives it its name; older ones go. Says how many octets
    /// it has.
    pub(super) fn finish(mut self) -> Result<u64, Error> {
        self.frame(vec![0; FRAME_HEADER_OCTETS])?;
        self.file.sync().map_err(writing())?;
        load(&*self.disk, &self.path, &mut |_, _, _| Ok(()))?;
        let whole = self.path.with_extension(WHOLE);
        let keep = || {
            self.disk.rename(&self.path, &whole)?;
            self.disk.sync_dir(&self.dir)
        };
        keep().map_err(writing())?;
        self.kept = true;
        Ok(self.octets)
    }

    fn frame(&mut self, mut octets: Vec<u8>) -> Result<(), Error> {
        let Some((head, body)) = octets.split_first_chunk_mut::<FRAME_HEADER_OCTETS>() else {
            return Ok(());
        };
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let crc = crc(self.position.sequence, self.frames, body);
        let (front, back) = head.split_at_mut(4);
        front.copy_from_slice(&len.to_be_bytes());
        back.copy_from_slice(&crc.to_be_bytes());
        self.frames += 1;
        self.write(&octets)
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        let written = self.file.write_at(octets, self.octets);
        self.octets += octets.len() as u64;
        written.map_err(writing())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // A draft that stays behind is removed at the next open.
            drop(self.disk.remove(&self.path));
        }
    }
}

/// Removes snapshots before one.
pub(super) fn remove_before(disk: &dyn Disk, dir: &Path, newest: Position) -> Result<(), Error> {
    let name = format!("{:016x}.{WHOLE}", newest.sequence);
    for path in files(disk, dir, WHOLE)? {
        if path.file_name().is_some_and(|known| *known < *name) {
            gone(disk.remove(&path)).map_err(failed("removing a snapshot"))?;
        }
    }
    Ok(())
}

/// Removes what was never finished.
pub(super) fn sweep(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    for path in files(disk, dir, DRAFT)? {
        gone(disk.remove(&path)).map_err(failed("removing a snapshot"))?;
    }
    Ok(())
}

/// What is done with a key and its value.
pub(super) type Each<'a> = dyn FnMut(Space, &[u8], &[u8]) -> Result<(), Error> + 'a;

/// Reads a snapshot, frame after frame, each of them whole.
pub(super) fn load(disk: &dyn Disk, path: &Path, each: &mut Each<'_>) -> Result<(), Error> {
    let position = header(disk, path)?;
    let file = disk.open(path).map_err(reading())?;
    let mut rest = file.len().map_err(reading())? - HEADER_OCTETS as u64;
    let file = Cursor::new(&*file, HEADER_OCTETS as u64);
    let mut file = BufReader::with_capacity(READ_OCTETS, file);
    let mut body = Vec::new();
    for number in 0.. {
        let mut head = [0; FRAME_HEADER_OCTETS];
        fill(&mut file, &mut head, path)?;
        let (len, known) = match head {
            [a, b, c, d, e, f, g, h] => (
                u32::from_be_bytes([a, b, c, d]),
                u32::from_be_bytes([e, f, g, h]),
            ),
        };
        rest = rest.saturating_sub(FRAME_HEADER_OCTETS as u64);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > FRAME_OCTETS_MAX || len as u64 > rest {
            return Err(damaged(path));
        }
        body.resize(len, 0);
        fill(&mut file, &mut body, path)?;
        rest -= len as u64;
        if crc(position.sequence, number, &body) != known {
            return Err(damaged(path));
        }
        if body.is_empty() {
            // Nothing is behind the end.
            return if rest == 0 {
                Ok(())
            } else {
                Err(damaged(path))
            };
        }
        let mut octets = body.as_slice();
        while !octets.is_empty() {
            let (space, key, value) = row(&mut octets).ok_or_else(|| damaged(path))?;
            each(space, key, value)?;
        }
    }
    Err(damaged(path))
}

fn row<'a>(octets: &mut &'a [u8]) -> Option<(Space, &'a [u8], &'a [u8])> {
    let (&space, rest) = octets.split_first()?;
    let space = Space::ALL
        .into_iter()
        .find(|known| known.number() == space)?;
    let (key, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_first_chunk()?;
    let len = |octets: &[u8; 4]| usize::try_from(u32::from_be_bytes(*octets)).ok();
    let (key, rest) = rest.split_at_checked(len(key)?)?;
    let (value, rest) = rest.split_at_checked(len(value)?)?;
    *octets = rest;
    Some((space, key, value))
}

fn encode_header(position: Position) -> Vec<u8> {
    let mut octets = MAGIC.to_vec();
    for number in [position.segment, position.offset, position.sequence] {
        octets.extend_from_slice(&number.to_be_bytes());
    }
    let crc = crc32fast::hash(&octets);
    octets.extend_from_slice(&crc.to_be_bytes());
    octets
}

fn header(disk: &dyn Disk, path: &Path) -> Result<Position, Error> {
    let mut octets = [0; HEADER_OCTETS];
    let file = disk.open(path).map_err(reading())?;
    fill(&mut Cursor::new(&*file, 0), &mut octets, path)?;
    let position = || {
        let number = |at: usize| {
            let octets = octets.get(MAGIC.len() + 8 * at..)?.first_chunk()?;
            Some(u64::from_be_bytes(*octets))
        };
        let position = Position {
            segment: number(0)?,
            offset: number(1)?,
            sequence: number(2)?,
        };
        (encode_header(position) == octets).then_some(position)
    };
    position().ok_or_else(|| damaged(path))
}

/// Files of a kind, by rising sequence number.
fn files(disk: &dyn Disk, dir: &Path, kind: &str) -> Result<Vec<PathBuf>, Error> {
    let listed = disk.list(dir).map_err(failed("listing the snapshots"))?;
    let is_one = |path: &PathBuf| path.extension().is_some_and(|found| found == kind);
    Ok(listed.into_iter().filter(is_one).collect())
}

fn fill(file: &mut impl Read, octets: &mut [u8], path: &Path) -> Result<(), Error> {
    file.read_exact(octets).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => damaged(path),
        _ => reading()(error),
    })
}

fn crc(sequence: u64, number: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.to_be_bytes());
    hasher.update(&number.to_be_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Why nothing of a snapshot is used.
pub(super) fn damaged(path: &Path) -> Error {
    Error::Damaged(format!("the snapshot {} is damaged", path.display()))
}

fn reading() -> impl Fn(io::Error) -> Error {
    failed("reading a snapshot")
}

fn writing() -> impl Fn(io::Error) -> Error {
    failed("writing a snapshot")
}

/// Goes through a space of a view that does not change.
pub(super) fn next(frozen: &Frozen, space: Space, behind: &mut Vec<u8>) -> Result<Rows, Error> {
    let piece = frozen.piece(space, behind)?;
    if let Some((last, _)) = piece.last() {
        *behind = last.to_vec();
    }
    Ok(piece)
}
