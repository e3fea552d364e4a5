//! How a place is called by people.

use mail::{MailboxId, Uid};

use super::Place;
use crate::ledger::Ledger;

impl Place {
    /// The mailbox's name and the message's UID, as far as there are any.
    pub(super) fn name(self, ledger: &Ledger) -> (Option<String>, Option<Uid>) {
        match self {
            Self::Account => (None, None),
            Self::Mailbox(id) => (Some(mailbox(ledger, id)), None),
            Self::Message(id, uid) => (Some(mailbox(ledger, id)), Some(uid)),
            Self::Email(email) => {
                let found = ledger.folders.iter().find_map(|(id, folder)| {
                    let mut entries = folder.entries.iter();
                    let entry = entries.find(|entry| entry.email == email)?;
                    Some((*id, entry.uid))
                });
                match found {
                    Some((id, uid)) => Self::Message(id, uid).name(ledger),
                    None => (None, None),
                }
            }
        }
    }
}

fn mailbox(ledger: &Ledger, id: MailboxId) -> String {
    let folder = ledger.folders.get(&id);
    folder.map_or_else(
        || format!("mailbox {}", id.0),
        |folder| folder.row.name.clone(),
    )
}
