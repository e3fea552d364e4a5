//! Mailboxes as they were.

use mail::{EmailId, ModSeq, Timestamp, Uid, UidSet};
use post::{Account, FlagAction, OperationKind, Purge, Why};

use crate::undo::{ALL, expunge, fill, holds, mark, newest, undo, world};
use crate::world::{World, uids};

/// A random life, and what each mailbox held after each step of it.
type Seen = (Timestamp, &'static str, Vec<(Uid, EmailId)>);

const MAILBOXES: [&str; 4] = ["INBOX", "Archive", "Plans", "Plans too"];

async fn random_life(world: &World, ada: &Account) -> Vec<Seen> {
    let mut dice = 7_u64;
    let mut throw = |sides: u64| {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let mut seen = Vec::new();
    for step in 0..150_u32 {
        let now = world
            .made
            .seconds
            .fetch_add(10, std::sync::atomic::Ordering::Relaxed)
            + 10;
        let pick = usize::try_from(throw(4)).unwrap();
        let mailbox = MAILBOXES[pick];
        let Ok(opened) = ada.open(mailbox).await else {
            ada.create(mailbox, None).await.unwrap();
            continue;
        };
        let some: UidSet = opened.uids.iter().filter(|_| throw(3) == 0).collect();
        match throw(9) {
            0 | 1 => fill(ada, mailbox, 3).await,
            2 => expunge(ada, mailbox, &some).await,
            3 | 4 => {
                let to = MAILBOXES[usize::try_from(throw(2)).unwrap()];
                ada.relocate(opened.id, &some, to).await.unwrap();
            }
            5 if mailbox == "Plans" => drop(ada.rename("Plans", "Plans too").await),
            6 if pick > 1 => drop(ada.delete(mailbox).await),
            7 => {
                ada.copy(opened.id, &some, "Archive").await.unwrap();
            }
            _ => {
                let operations = ada.operations().await.unwrap();
                let at = usize::try_from(throw(4)).unwrap();
                if let Some(operation) = operations.get(at) {
                    drop(ada.revert(operation.number, &ALL).await);
                }
            }
        }
        let moment = Timestamp::utc(1_700_000_000 + i64::try_from(now).unwrap());
        for mailbox in MAILBOXES {
            if ada.open(mailbox).await.is_ok() && step % 5 == 0 {
                seen.push((moment, mailbox, ids(ada, mailbox).await));
            }
        }
    }
    seen
}

#[tokio::test]
async fn every_moment_can_be_seen_again() {
    let (world, ada) = world().await;
    let seen = random_life(&world, &ada).await;
    world
        .made
        .seconds
        .fetch_add(10, std::sync::atomic::Ordering::Relaxed);
    let kinds: Vec<_> = ada
        .operations()
        .await
        .unwrap()
        .iter()
        .map(|one| one.kind)
        .collect();
    for kind in [
        OperationKind::DeleteMailbox,
        OperationKind::RenameMailbox,
        OperationKind::Undo,
    ] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert!(seen.iter().any(|(.., ids)| ids.len() > 5));
    for (moment, mailbox, expected) in &seen {
        let past = ada.past(*moment, mailbox).await.unwrap();
        let told: Vec<_> = past
            .messages
            .iter()
            .map(|one| (one.uid, one.email))
            .collect();
        assert_eq!(told, *expected, "{mailbox} at {}", moment.seconds);
        assert_eq!(past.lost, 0);
    }
    into_another(&world, &ada, &seen).await;
}

/// The last of them that held much, put into another mailbox.
async fn into_another(world: &World, ada: &Account, seen: &[Seen]) {
    let (moment, mailbox, expected) = seen.iter().rfind(|(.., ids)| ids.len() > 5).unwrap();
    let done = ada
        .restore_past(*moment, mailbox, "Seen again", false)
        .await
        .unwrap();
    assert_eq!(done.messages, expected.len() as u64);
    let restored: Vec<_> = ids(ada, "Seen again")
        .await
        .into_iter()
        .map(|one| one.1)
        .collect();
    assert_eq!(
        restored,
        expected.iter().map(|one| one.1).collect::<Vec<_>>()
    );
    assert_eq!(newest(ada).await.kind, OperationKind::Restore);
    holds(world, &["INBOX", "Archive", "Seen again"]).await;
    undo(ada).await;
    assert!(ada.open("Seen again").await.unwrap().uids.is_empty());
}

async fn ids(account: &Account, mailbox: &str) -> Vec<(Uid, EmailId)> {
    let id = account.open(mailbox).await.unwrap().id;
    let changes = account.changes(id, ModSeq(0), Uid::MIN).await.unwrap();
    changes
        .changed
        .iter()
        .map(|row| (row.uid, row.email))
        .collect()
}

#[tokio::test]
async fn flags_were_what_they_were_and_what_is_forgotten_is_not_told() {
    let (world, ada) = world().await;
    let start = Timestamp::utc(1_700_000_000);
    let later = |seconds| Timestamp::utc(start.seconds + seconds);
    let pass = |seconds| {
        world
            .made
            .seconds
            .fetch_add(seconds, std::sync::atomic::Ordering::Relaxed)
    };
    fill(&ada, "INBOX", 40).await;
    pass(10);
    let all = ada.open("INBOX").await.unwrap().uids;
    mark(&ada, "INBOX", &all, FlagAction::Replace, "\\Seen").await;
    pass(10);
    let id = ada.open("INBOX").await.unwrap().id;
    ada.relocate(id, &uids(&[1]), "Archive").await.unwrap();
    let flags = async |seconds| {
        let past = ada.past(later(seconds), "INBOX").await.unwrap();
        past.messages[0].flags.to_string()
    };
    assert_eq!(
        (flags(9).await.as_str(), flags(19).await.as_str()),
        ("$Work", "\\Seen")
    );
    let past = ada.past(later(9), "INBOX").await.unwrap();
    assert_eq!(ada.subjects(&past.messages).await.unwrap()[0], "letter 1");
    let never = ada.past(later(9), "Nowhere").await;
    assert_eq!(never.unwrap_err().why(), Why::Nonexistent);
    let before = ada.past(later(-1), "INBOX").await;
    assert_eq!(before.unwrap_err().why(), Why::Cannot);
    expunge(&ada, "INBOX", &uids(&[2])).await;
    pass(10);
    ada.purge(Purge::One(newest(&ada).await.number))
        .await
        .unwrap();
    assert_eq!(
        ada.past(later(20), "INBOX").await.unwrap_err().why(),
        Why::Cannot
    );
    assert_eq!(
        ada.past(later(21), "INBOX").await.unwrap().messages.len(),
        38
    );
    holds(&world, &["INBOX"]).await;
}
