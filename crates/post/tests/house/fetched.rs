//! Messages that are fetched: what is known of their source moves with them, whatever fails.

use mail::{FlagSet, ReversePath, Timestamp, Uid};
use post::{
    Account, Event, FetchId, FetchInto, FetchMark, FetchNote, FetchPlan, Fetched, Fetching,
    Outcome, Quota, Sought, SourceId, Why,
};
use store::CommitError;

use crate::filter::runs;
use crate::queue::{queue, relaying};
use crate::world::{PEER, World, flags, recipient, rules, whole};

pub(crate) const SOURCE: SourceId = [9; 16];

fn letter(number: u32) -> String {
    format!("Subject: {number}\r\n\r\nx\r\n")
}

fn id(number: u32) -> FetchId {
    FetchId::new(&number.to_be_bytes()).unwrap()
}

pub(crate) fn fetched(number: u32) -> Fetched {
    Fetched {
        into: FetchInto::Delivery,
        flags: FlagSet::new(),
        date: None,
        reverse_path: ReversePath::Null,
        recipients: Vec::new(),
        peer: PEER,
        note: Some((id(number), OWED)),
        through: Some(number),
    }
}

const OWED: FetchNote = FetchNote::Fetched {
    owed: true,
    gone: None,
};

pub(crate) async fn message(fetching: &mut Fetching, number: u32, fetched: Fetched) -> Outcome<()> {
    fetching.chunk(letter(number).into()).await?;
    fetching.end(fetched).await
}

async fn count(account: &Account, mailbox: &str) -> u64 {
    account.open(mailbox).await.unwrap().uids.len()
}

/// What is known of the source: up to where, and of which ids.
async fn known(account: &Account) -> (u32, Vec<u32>) {
    let mark = account.fetch_mark(SOURCE).await.unwrap();
    let notes = account.fetch_notes(SOURCE).await.unwrap();
    let number = |id: &FetchId| u32::from_be_bytes(id.octets().try_into().unwrap());
    (
        mark.map_or(0, |mark| mark.through),
        notes.keys().map(number).collect(),
    )
}

#[tokio::test]
async fn flags_dates_and_octets_are_what_they_were() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let mut fetching = ada.fetching(SOURCE).await.unwrap();
    assert_eq!(*fetching.mark(), FetchMark::default());
    for (number, into) in [
        (1, FetchInto::Delivery),
        (2, FetchInto::Inbox),
        (
            3,
            FetchInto::Mailbox {
                name: "Old/Work".into(),
                role: None,
            },
        ),
    ] {
        let one = Fetched {
            into,
            flags: flags(&["\\Seen", "work"]),
            date: Some(Timestamp::utc(1_000_000_000)),
            ..fetched(number)
        };
        message(&mut fetching, number, one).await.unwrap();
    }
    // Nothing is there before the commit.
    assert_eq!(count(&ada, "INBOX").await, 0);
    fetching.commit().await.unwrap();
    assert_eq!(
        (count(&ada, "INBOX").await, count(&ada, "Old/Work").await),
        (2, 1)
    );
    assert_eq!(whole(&ada, "Old/Work", 1).await, letter(3));
    assert_eq!(whole(&ada, "INBOX", 1).await, letter(1));
    for mailbox in ["INBOX", "Old/Work"] {
        let opened = ada.open(mailbox).await.unwrap();
        let plan = FetchPlan::default();
        let page = ada
            .fetch(opened.id, &opened.uids, None, &plan)
            .await
            .unwrap();
        for row in page.rows {
            assert_eq!(row.flags.to_string(), "\\Seen work");
            assert_eq!(row.date, Timestamp::utc(1_000_000_000));
        }
    }
    assert_eq!(known(&ada).await, (3, vec![1, 2, 3]));
    assert_eq!(fetching.mark().fetched, 3);
    // Another reads it only when this one has gone.
    assert_eq!(ada.fetching(SOURCE).await.unwrap_err().why(), Why::InUse);
    drop(fetching);
    let mut fetching = ada.fetching(SOURCE).await.unwrap();
    let mark = fetching.mark().clone();
    fetching.note(&[(id(2), None)], mark).await.unwrap();
    assert_eq!(known(&ada).await, (3, vec![1, 3]));
    drop(fetching);
    ada.forget_fetched(SOURCE).await.unwrap();
    assert_eq!(known(&ada).await, (0, vec![]));
}

/// Each commit fails once: what is known is what is there, before and after.
#[tokio::test]
async fn a_commit_that_fails_leaves_neither_messages_nor_notes() {
    for nth in 0..2 {
        let world = World::with(&["ada"], rules()).await;
        let ada = world.account("ada").await;
        let mut fetching = ada.fetching(SOURCE).await.unwrap();
        world.store.fail(nth, CommitError::Full);
        let mut there = 0;
        for group in [[1, 2], [3, 4]] {
            for number in group {
                message(&mut fetching, number, fetched(number))
                    .await
                    .unwrap();
            }
            if fetching.commit().await.is_err() {
                break;
            }
            there += 2;
        }
        assert_eq!(there, nth * 2);
        drop(fetching);
        let seen = (
            u32::try_from(there).unwrap(),
            (1..=u32::try_from(there).unwrap()).collect(),
        );
        assert_eq!(count(&ada, "INBOX").await, there);
        assert_eq!(known(&ada).await, seen);
        // The same after a start from what was kept.
        let again = world.again().await;
        let ada = again.account("ada").await;
        assert_eq!(
            (count(&ada, "INBOX").await, known(&ada).await),
            (there, seen)
        );
    }
}

/// Those that fit are there and known of; the first that does not ends it.
#[tokio::test]
async fn where_there_is_no_room_the_rest_is_unknown() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let limit = Quota {
        octets_max: None,
        messages_max: Some(2),
    };
    world
        .post
        .set_quota(ada.address(), Some(limit))
        .await
        .unwrap();
    let mut fetching = ada.fetching(SOURCE).await.unwrap();
    for number in 1..=4 {
        message(&mut fetching, number, fetched(number))
            .await
            .unwrap();
    }
    assert_eq!(fetching.commit().await.unwrap_err().why(), Why::OverQuota);
    assert_eq!(count(&ada, "INBOX").await, 2);
    assert_eq!(known(&ada).await, (2, vec![1, 2]));
    assert_eq!(fetching.mark().fetched, 2);
}

/// One mailbox with the mail of several: each gets theirs, and nobody's goes to the source's own.
#[tokio::test]
async fn mail_of_several_is_told_apart() {
    let world = World::with(&["ada", "bob"], rules()).await;
    let (ada, bob) = (world.account("ada").await, world.account("bob").await);
    let mut fetching = ada.fetching(SOURCE).await.unwrap();
    for (number, names) in [
        (1, &["bob"][..]),
        (2, &["ada", "bob"]),
        (3, &["nobody"]),
        (4, &[]),
    ] {
        let one = Fetched {
            recipients: names.iter().map(|name| recipient(name)).collect(),
            ..fetched(number)
        };
        message(&mut fetching, number, one).await.unwrap();
    }
    fetching.commit().await.unwrap();
    assert_eq!(
        (count(&ada, "INBOX").await, count(&bob, "INBOX").await),
        (3, 2)
    );
    assert_eq!(known(&ada).await, (4, vec![1, 2, 3, 4]));
    assert_eq!(known(&bob).await, (0, vec![]));
}

/// Two that are alike come in one step, and the script that drops the second sees the first.
#[tokio::test]
async fn what_a_script_remembers_is_known_to_the_next() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    runs(&ada, "require \"duplicate\";\nif duplicate { discard; }\n").await;
    let mut fetching = ada.fetching(SOURCE).await.unwrap();
    for number in 1..=2 {
        let text = "Message-ID: <same@example.org>\r\nSubject: x\r\n\r\nx\r\n";
        fetching.chunk(text.into()).await.unwrap();
        fetching.end(fetched(number)).await.unwrap();
    }
    fetching.commit().await.unwrap();
    assert_eq!(count(&ada, "INBOX").await, 1);
    assert_eq!(known(&ada).await, (2, vec![1, 2]));
}

#[tokio::test]
async fn what_is_fetched_is_sent_on_answered_and_never_refused() {
    let world = World::with(&["ada", "eve"], relaying()).await;
    let ada = world.account("ada").await;
    for (number, script, kept, waits) in [
        (1, "redirect \"x@a.example\";", 0, 1),
        (
            2,
            "require \"copy\"; redirect :copy \"eve@example.org\";",
            1,
            1,
        ),
        // It was taken elsewhere already: whoever sent it is told nothing.
        (3, "require \"reject\"; reject \"no\";", 2, 1),
        (4, "require \"vacation\"; vacation \"away\";", 3, 2),
        // Once is enough.
        (5, "require \"vacation\"; vacation \"away\";", 4, 2),
    ] {
        runs(&ada, script).await;
        let mut fetching = ada.fetching(SOURCE).await.unwrap();
        let one = Fetched {
            reverse_path: ReversePath::parse("<bob@a.example>").unwrap(),
            ..fetched(number)
        };
        let text = format!("To: ada@example.org\r\n{}", letter(number));
        fetching.chunk(text.into()).await.unwrap();
        fetching.end(one).await.unwrap();
        fetching.commit().await.unwrap();
        assert_eq!(count(&ada, "INBOX").await, kept, "{script}");
        assert_eq!(queue(&world).await.len(), waits, "{script}");
    }
    assert_eq!(count(&world.account("eve").await, "INBOX").await, 1);
    assert_eq!(known(&ada).await.0, 5);
    let sought = Sought::Words(vec!["1".into()]);
    let told = world.post.journeys(&sought, Timestamp::utc(0), None).await;
    let told = told.unwrap();
    let events: Vec<_> = told.iter().flat_map(|one| &one.step.events).collect();
    assert!(
        matches!(events.first(), Some(Event::Arrived(one)) if one.protocol == "fetch"),
        "{events:?}"
    );
    assert!(
        matches!(events.last(), Some(Event::Queued { .. })),
        "{events:?}"
    );
}

/// Several letters are one step, and each is told where it was filed, and nowhere else.
#[tokio::test]
async fn letters_filed_straight_tell_where_they_are() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let mut fetching = ada.fetching(SOURCE).await.unwrap();
    let filed = [(1, "Old", 1), (2, "Old/Work", 1), (3, "Old", 2)];
    for (number, mailbox, _) in filed {
        let one = Fetched {
            into: FetchInto::Mailbox {
                name: mailbox.into(),
                role: None,
            },
            ..fetched(number)
        };
        message(&mut fetching, number, one).await.unwrap();
    }
    fetching.commit().await.unwrap();
    for (number, mailbox, uid) in filed {
        let sought = Sought::Words(vec![number.to_string()]);
        let told = world.post.journeys(&sought, Timestamp::utc(0), None).await;
        let told = told.unwrap();
        let events: Vec<_> = told.iter().flat_map(|one| &one.step.events).collect();
        let (mailbox, uid) = (mailbox.to_owned(), Uid::new(uid).unwrap());
        assert_eq!(events.len(), 2, "{events:?}");
        assert_eq!(events[1], &Event::Filed { mailbox, uid });
    }
}
