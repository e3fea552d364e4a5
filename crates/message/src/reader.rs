//! Describes a message by its table: what IMAP asks for, decoded no further than its fields.
//!
//! Not here: where the parts are (`scanner`).

use crate::address::{self, Correspondent};
use crate::decode::Encoding;
use crate::digest::Digest;
use crate::field_name::FieldName;
use crate::header::unfold;
use crate::leniency::Leniency;
use crate::outline::{Limits, Outline};
use crate::parameter::{self, Parameter};
use crate::part::{Content, Disposition, Part};
use crate::table::{Entry, Kind, Table, Text};
use crate::thread;

pub(crate) fn read(table: &Table, text: Text<'_>, limits: &Limits) -> Outline {
    let mut reader = Reader {
        table,
        text,
        limits,
        addresses: 0,
    };
    table
        .parts()
        .first()
        .map(|root| reader.message(0, root))
        .unwrap_or_default()
}

struct Reader<'a> {
    table: &'a Table,
    text: Text<'a>,
    limits: &'a Limits,
    addresses: usize,
}

impl<'a> Reader<'a> {
    fn message(&mut self, index: usize, entry: &Entry) -> Outline {
        let found = self.found(entry);
        let digest = self.digest(&found);
        let root = self.part(index, entry, &found);
        Outline { digest, root }
    }

    /// The part at this index with all that is in it; as deep as the table, which has a limit.
    fn part(&mut self, index: usize, entry: &Entry, found: &Found<'_>) -> Part {
        let mut part = self.describe(found, entry);
        let table = self.table;
        part.content = match entry.kind() {
            Kind::Leaf => Content::Leaf,
            Kind::Multipart => {
                let children = table.children(index);
                let children = children.map(|(index, child)| {
                    let found = self.found(child);
                    self.part(index, child, &found)
                });
                Content::Multipart(children.collect())
            }
            Kind::Message => {
                let inner = table.children(index).next();
                let inner = inner.map(|(index, root)| self.message(index, root));
                Content::Message(Box::new(inner.unwrap_or_default()))
            }
        };
        part
    }

    fn found(&self, entry: &Entry) -> Found<'a> {
        let mut found = Found::default();
        for (name, field) in self.table.fields(entry, self.text) {
            found.keep(name, field.value);
        }
        found
    }

    fn describe(&self, found: &Found<'_>, entry: &Entry) -> Part {
        let (most, octets) = (self.limits.parameters_max, self.limits.text_octets_max);
        let media = found
            .content_type
            .and_then(|value| parameter::media_type(value, most, octets));
        let mut part = default_part(entry.is_in_digest());
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
        part.header = entry.header();
        part.body = entry.body();
        part.lines = entry.lines();
        part.leniencies = entry.leniencies();
        if entry.kind() == Kind::Leaf && is_closed(entry) {
            // Octets to everybody: IMAP has no other word for a composite part left closed.
            "application".clone_into(&mut part.media);
            "octet-stream".clone_into(&mut part.subtype);
        }
        if Encoding::parse(&part.encoding) == Encoding::Unknown {
            part.leniencies.add(Leniency::EncodingUnknown);
        }
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
            references: Some(self.references(found)),
        }
    }

    /// What it answers: as many of the newest as a text may have octets.
    fn references(&self, found: &Found<'_>) -> Vec<Vec<u8>> {
        let mut ids = thread::ancestry_of(found.references, found.in_reply_to);
        let mut room = self.limits.text_octets_max;
        let kept = ids.iter().rev().take_while(|id| {
            let fits = id.len() <= room;
            room = room.saturating_sub(id.len());
            fits
        });
        let surplus = ids.len() - kept.count();
        ids.drain(..surplus);
        ids
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
    references: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    encoding: Option<&'a [u8]>,
    disposition: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    description: Option<&'a [u8]>,
    md5: Option<&'a [u8]>,
    language: Option<&'a [u8]>,
    location: Option<&'a [u8]>,
}

impl<'a> Found<'a> {
    /// Keeps a field that matters: the first of its name, but all destinations.
    fn keep(&mut self, name: FieldName, value: &'a [u8]) {
        let slot = match name {
            FieldName::To => return self.to.push(value),
            FieldName::Cc => return self.cc.push(value),
            FieldName::Bcc => return self.bcc.push(value),
            FieldName::Date => &mut self.date,
            FieldName::From => &mut self.from,
            FieldName::Sender => &mut self.sender,
            FieldName::Subject => &mut self.subject,
            FieldName::ReplyTo => &mut self.reply_to,
            FieldName::MessageId => &mut self.message_id,
            FieldName::InReplyTo => &mut self.in_reply_to,
            FieldName::References => &mut self.references,
            FieldName::ContentType => &mut self.content_type,
            FieldName::ContentTransferEncoding => &mut self.encoding,
            FieldName::ContentDisposition => &mut self.disposition,
            FieldName::ContentId => &mut self.id,
            FieldName::ContentDescription => &mut self.description,
            FieldName::ContentMd5 => &mut self.md5,
            FieldName::ContentLanguage => &mut self.language,
            FieldName::ContentLocation => &mut self.location,
            FieldName::Other
            | FieldName::ReturnPath
            | FieldName::Received
            | FieldName::MimeVersion
            | FieldName::AuthenticationResults
            | FieldName::DkimSignature
            | FieldName::ListId => return,
        };
        slot.get_or_insert(value);
    }
}

fn is_closed(entry: &Entry) -> bool {
    let leniencies = entry.leniencies();
    leniencies.has(Leniency::Unopened) || leniencies.has(Leniency::EncodedComposite)
}

/// What a part is that does not say (RFC 2045 §5.2, RFC 2046 §5.1.5).
pub(crate) fn default_part(in_digest: bool) -> Part {
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
        ..Part::default()
    }
}
