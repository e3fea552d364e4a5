//! What SEARCH asks the house.

use std::sync::Arc;
use std::time::Duration;

use mail::{EmailId, Flag, ModSeq, ThreadId, UidSet, UidValidity};

/// Which messages SEARCH finds; texts match without regard to case, as substrings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// All of them.
    All,
    /// Those with these UIDs.
    Uids(Arc<UidSet>),
    /// Those that have the flag.
    Has(Flag),
    /// Those that have it not.
    Lacks(Flag),
    /// Those that arrived then (a date without zone, RFC 9051 §6.4.4).
    Arrived(When, Date),
    /// Those whose `Date` field says so.
    Sent(When, Date),
    /// Those that were put into the mailbox then; where that is not known, those that arrived then
    /// (RFC 8514 §4.3).
    Saved(When, Date),
    /// Those with more octets.
    Larger(u64),
    /// Those with fewer octets.
    Smaller(u64),
    /// Those with such a header field whose text holds the words; with no words, any such field.
    Header {
        /// The field's name.
        name: String,
        /// The words.
        text: String,
    },
    /// Those with the words in their body.
    Body(String),
    /// Those with the words in their header or body.
    Text(String),
    /// Those with at least this mod-sequence.
    ModSeq(ModSeq),
    /// Those that arrived at least so long ago (RFC 5032).
    Older(Duration),
    /// Those that arrived at most so long ago (RFC 5032).
    Younger(Duration),
    /// The one with this identity (RFC 8474).
    Email(EmailId),
    /// Those of this conversation (RFC 8474).
    Thread(ThreadId),
    /// Those that meet it, with texts that are written a little otherwise: how far, the house
    /// says (RFC 6203).
    Fuzzy(Box<Self>),
    /// Those that do not meet it.
    Not(Box<Self>),
    /// Those that meet either.
    Or(Box<Self>, Box<Self>),
    /// Those that meet all.
    And(Vec<Self>),
}

/// A day: year, month from one, day from one.
pub type Date = (i32, u8, u8);

/// How a message's day compares to a [`Date`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Earlier.
    Before,
    /// The same.
    On,
    /// The same or later.
    Since,
}

/// Of which found messages a mod-sequence is wanted (RFC 7162 §3.1.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Highest {
    /// Of all.
    All,
    /// Of the one with the lowest UID.
    First,
    /// Of the one with the highest UID.
    Last,
    /// Of these two.
    Ends,
}

/// What was found in a mailbox that is not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundIn {
    /// The mailbox's name, as it was asked.
    pub name: String,
    /// Its generation.
    pub uid_validity: UidValidity,
    /// The messages found.
    pub uids: UidSet,
    /// As in [`Answer::Found`](super::Answer::Found).
    pub highest: Option<ModSeq>,
    /// As in [`Answer::Found`](super::Answer::Found).
    pub scores: Vec<u8>,
}
