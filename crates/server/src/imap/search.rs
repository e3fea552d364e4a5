//! Messages found for SEARCH.

use imap::Answer;
use imap::ask::{Criterion, Highest, When};
use mail::MailboxId;
use post::{Account, Outcome, Query};

pub(super) async fn answer(
    account: &Account,
    mailbox: MailboxId,
    criterion: Criterion,
    highest: Option<Highest>,
) -> Outcome<Answer> {
    let found = account.search(mailbox, &query(criterion)).await?;
    let highest = match highest {
        None => None,
        Some(Highest::All) => found.modseq,
        Some(Highest::First) => found.first_modseq,
        Some(Highest::Last) => found.last_modseq,
        Some(Highest::Ends) => found.first_modseq.max(found.last_modseq),
    };
    Ok(Answer::Found {
        uids: found.uids,
        highest,
    })
}

/// A criterion in the post's words. The grammar of IMAP has bounded its depth.
pub(super) fn query(criterion: Criterion) -> Query {
    match criterion {
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
        Criterion::Not(inner) => Query::Not(Box::new(query(*inner))),
        Criterion::Or(one, other) => Query::Or(vec![query(*one), query(*other)]),
        Criterion::And(all) => Query::And(all.into_iter().map(query).collect()),
    }
}
