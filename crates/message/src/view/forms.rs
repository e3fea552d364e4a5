//! Header fields in the forms JMAP gives them in (RFC 8621 §4.1.2): functions on a field's value,
//! that is, on what stands behind its colon.
//!
//! Not here: which of several fields of one name is meant.

use mail::Timestamp;
use unicode_normalization::UnicodeNormalization as _;

use crate::address::Correspondent;
use crate::encoded_word::decode_words;
use crate::list::list_uris;
use crate::outline::Limits;
use crate::{header, parse_addresses, parse_date};

/// A form a field can be asked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// As it stands.
    Raw,
    /// Unfolded and decoded.
    Text,
    /// A list of addresses.
    Addresses,
    /// The same with its groups.
    GroupedAddresses,
    /// A list of message identifiers.
    MessageIds,
    /// A date.
    Date,
    /// A list of URLs.
    Urls,
}

impl Form {
    /// Reads the name that stands behind `as`: `Raw`, `URLs`, …
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "Raw" => Self::Raw,
            "Text" => Self::Text,
            "Addresses" => Self::Addresses,
            "GroupedAddresses" => Self::GroupedAddresses,
            "MessageIds" => Self::MessageIds,
            "Date" => Self::Date,
            "URLs" => Self::Urls,
            _ => return None,
        })
    }

    /// True if a field of this name, in any case, may be asked for in this form.
    #[must_use]
    pub fn fits(self, name: &str) -> bool {
        // RFC 8621 §4.1.2
        let defined = FIELDS
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known));
        match defined {
            _ if self == Self::Raw => true,
            None => true,
            Some((_, Self::Addresses)) => matches!(self, Self::Addresses | Self::GroupedAddresses),
            Some(&(_, form)) => self == form,
        }
    }
}

/// The fields of RFC 5322 and RFC 2369, and List-Id, each with its form; Raw fits all.
const FIELDS: [(&str, Form); 30] = [
    ("From", Form::Addresses),
    ("Sender", Form::Addresses),
    ("Reply-To", Form::Addresses),
    ("To", Form::Addresses),
    ("Cc", Form::Addresses),
    ("Bcc", Form::Addresses),
    ("Resent-From", Form::Addresses),
    ("Resent-Sender", Form::Addresses),
    ("Resent-Reply-To", Form::Addresses),
    ("Resent-To", Form::Addresses),
    ("Resent-Cc", Form::Addresses),
    ("Resent-Bcc", Form::Addresses),
    ("Subject", Form::Text),
    ("Comments", Form::Text),
    ("Keywords", Form::Text),
    ("List-Id", Form::Text),
    ("Message-ID", Form::MessageIds),
    ("In-Reply-To", Form::MessageIds),
    ("References", Form::MessageIds),
    ("Resent-Message-ID", Form::MessageIds),
    ("Date", Form::Date),
    ("Resent-Date", Form::Date),
    ("List-Help", Form::Urls),
    ("List-Unsubscribe", Form::Urls),
    ("List-Subscribe", Form::Urls),
    ("List-Post", Form::Urls),
    ("List-Owner", Form::Urls),
    ("List-Archive", Form::Urls),
    // Of RFC 5322 as well, and with no form but Raw.
    ("Received", Form::Raw),
    ("Return-Path", Form::Raw),
];

/// A person, as JMAP names one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    /// The name shown, or the comment behind a bare address.
    pub name: Option<String>,
    /// The address; what stands there where it is none.
    pub email: String,
}

/// Addresses of one group, or of no group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EmailAddressGroup {
    /// The group's name; `None` for addresses between groups.
    pub name: Option<String>,
    /// Its addresses.
    pub addresses: Vec<EmailAddress>,
}

/// Raw: the octets as text, what is not UTF-8 as U+FFFD, without NUL.
#[must_use]
pub fn raw(value: &[u8]) -> String {
    // RFC 8621 §4.1.2.1
    let text = String::from_utf8_lossy(value);
    match memchr::memchr(0, text.as_bytes()) {
        Some(_) => text.replace('\0', ""),
        None => text.into_owned(),
    }
}

/// Text: unfolded, encoded words decoded, in Unicode's composed form.
#[must_use]
pub fn text(value: &[u8]) -> String {
    // RFC 8621 §4.1.2.2
    decoded(&header::unfold(value))
}

/// Addresses: all of the list, groups forgotten.
#[must_use]
pub fn addresses(value: &[u8]) -> Vec<EmailAddress> {
    let groups = grouped_addresses(value).into_iter();
    groups.flat_map(|group| group.addresses).collect()
}

/// `GroupedAddresses`: addresses that stand together come together.
#[must_use]
pub fn grouped_addresses(value: &[u8]) -> Vec<EmailAddressGroup> {
    let mut groups: Vec<EmailAddressGroup> = Vec::new();
    // True where the last group goes on.
    let mut open = false;
    for entry in parse_addresses(value, Limits::HOUSE.addresses_max) {
        match &entry {
            Correspondent::GroupStart(name) => {
                let (name, addresses) = (Some(label(name)), Vec::new());
                groups.push(EmailAddressGroup { name, addresses });
                open = true;
            }
            Correspondent::GroupEnd => open = false,
            Correspondent::Mailbox {
                name, local, host, ..
            } => {
                let name = name.as_deref().map(label);
                let name = name.filter(|name| !name.is_empty());
                let email = email(&entry, local, host);
                if !open {
                    groups.push(EmailAddressGroup::default());
                    open = true;
                }
                if let Some(group) = groups.last_mut() {
                    group.addresses.push(EmailAddress { name, email });
                }
            }
        }
    }
    groups
}

/// The address as it would be written; its local part in quotes only where it needs them.
fn email(entry: &Correspondent, local: &[u8], host: &[u8]) -> String {
    let local = match entry.address() {
        Some(address) => address.local.to_string(),
        None => decoded(local),
    };
    let at = if host.is_empty() { "" } else { "@" };
    format!("{local}{at}{}", decoded(host))
}

/// `MessageIds`: the identifiers without their angle brackets; `None` if there is none.
#[must_use]
pub fn message_ids(value: &[u8]) -> Option<Vec<String>> {
    let ids = crate::message_ids(value);
    let texts = ids.iter().map(|id| raw(id));
    (!ids.is_empty()).then(|| texts.collect())
}

/// Date: a moment and its zone; `None` if it is none.
#[must_use]
pub fn date(value: &[u8]) -> Option<Timestamp> {
    parse_date(value)
}

/// URLs: what stands in angle brackets, the one to be tried first in front; `None` if nothing does.
#[must_use]
pub fn urls(value: &[u8]) -> Option<Vec<String>> {
    Some(list_uris(value)).filter(|uris| !uris.is_empty())
}

/// A name decoded; white space at its ends means nothing, though it stood in quotes.
fn label(raw: &[u8]) -> String {
    decoded(raw).trim().to_owned()
}

fn decoded(raw: &[u8]) -> String {
    let text = decode_words(raw);
    let seen = text
        .chars()
        .filter(|letter| !letter.is_control() || *letter == '\t');
    seen.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: Option<&str>, email: &str) -> EmailAddress {
        let (name, email) = (name.map(str::to_owned), email.to_owned());
        EmailAddress { name, email }
    }

    #[test]
    fn the_example_of_rfc_8621() {
        // §4.1.2.3 and §4.1.2.4
        let value = b" \"  James Smythe\" <james@example.com>, Friends:\r\n  jane@example.com, \
            =?UTF-8?Q?John_Sm=C3=AEth?=\r\n <john@example.com>;";
        let james = person(Some("James Smythe"), "james@example.com");
        let friends = vec![
            person(None, "jane@example.com"),
            person(Some("John Smîth"), "john@example.com"),
        ];
        let grouped = grouped_addresses(value);
        let names: Vec<Option<&str>> = grouped.iter().map(|group| group.name.as_deref()).collect();
        assert_eq!(names, [None, Some("Friends")]);
        assert_eq!(grouped[0].addresses, std::slice::from_ref(&james));
        assert_eq!(grouped[1].addresses, friends);
        assert_eq!(addresses(value), [vec![james], friends].concat());
    }

    #[test]
    fn addresses_as_they_come() {
        let cases = [
            ("a@b (The A)", vec![person(Some("The A"), "a@b")]),
            (
                "\"a b\"@c, x",
                vec![person(None, "\"a b\"@c"), person(None, "x")],
            ),
            ("", vec![]),
        ];
        for (value, all) in cases {
            assert_eq!(addresses(value.as_bytes()), all, "{value}");
        }
        let groups = grouped_addresses(b"a@b, c@d, g:;, e@f");
        let sizes: Vec<usize> = groups.iter().map(|group| group.addresses.len()).collect();
        assert_eq!(sizes, [2, 0, 1]);
    }

    #[test]
    fn texts() {
        assert_eq!(raw(b" a\r\n\tb\0\xff"), " a\r\n\tb\u{fffd}");
        assert_eq!(text(b"  a\r\n b =?utf-8?Q?e=CC=81=00=07?= "), "a b é");
        assert_eq!(text(b" \r\n"), "");
    }

    #[test]
    fn lists_in_angle_brackets() {
        let both = b" (Join us)\r\n <http://a/\r\n b>, <mailto:c>";
        let urls_of_both = vec!["http://a/b".into(), "mailto:c".into()];
        assert_eq!(urls(both), Some(urls_of_both));
        assert_eq!(urls(b"NO (posting not allowed on this list)"), None);
        assert_eq!(
            message_ids(b" <a@b> (c) <d>"),
            Some(vec!["a@b".into(), "d".into()])
        );
        assert_eq!(message_ids(b"none"), None);
        assert!(date(b" Mon, 23 Nov 2026 20:15:00 +0100").is_some());
    }

    #[test]
    fn which_form_fits() {
        let cases = [
            ("From", Form::Addresses, true),
            ("from", Form::GroupedAddresses, true),
            ("From", Form::Text, false),
            ("Subject", Form::Text, true),
            ("Subject", Form::Date, false),
            ("X-Mine", Form::Date, true),
            ("Received", Form::Text, false),
            ("List-Post", Form::Urls, true),
            ("List-Post", Form::Raw, true),
        ];
        for (name, form, fits) in cases {
            assert_eq!(form.fits(name), fits, "{name}");
        }
        assert_eq!(Form::parse("URLs"), Some(Form::Urls));
        assert_eq!(Form::parse("urls"), None);
    }
}
