//! How parts of some kinds are told: most parts of a mailbox are of the same few kinds, and differ
//! only in how long they are. What was written of one is copied for the next one like it.
//!
//! RFC 9051 §7.5.2 and §9 (`body`).

use bytes::{BufMut, BytesMut};
use message::{LeafKind, StoredKind, StoredParts};

use crate::writing;

/// Kinds that are kept; one more takes the place of the oldest.
const KINDS_MAX: usize = 6;
/// A kind is kept if it takes no more octets than these; so with what is told of it.
const KIND_OCTETS_MAX: usize = 512;

/// Kinds of parts that were told lately; good for any messages.
#[derive(Clone, Debug, Default)]
pub struct PartKinds {
    known: Vec<(LeafKind, Told)>,
    /// Which is replaced next.
    oldest: usize,
}

/// What is told of a part, but for the number of its octets and of its lines.
#[derive(Clone, Debug)]
struct Told {
    /// Both pieces, one behind the other: before the numbers, and behind them.
    text: Vec<u8>,
    front: usize,
    has_lines: bool,
}

impl PartKinds {
    /// Writes the next part if it is of a kind that is known; false, and nothing, if not.
    pub(super) fn write(
        &self,
        out: &mut BytesMut,
        parts: &mut StoredParts<'_>,
        extended: bool,
    ) -> bool {
        let Some((octets, lines, told)) = parts.part_like(&self.known) else {
            return false;
        };
        let Some((front, behind)) = told.text.split_at_checked(told.front) else {
            return false;
        };
        out.put_slice(front);
        writing::number(out, octets);
        if told.has_lines {
            out.put_u8(b' ');
            writing::number(out, lines);
        }
        if extended {
            out.put_slice(behind);
        }
        true
    }

    /// Keeps what was written of a part of a kind that was not known: what is before its numbers
    /// and what is behind them.
    pub(super) fn learn(
        &mut self,
        kind: StoredKind<'_>,
        (front, behind): (&[u8], &[u8]),
        has_lines: bool,
    ) {
        let kind = LeafKind::from(kind);
        if kind.octets().max(front.len() + behind.len()) > KIND_OCTETS_MAX {
            return;
        }
        let told = Told {
            text: [front, behind].concat(),
            front: front.len(),
            has_lines,
        };
        match self.known.get_mut(self.oldest) {
            Some(oldest) => *oldest = (kind, told),
            None => self.known.push((kind, told)),
        }
        self.oldest = (self.oldest + 1) % KINDS_MAX;
    }
}
