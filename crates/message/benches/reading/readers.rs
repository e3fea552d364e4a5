//! Three readers and three amounts of work, each the same for all.
//!
//! *Structure*: which parts there are, what types they have, where they lie. *Headers*: that, and
//! every field of every part decoded (addresses, dates, ids, parameters, encoded words). *All*:
//! that, and every body decoded, text into UTF-8. mail-parser does all of it whenever it parses;
//! what can be left out are the fields. mailparse does not open enclosed messages by itself, so
//! its adapter does. What each returns is a sum over what it found, so that nothing is optimised
//! away and the three can be compared.

/// How much is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Structure,
    Headers,
    All,
}

impl Work {
    pub(crate) const EACH: [Self; 3] = [Self::Structure, Self::Headers, Self::All];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Headers => "structure + headers",
            Self::All => "everything decoded",
        }
    }
}

/// What was found, roughly: enough to see that all did the work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Leaves of the tree.
    pub(crate) leaves: usize,
    /// Octets of decoded bodies.
    pub(crate) octets: usize,
    /// Addresses, ids, octets of texts: each reader counts a little differently.
    pub(crate) fields: usize,
}

pub(crate) type Reader = fn(&[u8], Work) -> Sum;

/// As many parts as the samples have.
const LIMITS: message::Limits = message::Limits {
    parts_max: 10_000,
    ..message::Limits::HOUSE
};

/// The readers in the order in which they take turns.
pub(crate) const READERS: [(&str, Reader); 3] = [
    ("caramel", caramel::read),
    ("mail-parser", mail_parser_::read),
    ("mailparse", mailparse_::read),
];

mod caramel {
    use message::{
        Correspondent, Encoding, Field, FieldName, Kind, Leniencies, Limits, Table, Text, charset,
        decode_transfer, decode_words, message_ids, parameter, parse_addresses, parse_date,
    };

    use super::{Sum, Work};

    /// Parameters and octets of one field.
    const PARAMETERS_MAX: usize = Limits::HOUSE.parameters_max;
    const OCTETS_MAX: usize = Limits::HOUSE.text_octets_max;

    pub(super) fn read(octets: &[u8], work: Work) -> Sum {
        let table = Table::within(octets, &super::LIMITS);
        let mut sum = Sum::default();
        for part in table.parts() {
            sum.leaves += usize::from(part.kind() == Kind::Leaf);
            if work == Work::Structure {
                continue;
            }
            let mut body = Body::default();
            for (name, field) in table.fields(part, Text::Message(octets)) {
                sum.fields += value(name, &field, &mut body);
            }
            if work == Work::All && part.kind() == Kind::Leaf {
                sum.octets += body.decoded(part.body().of(octets));
            }
        }
        sum
    }

    /// What a part's fields say of its body.
    #[derive(Default)]
    struct Body {
        other: bool,
        charset: Vec<u8>,
        encoding: Encoding,
    }

    fn value(name: FieldName, field: &Field<'_>, body: &mut Body) -> usize {
        use FieldName as Name;
        let noted = &mut Leniencies::default();
        match name {
            Name::From | Name::To | Name::Cc | Name::Bcc | Name::Sender | Name::ReplyTo => {
                let list = parse_addresses(field.value, usize::MAX);
                list.iter().map(named).sum()
            }
            Name::Date => usize::from(parse_date(field.value).is_some()),
            Name::MessageId | Name::InReplyTo | Name::References => message_ids(field.value).len(),
            Name::ContentType => {
                let most = (PARAMETERS_MAX, OCTETS_MAX);
                let kind = parameter::media_type_noting(field.value, most.0, most.1, noted);
                let Some((media, _, parameters)) = kind else {
                    return 0;
                };
                body.other = media != "text";
                let charset = parameters.iter().find(|one| one.name == "charset");
                body.charset = charset.map_or_else(Vec::new, |one| one.value.clone());
                parameters.len()
            }
            Name::ContentDisposition => {
                let most = (PARAMETERS_MAX, OCTETS_MAX);
                let found = parameter::disposition_noting(field.value, most.0, most.1, noted);
                found.map_or(0, |(_, parameters)| parameters.len())
            }
            Name::ContentTransferEncoding => {
                let unfolded = field.unfolded();
                body.encoding = Encoding::parse(std::str::from_utf8(&unfolded).unwrap_or(""));
                1
            }
            _ => decode_words(&field.unfolded()).len(),
        }
    }

    fn named(one: &Correspondent) -> usize {
        match one {
            Correspondent::Mailbox { name, .. } => {
                name.as_deref().map_or(0, |name| decode_words(name).len())
            }
            Correspondent::GroupStart(name) => decode_words(name).len(),
            Correspondent::GroupEnd => 0,
        }
    }

    impl Body {
        fn decoded(&self, body: &[u8]) -> usize {
            let octets = decode_transfer(self.encoding, body).octets;
            if self.other {
                octets.len()
            } else {
                charset::decode_cow(&self.charset, &octets).len()
            }
        }
    }
}

mod mail_parser_ {
    use mail_parser::{Message, MessageParser, PartType};

    use super::{Sum, Work};

    pub(super) fn read(octets: &[u8], work: Work) -> Sum {
        thread_local! {
            static STRUCTURE: MessageParser =
                MessageParser::new().with_mime_headers().default_header_ignore();
            static ALL: MessageParser = MessageParser::default();
        }
        let mut sum = Sum::default();
        let parser = if work == Work::Structure {
            &STRUCTURE
        } else {
            &ALL
        };
        if let Some(message) = parser.with(|parser| parser.parse(octets)) {
            count(&message, work, &mut sum);
        }
        sum
    }

    fn count(message: &Message<'_>, work: Work, sum: &mut Sum) {
        for part in &message.parts {
            if work != Work::Structure {
                sum.fields += part
                    .headers
                    .iter()
                    .map(|one| one.value.len())
                    .sum::<usize>();
            }
            let decoded = match &part.body {
                PartType::Text(text) | PartType::Html(text) => text.len(),
                PartType::Binary(octets) | PartType::InlineBinary(octets) => octets.len(),
                PartType::Message(inner) => {
                    count(inner, work, sum);
                    continue;
                }
                PartType::Multipart(_) => continue,
            };
            sum.leaves += 1;
            if work == Work::All {
                sum.octets += decoded;
            }
        }
    }
}

mod mailparse_ {
    use mailparse::body::Body;
    use mailparse::{
        MailAddr, MailHeader, ParsedMail, addrparse_header, dateparse, msgidparse,
        parse_content_disposition, parse_content_type, parse_mail,
    };

    use super::{Sum, Work};

    pub(super) fn read(octets: &[u8], work: Work) -> Sum {
        let mut sum = Sum::default();
        if let Ok(mail) = parse_mail(octets) {
            count(&mail, work, &mut sum);
        }
        sum
    }

    fn count(mail: &ParsedMail<'_>, work: Work, sum: &mut Sum) {
        if work != Work::Structure {
            sum.fields += mail.headers.iter().map(field).sum::<usize>();
        }
        if mail.ctype.mimetype == "message/rfc822" {
            if let Body::SevenBit(body) = mail.get_body_encoded()
                && let Ok(inner) = parse_mail(body.get_raw())
            {
                count(&inner, work, sum);
            }
            return;
        }
        for part in &mail.subparts {
            count(part, work, sum);
        }
        if mail.subparts.is_empty() {
            sum.leaves += 1;
            if work == Work::All {
                sum.octets += if mail.ctype.mimetype.starts_with("text/") {
                    mail.get_body().map_or(0, |text| text.len())
                } else {
                    mail.get_body_raw().map_or(0, |octets| octets.len())
                };
            }
        }
    }

    fn field(field: &MailHeader<'_>) -> usize {
        let key = field.get_key_ref();
        let is = |names: &[&str]| names.iter().any(|name| key.eq_ignore_ascii_case(name));
        if is(&["From", "To", "Cc", "Bcc", "Sender", "Reply-To"]) {
            let Ok(list) = addrparse_header(field) else {
                return 0;
            };
            let names = list.iter().map(|one| match one {
                MailAddr::Single(one) => one.display_name.as_ref().map_or(0, String::len),
                MailAddr::Group(group) => group.group_name.len(),
            });
            return names.sum();
        }
        let value = field.get_value();
        if is(&["Date"]) {
            usize::from(dateparse(&value).is_ok())
        } else if is(&["Message-ID", "In-Reply-To", "References"]) {
            msgidparse(&value).map_or(0, |ids| ids.len())
        } else if is(&["Content-Type"]) {
            parse_content_type(&value).params.len()
        } else if is(&["Content-Disposition"]) {
            parse_content_disposition(&value).params.len()
        } else {
            value.len()
        }
    }
}
