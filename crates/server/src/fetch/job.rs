//! How far a source is: what `status` and `progress` tell.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::Timestamp;
use post::FetchNote;
use serde_json::{Value, json};

use super::trouble::Trouble;

/// Counts of one run, or of one long session.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Messages that are to come, and octets of them.
    messages: AtomicU64,
    octets: AtomicU64,
    /// Messages that have come, and octets of them.
    messages_came: AtomicU64,
    octets_came: AtomicU64,
    /// Messages that are on the disk.
    filed: AtomicU64,
    /// What is left there, by mailbox: too large, and to be taken away.
    left: Mutex<BTreeMap<String, (u64, u64)>>,
}

impl Tally {
    /// So many messages more are to come.
    pub(super) fn expect(&self, messages: usize, octets: u64) {
        let messages = u64::try_from(messages).unwrap_or_default();
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.octets.fetch_add(octets, Ordering::Relaxed);
    }

    /// One has come.
    pub(super) fn came(&self, octets: u64) {
        self.messages_came.fetch_add(1, Ordering::Relaxed);
        self.octets_came.fetch_add(octets, Ordering::Relaxed);
    }

    /// So many octets have come.
    pub(super) fn octets(&self, octets: u64) {
        self.octets.fetch_add(octets, Ordering::Relaxed);
        self.octets_came.fetch_add(octets, Ordering::Relaxed);
    }

    /// One that nobody had announced has come and is on the disk.
    pub(super) fn taken(&self) {
        self.expect(1, 0);
        self.came(0);
        self.filed(1);
    }

    /// So many are on the disk.
    pub(super) fn filed(&self, messages: u64) {
        self.filed.fetch_add(messages, Ordering::Relaxed);
    }

    /// What is left in a mailbox there.
    pub(super) fn left<'a>(&self, folder: &str, notes: impl Iterator<Item = &'a FetchNote>) {
        let (mut skipped, mut owed) = (0, 0);
        for note in notes {
            match note {
                FetchNote::Skipped { .. } => skipped += 1,
                FetchNote::Fetched { owed: true, .. } => owed += 1,
                FetchNote::Fetched { owed: false, .. } => {}
            }
        }
        lock(&self.left).insert(folder.to_owned(), (skipped, owed));
    }

    /// Messages that are on the disk.
    pub(super) fn messages_filed(&self) -> u64 {
        self.filed.load(Ordering::Relaxed)
    }

    /// Messages that are left there: too large, and to be taken away; `None` where nobody looked.
    pub(super) fn messages_left(&self) -> Option<(u64, u64)> {
        let left = lock(&self.left);
        let all = left.values().copied();
        all.reduce(|one, other| (one.0 + other.0, one.1 + other.1))
    }
}

/// One source, while somebody looks after it.
#[derive(Debug, Default)]
pub(super) struct Job {
    pub(super) tally: Tally,
    state: Mutex<State>,
}

/// How it stands.
#[derive(Clone, Debug, Default)]
struct State {
    phase: Phase,
    /// When it was last all fetched.
    last: Option<Timestamp>,
    trouble: Option<Trouble>,
    /// What the source said to what it was asked.
    said: Vec<String>,
    /// When it is asked again.
    next: Option<Timestamp>,
}

/// What is being done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// It waits for its turn.
    #[default]
    Waiting,
    /// It is being fetched.
    Working,
    /// All is fetched, and the source tells by itself when there is more.
    Watching,
    /// All is done until the next time.
    Resting,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Working => "working",
            Self::Watching => "watching",
            Self::Resting => "resting",
        }
    }
}

impl Job {
    pub(super) fn work(&self) {
        let mut state = lock(&self.state);
        (state.phase, state.next) = (Phase::Working, None);
    }

    /// All is fetched, and the source tells of more.
    pub(super) fn watch(&self, now: Timestamp) {
        let mut state = lock(&self.state);
        state.phase = Phase::Watching;
        (state.last, state.trouble) = (Some(now), None);
    }

    /// It has come to its end, well or not, until the next time.
    pub(super) fn rest(&self, now: Timestamp, ended: &Result<(), Trouble>) {
        let mut state = lock(&self.state);
        state.phase = Phase::Resting;
        match ended {
            Ok(()) => (state.last, state.trouble) = (Some(now), None),
            Err(trouble) => state.trouble = Some(trouble.clone()),
        }
    }

    /// What the source said.
    pub(super) fn hear(&self, said: Vec<String>) {
        lock(&self.state).said = said;
    }

    pub(super) fn wait_until(&self, next: Timestamp) {
        lock(&self.state).next = Some(next);
    }

    /// True once it was watched or has come to its end.
    pub(super) fn is_working(&self) -> bool {
        matches!(lock(&self.state).phase, Phase::Waiting | Phase::Working)
    }

    /// As JSON.
    pub(super) fn told(&self) -> Value {
        let state = lock(&self.state).clone();
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let tally = &self.tally;
        let left = tally.messages_left();
        json!({
            "phase": state.phase.name(),
            "messagesTotal": count(&tally.messages),
            "octetsTotal": count(&tally.octets),
            "messages": count(&tally.messages_came),
            "octets": count(&tally.octets_came),
            "filed": count(&tally.filed),
            "skipped": left.map(|left| left.0),
            "owed": left.map(|left| left.1),
            "last": state.last.map(|last| last.seconds),
            "next": state.next.map(|next| next.seconds),
            "trouble": state.trouble.map(|trouble| trouble.told()),
            "said": state.said,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
