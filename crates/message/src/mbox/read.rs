//! Reads an mbox as it comes, piece by piece.

use bytes::{Buf as _, Bytes, BytesMut};

use super::fields::{self, Fields};
use super::{Envelope, FROM, LineEnds, Storing, Variant};
use crate::header::Header;

/// Octets of a header that are looked at for fields; a longer one passes as it is.
const HEADER_OCTETS_MAX: usize = 1024 * 1024;
/// Octets of a line that may be the one before a message.
const FROM_LINE_OCTETS_MAX: usize = 1000;
/// Octets of one piece of a message, about.
const PIECE_OCTETS_MAX: usize = 64 * 1024;

/// What the reader says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It wants more of the file, or to hear that there is no more.
    Feed,
    /// It wants to know up to [`Reader::PEEK_OCTETS`] octets at this place of the file; answered
    /// by [`Reader::peeked`].
    Peek(u64),
    /// A message begins.
    Begin(Box<Begin>),
    /// Octets of the message.
    Octets(Bytes),
    /// The message has come to its end; the next one is to be looked for from this octet of the
    /// file on.
    End(u64),
    /// There are no more messages.
    Over,
}

/// The beginning of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begin {
    /// Octets of the file before it.
    pub at: u64,
    /// The line before it.
    pub envelope: Envelope,
    /// What was read of it, where this is wanted.
    pub fields: Fields,
    /// Its header without the empty line: the message's first octets, given here and not again.
    /// Empty if it is too long to be looked at.
    pub header: Bytes,
}

/// A file on its way in.
#[derive(Debug)]
pub struct Reader {
    variant: Option<Variant>,
    line_ends: LineEnds,
    storing: Storing,
    input: BytesMut,
    /// Octets of the file before the input.
    at: u64,
    ended: bool,
    state: State,
    /// The body's length, if it has been looked whether it is right.
    peeked: Option<Option<u64>>,
    /// Within a line that begins no message.
    skips: bool,
    /// Octets that belong to no message.
    astray: u64,
    evidence: Evidence,
}

#[derive(Debug, Default)]
enum State {
    /// Before the line that begins a message.
    #[default]
    Between,
    /// In a header.
    Header(Head),
    /// Somebody looks whether a message ends where its header says.
    Peeking(Head, Length),
    /// In a body.
    Body(Body),
}

/// A header, which is in the input up to where it has been looked at.
#[derive(Debug, Default)]
struct Head {
    at: u64,
    envelope: Envelope,
    /// Where the next line begins.
    line: usize,
}

/// What a header says of the body: where that begins behind an empty line, and its octets.
#[derive(Clone, Copy, Debug)]
struct Length {
    blank: usize,
    octets: u64,
}

/// A place in a body.
#[derive(Debug, Default)]
struct Body {
    /// Octets of the body that are still to come, if that is known.
    left: Option<u64>,
    /// An empty line that may be the one behind the message.
    held: Option<&'static [u8]>,
    /// Not at the beginning of a line.
    inside: bool,
    /// A `>` at the beginning of the line that may have to go.
    quoted: bool,
    /// The last octet given was CR.
    cr: bool,
}

/// What was seen that tells one variant from another.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    /// Messages that were as long as they said.
    counted: bool,
    /// Lines that begin with `From ` in them.
    bare: bool,
    /// Lines that begin with `>From ` in them.
    quoted: bool,
}

/// What stands at the beginning of a line.
enum Start {
    /// It is not known yet.
    Unknown,
    /// The message's end.
    End,
    /// A line of the message, or a part of it, that has been passed over.
    Line,
}

impl Reader {
    /// Octets that have to be known for [`Step::Peek`]; fewer at the end of the file.
    pub const PEEK_OCTETS: usize = 7;

    /// A reader that begins where so many octets of the file have been read. Without a variant
    /// lengths are believed where they are right, and lines unquoted where there are none.
    #[must_use]
    pub fn new(variant: Option<Variant>, line_ends: LineEnds, storing: Storing, at: u64) -> Self {
        Self {
            variant,
            line_ends,
            storing,
            input: BytesMut::new(),
            at,
            ended: false,
            state: State::Between,
            peeked: None,
            skips: false,
            astray: 0,
            evidence: Evidence::default(),
        }
    }

    /// Takes a piece of the file; an empty one says that there is no more.
    pub fn feed(&mut self, octets: &[u8]) {
        self.ended |= octets.is_empty();
        self.input.extend_from_slice(octets);
    }

    /// Octets that stood before the first message, or behind one that was as long as it said.
    #[must_use]
    pub const fn astray(&self) -> u64 {
        self.astray
    }

    /// The variant that the messages read so far speak for.
    #[must_use]
    pub const fn recognised(&self) -> Variant {
        match self.evidence {
            Evidence { counted: false, .. } => Variant::Mboxrd,
            Evidence { bare: true, .. } => Variant::Mboxcl2,
            Evidence { quoted: true, .. } => Variant::Mboxcl,
            Evidence { .. } => Variant::Mboxcl2,
        }
    }

    /// What it says next.
    pub fn step(&mut self) -> Step {
        loop {
            let step = match std::mem::take(&mut self.state) {
                State::Between => self.between(),
                State::Header(head) => self.header(head),
                State::Peeking(head, length) => {
                    let body = offset(self.at, head.line + length.blank);
                    self.state = State::Peeking(head, length);
                    Some(Step::Peek(body.saturating_add(length.octets)))
                }
                State::Body(body) => self.body(body),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Tells what stands at the place that was asked for; nothing, where that cannot be known.
    pub fn peeked(&mut self, octets: Option<&[u8]>) {
        match std::mem::take(&mut self.state) {
            State::Peeking(head, length) => {
                let left = octets.is_some_and(is_end).then_some(length.octets);
                self.evidence.counted |= left.is_some();
                self.peeked = Some(left);
                self.state = State::Header(head);
            }
            other => self.state = other,
        }
    }

    fn consume(&mut self, octets: usize) {
        self.input.advance(octets.min(self.input.len()));
        self.at = offset(self.at, octets);
    }

    /// The octets of the line that begins here; at the end of the file what is left.
    fn line(&self, at: usize) -> Option<usize> {
        let rest = self.input.get(at..).unwrap_or_default();
        match memchr::memchr(b'\n', rest) {
            Some(lf) => Some(lf + 1),
            None => self.ended.then_some(rest.len()),
        }
    }

    /// Looks for the line that begins a message.
    fn between(&mut self) -> Option<Step> {
        let Some(len) = self.line(0) else {
            // No line that begins a message is so long.
            if self.skips || self.input.len() > FROM_LINE_OCTETS_MAX {
                self.astray = offset(self.astray, self.input.len());
                self.skips = true;
                self.consume(self.input.len());
            }
            return Some(Step::Feed);
        };
        if len == 0 {
            return Some(Step::Over);
        }
        let fits = len <= FROM_LINE_OCTETS_MAX && !std::mem::take(&mut self.skips);
        let line = trimmed(self.input.get(..len).unwrap_or_default());
        if let Some(envelope) = Envelope::parse(line).filter(|_| fits) {
            self.state = State::Header(Head {
                at: self.at,
                envelope,
                line: 0,
            });
        } else if !line.is_empty() {
            self.astray = offset(self.astray, len);
        }
        self.consume(len);
        None
    }

    /// Reads lines up to the one that ends the header.
    fn header(&mut self, mut head: Head) -> Option<Step> {
        loop {
            let line = self.line(head.line);
            if line.map_or(self.input.len(), |len| head.line + len) > HEADER_OCTETS_MAX {
                head.line = 0;
                return Some(self.begin(head, Body::default()));
            }
            let Some(len) = line else {
                self.state = State::Header(head);
                return Some(Step::Feed);
            };
            let rest = self.input.get(head.line..).unwrap_or_default();
            let line = trimmed(rest.get(..len).unwrap_or_default());
            if len == 0 || Envelope::is_dated(line) {
                return Some(self.begin(head, Body::default()));
            }
            if !line.is_empty() {
                head.line += len;
                continue;
            }
            let counts = self.variant.is_none_or(Variant::counts);
            let left = match self.peeked.take() {
                Some(left) => left,
                None if counts && let Some(octets) = self.length(head.line) => {
                    self.state = State::Peeking(head, Length { blank: len, octets });
                    return None;
                }
                None => None,
            };
            let body = Body {
                left,
                held: Some(if len == 1 { b"\n" } else { b"\r\n" }),
                ..Body::default()
            };
            return Some(self.begin(head, body));
        }
    }

    /// What the header says of the body's length.
    fn length(&self, header: usize) -> Option<u64> {
        let header = self.input.get(..header).unwrap_or_default();
        let field = Header::parse(header).filter(|field| field.is(fields::LENGTH));
        let field = field.last()?;
        let value = field.unfolded();
        std::str::from_utf8(&value).ok()?.trim().parse().ok()
    }

    /// Gives the header, and goes on with the body behind it.
    fn begin(&mut self, head: Head, body: Body) -> Step {
        let raw = self.input.get(..head.line).unwrap_or_default();
        let mut header = Vec::with_capacity(raw.len() + raw.len() / 32);
        let taken = self.storing == Storing::Taken;
        let counted = body.left.is_some();
        let mut lines = Header::parse(raw);
        while let Some(raw) = lines.raw_line() {
            let last = lines.offset() == head.line;
            let field = Header::parse(raw).next();
            let goes = field.is_some_and(|field| {
                (taken && fields::is_one(&field)) || (counted && last && field.is(fields::LENGTH))
            });
            if !goes {
                self.header_lines(raw, &mut header);
            }
        }
        let fields = match taken {
            true => Fields::read(raw),
            false => Fields::default(),
        };
        self.consume(head.line + body.held.map_or(0, <[u8]>::len));
        self.state = State::Body(body);
        Step::Begin(Box::new(Begin {
            at: head.at,
            envelope: head.envelope,
            fields,
            header: header.into(),
        }))
    }

    /// Headers are quoted in all variants: no length helps before it is read.
    fn header_lines(&self, raw: &[u8], out: &mut Vec<u8>) {
        for line in raw.split_inclusive(|octet| *octet == b'\n') {
            let quotes = line.iter().take_while(|octet| **octet == b'>').count();
            let quoted = line
                .get(quotes..)
                .is_some_and(|rest| rest.starts_with(FROM));
            let unquote = quotes > 0 && quoted && self.variant != Some(Variant::Mboxo);
            let line = line.get(usize::from(unquote)..).unwrap_or_default();
            match (self.line_ends, line.strip_suffix(b"\n")) {
                (LineEnds::Native, Some(text)) if !text.ends_with(b"\r") => {
                    out.extend_from_slice(text);
                    out.extend_from_slice(b"\r\n");
                }
                _ => out.extend_from_slice(line),
            }
        }
    }

    /// Gives the next piece of a body, or its end.
    fn body(&mut self, mut body: Body) -> Option<Step> {
        let mut out = Vec::new();
        loop {
            let window = body.window(self.input.len());
            let whole = body
                .left
                .map_or(self.ended, |left| left == offset(0, window));
            let step = if out.len() >= PIECE_OCTETS_MAX {
                None
            } else if body.inside {
                self.rest_of_line(&mut body, window, &mut out);
                match window {
                    0 if whole => Some(Step::End(self.at)),
                    0 => Some(Step::Feed),
                    _ => continue,
                }
            } else {
                match self.line_start(&mut body, (window, whole), &mut out) {
                    Start::End => Some(Step::End(self.at)),
                    Start::Unknown => Some(Step::Feed),
                    Start::Line => continue,
                }
            };
            // What has gathered goes first; what comes then is found again.
            let step = match step {
                Some(step) if out.is_empty() => step,
                Some(_) | None => Step::Octets(out.into()),
            };
            if !matches!(step, Step::End(_)) {
                self.state = State::Body(body);
            }
            return Some(step);
        }
    }

    /// Passes over the beginning of a line, up to where its quotes are known.
    fn line_start(
        &mut self,
        body: &mut Body,
        (window, whole): (usize, bool),
        out: &mut Vec<u8>,
    ) -> Start {
        if body.left.is_some()
            && let Some(held) = body.held.take()
        {
            body.give(held, self.line_ends, out);
        }
        let input = self.input.get(..window).unwrap_or_default();
        let quotes = input.iter().take_while(|octet| **octet == b'>').count();
        if quotes > 0 {
            // Which of them goes makes no difference.
            let given = quotes - usize::from(!body.quoted);
            if let Some(held) = body.held.take() {
                body.give(held, self.line_ends, out);
            }
            out.extend(std::iter::repeat_n(b'>', given));
            body.quoted = true;
            self.pass(body, quotes);
            return Start::Line;
        }
        let more = input.len() < FROM.len() && FROM.starts_with(input) || input == b"\r";
        if more && !whole {
            return Start::Unknown;
        }
        if !body.quoted && body.left.is_none() {
            if input.is_empty() {
                // The empty line that was held stands behind the message.
                return Start::End;
            }
            if let Some(held) = blank(input) {
                if let Some(held) = body.held.replace(held) {
                    body.give(held, self.line_ends, out);
                }
                self.consume(held.len());
                return Start::Line;
            }
            if input.starts_with(FROM) {
                match self.line(0) {
                    None if input.len() <= FROM_LINE_OCTETS_MAX => return Start::Unknown,
                    Some(len) if self.separates(input.get(..len), body) => return Start::End,
                    Some(_) | None => {}
                }
            }
        }
        self.line_begins(body, input.starts_with(FROM), out);
        Start::Line
    }

    /// True if a line that begins with `From ` stands before a message.
    fn separates(&self, line: Option<&[u8]>, body: &Body) -> bool {
        let line = line.filter(|line| line.len() <= FROM_LINE_OCTETS_MAX);
        let strict = matches!(self.variant, Some(Variant::Mboxo | Variant::Mboxrd));
        let line = line.map(trimmed);
        line.is_some_and(|line| Envelope::is_dated(line) || (strict && body.held.is_some()))
    }

    /// A line of the message begins: what was held before it is given, or goes.
    fn line_begins(&mut self, body: &mut Body, from: bool, out: &mut Vec<u8>) {
        let counted = body.left.is_some();
        self.evidence.bare |= counted && from && !body.quoted;
        self.evidence.quoted |= counted && from && body.quoted;
        let unquotes = match self.variant {
            Some(Variant::Mboxrd | Variant::Mboxcl) => true,
            Some(Variant::Mboxo | Variant::Mboxcl2) => false,
            None => !counted,
        };
        if let Some(held) = body.held.take() {
            body.give(held, self.line_ends, out);
        }
        if std::mem::take(&mut body.quoted) && !(unquotes && from) {
            out.push(b'>');
            body.cr = false;
        }
        body.inside = true;
    }

    /// Passes over the rest of a line, as far as it has come.
    fn rest_of_line(&mut self, body: &mut Body, window: usize, out: &mut Vec<u8>) {
        let input = self.input.get(..window).unwrap_or_default();
        let lf = memchr::memchr(b'\n', input);
        let len = lf.map_or(window, |lf| lf + 1);
        body.give(input.get(..len).unwrap_or_default(), self.line_ends, out);
        body.inside = lf.is_none();
        self.pass(body, len);
    }

    fn pass(&mut self, body: &mut Body, octets: usize) {
        body.left = body.left.map(|left| left.saturating_sub(offset(0, octets)));
        self.consume(octets);
    }
}

impl Body {
    /// How many octets of the input belong to the body, as far as that is known.
    fn window(&self, input: usize) -> usize {
        let left = self
            .left
            .map_or(input, |left| usize::try_from(left).unwrap_or(usize::MAX));
        left.min(input)
    }

    /// Gives octets with at most one line end, their last.
    fn give(&mut self, octets: &[u8], line_ends: LineEnds, out: &mut Vec<u8>) {
        let text = octets.strip_suffix(b"\n");
        let text = text.filter(|_| line_ends == LineEnds::Native);
        if let Some(text) = text {
            out.extend_from_slice(text);
            let cr = text.last().map_or(self.cr, |last| *last == b'\r');
            out.extend_from_slice(if cr { b"\n" } else { b"\r\n" });
        } else {
            out.extend_from_slice(octets);
        }
        if let Some(last) = octets.last() {
            self.cr = *last == b'\r';
        }
    }
}

/// An empty line, with its end.
fn blank(input: &[u8]) -> Option<&'static [u8]> {
    match input {
        [b'\n', ..] => Some(b"\n"),
        [b'\r', b'\n', ..] => Some(b"\r\n"),
        _ => None,
    }
}

/// True if a message may end before these octets.
fn is_end(octets: &[u8]) -> bool {
    let behind = match octets {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest,
        all => all,
    };
    behind.is_empty() || behind.starts_with(FROM)
}

/// A line without its end.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn offset(at: u64, octets: usize) -> u64 {
    at.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX))
}
