//! What happened in an account, beyond the mailbox that is open.

use mail::{AccountId, MailboxNews, ModSeq};

use super::Status;

/// Up to which line of an account's ledger everything was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose account it is, if not the one that is logged in.
    pub owner: Option<AccountId>,
    /// The line.
    pub modseq: ModSeq,
}

/// Mailboxes of others that are watched beside all of the account's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Those with these names.
    pub names: Vec<String>,
    /// Those with these names and all below them.
    pub trees: Vec<String>,
    /// True if those that the account is subscribed to are watched as well.
    pub subscribed: bool,
}

/// What others did; bounded by the house, which refuses with [`super::Why::Limit`] to tell more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Up to where it tells everything: the next `since`.
    pub marks: Vec<Mark>,
    /// By mailbox.
    pub mailboxes: Vec<MailboxNews<Status>>,
    /// Notes on the account as a whole that changed, by name.
    pub notes: Vec<String>,
}
