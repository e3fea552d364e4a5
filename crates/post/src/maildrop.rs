//! The inbox as POP3 sees it (RFC 1939 §3, §5–7): locked for one, numbered, changed at the end.

use mail::{BlobRange, Uid, UidSet};

use crate::{Account, Error, Fault, Outcome};

/// An inbox locked for one POP3 connection; dropping it frees it and changes nothing.
#[derive(Debug)]
pub struct Maildrop {
    account: Account,
    drops: Vec<Deposit>,
}

/// A message in a maildrop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// Which.
    pub uid: Uid,
    /// Octets of the message.
    pub octets: u64,
    /// Its name for ever: UIDL (RFC 1939 §7).
    pub uidl: String,
}

impl Account {
    /// Locks the inbox for a POP3 connection.
    ///
    /// # Errors
    /// [`crate::Why::InUse`] if another connection has it.
    pub async fn maildrop(&self) -> Outcome<Maildrop> {
        Err(Error::Fault(Fault::Unfinished("maildrop")))
    }
}

impl Maildrop {
    /// The account.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// The messages, the oldest first; the list never changes.
    #[must_use]
    pub fn drops(&self) -> &[Deposit] {
        &self.drops
    }

    /// The stored octets of a message.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if another session removed it meanwhile.
    pub async fn locate(&self, uid: Uid) -> Outcome<BlobRange> {
        let _ = uid;
        Err(Error::Fault(Fault::Unfinished("maildrop")))
    }

    /// Removes messages for good and frees the maildrop (the UPDATE state).
    ///
    /// # Errors
    /// If it cannot be stored; then nothing is removed.
    pub async fn update(self, delete: &UidSet) -> Outcome<()> {
        let _ = delete;
        Err(Error::Fault(Fault::Unfinished("maildrop")))
    }
}
