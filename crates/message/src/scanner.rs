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
            let kept = begun.len().min(self.walk.line_octets_max());
            self.line.extend(begun.iter().take(kept));
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
            octets.get(..room).unwrap_or(octets)
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
            self.line.extend(octets.iter().take(room));
            self.line_octets += octets_of(octets);
            return &[];
        };
        let (piece, rest) = octets.split_at_checked(lf + 1).unwrap_or((octets, &[]));
        let cr = match piece {
            [.., b'\r', _] => true,
            [_] => self.after_cr,
            _ => false,
        };
        self.line.extend(piece.iter().take(room));
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
