//! Patterns of LIST and LSUB: `*` stands for any text, `%` for any text within one level
//! (RFC 9051 §6.3.9).
//!
//! All ways a pattern may match are followed at once, 64 letters of the name at a time, so that
//! no pattern takes long however it was made.

use std::cell::OnceCell;
use std::collections::BTreeMap;

/// A pattern with runs of wildcards made one: `%%*` matches what `*` does.
#[derive(Debug)]
pub(super) struct Pattern(Vec<char>);

/// A mailbox's name, taken apart when the first pattern needs it.
#[derive(Debug)]
pub(super) struct Name<'a> {
    text: &'a str,
    places: OnceCell<Places>,
}

/// Bit n stands for the place before the n-th letter; the last bit, for the end.
type Bits = Vec<u64>;

/// Where a name has which letters.
#[derive(Debug)]
struct Places {
    letters: BTreeMap<char, Bits>,
    /// Where a letter other than the separator comes next.
    levels: Bits,
    len: usize,
}

impl Pattern {
    /// A pattern below a reference, with one separator between them.
    // RFC 2683 §3.4.9
    pub(super) fn below(reference: &str, pattern: &str) -> Self {
        let apart = !reference.is_empty() && !reference.ends_with('/');
        let pattern = match (reference.is_empty(), pattern.strip_prefix('/')) {
            (false, Some(pattern)) => pattern,
            _ => pattern,
        };
        Self::new(&format!(
            "{reference}{}{pattern}",
            if apart { "/" } else { "" }
        ))
    }

    pub(super) fn new(text: &str) -> Self {
        let mut letters: Vec<char> = Vec::new();
        for letter in text.chars() {
            match (letters.last_mut(), letter) {
                (Some(last @ ('*' | '%')), '*' | '%') => {
                    if letter == '*' {
                        *last = letter;
                    }
                }
                _ => letters.push(letter),
            }
        }
        Self(letters)
    }

    pub(super) fn ends_with_level(&self) -> bool {
        self.0.last() == Some(&'%')
    }

    /// True if it matches the name.
    pub(super) fn matches(&self, name: &Name<'_>) -> bool {
        match self.0.as_slice() {
            ['*'] => return true,
            ['%'] => return !name.text.contains('/'),
            // More letters than the name has, since no two wildcards follow each other.
            letters if letters.len() > 2 * name.text.len() + 1 => return false,
            _ => {}
        }
        let places = name.places.get_or_init(|| Places::of(name.text));
        let inbox = name.text == "INBOX";
        // The places that the pattern so far leads to.
        let mut reached = vec![0; places.levels.len()];
        set(&mut reached, 0);
        for wanted in &self.0 {
            match wanted {
                '*' => spread(&mut reached),
                '%' => spread_within(&mut reached, &places.levels),
                // RFC 9051 §5.1
                letter if inbox => places.pass(letter.to_ascii_uppercase(), &mut reached),
                letter => places.pass(*letter, &mut reached),
            }
            if reached.iter().all(|word| *word == 0) {
                return false;
            }
        }
        let (word, bit) = place(places.len);
        reached.get(word).is_some_and(|word| word & bit != 0)
    }
}

impl<'a> Name<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            places: OnceCell::new(),
        }
    }
}

impl Places {
    fn of(text: &str) -> Self {
        let len = text.chars().count();
        let words = len / 64 + 1;
        let mut letters: BTreeMap<char, Bits> = BTreeMap::new();
        let mut levels = vec![0; words];
        for (at, letter) in text.chars().enumerate() {
            set(letters.entry(letter).or_insert_with(|| vec![0; words]), at);
            if letter != '/' {
                set(&mut levels, at);
            }
        }
        Self {
            letters,
            levels,
            len,
        }
    }

    /// Goes behind this letter, from all places before one.
    fn pass(&self, letter: char, reached: &mut Bits) {
        let Some(places) = self.letters.get(&letter) else {
            return reached.fill(0);
        };
        let mut carry = 0;
        for (word, places) in reached.iter_mut().zip(places) {
            let passing = *word & places;
            *word = passing << 1 | carry;
            carry = passing >> 63;
        }
    }
}

/// Goes from each place to all behind it.
fn spread(reached: &mut Bits) {
    let mut before = false;
    for word in reached {
        *word = match (before, *word) {
            (true, _) => u64::MAX,
            (false, 0) => 0,
            (false, some) => u64::MAX << some.trailing_zeros(),
        };
        before |= *word != 0;
    }
}

/// Goes from each place to all behind it on the same level: adding to a run of ones carries to
/// its end.
fn spread_within(reached: &mut Bits, levels: &Bits) {
    let mut carry = false;
    for (word, levels) in reached.iter_mut().zip(levels) {
        let (sum, over) = (*word & levels).overflowing_add(*levels);
        let (sum, again) = sum.overflowing_add(u64::from(carry));
        carry = over || again;
        *word |= sum ^ levels;
    }
}

fn set(bits: &mut Bits, at: usize) {
    let (word, bit) = place(at);
    if let Some(word) = bits.get_mut(word) {
        *word |= bit;
    }
}

const fn place(at: usize) -> (usize, u64) {
    (at / 64, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Name, Pattern};

    #[test]
    fn one_separator_stands_behind_a_reference() {
        let cases = [
            ("", "a/%", "a/b", true),
            ("", "/a", "a", false),
            ("a", "%", "a/b", true),
            ("a", "%", "ab", false),
            ("a/", "/b", "a/b", true),
            ("a", "/b", "a/b", true),
            ("a/", "%", "a/b", true),
        ];
        for (reference, pattern, name, expected) in cases {
            let matches = Pattern::below(reference, pattern).matches(&Name::new(name));
            assert_eq!(matches, expected, "{reference} {pattern} {name}");
        }
    }

    #[test]
    fn patterns() {
        let cases = [
            ("*", "a/b", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("%/b", "a/b", true),
            ("a*c", "a/b/c", true),
            ("a%c", "a/b/c", false),
            ("a%c", "abbc", true),
            ("inbox", "INBOX", true),
            ("InB%", "INBOX", true),
            ("A", "a", false),
            ("", "a", false),
            ("", "", true),
            ("%%%%a", "bcda", true),
            ("*/*", "a", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(
                Pattern::new(pattern).matches(&Name::new(name)),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn no_pattern_takes_for_ever() {
        let pattern = "*a".repeat(500);
        let name = "b".repeat(1000);
        let name = Name::new(&name);
        for _ in 0..1000 {
            assert!(!Pattern::new(&pattern).matches(&name));
        }
        assert!(Pattern::new(&"%*".repeat(30_000)).matches(&name));
    }

    /// The definition, letter by letter.
    fn means(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], name) => name.is_empty(),
            ([wild @ ('*' | '%'), rest @ ..], name) => (0..=name.len())
                .take_while(|taken| *wild == '*' || !name[..*taken].contains(&'/'))
                .any(|taken| means(rest, &name[taken..])),
            ([letter, rest @ ..], [first, others @ ..]) => letter == first && means(rest, others),
            ([..], []) => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn patterns_mean_what_they_say(
            pattern in "[ab/*%]{0,8}",
            name in "[ab/]{0,10}",
            padding in prop::sample::select(vec![0_usize, 57, 62, 63, 64, 126]),
        ) {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = means(&letters(&pattern), &letters(&name));
            let before = "x".repeat(padding);
            let pattern = Pattern::new(&format!("{before}{pattern}"));
            let name = format!("{before}{name}");
            prop_assert_eq!(pattern.matches(&Name::new(&name)), expected);
        }
    }
}
