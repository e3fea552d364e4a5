//! What the index knows of a query, before messages are read.

use index::{Bits, Condition, bare_conditions, conditions, is_one_run};
use mail::{EmailId, MailboxId, Rights};
use message::{FuzzyNeedle, fold};

use super::shelf::Told;
use super::{Query, Within, within};
use crate::Account;

/// Keys of one query that the index is asked for; it says nothing of the others.
const NARROWED_KEYS_MAX: usize = 16;
/// Words of a fuzzy key that the index is asked for: the longest.
const NARROWED_WORDS_MAX: usize = 3;
/// Letters of a word with errors that the index is asked for: the first.
const NARROWED_LETTERS_MAX: usize = 24;
/// So few messages are read without asking the index.
const READ_ANYWAY_MAX: usize = 16;

/// What the index says of a query's keys.
#[derive(Debug, Default)]
pub struct Narrowed {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    query: Query,
    /// True if a message that meets the key's conditions is what it asks for: it looks for no more
    /// than a run, and wherever in the message.
    is_exact: bool,
    told: Told,
}

/// What the index is asked of a key.
#[derive(Debug)]
struct Wanted<'a> {
    query: &'a Query,
    /// What every message has that the key finds.
    conditions: Vec<Condition>,
    /// What it has most of, for each of some words.
    words: Vec<Blurred>,
}

/// A word that may have errors: its runs in their order.
#[derive(Debug)]
struct Blurred {
    runs: Vec<Condition>,
    errors_max: u8,
}

impl Wanted<'_> {
    /// The questions: the conditions, and each run for itself.
    fn questions(&self) -> Vec<Vec<Condition>> {
        let runs = self.words.iter().flat_map(|word| &word.runs);
        let runs = runs.map(|run| vec![run.clone()]);
        std::iter::once(self.conditions.clone())
            .chain(runs)
            .collect()
    }

    /// The answer, made of those to the questions.
    fn told(&self, answers: Vec<Told>) -> Option<Told> {
        let mut answers = answers.into_iter();
        let mut told = answers.next()?;
        for word in &self.words {
            let runs: Vec<Bits> = answers
                .by_ref()
                .take(word.runs.len())
                .map(|answer| answer.may)
                .collect();
            if let Some(may) = with_errors(&runs, word.errors_max) {
                told.may.intersect(&may);
            }
        }
        Some(told)
    }
}

impl Narrowed {
    /// What is known of a message with this id and a key: `None` if it must be read.
    pub(super) fn answer(&self, query: &Query, email: EmailId) -> Option<bool> {
        let key = self.keys.iter().find(|key| key.query == *query)?;
        let (told, id) = (&key.told, email.0);
        if id > told.covered {
            return None;
        }
        if !told.may.contains(id) {
            return Some(false);
        }
        (key.is_exact && told.do_meet.contains(id)).then_some(true)
    }
}

impl Account {
    /// Asks the index what it can say of a query about a mailbox.
    pub(super) async fn narrow(&self, mailbox: MailboxId, query: &Query) -> Narrowed {
        let few = u64::try_from(READ_ANYWAY_MAX).unwrap_or(u64::MAX);
        let asks_few = within(query).is_some_and(|uids| uids.len() <= few);
        if asks_few || !self.is_long(mailbox).await {
            return Narrowed::default();
        }
        self.narrowed(query).await
    }

    /// Asks the index what it can say of a query about any mailbox of the account.
    pub async fn narrowed(&self, query: &Query) -> Narrowed {
        let mut narrowed = Narrowed::default();
        if !matches!(
            self.look(|ledger| ledger.remembered.unindexed).await,
            Ok(false)
        ) {
            return narrowed;
        }
        let mut keys = Vec::new();
        gather(query, &mut keys);
        for wanted in keys {
            let Some(told) = self.ask(&wanted.questions()).await else {
                break;
            };
            let Some(told) = wanted.told(told) else {
                break;
            };
            let query = wanted.query.clone();
            let is_exact = matches!(&query, Query::Text(text) if is_one_run(&fold(text)));
            narrowed.keys.push(Key {
                query,
                is_exact,
                told,
            });
        }
        narrowed
    }

    async fn is_long(&self, mailbox: MailboxId) -> bool {
        let count = self.look(|ledger| {
            let folder = self.folder(ledger, mailbox, Rights::READ).ok()?;
            Some(folder.entries.len())
        });
        count
            .await
            .ok()
            .flatten()
            .is_some_and(|count| count > READ_ANYWAY_MAX)
    }
}

/// The keys about text, with what the index is asked for each.
fn gather<'a>(query: &'a Query, keys: &mut Vec<Wanted<'a>>) {
    let (wanted, words) = match query {
        Query::And(all) | Query::Or(all) => {
            return all.iter().for_each(|one| gather(one, keys));
        }
        Query::Not(one) => return gather(one, keys),
        Query::Body(text) | Query::Text(text) => (conditions(&fold(text)), Vec::new()),
        Query::Header(name, text) => {
            let mut wanted = conditions(&fold(text));
            wanted.extend(field(name));
            (wanted, Vec::new())
        }
        Query::Fuzzy(within, text) => {
            let (mut wanted, words) = fuzzy(text);
            if let Within::Header(name) = within {
                wanted.extend(field(name));
            }
            (wanted, words)
        }
        _ => return,
    };
    let known = keys.iter().any(|known| known.query == query);
    let asks = !wanted.is_empty() || !words.is_empty();
    if !known && asks && keys.len() < NARROWED_KEYS_MAX {
        keys.push(Wanted {
            query,
            conditions: wanted,
            words,
        });
    }
}

/// What a message with a field has.
fn field(name: &str) -> Vec<Condition> {
    if name.is_ascii() {
        // As the builder sees fields: `Name: value`.
        conditions(&fold(&format!("{name}: ")))
    } else {
        Vec::new()
    }
}

/// What a message has that a fuzzy key finds: words without errors, and longer ones with some.
fn fuzzy(text: &str) -> (Vec<Condition>, Vec<Blurred>) {
    let needle = FuzzyNeedle::new(text);
    let mut words: Vec<_> = needle.words().iter().collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.letters().len()));
    let (mut exact, mut blurred) = (Vec::new(), Vec::new());
    for word in words.into_iter().take(NARROWED_WORDS_MAX) {
        let errors_max = word.errors_max();
        if errors_max == 0 {
            exact.extend(bare_conditions(word.letters()));
            continue;
        }
        let letters: Vec<char> = word.letters().chars().take(NARROWED_LETTERS_MAX).collect();
        let runs = letters.windows(3).map(|run| run.iter().collect::<String>());
        let runs: Vec<_> = runs.flat_map(|run| bare_conditions(&run)).collect();
        // Beside the errors, which may touch two letters each, a run must be left in any case.
        let pieces = usize::from(errors_max) + 1;
        if letters.len() > 2 * usize::from(errors_max) + 2 * pieces {
            blurred.push(Blurred { runs, errors_max });
        }
    }
    (exact, blurred)
}

/// The messages that may have a word with so many errors, if these have its runs of three letters;
/// `None` for all.
///
/// An error touches two letters at most. So for each place where the first may be, what is before
/// it stands there as it is, and what is behind it with one error less.
fn with_errors(runs: &[Bits], errors_max: u8) -> Option<Bits> {
    let letters = runs.len() + 2;
    let mut behind: Option<Vec<Option<Bits>>> = None;
    for _ in 0..=errors_max {
        let from = |first| rest_of(runs, first, behind.as_deref());
        behind = Some((0..letters + 2).map(from).collect());
    }
    behind?.into_iter().next()?
}

/// The messages that may have the letters from `first` on, with an error and what may be behind it.
fn rest_of(runs: &[Bits], first: usize, behind: Option<&[Option<Bits>]>) -> Option<Bits> {
    let letters = runs.len() + 2;
    // The letters from the first one to before the error; three are a run.
    let mut piece: Option<Bits> = None;
    let mut may: Option<Bits> = None;
    for at in first..=letters {
        if let Some(run) = at.checked_sub(3).filter(|run| *run >= first) {
            piece = both(piece.as_ref(), runs.get(run));
        }
        let with = match behind {
            _ if at == letters => piece.clone(),
            Some(behind) => both(piece.as_ref(), behind.get(at + 2)?.as_ref()),
            None => continue,
        };
        let with = with?;
        match &mut may {
            None => may = Some(with),
            Some(may) => may.unite(&with),
        }
    }
    may
}

/// Those in both, where `None` is all.
fn both(one: Option<&Bits>, other: Option<&Bits>) -> Option<Bits> {
    let Some((one, other)) = one.zip(other) else {
        return one.or(other).cloned();
    };
    let mut both = one.clone();
    both.intersect(other);
    Some(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of these texts that may have the word.
    fn may(word: &str, errors_max: u8, texts: &[&str]) -> Option<Vec<u64>> {
        let letters: Vec<char> = word.chars().collect();
        let has = |run: &[char]| {
            let run: String = run.iter().collect();
            let mut bits = Bits::new(1, texts.len() as u64);
            for (id, text) in (1..).zip(texts) {
                if text.contains(&run) {
                    bits.insert(id);
                }
            }
            bits
        };
        let runs: Vec<Bits> = letters.windows(3).map(has).collect();
        Some(with_errors(&runs, errors_max)?.iter().collect())
    }

    #[test]
    fn a_word_with_errors_leaves_runs() {
        let texts = [
            "search", "serach", "sarch", "seaarch", "church", "sear", "sea", "",
        ];
        assert_eq!(may("search", 0, &texts), Some(vec![1]));
        assert_eq!(may("search", 1, &texts), None);
        let texts = [
            "searching",
            "saerching",
            "searchign",
            "sea arch",
            "serchin",
            "unlike",
        ];
        assert_eq!(may("searching", 0, &texts), Some(vec![1]));
        assert_eq!(may("searching", 1, &texts), Some(vec![1, 2, 3]));
        assert_eq!(may("searching", 2, &texts), None);
    }
}
