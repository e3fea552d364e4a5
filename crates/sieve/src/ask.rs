//! What a run asks for, and the answers.

use std::sync::Arc;

use mail::Timestamp;

use crate::script::Script;

/// A question to whoever runs the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What time is it, in the owner's zone? Asked again, it is the same (RFC 5260 §5).
    Now,
    /// Is there a mailbox with this name, and may the owner deliver to it (RFC 5490 §3.1)?
    Mailbox(String),
    /// Is there a mailbox with this identifier, and may the owner deliver to it (RFC 9042 §6)?
    MailboxId(String),
    /// Has the mailbox, or any of the owner's where none is named, this use: `\Junk`
    /// (RFC 8579 §3)?
    SpecialUse {
        /// The mailbox's name.
        mailbox: Option<String>,
        /// The attribute, with its backslash.
        attribute: String,
    },
    /// What is the value of this annotation (RFC 5490 §3.3)?
    Metadata {
        /// The mailbox's name; none for the server.
        mailbox: Option<String>,
        /// The annotation's name.
        annotation: String,
    },
    /// Was this identifier noted by an earlier run, and not too long ago (RFC 7352)?
    Seen {
        /// Keeps identifiers of different kinds apart; empty where the script says nothing.
        handle: String,
        /// The identifier.
        id: String,
    },
    /// The script to be included; none if there is none (RFC 6609).
    Script {
        /// Whose.
        location: Location,
        /// Its name.
        name: String,
    },
    /// Which of these values is on this list (RFC 6134 §2.2)?
    Listed {
        /// The list's name, a URI.
        list: String,
        /// The values.
        values: Vec<String>,
    },
    /// Is there a list with this name (RFC 6134 §2.7)?
    List(String),
    /// What a word means that is not of this language ([`crate::Foreign`]).
    Foreign {
        /// The word.
        name: &'static str,
        /// What stands behind it.
        words: Vec<ForeignWord>,
    },
}

/// An argument of a foreign word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignWord {
    /// A tag without its colon.
    Tag(String),
    /// A number.
    Number(u64),
    /// A string or a list of them.
    Texts(Vec<String>),
}

/// Whose script is included (RFC 6609 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Location {
    /// The owner's.
    #[default]
    Personal,
    /// Everybody's.
    Global,
}

/// The answer to an [`Ask`]; one that does not fit is taken for no.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To whether something is so.
    Flag(bool),
    /// To what a value is.
    Text(Option<String>),
    /// To what time it is.
    Now(Timestamp),
    /// To which script that is.
    Script(Option<Arc<Script>>),
    /// To what is on a list: there is no such list. The script fails (RFC 6134 §2.2).
    NoList,
}

impl Answer {
    pub(crate) const fn flag(&self) -> bool {
        matches!(self, Self::Flag(true) | Self::Text(Some(_)))
    }

    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => text,
            Self::Flag(_) | Self::Now(_) | Self::Script(_) | Self::NoList => None,
        }
    }
}
