//! What a house keeps, counted row by row.

use mail::AccountId;
use store::{Partition, Table};

use crate::directory::rows;
use crate::ledger::scan;
use crate::{Outcome, Post, ROW_FORMS, RowForm, TableOwner, Usage, queue, tables};

/// What a house keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Domains whose mail is taken.
    pub domains: u64,
    /// Accounts.
    pub accounts: u64,
    /// Aliases.
    pub aliases: u64,
    /// What all accounts hold, each message once for each mailbox it is in.
    pub usage: Usage,
    /// Rows of each table, of all accounts together.
    pub tables: Vec<TableStats>,
}

/// What a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableStats {
    /// What its rows are.
    pub name: &'static str,
    /// How many there are.
    pub rows: u64,
    /// Octets of their keys and values.
    pub octets: u64,
}

impl Post {
    /// Counts what is kept: reads every row.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn stats(&self) -> Outcome<Stats> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let (mut stats, accounts) = {
            let maps = self.inner.directory.maps();
            let stats = Stats {
                domains: count(maps.domains.len() + maps.relayed.len()),
                accounts: count(maps.accounts.len()),
                aliases: count(maps.aliases.len()),
                ..Stats::default()
            };
            (stats, maps.accounts.keys().copied().collect::<Vec<_>>())
        };
        let mut directory = TableStats::of("directory");
        for table in rows::ALL {
            self.count(Partition::DIRECTORY, table, &mut directory, |_| {})
                .await?;
        }
        stats.tables.push(directory);
        let mut waiting = TableStats::of("queue");
        for table in queue::ALL {
            self.count(Partition::QUEUE, table, &mut waiting, |_| {})
                .await?;
        }
        stats.tables.push(waiting);
        let of_account = |form: &&RowForm| form.owner == TableOwner::Account;
        for form in ROW_FORMS.iter().filter(of_account) {
            let (table, mut counted) = (form.table, TableStats::of(form.name));
            for AccountId(id) in accounts.iter().copied() {
                let usage = &mut stats.usage;
                let each = |row: &store::Row| {
                    if table == tables::ENTRIES
                        && let Some((_, entry)) = tables::Entry::read(&row.key, &row.value)
                    {
                        usage.add(entry.size.into());
                    }
                };
                self.count(Partition(id), table, &mut counted, each).await?;
            }
            stats.tables.push(counted);
        }
        Ok(stats)
    }

    async fn count(
        &self,
        partition: Partition,
        table: Table,
        counted: &mut TableStats,
        mut each: impl FnMut(&store::Row) + Send,
    ) -> Outcome<()> {
        scan(self.inner.store.as_ref(), partition, table, |row| {
            let octets = row.key.len() + row.value.len();
            counted.rows += 1;
            counted.octets += u64::try_from(octets).unwrap_or(u64::MAX);
            each(row);
            Some(())
        })
        .await
    }
}

impl TableStats {
    const fn of(name: &'static str) -> Self {
        Self {
            name,
            rows: 0,
            octets: 0,
        }
    }
}
