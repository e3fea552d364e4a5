//! What is read of messages: flags, outline, and pieces of their text.

use std::sync::Arc;

use bytes::Bytes;
use mail::{BlobRange, EmailId, FlagSet, MailboxId, ModSeq, Timestamp, Uid, UidSet};

use crate::{Account, Error, Fault, Outcome};

/// What to read of each message. Flags, size and dates come always: they cost nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchPlan {
    /// True if the outline is wanted (ENVELOPE, BODYSTRUCTURE).
    pub outline: bool,
    /// The pieces of text wanted, in this order.
    pub items: Vec<Item>,
    /// True if reading sets `\Seen`: the row then has the new flags.
    pub mark_seen: bool,
    /// Only messages that changed after this one (CHANGEDSINCE).
    pub changed_since: Option<ModSeq>,
}

/// A piece of text wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Of which part.
    pub section: Section,
    /// As it is or decoded.
    pub encoding: Encoding,
    /// Octets to skip and to take at most; applied after decoding.
    pub range: Option<(u64, u64)>,
}

/// A section of a message (RFC 9051 §6.4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Part numbers from the outside in; empty for the message itself.
    pub part: Vec<u32>,
    /// What of the part.
    pub piece: Piece,
}

/// What of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// All of it: `BODY[]`, `BODY[1.2]`.
    Whole,
    /// The header section with its empty line: `HEADER`.
    Header,
    /// These fields with an empty line: `HEADER.FIELDS`.
    Fields(Vec<String>),
    /// All fields but these, with an empty line: `HEADER.FIELDS.NOT`.
    FieldsNot(Vec<String>),
    /// What is behind the header section: `TEXT`.
    Text,
    /// The MIME header of the part: `MIME`.
    Mime,
}

/// How a piece is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As it is stored: `BODY[…]`.
    #[default]
    Stored,
    /// With its transfer encoding undone: `BINARY[…]`.
    Decoded,
    /// Only its size with the transfer encoding undone: `BINARY.SIZE[…]`.
    DecodedSize,
}

/// What was read of one message.
#[derive(Clone, Debug)]
pub struct FetchRow {
    /// Which.
    pub uid: Uid,
    /// Its id, the same for its copies.
    pub email: EmailId,
    /// When its flags last changed.
    pub modseq: ModSeq,
    /// Its flags.
    pub flags: FlagSet,
    /// Octets of the message.
    pub size: u64,
    /// INTERNALDATE.
    pub date: Timestamp,
    /// True if this fetch set `\Seen`.
    pub seen_now: bool,
    /// Its outline, if wanted; becomes `message::Outline`.
    pub outline: Option<Arc<[u8]>>,
    /// One for each item of the plan.
    pub data: Vec<Data>,
}

/// A piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// There is no such part: NIL.
    Nothing,
    /// These stored octets; the driver can put them on the wire without reading them here.
    Stored(BlobRange),
    /// These octets.
    Octets(Bytes),
    /// So many octets.
    Size(u64),
    /// The transfer encoding is not known or broken: IMAP `UNKNOWN-CTE`.
    UnknownEncoding,
}

/// A page of rows.
#[derive(Clone, Debug)]
pub struct FetchPage {
    /// By rising UID. Messages that are gone are left out.
    pub rows: Vec<FetchRow>,
    /// Where to go on: ask again with only the UIDs above this one. `None` at the end.
    pub more_after: Option<Uid>,
}

impl Account {
    /// Reads messages, a bounded page at a time: those of `uids` above `after`.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if the mailbox is gone, or a fault.
    pub async fn fetch(
        &self,
        mailbox: MailboxId,
        uids: &UidSet,
        after: Option<Uid>,
        plan: &FetchPlan,
    ) -> Outcome<FetchPage> {
        let _ = (mailbox, uids, after, plan);
        Err(Error::Fault(Fault::Unfinished("fetch")))
    }
}
