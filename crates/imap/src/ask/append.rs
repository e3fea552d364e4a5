//! Parts of a message that is put together of what is stored already (RFC 4469).

use mail::{Uid, UidValidity};
use message::Section;

use super::Place;

/// A stored message, or a piece of one, that is to go on with a message that comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// The mailbox it is in.
    pub source: Source,
    /// Which message.
    pub uid: Uid,
    /// What of it.
    pub section: Section,
    /// Octets to skip, and octets to take at most.
    pub range: Option<(u64, u64)>,
    /// How far the header of the message that comes is watched; the house shows it the octets.
    pub header: HeaderWatch,
}

/// A mailbox that a part is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The one that is open.
    Open(Place),
    /// The one of this name.
    Named {
        /// Its name.
        name: String,
        /// Its generation; a mailbox of another is not meant.
        uid_validity: Option<UidValidity>,
    },
}

/// Watches the header of a message that passes for octets above 127, while they are not welcome
/// there (RFC 6855 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderWatch {
    /// They are welcome, or the header is over.
    Over,
    /// Nothing of its next line has come but, perhaps, CR.
    Blank,
    /// Something of a line has come.
    Begun,
    /// They came.
    Unwelcome,
}

impl HeaderWatch {
    /// Looks through the next octets of the message.
    pub fn pass(&mut self, octets: &[u8]) {
        for &octet in octets {
            *self = match (octet, *self) {
                (_, Self::Over | Self::Unwelcome) => return,
                (b'\n', Self::Blank) => Self::Over,
                (b'\n', Self::Begun) => Self::Blank,
                (b'\r', line) => line,
                (0x80.., _) => Self::Unwelcome,
                _ => Self::Begun,
            };
        }
    }
}
