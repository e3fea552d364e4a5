//! Quoted-printable (RFC 2045 §6.7).

use crate::leniency::{Leniencies, Leniency};
use crate::parameter::hex;

/// White space at a line's end that may be padding; a longer run is text.
const PADDING_OCTETS_MAX: usize = 1000;
/// Columns of an encoded line (RFC 2045 §6.7).
const COLUMNS: usize = 76;

/// Undoes quoted-printable; holds what may yet be an escape or padding.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    /// An escape begun, or white space (and CR) before what may be a line end.
    held: Vec<u8>,
    /// True if the white space given out last is too long a run to be padding.
    long: bool,
    pub(super) leniencies: Leniencies,
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self {
            held: Vec::new(),
            long: false,
            leniencies: Leniencies::NONE,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if !piece.is_ascii() {
            self.leniencies.add(Leniency::RawOctets);
        }
        // What stands in `out` from `open` on may be taken back when a line ends.
        let mut open = out.len();
        if self.held.first() != Some(&b'=') {
            out.append(&mut self.held);
        }
        let mut rest = self.escape(piece, out, &mut open);
        while let Some(at) = memchr::memchr2(b'=', b'\n', rest) {
            let (text, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            out.extend_from_slice(text);
            if let Some(behind) = from.strip_prefix(b"\n") {
                self.line_end(out, open);
                open = out.len();
                rest = behind;
                continue;
            }
            self.long = false;
            rest = from;
            // Escapes come in rows: one letter is two or three of them.
            while let [b'=', high, low, behind @ ..] = rest
                && let Some(octet) = self.octet(*high, *low)
            {
                out.push(octet);
                rest = behind;
            }
            open = out.len();
            if let Some(behind) = rest.strip_prefix(b"=\r\n") {
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix(b"=") {
                self.held.push(b'=');
                rest = self.escape(behind, out, &mut open);
            }
        }
        out.extend_from_slice(rest);
        if self.held.is_empty() {
            self.hold(out, open);
        }
    }

    pub(super) fn finish(&mut self) {
        // White space at the end is padding; so is a `=` there, whose line end was cut off.
        if let [b'=', digit, ..] = self.held.as_slice()
            && hex(*digit).is_some()
        {
            self.leniencies.add(Leniency::QuotedPrintableEscape);
        }
        self.held.clear();
        self.long = false;
    }

    /// Reads on behind a held `=` until it is settled what that was; gives what follows.
    fn escape<'a>(&mut self, piece: &'a [u8], out: &mut Vec<u8>, open: &mut usize) -> &'a [u8] {
        let mut rest = piece;
        while self.held.first() == Some(&b'=')
            && let Some((&octet, behind)) = rest.split_first()
        {
            let more = match *self.held {
                [_] => hex(octet).is_some() || is_space(octet),
                [_, digit] if hex(digit).is_some() => false,
                // One more than the `=` and the padding: a CR.
                _ => is_space(octet) && self.held.len() < PADDING_OCTETS_MAX + 2,
            };
            if more {
                self.held.push(octet);
                rest = behind;
                continue;
            }
            let held = std::mem::take(&mut self.held);
            match *held {
                [_, high] if let Some(octet) = self.octet(high, octet) => {
                    out.push(octet);
                    rest = behind;
                }
                [_, ref spaces @ ..] if octet == b'\n' && spaces.iter().copied().all(is_space) => {
                    if !held.ends_with(b"\r") {
                        self.leniencies.add(Leniency::BareLf);
                    }
                    rest = behind;
                }
                _ => {
                    self.leniencies.add(Leniency::QuotedPrintableEscape);
                    out.extend_from_slice(&held);
                    self.long = held.len() > PADDING_OCTETS_MAX;
                }
            }
            *open = out.len();
        }
        rest
    }

    fn octet(&mut self, high: u8, low: u8) -> Option<u8> {
        let (high, low) = (digit(high), digit(low));
        if (high | low) & NO_DIGIT != 0 {
            return None;
        }
        if (high | low) & LOWER_CASE != 0 {
            self.leniencies.add(Leniency::QuotedPrintableCase);
        }
        Some(high << 4 | low & 15)
    }

    /// Ends a line: takes the padding before its end back.
    // RFC 2045 §6.7
    fn line_end(&mut self, out: &mut Vec<u8>, open: usize) {
        let line = out.get(open..).unwrap_or_default();
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        let ended = text.len() < line.len();
        if !ended {
            self.leniencies.add(Leniency::BareLf);
        }
        let padding = spaces_at_end(text);
        if padding > 0 && !self.is_long(padding, text) {
            let kept = open + text.len() - padding;
            out.truncate(kept);
            if ended {
                out.push(b'\r');
            }
        }
        out.push(b'\n');
        self.long = false;
    }

    /// Holds back what may be padding before a line end in the next piece.
    fn hold(&mut self, out: &mut Vec<u8>, open: usize) {
        let line = out.get(open..).unwrap_or_default();
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        let padding = spaces_at_end(text);
        let long = self.is_long(padding, text);
        let held = if long { 0 } else { padding } + line.len() - text.len();
        let kept = out.len() - held;
        if long || padding < text.len() {
            self.long = long;
        }
        self.held
            .extend_from_slice(out.get(kept..).unwrap_or_default());
        out.truncate(kept);
    }

    /// True if a run of spaces at the end of the text, or going on from before it, is no padding.
    const fn is_long(&self, padding: usize, text: &[u8]) -> bool {
        padding > PADDING_OCTETS_MAX || self.long && padding == text.len()
    }
}

const NO_DIGIT: u8 = 128;
const LOWER_CASE: u8 = 16;

/// The value of each hexadecimal digit, with [`LOWER_CASE`]; [`NO_DIGIT`] for all else.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "computed while compiling, where a fault is an error"
)]
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut octet = 0;
    while octet < 128 {
        digits[octet] = match (octet as u8, hex(octet as u8)) {
            (b'a'..=b'f', Some(value)) => value | LOWER_CASE,
            (_, Some(value)) => value,
            (_, None) => NO_DIGIT,
        };
        octet += 1;
    }
    digits
};

fn digit(octet: u8) -> u8 {
    DIGITS.get(usize::from(octet)).copied().unwrap_or(NO_DIGIT)
}

const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r')
}

fn spaces_at_end(text: &[u8]) -> usize {
    let space = |octet: &&u8| matches!(octet, b' ' | b'\t');
    text.iter().rev().take_while(space).count()
}

/// True for a body that decodes to itself and has nothing to tell.
pub(super) fn is_plain(body: &[u8]) -> bool {
    let clean = |at: usize| {
        let before = body.get(..at).unwrap_or_default();
        before
            .strip_suffix(b"\r")
            .is_some_and(|text| spaces_at_end(text) == 0)
    };
    memchr::memchr(b'=', body).is_none()
        && body.is_ascii()
        && !body.last().copied().is_some_and(is_space)
        && memchr::memchr_iter(b'\n', body).all(clean)
}

/// Writes octets in quoted-printable: CRLF stays a line end, whatever else is not printable is
/// written as an escape; no line is longer than 76 columns.
#[must_use]
pub fn encode_quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len() * 3 / 2);
    let mut encoder = QuotedPrintableEncoder::new();
    encoder.push(body, &mut text);
    encoder.finish(&mut text);
    text
}

/// Does the same piece by piece; the pieces may be cut anywhere.
#[derive(Clone, Debug, Default)]
pub struct QuotedPrintableEncoder {
    column: usize,
    /// True if the line goes on one that was too long.
    goes_on: bool,
    /// The last octet: how it is written, the next one tells.
    held: Option<u8>,
}

impl QuotedPrintableEncoder {
    /// Begins a body.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            column: 0,
            goes_on: false,
            held: None,
        }
    }

    /// Encodes the next piece, appending to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for &octet in piece {
            match self.held.take() {
                Some(b'\r') if octet == b'\n' => {
                    out.extend_from_slice(b"\r\n");
                    (self.column, self.goes_on) = (0, false);
                }
                Some(before) => {
                    self.write(before, Some(octet), out);
                    self.held = Some(octet);
                }
                None => self.held = Some(octet),
            }
        }
    }

    /// Ends the body; the encoder may begin another.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(last) = self.held.take() {
            self.write(last, None, out);
        }
        *self = Self::new();
    }

    fn write(&mut self, octet: u8, next: Option<u8>, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let plain = match octet {
            b'=' => false,
            // RFC 2045 §6.7
            b' ' | b'\t' => !matches!(next, None | Some(b'\r' | b'\n')),
            _ => octet.is_ascii_graphic(),
        };
        let width = if plain { 1 } else { 3 };
        // RFC 2045 §6.7
        if self.column + width > COLUMNS - 1 {
            out.extend_from_slice(b"=\r\n");
            (self.column, self.goes_on) = (0, true);
        }
        // What was in the middle of a line begins no delimiter.
        let plain = plain && !(octet == b'-' && self.column == 0 && self.goes_on);
        if plain {
            out.push(octet);
            self.column += 1;
        } else {
            let digit = |at: u8| DIGITS.get(usize::from(at)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'=', digit(octet >> 4), digit(octet & 15)]);
            self.column += 3;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Encoding, decode_transfer};

    fn text(body: &str) -> (String, Leniencies) {
        let decoded = decode_transfer(Encoding::QuotedPrintable, body.as_bytes());
        let text = String::from_utf8_lossy(&decoded.octets).into_owned();
        (text, decoded.leniencies)
    }

    #[test]
    fn quoted_printable_bodies() {
        use Leniency::{BareLf, QuotedPrintableCase, QuotedPrintableEscape, RawOctets};
        let cases: [(&str, &str, &[Leniency]); 25] = [
            // RFC 2045 §6.7's own example
            (
                "Now's the time =\r\nfor all folk",
                "Now's the time for all folk",
                &[],
            ),
            ("a=3Db=3db", "a=b=b", &[QuotedPrintableCase]),
            ("trailing \t \r\nx", "trailing\r\nx", &[]),
            ("kept=20\r\nx", "kept \r\nx", &[]),
            ("kept=20 \r\nx", "kept \r\nx", &[]),
            ("soft=  \t\r\nbreak", "softbreak", &[]),
            ("soft =\r\n  break", "soft   break", &[]),
            ("soft=\r\r\nbreak", "softbreak", &[]),
            ("lf=\nonly \nx", "lfonly\nx", &[BareLf]),
            (
                "bad =4 =G1 ==3D = x",
                "bad =4 =G1 == = x",
                &[QuotedPrintableEscape],
            ),
            ("==\r\n", "=", &[QuotedPrintableEscape]),
            ("end=", "end", &[]),
            ("end=  ", "end", &[]),
            ("end=4", "end", &[QuotedPrintableEscape]),
            ("end ", "end", &[]),
            ("end \r\n", "end\r\n", &[]),
            ("a\rb", "a\rb", &[]),
            ("a \rb \r\r\n", "a \rb \r\r\n", &[]),
            ("=A\r\nx", "=A\r\nx", &[QuotedPrintableEscape]),
            ("=0D\nx", "\r\nx", &[BareLf]),
            ("= \rx", "= \rx", &[QuotedPrintableEscape]),
            ("= \t=\r\n", "= \t", &[QuotedPrintableEscape]),
            ("\u{e4}", "\u{e4}", &[RawOctets]),
            ("\r\n \r\n", "\r\n\r\n", &[]),
            ("", "", &[]),
        ];
        for (body, decoded, wrong) in cases {
            let wrong = wrong.iter().copied().collect();
            assert_eq!(text(body), (decoded.to_owned(), wrong), "{body:?}");
        }
    }

    #[test]
    fn only_so_much_is_padding() {
        for (count, kept) in [(999, false), (1000, false), (1001, true), (5000, true)] {
            let spaces = " ".repeat(count);
            let line = format!("a{spaces}\r\nb");
            let body = if kept { line.as_str() } else { "a\r\nb" };
            assert_eq!(text(&line).0, body, "{count} spaces");
            let soft = format!("a={spaces}\r\nb");
            assert_eq!(text(&soft).0 == "ab", !kept, "{count} spaces");
        }
    }

    #[test]
    fn bodies_are_encoded_however_they_are_cut() {
        let dashes = "-".repeat(200);
        for (body, expected) in [
            ("", ""),
            ("a b \r\n\tc\t", "a b=20\r\n\tc=09"),
            ("a\nb\rc\r\r\n", "a=0Ab=0Dc=0D\r\n"),
            ("\r", "=0D"),
            ("1=\u{e4}", "1=3D=C3=A4"),
            (
                &dashes,
                &format!(
                    "{0}=\r\n=2D{1}=\r\n=2D{2}",
                    &dashes[..75],
                    &dashes[..72],
                    &dashes[..51]
                ),
            ),
        ] {
            for cut in 1..=body.len().max(1) {
                let (mut text, mut encoder) = (Vec::new(), QuotedPrintableEncoder::new());
                for piece in body.as_bytes().chunks(cut) {
                    encoder.push(piece, &mut text);
                }
                encoder.finish(&mut text);
                assert_eq!(
                    text.escape_ascii().to_string(),
                    expected.as_bytes().escape_ascii().to_string()
                );
            }
            let decoded = decode_transfer(Encoding::QuotedPrintable, expected.as_bytes());
            assert_eq!(decoded.octets, body.as_bytes());
        }
    }
}
