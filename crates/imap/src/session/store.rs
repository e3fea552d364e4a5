//! STORE, COPY, MOVE, EXPUNGE (RFC 9051 §6.4.3, §6.4.6–§6.4.9; RFC 4315, 6851, 7162 §3.1.3).

use std::num::NonZeroU32;

use mail::{ModSeq, SeqSet, UidSet, UidValidity};

use super::fetch::{beyond, gone};
use super::state::{Storing, Task, Wait};
use super::{Moment, Session, counting, uid_only};
use crate::ask::{Ask, Changed, Reached, StoreMode};
use crate::command::{Store, StoreAction};
use crate::diagram::Verb;
use crate::response::{Code, Status};
use crate::{MailboxName, SeqNumber, SequenceRange, SequenceSet, Tag};

impl Session {
    pub(super) fn store(&mut self, tag: Tag, store: Store) {
        if self.is_read_only() {
            return self.refuse_read_only(&tag, Verb::Store);
        }
        let uids = match self.resolve(&store.set, store.uid) {
            Ok(uids) => uids,
            Err(status) => return self.bad(Some(&tag), &status),
        };
        if store.unchanged_since.is_some() {
            self.enable_condstore();
        }
        let mode = match store.action {
            StoreAction::Replace => StoreMode::Replace,
            StoreAction::Add => StoreMode::Add,
            StoreAction::Remove => StoreMode::Remove,
        };
        self.go_on_storing(Box::new(Storing {
            tag,
            uid: store.uid,
            silent: store.silent,
            mode,
            flags: store.flags,
            unchanged_since: store.unchanged_since,
            count: uids.len(),
            found: false,
            uids,
            modified: UidSet::new(),
        }));
    }

    fn go_on_storing(&mut self, storing: Box<Storing>) {
        let Some(open) = self.state.open() else {
            return self.fault();
        };
        if storing.uids.is_empty() {
            // RFC 2180 §4.2.2
            let by_number = !storing.uid && !storing.silent && storing.count > 0;
            let status = match by_number && !storing.found {
                true => gone(),
                false => Status::ok("Done"),
            };
            let status = match self.modified(&storing) {
                Some(set) => status.with(Code::Modified(set)),
                None => status,
            };
            let moment = counting(storing.uid);
            return self.conclude(storing.tag, Verb::Store, status, moment, true);
        }
        let ask = Ask::Store {
            mailbox: open.mailbox,
            uids: storing.uids.clone(),
            mode: storing.mode,
            flags: storing.flags.clone(),
            unchanged_since: storing.unchanged_since,
            told: open.known,
        };
        self.wait(ask, Wait::Stored(storing));
    }

    pub(super) fn take_stored(
        &mut self,
        mut storing: Box<Storing>,
        changed: &[Changed],
        raced: &UidSet,
        modified: &UidSet,
        reached: Reached,
    ) {
        let Some(open) = self.state.open_mut() else {
            return self.fault();
        };
        let mut told = (UidSet::new(), ModSeq::default());
        let out = self.output.buffer();
        for changed in changed {
            let Some(seq) = open.view.seq(changed.uid) else {
                continue;
            };
            told.0.insert(changed.uid);
            told.1 = told.1.max(changed.modseq);
            // RFC 9051 §6.4.6
            let silent = storing.silent && !raced.contains(changed.uid);
            if silent && !self.condstore {
                continue;
            }
            let mut line = uid_only::begin(self.uid_only, out, (seq, changed.uid));
            if !self.uid_only && (storing.uid || self.condstore) {
                line.uid(out, changed.uid);
            }
            if !silent {
                line.flags(out, &changed.flags, false);
            }
            if self.condstore {
                // RFC 7162 §3.1.3
                line.modseq(out, changed.modseq);
            }
            line.end(out);
        }
        storing.found |= !changed.is_empty() || !modified.is_empty();
        open.told.push(told);
        for range in modified.ranges() {
            storing.modified.insert_range(range);
        }
        storing.uids = beyond(&storing.uids, reached);
        self.task = Task::Ready;
        self.go_on_storing(storing);
    }

    /// The messages left alone, in the numbers the command was given in.
    fn modified(&self, storing: &Storing) -> Option<SequenceSet> {
        let view = &self.state.open()?.view;
        let set = if storing.uid {
            written_uids(&storing.modified)
        } else {
            written_seqs(&view.seqs_of(&storing.modified))
        };
        (!storing.modified.is_empty()).then_some(set)
    }

    pub(super) fn copy(
        &mut self,
        tag: Tag,
        verb: Verb,
        uid: bool,
        set: &SequenceSet,
        target: &MailboxName,
    ) {
        if verb == Verb::Move && self.is_read_only() {
            return self.refuse_read_only(&tag, verb);
        }
        let uids = match self.resolve(set, uid) {
            Ok(uids) => uids,
            Err(status) => return self.bad(Some(&tag), &status),
        };
        let Some(open) = self.state.open() else {
            return self.fault();
        };
        if uids.is_empty() {
            let status = Status::ok("There is no such message");
            return self.conclude(tag, verb, status, Moment::Free, false);
        }
        let mailbox = open.mailbox;
        let target = target.as_str().to_owned();
        let ask = if verb == Verb::Move {
            Ask::Move {
                mailbox,
                uids,
                target,
            }
        } else {
            Ask::Copy {
                mailbox,
                uids,
                target,
            }
        };
        self.wait(ask, Wait::Copied { tag, verb });
    }

    pub(super) fn take_copied(
        &mut self,
        tag: Tag,
        verb: Verb,
        uid_validity: UidValidity,
        source: UidSet,
        target: UidSet,
    ) {
        self.note_filed(uid_validity, &target);
        let status = if source.is_empty() {
            Status::ok("There is no such message")
        } else {
            let code = Code::CopyUid(uid_validity, source, target);
            if verb == Verb::Move {
                // RFC 6851 §4.3
                self.untagged(&Status::ok("Moved").with(code));
                Status::ok("Done")
            } else {
                Status::ok("Copied").with(code)
            }
        };
        self.conclude(tag, verb, status, Moment::Free, true);
    }

    pub(super) fn expunge(&mut self, tag: Tag, set: Option<&SequenceSet>) {
        let verb = Verb::Expunge;
        if self.is_read_only() {
            return self.refuse_read_only(&tag, verb);
        }
        let uids = match set.map(|set| self.resolve(set, true)).transpose() {
            Ok(uids) => uids,
            Err(status) => return self.bad(Some(&tag), &status),
        };
        let Some(open) = self.state.open() else {
            return self.fault();
        };
        let ask = Ask::Expunge {
            mailbox: open.mailbox,
            uids,
        };
        self.wait(ask, Wait::Expunged { tag, verb });
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.state.open().is_none_or(|open| open.read_only)
    }

    fn refuse_read_only(&mut self, tag: &Tag, verb: Verb) {
        self.reply(tag, verb, &read_only());
    }
}

/// Why nothing is changed in a mailbox that is open to read only.
pub(super) fn read_only() -> Status {
    Status::no("The mailbox is open to read only").with(Code::ReadOnly)
}

/// A range of numbers as it is written.
fn written((low, high): (NonZeroU32, NonZeroU32)) -> SequenceRange {
    SequenceRange {
        from: SeqNumber::Number(low),
        to: SeqNumber::Number(high),
    }
}

/// The numbers of a set, as they are written.
pub(super) fn written_seqs(seqs: &SeqSet) -> SequenceSet {
    let ranges = seqs.ranges().map(|range| (range.start().0, range.end().0));
    SequenceSet::Ranges(ranges.map(written).collect())
}

/// The same for UIDs.
pub(super) fn written_uids(uids: &UidSet) -> SequenceSet {
    let ranges = uids.ranges().map(|range| (range.start().0, range.end().0));
    SequenceSet::Ranges(ranges.map(written).collect())
}
