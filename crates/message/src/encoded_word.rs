//! Encoded words in header fields (RFC 2047), read and written.
//!
//! Neighbouring words of one charset are decoded together: many writers cut between the octets of
//! one character.

use crate::charset;
use crate::decode::{Decoder, Encoding};
use crate::parameter::hex;

/// Octets a charset's name may have.
const CHARSET_OCTETS_MAX: usize = 60;

/// Decodes a raw header text: encoded words, and 8-bit octets as UTF-8 or windows-1252.
#[must_use]
pub fn decode_words(text: &[u8]) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut pending = Pending::default();
    let mut rest = text;
    // Once no word's end lies ahead, none is looked for again: the time stays linear.
    let mut ends = true;
    while ends && let Some(start) = memchr::memmem::find(rest, b"=?") {
        let (before, from) = rest.split_at_checked(start).unwrap_or((rest, &[]));
        match encoded_word(from) {
            Parsed::Word(word, behind) => {
                if !before.trim_ascii().is_empty() || pending.octets.is_none() {
                    pending.settle(&mut decoded);
                    push_plain(before, &mut decoded);
                }
                pending.add(&word, &mut decoded);
                rest = behind;
            }
            Parsed::NoWord => {
                let (plain, behind) = rest.split_at_checked(start + 2).unwrap_or((rest, &[]));
                pending.settle(&mut decoded);
                push_plain(plain, &mut decoded);
                rest = behind;
            }
            Parsed::NoEnd => ends = false,
        }
    }
    pending.settle(&mut decoded);
    push_plain(rest, &mut decoded);
    decoded
}

struct Word<'a> {
    charset: &'a [u8],
    octets: Vec<u8>,
}

enum Parsed<'a> {
    Word(Word<'a>, &'a [u8]),
    NoWord,
    NoEnd,
}

/// Reads `=?charset?encoding?text?=` at the start of `from`.
fn encoded_word(from: &[u8]) -> Parsed<'_> {
    let Some((charset, encoding, text)) = opening(from) else {
        return Parsed::NoWord;
    };
    let Some(end) = memchr::memmem::find(text, b"?=") else {
        return Parsed::NoEnd;
    };
    let (text, behind) = text.split_at_checked(end).unwrap_or((text, &[]));
    let octets = if encoding == b'b' {
        let mut octets = Vec::with_capacity(text.len());
        Decoder::new(Encoding::Base64).push(text, &mut octets);
        octets
    } else {
        decode_q(text)
    };
    let behind = behind.get(2..).unwrap_or_default();
    Parsed::Word(Word { charset, octets }, behind)
}

/// The charset (without RFC 2231's language), the encoding in lower case, and what follows.
fn opening(from: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let from = from.strip_prefix(b"=?")?;
    let near = from.get(..CHARSET_OCTETS_MAX).unwrap_or(from);
    let mark = memchr::memchr(b'?', near)?;
    let (charset, rest) = from.split_at_checked(mark)?;
    let charset = charset.split(|&octet| octet == b'*').next()?;
    if charset.is_empty() || !charset.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    match rest {
        [
            b'?',
            encoding @ (b'b' | b'B' | b'q' | b'Q'),
            b'?',
            text @ ..,
        ] => Some((charset, encoding.to_ascii_lowercase(), text)),
        _ => None,
    }
}

fn decode_q(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        match (octet, behind) {
            (b'_', _) => octets.push(b' '),
            (b'=', [high, low, tail @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    octets.push(high * 16 + low);
                    rest = tail;
                }
                _ => octets.push(b'='),
            },
            _ => octets.push(octet),
        }
    }
    octets
}

/// Decoded octets of neighbouring words whose charset is the same.
#[derive(Default)]
struct Pending<'a> {
    charset: &'a [u8],
    octets: Option<Vec<u8>>,
}

impl<'a> Pending<'a> {
    fn add(&mut self, word: &Word<'a>, decoded: &mut String) {
        match &mut self.octets {
            Some(octets) if self.charset.eq_ignore_ascii_case(word.charset) => {
                octets.extend_from_slice(&word.octets);
            }
            _ => {
                self.settle(decoded);
                self.charset = word.charset;
                self.octets = Some(word.octets.clone());
            }
        }
    }

    fn settle(&mut self, decoded: &mut String) {
        if let Some(octets) = self.octets.take() {
            decoded.push_str(&charset::decode_cow(self.charset, &octets));
        }
    }
}

fn push_plain(text: &[u8], decoded: &mut String) {
    decoded.push_str(&charset::decode_cow(b"", text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_2047() {
        let cases = [
            (
                "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>",
                "Keith Moore <moore@cs.utk.edu>",
            ),
            (
                "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=",
                "Keld Jørn Simonsen",
            ),
            ("=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"),
            (
                "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n \
                 =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
                "If you can read this you understand the example.",
            ),
            ("(=?ISO-8859-1?Q?a?=)", "(a)"),
            ("(=?ISO-8859-1?Q?a?= b)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a?=  \r\n   =?ISO-8859-1?Q?b?=)", "(ab)"),
            ("(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
        ];
        for (raw, text) in cases {
            assert_eq!(decode_words(raw.as_bytes()), text);
        }
    }

    #[test]
    fn what_is_no_encoded_word_stays() {
        let cases = [
            ("=?", "=?"),
            ("=?utf-8?Q?open", "=?utf-8?Q?open"),
            ("=?utf-8?X?a?= b", "=?utf-8?X?a?= b"),
            ("=??Q?a?=", "=??Q?a?="),
            ("a =?utf-8?Q?b?= c", "a b c"),
            ("=?utf-8?Q?=ZZ=4?=", "=ZZ=4"),
            ("=?utf-8*de?q?gr=c3=bc=c3=9fe?=", "grüße"),
            ("=?utf-8?Q?hello world?=", "hello world"),
            ("=?x-unknown?Q?a=C3=A9?=", "aé"),
            ("=?utf-8?Q??=x", "x"),
        ];
        for (raw, text) in cases {
            assert_eq!(decode_words(raw.as_bytes()), text);
        }
    }
}
