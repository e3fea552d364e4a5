//! What FETCH asks the house, and what comes.

use bytes::Bytes;
use mail::{BlobRange, EmailId, FlagSet, ModSeq, ThreadId, Timestamp, Uid};

/// What to read of each message. UID, flags and mod-sequence come always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchPlan {
    /// The structure: for ENVELOPE, BODY and BODYSTRUCTURE.
    pub outline: message::Wanted,
    /// The first words of the text: for PREVIEW.
    pub preview: Option<PreviewMode>,
    /// True if its conversation is wanted: for THREADID.
    pub thread: bool,
    /// Pieces of its text, answered in this order.
    pub pieces: Vec<Piece>,
    /// True to mark each message as `\Seen` in passing.
    pub mark_seen: bool,
    /// Only messages with a higher mod-sequence (RFC 7162 §3.1.4.1).
    pub changed_since: Option<ModSeq>,
}

/// When the first words of a text are wanted (RFC 8970).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PreviewMode {
    /// Only where they are kept.
    Kept,
    /// In any case.
    Made,
}

/// A piece of a message's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of which section.
    pub section: message::Section,
    /// How it is wanted.
    pub form: PieceForm,
    /// Octets to skip and octets to take at most, of the (decoded) section.
    pub range: Option<(u64, u64)>,
}

/// How a piece is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceForm {
    /// As it is stored.
    Stored,
    /// Its transfer encoding undone (RFC 3516 BINARY).
    Decoded,
    /// Only how large it would be decoded (BINARY.SIZE).
    DecodedSize,
}

/// A message, read.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its UID.
    pub uid: Uid,
    /// Its mod-sequence.
    pub modseq: ModSeq,
    /// Its flags, after any marking.
    pub flags: FlagSet,
    /// True if it was marked as `\Seen` by this very reading.
    pub marked: bool,
    /// Octets of the whole message.
    pub size_octets: u64,
    /// When it arrived.
    pub internal_date: Timestamp,
    /// When it was put into the mailbox, where the house knows it (RFC 8514).
    pub save_date: Option<Timestamp>,
    /// Its identity across mailboxes.
    pub email: EmailId,
    /// Its conversation, if the plan asked for it.
    pub thread: Option<ThreadId>,
    /// Its structure, if the plan asked for it.
    pub outline: Option<message::StoredOutline>,
    /// The first words of its text, if the plan asked for them; always there for
    /// [`PreviewMode::Made`].
    pub preview: Option<String>,
    /// The pieces, in the plan's order.
    pub pieces: Vec<PieceData>,
}

/// A piece, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceData {
    /// Its octets, if they are few.
    Bytes(Bytes),
    /// Where its octets are stored: the driver puts them on the wire.
    Blob(BlobRange),
    /// To [`PieceForm::DecodedSize`].
    Size(u64),
    /// There is no such part, or it has no such text.
    Nil,
    /// Its transfer encoding is not known (RFC 9051 UNKNOWN-CTE).
    UnknownCte,
    /// The message's octets are not those that were stored.
    Damaged,
}
