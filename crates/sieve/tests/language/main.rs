//! What each command and test does, by its RFC: scripts and the actions they want.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod answers;
mod asked;
mod base;
mod changes;
#[path = "../made/house.rs"]
mod made;

use made::{House, circumstances};

const LETTER: &str = "\
Received: from a by b; Fri, 27 Nov 2026 10:00:00 +0000
Message-ID: <1@example.org>
Date: Fri, 27 Nov 2026 09:00:00 -0500
From: Ada Lovelace <ada+work@example.org>
To: Grace <grace@example.net>, friends: bob@example.com;
Cc: =?utf-8?Q?J=C3=B6rg?= <joerg@example.de>
Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= [acme] version 1.0
X-Twice: one
X-Twice: two
Content-Type: multipart/mixed; boundary=b

prologue
--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

SGVsbG8gd29ybGQ=
--b
Content-Type: text/html

<p>Good<b>bye</b>
--b
Content-Type: application/pdf; name=plan.pdf
Content-Disposition: attachment; filename=\"important plan.pdf\"

%PDF
--b--
epilogue
";

fn house() -> House {
    let mut house = House::default();
    house
        .mailboxes
        .extend(["Here".to_owned(), "F1".to_owned(), "\\Junk".to_owned()]);
    let annotation = (Some("INBOX".to_owned()), "/private/x".to_owned());
    house.metadata.insert(annotation, "On".to_owned());
    house
        .metadata
        .insert((None, "/shared/y".to_owned()), "1".to_owned());
    house
        .seen
        .insert((String::new(), "<1@example.org>".to_owned()));
    for list in ["tag:a", "urn:ietf:params:sieve:addrbook:x"] {
        let members = vec!["ada+work@example.org".to_owned()];
        house.lists.insert(list.to_owned(), members);
    }
    house
}

/// Whether a test holds.
fn holds(require: &str, test: &str) -> bool {
    let text = format!("require [\"fileinto\"{require}]; if {test} {{ fileinto \"yes\"; }}");
    let lines = house().lines(&text, circumstances(LETTER));
    match lines.as_slice() {
        [line, ..] if line == "fileinto yes" => true,
        [line, ..] if line.starts_with("error") => panic!("{test}: {line}"),
        _ => false,
    }
}

fn all_hold(require: &str, tests: &[(&str, bool)]) {
    for (test, expected) in tests {
        assert_eq!(holds(require, test), *expected, "{test}");
    }
}

fn wants(text: &str) -> Vec<String> {
    house().lines(text, circumstances(LETTER))
}

fn all_want(cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        assert_eq!(wants(text), *expected, "{text}");
    }
}
