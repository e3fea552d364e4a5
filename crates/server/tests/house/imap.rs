//! Mail read and kept by IMAP.

use server::Protocol;

use crate::mail::deliver;
use crate::town::{PASSWORD, Talk, Town};

async fn log_in(town: &Town, user: &str) -> Talk {
    let mut talk = town.visit(Protocol::Imap).await;
    talk.hear("* OK ").await;
    let login = format!("l LOGIN {user}@example.org \"{PASSWORD}\"\r\n");
    talk.tell(&login, "l OK ").await;
    talk
}

async fn append(talk: &mut Talk, mailbox: &str, flags: &str, text: &str) -> String {
    let octets = text.len();
    let command = format!("p APPEND {mailbox} ({flags}) {{{octets}+}}\r\n{text}\r\n");
    talk.tell(&command, "p ").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_pushed_read_and_removed() {
    let town = Town::found().await;
    let mut reader = log_in(&town, "alice").await;
    let selected = reader.tell("a SELECT INBOX\r\n", "a OK ").await;
    assert!(selected.contains("* 0 EXISTS\r\n"), "{selected}");
    reader.tell("b IDLE\r\n", "+ ").await;
    let mut lmtp = town.visit(Protocol::Lmtp).await;
    lmtp.hear("220 ").await;
    lmtp.tell("LHLO other.example.org\r\n", "250 ").await;
    deliver(&mut lmtp, 7).await;
    reader.hear("* 1 EXISTS").await;
    reader.tell("DONE\r\n", "b OK ").await;
    let fetch = "c FETCH 1 (UID ENVELOPE BODYSTRUCTURE BODY.PEEK[TEXT] RFC822.SIZE)\r\n";
    let fetched = reader.tell(fetch, "c OK ").await;
    assert!(fetched.contains("\"letter 7\""), "{fetched}");
    assert!(fetched.contains("(\"text\" \"plain\""), "{fetched}");
    assert!(
        fetched.contains("This is letter 7.\r\n.and a dot.\r\n"),
        "{fetched}"
    );
    let fetched = reader.tell("d UID FETCH 1:* BODY[]\r\n", "d OK ").await;
    assert!(fetched.contains("Subject: letter 7\r\n"), "{fetched}");
    assert!(fetched.contains("FLAGS (\\Seen)"), "{fetched}");
    reader
        .tell("e STORE 1 +FLAGS (\\Deleted)\r\n", "e OK ")
        .await;
    let expunged = reader.tell("f EXPUNGE\r\n", "f OK ").await;
    assert!(expunged.starts_with("* 1 EXPUNGE\r\n"), "{expunged}");
    reader.tell("g LOGOUT\r\n", "g OK ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_name_itself_before_it_logs_in() {
    let town = Town::found().await;
    let mut talk = town.visit(Protocol::Imap).await;
    talk.hear("* OK ").await;
    let named = talk.tell("a ID (\"name\" \"any\")\r\n", "a OK ").await;
    assert!(named.starts_with("* ID (\"name\" "), "{named}");
    let login = format!("b LOGIN bob@example.org \"{PASSWORD}\"\r\n");
    talk.tell(&login, "b OK ").await;
    talk.tell("c ID NIL\r\n", "c OK ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_does_the_other_hears() {
    let town = Town::found().await;
    let mut one = log_in(&town, "bob").await;
    let mut other = log_in(&town, "bob").await;
    one.tell("a CREATE Work\r\n", "a OK ").await;
    let listed = other.tell("a LIST \"\" *\r\n", "a OK ").await;
    assert!(listed.contains("\"/\" Work\r\n"), "{listed}");
    for text in [
        "Subject: one\r\n\r\nfirst\r\n",
        "Subject: two\r\n\r\nsecond\r\n",
    ] {
        let appended = append(&mut one, "Work", "$Forwarded", text).await;
        assert!(appended.contains("[APPENDUID "), "{appended}");
    }
    one.tell("b SELECT Work\r\n", "b OK ").await;
    let selected = other.tell("b SELECT Work\r\n", "b OK ").await;
    assert!(selected.contains("* 2 EXISTS\r\n"), "{selected}");
    one.tell("c STORE 2 +FLAGS (\\Flagged)\r\n", "c OK ").await;
    let told = other.tell("c NOOP\r\n", "c OK ").await;
    let flags = "* 2 FETCH (UID 2 FLAGS (\\Flagged $Forwarded))\r\n";
    assert!(told.contains(flags), "{told}");
    let moved = one.tell("d MOVE 1 INBOX\r\n", "d OK ").await;
    assert!(
        moved.contains("COPYUID") && moved.contains("* 1 EXPUNGE\r\n"),
        "{moved}"
    );
    let fetched = other.tell("d FETCH 1:2 FLAGS\r\n", "d OK ").await;
    assert!(!fetched.contains("EXPUNGE\r\n"), "{fetched}");
    let told = other.tell("e NOOP\r\n", "e OK ").await;
    assert!(told.starts_with("* 1 EXPUNGE\r\n"), "{told}");
    let found = other
        .tell("f SEARCH SUBJECT two FLAGGED\r\n", "f OK ")
        .await;
    assert!(found.starts_with("* SEARCH 1\r\n"), "{found}");
    let status = other
        .tell("g STATUS INBOX (MESSAGES UNSEEN SIZE)\r\n", "g OK ")
        .await;
    assert!(status.contains("MESSAGES 1 UNSEEN 1 SIZE 23"), "{status}");
    let refused = append(&mut other, "Nowhere", "", "x").await;
    assert!(refused.starts_with("p NO [TRYCREATE] "), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_store_does_not_hide_what_another_did() {
    let town = Town::found().await;
    let mut one = log_in(&town, "alice").await;
    append(&mut one, "INBOX", "", "Subject: x\r\n\r\nx\r\n").await;
    one.tell("a SELECT INBOX\r\n", "a OK ").await;
    let mut other = log_in(&town, "alice").await;
    other.tell("a SELECT INBOX\r\n", "a OK ").await;
    other
        .tell("b STORE 1 +FLAGS (\\Flagged)\r\n", "b OK ")
        .await;
    let told = one
        .tell("b STORE 1 +FLAGS.SILENT (\\Seen)\r\n", "b OK ")
        .await;
    assert!(told.contains("FLAGS (\\Seen \\Flagged)"), "{told}");
    let told = one
        .tell("c STORE 1 -FLAGS.SILENT (\\Seen)\r\n", "c OK ")
        .await;
    assert!(!told.contains("FETCH"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_passes_through() {
    let town = Town::found().await;
    let mut talk = log_in(&town, "alice").await;
    let line = "0123456789".repeat(7) + "\r\n";
    let text = format!("Subject: large\r\n\r\n{}", line.repeat(30_000));
    append(&mut talk, "INBOX", "", &text).await;
    talk.tell("a EXAMINE INBOX\r\n", "a OK ").await;
    let fetched = talk.tell("b FETCH 1 BODY[]\r\n", "b OK ").await;
    assert!(fetched.contains(&text), "{}", fetched.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_away_hears_only_what_changed() {
    let town = Town::found().await;
    let mut talk = log_in(&town, "bob").await;
    for number in 1..=5 {
        let text = format!("Subject: letter {number}\r\n\r\nhello\r\n");
        append(&mut talk, "INBOX", "", &text).await;
    }
    let selected = talk.tell("a SELECT INBOX (CONDSTORE)\r\n", "a OK ").await;
    let number = |code: &str| {
        let (_, rest) = selected.split_once(code).unwrap();
        rest.split(']').next().unwrap().trim().to_owned()
    };
    let (validity, modseq) = (number("UIDVALIDITY"), number("HIGHESTMODSEQ"));
    talk.tell("b STORE 2 +FLAGS (\\Deleted)\r\n", "b OK ").await;
    talk.tell("c STORE 4 +FLAGS (\\Flagged)\r\n", "c OK ").await;
    talk.tell("d EXPUNGE\r\n", "d OK ").await;
    talk.tell("e LOGOUT\r\n", "e OK ").await;
    let mut talk = log_in(&town, "bob").await;
    talk.tell("f ENABLE QRESYNC\r\n", "f OK ").await;
    let command = format!("g SELECT INBOX (QRESYNC ({validity} {modseq}))\r\n");
    let told = talk.tell(&command, "g OK ").await;
    assert!(told.contains("* VANISHED (EARLIER) 2\r\n"), "{told}");
    let fetched: Vec<&str> = told
        .lines()
        .filter(|line| line.contains(" FETCH "))
        .collect();
    assert_eq!(fetched.len(), 1, "{told}");
    assert!(
        fetched[0].starts_with("* 3 FETCH (UID 4 FLAGS (\\Flagged) MODSEQ ("),
        "{told}"
    );
    let stored = "h STORE 3 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)\r\n";
    let stored = talk.tell(stored, "h OK ").await;
    assert!(stored.contains("h OK [MODIFIED 3] "), "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_sorted_and_threaded() {
    let town = Town::found().await;
    let mut reader = log_in(&town, "alice").await;
    for text in [
        "Message-ID: <a@x>\r\nSubject: Zebra\r\n\r\n",
        "Message-ID: <b@x>\r\nSubject: Apfel\r\n\r\n",
        "In-Reply-To: <a@x>\r\nSubject: =?utf-8?Q?=C3=84pfel?=\r\n\r\n",
    ] {
        append(&mut reader, "INBOX", "", text).await;
    }
    reader.tell("a SELECT INBOX\r\n", "a OK ").await;
    for (command, expected) in [
        ("SORT (SUBJECT) UTF-8 ALL", "* SORT 2 3 1\r\n"),
        ("UID SORT (REVERSE SUBJECT) UTF-8 2:3", "* SORT 3 2\r\n"),
        (
            "SORT RETURN (MIN COUNT) (SUBJECT) UTF-8 ALL",
            "MIN 2 COUNT 3\r\n",
        ),
        (
            "SORT RETURN (ALL) (SUBJECT) UTF-8 MODSEQ 1",
            " ALL 2:3,1 MODSEQ ",
        ),
        (
            "SORT RETURN (MIN MAX) (ARRIVAL) UTF-8 MODSEQ 1",
            " MIN 1 MAX 3 MODSEQ ",
        ),
        ("SORT (SIZE) UTF-8 MODSEQ 1", " (MODSEQ "),
        ("THREAD REFERENCES UTF-8 ALL", "* THREAD (1 3)(2)\r\n"),
        ("THREAD ORDEREDSUBJECT UTF-8 ALL", "* THREAD (1)(2)(3)\r\n"),
        (
            "UID THREAD REFERENCES UTF-8 SUBJECT nothing",
            "* THREAD\r\n",
        ),
    ] {
        let told = reader.tell(&format!("b {command}\r\n"), "b OK ").await;
        assert!(told.contains(expected), "{command}: {told}");
    }
    reader.tell("c LOGOUT\r\n", "c OK ").await;
}
