//! Writes an mbox, piece by piece.

use super::fields::{self, Fields};
use super::{Envelope, FROM, LineEnds, Variant};

/// Digits for a length that is known only when the body has passed.
const LENGTH_DIGITS: usize = 20;

/// Octets that are to be written over what was written before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Octets of the file before the place.
    pub at: u64,
    /// What belongs there.
    pub octets: Vec<u8>,
}

/// A file on its way out. What it gives is to be written one after the other.
#[derive(Debug)]
pub struct Writer {
    variant: Variant,
    line_ends: LineEnds,
    /// Octets of the file so far.
    at: u64,
    fields: Option<Fields>,
    /// In the header, or behind it.
    header: bool,
    /// The beginning of the line behind its `>`, as long as it is not known what it is.
    start: Vec<u8>,
    /// The line begins with `>`.
    quoted: bool,
    /// Behind the beginning of a line.
    inside: bool,
    /// A CR that belongs to the line's end, if that comes.
    cr: bool,
    /// Where the body's length belongs, and where the body begins.
    length: Option<(u64, u64)>,
}

impl Writer {
    /// A writer behind so many octets of the file.
    #[must_use]
    pub const fn new(variant: Variant, line_ends: LineEnds, at: u64) -> Self {
        Self {
            variant,
            line_ends,
            at,
            fields: None,
            header: true,
            start: Vec::new(),
            quoted: false,
            inside: false,
            cr: false,
            length: None,
        }
    }

    /// Begins a message. With `fields` they are written at the end of its header.
    pub fn begin(&mut self, envelope: &Envelope, fields: Option<Fields>, out: &mut Vec<u8>) {
        let before = out.len();
        envelope.write(out);
        self.count(before, out);
        self.fields = fields;
        self.header = true;
        self.inside = false;
        self.cr = false;
        self.length = None;
    }

    /// Adds octets of the message.
    pub fn octets(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        let mut rest = octets;
        while !rest.is_empty() {
            if !self.inside {
                rest = self.line_start(rest, (before, &mut *out));
                continue;
            }
            let lf = memchr::memchr(b'\n', rest);
            let (text, behind) = rest
                .split_at_checked(lf.unwrap_or(rest.len()))
                .unwrap_or_default();
            rest = behind.get(usize::from(lf.is_some())..).unwrap_or_default();
            self.text(text, out);
            if lf.is_some() {
                self.line_end(out);
                self.inside = false;
            }
        }
        self.count(before, out);
    }

    /// Ends the message.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Option<Patch> {
        let before = out.len();
        if !self.start.is_empty() || self.quoted {
            let start = std::mem::take(&mut self.start);
            self.begin_line(&start, out);
        }
        if std::mem::take(&mut self.cr) {
            out.push(b'\r');
            self.inside = true;
        }
        // A last line without its end gets one: the next message begins on a line of its own.
        if std::mem::take(&mut self.inside) {
            out.push(b'\n');
        }
        if self.header
            && let Some(fields) = self.fields.take()
        {
            fields.write(out);
        }
        let body_end = self.behind(before, out);
        out.push(b'\n');
        self.count(before, out);
        self.length.take().map(|(at, body)| {
            let octets = body_end.saturating_sub(body);
            Patch {
                at,
                octets: format!("{octets:LENGTH_DIGITS$}").into_bytes(),
            }
        })
    }

    /// Gathers the beginning of a line; gives back what is behind it.
    fn line_start<'a>(
        &mut self,
        octets: &'a [u8],
        (before, out): (usize, &mut Vec<u8>),
    ) -> &'a [u8] {
        let mut rest = octets;
        while let Some((&octet, behind)) = rest.split_first() {
            if self.start.is_empty() && octet == b'>' {
                // One more of them may have to come: where makes no difference.
                out.push(octet);
                self.quoted = true;
                rest = behind;
                continue;
            }
            let is_blank = self.is_blank(octet);
            if FROM.get(self.start.len()) != Some(&octet) && !is_blank {
                break;
            }
            self.start.push(octet);
            rest = behind;
            if is_blank && octet == b'\n' {
                self.header_end(before, out);
                return rest;
            }
            if self.start == FROM {
                break;
            }
        }
        if rest.is_empty() && self.start != FROM {
            return rest;
        }
        let start = std::mem::take(&mut self.start);
        self.begin_line(&start, out);
        rest
    }

    /// True if this octet goes on with the empty line behind a header.
    fn is_blank(&self, octet: u8) -> bool {
        let here = self.header && !self.quoted;
        here && match self.start.as_slice() {
            [] => matches!(octet, b'\r' | b'\n'),
            b"\r" => octet == b'\n',
            _ => false,
        }
    }

    /// Writes the beginning of a line, with a `>` before it where that is needed.
    fn begin_line(&mut self, start: &[u8], out: &mut Vec<u8>) {
        let applies = self.variant != Variant::Mboxo || !self.quoted;
        if start == FROM && applies && (self.header || self.variant.quotes()) {
            out.push(b'>');
        }
        self.quoted = false;
        self.inside = true;
        self.text(start, out);
    }

    /// The empty line has come: what belongs before it, then the line.
    fn header_end(&mut self, before: usize, out: &mut Vec<u8>) {
        if let Some(fields) = self.fields.take() {
            fields.write(out);
        }
        if self.variant.counts() {
            out.extend_from_slice(fields::LENGTH.as_bytes());
            out.extend_from_slice(b": ");
            let at = self.behind(before, out);
            out.extend_from_slice(&[b' '; LENGTH_DIGITS]);
            out.push(b'\n');
            self.length = Some((at, 0));
        }
        let blank = std::mem::take(&mut self.start);
        match self.line_ends {
            LineEnds::Native => out.push(b'\n'),
            LineEnds::Kept => out.extend_from_slice(&blank),
        }
        let body = self.behind(before, out);
        self.length = self.length.map(|(at, _)| (at, body));
        self.header = false;
    }

    /// Writes octets within a line.
    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if std::mem::take(&mut self.cr) {
            out.push(b'\r');
        }
        let held = text.strip_suffix(b"\r");
        match held.filter(|_| self.line_ends == LineEnds::Native) {
            Some(text) => {
                out.extend_from_slice(text);
                self.cr = true;
            }
            None => out.extend_from_slice(text),
        }
    }

    fn line_end(&mut self, out: &mut Vec<u8>) {
        self.cr = false;
        out.push(b'\n');
    }

    /// Octets of the file behind what has been put out.
    fn behind(&self, before: usize, out: &[u8]) -> u64 {
        let more = u64::try_from(out.len() - before).unwrap_or(u64::MAX);
        self.at.saturating_add(more)
    }

    fn count(&mut self, before: usize, out: &[u8]) {
        self.at = self.behind(before, out);
    }
}
