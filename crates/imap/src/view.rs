//! A mailbox as one session sees it: sequence number ⇄ UID.
//!
//! What happens in the mailbox is queued; only [`View::flush`] moves numbers, and [`Moment`] says
//! how far it may (RFC 9051 §7.5.1). UIDs are kept as runs, so that a million messages of which
//! few were removed cost little.
//!
//! Not here: flags, which no session keeps; the wording of EXISTS and EXPUNGE.

use mail::{Member, SeqNo, SeqSet, Uid, UidSet};

use crate::ask::Gone;

mod runs;

use runs::{Run, Runs};

/// When something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At the end of a command that does not count messages, or in IDLE: all may be told.
    Free,
    /// At the end of FETCH, STORE or SEARCH with sequence numbers: messages may be added, none
    /// may go.
    Counting,
    /// No command is in progress: nothing may be told.
    Quiet,
}

/// What a flush moved, in the order to tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// EXPUNGE this number so many times: what follows a removed message takes its number.
    pub expunged: Vec<(SeqNo, u32)>,
    /// The same messages by their UIDs.
    pub vanished: UidSet,
    /// How many messages there are now, if some were added.
    pub exists: Option<u32>,
}

/// The numbers of one selected mailbox.
#[derive(Clone, Debug, Default)]
pub struct View {
    runs: Runs,
    added: UidSet,
    gone: UidSet,
}

impl View {
    /// The mailbox with these messages.
    #[must_use]
    pub fn new(uids: &UidSet) -> Self {
        Self {
            runs: Runs::new(uids.ranges().map(bounds)),
            ..Self::default()
        }
    }

    /// How many messages there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.runs.count()
    }

    /// The UID with this number.
    #[must_use]
    pub fn uid(&self, seq: SeqNo) -> Option<Uid> {
        let seq = seq.value();
        let run = self.runs.reaching_seq(seq).next()?;
        let uid = run.low.checked_add(seq - run.seq)?;
        Uid::new(uid).filter(|_| uid <= run.high)
    }

    /// The number of this UID.
    #[must_use]
    pub fn seq(&self, uid: Uid) -> Option<SeqNo> {
        let uid = uid.value();
        let run = self.runs.reaching_uid(uid).next()?;
        SeqNo::new(run.seq + uid.checked_sub(run.low)?)
    }

    /// The last message's UID.
    #[must_use]
    pub fn last(&self) -> Option<Uid> {
        self.runs.last().and_then(|run| Uid::new(run.high))
    }

    /// All UIDs.
    #[must_use]
    pub fn uids(&self) -> UidSet {
        let mut set = UidSet::new();
        for run in self.runs.iter() {
            insert(&mut set, run.low, run.high);
        }
        set
    }

    /// The UIDs with these numbers; numbers that are not there have none.
    #[must_use]
    pub fn uids_of(&self, seqs: &SeqSet) -> UidSet {
        let mut set = UidSet::new();
        for (first, last) in seqs.ranges().map(bounds) {
            for run in self.runs.reaching_seq(first) {
                if run.seq > last {
                    break;
                }
                let low = run.low + first.saturating_sub(run.seq);
                let high = run.low.saturating_add(last - run.seq).min(run.high);
                insert(&mut set, low, high);
            }
        }
        set
    }

    /// The same with all UIDs between the first and the last of each range of numbers. No message
    /// ever comes between two that are there: it has as few ranges as were written, and holds
    /// the same messages.
    #[must_use]
    pub fn spans_of(&self, seqs: &SeqSet) -> UidSet {
        let mut set = UidSet::new();
        for (first, last) in seqs.ranges().map(bounds) {
            let uid = |seq: u32| SeqNo::new(seq).and_then(|seq| self.uid(seq));
            if let (Some(low), Some(high)) = (uid(first), uid(last.min(self.count()))) {
                set.insert_range(low..=high);
            }
        }
        set
    }

    /// The numbers of these UIDs; UIDs that are not there have none.
    #[must_use]
    pub fn seqs_of(&self, uids: &UidSet) -> SeqSet {
        let mut set = SeqSet::new();
        self.each_common(uids, |run, low, high| {
            insert(&mut set, run.seq + low - run.low, run.seq + high - run.low);
        });
        set
    }

    /// Those of these UIDs that are there.
    #[must_use]
    pub fn known(&self, uids: &UidSet) -> UidSet {
        let mut set = UidSet::new();
        self.each_common(uids, |_, low, high| insert(&mut set, low, high));
        set
    }

    /// True if messages went and this was not told yet.
    #[must_use]
    pub fn owes_expunge(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Those that went and are still to be told.
    #[must_use]
    pub const fn going(&self) -> &UidSet {
        &self.gone
    }

    /// Queues what happened. Returns false if the mailbox itself is gone.
    pub fn queue(&mut self, added: &UidSet, gone: &Gone) -> bool {
        // New messages always have higher UIDs than all before (RFC 9051 §2.3.1.1).
        let last = self.last();
        for range in added.ranges() {
            let low = (*range.start()).max(last.and_then(Uid::next).unwrap_or(Uid::MIN));
            self.added.insert_range(low..=*range.end());
        }
        match gone {
            Gone::Mailbox => return false,
            Gone::Uids(uids) => {
                for range in self.known(uids).ranges() {
                    self.gone.insert_range(range);
                }
                self.added = subtract(&self.added, uids);
            }
            Gone::AllBut(uids) => {
                self.gone = subtract(&self.uids(), uids);
                self.added = UidSet::new();
                for range in uids.ranges() {
                    let low = (*range.start()).max(last.and_then(Uid::next).unwrap_or(Uid::MIN));
                    self.added.insert_range(low..=*range.end());
                }
            }
        }
        true
    }

    /// Moves the numbers as far as the moment allows, and says what to tell.
    pub fn flush(&mut self, at: Moment) -> Moved {
        let mut moved = Moved::default();
        if at == Moment::Quiet {
            return moved;
        }
        if at == Moment::Free && !self.gone.is_empty() {
            moved.vanished = std::mem::take(&mut self.gone);
            moved.expunged = self.expunge(&moved.vanished);
        }
        if !self.added.is_empty() {
            let added = std::mem::take(&mut self.added);
            let known = self.runs.iter().map(|run| (run.low, run.high));
            self.runs = Runs::new(known.chain(added.ranges().map(bounds)));
            moved.exists = Some(self.count());
        }
        moved
    }

    fn expunge(&mut self, gone: &UidSet) -> Vec<(SeqNo, u32)> {
        let mut expunged = Vec::new();
        let mut before = 0;
        for (first, last) in self.seqs_of(gone).ranges().map(bounds) {
            let count = last - first + 1;
            expunged.extend(SeqNo::new(first - before).map(|seq| (seq, count)));
            before += count;
        }
        let left = subtract(&self.uids(), gone);
        self.runs = Runs::new(left.ranges().map(bounds));
        expunged
    }

    /// Calls back for each stretch that a run shares with the set.
    fn each_common(&self, uids: &UidSet, mut found: impl FnMut(&Run, u32, u32)) {
        for (low, high) in uids.ranges().map(bounds) {
            for run in self.runs.reaching_uid(low) {
                if run.low > high {
                    break;
                }
                found(&run, run.low.max(low), run.high.min(high));
            }
        }
    }
}

fn bounds<T: Member>(range: std::ops::RangeInclusive<T>) -> (u32, u32) {
    (range.start().ordinal(), range.end().ordinal())
}

fn insert<T: Member>(set: &mut mail::Set<T>, low: u32, high: u32) {
    if let (Some(low), Some(high)) = (T::from_ordinal(low), T::from_ordinal(high)) {
        set.insert_range(low..=high);
    }
}

/// What is in the first set and not in the second.
pub(crate) fn subtract(from: &UidSet, these: &UidSet) -> UidSet {
    let mut left = UidSet::new();
    let mut holes = these.ranges().map(bounds).peekable();
    for (mut low, high) in from.ranges().map(bounds) {
        while let Some(&(start, end)) = holes.peek() {
            if start > high {
                break;
            }
            if start > low {
                insert(&mut left, low, start - 1);
            }
            low = low.max(end.saturating_add(1));
            if end >= high {
                break;
            }
            holes.next();
        }
        // A hole up to the last number there is leaves nothing behind it.
        let swallowed = holes
            .peek()
            .is_some_and(|&(start, end)| start <= high && end >= high);
        if low <= high && !swallowed {
            insert(&mut left, low, high);
        }
    }
    left
}

/// What is in both sets.
pub(crate) fn intersect(one: &UidSet, other: &UidSet) -> UidSet {
    subtract(one, &subtract(one, other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    fn set(values: &[u32]) -> UidSet {
        values.iter().map(|&value| uid(value)).collect()
    }

    /// The same as a plain list of UIDs.
    #[derive(Default)]
    struct Naive {
        uids: Vec<u32>,
        added: Vec<u32>,
        gone: Vec<u32>,
    }

    impl Naive {
        fn queue(&mut self, added: &[u32], gone: &[u32]) {
            self.added.extend(added);
            for uid in gone {
                if self.uids.contains(uid) && !self.gone.contains(uid) {
                    self.gone.push(*uid);
                }
                self.added.retain(|known| known != uid);
            }
            self.gone.sort_unstable();
        }

        fn flush(&mut self, at: Moment) -> (Vec<u32>, Option<u32>) {
            let mut lines = Vec::new();
            if at == Moment::Free {
                for uid in std::mem::take(&mut self.gone) {
                    let at = self.uids.iter().position(|known| *known == uid).unwrap();
                    self.uids.remove(at);
                    lines.push(u32::try_from(at).unwrap() + 1);
                }
            }
            let mut exists = None;
            if at != Moment::Quiet && !self.added.is_empty() {
                self.uids.append(&mut self.added);
                exists = Some(u32::try_from(self.uids.len()).unwrap());
            }
            (lines, exists)
        }
    }

    fn moment() -> impl Strategy<Value = Moment> {
        prop_oneof![
            Just(Moment::Free),
            Just(Moment::Counting),
            Just(Moment::Quiet)
        ]
    }

    proptest! {
        #[test]
        fn a_view_is_a_naive_list(
            scene in prop::collection::vec(
                (0_u32..4, prop::collection::vec(1_u32..40, 0..6), any::<bool>(), moment()),
                0..12,
            )
        ) {
            let mut view = View::new(&set(&[2, 3, 4, 7, 9]));
            let mut naive = Naive { uids: vec![2, 3, 4, 7, 9], ..Naive::default() };
            let mut next = 10;
            for (adding, gone, lost, at) in scene {
                let added: Vec<u32> = (next..next + adding).collect();
                next += adding * 2;
                naive.queue(&added, &gone);
                let gone = if lost {
                    let left = naive.uids.iter().chain(&naive.added).copied()
                        .filter(|uid| !naive.gone.contains(uid)).collect::<Vec<_>>();
                    Gone::AllBut(set(&left))
                } else {
                    Gone::Uids(set(&gone))
                };
                prop_assert!(view.queue(&set(&added), &gone));
                prop_assert_eq!(view.owes_expunge(), !naive.gone.is_empty());
                let moved = view.flush(at);
                let lines: Vec<u32> = moved.expunged.iter()
                    .flat_map(|&(seq, count)| (0..count).map(move |_| seq.value()))
                    .collect();
                prop_assert_eq!(moved.vanished.len(), lines.len() as u64);
                prop_assert_eq!((lines, moved.exists), naive.flush(at));
                prop_assert_eq!(view.uids().iter().map(Uid::value).collect::<Vec<_>>(),
                    naive.uids.clone());
                prop_assert_eq!(view.count() as usize, naive.uids.len());
                for (index, &value) in naive.uids.iter().enumerate() {
                    let seq = SeqNo::new(u32::try_from(index).unwrap() + 1).unwrap();
                    prop_assert_eq!(view.uid(seq), Some(uid(value)));
                    prop_assert_eq!(view.seq(uid(value)), Some(seq));
                }
                let beyond = SeqNo::new(view.count() + 1).unwrap();
                prop_assert_eq!(view.uid(beyond), None);
            }
        }

        #[test]
        fn sets_go_there_and_back(
            uids in prop::collection::btree_set(1_u32..60, 0..40),
            asked in prop::collection::btree_set(1_u32..70, 0..40),
        ) {
            let uids: Vec<u32> = uids.into_iter().collect();
            let asked: Vec<u32> = asked.into_iter().collect();
            let view = View::new(&set(&uids));
            let common: Vec<u32> = asked.iter().copied().filter(|u| uids.contains(u)).collect();
            prop_assert_eq!(view.known(&set(&asked)), set(&common));
            let seqs = view.seqs_of(&set(&asked));
            prop_assert_eq!(view.uids_of(&seqs), set(&common));
            prop_assert_eq!(view.known(&view.spans_of(&seqs)), set(&common));
            prop_assert!(view.spans_of(&seqs).ranges().count() <= seqs.ranges().count());
            let left: Vec<u32> = uids.iter().copied().filter(|u| !asked.contains(u)).collect();
            prop_assert_eq!(subtract(&set(&uids), &set(&asked)), set(&left));
        }
    }

    #[test]
    fn a_million_messages_are_one_run() {
        let mut view = View::new(&UidSet::from_range(Uid::MIN..=uid(1_000_000)));
        assert_eq!(view.runs.iter().count(), 1);
        view.queue(&UidSet::new(), &Gone::Uids(set(&[500_000])));
        let moved = view.flush(Moment::Free);
        assert_eq!(moved.expunged, [(SeqNo::new(500_000).unwrap(), 1)]);
        assert_eq!(view.runs.iter().count(), 2);
        assert_eq!(view.uid(SeqNo::new(999_999).unwrap()), Some(uid(1_000_000)));
    }

    #[test]
    fn the_last_uid_does_not_overflow() {
        let view = View::new(&UidSet::from_range(Uid::MAX..=Uid::MAX));
        assert_eq!(view.seq(Uid::MAX), Some(SeqNo::MIN));
        let all = UidSet::from_range(Uid::MIN..=Uid::MAX);
        assert!(subtract(&all, &all).is_empty());
        assert_eq!(view.known(&all), UidSet::from_range(Uid::MAX..=Uid::MAX));
    }
}
