//! Removing messages (RFC 9051 §6.4.3, §6.4.9).

use mail::{MailboxId, ModSeq, UidSet};

use crate::{Account, Error, Fault, Outcome};

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
    /// [`crate::Why::Nonexistent`] if the mailbox is gone, or if it cannot be stored.
    pub async fn expunge(&self, mailbox: MailboxId, only: Option<&UidSet>) -> Outcome<Expunged> {
        let _ = (mailbox, only);
        Err(Error::Fault(Fault::Unfinished("expunge")))
    }
}
