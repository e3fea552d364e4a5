//! Reading segments: which there are, and their records up to the first that is not valid. One
//! that was compressed is read as the one it was; where both are there the longer one counts.
//!
//! Not here: what an invalid record means; that is for `recovery` to judge.

use std::collections::BTreeMap;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compressed::{self, Compressed, Damage};
use super::log::{COMPRESSED, PLAIN, compressed_path, segment_path};
use super::record::{
    FORMAT, RECORD_HEADER_OCTETS, RECORD_MAGIC, RecordHeader, SEGMENT_HEADER_OCTETS, SegmentHeader,
};
use crate::backend::Error;
use crate::disk::{Cursor, Disk, DiskFile, failed};

const READ_OCTETS: usize = 1 << 20;

/// A segment that was found.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Its number, from its name.
    pub(super) number: u64,
    /// Its file.
    pub(super) path: PathBuf,
    /// What it says of itself; none if that is not valid.
    pub(super) header: Option<SegmentHeader>,
    /// Its octets.
    pub(super) len: u64,
    /// Octets of its file: fewer where it was compressed.
    pub(super) stored: u64,
    /// True if it was compressed.
    pub(super) is_compressed: bool,
    /// True if there is no record in it, not even a damaged one.
    pub(super) is_empty: bool,
}

impl Segment {
    fn of(
        disk: &dyn Disk,
        path: PathBuf,
        (number, is_compressed): (u64, bool),
    ) -> io::Result<Self> {
        let stored = disk.len(&path)?;
        let mut segment = Self {
            number,
            path,
            header: None,
            len: stored,
            stored,
            is_compressed,
            is_empty: false,
        };
        let file = match segment.open(disk) {
            Err(error) if is_compressed && compressed::is_damage(&error) => return Ok(segment),
            opened => opened?,
        };
        segment.len = file.len()?;
        let mut file = Cursor::new(&*file, 0);
        let mut head = Vec::new();
        file.by_ref()
            .take(SEGMENT_HEADER_OCTETS)
            .read_to_end(&mut head)?;
        segment.header = SegmentHeader::decode(&head).filter(|header| header.number == number);
        segment.is_empty = zeros_to_the_end(&mut file)?;
        Ok(segment)
    }

    /// Its octets, for whoever walks along them.
    pub(super) fn open(&self, disk: &dyn Disk) -> io::Result<Arc<dyn DiskFile>> {
        let file = disk.open(&self.path)?;
        if !self.is_compressed {
            return Ok(file);
        }
        Ok(Arc::new(Compressed::open(file, Damage::Shows)?))
    }
}

/// The octets of a segment, for whoever wants a letter; true if it was compressed.
pub(super) fn open(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
) -> io::Result<(Arc<dyn DiskFile>, bool)> {
    match disk.open(&segment_path(dir, number)) {
        // The compressed one is there before the other goes.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let file = disk.open(&compressed_path(dir, number))?;
            Ok((Arc::new(Compressed::open(file, Damage::Fails)?), true))
        }
        opened => Ok((opened?, false)),
    }
}

/// The segments in a directory, in order.
pub(super) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<Segment>, Error> {
    let failed = failed("listing the log");
    let mut found: BTreeMap<u64, (bool, PathBuf)> = BTreeMap::new();
    for path in disk.list(dir).map_err(&failed)? {
        let Some((number, is_compressed)) = parse_name(&path) else {
            continue;
        };
        if !is_compressed || !found.contains_key(&number) {
            found.insert(number, (is_compressed, path));
        }
    }
    let segments = found
        .into_iter()
        .map(|(number, (is_compressed, path))| Segment::of(disk, path, (number, is_compressed)));
    let segments: io::Result<Vec<_>> = segments.collect();
    segments.map_err(failed)
}

/// The number of the segment that a file has, and whether it is compressed.
fn parse_name(path: &Path) -> Option<(u64, bool)> {
    let (stem, kind) = (path.file_stem()?.to_str()?, path.extension()?.to_str()?);
    let is_compressed = match kind {
        PLAIN => false,
        COMPRESSED => true,
        _ => return None,
    };
    Some((u64::from_str_radix(stem, 16).ok()?, is_compressed))
}

/// What is done with a valid record: where it begins, its header, its body.
pub(super) type Each<'a> = dyn FnMut(u64, &RecordHeader, &[u8]) -> Result<(), Error> + 'a;

/// Where the valid records of a segment end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Octets before the first one that is not part of a valid record.
    pub(super) offset: u64,
    /// The last valid record's number, or what was given.
    pub(super) sequence: u64,
    /// Where the last group begins: the records that nothing later calls durable.
    pub(super) group: u64,
}

/// Reads valid records from `offset` on; their numbers must be above `sequence` and rise.
pub(super) fn read(
    disk: &dyn Disk,
    segment: &Segment,
    epoch: u64,
    (offset, sequence): (u64, u64),
    each: &mut Each<'_>,
) -> Result<Run, Error> {
    let failed = failed("reading the log");
    let file = segment.open(disk).map_err(&failed)?;
    let mut file = BufReader::with_capacity(READ_OCTETS, Cursor::new(&*file, offset));
    let mut run = Run {
        offset,
        sequence,
        group: offset,
    };
    let mut group_durable = None;
    let mut body = Vec::new();
    loop {
        let mut head = [0; RECORD_HEADER_OCTETS];
        if !fill(&mut file, &mut head).map_err(&failed)? {
            return Ok(run);
        }
        let Some(header) = RecordHeader::decode(&head) else {
            return Ok(run);
        };
        let rest = segment.len.saturating_sub(run.offset);
        let octets = (RECORD_HEADER_OCTETS + header.len) as u64;
        if octets > rest || header.sequence <= run.sequence {
            return Ok(run);
        }
        body.resize(header.len, 0);
        if !fill(&mut file, &mut body).map_err(&failed)? || !header.fits(epoch, &body) {
            return Ok(run);
        }
        if header.format > FORMAT {
            // It is whole: nothing to be cut off as torn, or left out as damaged.
            return Err(Error::Newer {
                what: format!("a record in {}", segment.path.display()),
                found: header.format,
                known: FORMAT,
            });
        }
        if group_durable != Some(header.durable) {
            group_durable = Some(header.durable);
            run.group = run.offset;
        }
        each(run.offset, &header, &body)?;
        run.offset += octets;
        run.sequence = header.sequence;
    }
}

/// True if nothing but zeros is behind a position: written ahead of a log that ended before.
pub(super) fn is_blank(disk: &dyn Disk, segment: &Segment, offset: u64) -> Result<bool, Error> {
    let blank = || {
        let file = segment.open(disk)?;
        zeros_to_the_end(&mut Cursor::new(&*file, offset))
    };
    blank().map_err(failed("reading the log"))
}

fn zeros_to_the_end(file: &mut Cursor<'_>) -> io::Result<bool> {
    let mut octets = [0; 4096];
    loop {
        match file.read(&mut octets)? {
            0 => return Ok(true),
            len => {
                let (read, _) = octets.split_at(len);
                if read.iter().any(|octet| *octet != 0) {
                    return Ok(false);
                }
            }
        }
    }
}

/// Looks behind an invalid record for valid ones: the first, and what the latest calls durable.
pub(super) fn search(
    disk: &dyn Disk,
    segment: &Segment,
    epoch: u64,
    offset: u64,
) -> Result<Option<(u64, u64)>, Error> {
    let failed = failed("searching the log");
    let file = segment.open(disk).map_err(&failed)?;
    let mut octets = Vec::new();
    Cursor::new(&*file, offset)
        .read_to_end(&mut octets)
        .map_err(&failed)?;
    let mut found: Option<(u64, u64)> = None;
    let mut at = 0;
    while let Some(rest) = octets.get(at..) {
        let Some(skip) = rest
            .windows(RECORD_MAGIC.len())
            .position(|window| window == RECORD_MAGIC)
        else {
            break;
        };
        at += skip;
        match octets.get(at..).and_then(|rest| valid(rest, epoch)) {
            Some((header, len)) => {
                let first = found.map_or(offset + at as u64, |(first, _)| first);
                let durable = found.map_or(0, |(_, durable)| durable);
                found = Some((first, durable.max(header.durable)));
                at += len;
            }
            None => at += 1,
        }
    }
    Ok(found)
}

/// A valid record at the front of some octets, and its length.
fn valid(octets: &[u8], epoch: u64) -> Option<(RecordHeader, usize)> {
    let (head, rest) = octets.split_at_checked(RECORD_HEADER_OCTETS)?;
    let header = RecordHeader::decode(head)?;
    let body = rest.get(..header.len)?;
    let len = RECORD_HEADER_OCTETS + header.len;
    header.fits(epoch, body).then_some((header, len))
}

/// Fills the buffer; false if the file ends before.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
