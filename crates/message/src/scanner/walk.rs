//! The walk over a message's lines: headers field by field, bodies from delimiter to delimiter.
//!
//! Delimiters of all open multiparts are known at every moment (RFC 2046 §5.1.2), so that an outer
//! one ends everything inside it. Only lines that begin with `--` are looked at in a body.

mod header;

use std::sync::LazyLock;

use memchr::memmem::Finder;

use self::header::HeaderState;
use super::kind::{Media, Type};
use super::line::{Keep, Line, Place};
use super::{DELIMITER_OCTETS_MAX, octets_of};
use crate::leniency::Leniency;
use crate::outline::Limits;
use crate::table::{Entry, Kind, Table};

static DASHES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n--"));

#[derive(Debug)]
pub(super) struct Walk {
    pub(super) limits: Limits,
    pub(super) table: Table,
    /// The parts whose bodies are open, outermost first.
    open: Vec<Open>,
    /// The texts of the open multiparts' boundaries, one behind the other.
    boundaries: Vec<u8>,
    /// Open multiparts that wait for a delimiter.
    bounded: usize,
    /// Open parts whose lines are counted.
    counted: usize,
    mode: Mode,
    /// Octets of the message read.
    at: u64,
    /// Line ends among them, those left out that no open part counts.
    lines: u64,
    /// Octets of the line end before the line that begins here.
    line_end: u64,
    /// True in the middle of a line of a body.
    is_mid_line: bool,
    /// True if the last octet of a body was CR.
    after_cr: bool,
    /// Octets kept of the headers before this one.
    kept: usize,
    header: HeaderState,
    /// Octets looked at, every look counted.
    pub(super) steps: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Header,
    Body,
    /// Behind a delimiter: the next octet, if there is one, begins a part.
    Between,
}

/// A part whose body is open.
#[derive(Debug)]
struct Open {
    /// Its index in the table.
    part: usize,
    kind: Kind,
    body: Place,
    /// True if its lines are counted at present.
    counted: bool,
    /// Its boundary's place in [`Walk::boundaries`], while a delimiter is waited for.
    boundary: Option<(usize, usize)>,
    digest: bool,
    /// True if it has a part.
    filled: bool,
}

/// A delimiter line of the open part at this place in [`Walk::open`].
struct Delimiter {
    level: usize,
    close: bool,
}

impl Walk {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut walk = Self {
            limits: *limits,
            table: Table {
                parts: Vec::with_capacity(4),
                fields: Vec::with_capacity(32),
            },
            open: Vec::with_capacity(4),
            boundaries: Vec::new(),
            bounded: 0,
            counted: 0,
            mode: Mode::Header,
            at: 0,
            lines: 0,
            line_end: 0,
            is_mid_line: false,
            after_cr: false,
            kept: 0,
            header: HeaderState::default(),
            steps: 0,
        };
        walk.begin(0);
        walk
    }

    pub(super) fn is_in_header(&self) -> bool {
        self.mode == Mode::Header
    }

    /// Octets that have to be known of a line that begins here.
    pub(super) fn line_octets_max(&self) -> usize {
        if self.mode != Mode::Header || self.header.full {
            return DELIMITER_OCTETS_MAX;
        }
        let kept = self.kept.saturating_add(self.header.octets);
        let room = self.limits.header_octets_max.saturating_sub(kept);
        room.saturating_add(1).max(DELIMITER_OCTETS_MAX)
    }

    /// Reads what is whole of these octets and tells how many; the rest is a line that has begun.
    pub(super) fn run<K: Keep>(&mut self, keep: &mut K, octets: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            let rest = octets.get(taken..).unwrap_or_default();
            if rest.is_empty() {
                return taken;
            }
            match self.mode {
                Mode::Between => self.begin(self.at),
                Mode::Header => {
                    let Some(lf) = memchr::memchr(b'\n', rest) else {
                        self.step(rest.len());
                        return taken;
                    };
                    self.header_line(keep, Line::of(rest.get(..=lf).unwrap_or_default()));
                    taken += lf + 1;
                }
                Mode::Body => match self.body(rest) {
                    (read, true) => taken += read,
                    (read, false) => return taken + read,
                },
            }
        }
    }

    /// Reads one line that is whole.
    pub(super) fn line<K: Keep>(&mut self, keep: &mut K, line: Line<'_>) {
        if self.mode == Mode::Header {
            self.header_line(keep, line);
        } else if let Some(delimiter) = self.delimiter(line) {
            self.delimit(&delimiter, line);
        } else {
            self.pass_line(line);
        }
    }

    /// Passes the beginning of a line of a body that is no delimiter.
    pub(super) fn middle(&mut self, octets: &[u8]) {
        self.pass(octets);
        self.is_mid_line = true;
    }

    /// Ends the message with the line that has begun.
    pub(super) fn end<K: Keep>(&mut self, keep: &mut K, last: Line<'_>) {
        if last.octets > 0 {
            self.line(keep, last);
            if self.mode == Mode::Header {
                self.note(Leniency::HeaderUnended);
            }
        }
        let end = self.here();
        while self.mode == Mode::Header {
            self.end_header(keep, end);
        }
        self.close(0, end);
    }

    fn open_body(&mut self, kind: Kind, type_: &Type, body: Place) {
        let counted = kind != Kind::Leaf || type_.media == Media::Text;
        self.counted += usize::from(counted);
        let mut boundary = None;
        if kind == Kind::Multipart && !type_.boundary.is_empty() {
            let start = self.boundaries.len();
            self.boundaries.extend_from_slice(&type_.boundary);
            boundary = Some((start, self.boundaries.len()));
            self.bounded += 1;
        }
        self.open.push(Open {
            part: self.table.parts.len().saturating_sub(1),
            kind,
            body,
            counted,
            boundary,
            digest: type_.digest,
            filled: false,
        });
        self.is_mid_line = false;
        self.mode = Mode::Body;
        if kind == Kind::Message {
            self.begin(body.at);
        }
    }

    /// Begins a part in what is open.
    fn begin(&mut self, at: u64) {
        let depth = self.open.len();
        let mut part = Entry {
            at,
            kept_at: offset(self.kept),
            fields_at: offset(self.table.fields.len()),
            depth: u16::try_from(depth).unwrap_or(u16::MAX),
            ..Entry::default()
        };
        if let Some(around) = self.open.last_mut() {
            part.parent = offset(around.part);
            part.in_digest = around.digest;
            around.filled = true;
            if around.kind == Kind::Multipart && around.counted {
                around.counted = false;
                self.counted = self.counted.saturating_sub(1);
            }
        }
        self.table.parts.push(part);
        self.header = HeaderState::default();
        self.mode = Mode::Header;
    }

    /// Reads on in a body: how far, and false if the line there has to be whole first.
    fn body(&mut self, octets: &[u8]) -> (usize, bool) {
        let mut taken = 0;
        loop {
            let rest = octets.get(taken..).unwrap_or_default();
            if self.bounded == 0 {
                self.middle(rest);
                return (octets.len(), true);
            }
            if !self.is_mid_line {
                if rest.len() < 2 && b"--".starts_with(rest) {
                    return (taken, false);
                }
                if rest.starts_with(b"--") {
                    let head = rest.get(..DELIMITER_OCTETS_MAX).unwrap_or(rest);
                    let lf = memchr::memchr(b'\n', head);
                    self.step(lf.unwrap_or(head.len()));
                    let Some(lf) = lf else {
                        if head.len() < DELIMITER_OCTETS_MAX {
                            return (taken, false);
                        }
                        self.middle(head);
                        taken += head.len();
                        continue;
                    };
                    let line = Line::of(head.get(..=lf).unwrap_or_default());
                    if let Some(delimiter) = self.delimiter(line) {
                        self.delimit(&delimiter, line);
                        return (taken + lf + 1, true);
                    }
                    self.middle(head.get(..lf).unwrap_or_default());
                    taken += lf;
                    continue;
                }
            }
            let Some(lf) = DASHES.find(rest) else {
                let (read, line_begins) = last_line(rest);
                self.pass_to(rest.get(..read).unwrap_or_default(), line_begins);
                return (taken + read, !line_begins);
            };
            self.pass_to(rest.get(..=lf).unwrap_or_default(), true);
            taken += lf + 1;
        }
    }

    /// The delimiter that this line is, innermost multipart first.
    fn delimiter(&mut self, line: Line<'_>) -> Option<Delimiter> {
        let most = u64::try_from(DELIMITER_OCTETS_MAX).unwrap_or(u64::MAX);
        if self.bounded == 0 || line.octets > most {
            return None;
        }
        let text = line.head.strip_prefix(b"--")?;
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let mut text = text.strip_suffix(b"\r").unwrap_or(text);
        // RFC 2046 §5.1.1: transport padding.
        while let [before @ .., b' ' | b'\t'] = text {
            text = before;
        }
        let closing = text.strip_suffix(b"--");
        let mut steps = text.len();
        let mut levels = self.open.iter().enumerate().rev();
        let found = levels.find_map(|(level, open)| {
            let (start, end) = open.boundary?;
            let boundary = self.boundaries.get(start..end);
            // Texts of other lengths differ without a look at them.
            let alike = |text: &&[u8]| text.len() == end - start;
            let looks = [Some(text), closing].into_iter().flatten().filter(alike);
            steps += 1 + looks.count() * (end - start);
            let close = boundary != Some(text);
            (!close || boundary == closing).then_some(Delimiter { level, close })
        });
        self.step(steps);
        found
    }

    /// Ends what a delimiter line ends.
    fn delimit(&mut self, delimiter: &Delimiter, line: Line<'_>) {
        self.close(delimiter.level + 1, self.before_line_end());
        self.pass_line(line);
        self.mode = Mode::Body;
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let full = self.table.parts.len() >= self.limits.parts_max;
        if let Some(part) = self.table.parts.get_mut(open.part) {
            if line.end == 1 {
                part.leniencies.add(Leniency::BareLf);
            }
            if full && !delimiter.close {
                part.leniencies.add(Leniency::Unopened);
            }
        }
        if delimiter.close {
            if let Some((start, _)) = open.boundary.take() {
                self.boundaries.truncate(start);
                self.bounded = self.bounded.saturating_sub(1);
            }
        } else if !full {
            self.mode = Mode::Between;
        }
    }

    /// Closes all but the outermost `left` open parts, at this place or where their bodies begin.
    fn close(&mut self, left: usize, end: Place) {
        let mut end = end;
        while self.open.len() > left {
            let Some(open) = self.open.pop() else {
                return;
            };
            self.step(1);
            if end.at < open.body.at {
                end = open.body;
            }
            self.counted = self.counted.saturating_sub(usize::from(open.counted));
            let octets = end.at.saturating_sub(open.body.at);
            let lines = end.lines.saturating_sub(open.body.lines);
            let lines = if open.counted { lines } else { 0 };
            let multipart = open.kind == Kind::Multipart;
            let mut next = self.table.parts.len();
            if multipart && !open.filled {
                next += 1;
                self.table.parts.push(Entry {
                    at: open.body.at,
                    body_len: octets,
                    lines,
                    kept_at: offset(self.kept),
                    fields_at: offset(self.table.fields.len()),
                    parent: offset(open.part),
                    next: offset(next),
                    depth: u16::try_from(self.open.len() + 1).unwrap_or(u16::MAX),
                    ..Entry::default()
                });
            }
            if let Some((start, _)) = open.boundary {
                self.boundaries.truncate(start);
                self.bounded = self.bounded.saturating_sub(1);
            }
            let Some(part) = self.table.parts.get_mut(open.part) else {
                continue;
            };
            part.body_len = octets;
            part.lines = if multipart { 0 } else { lines };
            part.next = offset(next);
            if open.boundary.is_some() {
                part.leniencies.add(Leniency::Unclosed);
            }
            if multipart && !open.filled {
                part.leniencies.add(Leniency::Implied);
            }
        }
    }

    /// Passes octets of a body, to the beginning of a line or into the middle of one.
    fn pass_to(&mut self, octets: &[u8], line_begins: bool) {
        if line_begins {
            let cr = match octets {
                [.., b'\r', _] => true,
                [_] => self.after_cr,
                _ => false,
            };
            self.line_end = 1 + u64::from(cr);
        }
        self.pass(octets);
        self.is_mid_line = !line_begins;
    }

    fn pass(&mut self, octets: &[u8]) {
        if let Some(&last) = octets.last() {
            self.after_cr = last == b'\r';
        }
        self.at = self.at.saturating_add(octets_of(octets));
        self.step(octets.len());
        if self.counted > 0 {
            let lines = memchr::memchr_iter(b'\n', octets).count();
            self.lines += u64::try_from(lines).unwrap_or(u64::MAX);
        }
    }

    fn pass_line(&mut self, line: Line<'_>) {
        self.at = self.at.saturating_add(line.octets);
        self.lines += u64::from(line.end > 0);
        self.line_end = line.end;
        self.is_mid_line = false;
        self.after_cr = false;
    }

    const fn here(&self) -> Place {
        Place {
            at: self.at,
            lines: self.lines,
        }
    }

    /// Where the line before this one ends, its line end not counted.
    const fn before_line_end(&self) -> Place {
        Place {
            at: self.at.saturating_sub(self.line_end),
            lines: self.lines.saturating_sub((self.line_end > 0) as u64),
        }
    }

    /// Counts octets looked at, for the law that time is linear.
    pub(super) fn step(&mut self, octets: usize) {
        self.steps += u64::try_from(octets).unwrap_or(u64::MAX).saturating_add(1);
    }
}

/// The largest offset a table holds of the headers kept and of its own lists.
const OFFSETS_MAX: usize = 1 << 31;

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// How much of a body's last octets can be passed, and whether a line begins there that may be a
/// delimiter.
fn last_line(octets: &[u8]) -> (usize, bool) {
    match octets {
        [.., b'\n'] => (octets.len(), true),
        [before @ .., b'\n', b'-'] => (before.len() + 1, true),
        _ => (octets.len(), false),
    }
}
