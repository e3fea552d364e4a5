//! LIST with its extensions, and what STATUS tells (RFC 9051 §6.3.9 and §6.3.11, RFC 5258, 5819,
//! 6154, 7162 §3.1.7, 8438, 8474 §4.3).

/// Which mailboxes to list and what to tell of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Which mailboxes to look at.
    pub select: ListSelect,
    /// The reference, in Unicode.
    pub reference: String,
    /// Patterns with `*` and `%`, in Unicode; any may match; never none.
    pub patterns: Vec<String>,
    /// What else to tell.
    pub returning: ListReturn,
    /// True if any of the syntax of RFC 5258 was used: then `""` as pattern is nothing special.
    pub extended: bool,
}

/// Selection options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSelect {
    /// Only subscribed names, existing or not.
    pub subscribed: bool,
    /// Remote mailboxes as well.
    pub remote: bool,
    /// Also mailboxes with a matching descendant.
    pub recursive_match: bool,
    /// Only mailboxes with a role (RFC 6154).
    pub special_use: bool,
}

/// Return options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListReturn {
    /// `\Subscribed`.
    pub subscribed: bool,
    /// `\HasChildren`, `\HasNoChildren`.
    pub children: bool,
    /// The roles (RFC 6154).
    pub special_use: bool,
    /// A STATUS response for each; empty for none (RFC 5819).
    pub status: Vec<StatusItem>,
}

/// Something STATUS tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusItem {
    /// How many messages.
    Messages,
    /// How many are new to all sessions (RFC 3501).
    Recent,
    /// The next UID.
    UidNext,
    /// The mailbox's generation.
    UidValidity,
    /// How many are not `\Seen`.
    Unseen,
    /// How many are `\Deleted`.
    Deleted,
    /// The sum of their sizes.
    Size,
    /// The largest mod-sequence (RFC 7162).
    HighestModSeq,
    /// The mailbox's identity (RFC 8474).
    MailboxId,
}
