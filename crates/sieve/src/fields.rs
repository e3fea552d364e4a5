//! A message's header taken apart once, for all tests that look at it: where each field is, and
//! what tests see of it once one has asked.

use std::sync::OnceLock;

use mail::LocalPart;
use message::{Correspondent, Header, parse_addresses};

use crate::circumstances::Letter;

/// Addresses looked at of one field.
const ADDRESSES_MAX: usize = 1000;

/// The fields of a header, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<Field>);

/// A field.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    name: Box<[u8]>,
    value: Box<[u8]>,
    text: OnceLock<String>,
    addresses: OnceLock<Vec<Spelled>>,
}

/// An address as tests see it.
#[derive(Clone, Debug)]
pub(crate) struct Spelled {
    /// What stands before the `@`, without quotes.
    pub(crate) local: String,
    /// What stands behind it.
    pub(crate) host: String,
    /// All of it, quoted where it must be.
    pub(crate) whole: String,
}

impl Spelled {
    pub(crate) fn new(local: String, host: String) -> Self {
        let at = if host.is_empty() { "" } else { "@" };
        let quoted = LocalPart::new(&local).map(|local| local.to_string());
        let whole = format!("{}{at}{host}", quoted.as_ref().unwrap_or(&local));
        Self { local, host, whole }
    }
}

impl Fields {
    pub(crate) fn read(header: &[u8]) -> Self {
        let fields = Header::parse(header).map(|field| Field {
            name: field.name.into(),
            value: field.value.into(),
            text: OnceLock::new(),
            addresses: OnceLock::new(),
        });
        Self(fields.collect())
    }

    /// All with this name, in any case.
    pub(crate) fn named<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f Field> {
        let fields = self.0.iter();
        fields.filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))
    }
}

impl Field {
    /// Its value: decoded, trimmed and on one line.
    pub(crate) fn text(&self) -> &str {
        self.text.get_or_init(|| Letter::shown(&self.value))
    }

    /// The addresses in it.
    pub(crate) fn addresses(&self) -> &[Spelled] {
        self.addresses.get_or_init(|| {
            let all = parse_addresses(&self.value, ADDRESSES_MAX).into_iter();
            let parts = all.filter_map(|one| match &one {
                Correspondent::Mailbox { local, host, .. } => Some(Spelled::new(
                    String::from_utf8_lossy(local).into_owned(),
                    String::from_utf8_lossy(host).into_owned(),
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
        let fields = Fields::read(header);
        let texts: Vec<&str> = fields.named("subject").map(Field::text).collect();
        assert_eq!(texts, ["é x"]);
        let to: Vec<_> = fields.named("to").flat_map(Field::addresses).collect();
        let whole: Vec<&str> = to.iter().map(|one| one.whole.as_str()).collect();
        assert_eq!(whole, ["ada@a.example", "b@c", "d@e"]);
        assert_eq!(fields.named("cc").count(), 0);
    }
}
