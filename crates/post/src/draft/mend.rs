//! Repairs: rows and memory are made to agree again (`audit`).

use bytes::Bytes;
use mail::{EmailId, MailboxId, Timestamp, Uid};
use store::{Table, Write};

use super::Draft;
use crate::happenings::What;
use crate::ledger::Folder;
use crate::sums::Sums;
use crate::tables::{self, Counters, EmailRow, Entry, MailboxRow};

impl Draft<'_> {
    /// Writes the counters as they are.
    pub(crate) fn write_counters(&mut self) {
        self.modseq();
    }

    /// Raises counters to what was given already; before any other step of the batch, or its own
    /// line would be among what was given.
    pub(crate) fn raise_counters(&mut self, least: &Counters) {
        let counters = &mut self.ledger.counters;
        counters.modseq = counters.modseq.max(least.modseq);
        counters.email = counters.email.max(least.email);
        counters.mailbox = counters.mailbox.max(least.mailbox);
        counters.uidvalidity = counters.uidvalidity.max(least.uidvalidity);
        self.modseq();
    }

    /// Raises the next UID of a mailbox above all that were given.
    pub(crate) fn raise_next_uid(&mut self, id: MailboxId) {
        self.modseq();
        if let Some(folder) = self.ledger.folders.get_mut(&id)
            && let (Some(last), Some(next)) = (folder.entries.last(), folder.next_uid)
            && next <= last.uid
        {
            folder.next_uid = last.uid.next();
        }
        self.filed.insert(id);
    }

    /// Removes a row that belongs to nothing.
    pub(crate) fn drop_row(&mut self, table: Table, key: Bytes) {
        self.modseq();
        if table == tables::METADATA
            && let Some((id, entry)) = tables::read_metadata_key(&key)
        {
            self.ledger.note(id, &entry, None);
        }
        self.writes.push(Write::Delete { table, key });
    }

    /// Removes the rows of a message that is in no mailbox.
    pub(crate) fn drop_email(&mut self, id: EmailId) {
        self.modseq();
        self.writes.extend(EmailRow::delete(id));
    }

    /// Makes a mailbox with an id that was given before, for messages that the store has under it.
    /// They are seen once the account is read anew.
    pub(crate) fn revive_mailbox(&mut self, id: MailboxId, now: Timestamp) {
        let name = self.free_name();
        let made = self.add_mailbox(&name, None, now);
        let Some(folder) = self.ledger.folders.remove(&made) else {
            return;
        };
        self.writes.push(MailboxRow::delete(made));
        self.writes.push(folder.row.put(id));
        self.ledger.names.insert(name, id);
        let mut folder = Folder::new(folder.row);
        // Until it is read anew nobody knows which UIDs were given.
        folder.next_uid = None;
        self.ledger.folders.insert(id, folder);
    }

    fn free_name(&self) -> String {
        let mut name = "Recovered".to_owned();
        let mut number = 1_u32;
        while self.ledger.names.contains_key(&name) {
            number += 1;
            name = format!("Recovered {number}");
        }
        name
    }

    /// Writes a message's entry anew.
    pub(crate) fn mend_entry(
        &mut self,
        mailbox: MailboxId,
        uid: Uid,
        mend: impl FnOnce(&mut Entry),
    ) {
        let modseq = self.modseq();
        let Some(folder) = self.ledger.folders.get_mut(&mailbox) else {
            return;
        };
        let found = folder.entries.iter_mut().find(|entry| entry.uid == uid);
        let Some(entry) = found else { return };
        let before = *entry;
        mend(entry);
        entry.modseq = modseq;
        let after = *entry;
        folder.sums = Sums::of(&folder.entries);
        folder.highest = modseq;
        folder.flagged = modseq;
        let usage = &mut self.ledger.counters.usage;
        usage.remove(before.size.into());
        usage.add(after.size.into());
        self.writes.push(after.put(mailbox));
        self.release(mailbox, std::iter::once(before.modseq));
        self.happened(mailbox, What::Flagged);
    }
}
