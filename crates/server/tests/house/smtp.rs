//! What the doors for letters let in, and what not.

use base64::Engine as _;
use server::Protocol;

use crate::town::{PASSWORD, Talk, Town};

async fn at_the_front(town: &Town) -> Talk {
    let mut talk = town.visit(Protocol::Smtp).await;
    talk.hear("220 ").await;
    talk.tell("EHLO client.example.net\r\n", "250 ").await;
    talk
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_bring_letters_for_those_who_live_here_and_no_others() {
    let town = Town::found().await;
    let mut talk = at_the_front(&town).await;
    talk.tell("AUTH PLAIN\r\n", "502 5.5.1 ").await;
    talk.tell("MAIL FROM:<carol@example.net>\r\n", "250 2.1.0 ")
        .await;
    talk.tell("RCPT TO:<dan@example.com>\r\n", "550 5.7.1 ")
        .await;
    talk.tell("RCPT TO:<nobody@example.org>\r\n", "550 5.1.1 ")
        .await;
    talk.tell("DATA\r\n", "503 5.5.1 ").await;
    talk.tell("RCPT TO:<Alice@EXAMPLE.org>\r\n", "250 2.1.5 ")
        .await;
    talk.tell("RCPT TO:<postmaster>\r\n", "250 2.1.5 ").await;
    talk.tell("RSET\r\n", "250 ").await;
    talk.tell("MAIL FROM:<> SIZE=99999999999\r\n", "552 5.3.4 ")
        .await;
    talk.tell("QUIT\r\n", "221 ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_letter_is_smuggled_within_another() {
    let town = Town::found().await;
    let mut talk = at_the_front(&town).await;
    let envelope = "MAIL FROM:<carol@example.net>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n";
    let smuggled = [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r\n.\r",
        "\r.\r\n",
        "\r\n.\r\r\n",
    ];
    for end in smuggled {
        talk.tell(envelope, "354 ").await;
        let body =
            format!("Subject: outer\r\n\r\nx{end}{envelope}Subject: inner\r\n\r\nx\r\n.\r\n");
        talk.tell(&body, "550 5.6.11 ").await;
    }
    talk.tell(envelope, "354 ").await;
    talk.tell("Subject: plain\r\n\r\nx\r\n.\r\n", "250 2.0.0 ")
        .await;
    let (_, stat) = town.collect("alice").await;
    assert!(stat.starts_with("+OK 1 "), "{stat}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_is_who_she_says() {
    let town = Town::found().await;
    let mut talk = town.visit(Protocol::Submission).await;
    talk.hear("220 ").await;
    talk.tell("EHLO [127.0.0.1]\r\n", "250 ").await;
    for (password, reply) in [("wrong", "535 5.7.8 "), (PASSWORD, "235 2.7.0 ")] {
        let plain = format!("\0alice@example.org\0{password}");
        let plain = base64::engine::general_purpose::STANDARD.encode(plain);
        talk.tell(&format!("AUTH PLAIN {plain}\r\n"), reply).await;
    }
    talk.tell("AUTH PLAIN\r\n", "503 ").await;
    talk.tell("MAIL FROM:<bob@example.org>\r\n", "550 5.7.1 ")
        .await;
    talk.tell("MAIL FROM:<alice@example.org>\r\n", "250 ").await;
    talk.tell("RCPT TO:<dan@example.com>\r\n", "550 5.7.1 ")
        .await;
    talk.tell("RCPT TO:<bob@example.org>\r\n", "250 ").await;
    talk.tell("DATA\r\n", "354 ").await;
    talk.tell(
        "From: bob@example.org\r\n\r\nIt is me.\r\n.\r\n",
        "550 5.7.1 ",
    )
    .await;
    let (_, stat) = town.collect("bob").await;
    assert!(stat.starts_with("+OK 0 "), "{stat}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_it_is_told_that_a_letter_has_arrived() {
    let town = Town::found().await;
    // Strangers' mail servers would have to be told over the net: nobody here could.
    for protocol in [Protocol::Smtp, Protocol::Lmtp] {
        let mut talk = town.visit(protocol).await;
        talk.hear("220 ").await;
        let hello = if protocol == Protocol::Smtp {
            "EHLO"
        } else {
            "LHLO"
        };
        let offers = talk
            .tell(&format!("{hello} client.example.net\r\n"), "250 ")
            .await;
        assert!(!offers.contains("DSN"), "{offers}");
        talk.tell("MAIL FROM:<alice@example.org> ENVID=1\r\n", "555 5.5.4 ")
            .await;
    }
    let mut talk = town.visit(Protocol::Submission).await;
    talk.hear("220 ").await;
    let offers = talk.tell("EHLO [127.0.0.1]\r\n", "250 ").await;
    assert!(offers.contains("-DSN\r\n"), "{offers}");
    let plain = format!("\0alice@example.org\0{PASSWORD}");
    let plain = base64::engine::general_purpose::STANDARD.encode(plain);
    talk.tell(&format!("AUTH PLAIN {plain}\r\n"), "235 ").await;
    let from = "MAIL FROM:<alice@example.org> RET=HDRS ENVID=QQ+2B1\r\n";
    talk.tell(from, "250 ").await;
    let to = "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2B@example.org\r\n";
    talk.tell(to, "250 ").await;
    talk.tell("DATA\r\n", "354 ").await;
    talk.tell("Subject: Tea\r\n\r\nAt five?\r\n.\r\n", "250 2.0.0 ")
        .await;
    // The report is there as soon as the letter is taken.
    let (mut alice, stat) = town.collect("alice").await;
    assert!(stat.starts_with("+OK 1 "), "{stat}");
    let report = alice.tell("RETR 1\r\n", ".\r\n").await;
    for line in [
        "Return-Path: <>\r\n",
        "Original-Envelope-Id: QQ+1\r\n",
        "Original-Recipient: rfc822;Bob+@example.org\r\n",
        "Final-Recipient: rfc822;bob@example.org\r\n",
        "Action: delivered\r\n",
        "Subject: Tea\r\n",
    ] {
        assert!(report.contains(line), "{line} in {report}");
    }
    let (_, stat) = town.collect("bob").await;
    assert!(stat.starts_with("+OK 1 "), "{stat}");
}
