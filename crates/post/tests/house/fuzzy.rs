//! Words that are written a little otherwise, and how near they come.

use std::sync::atomic::Ordering;

use mail::{Flag, MailboxId};
use post::{Account, Query, SortCriterion, SortKey, Within};

use crate::world::{World, rules, uids};

const LETTERS: [&str; 5] = [
    "Subject: Recieving accomodation\r\n\r\nIn the caf\u{e9}.\r\n",
    "Subject: receiving\r\n\r\nan accommodation\r\n",
    "Subject: accommodation\r\n\r\nwithout\r\n",
    "Subject: tea\r\n\r\nAccommodating? receiving accommodations\r\n",
    "Subject: nothing\r\n\r\nat all\r\n",
];

fn fuzzy(within: Within, text: &str) -> Query {
    Query::Fuzzy(within, text.into())
}

/// Ada's letters.
async fn filled() -> (Account, MailboxId) {
    let world = World::with(&["ada"], rules()).await;
    for letter in LETTERS {
        world.deliver(&["ada"], letter).await.unwrap();
    }
    let ada = world.account("ada").await;
    let inbox = ada.open("INBOX").await.unwrap().id;
    (ada, inbox)
}

/// A query, what it finds, and how near.
type Case = (Query, &'static [u32], &'static [u8]);

fn cases() -> Vec<Case> {
    let subject = || Within::Header("subject".into());
    let seen = || Query::Flag(Flag::Seen);
    vec![
        (fuzzy(subject(), "accommodation"), &[1, 3], &[30, 100]),
        (
            fuzzy(Within::Text, "accommodation"),
            &[1, 2, 3, 4],
            &[30, 100, 100, 80],
        ),
        (fuzzy(Within::Body, "receiving accommodation"), &[4], &[90]),
        (
            fuzzy(Within::Text, "accommodation receiving"),
            &[1, 2, 4],
            &[30, 80, 70],
        ),
        (fuzzy(Within::Text, "CAFE"), &[1], &[100]),
        (fuzzy(Within::Text, "nowhere"), &[], &[]),
        (fuzzy(subject(), ""), &[1, 2, 3, 4, 5], &[100; 5]),
        // What is not fuzzy says nothing of how near it is.
        (
            Query::And(vec![
                fuzzy(subject(), "accommodation"),
                Query::Body("t".into()),
            ]),
            &[1, 3],
            &[30, 100],
        ),
        (
            Query::And(vec![
                fuzzy(subject(), "tea"),
                fuzzy(Within::Body, "recieving"),
            ]),
            &[4],
            &[65],
        ),
        (
            Query::Or(vec![
                fuzzy(subject(), "accommodation"),
                fuzzy(subject(), "receiving"),
            ]),
            &[1, 2, 3],
            &[30, 100, 100],
        ),
        (
            Query::Or(vec![
                seen(),
                fuzzy(subject(), "tae"),
                fuzzy(subject(), "tea"),
            ]),
            &[4],
            &[100],
        ),
        (
            Query::Not(Box::new(fuzzy(Within::Text, "tion"))),
            &[5],
            &[100],
        ),
        (Query::Not(Box::new(seen())), &[1, 2, 3, 4, 5], &[]),
    ]
}

#[tokio::test]
async fn words_are_found_with_errors_and_in_any_order() {
    let (ada, inbox) = filled().await;
    let cases = cases();
    for indexed in [false, true] {
        if indexed {
            ada.index(1).await.unwrap();
        }
        for (query, expected, scores) in &cases {
            let found = ada.search(inbox, query).await.unwrap();
            assert_eq!(found.uids, uids(expected), "{query:?}");
            assert_eq!(found.scores, *scores, "{query:?}");
        }
    }
}

#[tokio::test]
async fn the_nearest_come_first() {
    let (ada, inbox) = filled().await;
    let query = fuzzy(Within::Text, "accommodation");
    for (reverse, order, scores) in [
        (false, [2, 3, 4, 1], [100, 100, 80, 30]),
        (true, [1, 4, 2, 3], [30, 80, 100, 100]),
    ] {
        let key = SortKey::Relevancy;
        let criteria = [SortCriterion { key, reverse }];
        let sorted = ada.sort(inbox, &query, &criteria).await.unwrap();
        let found: Vec<u32> = sorted.uids.iter().map(|uid| uid.value()).collect();
        assert_eq!(
            (found.as_slice(), sorted.scores.as_slice()),
            (&order[..], &scores[..])
        );
    }
}

#[tokio::test]
async fn the_index_rules_out_what_has_no_part_of_a_word() {
    let world = World::with(&["ada"], rules()).await;
    let ada = world.account("ada").await;
    for number in 0..100 {
        let text = format!("Subject: number {number}\r\n\r\nA cup of tea.\r\n");
        world.deliver(&["ada"], &text).await.unwrap();
    }
    let french = "Subject: French\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
                  Le g\u{e9}n\u{e9}ral d\u{e9}sillusionn\u{e9}\r\n";
    world.deliver(&["ada"], french).await.unwrap();
    ada.index(1).await.unwrap();
    let inbox = ada.open("INBOX").await.unwrap().id;
    let all: Vec<u32> = (1..=100).collect();
    for (words, found, read) in [
        ("general", &[101][..], 1),
        ("genreal", &[101], 1),
        ("federal", &[], 1),
        ("purpose", &[], 0),
        ("desilusione", &[101], 1),
        ("desilusioner", &[], 1),
        ("desillusione", &[101], 1),
        ("neral ger", &[], 0),
        // Too short for a run to be left beside an error.
        ("cpu", &[], 0),
        ("cups", &all, 101),
    ] {
        let before = world.store.reads.load(Ordering::Relaxed);
        let outcome = ada
            .search(inbox, &fuzzy(Within::Text, words))
            .await
            .unwrap();
        assert_eq!(outcome.uids, uids(found), "{words}");
        let reads = world.store.reads.load(Ordering::Relaxed) - before;
        assert_eq!(reads, read, "{words}");
    }
}

#[tokio::test]
async fn what_is_found_exactly_is_found_with_errors_as_well() {
    let (ada, inbox) = filled().await;
    let all: String = LETTERS.concat().replace("\r\n", "\n");
    let letters: Vec<char> = all.chars().filter(|letter| *letter != '\n').collect();
    for length in [1, 2, 5, 9, 14] {
        for piece in letters.windows(length) {
            let text: String = piece.iter().collect();
            let exact = ada.search(inbox, &Query::Text(text.clone())).await.unwrap();
            let near = ada
                .search(inbox, &fuzzy(Within::Text, &text))
                .await
                .unwrap();
            let lost = exact.uids.iter().find(|uid| !near.uids.contains(*uid));
            assert_eq!(lost, None, "{text}");
        }
    }
}
