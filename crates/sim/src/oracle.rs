//! What was acknowledged: the truth that every server is held to.
//!
//! A change whose answer did not come is in doubt: it has to be there wholly or not at all. There
//! is at most one for each account, as its owner does one thing after the other; letters of others
//! may be in doubt beside it, and one for several recipients is there for all of them or for none.
//!
//! What is known of UIDs: none is given twice, none comes back, the next one only grows. Of
//! mod-sequences: none that was seen becomes smaller, neither of a letter nor of a mailbox.

mod account;
mod change;
mod deed;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::account::{Letter, Mailbox};
pub use self::change::Change;
pub use self::deed::Deed;

use self::account::{Account, Known};
use crate::{Dice, fill};

/// One look at a mailbox.
#[derive(Clone, Debug)]
pub struct Glimpse {
    /// UIDVALIDITY.
    pub uid_validity: u64,
    /// UIDNEXT.
    pub uid_next: u64,
    /// HIGHESTMODSEQ.
    pub modseq: u64,
    /// By rising UID.
    pub letters: Vec<Seen>,
}

/// One letter as it was seen.
#[derive(Clone)]
pub struct Seen {
    /// Its UID.
    pub uid: u64,
    /// Its mod-sequence.
    pub modseq: u64,
    /// Its flags.
    pub flags: BTreeSet<String>,
    /// What it is.
    pub token: String,
    /// What is behind its header; empty if that was not looked at.
    pub body: Vec<u8>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (uid, modseq, token) = (self.uid, self.modseq, &self.token);
        let (flags, octets) = (&self.flags, self.body.len());
        write!(
            f,
            "UID {uid} {token} {flags:?}, MODSEQ {modseq}, {octets} octets"
        )
    }
}

/// What became of a letter from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nobody knows yet.
    Doubt,
    /// It was taken: said, or seen.
    Taken,
    /// It was refused, or is known to be lost.
    Refused,
}

/// The oracle of one house; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Oracle(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    accounts: Vec<Account>,
    /// Letters from outside: who was to get them, and their fate.
    letters: BTreeMap<String, (Vec<usize>, Fate)>,
    /// Octets each letter was written with.
    sizes: BTreeMap<String, usize>,
    /// Letters that owners put in themselves, each once.
    appended: Vec<String>,
    tokens: u64,
    /// Things that clients were told they had done.
    acknowledged: u64,
}

/// What has to be seen at the least by a look that begins now.
#[derive(Clone, Debug)]
pub struct Due(Vec<Vec<String>>);

impl Oracle {
    /// Of so many accounts, of which nothing is known.
    #[must_use]
    pub fn new(accounts: usize) -> Self {
        let oracle = Self::default();
        oracle.lock().accounts = (0..accounts).map(|_| Account::default()).collect();
        oracle
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A letter that nobody has written before.
    #[must_use]
    pub fn write(&self, octets: usize) -> (String, String) {
        let mut state = self.lock();
        state.tokens += 1;
        let token = format!("letter-{}", state.tokens);
        state.sizes.insert(token.clone(), octets);
        let text = fill::letter(&token, octets);
        (token, text)
    }

    /// A letter that somebody put in before, whatever became of it: the same octets.
    #[must_use]
    pub fn write_again(&self, dice: &Dice) -> Option<(String, String)> {
        let state = self.lock();
        let token = dice.of(&state.appended)?;
        let text = fill::letter(token, *state.sizes.get(token)?);
        Some((token.clone(), text))
    }

    /// A letter's last octets are about to be sent.
    pub fn sending(&self, token: &str, to: Vec<usize>) {
        let letter = (to, Fate::Doubt);
        self.lock().letters.insert(token.to_owned(), letter);
    }

    /// What its sender was told.
    ///
    /// # Errors
    /// If a letter was refused that somebody has.
    pub fn told(&self, token: &str, taken: bool) -> Result<(), String> {
        let mut state = self.lock();
        let state = &mut *state;
        let Some((to, fate)) = state.letters.get_mut(token) else {
            return Ok(());
        };
        match (*fate, taken) {
            (Fate::Doubt, true) => {
                *fate = Fate::Taken;
                for account in to {
                    if let Some(account) = state.accounts.get_mut(*account) {
                        account.expect("INBOX", token);
                    }
                }
            }
            (Fate::Taken, false) => return Err(format!("{token} was refused, and is there")),
            (Fate::Doubt, false) => *fate = Fate::Refused,
            _ => {}
        }
        state.acknowledged += u64::from(taken);
        Ok(())
    }

    /// What an account's next look has to see.
    #[must_use]
    pub fn due(&self, account: usize) -> Due {
        let state = self.lock();
        Due(state
            .accounts
            .get(account)
            .map(Account::awaited)
            .into_iter()
            .collect())
    }

    /// An owner is about to ask for a change.
    pub fn asking(&self, account: usize, change: Change) {
        let mut state = self.lock();
        if let Change::Append { token, .. } = &change
            && !state.appended.contains(token)
        {
            state.appended.push(token.clone());
        }
        if let Some(account) = state.accounts.get_mut(account) {
            account.doubt = Some(change);
        }
    }

    /// What the owner was told.
    pub fn answered(&self, account: usize, done: bool) {
        let mut state = self.lock();
        if let Some(account) = state.accounts.get_mut(account)
            && let Some(change) = account.doubt.take()
            && done
        {
            change.apply(&mut account.known);
            state.acknowledged += 1;
        }
    }

    /// What an owner did last, if it took something away and can be undone; none while something
    /// is in doubt.
    #[must_use]
    pub fn deed(&self, account: usize) -> Option<Deed> {
        let state = self.lock();
        let account = state.accounts.get(account)?;
        let deed = account.known.last.clone();
        deed.filter(|deed| account.doubt.is_none() && deed.is_plain(&account.known))
    }

    /// What could be undone was forgotten.
    pub fn forgotten(&self) {
        for account in &mut self.lock().accounts {
            account.known.last = None;
        }
    }

    /// Things that were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.lock().acknowledged
    }

    /// An account's mailboxes, as far as they are known.
    #[must_use]
    pub fn mailboxes(&self, account: usize) -> BTreeMap<String, Mailbox> {
        let state = self.lock();
        let account = state.accounts.get(account);
        account
            .map(|account| account.known.mailboxes.clone())
            .unwrap_or_default()
    }

    /// True if this is what is behind a letter's header.
    #[must_use]
    pub fn is_letter(&self, token: &str, body: &[u8]) -> bool {
        let octets = self.lock().sizes.get(token).copied();
        let written = octets.map(|octets| fill::letter(token, octets));
        written.is_some_and(|written| fill::behind_header(written.as_bytes()) == body)
    }

    /// Compares what was seen of an account with what must be there, and learns from it.
    ///
    /// # Errors
    /// Says what cannot be.
    pub fn judge(
        &self,
        at: usize,
        seen: &BTreeMap<String, Glimpse>,
        due: &Due,
    ) -> Result<(), String> {
        let mut state = self.lock();
        let state = &mut *state;
        for (name, glimpse) in seen {
            for letter in &glimpse.letters {
                let octets = state.sizes.get(&letter.token).copied();
                let octets = octets.ok_or_else(|| format!("{name}: nobody wrote {letter:?}"))?;
                if letter.body.is_empty() {
                    continue;
                }
                let written = fill::letter(&letter.token, octets);
                if letter.body != fill::behind_header(written.as_bytes()) {
                    return Err(format!("{name}: {} is not what was written", letter.token));
                }
            }
        }
        let account = state.accounts.get_mut(at).ok_or("no such account")?;
        let due = due.0.first().map(Vec::as_slice).unwrap_or_default();
        let doubtful = |token: &str| {
            let letter = state.letters.get(token);
            letter.is_some_and(|(to, fate)| *fate == Fate::Doubt && to.contains(&at))
        };
        let arrived = account.judge(seen, due, &doubtful)?;
        for token in arrived {
            let Some((to, fate)) = state.letters.get_mut(&token) else {
                continue;
            };
            *fate = Fate::Taken;
            for other in to.iter().filter(|other| **other != at) {
                if let Some(other) = state.accounts.get_mut(*other) {
                    other.expect("INBOX", &token);
                }
            }
        }
        Ok(())
    }

    /// Everybody was looked at while nothing went on: what is still in doubt is not there.
    ///
    /// # Errors
    /// If a letter is there for one recipient and not for another.
    pub fn settle(&self) -> Result<(), String> {
        let mut state = self.lock();
        for (_, fate) in state.letters.values_mut() {
            if *fate == Fate::Doubt {
                *fate = Fate::Refused;
            }
        }
        for (at, account) in state.accounts.iter().enumerate() {
            if let Some(token) = account.awaited().first() {
                return Err(format!("account {at} lacks {token}, which others have"));
            }
        }
        Ok(())
    }
}

impl Known {
    /// A mailbox that must be there, or there is a mistake in this world.
    fn mailbox(&mut self, name: &str) -> &mut Mailbox {
        self.mailboxes.entry(name.to_owned()).or_default()
    }
}
