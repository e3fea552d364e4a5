//! The audit beside whoever uses the accounts: it takes nothing for a difference that is only new.

use mail::UidSet;
use post::{AtOnce, Audit, FlagAction, FlagChange, Pace};
use store::Boxed;

use crate::world::{World, append, audited, deliver, flags, rules, uid};

/// Lets all others go on whenever something was read.
#[derive(Debug)]
struct Politely;

impl Pace for Politely {
    fn spend(&self, _octets: u64) -> Boxed<'_, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

#[tokio::test]
async fn an_audit_beside_changes_finds_nothing() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let account = world.account("ada").await;
    let inbox = account.open("INBOX").await.unwrap().id;
    for _ in 0..40 {
        append(&account, "INBOX", &["\\Seen"], "a: b\r\n\r\nc").await;
    }
    let post = world.post.clone();
    let busy = tokio::spawn(async move {
        for turn in 0..120 {
            let some = UidSet::from_range(uid(1 + turn % 7)..=uid(40));
            let change = FlagChange {
                action: [FlagAction::Add, FlagAction::Remove][usize::from(turn % 2 == 0)],
                flags: flags(&["\\Flagged", "$Work"]),
                unchanged_since: None,
            };
            account.store(inbox, &some, &change).await.unwrap();
            let one = UidSet::from_range(uid(1 + turn)..=uid(1 + turn));
            account.copy(inbox, &one, "Archive").await.unwrap();
            account.relocate(inbox, &one, "Trash").await.unwrap();
            deliver(&post, &["ada", "eve"], "a: b\r\n\r\nc\r\n")
                .await
                .unwrap();
            // Sometimes it is quiet for a while.
            for _ in 0..turn % 40 {
                tokio::task::yield_now().await;
            }
        }
    });
    let audit = Audit {
        every: 1,
        turn: 0,
        repairs: true,
        pace: &Politely,
    };
    let mut audits = 0;
    while !busy.is_finished() {
        for account in world.post.accounts() {
            let found = world.post.audit_account(account.id, &audit).await;
            assert_eq!(found.unwrap().differences, []);
        }
        audits += 1;
    }
    busy.await.unwrap();
    assert!(audits > 1, "the audits were not beside the changes");
    audited(&world.post).await;
}

#[tokio::test]
async fn an_account_that_was_at_rest_rests_again() {
    let world = World::with(&["ada"], rules()).await;
    append(&world.account("ada").await, "INBOX", &[], "a: b\r\n\r\n").await;
    let world = world.again().await;
    audited(&world.post).await;
    assert_eq!(world.post.mailbox_memory().accounts, 0);
    let account = world.account("ada").await;
    audited(&world.post).await;
    assert_eq!(world.post.mailbox_memory().accounts, 1);
    assert_eq!(account.open("INBOX").await.unwrap().uids.len(), 1);
}

#[tokio::test]
async fn a_commit_that_fails_leaves_no_difference() {
    let world = World::with(&["ada"], rules()).await;
    let account = world.account("ada").await;
    append(&account, "INBOX", &[], "a: b\r\n\r\n").await;
    world.store.fail(0, store::CommitError::Full);
    assert!(account.subscribe("x").await.is_err());
    audited(&world.post).await;
    let none = world.post.audit_status();
    assert_eq!((none.found, none.postponed), (0, 0));
    let gone = world.post.accounts().pop().unwrap().id;
    world.post.remove_account(account.address()).await.unwrap();
    let audit = Audit {
        every: 1,
        turn: 0,
        repairs: true,
        pace: &AtOnce,
    };
    let found = world.post.audit_account(gone, &audit).await.unwrap();
    assert_eq!(found, post::Findings::default());
}
