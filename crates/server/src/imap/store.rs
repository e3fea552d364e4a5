//! Flags changed and messages copied for STORE, COPY and MOVE.

use imap::Answer;
use imap::ask::{self, Reached, StoreMode};
use mail::{FlagSet, MailboxId, ModSeq, UidSet};
use post::{Account, Changed, Copied, EventCause, FlagAction, FlagChange, Outcome};

/// Messages changed in one step, so that the answer stays small.
const MESSAGES_AT_ONCE_MAX: usize = 20_000;

pub(super) fn change(
    mode: StoreMode,
    flags: FlagSet,
    unchanged_since: Option<ModSeq>,
) -> FlagChange {
    FlagChange {
        action: match mode {
            StoreMode::Replace => FlagAction::Replace,
            StoreMode::Add => FlagAction::Add,
            StoreMode::Remove => FlagAction::Remove,
        },
        flags,
        unchanged_since,
    }
}

pub(super) async fn answer(
    account: &Account,
    mailbox: MailboxId,
    uids: &UidSet,
    change: &FlagChange,
    told: ModSeq,
) -> Outcome<Answer> {
    let some: UidSet = uids.iter().take(MESSAGES_AT_ONCE_MAX).collect();
    let mut stored = account.store(mailbox, &some, change).await?;
    let differing = std::mem::take(&mut stored.differing);
    account.flags_said(mailbox, &differing).await;
    account.happened(mailbox, EventCause::Flag, differing).await;
    let rows = stored.rows.iter().zip(&stored.before);
    let raced = rows.filter(|(_, before)| **before > told);
    Ok(Answer::Stored {
        raced: raced.map(|(row, _)| row.uid).collect(),
        changed: stored.rows.into_iter().map(changed).collect(),
        modified: stored.modified,
        reached: match some.last() {
            Some(last) if some.last() != uids.last() => Reached::Uid(last),
            _ => Reached::End,
        },
    })
}

pub(super) fn changed(changed: Changed) -> ask::Changed {
    ask::Changed {
        uid: changed.uid,
        flags: changed.flags,
        modseq: changed.modseq,
    }
}

pub(super) async fn copied(from: (&Account, MailboxId), there: &Account, copied: Copied) -> Answer {
    there.sorted(from, &copied).await;
    // RFC 6851 §4.5
    let targets = copied.pairs.iter().map(|(_, target)| *target);
    there.copied(copied.mailbox, targets).await;
    let (source, target) = copied.pairs.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
    Answer::Copied {
        uid_validity: copied.uidvalidity,
        source: source.into_iter().collect(),
        target: target.into_iter().collect(),
    }
}
