//! Octets into text: every charset of the web's list, and UTF-7 (RFC 2152).
//!
//! Decoding never fails; what cannot be read becomes U+FFFD. A missing, unknown or `us-ascii`
//! label is taken for UTF-8 if the octets are that, else for windows-1252. Which of these happened
//! is told to whoever asks.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::leniency::{Leniencies, Leniency};
use crate::utf7;

/// Decodes octets labelled with a charset name.
#[must_use]
pub fn decode(label: &[u8], octets: &[u8]) -> String {
    decode_cow(label, octets).into_owned()
}

/// Decodes octets labelled with a charset name, copying nothing where they are text already.
#[must_use]
pub fn decode_cow<'a>(label: &[u8], octets: &'a [u8]) -> Cow<'a, str> {
    decode_noting(label, octets, &mut Leniencies::default())
}

/// As [`decode_cow`], and says what was wrong: the label, or the octets.
pub fn decode_noting<'a>(
    label: &[u8],
    octets: &'a [u8],
    leniencies: &mut Leniencies,
) -> Cow<'a, str> {
    let (text, broken) = match Charset::of(label) {
        Charset::Utf7 => {
            let (text, broken) = utf7::decode(octets);
            (Cow::Owned(text), broken)
        }
        Charset::Utf16 => {
            // RFC 2781 §4.3: big-endian where no mark says otherwise.
            let little = octets.starts_with(b"\xff\xfe");
            let encoding = if little { UTF_16LE } else { UTF_16BE };
            encoding.decode_with_bom_removal(octets)
        }
        Charset::Known(encoding) => encoding.decode_with_bom_removal(octets),
        label @ (Charset::Weak | Charset::Unknown) => {
            if label == Charset::Unknown || !octets.is_ascii() {
                leniencies.add(Leniency::CharsetUnknown);
            }
            let utf8 = std::str::from_utf8(octets).is_ok();
            let encoding = if utf8 { UTF_8 } else { WINDOWS_1252 };
            encoding.decode_without_bom_handling(octets)
        }
    };
    if broken {
        leniencies.add(Leniency::CharsetBroken);
    }
    text
}

/// True if text with this label can be decoded.
#[must_use]
pub fn is_known(label: &[u8]) -> bool {
    let charset = Charset::of(label);
    charset != Charset::Unknown && !label.trim_ascii().is_empty()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Known(&'static Encoding),
    Utf7,
    /// `utf-16` without an end: the octets say.
    Utf16,
    /// No label, or one that is written without a thought.
    Weak,
    Unknown,
}

impl Charset {
    fn of(label: &[u8]) -> Self {
        let label = label.trim_ascii();
        let alias = ALIASES
            .iter()
            .find(|(name, _)| label.eq_ignore_ascii_case(name.as_bytes()));
        if let Some(&(_, charset)) = alias {
            return charset;
        }
        // ISO-2022-KR and the like, which the web's list has only to refuse them, are unknown.
        Encoding::for_label_no_replacement(label).map_or(Self::Unknown, Self::Known)
    }
}

/// What the web's list lacks or takes otherwise.
const ALIASES: [(&str, Charset); 14] = [
    ("", Charset::Weak),
    ("us-ascii", Charset::Weak),
    ("ascii", Charset::Weak),
    ("utf-7", Charset::Utf7),
    ("utf7", Charset::Utf7),
    ("unicode-1-1-utf-7", Charset::Utf7),
    ("utf-16", Charset::Utf16),
    ("cp932", Charset::Known(encoding_rs::SHIFT_JIS)),
    ("cp936", Charset::Known(encoding_rs::GBK)),
    ("ms936", Charset::Known(encoding_rs::GBK)),
    ("cp949", Charset::Known(encoding_rs::EUC_KR)),
    ("cp950", Charset::Known(encoding_rs::BIG5)),
    ("cp51932", Charset::Known(encoding_rs::EUC_JP)),
    ("cp1250", Charset::Known(encoding_rs::WINDOWS_1250)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_what_is_wrong_with_them() {
        let unknown = Some(Leniency::CharsetUnknown);
        let broken = Some(Leniency::CharsetBroken);
        let cases: [(&str, &[u8], &str, Option<Leniency>); 20] = [
            ("utf-8", b"gr\xc3\xbc\xc3\x9fe", "grüße", None),
            (" UTF8 ", b"\xef\xbb\xbfa", "a", None),
            ("utf-8", b"a\xffb", "a\u{fffd}b", broken),
            ("iso-8859-1", b"\xe9\x80", "é€", None),
            ("ks_c_5601-1987", b"\xb0\xa1", "가", None),
            ("iso-2022-jp", b"\x1b$B$3\x1b(B", "こ", None),
            ("gb18030", b"\x81", "\u{fffd}", broken),
            ("CP932", b"\x82\xa0", "あ", None),
            ("utf-16", b"\xff\xfea\0", "a", None),
            ("utf-16", b"\xfe\xff\0a", "a", None),
            ("utf-16", b"\0a", "a", None),
            ("utf-16le", b"a\0", "a", None),
            ("utf-16le", b"a\0b", "a\u{fffd}", broken),
            ("utf-7", b"+AOk-", "é", None),
            ("utf-7", b"\xe9", "\u{fffd}", broken),
            ("", b"plain", "plain", None),
            ("us-ascii", b"\xc3\xa9", "é", unknown),
            ("us-ascii", b"\xe9", "é", unknown),
            ("x-unknown", b"plain", "plain", unknown),
            ("iso-2022-kr", b"plain", "plain", unknown),
        ];
        for (label, octets, text, wrong) in cases {
            let mut leniencies = Leniencies::NONE;
            let read = decode_noting(label.as_bytes(), octets, &mut leniencies);
            assert_eq!(read, text, "{label}");
            assert_eq!(leniencies, wrong.into_iter().collect(), "{label}");
        }
    }

    #[test]
    fn text_is_borrowed() {
        for label in ["utf-8", "us-ascii", "", "iso-8859-15", "utf8"] {
            let text = decode_cow(label.as_bytes(), b"plain");
            assert!(matches!(text, Cow::Borrowed("plain")), "{label}");
        }
    }

    #[test]
    fn known_labels() {
        for (label, known) in [("utf-8", true), ("utf-16", true), ("", false), ("x", false)] {
            assert_eq!(is_known(label.as_bytes()), known, "{label}");
        }
    }
}
