//! The keeper under load, under held commits, and under failures.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mail::FlagSet;
use post::{FlagAction, FlagChange, Rules};
use store::CommitError;

use crate::world::{World, append, deliver, flags, rules, told, uid, uids};

const LETTER: &str = "Subject: x\r\n\r\nhi\r\n";

/// Lets everything that can go on go on.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_lose_nothing() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let mut tasks = Vec::new();
    for number in 0..200_u32 {
        let post = world.post.clone();
        let ada = world.account("ada").await;
        tasks.push(tokio::spawn(async move {
            let inbox = ada.open("INBOX").await.unwrap();
            match number % 4 {
                0 => deliver(&post, &["ada"], LETTER).await.unwrap(),
                1 => deliver(&post, &["eve", "ada"], LETTER).await.unwrap(),
                2 => drop(append(&ada, "Archive", &["\\Seen"], LETTER).await),
                _ => {
                    let change = FlagChange {
                        action: FlagAction::Add,
                        flags: flags(&["\\Flagged"]),
                        unchanged_since: None,
                    };
                    drop(ada.store(inbox.id, &inbox.uids, &change).await.unwrap());
                    drop(ada.copy(inbox.id, &inbox.uids, "Trash").await.unwrap());
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let again = world.again().await;
    for (name, mailbox, count) in [
        ("ada", "INBOX", 100),
        ("ada", "Archive", 50),
        ("eve", "INBOX", 50),
    ] {
        let (live, loaded) = (world.account(name).await, again.account(name).await);
        let (live, loaded) = (
            live.open(mailbox).await.unwrap(),
            loaded.open(mailbox).await.unwrap(),
        );
        assert_eq!(live.uids.len(), count);
        assert_eq!(live.uids, loaded.uids);
        assert_eq!((live.uidnext, live.modseq), (loaded.uidnext, loaded.modseq));
        assert_eq!(u64::from(live.uidnext.value()), count + 1);
    }
    // Each letter came in a batch of its own; who changed flags may have found nothing there yet.
    assert!(world.store.done().len() > 150);
}

#[tokio::test]
async fn nothing_is_seen_before_it_is_on_the_disk() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let watch = ada.modseq_watch();
    let before = watch.now();
    world.store.hold();
    let post = world.post.clone();
    let delivery = tokio::spawn(async move { deliver(&post, &["ada"], LETTER).await });
    settle().await;
    assert_eq!(world.store.waiting(), 1);
    let reader = {
        let ada = ada.clone();
        tokio::spawn(async move { ada.open("INBOX").await.unwrap().uids })
    };
    // A second change does not wait for the first: both will share one sync.
    let second = {
        let ada = ada.clone();
        tokio::spawn(async move { append(&ada, "INBOX", &[], LETTER).await })
    };
    settle().await;
    assert_eq!(
        world.store.waiting(),
        2,
        "queued without waiting for the first"
    );
    assert!(!delivery.is_finished() && !reader.is_finished() && !second.is_finished());
    assert_eq!(watch.now(), before);

    world.store.release();
    delivery.await.unwrap().unwrap();
    assert_eq!(second.await.unwrap(), uid(2));
    assert!(reader.await.unwrap().contains(uid(1)));
    assert!(watch.now() > before);
}

#[tokio::test]
async fn what_ends_while_the_account_is_read_anew_is_seen() {
    let rules = Rules {
        mailbox_messages_max: 2,
        ..rules()
    };
    let world = World::with(&["ada"], rules).await;
    let ada = world.account("ada").await;
    append(&ada, "INBOX", &[], LETTER).await;
    append(&ada, "INBOX", &[], LETTER).await;
    append(&ada, "Archive", &[], LETTER).await;
    let inbox = ada.open("INBOX").await.unwrap();
    world.store.hold();
    let filed = {
        let ada = ada.clone();
        tokio::spawn(async move { append(&ada, "Trash", &[], LETTER).await })
    };
    settle().await;
    assert_eq!(world.store.waiting(), 1);
    // Half of it is done when it fails, so the memory is thrown away.
    ada.copy(inbox.id, &inbox.uids, "Archive")
        .await
        .unwrap_err();
    world.store.release_behind_version(2);
    let trash = ada.open("Trash").await.unwrap();
    assert!(filed.is_finished());
    assert!(trash.uids.contains(filed.await.unwrap()));
}

#[tokio::test]
async fn a_reader_never_sees_what_failed() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    append(&ada, "INBOX", &[], LETTER).await;
    let at = ada.modseq().await.unwrap();
    for error in [CommitError::Full, CommitError::Conflict] {
        world.store.hold();
        world.store.fail(0, error);
        let mut tasks = Vec::new();
        for _ in 0..3 {
            let ada = ada.clone();
            tasks.push(tokio::spawn(async move {
                let append = ada
                    .append("INBOX", FlagSet::new(), None, None)
                    .await
                    .unwrap();
                append.commit().await
            }));
            settle().await;
        }
        let reader = {
            let ada = ada.clone();
            tokio::spawn(async move { ada.open("INBOX").await.unwrap() })
        };
        settle().await;
        world.store.release();
        let first = tasks.remove(0).await.unwrap();
        assert!(first.is_err());
        // Those behind it had built upon it.
        for task in tasks {
            assert!(task.await.unwrap().is_err());
        }
        world.made.seconds.fetch_add(1, Ordering::Relaxed);
        let seen = reader.await.unwrap();
        assert_eq!((seen.uids, seen.modseq), (uids(&[1]), at));
    }
    assert_eq!(append(&ada, "INBOX", &[], LETTER).await, uid(2));
    assert!(ada.modseq().await.unwrap() > at);
}

#[tokio::test]
async fn every_commit_may_fail_and_the_rest_holds() {
    let all = 12;
    for nth in 0..all {
        for error in [CommitError::Full, CommitError::Conflict] {
            let world = World::with(&["ada", "eve"], rules()).await;
            world.store.fail(nth, error);
            let (mut good, mut failed) = (0, 0);
            for number in 0..all {
                let to: &[&str] = if number % 2 == 0 {
                    &["ada", "eve"]
                } else {
                    &["ada"]
                };
                match world.deliver(to, LETTER).await {
                    Ok(()) => good += 1,
                    Err(_) => failed += 1,
                }
                world.made.seconds.fetch_add(1, Ordering::Relaxed);
            }
            assert_eq!(failed, 1);
            for world in [&world, &world.again().await] {
                let inbox = world.account("ada").await.open("INBOX").await.unwrap();
                assert_eq!(inbox.uids.len(), good);
                assert_eq!(u64::from(inbox.uidnext.value()), good + 1);
            }
        }
    }
}

#[tokio::test]
async fn a_full_disk_takes_nothing_for_a_while_but_gives_room() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    append(&ada, "INBOX", &["\\Deleted"], LETTER).await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    world.store.fail(0, CommitError::Full);
    let before = world.store.done().len();
    for _ in 0..2 {
        assert!(told(world.deliver(&["ada"], LETTER).await).starts_with("452 4.3.1"));
    }
    assert_eq!(world.store.done().len(), before);
    assert_eq!(ada.expunge(inbox, None).await.unwrap().uids, uids(&[1]));
    world.made.seconds.fetch_add(1, Ordering::Relaxed);
    world.deliver(&["ada"], LETTER).await.unwrap();
}

#[tokio::test]
async fn an_abandoned_commit_is_carried_on() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    world.store.hold();
    let post = world.post.clone();
    let delivery = tokio::spawn(async move { deliver(&post, &["ada"], LETTER).await });
    settle().await;
    delivery.abort();
    settle().await;
    assert_eq!(world.store.waiting(), 1);
    let mut watch = ada.modseq_watch();
    let before = watch.take();
    world.store.release();
    let told = tokio::time::timeout(Duration::from_secs(20), watch.moved()).await;
    told.unwrap();
    assert!(watch.now() > before);
    assert_eq!(ada.open("INBOX").await.unwrap().uids, uids(&[1]));
}

#[tokio::test]
async fn idle_accounts_make_room() {
    let tight = Rules {
        mailbox_memory_octets_max: 20_000,
        ..rules()
    };
    let names: Vec<String> = (0..30).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::with(&names, tight).await;
    let held = world.account("user0").await;
    let mut watch = held.modseq_watch();
    for round in 1..=3 {
        for name in &names {
            world.deliver(&[name], LETTER).await.unwrap();
        }
        for name in &names {
            let inbox = world.account(name).await.open("INBOX").await.unwrap();
            assert_eq!(inbox.uids.len(), round);
        }
    }
    // Who is held stays the same account for all.
    assert!(watch.has_moved());
    watch.take();
    world.deliver(&["user0"], LETTER).await.unwrap();
    assert!(watch.has_moved());
}
