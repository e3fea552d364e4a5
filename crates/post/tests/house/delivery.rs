//! Messages from elsewhere: trace, loops, sizes, one blob for all.

use bytes::Bytes;
use mail::{Address, ForwardPath, Recipient};
use post::{Alias, AliasSource, Elsewhere, Rules, Tls, Why};
use store::Partition;

use crate::world::{
    World, address, append, cost, deliver, origin, recipient, rules, rules_without_undo, sender,
    told, uids, whole,
};

const LETTER: &str = "From: bob@elsewhere.example\r\nSubject: Tea\r\n\r\nAt five?\r\n";

#[tokio::test]
async fn one_letter_for_many_is_one_blob_and_one_batch() {
    let names: Vec<String> = (0..50).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::with(&names, rules()).await;
    let before = world.store.done().len();
    // A recipient named twice gets one copy.
    let twice: Vec<&str> = names.iter().chain(&names).copied().collect();
    world.deliver(&twice, LETTER).await.unwrap();

    let done = world.store.done();
    assert_eq!(done.len(), before + 1);
    assert_eq!(done[before].blobs.len(), 1);
    assert_eq!(done[before].parts.len(), 50);
    for name in names {
        let account = world.account(name).await;
        assert_eq!(account.open("inbox").await.unwrap().uids, uids(&[1]));
    }
}

#[tokio::test]
async fn trace_fields_tell_where_it_came_from() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let mut from = origin(None);
    from.tls = Some(Tls {
        version: "TLS1.3".into(),
        cipher: "TLS_AES_128_GCM_SHA256".into(),
    });
    from.helo = "a(b)\r\nX: y".into();
    let mut incoming = world
        .post
        .begin(from, sender("<bob@elsewhere.example>"))
        .unwrap();
    let journey = incoming.journey();
    incoming.recipient(recipient("Ada+news")).await.unwrap();
    incoming
        .chunk(Bytes::from_static(LETTER.as_bytes()))
        .await
        .unwrap();
    assert_eq!(incoming.commit().await.unwrap().journey, journey);

    let ada = world.account("ada").await;
    let expected = format!(
        "Return-Path: <bob@elsewhere.example>\r\n\
         Received: from a?b???X:?y ([192.0.2.1])\r\n\
         \tby mx.example.org (Caramel) with ESMTPS (TLS1.3 TLS_AES_128_GCM_SHA256)\r\n\
         \tid {journey} for <Ada+news@example.org>; Tue, 14 Nov 2023 22:13:20 +0000\r\n{LETTER}"
    );
    assert_eq!(whole(&ada, "INBOX", 1).await, expected);

    // Where nobody spoke of UTF-8, none is in the trace.
    let mut from = origin(None);
    from.helo = "b\u{fc}cher.example".into();
    let mut incoming = world
        .post
        .begin(from, sender("<bob@b\u{fc}cher.example>"))
        .unwrap();
    incoming.recipient(recipient("eve")).await.unwrap();
    incoming
        .chunk(Bytes::from_static(LETTER.as_bytes()))
        .await
        .unwrap();
    incoming.commit().await.unwrap();
    let stored = whole(&world.account("eve").await, "INBOX", 1).await;
    let front = "Return-Path: <bob@xn--bcher-kva.example>\r\nReceived: from b?cher.example (";
    assert!(stored.starts_with(front), "{stored}");

    // There is one return path: ours.
    let forged = format!("X: y\r\nReturn-path: <eve@a.example>,\r\n <x>\r\n{LETTER}");
    world.deliver(&["ada"], &forged).await.unwrap();
    let stored = whole(&ada, "INBOX", 2).await;
    assert!(
        stored.ends_with(&format!("+0000\r\nX: y\r\n{LETTER}")),
        "{stored}"
    );

    // With two recipients neither learns of the other.
    world.deliver(&["ada", "eve"], LETTER).await.unwrap();
    assert!(!whole(&ada, "INBOX", 3).await.contains(" for "));
}

#[tokio::test]
async fn refusals_come_when_they_must() {
    let small = Rules {
        message_octets_max: 1000,
        recipients_max: 1,
        ..rules()
    };
    let world = World::with(&["ada", "eve"], small).await;
    let mut announced = sender("<>");
    announced.size = Some(1001);
    let begun = world.post.begin(origin(None), announced).map(|_| ());
    assert_eq!(told(begun), "552 5.3.4 The message is too large");

    let mut incoming = world.post.begin(origin(None), sender("<>")).unwrap();
    let unknown = incoming.recipient(recipient("nobody")).await;
    assert_eq!(told(unknown), "550 5.1.1 There is no such user here");
    let elsewhere = incoming.recipient(recipient("bob@elsewhere.example")).await;
    assert_eq!(told(elsewhere), "550 5.7.1 We do not relay for you");
    incoming.recipient(recipient("ada")).await.unwrap();
    let second = incoming.recipient(recipient("eve")).await;
    assert_eq!(told(second), "452 4.5.3 Too many recipients");
    for _ in 0..2 {
        let piece = incoming.chunk(Bytes::from(vec![b'x'; 900])).await;
        drop(piece);
    }
    assert_eq!(
        told(incoming.commit().await),
        "552 5.3.4 The message is too large"
    );

    let incoming = world.post.begin(origin(None), sender("<>")).unwrap();
    assert_eq!(
        told(incoming.commit().await),
        "554 5.5.1 There are no valid recipients"
    );
    let ada = world.account("ada").await;
    assert!(ada.open("INBOX").await.unwrap().uids.is_empty());
}

#[tokio::test]
async fn a_letter_that_goes_round_is_refused() {
    let world = World::with(&["ada"], rules()).await;
    let hops = |count: usize| "Received: from a by b; now\r\n".repeat(count) + LETTER;
    world.deliver(&["ada"], &hops(100)).await.unwrap();
    assert_eq!(
        told(world.deliver(&["ada"], &hops(101)).await),
        "554 5.4.6 The message goes round in a loop"
    );
}

#[tokio::test]
async fn a_large_letter_is_streamed_and_whole() {
    let world = World::with(&["ada"], rules()).await;
    let line = "0123456789 the quick brown fox jumps over the lazy dog again 0123456789\r\n";
    let letter = format!("{LETTER}{}needle\r\n", line.repeat(20_000));
    let mut incoming = world.post.begin(origin(None), sender("<>")).unwrap();
    incoming.recipient(recipient("ada")).await.unwrap();
    for piece in letter.as_bytes().chunks(10_000) {
        incoming.chunk(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    incoming.commit().await.unwrap();
    let ada = world.account("ada").await;
    let stored = whole(&ada, "INBOX", 1).await;
    assert!(stored.starts_with("Return-Path: <>\r\nReceived: "));
    assert!(stored.ends_with(&letter));

    // It was read as it passed: its outline came with it, and tells of what is stored.
    let inbox = ada.open("INBOX").await.unwrap().id;
    let before = world.store.done().len();
    for world in [&world, &world.again().await] {
        let outline = outline_of_first(world, inbox).await;
        assert_eq!(outline, message::Outline::parse(stored.as_bytes()));
        assert_eq!(outline.digest.subject.as_deref(), Some(&b"Tea"[..]));
    }
    assert_eq!(world.store.done().len(), before);
    let needle = post::Query::Body("NEEDLE".into());
    assert_eq!(ada.search(inbox, &needle).await.unwrap().uids, uids(&[1]));

    // A header that does not end in what is kept in memory cannot be checked whole.
    let endless = format!("X: {}", "y".repeat(300_000));
    assert_eq!(
        told(world.deliver(&["ada"], &endless).await),
        "552 5.3.4 The header section is too large"
    );
}

async fn outline_of_first(world: &World, inbox: mail::MailboxId) -> message::Outline {
    let plan = post::FetchPlan {
        outline: message::Wanted::ALL,
        ..post::FetchPlan::default()
    };
    let ada = world.account("ada").await;
    let mut page = ada.fetch(inbox, &uids(&[1]), None, &plan).await.unwrap();
    let outline = page.rows.pop().unwrap().outline.unwrap();
    outline.to_outline().unwrap()
}

#[tokio::test]
async fn an_outline_that_took_too_much_in_a_crowd_is_made_later() {
    let crowded = Rules {
        bodies_memory_octets_max: 0,
        ..rules()
    };
    let world = World::with(&["ada"], crowded).await;
    let header = format!("X: {}\r\n", "x".repeat(1000)).repeat(70);
    // The body is read in more pieces than one.
    let letter = format!("{header}{LETTER}{}", "x\r\n".repeat(500_000));
    world.deliver(&["ada"], &letter).await.unwrap();
    let ada = world.account("ada").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    let stored = whole(&ada, "INBOX", 1).await;
    assert!(stored.ends_with(&letter));
    for made in [1, 0] {
        let before = world.store.done().len();
        let outline = outline_of_first(&world, inbox).await;
        assert_eq!(outline, message::Outline::parse(stored.as_bytes()));
        assert_eq!(world.store.done().len(), before + made);
    }
}

#[tokio::test]
async fn a_small_letter_costs_little() {
    let world = World::with(&["ada"], rules()).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    let body = "x".repeat(68) + "\r\n";
    let letter = format!(
        "From: Bob Example <bob@elsewhere.example>\r\nTo: Ada Example <ada@example.org>\r\n\
         Subject: What a letter costs\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
         Message-ID: <1234567890.abcdef@elsewhere.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{}",
        body.repeat(10)
    );
    world.deliver(&["ada"], &letter).await.unwrap();
    let (rows, blob) = cost(world.store.done().last().unwrap());
    let (rows, blob) = (rows, usize::try_from(blob).unwrap());
    assert!(
        blob < letter.len() + 300,
        "trace of {}",
        blob - letter.len()
    );
    // Of these some 260 are its preview, and some 250 its journey.
    assert!(rows < 800, "rows of {rows} octets");
}

#[tokio::test]
async fn what_a_failed_commit_had_is_nowhere() {
    use store::CommitError::{Conflict, Failed, Full};
    let world = World::with(&["ada", "eve"], rules()).await;
    world.deliver(&["ada", "eve"], LETTER).await.unwrap();
    for (error, reply) in [
        (Full, "452 4.3.1"),
        (Conflict, "451 4.3.0"),
        (Failed("no reason".into()), "451 4.3.0"),
    ] {
        world.store.fail(0, error);
        let refused = told(world.deliver(&["ada", "eve"], LETTER).await);
        assert!(refused.starts_with(reply), "{refused}");
        world
            .made
            .seconds
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        for world in [&world, &world.again().await] {
            for name in ["ada", "eve"] {
                let inbox = world.account(name).await.open("INBOX").await.unwrap();
                assert_eq!((inbox.uids, inbox.uidnext.value()), (uids(&[1]), 2));
            }
        }
    }
    world.deliver(&["ada"], LETTER).await.unwrap();
    let ada = world.account("ada").await;
    assert_eq!(ada.open("INBOX").await.unwrap().uids, uids(&[1, 2]));
    assert!(!*world.post.stopped().borrow());

    world
        .store
        .fail(0, store::CommitError::Unknown("died".into()));
    let refused = deliver(&world.post, &["ada"], LETTER).await;
    assert_eq!(refused.as_ref().unwrap_err().why(), Why::Unavailable);
    assert!(told(refused).starts_with("451 4.3.0"));
    assert!(*world.post.stopped().borrow());
}

#[tokio::test]
async fn an_abandoned_letter_never_was() {
    let world = World::with(&["ada"], rules()).await;
    let before = world.store.done().len();
    let mut incoming = world.post.begin(origin(None), sender("<>")).unwrap();
    incoming.recipient(recipient("ada")).await.unwrap();
    incoming
        .chunk(Bytes::from_static(b"half a let"))
        .await
        .unwrap();
    drop(incoming);
    let ada = world.account("ada").await;
    let begun = ada.append("Drafts", mail::FlagSet::new(), None, None).await;
    drop(begun.unwrap());
    assert_eq!(world.store.done().len(), before);
    append(&ada, "Drafts", &["\\Draft"], LETTER).await;
    assert_eq!(world.store.done().len(), before + 1);
}

#[tokio::test]
async fn the_bare_postmaster_is_somebody() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let mut incoming = world.post.begin(origin(None), sender("<>")).unwrap();
    let postmaster = Recipient {
        forward_path: ForwardPath::Postmaster,
        ..recipient("ada")
    };
    incoming.recipient(postmaster).await.unwrap();
    incoming
        .chunk(Bytes::from_static(LETTER.as_bytes()))
        .await
        .unwrap();
    incoming.commit().await.unwrap();
    let ada = world.account("ada").await;
    assert_eq!(ada.open("INBOX").await.unwrap().uids, uids(&[1]));
}

#[tokio::test]
async fn a_removed_account_is_gone_with_its_mail() {
    let world = World::with(&["ada", "eve"], rules_without_undo()).await;
    world.deliver(&["ada"], LETTER).await.unwrap();
    let ada = world.account("ada").await;
    let id = ada.id();
    let gone: Address = ada.address().clone();
    world.post.remove_account(&gone).await.unwrap();
    assert_eq!(ada.open("INBOX").await.unwrap_err().why(), Why::Nonexistent);
    assert!(world.deliver(&["ada"], LETTER).await.is_err());
    for table in 1..8 {
        let range = (Bytes::new(), None);
        let store: &dyn store::Store = &world.store;
        let page = store
            .scan(
                Partition(id.0),
                store::Table(table),
                range,
                10,
                store::Direction::Rising,
            )
            .await;
        assert!(page.unwrap().rows.is_empty());
    }
    // Its name may be given again; its id is not.
    let new = world.post.add_account(&gone, "new").await.unwrap();
    assert!(new > id);
}

#[tokio::test]
async fn an_account_that_goes_while_its_letter_comes_takes_nothing() {
    let world = World::with(&["ada", "eve"], rules()).await;
    let mut incoming = world
        .post
        .begin(origin(None), sender("<bob@elsewhere.example>"))
        .unwrap();
    incoming.recipient(recipient("ada")).await.unwrap();
    incoming.recipient(recipient("eve")).await.unwrap();
    world.post.remove_account(&address("ada")).await.unwrap();
    incoming
        .chunk("Subject: x\r\n\r\nhi\r\n".into())
        .await
        .unwrap();
    // Whoever sends it tries again, and hears then who is there.
    let refused = incoming.commit().await;
    assert_eq!(
        told(refused),
        "451 4.2.1 A mailbox has gone; please try again"
    );
    let eve = world.account("eve").await;
    assert!(eve.open("INBOX").await.unwrap().uids.is_empty());
}

#[tokio::test]
async fn a_crowd_of_letters_leaves_the_memory_early() {
    let small = Rules {
        bodies_memory_octets_max: 41_000,
        ..rules()
    };
    let world = World::with(&["ada"], small).await;
    let begin = async || {
        let mut incoming = world
            .post
            .begin(origin(None), sender("<bob@elsewhere.example>"))
            .unwrap();
        incoming.recipient(recipient("ada")).await.unwrap();
        incoming
    };
    let padding = format!("X: {}\r\n", "x".repeat(1000));
    let mut waiting = [begin().await, begin().await];
    for incoming in &mut waiting {
        incoming.chunk(padding.repeat(31).into()).await.unwrap();
    }

    // Others get through, whichever way they come in; endless headers do not.
    let body = format!("{padding}{LETTER}{}", "x\r\n".repeat(1000));
    world.deliver(&["ada"], &body).await.unwrap();
    let ada = world.account("ada").await;
    assert!(whole(&ada, "INBOX", 1).await.ends_with(&body));
    append(&ada, "INBOX", &[], &body).await;
    assert_eq!(whole(&ada, "INBOX", 2).await, body);
    let header = padding.repeat(40);
    assert_eq!(
        told(begin().await.chunk(header.clone().into()).await),
        "452 4.3.1 Too much mail at once; please try again later"
    );
    drop(waiting);
    let mut incoming = begin().await;
    incoming.chunk(header.into()).await.unwrap();
    incoming.chunk("\r\nhi\r\n".into()).await.unwrap();
    incoming.commit().await.unwrap();
}

#[tokio::test]
async fn a_full_mailbox_is_told_before_the_letter() {
    let rules = Rules {
        mailbox_messages_max: 2,
        elsewhere: Elsewhere::Capture,
        ..rules()
    };
    let world = World::with(&["ada", "eve"], rules).await;
    let both = Alias {
        source: AliasSource::Address(address("both")),
        targets: vec![address("ada"), address("eve")],
    };
    world.post.add_alias(both).await.unwrap();
    let full = "452 4.2.2 The mailbox is full";
    world.deliver(&["ada"], LETTER).await.unwrap();
    // Where two letters meet at the last place, nobody gets the later one.
    let begin = || world.post.begin(origin(None), sender("<>")).unwrap();
    let (mut first, mut second) = (begin(), begin());
    for incoming in [&mut first, &mut second] {
        incoming.recipient(recipient("eve")).await.unwrap();
        incoming.recipient(recipient("ada")).await.unwrap();
    }
    first.commit().await.unwrap();
    assert_eq!(told(second.commit().await), full);
    // Others do not wait for who is full, whether or not the account is in memory.
    for post in [&world.post, &world.again().await.post] {
        let mut incoming = post.begin(origin(None), sender("<>")).unwrap();
        for name in ["ada", "Ada+news", "both"] {
            let refused = incoming.recipient(recipient(name)).await;
            assert_eq!(told(refused), full, "{name}");
        }
    }
    let mut incoming = begin();
    assert_eq!(told(incoming.recipient(recipient("ada")).await), full);
    incoming.recipient(recipient("eve")).await.unwrap();
    incoming.commit().await.unwrap();
    let eve = world.account("eve").await;
    assert_eq!(eve.open("INBOX").await.unwrap().uids.len(), 2);
    // The same for what is captured.
    for left in [2, 1, 0] {
        let origin = origin(Some(eve.clone()));
        let mut incoming = world.post.begin(origin, sender("<>")).unwrap();
        let elsewhere = incoming.recipient(recipient("bob@elsewhere.example")).await;
        if left == 0 {
            assert_eq!(told(elsewhere), full);
            continue;
        }
        elsewhere.unwrap();
        incoming
            .chunk(Bytes::from_static(b"From: eve@example.org\r\n\r\n"))
            .await
            .unwrap();
        incoming.commit().await.unwrap();
    }
}
