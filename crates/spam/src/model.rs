//! In how many good letters, and in how much junk, each clue was.
//!
//! A change is planned first and applied when it is kept: what is planned names every row that
//! differs. Learning a letter adds one for each of its clues, unlearning takes one away, so both
//! together leave nothing, in whatever order; but what was forgotten meanwhile, because there was
//! too much, is forgotten.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::Class;
use crate::clue::{Clues, Straight, Token};

/// Of the clues that there may be, the share that goes at once when there are too many: one in so
/// many.
const FORGOTTEN_SHARE: usize = 8;

/// How many letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Good ones.
    pub good: u32,
    /// Junk.
    pub junk: u32,
}

/// What is known of a clue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// In how many letters it was.
    pub tally: Tally,
    /// The day it was learned last, counted from 1970.
    pub day: u16,
}

/// What is learned of one letter: it was counted as one thing, and is now as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// As what it has been counted.
    pub before: Option<Class>,
    /// As what it is counted now.
    pub after: Option<Class>,
}

impl Step {
    /// A letter that was not counted.
    #[must_use]
    pub const fn learn(class: Class) -> Self {
        Self {
            before: None,
            after: Some(class),
        }
    }

    /// A letter that is not counted any more.
    #[must_use]
    pub const fn unlearn(class: Class) -> Self {
        Self {
            before: Some(class),
            after: None,
        }
    }
}

/// Rows that differ: a clue without letters is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// How many letters were learned in all.
    pub letters: Tally,
    /// What is known of clues now.
    pub clues: Vec<(Token, Known)>,
}

/// The counts of one reader, or of a site.
#[derive(Clone, Debug, Default)]
pub struct Model {
    letters: Tally,
    clues: HashMap<Token, Known, BuildHasherDefault<Straight>>,
}

impl Tally {
    /// All together.
    #[must_use]
    pub const fn all(self) -> u32 {
        self.good.saturating_add(self.junk)
    }

    fn add(&mut self, class: Class) {
        let count = self.of_mut(class);
        *count = count.saturating_add(1);
    }

    fn take(&mut self, class: Class) {
        let count = self.of_mut(class);
        *count = count.saturating_sub(1);
    }

    const fn of_mut(&mut self, class: Class) -> &mut u32 {
        match class {
            Class::Good => &mut self.good,
            Class::Junk => &mut self.junk,
        }
    }

    fn follow(&mut self, step: Step) {
        if let Some(class) = step.before {
            self.take(class);
        }
        if let Some(class) = step.after {
            self.add(class);
        }
    }
}

impl Model {
    /// How many letters were learned.
    #[must_use]
    pub const fn letters(&self) -> Tally {
        self.letters
    }

    /// How many clues are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clues.len()
    }

    /// True if none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clues.is_empty()
    }

    /// Octets of memory it takes, about.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.clues.capacity() * (size_of::<(Token, Known)>() + 1)
    }

    /// True if it has learned so many letters of either kind.
    #[must_use]
    pub const fn is_trained(&self, letters_min: u32) -> bool {
        self.letters.good >= letters_min && self.letters.junk >= letters_min
    }

    /// In how many letters a clue was.
    #[must_use]
    pub fn tally(&self, clue: Token) -> Tally {
        let known = self.clues.get(&clue);
        known.map(|known| known.tally).unwrap_or_default()
    }

    /// Takes what was kept: how many letters were learned.
    pub const fn put_letters(&mut self, letters: Tally) {
        self.letters = letters;
    }

    /// Takes what was kept of a clue.
    pub fn put(&mut self, clue: Token, known: Known) {
        if known.tally.all() == 0 {
            self.clues.remove(&clue);
        } else {
            self.clues.insert(clue, known);
        }
    }

    /// What differs once these letters are learned. Where more than so many clues would be known,
    /// those go that were in one letter only, the longest ago first, and then others.
    #[must_use]
    pub fn plan(&self, letters: &[(&Clues, Step)], day: u16, clues_max: usize) -> Change {
        let mut counted = self.letters;
        let mut changed: HashMap<Token, Known, BuildHasherDefault<Straight>> = HashMap::default();
        for (clues, step) in letters.iter().filter(|(_, step)| step.before != step.after) {
            counted.follow(*step);
            for (token, _) in clues.iter() {
                let before = || self.clues.get(&token).copied().unwrap_or_default();
                let known = changed.entry(token).or_insert_with(before);
                known.tally.follow(*step);
                known.day = day;
            }
        }
        let is_there = |token: &Token| self.clues.contains_key(token);
        let new = |(token, known): &(&Token, &Known)| known.tally.all() > 0 && !is_there(token);
        let grown = self.clues.len() + changed.iter().filter(new).count();
        if grown > clues_max {
            let goes = (grown - clues_max).max(clues_max / FORGOTTEN_SHARE);
            // What is just learned stays.
            let others = |token: &Token| !changed.contains_key(token);
            for token in self.forgettable(goes, others) {
                changed.insert(token, Known::default());
            }
        }
        let mut clues: Vec<(Token, Known)> = changed.into_iter().collect();
        clues.sort_unstable_by_key(|(token, _)| *token);
        Change {
            letters: counted,
            clues,
        }
    }

    /// The clues that say the least, of those that may go.
    fn forgettable(&self, count: usize, may_go: impl Fn(&Token) -> bool) -> Vec<Token> {
        let worth = |(token, known): (&Token, &Known)| (known.tally.all() > 1, known.day, *token);
        let all = self.clues.iter().filter(|(token, _)| may_go(token));
        let mut all: Vec<(bool, u16, Token)> = all.map(worth).collect();
        all.sort_unstable();
        all.truncate(count);
        all.into_iter().map(|(_, _, token)| token).collect()
    }

    /// Carries out what was planned of it as it is.
    pub fn apply(&mut self, change: &Change) {
        self.letters = change.letters;
        for (token, known) in &change.clues {
            self.put(*token, *known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(model: &mut Model, words: &[&str], step: Step, day: u16, max: usize) -> Change {
        let clues = Clues::of(words.iter().copied());
        let change = model.plan(&[(&clues, step)], day, max);
        model.apply(&change);
        change
    }

    #[test]
    fn what_was_learned_is_unlearned_exactly() {
        let mut model = Model::default();
        learn(
            &mut model,
            &["tea", "five"],
            Step::learn(Class::Good),
            1,
            100,
        );
        let before = (model.letters(), model.tally(Token::of("tea")), model.len());
        learn(
            &mut model,
            &["tea", "pills"],
            Step::learn(Class::Junk),
            2,
            100,
        );
        let tea = model.tally(Token::of("tea"));
        assert_eq!((tea.good, tea.junk, model.len()), (1, 1, 3));
        let turned = Step {
            before: Some(Class::Junk),
            after: Some(Class::Good),
        };
        learn(&mut model, &["tea", "pills"], turned, 3, 100);
        assert_eq!(model.tally(Token::of("pills")), Tally { good: 1, junk: 0 });
        learn(
            &mut model,
            &["tea", "pills"],
            Step::unlearn(Class::Good),
            4,
            100,
        );
        let after = (model.letters(), model.tally(Token::of("tea")), model.len());
        assert_eq!(before, after);
    }

    #[test]
    fn old_words_of_one_letter_go_first() {
        let mut model = Model::default();
        for day in 1..=10 {
            let once = format!("once{day}");
            learn(
                &mut model,
                &["often", &once],
                Step::learn(Class::Junk),
                day,
                8,
            );
        }
        assert!(model.len() <= 8, "{}", model.len());
        assert_eq!(model.tally(Token::of("often")).junk, 10);
        assert_eq!(model.tally(Token::of("once10")).junk, 1);
        assert_eq!(model.tally(Token::of("once1")).junk, 0);
        // Nothing is taken below nothing.
        learn(&mut model, &["once1"], Step::unlearn(Class::Junk), 11, 8);
        assert_eq!(model.tally(Token::of("once1")), Tally::default());
    }

    #[test]
    fn a_change_names_only_what_differs() {
        let mut model = Model::default();
        let change = learn(&mut model, &["tea"], Step::learn(Class::Good), 1, 100);
        assert_eq!((change.letters.good, change.clues.len()), (1, 1));
        let nothing = Step {
            before: Some(Class::Good),
            after: Some(Class::Good),
        };
        let change = learn(&mut model, &["tea"], nothing, 1, 100);
        assert!(change.clues.is_empty() && model.letters().good == 1);
    }
}
