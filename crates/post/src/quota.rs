//! How much mail an account may hold, and how much it does (RFC 9208).
//!
//! A message counts once for each mailbox it is in, with the octets it is told to have: the sum is
//! what STATUS tells of all mailboxes. What is put in by its owner never passes the limit. A letter
//! that was promised room at RCPT is taken at its end as long as there is any room left, so the
//! last letter may pass the limit; the next one is refused at RCPT.

use std::collections::BTreeMap;
use std::fmt;

use mail::AccountId;
use store::{Partition, Table};

use crate::tables::{self, Counters, Entry};
use crate::{Account, Error, Outcome, Post, Why};

/// How much an account may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Octets of all messages; `None` for any number.
    pub octets_max: Option<u64>,
    /// Messages; `None` for any number.
    pub messages_max: Option<u64>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Octets of all messages.
    pub octets: u64,
    /// Messages.
    pub messages: u64,
}

impl Quota {
    /// True if so much more fits to what is there.
    pub(crate) fn admits(self, used: Usage, more: Usage) -> bool {
        let fits = |max: Option<u64>, used: u64, more: u64| {
            max.is_none_or(|max| more == 0 || used.saturating_add(more) <= max)
        };
        fits(self.octets_max, used.octets, more.octets)
            && fits(self.messages_max, used.messages, more.messages)
    }

    /// True if nothing more fits.
    pub(crate) fn is_exhausted(self, used: Usage) -> bool {
        !self.admits(used, Usage::of([1]))
    }

    /// True if there is more than there may be.
    pub(crate) fn is_exceeded(self, used: Usage) -> bool {
        self.octets_max.is_some_and(|max| used.octets > max)
            || self.messages_max.is_some_and(|max| used.messages > max)
    }
}

impl Usage {
    /// What messages of these sizes take.
    pub(crate) fn of(sizes: impl IntoIterator<Item = u64>) -> Self {
        let mut usage = Self::default();
        sizes.into_iter().for_each(|octets| usage.add(octets));
        usage
    }

    /// One more message.
    pub(crate) fn add(&mut self, octets: u64) {
        self.octets = self.octets.saturating_add(octets);
        self.messages += 1;
    }

    /// One message less.
    pub(crate) fn remove(&mut self, octets: u64) {
        self.octets = self.octets.saturating_sub(octets);
        self.messages = self.messages.saturating_sub(1);
    }
}

/// Writes `3 messages, 120 octets`.
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages, {} octets", self.messages, self.octets)
    }
}

impl Account {
    /// How much it holds and how much it may hold.
    ///
    /// # Errors
    /// If the account cannot be read.
    pub async fn quota(&self) -> Outcome<(Usage, Quota)> {
        let used = self.look(|ledger| ledger.counters.usage).await?;
        Ok((used, self.house().quota(self.id())))
    }
}

impl Post {
    /// How much an account may hold: its own limit, or the house's.
    pub(crate) fn quota(&self, account: AccountId) -> Quota {
        let own = self.inner.directory.quota_of(account);
        own.unwrap_or_else(|| self.rules().quota)
    }
}

impl Error {
    pub(crate) fn over_quota() -> Self {
        Self::refused(Why::OverQuota, 452, [4, 2, 2], "The account is full")
    }

    /// It would not fit into the empty account either.
    pub(crate) fn above_quota() -> Self {
        let text = "The message is larger than the account may hold";
        Self::refused(Why::TooBig, 552, [5, 2, 3], text)
    }
}

/// Counts accounts' messages again, row by row as a store is looked through, and compares.
#[derive(Debug, Default)]
pub struct Recount {
    accounts: BTreeMap<Partition, Recounted>,
}

#[derive(Debug, Default)]
struct Recounted {
    /// What the account's counters say, where they say it.
    told: Option<Usage>,
    found: Usage,
    /// Rows that cannot be read.
    unreadable: u64,
}

impl Recount {
    /// Takes one row of the store.
    pub fn row(&mut self, partition: Partition, table: Table, key: &[u8], value: &[u8]) {
        if partition == Partition::DIRECTORY
            || ![tables::COUNTERS, tables::ENTRIES].contains(&table)
        {
            return;
        }
        let account = self.accounts.entry(partition).or_default();
        if table == tables::COUNTERS {
            match Counters::read(value) {
                Some(counters) => account.told = counters.counted.then_some(counters.usage),
                None => account.unreadable += 1,
            }
            return;
        }
        match Entry::read(key, value) {
            Some((_, entry)) => account.found.add(entry.size.into()),
            None => account.unreadable += 1,
        }
    }

    /// What does not agree, a line for each account.
    #[must_use]
    pub fn flaws(&self) -> Vec<String> {
        let flaw = |(partition, account): (&Partition, &Recounted)| {
            let Recounted {
                told,
                found,
                unreadable,
            } = account;
            if *unreadable > 0 {
                return Some(format!(
                    "account {}: {unreadable} rows cannot be read",
                    partition.0
                ));
            }
            let told = told.filter(|told| told != found)?;
            Some(format!(
                "account {}: counted as {told}, holds {found}",
                partition.0
            ))
        };
        self.accounts.iter().filter_map(flaw).collect()
    }
}

#[cfg(test)]
mod tests {
    use mail::{EmailId, MailboxId, ModSeq, Uid};
    use store::Write;

    use super::*;

    #[test]
    fn a_quota_admits_up_to_its_limit() {
        let quota = Quota {
            octets_max: Some(10),
            messages_max: Some(2),
        };
        let used = |octets, messages| Usage { octets, messages };
        assert!(quota.admits(used(4, 1), used(6, 1)));
        assert!(!quota.admits(used(4, 1), used(7, 1)));
        assert!(!quota.admits(used(4, 2), used(0, 1)));
        assert!(quota.admits(used(99, 99), used(0, 0)));
        assert!(quota.is_exhausted(used(10, 1)) && quota.is_exhausted(used(1, 2)));
        assert!(!quota.is_exhausted(used(9, 1)));
        assert!(quota.is_exceeded(used(11, 1)) && quota.is_exceeded(used(1, 3)));
        assert!(!quota.is_exceeded(used(10, 2)));
        assert!(!Quota::default().is_exhausted(used(u64::MAX, u64::MAX)));
        let none = Quota {
            octets_max: Some(0),
            messages_max: None,
        };
        assert!(none.is_exhausted(Usage::default()));
    }

    #[test]
    fn a_recount_tells_who_was_counted_wrong() {
        let mut recount = Recount::default();
        let mut put = |partition, write| {
            if let Write::Put { table, key, value } = write {
                recount.row(Partition(partition), table, &key, &value);
            }
        };
        let entry = Entry {
            email: EmailId(1),
            modseq: ModSeq(1),
            keywords: 0,
            date_seconds: 0,
            uid: Uid::MIN,
            size: 30,
            date_zone_minutes: 0,
            system: 0,
            saved: None,
            unended: false,
        };
        let counted = |octets, messages| Counters {
            usage: Usage { octets, messages },
            ..Counters::default()
        };
        for (partition, counters) in [(1, counted(30, 1)), (2, counted(31, 1))] {
            put(partition, counters.put());
            put(partition, entry.put(MailboxId(1)));
        }
        recount.row(Partition(3), tables::COUNTERS, b"", &[1, 0, 0, 0, 0, 0]);
        recount.row(Partition(3), tables::ENTRIES, b"", b"");
        // The directory has other rows under the same numbers.
        recount.row(Partition::DIRECTORY, tables::COUNTERS, b"", b"");
        assert_eq!(
            recount.flaws(),
            [
                "account 2: counted as 1 messages, 31 octets, holds 1 messages, 30 octets",
                "account 3: 1 rows cannot be read",
            ]
        );
    }
}
