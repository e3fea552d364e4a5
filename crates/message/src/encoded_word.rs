//! Encoded words in header fields (RFC 2047), as the world writes them.
//!
//! Neighbouring words of one charset are decoded together: many writers cut between the octets of
//! one character. Text without any word is handed back as it is.

mod placed;

use std::borrow::Cow;

use crate::charset;
use crate::decode::{Decoder, Encoding, sextet};
use crate::leniency::{Leniencies, Leniency};
use crate::parameter::hex;
use crate::scan::is_space;

pub(crate) use placed::{Placement, decode_placed};

/// Octets a charset's name may have, its language included.
const CHARSET_OCTETS_MAX: usize = 60;
/// Octets an encoded word may have (RFC 2047 §2); longer ones are read all the same.
const WORD_OCTETS_MAX: usize = 75;

/// Decodes a raw header text: encoded words, and 8-bit octets as UTF-8 or windows-1252.
#[must_use]
pub fn decode_words(text: &[u8]) -> Cow<'_, str> {
    decode(text, None)
}

/// The same, and adds what had to be repaired.
pub fn decode_words_noting<'a>(text: &'a [u8], noted: &mut Leniencies) -> Cow<'a, str> {
    decode(text, Some(noted))
}

fn decode<'a>(text: &'a [u8], mut noted: Option<&mut Leniencies>) -> Cow<'a, str> {
    let Some(start) = beginning(text) else {
        return plain(text, &mut noted);
    };
    let mut out = Out {
        text: String::with_capacity(text.len()),
        charset: b"",
        octets: None,
        last: 0,
        noted,
    };
    let mut rest = text;
    let mut next = Some(start);
    while let Some(start) = next {
        let (before, from) = rest.split_at_checked(start).unwrap_or((rest, &[]));
        if let Some(word) = encoded_word(from) {
            out.word(before, &word);
            rest = word.behind;
        } else {
            let (passed, behind) = rest.split_at_checked(start + 2).unwrap_or((rest, &[]));
            out.plain(passed);
            rest = behind;
        }
        next = beginning(rest);
    }
    out.plain(rest);
    Cow::Owned(out.text)
}

/// Where `=?` stands.
fn beginning(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'?', text)
        .filter_map(|mark| mark.checked_sub(1))
        .find(|&at| text.get(at) == Some(&b'='))
}

/// Text outside of words: UTF-8 (RFC 6532 §3.2), or else windows-1252.
fn plain<'a>(text: &'a [u8], noted: &mut Option<&mut Leniencies>) -> Cow<'a, str> {
    if let Ok(text) = std::str::from_utf8(text) {
        return Cow::Borrowed(text);
    }
    if let Some(noted) = noted {
        noted.add(Leniency::RawHeader);
    }
    charset::decode_cow(b"", text)
}

struct Word<'a> {
    charset: &'a [u8],
    octets: Vec<u8>,
    /// What stands in the text behind the word.
    behind: &'a [u8],
    /// What was wrong with it.
    noted: Leniencies,
}

// RFC 2047 §2
/// Reads `=?charset?encoding?text?=` at the start of `from`.
fn encoded_word(from: &[u8]) -> Option<Word<'_>> {
    let (charset, encoding, text) = opening(from)?;
    let mut noted = Leniencies::NONE;
    let (text, behind) = match closed(text) {
        Some(cut) => cut,
        None => {
            noted.add(Leniency::EncodedWordUnended);
            unclosed(text, encoding)?
        }
    };
    let word_len = from.len() - behind.len();
    if word_len > WORD_OCTETS_MAX || text.iter().any(|&octet| is_space(octet)) {
        noted.add(Leniency::EncodedWordSpaced);
    }
    let octets = if encoding == b'b' {
        let mut octets = Vec::with_capacity(text.len());
        Decoder::new(Encoding::Base64).push(text, &mut octets);
        octets
    } else {
        decode_q(text)
    };
    // What has no end must at least read as text.
    if noted.has(Leniency::EncodedWordUnended) && !fits(charset, &octets) {
        return None;
    }
    Some(Word {
        charset,
        octets,
        behind,
        noted,
    })
}

/// The charset (without RFC 2231's language), the encoding in lower case, and what follows.
fn opening(from: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let from = from.strip_prefix(b"=?")?;
    let near = from.get(..CHARSET_OCTETS_MAX).unwrap_or(from);
    let mark = memchr::memchr(b'?', near)?;
    let (charset, rest) = from.split_at_checked(mark)?;
    // RFC 2231 §5
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

/// The word's text and what stands behind its `?=`; `None` if another word begins before.
///
/// It looks no further than the next word's beginning, so that the time stays linear.
fn closed(text: &[u8]) -> Option<(&[u8], &[u8])> {
    for mark in memchr::memchr_iter(b'?', text) {
        let (inside, from) = text.split_at_checked(mark)?;
        if let Some(behind) = from.strip_prefix(b"?=") {
            return Some((inside, behind));
        }
        let begins = inside.ends_with(b"=")
            && text
                .get(mark.saturating_sub(1)..)
                .and_then(opening)
                .is_some();
        if begins {
            return None;
        }
    }
    None
}

/// The text of a word without its `?=`: up to white space, if it can be nothing else.
fn unclosed(text: &[u8], encoding: u8) -> Option<(&[u8], &[u8])> {
    let fits = |octet: u8| match encoding {
        b'b' => octet == b'=' || sextet(octet).is_some(),
        _ => octet.is_ascii_graphic() && octet != b'?',
    };
    let end = text.iter().position(|&octet| !fits(octet));
    let (word, behind) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let behind = behind.strip_prefix(b"?").unwrap_or(behind);
    let apart = behind.first().copied().is_none_or(is_space);
    (apart && !word.is_empty()).then_some((word, behind))
}

// RFC 2047 §4.2
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

/// The text decoded so far.
struct Out<'a, 'n> {
    text: String,
    /// Octets of neighbouring words of one charset, not yet decoded.
    octets: Option<Vec<u8>>,
    charset: &'a [u8],
    /// Where in `octets` those of the last word begin.
    last: usize,
    /// Where repairs are noted, if anybody wants to know.
    noted: Option<&'n mut Leniencies>,
}

impl<'a> Out<'a, '_> {
    // RFC 2047 §6.2
    /// Adds a word and what stands before it: white space between two words is dropped.
    fn word(&mut self, before: &[u8], word: &Word<'a>) {
        let apart = !before.iter().all(|&octet| is_space(octet));
        if apart || self.octets.is_none() {
            self.plain(before);
        }
        self.note_word(before, word);
        // A word that begins with an escape (ISO-2022) needs nothing of the word before it, and
        // two escapes in a row are an error to the decoder.
        let joins =
            self.charset.eq_ignore_ascii_case(word.charset) && word.octets.first() != Some(&0x1b);
        match &mut self.octets {
            Some(octets) if joins => {
                self.last = octets.len();
                octets.extend_from_slice(&word.octets);
            }
            _ => {
                self.settle();
                self.charset = word.charset;
                self.octets = Some(word.octets.clone());
                self.last = 0;
            }
        }
    }

    fn note_word(&mut self, before: &[u8], word: &Word<'a>) {
        let Some(noted) = &mut self.noted else {
            return;
        };
        noted.extend(word.noted);
        let glued = |octet: &u8| !is_space(*octet) && !matches!(octet, b'(' | b')' | b'"');
        let glued_before = match before.last() {
            Some(octet) => glued(octet),
            None => self.octets.is_some(),
        };
        if glued_before || word.behind.first().is_some_and(glued) {
            noted.add(Leniency::EncodedWordGlued);
        }
        let last = self.octets.as_deref().and_then(|all| all.get(self.last..));
        let joins = self.charset.eq_ignore_ascii_case(word.charset);
        if joins && last.is_some_and(|octets| !fits(self.charset, octets)) {
            noted.add(Leniency::EncodedWordSplit);
        }
    }

    fn plain(&mut self, text: &[u8]) {
        self.settle();
        self.text.push_str(&plain(text, &mut self.noted));
    }

    /// Decodes the words so far.
    fn settle(&mut self) {
        let Some(octets) = self.octets.take() else {
            return;
        };
        let mut unheard = Leniencies::NONE;
        let noted = self.noted.as_deref_mut().unwrap_or(&mut unheard);
        self.text
            .push_str(&charset::decode_noting(self.charset, &octets, noted));
    }
}

/// True if all octets are characters of the charset.
fn fits(label: &[u8], octets: &[u8]) -> bool {
    let mut noted = Leniencies::NONE;
    charset::decode_noting(label, octets, &mut noted);
    !noted.has(Leniency::CharsetBroken)
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
            let mut noted = Leniencies::NONE;
            assert_eq!(decode_words_noting(raw.as_bytes(), &mut noted), text);
            assert_eq!(noted, Leniencies::NONE, "{raw}");
        }
    }

    #[test]
    fn what_is_no_encoded_word_stays() {
        let cases = [
            ("=?", "=?"),
            ("=?utf-8?X?a?= b", "=?utf-8?X?a?= b"),
            ("=??Q?a?=", "=??Q?a?="),
            ("a =?utf-8?Q?b?= c", "a b c"),
            ("=?utf-8?Q?=ZZ=4?=", "=ZZ=4"),
            ("=?utf-8*de?q?gr=c3=bc=c3=9fe?=", "grüße"),
            ("=?utf-8?B?not base64!", "=?utf-8?B?not base64!"),
            ("=?utf-8?B?a!b", "=?utf-8?B?a!b"),
            ("=?utf-8?q?", "=?utf-8?q?"),
            ("grüße", "grüße"),
        ];
        for (raw, text) in cases {
            assert_eq!(decode_words(raw.as_bytes()), text);
        }
    }

    #[test]
    fn broken_words_are_read_and_named() {
        use Leniency::{
            CharsetBroken, CharsetUnknown, EncodedWordGlued as Glued, EncodedWordSpaced as Spaced,
            EncodedWordSplit as Split, EncodedWordUnended as Unended, RawHeader,
        };
        let cases: &[(&[u8], &str, &[Leniency])] = &[
            (b"=?utf-8?Q?hello world?=", "hello world", &[Spaced]),
            (b"=?utf-8?B?aGVs\r\n bG8=?=", "hello", &[Spaced]),
            (b"=?utf-8?Q?a?==?utf-8?Q?b?=", "ab", &[Glued]),
            (b"[x]=?utf-8?Q?a?=b", "[x]ab", &[Glued]),
            (b"=?utf-8?Q?=E2=82?= =?UTF-8?Q?=AC?=", "\u{20ac}", &[Split]),
            (
                b"=?utf-8?B?4oI=?=\r\n =?utf-8?Q?=AC?=",
                "\u{20ac}",
                &[Split],
            ),
            (b"=?utf-8?Q?=E2=82?=", "\u{fffd}", &[CharsetBroken]),
            (b"=?x-unknown?Q?a=C3=A9?=", "a\u{e9}", &[CharsetUnknown]),
            (b"=?utf-8?Q?open", "open", &[Unended]),
            (b"=?utf-8?Q?a_b? and c", "a b and c", &[Unended]),
            (b"=?utf-8?Q?a =?utf-8?Q?b?= c", "ab c", &[Unended]),
            (b"=?utf-8?B?aGVsbG8", "hello", &[Unended]),
            (b"J\xf6rg =?utf-8?q?a?=", "J\u{f6}rg a", &[RawHeader]),
            (b"J\xf6rg", "J\u{f6}rg", &[RawHeader]),
        ];
        for (raw, text, expected) in cases {
            let mut noted = Leniencies::NONE;
            assert_eq!(decode_words_noting(raw, &mut noted), *text);
            let expected: Leniencies = expected.iter().copied().collect();
            assert_eq!(noted, expected, "{}", String::from_utf8_lossy(raw));
        }
    }

    #[test]
    fn text_without_words_is_borrowed() {
        assert!(matches!(decode_words(b"plain"), Cow::Borrowed("plain")));
        assert!(matches!(decode_words("grün".as_bytes()), Cow::Borrowed(_)));
    }

    #[test]
    fn hostile_beginnings_cost_linear_time() {
        // Each beginning looks for an end up to the next one, or there is none to look for.
        for piece in ["=?u?q?a ", "=?u?q?a", "=?", "=?u?q?", "=?u?b?=?="] {
            let text = piece.repeat(100_000);
            assert!(decode_words(text.as_bytes()).len() <= text.len());
        }
    }
}
