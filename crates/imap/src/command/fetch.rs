//! FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 3516, RFC 7162 §3.1.4, RFC 8474 §5, RFC 8514).

use mail::ModSeq;

use super::Section;
use crate::SequenceSet;

/// What to tell about which messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// True if the set holds UIDs.
    pub uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// What to tell, macros expanded; never nothing.
    pub items: Vec<FetchItem>,
    /// Only messages that changed since (RFC 7162 §3.1.4.1).
    pub changed_since: Option<ModSeq>,
    /// Also the UIDs that are gone since (RFC 7162 §3.2.6).
    pub vanished: bool,
}

/// Something about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// The header's main fields, taken apart.
    Envelope,
    /// Its flags.
    Flags,
    /// When it came in.
    InternalDate,
    /// Its size in octets.
    Rfc822Size,
    /// All of it; sets `\Seen` (RFC 3501).
    Rfc822,
    /// Its header (RFC 3501).
    Rfc822Header,
    /// Its body; sets `\Seen` (RFC 3501).
    Rfc822Text,
    /// The tree of its parts, without extension data.
    Body,
    /// The tree of its parts.
    BodyStructure,
    /// Its UID.
    Uid,
    /// Its mod-sequence (RFC 7162).
    ModSeq,
    /// The message's identity across mailboxes (RFC 8474).
    EmailId,
    /// Its conversation (RFC 8474).
    ThreadId,
    /// When it came into this mailbox (RFC 8514).
    SaveDate,
    /// `BODY[…]`, `BODY.PEEK[…]`.
    BodySection {
        /// Which part.
        section: Section,
        /// Only some octets of it.
        partial: Option<Partial>,
        /// True if `\Seen` must not be set.
        peek: bool,
    },
    /// `BINARY[…]`, `BINARY.PEEK[…]`: a part with its transfer encoding undone (RFC 3516).
    Binary {
        /// Which part; empty for all.
        part: Vec<u32>,
        /// Only some octets of it.
        partial: Option<Partial>,
        /// True if `\Seen` must not be set.
        peek: bool,
    },
    /// `BINARY.SIZE[…]`: how long that part is with its transfer encoding undone.
    BinarySize(Vec<u32>),
}

/// Some octets of a part: `<offset.octets>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Octets to skip.
    pub offset: u64,
    /// Octets to send at most; not 0.
    pub octets: u64,
}
