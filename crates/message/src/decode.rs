//! Content-Transfer-Encodings undone (RFC 2045 §6), tolerantly and piece by piece.
//!
//! What breaks the rules is passed over (base64) or kept as it stands (quoted-printable); text that
//! strict readers would refuse still reaches the reader. Not here: charsets.

use std::borrow::Cow;

use crate::parameter::hex;

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
    /// A name not known here; the octets are left as they are.
    Unknown,
}

impl Encoding {
    /// Reads the name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("7bit") || is("8bit") || is("binary") || name.is_empty() {
            Self::Identity
        } else if is("quoted-printable") {
            Self::QuotedPrintable
        } else if is("base64") {
            Self::Base64
        } else {
            Self::Unknown
        }
    }
}

/// A body decoded whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The octets; borrowed where nothing had to be done.
    pub octets: Cow<'a, [u8]>,
    /// False if the encoding is unknown: the octets are still encoded (IMAP's UNKNOWN-CTE).
    pub known: bool,
}

/// Decodes a whole body.
#[must_use]
pub fn decode_transfer(encoding: Encoding, body: &[u8]) -> Decoded<'_> {
    let octets = match encoding {
        Encoding::Identity | Encoding::Unknown => Cow::Borrowed(body),
        Encoding::QuotedPrintable | Encoding::Base64 => {
            let mut octets = Vec::with_capacity(body.len());
            let mut decoder = Decoder::new(encoding);
            decoder.push(body, &mut octets);
            decoder.finish(&mut octets);
            Cow::Owned(octets)
        }
    };
    Decoded {
        octets,
        known: encoding != Encoding::Unknown,
    }
}

/// White space at a line's end that is held back while it may still be padding.
const PADDING_OCTETS_MAX: usize = 1000;

/// Decodes a body piece by piece; the pieces may be cut anywhere.
#[derive(Clone, Debug)]
pub struct Decoder {
    encoding: Encoding,
    /// Quoted-printable: what may yet be an escape, a soft line break or padding.
    held: Vec<u8>,
    /// Base64: bits not yet given out, and how many.
    bits: u32,
    count: u32,
}

impl Decoder {
    /// Starts at a body's first octet.
    #[must_use]
    pub const fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            held: Vec::new(),
            bits: 0,
            count: 0,
        }
    }

    /// Decodes the next piece, appending to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Identity | Encoding::Unknown => out.extend_from_slice(piece),
            Encoding::QuotedPrintable => self.quoted_printable(piece, out),
            Encoding::Base64 => self.base64(piece, out),
        }
    }

    /// Gives out what was held back; the decoder may start again.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.count = 0;
        let held = std::mem::take(&mut self.held);
        let text = held.trim_ascii_end();
        // A `=` at the very end is a soft line break whose line end was cut off.
        if text != b"=" {
            out.extend_from_slice(text);
        }
    }

    fn base64(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for &octet in piece {
            let Some(value) = sextet(octet) else {
                if octet == b'=' {
                    // Padding ends a run; another one may follow.
                    self.count = 0;
                }
                continue;
            };
            self.bits = self.bits << 6 | u32::from(value);
            self.count += 6;
            if self.count >= 8 {
                self.count -= 8;
                out.push(u8::try_from(self.bits >> self.count & 255).unwrap_or_default());
            }
        }
    }

    fn quoted_printable(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some(&octet) = rest.first() {
            if self.held.is_empty() {
                let special = |octet: &u8| matches!(octet, b'=' | b' ' | b'\t' | b'\r');
                let plain = rest.iter().position(special).unwrap_or(rest.len());
                let (text, behind) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
                out.extend_from_slice(text);
                rest = behind;
                if let Some((&octet, behind)) = rest.split_first() {
                    self.held.push(octet);
                    rest = behind;
                }
                continue;
            }
            if self.hold(octet, out) {
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }

    /// Puts an octet to the held ones, or settles these; true if the octet was used up.
    fn hold(&mut self, octet: u8, out: &mut Vec<u8>) -> bool {
        let escape = self.held.first() == Some(&b'=');
        match (escape, self.held.get(1).copied(), octet) {
            // Padding, or a soft line break with padding before its line end.
            (_, _, b'\n') => {
                if !escape || self.held.iter().skip(1).any(|octet| !is_space(*octet)) {
                    self.give_out_padded(out);
                    out.push(b'\n');
                }
                self.held.clear();
                true
            }
            (true, None, _) if octet == b'\r' || is_space(octet) || hex(octet).is_some() => {
                self.held.push(octet);
                true
            }
            (true, Some(first), _) if hex(first).is_some() => {
                let (Some(high), Some(low)) = (hex(first), hex(octet)) else {
                    out.append(&mut self.held);
                    return false;
                };
                out.push(high * 16 + low);
                self.held.clear();
                true
            }
            (_, _, b' ' | b'\t' | b'\r')
                if self.held.len() < PADDING_OCTETS_MAX && self.held.last() != Some(&b'\r') =>
            {
                self.held.push(octet);
                true
            }
            _ => {
                out.append(&mut self.held);
                false
            }
        }
    }

    /// Gives out what is held before a line feed: a carriage return stays, padding goes.
    fn give_out_padded(&mut self, out: &mut Vec<u8>) {
        let ended = self.held.last() == Some(&b'\r');
        let text = self.held.strip_suffix(b"\r").unwrap_or(&self.held);
        out.extend_from_slice(text.trim_ascii_end());
        if ended {
            out.push(b'\r');
        }
    }
}

const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r')
}

/// The six bits of a base64 digit.
pub(crate) const fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(encoding: Encoding, body: &str) -> String {
        let decoded = decode_transfer(encoding, body.as_bytes());
        String::from_utf8_lossy(&decoded.octets).into_owned()
    }

    #[test]
    fn quoted_printable_bodies() {
        let cases = [
            (
                "Now's the time =\r\nfor all folk",
                "Now's the time for all folk",
            ),
            ("a=3Db=3db", "a=b=b"),
            ("trailing \t \r\nx", "trailing\r\nx"),
            ("kept=20\r\nx", "kept \r\nx"),
            ("soft=  \t\r\nbreak", "softbreak"),
            ("lf=\nonly \nx", "lfonly\nx"),
            ("bad =4 =G1 ==3D = x", "bad =4 =G1 == = x"),
            ("end=", "end"),
            ("end ", "end"),
            ("a\rb", "a\rb"),
            ("=A\r\nx", "=A\r\nx"),
        ];
        for (body, decoded) in cases {
            assert_eq!(text(Encoding::QuotedPrintable, body), decoded, "{body:?}");
        }
    }

    #[test]
    fn base64_bodies() {
        let cases = [
            ("aGVsbG8=", "hello"),
            ("aGVsbG8", "hello"),
            ("aGVs\r\nbG8=\r\n", "hello"),
            ("aG!Vs bG*8=", "hello"),
            ("aGk=aGk=", "hihi"),
            ("a", ""),
            ("====", ""),
        ];
        for (body, decoded) in cases {
            assert_eq!(text(Encoding::Base64, body), decoded, "{body:?}");
        }
    }

    #[test]
    fn names_of_encodings() {
        assert_eq!(
            Encoding::parse("Quoted-Printable"),
            Encoding::QuotedPrintable
        );
        assert_eq!(Encoding::parse("BINARY"), Encoding::Identity);
        assert!(!decode_transfer(Encoding::parse("x-uuencode"), b"M").known);
    }
}
