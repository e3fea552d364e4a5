//! ENVELOPE, BODY and BODYSTRUCTURE, from what `message` knows of a message, and back.
//!
//! What is read back has no places in the message: a span knows only how long a body is.
//!
//! RFC 9051 §7.5.2 and §9 (`envelope`, `body`).

use bytes::{BufMut, BytesMut};
use message::parameter;
use message::{
    Content, Correspondent, Digest, Disposition, Outline, Parameter, Part, Span, StoredAddress,
    StoredContent, StoredDigest, StoredList, StoredPart, StoredParts,
};

use super::kinds::PartKinds;
use crate::cursor::{Cursor, Read};
use crate::writing;

/// Levels of parts and of parentheses that are read, and of parts that are written: more than a
/// message is stored with.
const DEPTH_MAX: usize = 100;

pub(super) fn write_envelope(out: &mut BytesMut, digest: StoredDigest<'_>) {
    out.put_u8(b'(');
    nstring(out, digest.date);
    out.put_u8(b' ');
    nstring(out, digest.subject);
    for list in [
        digest.from,
        digest.sender,
        digest.reply_to,
        digest.to,
        digest.cc,
        digest.bcc,
    ] {
        out.put_u8(b' ');
        if list.is_empty() {
            out.put_slice(b"NIL");
            continue;
        }
        out.put_u8(b'(');
        list.for_each(|entry| write_address(out, entry));
        out.put_u8(b')');
    }
    out.put_u8(b' ');
    nstring(out, digest.in_reply_to);
    out.put_u8(b' ');
    nstring(out, digest.message_id);
    out.put_u8(b')');
}

fn write_address(out: &mut BytesMut, entry: StoredAddress<'_>) {
    match entry {
        StoredAddress::Mailbox {
            name,
            route,
            local,
            host,
        } => {
            out.put_u8(b'(');
            nstring(out, name);
            out.put_u8(b' ');
            nstring(out, route);
            out.put_u8(b' ');
            string(out, local);
            out.put_u8(b' ');
            // Never NIL: that would begin a group.
            string(out, host);
            out.put_u8(b')');
        }
        StoredAddress::GroupStart(name) => {
            out.put_slice(b"(NIL NIL ");
            string(out, name);
            out.put_slice(b" NIL)");
        }
        StoredAddress::GroupEnd => out.put_slice(b"(NIL NIL NIL NIL)"),
    }
}

/// Writes the next part and what is in it; `extended` adds the extension data. `None` where the
/// stored octets are not what they should be: what was written is of no use.
pub(super) fn write_body(
    out: &mut BytesMut,
    parts: &mut StoredParts<'_>,
    extended: bool,
    kinds: &mut PartKinds,
) -> Option<()> {
    write_within(out, parts, extended, (DEPTH_MAX, kinds))
}

fn write_within(
    out: &mut BytesMut,
    parts: &mut StoredParts<'_>,
    extended: bool,
    (depth, kinds): (usize, &mut PartKinds),
) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    out.put_u8(b'(');
    if kinds.write(out, parts, extended) {
        out.put_u8(b')');
        return Some(());
    }
    let part = parts.part()?;
    if let StoredContent::Multipart(count) = part.content {
        // At least one part, says the grammar.
        if count == 0 {
            out.put_slice(b"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");
        }
        for _ in 0..count {
            write_within(out, parts, extended, (depth, kinds))?;
        }
        out.put_u8(b' ');
        string(out, part.subtype);
        if extended {
            out.put_u8(b' ');
            write_parameters(out, &part.parameters);
            write_extension(out, part);
        }
    } else {
        write_single(out, parts, part, extended, (depth, kinds))?;
    }
    out.put_u8(b')');
    Some(())
}

/// Writes a part that is no multipart.
fn write_single(
    out: &mut BytesMut,
    parts: &mut StoredParts<'_>,
    part: StoredPart<'_>,
    extended: bool,
    (depth, kinds): (usize, &mut PartKinds),
) -> Option<()> {
    let begin = out.len();
    write_basic(out, &part);
    let front = begin..out.len();
    writing::number(out, part.body.len);
    let message = part.content == StoredContent::Message;
    if message {
        out.put_u8(b' ');
        write_envelope(out, parts.digest()?);
        out.put_u8(b' ');
        write_within(out, parts, extended, (depth, kinds))?;
    }
    let has_lines = part.media == b"text" || message;
    if has_lines {
        out.put_u8(b' ');
        writing::number(out, part.lines);
    }
    let (behind, kind) = (out.len(), part.kind);
    if extended && has_extension(&part) {
        out.put_u8(b' ');
        nstring(out, part.md5);
        write_extension(out, part);
    } else if extended {
        out.put_slice(b" NIL NIL NIL NIL");
    }
    // Without the extension data half of what is told is not known.
    if let Some(kind) = kind.filter(|_| extended) {
        let pieces = (out.get(front)?, out.get(behind..)?);
        kinds.learn(kind, pieces, has_lines);
    }
    Some(())
}

/// Writes all up to how many octets the body has.
fn write_basic(out: &mut BytesMut, part: &StoredPart<'_>) {
    string(out, part.media);
    out.put_u8(b' ');
    string(out, part.subtype);
    out.put_u8(b' ');
    write_parameters(out, &part.parameters);
    out.put_u8(b' ');
    nstring(out, part.id);
    out.put_u8(b' ');
    nstring(out, part.description);
    out.put_u8(b' ');
    string(out, part.encoding);
    out.put_u8(b' ');
}

/// True for the few parts that have any of the extension data.
const fn has_extension(part: &StoredPart<'_>) -> bool {
    part.md5.is_some()
        || part.disposition.is_some()
        || part.languages.is_some()
        || part.location.is_some()
}

/// Writes disposition, languages and location.
fn write_extension(out: &mut BytesMut, part: StoredPart<'_>) {
    out.put_u8(b' ');
    match part.disposition {
        Some(disposition) => {
            out.put_u8(b'(');
            string(out, disposition.kind);
            out.put_u8(b' ');
            write_parameters(out, &disposition.parameters);
            out.put_u8(b')');
        }
        None => out.put_slice(b"NIL"),
    }
    out.put_u8(b' ');
    match part.languages {
        Some(languages) if !languages.is_empty() => writing::list(out, languages, string),
        _ => out.put_slice(b"NIL"),
    }
    out.put_u8(b' ');
    nstring(out, part.location);
}

fn write_parameters(out: &mut BytesMut, parameters: &StoredList<'_, (&[u8], &[u8])>) {
    if parameters.is_empty() {
        return out.put_slice(b"NIL");
    }
    let write = |out: &mut BytesMut, (name, value): (&[u8], &[u8])| {
        string(out, name);
        out.put_u8(b' ');
        string(out, value);
    };
    let before = out.len();
    let mut continued = false;
    writing::list(out, parameters.clone(), |out, one: (&[u8], &[u8])| {
        continued |= one.0.contains(&b'*');
        write(out, one);
    });
    // Only continued parameters need joining.
    if continued {
        out.truncate(before);
        let joined = parameter::join(&parameters.to_parameters());
        let joined = joined.iter().map(|one| (one.name.as_bytes(), &*one.value));
        writing::list(out, joined, write);
    }
}

fn string(out: &mut BytesMut, text: &[u8]) {
    writing::string(out, text, false);
}

fn nstring(out: &mut BytesMut, text: Option<&[u8]>) {
    writing::nstring(out, text, false);
}

pub(super) fn envelope(cursor: &mut Cursor<'_>) -> Read<Digest> {
    cursor.open()?;
    let mut digest = Digest {
        date: owned(cursor)?,
        ..Digest::default()
    };
    cursor.space()?;
    digest.subject = owned(cursor)?;
    for list in [
        &mut digest.from,
        &mut digest.sender,
        &mut digest.reply_to,
        &mut digest.to,
        &mut digest.cc,
        &mut digest.bcc,
    ] {
        cursor.space()?;
        *list = addresses(cursor)?;
    }
    cursor.space()?;
    digest.in_reply_to = owned(cursor)?;
    cursor.space()?;
    digest.message_id = owned(cursor)?;
    cursor.close()?;
    Ok(digest)
}

fn addresses(cursor: &mut Cursor<'_>) -> Read<Vec<Correspondent>> {
    let mut list = Vec::new();
    if cursor.eat_word(b"NIL") {
        return Ok(list);
    }
    cursor.open()?;
    while cursor.eat(b'(') {
        let name = owned(cursor)?;
        cursor.space()?;
        let route = owned(cursor)?;
        cursor.space()?;
        let local = owned(cursor)?;
        cursor.space()?;
        let host = owned(cursor)?;
        cursor.close()?;
        list.push(match (local, host) {
            (Some(local), Some(host)) => Correspondent::Mailbox {
                name,
                route,
                local,
                host,
            },
            (Some(name), None) => Correspondent::GroupStart(name),
            (None, _) => Correspondent::GroupEnd,
        });
        // Some servers put a space between addresses.
        cursor.eat(b' ');
    }
    cursor.close()?;
    Ok(list)
}

pub(super) fn body(cursor: &mut Cursor<'_>) -> Read<Part> {
    body_within(cursor, DEPTH_MAX)
}

fn body_within(cursor: &mut Cursor<'_>, depth: usize) -> Read<Part> {
    if depth == 0 {
        return cursor.error("fewer levels of parts");
    }
    cursor.open()?;
    let mut part = Part::default();
    if cursor.peek() == Some(b'(') {
        let mut parts = Vec::new();
        while cursor.peek() == Some(b'(') {
            parts.push(body_within(cursor, depth - 1)?);
            cursor.eat(b' ');
        }
        "multipart".clone_into(&mut part.media);
        part.subtype = token(cursor)?;
        part.content = Content::Multipart(parts);
        if cursor.eat(b' ') {
            part.parameters = parameters(cursor)?;
            extension(cursor, &mut part)?;
        }
    } else {
        single(cursor, &mut part, depth)?;
        if cursor.eat(b' ') {
            part.md5 = owned(cursor)?;
            extension(cursor, &mut part)?;
        }
    }
    cursor.close()?;
    Ok(part)
}

fn single(cursor: &mut Cursor<'_>, part: &mut Part, depth: usize) -> Read<()> {
    part.media = token(cursor)?;
    cursor.space()?;
    part.subtype = token(cursor)?;
    cursor.space()?;
    part.parameters = parameters(cursor)?;
    cursor.space()?;
    part.id = owned(cursor)?;
    cursor.space()?;
    part.description = owned(cursor)?;
    cursor.space()?;
    part.encoding = token(cursor)?;
    cursor.space()?;
    part.body = Span {
        offset: 0,
        len: cursor.number64()?,
    };
    let message = part.media == "message" && matches!(&*part.subtype, "rfc822" | "global");
    if message {
        cursor.space()?;
        let digest = envelope(cursor)?;
        cursor.space()?;
        let root = body_within(cursor, depth - 1)?;
        part.content = Content::Message(Box::new(Outline { digest, root }));
    }
    if message || part.media == "text" {
        cursor.space()?;
        part.lines = cursor.number64()?;
    }
    Ok(())
}

/// Disposition, languages, location, and whatever may come behind.
fn extension(cursor: &mut Cursor<'_>, part: &mut Part) -> Read<()> {
    if !cursor.eat(b' ') {
        return Ok(());
    }
    if !cursor.eat_word(b"NIL") {
        cursor.open()?;
        let kind = token(cursor)?;
        cursor.space()?;
        let parameters = parameters(cursor)?;
        cursor.close()?;
        part.disposition = Some(Disposition { kind, parameters });
    }
    if !cursor.eat(b' ') {
        return Ok(());
    }
    if cursor.peek() == Some(b'(') {
        cursor.list(|cursor| {
            part.languages.push(cursor.string()?.into_owned());
            Ok(())
        })?;
    } else {
        part.languages.extend(owned(cursor)?);
    }
    if !cursor.eat(b' ') {
        return Ok(());
    }
    part.location = owned(cursor)?;
    // RFC 9051 §7.5.2
    while cursor.eat(b' ') {
        skip(cursor)?;
    }
    Ok(())
}

fn parameters(cursor: &mut Cursor<'_>) -> Read<Vec<Parameter>> {
    let mut parameters = Vec::new();
    if cursor.eat_word(b"NIL") {
        return Ok(parameters);
    }
    cursor.list(|cursor| {
        let name = token(cursor)?;
        cursor.space()?;
        let value = cursor.string()?.into_owned();
        parameters.push(Parameter { name, value });
        Ok(())
    })?;
    Ok(parameters)
}

/// A string that names something, in lower case.
fn token(cursor: &mut Cursor<'_>) -> Read<String> {
    let token = cursor.string()?;
    Ok(String::from_utf8_lossy(&token).to_ascii_lowercase())
}

fn owned(cursor: &mut Cursor<'_>) -> Read<Option<Vec<u8>>> {
    Ok(cursor.nstring()?.map(std::borrow::Cow::into_owned))
}

/// Passes over a value of any form: a string, a word, a list of such.
pub(super) fn skip(cursor: &mut Cursor<'_>) -> Read<()> {
    let mut depth = 0_usize;
    loop {
        match cursor.peek() {
            Some(b'(') => {
                cursor.open()?;
                depth += 1;
            }
            Some(b')') if depth > 0 => {
                cursor.close()?;
                depth -= 1;
            }
            Some(b' ') if depth > 0 => cursor.space()?,
            Some(b'"' | b'{') => drop(cursor.string()?),
            _ => {
                let word = |octet: u8| octet > b' ' && !matches!(octet, b'(' | b')' | b'"' | b'{');
                if cursor.run(word).is_empty() {
                    return cursor.error("a value");
                }
            }
        }
        if depth == 0 {
            return Ok(());
        }
    }
}
