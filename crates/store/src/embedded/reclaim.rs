//! Frees what is dead, beside the work.
//!
//! A sweep finds which blobs no row mentions. They are forgotten: a record says so, and from then
//! on they are not there. A large one's file goes with it.
//!
//! Segments of the log of which little is live are emptied: what is live in them is copied on. Then
//! a snapshot of the view is written, and segments before it go in which it has no blob. So many
//! segments are taken that at most [`WRITTEN_PER_FREED`] octets are written for each that is freed,
//! blobs and snapshot together.
//!
//! What a power cut leaves:
//!
//! | after | what is there | why that is well |
//! |---|---|---|
//! | a record that forgets | files of bodies that are forgotten | the next start removes them |
//! | a record that copies on | a blob twice | the view has the later place |
//! | a part of a snapshot | a draft | the next start removes it |
//! | a snapshot | segments that nobody needs | the next round removes them |
//! | some of the segments | the others | replay begins at the snapshot |
//! | all of them | an older snapshot | the newest counts; the older goes in the next round |
//!
//! Not here: how each piece is done (`chores`, `snapshot`), and how what stays becomes shorter
//! (`compress`).

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use mail::{BlobId, BlobRange};
use tokio::sync::oneshot;

use super::Inner;
use super::chores::{Answer, Chore, Moving};
use super::committer::Message;
use super::handles::Source;
use super::log::Position;
use super::record::{Entry, Located, Place, RECORD_HEADER_OCTETS, SEGMENT_HEADER_OCTETS};
use super::segment::{self, Segment};
use super::snapshot;
use super::sweep::{Names, Sweep};
use super::view::{Frozen, Space, located};
use crate::backend::{Error, Staged};
use crate::disk::{failed, gone};
use crate::reclaim::{Mentions, RateLimit, Reclaim, Reclaimed, SegmentUse, Survey};

/// Blobs that are forgotten at once.
const FORGOTTEN_AT_ONCE: usize = 1024;
/// Files of large blobs that are removed at once.
const FILES_AT_ONCE: usize = 8;

/// Octets of blobs that are copied on at once, behind which a commit may have to wait.
const COPIED_AT_ONCE: u64 = 1 << 20;
/// Segments of which so much of a hundred is live, or more, stay as they are.
const LIVE_PERCENT: u64 = 60;
/// Octets that are written at most for each octet that is freed of the log.
const WRITTEN_PER_FREED: u64 = 2;

/// Octets of a blob's place in a snapshot.
const SNAPSHOT_BLOB_OCTETS: u64 = 65;

/// Blobs about to be forgotten.
#[derive(Debug, Default)]
struct Doomed {
    blobs: Vec<BlobId>,
    octets: u64,
    files: usize,
    file_octets: u64,
}

impl Inner {
    /// What is used, and what is dead.
    pub(super) async fn survey(
        &self,
        mentions: Mentions,
        limit: &dyn RateLimit,
    ) -> Result<Survey, Error> {
        let (frozen, _) = self.chore(Chore::Freeze).await?;
        let sweep = Sweep {
            frozen: &frozen,
            mentions,
            limit,
        };
        self.sweep(sweep, None).await
    }

    /// Frees what no row mentions.
    pub(super) async fn reclaim(&self, how: &Reclaim<'_>) -> Result<Reclaimed, Error> {
        let _one_at_a_time = self.reclaiming.lock().await;
        let mut done = Reclaimed::default();
        let mut ended = self.free(how, &mut done).await;
        if ended.is_ok() {
            ended = self.compress(how.limit, &mut done).await;
        }
        let sums = &mut *self
            .reclaimed
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        *sums = sums.and(done);
        ended.map(|()| done)
    }

    async fn free(&self, how: &Reclaim<'_>, done: &mut Reclaimed) -> Result<(), Error> {
        // First, so that nothing is mentioned unnoticed behind the rows that are asked.
        let watching = self.reader.touched.watch();
        let (frozen, begun) = self.chore(Chore::Freeze).await?;
        let sweep = Sweep {
            frozen: &frozen,
            mentions: how.mentions,
            limit: how.limit,
        };
        let survey = self.sweep(sweep, Some((how, done))).await?;
        drop((watching, frozen));
        let mut victims = victims(&survey, begun.segment, &self.stuck());
        if victims.is_empty() {
            return Ok(());
        }
        let octets = snapshot_octets(&survey);
        for segment in self.segments()? {
            if victims.contains(&segment.number) {
                self.empty(&segment, how.limit, done).await?;
            }
        }
        let (position, used) = self.take_snapshot(octets, how.limit, done).await?;
        // Those that could not be emptied are not tried again before the next start.
        victims.retain(|number| used.contains(number));
        self.stuck().append(&mut victims);
        self.remove_segments((position, &used), done)
    }

    fn stuck(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn segments(&self) -> Result<Vec<Segment>, Error> {
        segment::list(&*self.reader.bodies.disk, &self.reader.layout.log)
    }

    /// Copies on what is live in a segment. What cannot be read stays where it is, and so does the
    /// segment.
    async fn empty(
        &self,
        segment: &Segment,
        limit: &dyn RateLimit,
        done: &mut Reclaimed,
    ) -> Result<(), Error> {
        let found = self.inline(segment)?;
        limit.spend(segment.len).await;
        let (mut moving, mut octets) = (Vec::new(), 0);
        for (blob, Located { len, place }) in found {
            if self.reader.view.blob(blob)? != Some(Located { len, place }) {
                continue;
            }
            let range = BlobRange {
                blob,
                offset: 0,
                len,
            };
            match self.reader.read(range) {
                Ok(octets) => moving.push(moved(blob, octets, place)),
                // It is named by whoever reads it, and by the audit.
                Err(Error::Damaged(what)) => tracing::warn!(what, "a segment stays for its sake"),
                Err(other) => return Err(other),
            }
            octets += len;
            if octets >= COPIED_AT_ONCE {
                let moving = std::mem::take(&mut moving);
                done.copied_octets += self.chore(|answer| Chore::CopyOn(moving, answer)).await?;
                limit.spend(std::mem::take(&mut octets)).await;
            }
        }
        if !moving.is_empty() {
            done.copied_octets += self.chore(|answer| Chore::CopyOn(moving, answer)).await?;
            limit.spend(octets).await;
        }
        Ok(())
    }

    /// The blobs that came with a segment's records.
    fn inline(&self, segment: &Segment) -> Result<Vec<(BlobId, Located)>, Error> {
        let mut found = Vec::new();
        let Some(header) = segment.header else {
            return Ok(found);
        };
        let (disk, start) = (&*self.reader.bodies.disk, (SEGMENT_HEADER_OCTETS, 0));
        segment::read(disk, segment, header.epoch, start, &mut |at, _, body| {
            let body_at = at + RECORD_HEADER_OCTETS as u64;
            let entry = Entry::decode(body, segment.number, body_at);
            let blobs = entry.map(|entry| entry.blobs).unwrap_or_default();
            let inline = blobs.iter().filter(|blob| blob.octets.is_some());
            found.extend(inline.map(|blob| (blob.blob, blob.located)));
            Ok(())
        })?;
        Ok(found)
    }

    /// Writes the view of one instant, durably; says which segments its blobs are in, and from
    /// where on the log is behind it.
    async fn take_snapshot(
        &self,
        octets: u64,
        limit: &dyn RateLimit,
        done: &mut Reclaimed,
    ) -> Result<(Position, BTreeSet<u64>), Error> {
        let disk = Arc::clone(&self.reader.bodies.disk);
        let dir = &self.reader.layout.snapshots;
        let room = disk.room(dir).map_err(failed("writing a snapshot"))?;
        if room < octets.saturating_add(self.derived.reserve_octets / 2) {
            return Err(Error::Full);
        }
        let (frozen, position) = self.chore(Chore::Settle).await?;
        let mut draft = snapshot::Draft::begin(Arc::clone(&disk), dir, position)?;
        let mut used = BTreeSet::new();
        for space in Space::ALL {
            let mut behind = Frozen::BEGIN.to_vec();
            loop {
                let rows = snapshot::next(&frozen, space, &mut behind)?;
                if rows.is_empty() {
                    break;
                }
                for (_, value) in rows.iter().filter(|_| space == Space::Blobs) {
                    let known = located(value);
                    let known = known.ok_or_else(|| Error::Damaged("a blob's place".into()))?;
                    if let Place::Log { segment, .. } = known.place {
                        used.insert(segment);
                    }
                }
                let before = draft.octets;
                draft.add(space, &rows)?;
                drop(rows);
                limit.spend(draft.octets - before).await;
            }
        }
        done.snapshot_octets += draft.finish()?;
        snapshot::remove_before(&*disk, dir, position)?;
        Ok((position, used))
    }

    /// Removes segments before a snapshot that has no blob in them.
    fn remove_segments(
        &self,
        (position, used): (Position, &BTreeSet<u64>),
        done: &mut Reclaimed,
    ) -> Result<(), Error> {
        let failed = failed("removing a segment");
        let (disk, dir) = (&*self.reader.bodies.disk, &self.reader.layout.log);
        for segment in self.segments()? {
            if segment.number >= position.segment || used.contains(&segment.number) {
                continue;
            }
            gone(disk.remove(&segment.path)).map_err(&failed)?;
            self.reader.handles.forget(Source::Segment(segment.number));
            done.files += 1;
            done.freed_octets += segment.stored;
        }
        disk.sync_dir(dir).map_err(failed)
    }

    /// Goes through all blobs; those that are dead are forgotten where there is something to be
    /// freed.
    async fn sweep(
        &self,
        sweep: Sweep<'_>,
        mut frees: Option<(&Reclaim<'_>, &mut Reclaimed)>,
    ) -> Result<Survey, Error> {
        let mut survey = self.begin_survey()?;
        let mut behind = Frozen::BEGIN.to_vec();
        loop {
            let (mut names, last) = sweep.names(behind.clone()).await?;
            let asked = sweep.ask(&mut names).await?;
            survey.row_octets = asked.octets;
            survey.unreadable = asked.unreadable;
            if let Some((how, done)) = &mut frees {
                done.sweeps += 1;
                if asked.unreadable > 0 {
                    let what = format!("{} rows that may mention any letter", asked.unreadable);
                    return Err(Error::Damaged(what));
                }
                if names.has_dead() && !how.grace.is_zero() {
                    tokio::time::sleep(how.grace).await;
                }
            }
            let done = frees.as_mut().map(|(_, done)| &mut **done);
            self.judge(sweep, behind, &names, (&mut survey, done))
                .await?;
            if names.is_last() {
                return Ok(survey);
            }
            behind = last;
        }
    }

    fn begin_survey(&self) -> Result<Survey, Error> {
        let segments = self.segments()?;
        let segments = segments.iter().map(|segment| SegmentUse {
            number: segment.number,
            octets: segment.len,
            stored_octets: segment.stored,
            live_octets: 0,
        });
        Ok(Survey {
            segments: segments.collect(),
            ..Survey::default()
        })
    }

    /// Goes through the blobs once more whose names were asked for.
    async fn judge(
        &self,
        sweep: Sweep<'_>,
        mut behind: Vec<u8>,
        names: &Names,
        (survey, mut done): (&mut Survey, Option<&mut Reclaimed>),
    ) -> Result<(), Error> {
        let (mut number, mut doomed) = (0, Doomed::default());
        while number < names.len() {
            let (blobs, last) = sweep.blobs(&behind, names.len() - number).await?;
            let Some(last) = last else { break };
            behind = last;
            for (blob, located) in blobs {
                let is_live = names.is_mentioned(number);
                number += 1;
                survey.note(is_live, located.place, located.len);
                if is_live {
                    continue;
                }
                let Some(done) = &mut done else { continue };
                doomed.blobs.push(blob);
                doomed.octets += located.len;
                if located.place == Place::Body {
                    doomed.files += 1;
                    doomed.file_octets += located.len;
                }
                if doomed.is_full() {
                    self.forget(std::mem::take(&mut doomed), (sweep, done))
                        .await?;
                }
            }
        }
        match done {
            Some(done) => self.forget(doomed, (sweep, done)).await,
            None => Ok(()),
        }
    }

    async fn forget(
        &self,
        doomed: Doomed,
        (sweep, done): (Sweep<'_>, &mut Reclaimed),
    ) -> Result<(), Error> {
        let wanted = doomed.blobs.len();
        if wanted == 0 {
            return Ok(());
        }
        let forget = |answer| Chore::Forget(doomed.blobs, answer);
        let forgotten = self.chore(forget).await?;
        self.reader.forget(&forgotten);
        done.forgotten += forgotten.len() as u64;
        // Those that somebody mentioned meanwhile are few, and not told apart in the sums.
        if forgotten.len() == wanted {
            done.forgotten_octets += doomed.octets;
            done.files += doomed.files as u64;
            done.freed_octets += doomed.file_octets;
        }
        sweep.limit.spend(doomed.octets.min(1 << 20)).await;
        Ok(())
    }

    /// Asks the committer.
    pub(super) async fn chore<T>(
        &self,
        chore: impl FnOnce(Answer<T>) -> Chore,
    ) -> Result<T, Error> {
        let closed = || Error::Engine {
            doing: "freeing what is dead",
            cause: "the store is closed".into(),
        };
        let (answer, done) = oneshot::channel();
        let sent = self.queue.send(Message::Chore(chore(answer)));
        sent.map_err(|_| closed())?;
        done.await.map_err(|_| closed())?
    }
}

fn moved(blob: BlobId, octets: Bytes, place: Place) -> Moving {
    let staged = Staged {
        blob,
        len: octets.len() as u64,
        bytes: Some(octets),
        place: 0,
    };
    Moving { staged, place }
}

/// How many octets a snapshot will have, roughly.
const fn snapshot_octets(survey: &Survey) -> u64 {
    let names = survey.blobs.live.saturating_mul(SNAPSHOT_BLOB_OCTETS);
    survey.row_octets.saturating_add(names)
}

/// The segments that are emptied, if it is worth it: those with the least in them, as many as what
/// is written for them allows.
fn victims(survey: &Survey, open: u64, stuck: &BTreeSet<u64>) -> BTreeSet<u64> {
    let share = |segment: &SegmentUse, of: u64| {
        u128::from(segment.live_octets) * u128::from(of) / u128::from(segment.octets.max(1))
    };
    let sealed = survey.segments.iter();
    let sealed = sealed.filter(|it| it.number < open && !stuck.contains(&it.number));
    let mut sealed: Vec<_> = sealed
        .filter(|segment| share(segment, 100) < u128::from(LIVE_PERCENT))
        .collect();
    sealed.sort_by_key(|segment| share(segment, 1 << 20));
    let (mut written, mut freed) = (snapshot_octets(survey), 0_u64);
    let mut worth = 0;
    for (count, segment) in (1..).zip(&sealed) {
        written = written.saturating_add(segment.live_octets);
        freed = freed.saturating_add(dead_octets(segment));
        if written <= freed.saturating_mul(WRITTEN_PER_FREED) {
            worth = count;
        }
    }
    let chosen = sealed.iter().take(worth);
    chosen.map(|segment| segment.number).collect()
}

/// Octets of a segment's file that nobody needs: of a compressed one, its share of what is stored.
fn dead_octets(segment: &SegmentUse) -> u64 {
    let dead = segment.octets.saturating_sub(segment.live_octets);
    let share = u128::from(dead) * u128::from(segment.stored_octets);
    u64::try_from(share / u128::from(segment.octets.max(1))).unwrap_or(u64::MAX)
}

impl Doomed {
    fn is_full(&self) -> bool {
        self.blobs.len() >= FORGOTTEN_AT_ONCE || self.files >= FILES_AT_ONCE
    }
}

impl Survey {
    fn note(&mut self, is_live: bool, place: Place, octets: u64) {
        self.blobs.count(is_live, octets);
        match place {
            Place::Body => self.bodies.count(is_live, octets),
            Place::Log { segment, .. } => {
                let at = self
                    .segments
                    .binary_search_by_key(&segment, |known| known.number);
                let found = at.ok().and_then(|at| self.segments.get_mut(at));
                if let Some(found) = found.filter(|_| is_live) {
                    found.live_octets += octets;
                }
            }
        }
    }
}
