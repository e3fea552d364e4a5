//! A list that scripts ask and send to: addresses, domains, or any words.
//!
//! RFC 6134 §2.2, §2.3, §2.5 and §2.6.

use std::collections::{BTreeMap, BTreeSet};

use mail::Address;
use message::parse_addresses;

/// Entries that a list may have.
const ENTRIES_MAX: usize = 100_000;
/// Addresses looked at of one value.
const ADDRESSES_MAX: usize = 100;

/// What the names of address books begin with.
const ADDRESS_BOOK: &str = "urn:ietf:params:sieve:addrbook:";
/// The address book of whoever's script asks.
pub(crate) const DEFAULT_BOOK: &str = "urn:ietf:params:sieve:addrbook:default";
/// The own addresses of whoever's script asks.
pub(crate) const OWN_BOOK: &str = "urn:ietf:params:sieve:addrbook:own";

/// A list: a line for each entry, which is an address, `@` and a domain for all addresses there, or
/// any other words. Upper and lower case are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailList {
    /// By what they are compared by, as they are written.
    entries: BTreeMap<String, String>,
    domains: BTreeSet<String>,
}

/// Why a text is no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a list has at most {ENTRIES_MAX} entries")]
pub struct MailListError;

impl MailList {
    /// Reads a list. Blank lines and those that begin with `#` are none.
    ///
    /// # Errors
    /// If it has too many entries.
    pub fn read(text: &str) -> Result<Self, MailListError> {
        let mut list = Self::default();
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            match line.strip_prefix('@') {
                Some(domain) => {
                    list.domains.insert(folded(domain));
                }
                None => {
                    list.entries.insert(folded(line), line.to_owned());
                }
            }
            if list.entries.len() + list.domains.len() > ENTRIES_MAX {
                return Err(MailListError);
            }
        }
        Ok(list)
    }

    /// The entry that a value is, if it is one. Of a field with addresses each of them is looked
    /// for as well.
    #[must_use]
    pub fn find(&self, value: &str) -> Option<String> {
        if let Some(entry) = self.entries.get(&folded(value)) {
            return Some(entry.clone());
        }
        addresses_in(value).find_map(|address| {
            let entry = self.entries.get(&folded(&address.to_string()));
            let domain = address.host.to_string();
            let by_domain = || {
                let known = self.domains.contains(&folded(&domain));
                known.then(|| format!("@{domain}"))
            };
            entry.cloned().or_else(by_domain)
        })
    }

    /// All its addresses; none where something else is on it as well.
    #[must_use]
    pub fn addresses(&self) -> Option<Vec<Address>> {
        if !self.domains.is_empty() {
            return None;
        }
        let entries = self.entries.values();
        entries.map(|entry| Address::parse(entry).ok()).collect()
    }
}

/// The addresses in the value of a field.
pub(crate) fn addresses_in(value: &str) -> impl Iterator<Item = Address> {
    let list = parse_addresses(value.as_bytes(), ADDRESSES_MAX);
    let found: Vec<Address> = list.iter().filter_map(|one| one.address()).collect();
    found.into_iter()
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// The one name of a list that has several: names of address books are the same whatever is
/// encoded in them, and `default` in any letters. None for what can be no list here.
// RFC 6134 §2.5
#[must_use]
pub fn list_name(name: &str) -> Option<String> {
    let (head, rest) = name
        .split_at_checked(ADDRESS_BOOK.len())
        .unwrap_or_default();
    if head.eq_ignore_ascii_case(ADDRESS_BOOK) {
        // There are no extensions, which would stand behind a question mark.
        let plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '?' | '#' | '/');
        let book = decoded(rest).filter(|book| !book.is_empty() && rest.chars().all(plain))?;
        let known = ["default", "own"].into_iter();
        let known = known
            .into_iter()
            .find(|known| book.eq_ignore_ascii_case(known));
        return Some(format!("{ADDRESS_BOOK}{}", known.unwrap_or(&book)));
    }
    // RFC 4151 §2.1
    let tagged = name.strip_prefix("tag:")?;
    let (authority, specific) = tagged.split_once(':')?;
    let (who, date) = authority.split_once(',')?;
    let is_dated = !date.is_empty()
        && date
            .chars()
            .all(|letter| letter.is_ascii_digit() || letter == '-');
    let plain = name.chars().all(|letter| letter.is_ascii_graphic());
    (is_dated && plain && !who.is_empty() && !specific.is_empty()).then(|| name.to_owned())
}

/// A part of a URI with its `%41`s undone.
// RFC 3986 §2.1
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            octets.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        rest = behind;
        let digits = std::str::from_utf8(digits).ok()?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_lists() {
        let book = |name: &str| Some(format!("{ADDRESS_BOOK}{name}"));
        for (name, expected) in [
            ("urn:ietf:params:sieve:addrbook:default", book("default")),
            ("urn:ietf:params:sieve:ADDRBOOK:DEFAULT", book("default")),
            (
                "URN:ietf:params:sieve:AddrBook:%44%65%66ault",
                book("default"),
            ),
            ("urn:ietf:params:sieve:addrbook:Personal", book("Personal")),
            ("urn:ietf:params:sieve:addrbook:OWN", book("own")),
            ("urn:ietf:params:sieve:addrbook:a?name.contains=b", None),
            ("urn:ietf:params:sieve:addrbook:", None),
            ("urn:ietf:params:sieve:addrbook", None),
            ("urn:ietf:params:sieve:addrbook:%4", None),
            (
                "tag:example.com,2011-04-10:BadFileNameExts",
                Some("tag:example.com,2011-04-10:BadFileNameExts".to_owned()),
            ),
            ("tag:example.com:x", None),
            ("tag:example.com,2011:", None),
            ("tag:example.com,May:x", None),
            ("http://example.com/", None),
            ("friends", None),
        ] {
            assert_eq!(list_name(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_on_a_list() {
        let text = "# the boss\nGrace@example.net\n\n@example.com\n 2026-12-25 \n";
        let list = MailList::read(text).unwrap();
        for (value, expected) in [
            ("grace@EXAMPLE.net", Some("Grace@example.net")),
            ("  grace@example.net ", Some("Grace@example.net")),
            ("Grace H. <grace@example.net>", Some("Grace@example.net")),
            ("ada@example.org, bob@Example.com", Some("@example.com")),
            ("2026-12-25", Some("2026-12-25")),
            ("example.com", None),
            ("# the boss", None),
            ("", None),
        ] {
            assert_eq!(list.find(value).as_deref(), expected, "{value}");
        }
        assert_eq!(list.addresses(), None);
        let list = MailList::read("a@example.org\nB@example.org\n").unwrap();
        let all = list.addresses().unwrap();
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(all, ["a@example.org", "B@example.org"]);
        let many: String = (0..=ENTRIES_MAX).map(|at| format!("{at}\n")).collect();
        assert_eq!(MailList::read(&many), Err(MailListError));
    }
}
