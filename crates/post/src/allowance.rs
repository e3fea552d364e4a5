//! How much each account may send to other hosts: so many recipients at once, and as many again in
//! an hour.
//!
//! In memory only: a restart forgives. Not here: what it is asked for (`incoming`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mail::{AccountId, Instant};

use crate::{Error, Outcome, Post, Why};

/// Accounts that are remembered; beyond it those are forgotten that may send all again.
const ACCOUNTS_MAX: usize = 100_000;
const HOUR_MILLISECONDS: u128 = 3_600_000;

/// What each account has sent lately.
#[derive(Debug, Default)]
pub(crate) struct Allowances(Mutex<HashMap<AccountId, Spent>>);

/// Milliseconds of an hour's allowance that are spent, as of a moment.
#[derive(Clone, Copy, Debug)]
struct Spent {
    milliseconds: u128,
    at: Instant,
}

impl Spent {
    fn now(self, now: Instant) -> u128 {
        let passed = now.since(self.at).as_millis();
        self.milliseconds.saturating_sub(passed)
    }
}

impl Allowances {
    /// Spends one recipient of `most` an hour; false if there is none left.
    fn spend(&self, account: AccountId, most: u32, now: Instant) -> bool {
        let Some(price) = HOUR_MILLISECONDS.checked_div(most.into()) else {
            return true;
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ACCOUNTS_MAX {
            all.retain(|_, spent| spent.now(now) > 0);
        }
        let spent = all.get(&account).map_or(0, |spent| spent.now(now));
        let milliseconds = spent.saturating_add(price);
        if milliseconds > HOUR_MILLISECONDS {
            return false;
        }
        let at = now;
        all.insert(account, Spent { milliseconds, at });
        true
    }
}

impl Post {
    /// Lets an account send to one recipient at another host.
    pub(crate) fn allow_send(&self, account: AccountId) -> Outcome<()> {
        let (most, now) = (
            self.rules().sends_per_hour_max,
            self.inner.outside.instant(),
        );
        if self.inner.allowances.spend(account, most, now) {
            return Ok(());
        }
        let text = "You have sent to too many in the last hour; please try again later";
        Err(Error::refused(Why::Limit, 450, [4, 7, 1], text))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_hour_gives_back_what_was_spent() {
        let allowances = Allowances::default();
        let at = |minutes: u64| Instant(Duration::from_secs(minutes * 60));
        let (ada, bob) = (AccountId(1), AccountId(2));
        assert!((0..4).all(|_| allowances.spend(ada, 4, at(0))));
        assert!(!allowances.spend(ada, 4, at(0)) && allowances.spend(bob, 4, at(0)));
        assert!(!allowances.spend(ada, 4, at(14)));
        assert!(allowances.spend(ada, 4, at(15)) && !allowances.spend(ada, 4, at(15)));
        assert!((0..4).all(|_| allowances.spend(ada, 4, at(90))));
        assert!(allowances.spend(ada, 0, at(90)));
    }
}
