//! The answer of somebody who is away (RFC 5230), and who is not to get one.

use mail::{Address, ForwardPath, Timestamp};
use message::{Builder, Correspondent, Header, filter_header, parse_addresses};

use crate::action::Filing;
use crate::circumstances::{Circumstances, Letter};
use crate::language::Tag;
use crate::script::Command;

/// An answer that is due, unless the sender got one not long ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// To whom; it is sent from the null path (RFC 5230 §5.1).
    pub to: Address,
    /// What tells this answer from others of the owner: an answer with the same one went to the
    /// same address is not sent again (RFC 5230 §4.2).
    pub handle: String,
    /// For so many seconds; 0 where each message is answered (RFC 6131 §2).
    pub seconds: u64,
    /// The subject.
    pub subject: String,
    /// Where a copy of it is filed (RFC 8580).
    pub copy: Option<Filing>,
    from: Vec<Correspondent>,
    /// The owner's address that the message names.
    addressed: Address,
    reason: String,
    mime: bool,
    /// The fields of the message that say which conversation it belongs to.
    thread: Vec<u8>,
}

/// What a script asks for.
pub(crate) struct Asked {
    pub(crate) own: Vec<Address>,
    pub(crate) from: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) reason: String,
    pub(crate) mime: bool,
    pub(crate) handle: Option<String>,
    pub(crate) written: String,
    pub(crate) seconds: u64,
}

/// Characters a made subject has at most.
const SUBJECT_CHARACTERS_MAX: usize = 256;
/// Addresses looked at of one field.
const ADDRESSES_MAX: usize = 1000;
/// The fields in which the owner must be named (RFC 5230 §4.5).
const RECIPIENT_FIELDS: [&str; 6] = ["to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"];
/// The fields of mailing lists (RFC 5230 §4.6).
const LIST_FIELDS: [&str; 7] = [
    "list-id",
    "list-help",
    "list-subscribe",
    "list-unsubscribe",
    "list-post",
    "list-owner",
    "list-archive",
];
/// Local parts that no person reads (RFC 5230 §4.6).
const MACHINES: [&str; 4] = ["mailer-daemon", "listserv", "majordomo", "noreply"];

/// The arguments as they stand in the script, for telling answers apart.
// RFC 5230 §4.2
pub(crate) fn written(command: &Command) -> String {
    let mut all = String::new();
    let tags = [Tag::Subject, Tag::From]
        .into_iter()
        .map(|tag| command.tagged(tag));
    for texts in tags.chain([command.texts(0)]) {
        let text = texts.first().map_or("", |text| &text.written);
        all.push_str(&format!("{}:{text}", text.len()));
    }
    if command.has(Tag::Mime) {
        all.push_str("mime");
    }
    all
}

/// True for a MIME entity whose header is in ASCII.
// RFC 5230 §5
pub(crate) fn is_mime_entity(reason: &str) -> bool {
    let mut header = Header::parse(reason.as_bytes());
    header.by_ref().for_each(drop);
    reason.get(..header.offset()).is_some_and(str::is_ascii)
}

/// The answer to a message; or why it gets none.
pub(crate) fn reply(
    world: &Circumstances,
    asked: Asked,
    copy: Option<Filing>,
) -> Result<Reply, &'static str> {
    let envelope = world
        .envelope
        .as_ref()
        .ok_or("it was not delivered, but stored")?;
    // RFC 5230 §4: a message from nobody is answered to nobody.
    let to = envelope
        .reverse_path
        .address()
        .ok_or("it comes from nobody")?;
    let mut own = asked.own;
    own.extend(world.addresses.iter().cloned());
    if let ForwardPath::Address(recipient) = &envelope.recipient.forward_path {
        own.push(recipient.clone());
    }
    let header = world.letter.header();
    let is_own = |address: &Address| own.iter().any(|one| is_same(one, address));
    if is_own(to) {
        return Err("the owner has sent it");
    }
    if is_machine(to) || is_automatic(header) {
        return Err("a program or a list has sent it");
    }
    let addressed = addressed(header, is_own).ok_or("it is not addressed to the owner")?;
    let from = match &asked.from {
        Some(from) => parse_addresses(from.as_bytes(), ADDRESSES_MAX),
        // The owner answers as the one who was written to.
        None => named(&addressed),
    };
    let thread = ["Message-ID", "References", "In-Reply-To"].map(str::to_owned);
    Ok(Reply {
        to: to.clone(),
        handle: match asked.handle {
            Some(handle) => format!("handle:{handle}"),
            None => format!("written:{}", asked.written),
        },
        seconds: asked.seconds,
        subject: asked.subject.unwrap_or_else(|| subject(header)),
        copy,
        from,
        addressed,
        reason: asked.reason,
        mime: asked.mime,
        thread: filter_header(header, &thread, false),
    })
}

impl Reply {
    /// Lets it be written in names alone that are the owner's: else it is from the address that was
    /// written to, or from `owner` (RFC 5230 §4.3).
    pub fn written_by(&mut self, owner: &Address, owns: impl Fn(&Address) -> bool) {
        let is_own = |one: &Correspondent| one.address().is_some_and(|address| owns(&address));
        if !self.from.iter().all(is_own) || self.from.is_empty() {
            self.from = match owns(&self.addressed) {
                true => named(&self.addressed),
                false => named(owner),
            };
        }
    }

    /// Writes the answer; the identifier comes without angle brackets.
    #[must_use]
    pub fn message(&self, date: Timestamp, message_id: &str) -> Vec<u8> {
        let builder = Builder::new()
            .date(date)
            .message_id(message_id)
            .correspondents("From", &self.from)
            .to("", &self.to)
            .subject(&self.subject)
            .answering(&self.thread)
            // RFC 3834 §5
            .field("Auto-Submitted", "auto-replied (vacation)")
            .field("Precedence", "bulk");
        if self.mime {
            let entity = ["MIME-Version: 1.0\r\n", &self.reason].concat();
            return builder.in_front_of(entity.as_bytes());
        }
        builder.text(&self.reason).build()
    }
}

fn named(address: &Address) -> Vec<Correspondent> {
    parse_addresses(address.written().as_bytes(), 1)
}

// RFC 5230 §5.3
fn subject(header: &[u8]) -> String {
    let values = Letter::values(header, "subject");
    let Some(subject) = values.first().filter(|subject| !subject.is_empty()) else {
        return "Automated reply".to_owned();
    };
    let subject = format!("Auto: {subject}");
    match subject.char_indices().nth(SUBJECT_CHARACTERS_MAX) {
        None => subject,
        Some(_) => {
            let kept = subject.chars().take(SUBJECT_CHARACTERS_MAX - 1);
            kept.chain(['…']).collect()
        }
    }
}

fn is_same(one: &Address, other: &Address) -> bool {
    let local = one
        .local
        .as_str()
        .eq_ignore_ascii_case(other.local.as_str());
    local && one.host == other.host
}

// RFC 5230 §4.6
fn is_machine(address: &Address) -> bool {
    let local = address.local.as_str().to_ascii_lowercase();
    local.starts_with("owner-") || local.ends_with("-request") || MACHINES.contains(&local.as_str())
}

/// True for what programs and lists have sent.
// RFC 5230 §4.6
fn is_automatic(header: &[u8]) -> bool {
    let is_there = |name: &&str| Header::first(header, name).is_some();
    if LIST_FIELDS.iter().any(is_there) {
        return true;
    }
    let words = |name: &str| {
        let values = Letter::values(header, name).into_iter();
        values
            .map(|value| value.to_ascii_lowercase())
            .collect::<Vec<_>>()
    };
    let auto = words("auto-submitted");
    let first = |value: &String| value.split([';', '(', ' ']).next() != Some("no");
    if auto.iter().any(first) {
        return true;
    }
    let bulk = |value: &String| ["bulk", "list", "junk"].contains(&value.as_str());
    if words("precedence").iter().any(bulk) {
        return true;
    }
    // What Exchange's programs ask for.
    let suppress = words("x-auto-response-suppress");
    let mut asked = suppress
        .iter()
        .flat_map(|value| value.split(','))
        .map(str::trim);
    asked.any(|one| ["all", "oof", "autoreply"].contains(&one))
}

/// The owner's address that the message names, if it names one.
// RFC 5230 §4.5
fn addressed(header: &[u8], is_own: impl Fn(&Address) -> bool) -> Option<Address> {
    let fields = Header::parse(header);
    let mut fields = fields.filter(|field| RECIPIENT_FIELDS.iter().any(|name| field.is(name)));
    fields.find_map(|field| {
        let list = parse_addresses(field.value, ADDRESSES_MAX);
        let mut own = list.iter().filter_map(Correspondent::address);
        own.find(&is_own)
    })
}
