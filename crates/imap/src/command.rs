//! What a client can say, and how it is written.
//!
//! [`Command::parse`] and [`Command::write`] are inverse. A command comes as one frame: without
//! its last CRLF, literals inside it as `{n}`, CRLF, and the octets. An APPEND's frame ends behind
//! the header of a literal of its message, whose octets are streamed past the grammar.
//!
//! Not here: when a command is allowed (`diagram`), framing, the lines inside AUTHENTICATE and
//! IDLE.
//!
//! RFC 9051 §6 and §9, RFC 3501 §6 and §9; extensions are named at their types.

use std::fmt;

use bytes::{Bytes, BytesMut};
use mail::{FlagSet, ModSeq, Role, SyntaxError};
use wire::sasl::Secret;

use crate::{MailboxName, Names, SequenceSet};

mod acl;
pub(crate) mod append;
pub(crate) mod context;
mod fetch;
mod list;
pub(crate) mod metadata;
mod multi_search;
mod notify;
pub(crate) mod parse;
pub(crate) mod partial;
mod quota;
pub(crate) mod search;
pub(crate) mod section;
mod select;
mod sort;
mod write;

pub use acl::RightsChange;
pub use append::{Append, AppendData, AppendMessage, CatParts, Replace};
pub use fetch::{Fetch, FetchItem, Partial};
pub use list::{List, ListReturn, ListSelect, StatusItem};
pub use metadata::{Depth, EntryName, GetMetadata};
pub use multi_search::{MultiSearch, Source};
pub use notify::{Event, EventGroup, MailboxFilter, Notify};
pub use partial::PartialRange;
pub use quota::Resource;
pub use search::{Date, EntryType, Search, SearchKey, SearchReturn};
pub use select::{Qresync, SelectParameters};
pub use sort::{Sort, SortCriterion, SortKey, Thread, Threading};

/// What a client calls its command; the server's answer to it begins with the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(String);

impl Tag {
    /// `None` where the text is no tag: empty, or with characters a tag cannot have.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text
                .bytes()
                .all(|octet| octet.is_ascii_graphic() && !b"(){%*\"\\+".contains(&octet));
        fits.then(|| Self(text.to_owned()))
    }

    /// The tag a client of ours gives its command of this number.
    #[must_use]
    pub fn numbered(number: u32) -> Self {
        Self(format!("c{number}"))
    }

    /// The tag's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A frame that is no command: the answer is BAD, tagged if the tag could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The tag, if the frame began with one.
    pub tag: Option<Tag>,
    /// Where it went wrong and what would have been right.
    pub error: SyntaxError,
}

/// The announcement of a literal's octets: `{123}`, `{123+}`, `~{123}`, `UTF8 (~{123}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiteralHeader {
    /// How many octets follow.
    pub octets: u64,
    /// True if the client waits for a continuation request first.
    pub sync: bool,
    /// True for a literal8, which may hold NUL (RFC 3516).
    pub binary: bool,
    /// True for a literal8 in `UTF8 (…)`, whose header fields may be UTF-8 (RFC 6855 §4).
    pub utf8: bool,
}

/// A role a mailbox is created for (RFC 6154 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecialUse {
    /// One of the roles there are.
    Role(Role),
    /// An attribute we don't know, without its backslash: the answer is NO [USEATTR].
    Unknown(String),
}

/// What STORE does with the flags it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAction {
    /// `FLAGS`: these and no others.
    Replace,
    /// `+FLAGS`.
    Add,
    /// `-FLAGS`.
    Remove,
}

/// STORE and UID STORE (RFC 9051 §6.4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// True if the set holds UIDs.
    pub uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// Only messages that have not changed since (RFC 7162 §3.1.3).
    pub unchanged_since: Option<ModSeq>,
    /// What to do with the flags.
    pub action: StoreAction,
    /// True if the new flags need not be sent back.
    pub silent: bool,
    /// The flags.
    pub flags: FlagSet,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// What can you do? (RFC 9051 §6.1.1)
    Capability,
    /// Anything new? (§6.1.2)
    Noop,
    /// Goodbye (§6.1.3).
    Logout,
    /// Who are we? Names and values; none for `NIL` (RFC 2971).
    Id(Vec<(String, Option<String>)>),
    /// Encrypt (§6.2.1).
    StartTls,
    /// SASL (§6.2.2).
    Authenticate {
        /// The mechanism, in upper case.
        mechanism: String,
        /// The initial response, decoded: `=` is the empty one (RFC 4959).
        initial: Option<Vec<u8>>,
    },
    /// Name and password in the clear (§6.2.3).
    Login {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// Be nobody again (RFC 8437).
    Unauthenticate,
    /// Turn extensions on (§6.3.1); names in upper case.
    Enable(Vec<String>),
    /// Open a mailbox (§6.3.2).
    Select {
        /// Which.
        mailbox: MailboxName,
        /// How.
        parameters: SelectParameters,
    },
    /// Open a mailbox to read only (§6.3.3).
    Examine {
        /// Which.
        mailbox: MailboxName,
        /// How.
        parameters: SelectParameters,
    },
    /// Make a mailbox (§6.3.4).
    Create {
        /// Its name.
        mailbox: MailboxName,
        /// What it is for (RFC 6154).
        special_use: Vec<SpecialUse>,
    },
    /// Remove a mailbox (§6.3.5).
    Delete(MailboxName),
    /// Give a mailbox another name (§6.3.6).
    Rename {
        /// Its name until now.
        from: MailboxName,
        /// Its name from now on.
        to: MailboxName,
    },
    /// Add to the list of subscriptions (§6.3.7).
    Subscribe(MailboxName),
    /// Take off the list of subscriptions (§6.3.8).
    Unsubscribe(MailboxName),
    /// Which mailboxes are there? (§6.3.9, RFC 5258)
    List(List),
    /// Which are subscribed? (RFC 3501 §6.3.9)
    Lsub {
        /// The reference, in Unicode.
        reference: String,
        /// The pattern, in Unicode.
        pattern: String,
    },
    /// Which namespaces are there? (§6.3.10)
    Namespace,
    /// How does this mailbox stand? (§6.3.11)
    Status {
        /// Which.
        mailbox: MailboxName,
        /// What to tell.
        items: Vec<StatusItem>,
    },
    /// Change somebody's rights to a mailbox (RFC 4314 §3.1).
    SetAcl {
        /// To which.
        mailbox: MailboxName,
        /// Whose.
        identifier: String,
        /// How.
        change: RightsChange,
    },
    /// Take somebody's entry away (RFC 4314 §3.2).
    DeleteAcl {
        /// Of which mailbox.
        mailbox: MailboxName,
        /// Whose.
        identifier: String,
    },
    /// Who has which rights? (RFC 4314 §3.3)
    GetAcl(MailboxName),
    /// Which rights can somebody be given? (RFC 4314 §3.4)
    ListRights {
        /// To which mailbox.
        mailbox: MailboxName,
        /// Whom.
        identifier: String,
    },
    /// Which rights have I? (RFC 4314 §3.5)
    MyRights(MailboxName),
    /// How much of this quota root is used? (RFC 9208 §4.1.1)
    GetQuota(String),
    /// Which quota roots has this mailbox, and how much of them is used? (RFC 9208 §4.1.2)
    GetQuotaRoot(MailboxName),
    /// Limit a quota root (RFC 9208 §4.1.3).
    SetQuota {
        /// Which.
        root: String,
        /// Its limits from now on.
        limits: Vec<(Resource, u64)>,
    },
    /// What is noted on this mailbox, or on the server? (RFC 5464 §4.2)
    GetMetadata(GetMetadata),
    /// Note this on a mailbox, or on the server (RFC 5464 §4.3).
    SetMetadata {
        /// On which; the empty name is for the server as a whole.
        mailbox: MailboxName,
        /// Entries and the values they shall have; those without a value go.
        entries: Vec<(EntryName, Option<Bytes>)>,
    },
    /// Tell me what happens, and where, without my asking (RFC 5465).
    Notify(Notify),
    /// Put a message in (§6.3.12).
    Append(Append),
    /// Put a message in, and take another away in the same step (RFC 8508).
    Replace(Replace),
    /// Tell me what happens until I say DONE (§6.3.13).
    Idle,
    /// Make a checkpoint (RFC 3501 §6.4.1).
    Check,
    /// Expunge and leave the mailbox (§6.4.1).
    Close,
    /// Leave the mailbox (§6.4.2).
    Unselect,
    /// Remove what is marked deleted (§6.4.3).
    Expunge,
    /// Remove what is marked deleted and has one of these UIDs (§6.4.9).
    UidExpunge(SequenceSet),
    /// Which messages are so? (§6.4.4)
    Search(Search),
    /// Tell no longer how the results of these searches change (RFC 5267 §4.3.5).
    CancelUpdate(Vec<Tag>),
    /// Which messages of several mailboxes are so? (RFC 7377)
    Esearch(MultiSearch),
    /// In which order are they? (RFC 5256 §3)
    Sort(Sort),
    /// Which answer which? (RFC 5256 §3)
    Thread(Thread),
    /// Tell me about messages (§6.4.5).
    Fetch(Fetch),
    /// Change flags (§6.4.6).
    Store(Store),
    /// Copy messages (§6.4.7).
    Copy {
        /// True if the set holds UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        mailbox: MailboxName,
    },
    /// Move messages (§6.4.8).
    Move {
        /// True if the set holds UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        mailbox: MailboxName,
    },
    /// Compress by this mechanism from here on (RFC 4978); in upper case.
    Compress(String),
}

impl Command {
    /// Reads a frame whose mailbox names are written in modified UTF-7.
    ///
    /// # Errors
    /// Where the frame is no command.
    pub fn parse(frame: &[u8]) -> Result<(Tag, Self), Failure> {
        Self::parse_as(frame, Names::Utf7)
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// Where the frame is no command.
    pub fn parse_as(frame: &[u8], names: Names) -> Result<(Tag, Self), Failure> {
        parse::frame(frame, names)
    }

    /// Reads what follows the octets of a literal of APPEND, which is `listed` in CATENATE or a
    /// whole message.
    pub(crate) fn parse_append_rest(
        frame: &[u8],
        listed: bool,
    ) -> Result<append::AppendRest, SyntaxError> {
        append::parse_rest(frame, listed)
    }

    /// Writes the frame, without CRLF at its end.
    pub fn write(&self, tag: &Tag, out: &mut BytesMut, names: Names) {
        write::frame(self, tag, out, names);
    }

    /// The command's name: `UID FETCH`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        write::name(self)
    }
}
