//! Mail on its way through the house.

use base64::Engine as _;
use server::Protocol;

use crate::town::{PASSWORD, Talk, Town};

pub(crate) fn letter(number: usize) -> String {
    format!(
        "From: Carol <carol@example.net>\r\nTo: alice@example.org\r\n\
         Subject: letter {number}\r\nDate: Mon, 23 Nov 2026 20:15:00 +0000\r\n\
         Message-ID: <{number}@example.net>\r\n\r\n\
         This is letter {number}.\r\n..and a dot.\r\n.\r\n"
    )
}

pub(crate) async fn deliver(talk: &mut Talk, number: usize) {
    talk.tell("MAIL FROM:<carol@example.net>\r\n", "250 ").await;
    talk.tell("RCPT TO:<alice@example.org>\r\n", "250 ").await;
    talk.tell("DATA\r\n", "354 ").await;
    talk.tell(&letter(number), "250 ").await;
}

/// Logs `alice` in and has her write to `bob`.
pub(crate) async fn submit(town: &Town) {
    let mut writer = town.visit(Protocol::Submission).await;
    writer.hear("220 ").await;
    writer.tell("EHLO [127.0.0.1]\r\n", "250 ").await;
    writer
        .tell("MAIL FROM:<alice@example.org>\r\n", "530 ")
        .await;
    let plain = format!("\0alice@example.org\0{PASSWORD}");
    let plain = base64::engine::general_purpose::STANDARD.encode(plain);
    writer
        .tell(&format!("AUTH PLAIN {plain}\r\n"), "235 ")
        .await;
    writer
        .tell("MAIL FROM:<alice@example.org>\r\n", "250 ")
        .await;
    writer.tell("RCPT TO:<bob@example.org>\r\n", "250 ").await;
    writer.tell("DATA\r\n", "354 ").await;
    writer
        .tell(
            "From: alice@example.org\r\nSubject: hello\r\n\r\nhello\r\n.\r\n",
            "250 ",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_comes_in_by_smtp_and_is_read_by_pop3() {
    let town = Town::found().await;
    let mut smtp = town.visit(Protocol::Smtp).await;
    smtp.hear("220 mail.example.org ").await;
    let offered = smtp.tell("EHLO client.example.net\r\n", "250 ").await;
    assert!(offered.contains("STARTTLS"), "{offered}");
    smtp.tell("STARTTLS\r\n", "220 ").await;
    smtp.encrypt().await;
    let offered = smtp.tell("EHLO client.example.net\r\n", "250 ").await;
    assert!(!offered.contains("STARTTLS"), "{offered}");
    deliver(&mut smtp, 1).await;
    smtp.tell("QUIT\r\n", "221 ").await;

    let (mut pop3, stat) = town.collect("alice").await;
    assert!(stat.starts_with("+OK 1 "), "{stat}");
    let retrieved = pop3.tell("RETR 1\r\n", ".\r\n").await;
    let body = "\r\n\r\nThis is letter 1.\r\n..and a dot.\r\n.\r\n";
    assert!(retrieved.ends_with(body), "{retrieved}");
    pop3.tell("DELE 1\r\n", "+OK").await;
    pop3.tell("QUIT\r\n", "+OK").await;
    let (_, stat) = town.collect("alice").await;
    assert!(stat.starts_with("+OK 0 "), "{stat}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_read_by_whom_it_is_for() {
    let town = Town::found().await;
    submit(&town).await;
    let (mut pop3, _) = town.collect("bob").await;
    let retrieved = pop3.tell("RETR 1\r\n", ".\r\n").await;
    assert!(retrieved.contains("Subject: hello\r\n"), "{retrieved}");
    assert!(retrieved.contains("Message-ID: <"), "{retrieved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipelined_batch_of_letters_is_taken_whole() {
    let town = Town::found().await;
    let mut lmtp = town.visit(Protocol::Lmtp).await;
    lmtp.hear("220 ").await;
    lmtp.tell("LHLO other.example.org\r\n", "250 ").await;
    let letters = (1..=25).map(|number| {
        let letter = letter(number);
        let octets = letter.len();
        format!(
            "MAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\n\
             RCPT TO:<nobody@example.org>\r\nBDAT {octets} LAST\r\n{letter}"
        )
    });
    lmtp.say(&letters.collect::<String>()).await;
    for _ in 1..=25 {
        for expected in ["250 ", "250 ", "250 ", "550 ", "250 ", "250 "] {
            let line = lmtp.hear("").await;
            assert!(line.starts_with(expected), "{line} instead of {expected}");
        }
    }
    for user in ["alice", "bob"] {
        let (mut pop3, stat) = town.collect(user).await;
        assert!(stat.starts_with("+OK 25 "), "{stat}");
        let last = pop3.tell("RETR 25\r\n", ".\r\n").await;
        assert!(last.contains("Subject: letter 25\r\n"), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_takes_its_leave() {
    let town = Town::found().await;
    let mut smtp = town.visit(Protocol::Smtp).await;
    smtp.hear("220 ").await;
    let leaving = async move { smtp.hear("421 ").await };
    tokio::join!(leaving, town.running.stop());
}
