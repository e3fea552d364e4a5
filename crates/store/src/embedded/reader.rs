//! Reads of blobs: where each is, which of them are read together, and whether they are whole.
//!
//! Not here: on which thread (`embedded`).

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use mail::{BlobId, BlobRange};

use super::bodies::{BODY_HEADER_OCTETS, Bodies};
use super::compressed::is_damage;
use super::handles::{Handles, Source};
use super::hints;
use super::layout::Layout;
use super::offload::Work;
use super::places::Places;
use super::record::{Located, Place};
use super::segment;
use super::sound::Sound;
use super::touched::Touched;
use super::view::View;
use crate::backend::{Error, Sought};
use crate::disk::{DiskFile, failed};

/// Octets between two ranges that are read with them, for less than another call would cost.
const GAP_OCTETS_MAX: u64 = 4 << 10;
/// Octets read with one call where ranges are read together; a longer range is read alone.
const RUN_OCTETS_MAX: u64 = 64 << 10;
/// So often blobs are looked up anew whose file was gone when it was opened: each time they were
/// moved in between.
const TRIES_MAX: usize = 4;

/// What reading needs; it may outlive the store by the length of one read.
pub(super) struct Reader {
    pub(super) view: View,
    pub(super) handles: Handles,
    pub(super) places: Places,
    pub(super) sound: Sound,
    pub(super) bodies: Arc<Bodies>,
    pub(super) layout: Layout,
    pub(super) work: Work,
    /// What is mentioned beside a sweep.
    pub(super) touched: Arc<Touched>,
    /// Octets of blobs on their way that are in memory.
    pub(super) afloat: AtomicUsize,
    /// Beyond so many each has less.
    pub(super) afloat_max: usize,
}

/// Why octets were not read.
#[derive(Debug)]
enum Miss {
    /// The file is gone: the blob was moved or forgotten since it was looked up.
    Gone(io::Error),
    /// For another reason.
    Failed(Error),
}

impl From<Error> for Miss {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Neighbours in one file that are read with one call.
#[derive(Clone, Copy, Debug)]
struct Run {
    source: Source,
    from: u64,
    to: u64,
}

impl Run {
    /// The run with those behind it that are near enough, and how many runs it was made of.
    fn joined(self, behind: impl Iterator<Item = Self>) -> (Self, usize) {
        let (mut whole, mut count) = (self, 1);
        for next in behind {
            let is_near = whole.source == next.source
                && next.from >= whole.to
                && next.from - whole.to <= GAP_OCTETS_MAX
                && next.to - whole.from <= RUN_OCTETS_MAX;
            if !is_near {
                break;
            }
            whole.to = next.to;
            count += 1;
        }
        (whole, count)
    }
}

impl Reader {
    pub(super) fn read(&self, range: BlobRange) -> Result<Bytes, Error> {
        let located = self.places.find(range.blob, |blob| self.view.blob(blob))?;
        match self.read_one(range, located) {
            Err(Miss::Gone(_)) => self.read_moved(&[range])?.pop().ok_or_else(lost),
            Err(Miss::Failed(error)) => Err(error),
            Ok(octets) => Ok(octets),
        }
    }

    fn read_one(&self, range: BlobRange, located: Located) -> Result<Bytes, Miss> {
        let octets = self.read_run(run(range, located)?)?;
        Ok(checked(range, located, octets)?)
    }

    /// Octets of many ranges, in their order. Each may hold on to those of its neighbours, and to
    /// [`GAP_OCTETS_MAX`] octets more.
    pub(super) fn read_many(&self, ranges: &[BlobRange]) -> Result<Vec<Bytes>, Error> {
        let blobs = ranges.iter().map(|range| range.blob);
        let located = self.places.find_many(blobs, |blob| self.view.blob(blob))?;
        match self.read_located(ranges.iter().copied().zip(located)) {
            Err(Miss::Gone(_)) => self.read_moved(ranges),
            Err(Miss::Failed(error)) => Err(error),
            Ok(octets) => Ok(octets),
        }
    }

    /// The same where a file was gone: asks the view where the blobs are now.
    fn read_moved(&self, ranges: &[BlobRange]) -> Result<Vec<Bytes>, Error> {
        let mut gone = lost();
        for _ in 0..TRIES_MAX {
            ranges
                .iter()
                .for_each(|range| self.places.forget(range.blob));
            let blobs = ranges.iter().map(|range| range.blob);
            let located = self.places.find_many(blobs, |blob| self.view.blob(blob))?;
            match self.read_located(ranges.iter().copied().zip(located)) {
                Err(Miss::Gone(error)) => gone = failed("reading a blob")(error),
                Err(Miss::Failed(error)) => return Err(error),
                Ok(octets) => return Ok(octets),
            }
        }
        Err(gone)
    }

    /// Lets go of what is known of blobs that are not there any more.
    pub(super) fn forget(&self, blobs: &[BlobId]) {
        for blob in blobs {
            self.places.forget(*blob);
            self.handles.forget(Source::Body(*blob));
        }
    }

    /// The same; where a hint is of use, nothing is looked up.
    pub(super) fn read_sought(&self, sought: &[Sought]) -> Result<Vec<Bytes>, Error> {
        let mut there = None;
        let known: Vec<_> = sought
            .iter()
            .map(|one| self.hinted(one, &mut there))
            .collect();
        let unknown = sought
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none());
        let blobs: Vec<_> = unknown.map(|(one, _)| one.range.blob).collect();
        let found = self
            .places
            .find_many(blobs.iter().copied(), |blob| self.view.blob(blob))?;
        let mut found = found.into_iter();
        let located = sought.iter().zip(known).filter_map(|(one, known)| {
            let located = known.or_else(|| found.next())?;
            Some((one.range, located))
        });
        match self.read_located(located) {
            Err(Miss::Gone(_)) => {
                let ranges: Vec<_> = sought.iter().map(|one| one.range).collect();
                self.read_moved(&ranges)
            }
            Err(Miss::Failed(error)) => Err(error),
            Ok(octets) => Ok(octets),
        }
    }

    /// Where a blob is, if its hint says so and that segment is still there; `there` is the last
    /// one that was.
    fn hinted(&self, sought: &Sought, there: &mut Option<u64>) -> Option<Located> {
        let place = hints::place(sought.hint)?;
        if let Place::Log { segment, .. } = place
            && *there != Some(segment)
        {
            self.file(Source::Segment(segment)).ok()?;
            *there = Some(segment);
        }
        let len = sought.len;
        Some(Located { len, place })
    }

    fn read_located(
        &self,
        ranges: impl Iterator<Item = (BlobRange, Located)>,
    ) -> Result<Vec<Bytes>, Miss> {
        let pieces = ranges.map(|(range, located)| Ok((range, located, run(range, located)?)));
        let pieces = pieces.collect::<Result<Vec<_>, Error>>()?;
        let mut read = Vec::with_capacity(pieces.len());
        let mut rest = pieces.as_slice();
        while let Some((.., first)) = rest.first() {
            let (whole, count) = first.joined(rest.iter().skip(1).map(|(.., run)| *run));
            let (together, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            rest = behind;
            let octets = self.read_run(whole)?;
            for &(range, located, part) in together {
                let from = in_memory(part.from - whole.from, range)?;
                let to = in_memory(part.to - whole.from, range)?;
                read.push(checked(range, located, octets.slice(from..to))?);
            }
        }
        Ok(read)
    }

    /// The file that blobs are read from.
    fn file(&self, source: Source) -> io::Result<Arc<dyn DiskFile>> {
        let disk = &*self.bodies.disk;
        self.handles.open(source, || match source {
            Source::Segment(number) => segment::open(disk, &self.layout.log, number),
            Source::Body(blob) => Ok((disk.open(&self.bodies.path(blob))?, false)),
        })
    }

    fn read_run(&self, run: Run) -> Result<Bytes, Miss> {
        let failed = |error: io::Error| match is_damage(&error) {
            true => Error::Damaged(format!("{:?}: {error}", run.source)),
            false => failed("reading a blob")(error),
        };
        let file = self.file(run.source).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Miss::Gone(error),
            _ => Miss::Failed(failed(error)),
        })?;
        Ok(read_exact(&*file, run).map_err(failed)?)
    }
}

/// Where a range lies, if the blob has it.
fn run(range: BlobRange, located: Located) -> Result<Run, Error> {
    let end = range.offset.checked_add(range.len);
    if end.is_none_or(|end| end > located.len) {
        return Err(Error::OutOfRange(range));
    }
    let (source, start) = match located.place {
        Place::Log { segment, offset } => (Source::Segment(segment), offset),
        Place::Body => (Source::Body(range.blob), BODY_HEADER_OCTETS),
    };
    let from = start.saturating_add(range.offset);
    Ok(Run {
        source,
        from,
        to: from.saturating_add(range.len),
    })
}

/// A blob that is read whole has to be what its name says.
fn checked(range: BlobRange, located: Located, octets: Bytes) -> Result<Bytes, Error> {
    let whole = range.len == located.len;
    if whole && *blake3::hash(&octets).as_bytes() != range.blob.0 {
        let (blob, place) = (range.blob, located.place);
        return Err(Error::Damaged(format!("blob {blob} at {place:?}")));
    }
    Ok(octets)
}

/// What is said where nothing else was.
fn lost() -> Error {
    failed("reading a blob")(ErrorKind::NotFound.into())
}

/// Reads a run into memory that was not zeroed for nothing.
fn read_exact(file: &dyn DiskFile, run: Run) -> io::Result<Bytes> {
    let missing = || io::Error::from(ErrorKind::UnexpectedEof);
    let len = usize::try_from(run.to - run.from).map_err(|_| missing())?;
    let mut octets = Vec::with_capacity(len);
    while octets.len() < len {
        let at = run.from.saturating_add(octets.len() as u64);
        match file.read_behind(&mut octets, at) {
            Ok(0) => return Err(missing()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    octets.truncate(len);
    Ok(octets.into())
}

fn in_memory(octets: u64, range: BlobRange) -> Result<usize, Error> {
    usize::try_from(octets).map_err(|_| Error::OutOfRange(range))
}
