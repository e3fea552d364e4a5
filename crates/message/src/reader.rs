//! Reads a message into its outline, in one pass over its lines.
//!
//! Delimiters of all open multiparts are known at every moment (RFC 2046 §5.1.2), so that an outer
//! one ends everything inside it. Only lines that begin with `--` are looked at.

use memchr::memmem::Finder;

use crate::address::{self, Correspondent};
use crate::digest::Digest;
use crate::header::{Field, Header, unfold};
use crate::outline::{Limits, Outline};
use crate::parameter::{self, Parameter};
use crate::part::{Content, Disposition, Faults, Part, Span};

pub(crate) fn read(message: &[u8], limits: &Limits) -> Outline {
    let mut reader = Reader {
        message,
        limits,
        boundaries: Vec::new(),
        dashes: Finder::new(b"\n--"),
        parts: 0,
        addresses: 0,
    };
    reader.entity(0, 0, true, false).0
}

struct Reader<'a> {
    message: &'a [u8],
    limits: &'a Limits,
    /// Boundaries of the open multiparts, outermost first.
    boundaries: Vec<Vec<u8>>,
    dashes: Finder<'static>,
    parts: usize,
    addresses: usize,
}

/// Where a body ends and why: at a delimiter or (none) with the message.
#[derive(Clone, Copy)]
struct Stop {
    at: usize,
    delimiter: Option<Delimiter>,
}

/// A delimiter line of the open multipart number `level`.
#[derive(Clone, Copy)]
struct Delimiter {
    level: usize,
    close: bool,
    /// The first octet of the next line.
    end: usize,
}

impl<'a> Reader<'a> {
    /// Reads a message or a part that begins at `start`, to the delimiter that ends it.
    fn entity(
        &mut self,
        start: usize,
        depth: usize,
        is_message: bool,
        in_digest: bool,
    ) -> (Outline, Stop) {
        self.parts += 1;
        let (found, body_start, ended) = self.header(start);
        let digest = if is_message {
            self.digest(&found)
        } else {
            Digest::default()
        };
        let mut part = self.describe(&found, in_digest);
        part.header = Span::between(start, body_start);
        let mut stop = match ended {
            Some(stop) => {
                // A header cut short by a delimiter has no body to open.
                if part.media == "multipart" {
                    part.faults.implied = true;
                    part.content = Content::Multipart(vec![self.implied(body_start, body_start)]);
                } else if opens_message(&part) {
                    close_up(&mut part);
                }
                stop
            }
            None => self.body(&mut part, body_start, depth),
        };
        stop.at = stop.at.max(body_start);
        part.body = Span::between(body_start, stop.at);
        if part.media == "text" || matches!(part.content, Content::Message(_)) {
            part.lines = self.lines(body_start, stop.at);
        }
        (Outline { digest, root: part }, stop)
    }

    /// The header's fields, where it ends, and the stop if a delimiter cut it short.
    fn header(&self, start: usize) -> (Found<'a>, usize, Option<Stop>) {
        let mut found = Found::default();
        let mut fields = Header::at(self.message, start);
        let mut count = 0;
        loop {
            let at = fields.offset();
            if let Some(delimiter) = self.delimiter(at) {
                let end = self.before_line_end(at).max(start);
                let stop = Stop {
                    at: end,
                    delimiter: Some(delimiter),
                };
                return (found, end, Some(stop));
            }
            let Some(line) = fields.line() else {
                break;
            };
            if let Some(field) = line
                && count < self.limits.header_fields_max
            {
                count += 1;
                found.keep(field);
            }
        }
        let end = fields.offset() + fields.blank_line().len();
        (found, end, None)
    }

    fn body(&mut self, part: &mut Part, start: usize, depth: usize) -> Stop {
        let multipart = part.media == "multipart";
        let message = opens_message(part);
        let composite = multipart || message;
        let full = depth >= self.limits.depth_max || self.parts >= self.limits.parts_max;
        // Only its own octets are a message; encoded ones (RFC 2046 §5.2.1 forbids them) are not.
        let encoded = message && matches!(part.encoding.as_str(), "base64" | "quoted-printable");
        if !composite || full || encoded {
            if composite {
                close_up(part);
            }
            return self.find(start);
        }
        if message {
            let (inner, stop) = self.entity(start, depth + 1, true, false);
            part.content = Content::Message(Box::new(inner));
            return stop;
        }
        self.multipart(part, start, depth)
    }

    fn multipart(&mut self, part: &mut Part, start: usize, depth: usize) -> Stop {
        let named = |one: &&Parameter| one.name == "boundary";
        let boundary = part.parameters.iter().find(named);
        let boundary = boundary.map_or(&[][..], |one| one.value.trim_ascii_end());
        let mut children = Vec::new();
        let mut stop;
        if boundary.is_empty() {
            stop = self.find(start);
        } else {
            let level = self.boundaries.len();
            self.boundaries.push(boundary.to_vec());
            stop = self.find(start);
            let mut closed = false;
            while let Some(delimiter) = stop.delimiter.filter(|found| found.level == level) {
                closed = delimiter.close;
                if closed || delimiter.end >= self.message.len() {
                    break;
                }
                if self.parts >= self.limits.parts_max {
                    part.faults.unopened = true;
                    stop = self.find(delimiter.end);
                    continue;
                }
                let digest = part.subtype == "digest";
                let (child, next) = self.entity(delimiter.end, depth + 1, false, digest);
                children.push(child.root);
                stop = next;
            }
            self.boundaries.truncate(level);
            part.faults.unclosed = !closed;
            // What follows the close delimiter belongs to the body, up to an outer delimiter.
            if let Some(delimiter) = stop.delimiter.filter(|found| found.level == level) {
                stop = self.find(delimiter.end);
            }
        }
        if children.is_empty() {
            part.faults.implied = true;
            children.push(self.implied(start, stop.at.max(start)));
        }
        part.content = Content::Multipart(children);
        stop
    }

    /// The one part of a multipart in which none was found: its whole body as plain text.
    fn implied(&self, start: usize, end: usize) -> Part {
        Part {
            header: Span::between(start, start),
            body: Span::between(start, end),
            lines: self.lines(start, end),
            ..default_part(false)
        }
    }

    /// The end of the body whose first line begins at `from`.
    fn find(&self, from: usize) -> Stop {
        let end = Stop {
            at: self.message.len(),
            delimiter: None,
        };
        if self.boundaries.is_empty() {
            return end;
        }
        let mut line = from;
        loop {
            if let Some(delimiter) = self.delimiter(line) {
                return Stop {
                    at: self.before_line_end(line),
                    delimiter: Some(delimiter),
                };
            }
            let rest = self.message.get(line..).unwrap_or_default();
            match self.dashes.find(rest) {
                None => return end,
                Some(lf) => line += lf + 1,
            }
        }
    }

    /// The delimiter on the line that begins at `at`, innermost multipart first.
    fn delimiter(&self, at: usize) -> Option<Delimiter> {
        if self.boundaries.is_empty() {
            return None;
        }
        let line = self.message.get(at..)?.strip_prefix(b"--")?;
        for (level, boundary) in self.boundaries.iter().enumerate().rev() {
            let Some(rest) = line.strip_prefix(boundary.as_slice()) else {
                continue;
            };
            let open = padded_end(rest).map(|end| (false, end));
            let close = || {
                let rest = rest.strip_prefix(b"--")?;
                padded_end(rest).map(|end| (true, end))
            };
            if let Some((close, rest)) = open.or_else(close) {
                return Some(Delimiter {
                    level,
                    close,
                    end: self.message.len() - rest.len(),
                });
            }
        }
        None
    }

    /// Where the line before the one at `at` ends, its line end not counted.
    fn before_line_end(&self, at: usize) -> usize {
        let before = self.message.get(..at).unwrap_or_default();
        let before = before.strip_suffix(b"\n").unwrap_or(before);
        before.strip_suffix(b"\r").unwrap_or(before).len()
    }

    fn lines(&self, start: usize, end: usize) -> u64 {
        let body = self.message.get(start..end).unwrap_or_default();
        u64::try_from(memchr::memchr_iter(b'\n', body).count()).unwrap_or(u64::MAX)
    }

    fn describe(&self, found: &Found<'_>, in_digest: bool) -> Part {
        let (most, octets) = (self.limits.parameters_max, self.limits.text_octets_max);
        let media = found
            .content_type
            .and_then(|value| parameter::media_type(value, most, octets));
        let mut part = default_part(in_digest);
        if let Some((media, subtype, parameters)) = media {
            part.media = media;
            part.subtype = subtype;
            part.parameters = parameters;
        }
        if let Some(token) = found.encoding.and_then(parameter::first_token) {
            part.encoding = token;
        }
        part.disposition = found
            .disposition
            .and_then(|value| parameter::disposition(value, most, octets))
            .map(|(kind, parameters)| Disposition { kind, parameters });
        part.id = self.text(found.id);
        part.description = self.text(found.description);
        part.md5 = self.text(found.md5);
        part.location = self.text(found.location);
        let languages = self.text(found.language).unwrap_or_default();
        part.languages = languages
            .split(|&octet| octet == b',')
            .map(|tag| tag.trim_ascii().to_vec())
            .filter(|tag| !tag.is_empty())
            .take(most)
            .collect();
        part.faults.ambiguous = found.ambiguous;
        part
    }

    fn digest(&mut self, found: &Found<'_>) -> Digest {
        let from = self.addresses(found.from.as_slice());
        let or_from = |list: Vec<Correspondent>| {
            if list.is_empty() { from.clone() } else { list }
        };
        // RFC 9051 §7.5.2
        let sender = or_from(self.addresses(found.sender.as_slice()));
        let reply_to = or_from(self.addresses(found.reply_to.as_slice()));
        Digest {
            date: self.text(found.date),
            subject: self.text(found.subject),
            sender,
            reply_to,
            from,
            to: self.addresses(&found.to),
            cc: self.addresses(&found.cc),
            bcc: self.addresses(&found.bcc),
            in_reply_to: self.text(found.in_reply_to),
            message_id: self.text(found.message_id),
        }
    }

    fn addresses(&mut self, values: &[&[u8]]) -> Vec<Correspondent> {
        let mut list = Vec::new();
        let max = self.limits.addresses_max.saturating_sub(self.addresses);
        for value in values {
            address::read_into(value, max, &mut list);
        }
        self.addresses += list.len();
        list
    }

    fn text(&self, value: Option<&[u8]>) -> Option<Vec<u8>> {
        let mut text = unfold(value?).into_owned();
        text.truncate(self.limits.text_octets_max);
        Some(text)
    }
}

/// The fields an outline is made of, as they stand in one header.
#[derive(Default)]
struct Found<'a> {
    date: Option<&'a [u8]>,
    subject: Option<&'a [u8]>,
    from: Option<&'a [u8]>,
    sender: Option<&'a [u8]>,
    reply_to: Option<&'a [u8]>,
    to: Vec<&'a [u8]>,
    cc: Vec<&'a [u8]>,
    bcc: Vec<&'a [u8]>,
    in_reply_to: Option<&'a [u8]>,
    message_id: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    encoding: Option<&'a [u8]>,
    disposition: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    description: Option<&'a [u8]>,
    md5: Option<&'a [u8]>,
    language: Option<&'a [u8]>,
    location: Option<&'a [u8]>,
    ambiguous: bool,
}

impl<'a> Found<'a> {
    /// Keeps a field that matters: the first of its name, but all destinations.
    fn keep(&mut self, field: Field<'a>) {
        let mut lower = [0_u8; 25];
        let Some(name) = lower.get_mut(..field.name.len()) else {
            return;
        };
        name.copy_from_slice(field.name);
        name.make_ascii_lowercase();
        let (slot, mime) = match &*name {
            b"to" => return self.to.push(field.value),
            b"cc" => return self.cc.push(field.value),
            b"bcc" => return self.bcc.push(field.value),
            b"date" => (&mut self.date, false),
            b"from" => (&mut self.from, false),
            b"sender" => (&mut self.sender, false),
            b"subject" => (&mut self.subject, false),
            b"reply-to" => (&mut self.reply_to, false),
            b"message-id" => (&mut self.message_id, false),
            b"in-reply-to" => (&mut self.in_reply_to, false),
            b"content-type" => (&mut self.content_type, true),
            b"content-transfer-encoding" => (&mut self.encoding, true),
            b"content-disposition" => (&mut self.disposition, true),
            b"content-id" => (&mut self.id, true),
            b"content-description" => (&mut self.description, true),
            b"content-md5" => (&mut self.md5, true),
            b"content-language" => (&mut self.language, true),
            b"content-location" => (&mut self.location, true),
            _ => return,
        };
        if slot.is_none() {
            *slot = Some(field.value);
        } else if mime {
            self.ambiguous = true;
        }
    }
}

fn opens_message(part: &Part) -> bool {
    part.is("message", "rfc822") || part.is("message", "global")
}

/// A composite part that is left closed is octets to everybody: IMAP has no other word for it.
fn close_up(part: &mut Part) {
    "application".clone_into(&mut part.media);
    "octet-stream".clone_into(&mut part.subtype);
    part.faults.unopened = true;
}

/// What a part is that does not say (RFC 2045 §5.2, RFC 2046 §5.1.5).
fn default_part(in_digest: bool) -> Part {
    let (media, subtype) = if in_digest {
        ("message", "rfc822")
    } else {
        ("text", "plain")
    };
    let charset = Parameter {
        name: "charset".to_owned(),
        value: b"us-ascii".to_vec(),
    };
    Part {
        media: media.to_owned(),
        subtype: subtype.to_owned(),
        parameters: if in_digest { Vec::new() } else { vec![charset] },
        encoding: "7bit".to_owned(),
        faults: Faults::default(),
        ..Part::default()
    }
}

/// The octets behind a line that holds nothing more than transport padding (RFC 2046 §5.1.1).
fn padded_end(rest: &[u8]) -> Option<&[u8]> {
    let end = rest
        .iter()
        .position(|octet| !matches!(octet, b' ' | b'\t'))
        .unwrap_or(rest.len());
    match rest.get(end..)? {
        [b'\r', b'\n', behind @ ..] | [b'\n', behind @ ..] => Some(behind),
        [] | [b'\r'] => Some(&[]),
        _ => None,
    }
}
