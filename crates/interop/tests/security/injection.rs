//! Line ends and other controls where a line goes on: in commands, in names, in what programs of
//! this machine are told.

use std::process::{Command, Stdio};

use interop::{Server, Talk, Tls, program};

use super::machine::feed;
use super::sink::wait;
use super::{ADA, House, STRANGER, says};

/// Where it stands, what is sent, and how the answer begins.
// tidy: table
const COMMANDS: &[(&str, &str, &str)] = &[
    ("EHLO, CR", "EHLO client.example\rX-Evil: 1", "500 5.5.2 "),
    ("EHLO, LF", "EHLO client.example\nX-Evil: 1", "421 4.5.2 "),
    ("EHLO, NUL", "EHLO client.example\0", "501 5.5.2 "),
    (
        "EHLO, escape",
        "EHLO client\u{1b}[31m.example",
        "501 5.5.2 ",
    ),
    ("EHLO, NEL", "EHLO client\u{85}X-Evil: 1", "501 5.5.2 "),
    (
        "EHLO, a comment",
        "EHLO client.example (by evil.example)",
        "501 5.5.4 ",
    ),
    ("EHLO, a clause", "EHLO client.example;X-Evil", "501 5.5.4 "),
    (
        "EHLO, no octets of UTF-8",
        "EHLO client.\u{fffd}\t",
        "501 5.5.2 ",
    ),
    (
        "MAIL, CR",
        "MAIL FROM:<eve@a.example>\rX-Evil: 1",
        "500 5.5.2 ",
    ),
    (
        "MAIL, LF",
        "MAIL FROM:<eve@a.example\nRCPT TO:<user@there.example>",
        "421 4.5.2 ",
    ),
    (
        "MAIL, quoted LF",
        "MAIL FROM:<\"eve\\\nX-Evil: 1\"@a.example>",
        "421 4.5.2 ",
    ),
    (
        "MAIL, tab",
        "MAIL FROM:<\"eve\tX\"@a.example>",
        "501 5.5.2 ",
    ),
    (
        "MAIL, DEL",
        "MAIL FROM:<\"eve\u{7f}\"@a.example>",
        "501 5.5.2 ",
    ),
    (
        "ENVID, CR LF",
        "MAIL FROM:<eve@a.example> ENVID=a+0D+0AX-Evil:+201",
        "501 5.5.4 ",
    ),
    (
        "ENVID, LF",
        "MAIL FROM:<eve@a.example> ENVID=a+0AX-Evil",
        "501 5.5.4 ",
    ),
    (
        "ENVID, NUL",
        "MAIL FROM:<eve@a.example> ENVID=a+00",
        "501 5.5.4 ",
    ),
    (
        "AUTH=, CR LF",
        "MAIL FROM:<eve@a.example> AUTH=eve+0D+0A@a.example",
        "501 5.5.4 ",
    ),
    (
        "BODY=, more",
        "MAIL FROM:<eve@a.example> BODY=8BITMIME+0D+0A",
        "501 5.5.4 ",
    ),
    ("RCPT, CR", "RCPT TO:<ada@test.localhost\r>", "500 5.5.2 "),
    (
        "RCPT, LF",
        "RCPT TO:<\"ada\nX-Evil: 1\"@test.localhost>",
        "421 4.5.2 ",
    ),
    (
        "RCPT, NUL",
        "RCPT TO:<user@there.example\0@test.localhost>",
        "501 5.5.2 ",
    ),
    (
        "ORCPT, CR LF",
        "RCPT TO:<ada@test.localhost> ORCPT=rfc822;ada+0D+0AX-Evil:+201",
        "501 5.5.4 ",
    ),
    (
        "ORCPT, its kind",
        "RCPT TO:<ada@test.localhost> ORCPT=rfc822+0A;ada",
        "501 5.5.4 ",
    ),
    (
        "VRFY, LF",
        "VRFY ada\nRCPT TO:<user@there.example>",
        "421 4.5.2 ",
    ),
    ("ETRN, LF", "ETRN there.example\nX", "421 4.5.2 "),
];

#[test]
fn no_line_ends_within_a_command() {
    let house = House::start("");
    for (what, line, expected) in COMMANDS {
        let mut talk = house.greet(STRANGER);
        if line.starts_with("RCPT") {
            says(&mut talk, "MAIL FROM:<eve@a.example>", "250 ");
        }
        let said = talk.smtp(line).unwrap();
        assert!(said.starts_with(expected), "{what}: {said}");
        // One answer and no more: what stands behind an LF is not read.
        match said.starts_with("421 ") {
            true => assert_eq!(talk.hear_to_the_end().unwrap(), "", "{what}"),
            false => drop(says(&mut talk, "VRFY next", "252 ")),
        }
    }
    house.has_sent_nothing();
}

/// What is taken of a client's words, and stands above the letter.
#[test]
fn trace_fields_hold_no_controls() {
    let house = House::start("");
    let names = [
        "client.example",
        "[192.0.2.1]",
        "client_1.example",
        "\u{2028}grüße.example",
        ":::",
    ];
    for name in names {
        let (mut talk, _) = house.call("smtp", STRANGER);
        says(&mut talk, &format!("EHLO {name}"), "250 ");
        let from = "MAIL FROM:<\"eve (x); by evil.example\"@a.example> ENVID=a+2Bb+3Bc";
        says(&mut talk, from, "250 ");
        let to = "RCPT TO:<ada@test.localhost> ORCPT=rfc822;a+20b+3Cc+3E";
        says(&mut talk, to, "250 ");
        says(&mut talk, "DATA", "354 ");
        says(&mut talk, "Subject: x\r\n\r\nx\r\n.", "250 ");
    }
    let mail = house.machine.mail(ADA);
    assert_eq!(mail.len(), names.len());
    for letter in mail {
        let (trace, _) = letter.split_once("Subject: x").unwrap();
        let lines: Vec<&str> = trace.split("\r\n").collect();
        let is_plain = |line: &&str| !line.chars().any(|one| one.is_control() && one != '\t');
        assert!(lines.iter().all(is_plain), "{trace:?}");
        let fields = lines.iter().filter(|line| !line.starts_with([' ', '\t']));
        let fields: Vec<&str> = fields
            .filter_map(|line| Some(line.split_once(": ")?.0))
            .collect();
        assert_eq!(fields, ["Return-Path", "Received"], "{trace}");
        // What a quoted sender says is in quotes, so nobody reads it as a clause.
        assert!(trace.starts_with("Return-Path: <\"eve (x); by evil.example\"@a.example>\r\n"));
    }
}

/// Names that are logged in with: CR, LF and NUL in them, in base64.
// tidy: table
const LOGINS: &[(&str, &str)] = &[
    // "\0ada@test.localhost\r\nX-Evil: 1\0secret"
    (
        "who",
        "AGFkYUB0ZXN0LmxvY2FsaG9zdA0KWC1FdmlsOiAxAHNlY3JldA==",
    ),
    // "eve\r\nX-Evil: 1\0ada@test.localhost\0secret"
    (
        "for whom",
        "ZXZlDQpYLUV2aWw6IDEAYWRhQHRlc3QubG9jYWxob3N0AHNlY3JldA==",
    ),
    // "\0ada@test.localhost\0secret\0X-Evil: 1"
    (
        "a NUL too many",
        "AGFkYUB0ZXN0LmxvY2FsaG9zdABzZWNyZXQAWC1FdmlsOiAx",
    ),
    // "\0ada@test.localhost\0secret\n"
    ("the password", "AGFkYUB0ZXN0LmxvY2FsaG9zdABzZWNyZXQK"),
    // "\0\n\n\n\0secret"
    ("nothing else", "AAoKCgBzZWNyZXQ="),
];

#[test]
fn no_line_ends_within_a_name_that_logs_in() {
    let server = Server::start().unwrap();
    for (what, name) in LOGINS {
        let (mut talk, _) = Talk::open(server.address("submission", Tls::Starttls)).unwrap();
        says(&mut talk, "EHLO client.example", "250 ");
        let said = talk.smtp(&format!("AUTH PLAIN {name}")).unwrap();
        let refused = said.starts_with("535 5.7.8 ") || said.starts_with("501 5.5.2 ");
        assert!(refused, "{what}: {said}");
        says(&mut talk, "MAIL FROM:<ada@test.localhost>", "530 5.7.0 ");
        let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
        let said = talk.imap(&format!("AUTHENTICATE PLAIN {name}")).unwrap();
        let said = said.last().unwrap();
        assert!(
            said.starts_with("t NO ") || said.starts_with("t BAD "),
            "{what}: {said}"
        );
    }
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.send(b"t LOGIN {28+}\r\nada@test.localhost\r\nX-Evil:1 secret\r\n")
        .unwrap();
    let said = talk.imap_response().unwrap();
    assert!(!said.last().unwrap().starts_with("t OK"), "{said:?}");
    let log = server.log();
    assert!(
        !log.lines()
            .any(|line| line.trim_start().starts_with("X-Evil")),
        "{log}"
    );
}

/// What programs call `sendmail` with, as a web page's form may have filled it in.
#[test]
fn no_line_ends_within_what_sendmail_is_told() {
    let house = House::start("");
    let evil = "Eve\r\nBcc: user@there.example\nX-Evil: 1";
    let cases: &[&[&str]] = &[
        &["-F", evil, ADA],
        &["-f", "eve@a.example\nBcc: user@there.example", ADA],
        &["-f", "eve@a.example> ENVID=x\r\nX-Evil: <1", ADA],
        &["-r", "\"eve\nX-Evil: 1\"@a.example", ADA],
        &["-V", "a\r\nX-Evil: 1", ADA],
        &["-N", "never\r\nX-Evil: 1", ADA],
        &["-R", "hdrs\nX-Evil: 1", ADA],
        &["ada@test.localhost\r\nX-Evil: 1"],
        &["\"ada\nX-Evil: 1\"@test.localhost"],
    ];
    let mut accepted = 0;
    for words in cases {
        let mut command = house.machine.called("sendmail", words);
        let (code, said) = feed(&mut command, "Subject: x\n\nx\n");
        assert!(matches!(code, Some(0 | 64 | 65)), "{words:?}: {said}");
        accepted += usize::from(code == Some(0));
    }
    wait(|| house.machine.is_done().then_some(()));
    assert!(accepted > 0);
    for account in [ADA, "alan@test.localhost"] {
        for letter in house.machine.mail(account) {
            let (header, _) = letter.split_once("\r\n\r\n").unwrap();
            let evil = |line: &str| line.starts_with("X-Evil") || line.starts_with("Bcc");
            assert!(!header.lines().any(evil), "{letter}");
            let is_plain = |one: char| !one.is_control() || "\r\n\t".contains(one);
            assert!(
                header.replace("\r\n", "").chars().all(is_plain),
                "{letter:?}"
            );
        }
    }
    house.has_sent_nothing();
    let log = house.server().log();
    assert!(
        !log.lines()
            .any(|line| line.trim_start().starts_with("X-Evil")),
        "{log}"
    );
}

/// The same to the programs that need no server.
#[test]
fn no_line_ends_within_what_send_and_compose_are_told() {
    let house = House::start("");
    let binary = Server::binary().display().to_string();
    let compose = |words: &[&str]| {
        let all = [&["compose", "--from", ADA, "--to", ADA], words].concat();
        program(&binary, &all, house.server().folder(), "x\n").unwrap()
    };
    for words in [
        &["--subject", "Tea\r\nBcc: user@there.example"][..],
        &["--subject", "Tea\nX-Evil: 1"],
        &["--field", "X-Good: 1\nX-Evil: 1"],
        &["--field", "X-Good\r\nX-Evil: 1"],
        &["--message-id", "<a@b>\r\nX-Evil: 1"],
        &["--cc", "Eve\r\nX-Evil: 1 <eve@a.example>"],
    ] {
        let ended = compose(words);
        let header = ended.out.split("\r\n\r\n").next().unwrap();
        let is_evil = |line: &str| line.starts_with("X-Evil") || line.starts_with("Bcc");
        assert!(!header.lines().any(is_evil), "{words:?}: {}", ended.out);
    }
    let port = house.sink.port.to_string();
    let send = |words: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(["send", "--host", "127.0.0.2", "--port", &port, "--tls=off"]);
        command.args(words).env("HOME", house.server().folder());
        feed(command.stdin(Stdio::piped()), "Subject: x\n\nx\n").0
    };
    // An address that is none is refused; a name that has line ends is encoded.
    let evil = "eve@a.example>\r\nRCPT TO:<user@there.example";
    assert_ne!(send(&["-f", evil, "ada@there.example"]), Some(0));
    send(&["-f", "eve@a.example", "ada@there.example\r\nDATA"]);
    let name = [
        "-F",
        "Eve\r\nX-Evil: 1",
        "-f",
        "eve@a.example",
        "ada@there.example",
    ];
    send(&name);
    for letter in house.sink.taken() {
        assert_eq!(letter["to"], serde_json::json!(["<ada@there.example>"]));
        let body = letter["body"].as_str().unwrap();
        let header = body.split("\r\n\r\n").next().unwrap();
        assert!(!header.contains("\r\nX-Evil"), "{letter}");
    }
}
