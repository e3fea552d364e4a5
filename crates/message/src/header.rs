//! Header fields one by one (RFC 5322 §2.2), as they stand and unfolded.
//!
//! A header ends at the first blank line and nowhere else, so that everybody who cuts a message
//! there (POP3's TOP, IMAP's HEADER, a signature) cuts it alike. Lines that are no field are kept
//! in the header's octets and passed over here.

use std::borrow::Cow;

/// Reads a header's fields in order; ends at the blank line or with the octets.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    octets: &'a [u8],
    at: usize,
}

/// One header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as written, without white space before the colon.
    pub name: &'a [u8],
    /// What follows the colon up to the line end, folded as it stands.
    pub value: &'a [u8],
    /// The whole field with its line end.
    pub raw: &'a [u8],
    /// Octets of the header before the field.
    pub offset: usize,
}

impl Field<'_> {
    /// True if the field has this name, in any case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value on one line, trimmed.
    #[must_use]
    pub fn unfolded(&self) -> Cow<'_, [u8]> {
        unfold(self.value)
    }
}

impl<'a> Header<'a> {
    /// Starts at the first octet of a message or a part (or of its header alone).
    #[must_use]
    pub const fn parse(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    /// Octets read so far.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// The first field with this name, in any case.
    #[must_use]
    pub fn first(octets: &'a [u8], name: &str) -> Option<Field<'a>> {
        Self::parse(octets).find(|field| field.is(name))
    }

    /// The blank line here, where all fields have been read; empty if there is none.
    #[must_use]
    pub fn blank_line(&self) -> &'a [u8] {
        let rest = self.octets.get(self.at..).unwrap_or_default();
        let len = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => 0,
        };
        rest.get(..len).unwrap_or_default()
    }

    /// Reads one line with its continuations, be it a field or not; `None` at the end.
    pub(crate) fn raw_line(&mut self) -> Option<&'a [u8]> {
        let rest = self.octets.get(self.at..)?;
        if rest.is_empty() || !self.blank_line().is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            match memchr::memchr(b'\n', rest.get(end..).unwrap_or_default()) {
                None => end = rest.len(),
                Some(lf) => end += lf + 1,
            }
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        self.at += end;
        rest.get(..end)
    }
}

impl<'a> Iterator for Header<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            let offset = self.at;
            if let Some(field) = field(self.raw_line()?, offset) {
                return Some(field);
            }
        }
    }
}

fn field(raw: &[u8], offset: usize) -> Option<Field<'_>> {
    let (name_octets, value_at) = split(raw)?;
    let value = raw.get(value_at..)?;
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    Some(Field {
        name: raw.get(..name_octets)?,
        value,
        raw,
        offset,
    })
}

/// Octets a field's name may have: what a line may have (RFC 5322 §2.1.1).
const NAME_OCTETS_MAX: usize = 998;

/// Octets of a field's name, and of all before its value; `None` if it is no field.
pub(crate) fn split(raw: &[u8]) -> Option<(usize, usize)> {
    let name_octets = raw
        .iter()
        .position(|octet| !matches!(octet, 33..=57 | 59..=126))?;
    if name_octets == 0 || name_octets > NAME_OCTETS_MAX {
        return None;
    }
    let rest = raw.get(name_octets..)?;
    // White space before the colon is obsolete syntax (RFC 5322 §4.5).
    let space = rest
        .iter()
        .position(|octet| !matches!(octet, b' ' | b'\t'))?;
    let value_at = name_octets + space + 1;
    (rest.get(space) == Some(&b':')).then_some((name_octets, value_at))
}

/// The text on one line: line ends (and NULs) taken out, white space at both ends too.
#[must_use]
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr::memchr3(b'\r', b'\n', 0, value).is_none() {
        return Cow::Borrowed(value);
    }
    let keep = |octet: &u8| !matches!(octet, b'\r' | b'\n' | 0);
    Cow::Owned(value.iter().copied().filter(keep).collect())
}
