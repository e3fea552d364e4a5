//! Finding messages (RFC 9051 §6.4.4): exact, by substring, without regard to case.

use std::time::Duration;

use mail::{EmailId, Flag, MailboxId, ModSeq, UidSet};

use crate::{Account, Error, Fault, Outcome};

/// A calendar day: year, month (1–12), day.
pub type Day = (i32, u8, u8);

/// What to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Every message.
    All,
    /// These messages.
    Uids(UidSet),
    /// Messages with the flag.
    Flag(Flag),
    /// Messages for which all of these are true.
    And(Vec<Query>),
    /// Messages for which one of these is true.
    Or(Vec<Query>),
    /// Messages for which it is not true.
    Not(Box<Query>),
    /// A field of this name contains the text; every field contains the empty text.
    Header(String, String),
    /// The body contains the text.
    Body(String),
    /// Header or body contain the text.
    Text(String),
    /// INTERNALDATE's day is earlier.
    Before(Day),
    /// INTERNALDATE's day is this one.
    On(Day),
    /// INTERNALDATE's day is this one or later.
    Since(Day),
    /// The `Date` field's day is earlier.
    SentBefore(Day),
    /// The `Date` field's day is this one.
    SentOn(Day),
    /// The `Date` field's day is this one or later.
    SentSince(Day),
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// INTERNALDATE is older than this (RFC 5032).
    Older(Duration),
    /// INTERNALDATE is at most so old (RFC 5032).
    Younger(Duration),
    /// Its mod-sequence is at least this (RFC 7162).
    ModSeq(ModSeq),
    /// It has this id (RFC 8474).
    Email(EmailId),
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The messages.
    pub uids: UidSet,
    /// The largest mod-sequence among them.
    pub modseq: Option<ModSeq>,
}

impl Account {
    /// Searches a mailbox. Keys that memory answers come first; only messages they leave open are
    /// read.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if the mailbox is gone, or a fault.
    pub async fn search(&self, mailbox: MailboxId, query: &Query) -> Outcome<Found> {
        let _ = (mailbox, query);
        Err(Error::Fault(Fault::Unfinished("search")))
    }
}
