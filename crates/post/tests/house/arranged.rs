//! What is kept of sorting and threading is what would be made anew.

use std::sync::atomic::Ordering;

use mail::{FlagSet, MailboxId, Timestamp, UidSet};
use message::SortText;
use post::{Account, FlagAction, FlagChange, Query, SortCriterion, SortKey, Threading};
use proptest::prelude::*;

use crate::world::{World, address, append, flags, rules, uid};

#[derive(Clone, Debug)]
enum Deed {
    /// A letter with this subject that answers that one, sent then.
    Arrive(u32, u32, u8),
    /// More than are put into an order one by one.
    Many(u32),
    /// Some go.
    Go(u32, u32),
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, usize)>> {
    let deed = prop_oneof![
        6 => (0..6_u32, 0..40_u32, 0..60_u8).prop_map(|(subject, answers, minute)| {
            Deed::Arrive(subject, answers, minute)
        }),
        1 => (0..6_u32).prop_map(Deed::Many),
        3 => (1..90_u32, 0..9_u32).prop_map(|(low, more)| Deed::Go(low, more)),
    ];
    proptest::collection::vec((deed, 0..ASKED), 1..24)
}

/// So many different questions there are.
const ASKED: usize = 9;

async fn act(ada: &Account, inbox: MailboxId, number: usize, deed: &Deed) {
    let letter = |number, subject: u32, answers: u32, minute: u8| {
        format!(
            "Message-ID: <{number}@x>\r\nReferences: <{answers}@x>\r\n\
             Date: Wed, 1 Jan 2020 00:{minute:02}:00 +0000\r\nSubject: {}{subject}\r\n\r\n",
            if subject.is_multiple_of(2) {
                "Re: "
            } else {
                ""
            },
        )
    };
    match deed {
        Deed::Arrive(subject, answers, minute) => {
            append(
                ada,
                "INBOX",
                &[],
                &letter(number, *subject, *answers, *minute),
            )
            .await;
        }
        Deed::Many(subject) => {
            for more in 0..70 {
                let text = letter(number * 100, subject + more % 3, 1, 30);
                append(ada, "INBOX", &[], &text).await;
            }
        }
        Deed::Go(low, more) => {
            let uids = UidSet::from_range(uid(*low)..=uid(low + more));
            let change = FlagChange {
                action: FlagAction::Add,
                flags: flags(&["\\Deleted"]),
                unchanged_since: None,
            };
            ada.store(inbox, &uids, &change).await.unwrap();
            ada.expunge(inbox, None).await.unwrap();
        }
    }
}

async fn asked(ada: &Account, inbox: MailboxId, which: usize) -> String {
    let by = |key, reverse| SortCriterion { key, reverse };
    let subject = SortKey::Text(SortText::Subject);
    let (subject, backwards) = (by(subject, false), by(subject, true));
    let date = by(SortKey::Date, true);
    let some = Query::Uids(UidSet::from_range(uid(4)..=uid(80)).into());
    let sort = async |query: &Query, criteria: &[SortCriterion]| {
        format!("{:?}", ada.sort(inbox, query, criteria).await.unwrap())
    };
    let threads = async |query: &Query, threading| {
        format!("{:?}", ada.threads(inbox, query, threading).await.unwrap())
    };
    match which {
        0 => sort(&Query::All, &[subject]).await,
        1 => sort(&some, &[subject]).await,
        2 => sort(&Query::All, &[backwards]).await,
        3 => sort(&Query::All, &[subject, date]).await,
        4 => sort(&some, &[date]).await,
        5 => threads(&Query::All, Threading::References).await,
        6 => threads(&some, Threading::References).await,
        7 => threads(&Query::All, Threading::Refs).await,
        _ => threads(&Query::All, Threading::Subject).await,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_kept_is_what_would_be_made_anew(script in deeds()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::with(&["ada"], rules()).await;
            let ada = world.account("ada").await;
            let inbox = ada.open("INBOX").await.unwrap().id;
            for (number, (deed, which)) in script.iter().enumerate() {
                act(&ada, inbox, number, deed).await;
                let other = world.again().await;
                let anew = other.post.account_at(&address("ada")).await.unwrap();
                // The first is asked each time, so that it is kept all along.
                for which in [0, *which, *which] {
                    let here = asked(&ada, inbox, which).await;
                    let there = asked(&anew, inbox, which).await;
                    assert_eq!(here, there, "{which} after {deed:?}");
                }
                let memory = world.post.mailbox_memory();
                assert_eq!(memory.octets, memory.recounted_octets, "after {deed:?}");
            }
        });
    }
}

/// What is kept is not read again, and what is new is compared with a few.
#[tokio::test]
async fn an_order_that_is_kept_costs_no_reading() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    let date = Some(Timestamp::utc(0));
    let mut letters = ada
        .append("INBOX", FlagSet::new(), date, None)
        .await
        .unwrap();
    for number in 0..300_u32 {
        if number > 0 {
            letters.next(FlagSet::new(), date, None).await.unwrap();
        }
        let text = format!("Subject: {}\r\n\r\n", number * 7919 % 300);
        letters.chunk(text.into_bytes().into()).await.unwrap();
    }
    letters.commit().await.unwrap();
    let reads = async |which| {
        let before = world.store.looks.load(Ordering::Relaxed);
        asked(&ada, inbox, which).await;
        world.store.looks.load(Ordering::Relaxed) - before
    };
    assert!(reads(0).await >= 3);
    assert_eq!(reads(0).await, 0);
    assert_eq!(reads(1).await, 0, "a part of it");
    append(&ada, "INBOX", &[], "Subject: 150\r\n\r\n").await;
    let inserted = reads(0).await;
    assert!((1..=12).contains(&inserted), "{inserted}");
    assert_eq!(reads(0).await, 0);
    assert!(reads(5).await >= 3);
    assert_eq!(reads(5).await, 0);
}
