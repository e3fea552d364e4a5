//! Scripts, and what they have remembered.

use bytes::Bytes;
use mail::{ScriptName, Timestamp};

use super::Draft;
use crate::tables::{self, ScriptRow, SeenKey};

impl Draft<'_> {
    /// Keeps a script, in the place of another of this name: once in a batch, since it is known by
    /// the batch's line.
    pub(crate) fn put_script(&mut self, name: &ScriptName, text: &Bytes) {
        let id = self.modseq().0;
        let before = self.ledger.scripts.get(name).copied();
        let row = ScriptRow {
            id,
            octets: u32::try_from(text.len()).unwrap_or(u32::MAX),
            is_active: before.is_some_and(|row| row.is_active),
        };
        self.writes
            .extend(before.map(|row| tables::delete_script_text(row.id)));
        self.writes.push(tables::put_script_text(id, text));
        self.write_script(name, row);
    }

    /// Removes a script.
    pub(crate) fn remove_script(&mut self, name: &ScriptName) {
        self.modseq();
        if let Some(row) = self.ledger.scripts.remove(name) {
            self.writes.push(ScriptRow::delete(name));
            self.writes.push(tables::delete_script_text(row.id));
        }
    }

    /// Gives a script another name, which no other has.
    pub(crate) fn rename_script(&mut self, name: &ScriptName, new: &ScriptName) {
        self.modseq();
        if let Some(row) = self.ledger.scripts.remove(name) {
            self.writes.push(ScriptRow::delete(name));
            self.write_script(new, row);
        }
    }

    /// Makes a script the one that runs, or none.
    pub(crate) fn activate_script(&mut self, name: Option<&ScriptName>) {
        let scripts = self.ledger.scripts.clone();
        for (other, row) in scripts {
            let is_active = Some(&other) == name;
            if row.is_active != is_active {
                self.modseq();
                self.write_script(&other, ScriptRow { is_active, ..row });
            }
        }
    }

    fn write_script(&mut self, name: &ScriptName, row: ScriptRow) {
        self.writes.push(row.put(name));
        self.ledger.scripts.insert(name.clone(), row);
    }

    /// Remembers what a script has seen up to a moment; of more than `seen_max` those go first
    /// whose time is over first.
    pub(crate) fn remember_seen(
        &mut self,
        key: SeenKey,
        (until, now): (Timestamp, Timestamp),
        seen_max: usize,
    ) {
        self.modseq();
        self.writes.push(tables::put_seen(key, until));
        let seen = &mut self.ledger.seen;
        seen.insert(key, until.seconds);
        if seen.len() <= seen_max {
            return;
        }
        let mut ends: Vec<(i64, SeenKey)> = seen.iter().map(|(key, end)| (*end, *key)).collect();
        ends.sort_unstable();
        let over = seen.len() - seen_max;
        let goes =
            |(index, (end, _)): &(usize, (i64, SeenKey))| *index < over || *end <= now.seconds;
        for (_, (_, gone)) in ends.into_iter().enumerate().take_while(goes) {
            seen.remove(&gone);
            self.writes.push(tables::delete_seen(gone));
        }
    }
}
