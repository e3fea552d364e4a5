//! UTF-7 read (RFC 2152): `+` begins UTF-16 in base64, any other character ends it.
//!
//! Not here: writing it, and the modified form that names mailboxes: the protocol that uses it has
//! it, and is strict.

use crate::decode::sextet;

/// Digits that make one unit of UTF-16.
const UNIT_DIGITS_MIN: usize = 3;

/// Decodes UTF-7; true beside the text if something in it was wrong.
///
/// What cannot be read stands as U+FFFD; a `+` that begins nothing is a plus sign.
#[must_use]
pub(crate) fn decode(octets: &[u8]) -> (String, bool) {
    let mut text = String::with_capacity(octets.len());
    let mut broken = false;
    let mut rest = octets;
    while let Some(at) = memchr::memchr(b'+', rest) {
        let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        broken |= push_plain(plain, &mut text);
        let shifted = from.get(1..).unwrap_or_default();
        let digits = shifted.iter().take_while(|digit| sextet(**digit).is_some());
        let digits = digits.count();
        let (run, behind) = shifted.split_at_checked(digits).unwrap_or((shifted, &[]));
        if run.len() < UNIT_DIGITS_MIN {
            text.push('+');
            push_plain(run, &mut text);
            broken |= !run.is_empty() || !behind.starts_with(b"-");
        } else {
            broken |= push_units(run, &mut text);
        }
        // RFC 2152 rule 2: the minus sign that ends a shifted run is eaten.
        rest = behind.strip_prefix(b"-").unwrap_or(behind);
    }
    broken |= push_plain(rest, &mut text);
    (text, broken)
}

fn push_plain(plain: &[u8], text: &mut String) -> bool {
    match std::str::from_utf8(plain) {
        Ok(ascii) if ascii.is_ascii() => {
            text.push_str(ascii);
            false
        }
        _ => {
            text.extend(plain.iter().map(|&octet| match octet {
                0..128 => char::from(octet),
                _ => char::REPLACEMENT_CHARACTER,
            }));
            true
        }
    }
}

fn push_units(run: &[u8], text: &mut String) -> bool {
    let mut units = Vec::with_capacity(run.len() * 3 / 8 + 1);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for value in run.iter().copied().filter_map(sextet) {
        held = (held << 6 | u32::from(value)) & 0x003f_ffff;
        bits += 6;
        if bits >= 16 {
            bits -= 16;
            units.push(u16::try_from(held >> bits & 0xffff).unwrap_or_default());
        }
    }
    // Fewer than six bits may be left, all zero.
    let mut broken = bits >= 6 || held & ((1 << bits) - 1) != 0;
    text.extend(char::decode_utf16(units).map(|letter| {
        letter.unwrap_or_else(|_| {
            broken = true;
            char::REPLACEMENT_CHARACTER
        })
    }));
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_2152() {
        let cases = [
            ("A+ImIDkQ.", "A≢Α.", false),
            ("Hi Mom -+Jjo--!", "Hi Mom -☺-!", false),
            ("+ZeVnLIqe-", "日本語", false),
            ("Item 3 is +AKM-1.", "Item 3 is £1.", false),
            ("1 +- 1", "1 + 1", false),
            ("+2D3cqQ-", "💩", false),
            ("a+AOk", "aé", false),
            ("c++", "c++", true),
            ("+2D0-", "\u{fffd}", true),
            ("+AOkA-", "é", true),
            ("\u{e9}", "\u{fffd}\u{fffd}", true),
            ("", "", false),
        ];
        for (octets, text, broken) in cases {
            let read = decode(octets.as_bytes());
            assert_eq!(read, (text.to_owned(), broken), "{octets}");
        }
    }
}
