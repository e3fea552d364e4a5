//! Content-Transfer-Encodings undone and done (RFC 2045 §6), tolerantly and piece by piece.
//!
//! What breaks the rules is passed over (base64) or kept as it stands (quoted-printable); text that
//! strict readers would refuse still reaches the reader, and each leniency is named. Not here:
//! charsets.

use std::borrow::Cow;

use crate::leniency::{Leniencies, Leniency};
use crate::part::{Content, Part};

mod base64;
mod quoted_printable;
mod uuencode;

pub(crate) use self::base64::sextet;
pub use self::base64::{decode_base64, encode_base64};
pub use self::quoted_printable::{QuotedPrintableEncoder, encode_quoted_printable};
pub(crate) use self::uuencode::{begin_line, is_end, line_octets};

/// How a body's octets are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `7bit`, `8bit`, `binary`: as they are.
    #[default]
    Identity,
    /// `quoted-printable`.
    QuotedPrintable,
    /// `base64`.
    Base64,
    /// `x-uuencode`: what mail used before MIME, as a transfer encoding.
    Uuencode,
    /// A name not known here; the octets are left as they are.
    Unknown,
}

impl Encoding {
    /// Reads the name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        const NAMES: [(&str, Encoding); 10] = [
            ("", Encoding::Identity),
            ("7bit", Encoding::Identity),
            ("8bit", Encoding::Identity),
            ("binary", Encoding::Identity),
            ("quoted-printable", Encoding::QuotedPrintable),
            ("base64", Encoding::Base64),
            ("x-uuencode", Encoding::Uuencode),
            ("uuencode", Encoding::Uuencode),
            ("x-uue", Encoding::Uuencode),
            ("uue", Encoding::Uuencode),
        ];
        let known = NAMES
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known));
        known.map_or(Self::Unknown, |&(_, encoding)| encoding)
    }
}

/// A body decoded whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The octets; borrowed where nothing had to be done.
    pub octets: Cow<'a, [u8]>,
    /// False if the encoding is unknown: the octets are still encoded (IMAP's UNKNOWN-CTE).
    pub known: bool,
    /// What was wrong with the encoded text.
    pub leniencies: Leniencies,
}

/// Decodes a whole body, into one buffer made large enough at once.
#[must_use]
pub fn decode_transfer(encoding: Encoding, body: &[u8]) -> Decoded<'_> {
    let as_is = match encoding {
        Encoding::Identity | Encoding::Unknown => true,
        Encoding::QuotedPrintable => quoted_printable::is_plain(body),
        Encoding::Base64 | Encoding::Uuencode => false,
    };
    if as_is {
        let unknown = (encoding == Encoding::Unknown).then_some(Leniency::EncodingUnknown);
        return Decoded {
            octets: Cow::Borrowed(body),
            known: unknown.is_none(),
            leniencies: unknown.into_iter().collect(),
        };
    }
    let room = match encoding {
        Encoding::Base64 | Encoding::Uuencode => body.len() / 4 * 3 + 3,
        Encoding::QuotedPrintable | Encoding::Identity | Encoding::Unknown => body.len(),
    };
    let mut octets = Vec::with_capacity(room);
    let mut decoder = Decoder::new(encoding);
    decoder.push(body, &mut octets);
    decoder.finish(&mut octets);
    Decoded {
        octets: Cow::Owned(octets),
        known: true,
        leniencies: decoder.leniencies(),
    }
}

/// Decodes a part's body; that of a multipart stands as it is.
#[must_use]
pub fn decode_part<'a>(part: &Part, message: &'a [u8]) -> Decoded<'a> {
    let encoding = match part.content {
        Content::Multipart(_) => Encoding::Identity,
        Content::Leaf | Content::Message(_) => Encoding::parse(&part.encoding),
    };
    decode_transfer(encoding, part.body.of(message))
}

/// Decodes a body piece by piece; the pieces may be cut anywhere.
#[derive(Clone, Debug)]
pub struct Decoder(State);

#[derive(Clone, Debug)]
enum State {
    Identity,
    Unknown,
    QuotedPrintable(quoted_printable::Decoder),
    Base64(base64::Decoder),
    Uuencode(uuencode::Decoder),
}

impl Decoder {
    /// Starts at a body's first octet.
    #[must_use]
    pub const fn new(encoding: Encoding) -> Self {
        Self(match encoding {
            Encoding::Identity => State::Identity,
            Encoding::Unknown => State::Unknown,
            Encoding::QuotedPrintable => State::QuotedPrintable(quoted_printable::Decoder::new()),
            Encoding::Base64 => State::Base64(base64::Decoder::new()),
            Encoding::Uuencode => State::Uuencode(uuencode::Decoder::new()),
        })
    }

    /// Decodes the next piece, appending to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            State::Identity | State::Unknown => out.extend_from_slice(piece),
            State::QuotedPrintable(decoder) => decoder.push(piece, out),
            State::Base64(decoder) => decoder.push(piece, out),
            State::Uuencode(decoder) => decoder.push(piece, out),
        }
    }

    /// Gives out what was held back; the decoder may start again.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.0 {
            State::Identity | State::Unknown => {}
            State::QuotedPrintable(decoder) => decoder.finish(),
            State::Base64(decoder) => decoder.finish(),
            State::Uuencode(decoder) => decoder.finish(out),
        }
    }

    /// What was wrong with the encoded text so far.
    #[must_use]
    pub fn leniencies(&self) -> Leniencies {
        match &self.0 {
            State::Identity => Leniencies::NONE,
            State::Unknown => [Leniency::EncodingUnknown].into_iter().collect(),
            State::QuotedPrintable(decoder) => decoder.leniencies,
            State::Base64(decoder) => decoder.leniencies,
            State::Uuencode(decoder) => decoder.leniencies,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_encodings() {
        let parsed = Encoding::parse("Quoted-Printable");
        assert_eq!(parsed, Encoding::QuotedPrintable);
        assert_eq!(Encoding::parse("BINARY"), Encoding::Identity);
        assert_eq!(Encoding::parse("X-UUEncode"), Encoding::Uuencode);
        let unknown = decode_transfer(Encoding::parse("x-zip"), b"M");
        assert!(!unknown.known);
        assert!(unknown.leniencies.has(Leniency::EncodingUnknown));
    }

    #[test]
    fn what_needs_no_decoding_is_borrowed() {
        for body in ["", "a\r\nb\n c", "a\rb"] {
            let decoded = decode_transfer(Encoding::QuotedPrintable, body.as_bytes());
            let borrowed =
                matches!(decoded.octets, Cow::Borrowed(octets) if octets == body.as_bytes());
            assert_eq!(borrowed, !body.contains("b\n"), "{body:?}");
        }
    }
}
