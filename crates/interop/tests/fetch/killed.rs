//! `kill -9` of whoever fetches, again and again: each message is here once.
//!
//! `FETCH_MESSAGES` says how many there are.

use std::process::{Command, Stdio};

use interop::{Server, Talk, Tls};

use super::{ADA, SCRIPT, count_there, dovecot, fetch, fill, here, on_demand, python};

const ROUNDS: u32 = 5;

fn messages() -> u32 {
    let wanted = std::env::var("FETCH_MESSAGES").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(600)
}

/// How many messages INBOX has.
fn count(talk: &mut Talk) -> u32 {
    let lines = talk.imap("STATUS INBOX (MESSAGES)").unwrap();
    let digits = |line: &String| {
        let digits = line.split("MESSAGES ").nth(1)?.split(')').next()?;
        digits.parse().ok()
    };
    lines.iter().find_map(digits).unwrap()
}

/// Begins to fetch, and waits until more is here than before.
fn begin(server: &Server, before: u32) -> std::process::Child {
    let mut command = Command::new(Server::binary());
    command.arg("--config").arg(server.config());
    command.args(["fetch", "run"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login(ADA, "secret").unwrap();
    while count(&mut talk) <= before {}
    child
}

fn rounds(door: &str, keep: bool) {
    let dovecot = dovecot();
    let more = format!("keep = {keep}\nsieve = false");
    let mut server = Server::start_with(&on_demand(&dovecot, "old", door, &more)).unwrap();
    let messages = messages();
    fill(&server, &dovecot, "INBOX", 0, messages);
    let mut cut = 0;
    for _ in 0..ROUNDS {
        let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
        talk.imap_login(ADA, "secret").unwrap();
        let before = count(&mut talk);
        if before == messages {
            break;
        }
        let mut child = begin(&server, before);
        server.kill();
        assert!(!child.wait().unwrap().success());
        server.run().unwrap();
        cut += 1;
    }
    assert!(cut > 1, "it was through at once");
    let said = fetch(&server, "old");
    eprintln!("{door}, keep {keep}, killed {cut} times: {said}");
    let (all, here) = (messages.to_string(), here(&server));
    python(
        server.folder(),
        SCRIPT,
        &["whole", "0", &all, &here, ADA, "INBOX"],
    );
    let left = if keep { all } else { "0".to_owned() };
    assert_eq!(count_there(&server, &dovecot, "INBOX"), left);
    assert_eq!(fetch(&server, "old").trim(), "old: nothing new.");
}

#[test]
fn by_imap_nothing_is_lost_and_nothing_doubled() {
    rounds("imaps", false);
}

#[test]
fn by_imap_where_it_is_kept() {
    rounds("imaps", true);
}

#[test]
fn by_pop3_nothing_is_lost_and_nothing_doubled() {
    rounds("pop3s", false);
}

#[test]
fn by_pop3_where_it_is_kept() {
    rounds("pop3s", true);
}
