//! Looks at everything: each record, each blob, and whether the view is what the log says.
//!
//! Not here: repair. The view is made again by `rebuild`; a damaged log is for people to judge.

use std::cmp::Ordering;
use std::fmt;
use std::path::Path;

use mail::BlobId;

use super::EmbeddedSettings;
use super::bodies::Bodies;
use super::checkpoint;
use super::derived;
use super::disk::{Disk, failed};
use super::layout::Layout;
use super::record::{BlobEntry, Place};
use super::recovery::{Follower, Found, replay, walk};
use super::segment;
use super::view::View;
use crate::backend::{Error, Partition, Table};

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
}

impl Report {
    /// True if nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.flaw_count == 0
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
    disk: &dyn Disk,
    dir: &Path,
    settings: &EmbeddedSettings,
    bodies: impl FnOnce(&Path) -> Bodies,
    each: impl FnMut(Partition, Table, &[u8], &[u8]),
) -> Result<Report, Error> {
    let layout = Layout::enter(disk, dir)?;
    let scratch = dir.join("check.tmp");
    remove(&scratch)?;
    let bodies = bodies(&layout.bodies);
    let mut report = Report::default();
    let fresh = open_scratch(&scratch, settings)?;
    check_log(&layout, &fresh, &mut report)?;
    check_blobs(&fresh, &bodies, &mut report)?;
    if report.is_sound() {
        check_view(&layout, &fresh, settings, &mut report)?;
        fresh.each_row(each)?;
    }
    (report.derived, report.derived_octets) =
        derived::count(&layout.derived).map_err(failed("counting derived data"))?;
    drop(fresh);
    remove(&scratch)?;
    Ok(report)
}

/// Makes the view again from the whole log, and drops what else is derived; says how many batches
/// the log has.
pub(super) fn rebuild(
    disk: &dyn Disk,
    dir: &Path,
    settings: &EmbeddedSettings,
) -> Result<u64, Error> {
    let layout = Layout::enter(disk, dir)?;
    let scratch = dir.join("view.new");
    remove(&scratch)?;
    std::fs::create_dir_all(&scratch).map_err(failed("making the view"))?;
    let view = open_scratch(&scratch.join("db"), settings)?;
    let (end, records) = replay(&layout.log, None, &view)?;
    view.persist()?;
    drop(view);
    if let Some(end) = end {
        checkpoint::write(disk, &scratch, end.position)?;
    }
    layout.remove_derived()?;
    layout.remove_view()?;
    let swap = || {
        std::fs::remove_dir_all(&layout.view)?;
        disk.rename(&scratch, &layout.view)?;
        disk.sync_dir(&layout.root)
    };
    swap().map_err(failed("putting the new view in place"))?;
    Ok(records)
}

fn check_log(layout: &Layout, fresh: &View, report: &mut Report) -> Result<(), Error> {
    for segment in segment::list(&layout.log)? {
        report.segments += 1;
        report.octets += segment.len;
    }
    let mut follower = Follower::new(fresh);
    let end = walk(&layout.log, None, &mut |found| {
        match found {
            Found::Record(behind, entry) => {
                for blob in &entry.blobs {
                    check_inline(blob, report);
                }
                follower.follow(behind, &entry)?;
            }
            Found::Damage(what) => report.flaw(what),
        }
        Ok(())
    })?;
    follower.apply()?;
    report.records = follower.records;
    if let Some(end) = end {
        report.torn_octets = end.torn;
    }
    Ok(())
}

fn check_inline(blob: &BlobEntry<'_>, report: &mut Report) {
    let Some(octets) = blob.octets else {
        return;
    };
    if *blake3::hash(octets).as_bytes() != blob.blob.0 {
        let (name, place) = (blob.blob, blob.located.place);
        report.flaw(format!(
            "blob {name} at {place:?} is not what its name says"
        ));
    }
}

fn check_blobs(fresh: &View, bodies: &Bodies, report: &mut Report) -> Result<(), Error> {
    for found in fresh.blobs() {
        let (blob, located) = found?;
        report.blobs += 1;
        report.blob_octets += located.len;
        if located.place == Place::Body {
            let flaw = bodies.flaw(blob, located.len);
            flaw.into_iter().for_each(|flaw| report.flaw(flaw));
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

/// Compares the view, brought up to the log as at any start, with one made from the whole log.
fn check_view(
    layout: &Layout,
    fresh: &View,
    settings: &EmbeddedSettings,
    report: &mut Report,
) -> Result<(), Error> {
    let (view, from) = layout.open_view(settings.view_memory())?;
    match replay(&layout.log, from, &view) {
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

fn open_scratch(dir: &Path, settings: &EmbeddedSettings) -> Result<View, Error> {
    View::open(dir, settings.view_memory()).map_err(|error| Error::Engine {
        doing: "making a view",
        cause: error.to_string(),
    })
}

fn remove(dir: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed("removing a scratch view")(error))
        }
        _ => Ok(()),
    }
}
