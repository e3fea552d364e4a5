//! Encoded words where RFC 2047 §5 lets them stand, and nowhere else, as RFC 8621 §4.1.2.2 asks.
//!
//! What only looks like one stays as it is: glued to other text, in a quoted string, with spaces
//! in it, of an unknown charset. Longer than 75 octets it may be.

use crate::decode::{Decoder, Encoding, sextet};
use crate::parameter::hex;
use crate::{charset, scan};

/// What kind of field a text is of, which says where encoded words may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Anywhere between white space.
    Unstructured,
    /// The same outside of quoted strings and angle brackets, and in comments.
    Phrases,
    /// In comments only.
    Comments,
}

/// Decodes an unfolded text. Control characters go where they were encoded, and what an encoded
/// word fails to say is U+FFFD.
pub(crate) fn decode_placed(text: &[u8], placement: Placement) -> String {
    let mut out = Out::default();
    let mut place = Place {
        placement,
        state: State::Plain,
        begins: true,
    };
    let (mut rest, mut at) = (text, 0);
    while let Some(&octet) = rest.get(at) {
        if octet == b'=' && place.may_begin() {
            let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            let end = from.iter().position(|&octet| place.ends(octet));
            let (word, behind) = from
                .split_at_checked(end.unwrap_or(from.len()))
                .unwrap_or((from, &[]));
            if let Some(word) = Word::parse(word) {
                out.word(before, &word);
                (rest, at) = (behind, 0);
                place.begins = false;
                continue;
            }
        }
        // An octet behind a backslash means nothing where backslashes do.
        at += if place.pass(octet) { 2 } else { 1 };
    }
    out.plain(rest);
    out.text
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    Quoted,
    Angle,
    /// So deep in comments.
    Comment(usize),
}

/// Where in its field an octet stands.
struct Place {
    placement: Placement,
    state: State,
    /// An encoded word may begin here, as far as what stands before it says.
    begins: bool,
}

impl Place {
    const fn may_begin(&self) -> bool {
        let allowed = match self.state {
            State::Plain => !matches!(self.placement, Placement::Comments),
            State::Comment(_) => true,
            State::Quoted | State::Angle => false,
        };
        allowed && self.begins
    }

    /// True if an encoded word must have ended before this octet.
    const fn ends(&self, octet: u8) -> bool {
        let comment = matches!(self.state, State::Comment(_));
        is_space(octet) || (comment && matches!(octet, b'(' | b')'))
    }

    /// Passes an octet; true if it is a backslash that escapes the next one.
    fn pass(&mut self, octet: u8) -> bool {
        self.begins = is_space(octet);
        if self.placement == Placement::Unstructured {
            return false;
        }
        self.state = match (self.state, octet) {
            (State::Quoted | State::Comment(_), b'\\') => return true,
            (State::Plain, b'"') => State::Quoted,
            (State::Plain, b'<') => State::Angle,
            (State::Quoted, b'"') | (State::Angle, b'>') | (State::Comment(1), b')') => {
                State::Plain
            }
            (State::Plain, b'(') => State::Comment(1),
            (State::Comment(depth), b'(') => State::Comment(depth + 1),
            (State::Comment(depth), b')') => State::Comment(depth - 1),
            (state, _) => state,
        };
        self.begins |= octet == b'(' && matches!(self.state, State::Comment(_));
        false
    }
}

/// An encoded word; between its segments something could not be decoded.
struct Word<'a> {
    charset: &'a [u8],
    segments: Vec<Vec<u8>>,
}

impl<'a> Word<'a> {
    // RFC 2047 §2
    fn parse(word: &'a [u8]) -> Option<Self> {
        let inside = word.strip_prefix(b"=?")?.strip_suffix(b"?=")?;
        let mut parts = inside.split(|&octet| octet == b'?');
        let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
        // RFC 2231 §5: a language may stand behind the charset.
        let charset = charset.split(|&octet| octet == b'*').next()?;
        let known = charset.iter().all(|&octet| is_charset(octet)) && charset::is_known(charset);
        let printable = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
        if parts.next().is_some() || !known || !printable {
            return None;
        }
        let segments = match encoding {
            b"B" | b"b" => decode_b(text),
            b"Q" | b"q" => decode_q(text),
            _ => return None,
        };
        Some(Self { charset, segments })
    }
}

fn decode_b(text: &[u8]) -> Vec<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    Decoder::new(Encoding::Base64).push(text, &mut octets);
    let padding = text
        .iter()
        .rev()
        .take_while(|&&octet| octet == b'=')
        .count();
    let digits = text
        .iter()
        .filter(|&&octet| sextet(octet).is_some())
        .count();
    let whole = text.len().is_multiple_of(4) && padding <= 2 && digits + padding == text.len();
    if whole {
        return vec![octets];
    }
    vec![octets, Vec::new()]
}

fn decode_q(text: &[u8]) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        let escaped = match behind {
            [high, low, tail @ ..] => hex(*high).zip(hex(*low)).map(|code| (code, tail)),
            _ => None,
        };
        match (octet, escaped) {
            (b'=', Some(((high, low), tail))) => {
                octets.push(high * 16 + low);
                rest = tail;
            }
            (b'=', None) => segments.push(std::mem::take(&mut octets)),
            (b'_', _) => octets.push(b' '),
            _ => octets.push(octet),
        }
    }
    segments.push(octets);
    segments
}

/// The text decoded so far.
#[derive(Default)]
struct Out<'a> {
    text: String,
    /// Octets of neighbouring words of one charset, not yet decoded.
    octets: Vec<u8>,
    charset: &'a [u8],
    /// What stands last is a word.
    behind_word: bool,
}

impl<'a> Out<'a> {
    // RFC 2047 §6.2
    /// Adds a word and what stands before it: white space between two words is dropped.
    fn word(&mut self, before: &[u8], word: &Word<'a>) {
        let neighbours = self.behind_word && before.iter().all(|&octet| is_space(octet));
        if !neighbours {
            self.plain(before);
        }
        // A word that begins with an escape (ISO-2022) needs nothing of the word before it.
        let escapes = word.segments.first().and_then(|first| first.first()) == Some(&0x1b);
        if escapes || !self.charset.eq_ignore_ascii_case(word.charset) {
            self.settle();
        }
        self.charset = word.charset;
        for (index, segment) in word.segments.iter().enumerate() {
            if index > 0 {
                self.settle();
                self.text.push(char::REPLACEMENT_CHARACTER);
            }
            self.octets.extend_from_slice(segment);
        }
        self.behind_word = true;
    }

    fn plain(&mut self, text: &[u8]) {
        self.settle();
        self.behind_word = false;
        self.text.push_str(&charset::decode_cow(b"", text));
    }

    /// Decodes the words so far.
    fn settle(&mut self) {
        let text = charset::decode_cow(self.charset, &self.octets);
        let shown = text.chars().filter(|letter| !letter.is_control());
        self.text.extend(shown);
        self.octets.clear();
    }
}

const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

// RFC 2047 §2
/// What a charset's name may have: a token without dots. A backslash, allowed there, is in no name.
const fn is_charset(octet: u8) -> bool {
    scan::is_token(octet) && octet != b'.'
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 2047 §5 and §6.1, RFC 8621 §4.1.2.2.
    #[test]
    fn words_stand_between_white_space() {
        let cases = [
            ("=?utf-8?Q?gr=C3=BCn?=", "grün"),
            ("a =?UTF-8?q?b?=\t=?utf-8?B?Yw==?= d", "a bc d"),
            ("=?utf-8?Q?a?=  b =?utf-8?Q?c?=", "a  b c"),
            ("\"a =?utf-8*de?Q?b?= (c", "\"a b (c"),
            ("=?utf-8?Q?=E2=82?= =?utf-8?Q?=AC?=", "€"),
            ("=?iso-8859-1?Q?=E9?= =?utf-8?Q?=C3=A9?=", "éé"),
            // Glued to something.
            ("x=?utf-8?Q?b?=", "x=?utf-8?Q?b?="),
            ("=?utf-8?Q?b?=, c", "=?utf-8?Q?b?=, c"),
            ("(=?utf-8?Q?b?=)", "(=?utf-8?Q?b?=)"),
            ("=?utf-8?Q?a?==?utf-8?Q?b?=", "=?utf-8?Q?a?==?utf-8?Q?b?="),
            ("=?utf-8?Q?a?= =?utf-8?Q?b?=.", "a =?utf-8?Q?b?=."),
            // No words by their syntax.
            ("=?utf-8?Q?a b?=", "=?utf-8?Q?a b?="),
            ("=?utf-8?Q?a", "=?utf-8?Q?a"),
            ("=?utf-8?Q??=", "=?utf-8?Q??="),
            ("=?utf-8?Q?a?b?=", "=?utf-8?Q?a?b?="),
            ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
            ("=?utf/8?Q?a?=", "=?utf/8?Q?a?="),
            ("=?utf-8?Q?ü?=", "=?utf-8?Q?ü?="),
            ("=?x-none?Q?a?=", "=?x-none?Q?a?="),
            ("=??Q?a?= =?= =? =", "=??Q?a?= =?= =? ="),
        ];
        for (raw, text) in cases {
            let read = decode_placed(raw.as_bytes(), Placement::Unstructured);
            assert_eq!(read, text, "{raw}");
        }
    }

    #[test]
    fn what_is_not_decoded_is_marked() {
        let cases = [
            ("=?utf-8?Q?a=ZZb=4?=", "a\u{fffd}ZZb\u{fffd}4"),
            ("=?utf-8?B?YWI?= =?utf-8?B?Yw==?=", "ab\u{fffd}c"),
            ("=?utf-8?B?YW!I=?=", "ab\u{fffd}"),
            ("=?utf-8?Q?=E2=82?= x", "\u{fffd} x"),
            ("=?utf-8?Q?a=00=07=0D=0A=09b?=", "ab"),
            ("a\u{7}\t=?utf-8?Q?b?=", "a\u{7}\tb"),
        ];
        for (raw, text) in cases {
            let read = decode_placed(raw.as_bytes(), Placement::Unstructured);
            assert_eq!(read, text, "{raw}");
        }
        let long = format!("=?utf-8?Q?{}?=", "a".repeat(100));
        let read = decode_placed(long.as_bytes(), Placement::Unstructured);
        assert_eq!(read, "a".repeat(100));
        assert_eq!(decode_placed(b"caf\xe9", Placement::Phrases), "café");
    }

    #[test]
    fn structured_fields_have_fewer_places() {
        let cases = [
            ("=?utf-8?Q?a?= <b>", "a <b>", "=?utf-8?Q?a?= <b>"),
            ("=?utf-8?Q?a?=<b>", "=?utf-8?Q?a?=<b>", "=?utf-8?Q?a?=<b>"),
            (
                "\"x =?utf-8?Q?a?= y\"",
                "\"x =?utf-8?Q?a?= y\"",
                "\"x =?utf-8?Q?a?= y\"",
            ),
            (
                "\"\\\" =?utf-8?Q?a?= \"",
                "\"\\\" =?utf-8?Q?a?= \"",
                "\"\\\" =?utf-8?Q?a?= \"",
            ),
            (
                "< =?utf-8?Q?a?= >",
                "< =?utf-8?Q?a?= >",
                "< =?utf-8?Q?a?= >",
            ),
            ("(=?utf-8?Q?a?=)", "(a)", "(a)"),
            (
                "(x (=?utf-8?Q?a?= =?utf-8?Q?b?=)) c",
                "(x (ab)) c",
                "(x (ab)) c",
            ),
            (
                "(\\(=?utf-8?Q?a?=)",
                "(\\(=?utf-8?Q?a?=)",
                "(\\(=?utf-8?Q?a?=)",
            ),
            ("(x) =?utf-8?Q?a?=", "(x) a", "(x) =?utf-8?Q?a?="),
        ];
        for (raw, phrases, comments) in cases {
            let read = |placement| decode_placed(raw.as_bytes(), placement);
            assert_eq!(read(Placement::Phrases), phrases, "{raw}");
            assert_eq!(read(Placement::Comments), comments, "{raw}");
        }
    }

    #[test]
    fn hostile_beginnings_cost_linear_time() {
        for piece in [
            "=?u?q?a ",
            "=?u?q?a",
            "=?",
            "(=?",
            "=?u?b?=?=",
            "\\",
            "\"=? ",
        ] {
            let text = piece.repeat(100_000);
            for placement in [
                Placement::Unstructured,
                Placement::Phrases,
                Placement::Comments,
            ] {
                assert_eq!(decode_placed(text.as_bytes(), placement), text);
            }
        }
    }
}
