//! Copying and moving messages between mailboxes (RFC 9051 §6.4.7–8).

use mail::{MailboxId, Timestamp, Uid, UidSet, UidValidity};

use crate::draft::Draft;
use crate::mailbox::copy_entries;
use crate::{Account, Outcome, Rules, Usage};

/// What was copied or moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The target's generation.
    pub uidvalidity: UidValidity,
    /// From which UID to which, by rising source; empty if none of the messages is there.
    pub pairs: Vec<(Uid, Uid)>,
}

impl Account {
    /// Copies messages with flags and dates into a mailbox, all or none.
    ///
    /// # Errors
    /// [`crate::Why::TryCreate`] if the target is not there, [`crate::Why::Nonexistent`] if the
    /// source is gone, [`crate::Why::OverQuota`], [`crate::Why::Limit`], or if it cannot be stored.
    pub async fn copy(&self, mailbox: MailboxId, uids: &UidSet, to: &str) -> Outcome<Copied> {
        let house = self.house();
        let (rules, now) = (house.rules(), house.outside().now());
        let quota = house.quota(self.id());
        self.change(|draft| {
            let source = draft.ledger().folder(mailbox)?;
            draft.ledger().target(to)?;
            let sizes = source.among(uids).map(|entry| entry.size.into());
            draft.admit(quota, Usage::of(sizes))?;
            copy_into(draft, mailbox, uids, to, (rules, now))
        })
        .await
    }

    /// Moves messages into a mailbox, all or none, in one step.
    ///
    /// # Errors
    /// As [`Account::copy`]; the account holds no more than before, so its quota is not asked.
    pub async fn relocate(&self, mailbox: MailboxId, uids: &UidSet, to: &str) -> Outcome<Copied> {
        let house = self.house();
        let (rules, now) = (house.rules(), house.outside().now());
        self.change(|draft| {
            let copied = copy_into(draft, mailbox, uids, to, (rules, now))?;
            // Only what was copied goes: the copies in the same mailbox are not among it.
            let sources = copied.pairs.iter().map(|(source, _)| *source);
            draft.remove(mailbox, &sources.collect());
            Ok(copied)
        })
        .await
    }
}

fn copy_into(
    draft: &mut Draft<'_>,
    mailbox: MailboxId,
    uids: &UidSet,
    to: &str,
    (rules, now): (&Rules, Timestamp),
) -> Outcome<Copied> {
    draft.ledger().folder(mailbox)?;
    let target = draft.ledger().target(to)?;
    let uidvalidity = draft.ledger().folder(target)?.row.uidvalidity;
    let pairs = copy_entries(draft, mailbox, uids, target, (rules, now))?;
    Ok(Copied { uidvalidity, pairs })
}
