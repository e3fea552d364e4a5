//! Reports: of delivery, of disposition, of complaints.

use mail::{Enhanced, Timestamp};
use message::builder::Builder;
use message::disposition::{Disposition, DispositionNotification, Kind, Mode};
use message::{Action, DeliveryStatus, FeedbackReport, Part, RecipientStatus, Typed};
use proptest::prelude::*;

use crate::{LINE_OCTETS_MAX, names, sound};

fn typed(kind: &str, text: &str) -> Option<Typed> {
    Some(Typed {
        kind: kind.to_owned(),
        text: text.to_owned(),
    })
}

fn delivery_status(text: &str, date: Timestamp) -> DeliveryStatus {
    let recipient = RecipientStatus {
        original: typed("rfc822", text),
        recipient: typed("utf-8", text),
        action: Some(Action::Failed),
        status: Some(Enhanced::new(5, 1, 1)),
        remote_mta: typed("dns", "mx.example"),
        diagnostic: typed("smtp", text),
        last_attempt: Some(date),
        log_id: Some(text.to_owned()),
        retry_until: Some(date),
        others: vec![("X-Why".to_owned(), text.to_owned())],
    };
    DeliveryStatus {
        envelope_id: Some(text.to_owned()),
        reporting_mta: typed("dns", "a.example"),
        gateway: typed("smtp", text),
        received_from: typed("dns", text),
        arrival: Some(date),
        others: vec![("X-Some".to_owned(), text.to_owned())],
        recipients: vec![recipient.clone(), recipient],
    }
}

fn receipt(text: &str) -> DispositionNotification {
    DispositionNotification {
        reporting_ua: Some(("pc.example".to_owned(), Some(text.replace(';', ",")))),
        gateway: typed("dns", text),
        original: typed("rfc822", text),
        recipient: typed("rfc822", text),
        message_id: Some(b"1@example.org".to_vec()),
        disposition: Some(Disposition {
            action: Mode::Manual,
            sending: Mode::Automatic,
            kind: Kind::Other("denied".to_owned()),
            modifiers: vec!["error".to_owned(), "x".to_owned()],
        }),
        errors: vec![text.to_owned(), "two".to_owned()],
        others: vec![("X-Some".to_owned(), text.to_owned())],
    }
}

fn complaint(text: &str, date: Timestamp) -> FeedbackReport {
    FeedbackReport {
        kind: Some("abuse".to_owned()),
        user_agent: Some(text.to_owned()),
        version: Some(1),
        envelope_id: Some(text.to_owned()),
        mail_from: Some("<a@example.net>".to_owned()),
        recipients: vec!["<b@example.com>".to_owned(), text.to_owned()],
        arrival: Some(date),
        reporting_mta: typed("dns", text),
        source: "2001:db8::1".parse().ok(),
        incidents: Some(3),
        authentication_results: vec![text.to_owned()],
        domains: vec!["example.net".to_owned()],
        uris: vec!["http://example.net/".to_owned(), text.to_owned()],
        others: vec![("X-Some".to_owned(), text.to_owned())],
    }
}

#[test]
fn a_report_and_a_boundary_inside() {
    let date = Timestamp::utc(1);
    let inner = b"Subject: x\r\n\r\n--=_caramel-7-0\r\n\r\n";
    let message = Builder::new()
        .text("It failed. =_caramel-3-1")
        .delivery_status(&delivery_status("ada@example.org", date))
        .enclose(inner)
        .build();
    let outline = sound(&message);
    assert!(outline.root.is("multipart", "report"));
    let parameter = |name| outline.root.parameter(name);
    assert_eq!(parameter("report-type").as_deref(), Some("delivery-status"));
    assert_eq!(parameter("boundary").as_deref(), Some("=_caramel-8-0"));
    assert_eq!(outline.root.children().len(), 3);
    assert_eq!(outline.part(&[3]).unwrap().body.of(&message), inner);
}

#[test]
fn reports_have_their_three_parts() {
    let date = Timestamp::utc(1);
    let kinds = |builder: Builder| {
        let message = builder
            .returned_header("Subject: ä\r\n\r\nsecret".as_bytes())
            .build();
        assert!(!message.windows(6).any(|window| window == b"secret"));
        let outline = sound(&message);
        let of = |part: &Part| format!("{}/{}", part.media, part.subtype);
        let kind = outline.root.parameter("report-type").unwrap();
        (
            kind,
            outline
                .root
                .children()
                .iter()
                .map(of)
                .collect::<Vec<_>>()
                .join(" "),
        )
    };
    let text = || Builder::new().text("T");
    let (kind, parts) = kinds(text().delivery_status(&delivery_status("jürgen@x.example", date)));
    assert_eq!(kind, "delivery-status");
    assert_eq!(
        parts,
        "text/plain message/global-delivery-status message/global-headers"
    );
    let (kind, parts) = kinds(text().disposition_notification(&receipt("a@x")));
    assert_eq!(kind, "disposition-notification");
    assert_eq!(
        parts,
        "text/plain message/disposition-notification message/global-headers"
    );
    let (kind, parts) = kinds(text().feedback_report(&complaint("a", date)));
    assert_eq!(kind, "feedback-report");
    assert_eq!(
        parts,
        "text/plain message/feedback-report message/global-headers"
    );
}

/// One line without control characters, as a report's values are: trimmed, never empty.
fn line() -> impl Strategy<Value = String> {
    "[^\\p{Cc}\\p{Z}]{1,20}( {1,3}[^\\p{Cc}\\p{Z}]{1,40}){0,6}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reports_read_back(text in line(), seconds in 0..4_000_000_000_i64) {
        let date = Timestamp::utc(seconds);
        let status = delivery_status(&text, date);
        prop_assert_eq!(&DeliveryStatus::parse(&status.write()), &status);
        let receipt = receipt(&text);
        prop_assert_eq!(&DispositionNotification::parse(&receipt.write()), &receipt);
        let complaint = complaint(&text, date);
        prop_assert_eq!(&FeedbackReport::parse(&complaint.write()), &complaint);
    }

    #[test]
    fn hostile_reports_have_the_same_fields(text in any::<String>()) {
        let date = Timestamp::utc(0);
        let plain = delivery_status("x", date).write();
        let hostile = delivery_status(&format!("x{text}\r\n\r\nEvil: y"), date).write();
        prop_assert_eq!(names(&plain), names(&hostile));
        let recipients = DeliveryStatus::parse(&hostile).recipients;
        prop_assert_eq!(recipients.len(), 2);
        for line in hostile.split(|&octet| octet == b'\n') {
            prop_assert!(line.len() <= LINE_OCTETS_MAX + 1);
        }
    }
}
