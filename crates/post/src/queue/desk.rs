//! The queue's desk: its counters and leases in memory, one change after the other.
//!
//! As the keeper of an account does, it may prepare a change before the one before is durable; a
//! commit that fails makes it read its counters anew. A lease is in memory only and has a token, so
//! that whoever lost it changes nothing.
//!
//! Not here: the rows (`entry`), which letters are taken (`claim`), what becomes of them
//! (`settle`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mail::QueueId;
use store::{Partition, Store, Version, Write, Writes};
use tokio::sync::{Notify, watch};

use super::entry::{COUNTS, Counts, Entry, Place, Rank};
use super::fronts::{Fronts, Look};
use super::rates::Rates;
use crate::handed::{self, HandedId};
use crate::journey::{JourneyStep, Teller, delete_row, put_row};
use crate::tally::Noted;
use crate::{Error, Fault, Outcome};

/// Destinations that are remembered to be tried at once; others wait for their time.
const URGED_MAX: usize = 10_000;

/// Destinations of which it is remembered that letters for them go after others; beyond it any may
/// have some, which costs a look each.
const LATER_MAX: usize = 10_000;

/// The queue in memory: a few numbers, and a lease for each letter that is being handed on.
#[derive(Debug)]
pub(crate) struct Queue {
    desk: Mutex<Desk>,
    loading: tokio::sync::Mutex<()>,
    /// Reports about TLS are wanted now.
    reports: Notify,
    /// Policies of other domains are to be fetched now.
    policies: Notify,
    /// Counts up whenever a letter got a place in the order.
    news: watch::Sender<u64>,
}

/// The desk, while somebody is at it.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    generation: u64,
    known: Option<Known>,
    /// Who has a lease on which letter.
    leases: HashMap<QueueId, u64>,
    tokens: u64,
    /// The first place that was given since the relay looked last.
    earliest: Option<Place>,
    fronts: Fronts,
    /// Destinations that are to be tried at once, though nobody was there lately.
    urged: BTreeSet<String>,
    /// Destinations that may have letters that go after others, and when that was said last: by a
    /// count.
    later: BTreeMap<String, u64>,
    /// How often it was said.
    later_said: u64,
    /// True once there were too many of them: any may have some.
    later_unknown: bool,
    /// What destinations took lately.
    rates: Rates,
}

/// What is known of the rows, those on their way to the disk included.
#[derive(Clone, Copy, Debug)]
struct Known {
    version: Version,
    counts: Counts,
}

/// What one step of the store changes in the queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    /// Letters that come.
    pub(crate) begun: Vec<Entry>,
    /// Letters that stay: as they were, and as they are.
    pub(crate) kept: Vec<(QueueId, Entry, Entry)>,
    /// Letters that go, as they were.
    pub(crate) ended: Vec<(QueueId, Entry)>,
    /// Letters that were handed in, with the recipients that are left.
    pub(crate) handed: Vec<(HandedId, Vec<u32>)>,
    /// Those that are gone where they were handed in.
    pub(crate) forgotten: Vec<HandedId>,
    /// How the letters that come have come here.
    pub(crate) teller: Teller,
    /// What else is told of letters.
    pub(crate) told: Vec<(QueueId, JourneyStep)>,
    /// Keys of what is told no more.
    pub(crate) untold: Vec<Bytes>,
    /// Rows that stand beside the queue: what is known of other domains, and of strangers.
    pub(crate) beside: Vec<Write>,
}

impl Change {
    /// Both, in one step; what is told of letters that come is told of those of one of them.
    pub(crate) fn with(mut self, other: Self) -> Self {
        if self.begun.is_empty() {
            self.teller = other.teller;
        }
        self.begun.extend(other.begun);
        self.kept.extend(other.kept);
        self.ended.extend(other.ended);
        self.handed.extend(other.handed);
        self.forgotten.extend(other.forgotten);
        self.told.extend(other.told);
        self.untold.extend(other.untold);
        self.beside.extend(other.beside);
        self
    }

    /// True if it changes nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.begun.is_empty()
            && self.kept.is_empty()
            && self.ended.is_empty()
            && self.handed.is_empty()
            && self.forgotten.is_empty()
            && self.untold.is_empty()
            && self.beside.is_empty()
    }
}

/// The queue's part in a commit that is on its way.
#[derive(Debug)]
pub(crate) struct Party {
    queue: Arc<Queue>,
    generation: u64,
    /// Places that letters get, and the names of their orders.
    placed: Vec<(String, Place)>,
    /// What is told of its letters.
    pub(crate) noted: Noted,
}

/// A lease on a letter: nobody else hands it on or changes it while this lives. Dropped without an
/// outcome, it leaves the letter as it was.
#[derive(Debug)]
pub(crate) struct Lease {
    queue: Arc<Queue>,
    pub(crate) id: QueueId,
    token: u64,
    /// Where the letter stands, once it was read.
    pub(crate) place: Option<Place>,
    /// True once what came of it is on the disk.
    done: AtomicBool,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            desk: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            reports: Notify::new(),
            policies: Notify::new(),
            news: watch::Sender::new(0),
        }
    }
}

impl Queue {
    /// The desk; a panic at it may have left half a change, so it is read anew.
    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(|poison: PoisonError<_>| {
            let mut desk = poison.into_inner();
            desk.discard();
            self.desk.clear_poison();
            desk
        })
    }

    /// Reads the counters, if they are not known.
    pub(crate) async fn load(&self, store: &dyn Store) -> Outcome<()> {
        let _one_at_a_time = self.loading.lock().await;
        if self.desk().is_loaded() {
            return Ok(());
        }
        let reading = Error::reading;
        let version = store.version(Partition::QUEUE).await;
        let version = version.map_err(reading("reading the queue"))?;
        let rows = store.get(Partition::QUEUE, COUNTS, vec![Bytes::new()]);
        let rows = rows.await.map_err(reading("reading the queue"))?;
        let counts = match rows.into_iter().next().flatten() {
            None => Counts::default(),
            Some(value) => Counts::read(&value).ok_or(Fault::Row("the queue"))?,
        };
        self.desk().known = Some(Known { version, counts });
        Ok(())
    }

    /// Takes a lease on a letter, unless somebody has it.
    pub(crate) fn lease(self: &Arc<Self>, id: QueueId) -> Option<Lease> {
        let mut desk = self.desk();
        desk.tokens += 1;
        let token = desk.tokens;
        if desk.leases.contains_key(&id) {
            return None;
        }
        desk.leases.insert(id, token);
        Some(Lease {
            queue: Arc::clone(self),
            id,
            token,
            place: None,
            done: AtomicBool::new(false),
        })
    }

    /// How many letters are being handed on or changed.
    pub(crate) fn leased(&self) -> usize {
        self.desk().leases.len()
    }

    /// True if somebody has a lease on it.
    pub(crate) fn is_leased(&self, id: QueueId) -> bool {
        self.desk().leases.contains_key(&id)
    }

    /// Tells whoever hands letters on that one has this place.
    fn tell(&self, place: Place) {
        self.tell_all(place, &[]);
    }

    /// The same, of letters that got their place just now: the first, and that of each.
    fn tell_all(&self, place: Place, placed: &[(String, Place)]) {
        let mut desk = self.desk();
        for (order, place) in placed {
            desk.fronts.put(order, *place);
            if let (destination, Rank::Later) = Rank::of_order(order) {
                desk.note_later(destination);
            }
        }
        let before = desk.earliest;
        desk.earliest = [before, Some(place)].into_iter().flatten().min();
        drop(desk);
        self.news.send_modify(|count| *count += 1);
    }

    /// Begins to look for the letters of an order.
    pub(super) fn look(&self, order: &str) -> Look {
        self.desk().fronts.begin(order)
    }

    /// Ends that: nothing was there before `first`.
    pub(super) fn looked(&self, order: &str, look: Look, first: Option<Place>) {
        self.desk().fronts.end(order, look, first);
    }

    /// Remembers that letters for a destination go after others.
    pub(super) fn note_later(&self, destination: &str) {
        self.desk().note_later(destination);
    }

    /// When it was said last that letters for it may do so, if they may.
    pub(super) fn later_since(&self, destination: &str) -> Option<u64> {
        let desk = self.desk();
        let since = desk.later.get(destination).copied();
        since.or_else(|| desk.later_unknown.then_some(0))
    }

    /// None of them is due, unless it was said again since then; who makes one due says so.
    pub(super) fn forget_later(&self, destination: &str, since: u64) {
        let mut desk = self.desk();
        if desk.later.get(destination) == Some(&since) {
            desk.later.remove(destination);
        }
    }

    /// Letters that are being handed on or changed.
    pub(super) fn leased_ids(&self) -> HashSet<QueueId> {
        self.desk().leases.keys().copied().collect()
    }

    /// A destination took so many letters.
    pub(super) fn took(&self, destination: &str, letters: u32, now: i64) {
        self.desk().rates.took(destination, letters, now);
    }

    /// What each destination took in the last minute.
    pub(super) fn rates(&self, now: i64) -> BTreeMap<String, u32> {
        self.desk().rates.all(now)
    }

    /// Counts up whenever a letter got a place in the order.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Says that a destination is to be tried at once.
    pub(crate) fn urge(&self, destination: &str) {
        let mut desk = self.desk();
        if desk.urged.len() < URGED_MAX {
            desk.urged.insert(destination.to_owned());
        }
        drop(desk);
        self.news.send_modify(|count| *count += 1);
    }

    /// Says that reports about TLS are wanted now.
    pub(crate) fn urge_reports(&self) {
        self.reports.notify_one();
    }

    /// Waits until they are.
    pub(crate) async fn reports_urged(&self) {
        self.reports.notified().await;
    }

    /// Says that policies of other domains are to be fetched now.
    pub(crate) fn urge_policies(&self) {
        self.policies.notify_one();
    }

    /// Waits until they are.
    pub(crate) async fn policies_urged(&self) {
        self.policies.notified().await;
    }

    /// The destinations that are to be tried at once, told once.
    pub(crate) fn take_urged(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.desk().urged)
    }

    /// The first place that was given since this was asked last.
    pub(crate) fn take_earliest(&self) -> Option<Place> {
        self.desk().earliest.take()
    }
}

impl Desk {
    /// True if its counters are known.
    pub(crate) const fn is_loaded(&self) -> bool {
        self.known.is_some()
    }

    /// Letters in the queue, as far as is known.
    pub(crate) fn letters(&self) -> u64 {
        self.known_letters().unwrap_or_default()
    }

    /// Letters in the queue, where that is known.
    pub(crate) fn known_letters(&self) -> Option<u64> {
        self.known.map(|known| known.counts.letters)
    }

    fn note_later(&mut self, destination: &str) {
        self.later_said += 1;
        if let Some(since) = self.later.get_mut(destination) {
            *since = self.later_said;
        } else if self.later.len() < LATER_MAX {
            self.later.insert(destination.to_owned(), self.later_said);
        } else {
            self.later_unknown = true;
        }
    }

    fn discard(&mut self) {
        self.generation += 1;
        self.known = None;
        self.fronts.clear();
    }

    /// Prepares a change: its writes, and what is to be told once they are durable. `None` if the
    /// counters are not known.
    pub(crate) fn prepare(
        &mut self,
        queue: &Arc<Queue>,
        change: &Change,
        tells: bool,
    ) -> Option<(Writes, Party)> {
        let known = self.known.as_mut()?;
        let (mut writes, mut placed) = (Vec::new(), Vec::new());
        let mut noted = Noted::default();
        let mut note = |entry: &Entry, id| {
            let place = entry.place(id);
            placed.extend(place.map(|place| (entry.order().into_owned(), place)));
        };
        for (id, before) in &change.ended {
            writes.extend(before.delete(*id));
            known.counts.letters = known.counts.letters.saturating_sub(1);
        }
        for (id, before, after) in &change.kept {
            writes.extend(before.unplace(*id));
            writes.extend(after.put(*id));
            note(after, *id);
        }
        for entry in &change.begun {
            known.counts.last = known.counts.last.saturating_add(1);
            known.counts.letters = known.counts.letters.saturating_add(1);
            let id = QueueId(known.counts.last);
            writes.extend(entry.put(id));
            note(entry, id);
            if tells {
                let step = change.teller.queued(id, entry);
                noted.add(&step.events);
                writes.push(put_row(&step, Some((id, known.version))));
            }
        }
        let handed = change.handed.iter();
        writes.extend(handed.map(|(id, left)| handed::put(*id, left)));
        writes.extend(change.forgotten.iter().copied().map(handed::delete));
        if tells {
            for (id, step) in &change.told {
                noted.add(&step.events);
                writes.push(put_row(step, Some((*id, known.version))));
            }
        }
        let untold = change.untold.iter().cloned();
        writes.extend(untold.map(|key| delete_row(true, key)));
        writes.extend(change.beside.iter().cloned());
        writes.push(known.counts.put());
        let part = Writes {
            partition: Partition::QUEUE,
            from: known.version,
            writes,
        };
        known.version = known.version.next();
        let party = Party {
            queue: Arc::clone(queue),
            generation: self.generation,
            placed,
            noted,
        };
        Some((part, party))
    }
}

impl Party {
    /// The change is durable: whoever hands letters on may look.
    pub(crate) fn succeed(&self) {
        let first = self.placed.iter().map(|(_, place)| *place).min();
        if let Some(first) = first {
            self.queue.tell_all(first, &self.placed);
        }
    }

    /// It never will be: the counters are read anew.
    pub(crate) fn fail(&self) {
        let mut desk = self.queue.desk();
        if desk.generation == self.generation {
            desk.discard();
        }
    }
}

impl Lease {
    /// True as long as nobody has taken it away.
    pub(crate) fn holds(&self) -> bool {
        self.queue.desk().leases.get(&self.id) == Some(&self.token)
    }

    /// What came of it is on the disk.
    pub(crate) fn end(&self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut desk = self.queue.desk();
        if desk.leases.get(&self.id) == Some(&self.token) {
            desk.leases.remove(&self.id);
        }
        drop(desk);
        // Whoever passed over it while it was taken has to look again.
        if let (Some(place), false) = (self.place, self.done.load(Ordering::Relaxed)) {
            self.queue.tell(place);
        }
    }
}
