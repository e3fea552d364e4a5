//! Reports of success: "it is in the mailbox".
//!
//! Not here: reports of failure and delay. What is accepted is delivered in the same step, so
//! whoever sends hears of a failure at once; and there is no queue for other hosts. How a report is
//! written is the room `message`'s to know.
//!
//! RFC 3461 §5.2 and §6, RFC 3464, RFC 6522, RFC 6533 §4.

use mail::{
    Address, Enhanced, ForwardPath, Host, JourneyId, LocalPart, Notify, Recipient, ReversePath,
    Timestamp,
};
use message::{Action, Builder, DeliveryStatus, RecipientStatus, Typed};

use crate::Sender;

/// A report that was asked for.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// Who reads it.
    pub(crate) to: &'a Address,
    envid: Option<&'a str>,
    delivered: Vec<&'a Recipient>,
}

impl<'a> Report<'a> {
    /// The report on those recipients for whom one was asked for; none if there are none, and
    /// none for the null path.
    pub(crate) fn of(sender: &'a Sender, recipients: &'a [Recipient]) -> Option<Self> {
        // RFC 3461 §5.2
        let ReversePath::Address(to) = &sender.reverse_path else {
            return None;
        };
        let asked = |one: &&Recipient| matches!(one.notify, Some(Notify::On { success: true, .. }));
        let delivered: Vec<&Recipient> = recipients.iter().filter(asked).collect();
        (!delivered.is_empty()).then_some(Self {
            to,
            envid: sender.envid.as_deref(),
            delivered,
        })
    }

    /// Writes it. It returns the header only: RET speaks of failures.
    // RFC 3461 §4.3
    pub(crate) fn write(
        &self,
        host: &Host,
        journey: JourneyId,
        now: Timestamp,
        header: &[u8],
    ) -> Vec<u8> {
        let builder = Builder::new().field("Return-Path", "<>").date(now);
        let builder = match postmaster(&self.to.host) {
            Some(postmaster) => builder.from("Mail delivery", &postmaster),
            None => builder,
        };
        builder
            .to("", self.to)
            .subject("Delivered: your message has arrived")
            .message_id(&format!("{journey}.delivered@{}", host.to_ascii()))
            .field("Auto-Submitted", "auto-replied")
            .text(&self.explanation(host))
            .delivery_status(&self.status(host, now))
            .returned_header(header)
            .build()
    }

    fn explanation(&self, host: &Host) -> String {
        let mut text = format!(
            "This is the mail system at {host}.\n\n\
             Your message is in the mailbox of:\n\n"
        );
        for recipient in &self.delivered {
            text.push_str(&format!("    {}\n", recipient.forward_path));
        }
        text.push_str("\nWhether it has been read, nobody here can say.\n");
        text
    }

    // RFC 3461 §6.3
    fn status(&self, host: &Host, now: Timestamp) -> DeliveryStatus {
        DeliveryStatus {
            envelope_id: self.envid.map(str::to_owned),
            reporting_mta: Some(typed("dns", &host.to_ascii())),
            arrival: Some(now),
            recipients: self.delivered.iter().map(|one| delivered(one)).collect(),
            ..DeliveryStatus::default()
        }
    }
}

fn delivered(recipient: &Recipient) -> RecipientStatus {
    let original = recipient.orcpt.as_deref();
    let original = original.and_then(|orcpt| orcpt.split_once(';'));
    let address = match &recipient.forward_path {
        ForwardPath::Postmaster => "Postmaster".to_owned(),
        ForwardPath::Address(address) => address.written(),
    };
    // RFC 6533 §4.1
    let kind = if address.is_ascii() {
        "rfc822"
    } else {
        "utf-8"
    };
    RecipientStatus {
        original: original.map(|(kind, text)| typed(kind, text)),
        recipient: Some(typed(kind, &address)),
        action: Some(Action::Delivered),
        status: Some(Enhanced::new(2, 0, 0)),
        ..RecipientStatus::default()
    }
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
