//! Addresses that are others here, and copies, with Python's smtplib at one end and a mail server
//! in Python at the other.

use interop::{NameServer, Server, Talk, Tls};
use serde_json::{Value, json};

use super::sink::{Sink, wait};
use super::{Town, words};

const RULES: &str = r#"
[[rewrite]]
of = "recipient"
from = "@old.example"
to = "@test.localhost"

[[rewrite]]
of = "recipient"
from = "sales@test.localhost"
to = "sales@a.example"

[[rewrite]]
of = "sender"
from = "@host.internal"
to = "@test.localhost"

[[copy]]
sender = "@test.localhost"
to = "archive@b.example"

[[copy]]
recipient = "alan@test.localhost"
to = "ada@test.localhost"
"#;

fn rewriting_town(port: u16) -> Town {
    let zone = "a.example A 127.0.0.2\nb.example A 127.0.0.3\nc.example A 127.0.0.2";
    let names = NameServer::start(zone).unwrap();
    let text = format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1s\"]\n[relay]\nport = {port}\n{RULES}",
        names.address()
    );
    let server = Server::start_with(&text).unwrap();
    Town { names, server }
}

/// Somebody elsewhere sends a letter; what is said of each recipient.
fn comes_from_elsewhere(town: &Town, from: &str, to: &[&str], subject: &str) -> Vec<String> {
    let address = town.server.address("smtp", Tls::Starttls);
    let (mut smtp, _) = Talk::open(address).unwrap();
    smtp.smtp("EHLO mx.c.example").unwrap();
    smtp.smtp(&format!("MAIL FROM:<{from}>")).unwrap();
    let said = to
        .iter()
        .map(|to| smtp.smtp(&format!("RCPT TO:<{to}>")).unwrap());
    let said: Vec<String> = said.collect();
    smtp.smtp("DATA").unwrap();
    let letter = format!("From: {from}\r\nSubject: {subject}\r\n\r\nAt five?\r\n.");
    let taken = smtp.smtp(&letter).unwrap();
    assert!(taken.starts_with("250"), "{taken}");
    said
}

fn to(letter: &Value) -> &str {
    letter["to"].get(0).and_then(Value::as_str).unwrap()
}

#[test]
fn letters_go_to_whom_an_address_is_here_and_to_who_gets_copies() {
    let first = Sink::start("127.0.0.2", 0, None);
    let archive = Sink::start("127.0.0.3", first.port, None);
    let town = rewriting_town(first.port);
    // From elsewhere: a domain that was another, and an address that is elsewhere now.
    let named = [
        "ada@old.example",
        "sales+x@old.example",
        "nobody@old.example",
    ];
    let said = comes_from_elsewhere(&town, "carl@c.example", &named, "moved");
    assert!(said[0].starts_with("250"), "{said:?}");
    assert!(said[2].starts_with("550 5.1.1"), "{said:?}");
    // What an address becomes is not looked for again.
    assert!(said[1].starts_with("550 5.1.1"), "{said:?}");
    let said = comes_from_elsewhere(&town, "carl@c.example", &["sales@test.localhost"], "sold");
    assert!(said[0].starts_with("250"), "{said:?}");
    assert_eq!(to(&first.takes(1)[0]), "<sales@a.example>");
    assert!(
        town.receives("Subject: moved")
            .contains("for <ada@test.localhost>")
    );
    assert!(archive.taken().is_empty());
    // Our own people: all that they send is copied, and nobody sees it.
    town.send(&["x@c.example", "alan@test.localhost"], "ours", &[]);
    let taken = first.takes(2);
    let copy = &archive.takes(1)[0];
    assert_eq!(copy["to"], json!(["<archive@b.example>"]));
    assert_eq!(
        words(copy, "from").split(' ').next(),
        Some("<ada@test.localhost>")
    );
    for letter in [&taken[1], copy] {
        let body = words(letter, "body");
        assert!(
            body.contains("Subject: ours") && !body.contains("archive"),
            "{body}"
        );
    }
    assert!(town.receives("Subject: ours").contains("To: you"));
    town.is_done();
    let why = town.server.output(&["why", "ours"], "").unwrap();
    let why = String::from_utf8(why.stdout).unwrap();
    for told in [
        "copy: to <archive@b.example>",
        "copy: to <ada@test.localhost>",
    ] {
        assert!(why.contains(told), "{why}");
    }
    let why = town.server.output(&["why", "moved"], "").unwrap();
    let why = String::from_utf8(why.stdout).unwrap();
    let told = "rewrite: recipient <ada@old.example> to <ada@test.localhost>";
    assert!(why.contains(told), "{why}");
}

#[test]
fn reports_have_no_copies_and_senders_of_the_house_are_rewritten() {
    let first = Sink::start("127.0.0.2", 0, None);
    let archive = Sink::start("127.0.0.3", first.port, None);
    let town = rewriting_town(first.port);
    // A report to somebody whose letters are copied.
    comes_from_elsewhere(&town, "", &["alan@test.localhost"], "a report");
    // In a name that only this house knows; a stranger may not write so, nor be rewritten.
    let script = include_str!("../python/in_another_name.py");
    let address = town.server.address("submission", Tls::Implicit).to_string();
    let authority = town.server.authority().unwrap();
    let arguments = ["-c", script, &address, &authority];
    let ended = interop::program("python3", &arguments, town.server.folder(), "").unwrap();
    assert!(ended.well, "{}", ended.err);
    let letter = &first.takes(1)[0];
    assert_eq!(
        words(letter, "from").split(' ').next(),
        Some("<ada@test.localhost>")
    );
    let body = words(letter, "body");
    for field in [
        "\r\nFrom: \"The machine\" <ada@test.localhost>\r\n",
        "\r\nReply-To: ada@test.localhost\r\n",
    ] {
        assert!(body.contains(field), "{body}");
    }
    assert!(!body.contains("host.internal"), "{body}");
    let copies = archive.takes(1);
    assert!(
        words(&copies[0], "body").contains("Subject: inside"),
        "{copies:?}"
    );
    comes_from_elsewhere(
        &town,
        "ada@host.internal",
        &["alan@test.localhost"],
        "from a stranger",
    );
    let copy = town.receives("Subject: from a stranger");
    assert!(copy.contains("From: ada@host.internal"), "{copy}");
    // The report was there before, and was not copied.
    assert!(
        !town
            .mail()
            .iter()
            .any(|one| one.contains("Subject: a report"))
    );
    town.is_done();
    assert_eq!(archive.taken().len(), 1);
    let why = wait(|| {
        let why = town.server.output(&["why", "inside"], "").unwrap();
        Some(String::from_utf8(why.stdout).unwrap()).filter(|why| why.contains("delivered"))
    });
    for told in [
        "rewrite: sender <ada@host.internal> to <ada@test.localhost>",
        "rewrite: From ada@host.internal to ada@test.localhost",
    ] {
        assert!(why.contains(told), "{why}");
    }
}
