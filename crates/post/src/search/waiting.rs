//! Accounts whose index has fallen behind.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use mail::AccountId;
use tokio::sync::Notify;

/// Accounts that wait for the one who builds, none twice.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    line: Mutex<Line>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Line {
    accounts: BTreeSet<AccountId>,
    /// Who was served last: all others come before that one again.
    last: Option<AccountId>,
}

impl Waiting {
    pub(crate) fn add(&self, account: AccountId) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.accounts.insert(account);
        drop(line);
        self.news.notify_one();
    }

    /// True if none waits.
    pub(crate) fn is_empty(&self) -> bool {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.accounts.is_empty()
    }

    /// Waits until there is one.
    pub(crate) async fn arrival(&self) {
        while self.is_empty() {
            self.news.notified().await;
        }
    }

    /// The next account, as soon as there is one.
    pub(crate) async fn next(&self) -> AccountId {
        loop {
            if let Some(account) = self.take() {
                return account;
            }
            self.arrival().await;
        }
    }

    fn take(&self) -> Option<AccountId> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = line.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = line.accounts.range((behind, Bound::Unbounded)).next();
        let next = next.or_else(|| line.accounts.first()).copied()?;
        line.accounts.remove(&next);
        line.last = Some(next);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn() {
        let waiting = Waiting::default();
        let mut served = Vec::new();
        for account in [3, 1, 2, 1] {
            waiting.add(AccountId(account));
        }
        for _ in 0..5 {
            let next = waiting.take().unwrap();
            // The busiest comes again at once.
            waiting.add(AccountId(1));
            served.push(next.0);
        }
        assert_eq!(served, [1, 2, 3, 1, 1]);
    }
}
