//! Putting a message straight into a mailbox (RFC 9051 §6.3.12).

use bytes::Bytes;
use mail::{FlagSet, MailboxId, Timestamp, Uid, UidValidity};

use crate::{Account, Error, Fault, Outcome};

/// A message on its way into a mailbox. Dropped before [`Append::commit`] said yes, it never was.
#[derive(Debug)]
pub struct Append {
    account: Account,
}

/// Where it was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its generation.
    pub uidvalidity: UidValidity,
    /// The message's UID.
    pub uid: Uid,
}

impl Account {
    /// Begins an append. `date` becomes INTERNALDATE; without it, now.
    ///
    /// # Errors
    /// [`crate::Why::TryCreate`] if the mailbox is not there, [`crate::Why::TooBig`] if `size`, as
    /// far as it is known, is too large.
    pub async fn append(
        &self,
        to: &str,
        flags: FlagSet,
        date: Option<Timestamp>,
        size: Option<u64>,
    ) -> Outcome<Append> {
        let _ = (to, flags, date, size);
        Err(Error::Fault(Fault::Unfinished("append")))
    }
}

impl Append {
    /// Adds a piece of the message.
    ///
    /// # Errors
    /// [`crate::Why::TooBig`], or if the store cannot take it.
    pub async fn chunk(&mut self, bytes: Bytes) -> Outcome<()> {
        let _ = (bytes, &self.account);
        Err(Error::Fault(Fault::Unfinished("append")))
    }

    /// Ends the message: on `Ok` it is in the mailbox and on the disk.
    ///
    /// # Errors
    /// As above, [`crate::Why::Limit`], or if it cannot be stored.
    pub async fn commit(self) -> Outcome<Appended> {
        Err(Error::Fault(Fault::Unfinished("append")))
    }
}
