//! SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 4731, 5032, 5182, 5267, 7162
//! §3.1.5, 6203, 8514 §4.3, 9394).

use std::sync::Arc;
use std::time::Duration;

use mail::{ModSeq, SeqNo, Uid, UidSet};

use super::context::Results;
use super::state::{Searching, Wait};
use super::store::{written_seqs, written_uids};
use super::{Session, counting};
use crate::Tag;
use crate::ask::{
    Ask, Criterion, Date, Highest, Place, SortCriterion, SortKey, When, parse_thread,
};
use crate::command::{Date as Written, FetchItem, Search, SearchKey, SearchReturn};
use crate::diagram::Verb;
use crate::response::{Code, Esearch, Response, Status};
use crate::view::View;

impl Session {
    pub(super) fn search(&mut self, tag: Tag, search: Search) {
        if self.refuses_search(&tag, Verb::Search, &search) {
            return;
        }
        let updates = search.returning.is_some_and(|returning| returning.update);
        if updates && self.refuses_tag(&tag) {
            return;
        }
        let update = updates.then(|| self.context(&tag, &search, &[]));
        let Some(open) = self.state.open() else {
            return self.fault();
        };
        let by_modseq = search.key.asks_modseq();
        let tells_modseq = by_modseq || search.newcomers.contains(&FetchItem::ModSeq);
        let criterion = criterion(search.key, &open.numbering());
        let highest = by_modseq.then(|| highest(search.returning.as_ref()));
        let ask = Ask::Search {
            mailbox: open.mailbox,
            criterion,
            highest,
        };
        if tells_modseq {
            self.enable_condstore();
        }
        // RFC 9051 §6.4.4: with rev2 the plain command is answered as RETURN (ALL).
        let all = SearchReturn {
            all: true,
            ..SearchReturn::default()
        };
        let returning = search.returning.or_else(|| self.rev2.then_some(all));
        let searching = Searching {
            tag,
            verb: Verb::Search,
            uid: search.uid,
            returning,
            update: update.flatten(),
        };
        self.wait(ask, Wait::Found(searching));
    }

    pub(super) fn take_found(
        &mut self,
        searching: Searching,
        found: &UidSet,
        highest: Option<ModSeq>,
        scores: &[u8],
    ) {
        let Searching {
            tag,
            verb,
            uid,
            returning,
            update,
        } = searching;
        let Some(open) = self.state.open_mut() else {
            return self.fault();
        };
        // What came after the last EXISTS has no number yet.
        let (all, found) = (found, open.view.known(found));
        let highest = highest.filter(|_| !found.is_empty());
        match returning {
            None => {
                let numbers = if uid {
                    found.iter().map(Uid::value).collect()
                } else {
                    let seqs = open.view.seqs_of(&found);
                    seqs.iter().map(SeqNo::value).collect()
                };
                self.write(&Response::Search(numbers, highest));
            }
            Some(returning) => {
                if returning.save {
                    open.saved = Arc::new(saved(&found, returning));
                }
                if returning.tells() {
                    let view = (!uid).then_some(&open.view);
                    let mut esearch = esearch(view, &found, returning);
                    esearch.tag = Some(tag.clone());
                    esearch.modseq = highest;
                    esearch.relevancy = relevancy((all, scores), &found, returning);
                    self.write(&Response::Esearch(esearch));
                }
            }
        }
        self.keep(&tag, update, || Results::ByUid(found));
        let status = Status::ok("Done");
        self.conclude(tag, verb, status, counting(uid), false);
    }

    /// Answers BAD or NO if the search asks for what cannot be.
    pub(super) fn refuses_search(&mut self, tag: &Tag, verb: Verb, search: &Search) -> bool {
        if self.utf8 && search.charset.is_some() {
            // RFC 6855 §3
            let status = Status::bad("Texts are UTF-8 since UTF8=ACCEPT: name no charset");
            self.unsave(search.returning);
            self.bad(Some(tag), &status.with(Code::ClientBug));
            return true;
        }
        self.refuses_relevancy(tag, search, &[]) || self.refuses_charset(tag, verb, search)
    }

    /// Answers BAD if it is asked how near messages come, and nothing is fuzzy.
    pub(super) fn refuses_relevancy(
        &mut self,
        tag: &Tag,
        search: &Search,
        criteria: &[SortCriterion],
    ) -> bool {
        let is_told = search
            .returning
            .is_some_and(|returning| returning.relevancy);
        let is_key = |criterion: &SortCriterion| criterion.key == SortKey::Relevancy;
        let asks = is_told || criteria.iter().any(is_key);
        // RFC 6203 §4
        let refuses = asks && !search.key.asks_fuzzy();
        if refuses {
            self.unsave(search.returning);
            let status = Status::bad("Only a FUZZY search has a relevancy");
            self.bad(Some(tag), &status.with(Code::ClientBug));
        }
        refuses
    }

    /// Answers NO if the search's texts are in a charset we do not read.
    pub(super) fn refuses_charset(&mut self, tag: &Tag, verb: Verb, search: &Search) -> bool {
        let names_charset = matches!(verb, Verb::Sort | Verb::Thread);
        if self.utf8 && names_charset && search.charset.as_deref() != Some("UTF-8") {
            // RFC 9755 §3
            self.unsave(search.returning);
            let status = Status::bad("Texts are UTF-8 since UTF8=ACCEPT: name that charset");
            self.bad(Some(tag), &status.with(Code::ClientBug));
            return true;
        }
        if matches!(search.charset.as_deref(), None | Some("UTF-8" | "US-ASCII")) {
            return false;
        }
        // RFC 9051 §6.4.4
        let charsets = vec!["UTF-8".to_owned(), "US-ASCII".to_owned()];
        let status = Status::no("Texts are read as UTF-8").with(Code::BadCharset(charsets));
        self.unsave(search.returning);
        self.reply(tag, verb, &status);
        true
    }

    pub(super) fn not_found(&mut self, searching: Searching, status: Status) {
        self.unsave(searching.returning);
        let moment = counting(searching.uid);
        self.conclude(searching.tag, searching.verb, status, moment, false);
    }

    /// A search that was to be saved and is answered NO has found nothing.
    pub(super) fn unsave(&mut self, returning: Option<SearchReturn>) {
        if let Some(open) = self.state.open_mut()
            && returning.is_some_and(|returning| returning.save)
        {
            // RFC 5182 §2.1
            open.saved = Arc::default();
        }
    }
}

/// What `$` stands for after this (RFC 5182 §2.4).
pub(super) fn saved(found: &UidSet, returning: SearchReturn) -> UidSet {
    let some = returning.min || returning.max || returning.partial.is_some();
    if !some || returning.all || returning.count {
        return found.clone();
    }
    let first = found.first().filter(|_| returning.min);
    let last = found.last().filter(|_| returning.max);
    let partial = returning.partial.map(|range| range.of(found));
    // RFC 9394 §3.2
    let mut these = partial.unwrap_or_default();
    first
        .into_iter()
        .chain(last)
        .for_each(|uid| these.insert(uid));
    these
}

/// What was found: in the numbers of a view, or by UID.
pub(super) fn esearch(view: Option<&View>, found: &UidSet, returning: SearchReturn) -> Esearch {
    let number = |found: Option<Uid>| match view {
        None => found.map(Uid::value),
        Some(view) => found.and_then(|found| view.seq(found)).map(SeqNo::value),
    };
    let written = |uids: &UidSet| {
        (!uids.is_empty()).then(|| match view {
            None => written_uids(uids),
            Some(view) => written_seqs(&view.seqs_of(uids)),
        })
    };
    let all = returning.all.then(|| written(found)).flatten();
    let partial = returning
        .partial
        .map(|range| (range, written(&range.of(found))));
    Esearch {
        uid: view.is_none(),
        min: number(found.first()).filter(|_| returning.min),
        max: number(found.last()).filter(|_| returning.max),
        all,
        partial,
        count: returning
            .count
            .then(|| u32::try_from(found.len()).unwrap_or(u32::MAX)),
        ..Esearch::default()
    }
}

/// How near the messages come that are told; of those found, whose scores these are, no others.
pub(super) fn relevancy(
    (found, scores): (&UidSet, &[u8]),
    told: &UidSet,
    returning: SearchReturn,
) -> Vec<u8> {
    if !returning.relevancy {
        return Vec::new();
    }
    // RFC 6203 §6: with PARTIAL only some are told, unless all are.
    let partial = returning.partial.filter(|_| !returning.all);
    let partial = partial.map(|range| range.of(told));
    let told = partial.as_ref().unwrap_or(told);
    let each = found.iter().zip(scores);
    let each = each.filter(|(uid, _)| told.contains(*uid));
    each.map(|(_, score)| *score).collect()
}

/// Of which messages the mod-sequence is told (RFC 7162 §3.1.10).
pub(super) fn highest(returning: Option<&SearchReturn>) -> Highest {
    match returning {
        Some(returning) if !returning.all && !returning.count && returning.partial.is_none() => {
            match (returning.min, returning.max) {
                (true, true) => Highest::Ends,
                (true, false) => Highest::First,
                (false, true) => Highest::Last,
                (false, false) => Highest::All,
            }
        }
        _ => Highest::All,
    }
}

/// What numbers and ids mean in a mailbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbering<'a> {
    pub(super) mailbox: Place,
    pub(super) view: &'a View,
    /// What `$` stands for.
    pub(super) saved: &'a Arc<UidSet>,
}

/// The key in the house's words, with numbers made UIDs. Its depth is bounded by the grammar.
pub(super) fn criterion(key: SearchKey, open: &Numbering<'_>) -> Criterion {
    let within = |seconds: u32| Duration::from_secs(u64::from(seconds));
    let header = |name: &str, text| Criterion::Header {
        name: name.to_owned(),
        text,
    };
    let nothing = || Criterion::Uids(Arc::default());
    // tidy: table
    match key {
        SearchKey::And(keys) => {
            Criterion::And(keys.into_iter().map(|key| criterion(key, open)).collect())
        }
        SearchKey::Not(key) => Criterion::Not(Box::new(criterion(*key, open))),
        SearchKey::Fuzzy(key) => Criterion::Fuzzy(Box::new(criterion(*key, open))),
        SearchKey::Or(one, other) => Criterion::Or(
            Box::new(criterion(*one, open)),
            Box::new(criterion(*other, open)),
        ),
        // Every mailbox of the house knows when its messages were put there.
        SearchKey::All | SearchKey::Old | SearchKey::SaveDateSupported => Criterion::All,
        SearchKey::Has(flag) => Criterion::Has(flag),
        SearchKey::Lacks(flag) => Criterion::Lacks(flag),
        SearchKey::New | SearchKey::Recent => nothing(),
        SearchKey::Sequence(set) => {
            let star = SeqNo::new(open.view.count()).unwrap_or(SeqNo::MIN);
            Criterion::Uids(match set.resolve::<SeqNo>(star) {
                Some(seqs) => Arc::new(open.view.spans_of(&seqs)),
                None => Arc::clone(open.saved),
            })
        }
        SearchKey::Uid(set) => {
            let star = open.view.last().unwrap_or(Uid::MIN);
            let uids = set.resolve::<Uid>(star).map(Arc::new);
            Criterion::Uids(uids.unwrap_or_else(|| Arc::clone(open.saved)))
        }
        SearchKey::Before(date) => Criterion::Arrived(When::Before, day(date)),
        SearchKey::On(date) => Criterion::Arrived(When::On, day(date)),
        SearchKey::Since(date) => Criterion::Arrived(When::Since, day(date)),
        SearchKey::SentBefore(date) => Criterion::Sent(When::Before, day(date)),
        SearchKey::SentOn(date) => Criterion::Sent(When::On, day(date)),
        SearchKey::SentSince(date) => Criterion::Sent(When::Since, day(date)),
        SearchKey::SavedBefore(date) => Criterion::Saved(When::Before, day(date)),
        SearchKey::SavedOn(date) => Criterion::Saved(When::On, day(date)),
        SearchKey::SavedSince(date) => Criterion::Saved(When::Since, day(date)),
        SearchKey::Older(seconds) => Criterion::Older(within(seconds)),
        SearchKey::Younger(seconds) => Criterion::Younger(within(seconds)),
        SearchKey::Larger(octets) => Criterion::Larger(octets),
        SearchKey::Smaller(octets) => Criterion::Smaller(octets),
        SearchKey::Bcc(text) => header("Bcc", text),
        SearchKey::Cc(text) => header("Cc", text),
        SearchKey::From(text) => header("From", text),
        SearchKey::To(text) => header("To", text),
        SearchKey::Subject(text) => header("Subject", text),
        SearchKey::Header(name, text) => Criterion::Header { name, text },
        SearchKey::Body(text) => Criterion::Body(text),
        SearchKey::Text(text) => Criterion::Text(text),
        SearchKey::ModSeq { modseq, .. } => Criterion::ModSeq(modseq),
        SearchKey::EmailId(id) => {
            let email = open.mailbox.parse_email(&id);
            email.map_or_else(nothing, Criterion::Email)
        }
        SearchKey::ThreadId(id) => parse_thread(&id).map_or_else(nothing, Criterion::Thread),
    }
}

fn day(date: Written) -> Date {
    (i32::from(date.year), date.month, date.day)
}
