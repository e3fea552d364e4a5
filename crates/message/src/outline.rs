//! A whole message described in little: what is in it and where.
//!
//! Made once at delivery, stored beside the message, so that IMAP's ENVELOPE, BODYSTRUCTURE and
//! section fetches never read the message again. Not here: the reading itself (`reader`).

use crate::digest::Digest;
use crate::part::{Part, Span};
use crate::table::{Table, Text};
use crate::{Error, codec, reader};

/// How much of a message an outline describes; what lies beyond stays in the message unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Parts in the whole tree.
    pub parts_max: usize,
    /// Composite parts inside one another.
    pub depth_max: usize,
    /// Fields read of one header.
    pub header_fields_max: usize,
    /// Fields read of all headers.
    pub fields_max: usize,
    /// Octets read of all headers.
    pub header_octets_max: usize,
    /// Addresses kept over all digests.
    pub addresses_max: usize,
    /// Parameters kept of one field.
    pub parameters_max: usize,
    /// Octets kept of one text (a subject, a parameter's value).
    pub text_octets_max: usize,
}

impl Limits {
    /// What every message is read with.
    pub const HOUSE: Self = Self {
        parts_max: 10_000,
        depth_max: 64,
        header_fields_max: 2000,
        fields_max: 65_536,
        header_octets_max: 1024 * 1024,
        addresses_max: 20_000,
        parameters_max: 100,
        text_octets_max: 16_384,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::HOUSE
    }
}

/// A message's digest and its tree of parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The header fields everybody asks for.
    pub digest: Digest,
    /// The message as one part: its header is the message's header, its body the body.
    pub root: Part,
}

/// Which halves of a stored outline are read; what is not is left as it is in an empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The message's own digest.
    pub digest: bool,
    /// What kind of part the root is, and the parts below it. Where its header and its body lie
    /// is always read: it is all that sections without part numbers need.
    pub parts: bool,
}

impl Wanted {
    /// All there is.
    pub const ALL: Self = Self {
        digest: true,
        parts: true,
    };

    /// True if some half is wanted.
    #[must_use]
    pub const fn any(self) -> bool {
        self.digest || self.parts
    }
}

impl Outline {
    /// Reads a message. Any octets have an outline.
    #[must_use]
    pub fn parse(message: &[u8]) -> Self {
        Self::parse_within(message, &Limits::HOUSE)
    }

    /// Reads a message within other limits.
    #[must_use]
    pub fn parse_within(message: &[u8], limits: &Limits) -> Self {
        let table = Table::within(message, limits);
        Self::of_table(&table, Text::Message(message), limits)
    }

    /// The outline of a message whose table is there; `text` is what the table belongs to.
    #[must_use]
    pub fn of_table(table: &Table, text: Text<'_>, limits: &Limits) -> Self {
        reader::read(table, text, limits)
    }

    /// The message's octets, header and body.
    #[must_use]
    pub const fn span(&self) -> Span {
        Span {
            offset: self.root.header.offset,
            len: self.root.header.len.saturating_add(self.root.body.len),
        }
    }

    /// Writes the outline to be stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&self.digest, &self.root)
    }

    /// Reads a stored outline.
    ///
    /// # Errors
    /// If the octets were not written by [`Outline::encode`] of a known version.
    pub fn decode(stored: &[u8]) -> Result<Self, Error> {
        codec::decode(stored, Wanted::ALL)
    }

    /// Reads as much of a stored outline as is wanted.
    ///
    /// # Errors
    /// As [`Outline::decode`], but for octets that it does not look at.
    pub fn decode_some(stored: &[u8], wanted: Wanted) -> Result<Self, Error> {
        codec::decode(stored, wanted)
    }

    /// Where the parts begin in a stored outline of which `beginning` is the beginning, if it says
    /// so: what is behind that can be read without what is before it.
    #[must_use]
    pub fn parts_at(beginning: &[u8]) -> Option<usize> {
        codec::placed_parts_at(beginning)
    }

    /// Reads what stands behind [`Outline::parts_at`]: as [`Outline::decode_some`] does where the
    /// digest is not wanted.
    ///
    /// # Errors
    /// As [`Outline::decode_some`].
    pub fn decode_parts(stored: &[u8], parts: bool) -> Result<Self, Error> {
        codec::decode_bare(stored, parts)
    }
}
