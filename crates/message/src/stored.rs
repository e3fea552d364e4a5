//! A stored outline shown as it lies there: no text is copied, no tree is built.
//!
//! For what is only passed on, as ENVELOPE and BODYSTRUCTURE are. Not here: how it is stored
//! (`codec`), and the tree itself ([`Part`]).

use bytes::Bytes;

use crate::Error;
use crate::address::Correspondent;
use crate::codec::{self, Reader};
use crate::digest::Digest;
use crate::leniency::Leniencies;
use crate::outline::{Outline, Wanted};
use crate::parameter::Parameter;
use crate::part::{Content, Disposition, Part, Span};

/// Octets of [`Outline::encode`]. They are looked at when they are told, and only once: what is
/// damaged in them is noticed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOutline {
    octets: Bytes,
    wanted: Wanted,
    /// Octets before the parts; `None` where what is before them is not there.
    parts_at: Option<usize>,
}

impl StoredOutline {
    /// Takes a stored outline of which so much will be told.
    ///
    /// # Errors
    /// If it is of no known version, or does not even have a beginning.
    pub fn new(octets: Bytes, wanted: Wanted) -> Result<Self, Error> {
        let parts_at = codec::parts_at(&octets)?;
        Ok(Self {
            octets,
            wanted,
            parts_at: Some(parts_at),
        })
    }

    /// Takes what stands behind [`Outline::parts_at`]: nothing but the parts will be told.
    #[must_use]
    pub const fn of_parts(octets: Bytes) -> Self {
        Self {
            octets,
            wanted: Wanted {
                digest: false,
                parts: true,
            },
            parts_at: None,
        }
    }

    /// Takes what stands before [`Outline::parts_at`]: nothing but the digest will be told.
    #[must_use]
    pub const fn of_digest(octets: Bytes) -> Self {
        Self {
            parts_at: Some(octets.len()),
            octets,
            wanted: Wanted {
                digest: true,
                parts: false,
            },
        }
    }

    /// An outline made of these, as it would be stored.
    #[must_use]
    pub fn of(digest: &Digest, root: &Part) -> Self {
        let octets = Bytes::from(codec::encode(digest, root));
        let parts_at = codec::parts_at(&octets).unwrap_or(octets.len());
        Self {
            octets,
            wanted: Wanted::ALL,
            parts_at: Some(parts_at),
        }
    }

    /// Octets it takes.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets.len()
    }

    /// The message's own digest; `None` where it was not wanted, or is damaged.
    #[must_use]
    pub fn digest(&self) -> Option<StoredDigest<'_>> {
        let mut reader = self
            .wanted
            .digest
            .then(|| Reader::new(&self.octets))?
            .ok()?;
        reader.head().ok()
    }

    /// The message's parts; `None` where they were not wanted.
    #[must_use]
    pub fn parts(&self) -> Option<StoredParts<'_>> {
        let reader = match self.wanted.parts.then_some(self.parts_at)? {
            None => Reader::of(&self.octets),
            Some(at) => Reader::from(&self.octets, at).ok()?,
        };
        Some(StoredParts { reader })
    }

    /// What was wanted of it, with every text copied.
    ///
    /// # Errors
    /// As [`Outline::decode_some`].
    pub fn to_outline(&self) -> Result<Outline, Error> {
        match self.parts_at {
            None => Outline::decode_parts(&self.octets, self.wanted.parts),
            Some(at) if at == self.octets.len() && !self.wanted.parts => Ok(Outline {
                digest: Digest::decode(&self.octets)?,
                ..Outline::default()
            }),
            Some(_) => Outline::decode_some(&self.octets, self.wanted),
        }
    }
}

impl From<&Outline> for StoredOutline {
    fn from(outline: &Outline) -> Self {
        Self::of(&outline.digest, &outline.root)
    }
}

/// The parts of a message, told in their order: a part, then what is in it.
#[derive(Clone, Debug)]
pub struct StoredParts<'a> {
    reader: Reader<'a>,
}

impl<'a> StoredParts<'a> {
    /// The next part. What its [`StoredPart::content`] says it has comes next. `None` where it is
    /// damaged.
    pub fn part(&mut self) -> Option<StoredPart<'a>> {
        self.reader.part().ok()
    }

    /// Passes the next part if it is of one of these kinds, and tells how many octets its body
    /// has, how many lines, and what stands beside its kind here.
    pub fn part_like<'k, T>(&mut self, kinds: &'k [(LeafKind, T)]) -> Option<(u64, u64, &'k T)> {
        self.reader.part_like(kinds)
    }

    /// The digest of a message that is a part: it comes behind that part, before the message's
    /// root.
    pub fn digest(&mut self) -> Option<StoredDigest<'a>> {
        self.reader.digest().ok()
    }
}

/// What a [`Digest`] says.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is what it is in a Digest")]
pub struct StoredDigest<'a> {
    pub date: Option<&'a [u8]>,
    pub subject: Option<&'a [u8]>,
    pub from: StoredList<'a, StoredAddress<'a>>,
    pub sender: StoredList<'a, StoredAddress<'a>>,
    pub reply_to: StoredList<'a, StoredAddress<'a>>,
    pub to: StoredList<'a, StoredAddress<'a>>,
    pub cc: StoredList<'a, StoredAddress<'a>>,
    pub bcc: StoredList<'a, StoredAddress<'a>>,
    pub in_reply_to: Option<&'a [u8]>,
    pub message_id: Option<&'a [u8]>,
    pub references: Option<StoredList<'a, &'a [u8]>>,
}

impl StoredDigest<'_> {
    pub(crate) fn to_digest(&self) -> Digest {
        let addresses = |list: &StoredList<'_, StoredAddress<'_>>| {
            let list = list.clone();
            list.map(StoredAddress::to_correspondent).collect()
        };
        let references = self.references.clone();
        Digest {
            date: owned(self.date),
            subject: owned(self.subject),
            from: addresses(&self.from),
            sender: addresses(&self.sender),
            reply_to: addresses(&self.reply_to),
            to: addresses(&self.to),
            cc: addresses(&self.cc),
            bcc: addresses(&self.bcc),
            in_reply_to: owned(self.in_reply_to),
            message_id: owned(self.message_id),
            references: references.map(|list| list.map(<[u8]>::to_vec).collect()),
        }
    }
}

/// What a [`Correspondent`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what it is in a Correspondent")]
pub enum StoredAddress<'a> {
    Mailbox {
        name: Option<&'a [u8]>,
        route: Option<&'a [u8]>,
        local: &'a [u8],
        host: &'a [u8],
    },
    GroupStart(&'a [u8]),
    GroupEnd,
}

impl StoredAddress<'_> {
    fn to_correspondent(self) -> Correspondent {
        match self {
            Self::Mailbox {
                name,
                route,
                local,
                host,
            } => Correspondent::Mailbox {
                name: owned(name),
                route: owned(route),
                local: local.to_vec(),
                host: host.to_vec(),
            },
            Self::GroupStart(name) => Correspondent::GroupStart(name.to_vec()),
            Self::GroupEnd => Correspondent::GroupEnd,
        }
    }
}

/// What a [`Part`] says of itself.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is what it is in a Part")]
pub struct StoredPart<'a> {
    pub media: &'a [u8],
    pub subtype: &'a [u8],
    pub parameters: StoredList<'a, (&'a [u8], &'a [u8])>,
    pub id: Option<&'a [u8]>,
    pub description: Option<&'a [u8]>,
    pub encoding: &'a [u8],
    pub md5: Option<&'a [u8]>,
    pub disposition: Option<StoredDisposition<'a>>,
    pub languages: Option<StoredList<'a, &'a [u8]>>,
    pub location: Option<&'a [u8]>,
    pub header: Span,
    pub body: Span,
    pub lines: u64,
    pub leniencies: Leniencies,
    pub content: StoredContent,
    /// All but the places and what was wrong; `None` where there is something in the part, and
    /// where it cannot be told apart.
    pub kind: Option<StoredKind<'a>>,
}

/// What parts are that are alike but for their places: as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct StoredKind<'a> {
    pub(crate) flags: u8,
    pub(crate) octets: &'a [u8],
}

/// The same, copied: to find parts that are alike ([`StoredParts::part_like`]).
#[derive(Clone, Debug)]
pub struct LeafKind {
    pub(crate) flags: u8,
    pub(crate) octets: Box<[u8]>,
}

impl From<StoredKind<'_>> for LeafKind {
    fn from(kind: StoredKind<'_>) -> Self {
        Self {
            flags: kind.flags,
            octets: kind.octets.into(),
        }
    }
}

impl LeafKind {
    /// Octets it takes.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets.len()
    }
}

impl<'a> StoredPart<'a> {
    pub(crate) const fn new(
        media: &'a [u8],
        subtype: &'a [u8],
        parameters: StoredList<'a, (&'a [u8], &'a [u8])>,
    ) -> Self {
        let nowhere = Span { offset: 0, len: 0 };
        Self {
            media,
            subtype,
            parameters,
            id: None,
            description: None,
            encoding: &[],
            md5: None,
            disposition: None,
            languages: None,
            location: None,
            header: nowhere,
            body: nowhere,
            lines: 0,
            leniencies: Leniencies::NONE,
            content: StoredContent::Leaf,
            kind: None,
        }
    }

    /// The part, with nothing in it.
    pub(crate) fn to_part(&self) -> Part {
        let languages = self.languages.clone().into_iter().flatten();
        Part {
            media: name(self.media),
            subtype: name(self.subtype),
            parameters: self.parameters.to_parameters(),
            id: owned(self.id),
            description: owned(self.description),
            encoding: name(self.encoding),
            md5: owned(self.md5),
            disposition: self.disposition.as_ref().map(|stored| Disposition {
                kind: name(stored.kind),
                parameters: stored.parameters.to_parameters(),
            }),
            languages: languages.map(<[u8]>::to_vec).collect(),
            location: owned(self.location),
            header: self.header,
            body: self.body,
            lines: self.lines,
            leniencies: self.leniencies,
            content: Content::Leaf,
        }
    }
}

/// What follows a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredContent {
    /// Nothing of its own.
    Leaf,
    /// So many parts, each with what is in it.
    Multipart(usize),
    /// A message's digest and its root.
    Message,
}

/// What a [`Disposition`] says.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is what it is in a Disposition")]
pub struct StoredDisposition<'a> {
    pub kind: &'a [u8],
    pub parameters: StoredList<'a, (&'a [u8], &'a [u8])>,
}

/// Items that are stored one behind the other.
#[derive(Clone, Debug)]
pub struct StoredList<'a, T> {
    /// Begins with the first of them; what is behind the last is something else.
    octets: &'a [u8],
    count: usize,
    read: fn(&mut Reader<'a>) -> Result<T, Error>,
}

impl<'a, T> StoredList<'a, T> {
    pub(crate) const fn new(
        octets: &'a [u8],
        count: usize,
        read: fn(&mut Reader<'a>) -> Result<T, Error>,
    ) -> Self {
        Self {
            octets,
            count,
            read,
        }
    }

    /// True if there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl StoredList<'_, (&[u8], &[u8])> {
    /// The parameters, copied.
    #[must_use]
    pub fn to_parameters(&self) -> Vec<Parameter> {
        let copied = self.clone().map(|(name, value)| Parameter {
            name: self::name(name),
            value: value.to_vec(),
        });
        copied.collect()
    }
}

impl<T> Iterator for StoredList<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.count = self.count.checked_sub(1)?;
        let mut reader = Reader::of(self.octets);
        let item = (self.read)(&mut reader).ok();
        self.octets = reader.rest();
        item
    }
}

fn owned(text: Option<&[u8]>) -> Option<Vec<u8>> {
    text.map(<[u8]>::to_vec)
}

/// A name was UTF-8 when it was written.
fn name(stored: &[u8]) -> String {
    String::from_utf8_lossy(stored).into_owned()
}
