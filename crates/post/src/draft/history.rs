//! What is remembered of a batch: rows that say what it took away or changed, in the batch itself.

use std::sync::Arc;

use mail::{MailboxId, ModSeq, Timestamp, Uid, UidSet};

use super::Draft;
use crate::OperationKind;
use crate::history::{Actor, Known};
use crate::tables::{
    self, Deed, Deleted, Filed, Flagged, Moved, MovedRun, Part, ReflagRun, Remembered, Removed,
    Renamed, State,
};

/// Messages, or runs of them, that one row names.
const ROW_MESSAGES_MAX: usize = 1000;
/// So many messages have to be copied for that to be an operation: it takes nothing away.
const COPIES_MIN: usize = 32;

/// What will be remembered.
#[derive(Debug)]
pub(super) struct Pen {
    now: Timestamp,
    /// Whose doing it is; nobody in particular where none has signed, as with what is delivered.
    pub(super) actor: Option<Arc<Actor>>,
    /// What it is; where nobody said so, what its first part is.
    kind: Option<OperationKind>,
    undoes: Option<ModSeq>,
    /// The mailbox, and where it went.
    names: Option<(String, String)>,
    parts: Vec<Part>,
}

impl Draft<'_> {
    /// Lets this batch be remembered.
    pub(crate) fn remember(&mut self, now: Timestamp) {
        self.pen = Some(Pen {
            now,
            actor: None,
            kind: None,
            undoes: None,
            names: None,
            parts: Vec::new(),
        });
    }

    /// True if what it takes away is remembered.
    pub(super) const fn remembers(&self) -> bool {
        self.pen.is_some()
    }

    /// True if other flags of messages are remembered: of few only where that undoes something.
    pub(super) fn remembers_flags(&self, are_many: bool) -> bool {
        let pen = self.pen.as_ref();
        pen.is_some_and(|pen| are_many || pen.undoes.is_some())
    }

    /// Says what it is.
    pub(crate) const fn call(&mut self, kind: OperationKind) {
        if let Some(pen) = &mut self.pen {
            pen.kind = Some(kind);
        }
    }

    /// Says that it undoes another.
    pub(crate) fn call_undo(&mut self, of: ModSeq, names: (String, String)) {
        self.call(OperationKind::Undo);
        if let Some(pen) = &mut self.pen {
            pen.undoes = Some(of);
            pen.names = Some(names);
        }
    }

    /// Notes something that it did.
    pub(super) fn record(&mut self, part: Part) {
        let named = |id: MailboxId| {
            let folder = self.ledger.folders.get(&id);
            folder.map_or_else(String::new, |folder| folder.row.name.clone())
        };
        let names = match &part {
            Part::Removed(Removed { mailbox, .. })
            | Part::Flagged(Flagged { mailbox, .. })
            | Part::Filed(Filed { mailbox, .. })
            | Part::Revived(mailbox) => (named(*mailbox), String::new()),
            Part::Moved(Moved { from, to, .. }) => (named(*from), named(*to)),
            Part::Deleted(deleted) => (deleted.row.name.clone(), String::new()),
            Part::Renamed(Renamed { from, to, .. }) => (from.clone(), to.clone()),
        };
        if let Some(pen) = &mut self.pen {
            pen.names.get_or_insert(names);
            pen.parts.push(part);
        }
    }

    /// Takes messages out of a mailbox that were filed in another.
    pub(crate) fn leave(&mut self, from: MailboxId, to: MailboxId, pairs: &[(Uid, Uid)]) {
        let sources = pairs.iter().map(|(source, _)| *source).collect();
        let gone = self.take_out(from, &sources);
        if gone.is_empty() {
            return;
        }
        self.unshare_all(gone.iter().map(|entry| entry.email));
        if !self.remembers() {
            return;
        }
        // Both rise by source.
        let moves = gone.iter().zip(pairs);
        let moves = moves.filter(|(entry, (source, _))| entry.uid == *source);
        let moves: Vec<_> = moves
            .map(|(entry, (source, target))| (*source, *target, entry.saved))
            .collect();
        for some in moves.chunks(ROW_MESSAGES_MAX) {
            let mut runs: Vec<MovedRun> = Vec::new();
            let mut ends = None;
            for (source, target, saved) in some {
                if let (Some(end), Some(run)) = (ends, runs.last_mut())
                    && end == (Some(*source), Some(*target))
                {
                    run.saved.push(*saved);
                } else {
                    runs.push(MovedRun {
                        source: *source,
                        target: *target,
                        saved: vec![*saved],
                    });
                }
                ends = Some((source.next(), target.next()));
            }
            self.record(Part::Moved(Moved { from, to, runs }));
        }
    }

    /// Notes copies, if they are many.
    pub(crate) fn record_copies(&mut self, mailbox: MailboxId, pairs: &[(Uid, Uid)]) {
        if self.remembers() && pairs.len() >= COPIES_MIN {
            let uids = pairs.iter().map(|(_, target)| *target).collect();
            self.record_filed(mailbox, uids);
        }
    }

    /// Notes messages that came.
    pub(crate) fn record_filed(&mut self, mailbox: MailboxId, uids: UidSet) {
        if !uids.is_empty() {
            self.record(Part::Filed(Filed { mailbox, uids }));
        }
    }

    /// Notes other flags of messages.
    pub(super) fn record_flags(&mut self, mailbox: MailboxId, runs: &[ReflagRun]) {
        for some in runs.chunks(ROW_MESSAGES_MAX) {
            let runs = some.to_vec();
            self.record(Part::Flagged(Flagged { mailbox, runs }));
        }
    }

    /// Notes a mailbox that goes, as long as all but its messages is there. One that is no more
    /// than a level above others is nothing to bring back.
    pub(super) fn record_deleted(&mut self, id: MailboxId) {
        if !self.remembers() {
            return;
        }
        let Some(folder) = self.ledger.folders.get(&id) else {
            return;
        };
        if !folder.row.selectable {
            return;
        }
        let notes = self.ledger.metadata.get(&id).into_iter().flatten();
        let deleted = Deleted {
            id,
            row: folder.row.clone(),
            next_uid: folder.next_uid,
            acl: folder.acl.clone(),
            notes: notes
                .map(|(entry, value)| (entry.clone(), value.clone()))
                .collect(),
        };
        self.record(Part::Deleted(Box::new(deleted)));
        if let Some(pen) = &mut self.pen {
            pen.kind.get_or_insert(OperationKind::DeleteMailbox);
        }
    }

    /// Gives a mailbox another name.
    pub(crate) fn rename_mailbox(&mut self, id: MailboxId, to: String) {
        let Some(folder) = self.ledger.folders.get(&id) else {
            return;
        };
        let from = folder.row.name.clone();
        let renamed = Renamed {
            id,
            from,
            to: to.clone(),
        };
        self.record(Part::Renamed(renamed));
        self.edit_mailbox(id, |row| row.name = to);
    }

    /// Writes an operation's row, with what has become of it.
    pub(crate) fn put_deed(&mut self, line: ModSeq, deed: &Deed) {
        self.modseq();
        self.ledger.history.insert(line, Known::of(deed));
        self.writes.push(tables::put_deed(line, deed));
    }

    /// Removes an operation's row: none of its parts is left.
    pub(crate) fn drop_deed(&mut self, line: ModSeq) {
        self.modseq();
        self.ledger.history.remove(&line);
        self.writes.push(tables::delete_deed(line));
    }

    /// Forgets a part of an operation: messages that nothing else names are gone for good.
    pub(crate) fn drop_part(&mut self, line: ModSeq, number: u32, part: &Part) {
        self.modseq();
        self.writes.push(tables::delete_part(line, number));
        if let Part::Removed(removed) = part {
            self.unshare_all(removed.entries.iter().map(|entry| entry.email));
        }
    }

    /// True if nothing but one row of an operation names this email.
    pub(crate) fn is_last(&self, email: mail::EmailId) -> bool {
        !self.ledger.shared.contains_key(&email)
    }

    /// What was before this moment is not remembered whole any more; without one, what was before
    /// the next operation.
    pub(crate) fn forget_past(&mut self, since_seconds: Option<i64>) {
        let remembered = self.ledger.remembered;
        if remembered.since_seconds.is_some() {
            let known = remembered.since_seconds;
            let since_seconds = since_seconds.map(|since| known.map_or(since, |at| at.max(since)));
            let forgotten = self.modseq();
            self.set_remembered(Remembered {
                since_seconds,
                forgotten,
                ..remembered
            });
        }
    }

    /// From this moment on all is remembered, unless it is known from an earlier one.
    pub(crate) fn begin_to_remember(&mut self, now: Timestamp) {
        let remembered = self.ledger.remembered;
        if remembered.since_seconds.is_none() {
            self.set_remembered(Remembered {
                since_seconds: Some(now.seconds),
                ..remembered
            });
        }
    }

    /// Writes the rows about this batch.
    pub(super) fn write_history(&mut self, line: ModSeq) {
        let Some(pen) = self.pen.take().filter(|pen| !pen.parts.is_empty()) else {
            return;
        };
        self.begin_to_remember(pen.now);
        let (mut messages, mut octets, mut number) = (0, 0, 0);
        for part in &pen.parts {
            let (some, size) = weight(part);
            messages += some;
            octets += size;
            for row in rows(part) {
                self.writes.push(tables::put_part(line, number, &row));
                number += 1;
            }
        }
        let kind = pen.kind.or_else(|| pen.parts.first().map(kind));
        let (mailbox, target) = pen.names.unwrap_or_default();
        let deed = Deed {
            kind: kind.unwrap_or(OperationKind::Expunge),
            state: State::Done,
            when: pen.now,
            actor: pen.actor.unwrap_or_default(),
            messages,
            octets,
            mailbox,
            target,
            parts: number,
            undoes: pen.undoes,
            proof: None,
        };
        self.put_deed(line, &deed);
    }
}

/// A part as it is written: at most so many messages in each row.
fn rows(part: &Part) -> Vec<Part> {
    match part {
        Part::Removed(removed) => {
            let some = removed.entries.chunks(ROW_MESSAGES_MAX);
            let row = |entries: &[tables::Entry]| {
                Part::Removed(Removed {
                    mailbox: removed.mailbox,
                    entries: entries.to_vec(),
                })
            };
            some.map(row).collect()
        }
        part => vec![part.clone()],
    }
}

fn kind(part: &Part) -> OperationKind {
    match part {
        Part::Removed(_) => OperationKind::Expunge,
        Part::Moved(_) => OperationKind::Move,
        Part::Flagged(_) => OperationKind::Flags,
        Part::Filed(_) => OperationKind::Copy,
        Part::Deleted(_) => OperationKind::DeleteMailbox,
        Part::Revived(_) => OperationKind::Undo,
        Part::Renamed(_) => OperationKind::RenameMailbox,
    }
}

/// How many messages a part is about, and octets of those that are kept for its sake.
fn weight(part: &Part) -> (u64, u64) {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    match part {
        Part::Removed(Removed { entries, .. }) => {
            let octets = entries.iter().map(|entry| u64::from(entry.size)).sum();
            (count(entries.len()), octets)
        }
        Part::Moved(moved) => (moved.runs.iter().map(|run| count(run.saved.len())).sum(), 0),
        Part::Flagged(flagged) => (flagged.messages(), 0),
        Part::Filed(filed) => (filed.uids.len(), 0),
        Part::Deleted(_) | Part::Revived(_) | Part::Renamed(_) => (0, 0),
    }
}
