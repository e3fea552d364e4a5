//! What a list of messages shows of each: the header fields of IMAP's ENVELOPE.
//!
//! RFC 9051 §7.5.2; with the identifiers that tie messages together (RFC 5256 §3), so that sorting
//! and threading read digests only. Not SMTP's envelope: that is `mail::Envelope`.

use crate::address::Correspondent;
use crate::encoded_word::decode_words;
use crate::thread::own_id;
use crate::{Error, codec};

/// Raw header octets (unfolded, not decoded, never a NUL, CR or LF) and parsed address lists.
///
/// `None` means the field is absent, an empty text that it is empty. `sender` and `reply_to` are
/// already those of `from` where absent or empty (RFC 9051 §7.5.2), so that a writer just writes.
/// The first of several fields counts, but To, Cc and Bcc are joined (RFC 5322 §4.5.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Date.
    pub date: Option<Vec<u8>>,
    /// Subject.
    pub subject: Option<Vec<u8>>,
    /// From.
    pub from: Vec<Correspondent>,
    /// Sender, or From.
    pub sender: Vec<Correspondent>,
    /// Reply-To, or From.
    pub reply_to: Vec<Correspondent>,
    /// To.
    pub to: Vec<Correspondent>,
    /// Cc.
    pub cc: Vec<Correspondent>,
    /// Bcc.
    pub bcc: Vec<Correspondent>,
    /// In-Reply-To.
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID, with its angle brackets.
    pub message_id: Option<Vec<u8>>,
    /// What it answers, oldest first, as [`crate::thread::ancestry`] finds it; the newest that
    /// have room in [`crate::outline::Limits::text_octets_max`]. `None` in an outline that was
    /// stored before version 3, whose message's header has to be asked.
    pub references: Option<Vec<Vec<u8>>>,
}

impl Digest {
    /// Reads the digest of the message off its stored outline, and no part of it.
    ///
    /// # Errors
    /// As [`crate::Outline::decode`], for as much as it reads.
    pub fn decode(stored: &[u8]) -> Result<Self, Error> {
        codec::decode_digest(stored)
    }

    /// The subject for people and for searching; empty if there is none.
    #[must_use]
    pub fn subject_text(&self) -> String {
        self.subject
            .as_deref()
            .map(decode_words)
            .unwrap_or_default()
            .into_owned()
    }

    /// The identifier of the message that began the conversation, as far as this one tells: the
    /// oldest it answers, else its own; `None` if it has neither, or was stored before references
    /// were.
    ///
    /// In the form in which two are compared. All answers that name what they answer from the
    /// first one on (RFC 5322 §3.6.4) have it in common, and with the first.
    #[must_use]
    pub fn root(&self) -> Option<Vec<u8>> {
        let oldest = self.references.as_ref()?.first();
        let own = || own_id(self.message_id.as_deref()?);
        oldest.cloned().or_else(own)
    }

    /// The Date field as a moment, where it can be read.
    #[must_use]
    pub fn sent(&self) -> Option<mail::Timestamp> {
        self.date.as_deref().and_then(crate::date::parse_date)
    }
}
