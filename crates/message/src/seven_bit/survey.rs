//! The second look at a message: which of its pieces are not fit, and what each would take.
//!
//! Not here: what is done about it (`plan`).

use super::{Conversion, HEADERS_OCTETS_MAX, LINE_OCTETS_MAX, Obstacle, plan};
use crate::decode::{Encoding, QuotedPrintableEncoder};
use crate::leniency::Leniency;
use crate::part::{Content, Part, Span};
use crate::scanner::Scanned;

/// Reads a message that was scanned, from its first octet again, piece by piece.
#[derive(Debug)]
pub struct Survey {
    pub(super) nodes: Vec<Node>,
    pub(super) regions: Vec<Region>,
    /// Which region is read.
    at: usize,
    /// Octets of the message that were read.
    read: u64,
    /// Octets of headers that are held.
    held: usize,
}

/// A part, as far as it may have to change.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) parent: Option<usize>,
    /// What its Content-Transfer-Encoding says.
    pub(super) encoding: String,
    /// True for a message, the one in hand or one that is enclosed.
    pub(super) is_message: bool,
    /// Why its body must stay as it is; none where it may be encoded.
    pub(super) fixed: Option<Obstacle>,
    /// Its header, closing blank line and all.
    pub(super) header: Vec<u8>,
    /// Octets of its body in quoted-printable, where it is not encoded yet.
    pub(super) quoted_octets: u64,
    /// True if its body is UTF-8.
    pub(super) is_utf8: bool,
}

/// Octets of a message that belong together.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) span: Span,
    pub(super) place: Place,
    pub(super) lines: Lines,
    measure: Option<Box<Measure>>,
}

/// Where a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A part's header.
    Header(usize),
    /// A part's body.
    Body(usize),
    /// Between parts: delimiters, and what nobody reads.
    Between,
}

/// What lines are like.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    last: u8,
    column: usize,
    /// Octets that are not ASCII, or NUL.
    pub(super) beyond: bool,
    /// One of more than 998 octets.
    pub(super) long: bool,
    /// Line ends that are none.
    bare: bool,
}

/// What a body would take.
#[derive(Debug, Default)]
struct Measure {
    quoted: QuotedPrintableEncoder,
    written: Vec<u8>,
    /// The beginning of a letter of UTF-8 that was cut.
    cut: Vec<u8>,
    is_broken: bool,
}

impl Survey {
    /// Begins with what the first look has found.
    #[must_use]
    pub fn new(scanned: &Scanned) -> Self {
        let mut survey = Self {
            nodes: Vec::new(),
            regions: Vec::new(),
            at: 0,
            read: 0,
            held: 0,
        };
        survey.part(&scanned.outline().root, None, true);
        survey
    }

    /// Takes the next octets.
    pub fn push(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            let Some(region) = self.regions.get_mut(self.at) else {
                return;
            };
            let left = region.span.end().saturating_sub(self.read);
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            let (own, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            region.lines.push(own);
            if let Some(measure) = &mut region.measure
                && let Place::Body(node) = region.place
                && let Some(node) = self.nodes.get_mut(node)
            {
                node.quoted_octets += measure.push(own);
            }
            if let Place::Header(node) = region.place
                && let Some(node) = self.nodes.get_mut(node)
            {
                self.held = self.held.saturating_add(own.len());
                if self.held <= HEADERS_OCTETS_MAX {
                    node.header.extend_from_slice(own);
                }
            }
            self.read = self
                .read
                .saturating_add(u64::try_from(own.len()).unwrap_or(u64::MAX));
            if self.read >= region.span.end() {
                self.at += 1;
            }
            rest = behind;
        }
    }

    /// Ends the message, and says how it is written.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn finish(mut self) -> Result<Conversion, Obstacle> {
        if self.held > HEADERS_OCTETS_MAX {
            return Err(Obstacle::Headers);
        }
        for region in &mut self.regions {
            region.lines.end();
            if let (Some(mut measure), Place::Body(node)) = (region.measure.take(), region.place)
                && let Some(node) = self.nodes.get_mut(node)
            {
                node.quoted_octets += measure.end();
                node.is_utf8 = !measure.is_broken;
            }
        }
        plan::made(&self)
    }

    /// A part with all that is in it; as deep as the outline, which has a limit.
    fn part(&mut self, part: &Part, parent: Option<usize>, is_message: bool) {
        let index = self.nodes.len();
        self.nodes.push(Node {
            parent,
            encoding: part.encoding.clone(),
            is_message,
            fixed: fixed(part),
            ..Node::default()
        });
        self.region(part.header, Place::Header(index));
        match &part.content {
            Content::Multipart(children) if !part.is("multipart", "signed") => {
                let mut at = part.body.offset;
                for child in children {
                    self.region(between(at, child.header.offset), Place::Between);
                    self.part(child, Some(index), false);
                    at = child.body.end();
                }
                self.region(between(at, part.body.end()), Place::Between);
            }
            Content::Message(inner) if !part.is("message", "global") => {
                self.part(&inner.root, Some(index), true);
            }
            Content::Leaf | Content::Multipart(_) | Content::Message(_) => {
                self.region(part.body, Place::Body(index));
            }
        }
    }

    fn region(&mut self, span: Span, place: Place) {
        if span.len == 0 {
            return;
        }
        let is_measured = match place {
            Place::Body(index) => self.nodes.get(index).is_some_and(|node| {
                node.fixed.is_none() && Encoding::parse(&node.encoding) == Encoding::Identity
            }),
            Place::Header(_) | Place::Between => false,
        };
        self.regions.push(Region {
            span,
            place,
            lines: Lines::default(),
            measure: is_measured.then(Box::default),
        });
    }
}

const fn between(start: u64, end: u64) -> Span {
    Span {
        offset: start,
        len: end.saturating_sub(start),
    }
}

/// Why a part's body must stay as it is.
fn fixed(part: &Part) -> Option<Obstacle> {
    let closed = [
        Leniency::Unopened,
        Leniency::EncodedComposite,
        Leniency::Implied,
        Leniency::EncodingUnknown,
    ];
    // RFC 1847 §2.1
    if part.is("multipart", "signed") {
        return Some(Obstacle::Signed);
    }
    // RFC 2045 §6.4; RFC 6532 §3.7 and RFC 6533 §6 let those that may have UTF-8 be encoded.
    let is_closed = part.media == "message" && !part.subtype.starts_with("global");
    let is_strange = closed.into_iter().any(|one| part.leniencies.has(one));
    // What has no header has no place to say how it is encoded.
    let is_bare = part.header.len == 0;
    (is_closed || is_strange || is_bare).then_some(Obstacle::Kind)
}

impl Lines {
    /// True if all may go where only lines of ASCII go.
    pub(super) const fn are_fit(self) -> bool {
        !self.beyond && !self.long && !self.bare
    }

    fn push(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.bare |= (self.last == b'\r') != (octet == b'\n');
            self.column = match octet {
                b'\n' => 0,
                _ => self.column.saturating_add(1),
            };
            // The carriage return of a line end is no octet of the line.
            self.long |= self.column > LINE_OCTETS_MAX + usize::from(octet == b'\r');
            self.beyond |= octet == 0 || !octet.is_ascii();
            self.last = octet;
        }
    }

    const fn end(&mut self) {
        self.bare |= self.last == b'\r';
    }
}

impl Measure {
    /// Octets of quoted-printable that came of it.
    fn push(&mut self, octets: &[u8]) -> u64 {
        self.quoted.push(octets, &mut self.written);
        if !self.is_broken {
            self.read_utf8(octets);
        }
        self.written_octets()
    }

    fn end(&mut self) -> u64 {
        self.quoted.finish(&mut self.written);
        self.is_broken |= !self.cut.is_empty();
        self.written_octets()
    }

    fn written_octets(&mut self) -> u64 {
        let count = u64::try_from(self.written.len()).unwrap_or(u64::MAX);
        self.written.clear();
        count
    }

    fn read_utf8(&mut self, octets: &[u8]) {
        let joined;
        let text = if self.cut.is_empty() {
            octets
        } else {
            joined = [&self.cut, octets].concat();
            &joined
        };
        let Err(error) = std::str::from_utf8(text) else {
            self.cut.clear();
            return;
        };
        let rest = text.get(error.valid_up_to()..).unwrap_or_default();
        match error.error_len() {
            Some(_) => self.is_broken = true,
            None => self.cut = rest.to_vec(),
        }
    }
}
