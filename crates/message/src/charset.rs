//! Octets into text: every charset of the web's list, and UTF-7 (RFC 2152).
//!
//! Decoding never fails; what cannot be read becomes U+FFFD. A missing, unknown or `us-ascii`
//! label is taken for UTF-8 if the octets are that, else for windows-1252.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Decodes octets labelled with a charset name.
#[must_use]
pub fn decode(label: &[u8], octets: &[u8]) -> String {
    decode_cow(label, octets).into_owned()
}

/// Decodes octets labelled with a charset name, copying nothing where they are text already.
#[must_use]
pub fn decode_cow<'a>(label: &[u8], octets: &'a [u8]) -> Cow<'a, str> {
    let label = label.trim_ascii();
    if is_utf7(label) {
        return Cow::Owned(decode_utf7(octets));
    }
    let weak = label.is_empty()
        || label.eq_ignore_ascii_case(b"us-ascii")
        || label.eq_ignore_ascii_case(b"ascii");
    let encoding = if weak {
        None
    } else {
        Encoding::for_label_no_replacement(label)
    };
    let encoding = match encoding {
        Some(encoding) => encoding,
        None if std::str::from_utf8(octets).is_ok() => UTF_8,
        None => WINDOWS_1252,
    };
    encoding.decode_without_bom_handling(octets).0
}

/// True if text with this label can be decoded.
#[must_use]
pub fn is_known(label: &[u8]) -> bool {
    let label = label.trim_ascii();
    is_utf7(label) || Encoding::for_label(label).is_some()
}

fn is_utf7(label: &[u8]) -> bool {
    [&b"utf-7"[..], b"utf7", b"unicode-1-1-utf-7"]
        .iter()
        .any(|name| label.eq_ignore_ascii_case(name))
}

/// RFC 2152: `+` begins UTF-16 in base64, any other character ends it, a `-` there is eaten.
fn decode_utf7(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        if octet != b'+' {
            text.push(if octet.is_ascii() {
                char::from(octet)
            } else {
                char::REPLACEMENT_CHARACTER
            });
            continue;
        }
        if let Some(behind) = rest.strip_prefix(b"-") {
            text.push('+');
            rest = behind;
            continue;
        }
        let mut units = Vec::new();
        let (mut bits, mut held) = (0_u32, 0_u32);
        while let Some((value, behind)) = rest
            .split_first()
            .and_then(|(&digit, behind)| Some((crate::decode::sextet(digit)?, behind)))
        {
            rest = behind;
            held = (held << 6 | u32::from(value)) & 0x003f_ffff;
            bits += 6;
            if bits >= 16 {
                bits -= 16;
                units.push(u16::try_from(held >> bits & 0xffff).unwrap_or_default());
            }
        }
        let letters = char::decode_utf16(units);
        text.extend(letters.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)));
        rest = rest.strip_prefix(b"-").unwrap_or(rest);
    }
    text
}
