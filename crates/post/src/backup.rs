//! What a backup has to know of rows: which of them say that there is a body somewhere, and which
//! of them say what somebody would know of it.
//!
//! Not here: the backup itself (`backup`), which takes rows as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail::{Address, BlobId, MailboxId};
use store::{Hint, Partition, Snapshot, Table};

use crate::directory::rows::{self, AccountRow, RemovedRow};
use crate::queue;
use crate::tables::{self, EmailRow, Entry, MailboxRow};
use crate::{Error, Outcome, Post};

/// What a row says of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBody {
    /// The body's name.
    pub blob: BlobId,
    /// Its octets.
    pub octets: u64,
    /// Where it may be, if the row has room for that: of use to the store that wrote it alone.
    pub hint: Option<Hint>,
}

/// What a row says of a body, if it says anything. Whatever has a blob's name in it is known here:
/// a body that nothing mentions is in no backup.
#[must_use]
pub fn stored_body(partition: Partition, table: Table, value: &[u8]) -> Option<StoredBody> {
    let (blob, octets, hint) = match (partition, table) {
        (Partition::DIRECTORY, _) => return None,
        (Partition::QUEUE, queue::LETTERS) => {
            let (blob, octets, hint) = queue::Entry::body(value)?;
            (blob, octets, Some(hint))
        }
        (_, tables::EMAILS) => EmailRow::body(value)?,
        _ => return None,
    };
    Some(StoredBody { blob, octets, hint })
}

impl Post {
    /// All rows as they are now.
    ///
    /// # Errors
    /// If the store has stopped.
    pub async fn snapshot(&self) -> Outcome<Arc<dyn Snapshot>> {
        let snapshot = self.inner.store.snapshot().await;
        snapshot.map_err(Error::reading("taking a snapshot"))
    }
}

/// What an account had in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountContents {
    /// Where its rows are.
    pub partition: Partition,
    /// Its address; `None` where nothing says it any more.
    pub address: Option<Address>,
    /// It was removed, and could come back.
    pub removed: bool,
    /// Its mailboxes, in the order in which they were made.
    pub mailboxes: Vec<MailboxContents>,
}

/// What a mailbox had in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailboxContents {
    /// Its name; empty where it is lost.
    pub name: String,
    /// Messages.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
}

/// Counts what rows tell of, as they come in their order: the directory first, and then one account
/// after the other, of which one at a time is in memory.
#[derive(Debug, Default)]
pub struct Inventory {
    accounts: BTreeMap<Partition, (Address, bool)>,
    at: Option<Partition>,
    mailboxes: BTreeMap<MailboxId, MailboxContents>,
}

impl Inventory {
    /// Goes to a partition; tells what there was in the one before, if that was another.
    pub fn enter(&mut self, partition: Partition) -> Option<AccountContents> {
        if self.at == Some(partition) {
            return None;
        }
        let ended = self.leave();
        self.at = Some(partition);
        ended
    }

    /// Counts a row of that partition; one that cannot be read says nothing.
    pub fn row(&mut self, table: Table, key: &[u8], value: &[u8]) {
        if self.at == Some(Partition::DIRECTORY) {
            let known = match table {
                rows::ACCOUNTS => AccountRow::read(key, value).map(|(id, row)| (id, row, false)),
                rows::REMOVED => RemovedRow::read(key, value).map(|(id, one)| (id, one.row, true)),
                _ => None,
            };
            let known = known.map(|(id, row, gone)| (Partition(id.0), (row.address, gone)));
            self.accounts.extend(known);
            return;
        }
        match table {
            tables::MAILBOXES => {
                if let Some((id, row)) = MailboxRow::read(key, value) {
                    self.mailboxes.entry(id).or_default().name = row.name;
                }
            }
            tables::ENTRIES => {
                if let Some((id, entry)) = Entry::read(key, value) {
                    let mailbox = self.mailboxes.entry(id).or_default();
                    mailbox.messages += 1;
                    mailbox.octets += u64::from(entry.size);
                }
            }
            _ => {}
        }
    }

    /// Tells what there was in the last partition, and of the accounts that had no row.
    pub fn end(mut self) -> impl Iterator<Item = AccountContents> {
        let last = self.leave();
        let without = self.accounts.into_iter();
        let without = without.map(|(partition, (address, removed))| AccountContents {
            partition,
            address: Some(address),
            removed,
            mailboxes: Vec::new(),
        });
        last.into_iter().chain(without)
    }

    fn leave(&mut self) -> Option<AccountContents> {
        let is_account = |at: &Partition| ![Partition::DIRECTORY, Partition::QUEUE].contains(at);
        let partition = self.at.take().filter(is_account)?;
        let known = self.accounts.remove(&partition);
        Some(AccountContents {
            partition,
            removed: known.as_ref().is_some_and(|(_, removed)| *removed),
            address: known.map(|(address, _)| address),
            mailboxes: std::mem::take(&mut self.mailboxes).into_values().collect(),
        })
    }
}
