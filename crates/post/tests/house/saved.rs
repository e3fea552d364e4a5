//! When messages were put into their mailboxes (RFC 8514).

use std::sync::atomic::Ordering;

use mail::{FlagSet, Timestamp};
use post::{Account, FetchPlan, FetchRow, Query};
use store::{Table, Write};

use crate::world::{Moody, World, append, rules, uids};

/// A day after the made-up world's clock began.
const DAY: u64 = 86_400;
/// When it began, 14 November 2023.
const BEGAN: i64 = 1_700_000_000;
const LETTER: &str = "Subject: x\r\n\r\nx\r\n";

async fn rows(account: &Account, mailbox: &str) -> Vec<FetchRow> {
    let opened = account.open(mailbox).await.unwrap();
    let plan = FetchPlan::default();
    let page = account.fetch(opened.id, &opened.uids, None, &plan).await;
    page.unwrap().rows
}

async fn saved(account: &Account, mailbox: &str) -> Vec<Option<i64>> {
    let rows = rows(account, mailbox).await.into_iter();
    rows.map(|row| row.save_date.map(|date| date.seconds - BEGAN))
        .collect()
}

async fn found(account: &Account, query: Query) -> Vec<u32> {
    let inbox = account.open("INBOX").await.unwrap().id;
    let found = account.search(inbox, &query).await.unwrap();
    found.uids.iter().map(|uid| uid.value()).collect()
}

#[tokio::test]
async fn every_way_into_a_mailbox_is_a_day_of_its_own() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    ada.create("Work", None).await.unwrap();
    world.deliver(&["ada"], LETTER).await.unwrap();
    let days = |days: u64| world.made.seconds.store(days * DAY, Ordering::Relaxed);
    days(1);
    let old = Timestamp::utc(1_000_000_000);
    let mut letter = ada
        .append("INBOX", FlagSet::new(), Some(old), None)
        .await
        .unwrap();
    letter.chunk(LETTER.into()).await.unwrap();
    // It is put there at the end of the command, not at its beginning.
    days(2);
    letter.commit().await.unwrap();
    days(3);
    let inbox = ada.open("INBOX").await.unwrap().id;
    ada.copy(inbox, &uids(&[1, 2]), "Work").await.unwrap();
    days(4);
    ada.relocate(inbox, &uids(&[1]), "Work").await.unwrap();
    let day = |days: i64| Some(days * 86_400);
    assert_eq!(saved(&ada, "INBOX").await, [day(2)]);
    assert_eq!(saved(&ada, "Work").await, [day(3), day(3), day(4)]);
    let dates: Vec<_> = rows(&ada, "Work")
        .await
        .iter()
        .map(|row| row.date)
        .collect();
    assert_eq!(dates[1], old);
    assert_eq!(dates[0], dates[2]);

    days(5);
    ada.rename("INBOX", "Before").await.unwrap();
    assert_eq!(saved(&ada, "Before").await, [day(5)]);

    // Neither flags nor a restart change it.
    let work = ada.open("Work").await.unwrap().id;
    let plan = FetchPlan {
        mark_seen: true,
        ..FetchPlan::default()
    };
    ada.fetch(work, &uids(&[1]), None, &plan).await.unwrap();
    let again = world.again().await;
    let ada = again.account("ada").await;
    assert_eq!(saved(&ada, "Work").await, [day(3), day(3), day(4)]);
}

#[tokio::test]
async fn messages_are_found_by_the_day_they_were_saved() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    for day in 0..3 {
        world.made.seconds.store(day * DAY, Ordering::Relaxed);
        append(&ada, "INBOX", &[], LETTER).await;
    }
    let day = (2023, 11, 15);
    assert_eq!(found(&ada, Query::SavedBefore(day)).await, [1]);
    assert_eq!(found(&ada, Query::SavedOn(day)).await, [2]);
    assert_eq!(found(&ada, Query::SavedSince(day)).await, [2, 3]);
}

#[tokio::test]
async fn of_messages_of_an_earlier_version_it_is_not_known() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    append(&ada, "INBOX", &["\\Seen"], LETTER).await;
    let earlier = Moody::default();
    for mut batch in world.store.done() {
        for write in batch.parts.iter_mut().flat_map(|part| &mut part.writes) {
            if let Write::Put {
                table: Table(4),
                value,
                ..
            } = write
            {
                let mut old = value.to_vec();
                assert_eq!((old.remove(0), old.pop()), (2, Some(0)));
                old.insert(0, 1);
                *value = old.into();
            }
        }
        store::Store::commit(&earlier, batch).await.unwrap();
    }
    let world = World {
        store: earlier,
        ..world
    }
    .again()
    .await;
    let ada = world.account("ada").await;
    assert_eq!(saved(&ada, "INBOX").await, [None]);
    let day = (2023, 11, 14);
    assert_eq!(found(&ada, Query::SavedOn(day)).await, [1]);
    assert!(found(&ada, Query::SavedBefore(day)).await.is_empty());
    // A copy is of today; the old one stays as it is, whatever happens to its flags.
    world.made.seconds.store(DAY, Ordering::Relaxed);
    let inbox = ada.open("INBOX").await.unwrap().id;
    ada.copy(inbox, &uids(&[1]), "INBOX").await.unwrap();
    let plan = FetchPlan {
        mark_seen: true,
        ..FetchPlan::default()
    };
    ada.fetch(inbox, &uids(&[1]), None, &plan).await.unwrap();
    assert_eq!(saved(&ada, "INBOX").await, [None, Some(86_400)]);
    assert_eq!(found(&ada, Query::SavedSince((2023, 11, 15))).await, [2]);
}
