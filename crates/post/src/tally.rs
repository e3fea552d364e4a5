//! How often what has happened: counted when it is durable, from the same events that journeys
//! tell, since the house was opened.
//!
//! Not here: how counts are shown (`server`).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::journey::{AttemptResult, Event};

/// Kinds of events, with what is counted of each.
const KINDS: usize = 13;

/// Events of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted([u32; KINDS]);

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    events: [AtomicU64; KINDS],
    accepted: AtomicU64,
    refused: AtomicU64,
    logins: AtomicU64,
    failed_logins: AtomicU64,
}

/// What was counted since the house was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallied {
    /// Letters that came in and were taken.
    pub accepted: u64,
    /// Letters that were refused at their end, for now or for ever.
    pub refused: u64,
    /// Times somebody has logged in.
    pub logins: u64,
    /// Times somebody could not.
    pub failed_logins: u64,
    /// What was told of letters, by what it is: each has happened once for each letter and account,
    /// or for each letter and destination. Nothing where journeys are not kept.
    pub events: Vec<(&'static str, u64)>,
    /// What came of attempts to hand letters on, for each recipient.
    pub attempts: Vec<(&'static str, u64)>,
    /// Letters in the queue now; none where it was not asked for yet.
    pub queued: Option<u64>,
    /// Accounts.
    pub accounts: u64,
}

/// Kinds of events by their name; an attempt's are by its result.
const EVENTS: [(&str, usize); 9] = [
    ("checked", 0),
    ("filtered", 1),
    ("script_failed", 2),
    ("filed", 3),
    ("unfiled", 4),
    ("queued", 5),
    ("waits", 6),
    ("handled", 7),
    ("judged", 8),
];
const ATTEMPTS: [(AttemptResult, usize); 4] = [
    (AttemptResult::Delivered, 9),
    (AttemptResult::Deferred, 10),
    (AttemptResult::Bounced, 11),
    (AttemptResult::Expired, 12),
];

/// The place of an event's counter; none for one that stands for the letter itself.
fn place(event: &Event) -> Option<usize> {
    Some(match event {
        // It is told in each account anew.
        Event::Arrived(_) => return None,
        Event::Checked(_) => 0,
        Event::Filtered { .. } => 1,
        Event::ScriptFailed(_) => 2,
        Event::Filed { .. } => 3,
        Event::Unfiled => 4,
        Event::Queued { .. } => 5,
        Event::Waits { .. } => 6,
        Event::Handled { .. } => 7,
        Event::Judged { .. } => 8,
        Event::Attempted { result, .. } => ATTEMPTS.iter().find(|(one, _)| one == result)?.1,
    })
}

impl Noted {
    pub(crate) const NOTHING: Self = Self([0; KINDS]);

    pub(crate) fn add(&mut self, events: &[Event]) {
        for place in events.iter().filter_map(place) {
            if let Some(count) = self.0.get_mut(place) {
                *count = count.saturating_add(1);
            }
        }
    }

    pub(crate) fn with(mut self, other: Self) -> Self {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
        self
    }
}

impl Tally {
    /// What was noted is durable.
    pub(crate) fn count(&self, noted: &Noted) {
        for (counter, count) in self.events.iter().zip(noted.0) {
            if count > 0 {
                counter.fetch_add(count.into(), Ordering::Relaxed);
            }
        }
    }

    /// A letter has come to its end.
    pub(crate) fn letter(&self, is_accepted: bool) {
        let counter = match is_accepted {
            true => &self.accepted,
            false => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody has logged in.
    pub(crate) fn login(&self) {
        self.logins.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody could not log in.
    pub(crate) fn failed_login(&self) {
        self.failed_logins.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Tallied {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let event = |place: usize| self.events.get(place).map_or(0, read);
        Tallied {
            accepted: read(&self.accepted),
            refused: read(&self.refused),
            logins: read(&self.logins),
            failed_logins: read(&self.failed_logins),
            events: EVENTS.map(|(name, place)| (name, event(place))).to_vec(),
            attempts: ATTEMPTS
                .map(|(result, place)| (result.name(), event(place)))
                .to_vec(),
            queued: None,
            accounts: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use mail::QueueId;

    use super::*;

    #[test]
    fn each_kind_has_a_counter_of_its_own() {
        let attempted = |result| Event::Attempted {
            id: QueueId(1),
            recipient: String::new(),
            result,
            said: String::new(),
            tls: String::new(),
        };
        let id = QueueId(1);
        let mut events = vec![
            Event::Checked(String::new()),
            Event::Filtered {
                deed: "".into(),
                cause: "".into(),
            },
            Event::ScriptFailed(String::new()),
            Event::Filed {
                mailbox: String::new(),
                uid: mail::Uid::new(1).unwrap(),
            },
            Event::Unfiled,
            Event::Queued {
                id,
                destination: String::new(),
                recipients: Vec::new(),
            },
            Event::Waits { id, until: 0 },
            Event::Handled {
                id,
                deed: String::new(),
            },
            Event::Judged {
                percent: 0,
                is_junk: false,
                clues: Vec::new(),
            },
        ];
        events.extend(ATTEMPTS.map(|(result, _)| attempted(result)));
        let tally = Tally::default();
        for (at, event) in events.iter().enumerate() {
            let mut noted = Noted::default();
            noted.add(&vec![event.clone(); at + 1]);
            tally.count(&noted.with(Noted::default()));
        }
        let read = tally.read();
        let counts = read.events.iter().chain(&read.attempts);
        let counts: Vec<u64> = counts.map(|(_, count)| *count).collect();
        assert_eq!(counts, (1..=13).collect::<Vec<u64>>());
    }
}
