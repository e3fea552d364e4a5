//! What is due: destinations as their time comes, and the letters for one of them.
//!
//! Neither looks at more rows than it tells of, and at those somebody has a lease on: a million
//! letters that wait cost nothing until their time comes. Letters that go after others have an
//! order of their own, and a share of what is taken, so that they go on as well.
//!
//! Not here: how many are handed on at once (`server`).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mail::QueueId;
use store::{Direction, Partition};
use tokio::sync::watch;

use super::desk::Lease;
use super::entry::{
    self, DESTINATIONS, DUE, Entry, LETTERS, Place, Rank, destination_key, letter_key,
    read_destination_key,
};
use crate::{Error, Fault, Outcome, Post};

/// Of so many letters that are taken, one is of those that go after others.
const LATER_SHARE: usize = 5;

/// A letter that is taken out to be handed on. Dropped without an outcome, it is due again.
#[derive(Debug)]
pub struct Claimed {
    pub(super) lease: Lease,
    /// What it is.
    pub entry: Entry,
}

impl Claimed {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> QueueId {
        self.lease.id
    }
}

/// What a sweep found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Destinations that have letters due, and the first place of each that was seen.
    pub destinations: BTreeMap<String, Place>,
    /// The last place that was looked at: the next sweep goes on behind it.
    pub last: Option<Place>,
    /// True if there may be more that are due.
    pub more: bool,
    /// When the next letter is due, in seconds since 1970.
    pub next: Option<i64>,
}

impl Post {
    /// Looks at what is due behind `after`, at most `limit` letters of it.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn sweep_queue(&self, after: Option<Place>, limit: usize) -> Outcome<Sweep> {
        let now = self.inner.outside.now().seconds;
        let from = after.map_or_else(Bytes::new, |place| behind(&place.key()));
        let rows = self.inner.store.scan(
            Partition::QUEUE,
            DUE,
            (from, None),
            limit,
            Direction::Rising,
        );
        let page = rows.await.map_err(Error::reading("reading the queue"))?;
        let mut sweep = Sweep {
            more: page.more,
            ..Sweep::default()
        };
        for row in &page.rows {
            let read = entry::read_due(&row.key, &row.value);
            let (place, (destination, rank)) = read.ok_or(Fault::Row("the queue"))?;
            if place.due > now {
                sweep.next = Some(place.due);
                sweep.more = false;
                break;
            }
            sweep.last = Some(place);
            if rank == Rank::Later {
                self.inner.queue.note_later(&destination);
            }
            sweep.destinations.entry(destination).or_insert(place);
        }
        Ok(sweep)
    }

    /// Takes at most `limit` letters for a destination whose time has come: those of people first,
    /// and of each rank the oldest.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn claim(&self, destination: &str, limit: usize) -> Outcome<Vec<Claimed>> {
        let queue = &self.inner.queue;
        let Some(since) = queue.later_since(destination) else {
            return Ok(self.claim_of(destination, limit).await?.0);
        };
        // Who takes fewer at once than that takes those of people as long as there are any.
        let first = limit - limit / LATER_SHARE;
        let (mut claimed, _) = self.claim_of(destination, first).await?;
        let left = limit.saturating_sub(claimed.len());
        let (later, has_more) = self.claim_of(&Rank::Later.order(destination), left).await?;
        // That none could be taken does not say that there are none: all that were looked at may
        // be somebody else's, or have gone meanwhile.
        if !has_more {
            queue.forget_later(destination, since);
        }
        claimed.extend(later);
        Ok(claimed)
    }

    /// The same of one order; and true unless there was none that is due, taken or not.
    async fn claim_of(&self, order: &str, limit: usize) -> Outcome<(Vec<Claimed>, bool)> {
        let now = self.inner.outside.now().seconds;
        let queue = &self.inner.queue;
        let end = Place {
            due: now.saturating_add(1),
            id: QueueId(0),
        };
        let look = queue.look(order);
        let first = destination_key(order, look.from);
        let range = (first, Some(destination_key(order, end)));
        // Those that somebody has stand among them.
        let rows = limit.saturating_add(queue.leased()).max(1);
        let rows = self.inner.store.scan(
            Partition::QUEUE,
            DESTINATIONS,
            range,
            rows,
            Direction::Rising,
        );
        let page = rows.await.map_err(Error::reading("reading the queue"));
        let seen = page.as_ref().ok().map(|page| match page.rows.first() {
            Some(row) => read_destination_key(&row.key).unwrap_or_default(),
            None => end,
        });
        queue.looked(order, look, seen);
        let page = page?;
        let mut leases = Vec::new();
        for row in &page.rows {
            if leases.len() == limit {
                break;
            }
            let place = read_destination_key(&row.key).ok_or(Fault::Row("the queue"))?;
            leases.extend(queue.lease(place.id));
        }
        let claimed = self.read_leased(leases).await?;
        // Somebody else may have been here between the look and the lease.
        let is_due = |one: &Claimed| one.entry.due.is_some_and(|due| due <= now);
        let claimed = claimed.into_iter().filter(is_due).collect();
        Ok((claimed, !page.rows.is_empty()))
    }

    /// The letters of these leases that are there.
    pub(super) async fn read_leased(&self, leases: Vec<Lease>) -> Outcome<Vec<Claimed>> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let keys = leases.iter().map(|lease| letter_key(lease.id)).collect();
        let rows = self.inner.store.get(Partition::QUEUE, LETTERS, keys);
        let rows = rows.await.map_err(Error::reading("reading the queue"))?;
        let mut claimed = Vec::new();
        for (mut lease, row) in leases.into_iter().zip(rows) {
            let Some(value) = row else { continue };
            let entry = Entry::read(&value).ok_or(Fault::Row("the queue"))?;
            lease.place = entry.place(lease.id);
            claimed.push(Claimed { lease, entry });
        }
        Ok(claimed)
    }

    /// Counts up whenever a letter got a place in the order of the queue.
    #[must_use]
    pub fn queue_news(&self) -> watch::Receiver<u64> {
        self.inner.queue.news()
    }

    /// Destinations that the operator wants to be tried at once, whatever was heard of them lately;
    /// each is told once.
    #[must_use]
    pub fn queue_urged(&self) -> BTreeSet<String> {
        self.inner.queue.take_urged()
    }

    /// The first place that was given in the queue since this was asked last: sweeps that are
    /// behind it have to go back.
    #[must_use]
    pub fn queue_rewound(&self) -> Option<Place> {
        self.inner.queue.take_earliest()
    }
}

/// The smallest key behind this one.
pub(super) fn behind(key: &[u8]) -> Bytes {
    [key, &[0][..]].concat().into()
}
