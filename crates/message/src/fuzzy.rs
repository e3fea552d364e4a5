//! Texts looked for by their words, each of which may be written a little otherwise: what IMAP
//! calls FUZZY, and how near a text comes (RFC 6203).
//!
//! A needle is found where each of its words is found, in whatever order: as it stands, inside
//! another word, or with few errors. An error is a letter too many, one that is missing, another
//! one in its place, or two that are exchanged. Accents make no difference.
//!
//! Whatever the exact search finds this one finds as well. Not here: which messages to look at.

use std::borrow::Cow;

use memchr::memmem;
use unicode_normalization::char::is_combining_mark;

use crate::text::{Needle, fold};

/// Words of a needle that are looked for; what is behind them says nothing.
const FUZZY_WORDS_MAX: usize = 16;
/// Letters from which on a word may have one error.
const ONE_ERROR_LETTERS_MIN: usize = 4;
/// Letters from which on a word may have two errors.
const TWO_ERRORS_LETTERS_MIN: usize = 8;
/// Points on top for a text that has the needle as it was typed.
const AS_TYPED_POINTS: usize = 20;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuzzyNeedle {
    plain: Needle,
    words: Vec<FuzzyWord>,
}

/// A word that is looked for, folded and without accents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuzzyWord {
    letters: String,
    errors_max: u8,
    /// True if its script has spaces between words.
    is_spaced: bool,
}

/// How near a word of a text is, the farthest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    TwoErrors,
    OneError,
    Inside,
    Whole,
}

impl Nearness {
    const fn points(self) -> usize {
        match self {
            Self::TwoErrors => 1,
            Self::OneError => 30,
            Self::Inside => 60,
            Self::Whole => 100 - AS_TYPED_POINTS,
        }
    }
}

/// What was found of a needle so far, in the texts of one message.
#[derive(Clone, Debug)]
pub struct Tally<'a> {
    needle: &'a FuzzyNeedle,
    as_typed: bool,
    nearest: Vec<Option<Nearness>>,
}

impl FuzzyNeedle {
    /// Takes apart the text that is looked for.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let folded = fold(text);
        let bare = bare(&folded);
        let mut words: Vec<FuzzyWord> = Vec::new();
        for word in words_of(&bare) {
            if words.len() < FUZZY_WORDS_MAX && !words.iter().any(|known| known.letters == word) {
                words.push(FuzzyWord::new(word));
            }
        }
        Self {
            plain: Needle::new(text),
            words,
        }
    }

    /// Its words, none twice; none at all if it is only marks, which are looked for as they stand.
    #[must_use]
    pub fn words(&self) -> &[FuzzyWord] {
        &self.words
    }

    /// Begins to look through the texts of a message.
    #[must_use]
    pub fn tally(&self) -> Tally<'_> {
        Tally {
            needle: self,
            as_typed: false,
            nearest: vec![None; self.words.len()],
        }
    }
}

impl FuzzyWord {
    fn new(letters: &str) -> Self {
        let is_spaced = letters.chars().all(|letter| letter < '\u{2e80}');
        let has_errors = is_spaced && !letters.chars().any(char::is_numeric);
        let errors_max = match letters.chars().count() {
            _ if !has_errors => 0,
            TWO_ERRORS_LETTERS_MIN.. => 2,
            ONE_ERROR_LETTERS_MIN.. => 1,
            _ => 0,
        };
        Self {
            letters: letters.to_owned(),
            errors_max,
            is_spaced,
        }
    }

    /// Its letters.
    #[must_use]
    pub fn letters(&self) -> &str {
        &self.letters
    }

    /// How many errors it may have: none in short words, in numbers, and in scripts that put no
    /// spaces between words.
    #[must_use]
    pub const fn errors_max(&self) -> u8 {
        self.errors_max
    }

    /// How near a text without accents comes.
    fn nearness(&self, text: &str) -> Option<Nearness> {
        let mut is_inside = false;
        for at in memmem::find_iter(text.as_bytes(), &self.letters) {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let behind = text.get(at + self.letters.len()..);
            let behind = behind.and_then(|behind| behind.chars().next());
            if !self.is_spaced || ![before, behind].into_iter().flatten().any(is_of_word) {
                return Some(Nearness::Whole);
            }
            is_inside = true;
        }
        if is_inside {
            return Some(Nearness::Inside);
        }
        if self.errors_max == 0 {
            return None;
        }
        let errors = |word| distance(&self.letters, word, self.errors_max);
        match words_of(text).filter_map(errors).min()? {
            0 | 1 => Some(Nearness::OneError),
            _ => Some(Nearness::TwoErrors),
        }
    }
}

impl Tally<'_> {
    /// Looks through a text; true if nothing nearer can be found.
    pub fn read(&mut self, text: &str) -> bool {
        let folded = fold(text);
        self.as_typed |= self.needle.plain.is_in_folded(&folded);
        let bare = bare(&folded);
        for (word, nearest) in self.needle.words.iter().zip(&mut self.nearest) {
            if *nearest != Some(Nearness::Whole) {
                *nearest = (*nearest).max(word.nearness(&bare));
            }
        }
        let is_whole = |nearest: &Option<Nearness>| *nearest == Some(Nearness::Whole);
        self.as_typed && self.nearest.iter().all(is_whole)
    }

    /// How near the texts come: 100 if the needle stands there as it was typed, in words of their
    /// own; 1 if every word has as many errors as there may be; `None` if a word is missing.
    // RFC 6203 §4
    #[must_use]
    pub fn relevancy(&self) -> Option<u8> {
        let extra = if self.as_typed { AS_TYPED_POINTS } else { 0 };
        if self.nearest.is_empty() {
            return self.as_typed.then_some(100);
        }
        let mut points = 0;
        for nearest in &self.nearest {
            points += (*nearest)?.points();
        }
        u8::try_from(points / self.nearest.len() + extra).ok()
    }
}

/// A folded text without accents, and with the letters that people write in their place.
#[must_use]
pub fn bare(folded: &str) -> Cow<'_, str> {
    if !folded.chars().any(|letter| instead(letter).is_some()) {
        return Cow::Borrowed(folded);
    }
    let mut bare = String::with_capacity(folded.len());
    for letter in folded.chars() {
        match instead(letter) {
            Some(other) => bare.push_str(other),
            None => bare.push(letter),
        }
    }
    Cow::Owned(bare)
}

/// What is read in place of a folded letter.
const fn instead(letter: char) -> Option<&'static str> {
    Some(match letter {
        '\0'..='\u{bf}' => return None,
        // Accents; the points of Hebrew and the marks of Arabic, which are mostly not written.
        '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5bd}' | '\u{64b}'..='\u{65f}' | '\u{670}' => "",
        'ß' | 'ẞ' => "SS",
        'Æ' => "AE",
        'Œ' => "OE",
        'Ø' => "O",
        'Đ' | 'Ð' => "D",
        'Ł' => "L",
        'Þ' => "TH",
        _ => return None,
    })
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter| !is_of_word(letter))
        .filter(|word| !word.is_empty())
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || !letter.is_ascii() && is_combining_mark(letter)
}

/// How many errors make one word of the other, if not more than `errors_max`.
///
/// What both begin with is passed over at once, so that most words are told apart by their first
/// letters; each error is tried in its four ways, which for two of them are few.
fn distance(one: &str, other: &str, errors_max: u8) -> Option<u8> {
    if one.len().abs_diff(other.len()) > usize::from(errors_max) * 4 {
        return None;
    }
    let (mut left, mut right) = (one.chars(), other.chars());
    loop {
        let (here, there) = (left.as_str(), right.as_str());
        match (left.next(), right.next()) {
            (None, None) => return Some(0),
            (Some(letter), Some(same)) if letter == same => {}
            (letter, another) => {
                let errors_max = errors_max.checked_sub(1)?;
                let (after, beyond) = (left.as_str(), right.as_str());
                let missing = another.and_then(|_| distance(here, beyond, errors_max));
                let surplus = letter.and_then(|_| distance(after, there, errors_max));
                let changed = letter.and(another);
                let changed = changed.and_then(|_| distance(after, beyond, errors_max));
                let exchanged = left.next() == another && right.next() == letter;
                let exchanged = exchanged && letter.is_some() && another.is_some();
                let exchanged = exchanged
                    .then(|| distance(left.as_str(), right.as_str(), errors_max))
                    .flatten();
                let ways = [missing, surplus, changed, exchanged];
                return ways.into_iter().flatten().min().map(|errors| errors + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relevancy(needle: &str, texts: &[&str]) -> Option<u8> {
        let needle = FuzzyNeedle::new(needle);
        let mut tally = needle.tally();
        for text in texts {
            tally.read(text);
        }
        tally.relevancy()
    }

    #[test]
    fn the_nearer_the_better() {
        for (needle, text, relevant) in [
            // RFC 6203 §3 and §4
            ("IMAP break", "IMAP is broken", None),
            ("IMAP break", "broken? IMAP breaks", Some(90)),
            ("Helo", "hello", Some(30)),
            ("Helo", "Say Helo!", Some(100)),
            ("two words", "words, two", Some(80)),
            ("two words", "two words", Some(100)),
            ("two words", "two", None),
            ("cafe", "au Café", Some(100)),
            ("cafes", "aux cafés", Some(80)),
            ("Straße", "STRASSE", Some(80)),
            ("teh", "the", None),
            ("thier", "their", Some(30)),
            ("reak", "break", Some(80)),
            ("accommodation", "acomodation", Some(1)),
            ("accommodation", "acomodatoin", None),
            ("2024", "2025", None),
            ("東京", "私は東京に", Some(100)),
            ("東京都内", "東京都外", None),
            ("привет", "Превет", Some(30)),
            ("--", "a -- b", Some(100)),
            ("--", "a - b", None),
            ("", "", Some(100)),
        ] {
            assert_eq!(relevancy(needle, &[text]), relevant, "{needle} in {text}");
        }
        assert_eq!(relevancy("two words", &["two", "wrods"]), Some(55));
        assert_eq!(relevancy("two words", &["wrods", "words two"]), Some(80));
    }

    #[test]
    fn what_cannot_come_nearer_is_not_read_on() {
        let needle = FuzzyNeedle::new("two words");
        let mut tally = needle.tally();
        assert!(!tally.read("words two"));
        assert!(tally.read("these two words"));
        let many = "a1 ".repeat(99) + &"b".repeat(9);
        assert_eq!(FuzzyNeedle::new(&many).words().len(), 2);
    }

    /// The distance by the whole table.
    fn naive(one: &[char], other: &[char]) -> usize {
        let mut table = vec![vec![0; other.len() + 1]; one.len() + 1];
        for i in 0..=one.len() {
            for j in 0..=other.len() {
                if i == 0 || j == 0 {
                    table[i][j] = i + j;
                    continue;
                }
                let changed = usize::from(one[i - 1] != other[j - 1]);
                let mut least = (table[i - 1][j - 1] + changed)
                    .min(table[i - 1][j] + 1)
                    .min(table[i][j - 1] + 1);
                if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                    least = least.min(table[i - 2][j - 2] + 1);
                }
                table[i][j] = least;
            }
        }
        table[one.len()][other.len()]
    }

    #[test]
    fn errors_are_counted_as_the_whole_table_has_them() {
        let mut dice = 1_u32;
        let mut roll = |sides: u32| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 16) % sides
        };
        for _ in 0..20_000 {
            let mut word = |letters| -> Vec<char> {
                let count = roll(9);
                (0..count)
                    .map(|_| ['a', 'b', 'é', '茶'][roll(letters) as usize])
                    .collect()
            };
            let (one, other) = (word(4), word(4));
            let errors = naive(&one, &other);
            let text = |word: &[char]| word.iter().collect::<String>();
            for errors_max in 0..=2 {
                let counted = distance(&text(&one), &text(&other), errors_max);
                let meant = u8::try_from(errors).ok().filter(|all| *all <= errors_max);
                assert_eq!(counted, meant, "{one:?} {other:?}");
            }
        }
    }
}
