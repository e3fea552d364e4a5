//! Canonical forms (RFC 6376 §3.4): what of a letter is signed, so that relays may fold a field
//! or lose a space.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::digest;
use message::{Field, Header};

/// How much may change on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Canonicalization {
    /// Almost nothing.
    #[default]
    Simple,
    /// White space.
    Relaxed,
}

impl Canonicalization {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "simple" => Some(Self::Simple),
            "relaxed" => Some(Self::Relaxed),
            _ => None,
        }
    }
}

impl fmt::Display for Canonicalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simple => "simple",
            Self::Relaxed => "relaxed",
        })
    }
}

/// Which octets of a body are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyForm {
    /// In this form.
    pub canonicalization: Canonicalization,
    /// Only so many of the canonical octets (`l=`).
    pub octets: Option<u64>,
}

/// What a body comes to in one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyHash {
    /// SHA-256.
    pub hash: Vec<u8>,
    /// Octets of the canonical body, all of them.
    pub octets: u64,
}

/// Hashes a body that comes in pieces.
#[derive(Debug)]
pub(crate) struct BodyHasher {
    pub(crate) form: BodyForm,
    writer: Writer,
    /// A CR whose LF has not come yet.
    carriage: bool,
    /// White space before what comes next.
    space: bool,
    /// Line ends before what comes next.
    line_ends: u64,
}

impl BodyHasher {
    pub(crate) fn new(form: BodyForm) -> Self {
        Self {
            form,
            writer: Writer {
                context: digest::Context::new(&digest::SHA256),
                octets_max: form.octets.unwrap_or(u64::MAX),
                octets: 0,
            },
            carriage: false,
            space: false,
            line_ends: 0,
        }
    }

    // RFC 6376 §3.4.3 and §3.4.4
    pub(crate) fn feed(&mut self, mut piece: &[u8]) {
        let relaxed = self.form.canonicalization == Canonicalization::Relaxed;
        let special = |octet: &u8| match octet {
            b'\r' | b'\n' => true,
            b' ' | b'\t' => relaxed,
            _ => false,
        };
        while let Some((&first, rest)) = piece.split_first() {
            match first {
                b'\n' if self.carriage => {
                    (self.carriage, self.space) = (false, false);
                    self.line_ends += 1;
                    piece = rest;
                }
                b'\r' => {
                    self.stray();
                    self.carriage = true;
                    piece = rest;
                }
                b' ' | b'\t' if relaxed => {
                    self.stray();
                    self.space = true;
                    piece = rest;
                }
                _ => {
                    self.stray();
                    let end = rest.iter().position(special).unwrap_or(rest.len()) + 1;
                    let (plain, behind) = piece.split_at_checked(end).unwrap_or((piece, &[]));
                    self.plain(plain);
                    piece = behind;
                }
            }
        }
    }

    /// A CR that was no line end is an octet as any other.
    fn stray(&mut self) {
        if std::mem::take(&mut self.carriage) {
            self.plain(b"\r");
        }
    }

    fn plain(&mut self, octets: &[u8]) {
        for _ in 0..std::mem::take(&mut self.line_ends) {
            self.writer.write(b"\r\n");
        }
        if std::mem::take(&mut self.space) {
            self.writer.write(b" ");
        }
        self.writer.write(octets);
    }

    /// The empty lines at the end are none; the last line ends.
    pub(crate) fn finish(mut self) -> BodyHash {
        self.stray();
        let simple = self.form.canonicalization == Canonicalization::Simple;
        if simple || self.writer.octets > 0 {
            self.writer.write(b"\r\n");
        }
        BodyHash {
            hash: self.writer.context.finish().as_ref().to_vec(),
            octets: self.writer.octets,
        }
    }
}

/// Hashes the first octets and counts all.
struct Writer {
    context: digest::Context,
    octets_max: u64,
    octets: u64,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({} of {})", self.octets, self.octets_max)
    }
}

impl Writer {
    fn write(&mut self, octets: &[u8]) {
        let room = self.octets_max.saturating_sub(self.octets);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let hashed = octets.get(..room.min(octets.len()));
        self.context.update(hashed.unwrap_or_default());
        self.octets += u64::try_from(octets.len()).unwrap_or_default();
    }
}

// RFC 6376 §3.4.1 and §3.4.2
/// Adds a field in its canonical form, with its line end.
pub(crate) fn push_field(canonicalization: Canonicalization, raw: &[u8], out: &mut Vec<u8>) {
    if canonicalization == Canonicalization::Simple {
        out.extend_from_slice(raw);
        return;
    }
    let Some(Field { name, value, .. }) = Header::parse(raw).next() else {
        return;
    };
    out.extend(name.to_ascii_lowercase());
    out.push(b':');
    let words = value
        .split(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n'))
        .filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out.extend_from_slice(b"\r\n");
}

/// A signature's own field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own<'a> {
    /// All of it, with its line end.
    pub(crate) raw: &'a [u8],
    /// Octets of the header before it; `None` while it is not there yet.
    pub(crate) offset: Option<usize>,
}

// RFC 6376 §3.7
/// What a signature of header fields is made over: the fields of these names, each name taking the
/// lowest that is left, then the signature's own field, without its value of `b=` and line end.
pub(crate) fn signed_octets<'a>(
    header: &[u8],
    names: impl Iterator<Item = &'a str>,
    own: &Own<'_>,
    canonicalization: Canonicalization,
) -> Vec<u8> {
    let mut fields: HashMap<Vec<u8>, Vec<Field<'_>>> = HashMap::new();
    // The field itself is never among them.
    for field in Header::parse(header).filter(|field| own.offset != Some(field.offset)) {
        let name = field.name.to_ascii_lowercase();
        fields.entry(name).or_default().push(field);
    }
    let mut out = Vec::new();
    for name in names {
        let same = fields.get_mut(name.to_ascii_lowercase().as_bytes());
        if let Some(field) = same.and_then(Vec::pop) {
            push_field(canonicalization, field.raw, &mut out);
        }
    }
    push_unsigned(canonicalization, own.raw, &mut out);
    out
}

/// Adds a signature's own field as it was when it was signed.
pub(crate) fn push_unsigned(canonicalization: Canonicalization, own: &[u8], out: &mut Vec<u8>) {
    push_field(canonicalization, &without_signature(own), out);
    if out.ends_with(b"\r\n") {
        out.truncate(out.len() - 2);
    }
}

/// The field with nothing behind `b=`.
fn without_signature(raw: &[u8]) -> Vec<u8> {
    let Some(colon) = raw.iter().position(|octet| *octet == b':') else {
        return raw.to_vec();
    };
    let (name, value) = raw.split_at_checked(colon + 1).unwrap_or((raw, &[]));
    let mut out = name.to_vec();
    for (at, spec) in value.split(|octet| *octet == b';').enumerate() {
        if at > 0 {
            out.push(b';');
        }
        let equals = spec.iter().position(|octet| *octet == b'=');
        let (tag, rest) = spec
            .split_at_checked(equals.map_or(0, |at| at + 1))
            .unwrap_or_default();
        let is_signature = tag
            .strip_suffix(b"=")
            .is_some_and(|tag| tag.trim_ascii() == b"b");
        out.extend_from_slice(tag);
        if !is_signature {
            out.extend_from_slice(rest);
        }
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(body: &[u8], form: BodyForm, piece: usize) -> BodyHash {
        let mut hasher = BodyHasher::new(form);
        for piece in body.chunks(piece) {
            hasher.feed(piece);
        }
        hasher.finish()
    }

    fn form(canonicalization: Canonicalization) -> BodyForm {
        BodyForm {
            canonicalization,
            octets: None,
        }
    }

    // RFC 6376 §3.4.3 to §3.4.5.
    #[test]
    fn bodies_in_both_forms() {
        for (body, simple, relaxed) in [
            ("", "\r\n", ""),
            ("\r\n", "\r\n", ""),
            ("\r\n\r\n", "\r\n", ""),
            ("  ", "  \r\n", ""),
            ("  \r\n", "  \r\n", ""),
            ("\r\n \t\r\n\r\n", "\r\n \t\r\n", ""),
            (
                " C \r\nD \t E\r\n\r\n\r\n",
                " C \r\nD \t E\r\n",
                " C\r\nD E\r\n",
            ),
            ("a", "a\r\n", "a\r\n"),
            ("a\r\n \r\nb", "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n"),
            ("a \rb\nc\r \r\n", "a \rb\nc\r \r\n", "a \rb\nc\r\r\n"),
            ("a\r", "a\r\r\n", "a\r\r\n"),
        ] {
            for (kind, canonical) in [
                (Canonicalization::Simple, simple),
                (Canonicalization::Relaxed, relaxed),
            ] {
                let expected = digest::digest(&digest::SHA256, canonical.as_bytes());
                for piece in 1..4 {
                    let found = hashed(body.as_bytes(), form(kind), piece);
                    assert_eq!(found.hash, expected.as_ref(), "{body:?} {kind}");
                    assert_eq!(found.octets, canonical.len() as u64, "{body:?} {kind}");
                }
            }
        }
    }

    #[test]
    fn a_part_of_a_body() {
        let part = BodyForm {
            canonicalization: Canonicalization::Simple,
            octets: Some(3),
        };
        let found = hashed(b"abcdef\r\n", part, 2);
        assert_eq!(found.hash, digest::digest(&digest::SHA256, b"abc").as_ref());
        assert_eq!(found.octets, 8);
    }

    // RFC 6376 §3.4.5, §3.7, §5.4.2.
    #[test]
    fn headers_in_both_forms() {
        let own = b"DKIM-Signature: a=1; b = xy\r\n z; bh=q\r\n";
        let header = [
            &b"A: X\r\nB : Y\t\r\n\tZ  \r\n"[..],
            own,
            b"a: second\r\nC:\r\n",
        ]
        .concat();
        let own = Own {
            raw: own,
            offset: Some(20),
        };
        let names = || ["a", "B", "A", "a", "none", "dkim-signature"].into_iter();
        let signed = |kind| String::from_utf8(signed_octets(&header, names(), &own, kind)).unwrap();
        assert_eq!(
            signed(Canonicalization::Relaxed),
            "a:second\r\nb:Y Z\r\na:X\r\ndkim-signature:a=1; b =; bh=q"
        );
        assert_eq!(
            signed(Canonicalization::Simple),
            "a: second\r\nB : Y\t\r\n\tZ  \r\nA: X\r\nDKIM-Signature: a=1; b =; bh=q"
        );
    }
}
