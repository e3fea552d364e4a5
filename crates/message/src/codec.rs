//! An outline as stored octets: a version, then each field in order.
//!
//! Numbers are LEB128, texts a length and octets, an optional text a length plus one (0 for none).
//! Of a part only what is not as it mostly is is written. Version 2 wrote no references, version 1
//! also every field of a part, and one octet for what was wrong; they are read and no longer
//! written. Reading trusts nothing: every count is checked against the octets left, depth is
//! bounded.

use crate::Error;
use crate::address::Correspondent;
use crate::digest::Digest;
use crate::leniency::{Leniencies, Leniency};
use crate::outline::Outline;
use crate::parameter::Parameter;
use crate::part::{Content, Disposition, Part, Span};
use crate::reader::default_part;

const VERSION: u8 = 3;
/// The oldest version that is read.
const VERSION_MIN: u8 = 1;
/// Composite parts inside one another that are read back: more than are ever written, and no more
/// than a small stack has room for.
const DEPTH_MAX: usize = 100;

pub(crate) fn encode(outline: &Outline) -> Vec<u8> {
    let mut out = vec![VERSION];
    write_outline(outline, &mut out);
    out
}

pub(crate) fn decode(stored: &[u8]) -> Result<Outline, Error> {
    let mut reader = Reader::new(stored)?;
    let outline = reader.outline(0)?;
    if reader.rest.is_empty() {
        Ok(outline)
    } else {
        Err(reader.damaged())
    }
}

/// Reads the digest an outline begins with.
pub(crate) fn decode_digest(stored: &[u8]) -> Result<Digest, Error> {
    Reader::new(stored)?.digest()
}

fn write_outline(outline: &Outline, out: &mut Vec<u8>) {
    write_digest(&outline.digest, out);
    write_part(&outline.root, out);
}

fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number > 127 {
        out.push(u8::try_from(number & 127).unwrap_or_default() | 128);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

fn write_len(len: usize, out: &mut Vec<u8>) {
    write_number(u64::try_from(len).unwrap_or(u64::MAX), out);
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    write_len(text.len(), out);
    out.extend_from_slice(text);
}

fn write_optional(text: Option<&[u8]>, out: &mut Vec<u8>) {
    match text {
        None => out.push(0),
        Some(text) => {
            write_len(text.len().saturating_add(1), out);
            out.extend_from_slice(text);
        }
    }
}

fn write_digest(digest: &Digest, out: &mut Vec<u8>) {
    write_optional(digest.date.as_deref(), out);
    write_optional(digest.subject.as_deref(), out);
    write_addresses(&digest.from, out);
    for list in [&digest.sender, &digest.reply_to] {
        // Nearly always the same as From: said in one octet.
        let own = *list != digest.from;
        out.push(u8::from(own));
        if own {
            write_addresses(list, out);
        }
    }
    for list in [&digest.to, &digest.cc, &digest.bcc] {
        write_addresses(list, out);
    }
    write_optional(digest.in_reply_to.as_deref(), out);
    write_optional(digest.message_id.as_deref(), out);
    write_references(digest.references.as_deref(), out);
}

/// A count plus one and the identifiers; 0 for references that are not known.
fn write_references(references: Option<&[Vec<u8>]>, out: &mut Vec<u8>) {
    let Some(references) = references else {
        return out.push(0);
    };
    write_len(references.len().saturating_add(1), out);
    for id in references {
        write_text(id, out);
    }
}

fn write_addresses(list: &[Correspondent], out: &mut Vec<u8>) {
    write_len(list.len(), out);
    for one in list {
        match one {
            Correspondent::Mailbox {
                name,
                route,
                local,
                host,
            } => {
                out.push(0);
                write_optional(name.as_deref(), out);
                write_optional(route.as_deref(), out);
                write_text(local, out);
                write_text(host, out);
            }
            Correspondent::GroupStart(name) => {
                out.push(1);
                write_text(name, out);
            }
            Correspondent::GroupEnd => out.push(2),
        }
    }
}

fn write_parameters(parameters: &[Parameter], out: &mut Vec<u8>) {
    write_len(parameters.len(), out);
    for parameter in parameters {
        write_text(parameter.name.as_bytes(), out);
        write_text(&parameter.value, out);
    }
}

/// Which fields of a part are not what they mostly are, and so are written.
mod written {
    /// Media type, subtype and parameters; else the default of RFC 2045 §5.2.
    pub(super) const TYPE: u8 = 1;
    /// The encoding; else `7bit`.
    pub(super) const ENCODING: u8 = 2;
    /// Identifier, description, MD5, disposition, languages, location; else none.
    pub(super) const MORE: u8 = 4;
    /// Where the body begins; else behind the header.
    pub(super) const BODY: u8 = 8;
    /// The number of lines; else 0.
    pub(super) const LINES: u8 = 16;
    /// What was wrong; else nothing.
    pub(super) const LENIENCIES: u8 = 32;
    pub(super) const ALL: u8 = 63;
}

const DEFAULT_ENCODING: &str = "7bit";

fn has_default_type(part: &Part) -> bool {
    let [charset] = part.parameters.as_slice() else {
        return false;
    };
    part.is("text", "plain") && charset.name == "charset" && charset.value == b"us-ascii"
}

fn has_more(part: &Part) -> bool {
    let texts = [&part.id, &part.description, &part.md5, &part.location];
    let some_text = texts.iter().any(|text| text.is_some());
    some_text || part.disposition.is_some() || !part.languages.is_empty()
}

fn write_part(part: &Part, out: &mut Vec<u8>) {
    let flag = |is_written: bool, flag: u8| if is_written { flag } else { 0 };
    let flags = flag(!has_default_type(part), written::TYPE)
        | flag(part.encoding != DEFAULT_ENCODING, written::ENCODING)
        | flag(has_more(part), written::MORE)
        | flag(part.body.offset != part.header.end(), written::BODY)
        | flag(part.lines > 0, written::LINES)
        | flag(!part.leniencies.is_empty(), written::LENIENCIES);
    out.push(flags);
    if flags & written::TYPE != 0 {
        write_text(part.media.as_bytes(), out);
        write_text(part.subtype.as_bytes(), out);
        write_parameters(&part.parameters, out);
    }
    if flags & written::ENCODING != 0 {
        write_text(part.encoding.as_bytes(), out);
    }
    if flags & written::MORE != 0 {
        write_more(part, out);
    }
    write_number(part.header.offset, out);
    write_number(part.header.len, out);
    write_number(part.body.len, out);
    if flags & written::BODY != 0 {
        write_number(part.body.offset, out);
    }
    if flags & written::LINES != 0 {
        write_number(part.lines, out);
    }
    if flags & written::LENIENCIES != 0 {
        write_number(part.leniencies.bits(), out);
    }
    match &part.content {
        Content::Leaf => out.push(0),
        Content::Multipart(parts) => {
            out.push(1);
            write_len(parts.len(), out);
            for part in parts {
                write_part(part, out);
            }
        }
        Content::Message(inner) => {
            out.push(2);
            write_outline(inner, out);
        }
    }
}

fn write_more(part: &Part, out: &mut Vec<u8>) {
    for text in [&part.id, &part.description, &part.md5, &part.location] {
        write_optional(text.as_deref(), out);
    }
    match &part.disposition {
        None => out.push(0),
        Some(disposition) => {
            out.push(1);
            write_text(disposition.kind.as_bytes(), out);
            write_parameters(&disposition.parameters, out);
        }
    }
    write_len(part.languages.len(), out);
    for tag in &part.languages {
        write_text(tag, out);
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    whole: usize,
    version: u8,
}

impl<'a> Reader<'a> {
    fn new(stored: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Self {
            rest: stored,
            whole: stored.len(),
            version: 0,
        };
        reader.version = reader.octet()?;
        if (VERSION_MIN..=VERSION).contains(&reader.version) {
            Ok(reader)
        } else {
            Err(Error::Version(reader.version))
        }
    }

    const fn damaged(&self) -> Error {
        Error::Damaged(self.whole - self.rest.len())
    }

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

    fn number(&mut self) -> Result<u64, Error> {
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

    fn len(&mut self) -> Result<usize, Error> {
        let number = self.number()?;
        usize::try_from(number).map_err(|_| self.damaged())
    }

    /// Reads so many items as a count says; each takes an octet at least.
    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let count = self.len()?;
        self.items(count, read)
    }

    fn items<T>(
        &mut self,
        count: usize,
        read: impl Fn(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        if count > self.rest.len() {
            return Err(self.damaged());
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn text(&mut self) -> Result<Vec<u8>, Error> {
        let len = self.len()?;
        Ok(self.take(len)?.to_vec())
    }

    fn string(&mut self) -> Result<String, Error> {
        String::from_utf8(self.text()?).map_err(|_| self.damaged())
    }

    fn optional(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.len()?.checked_sub(1) {
            None => Ok(None),
            Some(len) => Ok(Some(self.take(len)?.to_vec())),
        }
    }

    fn outline(&mut self, depth: usize) -> Result<Outline, Error> {
        let digest = self.digest()?;
        let root = self.part(depth)?;
        Ok(Outline { digest, root })
    }

    fn digest(&mut self) -> Result<Digest, Error> {
        let date = self.optional()?;
        let subject = self.optional()?;
        let from = self.addresses()?;
        let sender = self.addresses_or(&from)?;
        let reply_to = self.addresses_or(&from)?;
        Ok(Digest {
            date,
            subject,
            from,
            sender,
            reply_to,
            to: self.addresses()?,
            cc: self.addresses()?,
            bcc: self.addresses()?,
            in_reply_to: self.optional()?,
            message_id: self.optional()?,
            references: self.references()?,
        })
    }

    fn references(&mut self) -> Result<Option<Vec<Vec<u8>>>, Error> {
        if self.version < 3 {
            return Ok(None);
        }
        match self.len()?.checked_sub(1) {
            None => Ok(None),
            Some(count) => self.items(count, Self::text).map(Some),
        }
    }

    fn addresses_or(&mut self, from: &[Correspondent]) -> Result<Vec<Correspondent>, Error> {
        match self.octet()? {
            0 => Ok(from.to_vec()),
            1 => self.addresses(),
            _ => Err(self.damaged()),
        }
    }

    fn addresses(&mut self) -> Result<Vec<Correspondent>, Error> {
        self.list(|reader| match reader.octet()? {
            0 => Ok(Correspondent::Mailbox {
                name: reader.optional()?,
                route: reader.optional()?,
                local: reader.text()?,
                host: reader.text()?,
            }),
            1 => Ok(Correspondent::GroupStart(reader.text()?)),
            2 => Ok(Correspondent::GroupEnd),
            _ => Err(reader.damaged()),
        })
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>, Error> {
        self.list(|reader| {
            let name = reader.string()?;
            let value = reader.text()?;
            Ok(Parameter { name, value })
        })
    }

    fn disposition(&mut self) -> Result<Option<Disposition>, Error> {
        match self.octet()? {
            0 => Ok(None),
            1 => Ok(Some(Disposition {
                kind: self.string()?,
                parameters: self.parameters()?,
            })),
            _ => Err(self.damaged()),
        }
    }

    fn span(&mut self) -> Result<Span, Error> {
        let offset = self.number()?;
        let len = self.number()?;
        Ok(Span { offset, len })
    }

    fn leniencies(&mut self) -> Result<Leniencies, Error> {
        let bits = self.number()?;
        Leniencies::from_bits(bits).ok_or_else(|| self.damaged())
    }

    fn part(&mut self, depth: usize) -> Result<Part, Error> {
        if depth > DEPTH_MAX {
            return Err(self.damaged());
        }
        if self.version == 1 {
            return self.part_of_version_1(depth);
        }
        let flags = self.octet()?;
        if flags & !written::ALL != 0 {
            return Err(self.damaged());
        }
        let mut part = default_part(false);
        if flags & written::TYPE != 0 {
            part.media = self.string()?;
            part.subtype = self.string()?;
            part.parameters = self.parameters()?;
        }
        if flags & written::ENCODING != 0 {
            part.encoding = self.string()?;
        }
        if flags & written::MORE != 0 {
            part.id = self.optional()?;
            part.description = self.optional()?;
            part.md5 = self.optional()?;
            part.location = self.optional()?;
            part.disposition = self.disposition()?;
            part.languages = self.list(Self::text)?;
        }
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
            part.leniencies = self.leniencies()?;
        }
        part.content = self.content(depth)?;
        Ok(part)
    }

    /// A part with every field written, and one octet for what was wrong.
    fn part_of_version_1(&mut self, depth: usize) -> Result<Part, Error> {
        Ok(Part {
            media: self.string()?,
            subtype: self.string()?,
            parameters: self.parameters()?,
            id: self.optional()?,
            description: self.optional()?,
            encoding: self.string()?,
            md5: self.optional()?,
            disposition: self.disposition()?,
            languages: self.list(Self::text)?,
            location: self.optional()?,
            header: self.span()?,
            body: self.span()?,
            lines: self.number()?,
            leniencies: self.faults()?,
            content: self.content(depth)?,
        })
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

    fn content(&mut self, depth: usize) -> Result<Content, Error> {
        match self.octet()? {
            0 => Ok(Content::Leaf),
            1 => Ok(Content::Multipart(
                self.list(|reader| reader.part(depth + 1))?,
            )),
            2 => Ok(Content::Message(Box::new(self.outline(depth + 1)?))),
            _ => Err(self.damaged()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_of_version_1_is_read() {
        let stored = include_bytes!("../tests/fixtures/outline-1.bin");
        assert_eq!(stored.first(), Some(&1));
        let outline = decode(stored).unwrap();
        assert_eq!(outline.digest.subject_text(), "an outline of version 1");
        assert_eq!(outline.root.languages, [b"de", b"en"]);
        let noted = |part: &Part| part.leniencies.iter().collect::<Vec<_>>();
        assert_eq!(noted(&outline.root), [Leniency::Unclosed]);
        let [implied, message, closed, picture] = outline.root.children() else {
            panic!("four parts");
        };
        assert_eq!(noted(implied), [Leniency::Implied]);
        assert!(
            implied
                .children()
                .first()
                .is_some_and(|part| part.is("text", "plain"))
        );
        assert!(noted(message).is_empty());
        let Content::Message(inner) = &message.content else {
            panic!("a message");
        };
        assert_eq!(inner.digest.subject.as_deref(), Some(&b"inner"[..]));
        assert_eq!(noted(closed), [Leniency::Unopened]);
        assert_eq!(noted(picture), [Leniency::RepeatedField]);
        assert_eq!(picture.filename().as_deref(), Some("x.png"));
        // It is written as today's.
        let again = encode(&outline);
        assert_eq!(again.first(), Some(&VERSION));
        assert_eq!(decode(&again), Ok(outline));
        assert!(again.len() < stored.len());
        assert_eq!(decode(&[4]), Err(Error::Version(4)));
        assert_eq!(decode(&[0]), Err(Error::Version(0)));
    }

    #[test]
    fn an_outline_of_version_2_is_read() {
        let stored = include_bytes!("../tests/fixtures/outline-2.bin");
        assert_eq!(stored.first(), Some(&2));
        let outline = decode(stored).unwrap();
        assert_eq!(outline.digest.subject_text(), "an outline of version 2");
        let answered = outline.digest.in_reply_to.as_deref();
        assert_eq!(answered, Some(&b"<one@example.org>"[..]));
        // What was not kept is not known, which is not the same as none.
        assert_eq!(outline.digest.references, None);
        assert_eq!(decode_digest(stored).as_ref(), Ok(&outline.digest));
        let again = encode(&outline);
        assert_eq!(again.first(), Some(&VERSION));
        assert_eq!(decode(&again), Ok(outline));
    }

    #[test]
    fn a_digest_is_read_alone() {
        let message = b"Subject: a\r\nReferences: <b@c> <d@e>\r\nMessage-ID: <f@g>\r\n\r\nh";
        let stored = encode(&Outline::parse(message));
        let digest = decode_digest(&stored).unwrap();
        assert_eq!(digest, Outline::parse(message).digest);
        assert_eq!(
            digest.references,
            Some(vec![b"b@c".to_vec(), b"d@e".to_vec()])
        );
        for end in 0..stored.len() {
            // What is cut off behind it does not matter.
            if let Ok(cut) = decode_digest(stored.get(..end).unwrap()) {
                assert_eq!(cut, digest);
            }
        }
    }

    #[test]
    fn a_plain_part_takes_few_octets() {
        let start = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        let message = [&start[..], &b"--b\r\n".repeat(5000)].concat();
        let stored = encode(&Outline::parse(&message));
        assert!(stored.len() < 2 * message.len(), "{} octets", stored.len());
    }

    #[test]
    fn a_body_may_lie_anywhere() {
        let mut outline = Outline::parse(b"A: b\r\n\r\nx");
        outline.root.body.offset = 99;
        outline.root.encoding.clear();
        assert_eq!(decode(&encode(&outline)), Ok(outline));
    }
}
