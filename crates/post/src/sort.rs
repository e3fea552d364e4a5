//! Messages in an order (RFC 5256 §3, RFC 5957, RFC 6203 §6).

mod kept;

use std::cmp::Ordering;

use mail::{MailboxId, ModSeq, Uid};
use message::{Digest, SortText};

use crate::arranged::Order;
use crate::digests::{Wanted, sent_seconds};
use crate::search::Query;
use crate::tables::Entry;
use crate::{Account, Outcome};

/// What messages are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SortKey {
    /// INTERNALDATE with its time.
    Arrival,
    /// The `Date` field in UTC, else INTERNALDATE.
    Date,
    /// Octets.
    Size,
    /// A text, by `i;unicode-casemap`.
    Text(SortText),
    /// How near it comes to what is fuzzy in the query, the nearest first.
    Relevancy,
}

/// A key, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SortCriterion {
    /// By what.
    pub key: SortKey,
    /// True for the largest first. Messages that are alike keep their order in the mailbox.
    pub reverse: bool,
}

/// Messages in the order asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// The messages.
    pub uids: Vec<Uid>,
    /// The largest mod-sequence among them.
    pub modseq: Option<ModSeq>,
    /// That of the first one.
    pub first_modseq: Option<ModSeq>,
    /// That of the last one.
    pub last_modseq: Option<ModSeq>,
    /// How near each message comes, from 1 to 100, in their order; none if nothing was fuzzy.
    pub scores: Vec<u8>,
}

/// What messages are sorted by: a column for each criterion, a line for each message. There may
/// be a million, so nothing is apart that need not be.
#[derive(Debug, Default)]
struct Lines {
    messages: Vec<(Uid, ModSeq)>,
    /// How near each comes, if anything was fuzzy.
    scores: Vec<u8>,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    reverse: bool,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Numbers(Vec<i64>),
    /// One behind the other, and where each ends.
    Texts(String, Vec<usize>),
}

impl Account {
    /// Searches a mailbox and sorts what it finds, the first criterion before the second.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if the mailbox is gone, or a fault.
    pub async fn sort(
        &self,
        mailbox: MailboxId,
        query: &Query,
        criteria: &[SortCriterion],
    ) -> Outcome<Sorted> {
        let _pinned = self.keeper.pin();
        let found = self.search(mailbox, query).await?;
        let entries = self.entries(mailbox, &found.uids).await?;
        let keeps = found.scores.is_empty() && kept::is_worth_keeping(criteria);
        if keeps && let Some(uids) = self.in_kept_order(mailbox, &entries, criteria).await? {
            return Ok(kept::sorted(&uids, &entries));
        }
        let mut lines = Lines::new(criteria, entries.len());
        // Both come by rising UID.
        let mut scored = found.uids.iter().zip(found.scores);
        let mut score = move |entry: &Entry| {
            let found = scored.find(|(uid, _)| *uid == entry.uid);
            found.map(|(_, score)| score)
        };
        let by_memory = |key| {
            let (arrival, size, nearness) = (SortKey::Arrival, SortKey::Size, SortKey::Relevancy);
            [arrival, size, nearness].contains(&key)
        };
        if criteria.iter().all(|criterion| by_memory(criterion.key)) {
            for entry in &entries {
                lines.add(entry, score(entry), criteria, None);
            }
        } else {
            let wanted = Wanted::Fields;
            self.digests(mailbox, &entries, wanted, |entry, digest| {
                lines.add(entry, score(entry), criteria, Some(digest));
            })
            .await?;
        }
        drop(entries);
        let count = lines.messages.len();
        let arrange = move || {
            let sorted = lines.sorted();
            let order = keeps.then(|| Order::of(&sorted.uids));
            (sorted, order)
        };
        let (sorted, order) = self.house.in_nobodys_way(count, arrange).await?;
        if let Some(order) = order {
            self.keeper
                .arranged(|arranged| arranged.keep_order(mailbox, criteria, order));
        }
        Ok(sorted)
    }
}

impl Lines {
    fn new(criteria: &[SortCriterion], messages: usize) -> Self {
        let column = |criterion: &SortCriterion| Column {
            reverse: criterion.reverse,
            values: match criterion.key {
                SortKey::Text(_) => Values::Texts(String::new(), Vec::with_capacity(messages)),
                _ => Values::Numbers(Vec::with_capacity(messages)),
            },
        };
        Self {
            messages: Vec::with_capacity(messages),
            scores: Vec::new(),
            columns: criteria.iter().map(column).collect(),
        }
    }

    /// Adds a message; the digest gives what memory does not have.
    fn add(
        &mut self,
        entry: &Entry,
        score: Option<u8>,
        criteria: &[SortCriterion],
        digest: Option<&Digest>,
    ) {
        self.messages.push((entry.uid, entry.modseq));
        self.scores.extend(score);
        for (criterion, column) in criteria.iter().zip(&mut self.columns) {
            match (&mut column.values, criterion.key) {
                (Values::Numbers(numbers), SortKey::Date) => {
                    let sent = digest.map(|digest| sent_seconds(entry, digest));
                    numbers.push(sent.unwrap_or(entry.date_seconds));
                }
                (Values::Numbers(numbers), SortKey::Size) => numbers.push(entry.size.into()),
                // RFC 6203 §6
                (Values::Numbers(numbers), SortKey::Relevancy) => {
                    numbers.push(-i64::from(score.unwrap_or_default()));
                }
                (Values::Numbers(numbers), _) => numbers.push(entry.date_seconds),
                (Values::Texts(texts, ends), key) => {
                    if let (SortKey::Text(text), Some(digest)) = (key, digest) {
                        texts.push_str(&text.of(digest));
                    }
                    ends.push(texts.len());
                }
            }
        }
    }

    /// The messages in their order.
    fn sorted(&self) -> Sorted {
        let order = self.order();
        let message = |at: &usize| self.messages.get(*at).copied();
        let modseqs = self.messages.iter().map(|(_, modseq)| *modseq);
        let modseq = |at: Option<&usize>| at.and_then(message).map(|(_, modseq)| modseq);
        Sorted {
            uids: order
                .iter()
                .filter_map(message)
                .map(|(uid, _)| uid)
                .collect(),
            modseq: modseqs.max(),
            first_modseq: modseq(order.first()),
            last_modseq: modseq(order.last()),
            scores: order
                .iter()
                .filter_map(|at| self.scores.get(*at).copied())
                .collect(),
        }
    }

    /// The lines in their order.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.messages.len()).collect();
        // They came by rising UID, and those that are alike stay so.
        order.sort_unstable_by(|one, other| self.compare(*one, *other).then(one.cmp(other)));
        order
    }

    /// True if a message comes before another, whichever was added first.
    fn precedes(&self, one: usize, other: usize) -> bool {
        let uid = |at: usize| self.messages.get(at).map(|(uid, _)| *uid);
        let alike = || uid(one).cmp(&uid(other));
        self.compare(one, other).then_with(alike).is_lt()
    }

    fn compare(&self, one: usize, other: usize) -> Ordering {
        let mut orders = self.columns.iter().map(|column| {
            let order = column.values.compare(one, other);
            if column.reverse {
                order.reverse()
            } else {
                order
            }
        });
        let decides = orders.find(|order| order.is_ne());
        decides.unwrap_or(Ordering::Equal)
    }
}

impl Values {
    fn compare(&self, one: usize, other: usize) -> Ordering {
        match self {
            Self::Numbers(numbers) => numbers.get(one).cmp(&numbers.get(other)),
            Self::Texts(texts, ends) => text(texts, ends, one).cmp(text(texts, ends, other)),
        }
    }
}

fn text<'a>(texts: &'a str, ends: &[usize], at: usize) -> &'a str {
    let end = |at: usize| ends.get(at).copied().unwrap_or_default();
    let start = at.checked_sub(1).map_or(0, end);
    texts.get(start..end(at)).unwrap_or_default()
}
