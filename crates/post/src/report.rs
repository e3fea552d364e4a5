//! Reports to senders: what became of their letters.
//!
//! Not here: when a letter has failed or waits for long (`queue`), who carries a report
//! (`incoming`, `queue`). How a report is written is the room `message`'s to know.
//!
//! RFC 3461 §5.2 and §6, RFC 3464, RFC 6522, RFC 6533 §3 and §4; RFC 5429 §2.2.1 and RFC 8098 §3
//! (refusals).

use mail::{
    Address, Enhanced, ForwardPath, Host, LocalPart, Notify, Recipient, ReversePath, Timestamp,
};
use message::disposition::{Disposition, Kind, Mode};
use message::{
    Action, Builder, DeliveryStatus, DispositionNotification, Header, RecipientStatus, Typed,
    message_ids,
};

use crate::Sender;
use crate::filter::Refused;
use crate::queue::Said;

/// A report that is due: all its recipients had the same kind of fate.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// Who reads it.
    pub(crate) to: &'a Address,
    /// The sender's name for the envelope.
    pub(crate) envid: Option<&'a str>,
    /// When the letter came.
    pub(crate) arrival: Timestamp,
    /// True if whoever reads it takes UTF-8.
    pub(crate) utf8: bool,
    /// Until when it is tried; of delays only.
    pub(crate) until: Option<Timestamp>,
    /// What became of it for whom.
    pub(crate) told: Vec<Told<'a>>,
}

/// What became of a letter for one recipient.
#[derive(Clone, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) recipient: &'a Recipient,
    pub(crate) action: Action,
    /// What was said, where anything was.
    pub(crate) said: Option<&'a Said>,
}

/// What is returned of the letter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Returned<'a> {
    /// Its header section.
    Header(&'a [u8]),
    /// All of it.
    Whole(&'a [u8]),
}

/// True if success is to be told.
pub(crate) const fn wants_success(notify: Option<Notify>) -> bool {
    matches!(notify, Some(Notify::On { success: true, .. }))
}

/// True if failure is to be told.
// RFC 3461 §5.2.6
pub(crate) const fn wants_failure(notify: Option<Notify>) -> bool {
    matches!(notify, None | Some(Notify::On { failure: true, .. }))
}

/// True if a delay may be told.
// RFC 3461 §5.2.5
pub(crate) const fn wants_delay(notify: Option<Notify>) -> bool {
    matches!(notify, None | Some(Notify::On { delay: true, .. }))
}

impl<'a> Report<'a> {
    /// The report on those recipients here for whom one was asked for, delivered or expanded; none
    /// if there are none, and none for the null path.
    pub(crate) fn of(
        sender: &'a Sender,
        now: Timestamp,
        delivered: impl IntoIterator<Item = &'a Recipient>,
        expanded: &'a [Recipient],
    ) -> Option<Self> {
        // RFC 3461 §5.2
        let ReversePath::Address(to) = &sender.reverse_path else {
            return None;
        };
        let delivered = delivered.into_iter().map(|one| (one, Action::Delivered));
        let expanded = expanded.iter().map(|one| (one, Action::Expanded));
        let all = delivered.chain(expanded);
        let asked = all.filter(|(one, _)| wants_success(one.notify));
        let told = asked.map(|(recipient, action)| Told {
            recipient,
            action,
            said: None,
        });
        let told: Vec<_> = told.collect();
        (!told.is_empty()).then_some(Self {
            to,
            envid: sender.envid.as_deref(),
            arrival: now,
            utf8: true,
            until: None,
            told,
        })
    }

    /// Writes it; `mark` tells it from all other reports of this host.
    pub(crate) fn write(
        &self,
        host: &Host,
        mark: &str,
        now: Timestamp,
        returned: Returned<'_>,
    ) -> Vec<u8> {
        let builder = Builder::new().field("Return-Path", "<>").date(now);
        let builder = match postmaster(host) {
            Some(postmaster) => builder.from("Mail delivery", &postmaster),
            None => builder,
        };
        let (name, subject) = self.title();
        let builder = builder
            .to("", self.to)
            .subject(subject)
            .message_id(&format!("{mark}.{name}@{}", host.to_ascii()))
            .field("Auto-Submitted", "auto-replied")
            .text(&self.explanation(host))
            .delivery_status(&self.status(host, now));
        match returned {
            Returned::Header(header) => builder.returned_header(header),
            Returned::Whole(message) => builder.enclose(message),
        }
        .build()
    }

    /// A word for its message id, and its subject.
    fn title(&self) -> (&'static str, &'static str) {
        match self.told.first().map(|one| one.action) {
            Some(Action::Failed) => ("failed", "Not delivered: your message came back"),
            Some(Action::Delayed) => ("delayed", "Delayed: your message is still on its way"),
            Some(Action::Relayed) => ("relayed", "Relayed: your message was handed on"),
            _ => ("delivered", "Delivered: your message has arrived"),
        }
    }

    fn explanation(&self, host: &Host) -> String {
        let mut text = format!("This is the mail system at {host}.\n");
        let actions = [
            (
                Action::Failed,
                "Your message could not be delivered to:",
                "It is not tried again. What was said above tells why; send the message again once \
                 that\nis mended.",
            ),
            (
                Action::Delayed,
                "Your message has not been delivered yet to:",
                "It is tried again by itself; there is nothing you need to do. If it cannot be \
                 delivered\nin the end, you will be told.",
            ),
            (
                Action::Relayed,
                "Your message was handed on, to a server that sends no reports, for:",
                "Whether it arrives there, nobody here can say.",
            ),
            (
                Action::Expanded,
                "Your message was sent on to each of those who stand behind:",
                "Whether it arrives there is told by nobody unless it fails.",
            ),
            (
                Action::Delivered,
                "Your message is in the mailbox of:",
                "Whether it has been read, nobody here can say.",
            ),
        ];
        for (action, before, behind) in actions {
            let mut told = self
                .told
                .iter()
                .filter(|one| one.action == action)
                .peekable();
            if told.peek().is_none() {
                continue;
            }
            text.push_str(&format!("\n{before}\n\n"));
            for one in told {
                text.push_str(&format!("    {}\n", one.recipient.forward_path));
                if let Some(said) = one.said {
                    text.push_str(&format!("        {}\n", in_words(said)));
                }
            }
            text.push_str(&format!("\n{behind}\n"));
        }
        if let Some(until) = self.until {
            text.push_str(&format!("\nIt is tried until {}.\n", until.to_rfc5322()));
        }
        text
    }

    // RFC 3461 §6.3
    fn status(&self, host: &Host, now: Timestamp) -> DeliveryStatus {
        let told = self.told.iter();
        DeliveryStatus {
            envelope_id: self.envid.map(str::to_owned),
            reporting_mta: Some(typed("dns", &host.to_ascii())),
            arrival: Some(self.arrival),
            recipients: told.map(|one| self.recipient(one, now)).collect(),
            ..DeliveryStatus::default()
        }
    }

    fn recipient(&self, told: &Told<'_>, now: Timestamp) -> RecipientStatus {
        let original = told.recipient.orcpt.as_deref();
        let original = original.and_then(|orcpt| orcpt.split_once(';'));
        let address = match &told.recipient.forward_path {
            ForwardPath::Postmaster => "Postmaster".to_owned(),
            ForwardPath::Address(address) => address.written(),
        };
        let failed = matches!(told.action, Action::Failed | Action::Delayed);
        let usual = if failed {
            Enhanced::new(4, 0, 0)
        } else {
            Enhanced::new(2, 0, 0)
        };
        let said = told.said;
        let remote = said.and_then(|said| said.host.as_deref());
        // What answers at a socket of this machine is no other host.
        // RFC 3464 §2.3.5
        let remote = remote.filter(|host| !host.starts_with("unix:"));
        let diagnostic = said.filter(|said| said.code.is_some()).map(spoken);
        RecipientStatus {
            original: original.map(|(kind, text)| self.address(kind, text)),
            recipient: Some(self.address("rfc822", &address)),
            action: Some(told.action),
            status: Some(said.filter(|_| failed).map_or(usual, |said| said.status)),
            remote_mta: remote.map(|host| typed("dns", host)),
            diagnostic: diagnostic.map(|text| typed("smtp", &self.readable(&text))),
            last_attempt: said.map(|_| now),
            retry_until: self.until,
            ..RecipientStatus::default()
        }
    }

    /// An address as whoever reads it can.
    // RFC 6533 §3, §4.1
    fn address(&self, kind: &str, text: &str) -> Typed {
        if text.is_ascii() {
            return typed(kind, text);
        }
        typed("utf-8", &self.readable(text))
    }

    /// The text in UTF-8, or with what is beyond ASCII as RFC 6533's `\x{HEX}`.
    fn readable(&self, text: &str) -> String {
        if self.utf8 {
            return text.to_owned();
        }
        let mut written = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter.is_ascii() {
                true => written.push(letter),
                false => written.push_str(&format!("\\x{{{:X}}}", u32::from(letter))),
            }
        }
        written
    }
}

/// The receipt that a recipient's filter has refused a letter, of which the first octets are given,
/// and what is returned; the mark is as that of a report.
// RFC 5429 §2.2.1, RFC 8098 §3
pub(crate) fn receipt_of_refusal(
    host: &Host,
    (mark, now): (&str, Timestamp),
    refused: &Refused,
    to: &Address,
    (letter, returned): (&[u8], Returned<'_>),
) -> Vec<u8> {
    let recipient = match &refused.recipient.forward_path {
        ForwardPath::Address(address) => Some(address.clone()),
        ForwardPath::Postmaster => postmaster(host),
    };
    let written = recipient.as_ref().map(Address::written).unwrap_or_default();
    let original = refused.recipient.orcpt.as_deref();
    let original = original.and_then(|orcpt| orcpt.split_once(';'));
    let id = Header::first(letter, "Message-ID");
    let receipt = DispositionNotification {
        reporting_ua: Some((host.to_ascii(), Some("Caramel".to_owned()))),
        original: original.map(|(kind, text)| typed(kind, text)),
        recipient: Some(typed("rfc822", &written)),
        message_id: id.and_then(|field| message_ids(field.value).into_iter().next()),
        disposition: Some(Disposition {
            action: Mode::Automatic,
            sending: Mode::Automatic,
            kind: Kind::Deleted,
            modifiers: Vec::new(),
        }),
        ..DispositionNotification::default()
    };
    let text = format!(
        "The message was refused by the recipient's mail filtering program.\nThe reason given was \
         as follows:\n\n{}\n",
        refused.reason.replace('\r', "")
    );
    let mut builder = Builder::new().field("Return-Path", "<>").date(now);
    if let Some(recipient) = &recipient {
        // RFC 8098 §3
        builder = builder.from("", recipient);
    }
    let builder = builder
        .to("", to)
        .subject("Refused: your message came back")
        .message_id(&format!("{mark}.refused@{}", host.to_ascii()))
        .answering(letter)
        .field("Auto-Submitted", "auto-replied")
        .text(&text)
        .disposition_notification(&receipt);
    match returned {
        Returned::Header([]) => builder,
        Returned::Header(header) => builder.returned_header(header),
        Returned::Whole(message) => builder.enclose(message),
    }
    .build()
}

/// What was said, as people read it.
pub(crate) fn in_words(said: &Said) -> String {
    match (&said.host, said.code) {
        (Some(host), Some(_)) => format!("{host} said: {}", spoken(said)),
        (Some(host), None) => format!("{host}: {} ({})", said.text, said.status),
        (None, _) => format!("{} ({})", said.text, said.status),
    }
}

/// A reply as it was spoken.
fn spoken(said: &Said) -> String {
    let code = said.code.map(|code| format!("{code} "));
    format!("{}{} {}", code.unwrap_or_default(), said.status, said.text)
}

fn typed(kind: &str, text: &str) -> Typed {
    Typed {
        kind: kind.to_owned(),
        text: text.to_owned(),
    }
}

fn postmaster(host: &Host) -> Option<Address> {
    Some(Address {
        local: LocalPart::new("postmaster")?,
        host: host.clone(),
    })
}
