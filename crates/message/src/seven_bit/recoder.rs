//! A body out of one encoding into another, piece by piece.

use crate::builder::Encoder;
use crate::decode::{Decoder, Encoding, QuotedPrintableEncoder};

/// Writes a body in another encoding; the pieces may be cut anywhere.
#[derive(Clone, Debug)]
pub struct Recoder {
    decoder: Decoder,
    encoder: Written,
    /// What was decoded last.
    decoded: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Written {
    QuotedPrintable(QuotedPrintableEncoder),
    Base64(Encoder),
}

impl Recoder {
    /// Out of `from` into `to`: quoted-printable, or else base64.
    #[must_use]
    pub fn new(from: Encoding, to: Encoding) -> Self {
        Self {
            decoder: Decoder::new(from),
            encoder: match to {
                Encoding::QuotedPrintable => {
                    Written::QuotedPrintable(QuotedPrintableEncoder::new())
                }
                Encoding::Identity | Encoding::Base64 | Encoding::Uuencode | Encoding::Unknown => {
                    Written::Base64(Encoder::new())
                }
            },
            decoded: Vec::new(),
        }
    }

    /// Takes the next piece, appending to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.decoder.push(piece, &mut self.decoded);
        self.write(out);
    }

    /// Ends the body.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.decoder.finish(&mut self.decoded);
        self.write(out);
        match &mut self.encoder {
            Written::QuotedPrintable(encoder) => encoder.finish(out),
            Written::Base64(encoder) => encoder.finish(out),
        }
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        match &mut self.encoder {
            Written::QuotedPrintable(encoder) => encoder.push(&self.decoded, out),
            Written::Base64(encoder) => encoder.push(&self.decoded, out),
        }
        self.decoded.clear();
    }
}
