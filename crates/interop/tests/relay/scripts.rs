//! What filter scripts send: put by sieve-connect, letters by swaks, and other servers take it.

use std::fs;
use std::net::TcpListener;

use interop::{Ended, NameServer, Server, Talk, Tls, program};
use serde_json::Value;

use super::sink::{Sink, wait};
use super::{town, words, zone};

const SCRIPT: &str = "require [\"copy\", \"vacation\", \"enotify\", \"ereject\"];\r\n\
    if header :contains \"subject\" \"seed\" { ereject \"No birdseed,\r\nplease\"; stop; }\r\n\
    vacation :subject \"Away\" \"Until Monday.\";\r\n\
    redirect :copy \"x@a.example\";\r\n\
    notify :message \"A letter\" \"mailto:sms@a.example\";\r\n";

/// Makes a script the one that runs for ada, by sieve-connect.
fn put(server: &Server, script: &str) {
    fs::write(server.folder().join("rules"), script).unwrap();
    let address = server.address("managesieve", Tls::Starttls);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let ca = server.authority().unwrap();
    for words in [
        &["--localsieve", "rules", "--upload"][..],
        &["--remotesieve", "rules", "--activate"],
    ] {
        let mut all = vec!["--nosrv", "--server", &host, "--port", &port];
        all.extend(["--user", "ada@test.localhost", "--passwordfd", "0"]);
        all.extend(["--tlscafile", &ca]);
        all.extend(words);
        let ended = program("sieve-connect", &all, server.folder(), "secret\n").unwrap();
        assert!(ended.well, "{}\n{}\n{}", ended.out, ended.err, server.log());
    }
}

/// A letter by swaks.
fn swaks(server: &Server, protocol: &str, to: &str, subject: &str) -> Ended {
    let tls = if protocol == "lmtp" {
        Tls::None
    } else {
        Tls::Starttls
    };
    let address = server.address(protocol, tls).to_string();
    let protocol = if protocol == "lmtp" { "LMTP" } else { "ESMTP" };
    let subject = format!("Subject: {subject}");
    let words = [
        "--server",
        &address,
        "--protocol",
        protocol,
        "--helo",
        "mx.a.example",
        "--from",
        "bob@a.example",
        "--to",
        to,
        "--header",
        &subject,
        "--body",
        "At five?",
    ];
    program("swaks", &words, server.folder(), "").unwrap()
}

fn letter_to<'a>(taken: &'a [Value], to: &str) -> &'a Value {
    let to = serde_json::json!([to]);
    taken.iter().find(|letter| letter["to"] == to).unwrap()
}

#[test]
fn what_scripts_send_reaches_other_servers() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let town = town("a.example A 127.0.0.2", sink.port, "");
    put(&town.server, SCRIPT);
    let ended = swaks(&town.server, "smtp", "ada@test.localhost", "Tea");
    assert!(ended.well, "{}\n{}", ended.out, town.server.log());
    let taken = sink.takes(3);
    for (to, from, parts) in [
        (
            "<x@a.example>",
            "<bob@a.example>",
            &["Received: from mx.a.example", "At five?"][..],
        ),
        (
            "<bob@a.example>",
            "<>",
            &[
                "Auto-Submitted: auto-replied (vacation)",
                "Subject: Away",
                "Until Monday.",
            ],
        ),
        (
            "<sms@a.example>",
            "<ada@test.localhost>",
            &["Auto-Submitted: auto-notified;", "Subject: A letter"],
        ),
    ] {
        let letter = letter_to(&taken, to);
        assert!(words(letter, "from").starts_with(from), "{letter}");
        let body = words(letter, "body");
        assert!(!body.contains("Return-Path"), "{body}");
        assert!(parts.iter().all(|part| body.contains(part)), "{body}");
    }
    // Bob knows it now.
    assert!(swaks(&town.server, "smtp", "ada@test.localhost", "More tea").well);
    let taken = sink.takes(5);
    town.is_done();
    let answers = taken
        .iter()
        .filter(|letter| words(letter, "from").starts_with("<>"));
    assert_eq!((answers.count(), sink.taken().len()), (1, 5));
    assert_eq!(town.mail().len(), 2);
}

#[test]
fn what_scripts_refuse_is_refused_to_the_senders_face() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let town = town("a.example A 127.0.0.2", sink.port, "");
    put(&town.server, SCRIPT);
    let refusal = "550-5.7.1 No birdseed,";
    let refused = swaks(&town.server, "smtp", "ada@test.localhost", "seed");
    assert!(
        !refused.well && refused.out.contains(refusal),
        "{}",
        refused.out
    );
    assert!(refused.out.contains("550 5.7.1 please"), "{}", refused.out);
    let (both, alan) = (
        "ada@test.localhost,alan@test.localhost",
        "alan@test.localhost",
    );
    let each = swaks(&town.server, "lmtp", both, "seed");
    assert!(each.out.contains(refusal), "{}", each.out);
    assert!(each.out.contains("250 2.0.0 Taken as"), "{}", each.out);
    assert!(sink.taken().is_empty() && town.mail().is_empty());
    // Alan takes it: bob hears of ada by a report.
    let some = swaks(&town.server, "smtp", both, "seed");
    assert!(some.well, "{}", some.out);
    let report = &sink.takes(1)[0];
    assert!(words(report, "from").starts_with("<>"), "{report}");
    let script = include_str!("../python/bounce.py");
    let body = words(report, "body");
    let ended = program("python3", &["-c", script], town.server.folder(), body).unwrap();
    let read: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(read["defects"], serde_json::json!([]), "{read}");
    let told = &read["recipients"][0];
    assert_eq!(
        (words(told, "Action"), words(told, "Status")),
        ("failed", "5.7.1")
    );
    assert!(words(&read, "words").contains("No birdseed,"), "{read}");
    assert!(swaks(&town.server, "smtp", alan, "seed").well);
}

/// A server for one domain at an address of this machine that others know.
fn neighbour(names: &NameServer, address: &str, port: u16, domain: &str) -> Server {
    let text = format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1s\"]\n[relay]\nport = {port}\n\
         [[listener]]\nprotocol = \"smtp\"\naddress = \"{address}:{port}\"\ntls = \"none\"\n",
        names.address()
    );
    let server = Server::start_with(&text).unwrap();
    server.command(&["domain", "add", domain], "").unwrap();
    let alias = format!("me@{domain}");
    let words = ["alias", "add", &alias, "ada@test.localhost"];
    server.command(&words, "").unwrap();
    server
}

/// Where the letters are in ada's mailboxes.
fn count(server: &Server) -> String {
    let (mut imap, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    imap.imap_login("ada@test.localhost", "secret").unwrap();
    imap.imap("STATUS INBOX (MESSAGES)").unwrap().concat()
}

#[test]
fn two_servers_that_send_to_each_other_come_to_an_end() {
    let free = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let zone = zone(&["a.example A 127.0.0.2", "b.example A 127.0.0.3"]);
    let names = NameServer::start(&zone).unwrap();
    drop(free);
    let first = neighbour(&names, "127.0.0.2", port, "a.example");
    let second = neighbour(&names, "127.0.0.3", port, "b.example");
    put(&first, "redirect \"me@b.example\";\r\n");
    put(&second, "redirect \"me@a.example\";\r\n");
    let ended = swaks(&first, "smtp", "me@a.example", "round");
    assert!(ended.well, "{}\n{}", ended.out, first.log());
    wait(|| count(&first).contains("MESSAGES 1)").then_some(()));
    assert!(count(&second).contains("MESSAGES 0)"), "{}", second.log());
    for server in [&first, &second] {
        assert_eq!(
            server.command(&["queue", "list", "--json"], "").unwrap(),
            ""
        );
    }
}
