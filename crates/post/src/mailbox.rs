//! Mailboxes: list, create, delete, rename, subscribe (RFC 9051 §5.1, §6.3).

use mail::{MailboxId, ModSeq, Role, Uid, UidValidity};

use crate::{Account, Error, Fault, Outcome};

/// A mailbox as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Its id; never reused, kept when it is renamed.
    pub id: MailboxId,
    /// Its full name, levels separated by `/`, in UTF-8 (NFC). The inbox is `INBOX`.
    pub name: String,
    /// What it is for.
    pub role: Option<Role>,
    /// True if somebody subscribed to its name.
    pub subscribed: bool,
    /// False for `\Noselect`: it is only a level above others.
    pub selectable: bool,
    /// True if there are mailboxes below it.
    pub has_children: bool,
}

/// What STATUS tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its id.
    pub id: MailboxId,
    /// How many messages.
    pub messages: u32,
    /// How many of them without `\Seen`.
    pub unseen: u32,
    /// How many of them with `\Deleted`.
    pub deleted: u32,
    /// Octets of all messages.
    pub size: u64,
    /// The octets that an expunge of all `\Deleted` ones would free.
    pub deleted_storage: u64,
    /// The UID the next message will get, at least.
    pub uidnext: Uid,
    /// Its generation.
    pub uidvalidity: UidValidity,
    /// The largest mod-sequence of any change in it.
    pub highest_modseq: ModSeq,
}

impl Account {
    /// All mailboxes, sorted by name with `INBOX` first.
    ///
    /// # Errors
    /// If the account cannot be read.
    pub async fn mailboxes(&self) -> Outcome<Vec<Mailbox>> {
        Err(Error::Fault(Fault::Unfinished("mailboxes")))
    }

    /// All names subscribed to, also those of mailboxes that are not there; sorted.
    ///
    /// # Errors
    /// If the account cannot be read.
    pub async fn subscriptions(&self) -> Outcome<Vec<String>> {
        Err(Error::Fault(Fault::Unfinished("mailboxes")))
    }

    /// Creates a mailbox and the levels above it; a `/` at the end is dropped.
    ///
    /// # Errors
    /// [`crate::Why::AlreadyExists`] (also for `INBOX`), [`crate::Why::Cannot`] for an impossible
    /// name or a role that is taken, [`crate::Why::Limit`].
    pub async fn create(&self, name: &str, role: Option<Role>) -> Outcome<MailboxId> {
        let _ = (name, role);
        Err(Error::Fault(Fault::Unfinished("mailboxes")))
    }

    /// Deletes a mailbox with its messages; with mailboxes below it, it stays as `\Noselect`.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], [`crate::Why::Cannot`] for `INBOX` and for a `\Noselect` one
    /// with mailboxes below it.
    pub async fn delete(&self, name: &str) -> Outcome<()> {
        let _ = name;
        Err(Error::Fault(Fault::Unfinished("mailboxes")))
    }

    /// Renames a mailbox and those below it. Of `INBOX` the messages move to a new mailbox and
    /// those below it stay (RFC 9051 §6.3.6).
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], [`crate::Why::AlreadyExists`], [`crate::Why::Cannot`],
    /// [`crate::Why::Limit`].
    pub async fn rename(&self, from: &str, to: &str) -> Outcome<()> {
        let _ = (from, to);
        Err(Error::Fault(Fault::Unfinished("mailboxes")))
    }

    /// Subscribes to a name, whether or not such a mailbox is there.
    ///
    /// # Errors
    /// [`crate::Why::Cannot`] for an impossible name, [`crate::Why::Limit`].
    pub async fn subscribe(&self, name: &str) -> Outcome<()> {
        let _ = name;
        Err(Error::Fault(Fault::Unfinished("mailboxes")))
    }

    /// Ends a subscription; says yes as well where there was none.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn unsubscribe(&self, name: &str) -> Outcome<()> {
        let _ = name;
        Err(Error::Fault(Fault::Unfinished("mailboxes")))
    }

    /// What STATUS tells of a mailbox.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`].
    pub async fn status(&self, name: &str) -> Outcome<Status> {
        let _ = name;
        Err(Error::Fault(Fault::Unfinished("mailboxes")))
    }
}
