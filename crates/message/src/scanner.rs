//! Reads a message into its table in one pass: whole, or piece by piece as it arrives.
//!
//! Both ways are one algorithm (`scanner/walk.rs`) and give one result, wherever the pieces are
//! cut. A scanner keeps no body: only header fields ([`Limits::header_octets_max`]) and the
//! beginning of the line it is in. Not here: what the fields mean.

mod kind;
mod line;
mod walk;

use self::line::{Keep, Line};
use self::walk::Walk;
use crate::outline::{Limits, Outline};
use crate::table::{Table, Text};

/// Octets a delimiter line may have with its line end: what any line may have (RFC 5322 §2.1.1).
pub const DELIMITER_OCTETS_MAX: usize = 1000;

/// Takes a message as it arrives; its table is there when its last octet is.
///
/// ```
/// let mut scanner = message::Scanner::new(&message::Limits::HOUSE);
/// for piece in [&b"Subject: Tea\r\nContent-Type: mul"[..], b"tipart/mixed; boundary=b\r\n\r",
///     b"\n--b\r\n\r\none\r\n-", b"-b\r\n\r\ntwo\r\n--b--\r\n"] {
///     scanner.push(piece);
/// }
/// let scanned = scanner.finish();
/// assert_eq!(scanned.table.parts().len(), 3);
/// assert_eq!(scanned.outline().digest.subject_text(), "Tea");
/// ```
#[derive(Debug)]
pub struct Scanner {
    walk: Walk,
    headers: Headers,
    /// The first octets of the line that has begun, all that matter of it.
    line: Vec<u8>,
    /// Octets of that line.
    line_octets: u64,
    /// True if the last octet was CR.
    after_cr: bool,
}

/// What a scanner read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Where everything is.
    pub table: Table,
    /// The headers that were kept, for [`Text::Headers`].
    pub headers: Vec<u8>,
    limits: Limits,
}

impl Scanner {
    /// Begins a message.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            walk: Walk::new(limits),
            headers: Headers(Vec::new()),
            line: Vec::new(),
            line_octets: 0,
            after_cr: false,
        }
    }

    /// Takes the next octets.
    pub fn push(&mut self, octets: &[u8]) {
        let rest = if self.line_octets == 0 {
            octets
        } else {
            self.go_on(octets)
        };
        let taken = self.walk.run(&mut self.headers, rest);
        let begun = rest.get(taken..).unwrap_or_default();
        if !begun.is_empty() {
            let most = self.walk.line_octets_max();
            self.line.extend_from_slice(first(begun, most));
            self.line_octets = octets_of(begun);
        }
        if let Some(&last) = octets.last() {
            self.after_cr = last == b'\r';
        }
    }

    /// Ends the message.
    #[must_use]
    pub fn finish(mut self) -> Scanned {
        let line = Line {
            head: &self.line,
            octets: self.line_octets,
            end: 0,
        };
        self.walk.end(&mut self.headers, line);
        Scanned {
            limits: self.walk.limits,
            table: self.walk.table,
            headers: self.headers.0,
        }
    }

    /// Octets of memory it takes.
    #[must_use]
    pub const fn memory_octets(&self) -> usize {
        self.walk.table.memory_octets() + self.headers.0.capacity() + self.line.capacity()
    }

    /// Octets looked at so far, every look counted: at most a small multiple of the octets pushed.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.walk.steps
    }

    /// Goes on with the line that has begun; gives back what is behind it.
    fn go_on<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let room = self.walk.line_octets_max().saturating_sub(self.line.len());
        // In a body nothing matters of a line that is too long for a delimiter.
        let looked_at = if self.walk.is_in_header() {
            octets
        } else {
            first(octets, room)
        };
        let found = memchr::memchr(b'\n', looked_at);
        self.walk.step(found.unwrap_or(looked_at.len()));
        let Some(lf) = found else {
            if !self.walk.is_in_header() && octets.len() >= room {
                self.walk.middle(&self.line);
                self.line.clear();
                self.line_octets = 0;
                return octets;
            }
            self.line.extend_from_slice(first(octets, room));
            self.line_octets += octets_of(octets);
            return &[];
        };
        let (piece, rest) = octets.split_at_checked(lf + 1).unwrap_or((octets, &[]));
        let cr = match piece {
            [.., b'\r', _] => true,
            [_] => self.after_cr,
            _ => false,
        };
        self.line.extend_from_slice(first(piece, room));
        let line = Line {
            head: &self.line,
            octets: self.line_octets + octets_of(piece),
            end: 1 + u64::from(cr),
        };
        self.walk.line(&mut self.headers, line);
        self.line.clear();
        self.line_octets = 0;
        rest
    }
}

impl Scanned {
    /// The text that the table belongs to.
    #[must_use]
    pub const fn text(&self) -> Text<'_> {
        Text::Headers(self.headers.as_slice())
    }

    /// The outline of the message.
    #[must_use]
    pub fn outline(&self) -> Outline {
        Outline::of_table(&self.table, self.text(), &self.limits)
    }
}

/// Reads a message that is there whole.
pub(crate) fn whole(message: &[u8], limits: &Limits) -> Table {
    let mut walk = Walk::new(limits);
    let mut text = Whole(message);
    let taken = walk.run(&mut text, message);
    let last = message.get(taken..).unwrap_or_default();
    walk.end(&mut text, Line::of(last));
    walk.table
}

/// The first so many octets, or all.
fn first(octets: &[u8], most: usize) -> &[u8] {
    octets.get(..most).unwrap_or(octets)
}

fn octets_of(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}

/// A message that is in memory: nothing has to be kept of it.
struct Whole<'a>(&'a [u8]);

impl Keep for Whole<'_> {
    fn keep(&mut self, _: &[u8]) {}

    fn cut(&mut self, _: usize) {}

    fn text(&self) -> Text<'_> {
        Text::Message(self.0)
    }
}

/// The headers of a message that passes.
#[derive(Debug)]
struct Headers(Vec<u8>);

impl Keep for Headers {
    fn keep(&mut self, line: &[u8]) {
        self.0.extend_from_slice(line);
    }

    fn cut(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn text(&self) -> Text<'_> {
        Text::Headers(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets looked at, if the message comes in pieces of this size.
    fn steps(message: &[u8], piece: usize) -> u64 {
        let mut scanner = Scanner::new(&Limits::HOUSE);
        for piece in message.chunks(piece) {
            scanner.push(piece);
        }
        scanner.steps()
    }

    fn boundary(level: usize) -> String {
        format!("boundary-of-one-length-{level:04}")
    }

    /// Multiparts in one another, as deep as is opened, each with this many octets of header more.
    fn nested(levels: usize) -> String {
        let part = |level| {
            let boundary = boundary(level);
            format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n")
        };
        (0..levels).map(part).collect()
    }

    #[test]
    fn steps_grow_as_the_octets_do() {
        let mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
        let near = boundary(9999);
        type Shape = (&'static str, u64, Box<dyn Fn(usize) -> String>);
        // With each, octets looked at for one octet of the message; at most.
        let shapes: [Shape; 13] = [
            (
                "parts",
                4,
                Box::new(|n| mixed.to_owned() + &"--b\r\nA: b\r\n\r\nx\r\n".repeat(n)),
            ),
            (
                "empty parts",
                6,
                Box::new(|n| mixed.to_owned() + &"--b\r\n".repeat(n)),
            ),
            ("nested", 30, Box::new(nested)),
            (
                "enclosed",
                3,
                Box::new(|n| "Content-Type: message/rfc822\r\n\r\n".repeat(n)),
            ),
            (
                "digests",
                4,
                Box::new(|n| {
                    "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n".repeat(n)
                }),
            ),
            (
                "dashes in 64",
                70,
                Box::new(|n| nested(64) + &"--\r\n".repeat(n)),
            ),
            ("near delimiters in 64", 70, {
                let near = format!("--{near}--\r\n");
                Box::new(move |n| nested(64) + &near.repeat(n))
            }),
            ("padded near delimiters", 70, {
                let near = format!("--{near}{}x\r\n", " \t".repeat(400));
                Box::new(move |n| nested(64) + &near.repeat(n / 8))
            }),
            ("fields", 4, Box::new(|n| "a: b\r\n".repeat(n))),
            ("no fields", 4, Box::new(|n| "a\r\n".repeat(n))),
            ("one endless line", 3, Box::new(|n| "x".repeat(8 * n))),
            (
                "one endless dashed line",
                5,
                Box::new(|n| mixed.to_owned() + &"-".repeat(8 * n)),
            ),
            (
                "one folded field",
                4,
                Box::new(|n| "a: b\r\n".to_owned() + &" c\r\n".repeat(n)),
            ),
        ];
        for (name, factor, shape) in shapes {
            for piece in [1, 17, 4096, usize::MAX] {
                let mut before = None;
                for size in [2000, 4000, 8000] {
                    let message = shape(size);
                    let octets = octets_of(message.as_bytes());
                    let steps = steps(message.as_bytes(), piece);
                    assert!(
                        steps <= factor * octets,
                        "{name}: {steps} for {octets}, {piece}"
                    );
                    let most = before.map_or(u64::MAX, |before| before * 21 / 10 + 1000);
                    assert!(steps <= most, "{name}: {steps} after {before:?}, {piece}");
                    before = Some(steps);
                }
            }
        }
    }

    #[test]
    fn what_a_scanner_keeps_is_bounded() {
        let limits = Limits {
            header_octets_max: 10_000,
            ..Limits::HOUSE
        };
        for piece in [
            &b"x"[..],
            b"x: y\r\n",
            b" x\r\n",
            b"--b\r\n\r\n",
            b"--b",
            b"\r\n--",
        ] {
            for start in ["", "Content-Type: multipart/mixed; boundary=b\r\n\r\n"] {
                let mut scanner = Scanner::new(&limits);
                scanner.push(start.as_bytes());
                for _ in 0..200 {
                    scanner.push(&piece.repeat(1000));
                    let own = scanner.headers.0.capacity() + scanner.line.capacity();
                    assert!(own <= 4 * limits.header_octets_max, "{own}");
                    // Parts and fields have limits of their own.
                    assert!(scanner.memory_octets() <= 2 * 64 * 16_384 + 2 * 16 * 65_536);
                }
            }
        }
    }
}
