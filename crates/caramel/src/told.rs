//! What was told: values of a server's answer, files that others have packed, and other people's
//! words on a terminal.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::Value;

/// What a file of gzip begins with (RFC 1952 §2.3.1).
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A list in an answer; empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let list = value.get(name).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// A number in an answer; 0 where there is none.
pub(crate) fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// A text in an answer; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Other people's words on one line: nothing in them moves the cursor.
pub(crate) fn printable(words: &str) -> String {
    let shown = |letter: char| if letter.is_control() { '?' } else { letter };
    words.chars().map(shown).collect()
}

/// The same of lines of ours.
pub(crate) fn printable_lines(words: &str) -> String {
    let lines: Vec<String> = words.split('\n').map(printable).collect();
    lines.join("\n")
}

/// What gzip has packed; at most one octet more than `octets_max`, which tells that there are too
/// many.
///
/// # Errors
/// If it is damaged.
pub(crate) fn unpacked(octets: &[u8], octets_max: usize) -> Result<Vec<u8>, String> {
    let most = u64::try_from(octets_max)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut text = Vec::new();
    let read = GzDecoder::new(octets).take(most).read_to_end(&mut text);
    read.map(|_| text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J\nb\tc"), "a?[2J?b?c");
        assert_eq!(printable_lines("a\rb\n\u{9b}c\n"), "a?b\n?c\n");
    }
}
