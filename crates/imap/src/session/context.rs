//! Results that are kept up to date: UPDATE and CANCELUPDATE (RFC 5267 §4.3).
//!
//! What went is known at once. Of what came or has other flags the house is asked which belong to
//! the result; the others it need not look at. Where such messages stand in the order of a SORT is
//! asked among a few of the result, then among those between, and so on.
//!
//! Not here: how places are counted (`context/results.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use mail::{Uid, UidSet};

use super::newcomers::add;
use super::search::criterion;
use super::state::{After, Open, Wait};
use super::{Moment, Session};
use crate::ask::{Ask, Changes, Criterion};
use crate::command::{FetchItem, Search, SearchKey, SortCriterion, SortKey};
use crate::diagram::Verb;
use crate::response::{Code, Esearch, Response, Status, Update};
use crate::view::{View, intersect, subtract};
use crate::{SequenceRange, SequenceSet, Tag};

mod results;
#[cfg(test)]
mod tests;

pub(super) use results::Results;
use results::rising;

/// Messages of a result that one more is compared with at once.
const PIVOTS_MAX: usize = 32;

/// A search whose result is kept up to date.
#[derive(Debug)]
pub(super) struct Context {
    tag: Tag,
    /// True if the client calls the messages by their UIDs.
    uid: bool,
    /// What they must be; the numbers that were named are UIDs since.
    key: SearchKey,
    /// By what they are sorted; none for the order of the mailbox.
    order: Vec<SortCriterion>,
    results: Results,
    /// Messages that may have come to the result or gone from it.
    stale: UidSet,
    /// What `*` was when the result was last brought up to date.
    star: Option<Uid>,
    /// What is told of new messages that come to it.
    items: Vec<FetchItem>,
    /// New messages of which it is not known yet whether they do.
    fresh: UidSet,
    /// New messages that did, until that is told.
    joined: UidSet,
}

/// A result that is being brought up to date.
#[derive(Debug)]
pub(super) struct Refreshing {
    pub(super) after: After,
    /// Which context.
    at: usize,
    /// The messages that are asked about.
    these: UidSet,
}

/// Messages that came to a result, on their way to their places in its order.
#[derive(Debug)]
pub(super) struct Placing {
    pub(super) after: After,
    /// Which context.
    at: usize,
    /// In the order of the result.
    arriving: Vec<Arriving>,
    /// Places of the result that they are compared with.
    pivots: Vec<usize>,
}

/// A message, and between which places of a result it belongs.
#[derive(Clone, Copy, Debug)]
struct Arriving {
    uid: Uid,
    low: usize,
    high: usize,
}

impl Session {
    /// Answers BAD if a result that is kept up to date has this tag.
    pub(super) fn refuses_tag(&mut self, tag: &Tag) -> bool {
        let open = self.state.open();
        if !open.is_some_and(|open| open.contexts.iter().any(|known| known.tag == *tag)) {
            return false;
        }
        // RFC 5267 §4.3
        let status = Status::bad("A search that is kept up to date has this tag");
        self.bad(Some(tag), &status.with(Code::ClientBug));
        true
    }

    /// What is to be kept up to date, or why it cannot be.
    pub(super) fn context(
        &self,
        tag: &Tag,
        search: &Search,
        order: &[SortCriterion],
    ) -> Option<Result<Box<Context>, &'static str>> {
        let (open, key) = (self.state.open()?, &search.key);
        // RFC 5267 §4.3.1
        if open.contexts.len() >= self.policy.contexts_max {
            return Some(Err("Too many results are kept up to date"));
        }
        let by_clock = |key: &SearchKey| matches!(key, SearchKey::Older(_) | SearchKey::Younger(_));
        if key.any(&by_clock) {
            return Some(Err("What depends on the clock is not kept up to date"));
        }
        if order
            .iter()
            .any(|criterion| criterion.key == SortKey::Relevancy)
        {
            return Some(Err("An order by relevancy is not kept up to date"));
        }
        // `$` is written out where it stands; that it becomes too large is known before.
        let saved = key.count(&|key| matches!(key, SearchKey::Sequence(SequenceSet::Saved)))
            + key.count(&|key| matches!(key, SearchKey::Uid(SequenceSet::Saved)));
        let range_octets = size_of::<SequenceRange>();
        if saved * open.saved.ranges().count() * range_octets > self.policy.context_octets_max {
            return Some(Err(TOO_LARGE));
        }
        Some(Ok(Box::new(Context {
            tag: tag.clone(),
            uid: search.uid,
            key: frozen(key, open),
            order: order.to_vec(),
            results: Results::default(),
            stale: UidSet::new(),
            star: open.view.last(),
            items: search.newcomers.clone(),
            fresh: UidSet::new(),
            joined: UidSet::new(),
        })))
    }

    /// Keeps what a search found up to date from here on, or says that it will not.
    pub(super) fn keep(
        &mut self,
        tag: &Tag,
        update: Option<Result<Box<Context>, &'static str>>,
        results: impl FnOnce() -> Results,
    ) {
        let octets_max = self.policy.context_octets_max;
        let Some(open) = self.state.open_mut() else {
            return self.fault();
        };
        let refused = match update {
            None => return,
            Some(Err(why)) => why,
            Some(Ok(mut context)) => {
                context.results = results();
                if context.octets() <= octets_max {
                    return open.contexts.push(*context);
                }
                TOO_LARGE
            }
        };
        self.no_update(tag.clone(), refused);
    }

    /// Says that a result is not kept up to date (any more).
    pub(super) fn no_update(&mut self, tag: Tag, why: &'static str) {
        self.write(&no_update(tag, why));
    }

    /// Ends the updates that are told by number, now that there are no numbers any more.
    // RFC 9586 §3
    pub(super) fn end_numbered(&mut self) {
        let Some(open) = self.state.open_mut() else {
            return;
        };
        let numbered = open.contexts.extract_if(.., |context| !context.uid);
        let tags: Vec<Tag> = numbered.map(|context| context.tag).collect();
        for tag in tags {
            self.no_update(tag, "There are no numbers since UIDONLY");
        }
    }

    pub(super) fn cancel_update(&mut self, tag: Tag, tags: &[Tag]) {
        if let Some(open) = self.state.open_mut() {
            open.contexts.retain(|context| !tags.contains(&context.tag));
        }
        let status = Status::ok("No further updates");
        self.conclude(tag, Verb::CancelUpdate, status, Moment::Free, false);
    }

    // ---- what happened

    /// Takes out of the results what went, as long as it has its number.
    pub(super) fn update_gone(&mut self) {
        let Some(open) = self.state.open_mut() else {
            return;
        };
        let mut updates = Vec::new();
        for context in &mut open.contexts {
            // RFC 5267 §4.3.4
            let update = context.remove(open.view.going(), &open.view);
            updates.extend(update.map(|update| context.told(vec![update])));
        }
        updates.iter().for_each(|update| self.write(update));
    }

    /// Notes what may belong to the results now, or no longer.
    pub(super) fn mark_stale(&mut self, changes: &Changes) {
        let Some(open) = self.state.open_mut() else {
            return;
        };
        let by_flags = |key: &SearchKey| {
            matches!(
                key,
                SearchKey::Has(_) | SearchKey::Lacks(_) | SearchKey::ModSeq { .. }
            )
        };
        for context in &mut open.contexts {
            for range in changes.added.ranges() {
                context.stale.insert_range(range);
            }
            if context.key.any(&by_flags) {
                let uids = changes.changed.iter().map(|changed| changed.uid);
                uids.for_each(|uid| context.stale.insert(uid));
            }
            // What came and went before it was told is nobody's any more.
            context.stale = open.view.known(&context.stale);
            context.fresh = open.view.known(&context.fresh);
        }
    }

    /// True if a result has still to be brought up to date.
    pub(super) fn has_stale(&self) -> bool {
        let open = self.state.open();
        open.is_some_and(|open| open.contexts.iter().any(|one| !one.asks(open).is_empty()))
    }

    // ---- bringing up to date

    /// Asks about the next result that is to be brought up to date; gives back what comes after
    /// it if there is none.
    pub(super) fn refresh(&mut self, after: After) -> Option<After> {
        let Some(open) = self.state.open() else {
            return Some(after);
        };
        let mut contexts = open.contexts.iter().enumerate();
        let stale = contexts.find_map(|(at, context)| {
            let these = context.asks(open);
            (!these.is_empty()).then_some((at, context, these))
        });
        let Some((at, context, these)) = stale else {
            return Some(after);
        };
        let key = criterion(context.key.clone(), &open.numbering());
        let criterion = Criterion::And(vec![Criterion::Uids(Arc::new(these.clone())), key]);
        let ask = if context.order.is_empty() {
            Ask::Search {
                mailbox: open.mailbox,
                criterion,
                highest: None,
            }
        } else {
            context.sort(open, criterion)
        };
        self.wait(
            ask,
            Wait::Matched(Box::new(Refreshing { after, at, these })),
        );
        None
    }

    /// Takes which of the messages that were asked about belong to a result.
    pub(super) fn take_matched(&mut self, refreshing: Refreshing, found: &UidSet) {
        let Refreshing { after, at, these } = refreshing;
        let Some((context, view)) = self.context_at(at) else {
            return self.announce(after);
        };
        let found = intersect(found, &these);
        let went = subtract(&these, &found);
        let mut updates: Vec<Update> = context.remove(&went, view).into_iter().collect();
        updates.extend(context.insert(&found, view));
        context.settle(view);
        self.write_updated(at, updates);
        self.told(after);
    }

    /// The same of a result with an order of its own.
    pub(super) fn take_matched_in_order(&mut self, refreshing: Refreshing, found: &[Uid]) {
        let Refreshing { after, at, these } = refreshing;
        let Some((context, view)) = self.context_at(at) else {
            return self.announce(after);
        };
        let matched: UidSet = rising(found.to_vec()).into_iter().collect();
        let went = subtract(&these, &matched);
        let update = context.remove(&went, view);
        let high = context.results.len();
        let new = subtract(&these, &context.results.among(&these));
        let arriving = found.iter().filter(|&&uid| new.contains(uid));
        let arriving = arriving.map(|&uid| Arriving { uid, low: 0, high });
        let arriving = arriving.collect();
        self.write_updated(at, update.into_iter().collect());
        self.place(after, at, arriving);
    }

    /// Asks where messages belong in the order of a result, or puts them there.
    fn place(&mut self, after: After, at: usize, arriving: Vec<Arriving>) {
        let Some(open) = self.state.open() else {
            return self.announce(after);
        };
        let Some(context) = open.contexts.get(at) else {
            return self.told(after);
        };
        let pivots = pivots(&arriving);
        if pivots.is_empty() {
            if let Some((context, view)) = self.context_at(at) {
                let places = arriving.iter().map(|one| (one.low, one.uid)).collect();
                let update = context.insert_at(places, view);
                context.settle(view);
                self.write_updated(at, update.into_iter().collect());
            }
            return self.told(after);
        }
        let among = pivots.iter().filter_map(|&place| context.results.at(place));
        let among: Vec<Uid> = among.chain(arriving.iter().map(|one| one.uid)).collect();
        let among = Arc::new(rising(among).into_iter().collect());
        let ask = context.sort(open, Criterion::Uids(among));
        let placing = Placing {
            after,
            at,
            arriving,
            pivots,
        };
        self.wait(ask, Wait::Placed(Box::new(placing)));
    }

    /// Takes in which order messages stand that came to a result, among some that are in it.
    pub(super) fn take_placed(&mut self, placing: Placing, order: &[Uid]) {
        let Placing {
            after,
            at,
            mut arriving,
            pivots,
        } = placing;
        let Some((context, _)) = self.context_at(at) else {
            return self.announce(after);
        };
        let places = pivots.iter();
        let places: HashMap<Uid, usize> = places
            .filter_map(|&place| Some((context.results.at(place)?, place)))
            .collect();
        if !narrow(&mut arriving, &places, order) {
            // Some have gone meanwhile: what went is asked for first.
            self.noticed = true;
            return self.announce(after);
        }
        self.place(after, at, arriving);
    }

    fn context_at(&mut self, at: usize) -> Option<(&mut Context, &View)> {
        let open = self.state.open_mut()?;
        Some((open.contexts.get_mut(at)?, &open.view))
    }

    /// Writes how a result has changed; it ends if it has grown too large.
    fn write_updated(&mut self, at: usize, updates: Vec<Update>) {
        let octets_max = self.policy.context_octets_max;
        let Some((context, _)) = self.context_at(at) else {
            return;
        };
        if context.octets() > octets_max {
            let tag = context.tag.clone();
            if let Some(open) = self.state.open_mut() {
                open.contexts.remove(at);
            }
            return self.hold(no_update(tag, TOO_LARGE));
        }
        if !updates.is_empty() {
            let update = context.told(updates);
            self.hold(update);
        }
    }
}

fn no_update(tag: Tag, why: &'static str) -> Response {
    Response::Untagged(Status::no(why).with(Code::NoUpdate(tag)))
}

const TOO_LARGE: &str = "The result is too large to be kept up to date";

impl Context {
    /// The messages it has to ask about, of those the client has heard of.
    fn asks(&self, open: &Open) -> UidSet {
        let mut stale = self.stale.clone();
        let last = open.view.last();
        if last != self.star {
            // Whatever set `*` is written in, it changes between these two.
            let (one, other) = (last.or(self.star), self.star.or(last));
            if let (Some(one), Some(other)) = (one, other) {
                stale.insert_range(one.min(other)..=one.max(other));
            }
        }
        subtract(&open.view.known(&stale), open.view.going())
    }

    /// Nothing is left to ask about.
    fn settle(&mut self, view: &View) {
        self.stale = UidSet::new();
        self.star = view.last();
        let fresh = std::mem::take(&mut self.fresh);
        if !fresh.is_empty() {
            add(&mut self.joined, &self.results.among(&fresh));
        }
    }

    /// True if something is told of new messages that come to it.
    pub(super) const fn tells_newcomers(&self) -> bool {
        !self.items.is_empty()
    }

    /// Notes new messages, which may come to it.
    pub(super) fn note_newcomers(&mut self, new: &UidSet) {
        if self.tells_newcomers() {
            add(&mut self.fresh, new);
        }
    }

    /// New messages that came to it, and what is told of them.
    pub(super) fn take_newcomers(&mut self) -> (UidSet, &[FetchItem]) {
        (std::mem::take(&mut self.joined), &self.items)
    }

    fn sort(&self, open: &Open, criterion: Criterion) -> Ask {
        Ask::Sort {
            mailbox: open.mailbox,
            criterion,
            criteria: self.order.clone(),
            highest: None,
        }
    }

    /// Takes messages out of the result.
    fn remove(&mut self, gone: &UidSet, view: &View) -> Option<Update> {
        // Most of what happens leaves every message where it is.
        if gone.is_empty() {
            return None;
        }
        let places = self.results.remove(gone);
        let told = results::told(places, self.uid, view);
        (!told.is_empty()).then_some(Update::RemoveFrom(told))
    }

    /// Puts messages into a result in the order of the mailbox.
    fn insert(&mut self, these: &UidSet, view: &View) -> Option<Update> {
        let places = self.results.insert(these);
        let told = results::told(places, self.uid, view);
        (!told.is_empty()).then_some(Update::AddTo(told))
    }

    /// Puts messages, in their order, before what is at these places.
    fn insert_at(&mut self, these: Vec<(usize, Uid)>, view: &View) -> Option<Update> {
        let places = self.results.insert_at(these);
        let told = results::told(places, self.uid, view);
        (!told.is_empty()).then_some(Update::AddTo(told))
    }

    fn told(&self, updates: Vec<Update>) -> Response {
        Response::Esearch(Esearch {
            tag: Some(self.tag.clone()),
            uid: self.uid,
            updates,
            ..Esearch::default()
        })
    }

    /// Octets the result takes, and the sets in what is searched for; the command itself was
    /// bounded when it came.
    fn octets(&self) -> usize {
        self.results.octets() + set_octets(&self.key)
    }
}

/// The places to compare with: some between the bounds of each message, where those differ.
fn pivots(arriving: &[Arriving]) -> Vec<usize> {
    let mut pivots = Vec::new();
    // Bounds are the same or follow one another: messages come in the order of the result.
    let bounds = arriving.chunk_by(|one, next| one.low == next.low && one.high == next.high);
    for one in bounds.filter_map(<[Arriving]>::first) {
        let between = one.high.saturating_sub(one.low);
        let count = between.min(PIVOTS_MAX);
        let place = |nth: usize| one.low + between * (2 * nth + 1) / (2 * count);
        pivots.extend((0..count).map(place));
    }
    pivots
}

/// Draws the bounds closer by the order of messages and pivots; false if some are missing.
fn narrow(arriving: &mut [Arriving], pivots: &HashMap<Uid, usize>, order: &[Uid]) -> bool {
    let mut left = arriving.iter_mut().peekable();
    let (mut low, mut seen) = (0, 0);
    // Messages behind the last pivot, whose next one is not known yet.
    let mut open: Vec<&mut Arriving> = Vec::new();
    for uid in order {
        if let Some(&place) = pivots.get(uid) {
            for one in open.drain(..) {
                one.high = one.high.min(place);
            }
            low = place + 1;
            seen += 1;
        } else if let Some(one) = left.next_if(|one| one.uid == *uid) {
            one.low = one.low.max(low);
            open.push(one);
        }
    }
    left.next().is_none() && seen == pivots.len()
}

/// The key with UIDs in place of sequence numbers and of `$`: what they mean now.
fn frozen(key: &SearchKey, open: &Open) -> SearchKey {
    // RFC 5267 §4.3
    let now = |set: &SequenceSet| {
        let seqs = SearchKey::Sequence(set.clone());
        match criterion(seqs, &open.numbering()) {
            Criterion::Uids(uids) => SearchKey::Uid(SequenceSet::from(&*uids)),
            _ => SearchKey::All,
        }
    };
    match key {
        SearchKey::And(keys) => SearchKey::And(keys.iter().map(|key| frozen(key, open)).collect()),
        SearchKey::Or(one, other) => {
            SearchKey::Or(Box::new(frozen(one, open)), Box::new(frozen(other, open)))
        }
        SearchKey::Not(key) => SearchKey::Not(Box::new(frozen(key, open))),
        SearchKey::Fuzzy(key) => SearchKey::Fuzzy(Box::new(frozen(key, open))),
        SearchKey::Sequence(set) | SearchKey::Uid(set @ SequenceSet::Saved) => now(set),
        key => key.clone(),
    }
}

fn set_octets(key: &SearchKey) -> usize {
    match key {
        SearchKey::And(keys) => keys.iter().map(set_octets).sum(),
        SearchKey::Or(one, other) => set_octets(one) + set_octets(other),
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => set_octets(key),
        SearchKey::Uid(SequenceSet::Ranges(ranges)) => ranges.len() * size_of::<SequenceRange>(),
        _ => 0,
    }
}
