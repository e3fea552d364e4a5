//! The disk is full, or says that a sync failed: clear refusals, and nothing acknowledged is lost.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use interop::{Server, Talk, Tls, program};

/// A small disk in memory, unmounted when it is dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(place: &'a Path, mib: usize) -> Self {
        let size = format!("size={mib}m");
        sh(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                &size,
                "tmpfs",
                &place.display().to_string(),
            ],
        );
        Self(place)
    }

    fn grow(&self, mib: usize) {
        let size = format!("remount,size={mib}m");
        sh("mount", &["-o", &size, &self.0.display().to_string()]);
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0).status());
    }
}

fn sh(name: &str, words: &[&str]) {
    let ended = program(name, words, Path::new("/"), "").unwrap();
    assert!(ended.well, "{name} {words:?}: {}", ended.err);
}

/// Delivers letters of `octets` until one is refused, at most `most`; returns how many were
/// acknowledged, and the refusal.
fn fill(server: &Server, octets: usize, most: usize) -> (usize, String) {
    let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    talk.smtp("EHLO x").unwrap();
    let line = "Noise that fills a disk, line after line after line after line.\r\n";
    for count in 0..most {
        // Letters differ, so that none is stored in place of another.
        let letter = format!(
            "Subject: {count}\r\n\r\n{}",
            line.repeat(octets / line.len())
        );
        match talk.deliver("x@elsewhere.example", &["ada@test.localhost"], &letter) {
            Ok(reply) if reply.starts_with("250") => {}
            Ok(reply) => return (count, reply),
            Err(error) => return (count, error.to_string()),
        }
    }
    (most, String::new())
}

fn messages(server: &Server) -> usize {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    let lines = talk.imap("SELECT INBOX").unwrap();
    let exists = lines
        .iter()
        .find_map(|line| line.strip_prefix("* ")?.strip_suffix(" EXISTS"));
    let exists = exists.unwrap().parse().unwrap();
    if exists > 0 {
        let bodies = talk
            .imap("UID FETCH 1:* (RFC822.SIZE BODY.PEEK[])")
            .unwrap();
        assert_eq!(bodies.len(), exists + 1, "every body can be read");
    }
    exists
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(folder.path(), 160);
    let binary = Server::binary();
    let mut server = Server::start_at(&binary, folder.path(), "").unwrap();
    let (acknowledged, refusal) = fill(&server, 100_000, 10_000);
    assert!(acknowledged > 10, "{refusal}");
    assert!(refusal.starts_with("452 4.3.1"), "{refusal}");
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    let text = "Subject: more\r\n\r\nMore.";
    let noise = "x".repeat(200_000);
    talk.send(
        format!(
            "t APPEND INBOX {{{}+}}\r\n{text}{noise}\r\n",
            text.len() + 200_000
        )
        .as_bytes(),
    )
    .unwrap();
    let last = talk.imap_response().unwrap().pop().unwrap();
    assert!(last.starts_with("t NO"), "{last}");
    assert_eq!(messages(&server), acknowledged);
    disk.grow(400);
    // A server that has just seen a full disk may refuse a moment longer: a sender comes again.
    let (begun, mut more) = (Instant::now(), 0);
    while more < 20 {
        let (count, refusal) = fill(&server, 100_000, 20 - more);
        more += count;
        let late = begun.elapsed() > Duration::from_secs(20);
        assert!(!late, "room again, no mail: {refusal}\n{}", server.log());
    }
    server.kill();
    server.command(&["store", "check"], "").unwrap();
    server.run().unwrap();
    assert_eq!(messages(&server), acknowledged + 20);
}

/// strace, making every sync of the server fail from the `nth` on.
///
/// Its messages must go on being read, or the next one ends it.
fn break_syncs(server: &Server, nth: usize) -> (Child, BufReader<ChildStderr>) {
    let inject = format!("inject=fdatasync,fsync:error=EIO:when={nth}+");
    let mut strace = Command::new("strace")
        .args([
            "-f",
            "-e",
            "trace=fdatasync,fsync",
            "-e",
            &inject,
            "-p",
            &server.pid().to_string(),
        ])
        .args(["-o", &server.folder().join("strace").display().to_string()])
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut messages = BufReader::new(strace.stderr.take().unwrap());
    messages.read_line(&mut line).unwrap();
    assert!(line.contains("attached"), "{line}");
    (strace, messages)
}

#[test]
fn a_failed_sync_stops_the_server_and_loses_nothing() {
    let mut server = Server::start().unwrap();
    let mut acknowledged = 0;
    for nth in [1, 10] {
        let (mut strace, said) = break_syncs(&server, nth);
        let (count, refusal) = fill(&server, 10_000, 100);
        acknowledged += count;
        assert!(
            count < nth + 2,
            "{count} acknowledged though sync {nth} failed"
        );
        let clear = refusal.starts_with("451") || refusal.starts_with("421");
        assert!(clear, "{refusal}\n{}", server.log());
        strace.wait().unwrap();
        drop(said);
        assert!(
            !server.stop(),
            "a server whose disk broke its word does not end well"
        );
        server.command(&["store", "check"], "").unwrap();
        server.run().unwrap();
        let found = messages(&server);
        // What was refused for this reason may be there: nobody can know what the disk kept.
        assert!(
            (acknowledged..=acknowledged + 2).contains(&found),
            "{found} of {acknowledged}"
        );
        acknowledged = found;
    }
    let log = File::open(server.folder().join("strace"));
    assert!(log.is_ok());
}
