//! Rows beside the memory of the same version: what differs.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mail::{EmailId, MailboxId, ModSeq, UidValidity};
use store::{Row, Table};

use super::walk::Piece;
use super::{Kind, Mend, Place, Suspect};
use crate::Usage;
use crate::access;
use crate::history::Known;
use crate::ledger::Ledger;
use crate::metadata::WHOLE;
use crate::tables::{self, Counters, EmailRow, Entry, MailboxRow, ScriptRow};

/// Judges the rows of all tables but those of messages.
pub(super) fn small(ledger: &Ledger, piece: &Piece) -> Vec<Suspect> {
    let mut judge = Judge {
        ledger,
        suspects: Vec::new(),
        rows: BTreeMap::new(),
    };
    for (table, row) in &piece.small {
        judge.row(*table, row);
    }
    judge.bounds();
    judge.whole();
    for id in &piece.lost {
        let what = "there are messages of a mailbox that is not there; they get one".to_owned();
        judge.suspect(
            Kind::LostMailbox,
            Place::Mailbox(*id),
            what,
            Mend::Revive(*id),
        );
    }
    judge.suspects
}

struct Judge<'l> {
    ledger: &'l Ledger,
    suspects: Vec<Suspect>,
    /// How many rows of a table are in memory as well.
    rows: BTreeMap<u8, usize>,
}

impl Judge<'_> {
    fn suspect(&mut self, kind: Kind, place: Place, what: String, mend: Mend) {
        self.suspects.push(Suspect::of(kind, place, what, mend));
    }

    fn memory(&mut self, place: Place, what: &str) {
        let what = format!("what is in memory is not what is kept: {what}");
        self.suspect(Kind::Memory, place, what, Mend::Forget);
    }

    fn row(&mut self, table: Table, row: &Row) {
        let (key, value) = (&row.key, &row.value);
        let judged = match table {
            tables::COUNTERS => Counters::read(value).map(|told| self.counters(&told)),
            tables::MAILBOXES => MailboxRow::read(key, value).map(|(id, told)| {
                let held = self.ledger.folders.get(&id).map(|folder| &folder.row);
                self.held(table, Place::Mailbox(id), held == Some(&told));
            }),
            tables::NEXT_UIDS => tables::read_next_uid(key, value).map(|(id, told)| {
                let held = self.ledger.folders.get(&id).map(|folder| folder.next_uid);
                self.of_mailbox(table, key, id, held == Some(told));
            }),
            tables::SUBSCRIPTIONS => std::str::from_utf8(key).ok().map(|name| {
                let held = self.ledger.subscriptions.contains(name);
                self.held(table, Place::Account, held);
            }),
            tables::METADATA => tables::read_metadata(key, value).map(|(id, entry, told)| {
                let held = self.ledger.metadata.get(&id);
                let held = held.and_then(|held| held.get(&entry)) == Some(&told);
                self.of_mailbox(table, key, id, held);
            }),
            tables::ACL => access::read(key, value).map(|(id, grantee, told)| {
                let held = self.ledger.folders.get(&id);
                let held = held.and_then(|folder| folder.acl.get(&grantee)) == Some(&told);
                self.of_mailbox(table, key, id, held);
            }),
            tables::SCRIPTS => ScriptRow::read(key, value).map(|(name, told)| {
                let held = self.ledger.scripts.get(&name) == Some(&told);
                self.held(table, Place::Account, held);
            }),
            tables::SCRIPT_TEXTS => self.script_text(key, value),
            tables::SEEN => tables::read_seen(key, value).map(|(id, told)| {
                let held = self.ledger.seen.get(&id) == Some(&told);
                self.held(table, Place::Account, held);
            }),
            tables::FLAG_RUNS => tables::read_flag_runs(key, value).map(|(modseq, id, _)| {
                let held = self.ledger.flag_runs.contains_key(&(modseq, id));
                self.of_mailbox(table, key, id, held);
            }),
            tables::HISTORY => tables::read_deed(key, value).map(|(line, deed)| {
                let held = self.ledger.history.get(&line) == Some(&Known::of(&deed));
                self.held(table, Place::Account, held);
            }),
            tables::REMEMBERED => tables::read_remembered(value).map(|told| {
                self.held(table, Place::Account, self.ledger.remembered == told);
            }),
            // Those of a mailbox that is gone stay until they are forgotten.
            tables::VANISHED => tables::read_vanished(key, value).map(|_| {
                *self.rows.entry(table.0).or_default() += 1;
            }),
            _ => Some(()),
        };
        if judged.is_none() {
            let what = format!("a row of table {} cannot be read", table.0);
            self.suspect(Kind::Unreadable, Place::Account, what, Mend::Nothing);
        }
    }

    /// A script's text belongs to a script, and is as long as that says.
    fn script_text(&mut self, key: &Bytes, value: &Bytes) -> Option<()> {
        let id = tables::read_script_text_key(key)?;
        let text = tables::read_script_text(value)?;
        let mut scripts = self.ledger.scripts.values();
        let table = tables::SCRIPT_TEXTS;
        let Some(script) = scripts.find(|script| script.id == id) else {
            let what = "the text of a script that is not there".to_owned();
            let mend = Mend::Row(table, key.clone());
            self.suspect(Kind::Orphan, Place::Account, what, mend);
            return Some(());
        };
        let is_held = usize::try_from(script.octets).ok() == Some(text.len());
        self.held(table, Place::Account, is_held);
        Some(())
    }

    /// Counts a row that should be in memory.
    fn held(&mut self, table: Table, place: Place, is_held: bool) {
        *self.rows.entry(table.0).or_default() += 1;
        if !is_held {
            self.memory(place, &format!("a row of table {}", table.0));
        }
    }

    /// The same for a row that belongs to a mailbox, which has to be there.
    fn of_mailbox(&mut self, table: Table, key: &Bytes, id: MailboxId, is_held: bool) {
        let is_whole = table == tables::METADATA && id == WHOLE;
        if is_whole || self.ledger.folders.contains_key(&id) {
            return self.held(table, Place::Mailbox(id), is_held);
        }
        let what = match table {
            tables::ACL => "rights to a mailbox that is not there",
            tables::METADATA => "a note on a mailbox that is not there",
            _ => "a row of a mailbox that is not there",
        };
        let mend = Mend::Row(table, key.clone());
        self.suspect(Kind::Orphan, Place::Account, what.to_owned(), mend);
    }

    fn counters(&mut self, told: &Counters) {
        let held = self.ledger.counters;
        if told.counted && told.usage != held.usage {
            let what = format!("it is counted as {} and holds {}", told.usage, held.usage);
            self.suspect(Kind::Counters, Place::Account, what, Mend::Counters);
        }
        let rest = |counters: &Counters| Counters {
            usage: Usage::default(),
            counted: true,
            ..*counters
        };
        if rest(told) != rest(&held) {
            self.memory(Place::Account, "its counters");
        }
    }

    /// What was given is not above what the counters say.
    fn bounds(&mut self) {
        let ledger = self.ledger;
        let rows = ledger.folders.values().map(|folder| &folder.row);
        let uidvalidity = rows.map(|row| row.uidvalidity).map(UidValidity::value);
        let lines = ledger.folders.values().map(|folder| folder.highest);
        let removals = ledger.vanished.iter().map(|(modseq, ..)| *modseq);
        let runs = ledger.flag_runs.keys().map(|(modseq, _)| *modseq);
        let scripts = ledger.scripts.values().map(|script| ModSeq(script.id));
        let lines = lines.chain(removals).chain(runs).chain(scripts);
        let given = Counters {
            modseq: lines.max().unwrap_or_default(),
            mailbox: ledger.folders.keys().map(|id| id.0).max().unwrap_or(0),
            uidvalidity: uidvalidity.max().unwrap_or(0),
            ..Counters::default()
        };
        let counted = &ledger.counters;
        if given.modseq > counted.modseq
            || given.mailbox > counted.mailbox
            || given.uidvalidity > counted.uidvalidity
        {
            let what = format!(
                "line {}, mailbox {}, UIDVALIDITY {} were given, but counted are {}, {}, {}",
                given.modseq.0,
                given.mailbox,
                given.uidvalidity,
                counted.modseq.0,
                counted.mailbox,
                counted.uidvalidity
            );
            let mend = Mend::Raise(Box::new(given));
            self.suspect(Kind::Bounds, Place::Account, what, mend);
        }
        for (id, folder) in &ledger.folders {
            let last = folder.entries.last().map(|entry| entry.uid);
            if let (Some(last), Some(next)) = (last, folder.next_uid)
                && next <= last
            {
                let what = format!("the next UID would be {next}, but {last} is given");
                let place = Place::Mailbox(*id);
                self.suspect(Kind::NextUid, place, what, Mend::NextUid(*id));
            }
        }
    }

    /// As many rows are in memory as there are.
    fn whole(&mut self) {
        let ledger = self.ledger;
        let acl = ledger.folders.values().map(|folder| folder.acl.len());
        let notes = ledger.metadata.iter();
        let notes = notes.filter(|(id, _)| **id == WHOLE || ledger.folders.contains_key(id));
        let held = [
            (tables::MAILBOXES, ledger.folders.len()),
            (tables::SUBSCRIPTIONS, ledger.subscriptions.len()),
            (tables::METADATA, notes.map(|(_, kept)| kept.len()).sum()),
            (tables::ACL, acl.sum()),
            (tables::SCRIPTS, ledger.scripts.len()),
            (tables::SCRIPT_TEXTS, ledger.scripts.len()),
            (tables::SEEN, ledger.seen.len()),
            (tables::FLAG_RUNS, ledger.flag_runs.len()),
            (tables::HISTORY, ledger.history.len()),
            (tables::VANISHED, ledger.vanished.len()),
        ];
        for (table, held) in held {
            let kept = self.rows.get(&table.0).copied().unwrap_or(0);
            if kept != held {
                let what = format!("{held} rows of table {} where {kept} are", table.0);
                self.memory(Place::Account, &what);
            }
        }
        let named: BTreeSet<&str> = ledger.names.keys().map(String::as_str).collect();
        let mut names = BTreeSet::new();
        for (id, folder) in &ledger.folders {
            let name = folder.row.name.as_str();
            if !names.insert(name) {
                let what = "another mailbox has the same name".to_owned();
                self.suspect(Kind::Directory, Place::Mailbox(*id), what, Mend::Nothing);
            }
        }
        if named != names {
            self.memory(Place::Account, "the mailboxes' names");
        }
    }
}

/// Judges entries, and the rows of their messages.
pub(super) fn entries(ledger: &Ledger, piece: &Piece) -> Vec<Suspect> {
    let mut suspects = Vec::new();
    let mut there = 0;
    let mut given = Counters::default();
    let emails: BTreeMap<EmailId, Option<&EmailRow>> = piece
        .emails
        .iter()
        .map(|(id, row)| (*id, row.as_ref()))
        .collect();
    for row in &piece.page.rows {
        let Some((id, told)) = Entry::read(&row.key, &row.value) else {
            let what = "the row of a message in a mailbox cannot be read".to_owned();
            suspects.push(Suspect::of(
                Kind::Unreadable,
                Place::Account,
                what,
                Mend::Nothing,
            ));
            continue;
        };
        // Those of a mailbox that is not there were judged with the small tables.
        let Some(folder) = ledger.folders.get(&id) else {
            continue;
        };
        there += 1;
        let place = Place::Message(id, told.uid);
        let Some(held) = folder.entry(told.uid) else {
            suspects.push(unlike_memory(place));
            continue;
        };
        if !is_told(ledger, id, &told, held) {
            suspects.push(unlike_memory(place));
        }
        given.modseq = given.modseq.max(held.modseq);
        given.email = given.email.max(held.email.0);
        if let Some(email) = emails.get(&told.email) {
            suspects.extend(message(id, held, *email));
        }
        if let Some(unended) = piece.unended.get(&told.email).copied()
            && unended != held.unended
        {
            let what = "whether its last line has an end is told wrong".to_owned();
            let mend = Mend::LastLine(id, held.uid, unended);
            suspects.push(Suspect::of(Kind::LastLine, place, what, mend));
        }
        let known = known_keywords(folder.row.keywords.len());
        if held.keywords & !known != 0 {
            let what = "it has keywords that the mailbox does not know".to_owned();
            let mend = Mend::Keywords(id, held.uid, held.keywords & known);
            suspects.push(Suspect::of(Kind::Keyword, place, what, mend));
        }
    }
    let counted = &ledger.counters;
    if given.modseq > counted.modseq || given.email > counted.email {
        let what = format!(
            "line {} and message {} were given, but counted are {} and {}",
            given.modseq.0, given.email, counted.modseq.0, counted.email
        );
        let mend = Mend::Raise(Box::new(given));
        suspects.push(Suspect::of(Kind::Bounds, Place::Account, what, mend));
    }
    if there != held_between(ledger, piece) {
        suspects.push(unlike_memory(Place::Account));
    }
    suspects
}

/// The entry beside its message's row.
fn message(id: MailboxId, held: &Entry, email: Option<&EmailRow>) -> Option<Suspect> {
    let place = Place::Message(id, held.uid);
    let Some(email) = email else {
        let what = "the message has no row of its own: it cannot be read".to_owned();
        return Some(Suspect::of(Kind::NoEmail, place, what, Mend::Nothing));
    };
    let size = u32::try_from(email.size).unwrap_or(u32::MAX);
    if size == held.size {
        return None;
    }
    let what = format!("its size is told as {}, it has {size} octets", held.size);
    let mend = Mend::Size(id, held.uid, size);
    Some(Suspect::of(Kind::Size, place, what, mend))
}

/// True if the row and what is in memory say the same; flags may be told by a row of runs.
fn is_told(ledger: &Ledger, id: MailboxId, told: &Entry, held: &Entry) -> bool {
    let by_run = Entry {
        modseq: held.modseq,
        system: held.system,
        keywords: held.keywords,
        ..*told
    };
    let runs = &ledger.flag_runs;
    *told == *held
        || (by_run == *held && told.modseq < held.modseq && runs.contains_key(&(held.modseq, id)))
}

/// How many entries there are in memory from the piece's first key to its last.
fn held_between(ledger: &Ledger, piece: &Piece) -> usize {
    let from = split(&piece.from).unwrap_or((MailboxId(0), 0));
    let last = piece.page.rows.last().filter(|_| piece.page.more);
    let last = last.and_then(|row| split(&row.key));
    let folders = ledger.folders.range(from.0..);
    let folders = folders.take_while(|(id, _)| last.is_none_or(|last| **id <= last.0));
    folders
        .map(|(id, folder)| {
            let low = match (*id == from.0, piece.from.len()) {
                (true, 12) => folder.entries.partition_point(|e| e.uid.value() < from.1),
                // The key is right behind that of this UID.
                (true, 13..) => folder.entries.partition_point(|e| e.uid.value() <= from.1),
                _ => 0,
            };
            let high = match last {
                Some((mailbox, uid)) if mailbox == *id => {
                    folder.entries.partition_point(|e| e.uid.value() <= uid)
                }
                _ => folder.entries.len(),
            };
            high.saturating_sub(low)
        })
        .sum()
}

/// The mailbox and the UID of an entry's key.
pub(super) fn split(key: &[u8]) -> Option<(MailboxId, u32)> {
    let (id, rest) = key.split_first_chunk::<8>()?;
    let (uid, _) = rest.split_first_chunk::<4>()?;
    let id = MailboxId(u64::from_be_bytes(*id));
    Some((id, u32::from_be_bytes(*uid)))
}

fn known_keywords(len: usize) -> u64 {
    match u32::try_from(len) {
        Ok(len @ 0..64) => (1 << len) - 1,
        _ => u64::MAX,
    }
}

fn unlike_memory(place: Place) -> Suspect {
    let what = "what is in memory is not what is kept: messages of a mailbox".to_owned();
    Suspect::of(Kind::Memory, place, what, Mend::Forget)
}
