//! What is shown of a message, and field values and bodies that programs write for programs.

use message::view::{Bodies, BodyPart, PREVIEW_CHARACTERS_MAX, forms, preview};
use message::{
    AuthenticationResults, DeliveryStatus, DispositionNotification, FeedbackReport, Leniencies,
    Outline, Received, decode_text, flowed, html, judge_address, keywords, list_id, list_is_closed,
    list_uris, media_type_noting, one_click,
};

/// Octets of one part's text that are asked for.
const VALUE_OCTETS_MAX: usize = 200;

/// JMAP's view of a message.
pub(crate) fn views(outline: &Outline, message: &[u8]) {
    let bodies = Bodies::of(&outline.root);
    let line = preview(&bodies, message);
    assert!(
        line.encode_utf16().count() <= PREVIEW_CHARACTERS_MAX,
        "{line}"
    );
    let _has = bodies.has_attachment(message);
    let lists = [&bodies.text, &bodies.html, &bodies.attachments];
    for part in lists.into_iter().flatten().take(50) {
        value(part, message);
    }
    for (part, file) in bodies.enclosed(message) {
        let within = part.octets(message);
        let octets = file.octets(&within).len();
        // A line of uuencode may leave out the zeros at its end: two octets say 63.
        assert!(octets <= within.len() * 32, "{octets} octets in a file");
    }
    let _parts = BodyPart::root(&outline.root).sub_parts();
}

fn value(part: &BodyPart<'_>, message: &[u8]) {
    let shown = part.value(message, VALUE_OCTETS_MAX).value;
    assert!(shown.len() <= VALUE_OCTETS_MAX, "{} octets", shown.len());
    let text = decode_text(part.part, message, &mut Leniencies::default());
    for delsp in [false, true] {
        let paragraphs = flowed::read(&text, delsp);
        let octets: usize = paragraphs.map(|one| one.text.len()).sum();
        assert!(octets <= text.len(), "{octets} octets of paragraphs");
    }
    let words = html::words(&text).len();
    assert!(words <= text.len() * 4 + 16, "{words} octets of words");
    let _lines = html::lines(&text);
}

/// Values of structured fields.
pub(crate) fn structured(value: &[u8]) {
    let noted = &mut Leniencies::default();
    let _received = Received::parse_noting(value, noted);
    let _results = AuthenticationResults::parse(value);
    let _type = media_type_noting(value, 100, 1000, noted);
    let _verdict = judge_address(value);
    let uris = list_uris(value);
    assert!(uris.iter().map(String::len).sum::<usize>() <= value.len() * 3);
    let _list = (list_id(value), list_is_closed(value), keywords(value));
    let _click = one_click(value, value);
    let _text = (forms::raw(value), forms::text(value), forms::date(value));
    let _texts = ["Keywords", "Content-Type"].map(|name| forms::text_of(name, value));
    let _addresses = (forms::addresses(value), forms::grouped_addresses(value));
    let _ids = (forms::message_ids(value), forms::urls(value));
}

/// Bodies of reports, whatever their type says.
pub(crate) fn reports(body: &[u8]) {
    let noted = &mut Leniencies::default();
    let _status = DeliveryStatus::parse_noting(body, noted);
    let _disposition = DispositionNotification::parse_noting(body, noted);
    let _feedback = FeedbackReport::parse_noting(body, noted);
}
