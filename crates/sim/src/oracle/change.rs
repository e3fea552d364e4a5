//! What an owner asks for, and what becomes of the account by it.

use std::collections::BTreeSet;

use super::account::{Known, Letter};

/// A change of one account.
#[derive(Clone, Debug)]
pub enum Change {
    /// A letter is put in.
    Append {
        /// Into this mailbox.
        mailbox: String,
        /// The letter.
        token: String,
        /// With these flags.
        flags: BTreeSet<String>,
    },
    /// Flags are changed.
    Store {
        /// In this mailbox.
        mailbox: String,
        /// Of these letters.
        uids: Vec<u64>,
        /// `+`, `-`, or nothing for replacing them.
        sign: &'static str,
        /// These flags.
        flags: BTreeSet<String>,
    },
    /// Letters are copied, or moved.
    Copy {
        /// From this mailbox.
        from: String,
        /// These letters.
        uids: Vec<u64>,
        /// To that one.
        to: String,
        /// True if they leave where they were.
        moved: bool,
    },
    /// Letters are removed.
    Expunge {
        /// From this mailbox.
        mailbox: String,
        /// These.
        uids: Vec<u64>,
    },
    /// A mailbox is made.
    Create(String),
    /// A mailbox gets another name.
    Rename(String, String),
    /// A mailbox is removed with all that is in it.
    Delete(String),
}

impl Change {
    /// Does it.
    pub(super) fn apply(&self, known: &mut Known) {
        match self {
            Self::Append {
                mailbox,
                token,
                flags,
            } => {
                let letter = Letter::new(token, flags.clone());
                known.mailbox(mailbox).awaited.push(letter);
            }
            Self::Store {
                mailbox,
                uids,
                sign,
                flags,
            } => {
                let letters = known.mailbox(mailbox).letters.iter_mut();
                for (_, letter) in letters.filter(|(uid, _)| uids.contains(uid)) {
                    match *sign {
                        "+" => letter.flags.extend(flags.iter().cloned()),
                        "-" => letter.flags.retain(|flag| !flags.contains(flag)),
                        _ => letter.flags.clone_from(flags),
                    }
                }
            }
            Self::Copy {
                from,
                uids,
                to,
                moved,
            } => {
                let source = known.mailbox(from);
                let copied = uids
                    .iter()
                    .filter_map(|uid| source.letters.get(uid))
                    .cloned();
                let copied: Vec<_> = copied.collect();
                if *moved {
                    source.remove(uids);
                }
                let copied = copied
                    .iter()
                    .map(|letter| Letter::new(&letter.token, letter.flags.clone()));
                known.mailbox(to).awaited.extend(copied);
            }
            Self::Expunge { mailbox, uids } => known.mailbox(mailbox).remove(uids),
            Self::Create(name) => drop(known.mailbox(name)),
            Self::Rename(from, to) => {
                if let Some(mailbox) = known.mailboxes.remove(from) {
                    known.retire(from, &mailbox);
                    known.restore(to, &mailbox);
                    known.mailboxes.insert(to.clone(), mailbox);
                }
            }
            Self::Delete(name) => {
                if let Some(mailbox) = known.mailboxes.remove(name) {
                    known.retire(name, &mailbox);
                }
            }
        }
    }
}
