//! Mail that is read by IMAP, on several connections at once.

use server::Protocol;

use crate::mail::{deliver, letter, submit};
use crate::town::{PASSWORD, Talk, Town};

/// Logged in by IMAP, with INBOX open.
async fn read(town: &Town, user: &str) -> Talk {
    let mut talk = town.visit(Protocol::Imap).await;
    talk.hear("* OK").await;
    let login = format!("a login {user}@example.org \"{PASSWORD}\"\r\n");
    talk.tell(&login, "a OK").await;
    talk.tell("b select inbox\r\n", "b OK").await;
    talk
}

/// A peer of this house, ready to hand letters over.
async fn hand_over(town: &Town) -> Talk {
    let mut lmtp = town.visit(Protocol::Lmtp).await;
    lmtp.hear("220 ").await;
    lmtp.tell("LHLO other.example.org\r\n", "250 ").await;
    lmtp
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_read_by_imap_and_removed_by_pop3() {
    let town = Town::found().await;
    deliver(&mut hand_over(&town).await, 1).await;
    let mut imap = read(&town, "alice").await;
    let fetched = imap.tell("c fetch 1 (flags body.peek[])\r\n", "c OK").await;
    assert!(fetched.contains("\r\n.and a dot.\r\n"), "{fetched}");
    assert!(
        fetched.contains("Received: from other.example.org"),
        "{fetched}"
    );
    assert!(
        fetched.contains("Return-Path: <carol@example.net>"),
        "{fetched}"
    );

    let (mut pop3, _) = town.collect("alice").await;
    pop3.tell("DELE 1\r\n", "+OK").await;
    pop3.tell("QUIT\r\n", "+OK").await;
    // What one door acknowledged, the next command at another sees.
    imap.tell("d noop\r\n", "* 1 EXPUNGE").await;
    imap.hear("d OK").await;
}

/// Some letters are small and some are too large to be read with others, or at once.
async fn deliver_all_sizes(town: &Town, letters: usize) {
    let mut lmtp = hand_over(town).await;
    for number in 1..=letters {
        let more = match number % 9 {
            0 => 100 << 10,
            5 => 20 << 10,
            _ => number,
        };
        let letter = letter(number) + &"y".repeat(more);
        let transaction = format!(
            "MAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nBDAT {} LAST\r\n{letter}",
            letter.len()
        );
        lmtp.say(&transaction).await;
        for _ in 0..3 {
            lmtp.hear("250 ").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_asked_for_without_waiting_are_those_that_are_asked_for_one_by_one() {
    let town = Town::found().await;
    deliver_all_sizes(&town, 30).await;
    let (mut pop3, _) = town.collect("alice").await;
    let mut alone = vec![String::new()];
    for number in 1..=30 {
        let retrieved = pop3.tell(&format!("RETR {number}\r\n"), ".\r\n").await;
        assert!(retrieved.contains(&format!("Subject: letter {number}\r\n")));
        alone.push(retrieved);
    }
    let rising = (1..=30).collect();
    let falling = (1..=30).rev().collect();
    let mixed = vec![
        3, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 2, 3, 4, 5, 6, 30, 29, 1, 2, 3, 4,
    ];
    for places in [rising, falling, mixed] {
        let _: &Vec<usize> = &places;
        let asked = places.iter().map(|number| format!("RETR {number}\r\n"));
        pop3.say(&asked.collect::<String>()).await;
        for number in places {
            let heard = pop3.hear(".\r\n").await;
            assert!(heard == alone[number], "letter {number} of a pipeline");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_wakes_its_reader() {
    let town = Town::found().await;
    let mut reader = read(&town, "bob").await;
    reader.tell("c idle\r\n", "+").await;
    submit(&town).await;
    reader.hear("* 1 EXISTS").await;
    reader.tell("done\r\n", "c OK").await;
    let fetched = reader.tell("d fetch 1 body[text]\r\n", "d OK").await;
    assert!(fetched.contains("hello\r\n"), "{fetched}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_seen_by_the_next_command_elsewhere() {
    let town = Town::found().await;
    let mut lmtp = hand_over(&town).await;
    let mut readers = [read(&town, "alice").await, read(&town, "alice").await];
    for number in 1..=20 {
        deliver(&mut lmtp, number).await;
        for reader in &mut readers {
            let news = reader.tell("c noop\r\n", "c OK").await;
            assert!(news.contains(&format!("* {number} EXISTS\r\n")), "{news}");
        }
        let [first, second] = &mut readers;
        let store = format!("d store {number} +flags (\\Flagged)\r\n");
        first.tell(&store, "d OK").await;
        let news = second.tell("d noop\r\n", "d OK").await;
        assert!(news.contains(&format!("* {number} FETCH (")), "{news}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_told_that_the_server_stops() {
    let town = Town::found().await;
    let mut imap = read(&town, "alice").await;
    let leaving = async move { imap.hear("* BYE").await };
    tokio::join!(leaving, town.running.stop());
}
