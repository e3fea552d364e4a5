//! Letters judged by their words: what each reader's own moving of mail has taught, and what a
//! site's account was taught, says how likely a letter is junk.
//!
//! Each account has counts of its own, of a bounded number of clues. One account may be the site's:
//! where it begins everybody else goes on. Counts that are too few say nothing.
//!
//! Not here: the arithmetic (the room `spam`), moving and flags (`copy`, `flags`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mail::{AccountId, Address, MailboxId, Role};
use spam::{Clues, Evidence, Model, Verdict};

use crate::ledger::Ledger;
use crate::metadata::WHOLE;
use crate::site::{ScoreForm, SpamField};
use crate::{Account, Event, Outcome, Post};

mod learn;
mod models;
mod rows;

pub(crate) use learn::says_junk;
pub use learn::{SpamStatus, Trained};
use models::Book;
pub(crate) use models::Models;
pub(crate) use rows::{
    VERSIONS, read_clue, read_letters as read_spam_letters, read_note as read_spam_note,
};

/// The field that tells a letter's score.
pub(crate) const FIELD: &str = "X-Caramel-Spam";
/// The mailbox for junk, where none has that role.
pub(crate) const JUNK: &str = "Junk";
const TRASH: &str = "Trash";
/// The note on an account that says what its owner wants.
const WANTED: &str = "/private/vendor/caramel/spam";
/// Clues that a decision is explained by.
const EVIDENCE_MAX: usize = 10;
/// The same where somebody asks.
const EXPLAINED_MAX: usize = 150;
/// Readers of one letter for whom it is judged; to others it is none.
const READERS_MAX: usize = 100;

/// What is done with letters by their words.
#[derive(Clone, Debug)]
pub struct SpamRules {
    /// The most that is done.
    pub measure: SpamMeasure,
    /// From how many of a hundred on a letter is junk, where its reader says nothing else.
    pub threshold_percent: u8,
    /// Letters of either kind that counts have to have learned before they say anything.
    pub letters_min: u32,
    /// The account that is the site's: what it was taught everybody begins with.
    pub site: Option<Address>,
    /// Clues that one account may know.
    pub clues_max: usize,
    /// Octets that the counts of all accounts may take in memory.
    pub memory_octets_max: usize,
}

impl Default for SpamRules {
    fn default() -> Self {
        Self {
            measure: SpamMeasure::Off,
            threshold_percent: 95,
            letters_min: 20,
            site: None,
            clues_max: 100_000,
            memory_octets_max: 64 * 1024 * 1024,
        }
    }
}

/// The most that is done with a letter by its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SpamMeasure {
    /// Nothing: nobody learns either.
    #[default]
    Off,
    /// Its score stands in its header, and scripts are told.
    Mark,
    /// It is filed as junk.
    Junk,
}

impl SpamRules {
    pub(crate) fn is_on(&self) -> bool {
        self.measure != SpamMeasure::Off
    }

    /// True if letters may be filed as junk.
    pub(crate) fn files_junk(&self) -> bool {
        self.measure == SpamMeasure::Junk
    }
}

/// What an account's owner wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpamWish {
    /// What the house does.
    House,
    /// No letter is judged.
    Off,
    /// Letters are junk from so many of a hundred on.
    From(u8),
}

impl SpamWish {
    /// Reads one as it is written: `off`, or a number from 1 to 100.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let percent = text
            .parse()
            .ok()
            .filter(|percent| (1..=100).contains(percent));
        match text {
            "off" => Some(Self::Off),
            _ => percent.map(Self::From),
        }
    }

    fn of(ledger: &Ledger) -> Self {
        let note = ledger
            .metadata
            .get(&WHOLE)
            .and_then(|notes| notes.get(WANTED));
        let text = note.and_then(|note| std::str::from_utf8(note).ok());
        text.and_then(Self::parse).unwrap_or(Self::House)
    }
}

/// What a letter's words say to one reader.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) percent: u8,
    /// It is filed as junk, unless a script decides.
    pub(crate) is_junk: bool,
    evidence: Vec<Evidence>,
}

/// What a letter's words say to its readers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judgements {
    by: BTreeMap<AccountId, Judged>,
    /// What all readers may know.
    common: Option<u8>,
}

/// A verdict that somebody has asked for.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What was found, with what was found by.
    pub verdict: Verdict,
    /// From how many of a hundred on it is junk to this reader; `None` where nothing is filed.
    pub threshold_percent: Option<u8>,
    /// Whose counts were asked; nobody's, where none are enough.
    pub asked: Vec<Address>,
}

impl Judgements {
    pub(crate) fn of(&self, account: AccountId) -> Option<&Judged> {
        self.by.get(&account)
    }

    /// The field above the letter; nothing where there is nothing to say to all.
    pub(crate) fn field(&self) -> String {
        let percent = self.common;
        percent.map_or_else(String::new, |percent| format!("{FIELD}: {percent}/100\r\n"))
    }

    /// What is told of it in an account.
    pub(crate) fn event(&self, account: AccountId) -> Option<Event> {
        let judged = self.of(account)?;
        let clues = judged.evidence.iter();
        Some(Event::Judged {
            percent: judged.percent,
            is_junk: judged.is_junk,
            clues: clues
                .map(|one| format!("{} {}%", one.clue, one.percent))
                .collect(),
        })
    }
}

/// What the field says of a stored letter.
pub(crate) fn told_percent(header: &[u8]) -> Option<u8> {
    let field = SpamField {
        name: FIELD.to_owned(),
        after: String::new(),
        form: ScoreForm::Number,
        max: 100,
    };
    field.percent(header)
}

/// True for the mailbox where junk is.
pub(crate) fn is_junk(ledger: &Ledger, mailbox: MailboxId) -> bool {
    is_for(ledger, mailbox, (Role::Junk, JUNK))
}

/// True for the mailbox of what is thrown away.
fn is_trash(ledger: &Ledger, mailbox: MailboxId) -> bool {
    is_for(ledger, mailbox, (Role::Trash, TRASH))
}

fn is_for(ledger: &Ledger, mailbox: MailboxId, (role, name): (Role, &str)) -> bool {
    let found = ledger.of_role(role).or_else(|| ledger.target(name).ok());
    found == Some(mailbox)
}

impl Post {
    /// Judges a letter, or its beginning, for all its readers here; others may get it at other
    /// hosts. No letter fails for it: what cannot be read says nothing.
    pub(crate) async fn judgements(
        &self,
        octets: &[u8],
        (readers, has_others): (&BTreeSet<AccountId>, bool),
    ) -> Judgements {
        let mut judgements = Judgements::default();
        if !self.rules().spam.is_on() || readers.is_empty() {
            return judgements;
        }
        let mut clues = None;
        let mut each = |books: &[Arc<Book>]| {
            let clues = clues.get_or_insert_with(|| Clues::of_message(octets));
            judge_by(books, clues, EVIDENCE_MAX)
        };
        for account in readers.iter().take(READERS_MAX) {
            match self.judges(*account).await {
                Ok(books) if books.is_empty() => {}
                Ok(books) => {
                    let threshold = self.threshold(*account).await;
                    let Some(threshold) = threshold else { continue };
                    let verdict = each(&books);
                    let judged = Judged {
                        percent: verdict.percent,
                        is_junk: threshold.is_some_and(|from| verdict.percent >= from),
                        evidence: verdict.evidence,
                    };
                    judgements.by.insert(*account, judged);
                }
                Err(error) => {
                    tracing::warn!(account = account.0, %error, "what was learned cannot be read");
                }
            }
        }
        // Readers of the same letter are not to learn of each other's mail by it.
        judgements.common = match readers.len() {
            1 if !has_others => judgements.by.values().map(|judged| judged.percent).next(),
            _ => match self.site_judges().await {
                Ok(books) if !books.is_empty() => Some(each(&books).percent),
                _ => None,
            },
        };
        judgements
    }

    /// From how many of a hundred on a letter is junk to this reader: the inner `None` where none
    /// is filed, the outer where none is to be judged.
    async fn threshold(&self, account: AccountId) -> Option<Option<u8>> {
        let keeper = self.keeper(account);
        let wish = match Self::glance(&keeper, SpamWish::of) {
            Some(wish) => wish,
            // An account that has gone is the commit's affair.
            None => self.look(&keeper, SpamWish::of).await.ok()?,
        };
        let rules = &self.rules().spam;
        match wish {
            SpamWish::Off => None,
            _ if rules.measure != SpamMeasure::Junk => Some(None),
            SpamWish::House => Some(Some(rules.threshold_percent)),
            SpamWish::From(percent) => Some(Some(percent)),
        }
    }

    /// The account that is the site's.
    fn site_account(&self) -> Option<AccountId> {
        let site = self.rules().spam.site.as_ref()?;
        let known = self.inner.directory.maps().known(site);
        known.ok().map(|(id, _)| id)
    }

    /// What has learned enough to say something to this reader, the site's before the own.
    async fn judges(&self, account: AccountId) -> Outcome<Vec<Arc<Book>>> {
        let mut books = self.site_judges().await?;
        if self.site_account() != Some(account) {
            books.extend(self.trained_book(account).await?);
        }
        Ok(books)
    }

    async fn site_judges(&self) -> Outcome<Vec<Arc<Book>>> {
        match self.site_account() {
            Some(site) => Ok(self.trained_book(site).await?.into_iter().collect()),
            None => Ok(Vec::new()),
        }
    }
}

/// A verdict by these.
fn judge_by(books: &[Arc<Book>], clues: &Clues, evidence_max: usize) -> Verdict {
    let held: Vec<_> = books.iter().map(|book| book.read()).collect();
    let models: Vec<&Model> = held.iter().map(|held| held.model()).collect();
    spam::judge(clues, &models, evidence_max)
}

impl Account {
    /// Judges a letter as it would be judged now, and says why.
    ///
    /// # Errors
    /// If what was learned cannot be read.
    pub async fn explain(&self, clues: &Clues) -> Outcome<Explained> {
        let house = self.house();
        let books = house.judges(self.id()).await?;
        let site = house.site_account();
        let own = Some(self.id()).filter(|own| site != Some(*own));
        let mut asked = Vec::new();
        for id in site.into_iter().chain(own) {
            asked.extend(house.trained_book(id).await?.map(|_| id));
        }
        let address = |id: AccountId| house.inner.directory.address_of(id);
        Ok(Explained {
            verdict: judge_by(&books, clues, EXPLAINED_MAX),
            threshold_percent: house.threshold(self.id()).await.flatten(),
            asked: asked.into_iter().filter_map(address).collect(),
        })
    }

    /// What its owner wants.
    ///
    /// # Errors
    /// If the account cannot be read.
    pub async fn spam_wish(&self) -> Outcome<SpamWish> {
        self.look(SpamWish::of).await
    }

    /// Says what its owner wants.
    ///
    /// # Errors
    /// As [`Account::set_metadata`].
    pub async fn set_spam_wish(&self, wish: SpamWish) -> Outcome<()> {
        let value = match wish {
            SpamWish::House => None,
            SpamWish::Off => Some("off".into()),
            SpamWish::From(percent) => Some(percent.to_string().into()),
        };
        self.set_metadata(None, &[(WANTED.to_owned(), value)]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_owners_want() {
        for (text, expected) in [
            ("off", Some(SpamWish::Off)),
            ("90", Some(SpamWish::From(90))),
            ("100", Some(SpamWish::From(100))),
            ("0", None),
            ("101", None),
            ("", None),
            ("on", None),
        ] {
            assert_eq!(SpamWish::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn the_field_is_read_as_it_is_written() {
        let judgements = Judgements {
            common: Some(97),
            ..Judgements::default()
        };
        let header = judgements.field() + "Subject: 5\r\n\r\n";
        assert_eq!(told_percent(header.as_bytes()), Some(97));
        assert_eq!(Judgements::default().field(), "");
        assert_eq!(told_percent(b"Subject: 5\r\n\r\n"), None);
    }
}
