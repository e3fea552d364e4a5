//! What the index knows of a query, before messages are read.

use index::{Condition, conditions, is_one_run};
use mail::{EmailId, MailboxId, Rights};
use message::fold;

use super::shelf::Told;
use super::{Query, within};
use crate::Account;

/// Keys of one query that the index is asked for; it says nothing of the others.
const NARROWED_KEYS_MAX: usize = 16;
/// So few messages are read without asking the index.
const READ_ANYWAY_MAX: usize = 16;

/// What the index says of a query's keys.
#[derive(Debug, Default)]
pub(super) struct Narrowed<'a> {
    keys: Vec<Key<'a>>,
}

#[derive(Debug)]
struct Key<'a> {
    query: &'a Query,
    /// True if a message that meets the key's conditions is what it asks for: it looks for no more
    /// than a run, and wherever in the message.
    is_exact: bool,
    told: Told,
}

impl Narrowed<'_> {
    /// What is known of a message with this id and a key: `None` if it must be read.
    pub(super) fn answer(&self, query: &Query, email: EmailId) -> Option<bool> {
        let key = self.keys.iter().find(|key| key.query == query)?;
        let (told, id) = (&key.told, email.0);
        if id > told.covered {
            return None;
        }
        if !told.may.contains(id) {
            return Some(false);
        }
        (key.is_exact && told.do_meet.contains(id)).then_some(true)
    }
}

impl Account {
    /// Asks the index what it can say of a query about a mailbox.
    pub(super) async fn narrow<'a>(&self, mailbox: MailboxId, query: &'a Query) -> Narrowed<'a> {
        let mut narrowed = Narrowed::default();
        let mut keys = Vec::new();
        gather(query, &mut keys);
        let few = u64::try_from(READ_ANYWAY_MAX).unwrap_or(u64::MAX);
        let asks_few = within(query).is_some_and(|uids| uids.len() <= few);
        if keys.is_empty() || asks_few || !self.is_long(mailbox).await {
            return narrowed;
        }
        for (query, conditions) in keys {
            let Some(told) = self.ask(&conditions).await else {
                break;
            };
            let is_exact = matches!(query, Query::Text(text) if is_one_run(&fold(text)));
            narrowed.keys.push(Key {
                query,
                is_exact,
                told,
            });
        }
        narrowed
    }

    async fn is_long(&self, mailbox: MailboxId) -> bool {
        let count = self.look(|ledger| {
            let folder = self.folder(ledger, mailbox, Rights::READ).ok()?;
            Some(folder.entries.len())
        });
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
