//! How many connections a destination is given at once: more while it takes what it is given,
//! fewer once it asks to wait, none for a while if it cannot be reached.
//!
//! Not here: what waits for it (`post`).

use std::time::Duration;

use mail::Instant;

/// Connections a destination is given at first.
const FIRST: usize = 2;

/// How long a destination rests at most: letters that come meanwhile wait for it.
const REST_MAX: Duration = Duration::from_secs(30 * 60);

/// The pace of one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    limit: usize,
    /// How often it could not be reached, one time after the other.
    strikes: u32,
    rests_until: Option<Instant>,
}

/// How a conversation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// It took what it was given, or refused it for good.
    Willing,
    /// It asked to wait.
    Busy,
    /// It could not be reached.
    Away,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            limit: FIRST,
            strikes: 0,
            rests_until: None,
        }
    }
}

impl Pace {
    /// Grows by letters that were taken.
    pub(super) fn grow(&mut self, taken: usize, most: usize) {
        self.limit = self.limit.saturating_add(taken).min(most).max(1);
    }

    /// True if it gets no more than this, however willing it is.
    pub(super) const fn is_full(&self, most: usize) -> bool {
        self.limit >= most
    }

    /// Hears how a conversation went; `waits` is how long to rest after one strike, two, ….
    pub(super) fn hear(&mut self, mood: Mood, most: usize, waits: &[Duration], now: Instant) {
        match mood {
            Mood::Willing => {
                self.grow(1, most);
                self.strikes = 0;
                self.rests_until = None;
            }
            Mood::Busy => {
                self.limit = (self.limit / 2).max(1);
                self.strikes = 0;
            }
            Mood::Away => {
                self.limit = 1;
                let index = usize::try_from(self.strikes).unwrap_or(usize::MAX);
                let wait = waits.get(index).or_else(|| waits.last()).copied();
                self.strikes = self.strikes.saturating_add(1);
                self.rests_until = Some(now.after(wait.unwrap_or_default().min(REST_MAX)));
            }
        }
    }

    /// Ends its rest.
    pub(super) fn wake(&mut self) {
        self.rests_until = None;
    }

    /// True if it may be given one more connection.
    pub(super) fn admits(&self, talking: usize, now: Instant) -> bool {
        talking < self.limit && self.rest(now).is_none()
    }

    /// Until when it rests.
    pub(super) fn rest(&self, now: Instant) -> Option<Instant> {
        self.rests_until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_grows_with_success_and_shrinks_with_deferral() {
        let at = |seconds| Instant(Duration::from_secs(seconds));
        let waits = [Duration::from_secs(10), Duration::from_secs(60)];
        let mut pace = Pace::default();
        assert!(pace.admits(1, at(0)) && !pace.admits(2, at(0)));
        for _ in 0..100 {
            pace.hear(Mood::Willing, 5, &waits, at(0));
        }
        assert!(pace.admits(4, at(0)) && !pace.admits(5, at(0)));
        pace.hear(Mood::Busy, 5, &waits, at(0));
        assert!(pace.admits(1, at(0)) && !pace.admits(2, at(0)));
        for _ in 0..9 {
            pace.hear(Mood::Busy, 5, &waits, at(0));
        }
        assert!(pace.admits(0, at(0)) && !pace.admits(1, at(0)));

        for (strike, wait) in [(0, 10), (1, 60), (2, 60)] {
            let now = 1000 * strike;
            pace.hear(Mood::Away, 5, &waits, at(now));
            assert!(!pace.admits(0, at(now + wait - 1)) && pace.admits(0, at(now + wait)));
        }
        pace.hear(Mood::Willing, 5, &waits, at(2001));
        assert!(pace.admits(1, at(2001)));
        pace.grow(2, 5);
        assert!(pace.admits(3, at(2001)) && !pace.is_full(5));
        pace.grow(2, 5);
        assert!(!pace.admits(5, at(2001)) && pace.is_full(5));
        pace.hear(Mood::Away, 5, &[], at(2001));
        assert!(pace.admits(0, at(2001)));
        let long = [Duration::from_secs(86_400)];
        pace.hear(Mood::Away, 5, &long, at(3000));
        assert!(!pace.admits(0, at(4799)) && pace.admits(0, at(4800)));
        pace.wake();
        assert!(pace.admits(0, at(3000)));
    }
}
