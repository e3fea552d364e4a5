//! What a message is as a whole: what is read of it and what is attached, its list, its way.

use message::view::{Bodies, BodyPart, preview};
use message::{
    AuthenticationResult, AuthenticationResults, Header, Limits, MailingList, Outline, Received,
    keywords,
};
use serde_json::{Map, Value, json};

use super::report::date;

/// Numbers of parts shown for people, and servers whose results are.
const SHOWN_MAX: usize = 20;

/// The message as mail programs show it.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) preview: String,
    bodies: Bodies<'a>,
    has_attachment: bool,
    keywords: Vec<String>,
    list: Option<MailingList>,
    checks: Vec<AuthenticationResults>,
    received: Vec<Value>,
}

impl<'a> View<'a> {
    /// Reads what the header says, and sorts the parts.
    pub(super) fn of(outline: &'a Outline, message: &[u8]) -> Self {
        let bodies = Bodies::of(&outline.root);
        let header = outline.root.header.of(message);
        let mut view = Self {
            preview: preview(&bodies, message),
            has_attachment: bodies.has_attachment(message),
            bodies,
            keywords: Vec::new(),
            list: MailingList::of(header),
            checks: Vec::new(),
            received: Vec::new(),
        };
        for field in Header::parse(header).take(Limits::HOUSE.header_fields_max) {
            let value = &field.unfolded();
            if field.is("Keywords") {
                view.keywords.extend(keywords(value));
            } else if field.is("Authentication-Results") {
                view.checks.extend(AuthenticationResults::parse(value));
            } else if field.is("Received") {
                view.received.push(hop(&Received::parse(value)));
            }
        }
        view
    }

    /// Adds its keys.
    pub(super) fn add_to(&self, keys: &mut Map<String, Value>) {
        let numbers = |parts: &[BodyPart<'_>]| {
            let numbers = parts.iter().filter_map(BodyPart::part_id);
            Value::from(numbers.collect::<Vec<String>>())
        };
        let mut add = |name: &str, value| drop(keys.insert(name.to_owned(), value));
        add("preview", self.preview.as_str().into());
        add("hasAttachment", self.has_attachment.into());
        add("textBody", numbers(&self.bodies.text));
        add("htmlBody", numbers(&self.bodies.html));
        add("attachments", numbers(&self.bodies.attachments));
        if !self.keywords.is_empty() {
            add("keywords", self.keywords.as_slice().into());
        }
        if let Some(list) = &self.list {
            add("list", mailing_list(list));
        }
        let checks = self.checks.iter().map(results).collect();
        add("authenticationResults", checks);
        add("received", self.received.as_slice().into());
    }

    /// Which parts are read and which attached; nothing where there is but one.
    pub(super) fn reading(&self) -> Vec<String> {
        let Bodies {
            text,
            html,
            attachments,
        } = &self.bodies;
        let single = |parts: &[BodyPart<'_>]| matches!(parts, [one] if one.numbers() == [1]);
        if single(text) && single(html) && attachments.is_empty() {
            return Vec::new();
        }
        let read = match (numbers(text), numbers(html)) {
            (text, html) if text == html => text,
            (text, html) => format!("{text} / {html}"),
        };
        if attachments.is_empty() {
            return vec![read];
        }
        vec![format!("{read}; attachments: {}", numbers(attachments))]
    }

    /// The list's name, how to leave it, whether one may post.
    pub(super) fn list(&self) -> Vec<String> {
        let Some(list) = &self.list else {
            return Vec::new();
        };
        let named = list.id.as_ref().map(|id| match &id.name {
            Some(name) => format!("{name} <{}>", id.id),
            None => id.id.clone(),
        });
        let leave = list.one_click.as_ref().map_or_else(
            || {
                list.unsubscribe
                    .first()
                    .map(|uri| format!("unsubscribe: {uri}"))
            },
            |uri| Some(format!("unsubscribe at once: {uri}")),
        );
        let closed = list.is_closed.then(|| "closed to letters".to_owned());
        named.into_iter().chain(leave).chain(closed).collect()
    }

    /// What servers found: `mx.example: spf=pass dkim=pass`.
    pub(super) fn checks(&self) -> Vec<String> {
        let shown = self.checks.iter().take(SHOWN_MAX).map(|checks| {
            let results = checks.results.iter();
            let found: Vec<String> = results
                .map(|one| format!("{}={}", one.method, one.result))
                .collect();
            let found = if found.is_empty() {
                "none".to_owned()
            } else {
                found.join(" ")
            };
            format!("{}: {found}", checks.server)
        });
        shown.collect()
    }
}

/// The numbers of some parts, of many the first.
fn numbers(parts: &[BodyPart<'_>]) -> String {
    let numbers = parts.iter().filter_map(BodyPart::part_id);
    let mut shown: Vec<String> = numbers.take(SHOWN_MAX).collect();
    if shown.is_empty() {
        return "nothing".to_owned();
    }
    if parts.len() > shown.len() {
        shown.push(format!("and more ({})", parts.len()));
    }
    shown.join(", ")
}

fn mailing_list(list: &MailingList) -> Value {
    json!({
        "id": list.id.as_ref().map(|id| &id.id),
        "name": list.id.as_ref().and_then(|id| id.name.as_ref()),
        "help": list.help,
        "post": list.post,
        "closed": list.is_closed,
        "subscribe": list.subscribe,
        "unsubscribe": list.unsubscribe,
        "owner": list.owner,
        "archive": list.archive,
        "oneClick": list.one_click,
    })
}

fn results(checks: &AuthenticationResults) -> Value {
    json!({
        "server": checks.server,
        "version": checks.version,
        "results": checks.results.iter().map(result).collect::<Vec<_>>(),
    })
}

fn result(one: &AuthenticationResult) -> Value {
    let properties = one.properties.iter().map(
        |property| json!({ "type": property.kind, "name": property.name, "value": property.value }),
    );
    json!({
        "method": one.method,
        "version": one.version,
        "result": one.result,
        "reason": one.reason,
        "properties": properties.collect::<Vec<_>>(),
    })
}

fn hop(received: &Received<'_>) -> Value {
    let text =
        |octets: Option<&[u8]>| octets.map(|octets| String::from_utf8_lossy(octets).into_owned());
    json!({
        "from": text(received.from),
        "helo": text(received.helo),
        "peerName": text(received.peer_name),
        "peer": received.peer,
        "by": text(received.by),
        "via": text(received.via),
        "with": text(received.with),
        "id": text(received.id),
        "for": text(received.recipient),
        "tlsVersion": text(received.tls_version),
        "tlsCipher": text(received.tls_cipher),
        "date": date(received.date),
    })
}
