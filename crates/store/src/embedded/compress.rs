//! Puts sealed segments into less room, beside the work.
//!
//! A segment to which nothing is written any more is copied, compressed, into another file; that
//! is made durable, and compared with the segment octet for octet; then it gets its name, and only
//! then the longer file goes. Positions stay what they were, so no row, no place and no record
//! changes. One that would not become shorter stays as it is.
//!
//! What a power cut leaves:
//!
//! | after | what is there | why that is well |
//! |---|---|---|
//! | a part of the compressed file | a draft | the next start removes it |
//! | its name | both | the longer one counts; the next start removes the compressed one |
//! | the removal of the longer one | either, or both | they have the same octets |
//!
//! Not here: the form of the file, and how it is read (`compressed`).

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};

use super::Inner;
use super::chores::Chore;
use super::compressed::{self, BLOCK_OCTETS, Compressed, Damage, Encoder};
use super::handles::Source;
use super::log::{compressed_path, segment_path};
use super::segment::Segment;
use crate::backend::Error;
use crate::disk::{Cursor, Disk, DiskFile, failed, gone};
use crate::reclaim::{RateLimit, Reclaimed};

/// Octets that are compressed, or compared, at a time.
const STEP_OCTETS: u64 = 1 << 20;
/// Blocks that are looked at before a segment is compressed, and from which the dictionary is made.
const SAMPLES_MAX: u64 = 512;
/// A dictionary is made from so many blocks, or none is.
const SAMPLES_MIN: usize = 8;
/// A segment of which more than so much of a hundred would be left stays as it is.
const LEFT_PERCENT_MAX: u64 = 90;
/// What the file is called until it is whole.
const DRAFT: &str = "new";

/// A compressed file that is being written.
struct Draft {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    /// The segment's.
    source: Arc<dyn DiskFile>,
    encoder: Encoder,
    /// Octets of the segment.
    len: u64,
    /// Octets of it that are in the file.
    done: u64,
    /// Octets of the file.
    octets: u64,
    kept: bool,
}

impl Inner {
    /// Compresses the segments to which nothing is written any more.
    pub(super) async fn compress(
        &self,
        limit: &dyn RateLimit,
        done: &mut Reclaimed,
    ) -> Result<(), Error> {
        if !self.compresses {
            return Ok(());
        }
        let (disk, dir) = (&self.reader.bodies.disk, &self.reader.layout.log);
        let (_, end) = self.chore(Chore::Freeze).await?;
        for segment in self.segments()? {
            // The one before the last stays for the next round: the log may end in it, if the power
            // goes before the last one has a record.
            let is_sealed = segment.number.saturating_add(1) < end.segment;
            let is_candidate = is_sealed && !segment.is_compressed && segment.header.is_some();
            if !is_candidate || self.stout().contains(&segment.number) {
                continue;
            }
            let room = disk.room(dir).map_err(writing())?;
            if room < segment.len.saturating_add(self.derived.reserve_octets) {
                tracing::warn!(room, "no room to compress what was sealed");
                return Ok(());
            }
            match self.compress_one(&segment, limit).await? {
                Some(octets) => {
                    done.compressed += 1;
                    done.compressed_from_octets += segment.len;
                    done.compressed_to_octets += octets;
                }
                None => drop(self.stout().insert(segment.number)),
            }
        }
        Ok(())
    }

    fn stout(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.stout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compresses one; says how many octets it has then, or nothing where it stays as it is.
    async fn compress_one(
        &self,
        segment: &Segment,
        limit: &dyn RateLimit,
    ) -> Result<Option<u64>, Error> {
        let (disk, dir) = (&self.reader.bodies.disk, &self.reader.layout.log);
        let work = self.reader.work;
        if segment.len > compressed::OCTETS_MAX {
            return Ok(None);
        }
        let begun = {
            let (disk, segment) = (Arc::clone(disk), segment.clone());
            work.run(move || Draft::begin(disk, &segment)).await?
        };
        let Some(mut draft) = begun.map_err(writing())? else {
            return Ok(None);
        };
        limit.spend(BLOCK_OCTETS as u64 * SAMPLES_MAX).await;
        while draft.done < draft.len {
            let before = draft.octets;
            draft = work.run(move || draft.step()).await?.map_err(writing())?;
            limit.spend(STEP_OCTETS + draft.octets - before).await;
        }
        let written = work.run(move || draft.finish()).await?;
        let (draft, mut whole) = written.map_err(writing())?;
        while whole.at < draft.len {
            let step = work.run(move || whole.step()).await?;
            whole = step.map_err(writing())?;
            limit.spend(2 * STEP_OCTETS).await;
        }
        let octets = draft.octets;
        draft
            .take_the_place(dir, segment.number)
            .map_err(writing())?;
        self.reader.handles.forget(Source::Segment(segment.number));
        Ok(Some(octets))
    }
}

impl Draft {
    /// Looks whether it is worth it, and begins.
    fn begin(disk: Arc<dyn Disk>, segment: &Segment) -> io::Result<Option<Self>> {
        let (source, len) = (segment.open(&*disk)?, segment.len);
        let blocks = len.div_ceil(BLOCK_OCTETS as u64);
        let apart = usize::try_from(blocks.div_ceil(SAMPLES_MAX).max(1)).unwrap_or(usize::MAX);
        let mut samples = Vec::new();
        for number in (0..blocks).step_by(apart) {
            let at = number * BLOCK_OCTETS as u64;
            samples.push(read(&*source, at, len.min(at + BLOCK_OCTETS as u64))?);
        }
        // What it is made from it would fit too well.
        let half = samples.len() / 2;
        let others = samples.split_off(half);
        let dictionary = match samples.len() < SAMPLES_MIN {
            true => Vec::new(),
            false => compressed::train(&samples),
        };
        let before: usize = others.iter().map(Vec::len).sum();
        let left = compressed::estimate(&others, &dictionary)?.saturating_mul(100);
        if left as u64 > LEFT_PERCENT_MAX.saturating_mul(before as u64) {
            return Ok(None);
        }
        let encoder = Encoder::new(len, dictionary)?;
        let path = segment.path.with_extension(DRAFT);
        Ok(Some(Self {
            file: disk.create(&path)?,
            disk,
            path,
            source,
            len,
            done: 0,
            octets: encoder.begin(),
            encoder,
            kept: false,
        }))
    }

    /// Compresses some more.
    fn step(mut self) -> io::Result<Self> {
        let end = self.len.min(self.done + STEP_OCTETS);
        let octets = read(&*self.source, self.done, end)?;
        let mut stored = Vec::new();
        for block in octets.chunks(BLOCK_OCTETS) {
            self.encoder.add(block, &mut stored)?;
        }
        self.file.write_at(&stored, self.octets)?;
        self.octets += stored.len() as u64;
        self.done = end;
        Ok(self)
    }

    /// Writes what is left, durably; what is returned reads it beside the segment.
    fn finish(mut self) -> io::Result<(Self, Comparison)> {
        let (head, end) = self.encoder.heads();
        self.file.write_at(&head, 0)?;
        self.file.write_at(&end, self.octets)?;
        self.octets += end.len() as u64;
        self.file.sync()?;
        let compressed = Compressed::open(self.disk.open(&self.path)?, Damage::Fails)?;
        let comparison = Comparison {
            compressed,
            source: Arc::clone(&self.source),
            at: 0,
        };
        Ok((self, comparison))
    }

    /// Gives it the segment's name, and removes the longer file.
    fn take_the_place(mut self, dir: &Path, number: u64) -> io::Result<()> {
        self.disk
            .rename(&self.path, &compressed_path(dir, number))?;
        self.kept = true;
        self.disk.sync_dir(dir)?;
        gone(self.disk.remove(&segment_path(dir, number)))?;
        self.disk.sync_dir(dir)
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

/// A compressed file beside the segment it was made from.
struct Comparison {
    compressed: Compressed,
    source: Arc<dyn DiskFile>,
    at: u64,
}

impl Comparison {
    /// Compares some more; that they differ is an error.
    fn step(mut self) -> io::Result<Self> {
        let end = self.compressed.len()?.min(self.at + STEP_OCTETS);
        let same = read(&self.compressed, self.at, end)? == read(&*self.source, self.at, end)?;
        if !same || end == self.at {
            return Err(io::Error::other("it is not what was to be compressed"));
        }
        self.at = end;
        Ok(self)
    }
}

/// Octets of a file, all of them.
fn read(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(to.saturating_sub(from)).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut octets = vec![0; len];
    io::Read::read_exact(&mut Cursor::new(file, from), &mut octets)?;
    Ok(octets)
}

/// Removes what was never finished, and compressed files whose segment is still there.
pub(super) fn sweep(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    let failed = failed("sweeping the log");
    let listed = disk.list(dir).map_err(&failed)?;
    let is_left_over = |path: &PathBuf| {
        let kind = path.extension().and_then(|kind| kind.to_str());
        let plain = path.with_extension(super::log::PLAIN);
        match kind {
            Some(DRAFT) => true,
            Some(super::log::COMPRESSED) => listed.binary_search(&plain).is_ok(),
            _ => false,
        }
    };
    for path in listed.iter().filter(|path| is_left_over(path)) {
        gone(disk.remove(path)).map_err(&failed)?;
    }
    Ok(())
}

fn writing() -> impl Fn(io::Error) -> Error {
    failed("compressing a segment")
}
