//! Messages found for SORT and THREAD, in their order and in their threads.

use imap::Answer;
use imap::ask::{Criterion, Highest, SortCriterion, SortKey, Threading};
use mail::MailboxId;
use post::{Account, Outcome};

use super::search::query;

pub(super) async fn answer(
    account: &Account,
    mailbox: MailboxId,
    criterion: Criterion,
    criteria: &[SortCriterion],
    highest: Option<Highest>,
) -> Outcome<Answer> {
    let criteria: Vec<_> = criteria.iter().map(by).collect();
    let sorted = account.sort(mailbox, &query(criterion), &criteria).await?;
    let highest = match highest {
        None => None,
        Some(Highest::All) => sorted.modseq,
        Some(Highest::First) => sorted.first_modseq,
        Some(Highest::Last) => sorted.last_modseq,
        Some(Highest::Ends) => sorted.first_modseq.max(sorted.last_modseq),
    };
    Ok(Answer::Sorted {
        uids: sorted.uids,
        highest,
        scores: sorted.scores,
    })
}

pub(super) async fn threads(
    account: &Account,
    mailbox: MailboxId,
    criterion: Criterion,
    threading: Threading,
) -> Outcome<Answer> {
    let threading = match threading {
        Threading::OrderedSubject => post::Threading::Subject,
        Threading::References => post::Threading::References,
        Threading::Refs => post::Threading::Refs,
    };
    let query = query(criterion);
    let threads = account.threads(mailbox, &query, threading).await?;
    Ok(Answer::Threads(threads))
}

const fn by(criterion: &SortCriterion) -> post::SortCriterion {
    post::SortCriterion {
        key: match criterion.key {
            SortKey::Arrival => post::SortKey::Arrival,
            SortKey::Date => post::SortKey::Date,
            SortKey::Size => post::SortKey::Size,
            SortKey::Text(text) => post::SortKey::Text(text),
            SortKey::Relevancy => post::SortKey::Relevancy,
        },
        reverse: criterion.reverse,
    }
}
