//! Searches as a program of others asks them: the answers are the same before there is an index,
//! with it, after a blow, with damage, and when it is made anew.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use interop::{Server, Tls, program};

/// Runs a function of `python/search.py`, which knows by itself what must be found.
fn python(server: &Server, what: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/search.py");
    let ca = server.authority().unwrap();
    let imap = server.address("imap", Tls::Implicit).to_string();
    let words = [script, what, &ca, &imap];
    let ended = program("python3", &words, server.folder(), "").unwrap();
    assert!(ended.well, "{}\n{}\n{}", ended.out, ended.err, server.log());
}

/// The files of the index.
fn segments(server: &Server) -> Vec<PathBuf> {
    let folders = fs::read_dir(server.data().join("store/derived"));
    let folders = folders.into_iter().flatten().map(|folder| folder.unwrap());
    let folders = folders.filter(|folder| folder.file_name() != "unfinished");
    folders
        .flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten())
        .map(|file| file.unwrap().path())
        .collect()
}

/// Asks again and again, until there is an index and once more.
fn ask_until_indexed(server: &Server) {
    let begun = Instant::now();
    loop {
        let there = !segments(server).is_empty();
        python(server, "ask");
        if there {
            return;
        }
        let long = begun.elapsed() > Duration::from_secs(60);
        assert!(!long, "no index in a minute: {}", server.log());
    }
}

#[test]
fn an_index_changes_no_answer() {
    let mut server = Server::start().unwrap();
    python(&server, "fill");
    python(&server, "ask");
    ask_until_indexed(&server);
    python(&server, "change");
    python(&server, "ask");
    server.kill();
    let report = server.command(&["store", "check"], "").unwrap();
    let count = segments(&server).len();
    assert!(
        report.contains(&format!("search: {count} segments")),
        "{report}"
    );
    server.run().unwrap();
    python(&server, "ask");
    assert!(server.stop());
    for (number, segment) in segments(&server).iter().enumerate() {
        let mut octets = fs::read(segment).unwrap();
        let middle = octets.len() / 2;
        octets
            .iter_mut()
            .skip(middle)
            .take(99)
            .for_each(|octet| *octet = !*octet);
        octets.truncate(octets.len() - number % 2);
        fs::write(segment, octets).unwrap();
    }
    server.run().unwrap();
    ask_until_indexed(&server);
    assert!(server.stop());
    server.command(&["store", "rebuild"], "").unwrap();
    assert!(segments(&server).is_empty());
    server.run().unwrap();
    ask_until_indexed(&server);
    server
        .command(&["account", "rm", "ada@test.localhost"], "")
        .unwrap();
    server
        .command(&["purge", "ada@test.localhost", "--removed-account"], "")
        .unwrap();
    assert!(
        segments(&server).is_empty(),
        "mail that is gone leaves nothing behind"
    );
}

#[test]
fn texts_are_compared_as_the_collation_says() {
    let server = Server::start().unwrap();
    python(&server, "compare");
}

#[test]
fn words_are_found_with_errors() {
    let server = Server::start().unwrap();
    python(&server, "fuzzy");
}

#[test]
fn many_mailboxes_are_searched_at_once() {
    let server = Server::start().unwrap();
    python(&server, "everywhere");
}
