//! Searches with an index and without one: the answers are the same, whatever happens to it.
//!
//! `ada` has an index and `bob` has none; both get the same letters, and the same is done to them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;

use mail::{Flag, MailboxId};
use post::{Account, FlagAction, FlagChange, Query, Within};
use store::{Partition, Piece, Store as _};

use crate::world::{World, flags, rules, rules_without_undo, uids};

const WORDS: [&str; 18] = [
    "tea",
    "Teapot",
    "tee",
    "GRÜSSE",
    "grüße",
    "чай",
    "ЧАЙНИК",
    "お茶",
    "茶碗",
    "차",
    "شاي",
    "ชา",
    "τσάΙ",
    "🍵",
    "a",
    "x-y",
    "Frühstückstee",
    "Re\u{301}sume\u{301}s",
];

/// The next number of a row that looks like chance.
fn dice(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    usize::try_from(*state >> 40).unwrap()
}

/// A letter of some words, its body and subject written in one of the usual ways.
fn letter(state: &mut u64) -> String {
    let mut words = |count: usize| {
        let words: Vec<_> = (0..count)
            .map(|_| WORDS[dice(state) % WORDS.len()])
            .collect();
        words.join(" ")
    };
    let (subject, body) = (words(2), words(6));
    let quoted =
        |text: &str| -> String { text.bytes().map(|octet| format!("={octet:02X}")).collect() };
    let subject = format!("=?utf-8?Q?{}?=", quoted(&subject));
    match dice(state) % 4 {
        0 => format!(
            "Subject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
        ),
        1 => format!(
            "Subject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\n",
            quoted(&body).replace("=20", "=20=\r\n")
        ),
        2 => format!(
            "Subject: {subject}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
             <p>{}</p>\r\n",
            body.replace(' ', "</p> <p>")
        ),
        _ => format!(
            "From: x@example.net\r\nContent-Type: message/rfc822\r\n\r\n\
             Subject: {subject}\r\n\r\n{body}\r\n"
        ),
    }
}

fn queries() -> Vec<Query> {
    let needles = [
        "TEAP",
        "ea T",
        "e",
        "rüß",
        "ЧАЙ",
        "ай ч",
        "茶",
        "茶碗 お",
        "شاي",
        "τσάι",
        "🍵",
        "nowhere",
        "",
    ];
    let mut queries = Vec::new();
    for needle in needles {
        let text = Query::Text(needle.into());
        let body = Query::Body(needle.into());
        queries.push(Query::Header("subject".into(), needle.into()));
        queries.push(Query::Header("X-Absent".into(), needle.into()));
        queries.push(Query::Not(Box::new(text.clone())));
        queries.push(Query::And(vec![
            text.clone(),
            Query::Not(Box::new(Query::Flag(Flag::Seen))),
            Query::Body("tee".into()),
        ]));
        queries.push(Query::Or(vec![
            Query::And(vec![body.clone(), Query::Text("お".into())]),
            Query::Uids(uids(&[3, 5]).into()),
            Query::Not(Box::new(Query::Or(vec![text.clone(), body.clone()]))),
        ]));
        queries.extend([text, body]);
    }
    for words in [
        "teapto",
        "frükstückste tea",
        "resums",
        "茶碗 grusse",
        "fruhstuck résume x-y",
    ] {
        let fuzzy = |within| Query::Fuzzy(within, words.into());
        let field = Within::Header("Subject".into());
        queries.push(Query::Not(Box::new(fuzzy(Within::Text))));
        queries.push(Query::Or(vec![fuzzy(field.clone()), fuzzy(Within::Body)]));
        queries.extend([field, Within::Text].map(fuzzy));
    }
    queries
}

async fn inbox(account: &Account) -> MailboxId {
    account.open("INBOX").await.unwrap().id
}

/// Asks both, and compares; asks about some messages, and compares with what is found of all.
async fn compare(ada: &Account, bob: &Account) {
    let (left, right) = (inbox(ada).await, inbox(bob).await);
    let some = uids(&[2, 3, 5, 8, 13, 21, 34, 55, 89, 144]);
    for query in queries() {
        let indexed = ada.search(left, &query).await.unwrap();
        let read = bob.search(right, &query).await.unwrap();
        assert_eq!(indexed.uids, read.uids, "{query:?}");
        assert_eq!(indexed.scores, read.scores, "{query:?}");
        let these = Query::Uids(some.clone().into());
        let within = Query::And(vec![Query::And(vec![query, these]), Query::All]);
        let found = ada.search(left, &within).await.unwrap();
        let expected = indexed.uids.iter().filter(|uid| some.contains(*uid));
        assert_eq!(found.uids, expected.collect(), "{within:?}");
    }
}

fn pieces_of(account: &Account) -> Partition {
    Partition(account.id().0)
}

async fn pieces(world: &World, account: &Account) -> Vec<Piece> {
    let pieces = world.store.derived().pieces(pieces_of(account)).await;
    pieces.unwrap()
}

async fn deliver(world: &World, state: &mut u64, count: usize) {
    for _ in 0..count {
        world
            .deliver(&["ada", "bob"], &letter(state))
            .await
            .unwrap();
    }
}

async fn expunge(account: &Account, numbers: &[u32]) {
    let change = FlagChange {
        action: FlagAction::Add,
        flags: flags(&["\\Deleted"]),
        unchanged_since: None,
    };
    let mailbox = inbox(account).await;
    account
        .store(mailbox, &uids(numbers), &change)
        .await
        .unwrap();
    account.expunge(mailbox, None).await.unwrap();
}

#[tokio::test]
async fn answers_are_the_same_at_every_moment() {
    let world = World::with(&["ada", "bob"], rules()).await;
    let (ada, bob) = (world.account("ada").await, world.account("bob").await);
    let mut state = 1;
    compare(&ada, &bob).await;
    for round in 0..4_u32 {
        deliver(&world, &mut state, 25).await;
        // Some are not in the index yet.
        compare(&ada, &bob).await;
        assert_eq!(ada.index(1).await.unwrap(), 25);
        assert_eq!(ada.index(1).await.unwrap(), 0);
        let first = round * 25 + 1;
        for account in [&ada, &bob] {
            let numbers: Vec<u32> = (first..first + 20).step_by(3).collect();
            expunge(account, &numbers).await;
            let some = uids(&[first + 1, first + 2]);
            account
                .copy(inbox(account).await, &some, "INBOX")
                .await
                .unwrap();
        }
        compare(&ada, &bob).await;
    }
    assert!(
        pieces(&world, &ada).await.len() < 5,
        "small segments are merged"
    );
    assert_eq!(pieces(&world, &bob).await, []);

    let world = world.again().await;
    compare(&world.account("ada").await, &world.account("bob").await).await;
}

#[tokio::test]
async fn what_the_index_rules_out_is_not_read() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    for number in 0..200 {
        let text = format!("Subject: number {number}\r\n\r\nA cup of tea.\r\n");
        world.deliver(&["ada"], &text).await.unwrap();
    }
    let mailbox = inbox(&ada).await;
    let reads = async |query: &Query| {
        let before = world.store.reads.load(Ordering::Relaxed);
        let found = ada.search(mailbox, query).await.unwrap();
        (
            found.uids,
            world.store.reads.load(Ordering::Relaxed) - before,
        )
    };
    let absent = Query::Text("nowhere".into());
    assert_eq!(reads(&absent).await, (uids(&[]), 200));
    ada.index(1).await.unwrap();
    assert_eq!(reads(&absent).await, (uids(&[]), 0));
    let one = Query::Header("Subject".into(), "Number 77".into());
    assert_eq!(reads(&one).await, (uids(&[78]), 1));
    let not = Query::Not(Box::new(absent));
    let (all, read) = reads(&not).await;
    assert_eq!((all.iter().count(), read), (200, 0));
    // A few messages are read without asking it.
    let few = Query::Uids(uids(&[7, 9, 300]).into());
    let few = Query::And(vec![few, Query::Text("nowhere".into())]);
    assert_eq!(reads(&few).await, (uids(&[]), 2));
    // No longer than a run: the index knows.
    let (all, read) = reads(&Query::Text("TEA".into())).await;
    assert_eq!((all.iter().count(), read), (200, 0));
    // But not where in the message.
    let (all, read) = reads(&Query::Body("TEA".into())).await;
    assert_eq!((all.iter().count(), read), (200, 200));
    // What has just come is found before it is in the index.
    world.deliver(&["ada"], "\r\nsomewhere\r\n").await.unwrap();
    let newest = Query::Body("SOMEWHERE".into());
    assert_eq!(reads(&newest).await, (uids(&[201]), 1));
}

#[tokio::test]
async fn a_damaged_segment_is_made_again() {
    let mut world = World::with(&["ada", "bob"], rules()).await;
    let mut state = 5;
    deliver(&world, &mut state, 40).await;
    let at = pieces_of(&world.account("ada").await);
    for round in 0..9_u64 {
        let (ada, bob) = (world.account("ada").await, world.account("bob").await);
        ada.index(1).await.unwrap();
        let place = world.store.derived();
        let piece = *place.pieces(at).await.unwrap().last().unwrap();
        let mut octets = whole(&world, at, piece).await;
        let len = octets.len();
        match round % 3 {
            0 => octets.truncate(len * usize::try_from(round).unwrap() / 9),
            _ => octets[dice(&mut state) % len] ^= 0x55,
        }
        place.keep(at, piece, octets.into()).await.unwrap();
        if round % 2 == 0 {
            world = world.again().await;
        }
        let (ada, bob) = match round % 2 {
            0 => (world.account("ada").await, world.account("bob").await),
            _ => (ada, bob),
        };
        compare(&ada, &bob).await;
    }
}

#[tokio::test]
async fn an_index_of_another_log_is_not_believed() {
    let mut state = 7;
    let other = World::with(&["ada", "bob"], rules()).await;
    deliver(&other, &mut state, 50).await;
    let theirs = other.account("ada").await;
    theirs.index(1).await.unwrap();
    let at = pieces_of(&theirs);
    for letters in [20, 80] {
        let world = World::with(&["ada", "bob"], rules()).await;
        deliver(&world, &mut state, letters).await;
        let (ada, bob) = (world.account("ada").await, world.account("bob").await);
        assert_eq!(pieces_of(&ada), at);
        for piece in pieces(&other, &theirs).await {
            let octets = whole(&other, at, piece).await;
            let kept = world.store.derived().keep(at, piece, octets.into());
            kept.await.unwrap();
        }
        compare(&ada, &bob).await;
        ada.index(1).await.unwrap();
        compare(&ada, &bob).await;
    }
}

#[tokio::test]
async fn what_is_gone_leaves_the_index() {
    let world = World::with(&["ada", "bob"], rules_without_undo()).await;
    let ada = world.account("ada").await;
    let mut state = 9;
    deliver(&world, &mut state, 100).await;
    ada.index(1).await.unwrap();
    let grown = size(&world, &ada).await;
    expunge(&ada, &(1..=100).collect::<Vec<_>>()).await;
    deliver(&world, &mut state, 1).await;
    ada.index(1).await.unwrap();
    ada.index(1).await.unwrap();
    let left = size(&world, &ada).await;
    assert!(left * 5 < grown, "{left} of {grown}");

    world.post.remove_account(ada.address()).await.unwrap();
    assert_eq!(pieces(&world, &ada).await, []);
}

/// Octets of all segments.
async fn size(world: &World, account: &Account) -> usize {
    let mut octets = 0;
    for piece in pieces(world, account).await {
        octets += whole(world, pieces_of(account), piece).await.len();
    }
    octets
}

/// A segment as it is kept.
async fn whole(world: &World, at: Partition, piece: Piece) -> Vec<u8> {
    let read = async |range| {
        let ranges = std::iter::once(range).collect();
        let read = world.store.derived().peruse(at, piece, ranges).await;
        read.unwrap().concat()
    };
    let head = read(0..index::Segment::HEAD_OCTETS.try_into().unwrap()).await;
    read(0..index::Segment::read(&head).unwrap().octets).await
}

#[tokio::test]
async fn deliveries_wake_the_builder() {
    let world = World::with(&["ada", "bob"], rules()).await;
    let ada = world.account("ada").await;
    let post = world.post.clone();
    let builder = tokio::spawn(async move { post.keep_index(|| std::future::ready(())).await });
    let mut state = 11;
    deliver(&world, &mut state, 100).await;
    while pieces(&world, &ada).await.is_empty() {
        tokio::task::yield_now().await;
    }
    builder.abort();
    compare(&ada, &world.account("bob").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_found_from_the_moment_it_is_there() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let post = world.post.clone();
    let builder = tokio::spawn(async move { post.keep_index(|| std::future::ready(())).await });
    let mailbox = inbox(&ada).await;
    for number in 1..=600_u32 {
        let text = format!("Subject: token{number}z\r\n\r\nA letter.\r\n");
        world.deliver(&["ada"], &text).await.unwrap();
        // This one, and one that may be in a segment that is just being merged.
        for wanted in [number, number / 2 + 1] {
            let query = Query::Text(format!("TOKEN{wanted}Z"));
            let found = ada.search(mailbox, &query).await.unwrap();
            assert_eq!(found.uids, uids(&[wanted]));
        }
    }
    while pieces(&world, &ada).await.is_empty() {
        tokio::task::yield_now().await;
    }
    builder.abort();
}

#[tokio::test]
async fn a_search_shows_how_far_it_is() {
    let world = World::with(&["ada", "bob"], rules()).await;
    let bob = world.account("bob").await;
    deliver(&world, &mut 5, 70).await;
    let mailbox = inbox(&bob).await;
    let query = Query::Text("tea".to_owned());
    let mut search = pin!(bob.search(mailbox, &query));
    let mut shown = Vec::new();
    // Between any two of its steps somebody may look.
    let found = poll_fn(|context| {
        let poll = search.as_mut().poll(context);
        shown.extend(bob.gauge().progress());
        poll
    });
    assert!(!found.await.unwrap().uids.is_empty());
    shown.dedup();
    let shown: Vec<_> = shown.iter().map(|at| (at.done, at.goal)).collect();
    assert_eq!(shown, [(0, 70), (32, 70), (64, 70)]);
}

#[tokio::test]
async fn an_index_of_other_text_is_not_believed() {
    let world = World::with(&["ada", "bob"], rules()).await;
    let mut state = 13;
    deliver(&world, &mut state, 30).await;
    let ada = world.account("ada").await;
    ada.index(1).await.unwrap();
    let (at, piece) = (pieces_of(&ada), pieces(&world, &ada).await[0]);
    let made = index::Segment::read(&whole(&world, at, piece).await).unwrap();
    // It says that no message has any text; only its version says that this was another's view.
    for (version, believed) in [(made.mark[31], true), (made.mark[31] + 1, false)] {
        let mut mark = made.mark;
        mark[31] = version;
        let mut builder = index::Builder::new(made.first);
        builder.add(made.newest, &index::Document::default(), &mark);
        let octets = builder.finish(made.last).unwrap();
        let kept = world.store.derived().keep(at, piece, octets.into());
        kept.await.unwrap();
        let world = world.again().await;
        let ada = world.account("ada").await;
        let query = Query::Text("subject".into());
        let found = ada.search(inbox(&ada).await, &query).await.unwrap();
        assert_eq!(found.uids.iter().count() == 0, believed);
    }
}

#[tokio::test]
async fn what_is_attached_is_not_in_the_way() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    let attached = "QUJDREVG\r\n".repeat(20_000);
    let text = format!(
        "Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nbefore\r\n\
         --b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n{attached}\
         --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nwithin\r\n--b\r\n\
         Content-Type: text/html\r\n\r\n<p>be<b>hind</b></p>\r\n--b--\r\n"
    );
    world.deliver(&["ada"], &text).await.unwrap();
    for indexed in [false, true] {
        if indexed {
            assert_eq!(ada.index(1).await.unwrap(), 1);
        }
        for (needle, found) in [
            ("large", 1),
            ("BEFORE", 1),
            ("inner", 1),
            ("within", 1),
            ("behind", 1),
            ("QUJD", 0),
            ("ABCDEF", 0),
            ("<p>", 0),
        ] {
            let query = Query::Text(needle.into());
            let uids = ada.search(inbox(&ada).await, &query).await.unwrap().uids;
            assert_eq!(uids.iter().count(), found, "{needle}");
        }
    }
}
