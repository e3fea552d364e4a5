//! What is remembered is forgotten again: in time, when that is asked for, and whole.

use std::time::Duration;

use mail::{ModSeq, Timestamp};
use post::{OperationKind, OperationState, Purge, Rules, UndoRules, Why};

use crate::undo::{ALL, expunge, fill, holds, letter, newest, undo, why, world};
use crate::world::{World, address, audited, rules, rules_without_undo, uids, whole};

#[tokio::test]
async fn accounts_and_operations_are_forgotten_in_time() {
    let small = Rules {
        undo: UndoRules {
            window: Duration::from_secs(100),
            octets_max: 150,
            operations_max: 5,
        },
        ..rules()
    };
    let world = World::with(&["ada", "eve"], small).await;
    let ada = world.account("ada").await;
    fill(&ada, "INBOX", 12).await;
    // A copy keeps a message though its operation is forgotten.
    let inbox = ada.open("INBOX").await.unwrap().id;
    ada.copy(inbox, &uids(&[1]), "Archive").await.unwrap();
    expunge(&ada, "INBOX", &uids(&[1, 2])).await;
    let pass = |seconds| {
        world
            .made
            .seconds
            .fetch_add(seconds, std::sync::atomic::Ordering::Relaxed)
    };
    pass(100);
    assert_eq!(world.post.forget_operations(ada.id()).await.unwrap(), 0);
    expunge(&ada, "INBOX", &uids(&[3])).await;
    pass(1);
    assert_eq!(world.post.forget_operations(ada.id()).await.unwrap(), 1);
    let left = ada.operations().await.unwrap();
    assert_eq!((left.len(), left[0].messages), (1, 1));
    assert_eq!(whole(&ada, "Archive", 1).await, letter(1));
    holds(&world, &["INBOX", "Archive"]).await;
    // Too many octets: the oldest go first.
    for number in 4..=8 {
        expunge(&ada, "INBOX", &uids(&[number])).await;
    }
    assert_eq!(world.post.forget_operations(ada.id()).await.unwrap(), 1);
    let octets: u64 = ada
        .operations()
        .await
        .unwrap()
        .iter()
        .map(|one| one.octets)
        .sum();
    assert!(octets <= 150, "{octets}");
    // The newest stays, however large it is.
    expunge(&ada, "INBOX", &uids(&[9, 10, 11, 12])).await;
    world.post.forget_operations(ada.id()).await.unwrap();
    let left = ada.operations().await.unwrap();
    assert_eq!((left.len(), left[0].messages), (1, 4));
    holds(&world, &["INBOX", "Archive"]).await;

    let eve = address("eve");
    world.post.remove_account(&eve).await.unwrap();
    assert_eq!(world.post.forget_accounts().await.unwrap(), 0);
    pass(101);
    assert_eq!(world.post.forget_accounts().await.unwrap(), 1);
    assert!(world.post.removed_accounts(None).await.unwrap().is_empty());
    audited(&world.post).await;
}

#[tokio::test]
async fn a_purge_is_final_and_says_so() {
    let (world, ada) = world().await;
    fill(&ada, "INBOX", 4).await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    ada.copy(inbox, &uids(&[2]), "Archive").await.unwrap();
    expunge(&ada, "INBOX", &uids(&[1, 2])).await;
    expunge(&ada, "INBOX", &uids(&[3])).await;
    let kept = newest(&ada).await;
    let old = ada.operations().await.unwrap()[1].number;
    let purged = ada.purge(Purge::One(old)).await.unwrap();
    // The second letter is in the archive still.
    assert_eq!(
        (purged.operations.as_slice(), purged.bodies.len()),
        (&[old][..], 1)
    );
    let statement = purged.statement("ada@example.org");
    assert_eq!(purged.proof, *blake3::hash(statement.as_bytes()).as_bytes());
    assert!(statement.contains(&blake3::hash(letter(1).as_bytes()).to_string()));
    let told = newest(&ada).await;
    assert_eq!(
        (told.kind, told.proof),
        (OperationKind::Purge, Some(purged.proof))
    );
    assert_eq!(told.state, OperationState::Final);
    for number in [old, told.number] {
        assert_eq!(why(ada.revert(number, &ALL).await), Why::Nonexistent);
    }
    let again = ada.purge(Purge::One(old)).await;
    assert_eq!(again.unwrap_err().why(), Why::Nonexistent);
    assert_eq!(whole(&ada, "Archive", 1).await, letter(2));
    holds(&world, &["INBOX", "Archive"]).await;
    assert_eq!(ada.revert(kept.number, &ALL).await.unwrap().messages, 1);

    let before = Purge::Before(Timestamp::utc(0));
    assert_eq!(ada.purge(before).await.unwrap().number, None);
    expunge(&ada, "INBOX", &uids(&[4])).await;
    let all = ada.purge(Purge::All).await.unwrap();
    assert_eq!((all.operations.len(), all.bodies.len()), (3, 1));
    let left = ada.operations().await.unwrap();
    assert!(left.iter().all(|one| one.kind == OperationKind::Purge) && left.len() == 2);
    holds(&world, &["INBOX", "Archive"]).await;
}

/// Each commit of an undoing and of a purge fails once; what is not done is done by asking again.
#[tokio::test]
async fn a_failure_leaves_all_or_nothing_and_what_goes_on() {
    let failed = || store::CommitError::Failed("so it was wanted".into());
    for nth in 0..8 {
        let (world, ada) = world().await;
        fill(&ada, "INBOX", 40).await;
        let most: Vec<u32> = (1..=38).collect();
        expunge(&ada, "INBOX", &uids(&most)).await;
        let number = newest(&ada).await.number;
        world.store.fail(nth, failed());
        let done = ada.revert(number, &ALL).await;
        world.store.fail(u64::MAX, failed());
        let there = ada.open("INBOX").await.unwrap().uids.len();
        assert_eq!(there, if done.is_ok() { 40 } else { 2 }, "{nth}");
        holds(&world, &["INBOX"]).await;
        let all = ada.open("INBOX").await.unwrap().uids;
        expunge(&ada, "INBOX", &all).await;
        world.store.fail(nth, failed());
        let purged = ada.purge(Purge::All).await;
        world.store.fail(u64::MAX, failed());
        if purged.is_err() {
            holds(&world, &["INBOX"]).await;
            world.post.forget_operations(ada.id()).await.unwrap();
            ada.purge(Purge::All).await.unwrap();
        }
        let left = ada.operations().await.unwrap();
        assert!(
            left.iter().all(|one| one.kind == OperationKind::Purge),
            "{left:?}"
        );
        holds(&world, &["INBOX"]).await;
    }
}

#[tokio::test]
async fn a_house_that_remembers_nothing_brings_nothing_back() {
    let world = World::with(&["ada", "eve"], rules_without_undo()).await;
    let ada = world.account("ada").await;
    fill(&ada, "INBOX", 2).await;
    expunge(&ada, "INBOX", &uids(&[1])).await;
    assert!(ada.operations().await.unwrap().is_empty());
    assert_eq!(why(ada.revert(ModSeq(3), &ALL).await), Why::Nonexistent);
    world.post.remove_account(&address("eve")).await.unwrap();
    assert!(world.post.removed_accounts(None).await.unwrap().is_empty());
    // What was remembered before goes in time.
    let remembering = world.again_with(rules()).await;
    let ada = remembering.account("ada").await;
    expunge(&ada, "INBOX", &uids(&[2])).await;
    let world = remembering.again_with(rules_without_undo()).await;
    let ada = world.account("ada").await;
    assert_eq!(undo(&ada).await.messages, 1);
    holds(&world, &["INBOX"]).await;
}
