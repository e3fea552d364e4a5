//! The small forms everything on the wire is made of, written into a buffer.
//!
//! RFC 9051 §4 and §9 (`atom`, `astring`, `string`, `nstring`, `quoted`, `literal`).

use std::fmt;

use bytes::{BufMut, BytesMut};

/// Octets of text up to which a string is quoted; above it goes as a literal.
const QUOTED_OCTETS_MAX: usize = 1000;

/// Writes a number in decimal.
pub(crate) fn number(out: &mut BytesMut, value: u64) {
    // 20 digits hold u64::MAX.
    let mut digits = [0_u8; 20];
    let mut rest = value;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(digits.get(20 - used..).unwrap_or_default());
}

/// Writes what a value's `Display` says.
pub(crate) fn display(out: &mut BytesMut, value: impl fmt::Display) {
    // Writing into a growing buffer does not fail.
    let _written = fmt::Write::write_fmt(out, format_args!("{value}"));
}

/// Writes items with a space between each two.
pub(crate) fn spaced<T>(
    out: &mut BytesMut,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut BytesMut, T),
) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.put_u8(b' ');
        }
        write(out, item);
    }
}

/// Writes items in parentheses with a space between each two.
pub(crate) fn list<T>(
    out: &mut BytesMut,
    items: impl IntoIterator<Item = T>,
    write: impl FnMut(&mut BytesMut, T),
) {
    out.put_u8(b'(');
    spaced(out, items, write);
    out.put_u8(b')');
}

/// True for the octets an atom is made of.
pub(crate) const fn is_atom_char(octet: u8) -> bool {
    octet.is_ascii_graphic()
        && !matches!(
            octet,
            b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']'
        )
}

/// True for the octets an unquoted astring is made of.
pub(crate) const fn is_astring_char(octet: u8) -> bool {
    is_atom_char(octet) || octet == b']'
}

/// Writes an astring: bare where it can be, and not the word NIL.
pub(crate) fn astring(out: &mut BytesMut, text: &[u8], utf8: bool) {
    let bare = !text.is_empty()
        && text.len() <= QUOTED_OCTETS_MAX
        && text.iter().all(|&octet| is_astring_char(octet))
        && !text.eq_ignore_ascii_case(b"NIL");
    if bare {
        out.put_slice(text);
    } else {
        string(out, text, utf8);
    }
}

/// Writes a string: quoted where it can be, else as a literal.
///
/// UTF-8 is quoted only if `utf8` says that the other end takes it (RFC 9051 §4.3).
pub(crate) fn string(out: &mut BytesMut, text: &[u8], utf8: bool) {
    if text.len() <= QUOTED_OCTETS_MAX && is_bland(text) {
        out.reserve(text.len().saturating_add(2));
        out.put_u8(b'"');
        out.put_slice(text);
        return out.put_u8(b'"');
    }
    let plain = |&octet: &u8| octet != 0 && octet != b'\r' && octet != b'\n' && octet < 0x80;
    let quotable = text.len() <= QUOTED_OCTETS_MAX
        && (text.iter().all(plain)
            || utf8
                && std::str::from_utf8(text).is_ok()
                && text.iter().all(|octet| *octet >= 0x80 || plain(octet)));
    if quotable {
        quoted(out, text);
    } else {
        literal_header(out, text.len());
        out.put_slice(text);
    }
}

/// True if a text can stand between quotes as it is, as nearly all can; eight octets are looked at
/// in one step, some of them twice.
fn is_bland(text: &[u8]) -> bool {
    if let Some(last) = text.last_chunk::<8>() {
        let (words, _) = text.as_chunks::<8>();
        let mut words = words.iter().chain([last]);
        return words.all(|word| !has_special(u64::from_le_bytes(*word)));
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        return !has_special(first << 32 | last);
    }
    let mut few = [b' '; 8];
    few.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    !has_special(u64::from_le_bytes(few))
}

/// True if there is an octet among these that is not ASCII, ends a line or a quoted string, or is
/// no character.
const fn has_special(word: u64) -> bool {
    const LOW: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    /// The high bit of some octet where one is zero.
    const fn zero(word: u64) -> u64 {
        word.wrapping_sub(LOW) & !word
    }
    /// Eight times the same octet, as a pattern.
    const fn all(octet: u8) -> u64 {
        u64::from_le_bytes([octet; 8])
    }
    let found = zero(word)
        | zero(word ^ all(b'\r'))
        | zero(word ^ all(b'\n'))
        | zero(word ^ all(b'"'))
        | zero(word ^ all(b'\\'));
    (word | found) & HIGH != 0
}

/// Writes a string, or NIL for none.
pub(crate) fn nstring(out: &mut BytesMut, text: Option<&[u8]>, utf8: bool) {
    match text {
        Some(text) => string(out, text, utf8),
        None => out.put_slice(b"NIL"),
    }
}

/// Writes the header of a literal of so many octets.
pub(crate) fn literal_header(out: &mut BytesMut, octets: usize) {
    out.put_u8(b'{');
    number(out, u64::try_from(octets).unwrap_or(u64::MAX));
    out.put_slice(b"}\r\n");
}

/// Writes human words: whatever a line cannot carry becomes a space.
pub(crate) fn text(out: &mut BytesMut, words: &str) {
    // The grammar has no empty text.
    if words.is_empty() {
        out.put_u8(b'.');
    }
    for octet in words.bytes() {
        out.put_u8(if matches!(octet, 0 | b'\r' | b'\n') {
            b' '
        } else {
            octet
        });
    }
}

fn quoted(out: &mut BytesMut, text: &[u8]) {
    out.put_u8(b'"');
    if text.iter().any(|octet| matches!(octet, b'"' | b'\\')) {
        for &octet in text {
            if matches!(octet, b'"' | b'\\') {
                out.put_u8(b'\\');
            }
            out.put_u8(octet);
        }
    } else {
        out.put_slice(text);
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bland_text_has_no_special_octet_anywhere() {
        for len in 0..20 {
            for at in 0..len {
                for octet in 0..=u8::MAX {
                    let mut text = vec![b'a'; len];
                    text[at] = octet;
                    let special = matches!(octet, 0 | b'\r' | b'\n' | b'"' | b'\\' | 0x80..);
                    assert_eq!(is_bland(&text), !special, "{octet} at {at} of {len}");
                }
            }
            assert!(is_bland(&vec![b'a'; len]));
        }
    }
}
