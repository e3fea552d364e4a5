//! A message's header taken apart once, for all tests that look at it: where each field is, and
//! what tests see of it once one has asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use mail::{Address, LocalPart};
use message::{Correspondent, Header, Outline, parse_addresses};

use crate::circumstances::Letter;
use crate::language::Tag;
use crate::letters::Letters;

/// Addresses looked at of one field.
const ADDRESSES_MAX: usize = 1000;

/// The fields of a header, in order.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    header: Bytes,
    fields: Vec<Place>,
    /// What is known of the message with this header.
    outline: Option<Arc<Outline>>,
}

/// Fields of most headers, for which there is room from the beginning.
const FIELDS_COUNT: usize = 20;

/// Where a field is in the header, and what is known of it.
#[derive(Debug)]
struct Place {
    mark: u32,
    /// The octets before its name, in its name, before its value and in its value.
    name: (u32, u32),
    value: (u32, u32),
    /// The letters of its value, once somebody has asked for them; 0 before.
    letters: AtomicU64,
    /// What tests see of it, once one has asked: few fields are asked for.
    read: OnceLock<Box<Read>>,
}

/// What tests see of a field.
#[derive(Clone, Debug, Default)]
struct Read {
    text: OnceLock<(String, Letters)>,
    addresses: OnceLock<Vec<Spelled>>,
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'f> {
    all: &'f Fields,
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
    /// The letters of all of it, and so of each part.
    letters: Letters,
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
            letters: Letters::of(whole.as_bytes()),
            whole,
            unquoted,
            host: host.len(),
        }
    }

    /// An address of the envelope.
    pub(crate) fn of(address: &Address) -> Self {
        Self::new(address.local.as_str(), &address.host.to_string())
    }

    /// All of it, quoted where it must be.
    pub(crate) fn whole(&self) -> &str {
        &self.whole
    }

    /// Its letters; no part has others.
    pub(crate) const fn letters(&self) -> Letters {
        self.letters
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
    pub(crate) fn part(&self, tag: Tag, separators: &str) -> Option<&str> {
        let local = self.local();
        let mut details = local.match_indices(|letter| separators.contains(letter));
        let mut detail = || details.next();
        match tag {
            Tag::LocalPart => Some(local),
            Tag::Domain => Some(self.host()),
            Tag::User => {
                let end = detail().map_or(local.len(), |(at, _)| at);
                local.get(..end)
            }
            Tag::Detail => {
                let (at, separator) = detail()?;
                local.get(at + separator.len()..)
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

/// A place in a header; beyond all of them where there is none so far behind.
fn short(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl Fields {
    pub(crate) fn read(header: Bytes) -> Self {
        let mut fields = Vec::with_capacity(FIELDS_COUNT);
        fields.extend(Header::parse(&header).map(|field| {
            let colon = field.raw.iter().position(|octet| *octet == b':');
            let value = field.offset + colon.map_or(field.raw.len(), |colon| colon + 1);
            Place {
                mark: mark(field.name),
                name: (short(field.offset), short(field.name.len())),
                value: (short(value), short(field.value.len())),
                letters: AtomicU64::new(0),
                read: OnceLock::new(),
            }
        }));
        Self {
            header,
            fields,
            outline: None,
        }
    }

    /// The same with what was found out of the message before: its addresses are not read again.
    pub(crate) fn known(self, outline: Arc<Outline>) -> Self {
        Self {
            outline: Some(outline),
            ..self
        }
    }

    /// The addresses of the one field with this name, as they were read before.
    fn digested(&self, field: Field<'_>) -> Option<&[Correspondent]> {
        let digest = &self.outline.as_ref()?.digest;
        let name = field.name();
        let lists = [
            ("from", &digest.from),
            ("to", &digest.to),
            ("cc", &digest.cc),
            ("bcc", &digest.bcc),
        ];
        let mut lists = lists.into_iter();
        let (_, list) = lists.find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))?;
        // Of several fields the digest has the first, or all in one; of very many addresses some.
        let is_one = self.named(name).nth(1).is_none();
        let read = digest.from.len() + digest.to.len() + digest.cc.len() + digest.bcc.len();
        (is_one && read < ADDRESSES_MAX).then_some(list)
    }

    /// So many octets from there on; none where there are fewer.
    fn cut(&self, (from, len): (u32, u32)) -> &[u8] {
        let range = usize::try_from(from).ok().zip(usize::try_from(len).ok());
        let range = range.map(|(from, len)| from..from.saturating_add(len));
        range
            .and_then(|range| self.header.get(range))
            .unwrap_or_default()
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
        let mark = mark(name);
        let alike = self.fields.iter().filter(move |place| place.mark == mark);
        let fields = alike.map(move |place| Field { all: self, place });
        fields.filter(move |field| field.name().eq_ignore_ascii_case(name))
    }
}

impl<'f> Field<'f> {
    /// Its name as written.
    pub(crate) fn name(self) -> &'f [u8] {
        self.all.cut(self.place.name)
    }

    fn value(self) -> &'f [u8] {
        self.all.cut(self.place.value)
    }

    /// The letters that its text and its addresses have, found out without reading them, and others
    /// perhaps.
    pub(crate) fn letters_of_value(self) -> Letters {
        let known = &self.place.letters;
        match known.load(Ordering::Relaxed) {
            0 => {
                let letters = Letters::of_value(self.value());
                known.store(letters.number(), Ordering::Relaxed);
                letters
            }
            number => Letters::numbered(number),
        }
    }

    /// Its value: decoded, trimmed and on one line.
    pub(crate) fn text(self) -> &'f str {
        &self.shown().0
    }

    /// The letters of its text.
    pub(crate) fn letters(self) -> Letters {
        self.shown().1
    }

    fn shown(self) -> &'f (String, Letters) {
        let read = self.place.read.get_or_init(Box::default);
        read.text.get_or_init(|| {
            let text = Letter::shown(self.value());
            let letters = Letters::of(text.as_bytes());
            (text, letters)
        })
    }

    /// The addresses in it.
    pub(crate) fn addresses(self) -> &'f [Spelled] {
        let read = self.place.read.get_or_init(Box::default);
        read.addresses.get_or_init(|| {
            let spelled = |all: &[Correspondent]| {
                let parts = all.iter().filter_map(|one| match one {
                    Correspondent::Mailbox { local, host, .. } => Some(Spelled::new(
                        &String::from_utf8_lossy(local),
                        &String::from_utf8_lossy(host),
                    )),
                    Correspondent::GroupStart(_) | Correspondent::GroupEnd => None,
                });
                let mut spelled = Vec::with_capacity(all.len());
                spelled.extend(parts);
                spelled
            };
            match self.all.digested(self) {
                Some(all) => spelled(all),
                None => spelled(&parse_addresses(self.value(), ADDRESSES_MAX)),
            }
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

    /// What the outline says of addresses is what reading them says.
    #[test]
    fn addresses_that_are_known_are_those_that_are_there() {
        for header in [
            "From: Ada <ada@a.example>\r\nTo: g: \"b c\"@d, =?utf-8?q?x?= <e>;\r\nCc:\r\n\r\n",
            "From: a@b\r\nFrom: c@d\r\nTo: e@f\r\nto: g@h\r\nSender: i@j\r\n\r\n",
            "TO: (x) <@r:a.b@c>, d\r\n e@f\r\nBcc: é@x, y@z\r\nReply-To: k@l\r\n\r\n",
        ] {
            let octets = Bytes::copy_from_slice(header.as_bytes());
            let outline = Arc::new(Outline::parse(&octets));
            let (plain, known) = (
                Fields::read(octets.clone()),
                Fields::read(octets).known(outline),
            );
            for name in ["from", "to", "cc", "bcc", "sender", "reply-to"] {
                let of = |fields: &Fields| -> Vec<String> {
                    let all = fields.named(name.as_bytes()).flat_map(Field::addresses);
                    all.map(|one| one.whole().to_owned()).collect()
                };
                assert_eq!(of(&plain), of(&known), "{name} {header}");
            }
        }
        let one = Bytes::from_static(b"To: a@b\r\n\r\n");
        let known = Fields::read(one.clone()).known(Arc::new(Outline::parse(&one)));
        let to = known.named(b"to").next().unwrap();
        assert_eq!(known.digested(to).map(<[_]>::len), Some(1));
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
