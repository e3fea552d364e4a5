//! SORT and THREAD with their UID forms (RFC 5256; RFC 5267; RFC 7162 §3.1.9, §3.1.10).

use std::num::NonZeroU32;
use std::sync::Arc;

use mail::{ModSeq, SeqNo, Uid, UidSet};
use message::Member;

use super::context::Results;
use super::search::{criterion, highest};
use super::state::{Searching, Wait};
use super::{Session, counting};
use crate::ask::{Ask, Criterion, Place};
use crate::command::{FetchItem, SearchKey, SearchReturn, Sort, Thread};
use crate::diagram::Verb;
use crate::response::{Esearch, Response, Status};
use crate::sequence::{SeqNumber, SequenceRange};
use crate::{SequenceSet, Tag};

impl Session {
    pub(super) fn sort(&mut self, tag: Tag, sort: Sort) {
        let Sort { criteria, search } = sort;
        if self.refuses_relevancy(&tag, &search, &criteria)
            || self.refuses_charset(&tag, Verb::Sort, &search)
        {
            return;
        }
        let updates = search.returning.is_some_and(|returning| returning.update);
        if updates && self.refuses_tag(&tag) {
            return;
        }
        let update = updates.then(|| self.context(&tag, &search, &criteria));
        let by_modseq = search.key.asks_modseq();
        let tells_modseq = by_modseq || search.newcomers.contains(&FetchItem::ModSeq);
        let Some((mailbox, criterion)) = self.among_known(search.key) else {
            return self.fault();
        };
        if tells_modseq {
            self.enable_condstore();
        }
        let ask = Ask::Sort {
            mailbox,
            criterion,
            criteria,
            highest: by_modseq.then(|| highest(search.returning.as_ref())),
        };
        let searching = Searching {
            tag,
            verb: Verb::Sort,
            uid: search.uid,
            returning: search.returning,
            update: update.flatten(),
        };
        self.wait(ask, Wait::Sorted(searching));
    }

    pub(super) fn thread(&mut self, tag: Tag, thread: Thread) {
        let Thread { threading, search } = thread;
        if self.refuses_charset(&tag, Verb::Thread, &search) {
            return;
        }
        if search.key.asks_modseq() {
            self.enable_condstore();
        }
        let Some((mailbox, criterion)) = self.among_known(search.key) else {
            return self.fault();
        };
        let ask = Ask::Thread {
            mailbox,
            criterion,
            threading,
        };
        let searching = Searching {
            tag,
            verb: Verb::Thread,
            uid: search.uid,
            returning: None,
            update: None,
        };
        self.wait(ask, Wait::Threads(searching));
    }

    /// The key for those messages that have a number: a thread is made of no others.
    fn among_known(&self, key: SearchKey) -> Option<(Place, Criterion)> {
        let open = self.state.open()?;
        let last = open.view.last();
        let known = last.map_or_else(UidSet::new, |last| UidSet::from_range(Uid::MIN..=last));
        let known = Criterion::Uids(Arc::new(known));
        let both = Criterion::And(vec![known, criterion(key, &open.numbering())]);
        Some((open.mailbox, both))
    }

    pub(super) fn take_sorted(
        &mut self,
        searching: Searching,
        uids: &[Uid],
        highest: Option<ModSeq>,
        scores: &[u8],
    ) {
        let uid = searching.uid;
        let number = |one: &Uid| self.number(*one, uid);
        let numbers: Vec<u32> = uids.iter().filter_map(number).collect();
        let scored = uids.iter().zip(scores);
        let scored = scored.filter(|(one, _)| number(one).is_some());
        let scores: Vec<u8> = scored.map(|(_, score)| *score).collect();
        let highest = highest.filter(|_| !numbers.is_empty());
        match searching.returning {
            None => self.write(&Response::Sort(numbers, highest)),
            Some(returning) => {
                if returning.save
                    && let Some(open) = self.state.open_mut()
                {
                    open.saved = Arc::new(saved(uids, returning));
                }
                if returning.tells() {
                    let mut esearch = esearch(&numbers, returning);
                    esearch.relevancy = relevancy(&scores, returning);
                    esearch.tag = Some(searching.tag.clone());
                    esearch.uid = uid;
                    esearch.modseq = highest;
                    self.write(&Response::Esearch(esearch));
                }
            }
        }
        self.keep(&searching.tag, searching.update, || {
            Results::InOrder(uids.to_vec())
        });
        let status = Status::ok("Done");
        self.conclude(searching.tag, Verb::Sort, status, counting(uid), false);
    }

    pub(super) fn take_threads(&mut self, searching: Searching, members: &[Member<Uid>]) {
        let numbered = members.iter().map(|member| Member {
            message: member
                .message
                .and_then(|one| self.number(one, searching.uid)),
            depth: member.depth,
        });
        let threads = Response::Thread(numbered.collect());
        self.write(&threads);
        let moment = counting(searching.uid);
        let status = Status::ok("Done");
        self.conclude(searching.tag, Verb::Thread, status, moment, false);
    }

    /// What the client calls a message.
    fn number(&self, message: Uid, uid: bool) -> Option<u32> {
        let seq = self.state.open()?.view.seq(message)?;
        Some(if uid {
            message.value()
        } else {
            SeqNo::value(seq)
        })
    }
}

/// What `$` stands for after this: with MIN, MAX and PARTIAL alone, only those (RFC 5182 §2.4).
fn saved(uids: &[Uid], returning: SearchReturn) -> UidSet {
    let some = returning.min || returning.max || returning.partial.is_some();
    let mut these = if some && !returning.all && !returning.count {
        // RFC 9394 §3.2
        let partial = returning.partial.map(|range| range.among(uids));
        let first = uids.first().filter(|_| returning.min);
        let last = uids.last().filter(|_| returning.max);
        let ends = first.into_iter().chain(last);
        ends.chain(partial.unwrap_or_default()).copied().collect()
    } else {
        uids.to_vec()
    };
    these.sort_unstable();
    these.into_iter().collect()
}

// RFC 5267 §3.1
/// MIN and MAX are the first and the last in the order asked for.
fn esearch(numbers: &[u32], returning: SearchReturn) -> Esearch {
    let written = |numbers: &[u32]| (!numbers.is_empty()).then(|| in_order(numbers));
    let all = returning.all.then(|| written(numbers)).flatten();
    // RFC 5267 §4.4
    let partial = returning
        .partial
        .map(|range| (range, written(range.among(numbers))));
    let count = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    Esearch {
        min: numbers.first().copied().filter(|_| returning.min),
        max: numbers.last().copied().filter(|_| returning.max),
        all,
        partial,
        count: returning.count.then_some(count),
        ..Esearch::default()
    }
}

/// How near the messages come that are told, in the same order.
fn relevancy(scores: &[u8], returning: SearchReturn) -> Vec<u8> {
    let told = match returning.partial {
        _ if !returning.relevancy => &[],
        // RFC 6203 §6
        Some(range) if !returning.all => range.among(scores),
        _ => scores,
    };
    told.to_vec()
}

// RFC 5267 §3.2
/// The numbers as they come; only what rises by one is written as a range.
pub(super) fn in_order(numbers: &[u32]) -> SequenceSet {
    let rises = |one: &u32, next: &u32| one.checked_add(1) == Some(*next);
    let ranges = numbers.chunk_by(rises).filter_map(|run| {
        let number = |number: &u32| NonZeroU32::new(*number).map(SeqNumber::Number);
        Some(SequenceRange {
            from: run.first().and_then(number)?,
            to: run.last().and_then(number)?,
        })
    });
    SequenceSet::Ranges(ranges.collect())
}
