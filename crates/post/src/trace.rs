//! What a message is given on its way in: trace fields, and in a submission what it lacks.
//!
//! RFC 5321 §4.4 and §6.3; RFC 6409 §8.

use std::net::IpAddr;
use std::ops::Range;

use mail::{Address, Enhanced, ForwardPath, JourneyId, Refusal, ReversePath, Timestamp};
use message::{Header, parse_addresses};
use trust::results::forged;

use crate::{Error, Origin, Outcome, Protocol, Rules, Why, spam};

/// Addresses a `From` field may have: each is looked at.
const AUTHORS_MAX: usize = 100;

/// What the trace fields tell.
#[derive(Debug)]
pub(crate) struct Trace<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) reverse_path: &'a ReversePath,
    pub(crate) smtputf8: bool,
    pub(crate) journey: JourneyId,
    /// The recipient, where there is only one.
    pub(crate) only_recipient: Option<&'a ForwardPath>,
    pub(crate) now: Timestamp,
    pub(crate) rules: &'a Rules,
}

/// A message with what was put before it.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) octets: Vec<u8>,
    /// Where in it stands what is said of it: results of checks, or signatures.
    pub(crate) statement: Range<usize>,
}

impl Trace<'_> {
    // RFC 5321 §4.4
    fn return_path(&self) -> String {
        format!("Return-Path: {}\r\n", self.reverse_path.written())
    }

    // RFC 5321 §4.4
    fn received(&self) -> String {
        let Self { origin, rules, .. } = self;
        if let Some(user) = &origin.user {
            let (by, name) = (rules.host.to_ascii(), printable(&user.name));
            let text = format!("Received: by {by} (Caramel, from user {name})");
            return text + &self.stamp();
        }
        let mut helo = printable(&origin.helo);
        if !self.smtputf8 {
            // RFC 6532 §3
            helo = helo.replace(|letter: char| !letter.is_ascii(), "?");
        }
        let address = match origin.peer.to_canonical() {
            IpAddr::V4(ip) => format!("[{ip}]"),
            IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
        };
        let mut text = format!("Received: from {helo} ({address})\r\n");
        let by = rules.host.to_ascii();
        let with = origin.protocol_name(self.smtputf8);
        text.push_str(&format!("\tby {by} (Caramel) with {with}"));
        if let Some(tls) = &origin.tls {
            let (version, cipher) = (printable(&tls.version), printable(&tls.cipher));
            text.push_str(&format!(" ({version} {cipher})"));
        }
        text + &self.stamp()
    }

    /// The end of the field: which letter it is, whose, and when.
    fn stamp(&self) -> String {
        let mut text = format!("\r\n\tid {}", self.journey);
        // The bare postmaster is no path that this clause may have.
        if let Some(path @ ForwardPath::Address(_)) = self.only_recipient {
            text.push_str(&format!(" for {}", path.written()));
        }
        text.push_str(&format!("; {}\r\n", self.now.to_rfc5322()));
        text
    }

    /// Names of fields that tell of spam and viruses, where what they tell is not believed.
    // RFC 5235 §4
    fn forbidden(&self) -> Vec<&str> {
        let mut names = self.rules.sieve.forbidden(self.origin.peer);
        names.extend(self.rules.spam.is_on().then_some(spam::FIELD));
        names
    }

    // RFC 8601 §5
    /// Where fields begin that pretend to be ours, if the message comes from somebody who might
    /// pretend.
    fn forged(&self, octets: &[u8]) -> Vec<usize> {
        let kept = self.origin.protocol == Protocol::OnDemand;
        let outside = kept || self.rules.is_outside(self.origin);
        if !outside && self.origin.author().is_none() {
            return Vec::new();
        }
        let host = self.rules.host.to_ascii();
        forged(octets, &host).map(|range| range.start).collect()
    }
}

impl Origin {
    /// The protocol, as a trace field has it.
    // RFC 3848, RFC 6531 §4.3
    pub(crate) fn protocol_name(&self, smtputf8: bool) -> String {
        let base = match (self.protocol, smtputf8) {
            (Protocol::Smtp, _) => return "SMTP".into(),
            (Protocol::Esmtp | Protocol::OnDemand, false) => "ESMTP",
            (Protocol::Esmtp | Protocol::OnDemand, true) => "UTF8SMTP",
            (Protocol::Lmtp | Protocol::Deliver, false) => "LMTP",
            (Protocol::Lmtp | Protocol::Deliver, true) => "UTF8LMTP",
        };
        let tls = if self.tls.is_some() { "S" } else { "" };
        let login = if self.account.is_some() { "A" } else { "" };
        format!("{base}{tls}{login}")
    }
}

/// The message with its trace fields and, between them, what is said of it; refused if it runs in
/// a loop.
pub(crate) fn arrival(trace: &Trace<'_>, statement: &str, octets: &[u8]) -> Outcome<Traced> {
    let mut whole = trace.return_path().into_bytes();
    // RFC 8601 §4: above the field that tells how the message came.
    let begin = whole.len();
    whole.extend_from_slice(statement.as_bytes());
    let statement = begin..whole.len();
    whole.extend_from_slice(trace.received().as_bytes());
    whole.reserve(octets.len());
    let (forged, forbidden) = (trace.forged(octets), trace.forbidden());
    let (mut hops, mut from) = (0, 0);
    let mut header = Header::parse(octets);
    while let Some(field) = header.next() {
        hops += usize::from(field.is("Received"));
        // There is one return path, and it is the envelope's.
        // RFC 5321 §4.4
        let is_forbidden = || forbidden.iter().any(|name| field.is(name));
        if field.is("Return-Path") || forged.contains(&field.offset) || is_forbidden() {
            whole.extend_from_slice(octets.get(from..field.offset).unwrap_or_default());
            from = header.offset();
        }
    }
    // RFC 5321 §6.3
    if hops > trace.rules.received_fields_max {
        let text = "The message goes round in a loop";
        return Err(Error::refused(Why::Policy, 554, [5, 4, 6], text));
    }
    whole.extend_from_slice(octets.get(from..).unwrap_or_default());
    Ok(Traced {
        octets: whole,
        statement,
    })
}

/// The message as a submission: written by `author`, in a name that `owns` allows, what it lacks
/// put in, `Bcc` taken out, its trace fields before it, and between them what `sign` says of it.
pub(crate) fn submission(
    trace: &Trace<'_>,
    author: &Address,
    owns: impl Fn(&Address) -> bool,
    octets: &[u8],
    sign: impl FnOnce(&[u8]) -> Outcome<String>,
) -> Outcome<Traced> {
    let mut has = Has::default();
    let mut kept = Vec::with_capacity(octets.len() + 512);
    let mut header = Header::parse(octets);
    let mut behind = 0;
    while let Some(field) = header.next() {
        // Lines between fields that are none themselves stay where they are.
        kept.extend_from_slice(octets.get(behind..field.offset).unwrap_or_default());
        behind = header.offset();
        let is = |name| field.is(name);
        if is("Bcc") || is("Resent-Bcc") {
            continue;
        }
        let names_author = ["From", "Sender", "Resent-From", "Resent-Sender"];
        if names_author.into_iter().any(is) && !trace.origin.is_trusted() {
            check_author(&field.unfolded(), &owns)?;
        }
        has.from |= is("From");
        has.date |= is("Date");
        has.message_id |= is("Message-ID");
        has.to |= is("To") || is("Cc");
        kept.extend_from_slice(field.raw);
    }
    let none = kept.is_empty() && header.blank_line().is_empty();
    kept.extend_from_slice(octets.get(behind..).unwrap_or_default());

    let mut front = has.missing(trace, author);
    if none {
        // It had no header at all: what it has is body.
        front.push_str("\r\n");
    }
    let mut whole = front.into_bytes();
    whole.append(&mut kept);
    let statement = sign(&whole)?;
    arrival(trace, &statement, &whole)
}

#[derive(Debug, Default)]
struct Has {
    from: bool,
    date: bool,
    message_id: bool,
    to: bool,
}

impl Has {
    // RFC 6409 §8
    fn missing(&self, trace: &Trace<'_>, author: &Address) -> String {
        let mut fields = String::new();
        if !self.date {
            fields.push_str(&format!("Date: {}\r\n", trace.now.to_rfc5322()));
        }
        if !self.from {
            fields.push_str(&format!("From: {}\r\n", author.written()));
        }
        if !self.to {
            fields.push_str("To: undisclosed-recipients:;\r\n");
        }
        if !self.message_id {
            let (id, host) = (trace.journey, trace.rules.host.to_ascii());
            fields.push_str(&format!("Message-ID: <{id}@{host}>\r\n"));
        }
        fields
    }
}

// RFC 6409 §6.1
fn check_author(value: &[u8], owns: &impl Fn(&Address) -> bool) -> Outcome<()> {
    // One more than may be, so that none is left unseen.
    let listed = parse_addresses(value, AUTHORS_MAX + 1);
    let mut people = listed
        .iter()
        .filter(|one| matches!(one, message::Correspondent::Mailbox { .. }))
        .peekable();
    let nobody = people.peek().is_none();
    let too_many = listed.len() > AUTHORS_MAX || brackets(value) > listed.len();
    if nobody || too_many || !people.all(|one| one.address().is_some_and(|address| owns(&address)))
    {
        return Err(foreign("The From address is not yours"));
    }
    Ok(())
}

/// How many `<` stand outside of quotes and comments: with two in one entry, each reader takes
/// another for the author.
fn brackets(value: &[u8]) -> usize {
    let (mut count, mut depth, mut quoted, mut escaped) = (0, 0_usize, false, false);
    for octet in value {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted || depth > 0 => escaped = true,
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            b'<' if !quoted && depth == 0 => count += 1,
            _ => {}
        }
    }
    count
}

/// The refusal for writing in another's name.
pub(crate) fn foreign(text: &str) -> Error {
    Error::Refused(Why::Policy, Refusal::new(550, Enhanced::new(5, 7, 1), text))
}

/// What a peer said of itself, without anything that could end the field or begin a comment.
fn printable(text: &str) -> String {
    let keep = |letter: char| match letter {
        '(' | ')' | ';' | '\\' | '"' => '?',
        letter if letter.is_control() || letter.is_whitespace() => '?',
        letter => letter,
    };
    let text: String = text.chars().take(255).map(keep).collect();
    if text.is_empty() {
        "unknown".into()
    } else {
        text
    }
}
