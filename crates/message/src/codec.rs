//! An outline as stored octets: a version, then each field in order.
//!
//! Numbers are LEB128, texts a length and octets, an optional text a length plus one (0 for none).
//! Of a part only what is not as it mostly is is written. The message's own digest stands behind
//! its length, and the places of a part before what it is, so that whoever wants only these need
//! not look at what is before or behind.
//!
//! Version 3 wrote no such length, and the places last; version 2 also no references, version 1
//! also every field of a part, and one octet for what was wrong; they are read and no longer
//! written. Reading trusts nothing: every count is checked against the octets left, depth is
//! bounded.

mod read;

use crate::Error;
use crate::address::Correspondent;
use crate::digest::Digest;
use crate::outline::{Outline, Wanted};
use crate::parameter::Parameter;
use crate::part::{Content, Part};
use crate::stored::StoredContent;

pub(crate) use read::{Reader, parts_at, placed_parts_at};

const VERSION: u8 = 4;
/// The first version whose digest can be passed over, and whose parts begin with their places.
const VERSION_PLACED: u8 = 4;
/// The oldest version that is read.
const VERSION_MIN: u8 = 1;

/// Octets that are made room for at once for a digest, and for the parts: most often enough.
const HEAD_OCTETS: usize = 256;

/// Writes an outline that is made of these.
pub(crate) fn encode(digest: &Digest, root: &Part) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_OCTETS);
    write_digest(digest, &mut head);
    let mut out = Vec::with_capacity(head.len() + HEAD_OCTETS);
    out.push(VERSION);
    write_text(&head, &mut out);
    write_part(root, &mut out);
    out
}

pub(crate) fn decode(stored: &[u8], wanted: Wanted) -> Result<Outline, Error> {
    let mut reader = Reader::new(stored)?;
    let digest = if wanted.digest {
        reader.head()?.to_digest()
    } else {
        reader.pass_head()?;
        Digest::default()
    };
    decode_root(reader, digest, wanted.parts)
}

/// The same of octets that begin with the parts, as [`placed_parts_at`] says where.
pub(crate) fn decode_bare(parts: &[u8], wanted: bool) -> Result<Outline, Error> {
    decode_root(Reader::of(parts), Digest::default(), wanted)
}

fn decode_root(mut reader: Reader<'_>, digest: Digest, parts: bool) -> Result<Outline, Error> {
    if !parts {
        let (header, body) = reader.places()?;
        let root = Part {
            header,
            body,
            ..Part::default()
        };
        return Ok(Outline { digest, root });
    }
    let root = part(&mut reader, 0)?;
    reader.end()?;
    Ok(Outline { digest, root })
}

/// Reads the digest an outline begins with.
pub(crate) fn decode_digest(stored: &[u8]) -> Result<Digest, Error> {
    Ok(Reader::new(stored)?.head()?.to_digest())
}

/// Reads a part and all that is in it.
fn part(reader: &mut Reader<'_>, depth: usize) -> Result<Part, Error> {
    let part = reader.part_within(depth)?;
    let content = match part.content {
        StoredContent::Leaf => Content::Leaf,
        StoredContent::Multipart(count) => {
            let parts = (0..count).map(|_| self::part(reader, depth + 1));
            Content::Multipart(parts.collect::<Result<_, _>>()?)
        }
        StoredContent::Message => {
            let digest = reader.digest()?.to_digest();
            let root = self::part(reader, depth + 1)?;
            Content::Message(Box::new(Outline { digest, root }))
        }
    };
    Ok(Part {
        content,
        ..part.to_part()
    })
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
    /// Those that say what a part is, and not where.
    pub(super) const KIND: u8 = TYPE | ENCODING | MORE;
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
            write_digest(&inner.digest, out);
            write_part(&inner.root, out);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leniency::Leniency;

    fn encode(outline: &Outline) -> Vec<u8> {
        super::encode(&outline.digest, &outline.root)
    }

    #[test]
    fn an_outline_of_version_1_is_read() {
        let stored = include_bytes!("../tests/fixtures/outline-1.bin");
        assert_eq!(stored.first(), Some(&1));
        let outline = decode(stored, Wanted::ALL).unwrap();
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
        assert_eq!(decode(&again, Wanted::ALL), Ok(outline));
        assert!(again.len() < stored.len());
        assert_eq!(decode(&[5], Wanted::ALL), Err(Error::Version(5)));
        assert_eq!(decode(&[0], Wanted::ALL), Err(Error::Version(0)));
    }

    #[test]
    fn an_outline_of_version_2_is_read() {
        let stored = include_bytes!("../tests/fixtures/outline-2.bin");
        assert_eq!(stored.first(), Some(&2));
        let outline = decode(stored, Wanted::ALL).unwrap();
        assert_eq!(outline.digest.subject_text(), "an outline of version 2");
        let answered = outline.digest.in_reply_to.as_deref();
        assert_eq!(answered, Some(&b"<one@example.org>"[..]));
        // What was not kept is not known, which is not the same as none.
        assert_eq!(outline.digest.references, None);
        assert_eq!(decode_digest(stored).as_ref(), Ok(&outline.digest));
        let again = encode(&outline);
        assert_eq!(again.first(), Some(&VERSION));
        assert_eq!(decode(&again, Wanted::ALL), Ok(outline));
    }

    #[test]
    fn an_outline_of_version_3_is_read() {
        let stored = include_bytes!("../tests/fixtures/outline-3.bin");
        assert_eq!(stored.first(), Some(&3));
        let outline = decode(stored, Wanted::ALL).unwrap();
        assert_eq!(outline.digest.subject_text(), "an outline of version 3");
        let references = Some(vec![b"b@example.org".to_vec()]);
        assert_eq!(outline.digest.references, references);
        // The parts are those of the oldest fixture.
        let oldest = include_bytes!("../tests/fixtures/outline-1.bin");
        assert_eq!(outline.root, decode(oldest, Wanted::ALL).unwrap().root);
        assert_eq!(decode_digest(stored).as_ref(), Ok(&outline.digest));
        let again = encode(&outline);
        assert_eq!(again.first(), Some(&VERSION));
        assert_eq!(decode(&again, Wanted::ALL), Ok(outline));
    }

    #[test]
    fn the_places_are_read_alone() {
        let fixtures: [&[u8]; 3] = [
            include_bytes!("../tests/fixtures/outline-1.bin"),
            include_bytes!("../tests/fixtures/outline-2.bin"),
            include_bytes!("../tests/fixtures/outline-3.bin"),
        ];
        let outlines = fixtures.map(|stored| decode(stored, Wanted::ALL).unwrap());
        let today = outlines.each_ref().map(encode);
        for (stored, outline) in fixtures.into_iter().zip(&outlines) {
            let places = decode(stored, Wanted::default()).unwrap();
            assert_eq!(places.root.header, outline.root.header);
            assert_eq!(places.root.body, outline.root.body);
        }
        for (stored, outline) in today.iter().zip(&outlines) {
            let (low, high) = (usize::from(stored[1]), usize::from(stored[2]));
            let head = match low {
                0..128 => 2..2 + low,
                _ => 3..3 + (low & 127) + 128 * high,
            };
            // Neither what is before nor what is behind is looked at.
            let mut blind = stored[..head.end + 10].to_vec();
            blind[head].fill(0xff);
            let places = decode(&blind, Wanted::default()).unwrap();
            assert_eq!(places.root.header, outline.root.header);
            assert_eq!(places.root.body, outline.root.body);
            assert!(decode_digest(&blind).is_err());
        }
    }

    #[test]
    fn a_digest_is_as_long_as_it_says() {
        let stored = encode(&Outline::parse(b"Subject: a\r\n\r\nb"));
        for longer in [1, 0_u8.wrapping_sub(1)] {
            let mut wrong = stored.clone();
            let len = wrong.get_mut(1).unwrap();
            *len = len.wrapping_add(longer);
            assert!(matches!(
                decode(&wrong, Wanted::ALL),
                Err(Error::Damaged(_))
            ));
        }
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
        assert_eq!(decode(&encode(&outline), Wanted::ALL), Ok(outline));
    }
}
