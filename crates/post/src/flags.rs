//! Changing flags (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

use mail::{FlagSet, MailboxId, ModSeq, Rights, Uid, UidSet};

use crate::access::{Settable, forbidden};
use crate::changes::changed;
use crate::draft::Flagging;
use crate::events;
use crate::ledger::Folder;
use crate::tables::Entry;
use crate::{Account, Changed, Outcome, spam};

/// What to do with the flags given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagAction {
    /// They and no others stay.
    Replace,
    /// They come in addition.
    Add,
    /// They go.
    Remove,
}

/// A change of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagChange {
    /// What to do.
    pub action: FlagAction,
    /// The flags.
    pub flags: FlagSet,
    /// Leave out messages that changed after this (UNCHANGEDSINCE).
    pub unchanged_since: Option<ModSeq>,
}

/// What became of a change of flags.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The messages asked for that are there and were not left out, with their flags now, by
    /// rising UID; also those whose flags were like that before.
    pub rows: Vec<Changed>,
    /// When each of them had changed before this.
    pub before: Vec<ModSeq>,
    /// Those left out because they had changed (MODIFIED).
    pub modified: UidSet,
    /// The flags that are now another way than before, of those messages that have such, where a
    /// script wants to know them, or the filter for junk.
    pub differing: Vec<(Uid, FlagSet)>,
}

impl Account {
    /// Changes flags of messages, all in one step.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if the mailbox is gone, [`crate::Why::Limit`] for too many
    /// keywords in it, or if it cannot be stored.
    pub async fn store(
        &self,
        mailbox: MailboxId,
        uids: &UidSet,
        change: &FlagChange,
    ) -> Outcome<Stored> {
        let learns = self.house().rules().spam.is_on();
        self.change(|draft| {
            let folder = self.folder(draft.ledger(), mailbox, Rights::READ)?;
            let settable = settable(self.rights(folder), change)?;
            let mut modified = UidSet::new();
            let mut asked = Vec::new();
            for entry in folder.among(uids) {
                if change
                    .unchanged_since
                    .is_some_and(|since| entry.modseq > since)
                {
                    modified.insert(entry.uid);
                } else {
                    asked.push(*entry);
                }
            }
            let flags = &settable.among(&change.flags);
            let keywords = match change.action {
                // Taking a keyword away is no reason to make room for it.
                FlagAction::Remove => folder.known_keywords(flags),
                _ if asked.is_empty() => 0,
                FlagAction::Replace | FlagAction::Add => draft.keyword_bits(mailbox, flags)?,
            };
            let bits = (flags.system_bits(), keywords, settable);
            let flaggings: Vec<_> = asked
                .iter()
                .filter_map(|entry| now(entry, change.action, bits))
                .collect();
            let folder = draft.ledger().folder(mailbox)?;
            let is_wanted = events::script(draft.ledger(), mailbox).is_some()
                || learns && spam::says_junk(folder, &flaggings);
            let differing = match is_wanted {
                true => differing(folder, &flaggings),
                false => Vec::new(),
            };
            let modseq = draft.set_flags(mailbox, &flaggings);
            let folder = draft.ledger().folder(mailbox)?;
            let row = |entry: &Entry| match now(entry, change.action, bits) {
                Some(now) => Changed {
                    uid: entry.uid,
                    email: entry.email,
                    flags: folder.flags_of(now.system, now.keywords),
                    modseq,
                },
                None => changed(folder, entry),
            };
            Ok(Stored {
                rows: asked.iter().map(row).collect(),
                before: asked.iter().map(|entry| entry.modseq).collect(),
                modified,
                differing,
            })
        })
        .await
    }
}

/// The flags that such changes set or take away.
fn differing(folder: &Folder, flaggings: &[Flagging]) -> Vec<(Uid, FlagSet)> {
    let both = flaggings.iter().filter_map(|now| {
        let before = folder.entry(now.uid)?;
        let (system, keywords) = (before.system ^ now.system, before.keywords ^ now.keywords);
        Some((now.uid, folder.flags_of(system, keywords)))
    });
    both.collect()
}

/// The flags among those named that may be changed; none is refused.
// RFC 4314 §4
fn settable(rights: Rights, change: &FlagChange) -> Outcome<Settable> {
    let settable = Settable::by(rights);
    let none = match change.action {
        // It changes all others as well.
        FlagAction::Replace => settable == Settable::by(Rights::NONE),
        FlagAction::Add | FlagAction::Remove => {
            settable.among(&change.flags).is_empty() && !change.flags.is_empty()
        }
    };
    match none {
        true => Err(forbidden()),
        false => Ok(settable),
    }
}

/// The flags a message is to have after such a change with these system flags and keywords; none
/// if it has them. RFC 7162 §3.1.3: a store that changes nothing is no change.
fn now(
    entry: &Entry,
    action: FlagAction,
    (system, keywords, settable): (u8, u64, Settable),
) -> Option<Flagging> {
    let (system, keywords) = match action {
        FlagAction::Replace => (
            system | entry.system & !settable.system,
            match settable.keywords {
                true => keywords,
                false => entry.keywords,
            },
        ),
        FlagAction::Add => (entry.system | system, entry.keywords | keywords),
        FlagAction::Remove => (entry.system & !system, entry.keywords & !keywords),
    };
    let differs = (system, keywords) != (entry.system, entry.keywords);
    differs.then_some(Flagging {
        uid: entry.uid,
        system,
        keywords,
    })
}
