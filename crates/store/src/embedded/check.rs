//! Looks at everything: each record, each blob, and whether the view is what the log says.
//!
//! Not here: repair. The view is made again by `rebuild`; a damaged log is for people to judge.

use std::cmp::Ordering;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use mail::BlobId;

use super::EmbeddedSettings;
use super::bodies::Bodies;
use super::checkpoint;
use super::compressed::Heads;
use super::derived;
use super::ground::Ground;
use super::layout::Layout;
use super::record::{BlobEntry, Entry, Place, RECORD_HEADER_OCTETS, SEGMENT_HEADER_OCTETS};
use super::recovery::{Follower, Found, replay, restore, walk};
use super::segment::{self, Segment};
use super::snapshot::{self, Base};
use super::view::{OpenError, View};
use crate::backend::{Error, Partition, Table};
use crate::disk::{Disk, failed, gone};

/// Flaws that are told one by one; of the others only the number.
const FLAWS_MAX: usize = 100;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments of the log.
    pub segments: u64,
    /// Octets of the log.
    pub octets: u64,
    /// Batches in it.
    pub records: u64,
    /// Rows, versions and blobs' places in the view.
    pub rows: u64,
    /// Blobs.
    pub blobs: u64,
    /// Octets of blobs.
    pub blob_octets: u64,
    /// Pieces of data that can be made again.
    pub derived: u64,
    /// Octets of them.
    pub derived_octets: u64,
    /// Large bodies that no batch refers to; the next start removes them.
    pub orphans: u64,
    /// Octets of a batch that was never acknowledged; the next start removes them.
    pub torn_octets: u64,
    /// What is wrong, as far as it is told one by one.
    pub flaws: Vec<String>,
    /// How many things are wrong.
    pub flaw_count: u64,
    /// How many of them cost nothing yet, as the same octets are whole in another place.
    pub spare_flaw_count: u64,
}

impl Report {
    /// True if nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.flaw_count == 0
    }

    /// True if all that is kept can be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.flaw_count == self.spare_flaw_count
    }

    /// Adds one more flaw.
    pub fn flaw(&mut self, flaw: String) {
        self.flaw_count += 1;
        if self.flaws.len() < FLAWS_MAX {
            self.flaws.push(flaw);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "log: {} segments, {} octets, {} batches",
            self.segments, self.octets, self.records
        )?;
        writeln!(f, "blobs: {}, {} octets", self.blobs, self.blob_octets)?;
        writeln!(f, "view: {} rows", self.rows)?;
        writeln!(
            f,
            "search: {} segments, {} octets, made again where they lack",
            self.derived, self.derived_octets
        )?;
        writeln!(
            f,
            "left over, removed at the next start: {} bodies, {} octets of log",
            self.orphans, self.torn_octets
        )?;
        for flaw in &self.flaws {
            writeln!(f, "flaw: {flaw}")?;
        }
        if self.is_sound() {
            write!(f, "sound")
        } else {
            write!(f, "{} flaws", self.flaw_count)
        }
    }
}

pub(super) fn check(
    ground: &Ground,
    dir: &Path,
    settings: &EmbeddedSettings,
    each: impl FnMut(Partition, Table, &[u8], &[u8]),
) -> Result<Report, Error> {
    let layout = Layout::enter(ground, dir)?;
    let scratch = dir.join("check.tmp");
    remove(ground, &scratch)?;
    let bodies = Bodies::new(Arc::clone(&ground.disk), Arc::default(), &layout.bodies);
    let mut report = Report::default();
    let fresh = open_scratch(ground, &scratch, settings)?;
    let base = Base::find(&*ground.disk, &layout.snapshots)?;
    let mut inline = Inline::default();
    let last = check_log(ground, &layout, (&base, &fresh), &mut report, &mut inline)?;
    inline.0.sort_unstable();
    check_blobs(&fresh, &bodies, &inline, &mut report)?;
    if report.is_sound() {
        match check_view(
            ground,
            &layout,
            (&base, &fresh, last),
            settings,
            &mut report,
        ) {
            // Of itself it says that it is damaged, or only that it cannot be read.
            Err(Error::Damaged(cause) | Error::Engine { cause, .. }) => {
                report.flaw(format!("the view cannot be read: {cause}"));
            }
            done => done?,
        }
        fresh.each_row(each)?;
    }
    check_heads(&*ground.disk, &layout, &fresh, &mut report)?;
    (report.derived, report.derived_octets) =
        derived::count(&*ground.disk, &layout.derived).map_err(failed("counting derived data"))?;
    drop(fresh);
    remove(ground, &scratch)?;
    Ok(report)
}

/// Makes the view again from the whole log, and drops what else is derived; says how many batches
/// the log has.
pub(super) fn rebuild(
    ground: &Ground,
    dir: &Path,
    settings: &EmbeddedSettings,
) -> Result<u64, Error> {
    let layout = Layout::enter(ground, dir)?;
    let scratch = dir.join("view.new");
    remove(ground, &scratch)?;
    let disk = &*ground.disk;
    disk.make_dir(&scratch).map_err(failed("making the view"))?;
    let view = open_scratch(ground, &scratch.join("db"), settings)?;
    let base = Base::find(disk, &layout.snapshots)?;
    let (end, records) = replay(disk, &layout.log, (&base, None), &view)?;
    view.persist()?;
    drop(view);
    if let Some(end) = end {
        checkpoint::write(disk, &scratch, end.position)?;
    }
    layout.remove_derived()?;
    layout.remove_view()?;
    let swap = || {
        disk.remove_dir(&layout.view)?;
        disk.rename(&scratch, &layout.view)?;
        disk.sync_dir(&layout.root)
    };
    swap().map_err(failed("putting the new view in place"))?;
    Ok(records)
}

/// Where there are blobs in the log that are what their names say: segment and octet.
#[derive(Debug, Default)]
struct Inline(Vec<(u64, u64)>);

/// Gives the number of the last record.
fn check_log(
    ground: &Ground,
    layout: &Layout,
    (base, fresh): (&Base, &View),
    report: &mut Report,
    inline: &mut Inline,
) -> Result<u64, Error> {
    let disk = &*ground.disk;
    let mut from = None;
    match base {
        Base::Beginning => {}
        Base::Damaged(path) => report.flaw(snapshot::damaged(path).to_string()),
        Base::Snapshot(path, position) => {
            from = Some(*position);
            match restore(disk, (path, *position), fresh) {
                Err(Error::Damaged(what)) => report.flaw(what),
                restored => restored?,
            }
        }
    }
    for segment in segment::list(disk, &layout.log)? {
        report.segments += 1;
        report.octets += segment.len;
        if from.is_some_and(|from| segment.number <= from.segment) {
            check_old(disk, &segment, inline)?;
        }
    }
    let mut follower = Follower::new(fresh);
    let end = walk(disk, &layout.log, (base.floor(from), from), &mut |found| {
        match found {
            Found::Record(behind, entry) => {
                for blob in &entry.blobs {
                    inline.check(blob, report);
                }
                follower.follow(behind, &entry)?;
            }
            Found::Damage(what) => report.flaw(what),
        }
        Ok(())
    })?;
    follower.apply()?;
    report.records = follower.records;
    report.torn_octets = end.as_ref().map_or(0, |end| end.torn);
    let before = from.map_or(0, |from| from.sequence);
    Ok(end.map_or(before, |end| end.position.sequence))
}

/// Looks for blobs in a segment before the snapshot: what else is in it is not needed, so what is
/// damaged is only told where it is a blob that somebody needs.
fn check_old(disk: &dyn Disk, segment: &Segment, inline: &mut Inline) -> Result<(), Error> {
    let Some(header) = segment.header else {
        return Ok(());
    };
    let mut offset = SEGMENT_HEADER_OCTETS;
    loop {
        let start = (offset, 0);
        let run = segment::read(disk, segment, header.epoch, start, &mut |at, _, body| {
            let body_at = at + RECORD_HEADER_OCTETS as u64;
            let entry = Entry::decode(body, segment.number, body_at);
            let blobs = entry.map(|entry| entry.blobs).unwrap_or_default();
            for blob in &blobs {
                // One that is damaged is told where somebody needs it.
                inline.add(blob);
            }
            Ok(())
        })?;
        match segment::search(disk, segment, header.epoch, run.offset)? {
            Some((next, _)) => offset = next,
            None => return Ok(()),
        }
    }
}

impl Inline {
    /// Notes a blob in a record; false if it is not what its name says.
    fn add(&mut self, blob: &BlobEntry<'_>) -> bool {
        let (Some(octets), Place::Log { segment, offset }) = (blob.octets, blob.located.place)
        else {
            return true;
        };
        let is_whole = *blake3::hash(octets).as_bytes() == blob.blob.0;
        if is_whole {
            self.0.push((segment, offset));
        }
        is_whole
    }

    fn check(&mut self, blob: &BlobEntry<'_>, report: &mut Report) {
        if !self.add(blob) {
            let (name, place) = (blob.blob, blob.located.place);
            report.flaw(format!(
                "blob {name} at {place:?} is not what its name says"
            ));
        }
    }
}

fn check_blobs(
    fresh: &View,
    bodies: &Bodies,
    inline: &Inline,
    report: &mut Report,
) -> Result<(), Error> {
    for found in fresh.blobs() {
        let (blob, located) = found?;
        report.blobs += 1;
        report.blob_octets += located.len;
        match located.place {
            Place::Body => {
                let flaw = bodies.flaw(blob, located.len);
                flaw.into_iter().for_each(|flaw| report.flaw(flaw));
            }
            Place::Log { segment, offset } => {
                if inline.0.binary_search(&(segment, offset)).is_err() {
                    report.flaw(format!(
                        "blob {blob} is not in segment {segment:x} at {offset}"
                    ));
                }
            }
        }
    }
    let is_orphan = |blob: BlobId| -> Result<bool, Error> {
        let found = fresh.blob(blob)?;
        Ok(found.is_none_or(|found| found.place != Place::Body))
    };
    for blob in bodies.names()? {
        report.orphans += u64::from(is_orphan(blob)?);
    }
    Ok(())
}

/// Looks at both heads of each compressed segment; of one that is damaged it tells what it would
/// cost if the other were, too. Where both are, that was told of the segment and its blobs.
fn check_heads(
    disk: &dyn Disk,
    layout: &Layout,
    fresh: &View,
    report: &mut Report,
) -> Result<(), Error> {
    for segment in segment::list(disk, &layout.log)? {
        if !segment.is_compressed {
            continue;
        }
        let file = disk.open(&segment.path);
        let file = file.map_err(failed("reading a compressed segment"))?;
        let (damaged, other) = match Heads::of(&*file) {
            Heads::Whole | Heads::BothDamaged => continue,
            Heads::FirstDamaged => ("first", "last"),
            Heads::LastDamaged => ("last", "first"),
        };
        let (mut blobs, mut octets) = (0_u64, 0_u64);
        for found in fresh.blobs() {
            let (_, located) = found?;
            if matches!(located.place, Place::Log { segment: at, .. } if at == segment.number) {
                blobs += 1;
                octets += located.len;
            }
        }
        let number = segment.number;
        report.spare_flaw_count += 1;
        report.flaw(format!(
            "the {damaged} head of segment {number:x} is damaged: nothing is lost; if the {other} \
             one were damaged too, {blobs} letters of {octets} octets would be"
        ));
    }
    Ok(())
}

/// Compares the view, brought up to the log as at any start, with one made from the whole log.
fn check_view(
    ground: &Ground,
    layout: &Layout,
    (base, fresh, last): (&Base, &View, u64),
    settings: &EmbeddedSettings,
    report: &mut Report,
) -> Result<(), Error> {
    let (view, from) = layout.open_view(settings.view_memory(), base)?;
    // Before anything is replayed: a start goes on behind the checkpoint and does not see it.
    let (_, applied) = view.marks()?;
    if applied > last {
        report.flaw(format!(
            "the view knows record {applied}, but the log ends at {last}: the rest of it is damaged"
        ));
        return Ok(());
    }
    match replay(&*ground.disk, &layout.log, (base, from), &view) {
        Ok(_) => {}
        Err(Error::Damaged(what)) => {
            report.flaw(what);
            return Ok(());
        }
        Err(other) => return Err(other),
    }
    let (mut told, mut meant) = (view.contents(), fresh.contents());
    let mut left = told.next().transpose()?;
    let mut right = meant.next().transpose()?;
    loop {
        let order = match (&left, &right) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => (left.0, &left.1).cmp(&(right.0, &right.1)),
        };
        match (order, &left, &right) {
            (Ordering::Less, Some((_, key, _)), _) => {
                report.flaw(format!("the view has a row too many: {key:?}"));
            }
            (Ordering::Greater, _, Some((_, key, _))) => {
                report.flaw(format!("the view lacks a row: {key:?}"));
            }
            (_, Some(left), Some(right)) if left.2 != right.2 => {
                report.flaw(format!("the view has another value: {:?}", left.1));
            }
            _ => {}
        }
        if order.is_le() {
            report.rows += 1;
            left = told.next().transpose()?;
        }
        if order.is_ge() {
            right = meant.next().transpose()?;
        }
    }
}

fn open_scratch(ground: &Ground, dir: &Path, settings: &EmbeddedSettings) -> Result<View, Error> {
    let view = View::open(&ground.view, &ground.disk, dir, settings.view_memory());
    view.map_err(|error| match error {
        OpenError::Failed(error) => error,
        OpenError::Damaged(cause) => Error::Engine {
            doing: "making a view",
            cause,
        },
    })
}

fn remove(ground: &Ground, dir: &Path) -> Result<(), Error> {
    let removed = gone(ground.disk.remove_dir(dir));
    removed.map(drop).map_err(failed("removing a scratch view"))
}
