//! Filters look at letters while they come in: one made by hand in Python, which says what a test
//! wants it to say, and writes down what it was told.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use interop::{Postfix, Server, free_address, program, python, python_with};
use tempfile::TempDir;

use super::{LETTER, last, swaks};

/// A filter; it ends when this is dropped.
struct Filter {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Filter {
    fn start(rules: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/milter.py");
        let folder = TempDir::new().unwrap();
        let port_file = folder.path().join("port");
        let mut command = Command::new(python());
        let command = command.arg(script).arg(&port_file);
        let child = command.arg(folder.path().join("log")).arg(rules).spawn();
        let begun = Instant::now();
        let port = loop {
            if let Ok(text) = fs::read_to_string(&port_file) {
                break text.parse().unwrap();
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "no filter");
            std::thread::yield_now();
        };
        Self {
            child: child.unwrap(),
            folder,
            port,
        }
    }

    /// What it was told, a line for each packet.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn setting(&self, name: &str, more: &str) -> String {
        let port = self.port;
        format!("[[trust.milter]]\nname = \"{name}\"\nsocket = \"127.0.0.1:{port}\"\n{more}\n")
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const TO_ADA: [&str; 2] = ["--to", "ada@test.localhost"];

fn server(filters: &[(&Filter, &str)]) -> Server {
    let mut more = String::new();
    for (number, (filter, with)) in filters.iter().enumerate() {
        more.push_str(&filter.setting(&format!("f{number}"), with));
    }
    Server::start_with(&more).unwrap()
}

#[test]
fn a_filter_is_told_of_a_letter_and_changes_it() {
    let rules = r#"{"changes": [
        ["h", "X-Added", "one\n\ttwo"],
        ["i", 0, "X-First", "top"],
        ["m", 1, "Subject", "Coffee"],
        ["m", 1, "Message-ID", ""],
        ["b", "At "], ["b", "six?\r\n"],
        ["+", "<alan@test.localhost>"],
        ["-", "<ada@test.localhost>"],
        ["e", "<else@bad.example>"]
    ]}"#;
    let filter = Filter::start(rules);
    let other = Filter::start("{}");
    let server = server(&[(&filter, ""), (&other, "")]);
    let said = swaks(&server, "127.0.4.1", &TO_ADA);
    assert!(said.starts_with("250 2.0.0 Taken as "), "{said}");
    let log = filter.log();
    for expected in [
        "C '[127.0.4.1]\\x004",
        "H 'client.test\\x00'",
        "M '<bob@bad.example>\\x00",
        "R '<ada@test.localhost>\\x00'",
        "T ''",
        "L 'Subject\\x00Tea\\x00'",
        "N ''",
        "B 'At five?\\r\\n",
        "E ''",
    ] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    assert!(log.contains("{rcpt_addr}\\x00ada@test.localhost"), "{log}");
    // The next one sees what this one has made of it.
    let log = other.log();
    assert!(log.contains("L 'Subject\\x00Coffee\\x00'"), "{log}");
    assert!(log.contains("B 'At six?\\r\\n'"), "{log}");
    // It went to somebody else, from somebody else.
    assert_eq!(last(&server, "INBOX"), "");
    let folder = server.folder().join("eml");
    let to = folder.display().to_string();
    let words = [
        "export",
        "--account",
        "alan@test.localhost",
        "--format",
        "eml",
        &to,
    ];
    server.command(&words, "").unwrap();
    let find = ["-c", "cat $(find eml -name '*.eml')"];
    let stored = program("sh", &find, server.folder(), "").unwrap().out;
    for expected in [
        "Return-Path: <else@bad.example>\r\n",
        "X-First: top\r\nFrom: Bob <bob@bad.example>\r\n",
        "Subject: Coffee\r\n",
        "X-Added: one\r\n\ttwo\r\n\r\nAt six?\r\n",
    ] {
        assert!(stored.contains(expected), "{expected}: {stored}");
    }
    assert!(!stored.contains("Message-ID"), "{stored}");
    let why = server.command(&["why", "alan@test.localhost"], "").unwrap();
    assert!(why.contains("the filter f0 has added X-Added"), "{why}");
    assert!(!why.contains("f1"), "{why}");
}

#[test]
fn what_a_filter_says_is_done() {
    for (rules, expected) in [
        (r#"{"C": ["r"]}"#, "550 5.7.1 A filter here refuses this"),
        (
            r#"{"H": ["t"]}"#,
            "451 4.7.1 A filter here cannot take this now",
        ),
        (r#"{"M": ["y", "553 5.1.8 not you"]}"#, "553 5.1.8 not you"),
        (r#"{"R": ["y", "450 4.2.1 later"]}"#, "450 4.2.1 later"),
        (r#"{"L": ["r"]}"#, "550 5.7.1 A filter here refuses this"),
        (
            r#"{"B": ["y", "550 5.7.1 no such words"]}"#,
            "550 5.7.1 no such words",
        ),
        (
            r#"{"E": ["y", "554 5.6.0 infected"]}"#,
            "554 5.6.0 infected",
        ),
        (r#"{"M": ["a"], "E": ["r"]}"#, "250 2.0.0 Taken as "),
        (r#"{"B": ["s"], "N": ["c"]}"#, "250 2.0.0 Taken as "),
        (r#"{"steps": 2096127, "E": ["c"]}"#, "250 2.0.0 Taken as "),
        (r#"{"E": ["d"]}"#, "250 2.0.0 Taken"),
    ] {
        let filter = Filter::start(rules);
        let server = server(&[(&filter, "")]);
        let said = swaks(&server, "127.0.4.1", &TO_ADA);
        assert!(
            said.starts_with(expected),
            "{rules}: {said}\n{}",
            filter.log()
        );
        let is_kept = last(&server, "INBOX").contains("Subject: Tea");
        assert_eq!(is_kept, expected == "250 2.0.0 Taken as ", "{rules}");
    }
    let filter = Filter::start(r#"{"changes": [["q", "looks bad"]]}"#);
    let server = server(&[(&filter, "")]);
    let said = swaks(&server, "127.0.4.1", &TO_ADA);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    assert!(last(&server, "Junk").contains("Subject: Tea"));
    let why = server.command(&["why", "bob@bad.example"], "").unwrap();
    assert!(
        why.contains("the filter f0 has set it apart (looks bad)"),
        "{why}"
    );
}

#[test]
fn a_filter_that_is_away_holds_letters_up_or_does_not() {
    let filter = Filter::start(r#"{"M": "silence"}"#);
    let first = server(&[(&filter, "timeout = \"1s\"")]);
    let away = "451 4.7.1 A filter of ours does not answer; please try again later";
    assert_eq!(swaks(&first, "127.0.4.1", &TO_ADA), away);
    let spared = "timeout = \"1s\"\nwhen_away = \"accept\"";
    let second = server(&[(&filter, spared)]);
    let said = swaks(&second, "127.0.4.1", &TO_ADA);
    assert!(said.starts_with("250 2.0.0 Taken as "), "{said}");
    assert!(
        second.log().contains("a filter is away"),
        "{}",
        second.log()
    );
    // A letter that is too large for it is taken unseen.
    let filter = Filter::start(r#"{"E": ["r"]}"#);
    let third = server(&[(&filter, "largest = \"1K\"")]);
    assert!(swaks(&third, "127.0.4.1", &TO_ADA).starts_with("550 5.7.1 "));
    let large = format!("{LETTER}{}", "and so on\r\n".repeat(200));
    let file = third.folder().join("large");
    fs::write(&file, large).unwrap();
    let data = format!("@{}", file.display());
    let words = [&TO_ADA[..], &["--data", &data]].concat();
    let said = swaks(&third, "127.0.4.1", &words);
    assert!(said.starts_with("250 2.0.0 Taken as "), "{said}");
    assert!(
        filter.log().lines().any(|line| line.starts_with("A ")),
        "{}",
        filter.log()
    );
}

/// A filter that is made with somebody else's library.
#[test]
fn a_filter_that_somebody_else_has_written() {
    let Some(python) = python_with(&["purepythonmilter"]) else {
        return;
    };
    let address = free_address().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/pure_milter.py");
    let port = address.port();
    let mut command = Command::new(python);
    let filter = Filter {
        child: command.arg(script).arg(port.to_string()).spawn().unwrap(),
        folder: TempDir::new().unwrap(),
        port,
    };
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "no filter");
        std::thread::yield_now();
    }
    let server = server(&[(&filter, "")]);
    let said = swaks(&server, "127.0.4.1", &["--to", "alan@test.localhost"]);
    assert_eq!(said, "550 5.7.1 not alan");
    // The same connection goes on where a letter was refused.
    for _ in 0..2 {
        let to_both = ["--to", "alan@test.localhost,ada@test.localhost"];
        let said = swaks(&server, "127.0.4.1", &to_both);
        assert!(said.starts_with("250 2.0.0 Taken as "), "{said}");
    }
    let stored = last(&server, "INBOX");
    for expected in [
        "X-Told: _=[127.0.4.1] i=",
        " {mail_addr}=bob@bad.example From: Bob <bob@bad.example>",
        "Subject: [Tea]",
        "X-Client: 127.0.4.1 another body",
    ] {
        assert!(stored.contains(expected), "{expected}: {stored}");
    }
}

/// The filter that these tests are made with is none of our own invention: Postfix gets along with
/// it.
#[test]
fn postfix_asks_the_same_filter_and_does_the_same() {
    let filter = Filter::start(r#"{"changes": [["h", "X-Added", "by hand"]]}"#);
    let address = free_address().unwrap();
    let more = format!(
        "smtpd_milters = inet:127.0.0.1:{}\nmilter_default_action = tempfail\n\
         smtpd_recipient_restrictions = reject_unauth_destination\n",
        filter.port
    );
    let postfix = Postfix::listening_at(address, &more).unwrap();
    let folder = TempDir::new().unwrap();
    let server = address.to_string();
    let words = [
        "--server",
        &server,
        "--to",
        "x@post.example",
        "--from",
        "a@b.example",
    ];
    let begun = Instant::now();
    while postfix.letters().is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{}",
            postfix.log()
        );
        drop(program("swaks", &words, folder.path(), ""));
    }
    assert!(postfix.letters()[0].contains("X-Added: by hand\n"));
    assert!(filter.log().contains("\nE "), "{}", filter.log());
}
