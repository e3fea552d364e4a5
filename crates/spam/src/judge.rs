//! How likely a letter is junk, and by which evidence.
//!
//! Each clue has a probability of its own: in what share of the junk it was, against what share of
//! the good letters, drawn towards what was believed before as long as few letters had it. The
//! strongest are combined by Fisher's method both ways, as G. Robinson put it ("A Statistical
//! Approach to the Spam Problem", Linux Journal 107, 2003): what is as near to junk as to good
//! mail comes out in the middle, at 50.
//!
//! Of several models each goes on from where the one before ended: what a site knows of a clue is
//! what its reader's own letters begin with.

use std::cmp::Ordering;

use crate::clue::{Clues, Token};
use crate::model::{Model, Tally};

/// How many letters what is believed of a clue that nobody knows weighs.
const STRENGTH: f64 = 0.45;
/// The same of what another model says.
const STRENGTH_OF_MODEL: f64 = 1.0;
/// What is believed of a clue that nobody knows.
const UNKNOWN: f64 = 0.5;
/// Clues that are nearer to the middle say nothing.
const DISTANCE_MIN: f64 = 0.1;
/// Clues that are combined: the strongest.
const CLUES_MAX: usize = 150;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How likely it is junk: 0 to 100.
    pub percent: u8,
    /// What it was found by, the strongest first.
    pub evidence: Vec<Evidence>,
}

/// A clue that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The clue.
    pub clue: String,
    /// How likely a letter with it is junk: 0 to 100.
    pub percent: u8,
    /// In how many letters it was, by the last model that knows it.
    pub tally: Tally,
}

/// Judges a letter by models, the widest first, and gives so much evidence; by none it is in the
/// middle.
#[must_use]
pub fn judge(clues: &Clues, models: &[&Model], evidence_max: usize) -> Verdict {
    let mut telling: Vec<(f64, Token, &str)> = Vec::with_capacity(clues.len());
    for (token, clue) in clues.iter() {
        let probability = probability(token, models);
        if (probability - UNKNOWN).abs() >= DISTANCE_MIN {
            telling.push((probability, token, clue));
        }
    }
    if telling.len() > CLUES_MAX {
        telling.select_nth_unstable_by(CLUES_MAX, stronger);
        telling.truncate(CLUES_MAX);
    }
    let score = combined(telling.iter().map(|(probability, ..)| *probability));
    if telling.len() > evidence_max {
        telling.select_nth_unstable_by(evidence_max, stronger);
        telling.truncate(evidence_max);
    }
    telling.sort_unstable_by(stronger);
    let evidence = telling
        .into_iter()
        .map(|(probability, token, clue)| Evidence {
            clue: clue.to_owned(),
            percent: percent(probability),
            tally: tally(token, models),
        });
    Verdict {
        percent: percent(score),
        evidence: evidence.collect(),
    }
}

/// By their strength, and then by something that is the same each time.
fn stronger(one: &(f64, Token, &str), other: &(f64, Token, &str)) -> Ordering {
    let by_strength = (other.0 - UNKNOWN)
        .abs()
        .total_cmp(&(one.0 - UNKNOWN).abs());
    by_strength.then(one.1.cmp(&other.1))
}

/// How likely a letter with this clue is junk.
fn probability(clue: Token, models: &[&Model]) -> f64 {
    let mut believed = UNKNOWN;
    for (place, model) in models.iter().enumerate() {
        let (tally, letters) = (model.tally(clue), model.letters());
        let count = f64::from(tally.all());
        if count == 0.0 || letters.good == 0 || letters.junk == 0 {
            continue;
        }
        let good = f64::from(tally.good) / f64::from(letters.good);
        let junk = f64::from(tally.junk) / f64::from(letters.junk);
        let strength = match place {
            0 => STRENGTH,
            _ => STRENGTH_OF_MODEL,
        };
        let share = junk / (junk + good);
        believed = (strength * believed + count * share) / (strength + count);
    }
    believed
}

fn tally(clue: Token, models: &[&Model]) -> Tally {
    let tallies = models.iter().rev().map(|model| model.tally(clue));
    let mut known = tallies.filter(|tally| tally.all() > 0);
    known.next().unwrap_or_default()
}

/// Many probabilities as one.
fn combined(all: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut of_junk, mut of_good) = (0_u32, 0.0, 0.0);
    for probability in all {
        count += 1;
        of_junk += probability.ln();
        of_good += (1.0 - probability).ln();
    }
    if count == 0 {
        return UNKNOWN;
    }
    let junk = 1.0 - above(-of_good, count);
    let good = 1.0 - above(-of_junk, count);
    f64::midpoint(1.0, junk - good)
}

/// How likely a chi-square of twice so many degrees of freedom is twice this, or more.
fn above(half: f64, count: u32) -> f64 {
    let mut term = (-half).exp();
    let mut sum = term;
    for place in 1..count {
        term *= half / f64::from(place);
        sum += term;
    }
    sum.min(1.0)
}

/// Of a hundred.
fn percent(share: f64) -> u8 {
    let hundredths = (share.clamp(0.0, 1.0) * 100.0).round();
    (0..=100_u8)
        .find(|percent| f64::from(*percent) >= hundredths)
        .unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, Step};

    fn trained(letters: &[(Class, &str)]) -> Model {
        let mut model = Model::default();
        for (class, words) in letters {
            let clues = Clues::of(words.split(' '));
            let change = model.plan(&[(&clues, Step::learn(*class))], 0, 1000);
            model.apply(&change);
        }
        model
    }

    #[test]
    fn chi_square_as_tables_have_it() {
        // Half the value, half the degrees of freedom, and the share above: from printed tables.
        for (value, degrees, expected) in [
            (5.991, 2, 0.05),
            (9.210, 2, 0.01),
            (9.488, 4, 0.05),
            (18.307, 10, 0.05),
            (2.558, 10, 0.99),
            (124.342, 100, 0.05),
        ] {
            let found = above(value / 2.0, degrees / 2);
            assert!((found - expected).abs() < 0.001, "{value}: {found}");
        }
        assert!(above(5000.0, 150) < 1e-9);
        assert!((above(0.0, 150) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_known_of_a_clue_grows_with_its_letters() {
        let model = trained(&[
            (Class::Junk, "pills cheap"),
            (Class::Junk, "pills"),
            (Class::Good, "tea"),
            (Class::Good, "tea cheap"),
        ]);
        let of = |clue: &str| percent(probability(Token::of(clue), &[&model]));
        assert_eq!(
            (of("pills"), of("tea"), of("cheap"), of("new")),
            (91, 9, 50, 50)
        );
    }

    #[test]
    fn own_letters_weigh_more_than_those_of_the_site() {
        let site = trained(&[(Class::Junk, "offer"), (Class::Good, "tea")]);
        let own = trained(&[
            (Class::Good, "offer"),
            (Class::Good, "offer"),
            (Class::Good, "offer"),
            (Class::Junk, "pills"),
        ]);
        let of = |models: &[&Model]| percent(probability(Token::of("offer"), models));
        assert_eq!(of(&[&site]), 84);
        assert_eq!(of(&[&site, &own]), 21);
        let verdict = judge(&Clues::of(["offer"]), &[&site, &own], 10);
        assert_eq!(verdict.evidence.first().map(|one| one.tally.good), Some(3));
    }

    #[test]
    fn a_letter_of_which_nothing_is_known_is_in_the_middle() {
        let model = trained(&[(Class::Junk, "pills"), (Class::Good, "tea")]);
        let of = |words: &str| judge(&Clues::of(words.split(' ')), &[&model], 10).percent;
        assert_eq!(of("other words"), 50);
        assert_eq!(of("pills tea"), 50);
        assert!(of("pills") > 50 && of("tea") < 50);
        assert_eq!(judge(&Clues::default(), &[], 10).percent, 50);
    }
}
