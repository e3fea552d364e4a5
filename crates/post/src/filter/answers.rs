//! What a script asks, answered from the account.

use std::sync::Arc;

use mail::{AccountId, MailboxId, ScriptName};
use sieve::{Answer, Ask, Location};

use super::{named, role};
use crate::Post;
use crate::keeper::Keeper;
use crate::ledger::Ledger;
use crate::metadata;
use crate::site::{Listing, addresses_in};
use crate::tables::{ScriptRow, SeenKey};

impl Post {
    /// Answers a script. What is asked may change before the message is filed: then it is filed as
    /// if it had not been asked.
    pub(crate) async fn answer_script(&self, keeper: &Arc<Keeper>, ask: Ask) -> Answer {
        let now = self.inner.outside.now();
        match ask {
            Ask::Now => Answer::Now(now),
            Ask::Mailbox(name) => {
                let there = |ledger: &Ledger| ledger.target(&name).is_ok();
                Answer::Flag(self.peek(keeper, there).await.unwrap_or(false))
            }
            Ask::MailboxId(id) => {
                let id = MailboxId::parse(&id);
                let there = |ledger: &Ledger| id.is_some_and(|id| ledger.folder(id).is_ok());
                Answer::Flag(self.peek(keeper, there).await.unwrap_or(false))
            }
            Ask::SpecialUse { mailbox, attribute } => {
                let Some(role) = role(&attribute) else {
                    return Answer::Flag(false);
                };
                let has = |ledger: &Ledger| match &mailbox {
                    None => ledger.of_role(role).is_some(),
                    Some(name) => {
                        let found = ledger.find(name);
                        found.is_some_and(|(_, folder)| folder.row.role == Some(role))
                    }
                };
                Answer::Flag(self.peek(keeper, has).await.unwrap_or(false))
            }
            Ask::Metadata {
                mailbox,
                annotation,
            } => {
                let annotation = annotation.to_ascii_lowercase();
                let admin = self.admin();
                let read = |ledger: &Ledger| {
                    metadata::note(ledger, mailbox.as_deref(), &annotation, &admin)
                };
                let value = self.peek(keeper, read).await.flatten();
                Answer::Text(value.and_then(|value| String::from_utf8(value.to_vec()).ok()))
            }
            Ask::Seen { handle, id } => {
                let key = seen_key(&handle, &id);
                let seen = |ledger: &Ledger| {
                    let until = ledger.seen.get(&key);
                    until.is_some_and(|until| *until > now.seconds)
                };
                Answer::Flag(self.peek(keeper, seen).await.unwrap_or(false))
            }
            Ask::Script {
                location: Location::Personal,
                name,
            } => self.included(keeper, &name).await,
            Ask::Script {
                location: Location::Global,
                name,
            } => Answer::Script(self.rules().sieve.global.get(&name).cloned()),
            Ask::Listed { list, values } => self.listed(keeper.account, &list, &values),
            Ask::List(name) => Answer::Flag(self.rules().sieve.list(&name).is_some()),
            Ask::Foreign { .. } => Answer::Flag(false),
        }
    }

    /// Looks for the first of these values that is on a list.
    // RFC 6134 §2.2
    fn listed(&self, account: AccountId, list: &str, values: &[String]) -> Answer {
        let mut values = values.iter();
        let found = match self.rules().sieve.list(list) {
            None => return Answer::NoList,
            Some(Listing::Own) => values.find_map(|value| {
                let mut addresses = addresses_in(value);
                addresses.find(|address| self.is_of(account, address))
            }),
            Some(Listing::Of(list)) => {
                return Answer::Text(values.find_map(|value| list.find(value)));
            }
            Some(Listing::Empty) => None,
        };
        Answer::Text(found.map(|address| address.to_string()))
    }

    async fn included(&self, keeper: &Arc<Keeper>, name: &str) -> Answer {
        let find = |ledger: &Ledger| named(ledger, name);
        let found: Option<(ScriptName, ScriptRow)> = self.peek(keeper, find).await.flatten();
        let Some((name, row)) = found else {
            return Answer::Script(None);
        };
        let script = self.compiled(keeper, &name, row).await;
        Answer::Script(script.ok().flatten())
    }

    /// Looks at an account in memory, at what may not be on the disk yet; none if it has gone.
    pub(super) async fn peek<T: Send>(
        &self,
        keeper: &Arc<Keeper>,
        look: impl Fn(&Ledger) -> T + Send + Sync,
    ) -> Option<T> {
        match Self::glance(keeper, &look) {
            Some(seen) => Some(seen),
            None => self.look(keeper, &look).await.ok(),
        }
    }
}

/// What an identifier is remembered by. Those of one handle are apart from those of another.
pub(super) fn seen_key(handle: &str, id: &str) -> SeenKey {
    let mut hasher = blake3::Hasher::new();
    hasher.update(
        &u64::try_from(handle.len())
            .unwrap_or(u64::MAX)
            .to_be_bytes(),
    );
    hasher.update(handle.as_bytes());
    hasher.update(id.as_bytes());
    let hash = hasher.finalize();
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_kept_apart() {
        let keys = [("", "ab"), ("a", "b"), ("ab", ""), ("", "abc")];
        let keys = keys.map(|(handle, id)| seen_key(handle, id));
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| other == key), Some(at));
        }
        assert_eq!(seen_key("a", "b"), seen_key("a", "b"));
    }
}
