//! Reports written: delivery status, receipts, complaints, as the values that their readers give.
//!
//! A value is written so that reading it gives the value again; control characters are spaces, and
//! what no line can hold is cut. Not here: which report is due to whom.

use std::fmt::Display;
use std::net::IpAddr;

use mail::Timestamp;

use super::field;
use super::{Builder, header_of, is_utf8};
use crate::disposition::{Disposition, DispositionNotification, Kind, Mode};
use crate::feedback::FeedbackReport;
use crate::status::{DeliveryStatus, RecipientStatus, Typed};

impl Builder {
    /// Makes it a report on deliveries (RFC 3464): [`Builder::text`] tells people, this tells
    /// programs; what is returned of the message follows with [`Builder::enclose`] or
    /// [`Builder::returned_header`].
    #[must_use]
    pub fn delivery_status(self, status: &DeliveryStatus) -> Self {
        let body = status.write();
        // RFC 6533 §4.1
        let kind = if body.is_ascii() {
            "message/delivery-status"
        } else {
            "message/global-delivery-status"
        };
        self.report("delivery-status").part(kind, &body)
    }

    /// Makes it a receipt (RFC 8098, in UTF-8 RFC 6533 §5).
    #[must_use]
    pub fn disposition_notification(self, receipt: &DispositionNotification) -> Self {
        let body = receipt.write();
        let kind = if body.is_ascii() {
            "message/disposition-notification"
        } else {
            "message/global-disposition-notification"
        };
        self.report("disposition-notification").part(kind, &body)
    }

    /// Makes it a complaint (RFC 5965); the message complained of follows with
    /// [`Builder::enclose`] or [`Builder::returned_header`].
    #[must_use]
    pub fn feedback_report(self, report: &FeedbackReport) -> Self {
        self.report("feedback-report")
            .part("message/feedback-report", &report.write())
    }

    /// Returns the header of a message, octet by octet (RFC 6522 §4, RFC 6533 §4.3); of a whole
    /// message the header alone is taken.
    #[must_use]
    pub fn returned_header(self, message: &[u8]) -> Self {
        let header = header_of(message);
        let kind = if is_utf8(header) {
            "message/global-headers"
        } else {
            "text/rfc822-headers"
        };
        self.part(kind, header)
    }
}

/// Fields under construction.
#[derive(Default)]
struct Fields(String);

impl Fields {
    /// Adds a field unless its value is empty.
    fn push(&mut self, name: &str, value: impl Display) {
        let words = field::reported(&value.to_string());
        if words.iter().any(|word| !word.is_empty()) {
            field::push(&mut self.0, name, &words);
        }
    }

    fn some(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    fn typed(&mut self, name: &str, value: Option<&Typed>) {
        // A kind that is no atom would end it early.
        let value = value.map(|Typed { kind, text }| format!("{}; {text}", field::token(kind)));
        self.some(name, value);
    }

    /// Addresses stand behind their kind without a space, as in RFC 3464's own examples.
    fn recipient(&mut self, name: &str, value: Option<&Typed>) {
        let value = value.map(|Typed { kind, text }| format!("{};{text}", field::token(kind)));
        self.some(name, value);
    }

    fn date(&mut self, name: &str, value: Option<Timestamp>) {
        self.some(name, value.map(Timestamp::to_rfc5322));
    }

    fn others(&mut self, others: &[(String, String)]) {
        for (name, value) in others {
            self.push(name, value);
        }
    }
}

impl DeliveryStatus {
    /// Writes the body of a `message/delivery-status`, or where it is not ASCII of a
    /// `message/global-delivery-status`.
    // RFC 3464 §2.1
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.some("Original-Envelope-Id", self.envelope_id.as_ref());
        fields.typed("Reporting-MTA", self.reporting_mta.as_ref());
        fields.typed("DSN-Gateway", self.gateway.as_ref());
        fields.typed("Received-From-MTA", self.received_from.as_ref());
        fields.date("Arrival-Date", self.arrival);
        fields.others(&self.others);
        for recipient in &self.recipients {
            fields.0.push_str("\r\n");
            recipient.write(&mut fields);
        }
        fields.0.into_bytes()
    }
}

impl RecipientStatus {
    // RFC 3464 §2.3
    fn write(&self, fields: &mut Fields) {
        fields.recipient("Original-Recipient", self.original.as_ref());
        fields.recipient("Final-Recipient", self.recipient.as_ref());
        fields.some("Action", self.action.map(|action| action.name()));
        fields.some("Status", self.status);
        fields.typed("Remote-MTA", self.remote_mta.as_ref());
        fields.typed("Diagnostic-Code", self.diagnostic.as_ref());
        fields.date("Last-Attempt-Date", self.last_attempt);
        fields.some("Final-Log-ID", self.log_id.as_ref());
        fields.date("Will-Retry-Until", self.retry_until);
        fields.others(&self.others);
    }
}

impl DispositionNotification {
    /// Writes the body of a `message/disposition-notification`, or where it is not ASCII of a
    /// `message/global-disposition-notification`.
    // RFC 8098 §3.1
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        let agent = self.reporting_ua.as_ref();
        fields.some(
            "Reporting-UA",
            agent.map(|(name, product)| match product {
                Some(product) => format!("{name}; {product}"),
                None => name.clone(),
            }),
        );
        fields.typed("MDN-Gateway", self.gateway.as_ref());
        fields.recipient("Original-Recipient", self.original.as_ref());
        fields.recipient("Final-Recipient", self.recipient.as_ref());
        let id = self.message_id.as_deref().map(String::from_utf8_lossy);
        let ids = id.map(|id| field::ids(&[&id])).unwrap_or_default();
        fields.some("Original-Message-ID", ids.first());
        fields.some("Disposition", self.disposition.as_ref().map(disposition));
        for error in &self.errors {
            fields.push("Error", error);
        }
        fields.others(&self.others);
        fields.0.into_bytes()
    }
}

// RFC 8098 §3.2.6
fn disposition(of: &Disposition) -> String {
    let action = match of.action {
        Mode::Manual => "manual-action",
        Mode::Automatic => "automatic-action",
    };
    let sending = match of.sending {
        Mode::Manual => "MDN-sent-manually",
        Mode::Automatic => "MDN-sent-automatically",
    };
    let kind = match &of.kind {
        Kind::Displayed => "displayed",
        Kind::Dispatched => "dispatched",
        Kind::Processed => "processed",
        Kind::Deleted => "deleted",
        Kind::Other(word) => &field::token(word),
    };
    let modifiers: Vec<String> = of.modifiers.iter().map(|word| field::token(word)).collect();
    let slash = if modifiers.is_empty() { "" } else { "/" };
    format!("{action}/{sending}; {kind}{slash}{}", modifiers.join(","))
}

impl FeedbackReport {
    /// Writes the body of a `message/feedback-report`.
    // RFC 5965 §3
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.some("Feedback-Type", self.kind.as_deref().map(field::token));
        fields.some("User-Agent", self.user_agent.as_ref());
        fields.some("Version", self.version);
        fields.some("Original-Envelope-Id", self.envelope_id.as_ref());
        fields.some("Original-Mail-From", self.mail_from.as_ref());
        fields.date("Arrival-Date", self.arrival);
        fields.typed("Reporting-MTA", self.reporting_mta.as_ref());
        // RFC 5321 §4.1.3
        let source = self.source.map(|address| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("IPv6:{address}"),
        });
        fields.some("Source-IP", source);
        fields.some("Incidents", self.incidents);
        let lists = [
            ("Original-Rcpt-To", &self.recipients),
            ("Authentication-Results", &self.authentication_results),
            ("Reported-Domain", &self.domains),
            ("Reported-URI", &self.uris),
        ];
        for (name, values) in lists {
            values.iter().for_each(|value| fields.push(name, value));
        }
        fields.others(&self.others);
        fields.0.into_bytes()
    }
}
