//! What was removed from an account, as mailboxes that are only read: a view that is made of the
//! operations that are remembered.
//!
//! Each mailbox has what was removed from one of the same name, in the order it was removed. UIDs
//! count from 1, and hold as long as nothing more is removed, undone or forgotten; then the
//! mailboxes are of another generation. To copy a message from there is to bring it back.
//!
//! See `docs/decisions/029-undo.md`.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail::{
    AccountId, Flag, Keyword, MailboxId, ModSeq, Rights, Timestamp, Uid, UidSet, UidValidity,
};
use store::{Partition, Store, Version};

use crate::access::{Acl, Grantee, Settable};
use crate::draft::{Filing, bit};
use crate::ledger::{Folder, KEYWORDS_MAX, Ledger, scan, shared};
use crate::sums::Sums;
use crate::tables::{self, Counters, Deed, Entry, MailboxRow, Part, Remembered, SavedAt, State};
use crate::{Account, Copied, Error, Mailbox, Outcome, Post, Usage};

/// The bit that the number of an account has where what was removed from it is meant.
pub(crate) const REMOVED_MAIL: u64 = 1 << 63;

impl Account {
    /// What was removed from the account, as of now; `None` where that is not shown: to others, and
    /// where nothing is remembered.
    ///
    /// # Errors
    /// If the account cannot be read.
    pub async fn removed_mail(&self) -> Outcome<Option<Self>> {
        let owner = AccountId(self.id().0 | REMOVED_MAIL);
        let Some(view) = self.removed_mail_of(owner) else {
            return Ok(None);
        };
        let now = self
            .look(|ledger| generation(&ledger.remembered, known(ledger)))
            .await?;
        let seen = Post::glance(&view.keeper, |ledger| ledger.counters.uidvalidity);
        if seen.is_some_and(|seen| seen != now) {
            view.keeper.forget();
        }
        Ok(Some(view))
    }

    /// The mailboxes of what was removed, by their names here; each as it is listed.
    ///
    /// # Errors
    /// If the account cannot be read.
    pub async fn removed_mailboxes(&self) -> Outcome<Vec<(AccountId, Mailbox)>> {
        let Some(view) = self.removed_mail().await? else {
            return Ok(Vec::new());
        };
        let mailboxes = view.mailboxes().await?.into_iter().map(|mailbox| {
            let name = format!("{}{}", Self::REMOVED_MAIL, mailbox.name);
            (view.id(), Mailbox { name, ..mailbox })
        });
        Ok(mailboxes.collect())
    }

    /// The view that an owner's number means, if it is this account's.
    pub(crate) fn removed_mail_of(&self, owner: AccountId) -> Option<Self> {
        let is_shown = self.house.shows_removed_mail() && self.visitor.is_none();
        if !is_shown || owner.0 != self.id().0 | REMOVED_MAIL {
            return None;
        }
        Some(Self {
            keeper: self.house.keeper(owner),
            visitor: Some(self.id()),
            gauge: Arc::clone(&self.gauge),
            ..self.clone()
        })
    }

    /// True if this is the view of what was removed from that account.
    pub(crate) fn is_removed_mail_of(&self, owner: AccountId) -> bool {
        self.id().0 == owner.0 | REMOVED_MAIL
    }

    /// Puts messages that were removed into a mailbox again: with flags, dates and ids.
    pub(crate) async fn bring_back(
        &self,
        mailbox: MailboxId,
        uids: &UidSet,
        (there, to): (&Self, &str),
    ) -> Outcome<Copied> {
        let found = self.look(|ledger| {
            let folder = self.folder(ledger, mailbox, Rights::READ)?;
            let entries = folder.among(uids);
            let entries = entries.map(|entry| (*entry, folder.flags(entry)));
            Ok::<Vec<_>, Error>(entries.collect())
        });
        let found = found.await??;
        let house = self.house();
        let (rules, now) = (house.rules(), house.outside().now());
        let quota = house.quota(there.id());
        let copied = there
            .change(|draft| {
                let target = there.target(draft.ledger(), to)?;
                let folder = draft.ledger().folder(target)?;
                let uidvalidity = folder.row.uidvalidity;
                let settable = Settable::by(there.rights(folder));
                // Its line says which operation keeps a message.
                let kept = |entry: &Entry, ledger: &Ledger| {
                    let known = ledger.history.get(&entry.modseq);
                    known.is_some_and(|known| known.state != State::Forgotten)
                };
                let kept: Vec<_> = found
                    .iter()
                    .filter(|(entry, _)| kept(entry, draft.ledger()))
                    .collect();
                let sizes = kept.iter().map(|(entry, _)| u64::from(entry.size));
                draft.admit(quota, Usage::of(sizes))?;
                let mut pairs = Vec::with_capacity(kept.len());
                for (entry, flags) in kept {
                    let filing = Filing {
                        email: entry.email,
                        flags: &settable.among(flags),
                        date: entry.date(),
                        now,
                        size: entry.size.into(),
                        unended: entry.unended,
                    };
                    let uid = draft.file(target, filing, rules.mailbox_messages_max)?;
                    draft.share(entry.email);
                    pairs.push((entry.uid, uid));
                }
                draft.record_copies(target, &pairs);
                if !pairs.is_empty() {
                    draft.unindex();
                }
                Ok(Copied {
                    mailbox: target,
                    uidvalidity,
                    pairs,
                })
            })
            .await?;
        there.renew_index().await;
        Ok(copied)
    }
}

impl Post {
    /// True if people are shown what was removed from their mailboxes.
    #[must_use]
    pub fn shows_removed_mail(&self) -> bool {
        self.rules().removed_mail && self.rules().undo.is_on()
    }
}

/// The operations in memory, with what is known of them.
fn known(ledger: &Ledger) -> impl Iterator<Item = (ModSeq, State, bool)> {
    let history = ledger.history.iter();
    history.map(|(line, known)| (*line, known.state, known.keeps))
}

/// The generation of the mailboxes: it grows when something is removed, undone or forgotten.
fn generation(
    remembered: &Remembered,
    operations: impl Iterator<Item = (ModSeq, State, bool)>,
) -> u32 {
    let lines = operations
        .filter(|(.., keeps)| *keeps)
        .map(|(line, state, _)| match state {
            State::Undone(by) => line.max(by),
            State::Done | State::Forgotten => line,
        });
    let last = lines.chain([remembered.forgotten, ModSeq(1)]).max();
    u32::try_from(last.unwrap_or_default().0).unwrap_or(u32::MAX)
}

/// A mailbox in the making.
#[derive(Debug, Default)]
struct Removed {
    keywords: Vec<Keyword>,
    entries: Vec<Entry>,
}

impl Removed {
    /// Adds an entry that a mailbox with these keywords had.
    fn add(&mut self, entry: &Entry, keywords: &[Keyword], (line, when): (ModSeq, Timestamp)) {
        let mut bits = 0;
        for (at, keyword) in keywords.iter().enumerate() {
            if entry.keywords & (1 << at) != 0 {
                bits |= self.keyword(keyword);
            }
        }
        let last = self.entries.last().map(|entry| entry.uid);
        let Some(uid) = last.map_or(Some(Uid::MIN), Uid::next) else {
            return;
        };
        self.entries.push(Entry {
            uid,
            modseq: line,
            keywords: bits,
            // Whoever brings it back does not want it to go again.
            system: entry.system & !bit(Flag::Deleted),
            saved: Some(SavedAt::new(when)),
            ..*entry
        });
    }

    /// The bit of a keyword; none where there are too many.
    fn keyword(&mut self, keyword: &Keyword) -> u64 {
        let known = self.keywords.iter().position(|one| one == keyword);
        match known {
            Some(at) => 1 << at,
            None if self.keywords.len() < KEYWORDS_MAX => {
                self.keywords.push(keyword.clone());
                1 << (self.keywords.len() - 1)
            }
            None => 0,
        }
    }
}

impl Ledger {
    /// Reads what was removed from an account.
    pub(crate) async fn load_removed(store: &dyn Store, partition: Partition) -> Outcome<Self> {
        let reading = || Error::reading("reading what was removed");
        loop {
            let before = store.version(partition).await.map_err(reading())?;
            let ledger = Self::load_removed_rows(store, partition, before).await?;
            let after = store.version(partition).await.map_err(reading())?;
            if before == after {
                return Ok(ledger);
            }
        }
    }

    async fn load_removed_rows(
        store: &dyn Store,
        partition: Partition,
        version: Version,
    ) -> Outcome<Self> {
        let mut ledger = Self::new(version);
        scan(store, partition, tables::COUNTERS, |row| {
            ledger.counters.modseq = Counters::read(&row.value)?.modseq;
            Some(())
        })
        .await?;
        let mut rows: BTreeMap<MailboxId, MailboxRow> = BTreeMap::new();
        scan(store, partition, tables::MAILBOXES, |row| {
            let (id, row) = MailboxRow::read(&row.key, &row.value)?;
            rows.insert(id, row);
            Some(())
        })
        .await?;
        let mut deeds: BTreeMap<ModSeq, Deed> = BTreeMap::new();
        scan(store, partition, tables::HISTORY, |row| {
            let (line, deed) = tables::read_deed(&row.key, &row.value)?;
            deeds.insert(line, deed);
            Some(())
        })
        .await?;
        let mut remembered = Remembered::default();
        scan(store, partition, tables::REMEMBERED, |row| {
            remembered = tables::read_remembered(&row.value)?;
            Some(())
        })
        .await?;
        let mut parts = Vec::new();
        scan(store, partition, tables::GONE, |row| {
            let (line, _) = tables::read_part_key(&row.key)?;
            match tables::read_part(&row.value)? {
                Part::Removed(removed) => parts.push((line, removed)),
                // Of one that is gone this is what is known.
                Part::Deleted(deleted) => {
                    rows.entry(deleted.id).or_insert(deleted.row);
                }
                _ => {}
            }
            Some(())
        })
        .await?;
        let mut folders: BTreeMap<String, Removed> = BTreeMap::new();
        for (line, removed) in &parts {
            let Some(deed) = deeds.get(line).filter(|deed| deed.state == State::Done) else {
                continue;
            };
            let row = rows.get(&removed.mailbox);
            let name = row.map_or(&deed.mailbox, |row| &row.name);
            let folder = folders.entry(name.clone()).or_default();
            let keywords = row.map_or(&[][..], |row| &row.keywords);
            for entry in &removed.entries {
                folder.add(entry, keywords, (*line, deed.when));
            }
        }
        let operations = deeds.iter();
        let operations = operations.map(|(line, deed)| (*line, deed.state, deed.octets > 0));
        ledger.counters.uidvalidity = generation(&remembered, operations);
        // The index knows nothing of what is gone.
        ledger.remembered.unindexed = true;
        ledger.take_removed(AccountId(partition.0), folders);
        Ok(ledger)
    }

    fn take_removed(&mut self, owner: AccountId, removed: BTreeMap<String, Removed>) {
        let generation = self.counters.uidvalidity;
        let grantee = Grantee {
            negative: false,
            account: owner,
        };
        let mut emails = Vec::new();
        for (number, (name, removed)) in (1..).zip(removed) {
            // One of another generation is another mailbox.
            // RFC 8474 §4
            let id = MailboxId(u64::from(generation) << 32 | number);
            emails.extend(removed.entries.iter().map(|entry| entry.email));
            let row = MailboxRow {
                name: name.clone(),
                uidvalidity: UidValidity::new(generation).unwrap_or(UidValidity::MIN),
                role: None,
                selectable: true,
                created: self.counters.modseq,
                keywords: removed.keywords,
            };
            let last = removed.entries.last().map(|entry| entry.uid);
            let folder = Folder {
                next_uid: last.map_or(Some(Uid::MIN), Uid::next),
                sums: Sums::of(&removed.entries),
                entries: removed.entries,
                acl: Acl::from([(grantee, Rights::LOOKUP | Rights::READ)]),
                ..Folder::new(row)
            };
            self.names.insert(name, id);
            self.folders.insert(id, folder);
        }
        self.shared = shared(emails);
    }
}
