//! Mail that is read by IMAP, on several connections at once.

use server::Protocol;

use crate::mail::{deliver, submit};
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
