//! Frees what is dead, beside the work.
//!
//! A sweep finds which blobs no row mentions. They are forgotten: a record says so, and from then
//! on they are not there. A large one's file goes with it.
//!
//! Not here: how each piece is done (`chores`).

use tokio::sync::oneshot;

use super::Inner;
use super::chores::{Answer, Chore};
use super::committer::Message;
use super::record::Place;
use super::segment;
use super::sweep::{Names, Sweep};
use super::view::Frozen;
use crate::backend::Error;
use crate::reclaim::{Mentions, RateLimit, Reclaim, Reclaimed, SegmentUse, Survey};

/// Blobs that are forgotten at once.
const FORGOTTEN_AT_ONCE: usize = 1024;
/// Files of large blobs that are removed at once.
const FILES_AT_ONCE: usize = 8;

/// Blobs about to be forgotten.
#[derive(Debug, Default)]
struct Doomed {
    blobs: Vec<mail::BlobId>,
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
        let frozen = self.chore(Chore::Freeze).await?;
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
        let ended = self.free(how, &mut done).await;
        let sums = &mut *self
            .reclaimed
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        *sums = sums.and(done);
        ended.map(|()| done)
    }

    async fn free(&self, how: &Reclaim<'_>, done: &mut Reclaimed) -> Result<(), Error> {
        // First, so that nothing is mentioned unnoticed behind the rows that are asked.
        let _watching = self.reader.touched.watch();
        let frozen = self.chore(Chore::Freeze).await?;
        let sweep = Sweep {
            frozen: &frozen,
            mentions: how.mentions,
            limit: how.limit,
        };
        self.sweep(sweep, Some((how, done))).await?;
        Ok(())
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
        let reader = &self.reader;
        let segments = segment::list(&*reader.bodies.disk, &reader.layout.log)?;
        let segments = segments.iter().map(|segment| SegmentUse {
            number: segment.number,
            octets: segment.len,
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
