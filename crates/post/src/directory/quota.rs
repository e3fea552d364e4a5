//! Quotas of single accounts.

use mail::{AccountId, Address};

use super::{Directory, Edit};
use crate::{Outcome, Post, Quota, Usage};

impl Directory {
    /// An account's own quota.
    pub(crate) fn quota_of(&self, id: AccountId) -> Option<Quota> {
        self.maps().accounts.get(&id)?.quota
    }
}

impl Post {
    /// How much an account holds and how much it may hold.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], or if it cannot be read.
    pub async fn account_quota(&self, address: &Address) -> Outcome<(Usage, Quota)> {
        let (id, _) = self.inner.directory.maps().known(address)?;
        let keeper = self.keeper(id);
        let used = self.look(&keeper, |ledger| ledger.counters.usage);
        Ok((used.await?, self.quota(id)))
    }

    /// Gives an account a quota of its own, which may be none; or, with `None`, the house's. What
    /// it holds already stays.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], or if it cannot be stored.
    pub async fn set_quota(&self, address: &Address, quota: Option<Quota>) -> Outcome<()> {
        self.edit(|maps| {
            let (id, mut row) = maps.known(address)?;
            row.quota = quota;
            Ok(((), vec![Edit::Account(id, row)], None))
        })
        .await
    }
}
