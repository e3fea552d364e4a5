//! Framing before parsing: one whole command, or one whole response, within a limit.
//!
//! It is a line; where the line ends in a literal's announcement, so many octets and another line
//! belong to it. What is too large is thrown away as it arrives, and the connection stays in step.

use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};
use wire::LineBuffer;

use crate::text::Writer;

/// Octets that the announcement of a literal has at most, with its line's end.
const ANNOUNCEMENT_OCTETS_MAX: usize = 32;
/// Octets of what is thrown away that are kept to answer it.
const BEGINNING_OCTETS_MAX: usize = 32;
/// Literals of one frame; no command has so many.
const LITERALS_MAX: usize = 8;

/// A line with the literals in it, without its last CRLF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) octets: Bytes,
    /// Where literals are in it.
    pub(crate) literals: Vec<Range<usize>>,
}

/// What the stream has to give.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    Whole(Frame),
    /// It was too large: its beginning, and how many octets were thrown away.
    TooLarge(Bytes, u64),
    /// Not all of it has arrived.
    Incomplete,
}

/// Input that is cut into frames.
#[derive(Debug)]
pub(crate) struct Frames {
    /// Whose literals these are.
    writer: Writer,
    input: LineBuffer,
    /// Octets at the front of `input` that hold no line's end.
    searched: usize,
    gathered: BytesMut,
    literals: Vec<Range<usize>>,
    mode: Mode,
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Line,
    /// So many octets of a literal are left.
    Literal(usize),
    Swallow(Swallow),
}

/// A frame that is thrown away.
#[derive(Debug)]
struct Swallow {
    beginning: Bytes,
    octets: u64,
    /// Octets of a literal to throw away first.
    left: u64,
    /// The last octets of the line that is thrown away.
    tail: Vec<u8>,
}

impl Frames {
    pub(crate) fn new(writer: Writer) -> Self {
        Self {
            writer,
            input: LineBuffer::default(),
            searched: 0,
            gathered: BytesMut::new(),
            literals: Vec::new(),
            mode: Mode::Line,
        }
    }

    pub(crate) fn extend(&mut self, octets: &[u8]) {
        self.input.extend(octets);
    }

    /// Throws away all that has arrived (RFC 3207 §4.2).
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.writer);
    }

    /// Takes the next frame, if it has arrived. The limit stays the same while one arrives.
    pub(crate) fn next(&mut self, octets_max: usize) -> Framed {
        loop {
            let framed = match &mut self.mode {
                Mode::Line => self.next_line(octets_max),
                Mode::Literal(left) => {
                    let octets = self.input.take(*left);
                    *left -= octets.len();
                    let is_whole = *left == 0;
                    self.gathered.put_slice(&octets);
                    self.searched = 0;
                    if is_whole {
                        self.mode = Mode::Line;
                        None
                    } else {
                        Some(Framed::Incomplete)
                    }
                }
                Mode::Swallow(swallow) => {
                    let framed = swallow.go_on(&mut self.input, self.writer);
                    self.searched = 0;
                    if framed != Framed::Incomplete {
                        self.mode = Mode::Line;
                    }
                    Some(framed)
                }
            };
            if let Some(framed) = framed {
                return framed;
            }
        }
    }

    fn next_line(&mut self, octets_max: usize) -> Option<Framed> {
        let room = octets_max.saturating_sub(self.gathered.len());
        let unsearched = self.input.peek().get(self.searched..).unwrap_or_default();
        let Some(found) = memchr::memchr(b'\n', unsearched) else {
            self.searched = self.input.len();
            if self.searched <= room {
                return Some(Framed::Incomplete);
            }
            self.swallow(0);
            return None;
        };
        let end = self.searched + found + 1;
        if end > room {
            self.swallow(0);
            return None;
        }
        self.searched = 0;
        let line = self.input.take(end);
        let body = without_end(&line);
        self.gathered.put_slice(body);
        let Some(octets) = announced(body, self.writer) else {
            let frame = Frame {
                octets: std::mem::take(&mut self.gathered).freeze(),
                literals: std::mem::take(&mut self.literals),
            };
            return Some(Framed::Whole(frame));
        };
        self.gathered.put_slice(b"\r\n");
        let start = self.gathered.len();
        let room = octets_max.saturating_sub(start);
        match usize::try_from(octets).ok().filter(|fits| *fits <= room) {
            Some(fits) if self.literals.len() < LITERALS_MAX => {
                self.literals.push(start..start + fits);
                self.mode = Mode::Literal(fits);
            }
            _ => self.swallow(octets),
        }
        None
    }

    /// Begins to throw the frame away: so many octets of a literal, and what is behind it.
    fn swallow(&mut self, left: u64) {
        let mut gathered = std::mem::take(&mut self.gathered);
        self.literals = Vec::new();
        let octets = count(gathered.len());
        if gathered.is_empty() {
            let start = self.input.peek();
            let start = start.get(..BEGINNING_OCTETS_MAX).unwrap_or(start);
            gathered.put_slice(start);
        }
        gathered.truncate(BEGINNING_OCTETS_MAX);
        let line = memchr::memchr2(b'\r', b'\n', &gathered);
        gathered.truncate(line.unwrap_or(gathered.len()));
        self.mode = Mode::Swallow(Swallow {
            // A copy: what was gathered is freed.
            beginning: Bytes::copy_from_slice(&gathered),
            octets,
            left,
            tail: Vec::new(),
        });
    }
}

impl Swallow {
    fn go_on(&mut self, input: &mut LineBuffer, writer: Writer) -> Framed {
        loop {
            let skipped = input.take(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left = self.left.saturating_sub(count(skipped.len()));
            self.octets = self.octets.saturating_add(count(skipped.len()));
            if self.left > 0 || input.is_empty() {
                return Framed::Incomplete;
            }
            let octets = input.peek();
            let end = memchr::memchr(b'\n', octets).map(|at| at + 1);
            let taken = input.take(end.unwrap_or(octets.len()));
            self.octets = self.octets.saturating_add(count(taken.len()));
            let from = taken.len().saturating_sub(ANNOUNCEMENT_OCTETS_MAX);
            let last = taken.get(from..).unwrap_or_default();
            self.tail.extend_from_slice(last);
            let over = self.tail.len().saturating_sub(ANNOUNCEMENT_OCTETS_MAX);
            self.tail.drain(..over);
            if end.is_none() {
                continue;
            }
            let tail = std::mem::take(&mut self.tail);
            match announced(without_end(&tail), writer) {
                Some(octets) => self.left = octets,
                None => {
                    let beginning = std::mem::take(&mut self.beginning);
                    return Framed::TooLarge(beginning, self.octets);
                }
            }
        }
    }
}

fn count(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}

/// A line without its CRLF; a bare LF ends a line as well, since nothing hangs on it here.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The octets of the literal announced at a line's end. What a client announces without a plus is
/// no literal: it is not sent before the client was asked for it, and nobody asks.
pub(crate) fn announced(line: &[u8], writer: Writer) -> Option<u64> {
    let inner = line.strip_suffix(b"}")?;
    let inner = match writer {
        Writer::Client => inner.strip_suffix(b"+")?,
        Writer::Server => inner,
    };
    let open = inner.iter().rposition(|octet| *octet == b'{')?;
    let digits = inner.get(open + 1..)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0_u64, |value, digit| {
        let value = value.saturating_mul(10);
        value.saturating_add(u64::from(digit - b'0'))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(octets: &[u8]) -> String {
        String::from_utf8_lossy(octets).replace("\r\n", "\\r\\n")
    }

    /// What comes out of `input`, cut every `cut` octets, with frames of up to 60 octets.
    fn frames(input: &[u8], cut: usize, writer: Writer) -> Vec<String> {
        let mut frames = Frames::new(writer);
        let mut seen = Vec::new();
        for piece in input.chunks(cut) {
            frames.extend(piece);
            loop {
                seen.push(match frames.next(60) {
                    Framed::Incomplete => break,
                    Framed::Whole(frame) => {
                        format!("{} {:?}", shown(&frame.octets), frame.literals)
                    }
                    Framed::TooLarge(beginning, octets) => {
                        format!("too large: {} {octets}", shown(&beginning))
                    }
                });
            }
        }
        assert!(frames.input.is_empty() && frames.gathered.is_empty());
        seen
    }

    #[test]
    fn any_cut_gives_the_same_frames() {
        let xs = "x".repeat(60);
        let cases: [(String, &[&str]); 7] = [
            ("NOOP\r\nLOGOUT\n".to_owned(), &["NOOP []", "LOGOUT []"]),
            (
                "PUTSCRIPT {1+}\r\na {6+}\r\n{9+}\r\n\r\n\r\nNOOP\r\n".to_owned(),
                &[
                    "PUTSCRIPT {1+}\\r\\na {6+}\\r\\n{9+}\\r\\n [16..17, 24..30]",
                    " []",
                    "NOOP []",
                ],
            ),
            (
                "PUTSCRIPT \"a\" {9}\r\n".to_owned(),
                &["PUTSCRIPT \"a\" {9} []"],
            ),
            (
                format!("PUTSCRIPT \"a\" {{60+}}\r\n{xs}\r\nNOOP\r\n"),
                &["too large: PUTSCRIPT \"a\" {60+} 83", "NOOP []"],
            ),
            (
                format!("{xs} {{3+}}\r\nabc {{2+}}\r\n\r\n\r\nNOOP\r\n"),
                &["too large: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 81", "NOOP []"],
            ),
            (
                format!("{xs}\r\n{xs}"),
                &["too large: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 62"],
            ),
            ("{0+}\r\n".repeat(9) + "\r\n", &["too large: {0+} 56"]),
        ];
        for (input, expected) in cases {
            for cut in 1..=input.len() {
                let mut input = input.clone();
                if input.ends_with('x') {
                    input.truncate(62);
                }
                let seen = frames(input.as_bytes(), cut, Writer::Client);
                assert_eq!(seen, expected, "{input} cut every {cut}");
            }
        }
    }

    #[test]
    fn four_gigabytes_cost_no_memory() {
        let mut frames = Frames::new(Writer::Client);
        frames.extend(b"PUTSCRIPT \"a\" {99999999999999999999+}\r\n");
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..100 {
            assert_eq!(frames.next(60), Framed::Incomplete);
            assert!(frames.input.is_empty());
            frames.extend(&piece);
        }
    }

    #[test]
    fn a_servers_literals_have_no_plus() {
        let seen = frames(b"{3}\r\nabc\r\n{3+}\r\n", 2, Writer::Server);
        assert_eq!(seen, ["{3}\\r\\nabc [5..8]", "{3+} []"]);
    }
}
