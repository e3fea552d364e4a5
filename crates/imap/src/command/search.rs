//! SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 5032, 7162 §3.1.5, 8474 §5.1).

use mail::{Flag, ModSeq};

use crate::SequenceSet;

/// Which messages to find and what to tell of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// True if the answer is to hold UIDs.
    pub uid: bool,
    /// What to tell; `None` for the plain command, whose answer is the rev1 SEARCH response or,
    /// with rev2 enabled, ESEARCH with ALL.
    pub returning: Option<SearchReturn>,
    /// The charset named, in upper case. If it is neither UTF-8 nor US-ASCII the answer is
    /// NO [BADCHARSET], and the texts in `key` mean nothing.
    pub charset: Option<String>,
    /// What the messages must be; several keys are one [`SearchKey::And`].
    pub key: SearchKey,
}

/// `RETURN (…)` (RFC 9051 §6.4.4, RFC 5182). `RETURN ()` is ALL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchReturn {
    /// The lowest number.
    pub min: bool,
    /// The highest number.
    pub max: bool,
    /// All numbers.
    pub all: bool,
    /// How many.
    pub count: bool,
    /// Keep the result for `$`.
    pub save: bool,
}

/// A day on the calendar, without time and zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31, at most what the month has.
    pub day: u8,
}

/// Whose mod-sequence of a flag MODSEQ looks at; we keep one for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryType {
    /// The user's own.
    Private,
    /// What all users share.
    Shared,
    /// Both.
    All,
}

/// What a message must be. Texts are substrings to find, without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchKey {
    /// All of these; never none.
    And(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// This or that.
    Or(Box<Self>, Box<Self>),
    /// Any message.
    All,
    /// With this flag: SEEN, ANSWERED, FLAGGED, DELETED, DRAFT, KEYWORD.
    Has(Flag),
    /// Without this flag: UNSEEN, …, UNKEYWORD.
    Lacks(Flag),
    /// Recent and unseen (RFC 3501).
    New,
    /// Not recent (RFC 3501).
    Old,
    /// Recent (RFC 3501).
    Recent,
    /// One of these sequence numbers.
    Sequence(SequenceSet),
    /// One of these UIDs.
    Uid(SequenceSet),
    /// INTERNALDATE before this day.
    Before(Date),
    /// INTERNALDATE on this day.
    On(Date),
    /// INTERNALDATE on this day or later.
    Since(Date),
    /// `Date:` before this day.
    SentBefore(Date),
    /// `Date:` on this day.
    SentOn(Date),
    /// `Date:` on this day or later.
    SentSince(Date),
    /// INTERNALDATE at least so many seconds ago (RFC 5032).
    Older(u32),
    /// INTERNALDATE at most so many seconds ago (RFC 5032).
    Younger(u32),
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// Text in `Bcc:`.
    Bcc(String),
    /// Text in `Cc:`.
    Cc(String),
    /// Text in `From:`.
    From(String),
    /// Text in `To:`.
    To(String),
    /// Text in `Subject:`.
    Subject(String),
    /// Text in a field of this name; an empty text asks only for the field.
    Header(String, String),
    /// Text in the body.
    Body(String),
    /// Text in header or body.
    Text(String),
    /// A mod-sequence of at least this (RFC 7162).
    ModSeq {
        /// A flag's entry name and whose, if one was named.
        entry: Option<(String, EntryType)>,
        /// The least mod-sequence.
        modseq: ModSeq,
    },
    /// With this EMAILID (RFC 8474).
    EmailId(String),
    /// With this THREADID (RFC 8474).
    ThreadId(String),
}
