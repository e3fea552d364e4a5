//! Copying and moving messages between mailboxes (RFC 9051 §6.4.7–8), also from one account to
//! another.

use std::sync::Arc;

use mail::{FlagSet, MailboxId, Rights, Timestamp, Uid, UidSet, UidValidity};

use crate::access::Settable;
use crate::append::REMOVES;
use crate::draft::{Draft, Filing};
use crate::mailbox::copy_entries;
use crate::tables::{EmailRow, Entry};
use crate::{Account, Error, OperationKind, Outcome, Quota, Rules, Usage, Why};

/// Messages that go to another account at once.
const CARRIED_MESSAGES_MAX: usize = 10_000;
/// Octets of what was noted of messages that go with them to another account; of the others it is
/// noted anew when it is wanted.
const CARRIED_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// What was copied or moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The target.
    pub mailbox: MailboxId,
    /// The target's generation.
    pub uidvalidity: UidValidity,
    /// From which UID to which, by rising source; empty if none of the messages is there.
    pub pairs: Vec<(Uid, Uid)>,
}

/// A message on its way to another account.
struct Carried {
    entry: Entry,
    flags: FlagSet,
    row: EmailRow,
}

impl Account {
    /// Copies messages with flags and dates into a mailbox of the same account, all or none.
    ///
    /// # Errors
    /// As [`Account::copy_to`].
    pub async fn copy(&self, mailbox: MailboxId, uids: &UidSet, to: &str) -> Outcome<Copied> {
        self.copy_to(mailbox, uids, (self, to)).await
    }

    /// Moves messages into a mailbox of the same account, all or none, in one step.
    ///
    /// # Errors
    /// As [`Account::copy_to`].
    pub async fn relocate(&self, mailbox: MailboxId, uids: &UidSet, to: &str) -> Outcome<Copied> {
        self.relocate_to(mailbox, uids, (self, to)).await
    }

    /// Copies messages with flags and dates into a mailbox of an account, all or none. Flags that
    /// may not be set there stay behind.
    ///
    /// # Errors
    /// [`crate::Why::TryCreate`] if the target is not there, [`crate::Why::Nonexistent`] if the
    /// source is gone, [`crate::Why::Policy`] without the right, [`crate::Why::OverQuota`],
    /// [`crate::Why::Limit`], or if it cannot be stored.
    pub async fn copy_to(
        &self,
        mailbox: MailboxId,
        uids: &UidSet,
        (there, to): (&Self, &str),
    ) -> Outcome<Copied> {
        let house = self.house();
        let (rules, now) = (house.rules(), house.outside().now());
        let quota = house.quota(there.id());
        if there.id() == self.id() {
            return self
                .change(|draft| {
                    let source = self.folder(draft.ledger(), mailbox, Rights::READ)?;
                    self.target(draft.ledger(), to)?;
                    let sizes = source.among(uids).map(|entry| entry.size.into());
                    draft.admit(quota, Usage::of(sizes))?;
                    let (target, copied) =
                        self.copy_into(draft, mailbox, uids, to, (rules, now))?;
                    draft.record_copies(target, &copied.pairs);
                    Ok(copied)
                })
                .await;
        }
        if self.is_removed_mail_of(there.id()) {
            return self.bring_back(mailbox, uids, (there, to)).await;
        }
        let carried = self.carried(mailbox, uids, Rights::READ).await?;
        there
            .change(|draft| there.file_carried(draft, to, &carried, quota, (rules, now)))
            .await
    }

    /// Moves messages into a mailbox of an account, all or none, in one step.
    ///
    /// # Errors
    /// As [`Account::copy_to`], but that within one account the quota is not asked: it holds no
    /// more than before. [`crate::Why::Expunged`] if on the way to another account a message is
    /// removed by somebody else.
    pub async fn relocate_to(
        &self,
        mailbox: MailboxId,
        uids: &UidSet,
        (there, to): (&Self, &str),
    ) -> Outcome<Copied> {
        let house = self.house();
        let (rules, now) = (house.rules(), house.outside().now());
        if there.id() == self.id() {
            return self
                .change(|draft| {
                    self.folder(draft.ledger(), mailbox, REMOVES)?;
                    let (target, copied) =
                        self.copy_into(draft, mailbox, uids, to, (rules, now))?;
                    // Only what was copied goes: the copies in the same mailbox are not among it.
                    draft.leave(mailbox, target, &copied.pairs);
                    Ok(copied)
                })
                .await;
        }
        let carried = self.carried(mailbox, uids, REMOVES).await?;
        let quota = house.quota(there.id());
        let mut keepers = [Arc::clone(&self.keeper), Arc::clone(&there.keeper)];
        keepers.sort_by_key(|keeper| keeper.account);
        let here = keepers
            .iter()
            .position(|keeper| keeper.account == self.id());
        let done = house
            .change_all(&keepers, &[], |index, draft| {
                draft.sign(self.author, &self.actor);
                if Some(index) == here {
                    self.let_go(draft, mailbox, &carried)?;
                    return Ok(None);
                }
                there
                    .file_carried(draft, to, &carried, quota, (rules, now))
                    .map(Some)
            })
            .await?;
        let copied = done.into_iter().flatten().next();
        copied.ok_or_else(|| Error::limit("Nothing was moved"))
    }

    fn copy_into(
        &self,
        draft: &mut Draft<'_>,
        mailbox: MailboxId,
        uids: &UidSet,
        to: &str,
        (rules, now): (&Rules, Timestamp),
    ) -> Outcome<(MailboxId, Copied)> {
        self.folder(draft.ledger(), mailbox, Rights::READ)?;
        let target = self.target(draft.ledger(), to)?;
        let folder = draft.ledger().folder(target)?;
        let uidvalidity = folder.row.uidvalidity;
        let settable = Settable::by(self.rights(folder));
        let pairs = copy_entries(draft, mailbox, uids, (target, settable), (rules, now))?;
        let copied = Copied {
            mailbox: target,
            uidvalidity,
            pairs,
        };
        Ok((target, copied))
    }

    /// What has to be known of messages to file them in another account.
    async fn carried(
        &self,
        mailbox: MailboxId,
        uids: &UidSet,
        needed: Rights,
    ) -> Outcome<Vec<Carried>> {
        let entries = self
            .look(|ledger| {
                let folder = self.folder(ledger, mailbox, needed)?;
                let entries = folder.among(uids).take(CARRIED_MESSAGES_MAX + 1);
                let entries = entries.map(|entry| (*entry, folder.flags(entry)));
                Ok::<Vec<_>, Error>(entries.collect())
            })
            .await??;
        if entries.len() > CARRIED_MESSAGES_MAX {
            return Err(Error::limit(
                "Take fewer messages to another account at once",
            ));
        }
        let emails: Vec<_> = entries.iter().map(|(entry, _)| entry.email).collect();
        let mut octets = 0_usize;
        let mut carried = Vec::with_capacity(entries.len());
        for ((entry, flags), row) in entries.into_iter().zip(self.emails(&emails).await?) {
            // A message removed meanwhile is left out like one removed before.
            let Some(mut row) = row else { continue };
            octets = octets.saturating_add(row.outline.as_ref().map_or(0, bytes::Bytes::len));
            if octets > CARRIED_OCTETS_MAX {
                row.outline = None;
            }
            carried.push(Carried { entry, flags, row });
        }
        Ok(carried)
    }

    /// Files messages of another account in a mailbox of this one.
    fn file_carried(
        &self,
        draft: &mut Draft<'_>,
        to: &str,
        carried: &[Carried],
        quota: Quota,
        (rules, now): (&Rules, Timestamp),
    ) -> Outcome<Copied> {
        let target = self.target(draft.ledger(), to)?;
        let folder = draft.ledger().folder(target)?;
        let uidvalidity = folder.row.uidvalidity;
        let settable = Settable::by(self.rights(folder));
        let sizes = carried.iter().map(|one| one.entry.size.into());
        draft.admit(quota, Usage::of(sizes))?;
        let mut pairs = Vec::with_capacity(carried.len());
        for Carried { entry, flags, row } in carried {
            let filing = Filing {
                email: draft.email(row),
                flags: &settable.among(flags),
                date: entry.date(),
                now,
                size: entry.size.into(),
                unended: entry.unended,
            };
            let uid = draft.file(target, filing, rules.mailbox_messages_max)?;
            pairs.push((entry.uid, uid));
        }
        draft.record_copies(target, &pairs);
        Ok(Copied {
            mailbox: target,
            uidvalidity,
            pairs,
        })
    }

    /// Takes messages out that go to another account, if all are still there.
    fn let_go(
        &self,
        draft: &mut Draft<'_>,
        mailbox: MailboxId,
        carried: &[Carried],
    ) -> Outcome<()> {
        let folder = self.folder(draft.ledger(), mailbox, REMOVES)?;
        let there = |one: &Carried| folder.entry(one.entry.uid).is_some();
        if !carried.iter().all(there) {
            let text = "A message was removed meanwhile; please try again";
            return Err(Error::refused(Why::Expunged, 550, [5, 2, 0], text));
        }
        let uids = carried.iter().map(|one| one.entry.uid).collect();
        draft.call(OperationKind::MoveAway);
        draft.remove(mailbox, &uids);
        Ok(())
    }
}
