//! Flags of messages changed: a row for each of a few, one row of runs for many.
//!
//! A row of runs names only entries that its change touched, and says all their flags. So an entry
//! is described by its own row, and by the one row of runs that has its mod-sequence, if there is
//! one. When no entry has a row's mod-sequence any more, the row goes.

use mail::{MailboxId, ModSeq, Uid, UidSet};

use super::Draft;
use crate::happenings::What;
use crate::ledger::Held;
use crate::tables::{self, Entry, FlagRun, ReflagRun};

/// From so many messages on a change is written as runs.
const RUN_MESSAGES_MIN: usize = 32;
/// Rows of runs of an account: loading it reads them all.
const RUN_ROWS_MAX: usize = 64;

/// The flags that a message is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flagging {
    pub(crate) uid: Uid,
    pub(crate) system: u8,
    pub(crate) keywords: u64,
}

impl Draft<'_> {
    /// Sets the flags of messages that are there, by rising UID; once in a batch, and not in one
    /// that files messages in the mailbox. Tells the line of the ledger that says so.
    pub(crate) fn set_flags(&mut self, mailbox: MailboxId, flaggings: &[Flagging]) -> ModSeq {
        if flaggings.is_empty() {
            return self.ledger.counters.modseq;
        }
        let modseq = self.modseq();
        let many = flaggings.len() >= RUN_MESSAGES_MIN;
        let remembered = self.remembers_flags(many);
        let Some(folder) = self.ledger.folders.get_mut(&mailbox) else {
            return modseq;
        };
        folder.highest = modseq;
        folder.flagged = modseq;
        let (mut before, mut runs) = (Vec::with_capacity(flaggings.len()), Vec::new());
        let mut reflagged = Vec::new();
        let mut at = 0;
        for flagging in flaggings {
            let Some(next) = folder.position(at, flagging.uid) else {
                continue;
            };
            let Some(entry) = folder.entries.get_mut(next) else {
                continue;
            };
            before.push(entry.modseq);
            if remembered {
                reflag(&mut reflagged, entry, flagging, next == at);
            }
            folder.sums.flag(next, entry, flagging.system);
            entry.system = flagging.system;
            entry.keywords = flagging.keywords;
            entry.modseq = modseq;
            if many {
                lengthen(&mut runs, flagging, next == at);
            } else {
                self.writes.push(entry.put(mailbox));
            }
            at = next + 1;
        }
        self.happened(mailbox, What::Flagged);
        self.record_flags(mailbox, &reflagged);
        let entries = before.len();
        self.release(mailbox, before.into_iter());
        if let (Some(first), Some(last)) = (runs.first(), runs.last()) {
            let (low, high) = (first.low, last.high);
            let held = Held { entries, low, high };
            self.ledger.flag_runs.insert((modseq, mailbox), held);
            self.writes
                .push(tables::put_flag_runs(modseq, mailbox, &runs));
            self.fold();
        }
        modseq
    }

    /// Entries of a mailbox that had these mod-sequences have others now, or are gone.
    pub(super) fn release(&mut self, mailbox: MailboxId, before: impl Iterator<Item = ModSeq>) {
        if self.ledger.flag_runs.is_empty() {
            return;
        }
        let mut before = before.peekable();
        while let Some(modseq) = before.next() {
            let mut count = 1;
            while before.next_if_eq(&modseq).is_some() {
                count += 1;
            }
            let Some(held) = self.ledger.flag_runs.get_mut(&(modseq, mailbox)) else {
                continue;
            };
            held.entries = held.entries.saturating_sub(count);
            if held.entries == 0 {
                self.drop_runs(modseq, mailbox);
            }
        }
    }

    /// Keeps the rows of runs few: those that say least become rows of their messages.
    fn fold(&mut self) {
        while self.ledger.flag_runs.len() > RUN_ROWS_MAX {
            let rows = self.ledger.flag_runs.iter();
            let least = rows.min_by_key(|(_, held)| held.entries);
            let Some((&(modseq, mailbox), &held)) = least else {
                return;
            };
            if let Some(folder) = self.ledger.folders.get(&mailbox) {
                let named = UidSet::from_range(held.low..=held.high);
                let told = folder
                    .among(&named)
                    .filter(|entry| entry.modseq == modseq)
                    .map(|entry| entry.put(mailbox));
                told.for_each(|write| self.writes.push(write));
            }
            self.drop_runs(modseq, mailbox);
        }
    }

    fn drop_runs(&mut self, modseq: ModSeq, mailbox: MailboxId) {
        self.ledger.flag_runs.remove(&(modseq, mailbox));
        self.writes.push(tables::delete_flag_runs(modseq, mailbox));
    }
}

/// Adds a message to the last run, if it had and has the same flags and none is between them.
fn reflag(runs: &mut Vec<ReflagRun>, entry: &Entry, flagging: &Flagging, follows: bool) {
    let before = (entry.system, entry.keywords);
    let after = (flagging.system, flagging.keywords);
    match runs.last_mut() {
        Some(run) if follows && (run.before, run.after) == (before, after) => {
            run.high = flagging.uid;
            run.messages += 1;
        }
        _ => runs.push(ReflagRun {
            low: flagging.uid,
            high: flagging.uid,
            messages: 1,
            before,
            after,
        }),
    }
}

/// Adds a message to the last run, if it has the same flags and none is between them.
fn lengthen(runs: &mut Vec<FlagRun>, flagging: &Flagging, follows: bool) {
    match runs.last_mut() {
        Some(run)
            if follows && (run.system, run.keywords) == (flagging.system, flagging.keywords) =>
        {
            run.high = flagging.uid;
        }
        _ => runs.push(FlagRun {
            low: flagging.uid,
            high: flagging.uid,
            system: flagging.system,
            keywords: flagging.keywords,
        }),
    }
}
