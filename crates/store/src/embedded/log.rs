//! The end of the log, where records are written and made durable, a group at a time.
//!
//! Not here: reading the log (`segment`, `recovery`), and who may write what (`committer`).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mail::BlobId;

use super::ground::Epochs;
use super::record::{self, SEGMENT_HEADER_OCTETS, SegmentHeader};
use super::records::Records;
use super::stats::{Counters, add};
use crate::backend::{Batch, CommitError};
use crate::disk::{Disk, DiskFile, not_written};

/// The memory for a group's rows is given back after a group with more of them.
const BUFFER_OCTETS_KEPT: usize = 1 << 20;

/// Zeros are written ahead of the log's end in steps of this size.
///
/// A sync after overwriting costs half of one after growing the file, which needs the file
/// system's own journal.
const FILL_OCTETS: u64 = 128 << 10;
/// A larger group grows the file: writing its octets twice would cost more than it saves.
const FILL_GROUP_OCTETS_MAX: u64 = 8 << 10;

/// What the file of a segment ends with.
pub(super) const PLAIN: &str = "log";
/// The same of one that was compressed.
pub(super) const COMPRESSED: &str = "zlog";

/// A place between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The segment's number.
    pub(super) segment: u64,
    /// Octets of it before this place.
    pub(super) offset: u64,
    /// The last sequence number before this place.
    pub(super) sequence: u64,
}

/// Why a group is not in the log.
#[derive(Debug)]
pub(super) enum AppendError {
    /// Nothing of it is there, and the log goes on.
    NotWritten(CommitError),
    /// Nobody can know; the log is at its end.
    Lost(String),
}

/// The log's end.
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    epochs: Epochs,
    dir: PathBuf,
    counters: Arc<Counters>,
    limits: Limits,
    file: Arc<dyn DiskFile>,
    header: SegmentHeader,
    /// Where the next group goes.
    len: u64,
    /// Up to where the file is known to be there: zeros behind the log's end.
    filled: u64,
    /// The last number given to a record, written or not: none is given twice.
    sequence: u64,
    /// The last number that is durable.
    durable: u64,
    /// The group being gathered.
    records: Records,
}

/// How large things may become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// A segment that would become longer is followed by another.
    pub(super) segment_octets: u64,
    /// Room left on the disk for the view to follow.
    pub(super) reserve_octets: u64,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({:?})", self.position())
    }
}

impl Log {
    /// Begins a log where there is none.
    pub(super) fn create(
        (disk, epochs): (Arc<dyn Disk>, Epochs),
        dir: &Path,
        counters: Arc<Counters>,
        limits: Limits,
    ) -> io::Result<Self> {
        let (file, header) = begin_segment(&*disk, dir, epochs(), (1, 0))?;
        let end = Position {
            segment: header.number,
            offset: SEGMENT_HEADER_OCTETS,
            sequence: 0,
        };
        let log = Self::at(end, (disk, epochs), dir, counters, limits, (file, header));
        Ok(log)
    }

    /// Goes on where the log ends.
    pub(super) fn resume(
        (disk, epochs): (Arc<dyn Disk>, Epochs),
        dir: &Path,
        counters: Arc<Counters>,
        limits: Limits,
        (header, end): (SegmentHeader, Position),
    ) -> io::Result<Self> {
        let file = disk.open_to_write(&segment_path(dir, header.number))?;
        let log = Self::at(end, (disk, epochs), dir, counters, limits, (file, header));
        Ok(log)
    }

    fn at(
        end: Position,
        (disk, epochs): (Arc<dyn Disk>, Epochs),
        dir: &Path,
        counters: Arc<Counters>,
        limits: Limits,
        (file, header): (Arc<dyn DiskFile>, SegmentHeader),
    ) -> Self {
        Self {
            disk,
            epochs,
            dir: dir.to_owned(),
            counters,
            limits,
            file,
            header,
            len: end.offset,
            filled: end.offset,
            sequence: end.sequence,
            durable: end.sequence,
            records: Records::default(),
        }
    }

    /// Where the log ends, durably.
    pub(super) fn position(&self) -> Position {
        Position {
            segment: self.header.number,
            offset: self.len,
            sequence: self.durable,
        }
    }

    /// Makes ready for a group of at most so many octets.
    pub(super) fn begin(&mut self, octets_max: usize) -> Result<(), AppendError> {
        self.begin_within(octets_max, self.limits.reserve_octets)
    }

    /// The same for what makes room in the end: half of what is kept for the view is enough.
    pub(super) fn begin_making_room(&mut self, octets_max: usize) -> Result<(), AppendError> {
        self.begin_within(octets_max, self.limits.reserve_octets / 2)
    }

    fn begin_within(&mut self, octets_max: usize, reserve_octets: u64) -> Result<(), AppendError> {
        self.records.clear(BUFFER_OCTETS_KEPT);
        let octets = octets_max as u64;
        let room = self.file.room();
        let room = room.map_err(|error| AppendError::NotWritten(not_written(&error)))?;
        if room < octets.saturating_add(reserve_octets) {
            return Err(AppendError::NotWritten(CommitError::Full));
        }
        let full = self.len.saturating_add(octets) > self.limits.segment_octets;
        if full && self.len > SEGMENT_HEADER_OCTETS {
            self.roll()?;
        }
        if octets <= FILL_GROUP_OCTETS_MAX && self.len + octets > self.filled {
            self.fill(octets)?;
        }
        Ok(())
    }

    /// Writes zeros ahead of the log's end.
    fn fill(&mut self, octets: u64) -> Result<(), AppendError> {
        let most = self.limits.segment_octets.saturating_sub(self.len);
        let step = FILL_OCTETS.min(most).max(octets);
        let zeros = vec![0; usize::try_from(step).unwrap_or(0)];
        if let Err(error) = self.file.write_at(&zeros, self.len) {
            return Err(self.take_back(&error));
        }
        if let Err(error) = self.file.sync() {
            return Err(AppendError::Lost(format!("syncing the log: {error}")));
        }
        self.filled = self.len + step;
        add(&self.counters.syncs, 1);
        add(&self.counters.fill_octets, step);
        Ok(())
    }

    /// Cuts the zeros behind the log's end; it does no harm if that fails.
    pub(super) fn trim(&mut self) {
        if self.filled > self.len && self.file.set_len(self.len).is_ok() {
            self.filled = self.len;
        }
    }

    /// Adds a batch to the group; `skip` names blobs that are there already.
    ///
    /// Says where the inline blobs begin in the segment.
    pub(super) fn add(&mut self, batch: &Batch, skip: &[BlobId]) -> u64 {
        self.sequence += 1;
        let numbers = (self.header.epoch, self.sequence, self.durable);
        self.len + record::encode(&mut self.records, batch, skip, numbers)
    }

    /// Adds a record that forgets blobs.
    pub(super) fn add_forgotten(&mut self, blobs: &[BlobId]) {
        self.sequence += 1;
        let numbers = (self.header.epoch, self.sequence, self.durable);
        record::encode_forgotten(&mut self.records, blobs, numbers);
    }

    /// Makes the group durable.
    pub(super) fn write(&mut self) -> Result<(), AppendError> {
        let octets = self.records.len();
        let written = self
            .file
            .write_pieces_at(&mut self.records.slices(), self.len);
        // Letters are not held any longer.
        self.records.clear(BUFFER_OCTETS_KEPT);
        if let Err(error) = written {
            return Err(self.take_back(&error));
        }
        if let Err(error) = self.file.sync() {
            return Err(AppendError::Lost(format!("syncing the log: {error}")));
        }
        self.len += octets;
        self.filled = self.filled.max(self.len);
        self.durable = self.sequence;
        add(&self.counters.syncs, 1);
        add(&self.counters.log_octets, octets);
        Ok(())
    }

    /// Cuts off what a failed write may have left.
    ///
    /// The cut is synced: else a power loss could bring back what is answered as not written.
    fn take_back(&mut self, error: &io::Error) -> AppendError {
        self.filled = self.len;
        match self.file.set_len(self.len).and_then(|()| self.file.sync()) {
            Ok(()) => AppendError::NotWritten(not_written(error)),
            Err(worse) => AppendError::Lost(format!("writing the log: {error}, then {worse}")),
        }
    }

    fn roll(&mut self) -> Result<(), AppendError> {
        let number = self.header.number + 1;
        match begin_segment(
            &*self.disk,
            &self.dir,
            (self.epochs)(),
            (number, self.durable),
        ) {
            Ok((file, header)) => {
                self.trim();
                self.file = file;
                self.header = header;
                self.len = SEGMENT_HEADER_OCTETS;
                self.filled = self.len;
                add(&self.counters.syncs, 2);
                Ok(())
            }
            // An empty segment at the log's end means nothing, so what is left of it may stay.
            Err(error) => Err(AppendError::NotWritten(not_written(&error))),
        }
    }
}

/// The file of a segment.
pub(super) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.{PLAIN}"))
}

/// The file of a segment that was compressed.
pub(super) fn compressed_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.{COMPRESSED}"))
}

/// Makes an empty segment that is durable, name and all.
fn begin_segment(
    disk: &dyn Disk,
    dir: &Path,
    epoch: u64,
    (number, durable): (u64, u64),
) -> io::Result<(Arc<dyn DiskFile>, SegmentHeader)> {
    let header = SegmentHeader {
        epoch,
        number,
        durable,
    };
    let file = disk.create(&segment_path(dir, number))?;
    file.write_at(&header.encode(), 0)?;
    file.sync()?;
    disk.sync_dir(dir)?;
    Ok((file, header))
}
