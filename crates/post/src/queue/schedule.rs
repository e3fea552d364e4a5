//! When a letter is tried again.
//!
//! Not here: what is done when it has waited for too long (`settle`).
//!
//! RFC 5321 §4.5.4.1: the first waits are short, the later ones long; given up after days.

use std::time::Duration;

use super::Entry;

/// How long letters wait, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRules {
    /// How long one waits after its first, second, … attempt; the last again and again.
    pub retry: Vec<Duration>,
    /// How long after it was accepted it is given up.
    pub expire: Duration,
    /// How long after it was accepted its sender is told that it still waits; zero for never.
    pub warn_after: Duration,
    /// Letters the queue may have, each counted once for each destination.
    pub letters_max: u64,
    /// How long nothing is sent to an address whose host said that there is nobody; zero for not at
    /// all.
    pub suppress: Duration,
}

impl Default for QueueRules {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self {
            retry: [5, 10, 20, 40, 60, 120, 240].map(minutes).to_vec(),
            expire: minutes(5 * 24 * 60),
            warn_after: minutes(4 * 60),
            letters_max: 5_000_000,
            suppress: Duration::ZERO,
        }
    }
}

impl QueueRules {
    /// How long to wait after so many attempts, in seconds: up to a fifth more than the rule says,
    /// by `dice`, so that what failed together is not tried together for ever.
    pub(crate) fn wait(&self, attempts: u32, dice: u64) -> i64 {
        let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = self.retry.get(index).or_else(|| self.retry.last());
        let seconds = wait.map_or(300, Duration::as_secs).max(1);
        let more = dice.checked_rem(seconds / 5 + 1).unwrap_or_default();
        i64::try_from(seconds.saturating_add(more)).unwrap_or(i64::MAX)
    }

    /// When it is given up, in seconds since 1970.
    pub(crate) fn end(&self, entry: &Entry) -> i64 {
        later(entry.arrived.seconds, self.expire)
    }

    /// True if its sender is to be told now that it waits.
    pub(crate) fn warns(&self, entry: &Entry, now: i64) -> bool {
        let due = later(entry.arrived.seconds, self.warn_after);
        !self.warn_after.is_zero() && !entry.warned && now >= due
    }
}

fn later(seconds: i64, wait: Duration) -> i64 {
    let wait = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_add(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_become_longer_and_are_never_shorter_than_the_rule() {
        let rules = QueueRules::default();
        let minutes = [5, 10, 20, 40, 60, 120, 240, 240, 240];
        for (attempt, minutes) in (1..).zip(minutes) {
            let seconds = minutes * 60;
            assert_eq!(rules.wait(attempt, 0), seconds);
            for dice in [1, 77, 1 << 40, u64::MAX] {
                let wait = rules.wait(attempt, dice);
                assert!((seconds..=seconds + seconds / 5).contains(&wait), "{wait}");
            }
        }
        let eager = QueueRules {
            retry: vec![Duration::from_secs(1)],
            ..rules
        };
        assert_eq!([1, 2, 900].map(|attempt| eager.wait(attempt, 7)), [1, 1, 1]);
        let none = QueueRules {
            retry: Vec::new(),
            ..eager
        };
        assert_eq!(none.wait(1, 0), 300);
    }
}
