//! Runs of two or three letters, and what a needle asks of them.
//!
//! A text may also be shown bare, as whoever cares little for spelling reads it. Its runs stand
//! beside those of the text itself and are told from them by their last bit.

use std::ops::RangeInclusive;

/// A run of up to three letters: 21 bits each, the first highest. A letter is its code point and
/// one; zero stands behind the end of a text, and in the third place of runs of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Gram(pub(crate) u64);

/// Bits of one letter.
const LETTER_BITS: u32 = 21;

/// What a text that contains a needle must have: one of these runs at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub(crate) runs: RangeInclusive<u64>,
    /// True if runs of bare texts count as well.
    bare: bool,
}

impl Condition {
    /// Any of the runs from the first letters of one to the last letters of the other.
    const fn of(first: u64, last: u64, bare: bool) -> Self {
        Self {
            runs: (first << 1)..=(last << 1 | 1),
            bare,
        }
    }

    /// True for a run that is meant.
    pub(crate) fn is_met_by(&self, run: u64) -> bool {
        self.runs.contains(&run) && (self.bare || run & 1 == 0)
    }
}

impl Gram {
    const fn of(first: u64, second: u64, third: u64) -> Self {
        let third = if is_short(first) || is_short(second) {
            0
        } else {
            third
        };
        Self(((first << LETTER_BITS | second) << LETTER_BITS) | third)
    }
}

/// True for letters whose scripts write a word with one or two: ideographs, kana, Hangul, and all
/// that Unicode has behind them.
const fn is_short(letter: u64) -> bool {
    letter > 0x2e80
}

const fn code(letter: char) -> u64 {
    letter as u64 + 1
}

impl Gram {
    /// As it is kept for a text.
    pub(crate) const fn of_text(self) -> u64 {
        self.0 << 1
    }

    /// As it is kept for a bare text.
    pub(crate) const fn of_bare(self) -> u64 {
        self.0 << 1 | 1
    }
}

/// Shows every run of a folded text, those that its end cuts included.
pub(crate) fn runs(text: &str, mut each: impl FnMut(Gram)) {
    let mut letters = text.chars().map(code);
    let Some(mut first) = letters.next() else {
        return;
    };
    let mut second = letters.next().unwrap_or(0);
    while second != 0 {
        let third = letters.next().unwrap_or(0);
        each(Gram::of(first, second, third));
        (first, second) = (second, third);
    }
    each(Gram::of(first, 0, 0));
}

/// What a text must have to contain this folded needle; nothing for the empty one.
///
/// Every condition holds for each text that contains the needle. The other way round it need not
/// be so.
#[must_use]
pub fn conditions(needle: &str) -> Vec<Condition> {
    conditions_of(needle, false)
}

/// The same for texts that contain the needle or whose bare text does.
#[must_use]
pub fn bare_conditions(needle: &str) -> Vec<Condition> {
    conditions_of(needle, true)
}

fn conditions_of(needle: &str, bare: bool) -> Vec<Condition> {
    let letters: Vec<u64> = needle.chars().map(code).collect();
    let mut whole: Vec<u64> = letters
        .windows(2)
        .enumerate()
        .filter_map(|(at, pair)| {
            let (first, second) = (*pair.first()?, *pair.last()?);
            let third = letters.get(at + 2).copied();
            // A run that the needle's end cuts says less than it seems: the text may go on.
            match third {
                None if !is_short(first) && !is_short(second) => None,
                third => Some(Gram::of(first, second, third.unwrap_or(0)).0),
            }
        })
        .collect();
    whole.sort_unstable();
    whole.dedup();
    if !whole.is_empty() {
        let whole = whole.iter().map(|run| Condition::of(*run, *run, bare));
        return whole.collect();
    }
    let (run, known) = match *letters.as_slice() {
        [] => return Vec::new(),
        [first] => (first << (2 * LETTER_BITS), 2 * LETTER_BITS),
        [first, second, ..] => (
            ((first << LETTER_BITS) | second) << LETTER_BITS,
            LETTER_BITS,
        ),
    };
    vec![Condition::of(run, run | ((1 << known) - 1), bare)]
}

/// True if a text that meets the needle's conditions contains it: it is no longer than a run.
#[must_use]
pub fn is_one_run(needle: &str) -> bool {
    let letters: Vec<u64> = needle.chars().take(4).map(code).collect();
    match *letters.as_slice() {
        [first, second, _] => !is_short(first) && !is_short(second),
        [_] | [_, _] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        runs(text, |Gram(run)| {
            let letters = [run >> 42, run >> 21 & 0x1f_ffff, run & 0x1f_ffff];
            let letters = letters.iter().filter(|letter| **letter != 0);
            let letter = |letter: &u64| char::from_u32(u32::try_from(letter - 1).unwrap()).unwrap();
            all.push(letters.map(letter).collect());
        });
        all
    }

    #[test]
    fn texts_are_cut_at_every_letter() {
        assert_eq!(shown(""), [""; 0]);
        assert_eq!(shown("a"), ["a"]);
        assert_eq!(shown("abcd"), ["abc", "bcd", "cd", "d"]);
        assert_eq!(shown("чай"), ["чай", "ай", "й"]);
        assert_eq!(
            shown("お茶をa b"),
            ["お茶", "茶を", "をa", "a b", " b", "b"]
        );
        assert_eq!(shown("ab茶"), ["ab茶", "b茶", "茶"]);
    }

    #[test]
    fn needles_ask_for_what_every_text_with_them_has() {
        assert_eq!(conditions(""), []);
        assert_eq!(conditions("abab a").len(), 4);
        // One run each that is whole.
        for needle in ["abc", "お茶", "a茶"] {
            let condition = conditions(needle).pop().unwrap();
            assert_eq!(condition.runs.end() - condition.runs.start(), 1, "{needle}");
        }
        // Shorter than a run: all that begin with it.
        for (needle, text) in [("a", "a茶"), ("ab", "ab"), ("茶", "茶x"), ("ab", "abz")] {
            let (plain, bare) = (conditions(needle), bare_conditions(needle));
            let (mut holds, mut differs) = (false, true);
            runs(text, |run| {
                holds |= plain[0].is_met_by(run.of_text()) && bare[0].is_met_by(run.of_text());
                differs &= !plain[0].is_met_by(run.of_bare());
            });
            assert!(holds && differs, "{needle} in {text}");
        }
    }
}
