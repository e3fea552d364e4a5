//! Messages from elsewhere with all that is known of them, and how far their source has been read.
//!
//! What an append cannot say: UIDs and UIDVALIDITY, as long as nobody can have seen others, and a
//! mark of the source's place, which is durable in the same step as the messages before it. So an
//! import that was broken off goes on where it was, and puts nothing there twice.
//!
//! Not here: sources and their forms; they are the caller's, as is what a mark means.

mod journal;

pub use journal::ImportNote;
pub(crate) use journal::VERSIONS;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use mail::{AccountId, Flag, FlagSet, MailboxId, Role, Timestamp, Uid, UidSet, UidValidity};
use store::Staged;

use self::journal::JournalRow;
use crate::draft::{Draft, Filing};
use crate::ledger::{KEYWORDS_MAX, Ledger};
use crate::mailbox::{checked_name, room_for};
use crate::spool::{Spool, Spooled};
use crate::{Account, Error, Outcome, Usage, Why};

/// Octets of whole messages that one step may have in memory.
const GROUP_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// Messages one step may have.
const GROUP_MESSAGES_MAX: usize = 1000;
/// Octets a mark may have.
const MARK_OCTETS_MAX: usize = 4096;
/// Octets a note may have.
const NOTE_OCTETS_MAX: usize = 4096;

/// The name of a source: messages from it go into one mailbox.
pub type SourceId = [u8; 16];

/// Which sources are being read.
pub(crate) type Reading = Arc<Mutex<BTreeSet<(AccountId, SourceId)>>>;

/// Where messages from elsewhere go.
#[derive(Clone, Debug)]
pub struct Destination<'a> {
    /// The mailbox; it is made if it is not there.
    pub mailbox: &'a str,
    /// What it is for, if nothing else has that role.
    pub role: Option<Role>,
    /// True if its name is to be subscribed to.
    pub subscribed: bool,
    /// The generation it shall have, so that UIDs stay what they were.
    pub uidvalidity: Option<UidValidity>,
}

/// What is known of a message that has come whole.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its flags.
    pub flags: FlagSet,
    /// Its INTERNALDATE.
    pub date: Timestamp,
    /// The UID it shall have.
    pub uid: Option<Uid>,
    /// What the caller wants to read again once all is done.
    pub note: Bytes,
}

/// An import into one mailbox. What is not committed when it is dropped never was.
#[derive(Debug)]
pub struct Import {
    account: Account,
    source: Source,
    mailbox: MailboxId,
    uidvalidity: UidValidity,
    journal: Option<JournalRow>,
    spool: Spool,
    whole: Vec<(Arrival, Spooled)>,
    /// Octets of `whole` that are in memory.
    waiting: usize,
}

/// A source as long as it is being read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) key: (AccountId, SourceId),
    reading: Reading,
}

/// What one step put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The UIDs, rising as the messages came.
    pub uids: UidSet,
    /// Messages that lost a keyword because the mailbox has too many.
    pub fewer_keywords: u64,
}

impl Drop for Source {
    fn drop(&mut self) {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.remove(&self.key);
    }
}

impl Account {
    /// Begins to import from a source, or goes on with it.
    ///
    /// # Errors
    /// [`Why::InUse`] if it is being read already, [`Why::Cannot`] if the mailbox cannot be of that
    /// generation, or have that name; [`Why::Limit`].
    pub async fn import(&self, source: SourceId, into: Destination<'_>) -> Outcome<Import> {
        if self.visitor.is_some() {
            return Err(Error::cannot(
                "Only an account's own mailboxes are imported",
            ));
        }
        let house = self.house();
        let source = Source::take(&house.inner.imports, (self.id(), source))?;
        let journal = self.import_journal(source.key.1).await?;
        let (rules, now) = (house.rules(), house.outside().now());
        let name = checked_name(into.mailbox, rules)?;
        let (mailbox, uidvalidity) = self
            .change(|draft| {
                let found = draft.ledger().find(&name);
                let id = match found.filter(|(_, folder)| folder.row.selectable) {
                    Some((id, _)) => id,
                    None => self.make(draft, &name, now)?,
                };
                if let Some(role) = into.role
                    && !has_role(draft.ledger(), id, role)
                {
                    draft.edit_mailbox(id, |row| row.role = Some(role));
                }
                if let Some(wanted) = into.uidvalidity {
                    draft.adopt(id, wanted)?;
                }
                let subscriptions = &draft.ledger().subscriptions;
                let room = subscriptions.len() < rules.subscriptions_max;
                if into.subscribed && room && !subscriptions.contains(&name) {
                    draft.subscribe(&name, true);
                }
                Ok((id, draft.ledger().folder(id)?.row.uidvalidity))
            })
            .await?;
        Ok(Import {
            spool: Spool::new(house),
            account: self.clone(),
            source,
            mailbox,
            uidvalidity,
            journal,
            whole: Vec::new(),
            waiting: 0,
        })
    }

    fn make(&self, draft: &mut Draft<'_>, name: &str, now: Timestamp) -> Outcome<MailboxId> {
        let ledger = draft.ledger();
        self.may_make(ledger, name)?;
        room_for(ledger, std::iter::once(name), self.house().rules())?;
        if let Some((old, _)) = draft.ledger().find(name) {
            draft.delete_mailbox(old);
        }
        self.add_parents(draft, name, now);
        Ok(draft.add_mailbox(name, None, now))
    }
}

/// True if the mailbox has a role, or another has this one.
fn has_role(ledger: &Ledger, id: MailboxId, role: Role) -> bool {
    let mut folders = ledger.folders.iter();
    folders.any(|(other, folder)| {
        folder.row.role == Some(role) || (*other == id && folder.row.role.is_some())
    })
}

impl Import {
    /// The mailbox.
    #[must_use]
    pub const fn mailbox(&self) -> MailboxId {
        self.mailbox
    }

    /// Its generation.
    #[must_use]
    pub const fn uidvalidity(&self) -> UidValidity {
        self.uidvalidity
    }

    /// The mark that was committed last; `None` where the source is new.
    #[must_use]
    pub fn mark(&self) -> Option<&Bytes> {
        self.journal.as_ref().map(|journal| &journal.mark)
    }

    /// Adds a piece of the message.
    ///
    /// # Errors
    /// [`Why::TooBig`], or if the store cannot take it.
    pub async fn chunk(&mut self, octets: Bytes) -> Outcome<()> {
        self.spool.push(octets, Ok).await
    }

    /// Drops what has come of the message.
    pub fn forget(&mut self) {
        self.spool = Spool::new(self.account.house());
    }

    /// Ends the message.
    ///
    /// # Errors
    /// As [`Import::chunk`]; [`Why::Limit`] if there are too many to be kept for one step.
    pub async fn end(&mut self, arrival: Arrival) -> Outcome<()> {
        let spooled = self.spool.finish(Ok).await?;
        self.forget();
        let octets = spooled.staged.bytes.as_ref().map_or(0, Bytes::len);
        self.waiting += octets + spooled.outline.as_ref().map_or(0, Bytes::len);
        let too_many = self.whole.len() >= GROUP_MESSAGES_MAX || self.waiting > GROUP_OCTETS_MAX;
        if too_many || arrival.note.len() > NOTE_OCTETS_MAX {
            return Err(Error::limit("These are too many octets at once"));
        }
        self.whole.push((arrival, spooled));
        Ok(())
    }

    /// Puts the messages that have come whole into the mailbox, and the mark with them: on `Ok` all
    /// of it is on the disk.
    ///
    /// # Errors
    /// [`Why::OverQuota`], [`Why::Limit`], [`Why::Cannot`] if a UID was given before, or if they
    /// cannot be stored; then nothing is there.
    pub async fn commit(&mut self, mark: Bytes) -> Outcome<Imported> {
        if mark.len() > MARK_OCTETS_MAX {
            return Err(Error::limit("The mark is too long"));
        }
        let whole = std::mem::take(&mut self.whole);
        self.waiting = 0;
        let house = self.account.house();
        let keeper = &self.account.keeper;
        let (quota, now) = (house.quota(keeper.account), house.outside().now());
        let blobs: Vec<Staged> = whole.iter().map(|(_, one)| one.staged.clone()).collect();
        let more = Usage::of(blobs.iter().map(|staged| staged.len));
        let notes_before = self.journal.as_ref().map_or(0, |journal| journal.notes);
        let (source, account) = (self.source.key.1, &self.account);
        let into = (self.mailbox, house.rules().mailbox_messages_max, now);
        let (imported, journal) = house
            .change(keeper, &blobs, |draft| {
                draft.sign(account.author, &account.actor);
                draft.admit(quota, more)?;
                let mut notes = notes_before;
                let mut imported = Imported {
                    uids: UidSet::new(),
                    fewer_keywords: 0,
                };
                for (arrival, spooled) in &whole {
                    let uid = file(draft, (arrival, spooled), into)?;
                    imported.fewer_keywords += u64::from(uid.1);
                    imported.uids.insert(uid.0);
                    if !arrival.note.is_empty() {
                        draft.write(journal::put_note(source, notes, uid.0, &arrival.note));
                        notes += 1;
                    }
                }
                let journal = JournalRow {
                    mark: mark.clone(),
                    notes,
                };
                draft.write(journal.put(source));
                Ok((imported, journal))
            })
            .await?;
        self.journal = Some(journal);
        Ok(imported)
    }

    /// Lets the next message's UID be at least this one.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn keep_uidnext(&mut self, uidnext: Uid) -> Outcome<()> {
        let mailbox = self.mailbox;
        self.account
            .change(|draft| {
                let folder = draft.ledger().folder(mailbox)?;
                match folder.next_uid.is_some_and(|next| next < uidnext) {
                    true => draft.skip_to(mailbox, uidnext),
                    false => Ok(()),
                }
            })
            .await
    }
}

impl Source {
    pub(crate) fn take(reading: &Reading, key: (AccountId, SourceId)) -> Outcome<Self> {
        let mut taken = reading.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.insert(key) {
            let text = "This source is being imported already";
            return Err(Error::refused(Why::InUse, 450, [4, 2, 0], text));
        }
        drop(taken);
        let reading = Arc::clone(reading);
        Ok(Self { key, reading })
    }
}

/// Files one message; true beside its UID if it lost a keyword.
fn file(
    draft: &mut Draft<'_>,
    (arrival, spooled): (&Arrival, &Spooled),
    (mailbox, messages_max, now): (MailboxId, usize, Timestamp),
) -> Outcome<(Uid, bool)> {
    let (flags, fewer) = fitting(draft.ledger(), mailbox, &arrival.flags)?;
    if let Some(uid) = arrival.uid {
        draft.skip_to(mailbox, uid)?;
    }
    let filing = Filing {
        email: draft.email(&spooled.row()),
        flags: &flags,
        date: arrival.date,
        now,
        size: spooled.staged.len,
        unended: spooled.unended,
    };
    Ok((draft.file(mailbox, filing, messages_max)?, fewer))
}

/// The flags without the keywords that are too many for the mailbox; true if there are some.
fn fitting(ledger: &Ledger, mailbox: MailboxId, flags: &FlagSet) -> Outcome<(FlagSet, bool)> {
    let known = &ledger.folder(mailbox)?.row.keywords;
    let mut room = KEYWORDS_MAX.saturating_sub(known.len());
    let mut fewer = false;
    let mut fitting = FlagSet::from_system_bits(flags.system_bits());
    for keyword in flags.keywords() {
        if known.contains(keyword) {
            fitting.insert(Flag::Keyword(keyword.clone()));
        } else if room > 0 {
            room -= 1;
            fitting.insert(Flag::Keyword(keyword.clone()));
        } else {
            fewer = true;
        }
    }
    Ok((fitting, fewer))
}

impl Draft<'_> {
    /// Gives a mailbox another generation, as long as no message of the one it has was ever there.
    fn adopt(&mut self, id: MailboxId, uidvalidity: UidValidity) -> Outcome<()> {
        let folder = self.ledger().folder(id)?;
        if folder.row.uidvalidity == uidvalidity {
            return Ok(());
        }
        if !folder.entries.is_empty() || folder.next_uid != Some(Uid::MIN) {
            let text = "The mailbox has had messages: their UIDs are not those of the source";
            return Err(Error::cannot(text));
        }
        self.edit_mailbox(id, |row| row.uidvalidity = uidvalidity);
        self.raise_uidvalidity(uidvalidity);
        Ok(())
    }
}
