//! What people do with their mail teaches: moving it to where junk is and away from there, and the
//! keywords `$Junk` and `$NotJunk`. And what is taught by hand.
//!
//! It is a step of its own behind the one that was done: nothing fails for it, and a crash between
//! the two loses no more than one lesson. A letter counts once; what it counts as is noted, so that
//! moving it back makes that undone.
//!
//! Not here: the counts themselves (the room `spam`).

use std::collections::HashMap;

use bytes::Bytes;
use mail::{EmailId, Flag, FlagSet, Keyword, MailboxId, Rights, Uid};
use spam::{CLUES_VERSION, Change, Class, Clues, Note, Step, Wish};
use store::{Direction, Write};
use tokio::sync::oneshot;

use super::models::Book;
use super::rows::{self, Letters, NoteRow};
use super::{Explained, is_junk, is_trash};
use crate::draft::Flagging;
use crate::ledger::{Folder, Ledger, scan};
use crate::tables::{self, SPAM_CLUES, SPAM_LETTERS, SPAM_NOTES};
use crate::{Account, Copied, Error, Fault, Outcome, Post, Why};

/// Letters that are learned in one step.
const LETTERS_AT_ONCE_MAX: usize = 50;
/// Letters of one command that teach anything.
const LETTERS_MAX: usize = 10_000;
/// Octets of a letter that is looked at whole, and of the beginning of a larger one.
const WHOLE_OCTETS_MAX: u64 = 256 * 1024;
const BEGINNING_OCTETS: u64 = 128 * 1024;
/// Notes on letters that one account has; beyond it the oldest quarter goes.
const NOTES_MAX: u64 = 50_000;
/// Rows that one step forgets.
const FORGOTTEN_MAX: usize = 5000;
const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// How much an account has learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpamStatus {
    /// Good letters.
    pub good: u32,
    /// Junk.
    pub junk: u32,
    /// Clues that are known, where they are in memory or were counted.
    pub clues: u64,
    /// Letters that are noted, so that they count once.
    pub notes: u64,
}

/// What came of teaching with a mailbox, one step of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trained {
    /// Letters that were looked at.
    pub letters: u64,
    /// Letters that taught something.
    pub learned: u64,
    /// Behind which letter the next step begins; `None` where there are no more.
    pub next: Option<Uid>,
}

/// What is to be learned of one letter.
#[derive(Debug)]
struct Lesson {
    what: What,
    wish: Wish,
}

#[derive(Debug)]
enum What {
    /// A message of the account.
    Stored(EmailId),
    /// A letter that is none.
    Other(Clues),
}

impl What {
    fn key(&self) -> Bytes {
        match self {
            Self::Stored(email) => rows::email_key(*email),
            Self::Other(clues) => rows::other_key(clues.fingerprint()),
        }
    }
}

/// What one step of learning is.
#[derive(Debug, Default)]
struct Plan {
    writes: Vec<Write>,
    learned: Vec<(Clues, Step)>,
    letters: Letters,
}

/// True if these changes set or take away a keyword that says what is junk.
pub(crate) fn says_junk(folder: &Folder, flaggings: &[Flagging]) -> bool {
    let told: FlagSet = [JUNK, GOOD]
        .iter()
        .copied()
        .flatten()
        .filter_map(|name| flag(name))
        .collect();
    let bits = folder.known_keywords(&told);
    bits != 0
        && flaggings.iter().any(|now| {
            let before = folder.entry(now.uid);
            before.is_some_and(|before| (before.keywords ^ now.keywords) & bits != 0)
        })
}

/// Keywords that call a letter junk, as programs write them.
const JUNK: &[&str] = &["$Junk", "Junk"];
/// Keywords that call it good.
const GOOD: &[&str] = &["$NotJunk", "NotJunk", "NonJunk"];

fn flag(name: &str) -> Option<Flag> {
    Keyword::parse(name).map(Flag::Keyword)
}

/// What the keywords of a letter say of it.
fn said(flags: &FlagSet) -> Option<Class> {
    let has = |names: &[&str]| {
        names
            .iter()
            .filter_map(|name| flag(name))
            .any(|one| flags.contains(&one))
    };
    match (has(JUNK), has(GOOD)) {
        (true, false) => Some(Class::Junk),
        (false, true) => Some(Class::Good),
        _ => None,
    }
}

impl Account {
    /// Learns of letters that were copied or moved from a mailbox to one of this account. Nothing
    /// fails for it; of many letters it may go on when this returns.
    pub async fn sorted(&self, (from, source): (&Self, MailboxId), copied: &Copied) {
        if !self.house.rules().spam.is_on() || copied.pairs.is_empty() {
            return;
        }
        let own = from.id() == self.id();
        let class = move |ledger: &Ledger| {
            let came = own && is_junk(ledger, source);
            match is_junk(ledger, copied.mailbox) {
                true if came => None,
                true => Some(Class::Junk),
                false if came && !is_trash(ledger, copied.mailbox) => Some(Class::Good),
                false => None,
            }
        };
        let class = match Post::glance(&self.keeper, class) {
            Some(class) => class,
            None => self.look(class).await.ok().flatten(),
        };
        let Some(class) = class else { return };
        let uids = copied.pairs.iter().map(|(_, uid)| *uid);
        self.learn_of(copied.mailbox, uids.collect(), move |_| Wish::Moved(class))
            .await;
    }

    /// Learns of letters whose flags have changed, if that concerns it.
    pub async fn flags_said(&self, mailbox: MailboxId, changed: &[(Uid, FlagSet)]) {
        if !self.house.rules().spam.is_on() {
            return;
        }
        let concerns = |flags: &FlagSet| {
            let mut names = JUNK.iter().chain(GOOD).filter_map(|name| flag(name));
            names.any(|one| flags.contains(&one))
        };
        let uids = changed.iter().filter(|(_, flags)| concerns(flags));
        let uids: Vec<Uid> = uids.map(|(uid, _)| *uid).collect();
        if !uids.is_empty() {
            self.learn_of(mailbox, uids, |flags| Wish::Said(said(flags)))
                .await;
        }
    }

    async fn learn_of(
        &self,
        mailbox: MailboxId,
        mut uids: Vec<Uid>,
        wish: impl Fn(&FlagSet) -> Wish + Send + Sync + 'static,
    ) {
        uids.truncate(LETTERS_MAX);
        let (account, at_once) = (self.clone(), uids.len() <= LETTERS_AT_ONCE_MAX);
        let learn = async move {
            for uids in uids.chunks(LETTERS_AT_ONCE_MAX) {
                let lessons = account
                    .look(|ledger| {
                        let Ok(folder) = ledger.folder(mailbox) else {
                            return Vec::new();
                        };
                        let entries = uids.iter().filter_map(|uid| folder.entry(*uid));
                        entries
                            .map(|entry| Lesson {
                                what: What::Stored(entry.email),
                                wish: wish(&folder.flags(entry)),
                            })
                            .collect()
                    })
                    .await;
                let learned = match lessons {
                    Ok(lessons) => account.learn_now(&lessons).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = learned {
                    let account = account.keeper.account.0;
                    tracing::warn!(account, %mailbox, %error, "nothing is learned of it");
                }
            }
        };
        if !at_once {
            self.house.inner.outside.detach(Box::pin(learn));
            return;
        }
        let learned = async move {
            learn.await;
            Ok(())
        };
        // What went wrong was logged.
        drop(self.to_its_end(learned).await);
    }

    /// Learns a letter by hand: that it is this, or, with `None`, that it counts as nothing any
    /// more. True if that is another thing than before.
    ///
    /// # Errors
    /// [`Why::Cannot`] where nothing is learned in this house, or if it cannot be stored.
    pub async fn train(&self, clues: Clues, class: Option<Class>) -> Outcome<bool> {
        self.check_learns()?;
        let lesson = Lesson {
            what: What::Other(clues),
            wish: Wish::Said(class),
        };
        Ok(self.learn(vec![lesson]).await? > 0)
    }

    /// Learns the letters of a mailbox by hand, those behind `after`, as many as go in one step.
    ///
    /// # Errors
    /// As [`Account::train`], and [`Why::Nonexistent`] if there is no such mailbox.
    pub async fn train_mailbox(
        &self,
        name: &str,
        class: Option<Class>,
        after: Option<Uid>,
    ) -> Outcome<Trained> {
        self.check_learns()?;
        let some = self
            .look(|ledger| {
                let (_, folder) = ledger
                    .find(name)
                    .ok_or_else(|| Error::nonexistent("There is no such mailbox"))?;
                let behind = folder
                    .entries
                    .iter()
                    .filter(|entry| Some(entry.uid) > after);
                let some = behind.take(LETTERS_AT_ONCE_MAX + 1);
                Ok::<Vec<_>, Error>(some.map(|entry| (entry.uid, entry.email)).collect())
            })
            .await??;
        let lessons = some
            .iter()
            .take(LETTERS_AT_ONCE_MAX)
            .map(|(_, email)| Lesson {
                what: What::Stored(*email),
                wish: Wish::Said(class),
            });
        let lessons: Vec<Lesson> = lessons.collect();
        let letters = u64::try_from(lessons.len()).unwrap_or_default();
        let learned = self.learn(lessons).await?;
        let last = some.get(LETTERS_AT_ONCE_MAX - 1).map(|(uid, _)| *uid);
        Ok(Trained {
            letters,
            learned: u64::try_from(learned).unwrap_or_default(),
            next: last.filter(|_| some.len() > LETTERS_AT_ONCE_MAX),
        })
    }

    /// Judges a message of a mailbox as it would be judged now.
    ///
    /// # Errors
    /// [`Why::Nonexistent`] if it is not there, or if it cannot be read.
    pub async fn explain_message(&self, name: &str, uid: Uid) -> Outcome<Explained> {
        let email = self
            .look(|ledger| {
                let (id, _) = ledger.find(name)?;
                let folder = self.folder(ledger, id, Rights::READ).ok()?;
                Some(folder.entry(uid)?.email)
            })
            .await?;
        let email = email.ok_or_else(|| Error::nonexistent("There is no such message"))?;
        let clues = self.clues_of(email).await?;
        let clues = clues.ok_or_else(|| Error::nonexistent("The message has gone"))?;
        self.explain(&clues).await
    }

    /// How much it has learned.
    ///
    /// # Errors
    /// If that cannot be read.
    pub async fn spam_status(&self) -> Outcome<SpamStatus> {
        let book = self.house.inner.models.book(self.id());
        let _turn = book.turn.lock().await;
        self.house.load(&book, self.id()).await?;
        let letters = self.house.letters_of(&book, self.id()).await?;
        let clues = book.read().model().len();
        Ok(SpamStatus {
            good: letters.tally.good,
            junk: letters.tally.junk,
            clues: u64::try_from(clues).unwrap_or(u64::MAX),
            notes: letters.notes,
        })
    }

    /// Forgets all that it has learned. Tells how many clues and notes that were.
    ///
    /// # Errors
    /// If it cannot be stored; what was forgotten until then stays so.
    pub async fn forget_training(&self) -> Outcome<u64> {
        let account = self.clone();
        self.to_its_end(async move { account.forget_now().await })
            .await
    }

    async fn forget_now(&self) -> Outcome<u64> {
        let book = self.house.inner.models.book(self.id());
        let _turn = book.turn.lock().await;
        // First the row that says how much there is: the rest says nothing without it.
        let first = [tables::delete(SPAM_LETTERS, Bytes::new())];
        let done = self.write_all(&first).await;
        book.drop_memory();
        done?;
        let mut forgotten = 0;
        for table in [SPAM_CLUES, SPAM_NOTES] {
            loop {
                let store = self.house.inner.store.as_ref();
                let all = (Bytes::new(), None);
                let page = store.scan(
                    self.keeper.partition(),
                    table,
                    all,
                    FORGOTTEN_MAX,
                    Direction::Rising,
                );
                let page = page
                    .await
                    .map_err(Error::reading("reading what was learned"))?;
                let keys = page.rows.into_iter().map(|row| row.key);
                let writes: Vec<Write> = keys.map(|key| tables::delete(table, key)).collect();
                forgotten += u64::try_from(writes.len()).unwrap_or_default();
                if writes.is_empty() {
                    break;
                }
                self.write_all(&writes).await?;
            }
        }
        book.drop_memory();
        Ok(forgotten)
    }

    fn check_learns(&self) -> Outcome<()> {
        match self.house.rules().spam.is_on() {
            true => Ok(()),
            false => {
                let text = "Nothing is learned here: the filter is off";
                Err(Error::refused(Why::Cannot, 550, [5, 3, 3], text))
            }
        }
    }

    /// Learns of letters; tells how many count as another thing now.
    async fn learn(&self, lessons: Vec<Lesson>) -> Outcome<usize> {
        let account = self.clone();
        self.to_its_end(async move { account.learn_now(&lessons).await })
            .await
    }

    /// Does it to its end, whoever waits for it: what is in memory has to follow what is on the
    /// disk.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> Outcome<T> {
        let (done, answer) = oneshot::channel();
        self.house.inner.outside.detach(Box::pin(async move {
            // Whoever waited may have gone; then the answer goes nowhere.
            drop(done.send(work.await));
        }));
        answer.await.map_err(|_| {
            let text = "The server is about to stop; please try again later";
            Error::refused(Why::Unavailable, 450, [4, 3, 2], text)
        })?
    }

    /// Learns of letters in one durable step each so many. It must not be broken off.
    async fn learn_now(&self, lessons: &[Lesson]) -> Outcome<usize> {
        let book = self.house.inner.models.book(self.id());
        let mut learned = 0;
        for some in lessons.chunks(LETTERS_AT_ONCE_MAX) {
            let _turn = book.turn.lock().await;
            self.house.load(&book, self.id()).await?;
            let plan = self.plan(&book, some).await?;
            if plan.writes.is_empty() {
                continue;
            }
            let (change, letters, writes) = self.completed(&book, &plan).await?;
            if let Err(error) = self.write_all(&writes).await {
                // Whether it is on the disk, the disk will say.
                book.drop_memory();
                return Err(error);
            }
            book.apply(&change, letters);
            learned += plan.learned.len();
        }
        Ok(learned)
    }

    /// What is to be learned, and which notes are written.
    async fn plan(&self, book: &Book, lessons: &[Lesson]) -> Outcome<Plan> {
        let mut plan = Plan {
            letters: self.house.letters_of(book, self.id()).await?,
            ..Plan::default()
        };
        let mut notes = self.notes(lessons).await?;
        let day = self.today();
        for lesson in lessons {
            let key = lesson.what.key();
            let kept = notes.get(&key).copied();
            let before = kept.map(|row| row.note).unwrap_or_default();
            let after = before.after(lesson.wish);
            if before == after {
                continue;
            }
            let mut step = before.step_to(after);
            if kept.is_some_and(|row| !row.is_current()) {
                // What it was learned of, nobody knows any more.
                step.before = None;
            }
            if step.before != step.after {
                let clues = match &lesson.what {
                    What::Other(clues) => Some(clues.clone()),
                    What::Stored(email) => self.clues_of(*email).await?,
                };
                let Some(clues) = clues else { continue };
                plan.learned.push((clues, step));
            }
            let row = NoteRow {
                note: after,
                clues: CLUES_VERSION,
                day,
            };
            match (kept.is_some(), after == Note::default()) {
                (false, false) => plan.letters.notes += 1,
                (true, true) => plan.letters.notes = plan.letters.notes.saturating_sub(1),
                _ => {}
            }
            match after == Note::default() {
                true => notes.remove(&key),
                false => notes.insert(key.clone(), row),
            };
            plan.writes.push(rows::put_note(key, &row));
        }
        Ok(plan)
    }

    /// All rows of one step.
    async fn completed(&self, book: &Book, plan: &Plan) -> Outcome<(Change, Letters, Vec<Write>)> {
        let clues_max = self.house.rules().spam.clues_max;
        let learned = plan.learned.iter();
        let learned: Vec<(&Clues, Step)> = learned.map(|(clues, step)| (clues, *step)).collect();
        let change = book.read().model().plan(&learned, self.today(), clues_max);
        let mut letters = Letters {
            tally: change.letters,
            ..plan.letters
        };
        let mut writes = Vec::new();
        if letters.notes > NOTES_MAX {
            let old = self.oldest_notes().await?;
            let gone = u64::try_from(old.len()).unwrap_or_default();
            letters.notes = letters.notes.saturating_sub(gone);
            writes.extend(old.into_iter().map(|key| tables::delete(SPAM_NOTES, key)));
        }
        writes.extend(plan.writes.iter().cloned());
        let clues = change.clues.iter();
        writes.extend(clues.map(|(clue, known)| rows::put_clue(*clue, *known)));
        writes.push(letters.put());
        Ok((change, letters, writes))
    }

    /// The notes on these letters.
    async fn notes(&self, lessons: &[Lesson]) -> Outcome<HashMap<Bytes, NoteRow>> {
        let keys: Vec<Bytes> = lessons.iter().map(|lesson| lesson.what.key()).collect();
        let store = self.house.inner.store.as_ref();
        let found = store.get(self.keeper.partition(), SPAM_NOTES, keys.clone());
        let found = found
            .await
            .map_err(Error::reading("reading what was learned"))?;
        let mut notes = HashMap::new();
        for (key, value) in keys.into_iter().zip(found) {
            let Some(value) = value else { continue };
            let row = rows::read_note(&value).ok_or(Fault::Row("what was learned"))?;
            notes.insert(key, row);
        }
        Ok(notes)
    }

    /// The keys of the oldest quarter of all notes.
    async fn oldest_notes(&self) -> Outcome<Vec<Bytes>> {
        let mut all: Vec<(u16, Bytes)> = Vec::new();
        let store = self.house.inner.store.as_ref();
        scan(store, self.keeper.partition(), SPAM_NOTES, |row| {
            all.push((rows::read_note(&row.value)?.day, row.key.clone()));
            Some(())
        })
        .await?;
        all.sort_unstable();
        all.truncate(all.len() / 4);
        Ok(all.into_iter().map(|(_, key)| key).collect())
    }

    /// The clues of a message, or of the beginning of a large one; `None` if it has gone.
    async fn clues_of(&self, email: EmailId) -> Outcome<Option<Clues>> {
        let row = self.emails(&[email]).await?.pop().flatten();
        let Some(row) = row else { return Ok(None) };
        let octets = match row.size > WHOLE_OCTETS_MAX {
            true => BEGINNING_OCTETS,
            false => row.size,
        };
        let octets = self.house.octets_of(&row, 0, octets).await?;
        Ok(Some(Clues::of_message(&octets)))
    }

    async fn write_all(&self, writes: &[Write]) -> Outcome<()> {
        self.change(|draft| {
            writes.iter().cloned().for_each(|write| draft.write(write));
            Ok(())
        })
        .await
    }

    /// Days since 1970.
    fn today(&self) -> u16 {
        let seconds = self.house.outside().now().seconds;
        u16::try_from(seconds / SECONDS_A_DAY).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keywords_say() {
        let flags = |names: &[&str]| {
            names
                .iter()
                .filter_map(|name| flag(name))
                .collect::<FlagSet>()
        };
        for (names, expected) in [
            (&["$Junk"][..], Some(Class::Junk)),
            (&["$NotJunk"], Some(Class::Good)),
            (&["NonJunk", "other"], Some(Class::Good)),
            (&["$Junk", "$NotJunk"], None),
            (&["other"], None),
            (&[], None),
        ] {
            assert_eq!(said(&flags(names)), expected, "{names:?}");
        }
    }
}
