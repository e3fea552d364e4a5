//! Header fields in the forms JMAP gives them in (RFC 8621 §4.1.2): functions on a field's value,
//! that is, on what stands behind its colon.
//!
//! Not here: which of several fields of one name is meant.

use mail::Timestamp;
use unicode_normalization::UnicodeNormalization as _;

use crate::address::{Correspondent, parse_addresses_marking};
use crate::encoded_word::{Placement, decode_placed};
use crate::list::list_uris;
use crate::outline::Limits;
use crate::parse_date;

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

/// The fields of RFC 5322 and RFC 2369, each with its form; Raw fits all, and all others fit all.
const FIELDS: [(&str, Form); 29] = [
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

/// Text: unfolded, encoded words decoded where they may stand, in Unicode's composed form.
///
/// The value is taken for one without structure, as Subject's; [`text_of`] asks for the name.
#[must_use]
pub fn text(value: &[u8]) -> String {
    placed(value, Placement::Unstructured)
}

/// Text of the field with this name, in any case: Keywords and List-Id are phrases, and fields of
/// MIME have encoded words in comments only (RFC 2047 §5).
#[must_use]
pub fn text_of(name: &str, value: &[u8]) -> String {
    let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    placed(
        value,
        match name {
            _ if is(&["Keywords", "List-Id"]) => Placement::Phrases,
            _ if is(&STRUCTURED) => Placement::Comments,
            _ => Placement::Unstructured,
        },
    )
}

/// The structured fields of RFC 2045 and RFC 2183.
const STRUCTURED: [&str; 5] = [
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-ID",
    "Content-Disposition",
];

// RFC 8621 §4.1.2.2
fn placed(value: &[u8], placement: Placement) -> String {
    let first = value.iter().position(|octet| !b" \r\n\0".contains(octet));
    let value = first
        .and_then(|first| value.get(first..))
        .unwrap_or_default();
    let kept = value.iter().filter(|octet| !b"\r\n\0".contains(octet));
    let unfolded: Vec<u8> = kept.copied().collect();
    decode_placed(&unfolded, placement).nfc().collect()
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
    for entry in parse_addresses_marking(value, Limits::HOUSE.addresses_max) {
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

/// The address as it would be written; its local part in quotes only where it needs them. Nothing
/// in it is an encoded word.
fn email(entry: &Correspondent, local: &[u8], host: &[u8]) -> String {
    let local = match entry.address() {
        Some(address) => address.local.to_string(),
        None => raw(local),
    };
    let at = if host.is_empty() { "" } else { "@" };
    format!("{local}{at}{}", raw(host))
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

/// A name decoded, without its marks; white space at its ends means nothing, though it stood in
/// quotes.
fn label(marked: &[u8]) -> String {
    let text = decode_placed(marked, Placement::Unstructured).replace('\0', "");
    text.trim().nfc().collect()
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
        assert_eq!(text(b"  a\r\n b =?utf-8?Q?e=CC=81=00=07?= "), "a b é ");
        assert_eq!(text(b" \r\n"), "");
        assert_eq!(text(b"\r\n \r\n =?utf-8?q?a?=\r\n =?utf-8?q?b?=\r\n"), "ab");
        assert_eq!(text(b"\ta\t"), "\ta\t");
    }

    // RFC 8621 §4.1.2.2, RFC 2047 §5.
    #[test]
    fn texts_by_their_fields() {
        let word = "=?utf-8?q?a?=";
        let cases = [
            ("Subject", format!("\"x {word} y\""), "\"x a y\"".to_owned()),
            ("Subject", format!("[x]{word}"), format!("[x]{word}")),
            (
                "Keywords",
                format!("x, {word} , {word}"),
                "x, a , a".to_owned(),
            ),
            (
                "keywords",
                format!("\"x {word} y\""),
                format!("\"x {word} y\""),
            ),
            ("List-ID", format!("{word} <a.b>"), "a <a.b>".to_owned()),
            (
                "List-Id",
                format!("\" {word} \" <a.b>"),
                format!("\" {word} \" <a.b>"),
            ),
            (
                "Content-Disposition",
                format!("attachment; {word} ({word})"),
                format!("attachment; {word} (a)"),
            ),
            ("X-Mine", word.to_owned(), "a".to_owned()),
        ];
        for (name, value, expected) in cases {
            assert_eq!(text_of(name, value.as_bytes()), expected, "{name}: {value}");
        }
    }

    // RFC 8621 §4.1.2.3, RFC 2047 §5.
    #[test]
    fn names_are_decoded_where_they_may_be() {
        let word = "=?utf-8?q?a?=";
        let cases = [
            (format!("{word} {word} <x@b>"), "aa".to_owned()),
            (format!("x {word} \"y\" <x@b>"), "x a y".to_owned()),
            (format!("x@b ({word})"), "a".to_owned()),
            (format!("\"{word}\" <x@b>"), word.to_owned()),
            (format!("\"y {word} z\" <x@b>"), format!("y {word} z")),
            ("\"=\"?utf-8?q?a?= <x@b>".to_owned(), word.to_owned()),
            (format!("{word}\"\" <x@b>"), word.to_owned()),
            (format!("y{word} <x@b>"), format!("y{word}")),
            (format!("{word}<x@b>"), word.to_owned()),
            ("=?utf-8?q?a=07?= <x@b>".to_owned(), "a".to_owned()),
            ("e\u{301} <x@b>".to_owned(), "é".to_owned()),
        ];
        for (value, name) in cases {
            let read = addresses(value.as_bytes());
            assert_eq!(read, [person(Some(&name), "x@b")], "{value}");
        }
        let groups = grouped_addresses(format!("{word} : {word}@b, c@{word};").as_bytes());
        let [group] = groups.as_slice() else {
            panic!("one group");
        };
        assert_eq!(group.name.as_deref(), Some("a"));
        let emails: Vec<&str> = group.addresses.iter().map(|one| &*one.email).collect();
        assert_eq!(emails, [format!("{word}@b"), format!("c@{word}")]);
    }

    // RFC 8621 §4.1.2.3.
    #[test]
    fn comments_are_names_behind_addresses() {
        let cases = [
            ("x@b (a)", Some("a")),
            ("<x@b> (a) (c)", Some("a")),
            ("(a) x@b", None),
            ("(a) <x@b>", None),
            ("x(a)@b", None),
            ("x@(a)b", None),
            ("y (a) <x@b> (c)", Some("y")),
            ("x@b ()", None),
            ("\"\", \"\" <>, \"\" <x@b> (a)", Some("a")),
        ];
        for (value, name) in cases {
            assert_eq!(
                addresses(value.as_bytes()),
                [person(name, "x@b")],
                "{value}"
            );
        }
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
            ("List-Id", Form::Text, true),
            ("List-Id", Form::Urls, true),
            ("Return-Path", Form::Addresses, false),
        ];
        for (name, form, fits) in cases {
            assert_eq!(form.fits(name), fits, "{name}");
        }
        assert_eq!(Form::parse("URLs"), Some(Form::Urls));
        assert_eq!(Form::parse("urls"), None);
    }
}
