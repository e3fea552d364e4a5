//! Other hosts, as many ways to treat a letter as there are, and who carries letters to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail::{BlobRange, Enhanced};
use post::Post;
use post::queue::{Attempt, Claimed, Fate, Said};

use crate::{Dice, Trace, fill};

/// Hosts that change their mood each day.
const HOSTS: [&str; 4] = [
    "a.far.example",
    "b.far.example",
    "c.far.example",
    "d.far.example",
];
/// One that never takes a letter, and says so.
const NEVER: &str = "never.far.example";
/// One that is always away.
const AWAY: &str = "away.far.example";
/// Destinations that one sweep tells of.
const SWEEP: usize = 50;
/// Letters that are claimed at once.
const CLAIM: usize = 3;

/// What a host does today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// It takes letters,
    Takes,
    /// and answers late.
    Slow,
    /// Not now.
    Defers,
    /// Never.
    Refuses,
    /// The connection ends in the middle of a letter.
    Breaks,
    /// It takes letters, and its last answer is lost.
    Loses,
    /// One of these, for each letter another.
    Any,
}

const MOODS: [Mood; 6] = [
    Mood::Takes,
    Mood::Slow,
    Mood::Defers,
    Mood::Breaks,
    Mood::Loses,
    Mood::Any,
];

/// All hosts; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Sky {
    state: Arc<Mutex<State>>,
    dice: Dice,
    trace: Trace,
}

/// A letter and one of its recipients.
type Which = (String, String);

#[derive(Debug, Default)]
struct State {
    moods: BTreeMap<String, Mood>,
    /// How often a host has taken it.
    taken: BTreeMap<Which, u64>,
    /// How often that answer was lost, on the way or with the house.
    excused: BTreeMap<Which, u64>,
    /// Taken, and the house has not written it down yet.
    open: BTreeSet<Which>,
}

impl Sky {
    pub(super) fn new(dice: Dice, trace: Trace) -> Self {
        let sky = Self {
            state: Arc::default(),
            dice,
            trace,
        };
        sky.be_kind();
        sky
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another day.
    pub(super) fn change_moods(&self) {
        for host in HOSTS {
            let mood = *self.dice.of(&MOODS).unwrap_or(&Mood::Takes);
            self.lock().moods.insert(host.to_owned(), mood);
        }
    }

    /// Whoever takes letters at all takes them now.
    pub(super) fn be_kind(&self) {
        let mut state = self.lock();
        for host in HOSTS {
            state.moods.insert(host.to_owned(), Mood::Takes);
        }
        state.moods.insert(NEVER.to_owned(), Mood::Refuses);
        state.moods.insert(AWAY.to_owned(), Mood::Defers);
    }

    pub(super) fn moods(&self) -> String {
        format!("{:?}", self.lock().moods)
    }

    /// Some recipients of a letter.
    pub(super) fn recipients(&self, token: &str) -> Vec<String> {
        let mut to = Vec::new();
        for host in HOSTS.iter().chain([&NEVER, &AWAY]) {
            if self.dice.percent(35) {
                to.push(format!("x-{token}@{host}"));
            }
        }
        if to.is_empty() {
            to.push(format!("x-{token}@{}", HOSTS.first().unwrap_or(&NEVER)));
        }
        to
    }

    /// How often a letter came, and how often the house could not know that it had.
    pub(super) fn count(&self, token: &str, recipient: &str) -> (u64, u64) {
        let which = (token.to_owned(), recipient.to_owned());
        let state = self.lock();
        let of = |counts: &BTreeMap<Which, u64>| counts.get(&which).copied().unwrap_or_default();
        (of(&state.taken), of(&state.excused))
    }

    /// Answers that the house had not written down are lost with it.
    pub(super) fn house_died(&self) {
        let mut state = self.lock();
        for which in std::mem::take(&mut state.open) {
            *state.excused.entry(which).or_default() += 1;
        }
    }

    /// Carries what is due, as long as the house lives.
    pub(super) async fn carry(self, post: Post) {
        loop {
            let sweep = post.sweep_queue(None, SWEEP).await;
            for destination in sweep.unwrap_or_default().destinations.into_keys() {
                let Ok(claimed) = post.claim(&destination, CLAIM).await else {
                    continue;
                };
                for one in claimed {
                    let token = self.token(&post, &one).await.unwrap_or_default();
                    let met = self.meet(&one, &token).await;
                    let settled = [(one, met)];
                    // What could not be written down is tried again: the lease holds until then.
                    while post.settle_queued(&settled).await.is_err() {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    let [(one, _)] = &settled;
                    let mut state = self.lock();
                    for waiting in &one.entry.recipients {
                        let recipient = bare(&waiting.recipient.forward_path.to_string());
                        state.open.remove(&(token.clone(), recipient));
                    }
                }
            }
            tokio::time::sleep(Duration::from_secs(1) + self.dice.millis(5000)).await;
        }
    }

    /// What a letter is, by its octets as they travel.
    async fn token(&self, post: &Post, one: &Claimed) -> Option<String> {
        let range = one.entry.range();
        let part = BlobRange {
            len: range.len.min(4096),
            ..range
        };
        fill::token(&post.read(part).await.ok()?)
    }

    /// A host is called, and does as its mood is.
    async fn meet(&self, one: &Claimed, token: &str) -> Attempt {
        let host = one.entry.destination.clone();
        let mood = self.lock().moods.get(&host).copied();
        let mood = match mood.unwrap_or(Mood::Refuses) {
            Mood::Any => *self.dice.of(&MOODS).unwrap_or(&Mood::Takes),
            mood => mood,
        };
        tokio::time::sleep(self.dice.millis(200)).await;
        let said = |status: Enhanced, text: &str| Said {
            host: Some(host.clone()),
            code: None,
            status,
            text: text.to_owned(),
        };
        let later = Fate::Deferred(said(Enhanced::new(4, 4, 2), "Not now"));
        let fate = match mood {
            Mood::Refuses => Fate::Failed(said(Enhanced::new(5, 1, 1), "Never")),
            Mood::Defers | Mood::Breaks => later,
            // A letter that cannot be read is not sent.
            _ if token.is_empty() => later,
            Mood::Takes | Mood::Slow | Mood::Loses | Mood::Any => {
                self.take(one, token, mood == Mood::Loses);
                let late = if mood == Mood::Slow { 60_000 } else { 200 };
                tokio::time::sleep(self.dice.millis(late)).await;
                match mood {
                    Mood::Loses => later,
                    _ => Fate::Taken(said(Enhanced::new(2, 0, 0), "OK")),
                }
            }
        };
        Attempt::all(&one.entry, &fate)
    }

    /// The host has the letter, whatever the house hears of that.
    fn take(&self, one: &Claimed, token: &str, is_lost: bool) {
        let mut state = self.lock();
        for waiting in &one.entry.recipients {
            let recipient = bare(&waiting.recipient.forward_path.to_string());
            self.trace.event(format!("{token} has come to {recipient}"));
            let which = (token.to_owned(), recipient);
            *state.taken.entry(which.clone()).or_default() += 1;
            if is_lost {
                *state.excused.entry(which).or_default() += 1;
            } else {
                state.open.insert(which);
            }
        }
    }
}

/// The address of a path.
fn bare(path: &str) -> String {
    path.trim_matches(['<', '>']).to_owned()
}
