//! Clues, and the numbers that stand for them.
//!
//! A clue is a word in lower case; what is not in the text has its kind before it: `subject:tea`.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

/// Octets of a clue; longer ones are none.
pub const CLUE_OCTETS_MAX: usize = 100;
/// Clues that are taken of one letter, those that it has more than once among them.
const CLUES_MAX: usize = 6000;
/// Octets of a text that has one clue, about.
const OCTETS_OF_CLUE: usize = 10;
/// Clues for which there is room from the beginning.
const ROOM_MAX: usize = 1500;

/// A number that stands for a clue: counts are kept by it, so that what they are kept of cannot be
/// read there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:016x})", self.0)
    }
}

impl Token {
    /// The number of a clue: eight octets at a time, their bits stirred. Whoever makes two clues
    /// meet gains nothing that the other clue would not have given.
    #[must_use]
    pub fn of(clue: &str) -> Self {
        let (words, rest) = clue.as_bytes().as_chunks::<8>();
        let mut hash = u64::try_from(clue.len()).unwrap_or_default();
        for word in words {
            hash = stirred(hash, u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let last = rest
                .iter()
                .rev()
                .fold(0, |all, octet| all << 8 | u64::from(*octet));
            hash = stirred(hash, last);
        }
        hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        Self(hash ^ (hash >> 32))
    }

    /// As it is kept.
    #[must_use]
    pub const fn to_octets(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Of what was kept.
    #[must_use]
    pub const fn from_octets(octets: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(octets))
    }
}

const fn stirred(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A token is a hash already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Straight(u64);

impl Hasher for Straight {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// The clues of a letter, each once.
#[derive(Clone, Debug, Default)]
pub struct Clues {
    /// All of them, one behind the other.
    text: String,
    /// In the order in which they are met first.
    found: Vec<Found>,
    seen: HashSet<Token, BuildHasherDefault<Straight>>,
    /// How many were met, those that were there already among them.
    met: usize,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    token: Token,
    start: u32,
    octets: u32,
}

impl Clues {
    /// Clues as they were written down.
    #[must_use]
    pub fn of<'a>(clues: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        for clue in clues {
            all.push("", clue);
        }
        all
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.found.len()
    }

    /// True if there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Each with its number.
    pub fn iter(&self) -> impl Iterator<Item = (Token, &str)> {
        self.found.iter().map(|found| {
            let start = usize::try_from(found.start).unwrap_or(usize::MAX);
            let octets = usize::try_from(found.octets).unwrap_or_default();
            let clue = self.text.get(start..start.saturating_add(octets));
            (found.token, clue.unwrap_or_default())
        })
    }

    /// A number that stands for all of them together: the same letter has the same.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let stir = |token: Token| stirred(0, token.0 ^ (token.0 >> 29));
        let tokens = self.found.iter().map(|found| stir(found.token));
        tokens.fold(0, u64::wrapping_add)
    }

    /// None yet, with room for those of a text of so many octets.
    pub(crate) fn with_room(octets: usize) -> Self {
        let clues = (octets / OCTETS_OF_CLUE).min(ROOM_MAX);
        Self {
            text: String::with_capacity(clues * OCTETS_OF_CLUE),
            found: Vec::with_capacity(clues),
            seen: HashSet::with_capacity_and_hasher(clues, BuildHasherDefault::default()),
            met: 0,
        }
    }

    /// True if nothing more is taken.
    pub(crate) const fn is_full(&self) -> bool {
        self.met >= CLUES_MAX
    }

    /// Takes a clue, in lower case.
    pub(crate) fn push(&mut self, kind: &str, word: &str) {
        if self.is_full() || word.is_empty() || kind.len() + word.len() > CLUE_OCTETS_MAX {
            return;
        }
        let start = self.text.len();
        self.text.push_str(kind);
        if word.is_ascii() {
            let at = self.text.len();
            self.text.push_str(word);
            if let Some(word) = self.text.get_mut(at..) {
                word.make_ascii_lowercase();
            }
        } else {
            self.text.extend(word.chars().flat_map(char::to_lowercase));
        }
        let clue = self.text.get(start..).unwrap_or_default();
        let token = Token::of(clue);
        let octets = u32::try_from(clue.len()).unwrap_or_default();
        self.met += 1;
        if !self.seen.insert(token) {
            self.text.truncate(start);
            return;
        }
        let start = u32::try_from(start).unwrap_or_default();
        self.found.push(Found {
            token,
            start,
            octets,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clues_are_there_once_in_lower_case() {
        let clues = Clues::of(["Tea", "tea", "ÜBER", "", "subject:Tea"]);
        let mut words: Vec<&str> = clues.iter().map(|(_, clue)| clue).collect();
        words.sort_unstable();
        assert_eq!(words, ["subject:tea", "tea", "über"]);
        for (token, clue) in clues.iter() {
            assert_eq!(token, Token::of(clue));
            assert_eq!(Token::from_octets(token.to_octets()), token);
        }
        let other = Clues::of(["über", "subject:tea", "tea"]);
        assert_eq!(clues.fingerprint(), other.fingerprint());
        assert_ne!(clues.fingerprint(), Clues::of(["tea"]).fingerprint());
    }

    #[test]
    fn a_letter_has_so_many_and_no_longer_ones() {
        let many: Vec<String> = (0..10_000).map(|at| format!("word{at}")).collect();
        let clues = Clues::of(many.iter().map(String::as_str));
        assert_eq!(clues.len(), CLUES_MAX);
        assert!(Clues::of([&*"x".repeat(CLUE_OCTETS_MAX + 1)]).is_empty());
        assert_eq!(Clues::of([&*"x".repeat(CLUE_OCTETS_MAX)]).len(), 1);
    }

    #[test]
    fn numbers_stay_what_they_are() {
        // What was counted by other numbers would be lost.
        for (clue, expected) in [
            ("", "Token(0000000000000000)"),
            ("tea", "Token(abebe01d4d53d59a)"),
            ("subject:über", "Token(b6b661d97f24523a)"),
        ] {
            assert_eq!(format!("{:?}", Token::of(clue)), expected);
        }
    }
}
