//! Removing messages (RFC 9051 §6.4.3, §6.4.9).

use mail::{Flag, MailboxId, ModSeq, Rights, UidSet};

use crate::draft::bit;
use crate::{Account, Outcome};

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expunged {
    /// The UIDs.
    pub uids: UidSet,
    /// The line of the ledger that says so; the ledger's end if nothing was removed.
    pub modseq: ModSeq,
}

impl Account {
    /// Removes the messages with `\Deleted`; with `only`, no others than these.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if the mailbox is gone, [`crate::Why::Policy`] without the
    /// right, or if it cannot be stored.
    pub async fn expunge(&self, mailbox: MailboxId, only: Option<&UidSet>) -> Outcome<Expunged> {
        let deleted = bit(Flag::Deleted);
        self.change(|draft| {
            let folder = self.folder(draft.ledger(), mailbox, Rights::EXPUNGE)?;
            let uids: UidSet = folder
                .entries
                .iter()
                .filter(|entry| entry.system & deleted != 0)
                .map(|entry| entry.uid)
                .filter(|uid| only.is_none_or(|only| only.contains(*uid)))
                .collect();
            draft.remove(mailbox, &uids);
            Ok(Expunged {
                uids,
                modseq: draft.ledger().counters.modseq,
            })
        })
        .await
    }
}
