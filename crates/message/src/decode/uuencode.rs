//! Uuencode: what mail carried files in before MIME, as POSIX describes it.

use crate::leniency::{Leniencies, Leniency};

/// Octets of a line that are looked at: a length, 84 digits, and what some writers append.
const LINE_OCTETS_MAX: usize = 120;

/// Undoes uuencode; holds the line that is not ended yet.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    line: Vec<u8>,
    place: Place,
    pub(super) leniencies: Leniencies,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    After,
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self {
            line: Vec::new(),
            place: Place::Before,
            leniencies: Leniencies::NONE,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            self.keep(line);
            self.line_end(out);
            rest = behind.get(1..).unwrap_or_default();
        }
        self.keep(rest);
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.line.is_empty() {
            self.line_end(out);
        }
        if self.place != Place::After {
            self.leniencies.add(Leniency::UuencodeBroken);
        }
        self.place = Place::Before;
    }

    fn keep(&mut self, text: &[u8]) {
        let room = LINE_OCTETS_MAX - self.line.len();
        self.line.extend(text.iter().take(room));
    }

    fn line_end(&mut self, out: &mut Vec<u8>) {
        let mut line = std::mem::take(&mut self.line);
        if line.len() < LINE_OCTETS_MAX && line.ends_with(b"\r") {
            line.pop();
        }
        match self.place {
            Place::Before if begin_line(&line).is_some() => self.place = Place::Inside,
            Place::Inside if is_end(&line) => self.place = Place::After,
            Place::Inside => match line_octets(&line) {
                Some(octets) => out.extend(octets),
                None => self.leniencies.add(Leniency::UuencodeBroken),
            },
            Place::Before | Place::After => {}
        }
        line.clear();
        self.line = line;
    }
}

/// The file's name in a line `begin 644 name`.
pub(crate) fn begin_line(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"begin ")?;
    let mode = rest.iter().take_while(|octet| matches!(octet, b'0'..=b'7'));
    let (_, rest) = rest.split_at_checked(mode.count()).filter(|(mode, _)| {
        // Three digits, four with the set-user-id bits.
        matches!(mode.len(), 3 | 4)
    })?;
    let name = rest.strip_prefix(b" ")?.trim_ascii();
    (!name.is_empty()).then_some(name)
}

/// True for the line that ends a file.
pub(crate) fn is_end(line: &[u8]) -> bool {
    line.trim_ascii_end() == b"end"
}

/// The octets of one line; `None` if it is no line of uuencode.
///
/// Spaces that were lost at the line's end are put back.
pub(crate) fn line_octets(line: &[u8]) -> Option<impl Iterator<Item = u8>> {
    let (length, digits) = match line.split_first() {
        Some((&length, digits)) => (length, digits),
        None => (b' ', line),
    };
    let count = usize::from(sextet(length)?);
    let wanted = count.div_ceil(3) * 4;
    // Some writers append a checksum: one character, or two.
    if digits.len() > wanted + 2 || !digits.iter().all(|&digit| sextet(digit).is_some()) {
        return None;
    }
    let quanta = (0..count.div_ceil(3)).flat_map(move |quantum| {
        let digit = |at: usize| {
            let digit = digits.get(quantum * 4 + at).copied().and_then(sextet);
            u32::from(digit.unwrap_or_default())
        };
        let bits = digit(0) << 18 | digit(1) << 12 | digit(2) << 6 | digit(3);
        let [_, octets @ ..] = bits.to_be_bytes();
        octets
    });
    Some(quanta.take(count))
}

/// The value of a uuencode digit; a space and a backquote are both zero.
const fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b' '..=b'`' => Some((digit - b' ') & 63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Encoding, decode_transfer};

    #[test]
    fn uuencoded_bodies() {
        let cases: [(&str, &str, bool); 8] = [
            ("begin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n", "Cat", false),
            ("begin 644 cat.txt\n#0V%T\n \nend\n", "Cat", false),
            (
                "preface\nbegin 0644 a b\n#0V%T\n\nend\nmore\n",
                "Cat",
                false,
            ),
            // A checksum, and spaces lost at the end: 'Ca' and a NUL.
            ("begin 644 x\n#0V%Tx\n#0V$\n`\nend", "Ca\0", true),
            ("begin 644 x\n#0V%TX\n`\nend", "Cat", false),
            ("begin 644 x\n#0V%T", "Cat", true),
            ("#0V%T\n", "", true),
            ("", "", true),
        ];
        for (body, octets, broken) in cases {
            let decoded = decode_transfer(Encoding::Uuencode, body.as_bytes());
            assert_eq!(decoded.octets, octets.as_bytes(), "{body:?}");
            assert_eq!(
                decoded.leniencies.has(Leniency::UuencodeBroken),
                broken,
                "{body:?}"
            );
        }
    }

    #[test]
    fn what_begins_a_file() {
        assert_eq!(begin_line(b"begin 644 a b.txt\r"), Some(&b"a b.txt"[..]));
        for line in [
            "begin 64 x",
            "begin 12345 x",
            "begin 644",
            "begin 898 x",
            "begins 644 x",
        ] {
            assert_eq!(begin_line(line.as_bytes()), None, "{line}");
        }
    }
}
