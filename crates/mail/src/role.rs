//! What a mailbox is for (RFC 6154 special-use attributes).

/// A mailbox's role; an account has at most one mailbox for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// All messages.
    All,
    /// Messages kept but out of the way.
    Archive,
    /// Messages being written.
    Drafts,
    /// Messages marked as flagged.
    Flagged,
    /// Messages marked as important (RFC 8457).
    Important,
    /// Unwanted messages.
    Junk,
    /// Copies of messages sent.
    Sent,
    /// Messages to be deleted.
    Trash,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 8] = [
        Self::All,
        Self::Archive,
        Self::Drafts,
        Self::Flagged,
        Self::Important,
        Self::Junk,
        Self::Sent,
        Self::Trash,
    ];

    /// The attribute's name without its backslash, as IMAP writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Archive => "Archive",
            Self::Drafts => "Drafts",
            Self::Flagged => "Flagged",
            Self::Important => "Important",
            Self::Junk => "Junk",
            Self::Sent => "Sent",
            Self::Trash => "Trash",
        }
    }

    /// Reads a name, whatever its case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.name().eq_ignore_ascii_case(name))
    }
}
