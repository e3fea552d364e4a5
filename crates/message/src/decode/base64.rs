//! Base64 (RFC 2045 §6.8): strict text at full speed, everything else octet by octet.

use base64_turbo::STANDARD_NO_PAD;

use crate::leniency::{Leniencies, Leniency};

/// Columns of an encoded line: the most there may be (RFC 2045 §6.8), and what everybody writes.
const COLUMNS: usize = 76;
/// Octets behind [`COLUMNS`] columns of text.
const LINE_OCTETS: usize = COLUMNS / 4 * 3;
/// A line and its CRLF.
const ROW_OCTETS: usize = COLUMNS + 2;
/// Octets gathered from lines before they are decoded in one go.
const GATHERED_OCTETS_MAX: usize = 8192;
/// Octets a piece has at least to be worth gathering.
const GATHERED_OCTETS_MIN: usize = 128;

/// Undoes base64; holds the bits of a quantum that was cut.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    bits: u32,
    /// Digits of the quantum read so far, 0 to 3.
    digits: u32,
    /// Equals signs that must still come.
    due: u32,
    /// True behind padding.
    ended: bool,
    pub(super) leniencies: Leniencies,
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self {
            bits: 0,
            digits: 0,
            due: 0,
            ended: false,
            leniencies: Leniencies::NONE,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if piece.len() < GATHERED_OCTETS_MIN {
            return self.octets(piece, out);
        }
        let mut gathered = Vec::with_capacity(GATHERED_OCTETS_MAX.min(piece.len()));
        let mut rest = piece;
        let mut columns = 0;
        while !rest.is_empty() {
            // What a line is matters for speed only: a line end left inside is passed over later.
            while let Some((row, behind)) = rest.split_first_chunk::<ROW_OCTETS>()
                && row.ends_with(b"\r\n")
                && gathered.len() + COLUMNS <= GATHERED_OCTETS_MAX
            {
                gathered.extend_from_slice(row.first_chunk::<COLUMNS>().unwrap_or(&[0; COLUMNS]));
                rest = behind;
            }
            if rest.get(columns) != Some(&b'\n') {
                columns = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            }
            let room = GATHERED_OCTETS_MAX - gathered.len();
            let take = columns.min(room);
            let (line, behind) = rest.split_at_checked(take).unwrap_or((rest, &[]));
            gathered.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
            rest = behind.strip_prefix(b"\n").unwrap_or(behind);
            if take == room {
                self.settle(&gathered, out);
                gathered.clear();
            }
        }
        self.settle(&gathered, out);
    }

    pub(super) fn finish(&mut self) {
        if self.digits > 0 || self.due > 0 {
            self.leniencies.add(Leniency::Base64Padding);
        }
        (self.digits, self.due, self.ended) = (0, 0, false);
    }

    /// Decodes text without line ends: whole quanta in one go, if they are nothing but digits.
    fn settle(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let open = text.iter().take(usize_of(4 - self.digits) % 4).count();
        let (open, rest) = text.split_at_checked(open).unwrap_or((text, &[]));
        self.octets(open, out);
        let mut whole = rest.len() / 4 * 4;
        if rest.get(..whole).is_some_and(|text| text.ends_with(b"=")) {
            whole -= 4;
        }
        let (text, tail) = rest.split_at_checked(whole).unwrap_or((rest, &[]));
        let at = out.len();
        if self.digits == 0 && !text.is_empty() {
            out.resize(at + whole / 4 * 3, 0);
            let place = out.get_mut(at..).unwrap_or_default();
            if STANDARD_NO_PAD.decode_slice(text, place) == Ok(whole / 4 * 3) {
                self.expect_none_ended();
                return self.octets(tail, out);
            }
            out.truncate(at);
        }
        self.octets(rest, out);
    }

    /// Data behind padding is another text, appended by whoever joined the two.
    fn expect_none_ended(&mut self) {
        if self.ended {
            self.leniencies.add(Leniency::Base64Padding);
            (self.due, self.ended) = (0, false);
        }
    }

    fn octets(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for &octet in text {
            match sextet(octet) {
                Some(value) => self.digit(value, out),
                None if octet == b'=' => self.padding(),
                None if octet.is_ascii_whitespace() => {}
                None => self.leniencies.add(Leniency::Base64Junk),
            }
        }
    }

    fn digit(&mut self, value: u8, out: &mut Vec<u8>) {
        self.expect_none_ended();
        self.bits = self.bits << 6 | u32::from(value);
        self.digits = (self.digits + 1) % 4;
        // The second digit completes the first octet, and so on; what is there is given out.
        let octet = match self.digits {
            1 => return,
            2 => self.bits >> 4,
            3 => self.bits >> 2,
            _ => self.bits,
        };
        out.push(u8::try_from(octet & 255).unwrap_or_default());
    }

    fn padding(&mut self) {
        let (digits, due, ended) = (self.digits, self.due, self.ended);
        (self.digits, self.due, self.ended) = (0, 0, true);
        match digits {
            0 if ended && due > 0 => self.due = due - 1,
            2 => self.due = 1,
            3 => {}
            _ => self.leniencies.add(Leniency::Base64Padding),
        }
    }
}

/// The value of a base64 digit in six bits.
pub(crate) fn sextet(digit: u8) -> Option<u8> {
    let value = SEXTETS.get(usize::from(digit)).copied()?;
    (value < 64).then_some(value)
}

/// The value of each digit; 255 for all else.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "computed while compiling, where a fault is an error"
)]
const SEXTETS: [u8; 256] = {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut sextets = [255; 256];
    let mut value = 0;
    while value < 64 {
        sextets[digits[value] as usize] = value as u8;
        value += 1;
    }
    sextets
};

fn usize_of(count: u32) -> usize {
    usize::try_from(count).unwrap_or_default()
}

/// Decodes a short text whole: an encoded word, a key. What is no digit is passed over.
#[must_use]
pub fn decode_base64(text: &[u8]) -> (Vec<u8>, Leniencies) {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut decoder = Decoder::new();
    decoder.push(text, &mut octets);
    decoder.finish();
    (octets, decoder.leniencies)
}

/// Writes octets as lines of 76 columns, each ended by CRLF (RFC 2045 §6.8).
///
/// Pieces encoded apart make the text of the whole if all but the last have a multiple of 57
/// octets.
#[must_use]
pub fn encode_base64(octets: &[u8]) -> Vec<u8> {
    // RFC 2045 §6.8
    let lines = octets.chunks(LINE_OCTETS);
    let mut text = Vec::with_capacity(lines.len() * ROW_OCTETS);
    for line in lines {
        let at = text.len();
        text.resize(at + line.len().div_ceil(3) * 4, 0);
        let place = text.get_mut(at..).unwrap_or_default();
        // The place is as large as the text: it always fits.
        let fits = base64_turbo::STANDARD.encode_slice(line, place);
        debug_assert!(fits.is_ok(), "base64 of {} octets", line.len());
        text.extend_from_slice(b"\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Encoding, decode_transfer};

    #[test]
    fn base64_bodies() {
        let padding = Some(Leniency::Base64Padding);
        let junk = Some(Leniency::Base64Junk);
        let cases = [
            ("aGVsbG8=", "hello", None),
            ("aGVsbG8", "hello", padding),
            ("aGVs\r\nbG8=\r\n", "hello", None),
            ("aGVs\nbG8 =\n", "hello", None),
            ("aG!Vs bG*8=", "hello", junk),
            ("aGk=aGk=", "hihi", padding),
            ("aGk=\r\naGkh", "hihi!", padding),
            ("aA==", "h", None),
            ("aA=\r\n=", "h", None),
            ("aA=", "h", padding),
            ("aA", "h", padding),
            ("aA===", "h", padding),
            ("aGkh=", "hi!", padding),
            ("a", "", padding),
            ("a=", "", padding),
            ("====", "", padding),
            ("", "", None),
        ];
        for (body, octets, wrong) in cases {
            let decoded = decode_transfer(Encoding::Base64, body.as_bytes());
            assert_eq!(decoded.octets, octets.as_bytes(), "{body:?}");
            let wrong: Leniencies = wrong.into_iter().collect();
            assert_eq!(decoded.leniencies, wrong, "{body:?}");
        }
    }

    #[test]
    fn both_ways_through_give_the_same() {
        let octets: Vec<u8> = (0..20_000_u32).map(|at| (at * 7 % 251) as u8).collect();
        let text = encode_base64(&octets);
        assert!(
            text.split(|&octet| octet == b'\n')
                .all(|line| line.len() <= 77)
        );
        let tidy = |text: &[u8]| decode_transfer(Encoding::Base64, text).octets.into_owned();
        assert_eq!(tidy(&text), octets);
        for columns in [1, 60, 64, 72, 76, 77, 1000, 9000, 30_000] {
            let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_graphic).collect();
            for end in ["\n", "\r\n", " \r\n\t", "!\r\n"] {
                let lines: Vec<&[u8]> = digits.chunks(columns).collect();
                assert_eq!(
                    tidy(&lines.join(end.as_bytes())),
                    octets,
                    "{columns} {end:?}"
                );
            }
        }
    }
}
