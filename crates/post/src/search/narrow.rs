//! What the index rules out, before messages are read.

use index::{Bits, Condition, conditions};
use mail::{EmailId, MailboxId};
use message::fold;

use super::Query;
use crate::Account;

/// Keys of one query that the index is asked for; it says nothing of the others.
const NARROWED_KEYS_MAX: usize = 16;
/// A mailbox with fewer messages is read without asking the index.
const READ_ANYWAY_MAX: usize = 16;

/// What the index says of a query's keys.
#[derive(Debug, Default)]
pub(super) struct Narrowed<'a> {
    keys: Vec<(&'a Query, Bits, u64)>,
}

impl Narrowed<'_> {
    /// True if no message with this id can be what this key asks for.
    pub(super) fn rules_out(&self, key: &Query, email: EmailId) -> bool {
        let known = self.keys.iter().find(|(known, ..)| *known == key);
        known.is_some_and(|(_, found, covered)| email.0 <= *covered && !found.contains(email.0))
    }
}

impl Account {
    /// Asks the index what it can say of a query about a mailbox.
    pub(super) async fn narrow<'a>(&self, mailbox: MailboxId, query: &'a Query) -> Narrowed<'a> {
        let mut narrowed = Narrowed::default();
        let mut keys = Vec::new();
        gather(query, &mut keys);
        if keys.is_empty() || !self.is_long(mailbox).await {
            return narrowed;
        }
        for (key, conditions) in keys {
            let Some((found, covered)) = self.ask(&conditions).await else {
                break;
            };
            narrowed.keys.push((key, found, covered));
        }
        narrowed
    }

    async fn is_long(&self, mailbox: MailboxId) -> bool {
        let count = self.look(|ledger| Some(ledger.folder(mailbox).ok()?.entries.len()));
        count
            .await
            .ok()
            .flatten()
            .is_some_and(|count| count > READ_ANYWAY_MAX)
    }
}

/// The keys about text, with what the index is asked for each.
fn gather<'a>(query: &'a Query, keys: &mut Vec<(&'a Query, Vec<Condition>)>) {
    let wanted = match query {
        Query::And(all) | Query::Or(all) => {
            return all.iter().for_each(|one| gather(one, keys));
        }
        Query::Not(one) => return gather(one, keys),
        Query::Body(text) | Query::Text(text) => conditions(&fold(text)),
        Query::Header(name, text) => {
            let mut wanted = conditions(&fold(text));
            if name.is_ascii() {
                // As the builder sees fields: `Name: value`.
                wanted.extend(conditions(&fold(&format!("{name}: "))));
            }
            wanted
        }
        _ => return,
    };
    let known = keys.iter().any(|(known, _)| *known == query);
    if !known && !wanted.is_empty() && keys.len() < NARROWED_KEYS_MAX {
        keys.push((query, wanted));
    }
}
