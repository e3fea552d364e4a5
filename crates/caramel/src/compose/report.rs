//! Reports a reader writes: that a letter was shown (RFC 8098), that it is abuse (RFC 5965).

use message::disposition::{Disposition, DispositionNotification, Kind, Mode};
use message::{Builder, Correspondent, FeedbackReport, Header, Received, Typed, decode_words};

use super::original::Original;
use super::people::{self, People};
use super::typed;
use crate::complaint::Complaint;

/// Who says so.
const AGENT: &str = concat!("caramel/", env!("CARGO_PKG_VERSION"));

/// To whom a receipt for this letter is due; a complaint where there is to be none.
// RFC 8098 §2.1, §2.2, §3
pub(super) fn wants_receipt(
    original: &Original,
    people: &People,
) -> Result<Vec<Correspondent>, Complaint> {
    let header = original.header();
    let root = &original.outline.root;
    let kind = root.parameter("report-type").unwrap_or_default();
    if root.is("multipart", "report") && kind.eq_ignore_ascii_case("disposition-notification") {
        return Err(Complaint::new(
            "the letter is a receipt itself, and none is due to a receipt",
        ));
    }
    let wanted = people::found(header, "Disposition-Notification-To");
    if wanted.is_empty() {
        let complaint = Complaint::new("the letter asks for no receipt");
        return Err(complaint.because("it has no Disposition-Notification-To with an address"));
    }
    let options = Header::first(header, "Disposition-Notification-Options");
    let options = options.map(|field| String::from_utf8_lossy(&field.unfolded()).into_owned());
    let required = |option: &str| {
        let behind = option.split_once('=').map(|(_, behind)| behind);
        let importance = behind.and_then(|behind| behind.split(',').next());
        importance.is_some_and(|word| word.trim().eq_ignore_ascii_case("required"))
    };
    if options.unwrap_or_default().split(';').any(required) {
        let complaint = Complaint::new("the letter asks for a receipt of a kind unknown here");
        return Err(complaint.because("its Disposition-Notification-Options require something"));
    }
    if people::addresses(&people.from).len() != 1 {
        let complaint = Complaint::usage("a receipt is from one person");
        return Err(complaint.next("give --from the address that got the letter"));
    }
    Ok(wanted)
}

/// The receipt's Subject.
pub(super) fn receipt_subject(original: &Original) -> String {
    format!("Read: {}", original.subject())
}

/// What the receipt tells people.
pub(super) fn receipt_text(original: &Original) -> String {
    let sent = original.outline.digest.sent();
    let sent = sent.map(|date| format!(" of {}", date.to_rfc5322()));
    format!(
        "Your letter{} was shown to its recipient:\n\n    {}\n\n\
         Whether it was read or understood, this does not say.\n",
        sent.unwrap_or_default(),
        original.subject(),
    )
}

/// Makes it a receipt, with the letter's header.
pub(super) fn receipt(builder: Builder, original: &Original, people: &People) -> Builder {
    let header = original.header();
    let first = |name: &str| Header::first(header, name);
    let id =
        first("Message-ID").and_then(|field| message::message_ids(field.value).into_iter().next());
    // RFC 8098 §3.2.3
    let recipient = first("Original-Recipient").and_then(|field| {
        let value = field.unfolded();
        let value = decode_words(&value);
        let (kind, text) = value.split_once(';')?;
        Some(Typed {
            kind: kind.trim().to_owned(),
            text: text.trim().to_owned(),
        })
    });
    let receipt = DispositionNotification {
        reporting_ua: Some((AGENT.to_owned(), None)),
        original: recipient,
        recipient: people.author().as_ref().map(typed),
        message_id: id,
        disposition: Some(Disposition {
            action: Mode::Manual,
            sending: Mode::Manual,
            kind: Kind::Displayed,
            modifiers: Vec::new(),
        }),
        ..DispositionNotification::default()
    };
    builder
        .disposition_notification(&receipt)
        .returned_header(header)
}

/// What the complaint tells people.
pub(super) fn complaint_text(original: &Original) -> String {
    format!(
        "This is a complaint of abuse about a letter from {}.\nThe letter is enclosed.\n",
        original.author()
    )
}

/// Makes it a complaint, with the letter.
pub(super) fn complaint(builder: Builder, original: &Original) -> Builder {
    let header = original.header();
    let mail_from = Header::first(header, "Return-Path");
    let mail_from =
        mail_from.map(|field| String::from_utf8_lossy(&field.unfolded()).trim().to_owned());
    // The topmost one is the reader's own server's. The sender's address in it may be a relay's:
    // whoever is complained to finds it in the letter.
    let received = Header::first(header, "Received");
    let arrival = received.and_then(|field| Received::parse(field.value).date);
    let report = FeedbackReport {
        kind: Some("abuse".to_owned()),
        user_agent: Some(AGENT.to_owned()),
        version: Some(1),
        mail_from,
        arrival,
        ..FeedbackReport::default()
    };
    builder.feedback_report(&report).enclose(&original.octets)
}
