//! `caramel fetch` from Dovecot, and from servers that go wrong: nothing is lost, nothing comes
//! twice, and what goes wrong is told.
#![expect(clippy::unwrap_used, reason = "a test")]

mod broken;
mod fetchmail;
mod killed;
mod oauth;
mod told;
mod turn;

use std::path::Path;

use interop::{Dovecot, Server, Tls, program};

const ADA: &str = "ada@test.localhost";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/fetch.py");
const TRANSFER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/transfer.py");

fn dovecot() -> Dovecot {
    // dovecot, dovecot-pop3d, openssl: `cargo xtask test` installs them.
    Dovecot::start_encrypted("sdbox").unwrap()
}

fn python(folder: &Path, script: &str, words: &[&str]) -> String {
    let all = [&[script], words].concat();
    let ended = program("python3", &all, folder, "").unwrap();
    assert!(ended.well, "{words:?}\n{}", ended.err);
    ended.out
}

fn here(server: &Server) -> String {
    server.address("imap", Tls::Starttls).port().to_string()
}

fn there(dovecot: &Dovecot) -> String {
    dovecot.port("imap").unwrap().to_string()
}

/// A source at Dovecot, by a door of its; `more` are lines of its own.
fn source(dovecot: &Dovecot, name: &str, door: &str, more: &str) -> String {
    let (protocol, tls) = match door {
        "pop3s" => ("pop3", "implicit"),
        "imaps" => ("imap", "implicit"),
        "pop3" => ("pop3", "starttls"),
        _ => ("imap", "starttls"),
    };
    let port = dovecot.port(door).unwrap();
    let ca = dovecot.certificate();
    let rest = match more.contains("fingerprint") || more.contains("ca =") {
        true => String::new(),
        false => format!("ca = \"{}\"\n", ca.display()),
    };
    let secret = match more.contains("password_") {
        true => "",
        false => "password_cmd = \"echo secret\"\n",
    };
    format!(
        "[[source]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\nhost = \"127.0.0.1\"\n\
         port = {port}\ntls = \"{tls}\"\nuser = \"ada\"\nto = \"{ADA}\"\n{secret}{rest}{more}\n"
    )
}

/// As it is where nothing is said: nobody asks but the test.
fn on_demand(dovecot: &Dovecot, name: &str, door: &str, more: &str) -> String {
    source(dovecot, name, door, &format!("interval = \"0s\"\n{more}"))
}

fn fetch(server: &Server, name: &str) -> String {
    server.command(&["fetch", "run", name], "").unwrap()
}

fn fill(server: &Server, dovecot: &Dovecot, mailbox: &str, first: u32, count: u32) {
    let (first, count) = (first.to_string(), count.to_string());
    let words = ["fill", &there(dovecot), "ada", mailbox, &first, &count];
    python(server.folder(), SCRIPT, &words);
}

fn count_here(server: &Server, mailbox: &str) -> String {
    let words = ["count", &here(server), ADA, mailbox];
    python(server.folder(), SCRIPT, &words).trim().to_owned()
}

fn count_there(server: &Server, dovecot: &Dovecot, mailbox: &str) -> String {
    let words = ["count", &there(dovecot), "ada", mailbox];
    python(server.folder(), SCRIPT, &words).trim().to_owned()
}

#[test]
fn mailboxes_come_with_flags_and_dates_and_only_once() {
    let dovecot = dovecot();
    let more = "folders = [\"INBOX\", \"Work/*\"]\nsieve = false";
    let into = "folders = [\"*\"]\ninto = \"Old\"";
    let text =
        on_demand(&dovecot, "all", "imaps", more) + &on_demand(&dovecot, "old", "imap", into);
    let server = Server::start_with(&text).unwrap();
    let (folder, there, here) = (server.folder(), there(&dovecot), here(&server));
    for (name, count) in [("INBOX", "12"), ("Work/One", "8"), ("Private", "6")] {
        let script = TRANSFER;
        python(folder, script, &["fill", &there, name, count]);
    }
    let said = fetch(&server, "all");
    // Two of each were expunged again.
    assert!(said.starts_with("all: 16 messages"), "{said}");
    for (theirs, ours) in [("INBOX", "INBOX"), ("Work/One", "Work/One")] {
        python(
            folder,
            TRANSFER,
            &["equal", "ada", &there, theirs, &here, ours],
        );
    }
    assert_eq!(fetch(&server, "all").trim(), "all: nothing new.");
    // What is expunged there stays here.
    python(folder, TRANSFER, &["fill", &there, "Work/One", "6"]);
    assert!(fetch(&server, "all").starts_with("all: 6 messages"));
    assert_eq!(count_here(&server, "Work/One"), "12");
    // Under another name, by STARTTLS, all of it below a mailbox.
    assert!(fetch(&server, "old").starts_with("old: 24 messages"));
    for (theirs, ours) in [("INBOX", "Old"), ("Private", "Old/Private")] {
        python(
            folder,
            TRANSFER,
            &["equal", "ada", &there, theirs, &here, ours],
        );
    }
    let told = server.command(&["fetch", "status"], "").unwrap();
    assert!(
        told.contains("all: 22 messages fetched, last at 20"),
        "{told}"
    );
    let told = server.command(&["fetch", "check", "all"], "").unwrap();
    assert!(told.contains("INBOX: 10 messages"), "{told}");
    // What was kept there is there.
    assert_eq!(count_there(&server, &dovecot, "INBOX"), "10");
}

#[test]
fn pop3_gives_all_and_keeps_what_it_should() {
    let dovecot = dovecot();
    let text = on_demand(&dovecot, "kept", "pop3", "into = \"Kept\"")
        + &on_demand(&dovecot, "taken", "pop3s", "keep = false");
    let mut server = Server::start_with(&text).unwrap();
    fill(&server, &dovecot, "INBOX", 0, 230);
    let saved = server.folder().join("saved.json");
    let saved = saved.to_str().unwrap();
    python(
        server.folder(),
        SCRIPT,
        &["save", &there(&dovecot), "ada", "INBOX", saved],
    );
    assert!(fetch(&server, "kept").starts_with("kept: 230 messages"));
    python(
        server.folder(),
        SCRIPT,
        &["same", saved, &here(&server), ADA, "Kept"],
    );
    assert_eq!(count_there(&server, &dovecot, "INBOX"), "230");
    assert_eq!(fetch(&server, "kept").trim(), "kept: nothing new.");
    // The same where no server runs.
    assert!(server.stop());
    assert!(fetch(&server, "taken").starts_with("taken: 230 messages"));
    let told = server.command(&["fetch", "status", "taken"], "").unwrap();
    assert!(told.starts_with("taken: 230 messages fetched"), "{told}");
    server.run().unwrap();
    python(
        server.folder(),
        SCRIPT,
        &["same", saved, &here(&server), ADA, "INBOX"],
    );
    assert_eq!(count_there(&server, &dovecot, "INBOX"), "0");
    fill(&server, &dovecot, "INBOX", 230, 3);
    assert!(fetch(&server, "kept").starts_with("kept: 3 messages"));
    assert!(fetch(&server, "taken").starts_with("taken: 3 messages"));
    assert_eq!(fetch(&server, "taken").trim(), "taken: nothing new.");
}

#[test]
fn what_is_too_large_stays_until_it_may_come() {
    let dovecot = dovecot();
    for (door, mailbox) in [("imaps", "Imap"), ("pop3s", "Pop3")] {
        let name = door;
        let with = |limit: &str| {
            let more = format!("keep = false\ninto = \"{mailbox}\"\n{limit}");
            on_demand(&dovecot, name, door, &more)
        };
        let mut server = Server::start_with(&with("limit = \"100K\"")).unwrap();
        let there = there(&dovecot);
        // Number 5 has 2 MB.
        python(server.folder(), TRANSFER, &["fill", &there, "INBOX", "8"]);
        let said = fetch(&server, name);
        let expected = format!("{name}: 5 messages");
        assert!(said.starts_with(&expected), "{said}");
        assert!(said.contains("; 1 left there, being too large."), "{said}");
        assert_eq!(count_there(&server, &dovecot, "INBOX"), "1");
        let said = fetch(&server, name);
        assert!(said.contains("nothing new; 1 left there"), "{said}");
        assert!(server.stop());
        let text = std::fs::read_to_string(server.config()).unwrap();
        let text = text.replace("limit = \"100K\"", "limit = \"10M\"");
        std::fs::write(server.config(), text).unwrap();
        server.run().unwrap();
        let said = fetch(&server, name);
        assert!(said.starts_with(&format!("{name}: 1 message, ")), "{said}");
        assert_eq!(count_here(&server, mailbox), "6");
        assert_eq!(count_there(&server, &dovecot, "INBOX"), "0");
    }
}

/// A mailbox that was made anew has other messages under the same UIDs.
#[test]
fn uids_that_begin_anew_name_other_messages() {
    let dovecot = dovecot();
    let more = "folders = [\"Work\"]";
    let server = Server::start_with(&on_demand(&dovecot, "old", "imaps", more)).unwrap();
    fill(&server, &dovecot, "Work", 0, 6);
    assert!(fetch(&server, "old").starts_with("old: 6 messages"));
    let words = ["renew", &there(&dovecot), "ada", "Work"];
    python(server.folder(), SCRIPT, &words);
    fill(&server, &dovecot, "Work", 6, 4);
    assert!(fetch(&server, "old").starts_with("old: 4 messages"));
    let words = ["whole", "0", "10", &here(&server), ADA, "Work"];
    python(server.folder(), SCRIPT, &words);
}

#[test]
fn a_script_files_what_is_delivered() {
    let dovecot = dovecot();
    let server = Server::start_with(&on_demand(&dovecot, "old", "imaps", "")).unwrap();
    let script = "require [\"fileinto\", \"mailbox\"];\n\
                  if header :contains \"subject\" \"7\" {\n\
                  fileinto :create \"Sevens\";\n}\n";
    server
        .command(
            &["sieve", "put", ADA, "-", "--name", "main", "--activate"],
            script,
        )
        .unwrap();
    fill(&server, &dovecot, "INBOX", 0, 20);
    assert!(fetch(&server, "old").starts_with("old: 20 messages"));
    assert_eq!(count_here(&server, "Sevens"), "2");
    assert_eq!(count_here(&server, "INBOX"), "18");
}

/// Mail that comes in at the source is here within seconds; a running server looks after it.
#[test]
fn a_source_tells_of_new_mail_by_itself() {
    let dovecot = dovecot();
    let more = "idle = true\nkeep = false\nsieve = false";
    let server = Server::start_with(&source(&dovecot, "old", "imaps", more)).unwrap();
    let words = ["watch", &here(&server), ADA, "5", &there(&dovecot), "ada"];
    let took = python(server.folder(), SCRIPT, &words);
    let again = python(server.folder(), SCRIPT, &words);
    eprintln!("here after {} and {} seconds", took.trim(), again.trim());
}
