//! GETMETADATA and SETMETADATA (RFC 5464 §4.2, §4.3).

use bytes::{BufMut, Bytes, BytesMut};

use crate::cursor::{Cursor, Read};
use crate::{MailboxName, Names, writing};

/// Entries one GETMETADATA, SETMETADATA or LIST may name.
const METADATA_ENTRIES_MAX: usize = 100;

/// The name of an entry: `/private/…` or `/shared/…`, in lower case (RFC 5464 §3.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName(String);

impl EntryName {
    /// `None` where an entry cannot have this name. The scopes alone, `/private` and `/shared`,
    /// are names that can be asked below.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let mut levels = name.strip_prefix('/')?.split('/');
        let scope = matches!(levels.next(), Some("private" | "shared"));
        let is_letter = |octet: u8| octet.is_ascii() && octet > 0x19 && !b"*%".contains(&octet);
        let fits = scope && levels.all(|level| !level.is_empty()) && name.bytes().all(is_letter);
        fits.then_some(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if it may have a value: two levels, or four below `vendor`.
    #[must_use]
    pub fn has_value(&self) -> bool {
        let mut levels = self.0.split('/').skip(2);
        match levels.next() {
            Some("vendor") => levels.count() >= 2,
            Some(_) => true,
            None => false,
        }
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Read<Self> {
        let at = cursor.position();
        let name = cursor.text("an entry")?;
        match Self::parse(&name) {
            Some(name) => Ok(name),
            None => Cursor::error_at(at, "/private/ or /shared/ and a name"),
        }
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        writing::astring(out, self.0.as_bytes(), false);
    }
}

/// How far below an entry (RFC 5464 §4.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Depth {
    /// Only the entry.
    #[default]
    Zero,
    /// The entry and those right below it.
    One,
    /// The entry and all below it.
    Infinity,
}

impl Depth {
    const WORDS: [(Self, &'static str); 3] = [
        (Self::Zero, "0"),
        (Self::One, "1"),
        (Self::Infinity, "INFINITY"),
    ];
}

/// What GETMETADATA asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMetadata {
    /// On which mailbox; the empty name is for the server as a whole.
    pub mailbox: MailboxName,
    /// Octets a value may have to be told.
    pub octets_max: Option<u32>,
    /// How far below the entries as well.
    pub depth: Depth,
    /// The entries; never none.
    pub entries: Vec<EntryName>,
}

impl GetMetadata {
    pub(super) fn write(&self, out: &mut BytesMut, names: Names) {
        let depth = Depth::WORDS.iter().find(|(depth, _)| *depth == self.depth);
        let depth = depth.filter(|(depth, _)| *depth != Depth::Zero);
        let options = [
            self.octets_max.map(|max| format!("MAXSIZE {max}")),
            depth.map(|(_, word)| format!("DEPTH {word}")),
        ];
        let mut options = options.into_iter().flatten().peekable();
        if options.peek().is_some() {
            out.put_u8(b' ');
            writing::list(out, options, writing::display);
        }
        out.put_u8(b' ');
        self.mailbox.write(out, names);
        out.put_u8(b' ');
        write_entries(out, &self.entries);
    }
}

pub(super) fn get(cursor: &mut Cursor<'_>) -> Read<GetMetadata> {
    let (mut octets_max, mut depth) = (None, Depth::Zero);
    if cursor.peek() == Some(b'(') {
        options(cursor, &mut octets_max, &mut depth)?;
        cursor.space()?;
    }
    let mailbox = cursor.mailbox()?;
    cursor.space()?;
    // The grammar has the options before the mailbox, the examples behind it.
    // RFC 5464 §4.2.1
    if begins_options(cursor) {
        options(cursor, &mut octets_max, &mut depth)?;
        cursor.space()?;
    }
    let entries = if cursor.peek() == Some(b'(') {
        entries(cursor)?
    } else {
        vec![EntryName::read(cursor)?]
    };
    Ok(GetMetadata {
        mailbox,
        octets_max,
        depth,
        entries,
    })
}

/// Entries in parentheses, one at least.
pub(super) fn entries(cursor: &mut Cursor<'_>) -> Read<Vec<EntryName>> {
    let mut entries = Vec::new();
    cursor.list(|cursor| {
        if entries.len() == METADATA_ENTRIES_MAX {
            return cursor.error("at most 100 entries");
        }
        entries.push(EntryName::read(cursor)?);
        Ok(())
    })?;
    if entries.is_empty() {
        return cursor.error("an entry");
    }
    Ok(entries)
}

/// Writes entries in parentheses.
pub(super) fn write_entries(out: &mut BytesMut, entries: &[EntryName]) {
    writing::list(out, entries, |out, entry| entry.write(out));
}

/// True for parentheses in which no entry stands first.
fn begins_options(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    ahead.eat(b'(')
        && ahead
            .peek()
            .is_some_and(|octet| octet.is_ascii_alphabetic())
}

fn options(cursor: &mut Cursor<'_>, octets_max: &mut Option<u32>, depth: &mut Depth) -> Read<()> {
    cursor.list(|cursor| {
        let at = cursor.position();
        let name = cursor.name();
        cursor.space()?;
        match name.as_bytes() {
            b"MAXSIZE" => *octets_max = Some(cursor.number()?),
            b"DEPTH" => {
                let word = cursor.atom("0, 1 or infinity")?;
                let known = Depth::WORDS
                    .iter()
                    .find(|(_, known)| known.eq_ignore_ascii_case(word));
                *depth = match known {
                    Some((depth, _)) => *depth,
                    None => return Cursor::error_at(at, "DEPTH 0, 1 or infinity"),
                };
            }
            _ => return Cursor::error_at(at, "MAXSIZE or DEPTH"),
        }
        Ok(())
    })
}

/// Entries with the values they shall have; those without one go.
pub(super) fn set(cursor: &mut Cursor<'_>) -> Read<Vec<(EntryName, Option<Bytes>)>> {
    let mut entries = Vec::new();
    cursor.list(|cursor| {
        if entries.len() == METADATA_ENTRIES_MAX {
            return cursor.error("at most 100 entries");
        }
        let at = cursor.position();
        let name = EntryName::read(cursor)?;
        if !name.has_value() {
            return Cursor::error_at(at, "an entry that can have a value");
        }
        cursor.space()?;
        entries.push((name, value(cursor)?));
        Ok(())
    })?;
    if entries.is_empty() {
        return cursor.error("an entry");
    }
    Ok(entries)
}

/// A value: NIL, a string or a literal8.
pub(crate) fn value(cursor: &mut Cursor<'_>) -> Read<Option<Bytes>> {
    if cursor.eat(b'~') {
        return cursor
            .literal()
            .map(|octets| Some(Bytes::copy_from_slice(octets)));
    }
    let value = cursor.nstring()?;
    Ok(value.map(|octets| Bytes::from(octets.into_owned())))
}

/// Writes `(entry value entry value)`.
pub(crate) fn write_values(out: &mut BytesMut, entries: &[(EntryName, Option<Bytes>)]) {
    writing::list(out, entries, |out, (name, value)| {
        name.write(out);
        out.put_u8(b' ');
        // NUL passes in a literal8 only.
        // RFC 3516 §4.4
        match value {
            Some(octets) if octets.contains(&0) => {
                out.put_u8(b'~');
                writing::literal_header(out, octets.len());
                out.put_slice(octets);
            }
            value => writing::nstring(out, value.as_deref(), false),
        }
    });
}
