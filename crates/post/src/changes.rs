//! What a mailbox holds when it is opened, and what has changed since (RFC 7162 §3.2).

use mail::{EmailId, FlagSet, Keyword, MailboxId, ModSeq, Uid, UidSet, UidValidity};

use crate::{Account, Error, Fault, Outcome};

/// A mailbox at the moment it is opened.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its id, for all further questions.
    pub id: MailboxId,
    /// Its name as it is listed.
    pub name: String,
    /// The UIDs of its messages.
    pub uids: UidSet,
    /// Its generation.
    pub uidvalidity: UidValidity,
    /// The UID the next message will get, at least.
    pub uidnext: Uid,
    /// The account's ledger at this moment: what [`Account::changes`] counts from.
    pub modseq: ModSeq,
    /// The largest mod-sequence of any change in this mailbox: HIGHESTMODSEQ.
    pub highest_modseq: ModSeq,
    /// The keywords in use in it.
    pub keywords: Vec<Keyword>,
    /// How many messages lack `\Seen`.
    pub unseen: u32,
    /// The first message without `\Seen` (IMAP4rev1's UNSEEN).
    pub first_unseen: Option<Uid>,
}

/// What has changed in a mailbox since a mod-sequence.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The account's ledger now: the next `since`.
    pub modseq: ModSeq,
    /// The largest mod-sequence of any change in this mailbox.
    pub highest_modseq: ModSeq,
    /// The UID the next message will get, at least.
    pub uidnext: Uid,
    /// UIDs that are gone; may name some that were gone before.
    pub vanished: UidSet,
    /// Messages that are new or have other flags, by rising UID.
    pub changed: Vec<Changed>,
    /// The keywords in use in it.
    pub keywords: Vec<Keyword>,
    /// True if the mailbox itself was deleted or emptied into another generation.
    pub gone: bool,
}

/// A message that is new or has other flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub uid: Uid,
    /// Its copies in other mailboxes have the same.
    pub email: EmailId,
    /// Its flags now.
    pub flags: FlagSet,
    /// When they changed.
    pub modseq: ModSeq,
    /// True if it came after `since`.
    pub new: bool,
}

impl Account {
    /// Opens a mailbox. The post keeps nothing for it: asking again is all that closing takes.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`]; [`crate::Why::Cannot`] for `\Noselect`.
    pub async fn open(&self, name: &str) -> Outcome<Snapshot> {
        let _ = name;
        Err(Error::Fault(Fault::Unfinished("changes")))
    }

    /// What has changed in a mailbox since a mod-sequence; answered from memory.
    ///
    /// # Errors
    /// If the account cannot be read. A mailbox that is not there is [`Changes::gone`].
    pub async fn changes(&self, mailbox: MailboxId, since: ModSeq) -> Outcome<Changes> {
        let _ = (mailbox, since);
        Err(Error::Fault(Fault::Unfinished("changes")))
    }
}
