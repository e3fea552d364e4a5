//! A message in pieces: what is known of it, and where contents come that the caller brings.

use crate::encode_base64;

/// Octets of one line of base64 before they are encoded.
const LINE_OCTETS: usize = 57;

/// A piece of a message, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Octets of the message.
    Octets(Vec<u8>),
    /// Here comes the content of this number, through an [`Encoder`].
    Content(usize),
}

/// Encodes a content in base64 as it comes, in pieces cut anywhere.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    /// Less than a line.
    held: Vec<u8>,
}

impl Encoder {
    /// Begins a content.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Encodes the next piece, appending to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        if !self.held.is_empty() {
            let wanted = (LINE_OCTETS - self.held.len()).min(rest.len());
            let (first, behind) = rest.split_at_checked(wanted).unwrap_or((rest, &[]));
            self.held.extend_from_slice(first);
            rest = behind;
            if self.held.len() < LINE_OCTETS {
                return;
            }
            out.extend_from_slice(&encode_base64(&self.held));
            self.held.clear();
        }
        let whole = rest.len() / LINE_OCTETS * LINE_OCTETS;
        let (lines, behind) = rest.split_at_checked(whole).unwrap_or((rest, &[]));
        out.extend_from_slice(&encode_base64(lines));
        self.held.extend_from_slice(behind);
    }

    /// Ends the content; the encoder may begin another.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&encode_base64(&std::mem::take(&mut self.held)));
    }
}
