//! A batch in the making: each step changes the account in memory and writes the row that says so.
//!
//! Not here: locks and commits (`keeper`), who may do what (the rooms that use it).

use mail::{
    EmailId, Flag, FlagSet, Keyword, MailboxId, ModSeq, Rights, Role, Timestamp, Uid, UidSet,
    UidValidity,
};
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use store::Write;

mod flags;
mod history;
mod list;
mod mend;
mod scripts;
mod undo;

pub(crate) use flags::Flagging;
use history::Pen;
use list::List;

use crate::access::{self, Acl, Grantee};
use crate::happenings::{Author, Happening, What};
use crate::history::Actor;
use crate::journey::Event;
use crate::ledger::{Folder, KEYWORDS_MAX, Ledger, VANISHED_MAX, VANISHED_RUNS_MAX};
use crate::metadata::WHOLE;
use crate::sums::Sums;
use crate::tables::{self, EmailRow, Entry, MailboxRow, Part, Removed, SavedAt};
use crate::tally::Noted;
use crate::{Error, Outcome, Quota, Usage};

/// Memory is given back where so many times less would do.
const ROOMY: usize = 4;

/// A batch in the making for one account.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    ledger: &'a mut Ledger,
    writes: List,
    /// The line of the ledger that this batch is; allocated by its first step.
    modseq: Option<ModSeq>,
    /// Mailboxes whose next UID moved: written once, at the end.
    filed: BTreeSet<MailboxId>,
    /// Mailboxes that messages were filed in since somebody asked.
    untold: BTreeSet<MailboxId>,
    /// Whose doing it is.
    author: Author,
    /// The mailbox above those that have no level above them, where that matters.
    root: Option<&'static str>,
    /// What will be remembered of it; `None` where operations are not.
    pen: Option<Pen>,
    /// What is told of letters.
    noted: Noted,
}

/// A message about to be filed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filing<'a> {
    pub(crate) email: EmailId,
    pub(crate) flags: &'a FlagSet,
    pub(crate) date: Timestamp,
    /// The moment it is filed.
    pub(crate) now: Timestamp,
    pub(crate) size: u64,
    /// Its last line has no CRLF.
    pub(crate) unended: bool,
}

impl<'a> Draft<'a> {
    pub(crate) const fn new(ledger: &'a mut Ledger) -> Self {
        Self {
            ledger,
            writes: List::new(),
            modseq: None,
            filed: BTreeSet::new(),
            untold: BTreeSet::new(),
            author: Author(0),
            root: None,
            pen: None,
            noted: Noted::NOTHING,
        }
    }

    /// Says whose doing it is: they are not told of it as news, and are named where operations are
    /// listed.
    pub(crate) fn sign(&mut self, author: Author, actor: &Arc<Actor>) {
        self.author = author;
        if let Some(pen) = &mut self.pen {
            pen.actor = Some(Arc::clone(actor));
        }
    }

    /// Notes for those who watch the account what happened to a mailbox.
    pub(crate) fn happened(&mut self, mailbox: MailboxId, what: What) {
        let happening = Happening {
            modseq: self.modseq(),
            author: self.author,
            mailbox,
            what,
        };
        self.ledger.happenings.push(happening);
    }

    /// The account as this batch will leave it.
    pub(crate) const fn ledger(&self) -> &Ledger {
        self.ledger
    }

    /// True if nothing has been changed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.modseq.is_none()
    }

    /// The line of the ledger that this batch is.
    pub(crate) fn modseq(&mut self) -> ModSeq {
        let next = self.ledger.counters.modseq.next();
        let modseq = *self.modseq.get_or_insert(next);
        self.ledger.counters.modseq = modseq;
        modseq
    }

    /// Ends it: the writes, the counters among them, and the line; `None` if nothing changed.
    pub(crate) fn finish(mut self) -> Option<(Vec<Write>, ModSeq)> {
        let modseq = self.modseq?;
        self.write_history(modseq);
        for id in std::mem::take(&mut self.filed) {
            if let Some(folder) = self.ledger.folders.get(&id) {
                self.writes.push(tables::put_next_uid(id, folder.next_uid));
            }
        }
        self.writes.push(self.ledger.counters.put());
        Some((self.writes.into_writes(), modseq))
    }

    /// Counts what is told of a letter, once it is durable.
    pub(crate) fn note(&mut self, events: &[Event]) {
        self.noted.add(events);
    }

    pub(crate) const fn noted(&self) -> Noted {
        self.noted
    }

    /// Adds a row that is not held in memory.
    pub(crate) fn write(&mut self, write: Write) {
        self.modseq();
        self.writes.push(write);
    }

    /// Lets the next message of a mailbox have this UID.
    pub(crate) fn skip_to(&mut self, mailbox: MailboxId, uid: Uid) -> Outcome<()> {
        let folder = self.ledger.folder(mailbox)?;
        if folder.next_uid.is_none_or(|next| next > uid) {
            return Err(Error::cannot("This UID has been given already"));
        }
        self.modseq();
        self.filed.insert(mailbox);
        if let Some(folder) = self.ledger.folders.get_mut(&mailbox) {
            folder.next_uid = Some(uid);
        }
        Ok(())
    }

    /// Lets new mailboxes have later generations than this one.
    pub(crate) fn raise_uidvalidity(&mut self, known: UidValidity) {
        self.modseq();
        let counters = &mut self.ledger.counters;
        counters.uidvalidity = counters.uidvalidity.max(known.value());
    }

    /// Takes a message in; it is in no mailbox yet.
    pub(crate) fn email(&mut self, row: &EmailRow) -> EmailId {
        self.modseq();
        self.ledger.counters.email += 1;
        let id = EmailId(self.ledger.counters.email);
        self.writes.extend(row.put(id));
        id
    }

    /// Writes a message's rows anew: its outline or its preview is known now.
    pub(crate) fn learn(&mut self, id: EmailId, row: &EmailRow) {
        self.modseq();
        self.writes.extend(row.put(id));
    }

    /// Checks that the account may hold so much more.
    pub(crate) fn admit(&self, quota: Quota, more: Usage) -> Outcome<()> {
        match quota.admits(self.ledger.counters.usage, more) {
            true => Ok(()),
            false => Err(Error::over_quota()),
        }
    }

    /// Puts a message into a mailbox.
    pub(crate) fn file(
        &mut self,
        mailbox: MailboxId,
        filing: Filing<'_>,
        messages_max: usize,
    ) -> Outcome<Uid> {
        let keywords = self.keyword_bits(mailbox, filing.flags)?;
        let size = u32::try_from(filing.size)
            .map_err(|_| Error::limit("The message is too large for a mailbox"))?;
        let folder = self.ledger.folder(mailbox)?;
        if folder.entries.len() >= messages_max {
            return Err(Error::mailbox_full());
        }
        let uid = folder.next_uid.ok_or_else(Error::mailbox_full)?;
        let modseq = self.modseq();
        let entry = Entry {
            email: filing.email,
            modseq,
            keywords,
            date_seconds: filing.date.seconds,
            uid,
            size,
            saved: Some(SavedAt::new(filing.now)),
            date_zone_minutes: filing.date.zone_minutes,
            system: filing.flags.system_bits(),
            unended: filing.unended,
        };
        self.writes.push(entry.put(mailbox));
        self.filed.insert(mailbox);
        self.untold.insert(mailbox);
        self.ledger.counters.usage.add(size.into());
        if let Some(folder) = self.ledger.folders.get_mut(&mailbox) {
            folder.next_uid = uid.next();
            folder.highest = modseq;
            folder.sums.add(&entry);
            folder.entries.push(entry);
        }
        self.happened(mailbox, What::Arrived);
        Ok(uid)
    }

    /// Where messages were filed since this was asked last: the last one of each mailbox. A batch
    /// may have several letters.
    pub(crate) fn filed_last(&mut self) -> Vec<Event> {
        let filed = std::mem::take(&mut self.untold).into_iter();
        let events = filed.filter_map(|mailbox| {
            let folder = self.ledger.folder(mailbox).ok()?;
            Some(Event::Filed {
                mailbox: folder.row.name.clone(),
                uid: folder.entries.last()?.uid,
            })
        });
        events.collect()
    }

    /// Counts one more entry for an email that has one already.
    pub(crate) fn share(&mut self, email: EmailId) {
        *self.ledger.shared.entry(email).or_insert(1) += 1;
    }

    /// The bits of these flags' keywords; those that are new enter the mailbox's table.
    pub(crate) fn keyword_bits(&mut self, mailbox: MailboxId, flags: &FlagSet) -> Outcome<u64> {
        let folder = self.ledger.folder(mailbox)?;
        let table = &folder.row.keywords;
        let new: Vec<Keyword> = flags
            .keywords()
            .iter()
            .filter(|keyword| !table.contains(keyword))
            .cloned()
            .collect();
        if table.len() + new.len() > KEYWORDS_MAX {
            return Err(Error::limit("The mailbox has too many keywords"));
        }
        if !new.is_empty() {
            self.modseq();
            if let Some(folder) = self.ledger.folders.get_mut(&mailbox) {
                folder.row.keywords.extend(new);
            }
            self.write_mailbox(mailbox);
        }
        Ok(self.ledger.folder(mailbox)?.known_keywords(flags))
    }

    /// Takes messages out of a mailbox; those that were nowhere else are gone, but for what is
    /// remembered of them.
    pub(crate) fn remove(&mut self, mailbox: MailboxId, uids: &UidSet) {
        let gone = self.take_out(mailbox, uids);
        if gone.is_empty() {
            return;
        }
        if self.remembers() {
            // Its rows name these messages from now on.
            let entries = gone;
            self.record(Part::Removed(Removed { mailbox, entries }));
            return;
        }
        self.forget_past(None);
        self.unshare_all(gone.iter().map(|entry| entry.email));
    }

    /// Takes messages out of a mailbox; what becomes of them is the caller's affair.
    fn take_out(&mut self, mailbox: MailboxId, uids: &UidSet) -> Vec<Entry> {
        let mut gone = Vec::new();
        let Some(folder) = self.ledger.folders.get_mut(&mailbox) else {
            return gone;
        };
        folder.entries.retain(|entry| {
            let stays = !uids.contains(entry.uid);
            if !stays {
                gone.push(*entry);
            }
            stays
        });
        if gone.is_empty() {
            return gone;
        }
        give_back(&mut folder.entries);
        folder.sums = Sums::of(&folder.entries);
        let removed: UidSet = gone.iter().map(|entry| entry.uid).collect();
        let modseq = self.modseq();
        self.release(mailbox, gone.iter().map(|entry| entry.modseq));
        for entry in &gone {
            self.ledger.counters.usage.remove(entry.size.into());
            self.writes.push(Entry::delete(mailbox, entry.uid));
        }
        if let Some(folder) = self.ledger.folders.get_mut(&mailbox) {
            folder.highest = modseq;
        }
        self.happened(mailbox, What::Removed);
        self.remember_vanished(modseq, mailbox, removed);
        gone
    }

    /// Takes one entry of each of these emails away; those that have none any more are gone.
    pub(crate) fn unshare_all(&mut self, emails: impl Iterator<Item = EmailId>) {
        self.modseq();
        for email in emails {
            self.unshare(email);
        }
        let shared = &mut self.ledger.shared;
        if shared.len() < shared.capacity() / ROOMY {
            shared.shrink_to_fit();
        }
    }

    fn unshare(&mut self, email: EmailId) {
        match self.ledger.shared.get_mut(&email) {
            Some(count) if *count > 2 => *count -= 1,
            Some(_) => {
                self.ledger.shared.remove(&email);
            }
            None => self.writes.extend(EmailRow::delete(email)),
        }
    }

    fn remember_vanished(&mut self, modseq: ModSeq, mailbox: MailboxId, removed: UidSet) {
        let line = self
            .ledger
            .vanished
            .back_mut()
            .filter(|(last, of, _)| *last == modseq && *of == mailbox);
        let put = if let Some((_, _, uids)) = line {
            self.ledger.vanished_runs -= uids.ranges_count();
            removed.ranges().for_each(|range| uids.insert_range(range));
            self.ledger.vanished_runs += uids.ranges_count();
            tables::put_vanished(modseq, mailbox, uids)
        } else {
            let put = tables::put_vanished(modseq, mailbox, &removed);
            self.ledger.vanished_runs += removed.ranges_count();
            self.ledger.vanished.push_back((modseq, mailbox, removed));
            put
        };
        self.writes.push(put);
        self.forget_vanished();
    }

    /// Forgets the oldest removals where there are too many.
    // RFC 7162 §5.3
    fn forget_vanished(&mut self) {
        let ledger = &mut *self.ledger;
        while ledger.vanished.len() > VANISHED_MAX || ledger.vanished_runs > VANISHED_RUNS_MAX {
            let Some((old, of, uids)) = ledger.vanished.pop_front() else {
                return;
            };
            ledger.vanished_runs -= uids.ranges_count();
            self.writes.push(tables::delete_vanished(old, of));
            ledger.counters.forgotten = ledger.counters.forgotten.max(old);
        }
    }

    /// Makes a mailbox; the caller has seen to its name.
    pub(crate) fn add_mailbox(
        &mut self,
        name: &str,
        role: Option<Role>,
        now: Timestamp,
    ) -> MailboxId {
        let created = self.modseq();
        let counters = &mut self.ledger.counters;
        counters.mailbox += 1;
        let id = MailboxId(counters.mailbox);
        // It only has to grow; the clock keeps it growing over a restore from an old backup too.
        let clock = u32::try_from(now.seconds).unwrap_or(1);
        counters.uidvalidity = clock.max(counters.uidvalidity.saturating_add(1)).max(1);
        let row = MailboxRow {
            name: name.to_owned(),
            uidvalidity: UidValidity::new(counters.uidvalidity).unwrap_or(UidValidity::MIN),
            role,
            selectable: true,
            created,
            keywords: Vec::new(),
        };
        self.writes.push(row.put(id));
        self.ledger.names.insert(name.to_owned(), id);
        self.ledger.folders.insert(id, Folder::new(row));
        self.happened(id, What::Made);
        self.inherit_acl(id, name);
        id
    }

    /// New mailboxes that have no level above them stand below this one.
    pub(crate) const fn root(&mut self, name: &'static str) {
        self.root = Some(name);
    }

    /// A new mailbox begins with the list of the one above it.
    // RFC 4314 §4
    fn inherit_acl(&mut self, id: MailboxId, name: &str) {
        let above = name.rsplit_once('/').map(|(above, _)| above);
        let above = above.or(self.root);
        let above = above.and_then(|above| self.ledger.names.get(above));
        let above = above.and_then(|above| self.ledger.folders.get(above));
        for (grantee, rights) in above.map_or_else(Acl::new, |above| above.acl.clone()) {
            self.set_acl(id, grantee, rights);
        }
    }

    /// Sets what somebody may do with a mailbox; no rights take the entry away.
    pub(crate) fn set_acl(&mut self, id: MailboxId, grantee: Grantee, rights: Rights) {
        self.modseq();
        let Some(folder) = self.ledger.folders.get_mut(&id) else {
            return;
        };
        let before = folder.acl.clone();
        self.writes.push(if rights.is_empty() {
            folder.acl.remove(&grantee);
            access::delete(id, grantee)
        } else {
            folder.acl.insert(grantee, rights);
            access::put(id, grantee, rights)
        });
        self.happened(id, What::Shared { before });
    }

    /// Takes all entries away.
    pub(crate) fn clear_acl(&mut self, id: MailboxId) {
        let folder = self.ledger.folders.get(&id);
        for grantee in folder
            .map_or_else(Acl::new, |folder| folder.acl.clone())
            .into_keys()
        {
            self.set_acl(id, grantee, Rights::NONE);
        }
    }

    /// Changes a mailbox's row.
    pub(crate) fn edit_mailbox(&mut self, id: MailboxId, edit: impl FnOnce(&mut MailboxRow)) {
        self.modseq();
        let Some(folder) = self.ledger.folders.get_mut(&id) else {
            return;
        };
        let before = folder.row.name.clone();
        edit(&mut folder.row);
        if folder.row.name != before {
            // Another mailbox may have taken the old name within this batch.
            if self.ledger.names.get(&before) == Some(&id) {
                self.ledger.names.remove(&before);
            }
            self.ledger.names.insert(folder.row.name.clone(), id);
        }
        self.write_mailbox(id);
    }

    /// Deletes a mailbox with its messages.
    pub(crate) fn delete_mailbox(&mut self, id: MailboxId) {
        self.modseq();
        let acl = self.ledger.folders.get(&id);
        let acl = acl.map_or_else(Acl::new, |folder| folder.acl.clone());
        self.empty_mailbox(id);
        self.record_deleted(id);
        self.clear_acl(id);
        self.clear_metadata(id);
        if let Some(folder) = self.ledger.folders.remove(&id) {
            let name = folder.row.name;
            self.ledger.names.remove(&name);
            self.happened(id, What::Gone { name, acl });
        }
        self.filed.remove(&id);
        self.writes.push(MailboxRow::delete(id));
        self.writes.push(tables::delete_next_uid(id));
    }

    /// Deletes a mailbox with its messages, and leaves it as a level above others.
    // RFC 9051 §6.3.5, RFC 4314 §4
    pub(crate) fn hollow_mailbox(&mut self, id: MailboxId) {
        self.empty_mailbox(id);
        self.record_deleted(id);
        self.clear_acl(id);
        self.clear_metadata(id);
        self.edit_mailbox(id, |row| {
            row.selectable = false;
            row.role = None;
        });
        self.happened(id, What::Emptied);
    }

    /// Takes all messages out of a mailbox.
    fn empty_mailbox(&mut self, id: MailboxId) {
        let uids = self.ledger.folders.get(&id).map(Folder::uids);
        self.remove(id, &uids.unwrap_or_default());
    }

    /// Sets or ends a subscription.
    pub(crate) fn subscribe(&mut self, name: &str, subscribed: bool) {
        self.modseq();
        self.writes.push(if subscribed {
            self.ledger.subscriptions.insert(name.to_owned());
            tables::put_subscription(name)
        } else {
            self.ledger.subscriptions.remove(name);
            tables::delete_subscription(name)
        });
        // A name need not be that of a mailbox.
        let name = name.to_owned();
        self.happened(WHOLE, What::Subscribed { name });
    }

    /// Sets a note on a mailbox, or removes it.
    pub(crate) fn set_metadata(&mut self, id: MailboxId, entry: &str, value: Option<&Bytes>) {
        let kept = self.ledger.metadata.get(&id);
        if kept.and_then(|kept| kept.get(entry)) == value {
            return;
        }
        self.modseq();
        self.writes.push(match value {
            Some(value) => tables::put_metadata(id, entry, value),
            None => tables::delete_metadata(id, entry),
        });
        self.ledger.note(id, entry, value.cloned());
        let entry = entry.to_owned();
        self.happened(id, What::Noted { entry });
    }

    fn write_mailbox(&mut self, id: MailboxId) {
        if let Some(folder) = self.ledger.folders.get(&id) {
            self.writes.push(folder.row.put(id));
        }
    }
}

/// Gives memory back where most of it is not needed any more.
fn give_back(entries: &mut Vec<Entry>) {
    if entries.len() < entries.capacity() / ROOMY {
        entries.shrink_to_fit();
    }
}

/// The bit of a system flag in [`Entry::system`].
pub(crate) fn bit(flag: Flag) -> u8 {
    FlagSet::from_iter([flag]).system_bits()
}
