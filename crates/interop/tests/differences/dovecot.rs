//! Dovecot beside `caramel serve`: what ENVELOPE and BODYSTRUCTURE say of each sample.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use interop::{Server, Tls};
use tempfile::TempDir;

use crate::imap::{Client, aspects};
use crate::judged;

const READY_SECONDS_MAX: u64 = 60;

/// Dovecot in a folder of its own; it ends when this is dropped.
struct Dovecot {
    _folder: TempDir,
    child: Child,
    address: SocketAddr,
}

impl Dovecot {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // It runs as users of its own below the folder.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(folder.path(), mode).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let configuration = folder.path().join("dovecot.conf");
        let home = folder.path().display();
        let text = format!(
            "base_dir = {home}/run\nstate_dir = {home}/run\nprotocols = imap\n\
             listen = 127.0.0.1\nlog_path = /dev/stderr\nssl = no\n\
             disable_plaintext_auth = no\nmail_location = sdbox:{home}/mail/%n\n\
             first_valid_uid = 1\nmail_uid = dovecot\nmail_gid = dovecot\n\
             passdb {{\n driver = static\n args = password=secret\n}}\n\
             userdb {{\n driver = static\n args = uid=dovecot gid=dovecot home={home}/mail/%n \
             allow_all_users=yes\n}}\n\
             service imap-login {{\n inet_listener imap {{\n port = {}\n }}\n \
             inet_listener imaps {{\n port = 0\n }}\n}}\n",
            address.port()
        );
        fs::write(&configuration, text).unwrap();
        let mut child = Command::new("dovecot")
            .arg("-F")
            .arg("-c")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("dovecot: `cargo xtask test` installs it");
        let log = child.stderr.take().unwrap();
        let dovecot = Self {
            _folder: folder,
            child,
            address,
        };
        wait_until_it_listens(log);
        dovecot
    }

    fn client(&self) -> Client {
        let mut client = Client::open(self.address).unwrap();
        client.say(b"LOGIN ada secret").unwrap();
        client
    }
}

/// Waits for the line Dovecot logs when all its sockets listen. A thread reads on behind it, so
/// that Dovecot is never kept waiting, and shows the log where the test fails.
fn wait_until_it_listens(log: ChildStderr) {
    let (listens, wait) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains(" starting up ") {
                listens.send(()).unwrap_or_default();
            }
            eprintln!("dovecot: {line}");
        }
    });
    // Where Dovecot ends instead, the sender goes with its log.
    let limit = Duration::from_secs(READY_SECONDS_MAX);
    wait.recv_timeout(limit).expect("Dovecot did not start");
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        drop(self.child.wait());
    }
}

/// With the line ends that IMAP asks for.
fn crlf(message: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(message.len() + 100);
    for &octet in message {
        if octet == b'\n' && octets.last() != Some(&b'\r') {
            octets.push(b'\r');
        }
        octets.push(octet);
    }
    octets
}

#[test]
fn every_difference_to_dovecot_is_judged() {
    let samples = judged::samples();
    if samples.is_empty() {
        return;
    }
    let (dovecot, server) = (Dovecot::start(), Server::start().unwrap());
    let mut theirs = dovecot.client();
    let mut ours = Client::open(server.address("imap", Tls::Starttls)).unwrap();
    ours.say(b"LOGIN ada@test.localhost secret").unwrap();
    // RFC 6855 §4: header fields may hold more than ASCII.
    ours.say(b"ENABLE UTF8=ACCEPT").unwrap();
    for client in [&mut ours, &mut theirs] {
        client.say(b"SELECT INBOX").unwrap();
    }
    let mut found = BTreeMap::new();
    let mut number = 0;
    for (name, message) in &samples {
        // NUL is not for IMAP's literals (RFC 9051 §9), and an empty message is none.
        if message.contains(&0) || message.is_empty() {
            continue;
        }
        number += 1;
        let message = crlf(message);
        let ours = aspects(&ours.read(number, &message));
        let theirs = aspects(&theirs.read(number, &message));
        let other_tree = ours.get("tree") != theirs.get("tree");
        let first = |list: Option<&Vec<String>>| list.and_then(|list| list.first().cloned());
        for (aspect, ours) in &ours {
            let other = theirs.get(aspect);
            // Where the trees differ, only the message's own envelope can be compared.
            let same = if other_tree && *aspect != "tree" {
                let part = !["date", "subject", "from", "to", "cc", "message-id"].contains(aspect);
                part || first(Some(ours)) == first(other)
            } else {
                Some(ours) == other
            };
            if !same {
                let place = ("dovecot".to_owned(), (*aspect).to_owned(), name.clone());
                let apart = apart(ours, other);
                found.insert(place, apart);
            }
        }
    }
    judged::compare("dovecot.md", &found);
}

fn apart(ours: &[String], theirs: Option<&Vec<String>>) -> String {
    let theirs = theirs.map_or(&[][..], Vec::as_slice);
    let at = ours
        .iter()
        .zip(theirs)
        .take_while(|(one, other)| one == other)
        .count();
    let at_most = ours.len().max(theirs.len()).saturating_sub(1);
    let at = at.min(at_most);
    format!(
        "  ours   {at}: {:?}\n  theirs {at}: {:?}",
        ours.get(at),
        theirs.get(at)
    )
}
