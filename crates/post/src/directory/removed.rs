//! Accounts that are removed, and those that come back.
//!
//! As long as operations are remembered, a removed account is put aside whole: nobody logs in to
//! it and nothing is delivered to it, but all its rows stay. So it can come back as it was, with
//! its password, its UIDs, and what others were given.

use mail::{AccountId, Address, Timestamp};
use store::{Batch, Write, Writes};

use super::{Edit, already, lower};
use crate::access::ANYONE;
use crate::directory::rows::RemovedRow;
use crate::ledger::scan;
use crate::tables::Counters;
use crate::{AliasSource, Error, Outcome, Post, Usage, tables};

/// An account that was removed and can come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedAccount {
    /// Its id.
    pub id: AccountId,
    /// The address it had.
    pub address: Address,
    /// When it was removed.
    pub when: Timestamp,
    /// What it holds.
    pub usage: Usage,
}

impl Post {
    /// Removes an account and its mail; who is logged in to it is not welcome any more. As long as
    /// operations are remembered it can come back.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], or if it cannot be stored.
    pub async fn remove_account(&self, address: &Address) -> Outcome<()> {
        let (now, stays) = (self.inner.outside.now(), self.rules().undo.is_on());
        let id = self
            .edit(|maps| {
                let (id, row) = maps.known(address)?;
                let shares = maps.shares.iter().copied();
                let its: Vec<_> = shares.filter(|(to, by)| *to == id || *by == id).collect();
                let mut edits = vec![Edit::NoAccount(id)];
                edits.extend(its.iter().copied().map(Edit::NoShare));
                if stays {
                    let removed = RemovedRow {
                        when: now,
                        shares: its,
                        row,
                    };
                    edits.push(Edit::Removed(id, removed));
                }
                Ok((id, edits, None))
            })
            .await?;
        let keeper = self.keeper(id);
        let done = match stays {
            // From now on nothing is read of it, or put into it.
            true => {
                keeper.forget();
                Ok(())
            }
            false => self.erase(id).await,
        };
        keeper.stir();
        done
    }

    /// The accounts that were removed and can come back, the newest removal first; with an address,
    /// those that had it.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn removed_accounts(
        &self,
        address: Option<&Address>,
    ) -> Outcome<Vec<RemovedAccount>> {
        let wanted = address.map(lower);
        let mut removed: Vec<RemovedAccount> = {
            let maps = self.inner.directory.maps();
            let all = maps.removed.iter().map(|(id, removed)| RemovedAccount {
                id: *id,
                address: removed.row.address.clone(),
                when: removed.when,
                usage: Usage::default(),
            });
            all.filter(|one| {
                wanted
                    .as_ref()
                    .is_none_or(|wanted| lower(&one.address) == *wanted)
            })
            .collect()
        };
        for account in &mut removed {
            let partition = store::Partition(account.id.0);
            let usage = &mut account.usage;
            let store = self.inner.store.as_ref();
            scan(store, partition, tables::COUNTERS, |row| {
                *usage = Counters::read(&row.value)?.usage;
                Some(())
            })
            .await?;
        }
        removed.sort_by_key(|one| std::cmp::Reverse((one.when.seconds, one.id)));
        Ok(removed)
    }

    /// Lets a removed account come back as it was, under its address or another.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if no such account was removed or the domain is not ours any
    /// more, [`crate::Why::AlreadyExists`] if the address is taken, or if it cannot be stored.
    pub async fn restore_account(&self, id: AccountId, address: Option<&Address>) -> Outcome<()> {
        self.edit(|maps| {
            let removed = maps.removed.get(&id).cloned().ok_or_else(not_removed)?;
            let mut row = removed.row;
            if let Some(address) = address {
                row.address = address.clone();
            }
            maps.ours(&row.address.host)?;
            let name = lower(&row.address);
            let alias = AliasSource::Address(name.clone());
            if maps.by_address.contains_key(&name) || maps.aliases.contains_key(&alias) {
                return Err(already(format!("{} is taken", row.address)));
            }
            let known =
                |one: AccountId| one == id || one == ANYONE || maps.accounts.contains_key(&one);
            let shares = removed.shares.into_iter();
            let shares = shares.filter(|(to, by)| known(*to) && known(*by));
            let mut edits = vec![Edit::NoRemoved(id), Edit::Account(id, row)];
            edits.extend(shares.map(Edit::Share));
            Ok(((), edits, None))
        })
        .await
    }

    /// Erases a removed account for good.
    ///
    /// The octets of its messages are in the store until it reclaims their place.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if no such account was removed, or if it cannot be stored.
    pub async fn purge_account(&self, id: AccountId) -> Outcome<()> {
        self.edit(|maps| {
            maps.removed.get(&id).ok_or_else(not_removed)?;
            Ok(((), vec![Edit::NoRemoved(id)], None))
        })
        .await?;
        // What a crash leaves of it is the audit's affair.
        self.erase(id).await
    }

    /// Erases the accounts that were removed too long ago to come back; tells how many.
    ///
    /// # Errors
    /// If one of them cannot be erased.
    pub async fn forget_accounts(&self) -> Outcome<usize> {
        let window = i64::try_from(self.rules().undo.window.as_secs()).unwrap_or(i64::MAX);
        let oldest = self.inner.outside.now().seconds.saturating_sub(window);
        let old: Vec<AccountId> = {
            let maps = self.inner.directory.maps();
            let removed = maps.removed.iter();
            let old = removed.filter(|(_, removed)| removed.when.seconds < oldest);
            old.map(|(id, _)| *id).collect()
        };
        for id in &old {
            self.purge_account(*id).await?;
        }
        Ok(old.len())
    }

    /// Deletes all rows of an account that the directory no longer knows.
    pub(crate) async fn erase(&self, id: AccountId) -> Outcome<()> {
        let keeper = self.keeper(id);
        let store = self.inner.store.as_ref();
        let version = store.version(keeper.partition()).await;
        let mut writes = Vec::new();
        for table in tables::ALL {
            scan(store, keeper.partition(), table, |row| {
                let key = row.key.clone();
                writes.push(Write::Delete { table, key });
                Some(())
            })
            .await?;
        }
        let part = Writes {
            partition: keeper.partition(),
            from: version.map_err(Error::reading("removing an account"))?,
            writes,
        };
        let batch = Batch {
            parts: vec![part],
            blobs: Vec::new(),
        };
        let done = store.commit(batch).await.map_err(Error::commit);
        keeper.forget();
        done?;
        keeper.index.erase(store, keeper.partition()).await
    }
}

fn not_removed() -> Error {
    Error::nonexistent("No such account was removed, or it was erased since")
}
