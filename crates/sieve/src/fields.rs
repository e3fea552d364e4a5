//! A message's header taken apart once, for all tests that look at it: where each field is, and
//! what tests see of it once one has asked.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use mail::LocalPart;
use message::{Correspondent, Header, parse_addresses};

use crate::circumstances::Letter;
use crate::language::Tag;

/// Addresses looked at of one field.
const ADDRESSES_MAX: usize = 1000;

/// The fields of a header, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    header: Bytes,
    fields: Vec<Place>,
}

/// Fields of most headers, for which there is room from the beginning.
const FIELDS_COUNT: usize = 32;

/// Where a field is in the header, and what is known of it.
#[derive(Clone, Debug)]
struct Place {
    mark: u32,
    name: Range<usize>,
    value: Range<usize>,
    text: OnceLock<String>,
    addresses: OnceLock<Vec<Spelled>>,
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'f> {
    header: &'f [u8],
    place: &'f Place,
}

/// An address as tests see it.
#[derive(Clone, Debug)]
pub(crate) struct Spelled {
    /// All of it, quoted where it must be.
    whole: String,
    /// What stands before the `@`, where that is quoted.
    unquoted: Option<String>,
    /// Octets of `whole` behind the `@`.
    host: usize,
}

impl Spelled {
    /// Puts an address together: its local part without quotes, and its host.
    pub(crate) fn new(local: &str, host: &str) -> Self {
        let mut whole = String::with_capacity(local.len() + 1 + host.len());
        let mut unquoted = None;
        if is_dot_string(local) {
            whole.push_str(local);
        } else {
            let quoted = LocalPart::new(local).map(|local| local.to_string());
            whole.push_str(quoted.as_deref().unwrap_or(local));
            unquoted = Some(local.to_owned());
        }
        if !host.is_empty() {
            whole.push('@');
            whole.push_str(host);
        }
        Self {
            whole,
            unquoted,
            host: host.len(),
        }
    }

    /// All of it, quoted where it must be.
    pub(crate) fn whole(&self) -> &str {
        &self.whole
    }

    /// What stands before the `@`, without quotes.
    pub(crate) fn local(&self) -> &str {
        if let Some(unquoted) = &self.unquoted {
            return unquoted;
        }
        let behind = self.host + usize::from(self.host > 0);
        let end = self.whole.len().saturating_sub(behind);
        self.whole.get(..end).unwrap_or_default()
    }

    /// What stands behind it.
    pub(crate) fn host(&self) -> &str {
        let begin = self.whole.len().saturating_sub(self.host);
        self.whole.get(begin..).unwrap_or_default()
    }

    /// The part that is compared; none where it has no such part (RFC 5228 §2.7.4, RFC 5233 §4).
    pub(crate) fn part(&self, tag: Tag, separators: &[String]) -> Option<&str> {
        let local = self.local();
        let detail = || {
            let found = separators.iter().filter(|separator| !separator.is_empty());
            let found = found.filter_map(|separator| {
                let at = local.find(separator.as_str())?;
                Some((at, separator.len()))
            });
            found.min()
        };
        match tag {
            Tag::LocalPart => Some(local),
            Tag::Domain => Some(self.host()),
            Tag::User => {
                let end = detail().map_or(local.len(), |(at, _)| at);
                local.get(..end)
            }
            Tag::Detail => {
                let (at, octets) = detail()?;
                local.get(at + octets..)
            }
            _ => Some(self.whole()),
        }
    }
}

/// True for a local part that is never quoted (RFC 5321 §4.1.2), as most are.
fn is_dot_string(local: &str) -> bool {
    let atoms = local.split('.');
    let mut atoms = atoms.map(str::as_bytes);
    atoms.all(|atom| !atom.is_empty() && atom.iter().all(u8::is_ascii_alphanumeric))
}

/// What tells most names apart: their length, the first letter and the last.
fn mark(name: &[u8]) -> u32 {
    let len = u32::try_from(name.len()).unwrap_or(u32::MAX);
    let letter = |letter: Option<&u8>| u32::from(letter.map_or(0, u8::to_ascii_lowercase));
    len << 16 | letter(name.first()) << 8 | letter(name.last())
}

impl Fields {
    pub(crate) fn read(header: Bytes) -> Self {
        let mut fields = Vec::with_capacity(FIELDS_COUNT);
        fields.extend(Header::parse(&header).map(|field| {
            let colon = field.raw.iter().position(|octet| *octet == b':');
            let value = field.offset + colon.map_or(field.raw.len(), |colon| colon + 1);
            Place {
                mark: mark(field.name),
                name: field.offset..field.offset + field.name.len(),
                value: value..value + field.value.len(),
                text: OnceLock::new(),
                addresses: OnceLock::new(),
            }
        }));
        Self { header, fields }
    }

    /// Octets of the header.
    pub(crate) const fn octets(&self) -> usize {
        self.header.len()
    }

    /// All with this name, in any case.
    pub(crate) fn named<'f, 'n>(
        &'f self,
        name: &'n [u8],
    ) -> impl Iterator<Item = Field<'f>> + use<'f, 'n> {
        let (header, mark) = (self.header.as_ref(), mark(name));
        let alike = self.fields.iter().filter(move |place| place.mark == mark);
        let fields = alike.map(move |place| Field { header, place });
        fields.filter(move |field| field.name().eq_ignore_ascii_case(name))
    }
}

impl<'f> Field<'f> {
    /// Its name as written.
    pub(crate) fn name(self) -> &'f [u8] {
        let name = self.header.get(self.place.name.clone());
        name.unwrap_or_default()
    }

    fn value(self) -> &'f [u8] {
        let value = self.header.get(self.place.value.clone());
        value.unwrap_or_default()
    }

    /// Its value: decoded, trimmed and on one line.
    pub(crate) fn text(self) -> &'f str {
        let text = &self.place.text;
        text.get_or_init(|| Letter::shown(self.value()))
    }

    /// The addresses in it.
    pub(crate) fn addresses(self) -> &'f [Spelled] {
        self.place.addresses.get_or_init(|| {
            let all = parse_addresses(self.value(), ADDRESSES_MAX).into_iter();
            let parts = all.filter_map(|one| match &one {
                Correspondent::Mailbox { local, host, .. } => Some(Spelled::new(
                    &String::from_utf8_lossy(local),
                    &String::from_utf8_lossy(host),
                )),
                _ => None,
            });
            parts.collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name_and_read_once() {
        let header = b"To: Ada <ada@a.example>, g: b@c;\r\nSubject: =?utf-8?q?=C3=A9?=\r\n x \r\n\
            TO: d@e\r\n\r\n";
        let fields = Fields::read(Bytes::from_static(header));
        let texts: Vec<&str> = fields.named(b"subject").map(Field::text).collect();
        assert_eq!(texts, ["é x"]);
        let to: Vec<_> = fields.named(b"to").flat_map(Field::addresses).collect();
        let whole: Vec<&str> = to.iter().map(|one| one.whole()).collect();
        assert_eq!(whole, ["ada@a.example", "b@c", "d@e"]);
        assert_eq!(fields.named(b"cc").count(), 0);
    }

    #[test]
    fn addresses_are_taken_apart_as_they_were_put_together() {
        for (local, host, whole) in [
            ("ada", "a.example", "ada@a.example"),
            ("ada.b", "a.example", "ada.b@a.example"),
            ("ada+x", "a.example", "ada+x@a.example"),
            ("ada b", "a.example", "\"ada b\"@a.example"),
            (".ada", "", "\".ada\""),
            ("é", "", "é"),
            ("", "a.example", "@a.example"),
        ] {
            let spelled = Spelled::new(local, host);
            let parts = (spelled.local(), spelled.host(), spelled.whole());
            assert_eq!(parts, (local, host, whole));
        }
    }
}
