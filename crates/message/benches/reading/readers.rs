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

/// The readers in the order in which they take turns.
pub(crate) const READERS: [(&str, Reader); 3] = [
    ("caramel", caramel::read),
    ("mail-parser", mail_parser_::read),
    ("mailparse", mailparse_::read),
];

mod caramel {
    use std::borrow::Cow;

    use message::{
        Correspondent, Encoding, Field, Header, Limits, Outline, Part, charset, decode_transfer,
        decode_words, message_ids, parse_addresses, parse_date,
    };

    use super::{Sum, Work};

    /// As many parts as the samples have.
    const LIMITS: Limits = Limits {
        parts_max: 10_000,
        ..Limits::HOUSE
    };

    pub(super) fn read(octets: &[u8], work: Work) -> Sum {
        let outline = Outline::parse_within(octets, &LIMITS);
        let mut sum = Sum::default();
        for part in outline.root.walk() {
            if part.children().is_empty() {
                sum.leaves += 1;
                if work == Work::All {
                    sum.octets += body(part, octets);
                }
            }
            if work != Work::Structure {
                let header = part.header.of(octets);
                sum.fields += Header::parse(header).map(|one| field(&one)).sum::<usize>();
            }
        }
        sum
    }

    fn field(field: &Field<'_>) -> usize {
        let is = |names: &[&str]| names.iter().any(|name| field.is(name));
        if is(&["From", "To", "Cc", "Bcc", "Sender", "Reply-To"]) {
            let list = parse_addresses(field.value, usize::MAX);
            list.iter().map(|one| name(one).len()).sum()
        } else if field.is("Date") {
            usize::from(parse_date(field.value).is_some())
        } else if is(&["Message-ID", "In-Reply-To", "References"]) {
            message_ids(field.value).len()
        } else {
            decode_words(&field.unfolded()).len()
        }
    }

    fn name(one: &Correspondent) -> Cow<'_, str> {
        match one {
            Correspondent::Mailbox { name, .. } => {
                decode_words(name.as_deref().unwrap_or_default())
            }
            Correspondent::GroupStart(name) => decode_words(name),
            Correspondent::GroupEnd => Cow::Borrowed(""),
        }
    }

    fn body(part: &Part, octets: &[u8]) -> usize {
        let decoded = decode_transfer(Encoding::parse(&part.encoding), part.body.of(octets));
        if part.media != "text" {
            return decoded.octets.len();
        }
        let label = part.parameters.iter().find(|one| one.name == "charset");
        let label = label.map_or(&[][..], |one| one.value.as_slice());
        charset::decode_cow(label, &decoded.octets).len()
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
