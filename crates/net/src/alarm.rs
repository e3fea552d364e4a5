//! A connection's one timer. It is set for the earliest moment that is waited for and left alone
//! while later ones are: most moments are never reached, and setting a timer wakes the runtime.

use std::fmt;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mail::Instant;
use tokio::time::{Sleep, sleep_until};

use crate::Clock;

/// The timer; made when it is first needed.
#[derive(Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Waits until that moment, or for ever.
    pub(crate) async fn reach(&mut self, clock: &Clock, moment: Option<Instant>) {
        match moment.and_then(|moment| clock.until(moment)) {
            Some(moment) => poll_fn(|context| self.poll(context, moment)).await,
            None => pending().await,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>, moment: tokio::time::Instant) -> Poll<()> {
        // Where it was set for an earlier moment it goes off in vain, once.
        while tokio::time::Instant::now() < moment {
            let new = || Box::pin(sleep_until(moment));
            let sleep = self.sleep.get_or_insert_with(new);
            if sleep.is_elapsed() || sleep.deadline() > moment {
                sleep.as_mut().reset(moment);
            }
            ready!(sleep.as_mut().poll(context));
        }
        Poll::Ready(())
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = self.sleep.as_ref().map(|sleep| sleep.deadline());
        write!(f, "Alarm({moment:?})")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn goes_off_at_the_moment_whatever_was_waited_for_before() {
        let clock = Clock::start();
        let mut alarm = Alarm::default();
        let after = |seconds| Instant(Duration::from_secs(seconds));
        // Given up each time for something that comes first.
        for seconds in [30, 1800, 20, 1800, 900] {
            let given_up = tokio::time::sleep(Duration::from_secs(1));
            tokio::select! {
                () = alarm.reach(&clock, Some(after(seconds))) => panic!("too early"),
                () = given_up => {}
            }
        }
        for seconds in [900, 1800, 1801, 1700] {
            alarm.reach(&clock, Some(after(seconds))).await;
            assert_eq!(clock.now(), after(seconds.max(clock.now().0.as_secs())));
            assert!(clock.now() >= after(seconds));
        }
        assert_eq!(clock.now(), after(1801));
    }
}
