//! Reports of success: "it is in the mailbox".
//!
//! Not here: reports of failure and delay. What is accepted is delivered in the same step, so
//! whoever sends hears of a failure at once; and there is no queue for other hosts.
//!
//! RFC 3461 §5.2 and §6, RFC 3464, RFC 6522, RFC 6533 §4.

use mail::{
    Address, ForwardPath, Host, JourneyId, LocalPart, Notify, Recipient, ReversePath, Timestamp,
};
use message::Builder;

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
        let status = self.status(host, now);
        let beyond_ascii = !status.is_ascii();
        let status_type = if beyond_ascii {
            "message/global-delivery-status"
        } else {
            "message/delivery-status"
        };
        let header_type = if !header.is_ascii() && std::str::from_utf8(header).is_ok() {
            "message/global-headers"
        } else {
            "text/rfc822-headers"
        };
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
            .report("delivery-status")
            .text(&self.explanation(host))
            .part(status_type, status.as_bytes())
            .part(header_type, header)
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
    fn status(&self, host: &Host, now: Timestamp) -> String {
        let mut status = String::new();
        if let Some(envid) = self.envid {
            status.push_str(&format!("Original-Envelope-Id: {}\r\n", line(envid)));
        }
        status.push_str(&format!("Reporting-MTA: dns; {}\r\n", host.to_ascii()));
        status.push_str(&format!("Arrival-Date: {}\r\n", now.to_rfc5322()));
        for recipient in &self.delivered {
            status.push_str("\r\n");
            let original = recipient.orcpt.as_deref();
            if let Some((kind, text)) = original.and_then(|orcpt| orcpt.split_once(';')) {
                let (kind, text) = (line(kind), line(text));
                status.push_str(&format!("Original-Recipient: {kind};{text}\r\n"));
            }
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
            status.push_str(&format!("Final-Recipient: {kind};{address}\r\n"));
            status.push_str("Action: delivered\r\nStatus: 2.0.0\r\n");
        }
        status
    }
}

fn postmaster(host: &Host) -> Option<Address> {
    Some(Address {
        local: LocalPart::new("postmaster")?,
        host: host.clone(),
    })
}

/// A value that cannot end its field.
fn line(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().map(plain).collect()
}
