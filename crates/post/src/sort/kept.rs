//! An order that was made before is brought up to date: what has gone is left out, what is new is
//! put where it belongs.

use std::collections::HashMap;
use std::sync::Arc;

use mail::{MailboxId, Rights, Uid, UidSet};

use super::{Lines, SortCriterion, SortKey, Sorted};
use crate::arranged::Order;
use crate::digests::Wanted;
use crate::tables::Entry;
use crate::{Account, Outcome};

/// So many new messages are put into an order, each compared with some of those that are there;
/// where more came all are sorted.
const INSERTED_MAX: usize = 64;

/// True if what is sorted by these is read from rows, and is the same whatever was searched for.
pub(super) fn is_worth_keeping(criteria: &[SortCriterion]) -> bool {
    let by = |key| move |criterion: &SortCriterion| criterion.key == key;
    !criteria.iter().any(by(SortKey::Relevancy))
        && criteria
            .iter()
            .any(|one| ![SortKey::Arrival, SortKey::Size].contains(&one.key))
}

/// What is said of messages in this order.
pub(super) fn sorted(uids: &[Uid], entries: &[Entry]) -> Sorted {
    let modseq = |uid: Option<&Uid>| {
        let at = entries.binary_search_by_key(uid?, |entry| entry.uid);
        Some(entries.get(at.ok()?)?.modseq)
    };
    Sorted {
        modseq: entries.iter().map(|entry| entry.modseq).max(),
        first_modseq: modseq(uids.first()),
        last_modseq: modseq(uids.last()),
        uids: uids.to_vec(),
        scores: Vec::new(),
    }
}

impl Account {
    /// These messages in an order that is kept; `None` if there is none, or too many are new to it.
    pub(super) async fn in_kept_order(
        &self,
        mailbox: MailboxId,
        entries: &[Entry],
        criteria: &[SortCriterion],
    ) -> Outcome<Option<Arc<[Uid]>>> {
        let kept = self
            .keeper
            .arranged(|arranged| arranged.order(mailbox, criteria));
        let Some(kept) = kept.flatten() else {
            return Ok(None);
        };
        let new = entries
            .iter()
            .filter(|entry| !kept.among.contains(entry.uid));
        let new: Vec<Entry> = new.take(INSERTED_MAX + 1).copied().collect();
        let order = match new.len() {
            0 => kept,
            1..=INSERTED_MAX => {
                let inserted = self.insert(mailbox, &kept, &new, criteria).await?;
                let Some(order) = inserted else {
                    return Ok(None);
                };
                self.keeper.arranged(|arranged| {
                    arranged.keep_order(mailbox, criteria, order.clone());
                });
                order
            }
            _ => return Ok(None),
        };
        if order.uids.len() == entries.len() {
            return Ok(Some(order.uids));
        }
        let wanted: UidSet = entries.iter().map(|entry| entry.uid).collect();
        let some = move || {
            let uids = order.uids.iter().copied();
            uids.filter(|uid| wanted.contains(*uid)).collect()
        };
        let some = self.house.in_nobodys_way(entries.len(), some).await?;
        Ok(Some(some))
    }

    /// Puts messages into an order, and leaves those out that have gone; `None` if more go at this
    /// moment.
    async fn insert(
        &self,
        mailbox: MailboxId,
        kept: &Order,
        new: &[Entry],
        criteria: &[SortCriterion],
    ) -> Outcome<Option<Order>> {
        let there = self.look(|ledger| {
            let folder = self.folder(ledger, mailbox, Rights::READ);
            folder.map(|folder| folder.uids())
        });
        let there = there.await??;
        let uids = kept.uids.iter().copied();
        let old: Vec<Uid> = uids.filter(|uid| there.contains(*uid)).collect();
        let mut lines = Lines::new(criteria, new.len());
        if !self.line_up(mailbox, new, criteria, &mut lines).await? {
            return Ok(None);
        }
        // Of the old ones only those are read that a new one is compared with.
        let mut known: HashMap<Uid, usize> = HashMap::new();
        let mut places: Vec<(usize, Uid)> = Vec::with_capacity(new.len());
        for line in lines.order() {
            let (mut low, mut high) = (places.last().map_or(0, |(at, _)| *at), old.len());
            while let Some(uid) = old.get(low..high).and_then(middle) {
                let other = match known.get(&uid) {
                    Some(other) => *other,
                    None => {
                        let other = lines.messages.len();
                        let entry = self
                            .entries(mailbox, &UidSet::from_range(uid..=uid))
                            .await?;
                        let read = self.line_up(mailbox, &entry, criteria, &mut lines).await?;
                        if entry.is_empty() || !read {
                            return Ok(None);
                        }
                        known.insert(uid, other);
                        other
                    }
                };
                let at = low + (high - low) / 2;
                match lines.precedes(other, line) {
                    true => low = at + 1,
                    false => high = at,
                }
            }
            places.extend(lines.messages.get(line).map(|(uid, _)| (low, *uid)));
        }
        Ok(Some(Order::of(&merged(&old, &places))))
    }

    /// Adds lines of messages; false if one of them went meanwhile.
    async fn line_up(
        &self,
        mailbox: MailboxId,
        entries: &[Entry],
        criteria: &[SortCriterion],
        lines: &mut Lines,
    ) -> Outcome<bool> {
        let before = lines.messages.len();
        let add = |entry: &Entry, digest: &_| lines.add(entry, None, criteria, Some(digest));
        self.digests(mailbox, entries, Wanted::Fields, add).await?;
        Ok(lines.messages.len() == before + entries.len())
    }
}

fn middle(some: &[Uid]) -> Option<Uid> {
    some.get(some.len() / 2).copied()
}

/// The old ones, and before the one at each place a new one.
fn merged(old: &[Uid], places: &[(usize, Uid)]) -> Vec<Uid> {
    let mut uids = Vec::with_capacity(old.len() + places.len());
    let mut done = 0;
    for (at, uid) in places {
        uids.extend_from_slice(old.get(done..*at).unwrap_or_default());
        uids.push(*uid);
        done = *at;
    }
    uids.extend_from_slice(old.get(done..).unwrap_or_default());
    uids
}
