//! Messages found for SEARCH.

use imap::Answer;
use imap::ask::{Criterion, Elsewhere, FoundIn, Highest, When};
use mail::{AccountId, MailboxId, ModSeq};
use post::{Account, Error, Found, Narrowed, Outcome, Query, Why, Within};

use super::access;

pub(super) async fn answer(
    account: &Account,
    mailbox: MailboxId,
    criterion: Criterion,
    highest: Option<Highest>,
) -> Outcome<Answer> {
    let found = account.search(mailbox, &query(criterion)).await?;
    Ok(Answer::Found {
        highest: modseq(&found, highest),
        uids: found.uids,
        scores: found.scores,
    })
}

fn modseq(found: &Found, highest: Option<Highest>) -> Option<ModSeq> {
    match highest? {
        Highest::All => found.modseq,
        Highest::First => found.first_modseq,
        Highest::Last => found.last_modseq,
        Highest::Ends => found.first_modseq.max(found.last_modseq),
    }
}

/// Searches mailboxes by their names. What is not there or may not be read is passed over.
pub(super) async fn elsewhere(
    account: &Account,
    names: Vec<String>,
    key: &Elsewhere,
    highest: Option<Highest>,
) -> Outcome<Answer> {
    let mut told = Vec::new();
    let mut roam = Roam {
        key,
        highest,
        narrowed: None,
    };
    for name in names {
        match roam.search(account, &name).await {
            Ok(found) => told.push(found),
            // RFC 7377 §2.2
            Err(error) if is_hidden(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Answer::FoundElsewhere(told))
}

fn is_hidden(error: &Error) -> bool {
    matches!(error.why(), Why::Nonexistent | Why::Policy | Why::Cannot)
}

/// A search that goes from mailbox to mailbox.
struct Roam<'a> {
    key: &'a Elsewhere,
    highest: Option<Highest>,
    /// What the index of the account that was searched last said.
    narrowed: Option<(AccountId, Narrowed)>,
}

impl Roam<'_> {
    async fn search(&mut self, account: &Account, name: &str) -> Outcome<FoundIn> {
        let (there, local) = account.place(name).await?;
        let opened = there.open(&local).await?;
        let place = access::place(&there, opened.id);
        let query = query(self.key.at(place, &opened.uids));
        let narrowed = match self.narrowed.take() {
            Some((owner, narrowed)) if owner == there.id() => narrowed,
            _ => there.narrowed(&query).await,
        };
        let found = there.search_narrowed(opened.id, &query, &narrowed).await?;
        self.narrowed = Some((there.id(), narrowed));
        Ok(FoundIn {
            name: name.to_owned(),
            uid_validity: opened.uidvalidity,
            highest: modseq(&found, self.highest),
            uids: found.uids,
            scores: found.scores,
        })
    }
}

/// A criterion in the post's words. The grammar of IMAP has bounded its depth.
pub(super) fn query(criterion: Criterion) -> Query {
    match criterion {
        Criterion::Fuzzy(inner) => fuzzy(query(*inner)),
        Criterion::All => Query::All,
        Criterion::Uids(uids) => Query::Uids(uids),
        Criterion::Has(flag) => Query::Flag(flag),
        Criterion::Lacks(flag) => Query::Not(Box::new(Query::Flag(flag))),
        Criterion::Arrived(When::Before, day) => Query::Before(day),
        Criterion::Arrived(When::On, day) => Query::On(day),
        Criterion::Arrived(When::Since, day) => Query::Since(day),
        Criterion::Sent(When::Before, day) => Query::SentBefore(day),
        Criterion::Sent(When::On, day) => Query::SentOn(day),
        Criterion::Sent(When::Since, day) => Query::SentSince(day),
        Criterion::Saved(When::Before, day) => Query::SavedBefore(day),
        Criterion::Saved(When::On, day) => Query::SavedOn(day),
        Criterion::Saved(When::Since, day) => Query::SavedSince(day),
        Criterion::Larger(octets) => Query::Larger(octets),
        Criterion::Smaller(octets) => Query::Smaller(octets),
        Criterion::Header { name, text } => Query::Header(name, text),
        Criterion::Body(text) => Query::Body(text),
        Criterion::Text(text) => Query::Text(text),
        Criterion::ModSeq(modseq) => Query::ModSeq(modseq),
        Criterion::Older(age) => Query::Older(age),
        Criterion::Younger(age) => Query::Younger(age),
        Criterion::Email(email) => Query::Email(email),
        Criterion::Thread(thread) => Query::Thread(thread),
        Criterion::Not(inner) => Query::Not(Box::new(query(*inner))),
        Criterion::Or(one, other) => Query::Or(vec![query(*one), query(*other)]),
        Criterion::And(all) => Query::And(all.into_iter().map(query).collect()),
    }
}

/// The same with its texts looked for by their words. What is no text is as it is: a message has a
/// flag or has it not, and came on a day or did not.
// RFC 6203 §5
fn fuzzy(query: Query) -> Query {
    match query {
        Query::Header(name, text) => Query::Fuzzy(Within::Header(name), text),
        Query::Body(text) => Query::Fuzzy(Within::Body, text),
        Query::Text(text) => Query::Fuzzy(Within::Text, text),
        Query::And(all) => Query::And(all.into_iter().map(fuzzy).collect()),
        Query::Or(all) => Query::Or(all.into_iter().map(fuzzy).collect()),
        Query::Not(one) => Query::Not(Box::new(fuzzy(*one))),
        exact => exact,
    }
}
