//! A range of stored bytes, passed by name so that no session ever holds a body.

use crate::BlobId;

/// A range of octets inside one immutable blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobRange {
    /// The blob.
    pub blob: BlobId,
    /// Octets to skip.
    pub offset: u64,
    /// Octets to take.
    pub len: u64,
}

impl BlobRange {
    /// Cuts the range to its part `[offset, offset + len)`, clipped to what there is.
    #[must_use]
    pub fn part(self, offset: u64, len: u64) -> Self {
        let skip = offset.min(self.len);
        Self {
            blob: self.blob,
            offset: self.offset + skip,
            len: len.min(self.len - skip),
        }
    }
}
