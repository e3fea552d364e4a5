//! New messages in the mailbox that is open, of which something is told that nobody asks for at
//! that moment: what NOTIFY wants of all (RFC 5465 §5.2), and what UPDATE wants of those that came
//! to its result (RFC 5465 §7). A message of which both are wanted has one FETCH line.
//!
//! Not here: which messages belong to a result (`context`).

use std::sync::Arc;

use mail::{Uid, UidSet, UidValidity};

use super::Session;
use super::fetch::{beyond, plan};
use super::state::{After, Wait};
use crate::ask::{Ask, FetchPlan, Reached, Row};
use crate::command::{Fetch, FetchItem};
use crate::response::Response;
use crate::view::{intersect, subtract};
use crate::{SeqNumber, SequenceRange, SequenceSet};

/// New messages of which something is told.
#[derive(Debug)]
pub(super) struct Newcomers {
    fetch: Fetch,
    plan: Arc<FetchPlan>,
    /// Those not read yet.
    uids: UidSet,
    /// What is told of others behind them.
    rest: Vec<Group>,
    /// What comes behind it.
    pub(super) after: After,
}

/// Messages of which the same is told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    uids: UidSet,
    items: Vec<FetchItem>,
}

impl Session {
    /// What NOTIFY wants of new messages.
    fn wanted_of_newcomers(&self) -> Option<&[FetchItem]> {
        let watch = self.notify.as_ref().filter(|watch| watch.begun)?;
        let items = &watch.selected.as_ref()?.items;
        (!items.is_empty()).then_some(items)
    }

    /// Remembers which messages the client itself put into the mailbox: it knows them.
    // RFC 5465 §5.2
    pub(super) fn note_filed(&mut self, uid_validity: UidValidity, uids: &UidSet) {
        let notifies = self.notify.is_some();
        let open = self.state.open_mut();
        let here = open.filter(|open| open.uid_validity == uid_validity);
        if let Some(open) = here
            && (notifies
                || open
                    .contexts
                    .iter()
                    .any(|context| context.tells_newcomers()))
        {
            add(&mut open.filed, uids);
        }
    }

    /// Notes which messages are new: those behind the last that was known before.
    pub(super) fn note_newcomers(&mut self, last: Option<Uid>) {
        let notifies = self.wanted_of_newcomers().is_some();
        let Some(open) = self.state.open_mut() else {
            return;
        };
        let Some(behind) = last.map_or(Some(Uid::MIN), Uid::next) else {
            return;
        };
        let new = open.view.known(&UidSet::from_range(behind..=Uid::MAX));
        let new = subtract(&new, &std::mem::take(&mut open.filed));
        if notifies {
            add(&mut open.newcomers, &new);
        }
        for context in &mut open.contexts {
            context.note_newcomers(&new);
        }
    }

    /// Tells of new messages what is wanted of them, and which results they came to; then what
    /// comes after it.
    pub(super) fn announce(&mut self, after: After) {
        let groups = self.groups();
        // What NOTIFY wants comes behind the results (§5.2), what only UPDATE wants before them
        // (§7): docs/decisions/022-fetch-beside-addto.md.
        // RFC 5465 §5.2, §7
        if self.wanted_of_newcomers().is_some() {
            self.write_held();
        }
        self.ask_newcomers(groups, after);
    }

    /// The new messages of which something is told, by what it is.
    fn groups(&mut self) -> Vec<Group> {
        let items = self.wanted_of_newcomers().map(<[FetchItem]>::to_vec);
        let Some(open) = self.state.open_mut() else {
            return Vec::new();
        };
        let mut groups = Vec::new();
        let uids = std::mem::take(&mut open.newcomers);
        group(&mut groups, uids, &items.unwrap_or_default());
        for context in &mut open.contexts {
            let (uids, items) = context.take_newcomers();
            group(&mut groups, uids, items);
        }
        groups
    }

    fn write_held(&mut self) {
        let open = self.state.open_mut();
        let held = open.map_or_else(Vec::new, |open| std::mem::take(&mut open.held));
        held.iter().for_each(|response| self.write(response));
    }

    /// Holds back what is told of a result until it is its turn.
    pub(super) fn hold(&mut self, response: Response) {
        if let Some(open) = self.state.open_mut() {
            open.held.push(response);
        }
    }

    fn ask_newcomers(&mut self, mut groups: Vec<Group>, after: After) {
        let Some(group) = groups.pop() else {
            return self.announced(after);
        };
        let mut items = group.items;
        // RFC 7162 §3.1: every line that others cause has it.
        if self.condstore && !items.contains(&FetchItem::ModSeq) {
            items.push(FetchItem::ModSeq);
        }
        let fetch = fetch_of(items);
        self.go_on_announcing(Box::new(Newcomers {
            // Nobody has seen them by that.
            plan: Arc::new(plan(&fetch, true)),
            fetch,
            uids: group.uids,
            rest: groups,
            after,
        }));
    }

    fn go_on_announcing(&mut self, newcomers: Box<Newcomers>) {
        let open = self.state.open().filter(|_| !newcomers.uids.is_empty());
        let Some(open) = open else {
            return self.ask_newcomers(newcomers.rest, newcomers.after);
        };
        let ask = Ask::Fetch {
            mailbox: open.mailbox,
            uids: newcomers.uids.clone(),
            plan: Arc::clone(&newcomers.plan),
        };
        self.wait(ask, Wait::Newcomers(newcomers));
    }

    pub(super) fn take_newcomers(
        &mut self,
        mut newcomers: Box<Newcomers>,
        rows: &[Row],
        reached: Reached,
    ) {
        self.tell_rows(&newcomers.fetch, rows);
        newcomers.uids = beyond(&newcomers.uids, reached);
        self.go_on_announcing(newcomers);
    }

    /// Nothing is left to be told of new messages, or the house does not say it.
    pub(super) fn announced(&mut self, after: After) {
        self.write_held();
        self.finish(after);
    }
}

pub(super) fn add(to: &mut UidSet, uids: &UidSet) {
    uids.ranges().for_each(|range| to.insert_range(range));
}

/// Adds messages and what is told of them: together with what is told of them already.
// RFC 5465 §5.2
fn group(groups: &mut Vec<Group>, mut uids: UidSet, items: &[FetchItem]) {
    if items.is_empty() {
        return;
    }
    let mut split = Vec::new();
    for known in groups.iter_mut() {
        let both = intersect(&known.uids, &uids);
        if both.is_empty() {
            continue;
        }
        uids = subtract(&uids, &both);
        let left = subtract(&known.uids, &both);
        if !left.is_empty() {
            split.push(Group {
                uids: left,
                items: known.items.clone(),
            });
        }
        known.uids = both;
        for item in items {
            if !known.items.contains(item) {
                known.items.push(item.clone());
            }
        }
    }
    groups.extend(split);
    if !uids.is_empty() {
        groups.push(Group {
            uids,
            items: items.to_vec(),
        });
    }
}

/// What is told of new messages, as if it had been asked for.
fn fetch_of(items: Vec<FetchItem>) -> Fetch {
    let all = SequenceRange {
        from: SeqNumber::Star,
        to: SeqNumber::Star,
    };
    Fetch {
        uid: true,
        set: SequenceSet::Ranges(vec![all]),
        items,
        changed_since: None,
        vanished: false,
        partial: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ITEMS: [FetchItem; 3] = [FetchItem::Flags, FetchItem::Envelope, FetchItem::EmailId];

    proptest! {
        /// Each message is in one group, which has what is wanted of it and nothing else.
        #[test]
        fn a_message_has_one_line_with_all_that_is_wanted(
            wanted in prop::collection::vec(
                (
                    prop::collection::btree_set(1_u32..12, 0..8),
                    prop::collection::vec(0_usize..3, 0..3),
                ),
                0..5,
            )
        ) {
            let mut groups = Vec::new();
            for (uids, items) in &wanted {
                let uids = uids.iter().filter_map(|uid| Uid::new(*uid)).collect();
                let items: Vec<FetchItem> = items.iter().map(|at| ITEMS[*at].clone()).collect();
                group(&mut groups, uids, &items);
            }
            for number in 1_u32..12 {
                let uid = Uid::new(number).unwrap();
                let of: Vec<&Group> = groups.iter().filter(|one| one.uids.contains(uid)).collect();
                let told = of.iter().flat_map(|one| &one.items);
                let named = wanted.iter().filter(|(uids, _)| uids.contains(&number));
                let named: Vec<&FetchItem> = named
                    .flat_map(|(_, items)| items.iter().map(|at| &ITEMS[*at]))
                    .collect();
                prop_assert!(of.len() <= 1);
                for item in &ITEMS {
                    let times = told.clone().filter(|told| *told == item).count();
                    prop_assert_eq!(times > 0, named.contains(&item));
                }
            }
        }
    }
}
