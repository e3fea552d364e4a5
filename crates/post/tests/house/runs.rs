//! Flags of many messages at once: what is kept of them is as it would be row by row.

use std::collections::BTreeMap;

use mail::{FlagSet, ModSeq, Uid, UidSet};
use post::{Account, FlagAction, FlagChange};

use crate::world::{World, append, flags, rules, uid};

const MESSAGES: u32 = 120;

async fn told(account: &Account) -> BTreeMap<Uid, (FlagSet, ModSeq)> {
    let inbox = account.open("INBOX").await.unwrap();
    let all = account
        .changes(inbox.id, ModSeq(0), Uid::MIN)
        .await
        .unwrap();
    let rows = all.changed.into_iter();
    rows.map(|row| (row.uid, (row.flags, row.modseq))).collect()
}

async fn set(account: &Account, low: u32, high: u32, action: FlagAction, name: &str) {
    set_in(account, "INBOX", (low, high), action, name).await;
}

async fn set_in(
    account: &Account,
    mailbox: &str,
    (low, high): (u32, u32),
    action: FlagAction,
    name: &str,
) {
    let opened = account.open(mailbox).await.unwrap();
    let change = FlagChange {
        action,
        flags: flags(&[name]),
        unchanged_since: None,
    };
    let uids = UidSet::from_range(uid(low)..=uid(high));
    account.store(opened.id, &uids, &change).await.unwrap();
}

/// More changes of many messages than rows of runs are kept, each seen again after a restart.
#[tokio::test]
async fn flags_of_many_outlive_a_restart() {
    let mut world = World::with(&["ada"], rules()).await;
    let mut account = world.account("ada").await;
    for _ in 0..MESSAGES {
        append(&account, "INBOX", &[], "Subject: x\r\n\r\nhi\r\n").await;
    }
    for round in 0..150_u32 {
        let low = round * 7 % 80 + 1;
        let action = match round % 3 {
            0 => FlagAction::Add,
            1 => FlagAction::Replace,
            _ => FlagAction::Remove,
        };
        let name = ["\\Seen", "$Work", "\\Flagged", "\\Deleted", "$Late"];
        let high = low + 33 + round % 5;
        let name = name.get(round as usize % 5).unwrap();
        set(&account, low, high, action, name).await;
        // One alone in between: its own row is the last word.
        set(&account, low + 3, low + 3, FlagAction::Add, "\\Answered").await;
        if round % 50 == 49 {
            let inbox = account.open("INBOX").await.unwrap();
            let some = UidSet::from_range(uid(low)..=uid(low + 9));
            set(&account, low, low + 9, FlagAction::Add, "\\Deleted").await;
            account.expunge(inbox.id, Some(&some)).await.unwrap();
        }
        if round % 30 == 29 {
            let before = told(&account).await;
            world = world.again().await;
            account = world.account("ada").await;
            assert_eq!(told(&account).await, before);
        }
    }
    let left = told(&account).await;
    assert_eq!(left.len(), 90);
    assert!(left.values().any(|(flags, _)| !flags.is_empty()));
}

/// One change of many hides most of another; after a restart neither outlives their mailbox.
#[tokio::test]
async fn a_deleted_mailbox_leaves_nothing_of_its_flags() {
    let mut world = World::with(&["ada"], rules()).await;
    let mut account = world.account("ada").await;
    account.create("Work", None).await.unwrap();
    for _ in 0..40 {
        append(&account, "Work", &[], "Subject: x\r\n\r\nhi\r\n").await;
    }
    set_in(&account, "Work", (1, 40), FlagAction::Add, "\\Seen").await;
    set_in(&account, "Work", (1, 35), FlagAction::Add, "\\Flagged").await;
    world = world.again().await;
    account = world.account("ada").await;
    assert_eq!(account.status("Work").await.unwrap().unseen, 0);
    account.delete("Work").await.unwrap();
    account = world.again().await.account("ada").await;
    assert!(account.open("Work").await.is_err());
}
