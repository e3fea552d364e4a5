//! Stored octets read: every text stays where it is stored, and nothing is kept.

use super::{DEFAULT_ENCODING, VERSION, VERSION_MIN, VERSION_PLACED, written};
use crate::Error;
use crate::leniency::{Leniencies, Leniency};
use crate::part::Span;
use crate::stored::{
    LeafKind, StoredAddress, StoredContent, StoredDigest, StoredDisposition, StoredKind,
    StoredList, StoredPart,
};

/// Composite parts inside one another that are read back: more than are ever written, and no more
/// than a small stack has room for.
const DEPTH_MAX: usize = 100;
/// The parameters of the default of RFC 2045 §5.2, as they would be stored.
const DEFAULT_PARAMETERS: &[u8] = b"\x01\x07charset\x08us-ascii";

/// Says where the parts begin, behind the message's own digest.
pub(crate) fn parts_at(stored: &[u8]) -> Result<usize, Error> {
    let mut reader = Reader::new(stored)?;
    reader.pass_head()?;
    Ok(stored.len() - reader.rest.len())
}

/// The same, if that is said by what the outline begins with: its parts can be read without what is
/// before them then.
pub(crate) fn placed_parts_at(beginning: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(beginning).ok()?;
    if reader.version != VERSION {
        return None;
    }
    let head = reader.len().ok()?;
    (beginning.len() - reader.rest.len()).checked_add(head)
}

/// Reads stored octets in their order. It trusts nothing.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    whole: usize,
    version: u8,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(stored: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Self::of(stored);
        reader.version = reader.octet()?;
        if (VERSION_MIN..=VERSION).contains(&reader.version) {
            Ok(reader)
        } else {
            Err(Error::Version(reader.version))
        }
    }

    /// Begins with octets that every version writes alike.
    pub(crate) const fn of(octets: &'a [u8]) -> Self {
        Self {
            rest: octets,
            whole: octets.len(),
            version: VERSION,
        }
    }

    /// The same from an octet on that was found before.
    pub(crate) fn from(stored: &'a [u8], at: usize) -> Result<Self, Error> {
        let mut reader = Self::new(stored)?;
        reader.rest = stored.get(at..).ok_or_else(|| reader.damaged())?;
        Ok(reader)
    }

    /// What was not read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Octets left over are as wrong as missing ones.
    pub(crate) const fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.damaged())
        }
    }

    const fn damaged(&self) -> Error {
        Error::Damaged(self.whole - self.rest.len())
    }

    #[inline]
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(taken)
    }

    fn octet(&mut self) -> Result<u8, Error> {
        let octet = self.take(1)?.first().copied();
        octet.ok_or_else(|| self.damaged())
    }

    #[inline]
    fn number(&mut self) -> Result<u64, Error> {
        // Nearly all are so small.
        if let Some((&octet @ 0..=127, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Ok(u64::from(octet));
        }
        self.long_number()
    }

    fn long_number(&mut self) -> Result<u64, Error> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            let bits = u64::from(octet & 127);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if octet < 128 {
                return Ok(number);
            }
        }
        Err(self.damaged())
    }

    #[inline]
    fn len(&mut self) -> Result<usize, Error> {
        let number = self.number()?;
        usize::try_from(number).map_err(|_| self.damaged())
    }

    /// A count of items; each takes an octet at least.
    fn count(&mut self) -> Result<usize, Error> {
        let count = self.len()?;
        self.counted(count)
    }

    const fn counted(&self, count: usize) -> Result<usize, Error> {
        if count > self.rest.len() {
            return Err(self.damaged());
        }
        Ok(count)
    }

    fn list<T>(
        &mut self,
        read: fn(&mut Self) -> Result<T, Error>,
    ) -> Result<StoredList<'a, T>, Error> {
        let count = self.count()?;
        self.items(count, read)
    }

    fn items<T>(
        &mut self,
        count: usize,
        read: fn(&mut Self) -> Result<T, Error>,
    ) -> Result<StoredList<'a, T>, Error> {
        let list = StoredList::new(self.rest, count, read);
        for _ in 0..count {
            read(self)?;
        }
        Ok(list)
    }

    #[inline]
    fn text(&mut self) -> Result<&'a [u8], Error> {
        let len = self.len()?;
        self.take(len)
    }

    fn optional(&mut self) -> Result<Option<&'a [u8]>, Error> {
        match self.len()?.checked_sub(1) {
            None => Ok(None),
            Some(len) => self.take(len).map(Some),
        }
    }

    /// The message's own digest, with which everything begins.
    pub(crate) fn head(&mut self) -> Result<StoredDigest<'a>, Error> {
        if self.version < VERSION_PLACED {
            return self.digest();
        }
        let len = self.len()?;
        let behind = self.rest.len().checked_sub(len);
        let digest = self.digest()?;
        if behind == Some(self.rest.len()) {
            Ok(digest)
        } else {
            Err(self.damaged())
        }
    }

    /// Passes over the message's own digest, which no one wants to know.
    pub(crate) fn pass_head(&mut self) -> Result<(), Error> {
        if self.version < VERSION_PLACED {
            return self.digest().map(drop);
        }
        self.text().map(drop)
    }

    /// A digest inside.
    pub(crate) fn digest(&mut self) -> Result<StoredDigest<'a>, Error> {
        let date = self.optional()?;
        let subject = self.optional()?;
        let from = self.list(Self::address)?;
        Ok(StoredDigest {
            date,
            subject,
            sender: self.addresses_or(&from)?,
            reply_to: self.addresses_or(&from)?,
            from,
            to: self.list(Self::address)?,
            cc: self.list(Self::address)?,
            bcc: self.list(Self::address)?,
            in_reply_to: self.optional()?,
            message_id: self.optional()?,
            references: self.references()?,
        })
    }

    fn references(&mut self) -> Result<Option<StoredList<'a, &'a [u8]>>, Error> {
        if self.version < 3 {
            return Ok(None);
        }
        match self.len()?.checked_sub(1) {
            None => Ok(None),
            Some(count) => {
                let count = self.counted(count)?;
                self.items(count, Self::text).map(Some)
            }
        }
    }

    fn addresses_or(
        &mut self,
        from: &StoredList<'a, StoredAddress<'a>>,
    ) -> Result<StoredList<'a, StoredAddress<'a>>, Error> {
        match self.octet()? {
            0 => Ok(from.clone()),
            1 => self.list(Self::address),
            _ => Err(self.damaged()),
        }
    }

    fn address(&mut self) -> Result<StoredAddress<'a>, Error> {
        match self.octet()? {
            0 => Ok(StoredAddress::Mailbox {
                name: self.optional()?,
                route: self.optional()?,
                local: self.text()?,
                host: self.text()?,
            }),
            1 => Ok(StoredAddress::GroupStart(self.text()?)),
            2 => Ok(StoredAddress::GroupEnd),
            _ => Err(self.damaged()),
        }
    }

    fn parameter(&mut self) -> Result<(&'a [u8], &'a [u8]), Error> {
        Ok((self.text()?, self.text()?))
    }

    fn disposition(&mut self) -> Result<Option<StoredDisposition<'a>>, Error> {
        match self.octet()? {
            0 => Ok(None),
            1 => Ok(Some(StoredDisposition {
                kind: self.text()?,
                parameters: self.list(Self::parameter)?,
            })),
            _ => Err(self.damaged()),
        }
    }

    fn span(&mut self) -> Result<Span, Error> {
        let offset = self.number()?;
        let len = self.number()?;
        Ok(Span { offset, len })
    }

    /// Reads a part; what is in it follows.
    pub(crate) fn part(&mut self) -> Result<StoredPart<'a>, Error> {
        if self.version == 1 {
            return self.part_of_version_1();
        }
        let flags = self.flags()?;
        let mut part = StoredPart::new(b"text", b"plain", Self::no_parameters());
        if self.version < VERSION_PLACED {
            self.kind_of(&mut part, flags)?;
            self.places_of(&mut part, flags)?;
            part.content = self.content()?;
            return Ok(part);
        }
        self.places_of(&mut part, flags)?;
        let behind_places = self.rest;
        self.kind_of(&mut part, flags)?;
        part.content = self.content()?;
        let octets = behind_places.len() - self.rest.len();
        part.kind = behind_places
            .get(..octets)
            .filter(|_| part.content == StoredContent::Leaf)
            .map(|octets| StoredKind {
                flags: flags & written::KIND,
                octets,
            });
        Ok(part)
    }

    /// Reads a part of one of these kinds: how long its body is and its lines, and what stands
    /// beside the kind. Another part is not even begun.
    pub(crate) fn part_like<'k, T>(
        &mut self,
        kinds: &'k [(LeafKind, T)],
    ) -> Option<(u64, u64, &'k T)> {
        if self.version < VERSION_PLACED {
            return None;
        }
        let mut reader = self.clone();
        let flags = reader.flags().ok()?;
        let mut part = StoredPart::new(&[], &[], Self::no_parameters());
        reader.places_of(&mut part, flags).ok()?;
        let is_it = |kind: &LeafKind| {
            kind.flags == flags & written::KIND && reader.rest.starts_with(&kind.octets)
        };
        let (kind, beside) = kinds.iter().find(|(kind, _)| is_it(kind))?;
        reader.take(kind.octets.len()).ok()?;
        *self = reader;
        Some((part.body.len, part.lines, beside))
    }

    /// Reads of a part where its header and its body are, and maybe more.
    pub(crate) fn places(&mut self) -> Result<(Span, Span), Error> {
        if self.version < VERSION_PLACED {
            let part = self.part()?;
            return Ok((part.header, part.body));
        }
        let flags = self.flags()?;
        let mut part = StoredPart::new(&[], &[], Self::no_parameters());
        self.places_of(&mut part, flags)?;
        Ok((part.header, part.body))
    }

    fn no_parameters() -> StoredList<'a, (&'a [u8], &'a [u8])> {
        StoredList::new(&[], 0, Self::parameter)
    }

    fn flags(&mut self) -> Result<u8, Error> {
        let flags = self.octet()?;
        if flags & !written::ALL == 0 {
            Ok(flags)
        } else {
            Err(self.damaged())
        }
    }

    fn kind_of(&mut self, part: &mut StoredPart<'a>, flags: u8) -> Result<(), Error> {
        if flags & written::TYPE == 0 {
            part.parameters = Self::of(DEFAULT_PARAMETERS).list(Self::parameter)?;
        } else {
            part.media = self.text()?;
            part.subtype = self.text()?;
            part.parameters = self.list(Self::parameter)?;
        }
        part.encoding = match flags & written::ENCODING {
            0 => DEFAULT_ENCODING.as_bytes(),
            _ => self.text()?,
        };
        if flags & written::MORE != 0 {
            part.id = self.optional()?;
            part.description = self.optional()?;
            part.md5 = self.optional()?;
            part.location = self.optional()?;
            part.disposition = self.disposition()?;
            part.languages = Some(self.list(Self::text)?);
        }
        Ok(())
    }

    fn places_of(&mut self, part: &mut StoredPart<'a>, flags: u8) -> Result<(), Error> {
        part.header = self.span()?;
        part.body.len = self.number()?;
        part.body.offset = match flags & written::BODY {
            0 => part.header.end(),
            _ => self.number()?,
        };
        if flags & written::LINES != 0 {
            part.lines = self.number()?;
        }
        if flags & written::LENIENCIES != 0 {
            let bits = self.number()?;
            part.leniencies = Leniencies::from_bits(bits).ok_or_else(|| self.damaged())?;
        }
        Ok(())
    }

    /// The same, so many composite parts deep.
    pub(super) fn part_within(&mut self, depth: usize) -> Result<StoredPart<'a>, Error> {
        if depth > DEPTH_MAX {
            return Err(self.damaged());
        }
        self.part()
    }

    /// A part with every field written, and one octet for what was wrong.
    fn part_of_version_1(&mut self) -> Result<StoredPart<'a>, Error> {
        let (media, subtype) = (self.text()?, self.text()?);
        let mut part = StoredPart::new(media, subtype, self.list(Self::parameter)?);
        part.id = self.optional()?;
        part.description = self.optional()?;
        part.encoding = self.text()?;
        part.md5 = self.optional()?;
        part.disposition = self.disposition()?;
        part.languages = Some(self.list(Self::text)?);
        part.location = self.optional()?;
        part.header = self.span()?;
        part.body = self.span()?;
        part.lines = self.number()?;
        part.leniencies = self.faults()?;
        part.content = self.content()?;
        Ok(part)
    }

    fn faults(&mut self) -> Result<Leniencies, Error> {
        let bits = self.octet()?;
        if bits >= 16 {
            return Err(self.damaged());
        }
        let meanings = [
            (1, Leniency::RepeatedField),
            (2, Leniency::Unclosed),
            (4, Leniency::Unopened),
            (8, Leniency::Implied),
        ];
        let set = meanings.iter().filter(|(bit, _)| bits & bit != 0);
        Ok(set.map(|&(_, leniency)| leniency).collect())
    }

    fn content(&mut self) -> Result<StoredContent, Error> {
        match self.octet()? {
            0 => Ok(StoredContent::Leaf),
            1 => self.count().map(StoredContent::Multipart),
            2 => Ok(StoredContent::Message),
            _ => Err(self.damaged()),
        }
    }
}
