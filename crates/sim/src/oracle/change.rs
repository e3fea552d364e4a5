//! What an owner asks for, and what becomes of the account by it.

use std::collections::BTreeSet;

use super::Deed;
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
    /// What was done last is undone.
    Undo,
}

impl Change {
    /// Does it.
    pub(super) fn apply(&self, known: &mut Known) {
        let last = known.last.take();
        known.last = self.applied(known, last);
    }

    /// Does it, and says what it took away.
    fn applied(&self, known: &mut Known, last: Option<Deed>) -> Option<Deed> {
        match self {
            Self::Append {
                mailbox,
                token,
                flags,
            } => {
                let letter = Letter::new(token, flags.clone());
                known.mailbox(mailbox).awaited.push(letter);
                None
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
                None
            }
            Self::Copy {
                from,
                uids,
                to,
                moved,
            } => {
                let tokens = copy(known, (from, uids, *moved), to);
                moved.then(|| Deed::Moved {
                    from: from.clone(),
                    to: to.clone(),
                    tokens,
                })
            }
            Self::Expunge { mailbox, uids } => Some(Deed::Removed {
                mailbox: mailbox.clone(),
                letters: known.mailbox(mailbox).remove(uids),
            }),
            Self::Create(name) => {
                known.mailbox(name);
                None
            }
            Self::Rename(from, to) => {
                known.rename(from, to);
                Some(Deed::Renamed {
                    from: from.clone(),
                    to: to.clone(),
                })
            }
            Self::Delete(name) => {
                let mailbox = known.mailboxes.remove(name)?;
                known.retire(name, &mailbox);
                Some(Deed::Deleted {
                    name: name.clone(),
                    mailbox,
                })
            }
            Self::Undo => {
                last?.undo(known);
                None
            }
        }
    }
}

/// Copies letters, or moves them; says which.
fn copy(known: &mut Known, (from, uids, moved): (&str, &[u64], bool), to: &str) -> Vec<String> {
    let source = known.mailbox(from);
    let copied = uids.iter().filter_map(|uid| source.letters.get(uid));
    let copied: Vec<_> = copied
        .map(|letter| Letter::new(&letter.token, letter.flags.clone()))
        .collect();
    if moved {
        source.remove(uids);
    }
    let tokens = copied.iter().map(|letter| letter.token.clone()).collect();
    known.mailbox(to).awaited.extend(copied);
    tokens
}
