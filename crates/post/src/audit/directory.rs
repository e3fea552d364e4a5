//! The directory, and an account whose rows cannot be read.

use mail::{AccountId, Address};
use store::Partition;

use super::walk::count;
use super::{Audit, Difference, Findings, Kind, unreadable};
use crate::directory::{Edit, Maps};
use crate::ledger::scan;
use crate::tables::{self, Counters, DigestRow, EmailRow, Entry, MailboxRow};
use crate::{Outcome, Post, access, journey, spam};

/// Accounts that are gone and asked for at a time.
const GONE_MAX: usize = 256;

impl Post {
    /// Audits the directory: domains, accounts, aliases, and what is left of accounts that are
    /// gone.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn audit_directory(&self, audit: &Audit<'_>) -> Outcome<Findings> {
        let mut findings = Findings::default();
        let directory = &self.inner.directory;
        let store = self.inner.store.as_ref();
        let (rows, agrees) = directory.compare(store).await?;
        findings.octets += count(rows);
        audit.pace.spend(count(rows)).await;
        if !agrees {
            if audit.repairs {
                directory.reread(store).await?;
            }
            let what = "what is in memory is not what is kept";
            findings.add(difference(what, audit.repairs));
        }
        let flaws = flaws(&directory.maps());
        for (what, edit) in flaws {
            let repaired = audit.repairs && edit.is_some();
            if let Some(edit) = edit.filter(|_| repaired) {
                self.edit(|_| Ok(((), vec![edit], None))).await?;
            }
            findings.add(difference(what, repaired));
        }
        self.audit_gone(audit, &mut findings).await?;
        self.inner.audited.note(&findings);
        Ok(findings)
    }

    /// Removes what is left of accounts that are gone.
    async fn audit_gone(&self, audit: &Audit<'_>, findings: &mut Findings) -> Outcome<()> {
        let gone: Vec<AccountId> = {
            let maps = self.inner.directory.maps();
            let all = (1..=maps.newest()).map(AccountId);
            let stays =
                |id: &AccountId| maps.accounts.contains_key(id) || maps.removed.contains_key(id);
            all.filter(|id| !stays(id)).collect()
        };
        for some in gone.chunks(GONE_MAX) {
            audit.pace.spend(count(some.len() * 64)).await;
            for &id in some {
                if !self.has_rows(id).await? {
                    continue;
                }
                if audit.repairs {
                    self.erase(id).await?;
                }
                let what = format!("account {} is gone, but not all of its rows", id.0);
                findings.add(difference(what, audit.repairs));
            }
        }
        Ok(())
    }

    async fn has_rows(&self, id: AccountId) -> Outcome<bool> {
        let store = self.inner.store.as_ref();
        for table in tables::ALL {
            let mut any = false;
            let each = |_: &store::Row| {
                any = true;
                // One is enough.
                None
            };
            let scanned = scan(store, Partition(id.0), table, each).await;
            if any {
                return Ok(true);
            }
            scanned?;
        }
        Ok(false)
    }

    /// Names the rows of an account that cannot be read.
    pub(super) async fn audit_unreadable(
        &self,
        id: AccountId,
        findings: &mut Findings,
    ) -> Outcome<()> {
        let address = self.inner.directory.address_of(id);
        let address = address.map_or_else(|| id.0.to_string(), |address| address.to_string());
        for table in tables::ALL {
            let mut flawed = 0_u64;
            scan(self.inner.store.as_ref(), Partition(id.0), table, |row| {
                flawed += u64::from(!is_readable(table, row));
                Some(())
            })
            .await?;
            if flawed > 0 {
                let what = format!("{flawed} rows of table {}", table.0);
                findings.add(unreadable(&address, what));
            }
        }
        Ok(())
    }
}

fn is_readable(table: store::Table, row: &store::Row) -> bool {
    let (key, value) = (&row.key, &row.value);
    match table {
        tables::COUNTERS => Counters::read(value).is_some(),
        tables::MAILBOXES => MailboxRow::read(key, value).is_some(),
        tables::NEXT_UIDS => tables::read_next_uid(key, value).is_some(),
        tables::ENTRIES => Entry::read(key, value).is_some(),
        tables::EMAILS => EmailRow::read(value).is_some(),
        tables::DIGESTS => DigestRow::read(value).is_some(),
        tables::VANISHED => tables::read_vanished(key, value).is_some(),
        tables::SUBSCRIPTIONS => std::str::from_utf8(key).is_ok(),
        tables::SCRIPTS => tables::ScriptRow::read(key, value).is_some(),
        tables::SCRIPT_TEXTS => {
            tables::read_script_text_key(key).is_some() && tables::read_script_text(value).is_some()
        }
        journey::TABLE => journey::read_row(key, value).is_some(),
        tables::SEEN => tables::read_seen(key, value).is_some(),
        tables::FLAG_RUNS => tables::read_flag_runs(key, value).is_some(),
        tables::METADATA => tables::read_metadata(key, value).is_some(),
        tables::ACL => access::read(key, value).is_some(),
        tables::HISTORY => tables::read_deed(key, value).is_some(),
        tables::GONE => tables::read_part(value).is_some(),
        tables::SPAM_CLUES => spam::read_clue(key, value).is_some(),
        tables::SPAM_NOTES => spam::read_spam_note(value).is_some(),
        tables::SPAM_LETTERS => spam::read_spam_letters(value).is_some(),
        _ => true,
    }
}

fn difference(what: impl Into<String>, repaired: bool) -> Difference {
    Difference {
        kind: Kind::Directory,
        account: String::new(),
        mailbox: None,
        uid: None,
        what: what.into(),
        repaired,
    }
}

/// What does not fit together, and what mends it.
fn flaws(maps: &Maps) -> Vec<(String, Option<Edit>)> {
    let mut flaws = Vec::new();
    let known = |id: AccountId| maps.accounts.contains_key(&id);
    for share in &maps.shares {
        let (to, by) = *share;
        if !known(by) || !(to == access::ANYONE || known(to)) {
            let what = format!("account {} shares with {}, and one is gone", by.0, to.0);
            flaws.push((what, Some(Edit::NoShare(*share))));
        }
    }
    if let Some(last) = maps.accounts.keys().next_back()
        && last.0 > maps.newest()
    {
        let what = format!(
            "account {} was given, but counted is {}",
            last.0,
            maps.newest()
        );
        flaws.push((what, Some(maps.raised(last.0))));
    }
    for (id, row) in &maps.accounts {
        let address: &Address = &row.address;
        if !maps.domains.contains(&address.host) {
            let what = format!("{address} has an account, but its domain is not ours");
            flaws.push((what, None));
        }
        if maps.account(address).is_none_or(|(found, _)| found != *id) {
            flaws.push((format!("another account is called {address} as well"), None));
        }
    }
    flaws
}
