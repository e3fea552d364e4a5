//! Packets: a length, a letter that says what it is, and what it is about.

use bytes::{Buf as _, BytesMut};

/// Octets a packet may have: a piece of a body, and what stands before it.
pub const PACKET_OCTETS_MAX: usize = 65_536 + 64;

/// The version of the protocol that is spoken.
pub(crate) const VERSION: u32 = 6;
/// The first version whose events are those told here.
pub(crate) const VERSION_MIN: u32 = 2;
/// The first version that has an event for DATA.
pub(crate) const VERSION_WITH_DATA: u32 = 4;

/// What a filter may do with a letter (`SMFIF_`).
pub(crate) mod action {
    pub(crate) const ADD_FIELDS: u32 = 0x01;
    pub(crate) const CHANGE_BODY: u32 = 0x02;
    pub(crate) const ADD_RECIPIENTS: u32 = 0x04;
    pub(crate) const REMOVE_RECIPIENTS: u32 = 0x08;
    pub(crate) const CHANGE_FIELDS: u32 = 0x10;
    pub(crate) const QUARANTINE: u32 = 0x20;
    pub(crate) const CHANGE_SENDER: u32 = 0x40;
    pub(crate) const ADD_RECIPIENTS_WITH_WORDS: u32 = 0x80;
    /// These, and that it names the macros that it wants.
    pub(crate) const ALL: u32 = 0x1ff;
}

/// What a filter does not want to be told, does not answer, or may say (`SMFIP_`).
pub(crate) mod step {
    pub(crate) const NO_CONNECT: u32 = 0x01;
    pub(crate) const NO_HELO: u32 = 0x02;
    pub(crate) const NO_SENDER: u32 = 0x04;
    pub(crate) const NO_RECIPIENT: u32 = 0x08;
    pub(crate) const NO_BODY: u32 = 0x10;
    pub(crate) const NO_FIELDS: u32 = 0x20;
    pub(crate) const NO_END_OF_HEADER: u32 = 0x40;
    pub(crate) const FIELD_NOT_ANSWERED: u32 = 0x80;
    pub(crate) const NO_DATA: u32 = 0x200;
    pub(crate) const CONNECT_NOT_ANSWERED: u32 = 0x1000;
    pub(crate) const HELO_NOT_ANSWERED: u32 = 0x2000;
    pub(crate) const SENDER_NOT_ANSWERED: u32 = 0x4000;
    pub(crate) const RECIPIENT_NOT_ANSWERED: u32 = 0x8000;
    pub(crate) const DATA_NOT_ANSWERED: u32 = 0x1_0000;
    pub(crate) const END_OF_HEADER_NOT_ANSWERED: u32 = 0x4_0000;
    pub(crate) const BODY_NOT_ANSWERED: u32 = 0x8_0000;
    pub(crate) const LEADING_SPACE: u32 = 0x10_0000;
    /// All that can be done here. Not among it: that recipients are told which were refused.
    pub(crate) const ALL: u32 = 0x1f_f7ff;
}

/// What went wrong with a filter: then it is as good as away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A packet is longer than any may be.
    #[error("a packet of {0} octets")]
    TooLong(usize),
    /// It is not what it says it is.
    #[error("half a packet `{}`", char::from(*.0))]
    Malformed(u8),
    /// It is none that could be here.
    #[error("a packet `{}` that has no place here", char::from(*.0))]
    OutOfPlace(u8),
    /// The filter speaks another version.
    #[error("version {0} of the protocol")]
    Version(u32),
    /// The filter wants to do what nobody has offered.
    #[error("it wants more than was offered")]
    Greedy,
    /// The filter makes a letter too large.
    #[error("a letter of more than {0} octets")]
    TooLarge(usize),
}

/// What both ends say first: which actions, and which steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// What may be done with a letter.
    pub actions: u32,
    /// What is not wanted, not answered, or may be said.
    pub steps: u32,
}

impl Offer {
    /// The packet.
    #[must_use]
    pub fn packet(self) -> Vec<u8> {
        let numbers = [VERSION, self.actions, self.steps].map(u32::to_be_bytes);
        packet(b'O', &[&numbers.concat()])
    }
}

/// One packet of these pieces.
pub(crate) fn packet(kind: u8, pieces: &[&[u8]]) -> Vec<u8> {
    let octets: usize = pieces.iter().map(|piece| piece.len()).sum();
    let len = u32::try_from(octets + 1).unwrap_or(u32::MAX);
    let mut packet = Vec::with_capacity(octets + 5);
    packet.extend_from_slice(&len.to_be_bytes());
    packet.push(kind);
    for piece in pieces {
        packet.extend_from_slice(piece);
    }
    packet
}

/// What has come of the other end's packets.
#[derive(Debug, Default)]
pub(crate) struct Frames(BytesMut);

impl Frames {
    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// The next packet that is there whole: what it is, and what it is about.
    pub(crate) fn next(&mut self) -> Result<Option<(u8, Vec<u8>)>, Error> {
        let Some(head) = self.0.first_chunk::<4>() else {
            return Ok(None);
        };
        let len = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if len > PACKET_OCTETS_MAX || len == 0 {
            return Err(Error::TooLong(len));
        }
        if self.0.len() - 4 < len {
            return Ok(None);
        }
        self.0.advance(4);
        let mut packet = self.0.split_to(len);
        let kind = packet.get_u8();
        if self.0.is_empty() {
            // A filter that waits keeps nothing.
            self.0 = BytesMut::new();
        }
        Ok(Some((kind, packet.to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_however_they_are_cut() {
        let octets = [packet(b'c', &[]), packet(b'y', &[b"550 no", b"\0"])].concat();
        for cut in 0..octets.len() {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for piece in [&octets[..cut], &octets[cut..]] {
                frames.feed(piece);
                while let Some(packet) = frames.next().unwrap() {
                    found.push(packet);
                }
            }
            assert_eq!(found, [(b'c', vec![]), (b'y', b"550 no\0".to_vec())]);
        }
        for wrong in [[0, 0, 0, 0, 1], [0, 2, 0, 0, 1], [0xff; 5]] {
            let mut frames = Frames::default();
            frames.feed(&wrong);
            assert!(frames.next().is_err(), "{wrong:?}");
        }
    }
}
