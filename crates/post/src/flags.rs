//! Changing flags (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

use mail::{FlagSet, MailboxId, ModSeq, UidSet};

use crate::{Account, Changed, Error, Fault, Outcome};

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
    /// Those left out because they had changed (MODIFIED).
    pub modified: UidSet,
    /// Those asked for that are no longer there.
    pub missing: UidSet,
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
        let _ = (mailbox, uids, change);
        Err(Error::Fault(Fault::Unfinished("flags")))
    }
}
