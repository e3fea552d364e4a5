//! What each reader makes of a message, put in one form so that it can be compared.

use std::collections::BTreeMap;

/// A message as one reader sees it.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The tree of types: `multipart/mixed(text/plain message/rfc822(text/html))`.
    pub(crate) tree: String,
    /// What is in each leaf, in order: text in UTF-8, the rest as octets.
    pub(crate) bodies: Vec<Vec<u8>>,
    /// File names of the leaves that have one.
    pub(crate) names: Vec<String>,
    pub(crate) subject: Option<String>,
    pub(crate) from: Vec<String>,
    pub(crate) to: Vec<String>,
    /// Seconds since 1970.
    pub(crate) date: Option<i64>,
    pub(crate) id: Option<String>,
}

impl Reading {
    /// Aspects in which the other reading differs, with both in short.
    pub(crate) fn differences(&self, other: &Self) -> BTreeMap<&'static str, String> {
        let mut found = BTreeMap::new();
        let mut note = |aspect, same: bool, ours: String, theirs: String| {
            if !same {
                found.insert(aspect, format!("  ours   {ours}\n  theirs {theirs}"));
            }
        };
        note(
            "tree",
            self.tree == other.tree,
            self.tree.clone(),
            other.tree.clone(),
        );
        if self.tree == other.tree {
            let pairs = self.bodies.iter().zip(&other.bodies);
            let different = pairs.enumerate().find(|(_, (ours, theirs))| ours != theirs);
            if let Some((leaf, (ours, theirs))) = different {
                let (ours, theirs) = apart(ours, theirs);
                note("body", false, format!("{leaf}: {ours}"), theirs);
            }
        }
        let list = |list: &[String]| list.join(", ");
        note(
            "name",
            self.names == other.names,
            list(&self.names),
            list(&other.names),
        );
        let shown = |text: &Option<String>| format!("{text:?}");
        note(
            "subject",
            self.subject == other.subject,
            shown(&self.subject),
            shown(&other.subject),
        );
        note(
            "from",
            self.from == other.from,
            list(&self.from),
            list(&other.from),
        );
        note("to", self.to == other.to, list(&self.to), list(&other.to));
        let date = |date: Option<i64>| format!("{date:?}");
        note(
            "date",
            self.date == other.date,
            date(self.date),
            date(other.date),
        );
        note("id", self.id == other.id, shown(&self.id), shown(&other.id));
        found
    }
}

/// Where two bodies part: a little of each from there.
fn apart(ours: &[u8], theirs: &[u8]) -> (String, String) {
    let same = ours
        .iter()
        .zip(theirs)
        .take_while(|(one, other)| one == other)
        .count();
    let from = same.saturating_sub(8);
    let shown = |octets: &[u8]| {
        let piece: Vec<u8> = octets.iter().skip(from).take(48).copied().collect();
        format!("[{}] …{}", octets.len(), piece.escape_ascii())
    };
    (shown(ours), shown(theirs))
}

/// One address as text, its name before it.
fn mailbox(name: Option<&str>, address: &str) -> String {
    match name.map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => format!("{name} <{address}>"),
        None => address.to_owned(),
    }
}

pub(crate) mod ours {
    use message::{
        Content, Correspondent, Encoding, Header, Outline, Part, charset, decode_transfer,
        decode_words, message_ids,
    };

    use super::{Reading, mailbox};

    pub(crate) fn read(message: &[u8]) -> Reading {
        let outline = Outline::parse(message);
        let digest = &outline.digest;
        let ids = Header::first(message, "Message-ID").map(|field| message_ids(field.value));
        let mut reading = Reading {
            subject: digest.subject.as_ref().map(|_| digest.subject_text()),
            from: digest.from.iter().filter_map(one).collect(),
            to: digest.to.iter().filter_map(one).collect(),
            date: digest.sent().map(|date| date.seconds),
            id: ids.and_then(|ids| Some(String::from_utf8_lossy(ids.first()?).into_owned())),
            ..Reading::default()
        };
        part(&outline.root, message, &mut reading);
        reading
    }

    fn one(correspondent: &Correspondent) -> Option<String> {
        let Correspondent::Mailbox {
            name, local, host, ..
        } = correspondent
        else {
            return None;
        };
        let at = if host.is_empty() { "" } else { "@" };
        let address = format!("{}{at}{}", decode_words(local), decode_words(host));
        Some(mailbox(
            name.as_deref().map(decode_words).as_deref(),
            &address,
        ))
    }

    fn part(part: &Part, message: &[u8], reading: &mut Reading) {
        reading
            .tree
            .push_str(&format!("{}/{}", part.media, part.subtype));
        reading.names.extend(part.filename());
        if part.content == Content::Leaf {
            return reading.bodies.push(body(part, message));
        }
        reading.tree.push('(');
        for (index, child) in part.children().iter().enumerate() {
            if index > 0 {
                reading.tree.push(' ');
            }
            self::part(child, message, reading);
        }
        reading.tree.push(')');
    }

    fn body(part: &Part, message: &[u8]) -> Vec<u8> {
        let decoded = decode_transfer(Encoding::parse(&part.encoding), part.body.of(message));
        if part.media != "text" {
            return decoded.octets.into_owned();
        }
        let label = part.parameters.iter().find(|one| one.name == "charset");
        let label = label.map_or(&[][..], |one| one.value.as_slice());
        charset::decode(label, &decoded.octets).into_bytes()
    }
}

pub(crate) mod stalwart {
    //! mail-parser's.
    use mail_parser::{Address, HeaderValue, Message, MessageParser, MimeHeaders, PartType};

    use super::{Reading, mailbox};

    pub(crate) fn read(message: &[u8]) -> Reading {
        let Some(message) = MessageParser::default().parse(message) else {
            return Reading::default();
        };
        let mut reading = Reading {
            subject: message.subject().map(str::to_owned),
            from: list(message.from()),
            to: message.all_to().flat_map(|to| list(Some(to))).collect(),
            date: message.date().map(mail_parser::DateTime::to_timestamp),
            id: message.message_id().map(str::to_owned),
            ..Reading::default()
        };
        if message.message_id().is_none()
            && let Some(HeaderValue::TextList(ids)) = message.header("Message-ID")
        {
            reading.id = ids.first().map(|id| id.to_string());
        }
        part(&message, 0, false, &mut reading);
        reading
    }

    fn list(address: Option<&Address<'_>>) -> Vec<String> {
        let all = address.into_iter().flat_map(Address::iter);
        all.map(|one| mailbox(one.name(), one.address().unwrap_or_default()))
            .collect()
    }

    fn part(message: &Message<'_>, id: u32, in_digest: bool, reading: &mut Reading) {
        let Some(part) = message.part(id) else {
            return;
        };
        let kind = part.content_type();
        // Its defaults are those of RFC 2045 §5.2, though it does not write them down.
        let default = if in_digest {
            "message/rfc822"
        } else {
            "text/plain"
        };
        let media = kind.map_or_else(
            || default.to_owned(),
            |kind| match kind.subtype() {
                Some(subtype) => format!("{}/{subtype}", kind.ctype()),
                None => format!("{}/plain", kind.ctype()),
            },
        );
        let media = media.to_ascii_lowercase();
        reading.tree.push_str(&media);
        reading
            .names
            .extend(part.attachment_name().map(str::to_owned));
        let children = match &part.body {
            PartType::Text(text) | PartType::Html(text) => {
                return reading.bodies.push(text.as_bytes().to_vec());
            }
            PartType::Binary(octets) | PartType::InlineBinary(octets) => {
                return reading.bodies.push(octets.to_vec());
            }
            PartType::Message(inner) => {
                reading.tree.push('(');
                self::part(inner, 0, false, reading);
                return reading.tree.push(')');
            }
            PartType::Multipart(children) => children,
        };
        reading.tree.push('(');
        for (index, child) in children.iter().enumerate() {
            if index > 0 {
                reading.tree.push(' ');
            }
            self::part(message, *child, media == "multipart/digest", reading);
        }
        reading.tree.push(')');
    }
}

pub(crate) mod staktrace {
    //! mailparse's; it does not open enclosed messages by itself.
    use mailparse::body::Body;
    use mailparse::{
        MailAddr, MailHeader, MailHeaderMap as _, ParsedMail, SingleInfo, addrparse_header,
        dateparse, msgidparse, parse_mail,
    };

    use super::{Reading, mailbox};

    pub(crate) fn read(message: &[u8]) -> Reading {
        let Ok(mail) = parse_mail(message) else {
            return Reading::default();
        };
        let value = |name: &str| mail.headers.get_first_value(name);
        let ids = value("Message-ID").and_then(|value| msgidparse(&value).ok());
        let mut reading = Reading {
            subject: value("Subject"),
            from: list(mail.headers.get_first_header("From").into_iter()),
            to: list(mail.headers.get_all_headers("To").into_iter()),
            date: value("Date").and_then(|date| dateparse(&date).ok()),
            id: ids.and_then(|ids| ids.first().cloned()),
            ..Reading::default()
        };
        part(&mail, &mut reading);
        reading
    }

    fn list<'a>(fields: impl Iterator<Item = &'a MailHeader<'a>>) -> Vec<String> {
        let mut all = Vec::new();
        let single = |one: &SingleInfo| mailbox(one.display_name.as_deref(), &one.addr);
        for list in fields.filter_map(|field| addrparse_header(field).ok()) {
            for one in list.iter() {
                match one {
                    MailAddr::Single(one) => all.push(single(one)),
                    MailAddr::Group(group) => all.extend(group.addrs.iter().map(single)),
                }
            }
        }
        all
    }

    fn part(mail: &ParsedMail<'_>, reading: &mut Reading) {
        let media = &mail.ctype.mimetype;
        reading.tree.push_str(media);
        let disposition = mail.get_content_disposition();
        let name = disposition
            .params
            .get("filename")
            .or_else(|| mail.ctype.params.get("name"));
        reading.names.extend(name.cloned());
        if media == "message/rfc822"
            && let Body::SevenBit(body) = mail.get_body_encoded()
            && let Ok(inner) = parse_mail(body.get_raw())
        {
            reading.tree.push('(');
            part(&inner, reading);
            return reading.tree.push(')');
        }
        if mail.subparts.is_empty() {
            let text = media.starts_with("text/");
            let text = text.then(|| mail.get_body().unwrap_or_default().into_bytes());
            let octets = || mail.get_body_raw().unwrap_or_default();
            return reading.bodies.push(text.unwrap_or_else(octets));
        }
        reading.tree.push('(');
        for (index, child) in mail.subparts.iter().enumerate() {
            if index > 0 {
                reading.tree.push(' ');
            }
            part(child, reading);
        }
        reading.tree.push(')');
    }
}
