//! What programs write to programs: delivery reports, receipts, complaints.

use mail::Timestamp;
use message::disposition::{Disposition, Kind, Mode};
use message::status::RecipientStatus;
use message::{DeliveryStatus, DispositionNotification, FeedbackReport, Leniencies, Part, Typed};
use serde_json::{Value, json};

/// Recipients shown of one report.
const RECIPIENTS_MAX: usize = 10;

/// What a report says.
#[derive(Debug)]
pub(super) enum Report {
    Status(DeliveryStatus),
    Disposition(DispositionNotification),
    Feedback(FeedbackReport),
}

impl Report {
    /// True for a part that is one.
    pub(super) fn is_in(part: &Part) -> bool {
        reader(part).is_some()
    }

    /// Reads the decoded body of a part; adds what had to be repaired.
    pub(super) fn read(part: &Part, body: &[u8], repaired: &mut Leniencies) -> Option<Self> {
        reader(part).map(|reader| reader(body, repaired))
    }

    /// The key a program finds it under, and what stands there.
    pub(super) fn to_json(&self) -> (&'static str, Value) {
        match self {
            Self::Status(status) => ("deliveryStatus", delivery_status(status)),
            Self::Disposition(receipt) => ("dispositionNotification", notification(receipt)),
            Self::Feedback(report) => ("feedbackReport", feedback(report)),
        }
    }

    /// What it comes to, in words: a line for each recipient or reason.
    pub(super) fn verdicts(&self) -> Vec<String> {
        match self {
            Self::Status(status) => {
                let all = &status.recipients;
                let mut lines: Vec<String> = all.iter().take(RECIPIENTS_MAX).map(became).collect();
                if all.len() > lines.len() {
                    lines.push(format!("and more ({} recipients)", all.len()));
                }
                lines
            }
            Self::Disposition(receipt) => {
                let done = done(receipt);
                let errors = receipt.errors.iter().take(RECIPIENTS_MAX);
                std::iter::once(done)
                    .chain(errors.map(|error| format!("error \"{error}\"")))
                    .collect()
            }
            Self::Feedback(report) => vec![complained(report)],
        }
    }
}

type Reader = fn(&[u8], &mut Leniencies) -> Report;

fn reader(part: &Part) -> Option<Reader> {
    if part.media != "message" {
        return None;
    }
    Some(match part.subtype.as_str() {
        "delivery-status" | "global-delivery-status" => {
            |body, noted| Report::Status(DeliveryStatus::parse_noting(body, noted))
        }
        "disposition-notification" | "global-disposition-notification" => {
            |body, noted| Report::Disposition(DispositionNotification::parse_noting(body, noted))
        }
        "feedback-report" => {
            |body, noted| Report::Feedback(FeedbackReport::parse_noting(body, noted))
        }
        _ => return None,
    })
}

/// `failed ada@example.org 5.1.1 "550 no such user"`.
fn became(one: &RecipientStatus) -> String {
    let action = one.action.map_or("unknown", |action| action.name());
    let mut words = vec![action.to_owned()];
    words.extend(one.recipient.as_ref().or(one.original.as_ref()).map(person));
    words.extend(one.status.map(|status| status.to_string()));
    let quoted = one.diagnostic.as_ref().map(|diagnostic| &diagnostic.text);
    let quoted = quoted.filter(|text| !text.is_empty());
    words.extend(quoted.map(|text| format!("\"{text}\"")));
    let remote = one.remote_mta.as_ref();
    words.extend(remote.map(|remote| format!("says {}", remote.text)));
    let until = one.retry_until.map(Timestamp::to_rfc5322);
    words.extend(until.map(|until| format!("tried until {until}")));
    words.join(" ")
}

/// `displayed ada@example.org by a person, receipt sent by a program`.
fn done(receipt: &DispositionNotification) -> String {
    let by = |mode| match mode {
        Mode::Manual => "a person",
        Mode::Automatic => "a program",
    };
    let whose = receipt.recipient.as_ref().or(receipt.original.as_ref());
    let whose = whose.map(|whose| format!(" {}", person(whose)));
    let whose = whose.unwrap_or_default();
    let Some(disposition) = &receipt.disposition else {
        return format!("unknown{whose}");
    };
    let Disposition {
        action, sending, ..
    } = disposition;
    let modifiers: String = disposition
        .modifiers
        .iter()
        .map(|modifier| format!("/{modifier}"))
        .collect();
    let kind = word(&disposition.kind);
    let (action, sending) = (by(*action), by(*sending));
    format!("{kind}{modifiers}{whose} by {action}, receipt sent by {sending}")
}

/// `abuse <spam@example.net> from 192.0.2.2 for <ada@example.org>`.
fn complained(report: &FeedbackReport) -> String {
    let kind = report.kind.clone().unwrap_or_else(|| "unknown".to_owned());
    let mut words = vec![kind];
    words.extend(report.mail_from.clone());
    words.extend(report.source.map(|source| format!("from {source}")));
    words.extend(report.recipients.first().map(|one| format!("for {one}")));
    if report.recipients.len() > 1 {
        words.push(format!("and {} others", report.recipients.len() - 1));
    }
    let times = report.incidents.filter(|times| *times != 1);
    words.extend(times.map(|times| format!("({times} times)")));
    words.join(" ")
}

/// The address, or what stands in its place.
fn person(typed: &Typed) -> String {
    typed
        .address()
        .map_or_else(|| typed.text.clone(), |address| address.to_string())
}

fn word(kind: &Kind) -> &str {
    match kind {
        Kind::Displayed => "displayed",
        Kind::Dispatched => "dispatched",
        Kind::Processed => "processed",
        Kind::Deleted => "deleted",
        Kind::Other(word) => word,
    }
}

fn delivery_status(status: &DeliveryStatus) -> Value {
    json!({
        "originalEnvelopeId": status.envelope_id,
        "reportingMta": typed(status.reporting_mta.as_ref()),
        "dsnGateway": typed(status.gateway.as_ref()),
        "receivedFromMta": typed(status.received_from.as_ref()),
        "arrivalDate": date(status.arrival),
        "recipients": status.recipients.iter().map(recipient).collect::<Vec<_>>(),
        "others": others(&status.others),
    })
}

fn recipient(one: &RecipientStatus) -> Value {
    json!({
        "originalRecipient": typed(one.original.as_ref()),
        "finalRecipient": typed(one.recipient.as_ref()),
        "action": one.action.map(|action| action.name()),
        "status": one.status.map(|status| status.to_string()),
        "remoteMta": typed(one.remote_mta.as_ref()),
        "diagnosticCode": typed(one.diagnostic.as_ref()),
        "lastAttemptDate": date(one.last_attempt),
        "finalLogId": one.log_id,
        "willRetryUntil": date(one.retry_until),
        "others": others(&one.others),
    })
}

fn notification(receipt: &DispositionNotification) -> Value {
    let agent = receipt.reporting_ua.as_ref();
    let agent = agent.map(|(name, product)| json!({ "name": name, "product": product }));
    let id = receipt.message_id.as_deref().map(String::from_utf8_lossy);
    json!({
        "reportingUa": agent,
        "mdnGateway": typed(receipt.gateway.as_ref()),
        "originalRecipient": typed(receipt.original.as_ref()),
        "finalRecipient": typed(receipt.recipient.as_ref()),
        "originalMessageId": id,
        "disposition": receipt.disposition.as_ref().map(disposition),
        "error": receipt.errors,
        "others": others(&receipt.others),
    })
}

/// As RFC 9007 §1.3 names the modes.
fn disposition(disposition: &Disposition) -> Value {
    json!({
        "actionMode": match disposition.action {
            Mode::Manual => "manual-action",
            Mode::Automatic => "automatic-action",
        },
        "sendingMode": match disposition.sending {
            Mode::Manual => "mdn-sent-manually",
            Mode::Automatic => "mdn-sent-automatically",
        },
        "type": word(&disposition.kind),
        "modifiers": disposition.modifiers,
    })
}

fn feedback(report: &FeedbackReport) -> Value {
    json!({
        "feedbackType": report.kind,
        "userAgent": report.user_agent,
        "version": report.version,
        "originalEnvelopeId": report.envelope_id,
        "originalMailFrom": report.mail_from,
        "originalRcptTo": report.recipients,
        "arrivalDate": date(report.arrival),
        "reportingMta": typed(report.reporting_mta.as_ref()),
        "sourceIp": report.source,
        "incidents": report.incidents,
        "authenticationResults": report.authentication_results,
        "reportedDomain": report.domains,
        "reportedUri": report.uris,
        "others": others(&report.others),
    })
}

/// `rfc822; ada@example.org` as its two halves, and the address it is, if it is one.
fn typed(typed: Option<&Typed>) -> Option<Value> {
    typed.map(|typed| {
        let address = typed.address().map(|address| address.to_string());
        json!({ "type": typed.kind, "value": typed.text, "address": address })
    })
}

fn others(fields: &[(String, String)]) -> Vec<Value> {
    let fields = fields.iter();
    fields
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}

pub(super) fn date(moment: Option<Timestamp>) -> Option<String> {
    moment.map(|moment| moment.to_rfc3339().to_string())
}
