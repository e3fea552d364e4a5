//! Messages from elsewhere: UIDs that are kept, marks that are durable with the messages.

use mail::{FlagSet, Role, Timestamp, Uid, UidValidity};
use post::{Account, Arrival, Destination, FetchPlan, Import, Imported, Outcome, SourceId, Why};
use store::CommitError;

use crate::world::{World, rules};

const SOURCE: SourceId = [7; 16];
const LETTER: &str = "Subject: x\r\n\r\nx\r\n";

const fn inbox() -> Destination<'static> {
    Destination {
        mailbox: "INBOX",
        role: None,
        subscribed: false,
        uidvalidity: None,
    }
}

fn into(mailbox: &str, uidvalidity: u32) -> Destination<'_> {
    Destination {
        mailbox,
        uidvalidity: UidValidity::new(uidvalidity),
        ..inbox()
    }
}

/// Brings a message to its end, with this UID, or any for 0.
async fn message(import: &mut Import, uid: u32, flags: &str) -> Outcome<()> {
    import.chunk(LETTER.into()).await?;
    let flags = flags.split_whitespace().filter_map(mail::Flag::parse);
    let arrival = Arrival {
        flags: flags.collect::<FlagSet>(),
        date: Timestamp::utc(1_000_000_000),
        uid: Uid::new(uid),
        note: format!("note {uid}").into(),
    };
    import.end(arrival).await
}

async fn imported(
    account: &Account,
    destination: Destination<'_>,
    uids: &[u32],
    mark: &'static str,
) -> Outcome<Imported> {
    let mut import = account.import(SOURCE, destination).await?;
    for uid in uids {
        message(&mut import, *uid, "").await?;
    }
    import.commit(mark.into()).await
}

async fn uids(account: &Account, mailbox: &str) -> Vec<u32> {
    let uids = account.open(mailbox).await.unwrap().uids;
    uids.iter().map(|uid| uid.value()).collect()
}

#[tokio::test]
async fn uids_flags_and_dates_are_kept() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let destination = Destination {
        role: Some(Role::Important),
        subscribed: true,
        ..into("Old/Work", 77)
    };
    let mut import = ada.import(SOURCE, destination).await.unwrap();
    assert_eq!(import.uidvalidity(), UidValidity::new(77).unwrap());
    assert_eq!(import.mark(), None);
    message(&mut import, 3, "\\Seen work").await.unwrap();
    message(&mut import, 9, "").await.unwrap();
    let done = import.commit("at 2".into()).await.unwrap();
    assert_eq!(done.uids.iter().map(Uid::value).collect::<Vec<_>>(), [3, 9]);
    import.keep_uidnext(Uid::new(40).unwrap()).await.unwrap();
    // What is smaller than what it is changes nothing.
    import.keep_uidnext(Uid::new(4).unwrap()).await.unwrap();
    let opened = ada.open("Old/Work").await.unwrap();
    assert_eq!(opened.uidvalidity.value(), 77);
    assert_eq!(opened.uidnext.value(), 40);
    let page = ada
        .fetch(opened.id, &opened.uids, None, &FetchPlan::default())
        .await;
    let rows = page.unwrap().rows;
    assert_eq!(rows[0].flags.to_string(), "\\Seen work");
    assert_eq!(rows[0].date, Timestamp::utc(1_000_000_000));
    let listed = ada.mailboxes().await.unwrap();
    let work = listed
        .iter()
        .find(|mailbox| mailbox.name == "Old/Work")
        .unwrap();
    assert!(work.subscribed && work.role == Some(Role::Important));
    // What is made later has a later generation.
    ada.create("Later", None).await.unwrap();
    assert!(ada.open("Later").await.unwrap().uidvalidity.value() > 77);
}

#[tokio::test]
async fn a_uid_is_never_given_again() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    imported(&ada, into("Box", 5), &[4], "1").await.unwrap();
    for uids in [&[4][..], &[2], &[8, 8], &[9, 6]] {
        let refused = imported(&ada, into("Box", 5), uids, "2").await.unwrap_err();
        assert_eq!(refused.why(), Why::Cannot, "{uids:?}");
    }
    assert_eq!(uids(&ada, "Box").await, [4]);
    let mark = ada.import(SOURCE, into("Box", 5)).await.unwrap();
    assert_eq!(mark.mark().unwrap(), "1");
    // Another generation would give them a second meaning.
    drop(mark);
    let refused = ada.import(SOURCE, into("Box", 6)).await.unwrap_err();
    assert_eq!(refused.why(), Why::Cannot);
}

#[tokio::test]
async fn the_mark_is_where_the_messages_are() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    imported(&ada, inbox(), &[0, 0], "two").await.unwrap();
    // One whose commit fails is not there, and neither is its mark.
    let mut import = ada.import(SOURCE, inbox()).await.unwrap();
    message(&mut import, 0, "").await.unwrap();
    world.store.fail(0, CommitError::Failed("made up".into()));
    import.commit("three".into()).await.unwrap_err();
    drop(import);
    assert_eq!(uids(&ada, "INBOX").await, [1, 2]);
    let import = ada.import(SOURCE, inbox()).await.unwrap();
    assert_eq!(import.mark().unwrap(), "two");
    // Nobody reads it a second time meanwhile.
    let refused = ada.import(SOURCE, inbox()).await.unwrap_err();
    assert_eq!(refused.why(), Why::InUse);
    drop(import);
    ada.forget_import(SOURCE).await.unwrap();
    assert_eq!(ada.import(SOURCE, inbox()).await.unwrap().mark(), None);
}

#[tokio::test]
async fn notes_are_read_until_they_are_forgotten() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    imported(&ada, into("Box", 5), &[4, 7], "1").await.unwrap();
    imported(&ada, into("Box", 5), &[8], "2").await.unwrap();
    let notes = async |from| {
        let notes = ada.import_notes(SOURCE, from).await.unwrap();
        let notes = notes.into_iter();
        let told = notes.map(|note| (note.number, note.uid.value(), note.note));
        told.collect::<Vec<_>>()
    };
    let note = |number, uid| (number, uid, bytes::Bytes::from(format!("note {uid}")));
    assert_eq!(notes(0).await, [note(0, 4), note(1, 7), note(2, 8)]);
    assert_eq!(notes(2).await, [note(2, 8)]);
    ada.forget_import_notes(SOURCE, 1).await.unwrap();
    assert_eq!(notes(0).await, [note(2, 8)]);
    // Numbers go on.
    imported(&ada, into("Box", 5), &[9], "3").await.unwrap();
    assert_eq!(notes(0).await, [note(2, 8), note(3, 9)]);
    let other = ada.import_notes([6; 16], 0).await.unwrap();
    assert_eq!(other, []);
}

#[tokio::test]
async fn keywords_that_are_too_many_are_left_out_and_counted() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let many: Vec<String> = (0..70).map(|number| format!("k{number}")).collect();
    let mut import = ada.import(SOURCE, inbox()).await.unwrap();
    message(&mut import, 0, &many.join(" ")).await.unwrap();
    message(&mut import, 0, "k1 k69").await.unwrap();
    message(&mut import, 0, "k1").await.unwrap();
    let done = import.commit("1".into()).await.unwrap();
    assert_eq!(done.fewer_keywords, 2);
    let opened = ada.open("INBOX").await.unwrap();
    assert_eq!(opened.keywords.len(), 64);
}
