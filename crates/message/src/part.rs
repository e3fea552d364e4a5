//! One node of a message's MIME tree (RFC 2045, RFC 2046), as plain data.
//!
//! Not here: how the tree is read (`reader`), stored (`codec`) or addressed (`section`).

use crate::leniency::Leniencies;
use crate::outline::Outline;
use crate::parameter::{self, Parameter};

/// A range of octets inside the message, counted from its first octet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Octets before it.
    pub offset: u64,
    /// Octets in it.
    pub len: u64,
}

impl Span {
    /// The range `[start, end)`; empty if `end` lies before `start`.
    #[must_use]
    pub fn between(start: usize, end: usize) -> Self {
        Self {
            offset: u64::try_from(start).unwrap_or(u64::MAX),
            len: u64::try_from(end.saturating_sub(start)).unwrap_or(u64::MAX),
        }
    }

    /// The first octet behind it.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.offset.saturating_add(self.len)
    }

    /// The octets it names in `message`; empty where the message is too short.
    #[must_use]
    pub fn of(self, message: &[u8]) -> &[u8] {
        let end = self
            .end()
            .min(u64::try_from(message.len()).unwrap_or(u64::MAX));
        match (usize::try_from(self.offset), usize::try_from(end)) {
            (Ok(start), Ok(end)) => message.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// One part: its MIME header fields, where it lies, and what it contains.
///
/// Tokens (media type, encoding, disposition, parameter names) are in lower case; everything else
/// is as written, unfolded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The media type: `text`, `multipart`, `message`, …
    ///
    /// A composite part that was not opened says `application/octet-stream` here.
    pub media: String,
    /// The subtype: `plain`, `mixed`, `rfc822`, …
    pub subtype: String,
    /// Parameters of the Content-Type as written; [`parameter::join`] gives what IMAP sends.
    pub parameters: Vec<Parameter>,
    /// Content-ID with its angle brackets.
    pub id: Option<Vec<u8>>,
    /// Content-Description, encoded words left as they are.
    pub description: Option<Vec<u8>>,
    /// Content-Transfer-Encoding; `7bit` where none is given.
    pub encoding: String,
    /// Content-MD5.
    pub md5: Option<Vec<u8>>,
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// The tags of Content-Language.
    pub languages: Vec<Vec<u8>>,
    /// Content-Location.
    pub location: Option<Vec<u8>>,
    /// The part's header, its closing blank line included.
    pub header: Span,
    /// The part's body, without the line end that belongs to the delimiter behind it.
    pub body: Span,
    /// Line ends in the body; counted only for `text/*` and opened messages, else 0.
    pub lines: u64,
    /// What was wrong with it, as far as its place and its kind go.
    pub leniencies: Leniencies,
    /// What is inside.
    pub content: Content,
}

impl Part {
    /// True for `media/subtype`, both in lower case.
    #[must_use]
    pub fn is(&self, media: &str, subtype: &str) -> bool {
        self.media == media && self.subtype == subtype
    }

    /// A parameter of the Content-Type, decoded (RFC 2231) into text.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        parameter::decoded(&self.parameters, name)
    }

    /// The name for a saved file: the disposition's `filename`, else the type's `name`.
    #[must_use]
    pub fn filename(&self) -> Option<String> {
        let disposition = self.disposition.as_ref();
        disposition
            .and_then(|disposition| parameter::decoded(&disposition.parameters, "filename"))
            .or_else(|| self.parameter("name"))
    }

    /// The parts directly inside: a multipart's children or a message's root.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        match &self.content {
            Content::Leaf => &[],
            Content::Multipart(parts) => parts,
            Content::Message(inner) => std::slice::from_ref(&inner.root),
        }
    }

    /// This part and all below it, each before its children.
    pub fn walk(&self) -> impl Iterator<Item = &Self> {
        let mut ahead = vec![self];
        std::iter::from_fn(move || {
            let part = ahead.pop()?;
            ahead.extend(part.children().iter().rev());
            Some(part)
        })
    }
}

/// What a part contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Octets.
    #[default]
    Leaf,
    /// Parts in order: never none (one is implied where no delimiter was found).
    Multipart(Vec<Part>),
    /// A message of its own: `message/rfc822` or `message/global`.
    Message(Box<Outline>),
}

/// How the part wants to be shown (RFC 2183).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disposition {
    /// `inline`, `attachment`, …, in lower case.
    pub kind: String,
    /// Its parameters as written.
    pub parameters: Vec<Parameter>,
}
