//! The queue as who looks after the host sees and changes it.
//!
//! What is being handed on at this moment is left as it is: its fate is nearly known.
//!
//! Not here: words for people (`caramel`).

use mail::QueueId;
use store::{Direction, Partition};

use super::claim::behind;
use super::entry::{
    DESTINATIONS, Entry, LETTERS, Place, Rank, destination_key, letter_key, read_destination_key,
    read_letter_key,
};
use super::{Change, Claimed};
use crate::journey::{Event, JourneyStep};
use crate::{Error, Fault, Outcome, Post};

/// Letters that are looked at in one step.
const STEP_LETTERS: usize = 200;
/// Letters for one destination that are tried at once where somebody asks for it.
const DESTINATION_LETTERS_MAX: usize = 1000;

/// A page of the queue.
#[derive(Clone, Debug, Default)]
pub struct QueuePage {
    /// The letters, by id, and whether somebody is handing them on.
    pub letters: Vec<(QueueId, Entry, bool)>,
    /// True if there are more behind the last.
    pub more: bool,
    /// Letters in all.
    pub total: u64,
}

/// What is done with letters that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueDeed {
    /// They are tried now.
    Retry,
    /// They are tried then, in seconds since 1970, and not before; held ones stay held.
    RetryAt(i64),
    /// They are kept back.
    Hold,
    /// They go on, now.
    Release,
    /// They are thrown away; nobody is told.
    Drop,
}

impl QueueDeed {
    const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::RetryAt(_) => "retry-at",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Drop => "drop",
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDone {
    /// Letters that were changed.
    pub changed: u64,
    /// Letters that were left as they are: held ones are not retried, others not released.
    pub unfit: u64,
    /// Letters that somebody is handing on.
    pub busy: u64,
    /// Letters that are not there.
    pub missing: u64,
    /// Letters that were left as they are, as they would be given up before the time that was said.
    pub late: u64,
    /// When the first of these is given up, in seconds since 1970.
    pub ends: Option<i64>,
}

/// What comes of a deed for one letter.
enum Altered {
    Yes,
    /// It is not for a letter like this.
    Unfit,
    /// It is given up before, at this time.
    Late(i64),
}

impl Post {
    /// Letters in the queue, those behind `after`, at most `limit`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn queue(&self, after: Option<QueueId>, limit: usize) -> Outcome<QueuePage> {
        let store = self.inner.store.as_ref();
        self.inner.queue.load(store).await?;
        let from = after.map_or_else(bytes::Bytes::new, |id| behind(&letter_key(id)));
        let rows = store.scan(
            Partition::QUEUE,
            LETTERS,
            (from, None),
            limit,
            Direction::Rising,
        );
        let page = rows.await.map_err(Error::reading("reading the queue"))?;
        let mut letters = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            let read = read_letter_key(&row.key).zip(Entry::read(&row.value));
            let (id, entry) = read.ok_or(Fault::Row("the queue"))?;
            letters.push((id, entry, self.inner.queue.is_leased(id)));
        }
        Ok(QueuePage {
            letters,
            more: page.more,
            total: self.inner.queue.desk().letters(),
        })
    }

    /// One letter, and whether somebody is handing it on.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], or if the store cannot be read.
    pub async fn queued(&self, id: QueueId) -> Outcome<(Entry, bool)> {
        let store = self.inner.store.as_ref();
        let rows = store.get(Partition::QUEUE, LETTERS, vec![letter_key(id)]);
        let rows = rows.await.map_err(Error::reading("reading the queue"))?;
        let row = rows.into_iter().next().flatten();
        let row = row.ok_or_else(|| Error::nonexistent(format!("There is no letter {id}")))?;
        let entry = Entry::read(&row).ok_or(Fault::Row("the queue"))?;
        Ok((entry, self.inner.queue.is_leased(id)))
    }

    /// Does something with letters of the queue.
    ///
    /// # Errors
    /// If the store cannot be read or written; what was done until then stays.
    pub async fn change_queue(&self, ids: &[QueueId], deed: QueueDeed) -> Outcome<QueueDone> {
        let mut done = QueueDone::default();
        for ids in ids.chunks(STEP_LETTERS) {
            let mut leases = Vec::with_capacity(ids.len());
            for id in ids {
                match self.inner.queue.lease(*id) {
                    Some(lease) => leases.push(lease),
                    None => done.busy += 1,
                }
            }
            let asked = leases.len();
            let claimed = self.read_leased(leases).await?;
            let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
            done.missing += count(asked.saturating_sub(claimed.len()));
            let mut change = Change::default();
            let mut fit = Vec::with_capacity(claimed.len());
            for one in &claimed {
                match self.alter(one, deed, &mut change) {
                    Altered::Yes => fit.push(one),
                    Altered::Unfit => done.unfit += 1,
                    Altered::Late(end) => {
                        done.late += 1;
                        done.ends = [done.ends, Some(end)].into_iter().flatten().min();
                    }
                }
            }
            self.change_with_queue(&[], &[], &change, |_, _| Ok(()))
                .await?;
            fit.iter().for_each(|one| one.lease.end());
            if matches!(deed, QueueDeed::Retry | QueueDeed::Release) {
                for one in &fit {
                    self.inner.queue.urge(&one.entry.destination);
                }
            }
            done.changed += count(fit.len());
        }
        Ok(done)
    }

    /// Tries what waits for a destination now, the first letters of it; tells how many there are of
    /// these, those included that somebody is handing on.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub async fn retry_destination(&self, destination: &str) -> Outcome<u64> {
        let end = Place {
            due: i64::MAX,
            id: QueueId(u64::MAX),
        };
        let mut ids = Vec::new();
        for rank in Rank::ALL {
            let order = rank.order(destination);
            let first = destination_key(&order, Place::default());
            let rows = self.inner.store.scan(
                Partition::QUEUE,
                DESTINATIONS,
                (first, Some(destination_key(&order, end))),
                DESTINATION_LETTERS_MAX.saturating_sub(ids.len()).max(1),
                Direction::Rising,
            );
            let page = rows.await.map_err(Error::reading("reading the queue"))?;
            for row in &page.rows {
                let place = read_destination_key(&row.key).ok_or(Fault::Row("the queue"))?;
                ids.push(place.id);
            }
        }
        ids.truncate(DESTINATION_LETTERS_MAX);
        let done = self.change_queue(&ids, QueueDeed::Retry).await?;
        Ok(done.changed + done.busy)
    }

    /// Does it to one letter, if it can be done.
    fn alter(&self, one: &Claimed, deed: QueueDeed, change: &mut Change) -> Altered {
        let (id, before) = (one.id(), one.entry.clone());
        let when = self.inner.outside.now();
        let mut told = JourneyStep {
            journey: before.journey,
            when,
            events: vec![Event::Handled {
                id,
                deed: deed.name().to_owned(),
            }],
        };
        let now = Some(when.seconds);
        let due = match (deed, before.due) {
            (QueueDeed::Drop, _) => {
                change.ended.push((id, before));
                change.told.push((id, told));
                return Altered::Yes;
            }
            (QueueDeed::Retry, Some(_)) | (QueueDeed::Release, None) => now,
            (QueueDeed::RetryAt(until), Some(_)) => {
                let end = self.rules().queue.end(&before);
                if until >= end {
                    return Altered::Late(end);
                }
                told.events.push(Event::Waits { id, until });
                Some(until)
            }
            (QueueDeed::Hold, Some(_)) => None,
            _ => return Altered::Unfit,
        };
        let after = Entry {
            due,
            ..before.clone()
        };
        change.kept.push((id, before, after));
        change.told.push((id, told));
        Altered::Yes
    }
}
