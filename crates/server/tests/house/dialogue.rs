//! Somebody looks on at conversations over the control socket.

use serde_json::{Value, json};
use server::Protocol;
use wire::dialogue::{sent, tells};
use wire::witness::STAND_IN;

use crate::town::{PASSWORD, Talk, Town};

/// Looks on; what is seen comes then.
async fn look(town: &Town, arguments: Value) -> Talk {
    let mut control = town.visit(Protocol::Control).await;
    let call = format!("{}\n", json!(["Dialogue/watch", arguments, "0"]));
    let answer = control.tell(&call, "[").await;
    assert!(answer.starts_with("[\"Dialogue/watch\""), "{answer}");
    control
}

/// What is seen until a conversation ends: of the first one that is seen.
async fn seen(looking: &mut Talk) -> String {
    let mut first = None;
    let mut seen = String::new();
    loop {
        let line = looking.line().await;
        let (name, answer, _): (String, Value, String) = serde_json::from_str(&line).unwrap();
        assert_eq!(name, "Dialogue/next");
        for piece in answer.get("pieces").unwrap().as_array().unwrap() {
            let conn = piece.get("connection").unwrap().as_u64();
            let text = piece.get("text").unwrap().as_str().unwrap();
            if *first.get_or_insert(conn) != conn {
                continue;
            }
            if text.is_empty() {
                return seen;
            }
            seen.push_str(text);
        }
    }
}

/// Comes in, says all at once, and hears what is said until the end.
async fn converse(town: &Town, protocol: Protocol, said: &str) -> String {
    let mut talk = town.visit(protocol).await;
    talk.say(said).await;
    let mut heard = String::new();
    loop {
        let line = talk.line().await;
        if line.is_empty() {
            return heard;
        }
        heard.push_str(&line);
    }
}

const LETTER: &str = "From: bob@example.org\r\nSubject: x\r\n\r\n.. {5}\r\nsecret matter\r\n";

fn imap() -> String {
    let octets = LETTER.len();
    format!(
        "a LOGIN alice@example.org \"{PASSWORD}\"\r\nb APPEND INBOX {{{octets}+}}\r\n{LETTER}\r\n\
         c SELECT INBOX\r\nd FETCH 1 (UID BODY[])\r\ne STORE 1 FLAGS (\\Seen)\r\n\
         f SEARCH SUBJECT {{1}}\r\nx\r\n{PASSWORD}\r\ng LOGOUT\r\n"
    )
}

fn pop3() -> String {
    format!(
        "CAPA\r\nUSER alice@example.org\r\nPASS {PASSWORD}\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n"
    )
}

fn submission() -> String {
    let letter = LETTER.replace("\r\n..", "\r\n...");
    // NUL bob@example.org NUL correct horse
    format!(
        "EHLO c.example\r\nAUTH PLAIN AGJvYkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl\r\n\
         MAIL FROM:<bob@example.org>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n{letter}.\r\n\
         QUIT\r\n"
    )
}

/// Lines that are the same in every house: without ids and times.
fn alike(recording: &str) -> Vec<&str> {
    let own = [
        "UIDVALIDITY",
        "MAILBOXID",
        "APPENDUID",
        "Taken as",
        "Received:",
        "\tid",
        "Date:",
        "Message-ID:",
        // Ids are not always as long.
        " octets",
        "+OK 1 ",
    ];
    let lines = recording.lines().filter(|line| {
        !own.iter().any(|part| line.contains(part)) && !line.starts_with(['N', 'T'])
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_runs_in_a_house_made_alike() {
    for (protocol, said, stand_in) in [
        (Protocol::Imap, imap(), format!("\"{PASSWORD}\"")),
        (Protocol::Pop3, pop3(), PASSWORD.to_owned()),
        (Protocol::Submission, submission(), String::new()),
    ] {
        let mut recordings = Vec::new();
        let mut said = said;
        for _ in 0..2 {
            let town = Town::found().await;
            if protocol == Protocol::Pop3 {
                converse(&town, Protocol::Submission, &submission()).await;
            }
            let arguments = json!({ "protocol": protocol.name(), "bodies": true, "whole": true });
            let mut looking = look(&town, arguments).await;
            let heard = converse(&town, protocol, &said).await;
            let recording = seen(&mut looking).await;
            // What repeats a password in the wrong place is masked.
            for line in heard
                .lines()
                .filter(|line| !line.starts_with("correct BAD"))
            {
                assert!(recording.contains(line), "{line} not in\n{recording}");
            }
            assert!(!tells(&recording, PASSWORD), "{recording}");
            assert!(recording.contains("secret matter"), "{recording}");
            assert!(recording.ends_with("~ close\n"), "{recording}");
            // The same again, as it was put down.
            let octets: Vec<Vec<u8>> = recording.lines().filter_map(sent).collect();
            let lines = String::from_utf8(octets.concat()).unwrap();
            if protocol != Protocol::Submission {
                said = lines.replacen(STAND_IN, &stand_in, 1);
            }
            recordings.push(recording);
        }
        let [first, second] = recordings.as_slice() else {
            panic!("there are two");
        };
        assert_eq!(alike(first), alike(second));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_letters_is_left_out() {
    let town = Town::found().await;
    for (protocol, said, contents) in [
        (Protocol::Submission, submission(), LETTER.len() + 1),
        (Protocol::Imap, imap(), LETTER.len()),
    ] {
        let mut looking = look(&town, json!({ "protocol": protocol.name() })).await;
        converse(&town, protocol, &said).await;
        let recording = seen(&mut looking).await;
        assert!(!recording.contains("matter"), "{recording}");
        assert!(!tells(&recording, PASSWORD), "{recording}");
        let told = format!("# {contents} octets left out\n");
        assert!(recording.contains(&told), "{told} not in\n{recording}");
    }
    let mut looking = look(&town, json!({ "protocol": "pop3" })).await;
    converse(&town, Protocol::Pop3, &pop3()).await;
    let recording = seen(&mut looking).await;
    assert!(
        recording.contains(" octets left out>\nS: .\n"),
        "{recording}"
    );
    assert!(!recording.contains("matter"), "{recording}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_looked_at_and_no_other() {
    let town = Town::found().await;
    let mut looking = look(&town, json!({ "account": "alice@example.org" })).await;
    converse(&town, Protocol::Submission, &submission()).await;
    converse(&town, Protocol::Pop3, &pop3()).await;
    let recording = seen(&mut looking).await;
    assert!(recording.starts_with("S: +OK "), "{recording}");
    assert!(recording.contains("C: CAPA\n"), "{recording}");
    assert!(recording.contains("C: PASS <left-out>\n"), "{recording}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_listed_and_looked_at_from_the_middle() {
    let town = Town::found().await;
    let (mut pop3, _) = town.collect("bob").await;
    let mut control = town.visit(Protocol::Control).await;
    let answer = control.tell("[\"Connection/list\", {}, 7]\n", "[").await;
    let (_, answer, _): (String, Value, u64) = serde_json::from_str(&answer).unwrap();
    let list = answer.get("list").unwrap().as_array().unwrap();
    let [one] = list.as_slice() else {
        panic!("{list:?}");
    };
    for (name, value) in [
        ("protocol", "pop3"),
        ("phase", "Transaction"),
        ("account", "bob@example.org"),
    ] {
        assert_eq!(one.get(name).unwrap().as_str(), Some(value), "{one}");
    }
    assert_eq!(one.get("encrypted"), Some(&json!(true)));
    let mut looking = look(&town, json!({ "connection": one.get("id") })).await;
    pop3.tell("NOOP\r\n", "+OK").await;
    pop3.tell("QUIT\r\n", "+OK").await;
    let recording = seen(&mut looking).await;
    let expected = "# from the middle of a conversation\nC: NOOP\nS: +OK\nC: QUIT\n\
                    S: +OK Goodbye\n~ close\n";
    assert_eq!(recording, expected);
}
