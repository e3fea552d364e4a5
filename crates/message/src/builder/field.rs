//! Header fields written: folded, with encoded words and RFC 2231's parameters where needed.

use std::fmt::Write as _;

use mail::Address;

use crate::address::Correspondent;
use crate::{decode_words, encode_base64};

/// Columns a folded line has at most, where its words allow (RFC 2047 §2: 76 with encoded words,
/// RFC 5322 §2.1.1: 78).
pub(super) const COLUMNS: usize = 76;
/// Octets a line has at most, without its line end (RFC 5322 §2.1.1, RFC 6532 §3.4).
pub(super) const LINE_OCTETS_MAX: usize = 998;
/// Octets of an encoded word (RFC 2047 §2).
const WORD_OCTETS_MAX: usize = 75;
/// Octets of an encoded word beside its text: `=?utf-8?Q?` and `?=`.
const WRAPPING_OCTETS: usize = 12;
/// Octets that an encoded word has at least, however long the name of its field.
const WORD_OCTETS_MIN: usize = 40;
/// Octets of a word that stands as it is; longer ones are encoded, so that lines can be folded.
const PLAIN_WORD_OCTETS_MAX: usize = LINE_OCTETS_MAX - COLUMNS - 2;
/// Octets of a field's name; a longer one adds no field.
pub const NAME_OCTETS_MAX: usize = 76;
/// Octets of a message identifier; a longer one is left out.
const ID_OCTETS_MAX: usize = PLAIN_WORD_OCTETS_MAX;

/// Which characters a header may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Letters {
    /// ASCII alone; all else is encoded.
    #[default]
    Ascii,
    /// UTF-8 as it is (RFC 6532).
    Utf8,
}

impl Letters {
    /// True if the text may stand as it is: none could take it for encoded words.
    fn allow(self, text: &str) -> bool {
        (self == Self::Utf8 || text.is_ascii()) && !text.contains("=?")
    }
}

/// A field's name without what no name may have; empty if nothing is left or it is too long.
pub(super) fn name(name: &str) -> String {
    let graphic = |letter: &char| letter.is_ascii_graphic() && *letter != ':';
    let name: String = name.chars().filter(graphic).collect();
    if name.len() > NAME_OCTETS_MAX {
        return String::new();
    }
    name
}

/// Writes one field, folded between its words; words may begin with spaces of their own. A name
/// that is none writes nothing.
pub(super) fn push(header: &mut String, name: &str, words: &[String]) {
    let name = self::name(name);
    if name.is_empty() {
        return;
    }
    let mut column = name.len() + 1;
    header.push_str(&name);
    header.push(':');
    for (index, word) in words.iter().enumerate() {
        let columns = 1 + word.chars().count();
        if index > 0 && column + columns > COLUMNS {
            header.push_str("\r\n");
            column = 0;
        }
        header.push(' ');
        header.push_str(word);
        column += columns;
    }
    header.push_str("\r\n");
}

/// One line of text: control characters become spaces, the ends are trimmed.
pub(super) fn clean(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let text: String = text.chars().map(plain).collect();
    text.trim_matches(' ').to_owned()
}

/// What of a text may stand in a token (RFC 2045 §5.1).
pub(super) fn token(text: &str) -> String {
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || "-._+".contains(*letter);
    text.chars().filter(plain).collect()
}

/// The words of an unstructured value for the field of this name. Those before the first that has
/// to be encoded stay readable: programs look for a bare `Re:`.
pub(super) fn unstructured(name: &str, value: &str, letters: Letters) -> Vec<String> {
    let value = clean(value);
    let mut words = words(&value);
    let stands = |word: &&String| letters.allow(word) && word.len() <= PLAIN_WORD_OCTETS_MAX;
    let plain = words.iter().take_while(stands).count();
    if plain == words.len() {
        return words;
    }
    words.truncate(plain);
    let plain_octets = words.iter().map(|word| word.len() + 1).sum();
    let rest = value.get(plain_octets..).unwrap_or(&value);
    words.extend(encoded_words(rest, name.len() + 2 + plain_octets));
    words
}

/// The words of a report's value: nothing decodes it, so what is too long for a line is cut there.
pub(super) fn reported(value: &str) -> Vec<String> {
    let mut all = words(&clean(value));
    for word in &mut all {
        word.truncate(word.floor_char_boundary(PLAIN_WORD_OCTETS_MAX));
    }
    all
}

/// Cuts at spaces; each word keeps the spaces before it but one, so that unfolding gives the same
/// octets back.
fn words(value: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in value.split(' ') {
        match words.last_mut() {
            Some(last) if last.chars().all(|letter| letter == ' ') => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Message identifiers in their brackets; what is none is left out.
pub(super) fn ids(ids: &[&str]) -> Vec<String> {
    let clean = |id: &&str| {
        let id: String = id.chars().filter(char::is_ascii_graphic).collect();
        let ids = crate::message_ids(format!("<{id}>").as_bytes());
        let id = ids.first().filter(|id| id.len() <= ID_OCTETS_MAX)?;
        Some(format!("<{}>", String::from_utf8_lossy(id)))
    };
    ids.iter().filter_map(clean).collect()
}

/// The words of an address list for the field of this name; empty names are left out.
pub(super) fn addresses(field: &str, list: &[(&str, &Address)], letters: Letters) -> Vec<String> {
    let mut list_words = ListWords::new(field, letters);
    for (name, address) in list {
        list_words.mailbox(name, address);
    }
    list_words.words
}

/// The same of a list that was read; what is no address is left out.
pub(super) fn correspondents(field: &str, list: &[Correspondent], letters: Letters) -> Vec<String> {
    let mut list_words = ListWords::new(field, letters);
    for one in list {
        match one {
            Correspondent::Mailbox { name, .. } => {
                if let Some(address) = one.address() {
                    let name = name.as_deref().unwrap_or_default();
                    list_words.mailbox(&decode_words(name), &address);
                }
            }
            Correspondent::GroupStart(name) => list_words.begin(&decode_words(name)),
            Correspondent::GroupEnd => list_words.end(),
        }
    }
    list_words.end();
    list_words.words
}

/// The words of an address list as they are put together.
struct ListWords {
    letters: Letters,
    /// Columns before the first word.
    column: usize,
    /// An entry stands before, from which the next one is to be parted.
    comma: bool,
    in_group: bool,
    words: Vec<String>,
}

impl ListWords {
    fn new(field: &str, letters: Letters) -> Self {
        Self {
            letters,
            column: field.len() + 2,
            comma: false,
            in_group: false,
            words: Vec::new(),
        }
    }

    fn mailbox(&mut self, name: &str, address: &Address) {
        let bare = match self.letters {
            Letters::Utf8 => address.to_string(),
            Letters::Ascii => address.written(),
        };
        self.part();
        let name = phrase(name, self.column, self.letters);
        let word = if name.is_empty() {
            bare
        } else {
            format!("<{bare}>")
        };
        self.words.extend(name);
        self.words.push(word);
        self.column = 1;
        self.comma = true;
    }

    // RFC 5322 §3.4
    fn begin(&mut self, name: &str) {
        self.end();
        let name = phrase(name, self.column, self.letters);
        if name.is_empty() {
            return;
        }
        self.part();
        self.words.extend(name);
        self.column = 1;
        // RFC 2047 §5: no special stands beside an encoded word.
        if self.words.last().is_some_and(|last| last.ends_with("?=")) {
            self.words.push(":".to_owned());
        } else {
            self.mark(':');
        }
        self.in_group = true;
        self.comma = false;
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.in_group) {
            self.mark(';');
            self.comma = true;
        }
    }

    fn part(&mut self) {
        if std::mem::take(&mut self.comma) {
            self.mark(',');
        }
    }

    fn mark(&mut self, mark: char) {
        if let Some(last) = self.words.last_mut() {
            last.push(mark);
        }
    }
}

/// A display name: an atom, a quoted string, or encoded words.
pub(super) fn phrase(name: &str, column: usize, letters: Letters) -> Vec<String> {
    let name = clean(name);
    if name.is_empty() {
        return Vec::new();
    }
    let quoted = quoted(&name);
    if !letters.allow(&name) || column + quoted.chars().count() > COLUMNS {
        return encoded_words(&name, column);
    }
    let atom = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if name.chars().all(atom) {
        return vec![name];
    }
    vec![quoted]
}

/// A quoted string (RFC 5322 §3.2.4).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// RFC 2047's words, cut between characters; the first has what room is left behind `column`. Q is
/// read more easily; base64 is taken where it is shorter by a third.
// RFC 2047 §5
fn encoded_words(text: &str, column: usize) -> Vec<String> {
    let q_total = text.bytes().map(q_octets).sum::<usize>();
    let base64 = text.len().div_ceil(3) * 4 * 3 < q_total * 2;
    let mut words = Vec::new();
    let mut word = String::new();
    let mut word_octets = 0;
    let mut room = COLUMNS
        .saturating_sub(column)
        .clamp(WORD_OCTETS_MIN, WORD_OCTETS_MAX);
    for letter in text.chars() {
        let octets = if base64 {
            (word.len() + letter.len_utf8()).div_ceil(3) * 4
        } else {
            let mut buffer = [0; 4];
            let letter = letter.encode_utf8(&mut buffer).bytes();
            word_octets + letter.map(q_octets).sum::<usize>()
        };
        if octets + WRAPPING_OCTETS > room && !word.is_empty() {
            words.push(wrapped(&word, base64));
            word.clear();
            word_octets = 0;
            room = WORD_OCTETS_MAX;
        }
        word.push(letter);
        let mut buffer = [0; 4];
        let letter = letter.encode_utf8(&mut buffer).bytes();
        word_octets += letter.map(q_octets).sum::<usize>();
    }
    words.push(wrapped(&word, base64));
    words
}

fn wrapped(word: &str, base64: bool) -> String {
    if base64 {
        // A word is shorter than a line of a body, whose end is taken off.
        let encoded = encode_base64(word.as_bytes());
        let encoded = String::from_utf8_lossy(encoded.trim_ascii_end());
        return format!("=?utf-8?B?{encoded}?=");
    }
    let mut text = "=?utf-8?Q?".to_owned();
    for octet in word.bytes() {
        match octet {
            b' ' => text.push('_'),
            _ if q_octets(octet) == 1 => text.push(char::from(octet)),
            _ => push_escape(&mut text, '=', octet),
        }
    }
    text + "?="
}

/// How long an octet is in the Q encoding, where also phrases may have it (RFC 2047 §5).
const fn q_octets(octet: u8) -> usize {
    match octet {
        b' ' | b'!' | b'*' | b'+' | b'-' | b'/' => 1,
        _ if octet.is_ascii_alphanumeric() => 1,
        _ => 3,
    }
}

fn push_escape(out: &mut String, mark: char, octet: u8) {
    out.push(mark);
    // Writing into a string never fails.
    let _written = write!(out, "{octet:02X}");
}

/// `; name="value"` on a line of its own, or RFC 2231's encoded pieces where the value is long or
/// not as `letters` allow.
pub(super) fn parameter(name: &str, value: &str, letters: Letters) -> String {
    let value = clean(value);
    if letters.allow(&value) && quoted(&value).chars().count() + name.len() < COLUMNS {
        return format!(";\r\n {name}={}", quoted(&value));
    }
    let mut pieces = vec!["utf-8''".to_owned()];
    for &octet in value.as_bytes() {
        let mut encoded = String::new();
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            push_escape(&mut encoded, '%', octet);
        }
        match pieces.last_mut() {
            Some(piece) if piece.len() + encoded.len() <= COLUMNS - 20 => piece.push_str(&encoded),
            _ => pieces.push(encoded),
        }
    }
    if let [only] = pieces.as_slice() {
        return format!(";\r\n {name}*={only}");
    }
    let numbered = pieces.iter().enumerate();
    let numbered = numbered.map(|(index, piece)| format!(";\r\n {name}*{index}*={piece}"));
    numbered.collect()
}
