//! The parts of a message with their numbers (RFC 9051 §6.4.5.1).

use message::{Content, Enclosed, Leniencies, Outline, Part, charset, enclosed};

use super::report::Report;
use super::{decode, field};

/// Octets of a part whose text is read, for its charset or as a report; of a longer one it is not.
const TEXT_OCTETS_MAX: u64 = 16 << 20;

/// A part and what it is called.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) part: &'a Part,
    /// `2.1`; a multipart that is a message's body has none.
    pub(super) number: Option<String>,
    /// What the numbers of the parts inside begin with.
    within: String,
}

impl<'a> Node<'a> {
    /// A whole message.
    pub(super) fn of(outline: &'a Outline) -> Self {
        Self::root(&outline.root, "")
    }

    /// The body of a message, enclosed by the part of the number `within`.
    fn root(root: &'a Part, within: &str) -> Self {
        match root.content {
            Content::Multipart(_) => Self {
                part: root,
                number: None,
                within: within.to_owned(),
            },
            // A message that is no multipart has itself as its part 1.
            Content::Leaf | Content::Message(_) => Self::nth(root, within, 1),
        }
    }

    fn nth(part: &'a Part, within: &str, number: usize) -> Self {
        let dot = if within.is_empty() { "" } else { "." };
        let within = format!("{within}{dot}{number}");
        let number = Some(within.clone());
        Self {
            part,
            number,
            within,
        }
    }

    /// The parts directly inside.
    pub(super) fn children(&self) -> Vec<Self> {
        match &self.part.content {
            Content::Leaf => Vec::new(),
            Content::Multipart(parts) => {
                let numbered = parts.iter().enumerate();
                let nodes = numbered.map(|(index, part)| Self::nth(part, &self.within, index + 1));
                nodes.collect()
            }
            Content::Message(inner) => vec![Self::root(&inner.root, &self.within)],
        }
    }

    /// Reads all of the part but what is inside of it.
    pub(super) fn inspect(&self, message: &[u8]) -> Inspected {
        let part = self.part;
        let mut repaired = part.leniencies;
        repaired.extend(field::repaired(part.header.of(message)));
        if !matches!(part.content, Content::Leaf) {
            let decoded_octets = None;
            return Inspected {
                decoded_octets,
                enclosed: Vec::new(),
                report: None,
                repaired,
            };
        }
        let mut octets = 0;
        let mut text = Vec::new();
        let is_short = part.body.len <= TEXT_OCTETS_MAX;
        let is_text = part.media == "text" && is_short;
        let is_report = Report::is_in(part) && is_short;
        let decoded = decode(part, message, &mut |piece| {
            octets += piece.len();
            if is_text || is_report {
                text.extend_from_slice(piece);
            }
            Ok(())
        });
        // The sink above takes everything.
        repaired.extend(decoded.unwrap_or_default());
        if is_text {
            let label = part.parameter("charset").unwrap_or_default();
            charset::decode_noting(label.as_bytes(), &text, &mut repaired);
        }
        let report = if is_report {
            Report::read(part, &text, &mut repaired)
        } else {
            None
        };
        let (enclosed, noted) = enclosed(part, message);
        repaired.extend(noted);
        Inspected {
            decoded_octets: Some(octets),
            enclosed,
            report,
            repaired,
        }
    }
}

/// What is known of a part once its header and its octets were read.
#[derive(Debug)]
pub(super) struct Inspected {
    /// Octets without the transfer encoding; none for what holds parts.
    pub(super) decoded_octets: Option<usize>,
    /// Files inside it that are no parts of their own: uuencode in a text, TNEF.
    pub(super) enclosed: Vec<Enclosed>,
    /// What it says, where it is a report.
    pub(super) report: Option<Report>,
    /// What was wrong with it.
    pub(super) repaired: Leniencies,
}
