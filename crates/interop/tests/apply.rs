//! A filter script applied to what is in a mailbox already, looked at by IMAP, and taken back.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;

use interop::{Server, Talk, Tls};
use serde_json::Value;

const ADA: &str = "ada@test.localhost";

/// One rule of each kind.
const RULES: &str = r#"require ["fileinto", "mailbox", "copy", "imap4flags", "variables"];
if header :contains "Subject" "tea" { fileinto :create "Drinks/Tea"; }
elsif header :contains "Subject" "coffee" { fileinto :copy :create "Drinks/Coffee"; }
elsif header :contains "Subject" "urgent" { addflag "\\Flagged"; keep; }
elsif header :contains "Subject" "spam" { discard; }
elsif header :contains "Subject" "both" {
    fileinto :create "One";
    fileinto :create :flags "\\Seen" "Two";
}
elsif header :contains "Subject" "lost" { fileinto "Nowhere"; }
elsif envelope :is "from" "x" { keep; }
"#;

/// How often each subject is there: flags and copies of many can be undone (docs/undo.md).
const SUBJECTS: [(&str, usize); 7] = [
    ("tea", 700),
    ("coffee", 40),
    ("urgent", 35),
    ("spam", 40),
    ("both", 33),
    ("lost", 5),
    ("other", 15),
];

/// How many messages each mailbox has, and how many of them are flagged, and seen.
fn state(server: &Server) -> BTreeMap<String, (usize, usize, usize)> {
    let (mut imap, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    imap.imap_login(ADA, "secret").unwrap();
    let mut state = BTreeMap::new();
    for line in imap.imap("LIST \"\" *").unwrap() {
        let Some((_, name)) = line.rsplit_once(" \"/\" ") else {
            continue;
        };
        let name = name.trim_matches('"').to_owned();
        let selected = imap.imap(&format!("EXAMINE \"{name}\"")).unwrap();
        if !selected.last().unwrap().contains("OK") {
            continue;
        }
        let mut count = |key: &str| {
            let lines = imap.imap(&format!("SEARCH {key}")).unwrap();
            let found = lines.iter().find_map(|line| line.strip_prefix("* SEARCH"));
            found.unwrap_or_default().split_whitespace().count()
        };
        let counts = (count("ALL"), count("FLAGGED"), count("SEEN"));
        if counts.0 > 0 {
            state.insert(name, counts);
        }
    }
    state
}

fn fill(server: &Server) {
    let (mut imap, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    imap.imap_login(ADA, "secret").unwrap();
    for (subject, count) in SUBJECTS {
        for number in 0..count {
            let text =
                format!("Return-Path: <bob@b.example>\r\nSubject: {subject}\r\n\r\n{number}\r\n");
            let command = format!("APPEND INBOX {{{}+}}\r\n{text}", text.len());
            assert!(imap.imap(&command).unwrap().last().unwrap().contains("OK"));
        }
    }
}

fn apply(server: &Server, words: &[&str]) -> Value {
    let words = [
        &[
            "sieve",
            "apply",
            ADA,
            "rules",
            "--mailbox",
            "INBOX",
            "--json",
        ],
        words,
    ]
    .concat();
    serde_json::from_str(&server.command(&words, "").unwrap()).unwrap()
}

/// What was done, by what and where.
fn done(told: &Value) -> BTreeMap<String, u64> {
    let list = told["done"].as_array().unwrap().iter();
    list.map(|one| {
        let mailbox = one["mailbox"].as_str().unwrap_or_default();
        let what = format!("{} {mailbox}", one["what"].as_str().unwrap());
        (what.trim().to_owned(), one["messages"].as_u64().unwrap())
    })
    .collect()
}

/// While the server runs and while it does not.
#[test]
fn a_script_is_applied_looked_at_and_taken_back() {
    for runs in [true, false] {
        let mut server = Server::start().unwrap();
        fill(&server);
        let rules = RULES.replace("[\"fileinto\"", "[\"envelope\", \"fileinto\"");
        let put = ["sieve", "put", ADA, "-", "--name", "rules"];
        server.command(&put, &rules).unwrap();
        let before = state(&server);
        if !runs {
            assert!(server.stop());
        }
        let would = apply(&server, &["--dry-run"]);
        let refused = ["sieve", "apply", ADA, "rules", "--mailbox", "INBOX"];
        let refused = server.command(&refused, "n\n").unwrap_err().to_string();
        assert!(refused.contains("nothing was done"), "{refused}");
        let told = apply(&server, &["--yes"]);
        let expected = [
            ("copy Drinks/Coffee", 40),
            ("copy Two", 33),
            ("flag", 35),
            ("move Drinks/Tea", 700),
            ("move One", 33),
            ("remove", 40),
        ];
        let expected: BTreeMap<String, u64> = expected
            .map(|(what, count)| (what.to_owned(), count))
            .into();
        assert_eq!(done(&told), expected);
        assert_eq!(done(&would), expected);
        assert_eq!(told["messages"], 868);
        // Nothing is left to do.
        assert_eq!(done(&apply(&server, &["--yes"])), BTreeMap::new());
        if !runs {
            server.run().unwrap();
        }
        let after = state(&server);
        let expected = [
            ("INBOX", (95, 35, 0)),
            ("Drinks/Tea", (700, 0, 0)),
            ("Drinks/Coffee", (40, 0, 0)),
            ("One", (33, 0, 0)),
            ("Two", (33, 0, 33)),
        ];
        let expected: BTreeMap<_, _> = expected
            .map(|(name, counts)| (name.to_owned(), counts))
            .into();
        assert_eq!(after, expected);
        take_back(&server);
        let back = state(&server);
        assert_eq!(back, before);
    }
}

/// Undoes everything, the last first.
fn take_back(server: &Server) {
    let listed = server.command(&["undo", ADA, "--json"], "").unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let operations = listed.get("list").and_then(Value::as_array).unwrap();
    let mut numbers: Vec<u64> = operations
        .iter()
        .filter(|one| one["state"] == "done")
        .map(|one| one["operation"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert!(!numbers.is_empty());
    for number in numbers.iter().rev() {
        server
            .command(&["undo", ADA, &number.to_string()], "")
            .unwrap();
    }
}

/// What would leave the house does not, and is said.
#[test]
fn nothing_is_sent() {
    let server = Server::start_with("[relay]\nhost = \"[127.0.0.1]:9\"\ntls = \"none\"").unwrap();
    fill(&server);
    let rules = "require [\"vacation\", \"reject\", \"duplicate\"];\n\
        if header :contains \"Subject\" \"tea\" { redirect \"bob@b.example\"; }\n\
        elsif header :contains \"Subject\" \"coffee\" { vacation \"away\"; }\n\
        elsif header :contains \"Subject\" \"spam\" { reject \"no\"; }\n\
        elsif duplicate { discard; }\n";
    server
        .command(&["sieve", "put", ADA, "-", "--name", "rules"], rules)
        .unwrap();
    let before = state(&server);
    let told = apply(&server, &["--yes"]);
    assert_eq!(done(&told), BTreeMap::new(), "{told}");
    assert_eq!(told["notDone"]["redirect"], 700, "{told}");
    assert_eq!(told["notDone"]["reject"], 40, "{told}");
    assert_eq!(state(&server), before);
    assert_eq!(
        server.command(&["queue", "list", "--json"], "").unwrap(),
        ""
    );
}
