//! Chance that repeats: everything that is not decided by the code is decided here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A stream of chance; clones draw from the same one.
#[derive(Clone, Debug)]
pub struct Dice(Arc<Mutex<blake3::OutputReader>>);

impl Dice {
    /// The stream that belongs to a seed and a purpose. Another purpose has another stream, so that
    /// one who draws more does not change what the others draw.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("caramel: the dice of a seeded world");
        hasher.update(&seed.to_be_bytes());
        hasher.update(purpose.as_bytes());
        Self(Arc::new(Mutex::new(hasher.finalize_xof())))
    }

    /// Fills octets.
    pub fn fill(&self, octets: &mut [u8]) {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.fill(octets);
    }

    /// Any number.
    #[must_use]
    pub fn number(&self) -> u64 {
        let mut octets = [0; 8];
        self.fill(&mut octets);
        u64::from_be_bytes(octets)
    }

    /// A number below `end`; zero if there is none.
    #[must_use]
    pub fn below(&self, end: u64) -> u64 {
        self.number().checked_rem(end).unwrap_or(0)
    }

    /// The same, to find a place in a list.
    #[must_use]
    pub fn place(&self, len: usize) -> usize {
        let drawn = self.below(u64::try_from(len).unwrap_or(u64::MAX));
        usize::try_from(drawn).unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    #[must_use]
    pub fn percent(&self, share: u64) -> bool {
        self.below(100) < share
    }

    /// One of a list.
    #[must_use]
    pub fn of<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.place(all.len()))
    }

    /// A time below `end`, in milliseconds.
    #[must_use]
    pub fn millis(&self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }
}
