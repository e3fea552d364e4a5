//! A message for programs; `docs/parse.md` describes each key.

use std::io::{self, Write};

use mail::LocalPart;
use message::{
    Content, Correspondent, Digest, Header, Leniencies, Outline, Part, decode_words, message_ids,
};
use serde_json::{Map, Value, json};

use super::node::Node;
use super::view::View;

/// Writes one object.
pub(super) fn write(outline: &Outline, message: &[u8], output: &mut dyn Write) -> io::Result<()> {
    let mut repaired = Leniencies::NONE;
    let root = part(&Node::of(outline), message, &mut repaired);
    let mut value = json!({
        "size": message.len(),
        "digest": digest(&outline.digest, outline.root.header.of(message)),
        "part": root,
        "repaired": names(repaired),
    });
    if let Some(keys) = value.as_object_mut() {
        View::of(outline, message).add_to(keys);
    }
    serde_json::to_writer_pretty(&mut *output, &value)?;
    writeln!(output)
}

/// One part and all inside it; what was repaired in them goes to `repaired`.
fn part(node: &Node<'_>, message: &[u8], repaired: &mut Leniencies) -> Value {
    let inspected = node.inspect(message);
    repaired.extend(inspected.repaired);
    let Part {
        media,
        subtype,
        content,
        ..
    } = node.part;
    let disposition = node.part.disposition.as_ref();
    let children: Vec<Value> = node
        .children()
        .iter()
        .map(|child| part(child, message, repaired))
        .collect();
    let mut described = json!({
        "number": node.number,
        "type": format!("{media}/{subtype}"),
        "charset": node.part.parameter("charset"),
        "encoding": node.part.encoding,
        "disposition": disposition.map(|disposition| &disposition.kind),
        "filename": node.part.filename(),
        "contentId": node.part.id.as_deref().and_then(first_id),
        "offset": node.part.header.offset,
        "bodyOffset": node.part.body.offset,
        "size": node.part.body.len,
        "decodedSize": inspected.decoded_octets,
        "lines": lines(node.part),
        "header": header(node.part.header.of(message)),
        "repaired": names(inspected.repaired),
        "children": children,
    });
    if let (false, Some(keys)) = (inspected.enclosed.is_empty(), described.as_object_mut()) {
        let files = inspected
            .enclosed
            .iter()
            .map(|file| json!({ "name": file.name, "type": file.media_type, "size": file.size }));
        keys.insert("enclosed".to_owned(), files.collect());
    }
    if let (Some(report), Some(keys)) = (&inspected.report, described.as_object_mut()) {
        let (key, said) = report.to_json();
        keys.insert(key.to_owned(), said);
    }
    if let (Content::Message(inner), Some(keys)) = (content, described.as_object_mut()) {
        let fields = digest(&inner.digest, inner.root.header.of(message));
        keys.insert("digest".to_owned(), fields);
    }
    described
}

/// Lines are counted only where IMAP wants to know.
fn lines(part: &Part) -> Option<u64> {
    let counted = part.media == "text" || matches!(part.content, Content::Message(_));
    counted.then_some(part.lines)
}

fn header(octets: &[u8]) -> Vec<Value> {
    let fields = Header::parse(octets).map(|field| {
        json!({
            "name": String::from_utf8_lossy(field.name),
            "value": decode_words(&field.unfolded()),
        })
    });
    fields.collect()
}

fn names(leniencies: Leniencies) -> Vec<&'static str> {
    leniencies.iter().map(|one| one.name()).collect()
}

/// The fields everybody asks for, of a message's header.
fn digest(digest: &Digest, header: &[u8]) -> Value {
    let ids = |name| {
        let field = Header::first(header, name);
        let ids = field.map(|field| message_ids(field.value));
        ids.map(|ids| ids.iter().map(|id| lossy(id)).collect::<Vec<_>>())
    };
    json!({
        "subject": digest.subject.as_ref().map(|_| digest.subject_text()),
        "from": addresses(&digest.from),
        "sender": addresses(&digest.sender),
        "replyTo": addresses(&digest.reply_to),
        "to": addresses(&digest.to),
        "cc": addresses(&digest.cc),
        "bcc": addresses(&digest.bcc),
        "date": digest.sent().map(|sent| sent.to_rfc3339().to_string()),
        "messageId": digest.message_id.as_deref().and_then(first_id),
        "inReplyTo": ids("In-Reply-To").unwrap_or_default(),
        "references": ids("References").unwrap_or_default(),
    })
}

/// The addresses in order; those of a group say its name, an empty group is an entry of its own.
fn addresses(list: &[Correspondent]) -> Vec<Value> {
    let mut shown = Vec::new();
    let mut group: Option<(String, bool)> = None;
    for one in list {
        match one {
            Correspondent::GroupStart(name) => {
                group = Some((decode_words(name).into_owned(), true))
            }
            Correspondent::GroupEnd => {
                if let Some((name, true)) = group.take() {
                    shown.push(json!({ "group": name }));
                }
            }
            Correspondent::Mailbox {
                name, local, host, ..
            } => {
                let mut entry = Map::new();
                let name = name.as_deref().map(|name| decode_words(name).into_owned());
                entry.insert("name".to_owned(), name.into());
                entry.insert("address".to_owned(), address(local, host).into());
                if let Some((name, empty)) = &mut group {
                    *empty = false;
                    entry.insert("group".to_owned(), name.as_str().into());
                }
                shown.push(entry.into());
            }
        }
    }
    shown
}

/// The address as it is written, its local part quoted where it must be.
pub(super) fn address(local: &[u8], host: &[u8]) -> String {
    let text = lossy(local);
    let local = LocalPart::new(&text).map_or(text, |local| local.to_string());
    let at = if host.is_empty() { "" } else { "@" };
    format!("{local}{at}{}", lossy(host))
}

fn first_id(value: &[u8]) -> Option<String> {
    message_ids(value).first().map(|id| lossy(id))
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
