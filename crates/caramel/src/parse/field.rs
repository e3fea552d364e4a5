//! What had to be repaired to read a header: each field is read as what it is.

use message::{
    Field, Header, Leniencies, Limits, Received, decode_words_noting, message_ids_noting,
    parameter, parse_addresses_noting, parse_date_noting,
};

/// What was wrong with the fields of a header.
pub(super) fn repaired(header: &[u8]) -> Leniencies {
    let mut noted = Leniencies::NONE;
    let fields = Header::parse(header).take(Limits::HOUSE.header_fields_max);
    fields.for_each(|field| note(&field, &mut noted));
    noted
}

fn note(field: &Field<'_>, noted: &mut Leniencies) {
    let Limits {
        addresses_max,
        parameters_max,
        text_octets_max,
        ..
    } = Limits::HOUSE;
    let value = &field.unfolded();
    let name = field.name.to_ascii_lowercase();
    match name.strip_prefix(b"resent-").unwrap_or(&name) {
        b"from" | b"sender" | b"reply-to" | b"to" | b"cc" | b"bcc" => {
            drop(parse_addresses_noting(value, addresses_max, noted));
        }
        // A moment holds nothing that had to be dropped.
        b"date" => {
            let _moment = parse_date_noting(value, noted);
        }
        b"message-id" | b"in-reply-to" | b"references" | b"content-id" => {
            drop(message_ids_noting(value, noted));
        }
        b"received" => drop(Received::parse_noting(value, noted)),
        b"content-type" => drop(parameter::media_type_noting(
            value,
            parameters_max,
            text_octets_max,
            noted,
        )),
        b"content-disposition" => drop(parameter::disposition_noting(
            value,
            parameters_max,
            text_octets_max,
            noted,
        )),
        _ => drop(decode_words_noting(value, noted)),
    }
}
