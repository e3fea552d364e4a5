//! Counts in memory: of accounts that are judged for or that learn, within a budget.
//!
//! Of an account that has not learned enough only that is known; its counts are read when they
//! are needed. Who changes them has the book's turn; memory follows what is on the disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use mail::AccountId;
use spam::{Change, Model};
use store::Partition;

use super::rows::{self, Letters};
use crate::ledger::scan;
use crate::tables::{SPAM_CLUES, SPAM_LETTERS};
use crate::{Error, Fault, Outcome, Post};

/// Books that are held, most of them of accounts that have learned nothing.
const BOOKS_MAX: usize = 20_000;
/// Octets that a book takes without its counts.
const BOOK_OCTETS: usize = 256;

/// All books.
#[derive(Debug, Default)]
pub(crate) struct Models {
    books: Mutex<HashMap<AccountId, Arc<Book>>>,
    asks: AtomicU64,
}

/// The counts of one account.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Whoever reads or changes what is on the disk has it.
    pub(super) turn: tokio::sync::Mutex<()>,
    held: RwLock<Held>,
    octets: AtomicUsize,
    used: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Held {
    /// How much was learned, once that is known.
    pub(super) letters: Option<Letters>,
    /// True if the model has all counts.
    is_whole: bool,
    model: Model,
}

impl Held {
    pub(super) const fn model(&self) -> &Model {
        &self.model
    }
}

impl Book {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a change that is on the disk.
    pub(super) fn apply(&self, change: &Change, letters: Letters) {
        let mut held = self.write();
        held.letters = Some(letters);
        if held.is_whole {
            held.model.apply(change);
        } else {
            held.model.put_letters(change.letters);
        }
        self.octets.store(held.model.octets(), Ordering::Relaxed);
    }

    /// Forgets what is in memory: the next use reads the disk.
    pub(super) fn drop_memory(&self) {
        *self.write() = Held::default();
        self.octets.store(0, Ordering::Relaxed);
    }
}

impl Models {
    fn books(&self) -> MutexGuard<'_, HashMap<AccountId, Arc<Book>>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one book of an account.
    pub(super) fn book(&self, account: AccountId) -> Arc<Book> {
        let now = self.asks.fetch_add(1, Ordering::Relaxed);
        let mut books = self.books();
        let book = Arc::clone(books.entry(account).or_default());
        book.used.store(now, Ordering::Relaxed);
        book
    }

    /// Drops books that nobody uses until the others fit: those first that were used longest ago.
    fn make_room(&self, octets_max: usize) {
        let mut books = self.books();
        let octets = |book: &Book| book.octets.load(Ordering::Relaxed) + BOOK_OCTETS;
        let mut all: usize = books.values().map(|book| octets(book)).sum();
        if all <= octets_max && books.len() <= BOOKS_MAX {
            return;
        }
        let used = |(id, book): (&AccountId, &Arc<Book>)| (book.used.load(Ordering::Relaxed), *id);
        let mut order: Vec<(u64, AccountId)> = books.iter().map(used).collect();
        order.sort_unstable();
        for (_, id) in order {
            if all <= octets_max && books.len() <= BOOKS_MAX {
                return;
            }
            // Whoever has it in hand would go on with one that others do not see.
            if let Some(book) = books.get(&id).filter(|book| Arc::strong_count(book) == 1) {
                all = all.saturating_sub(octets(book));
                books.remove(&id);
            }
        }
    }
}

impl Post {
    /// The counts of an account, in memory, if they have learned enough to say something.
    pub(super) async fn trained_book(&self, account: AccountId) -> Outcome<Option<Arc<Book>>> {
        let book = self.inner.models.book(account);
        let letters_min = self.rules().spam.letters_min;
        let is_trained = |letters: Letters| {
            letters.tally.good >= letters_min && letters.tally.junk >= letters_min
        };
        {
            let held = book.read();
            match held.letters.map(is_trained) {
                Some(false) => return Ok(None),
                Some(true) if held.is_whole => {
                    drop(held);
                    return Ok(Some(book));
                }
                _ => {}
            }
        }
        let _turn = book.turn.lock().await;
        if !is_trained(self.letters_of(&book, account).await?) {
            return Ok(None);
        }
        self.load(&book, account).await?;
        Ok(Some(Arc::clone(&book)))
    }

    /// How much an account has learned. The caller has the book's turn.
    pub(super) async fn letters_of(&self, book: &Book, account: AccountId) -> Outcome<Letters> {
        if let Some(letters) = book.read().letters {
            return Ok(letters);
        }
        let store = self.inner.store.as_ref();
        let found = store.get(Partition(account.0), SPAM_LETTERS, vec![Bytes::new()]);
        let found = found
            .await
            .map_err(Error::reading("reading what was learned"))?;
        let letters = match found.into_iter().flatten().next() {
            Some(value) => rows::read_letters(&value).ok_or(Fault::Row("what was learned"))?,
            None => Letters::default(),
        };
        let mut held = book.write();
        held.letters = Some(letters);
        held.model.put_letters(letters.tally);
        drop(held);
        self.inner
            .models
            .make_room(self.rules().spam.memory_octets_max);
        Ok(letters)
    }

    /// Reads all counts of an account. The caller has the book's turn.
    pub(super) async fn load(&self, book: &Book, account: AccountId) -> Outcome<()> {
        if book.read().is_whole {
            return Ok(());
        }
        let letters = self.letters_of(book, account).await?;
        let mut model = Model::default();
        model.put_letters(letters.tally);
        scan(
            self.inner.store.as_ref(),
            Partition(account.0),
            SPAM_CLUES,
            |row| {
                let (clue, known) = rows::read_clue(&row.key, &row.value)?;
                model.put(clue, known);
                Some(())
            },
        )
        .await?;
        book.octets.store(model.octets(), Ordering::Relaxed);
        {
            let mut held = book.write();
            held.model = model;
            held.is_whole = true;
        }
        self.inner
            .models
            .make_room(self.rules().spam.memory_octets_max);
        Ok(())
    }
}
