//! Isolates what is damaged in the middle of a log, so that everything else serves.
//!
//! The view is brought up to the log's end without the records that are damaged, and becomes a
//! snapshot: from then on the log is read behind it only, and what is damaged is not read again.
//! Bodies that were in it are missed where somebody reads them, and named by the audit.
//!
//! A damaged head of a compressed segment is written again from the other one.
//!
//! Not here: what was lost means (`post`), and whether it is done (whoever asks).

use std::path::Path;
use std::sync::Arc;

use super::EmbeddedSettings;
use super::checkpoint;
use super::compress;
use super::compressed::Heads;
use super::ground::Ground;
use super::layout::Layout;
use super::log::Position;
use super::recovery::{Follower, Found, refuse_sealed, restore, settle, walk};
use super::segment;
use super::snapshot::{self, Base};
use super::view::{Frozen, Space, View};
use crate::backend::Error;
use crate::disk::{Disk, failed};

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// What is damaged, and was left out.
    pub left_out: Vec<String>,
    /// What is there twice, and was written again from the other place.
    pub written_again: Vec<String>,
}

/// Makes a store that is not open one that can be opened.
pub(super) fn repair(
    ground: &Ground,
    dir: &Path,
    settings: &EmbeddedSettings,
) -> Result<Repaired, Error> {
    let layout = Layout::enter(ground, dir)?;
    let disk = &*ground.disk;
    snapshot::sweep(disk, &layout.snapshots)?;
    compress::sweep(disk, &layout.log)?;
    let written_again = mend_heads(disk, &layout.log)?;
    let base = Base::find(disk, &layout.snapshots)?;
    let (view, mut from) = layout.open_view(settings.view_memory(), &base)?;
    if from.is_none() {
        match &base {
            Base::Beginning => {}
            Base::Damaged(path) => return Err(snapshot::damaged(path)),
            Base::Snapshot(path, position) => {
                restore(disk, (path, *position), &view)?;
                from = Some(*position);
            }
        }
    }
    let (mut follower, mut left_out) = (Follower::new(&view), Vec::new());
    // From its beginning, so that what is damaged before the view's end is told as well.
    let floor = base.floor(from);
    let end = walk(disk, &layout.log, (floor, from), &mut |found| match found {
        Found::Record(behind, entry) => follower.follow(behind, &entry),
        Found::Damage(what) => {
            left_out.push(what);
            Ok(())
        }
    })?;
    follower.apply()?;
    let repaired = Repaired {
        left_out,
        written_again,
    };
    let Some(end) = end else {
        return Ok(repaired);
    };
    let last = segment::list(disk, &layout.log)?;
    let last = last.iter().rev().find(|segment| !segment.is_empty);
    let (_, applied) = view.marks()?;
    if last.is_some_and(|last| last.number > end.position.segment)
        || applied > end.position.sequence
    {
        return Err(Error::Damaged("the log's end is damaged".into()));
    }
    refuse_sealed(&end)?;
    settle(disk, &layout.log, &end)?;
    view.persist()?;
    checkpoint::write(disk, &layout.view, end.position)?;
    take_snapshot(ground, &layout, &view, end.position)?;
    Ok(repaired)
}

/// Says of which segments.
fn mend_heads(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, Error> {
    let failed = failed("writing the head of a compressed segment again");
    let mut mended = Vec::new();
    for segment in segment::list(disk, dir)? {
        if !segment.is_compressed {
            continue;
        }
        let number = segment.number;
        let mend = || Heads::mend(&*disk.open_to_write(&segment.path)?);
        match mend().map_err(&failed)? {
            Heads::Whole | Heads::BothDamaged => {}
            Heads::FirstDamaged => mended.push(format!("the first head of segment {number:x}")),
            Heads::LastDamaged => mended.push(format!("the last head of segment {number:x}")),
        }
    }
    Ok(mended)
}

fn take_snapshot(
    ground: &Ground,
    layout: &Layout,
    view: &View,
    position: Position,
) -> Result<(), Error> {
    let frozen = view.frozen();
    let disk = Arc::clone(&ground.disk);
    let mut draft = snapshot::Draft::begin(disk, &layout.snapshots, position)?;
    for space in Space::ALL {
        let mut behind = Frozen::BEGIN.to_vec();
        loop {
            let rows = snapshot::next(&frozen, space, &mut behind)?;
            if rows.is_empty() {
                break;
            }
            draft.add(space, &rows)?;
        }
    }
    draft.finish()?;
    snapshot::remove_before(&*ground.disk, &layout.snapshots, position)
}
