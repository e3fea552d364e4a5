//! Who never wrote is not answered: letters in other people's names make none to these people.

use std::fs;

use super::{ADA, House, STRANGER, says};

/// The one in whose name strangers write.
const FORGED: &str = "victim@there.example";

#[test]
fn what_is_not_taken_is_refused_and_never_returned() {
    let house = House::start("[limits]\nmessage_size = \"100K\"\n");
    for (what, recipient, expected) in [
        ("nobody of that name", "nobody@test.localhost", "550 5.1.1 "),
        ("not ours", "user@elsewhere.example", "550 5.7.1 "),
        (
            "a report to nobody",
            "postmaster%a@test.localhost",
            "550 5.1.1 ",
        ),
    ] {
        let mut talk = house.greet(STRANGER);
        says(&mut talk, &format!("MAIL FROM:<{FORGED}> RET=FULL"), "250 ");
        let line = format!("RCPT TO:<{recipient}> NOTIFY=SUCCESS,FAILURE,DELAY");
        let said = talk.smtp(&line).unwrap();
        assert!(said.starts_with(expected), "{what}: {said}");
    }
    // Beside one who is here the other is refused as well.
    let mut talk = house.greet(STRANGER);
    says(&mut talk, &format!("MAIL FROM:<{FORGED}>"), "250 ");
    says(&mut talk, &format!("RCPT TO:<{ADA}>"), "250 ");
    says(&mut talk, "RCPT TO:<nobody@test.localhost>", "550 5.1.1 ");
    says(&mut talk, "DATA", "354 ");
    says(&mut talk, "Subject: half\r\n\r\nx\r\n.", "250 ");
    // Too long, said before or found out.
    says(
        &mut talk,
        &format!("MAIL FROM:<{FORGED}> SIZE=200000"),
        "552 5.3.4 ",
    );
    says(&mut talk, &format!("MAIL FROM:<{FORGED}>"), "250 ");
    says(&mut talk, &format!("RCPT TO:<{ADA}>"), "250 ");
    says(&mut talk, "DATA", "354 ");
    let long = "x".repeat(70) + "\r\n";
    says(&mut talk, &format!("{}.", long.repeat(3000)), "552 5.3.4 ");
    // What is no letter that can be read.
    says(&mut talk, &format!("MAIL FROM:<{FORGED}>"), "250 ");
    says(&mut talk, &format!("RCPT TO:<{ADA}>"), "250 ");
    says(&mut talk, "DATA", "354 ");
    says(&mut talk, "Subject: x\n\r\n.", "550 5.6.11 ");
    assert_eq!(house.machine.mail(ADA).len(), 1);
    house.has_sent_nothing();
}

const RULES: &str = "require [\"vacation\", \"reject\"];\r\n\
    if header :contains \"subject\" \"seed\" { reject \"No birdseed.\"; stop; }\r\n\
    vacation :subject \"Away\" \"Until Monday.\";\r\n";

/// Letters that programs and lists have sent: sender, and a field.
// tidy: table
const AUTOMATIC: &[(&str, &str)] = &[
    ("", "X: a report"),
    ("victim@there.example", "List-Id: <tea.there.example>"),
    (
        "victim@there.example",
        "List-Unsubscribe: <mailto:x@there.example>",
    ),
    ("victim@there.example", "List-Post: NO"),
    ("victim@there.example", "Precedence: bulk"),
    ("victim@there.example", "Precedence: list"),
    ("victim@there.example", "Auto-Submitted: auto-generated"),
    ("victim@there.example", "Auto-Submitted: auto-replied"),
    ("mailer-daemon@there.example", "X: a report"),
    ("owner-tea@there.example", "X: from a list"),
    ("tea-request@there.example", "X: from a list"),
    ("listserv@there.example", "X: from a list"),
    ("majordomo@there.example", "X: from a list"),
    ("ada@test.localhost", "X: from herself"),
];

#[test]
fn programs_and_lists_get_no_answer() {
    let house = House::start("");
    let file = house.server().folder().join("rules.sieve");
    fs::write(&file, RULES).unwrap();
    let words = ["sieve", "put", ADA, file.to_str().unwrap(), "--activate"];
    house.server().command(&words, "").unwrap();
    let send = |from: &str, to: &str, field: &str, expected: &str| {
        let mut talk = house.greet(STRANGER);
        says(&mut talk, &format!("MAIL FROM:<{from}>"), "250 ");
        says(&mut talk, &format!("RCPT TO:<{ADA}>"), "250 ");
        says(&mut talk, "DATA", "354 ");
        let text = format!("From: {from}\r\nTo: {to}\r\n{field}\r\n\r\nx\r\n.");
        let said = talk.smtp(&text).unwrap();
        assert!(said.starts_with(expected), "{from} {field}: {said}");
    };
    for (from, field) in AUTOMATIC {
        send(from, ADA, field, "250 ");
    }
    // She is not named: a list, or many at once.
    send(FORGED, "undisclosed-recipients:;", "Subject: x", "250 ");
    // A script that refuses does so to whoever is there, not to whom the letter names.
    send(FORGED, ADA, "Subject: seed", "550 ");
    house.has_sent_nothing();
    // A person gets one answer, however often a letter comes.
    send(FORGED, ADA, "Subject: one", "250 ");
    send(FORGED, ADA, "Subject: two", "250 ");
    let taken = house.sink.takes(1);
    assert!(taken[0]["body"].as_str().unwrap().contains("Until Monday."));
    super::sink::wait(|| house.machine.is_done().then_some(()));
    assert_eq!(house.sink.taken().len(), 1);
}
