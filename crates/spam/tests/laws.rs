//! What holds for all letters.

use proptest::prelude::*;
use spam::{Class, Clues, Known, Model, Step, Token, judge};

fn clues(words: &[u8]) -> Clues {
    let words: Vec<String> = words.iter().map(|word| format!("word{word}")).collect();
    Clues::of(words.iter().map(String::as_str))
}

fn counts(model: &Model) -> Vec<(u32, u32)> {
    let of = |word: u8| {
        let tally = model.tally(Token::of(&format!("word{word}")));
        (tally.good, tally.junk)
    };
    (0..=255).map(of).collect()
}

fn class(is_junk: bool) -> Class {
    if is_junk { Class::Junk } else { Class::Good }
}

/// What they are, and their words.
fn letters() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let words = prop::collection::vec(any::<u8>(), 0..20);
    prop::collection::vec((any::<bool>(), words), 0..10)
}

proptest! {
    #[test]
    fn learning_and_unlearning_in_any_order_leaves_nothing(
        kept in letters(),
        passing in letters(),
        turn in any::<u64>(),
    ) {
        let mut plain = Model::default();
        let mut other = Model::default();
        let learn = |model: &mut Model, words: &[u8], step| {
            let change = model.plan(&[(&clues(words), step)], 1, 10_000);
            model.apply(&change);
        };
        for (is_junk, words) in &kept {
            learn(&mut plain, words, Step::learn(class(*is_junk)));
        }
        for (at, (is_junk, words)) in passing.iter().enumerate() {
            learn(&mut other, words, Step::learn(class(*is_junk)));
            if let Some((is_junk, words)) = kept.get(at) {
                learn(&mut other, words, Step::learn(class(*is_junk)));
            }
        }
        for (is_junk, words) in kept.iter().skip(passing.len()) {
            learn(&mut other, words, Step::learn(class(*is_junk)));
        }
        let mut leaving: Vec<_> = passing.iter().collect();
        let turned = |count: usize| (turn ^ count as u64).wrapping_mul(31);
        leaving.sort_by_key(|(is_junk, words)| turned(words.len()) ^ u64::from(*is_junk));
        for (is_junk, words) in leaving {
            learn(&mut other, words, Step::unlearn(class(*is_junk)));
        }
        prop_assert_eq!(counts(&plain), counts(&other));
        prop_assert_eq!(plain.letters(), other.letters());
        prop_assert_eq!(plain.len(), other.len());
    }

    #[test]
    fn many_at_once_are_as_one_behind_the_other(
        letters in letters(),
    ) {
        let all: Vec<(Clues, Step)> = letters.iter()
            .map(|(is_junk, words)| (clues(words), Step::learn(class(*is_junk)))).collect();
        let (mut one, mut together) = (Model::default(), Model::default());
        for (clues, step) in &all {
            let change = one.plan(&[(clues, *step)], 1, 10_000);
            one.apply(&change);
        }
        let all: Vec<(&Clues, Step)> = all.iter().map(|(clues, step)| (clues, *step)).collect();
        let change = together.plan(&all, 1, 10_000);
        together.apply(&change);
        prop_assert_eq!(counts(&one), counts(&together));
    }

    #[test]
    fn any_octets_have_clues_and_a_verdict(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
        let letter = [b"Subject: x\r\nContent-Type: text/html\r\n\r\n".to_vec(), octets].concat();
        let clues = Clues::of_message(&letter);
        for (token, clue) in clues.iter() {
            prop_assert_eq!(token, Token::of(clue));
        }
        let mut model = Model::default();
        let other = Clues::of(["x"]);
        let change = model.plan(
            &[(&clues, Step::learn(Class::Junk)), (&other, Step::learn(Class::Good))], 1, 10_000);
        model.apply(&change);
        prop_assert!(judge(&clues, &[&model], 10).percent >= 50);
        prop_assert_eq!(clues.fingerprint(), Clues::of_message(&letter).fingerprint());
    }

    #[test]
    fn no_more_clues_are_kept_than_may_be(words in prop::collection::vec(any::<u16>(), 0..400)) {
        let mut model = Model::default();
        for (day, some) in words.chunks(40).enumerate() {
            let some: Vec<String> = some.iter().map(|word| format!("w{word}")).collect();
            let clues = Clues::of(some.iter().map(String::as_str));
            let day = u16::try_from(day).unwrap();
            let change = model.plan(&[(&clues, Step::learn(Class::Good))], day, 100);
            model.apply(&change);
            prop_assert!(model.len() <= 100);
        }
        model.put(Token::of("w"), Known::default());
        prop_assert!(model.tally(Token::of("w")).good == 0);
    }
}
