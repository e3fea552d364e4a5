//! Message identifiers (RFC 5322 §3.6.4, §4.5.4): Message-ID, In-Reply-To, References, Content-ID.
//!
//! An identifier is what stands in angle brackets; the words of old In-Reply-To fields are passed
//! over, and so are comments. A value that is one bare word with an `@` counts as one.

use crate::leniency::{Leniencies, Leniency};
use crate::scan::{Scan, is_space};

/// Identifiers of one value that are read; the rest is passed over.
const IDENTIFIERS_MAX: usize = 10_000;

/// The message identifiers in a value, without their angle brackets and white space.
#[must_use]
pub fn message_ids(value: &[u8]) -> Vec<Vec<u8>> {
    message_ids_noting(value, &mut Leniencies::default())
}

/// The same, and adds what had to be repaired.
pub fn message_ids_noting(value: &[u8], noted: &mut Leniencies) -> Vec<Vec<u8>> {
    let mut ids = Vec::new();
    let mut scan = Scan::new(value);
    let mut comments = true;
    while ids.len() < IDENTIFIERS_MAX {
        let passed = scan.until(|octet| matches!(octet, b'<' | b'('));
        if !passed.iter().all(|&octet| is_space(octet)) {
            noted.add(Leniency::IdentifierRepaired);
        }
        match scan.peek() {
            None => break,
            Some(b'(') => comments = pass_comment(&mut scan, comments),
            Some(_) => ids.extend(identifier(&mut scan, noted)),
        }
    }
    if !comments {
        noted.add(Leniency::IdentifierRepaired);
    }
    if ids.is_empty() {
        ids.extend(bare(value));
    }
    ids
}

/// Passes a comment, or its parenthesis alone where it is never closed: then no later one is, and
/// none is looked into, so that the time stays linear.
fn pass_comment(scan: &mut Scan<'_>, closed: bool) -> bool {
    if closed {
        let mut behind = scan.clone();
        behind.comment();
        if !behind.unended {
            *scan = behind;
            return true;
        }
    }
    scan.skip(1);
    false
}

/// The identifier whose bracket stands here; another bracket begins anew.
fn identifier(scan: &mut Scan<'_>, noted: &mut Leniencies) -> Option<Vec<u8>> {
    scan.skip(1);
    let inside = scan.until(|octet| matches!(octet, b'<' | b'>'));
    let closed = scan.take(b'>');
    let mut id = inside.to_vec();
    id.retain(|&octet| !is_space(octet));
    if !closed || id.len() < inside.len() || !id.contains(&b'@') {
        noted.add(Leniency::IdentifierRepaired);
    }
    (closed && !id.is_empty()).then_some(id)
}

/// A value that is one word with an `@`: some writers forget the brackets.
fn bare(value: &[u8]) -> Option<Vec<u8>> {
    let word = value.trim_ascii();
    let plain = word
        .iter()
        .all(|&octet| octet.is_ascii_graphic() && !b"<>()\",;".contains(&octet));
    (plain && word.contains(&b'@')).then(|| word.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_as_the_world_writes_them() {
        let cases: &[(&str, &[&str], bool)] = &[
            ("<a@b>", &["a@b"], false),
            ("<a@b>\r\n <c@[d]> (e <f@g>)", &["a@b", "c@[d]"], false),
            ("", &[], false),
            ("<a @\r\n b>", &["a@b"], true),
            ("Your letter of Monday <a@b>", &["a@b"], true),
            ("Ada (her letter <a@b>", &["a@b"], true),
            ("(((<a@b>", &["a@b"], true),
            ("<a@b <c@d>", &["c@d"], true),
            ("<a@b", &[], true),
            ("<>", &[], true),
            ("<nodomain>", &["nodomain"], true),
            ("a@b", &["a@b"], true),
            (" a@b\r\n", &["a@b"], true),
            ("a@b c@d", &[], true),
            ("ada's letter", &[], true),
        ];
        for (value, expected, repaired) in cases {
            let mut noted = Leniencies::NONE;
            let ids = message_ids_noting(value.as_bytes(), &mut noted);
            let expected: Vec<&[u8]> = expected.iter().map(|id| id.as_bytes()).collect();
            assert_eq!(ids, expected, "{value}");
            assert_eq!(
                noted.has(Leniency::IdentifierRepaired),
                *repaired,
                "{value}"
            );
        }
    }

    #[test]
    fn their_number_is_bounded() {
        let many = b"<a@b>".repeat(IDENTIFIERS_MAX + 1);
        assert_eq!(message_ids(&many).len(), IDENTIFIERS_MAX);
        assert_eq!(message_ids(&b"(".repeat(100_000)), Vec::<Vec<u8>>::new());
    }
}
