//! What happens at open: the view is brought up to the log, and the log's torn end is cut off.
//!
//! A group that was being written when the power went may be there in part; nobody was told that
//! it is there, so it is cut. A record that is invalid although a later one calls it durable was
//! lost by the disk: then nothing is opened, and nothing is cut.
//!
//! Not here: looking at every blob (`check`).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;

use mail::BlobId;

use super::bodies::Bodies;
use super::hints::Arrivals;
use super::log::Position;
use super::record::{
    BlobEntry, Entry, Place, RECORD_HEADER_OCTETS, SEGMENT_HEADER_OCTETS, SegmentHeader,
};
use super::segment::{self, Segment};
use super::snapshot::{self, Base};
use super::view::{Changes, View};
use crate::backend::Error;
use crate::disk::{Cursor, Disk, failed};

/// Replayed changes are applied when there are so many octets of them.
const APPLY_OCTETS: usize = 4 << 20;

/// Where the log ends.
#[derive(Debug)]
pub(super) struct End {
    /// The last segment that has a record, or the first one.
    pub(super) segment: Segment,
    /// Its header.
    pub(super) header: SegmentHeader,
    /// Behind the last valid record.
    pub(super) position: Position,
    /// Where the last group begins.
    pub(super) group: u64,
    /// Octets behind the last valid record that are not zeros written ahead.
    pub(super) torn: u64,
    /// Empty segments behind it.
    pub(super) empty: Vec<Segment>,
}

/// Something the walk came by.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A record, and the position behind it.
    Record(Position, Entry<'a>),
    /// Octets that are not what was written.
    Damage(String),
}

/// The view follows the log while it is walked.
#[derive(Debug)]
pub(super) struct Follower<'a> {
    view: &'a View,
    changes: Changes,
    sequence: u64,
    /// Octets of log that were followed.
    pub(super) records: u64,
}

/// Walks the log from a position, or from its beginning; none if there is no log at all. What is
/// before the floor may be there or not.
pub(super) fn walk(
    disk: &dyn Disk,
    dir: &Path,
    (floor, from): (u64, Option<Position>),
    each: &mut dyn FnMut(Found<'_>) -> Result<(), Error>,
) -> Result<Option<End>, Error> {
    let mut segments = segment::list(disk, dir)?;
    segments.retain(|segment| segment.number >= floor);
    let start = from.map_or(0, |from| from.segment);
    let keep = segments
        .iter()
        .rposition(|segment| !segment.is_empty || segment.number == start);
    // The first one stays in any case: the log begins there.
    let kept = keep.unwrap_or(0) + 1;
    let empty = segments.split_off(kept.min(segments.len()));
    let Some(first) = segments.first() else {
        if floor > 1 {
            each(Found::Damage(format!("segment {floor:x} is missing")))?;
        }
        return Ok(None);
    };
    if first.number != floor {
        let lost = format!("the log begins at segment {:x}", first.number);
        each(Found::Damage(lost))?;
    }
    let mut walk = Walk {
        disk,
        each,
        sequence: from.map_or(0, |from| from.sequence),
        end: None,
    };
    let mut expected = first.number;
    for (at, segment) in segments.iter().enumerate() {
        if segment.number != expected {
            walk.damage(format!("segments {expected:x} and on are missing"))?;
        }
        expected = segment.number + 1;
        if segment.number >= start {
            let from = from.filter(|from| from.segment == segment.number);
            walk.segment(segment, from, at + 1 == segments.len())?;
        }
    }
    if expected <= start {
        walk.damage(format!("segment {start:x} is missing"))?;
    }
    walk.finish(empty)
}

struct Walk<'w> {
    disk: &'w dyn Disk,
    each: &'w mut dyn FnMut(Found<'_>) -> Result<(), Error>,
    /// The last number seen.
    sequence: u64,
    end: Option<End>,
}

impl Walk<'_> {
    fn damage(&mut self, what: String) -> Result<(), Error> {
        (self.each)(Found::Damage(what))
    }

    fn segment(
        &mut self,
        segment: &Segment,
        from: Option<Position>,
        last: bool,
    ) -> Result<(), Error> {
        let number = segment.number;
        let Some(header) = segment.header else {
            if segment.is_empty && last {
                return Ok(());
            }
            return self.damage(format!("segment {number:x} has a damaged header"));
        };
        if from.is_none() && header.durable > self.sequence {
            let (lost, found) = (header.durable, self.sequence);
            self.damage(format!(
                "records up to {lost} were before segment {number:x}, which ends at {found}"
            ))?;
        }
        let mut offset = from.map_or(SEGMENT_HEADER_OCTETS, |from| from.offset);
        loop {
            let run = self.run(segment, header, offset)?;
            self.end = Some(End {
                segment: segment.clone(),
                header,
                position: Position {
                    segment: number,
                    offset: run.offset,
                    sequence: run.sequence,
                },
                group: run.group,
                torn: 0,
                empty: Vec::new(),
            });
            if run.offset > segment.len {
                let at = run.offset;
                return self.damage(format!("segment {number:x} ends before {at}"));
            }
            if segment::is_blank(self.disk, segment, run.offset)? {
                return Ok(());
            }
            if let Some(end) = &mut self.end {
                end.torn = segment.len - run.offset;
            }
            let behind = segment::search(self.disk, segment, header.epoch, run.offset)?;
            let durable = behind.map_or(0, |(_, durable)| durable);
            if last && durable <= run.sequence {
                // A group that nobody was told of.
                return Ok(());
            }
            let at = run.offset;
            self.damage(format!("segment {number:x} is damaged at {at}"))?;
            match behind {
                Some((next, _)) => offset = next,
                None => return Ok(()),
            }
        }
    }

    fn run(
        &mut self,
        segment: &Segment,
        header: SegmentHeader,
        offset: u64,
    ) -> Result<segment::Run, Error> {
        let number = segment.number;
        let each = &mut *self.each;
        let run = segment::read(
            self.disk,
            segment,
            header.epoch,
            (offset, self.sequence),
            &mut |at, record, body| {
                let body_at = at + RECORD_HEADER_OCTETS as u64;
                let behind = Position {
                    segment: number,
                    offset: body_at + body.len() as u64,
                    sequence: record.sequence,
                };
                let found = match Entry::decode(body, number, body_at) {
                    Some(entry) => Found::Record(behind, entry),
                    None => Found::Damage(format!("segment {number:x}: no batch at {at}")),
                };
                each(found)
            },
        )?;
        self.sequence = run.sequence;
        Ok(run)
    }

    /// The empty segments behind the end are nothing, unless they know of records that are lost.
    fn finish(mut self, empty: Vec<Segment>) -> Result<Option<End>, Error> {
        for segment in &empty {
            let lost = segment
                .header
                .is_some_and(|header| header.durable > self.sequence);
            if lost {
                let number = segment.number;
                self.damage(format!("the records before segment {number:x} are missing"))?;
            }
        }
        Ok(self.end.take().map(|end| End { empty, ..end }))
    }
}

impl<'a> Follower<'a> {
    pub(super) fn new(view: &'a View) -> Self {
        Self {
            view,
            changes: Changes::default(),
            sequence: 0,
            records: 0,
        }
    }

    /// Follows one record.
    pub(super) fn follow(&mut self, behind: Position, entry: &Entry<'_>) -> Result<(), Error> {
        let came = |blob: &BlobEntry<'_>| (blob.blob, blob.located.place);
        let mut arrivals = Arrivals::new(&entry.blobs, came);
        for part in &entry.parts {
            self.changes.version(part.partition, part.version);
            for change in &part.changes {
                self.changes.change(part.partition, *change, &mut arrivals);
            }
        }
        for blob in &entry.blobs {
            self.changes.blob(blob.blob, blob.located);
        }
        for blob in &entry.forgotten {
            self.changes.forget(*blob);
        }
        self.sequence = behind.sequence;
        self.records += 1;
        if self.changes.octets() >= APPLY_OCTETS {
            self.apply()?;
        }
        Ok(())
    }

    /// Applies what is left.
    pub(super) fn apply(&mut self) -> Result<(), Error> {
        if self.sequence == 0 {
            return Ok(());
        }
        let changes = std::mem::take(&mut self.changes);
        self.view.apply(changes, self.sequence)
    }
}

/// Puts all that a snapshot has into an empty view.
pub(super) fn restore(
    disk: &dyn Disk,
    (path, position): (&Path, Position),
    view: &View,
) -> Result<(), Error> {
    let mut changes = Changes::default();
    snapshot::load(disk, path, &mut |space, key, value| {
        let known = changes.restore(space, key, value);
        known.ok_or_else(|| snapshot::damaged(path))?;
        if changes.octets() >= APPLY_OCTETS {
            view.apply(std::mem::take(&mut changes), position.sequence)?;
        }
        Ok(())
    })?;
    view.apply(changes, position.sequence)
}

/// Brings the view up to the log: from a position, or, if it is empty, from the snapshot or the
/// beginning. Says where the log ends, and how many records were followed.
pub(super) fn replay(
    disk: &dyn Disk,
    dir: &Path,
    (base, from): (&Base, Option<Position>),
    view: &View,
) -> Result<(Option<End>, u64), Error> {
    let mut start = from;
    if from.is_none() {
        match base {
            Base::Beginning => {}
            Base::Damaged(path) => return Err(snapshot::damaged(path)),
            Base::Snapshot(path, position) => {
                restore(disk, (path, *position), view)?;
                start = Some(*position);
            }
        }
    }
    let mut follower = Follower::new(view);
    let end = walk(
        disk,
        dir,
        (base.floor(start), start),
        &mut |found| match found {
            Found::Record(behind, entry) => follower.follow(behind, &entry),
            Found::Damage(what) => Err(Error::Damaged(what)),
        },
    )?;
    follower.apply()?;
    let records = follower.records;
    let sequence = end.as_ref().map_or(0, |end| end.position.sequence);
    let (_, applied) = view.marks()?;
    if applied > sequence {
        return Err(Error::Damaged(format!(
            "the view knows record {applied}, but the log ends at {sequence}"
        )));
    }
    Ok((end, records))
}

/// Refuses a log that ends in a segment which was compressed: something was behind it.
pub(super) fn refuse_sealed(end: &End) -> Result<(), Error> {
    if end.segment.is_compressed {
        let number = end.segment.number;
        let lost = format!("the log ends with segment {number:x}, behind which there were others");
        return Err(Error::Damaged(lost));
    }
    Ok(())
}

/// Cuts what is behind the end, and makes what is before it durable.
pub(super) fn settle(disk: &dyn Disk, dir: &Path, end: &End) -> Result<(), Error> {
    let failed = failed("settling the log's end");
    for segment in &end.empty {
        disk.remove(&segment.path).map_err(&failed)?;
    }
    let last_group = || {
        let file = disk.open(&end.segment.path)?;
        let mut octets = Vec::new();
        let file = Cursor::new(&*file, end.group);
        file.take(end.position.offset.saturating_sub(end.group))
            .read_to_end(&mut octets)?;
        Ok(octets)
    };
    let octets = last_group().map_err(&failed)?;
    let write = || -> io::Result<()> {
        let file = disk.open_to_write(&end.segment.path)?;
        if end.segment.len > end.position.offset {
            if end.torn > 0 {
                let (cut, segment) = (end.torn, end.segment.number);
                tracing::warn!(cut, segment, "cut the log's torn end");
            }
            file.set_len(end.position.offset)?;
        }
        // After a failed sync the octets may be in memory and not on the disk, though they look
        // clean: the last group is written again, so that this sync covers it.
        file.write_at(&octets, end.group)?;
        file.sync()?;
        disk.sync_dir(dir)
    };
    write().map_err(failed)
}

/// Removes bodies that no record refers to.
///
/// The view is asked first, but only the log's word is enough to remove anything: what came before
/// its first segment that has to be there goes only if a record forgets it.
pub(super) fn sweep(
    bodies: &Bodies,
    (dir, floor): (&Path, u64),
    view: &View,
) -> Result<u64, Error> {
    bodies.remove_drafts()?;
    let mut orphans = BTreeMap::new();
    let mut since = u64::MAX;
    for blob in bodies.names()? {
        if view
            .blob(blob)?
            .is_some_and(|found| found.place == Place::Body)
        {
            continue;
        }
        if let Some(header) = bodies.header(blob) {
            since = since.min(header.segment);
            orphans.insert(blob, header.segment >= floor);
        }
    }
    if orphans.is_empty() {
        return Ok(0);
    }
    keep_referred(&*bodies.disk, dir, since, &mut orphans)?;
    for blob in orphans.keys() {
        let removed = bodies.disk.remove(&bodies.path(*blob));
        removed.map_err(failed("sweeping the bodies"))?;
    }
    Ok(orphans.len() as u64)
}

/// Takes those out of the orphans that the log refers to, from a segment on, and does not forget
/// behind that; and those that may be referred to by what is not there any more.
fn keep_referred(
    disk: &dyn Disk,
    dir: &Path,
    since: u64,
    orphans: &mut BTreeMap<BlobId, bool>,
) -> Result<(), Error> {
    let (mut referred, mut forgotten) = (BTreeSet::new(), BTreeSet::new());
    for segment in segment::list(disk, dir)? {
        let Some(header) = segment.header.filter(|header| header.number >= since) else {
            continue;
        };
        let start = (SEGMENT_HEADER_OCTETS, 0);
        segment::read(disk, &segment, header.epoch, start, &mut |_, _, body| {
            let Some(entry) = Entry::decode(body, segment.number, 0) else {
                return Ok(());
            };
            let bodies = entry.blobs.iter();
            let bodies = bodies.filter(|blob| blob.located.place == Place::Body);
            referred.extend(
                bodies
                    .map(|blob| blob.blob)
                    .filter(|it| orphans.contains_key(it)),
            );
            for blob in &entry.forgotten {
                referred.remove(blob);
                if orphans.contains_key(blob) {
                    forgotten.insert(*blob);
                }
            }
            Ok(())
        })?;
    }
    orphans.retain(|blob, known| !referred.contains(blob) && (*known || forgotten.contains(blob)));
    Ok(())
}
