//! Results that the server keeps up to date for a client (RFC 5267 §4.3): what it was told of each
//! must be what the same search finds now.

use std::sync::Arc;

use imap::ask::{Criterion, SortCriterion};
use imap::response::{Esearch, Update};
use imap::{Answer, Ask, SeqNumber, SequenceSet};
use mail::{Uid, UidSet};
use post::Account;

use super::super::{search, sort};
use super::client::{Client, Open};
use super::model::{Model, numbers};

/// A result as the client has it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) tag: String,
    /// What the house was asked first.
    pub(super) what: What,
    /// The messages by their UIDs, in the order of the result.
    list: Vec<u32>,
}

/// What is searched for.
#[derive(Clone, Debug)]
pub(super) struct What {
    criterion: Criterion,
    /// By what they are sorted, if they are.
    order: Vec<SortCriterion>,
    /// The number in `UID number:*`, if that is what was asked for.
    star: Option<u32>,
}

impl What {
    /// What a session asks first for such a command.
    pub(super) fn of(ask: &Ask, line: &str) -> Option<Self> {
        if !line.contains("UPDATE") {
            return None;
        }
        let star = line
            .strip_suffix(":*")
            .and_then(|line| line.rsplit_once(' '));
        let star = star.map(|(_, number)| number.parse().unwrap());
        match ask {
            Ask::Search { criterion, .. } => Some(Self {
                criterion: criterion.clone(),
                order: Vec::new(),
                star,
            }),
            Ask::Sort {
                criterion: Criterion::And(both),
                criteria,
                ..
            } => Some(Self {
                // The first one is what messages there are.
                criterion: both[1].clone(),
                order: criteria.clone(),
                star,
            }),
            _ => None,
        }
    }

    /// The same with the message that is the last one now.
    fn now(&self, open: &Open) -> Criterion {
        let (Some(star), Some(last)) = (self.star, open.known.last()) else {
            return self.criterion.clone();
        };
        let (low, high) = (star.min(last.uid), star.max(last.uid));
        let range = Uid::new(low).unwrap()..=Uid::new(high).unwrap();
        Criterion::Uids(Arc::new(UidSet::from_range(range)))
    }
}

impl Client {
    /// Keeps what a search found.
    pub(super) fn keep(&mut self, tag: &str, what: What, found: Vec<u32>) {
        let kept = Kept {
            tag: tag.to_owned(),
            what,
            list: found,
        };
        self.open.as_mut().unwrap().kept.push(kept);
    }

    /// RFC 5267 §4.3.2
    pub(super) fn updated(&mut self, esearch: &Esearch) {
        let open = self.open.as_mut().unwrap();
        let uid_of = |number: &u32| match esearch.uid {
            true => *number,
            false => open.known[usize::try_from(*number).unwrap() - 1].uid,
        };
        let tag = esearch.tag.as_ref().unwrap().as_str();
        let kept = open.kept.iter_mut().find(|kept| kept.tag == tag);
        let list = &mut kept.unwrap_or_else(|| panic!("{tag} is not kept")).list;
        for update in &esearch.updates {
            let (places, adds) = match update {
                Update::AddTo(places) => (places, true),
                Update::RemoveFrom(places) => (places, false),
            };
            for (place, set) in places {
                let uids: Vec<u32> = expanded(set).iter().map(uid_of).collect();
                change(list, usize::try_from(*place).unwrap(), uids, adds);
            }
        }
    }

    /// What is cancelled is told no longer.
    pub(super) fn let_go(&mut self, line: &str) {
        let open = self.open.as_mut().unwrap();
        open.kept
            .retain(|kept| !line.contains(&format!("\"{}\"", kept.tag)));
    }

    /// No message that went is left in a result when it loses its number.
    pub(super) fn left(&self, uid: u32) {
        for kept in &self.open.as_ref().unwrap().kept {
            assert!(!kept.list.contains(&uid), "{uid} is still in {kept:?}");
        }
    }

    /// Searches anew and compares, if nothing has happened since the server looked.
    pub(super) async fn check_kept(&self, model: &mut Model, account: &Account) {
        let Some(open) = &self.open else {
            return;
        };
        let is_there = model.folder(open.id).name.is_some();
        if !self.is_told() || model.moved > open.looked || !is_there {
            return;
        }
        for kept in &open.kept {
            let (criterion, order) = (kept.what.now(open), &kept.what.order);
            let found = if order.is_empty() {
                search::answer(account, open.id, criterion, None).await
            } else {
                sort::answer(account, open.id, criterion, order, None).await
            };
            let found = match found.unwrap() {
                Answer::Found { uids, .. } => numbers(&uids),
                Answer::Sorted { uids, .. } => uids.iter().map(|uid| uid.value()).collect(),
                other => panic!("{other:?}"),
            };
            assert_eq!(kept.list, found, "{kept:?}");
        }
    }
}

fn change(list: &mut Vec<u32>, place: usize, uids: Vec<u32>, adds: bool) {
    match (place.checked_sub(1), adds) {
        (Some(at), true) => drop(list.splice(at..at, uids)),
        (Some(at), false) => {
            let gone: Vec<u32> = list.drain(at..at + uids.len()).collect();
            assert_eq!(gone, uids, "what is not there is taken out");
        }
        (None, true) => {
            list.extend(uids);
            list.sort_unstable();
            assert!(list.is_sorted_by(|one, next| one < next), "{list:?}");
        }
        (None, false) => {
            for uid in uids {
                let at = list.iter().position(|known| *known == uid);
                list.remove(at.unwrap_or_else(|| panic!("{uid} is not there")));
            }
        }
    }
}

/// The numbers of a set in the order they are written.
pub(super) fn expanded(set: &SequenceSet) -> Vec<u32> {
    let SequenceSet::Ranges(ranges) = set else {
        panic!("{set} has no numbers");
    };
    let number = |number| match number {
        SeqNumber::Number(number) => number.get(),
        SeqNumber::Star => panic!("a star is no number"),
    };
    let ranges = ranges.iter();
    ranges
        .flat_map(|range| number(range.from)..=number(range.to))
        .collect()
}
