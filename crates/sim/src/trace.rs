//! What happened, in order: a hash over everything, and the last events in words.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Events kept in words.
const EVENTS_MAX: usize = 60;

/// The events of one world; clones write into the same one.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Events>>);

#[derive(Debug, Default)]
struct Events {
    hasher: blake3::Hasher,
    last: VecDeque<String>,
    count: u64,
}

impl Trace {
    /// Something that happened on the disk: only its hash is kept.
    pub fn stir(&self, event: fmt::Arguments<'_>, octets: &[u8]) {
        let text = event.to_string();
        let mut events = self.lock();
        events.hasher.update(text.as_bytes());
        events.hasher.update(octets);
        events.count += 1;
    }

    /// Something that happened.
    pub fn event(&self, event: String) {
        let mut events = self.lock();
        events.hasher.update(event.as_bytes());
        events.count += 1;
        if events.last.len() >= EVENTS_MAX {
            events.last.pop_front();
        }
        events.last.push_back(event);
    }

    /// The same for the same run.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        *self.lock().hasher.finalize().as_bytes()
    }

    /// How many events there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.lock().count
    }

    /// The last events in words.
    #[must_use]
    pub fn last(&self) -> Vec<String> {
        self.lock().last.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
