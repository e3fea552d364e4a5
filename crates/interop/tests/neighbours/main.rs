//! Other mail servers of Debian, both ways: Exim and OpenSMTPD, and what signed domains say by nsd
//! and unbound. Their packages are unpacked and not installed; where they cannot be run, what is
//! skipped is said in one line. Postfix is in `tests/relay`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod certificates;
mod letters;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../sendmail/machine.rs"]
mod machine;
mod page;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../relay/papers.rs"]
mod papers;
mod signed;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../relay/sink.rs"]
mod sink;

use std::net::SocketAddr;
use std::time::Instant;

use interop::{Door, NameServer, Talk, program};
use machine::Machine;
use serde_json::Value;
use sink::{PATIENCE, wait};

const ADA: &str = "ada@test.localhost";
const ALAN: &str = "alan@test.localhost";

/// A server that finds others by a zone, and carries for everybody on this machine; `more` stands
/// behind its `[relay]`.
fn server(zone: &str, port: u16, more: &str) -> (Machine, NameServer) {
    let names = NameServer::start(zone).unwrap();
    let text = format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1s\"]\n[relay]\nport = {port}\n\
         trusted = [\"127.0.0.0/8\"]\n{more}",
        names.address()
    );
    (Machine::start(&text), names)
}

/// A door without TLS.
fn door(address: SocketAddr) -> Vec<Door> {
    let papers = None;
    vec![Door { address, papers }]
}

/// Hands a letter to a server: its text behind the header field Subject.
fn hand_in(address: SocketAddr, from: &str, to: &[&str], subject: &str, text: &str) -> String {
    let (mut talk, _) = Talk::open(address).unwrap();
    let mut say = |line: &str, expected: &str| {
        let said = talk.smtp(line).unwrap();
        assert!(said.starts_with(expected), "{line}: {said}");
        said
    };
    say("EHLO client.example", "250 ");
    let utf8 = to.iter().any(|one| !one.is_ascii());
    let body = match (utf8, text.is_ascii()) {
        (true, _) => " SMTPUTF8 BODY=8BITMIME",
        (false, false) => " BODY=8BITMIME",
        (false, true) => "",
    };
    // A report that returns what was too large is too large as well.
    let ret = if text.len() > 20_000 { " RET=HDRS" } else { "" };
    say(&format!("MAIL FROM:<{from}>{body}{ret}"), "250 ");
    for one in to {
        say(&format!("RCPT TO:<{one}>"), "250 ");
    }
    say("DATA", "354 ");
    let header = format!(
        "From: <{from}>\r\nTo: <{}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Date: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <{subject}@client.example>\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        to[0]
    );
    say(&format!("{header}{text}\r\n."), "250 ")
}

/// What is told of the letters to an address, once these words are in it.
fn told(machine: &Machine, address: &str, words: &str) -> String {
    let begun = Instant::now();
    loop {
        let why = machine.server.output(&["why", address], "").unwrap();
        let why = String::from_utf8_lossy(&why.stdout).into_owned();
        if why.contains(words) {
            return why;
        }
        let log = || machine.server.log();
        assert!(begun.elapsed() < PATIENCE, "no {words}: {why}\n{}", log());
    }
}

/// A report, as Python's email reads it.
fn report(letter: &str) -> Value {
    let script = include_str!("../python/bounce.py");
    let folder = std::env::temp_dir();
    let ended = program("python3", &["-c", script], &folder, letter).unwrap();
    assert!(ended.well, "{}\n{letter}", ended.err);
    let read: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(read["defects"], serde_json::json!([]), "{read}");
    read
}

/// Waits for a letter with these words in it.
fn arrives(letters: impl Fn() -> Vec<String>, words: &str) -> String {
    wait(|| letters().into_iter().find(|one| one.contains(words)))
}
