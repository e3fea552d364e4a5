//! What an owner did last that took something away, and how that comes back when it is undone.

use super::account::{Known, Letter, Mailbox};

/// An operation, with what it took away.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Letters were removed.
    Removed {
        /// From this mailbox.
        mailbox: String,
        /// These, as they were.
        letters: Vec<Letter>,
    },
    /// Letters were moved.
    Moved {
        /// From this mailbox.
        from: String,
        /// To that one.
        to: String,
        /// What they are.
        tokens: Vec<String>,
    },
    /// A mailbox was removed.
    Deleted {
        /// By this name.
        name: String,
        /// With all that was in it.
        mailbox: Mailbox,
    },
    /// A mailbox got another name.
    Renamed {
        /// What it was called.
        from: String,
        /// What it is called.
        to: String,
    },
}

impl Deed {
    /// How many letters come back.
    #[must_use]
    pub fn letters(&self) -> usize {
        match self {
            Self::Removed { letters, .. } => letters.len(),
            Self::Moved { tokens, .. } => tokens.len(),
            Self::Deleted { mailbox, .. } => mailbox.letters.len() + mailbox.awaited.len(),
            Self::Renamed { .. } => 0,
        }
    }

    /// False where letters were moved to others that are the same: which of them would go back
    /// cannot be told from outside.
    pub(super) fn is_plain(&self, known: &Known) -> bool {
        let Self::Moved { to, tokens, .. } = self else {
            return true;
        };
        let there = known.mailboxes.get(to);
        tokens.iter().all(|token| {
            let count = there.map_or(0, |mailbox| {
                let all = mailbox.letters.values().chain(&mailbox.awaited);
                all.filter(|letter| letter.token == *token).count()
            });
            count == 1
        })
    }

    /// What is there when it was undone.
    pub(super) fn undo(self, known: &mut Known) {
        match self {
            // They come with other UIDs, and are not marked to be removed any more.
            Self::Removed { mailbox, letters } => {
                let back = letters.into_iter().map(|mut letter| {
                    letter.flags.remove("\\Deleted");
                    Letter::new(&letter.token, letter.flags)
                });
                known.mailbox(&mailbox).awaited.extend(back);
            }
            Self::Moved { from, to, tokens } => {
                let there = known.mailbox(&to);
                let back = tokens.iter().filter_map(|token| there.take(token));
                let back: Vec<_> = back
                    .map(|letter| Letter::new(&letter.token, letter.flags))
                    .collect();
                known.mailbox(&from).awaited.extend(back);
            }
            // With its UIDs: nobody can have used them meanwhile.
            Self::Deleted { name, mailbox } => {
                known.restore(&name, &mailbox);
                known.mailboxes.insert(name, mailbox);
            }
            Self::Renamed { from, to } => known.rename(&to, &from),
        }
    }
}
