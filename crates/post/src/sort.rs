//! Messages in an order (RFC 5256 §3, RFC 5957, RFC 6203 §6).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use mail::{MailboxId, ModSeq, Uid};
use message::SortText;

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

/// A message with what it is sorted by.
struct Row {
    entry: Entry,
    score: Option<u8>,
    keys: Vec<Value>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(String),
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
        let found = self.search(mailbox, query).await?;
        let entries = self.entries(mailbox, &found.uids).await?;
        let scores: BTreeMap<Uid, u8> = found.uids.iter().zip(found.scores).collect();
        let row = |entry: Entry, read: &dyn Fn(&Entry, SortKey) -> Value| {
            row(entry, scores.get(&entry.uid).copied(), criteria, read)
        };
        let by_memory = |key| {
            let (arrival, size, nearness) = (SortKey::Arrival, SortKey::Size, SortKey::Relevancy);
            [arrival, size, nearness].contains(&key)
        };
        let mut rows = Vec::with_capacity(entries.len());
        if criteria.iter().all(|criterion| by_memory(criterion.key)) {
            let row = |entry| row(entry, &|_, _| Value::Number(0));
            rows.extend(entries.into_iter().map(row));
        } else {
            let wanted = Wanted::Fields;
            self.digests(mailbox, &entries, wanted, |entry, digest| {
                rows.push(row(*entry, &|entry, key| match key {
                    SortKey::Text(text) => Value::Text(text.of(digest)),
                    _ => Value::Number(sent_seconds(entry, digest)),
                }));
            })
            .await?;
        }
        // They came by rising UID, and those that are alike stay so.
        rows.sort_by(|one, other| compare(one, other, criteria));
        Ok(Sorted {
            uids: rows.iter().map(|row| row.entry.uid).collect(),
            modseq: rows.iter().map(|row| row.entry.modseq).max(),
            first_modseq: rows.first().map(|row| row.entry.modseq),
            last_modseq: rows.last().map(|row| row.entry.modseq),
            scores: rows.iter().filter_map(|row| row.score).collect(),
        })
    }
}

/// `read` gives what memory does not have.
fn row(
    entry: Entry,
    score: Option<u8>,
    criteria: &[SortCriterion],
    read: &dyn Fn(&Entry, SortKey) -> Value,
) -> Row {
    let keys = criteria.iter().map(|criterion| match criterion.key {
        SortKey::Arrival => Value::Number(entry.date_seconds),
        SortKey::Size => Value::Number(entry.size.into()),
        // RFC 6203 §6
        SortKey::Relevancy => Value::Number(-i64::from(score.unwrap_or_default())),
        key => read(&entry, key),
    });
    let keys = keys.collect();
    Row { entry, score, keys }
}

fn compare(one: &Row, other: &Row, criteria: &[SortCriterion]) -> Ordering {
    let pairs = one.keys.iter().zip(&other.keys).zip(criteria);
    let mut orders = pairs.map(|((one, other), criterion)| {
        let order = one.cmp(other);
        if criterion.reverse {
            order.reverse()
        } else {
            order
        }
    });
    let decides = orders.find(|order| order.is_ne());
    decides.unwrap_or(Ordering::Equal)
}
