//! What a mailbox holds when it is opened, and what has changed since (RFC 7162 §3.2).

use mail::{EmailId, FlagSet, Keyword, MailboxId, ModSeq, Rights, Uid, UidSet, UidValidity};

use crate::ledger::{Folder, Ledger};
use crate::tables::Entry;
use crate::{Account, Error, Outcome};

/// A mailbox at the moment it is opened.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its id, for all further questions.
    pub id: MailboxId,
    /// Its name as it is listed.
    pub name: String,
    /// The UIDs of its messages.
    pub uids: UidSet,
    /// Its generation.
    pub uidvalidity: UidValidity,
    /// The UID the next message will get, at least.
    pub uidnext: Uid,
    /// The account's ledger at this moment: what [`Account::changes`] counts from.
    pub modseq: ModSeq,
    /// The largest mod-sequence of any change in this mailbox: HIGHESTMODSEQ.
    pub highest_modseq: ModSeq,
    /// The keywords in use in it.
    pub keywords: Vec<Keyword>,
    /// How many messages lack `\Seen`.
    pub unseen: u32,
    /// The first message without `\Seen` (IMAP4rev1's UNSEEN).
    pub first_unseen: Option<Uid>,
    /// What whoever opened it may do.
    pub rights: Rights,
}

/// What has changed in a mailbox since a mod-sequence.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The account's ledger now: the next `since`.
    pub modseq: ModSeq,
    /// The largest mod-sequence of any change in this mailbox.
    pub highest_modseq: ModSeq,
    /// The UID the next message will get, at least.
    pub uidnext: Uid,
    /// UIDs that are gone; may name some that were gone before.
    pub vanished: UidSet,
    /// Messages that came.
    pub added: UidSet,
    /// Messages that came or have other flags, by rising UID.
    pub changed: Vec<Changed>,
    /// The keywords in use in it.
    pub keywords: Vec<Keyword>,
    /// True if the account holds more than it may: a letter has passed its limit.
    pub over_quota: bool,
    /// What whoever asks may do.
    pub rights: Rights,
    /// True if the mailbox itself was deleted or emptied into another generation, or may no longer
    /// be read.
    pub gone: bool,
}

/// A message with its flags now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub uid: Uid,
    /// Its copies in other mailboxes have the same.
    pub email: EmailId,
    /// Its flags now.
    pub flags: FlagSet,
    /// When they changed.
    pub modseq: ModSeq,
}

impl Account {
    /// Opens a mailbox. The post keeps nothing for it: asking again is all that closing takes.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`]; [`crate::Why::Policy`] if it may not be read;
    /// [`crate::Why::Cannot`] for `\Noselect`.
    pub async fn open(&self, name: &str) -> Outcome<Snapshot> {
        self.look(|ledger| {
            let (id, folder) = self.reach(ledger, name, Rights::READ)?;
            if !folder.row.selectable {
                return Err(Error::cannot("This mailbox cannot hold messages"));
            }
            Ok(Snapshot {
                id,
                name: folder.row.name.clone(),
                uids: folder.uids(),
                uidvalidity: folder.row.uidvalidity,
                uidnext: folder.uidnext(),
                modseq: ledger.counters.modseq,
                highest_modseq: folder.highest,
                keywords: folder.row.keywords.clone(),
                unseen: folder.sums.unseen,
                first_unseen: folder.sums.first_unseen(&folder.entries),
                rights: self.rights(folder),
            })
        })
        .await?
    }

    /// What has changed in a mailbox since a mod-sequence; answered from memory. `uidnext` is the
    /// one that was told together with `since`: it tells new messages from changed ones.
    ///
    /// # Errors
    /// If the account cannot be read. A mailbox that is not there is [`Changes::gone`].
    pub async fn changes(
        &self,
        mailbox: MailboxId,
        since: ModSeq,
        uidnext: Uid,
    ) -> Outcome<Changes> {
        let quota = self.house().quota(self.id());
        self.look(|ledger| {
            let Ok(folder) = self.folder(ledger, mailbox, Rights::READ) else {
                return gone(ledger.counters.modseq);
            };
            // Most news is of another mailbox, or a message that came.
            let changed: Vec<_> = folder
                .later_than(since)
                .iter()
                .filter(|entry| entry.modseq > since)
                .map(|entry| changed(folder, entry))
                .collect();
            let added = changed.iter().map(|row| row.uid);
            Changes {
                modseq: ledger.counters.modseq,
                highest_modseq: folder.highest,
                uidnext: folder.uidnext(),
                vanished: vanished(ledger, mailbox, folder, since),
                added: added.filter(|uid| *uid >= uidnext).collect(),
                changed,
                keywords: folder.row.keywords.clone(),
                rights: self.rights(folder),
                // How much an account holds is not told to others.
                over_quota: self.visitor.is_none() && quota.is_exceeded(ledger.counters.usage),
                gone: false,
            }
        })
        .await
    }
}

/// An entry as it is told.
pub(crate) fn changed(folder: &Folder, entry: &Entry) -> Changed {
    Changed {
        uid: entry.uid,
        email: entry.email,
        flags: folder.flags(entry),
        modseq: entry.modseq,
    }
}

fn gone(modseq: ModSeq) -> Changes {
    Changes {
        modseq,
        highest_modseq: modseq,
        uidnext: Uid::MIN,
        vanished: UidSet::new(),
        added: UidSet::new(),
        changed: Vec::new(),
        keywords: Vec::new(),
        rights: Rights::NONE,
        over_quota: false,
        gone: true,
    }
}

fn vanished(ledger: &Ledger, mailbox: MailboxId, folder: &Folder, since: ModSeq) -> UidSet {
    let mut vanished = UidSet::new();
    if since >= ledger.counters.forgotten {
        let from = ledger
            .vanished
            .partition_point(|(modseq, _, _)| *modseq <= since);
        for (_, of, uids) in ledger.vanished.range(from..) {
            if *of == mailbox {
                uids.ranges().for_each(|range| vanished.insert_range(range));
            }
        }
        return vanished;
    }
    // What went then is forgotten: every UID that was given and is not there may be it.
    // RFC 7162 §3.2.5.1
    let mut low = Some(Uid::MIN);
    for range in folder.uids().ranges() {
        if let (Some(from), Some(to)) = (low, Uid::new(range.start().value() - 1)) {
            vanished.insert_range(from..=to);
        }
        low = range.end().next();
    }
    if let (Some(from), Some(to)) = (low, Uid::new(folder.uidnext().value() - 1)) {
        vanished.insert_range(from..=to);
    }
    vanished
}
