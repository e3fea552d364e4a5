//! The queue at a glance: for each destination how much waits, and what it said last.
//!
//! Not here: single letters (`admin`).

use std::collections::BTreeMap;

use bytes::Bytes;
use mail::QueueId;
use store::{Direction, Partition};

use super::claim::behind;
use super::entry::{self, DUE, Entry, LETTERS, Said, letter_key};
use crate::{Error, Fault, Outcome, Post};

/// Letters that are looked at for one glance.
const LETTERS_MAX: usize = 100_000;
/// Letters that are read in one step.
const STEP_LETTERS: usize = 10_000;

/// The queue at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueTop {
    /// Destinations, those with the most to do now first.
    pub lines: Vec<QueueTopLine>,
    /// Destinations in all.
    pub destinations: u64,
    /// Letters in the queue.
    pub letters: u64,
    /// Those of them that wait for nothing but their turn.
    pub due: u64,
    /// Those that wait for their time.
    pub waiting: u64,
    /// Those that are being handed on.
    pub attempting: u64,
    /// True if there are more than were looked at: the first ones were.
    pub is_partial: bool,
}

/// A destination at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueTopLine {
    /// A domain in A-labels, or an address literal.
    pub destination: String,
    /// Letters that wait for nothing but their turn.
    pub due: u64,
    /// Letters that wait for their time.
    pub waiting: u64,
    /// Letters that are being handed on.
    pub attempting: u64,
    /// When the next of those that wait is due, in seconds since 1970.
    pub next: Option<i64>,
    /// Letters that it took in the last minute.
    pub taken: u32,
    /// What was said last of one of its letters.
    pub said: Option<Said>,
    /// The letter that is asked for that.
    sample: Option<QueueId>,
}

impl Post {
    /// The queue at a glance, at most so many destinations.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn queue_top(&self, lines_max: usize) -> Outcome<QueueTop> {
        let store = self.inner.store.as_ref();
        self.inner.queue.load(store).await?;
        let now = self.inner.outside.now().seconds;
        let taken = self.inner.queue.rates(now);
        let mut top = QueueTop {
            letters: self.inner.queue.desk().letters(),
            ..QueueTop::default()
        };
        let mut lines = self.count_waiting(now, &mut top).await?;
        for destination in taken.keys() {
            lines.entry(destination.clone()).or_default();
        }
        top.destinations = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let mut lines: Vec<QueueTopLine> = lines
            .into_iter()
            .map(|(destination, line)| QueueTopLine {
                taken: taken.get(&destination).copied().unwrap_or_default(),
                destination,
                ..line
            })
            .collect();
        lines.sort_by_key(|line| {
            let now = line.attempting.saturating_add(line.due);
            std::cmp::Reverse((now, line.taken, line.waiting))
        });
        lines.truncate(lines_max);
        self.hear_last(&mut lines).await?;
        top.lines = lines;
        Ok(top)
    }

    /// Counts what waits, in the order of time.
    async fn count_waiting(
        &self,
        now: i64,
        top: &mut QueueTop,
    ) -> Outcome<BTreeMap<String, QueueTopLine>> {
        let leased = self.inner.queue.leased_ids();
        let mut lines: BTreeMap<String, QueueTopLine> = BTreeMap::new();
        let (mut from, mut seen) = (Bytes::new(), 0);
        loop {
            let range = (from, None);
            let rows = self.inner.store.scan(
                Partition::QUEUE,
                DUE,
                range,
                STEP_LETTERS,
                Direction::Rising,
            );
            let page = rows.await.map_err(Error::reading("reading the queue"))?;
            for row in &page.rows {
                let read = entry::read_due(&row.key, &row.value);
                let (place, (destination, _)) = read.ok_or(Fault::Row("the queue"))?;
                let line = lines.entry(destination).or_default();
                let (own, all) = if leased.contains(&place.id) {
                    (&mut line.attempting, &mut top.attempting)
                } else if place.due <= now {
                    (&mut line.due, &mut top.due)
                } else {
                    line.next.get_or_insert(place.due);
                    (&mut line.waiting, &mut top.waiting)
                };
                (*own, *all) = (own.saturating_add(1), all.saturating_add(1));
                // What waits for its time was tried: something was said of it.
                if line.sample.is_none() || place.due > now && line.waiting == 1 {
                    line.sample = Some(place.id);
                }
            }
            seen += page.rows.len();
            let Some(last) = page.rows.last().filter(|_| page.more) else {
                return Ok(lines);
            };
            if seen >= LETTERS_MAX {
                top.is_partial = true;
                return Ok(lines);
            }
            from = behind(&last.key);
        }
    }

    /// Reads what was said last.
    async fn hear_last(&self, lines: &mut [QueueTopLine]) -> Outcome<()> {
        let asked = lines.iter_mut().filter(|line| line.sample.is_some());
        let asked: Vec<&mut QueueTopLine> = asked.collect();
        let keys = asked.iter().filter_map(|line| line.sample).map(letter_key);
        let rows = self
            .inner
            .store
            .get(Partition::QUEUE, LETTERS, keys.collect());
        let rows = rows.await.map_err(Error::reading("reading the queue"))?;
        for (line, row) in asked.into_iter().zip(rows) {
            // It may have gone meanwhile.
            let Some(row) = row else { continue };
            let entry = Entry::read(&row).ok_or(Fault::Row("the queue"))?;
            line.said = entry.recipients.into_iter().find_map(|one| one.said);
        }
        Ok(())
    }
}
