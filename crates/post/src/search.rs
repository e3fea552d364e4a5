//! Finding messages (RFC 9051 §6.4.4): exact, by substring, without regard to case; or, where that
//! is asked for, by words that may be written a little otherwise (RFC 6203).
//!
//! Memory answers what it can; the index rules messages out by their text; what is left is read.
//! See `docs/decisions/007-search.md` and `012-what-searching-compares.md`.

mod build;
mod narrow;
mod shelf;
mod texts;
mod waiting;

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use mail::{EmailId, Flag, MailboxId, ModSeq, Rights, ThreadId, Timestamp, UidSet};
use message::{FuzzyNeedle, Needle, Outline, header_text, search_text};

use crate::draft::bit;
use crate::fetch::at;
use crate::ledger::Folder;
use crate::tables::{EmailRow, Entry, SavedAt};
use crate::{Account, Error, Outcome, Why};

pub use self::narrow::Narrowed;

pub(crate) use self::shelf::Index;
pub(crate) use self::waiting::Waiting;

/// A calendar day: year, month (1–12), day.
pub type Day = (i32, u8, u8);

/// What to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Every message.
    All,
    /// These messages.
    Uids(Arc<UidSet>),
    /// Messages with the flag.
    Flag(Flag),
    /// Messages for which all of these are true.
    And(Vec<Self>),
    /// Messages for which one of these is true.
    Or(Vec<Self>),
    /// Messages for which it is not true.
    Not(Box<Self>),
    /// A field of this name contains the text; every field contains the empty text.
    Header(String, String),
    /// The body contains the text.
    Body(String),
    /// Header or body contain the text.
    Text(String),
    /// The words of the text are there, each of them perhaps with an error or two.
    Fuzzy(Within, String),
    /// INTERNALDATE's day is earlier.
    Before(Day),
    /// INTERNALDATE's day is this one.
    On(Day),
    /// INTERNALDATE's day is this one or later.
    Since(Day),
    /// The day it was put into the mailbox is earlier; INTERNALDATE's where that was not kept (RFC
    /// 8514 §4.3).
    SavedBefore(Day),
    /// The day it was put into the mailbox is this one.
    SavedOn(Day),
    /// The day it was put into the mailbox is this one or later.
    SavedSince(Day),
    /// The `Date` field's day is earlier.
    SentBefore(Day),
    /// The `Date` field's day is this one.
    SentOn(Day),
    /// The `Date` field's day is this one or later.
    SentSince(Day),
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// INTERNALDATE is older than this (RFC 5032).
    Older(Duration),
    /// INTERNALDATE is at most so old (RFC 5032).
    Younger(Duration),
    /// Its mod-sequence is at least this (RFC 7162).
    ModSeq(ModSeq),
    /// It has this id (RFC 8474).
    Email(EmailId),
    /// It is part of this conversation (RFC 8474).
    Thread(ThreadId),
}

/// Where words are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Within {
    /// In the fields of this name.
    Header(String),
    /// In the body.
    Body,
    /// In header or body.
    Text,
}

impl Query {
    /// True if it asks how near a text comes.
    fn is_fuzzy(&self) -> bool {
        match self {
            Self::Fuzzy(..) => true,
            Self::And(all) | Self::Or(all) => all.iter().any(Self::is_fuzzy),
            Self::Not(one) => one.is_fuzzy(),
            _ => false,
        }
    }

    /// True if it asks for conversations.
    fn names_thread(&self) -> bool {
        match self {
            Self::Thread(_) => true,
            Self::And(all) | Self::Or(all) => all.iter().any(Self::names_thread),
            Self::Not(one) => one.names_thread(),
            _ => false,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The messages.
    pub uids: UidSet,
    /// The largest mod-sequence among them.
    pub modseq: Option<ModSeq>,
    /// That of the one with the lowest UID.
    pub first_modseq: Option<ModSeq>,
    /// That of the one with the highest UID.
    pub last_modseq: Option<ModSeq>,
    /// How near each message comes to what is fuzzy in the query, from 1 to 100, by rising UID;
    /// none if nothing is.
    pub scores: Vec<u8>,
}

impl Account {
    /// Searches a mailbox. Keys that memory answers come first, then the index rules messages out;
    /// only those that are left open are read.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if the mailbox is gone, or a fault.
    pub async fn search(&self, mailbox: MailboxId, query: &Query) -> Outcome<Found> {
        let _pinned = self.keeper.pin();
        let narrowed = self.narrow(mailbox, query).await;
        self.search_narrowed(mailbox, query, &narrowed).await
    }

    /// The same with what the index said before, by [`Account::narrowed`], of the texts in this
    /// query: for several mailboxes of an account it is asked once.
    ///
    /// # Errors
    /// As [`Account::search`].
    pub async fn search_narrowed(
        &self,
        mailbox: MailboxId,
        query: &Query,
        narrowed: &Narrowed,
    ) -> Outcome<Found> {
        let _pinned = self.keeper.pin();
        let within = within(query);
        let now = self.house.outside().now();
        let (mut found, open) = self
            .look(|ledger| {
                let folder = self.folder(ledger, mailbox, Rights::READ)?;
                let (mut found, mut open) = (Vec::new(), Vec::new());
                let known = Known {
                    folder,
                    now,
                    narrowed,
                };
                let all = folder.entries.iter().filter(|_| within.is_none());
                let some = within.into_iter().flat_map(|uids| folder.among(uids));
                for entry in all.chain(some) {
                    match known.answer(query, entry) {
                        Some(true) => found.push((entry.uid, entry.modseq, NEAREST)),
                        Some(false) => {}
                        None => {
                            let rest = known.rest(query, entry);
                            open.push((*entry, Some(rest).filter(|rest| rest != query)));
                        }
                    }
                }
                Ok::<_, Error>((found, open))
            })
            .await??;
        for (at, batch) in open.chunks(READ_AT_ONCE).enumerate() {
            self.gauge.show(at * READ_AT_ONCE, open.len());
            let emails: Vec<_> = batch.iter().map(|(entry, _)| entry.email).collect();
            let rows = self.emails(&emails).await?;
            for ((entry, rest), row) in batch.iter().zip(rows) {
                // A message removed meanwhile is not found.
                let Some(row) = row else { continue };
                let rest = rest.as_ref().unwrap_or(query);
                if let Some(met) = self.reads(mailbox, entry, &row, rest).await? {
                    found.push((entry.uid, entry.modseq, met.0.unwrap_or(NEAREST)));
                }
            }
            // Searching is long; others want to be served meanwhile.
            yield_now().await;
        }
        found.sort_unstable();
        let scored = query.is_fuzzy();
        let scores = found.iter().filter(|_| scored).map(|(.., score)| *score);
        Ok(Found {
            uids: found.iter().map(|(uid, ..)| *uid).collect(),
            modseq: found.iter().map(|(_, modseq, _)| *modseq).max(),
            first_modseq: found.first().map(|(_, modseq, _)| *modseq),
            last_modseq: found.last().map(|(_, modseq, _)| *modseq),
            scores: scores.collect(),
        })
    }

    /// How the text of a message meets the query, of which only such keys are left.
    async fn reads(
        &self,
        mailbox: MailboxId,
        entry: &Entry,
        row: &EmailRow,
        query: &Query,
    ) -> Outcome<Option<Met>> {
        let outline = self.outline(mailbox, entry.uid, entry.email, row).await?;
        let read = match depth(query) {
            Depth::Outline => Ok((outline, Bytes::new())),
            Depth::Header => {
                let header = at(row, outline.root.header);
                let read = self.house.read(header).await;
                read.map(|octets| (outline, octets))
            }
            Depth::Body => self.texts(row, outline).await,
        };
        let (outline, octets) = match read {
            // A damaged message has no text any more; the others are found all the same.
            Err(error) if error.why() == Why::Damaged => {
                let outline = self.outline(mailbox, entry.uid, entry.email, row).await?;
                (outline, Bytes::new())
            }
            read => read?,
        };
        let thread = match query.names_thread() {
            true => {
                let which = (mailbox, entry.uid, entry.email);
                Some(self.conversation(which, row).await?)
            }
            false => None,
        };
        let reading = Reading {
            outline: &outline,
            octets: &octets,
            thread,
        };
        Ok(reading.meets(query))
    }
}

/// The messages among which are all that a query finds, where it says so itself.
fn within(query: &Query) -> Option<&UidSet> {
    match query {
        Query::Uids(uids) => Some(uids),
        Query::And(all) => all.iter().find_map(within),
        _ => None,
    }
}

/// Messages whose rows are read in one round trip.
const READ_AT_ONCE: usize = 32;

/// How much of a message a query has to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Outline,
    Header,
    Body,
}

fn depth(query: &Query) -> Depth {
    match query {
        Query::And(all) | Query::Or(all) => all.iter().map(depth).max().unwrap_or(Depth::Outline),
        Query::Not(inner) => depth(inner),
        Query::Header(..) | Query::Fuzzy(Within::Header(_), _) => Depth::Header,
        Query::Body(_) | Query::Text(_) | Query::Fuzzy(..) => Depth::Body,
        _ => Depth::Outline,
    }
}

/// What is known of a mailbox's messages without reading them.
struct Known<'a> {
    folder: &'a Folder,
    now: Timestamp,
    narrowed: &'a Narrowed,
}

impl Known<'_> {
    /// The answer as far as memory and index have it: `None` if the message must be read.
    fn answer(&self, query: &Query, entry: &Entry) -> Option<bool> {
        let day = || entry.date().civil_date();
        // RFC 8514 §4.3
        let saved = || {
            let moment = entry.saved.map_or_else(|| entry.date(), SavedAt::moment);
            moment.civil_date()
        };
        let age = self.now.seconds.saturating_sub(entry.date_seconds);
        let seconds = |age: &Duration| i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        Some(match query {
            Query::All => true,
            Query::Uids(uids) => uids.contains(entry.uid),
            Query::Flag(Flag::Keyword(keyword)) => {
                let mut keywords = self.folder.row.keywords.iter();
                let at = keywords.position(|known| known == keyword);
                at.is_some_and(|index| entry.keywords & (1 << index) != 0)
            }
            Query::Flag(flag) => entry.system & bit(flag.clone()) != 0,
            Query::And(all) => return every(all, true, |one| self.answer(one, entry)),
            Query::Or(all) => return every(all, false, |one| self.answer(one, entry)),
            Query::Not(inner) => !self.answer(inner, entry)?,
            Query::Before(other) => day() < *other,
            Query::On(other) => day() == *other,
            Query::Since(other) => day() >= *other,
            Query::SavedBefore(other) => saved() < *other,
            Query::SavedOn(other) => saved() == *other,
            Query::SavedSince(other) => saved() >= *other,
            Query::Larger(octets) => u64::from(entry.size) > *octets,
            Query::Smaller(octets) => u64::from(entry.size) < *octets,
            // RFC 5032 §3
            Query::Older(than) => age >= seconds(than),
            Query::Younger(than) => age <= seconds(than),
            Query::ModSeq(modseq) => entry.modseq >= *modseq,
            Query::Email(email) => entry.email == *email,
            Query::Header(..) | Query::Body(_) | Query::Text(_) | Query::Fuzzy(..) => {
                return self.narrowed.answer(query, entry.email);
            }
            Query::SentBefore(_) | Query::SentOn(_) | Query::SentSince(_) => return None,
            Query::Thread(_) => return None,
        })
    }

    /// The query with what is known of this message put in.
    fn rest(&self, query: &Query, entry: &Entry) -> Query {
        let inner = |one: &Query| self.rest(one, entry);
        match self.answer(query, entry) {
            Some(true) => return Query::All,
            Some(false) => return Query::Or(Vec::new()),
            None => {}
        }
        match query {
            Query::And(all) => Query::And(all.iter().map(inner).collect()),
            Query::Or(all) => Query::Or(all.iter().map(inner).collect()),
            Query::Not(one) => Query::Not(Box::new(inner(one))),
            text => text.clone(),
        }
    }
}

/// `whole` if each one is: true for "and", false for "or". One of the other kind decides.
fn every(all: &[Query], whole: bool, mut each: impl FnMut(&Query) -> Option<bool>) -> Option<bool> {
    let mut known = true;
    for one in all {
        match each(one) {
            Some(answer) if answer != whole => return Some(!whole),
            Some(_) => {}
            None => known = false,
        }
    }
    known.then_some(whole)
}

/// A query that is met: how near, if anything in it is fuzzy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Met(Option<u8>);

/// How near a message comes that is what was asked for.
const NEAREST: u8 = 100;

/// A message that is read.
struct Reading<'a> {
    outline: &'a Outline,
    /// As much of it as [`depth`] said.
    octets: &'a [u8],
    /// Its conversation, if the query names one.
    thread: Option<ThreadId>,
}

impl Reading<'_> {
    fn meets(&self, query: &Query) -> Option<Met> {
        match query {
            Query::And(all) => {
                // RFC 6203 §4: what several keys come to is ours to say: their mean.
                let (mut sum, mut count) = (0, 0);
                for one in all {
                    if let Met(Some(score)) = self.meets(one)? {
                        (sum, count) = (sum + u32::from(score), count + 1);
                    }
                }
                Some(Met(sum
                    .checked_div(count)
                    .and_then(|mean| mean.try_into().ok())))
            }
            Query::Or(all) => {
                let mut nearest: Option<u8> = None;
                for one in all {
                    match self.meets(one) {
                        Some(Met(None)) => return Some(Met(None)),
                        Some(Met(score)) => nearest = nearest.max(score),
                        None => {}
                    }
                }
                nearest.map(|score| Met(Some(score)))
            }
            Query::Not(one) => self.meets(one).is_none().then_some(Met(None)),
            Query::Fuzzy(within, text) => self.relevancy(within, text).map(|one| Met(Some(one))),
            one => self.is(one).then_some(Met(None)),
        }
    }

    /// How near the words come.
    fn relevancy(&self, within: &Within, text: &str) -> Option<u8> {
        let needle = FuzzyNeedle::new(text);
        let mut tally = needle.tally();
        let mut read = |text: &str| tally.read(text);
        match within {
            Within::Header(name) => header_text(self.header(), Some(name), &mut read),
            Within::Body => search_text(self.outline, self.octets, &mut read),
            Within::Text => {
                header_text(self.header(), None, &mut read)
                    || search_text(self.outline, self.octets, &mut read)
            }
        };
        tally.relevancy()
    }

    /// True if one key is met.
    fn is(&self, query: &Query) -> bool {
        match query {
            Query::Header(name, text) => {
                let needle = Needle::new(text);
                let mut found = |value: &str| text.is_empty() || needle.is_in(value);
                header_text(self.header(), Some(name), &mut found)
            }
            Query::Body(text) => self.body(&Needle::new(text)),
            Query::Text(text) => {
                let needle = Needle::new(text);
                let mut found = |field: &str| needle.is_in(field);
                header_text(self.header(), None, &mut found) || self.body(&needle)
            }
            Query::SentBefore(day) => self.sent().is_some_and(|sent| sent < *day),
            Query::SentOn(day) => self.sent().is_some_and(|sent| sent == *day),
            Query::SentSince(day) => self.sent().is_some_and(|sent| sent >= *day),
            Query::Thread(thread) => self.thread == Some(*thread),
            // Memory has answered the others: what it found true is `All`.
            _ => *query == Query::All,
        }
    }

    fn header(&self) -> &[u8] {
        self.outline.root.header.of(self.octets)
    }

    fn body(&self, needle: &Needle) -> bool {
        search_text(self.outline, self.octets, &mut |text| needle.is_in(text))
    }

    fn sent(&self) -> Option<Day> {
        Some(self.outline.digest.sent()?.civil_date())
    }
}

/// Lets others run.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
