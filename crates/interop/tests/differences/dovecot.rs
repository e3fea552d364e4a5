//! Dovecot beside `caramel serve`: what ENVELOPE and BODYSTRUCTURE say of each sample.

use std::collections::BTreeMap;

use interop::{Dovecot, Server, Tls};

use crate::imap::{Client, aspects};
use crate::judged;

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
    let dovecot = Dovecot::start("sdbox").expect("dovecot: `cargo xtask test` installs it");
    let server = Server::start().unwrap();
    let mut theirs = Client::open(dovecot.address()).unwrap();
    theirs.say(b"LOGIN ada secret").unwrap();
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
