//! Copying and moving messages between mailboxes (RFC 9051 §6.4.7–8).

use mail::{MailboxId, Uid, UidSet, UidValidity};

use crate::{Account, Error, Fault, Outcome};

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
    /// source is gone, [`crate::Why::Limit`], or if it cannot be stored.
    pub async fn copy(&self, mailbox: MailboxId, uids: &UidSet, to: &str) -> Outcome<Copied> {
        let _ = (mailbox, uids, to);
        Err(Error::Fault(Fault::Unfinished("copy")))
    }

    /// Moves messages into a mailbox, all or none, in one step.
    ///
    /// # Errors
    /// As [`Account::copy`].
    pub async fn relocate(&self, mailbox: MailboxId, uids: &UidSet, to: &str) -> Outcome<Copied> {
        let _ = (mailbox, uids, to);
        Err(Error::Fault(Fault::Unfinished("copy")))
    }
}
