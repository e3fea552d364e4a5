//! What was done is undone with the real binary, beside the server and where none runs.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::process::Output;

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "house/running.rs"]
mod running;

use running::{House, Talk};

const ADA: &str = "ada@test.localhost";

fn log_in(house: &House) -> Talk {
    let mut imap = house.call("imap");
    let said = imap.say("a LOGIN ada@test.localhost \"secret word\"", &["a "]);
    assert!(said.contains("a OK"), "{said}");
    let said = imap.say("b ID (\"name\" \"Tidy\" \"version\" \"1.2\")", &["b "]);
    assert!(said.contains("b OK"), "{said}");
    imap
}

fn deliver(house: &House, count: u32) {
    let mut lmtp = house.call("lmtp");
    lmtp.say("LHLO here", &["250 "]);
    for number in 1..=count {
        lmtp.say("MAIL FROM:<bob@example.net>", &["250"]);
        lmtp.say(&format!("RCPT TO:<{ADA}>"), &["250"]);
        lmtp.say("DATA", &["354"]);
        let said = lmtp.say(&format!("Subject: no {number}\r\n\r\nbody\r\n."), &["250"]);
        assert!(said.starts_with("250"), "{said}");
    }
}

fn said(imap: &mut Talk, line: &str) -> String {
    let said = imap.say(&format!("t {line}"), &["t "]);
    assert!(said.contains("t OK"), "{line}: {said}");
    said
}

/// How a command failed: what it said, with what exit code.
fn failed(output: &Output) -> (Option<i32>, String) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    (output.status.code(), said)
}

/// The number that a list's first line begins with.
fn first(list: &str) -> &str {
    list.split_whitespace().next().unwrap()
}

#[test]
fn an_expunge_is_listed_and_undone() {
    let mut house = House::new();
    let none = house.done(&["undo", ADA], "");
    assert!(none.contains("Nothing is remembered"), "{none}");
    house.start();
    deliver(&house, 3);
    let mut imap = log_in(&house);
    said(&mut imap, "SELECT INBOX");
    said(&mut imap, "STORE 1:2 +FLAGS (\\Deleted \\Flagged)");
    said(&mut imap, "EXPUNGE");
    let list = house.done(&["undo", ADA], "");
    assert!(
        list.contains("2 messages removed from INBOX by ada@test.localhost"),
        "{list}"
    );
    assert!(list.contains("(Tidy 1.2, imap, 127.0.0.1)"), "{list}");
    let number = first(&list).to_owned();
    let would = house.done(&["undo", ADA, &number, "--dry-run"], "");
    assert!(
        would.contains("2 messages would be as before, in INBOX."),
        "{would}"
    );
    let done = house.done(&["undo", ADA, &number], "");
    assert!(
        done.starts_with("2 messages as before, in INBOX. That is operation"),
        "{done}"
    );
    // Whoever looks on sees them come, with their flags, and not marked to go.
    let news = said(&mut imap, "NOOP");
    assert!(news.contains("* 3 EXISTS"), "{news}");
    let rows = said(
        &mut imap,
        "FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])",
    );
    assert!(
        rows.contains("UID 5") && !rows.contains("Deleted"),
        "{rows}"
    );
    assert!(
        rows.contains("\\Flagged") && rows.contains("Subject: no 2"),
        "{rows}"
    );
    let (code, words) = failed(&house.run(&["undo", ADA, &number], ""));
    assert!(
        code == Some(1) && words.contains("It was undone already"),
        "{words}"
    );
    house.stop();
    // Where no server runs it is the same.
    let list: serde_json::Value =
        serde_json::from_str(&house.done(&["undo", ADA, "--json"], "")).unwrap();
    let operations = list.get("list").unwrap().as_array().unwrap();
    let kinds: Vec<_> = operations
        .iter()
        .map(|one| one.get("kind").unwrap().clone())
        .collect();
    assert_eq!(kinds, ["undo", "expunge"]);
    let undo = operations
        .first()
        .unwrap()
        .get("operation")
        .unwrap()
        .to_string();
    house.done(&["undo", ADA, &undo], "");
    let sound = house.done(&["audit"], "");
    assert!(sound.contains("Nothing differs."), "{sound}");
    let checked = house.done(&["store", "check"], "");
    assert!(checked.ends_with("sound\n"), "{checked}");
}

#[test]
fn a_mailbox_is_seen_as_it_was_and_a_purge_is_final() {
    let mut house = House::new();
    house.start();
    deliver(&house, 2);
    let mut imap = log_in(&house);
    said(&mut imap, "SELECT INBOX");
    let past = house.done(&["undo", ADA, "--as-of", "0s"], "");
    assert!(
        past.contains("no 1") && past.contains("2 messages in INBOX at 2"),
        "{past}"
    );
    let put = house.done(&["undo", ADA, "--as-of", "0s", "--into", "Seen again"], "");
    assert!(put.starts_with("2 messages put into Seen again"), "{put}");
    let before = failed(&house.run(&["undo", ADA, "--as-of", "2001-01-01T00:00:00Z"], ""));
    assert!(
        before.0 == Some(1) && before.1.contains("Not all is remembered"),
        "{before:?}"
    );
    let wrong = failed(&house.run(&["undo", ADA, "--as-of", "yesterday"], ""));
    assert!(
        wrong.0 == Some(2) && wrong.1.contains("is not a time"),
        "{wrong:?}"
    );

    said(&mut imap, "DELETE \"Seen again\"");
    let list = house.done(&["undo", ADA], "");
    assert!(
        list.contains("mailbox Seen again deleted with 2 messages"),
        "{list}"
    );
    let number = first(&list).to_owned();
    let purged = house.done(&["purge", ADA, "--operation", &number], "");
    assert!(
        purged.contains("1 operations are gone for good, with 0 messages"),
        "{purged}"
    );
    let gone = failed(&house.run(&["undo", ADA, &number], ""));
    assert!(
        gone.0 == Some(1) && gone.1.contains("caramel undo ACCOUNT lists"),
        "{gone:?}"
    );
    said(&mut imap, "STORE 1 +FLAGS (\\Deleted)");
    said(&mut imap, "EXPUNGE");
    let purged: serde_json::Value =
        serde_json::from_str(&house.done(&["purge", ADA, "--all", "--json"], "")).unwrap();
    assert_eq!(purged.get("bodies").unwrap().as_array().unwrap().len(), 1);
    let statement = purged.get("statement").unwrap().as_str().unwrap();
    let proof = blake3::hash(statement.as_bytes()).to_string();
    assert_eq!(purged.get("proof").unwrap().as_str().unwrap(), proof);
    let list = house.done(&["undo", ADA], "");
    assert!(
        list.contains(&format!("1 message purged by {ADA}")) && list.contains(&proof),
        "{list}"
    );
    assert_eq!(failed(&house.run(&["purge", ADA], "")).0, Some(2));
}

#[test]
fn a_removed_account_comes_back() {
    let mut house = House::new();
    house.start();
    deliver(&house, 2);
    house.done(&["account", "rm", ADA], "");
    let list = house.done(&["undo", ADA], "");
    assert!(
        list.contains("account") && list.contains("was removed: 2 messages"),
        "{list}"
    );
    house.done(&["account", "add", ADA, "--password-stdin"], "other word\n");
    let taken = failed(&house.run(&["undo", ADA, "account"], ""));
    assert!(
        taken.0 == Some(1) && taken.1.contains("--into ANOTHER-ADDRESS"),
        "{taken:?}"
    );
    house.done(&["account", "rm", ADA], "");
    // The one without mail was removed last; it goes for good under its own name only with both.
    let other = "ada.old@test.localhost";
    let back = house.done(&["undo", ADA, "account", "--into", other], "");
    assert!(
        back.contains(other) && back.contains("0 messages"),
        "{back}"
    );
    let back = house.done(&["undo", ADA, "account"], "");
    assert!(
        back.contains("2 messages and the password it had"),
        "{back}"
    );
    let mut imap = log_in(&house);
    let inbox = said(&mut imap, "SELECT INBOX");
    assert!(inbox.contains("* 2 EXISTS"), "{inbox}");
    house.done(&["account", "rm", other], "");
    let gone = house.done(&["purge", other, "--removed-account"], "");
    assert!(
        gone.contains("1 removed accounts are gone for good"),
        "{gone}"
    );
    assert_eq!(
        failed(&house.run(&["undo", other, "account"], "")).0,
        Some(1)
    );
    let sound = house.done(&["audit"], "");
    assert!(sound.contains("Nothing differs."), "{sound}");
}
