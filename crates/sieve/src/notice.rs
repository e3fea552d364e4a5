//! Notices by mail (RFC 5435, RFC 5436).

use mail::{Address, Timestamp};
use message::{Builder, Header, filter_header};

use crate::action::Filing;
use crate::circumstances::{Circumstances, Letter};

/// A notice that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// To whom.
    pub recipients: Vec<Address>,
    /// Who hears of failures; nobody where the message itself came from nobody (RFC 5436 §2.7).
    pub sender: Option<Address>,
    /// The subject: what the notice says.
    pub subject: String,
    /// How urgent it is: 1 is very, 2 is normal, 3 is little.
    pub importance: u8,
    /// The method as the script has it, a URI.
    pub method: String,
    /// Where a copy of it is filed (RFC 8580).
    pub copy: Option<Filing>,
    letter: Mailto,
    from: Option<Address>,
    owner: Option<Address>,
    /// The Received fields of the message.
    received: Vec<u8>,
}

/// What a `mailto` URI says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mailto {
    to: Vec<Address>,
    cc: Vec<Address>,
    bcc: Vec<Address>,
    subject: Option<String>,
    body: String,
    fields: Vec<(String, String)>,
}

/// What a script asks for.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) from: Option<String>,
    pub(crate) importance: u8,
    pub(crate) message: Option<String>,
}

/// Fields of a URI that are not taken (RFC 5436 §2.7).
const UNSAFE_FIELDS: [&str; 12] = [
    "from",
    "auto-submitted",
    "received",
    "message-id",
    "date",
    "sender",
    "return-path",
    "resent-from",
    "resent-to",
    "references",
    "in-reply-to",
    "reply-to",
];
/// Recipients of a notice at most.
const RECIPIENTS_MAX: usize = 10;
/// Fields taken from a URI at most.
const FIELDS_MAX: usize = 20;

/// Reads the URI of a method.
///
/// # Errors
/// In words, where it is no method that is known here.
pub(crate) fn parse(method: &str) -> Result<Mailto, String> {
    let Some((scheme, rest)) = method.split_once(':') else {
        return Err(format!("\"{method}\" is no URI"));
    };
    if !scheme.eq_ignore_ascii_case("mailto") {
        return Err(format!("notices go by 'mailto:', not by '{scheme}:'"));
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut letter = Mailto {
        to: addresses(path)?,
        ..Mailto::default()
    };
    for field in query.split('&').filter(|field| !field.is_empty()) {
        let Some((name, value)) = field.split_once('=') else {
            return Err(format!("\"{field}\" is no field of a URI"));
        };
        let name = decoded(name)?.to_ascii_lowercase();
        match name.as_str() {
            "to" => letter.to.extend(addresses(value)?),
            "cc" => letter.cc.extend(addresses(value)?),
            "bcc" => letter.bcc.extend(addresses(value)?),
            "subject" => letter.subject = Some(decoded(value)?),
            "body" => letter.body = decoded(value)?,
            other if UNSAFE_FIELDS.contains(&other) => {}
            other if crate::check::is_field_name(other) => {
                letter.fields.push((capitalised(other), decoded(value)?));
            }
            other => return Err(format!("'{other}' is no name of a header field")),
        }
    }
    let recipients = letter.to.len() + letter.cc.len() + letter.bcc.len();
    if letter.to.is_empty() || recipients > RECIPIENTS_MAX || letter.fields.len() > FIELDS_MAX {
        return Err(format!("\"{method}\" names nobody, or too many"));
    }
    Ok(letter)
}

fn addresses(list: &str) -> Result<Vec<Address>, String> {
    let list = list.split(',').filter(|one| !one.is_empty());
    let read = list.map(|one| {
        let text = decoded(one)?;
        crate::check::address(&text).ok_or_else(|| format!("\"{text}\" is no address"))
    });
    read.collect()
}

/// Undoes percent-encoding (RFC 3986 §2.1).
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("\"{text}\" is not encoded as in a URI");
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            if octet <= b' ' || octet == b'<' || octet == b'>' || octet == b'"' {
                return Err(wrong());
            }
            octets.push(octet);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let number = digit().zip(digit()).map(|(high, low)| high * 16 + low);
        let octet = number.and_then(|number| u8::try_from(number).ok());
        octets.push(octet.ok_or_else(wrong)?);
    }
    String::from_utf8(octets).map_err(|_| wrong())
}

fn capitalised(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

impl Notice {
    /// The notice of a message; or why there is none.
    pub(crate) fn new(
        world: &Circumstances,
        letter: Mailto,
        asked: Asked,
        copy: Option<Filing>,
    ) -> Result<Self, &'static str> {
        let header = world.letter.header();
        let auto = Letter::values(header, "auto-submitted");
        let is_answer = |value: &String| {
            let word = value.split([';', '(', ' ']).next().unwrap_or_default();
            !word.eq_ignore_ascii_case("no")
        };
        // RFC 5436 §2.7
        if auto.iter().any(is_answer) {
            return Err("a program has sent the message");
        }
        let owner = world.addresses.first().cloned().or_else(|| {
            let recipient = &world.envelope.as_ref()?.recipient;
            recipient.forward_path.address().cloned()
        });
        let from = asked.from.as_deref().and_then(crate::check::address);
        let from = from.or_else(|| owner.clone());
        let null = world
            .envelope
            .as_ref()
            .is_some_and(|envelope| envelope.reverse_path.address().is_none());
        let subject = asked.message.or_else(|| letter.subject.clone());
        let subject = subject.or_else(|| Letter::values(header, "subject").into_iter().next());
        let everybody = letter.to.iter().chain(&letter.cc).chain(&letter.bcc);
        Ok(Self {
            recipients: everybody.cloned().collect(),
            sender: from.clone().filter(|_| !null),
            subject: subject.unwrap_or_else(|| "New message".to_owned()),
            importance: asked.importance,
            method: asked.method,
            copy,
            letter,
            from,
            owner,
            received: filter_header(header, &["Received".to_owned()], false),
        })
    }

    /// Lets it be written in a name alone that is the owner's: else it is from `owner`
    /// (RFC 5435 §3.3).
    pub fn written_by(&mut self, owner: &Address, owns: impl Fn(&Address) -> bool) {
        if !self.from.as_ref().is_some_and(owns) {
            self.from = Some(owner.clone());
        }
        if self.sender.is_some() {
            self.sender = self.from.clone();
        }
        self.owner = Some(owner.clone());
    }

    /// Writes the notice; the identifier comes without angle brackets.
    #[must_use]
    pub fn message(&self, date: Timestamp, message_id: &str) -> Vec<u8> {
        let owner = self.owner.as_ref().map(|owner| owner.written());
        let owner = owner.unwrap_or_default().replace('"', "");
        // RFC 5436 §2.7.1
        let auto = format!("auto-notified; owner-email=\"{owner}\"");
        let mut message = Builder::new()
            .field("Auto-Submitted", &auto)
            .in_front_of(b"");
        for field in Header::parse(&self.received) {
            message.extend_from_slice(field.raw);
        }
        let named = |list: &[Address]| -> Vec<(String, Address)> {
            list.iter()
                .map(|one| (String::new(), one.clone()))
                .collect()
        };
        let mut builder = Builder::new().date(date).message_id(message_id);
        if let Some(from) = &self.from {
            builder = builder.from("", from);
        }
        for (field, list) in [("To", &self.letter.to), ("Cc", &self.letter.cc)] {
            let list = named(list);
            let list: Vec<(&str, &Address)> = list
                .iter()
                .map(|(name, one)| (name.as_str(), one))
                .collect();
            builder = builder.addresses(field, &list);
        }
        builder = builder.subject(&self.subject);
        for (name, value) in &self.letter.fields {
            builder = builder.field(name, value);
        }
        message.extend(builder.text(&self.letter.body).build());
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods() {
        let read =
            parse("mailto:0123@sms.example?to=b@example.com&Subject=a%20b&body=x&x-y=z&from=q");
        let read = read.unwrap();
        assert_eq!(read.to.len(), 2);
        assert_eq!(read.subject.as_deref(), Some("a b"));
        assert_eq!(read.fields, [("X-y".to_owned(), "z".to_owned())]);
        for method in [
            "mailto:",
            "tel:+1",
            "nothing",
            "mailto:not an address",
            "mailto:a@b?x",
            "mailto:a@b?subject=%zz",
        ] {
            assert!(parse(method).is_err(), "{method}");
        }
    }
}
