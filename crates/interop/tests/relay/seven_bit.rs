//! Letters beyond ASCII for a host that takes no other: a Postfix that does not offer 8BITMIME, and
//! refuses whatever is not as it was announced.

use interop::{Ended, Postfix, Tls, free_address, program};
use serde_json::Value;

use super::sink::wait;
use super::{Town, town, words};

const SCRIPT: &str = include_str!("../python/eight_bit.py");

fn old_postfix() -> (Postfix, Town) {
    let address = free_address().unwrap();
    let zone = "post.example MX 10 mx.post.example\nmx.post.example A 127.0.0.1";
    let town = town(zone, address.port(), "");
    let more = "smtpd_discard_ehlo_keywords = 8bitmime, smtputf8\nstrict_8bitmime = yes\n\
                smtpd_recipient_restrictions = reject_unauth_destination\n";
    let postfix = Postfix::listening_at(address, more).unwrap();
    (postfix, town)
}

/// Ada sends one; what its parts say.
fn send(town: &Town, kind: &str) -> Value {
    let address = town.server.address("submission", Tls::Implicit).to_string();
    let authority = town.server.authority().unwrap();
    let words = [
        "-c",
        SCRIPT,
        "send",
        &address,
        &authority,
        "x@post.example",
        kind,
    ];
    said(&program("python3", &words, town.server.folder(), "").unwrap())
}

fn said(ended: &Ended) -> Value {
    assert!(ended.well, "{}", ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn a_letter_beyond_ascii_is_written_anew() {
    let (postfix, town) = old_postfix();
    let sent = send(&town, "mixed");
    town.is_done();
    let letter = wait(|| postfix.letters().into_iter().next());
    assert!(letter.is_ascii(), "{letter}");
    for encoding in ["quoted-printable", "base64", "7bit"] {
        let field = format!("Content-Transfer-Encoding: {encoding}\n");
        assert!(letter.contains(&field), "{letter}");
    }
    let words = ["-c", SCRIPT, "read"];
    let read = program("python3", &words, town.server.folder(), &letter).unwrap();
    assert_eq!(said(&read), sent);
    let why = town.server.output(&["why", "mixed"], "").unwrap();
    let why = String::from_utf8(why.stdout).unwrap();
    assert!(why.contains("in a form of ASCII only"), "{why}");
}

#[test]
fn what_may_not_be_changed_comes_back() {
    let (postfix, town) = old_postfix();
    send(&town, "signed");
    let report = town.report("Action: failed");
    assert_eq!(words(&report["recipients"][0], "Status"), "5.6.3");
    let text = words(&report, "words").replace('\n', " ");
    assert!(
        text.contains("is signed and may not be changed"),
        "{report}"
    );
    town.send(&["ünal@post.example"], "to U.", &["smtputf8"]);
    let report = town.receives("Status: 5.6.7");
    assert!(
        report.contains("does not take addresses beyond"),
        "{report}"
    );
    assert!(postfix.letters().is_empty());
    town.is_done();
}
