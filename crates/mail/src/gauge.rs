//! How far a long piece of work is.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far it is: so many of so many, and less than all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Pieces that are done.
    pub done: u32,
    /// Pieces there are.
    pub goal: u32,
}

impl Progress {
    /// `None` where nothing is left to do.
    #[must_use]
    pub const fn new(done: u32, goal: u32) -> Option<Self> {
        if done < goal {
            Some(Self { done, goal })
        } else {
            None
        }
    }
}

/// Where one who works shows how far it is, to one who waits: both hold the same gauge.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Shows that so many pieces are done of so many.
    pub fn show(&self, done: usize, goal: usize) {
        let [done, goal] = [done, goal].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        // In one word, so that nobody sees one without the other.
        let both = u64::from(goal) << 32 | u64::from(done);
        self.0.store(both, Ordering::Relaxed);
    }

    /// Shows nothing any more.
    pub fn clear(&self) {
        self.show(0, 0);
    }

    /// What it shows; `None` if nothing is shown, or all is done.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        let both = self.0.load(Ordering::Relaxed);
        let half = |half: u64| u32::try_from(half & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Progress::new(half(both), half(both >> 32))
    }
}

#[cfg(test)]
mod tests {
    use super::{Gauge, Progress};

    #[test]
    fn a_gauge_shows_what_is_left_to_do() {
        let gauge = Gauge::default();
        assert_eq!(gauge.progress(), None);
        let (done, goal) = (45, 100);
        gauge.show(45, 100);
        assert_eq!(gauge.progress(), Some(Progress { done, goal }));
        gauge.show(100, 100);
        assert_eq!(gauge.progress(), None);
        gauge.show(5, usize::MAX);
        let (done, goal) = (5, u32::MAX);
        assert_eq!(gauge.progress(), Some(Progress { done, goal }));
        gauge.clear();
        assert_eq!(gauge.progress(), None);
    }
}
