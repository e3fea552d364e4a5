//! The clock: the only place in the house where time is read.

use std::time::{SystemTime, UNIX_EPOCH};

use mail::{Instant, Timestamp};

/// A monotonic clock that began at zero when it was made, and the calendar beside it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: tokio::time::Instant,
}

impl Clock {
    /// Starts a clock; inside a runtime whose time is paused it stands still as well.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: tokio::time::Instant::now(),
        }
    }

    /// The moment.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant(self.origin.elapsed())
    }

    /// The moment on the calendar, in Greenwich's zone.
    #[must_use]
    pub fn today() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        Timestamp::utc(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// The runtime's name for `moment`; `None` if it is too far away to come.
    pub(crate) fn until(&self, moment: Instant) -> Option<tokio::time::Instant> {
        self.origin.checked_add(moment.0)
    }
}
