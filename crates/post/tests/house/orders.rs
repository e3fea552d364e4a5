//! Messages sorted and in threads.

use bytes::Bytes;
use mail::{FlagSet, MailboxId, ModSeq, ThreadId, Timestamp, Uid};
use message::{Member, Outline, SortText};
use post::{Account, FetchPlan, Query, SortCriterion, SortKey, Threading};
use store::{Batch, Store as _, Write};

use crate::world::{World, append, rules, uid, uids};

async fn ada(world: &World) -> (Account, MailboxId) {
    let ada = world.account("ada").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    (ada, inbox)
}

/// Puts in a message that arrived then.
async fn arrived(ada: &Account, seconds: i64, text: &str) {
    let date = Some(Timestamp::utc(seconds));
    let mut append = ada
        .append("INBOX", FlagSet::new(), date, None)
        .await
        .unwrap();
    append
        .chunk(Bytes::copy_from_slice(text.as_bytes()))
        .await
        .unwrap();
    append.commit().await.unwrap();
}

fn by(key: SortKey) -> SortCriterion {
    SortCriterion {
        key,
        reverse: false,
    }
}

fn reverse(key: SortKey) -> SortCriterion {
    SortCriterion { key, reverse: true }
}

fn numbers(uids: &[Uid]) -> Vec<u32> {
    uids.iter().map(|uid| uid.value()).collect()
}

#[tokio::test]
async fn messages_come_in_the_order_asked_for() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, inbox) = ada(&world).await;
    let zones = [
        (300, "Wed, 1 Jan 2020 00:30:00 +0100", "zoe", "Re: b"),
        (100, "Tue, 31 Dec 2019 23:31:00 +0000", "Ann", "a"),
        (200, "", "bob", "B"),
        (400, "nonsense", "ann", "[x] a longer one"),
    ];
    for (seconds, date, from, subject) in zones {
        let date = match date {
            "" => String::new(),
            date => format!("Date: {date}\r\n"),
        };
        let text = format!("{date}From: {from}@x.example\r\nSubject: {subject}\r\n\r\n");
        arrived(&ada, 1_577_836_800 + seconds, &text).await;
    }
    let subject = SortKey::Text(SortText::Subject);
    let from = SortKey::Text(SortText::From);
    let cases: &[(&[SortCriterion], [u32; 4])] = &[
        (&[by(SortKey::Arrival)], [2, 3, 1, 4]),
        (&[reverse(SortKey::Arrival)], [4, 1, 3, 2]),
        // In UTC the first was sent one minute before the second; two have no date.
        (&[by(SortKey::Date)], [1, 2, 3, 4]),
        (&[by(SortKey::Size)], [3, 4, 2, 1]),
        (&[by(from)], [2, 4, 3, 1]),
        // Alike ones keep their order, reversed or not.
        (&[reverse(from)], [1, 3, 2, 4]),
        (&[by(subject)], [2, 4, 1, 3]),
        (&[by(subject), reverse(SortKey::Arrival)], [2, 4, 1, 3]),
        (&[by(subject), by(SortKey::Arrival)], [2, 4, 3, 1]),
    ];
    for (criteria, expected) in cases {
        let sorted = ada.sort(inbox, &Query::All, criteria).await.unwrap();
        assert_eq!(numbers(&sorted.uids), expected, "{criteria:?}");
    }
    let two = Query::Uids(uids(&[1, 3]).into());
    let sorted = ada.sort(inbox, &two, &[by(from)]).await.unwrap();
    assert_eq!(numbers(&sorted.uids), [3, 1]);
    let modseq = async |number: u32| {
        let one = Query::Uids(uids(&[number]).into());
        ada.search(inbox, &one).await.unwrap().modseq
    };
    assert_eq!(sorted.first_modseq, modseq(3).await);
    assert_eq!(sorted.last_modseq, modseq(1).await);
    assert_eq!(sorted.modseq, modseq(3).await);
    let none = Query::ModSeq(ModSeq(u64::MAX >> 1));
    let sorted = ada.sort(inbox, &none, &[by(subject)]).await.unwrap();
    assert_eq!(sorted, post::Sorted::default());
}

fn place(number: Option<u32>, depth: u32) -> Member<Uid> {
    let message = number.map(uid);
    Member { message, depth }
}

#[tokio::test]
async fn messages_come_in_threads() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, inbox) = ada(&world).await;
    for text in [
        "Message-ID: <a@x>\r\nSubject: one\r\n\r\n",
        "Message-ID: <b@x>\r\nSubject: two\r\n\r\n",
        "Message-ID: <c@x>\r\nIn-Reply-To: <b@x>\r\nSubject: Re: one\r\n\r\n",
        "Message-ID: <d@x>\r\nReferences: <gone@x>\r\nSubject: three\r\n\r\n",
        "Message-ID: <e@x>\r\nReferences: <gone@x>\r\nSubject: four\r\n\r\n",
    ] {
        append(&ada, "INBOX", &[], text).await;
    }
    let threads = async |query, threading| ada.threads(inbox, &query, threading).await.unwrap();
    let whole = threads(Query::All, Threading::References).await;
    let expected = [
        place(Some(1), 0),
        place(Some(2), 0),
        place(Some(3), 1),
        place(None, 0),
        place(Some(4), 1),
        place(Some(5), 1),
    ];
    assert_eq!(whole, expected);
    let some = Query::Uids(uids(&[3, 4]).into());
    let found = threads(some, Threading::References).await;
    assert_eq!(found, [place(Some(3), 0), place(Some(4), 0)]);
    let whole = threads(Query::All, Threading::Subject).await;
    let expected = [(1, 0), (3, 1), (2, 0), (4, 0), (5, 0)];
    assert_eq!(
        whole,
        expected.map(|(number, depth)| place(Some(number), depth))
    );
}

#[tokio::test]
async fn the_thread_of_the_last_arrival_comes_last() {
    let world = World::with(&["ada"], rules()).await;
    let (ada, inbox) = ada(&world).await;
    let sent = |day: u8, rest: &str| {
        format!("Date: {day} Nov 2026 00:00:00 +0000\r\nSubject: Re: same\r\n{rest}\r\n\r\n")
    };
    arrived(&ada, 300, &sent(1, "Message-ID: <a@x>")).await;
    arrived(&ada, 100, &sent(2, "Message-ID: <b@x>")).await;
    arrived(&ada, 400, &sent(3, "References: <b@x>")).await;
    arrived(&ada, 200, &sent(1, "References: <b@x>")).await;
    let threads = ada.threads(inbox, &Query::All, Threading::Refs).await;
    let expected = [(1, 0), (2, 0), (4, 1), (3, 1)];
    let expected = expected.map(|(number, depth)| place(Some(number), depth));
    assert_eq!(threads.unwrap(), expected);
}

/// The row as it was when outlines had version 2: they had no references, and nothing said how long
/// their digest is. It had no preview.
fn outdated(value: &Bytes, text: &str, references: &[u8]) -> Bytes {
    let outline = Outline::parse(text.as_bytes()).encode();
    let parts = &outline[Outline::parts_at(&outline).unwrap()..];
    // Before it stand the version, the blob's name, a hint, and the size.
    assert_eq!(value[0], 4);
    let size = value[41..].strip_suffix(parts).unwrap();
    let cut = outline
        .windows(references.len())
        .position(|octets| octets == references)
        .unwrap();
    let mut older = outline[..cut].to_vec();
    older.extend_from_slice(&outline[cut + references.len()..]);
    older[0] = 2;
    older.remove(1);
    let mut row = [&[1], &value[1..33], size].concat();
    row.push(u8::try_from(older.len()).unwrap());
    row.extend(older);
    row.into()
}

#[tokio::test]
async fn references_of_old_outlines_are_read_in_the_header() {
    let world = World::with(&["ada"], rules()).await;
    let (account, _) = ada(&world).await;
    append(&account, "INBOX", &[], "Message-ID: <a@x>\r\n\r\n").await;
    let answer = "Subject: x\r\nReferences: <a@x>\r\n\r\n";
    append(&account, "INBOX", &[], answer).await;
    let mut writes = world.store.done().pop().unwrap().parts.pop().unwrap();
    let emails = store::Table(5);
    writes.writes.retain_mut(|write| match write {
        Write::PutBeside { table, value, .. } if *table == emails => {
            *value = outdated(value, answer, b"\x02\x03a@x");
            true
        }
        _ => false,
    });
    assert_eq!(writes.writes.len(), 1);
    writes.from = world.store.version(writes.partition).await.unwrap();
    let batch = Batch {
        parts: vec![writes],
        blobs: Vec::new(),
    };
    world.store.commit(batch).await.unwrap();
    let (account, inbox) = ada(&world.again().await).await;
    let threads = account
        .threads(inbox, &Query::All, Threading::References)
        .await
        .unwrap();
    assert_eq!(threads, [place(Some(1), 0), place(Some(2), 1)]);
    let conversations = conversations(&account, "INBOX").await;
    assert_eq!(conversations[0], conversations[1]);
    // An envelope is told of either, alone and beside the other.
    let plan = FetchPlan {
        outline: message::Wanted {
            digest: true,
            parts: false,
        },
        ..FetchPlan::default()
    };
    let subjects = [None, Some(b"x".to_vec())];
    for wanted in [&[1_u32][..], &[2], &[1, 2]] {
        let page = account.fetch(inbox, &uids(wanted), None, &plan).await;
        for (row, uid) in page.unwrap().rows.iter().zip(wanted) {
            let outline = row.outline.as_ref().unwrap().to_outline().unwrap();
            assert_eq!(row.uid.value(), *uid);
            assert_eq!(outline.digest.subject, subjects[*uid as usize - 1]);
        }
    }
}

/// What the conversation of each message of a mailbox is called, as FETCH tells it; SEARCH finds
/// the same.
async fn conversations(account: &Account, mailbox: &str) -> Vec<ThreadId> {
    let open = account.open(mailbox).await.unwrap();
    let plan = FetchPlan {
        thread: true,
        ..FetchPlan::default()
    };
    let page = account.fetch(open.id, &open.uids, None, &plan).await;
    let rows = page.unwrap().rows;
    let told: Vec<ThreadId> = rows.iter().map(|row| row.thread.unwrap()).collect();
    for thread in &told {
        let found = account.search(open.id, &Query::Thread(*thread)).await;
        let same = rows.iter().filter(|row| row.thread == Some(*thread));
        let same: Vec<Uid> = same.map(|row| row.uid).collect();
        assert_eq!(found.unwrap().uids.iter().collect::<Vec<_>>(), same);
        let others = Query::Not(Box::new(Query::Thread(*thread)));
        let others = account.search(open.id, &others).await.unwrap().uids;
        assert_eq!(others.iter().count() + same.len(), told.len());
    }
    told
}

#[tokio::test]
async fn who_answers_is_in_the_conversation_it_answers() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let ada = world.account("ada").await;
    for text in [
        "Message-ID: <a@x>\r\nSubject: one\r\n\r\n",
        "Message-ID: <b@x>\r\nIn-Reply-To: <a@x>\r\n\r\n",
        // The same identifier, written otherwise.
        "Message-ID: <c@x>\r\nReferences: <\"a\"@x> <b@x>\r\n\r\n",
        "Message-ID: <d@x>\r\nSubject: Re: one\r\n\r\n",
        "Message-ID: <e@x>\r\nReferences: <gone@x>\r\n\r\n",
        "Message-ID: <f@x>\r\nReferences: <gone@x> <e@x>\r\n\r\n",
        "Subject: no name\r\n\r\n",
        "Subject: nor this one\r\n\r\n",
    ] {
        append(&ada, "INBOX", &[], text).await;
    }
    let told = conversations(&ada, "INBOX").await;
    let which = |thread| told.iter().position(|one| *one == thread).unwrap();
    let firsts: Vec<usize> = told.iter().map(|thread| which(*thread)).collect();
    assert_eq!(firsts, [0, 0, 0, 3, 4, 4, 6, 7]);
    // Wherever they are: copied, in another's account, after a restart.
    let inbox = ada.open("INBOX").await.unwrap();
    ada.copy(inbox.id, &inbox.uids, "Archive").await.unwrap();
    assert_eq!(conversations(&ada, "Archive").await, told);
    let eve = world.account("eve").await;
    append(&eve, "INBOX", &[], "References: <a@x>\r\n\r\n").await;
    assert_eq!(conversations(&eve, "INBOX").await, [told[0]]);
    let ada = world.again().await.account("ada").await;
    assert_eq!(conversations(&ada, "INBOX").await, told);
}
