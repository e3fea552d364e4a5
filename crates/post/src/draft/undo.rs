//! What was removed comes back.

use mail::{MailboxId, Uid, UidSet};

use super::{Draft, Filing};
use crate::happenings::What;
use crate::ledger::Folder;
use crate::sums::Sums;
use crate::tables::{self, Deleted, Entry, MailboxRow, Part, Remembered};
use crate::{Outcome, Rules};

impl Draft<'_> {
    /// Makes a mailbox that was deleted again, as it was but for its messages and perhaps its
    /// name: nothing can have been put into it since, so its id, its generation and the UIDs given
    /// in it hold.
    // RFC 8474 §4, RFC 9051 §2.3.1.1
    pub(crate) fn revive(&mut self, deleted: &Deleted, name: &str) {
        let (id, modseq) = (deleted.id, self.modseq());
        let is_taken = |role| {
            let mut folders = self.ledger.folders.values();
            folders.any(|folder| folder.row.role == Some(role))
        };
        let role = deleted.row.role.filter(|role| !is_taken(*role));
        if self.ledger.folders.contains_key(&id) {
            self.edit_mailbox(id, |row| {
                row.selectable = true;
                row.role = role;
            });
        } else {
            // Where no message says when it came back, this does (RFC 7162 §3.1.2).
            let row = MailboxRow {
                name: name.to_owned(),
                role,
                created: modseq,
                ..deleted.row.clone()
            };
            self.writes.push(row.put(id));
            self.ledger.names.insert(name.to_owned(), id);
            let folder = Folder {
                next_uid: deleted.next_uid,
                highest: modseq,
                flagged: modseq,
                ..Folder::new(row)
            };
            self.ledger.folders.insert(id, folder);
            self.filed.insert(id);
        }
        self.happened(id, What::Made);
        for (grantee, rights) in &deleted.acl {
            self.set_acl(id, *grantee, *rights);
        }
        for (entry, value) in &deleted.notes {
            self.set_metadata(id, entry, Some(value));
        }
        self.forget_vanished_in(id);
        self.record(Part::Revived(id));
    }

    /// Puts messages back into a mailbox that came back, with the UIDs they had.
    pub(crate) fn put_back(&mut self, mailbox: MailboxId, entries: &[Entry]) {
        let modseq = self.modseq();
        let Some(folder) = self.ledger.folders.get_mut(&mailbox) else {
            return;
        };
        for entry in entries {
            let entry = Entry { modseq, ..*entry };
            self.writes.push(entry.put(mailbox));
            self.ledger.counters.usage.add(entry.size.into());
            folder.entries.push(entry);
        }
        folder.entries.sort_unstable_by_key(|entry| entry.uid);
        folder.sums = Sums::of(&folder.entries);
        folder.highest = modseq;
        folder.flagged = modseq;
        for entry in entries {
            self.share(entry.email);
        }
        self.happened(mailbox, What::Arrived);
        self.unindex();
    }

    /// Files messages that were removed from a mailbox, in the order they had; what was marked to
    /// be removed is so no longer. Tells their UIDs.
    pub(crate) fn file_again(
        &mut self,
        to: MailboxId,
        (source, entries): (MailboxId, &[Entry]),
        (rules, now): (&Rules, mail::Timestamp),
    ) -> Outcome<UidSet> {
        let kept = !super::bit(mail::Flag::Deleted);
        let mut uids = UidSet::new();
        for entry in entries {
            let (system, keywords) = (entry.system & kept, entry.keywords);
            let source = self.ledger.folders.get(&source);
            // Of a mailbox that is gone nobody knows its keywords any more.
            let flags = source.map_or_else(
                || mail::FlagSet::from_system_bits(system),
                |source| source.flags_of(system, keywords),
            );
            let filing = Filing {
                email: entry.email,
                flags: &flags,
                date: entry.date(),
                now,
                size: entry.size.into(),
                unended: entry.unended,
            };
            uids.insert(self.file(to, filing, rules.mailbox_messages_max)?);
            self.share(entry.email);
        }
        self.record_filed(to, uids.clone());
        if !uids.is_empty() {
            self.unindex();
        }
        Ok(uids)
    }

    /// Moves messages back to where they were, with the flags they have.
    pub(crate) fn move_back(
        &mut self,
        from: MailboxId,
        (to, uids): (MailboxId, &UidSet),
        (rules, now): (&Rules, mail::Timestamp),
    ) -> Outcome<Vec<(Uid, Uid)>> {
        let settable = crate::access::Settable::by(mail::Rights::ALL);
        let to = (to, settable);
        let pairs = crate::mailbox::copy_entries(self, from, uids, to, (rules, now))?;
        self.leave(from, to.0, &pairs);
        Ok(pairs)
    }

    /// Notes that messages came back that the search index may have dropped: until it is made
    /// anew it is not believed.
    pub(crate) fn unindex(&mut self) {
        self.set_remembered(Remembered {
            unindexed: true,
            ..self.ledger.remembered
        });
    }

    /// Notes that the search index was thrown away.
    pub(crate) fn indexed(&mut self) {
        self.set_remembered(Remembered {
            unindexed: false,
            ..self.ledger.remembered
        });
    }

    pub(super) fn set_remembered(&mut self, remembered: Remembered) {
        if self.ledger.remembered != remembered {
            self.modseq();
            self.ledger.remembered = remembered;
            self.writes.push(tables::put_remembered(remembered));
        }
    }

    /// Forgets which messages left a mailbox: some are there again.
    fn forget_vanished_in(&mut self, id: MailboxId) {
        let ledger = &mut *self.ledger;
        let vanished = std::mem::take(&mut ledger.vanished);
        for (line, of, uids) in vanished {
            if of != id {
                ledger.vanished.push_back((line, of, uids));
                continue;
            }
            ledger.vanished_runs -= uids.ranges_count();
            self.writes.push(tables::delete_vanished(line, of));
            ledger.counters.forgotten = ledger.counters.forgotten.max(line);
        }
    }
}
