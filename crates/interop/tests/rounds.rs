//! Whole rounds of mail programs: read, write, flag, file, delete, and come again.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use interop::{Ended, Server, Talk, Tls, program, python_with};

const LETTER: &str = "From: Guest <guest@elsewhere.example>\r\nTo: ada@test.localhost\r\n\
    Subject: Letter #\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\
    Message-ID: <#@elsewhere.example>\r\n\r\nBody #\r\n";

fn run(server: &Server, name: &str, words: &[&str]) -> Ended {
    let ended = program(name, words, server.folder(), "").unwrap();
    let said = format!("{}\n{}\n{}", ended.out, ended.err, server.log());
    assert!(ended.well, "{name} {words:?}\n{said}");
    ended
}

/// Puts `count` letters into ada's INBOX.
fn deliver(server: &Server, count: usize) {
    let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    talk.smtp("EHLO test.localhost").unwrap();
    for number in 1..=count {
        let letter = LETTER.replace('#', &number.to_string());
        let letter = letter.trim_end();
        let reply = talk.deliver("guest@elsewhere.example", &["ada@test.localhost"], letter);
        assert!(reply.unwrap().starts_with("250"));
    }
}

fn ada(server: &Server) -> Talk {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    talk
}

/// What STATUS says of a mailbox.
fn status(server: &Server, mailbox: &str, items: &str) -> String {
    let lines = ada(server).imap(&format!("STATUS {mailbox} ({items})"));
    let line = lines.unwrap().remove(0);
    line.rsplit_once('(').unwrap().1.replace(')', "")
}

/// What SEARCH finds in a mailbox.
fn found(server: &Server, mailbox: &str, criteria: &str) -> String {
    let mut talk = ada(server);
    talk.imap(&format!("EXAMINE {mailbox}")).unwrap();
    let lines = talk.imap(&format!("UID SEARCH {criteria}")).unwrap();
    lines.first().unwrap().replace("* SEARCH", "").trim().into()
}

/// The letters of a Maildir folder, in the order of their subjects.
fn letters(folder: &Path) -> Vec<PathBuf> {
    let mut letters: Vec<(String, PathBuf)> = ["new", "cur"]
        .iter()
        .flat_map(|part| fs::read_dir(folder.join(part)).unwrap())
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let subject = text.lines().find(|line| line.starts_with("Subject: "));
            (subject.unwrap().to_owned(), path)
        })
        .collect();
    letters.sort();
    letters.into_iter().map(|(_, path)| path).collect()
}

#[test]
fn offlineimap_goes_both_ways_and_comes_to_rest() {
    let server = Server::start().unwrap();
    deliver(&server, 5);
    let ca = server.authority().unwrap();
    let port = server.address("imap", Tls::Implicit).port();
    let rc = format!(
        "[general]\naccounts = ada\nmetadata = meta\nui = basic\n\
         [Account ada]\nlocalrepository = near\nremoterepository = far\n\
         [Repository near]\ntype = Maildir\nlocalfolders = Maildir\n\
         [Repository far]\ntype = IMAP\nremotehost = localhost\nremoteport = {port}\n\
         remoteuser = ada@test.localhost\nremotepass = secret\nssl = yes\n\
         sslcacertfile = {ca}\n"
    );
    fs::write(server.folder().join("rc"), rc).unwrap();
    let goes = || run(&server, "offlineimap", &["-c", "rc", "-o"]);
    goes();
    let local = server.folder().join("Maildir");
    let inbox = local.join("INBOX");
    let first = letters(&inbox);
    assert_eq!(first.len(), 5, "{first:?}");
    // Here one is read, one goes, one comes, and there is a new folder; there one is flagged.
    let name = first[0].file_name().unwrap().to_str().unwrap();
    let (name, _) = name.split_once(":2,").unwrap();
    fs::rename(&first[0], inbox.join("cur").join(format!("{name}:2,S"))).unwrap();
    fs::remove_file(&first[1]).unwrap();
    let own = LETTER.replace("\r\n", "\n");
    fs::write(inbox.join("new/1.own.test:2,"), own.replace('#', "6")).unwrap();
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(local.join("Kept").join(part)).unwrap();
    }
    fs::write(
        local.join("Kept/cur/2.own.test:2,SF"),
        own.replace('#', "7"),
    )
    .unwrap();
    let mut talk = ada(&server);
    talk.imap("SELECT INBOX").unwrap();
    talk.imap("STORE 5 +FLAGS (\\Flagged)").unwrap();
    goes();
    assert_eq!(
        status(&server, "INBOX", "MESSAGES UNSEEN"),
        "MESSAGES 5 UNSEEN 4"
    );
    assert_eq!(
        found(&server, "INBOX", "OR SEEN SUBJECT \"Letter 6\""),
        "1 6"
    );
    assert_eq!(found(&server, "Kept", "SEEN FLAGGED"), "1");
    let flagged = letters(&inbox).into_iter().nth(3).unwrap();
    assert!(flagged.to_str().unwrap().ends_with("F"), "{flagged:?}");
    // At rest: a third run changes nothing on either side.
    let there = || status(&server, "INBOX", "HIGHESTMODSEQ UIDNEXT");
    let (before, files) = (there(), letters(&inbox));
    goes();
    assert_eq!(there(), before);
    assert_eq!(letters(&inbox), files);
}

#[test]
fn imapfilter_sorts_a_mailbox() {
    let server = Server::start().unwrap();
    deliver(&server, 5);
    let ca = server.authority().unwrap();
    let port = server.address("imap", Tls::Implicit).port();
    let rules = include_str!("lua/rules.lua").replace("PORT", &port.to_string());
    fs::write(server.folder().join("rules.lua"), rules).unwrap();
    let said = run(&server, "imapfilter", &["-t", &ca, "-c", "rules.lua"]).out;
    assert_eq!(said.lines().last(), Some("good"), "{said}");
    assert_eq!(
        status(&server, "INBOX", "MESSAGES UNSEEN"),
        "MESSAGES 3 UNSEEN 2"
    );
    assert_eq!(found(&server, "INBOX", "SEEN KEYWORD work"), "1");
    assert_eq!(found(&server, "Kept", "SEEN KEYWORD work"), "1 2");
}

#[test]
fn libraries_of_python_do_all_of_it() {
    let Some(python) = python_with(&["IMAPClient", "aioimaplib"]) else {
        return;
    };
    for script in [
        include_str!("python/imapclient_round.py"),
        include_str!("python/aioimaplib_round.py"),
    ] {
        let server = Server::start().unwrap();
        let ca = server.authority().unwrap();
        let port = server.address("imap", Tls::Implicit).port().to_string();
        let ended = run(
            &server,
            python.to_str().unwrap(),
            &["-c", script, &ca, &port],
        );
        assert_eq!(ended.out, "good\n");
    }
}

#[test]
fn perl_does_all_of_it() {
    let server = Server::start().unwrap();
    let ca = server.authority().unwrap();
    let port = server.address("imap", Tls::Implicit).port().to_string();
    let words = ["-e", include_str!("perl/round.pl"), &ca, &port];
    assert_eq!(run(&server, "perl", &words).out, "good\n");
}

#[test]
fn curl_files_flags_and_expunges() {
    let server = Server::start().unwrap();
    let ca = server.authority().unwrap();
    let imap = server.address("imap", Tls::Implicit);
    let curl = |path: &str, more: &[&str]| {
        let url = format!("imaps://{imap}/{path}");
        let user = "ada@test.localhost:secret";
        let mut words = vec!["-sS", "--cacert", &ca, "--user", user, &url];
        words.extend(more);
        run(&server, "curl", &words).out
    };
    curl("", &["-X", "CREATE Kept"]);
    let listed = curl("", &[]);
    assert!(
        listed.contains("LIST (\\HasNoChildren) \"/\" Kept\r\n"),
        "{listed}"
    );
    for number in ["1", "2"] {
        let letter = LETTER.replace('#', number);
        fs::write(server.folder().join("letter"), letter).unwrap();
        curl("Kept", &["-T", "letter"]);
    }
    let read = curl("Kept;UID=2;SECTION=TEXT", &[]);
    assert_eq!(read, "Body 2\r\n");
    let found = curl("Kept?SUBJECT%20%22Letter%202%22", &[]);
    assert_eq!(found, "* SEARCH 2\r\n");
    let stored = curl("Kept", &["-X", "STORE 1 +FLAGS (\\Deleted)"]);
    // curl uploads with \Seen set.
    assert_eq!(stored, "* 1 FETCH (FLAGS (\\Seen \\Deleted))\r\n");
    curl("Kept", &["-X", "EXPUNGE"]);
    assert_eq!(
        status(&server, "Kept", "MESSAGES UIDNEXT"),
        "MESSAGES 1 UIDNEXT 3"
    );
    curl("", &["-X", "DELETE Kept"]);
    assert!(!curl("", &[]).contains("Kept"));
}

#[test]
fn s_nail_files_flags_and_deletes() {
    let server = Server::start().unwrap();
    deliver(&server, 4);
    let ca = format!("tls-ca-file={}", server.authority().unwrap());
    let port = server.address("imap", Tls::Implicit).port();
    let far = format!("imaps://ada%40test.localhost:secret@localhost:{port}");
    let inbox = format!("{far}/INBOX");
    let words = ["-:/", "-#", "-S", "v15-compat=yes", "-S", &ca, "-f", &inbox];
    let s_nail = |commands: &str| {
        let ended = program("s-nail", &words, server.folder(), commands).unwrap();
        assert!(ended.well, "{ended:?}\n{}", server.log());
        ended.out
    };
    let said = s_nail(&format!(
        "type 1\nflag 2\ncopy 1 {far}/Kept\ndelete 3\nquit\n"
    ));
    assert!(said.contains("Body 1"), "{said}");
    assert_eq!(status(&server, "INBOX", "MESSAGES"), "MESSAGES 3");
    assert_eq!(found(&server, "INBOX", "SEEN UNFLAGGED"), "1");
    assert_eq!(found(&server, "INBOX", "FLAGGED"), "2");
    assert_eq!(found(&server, "Kept", "SEEN"), "1");
    // It comes again, and finds what it left.
    let said = s_nail("headers\ntype 3\nexit\n");
    assert!(
        said.contains("Body 4") && !said.contains("Letter 3"),
        "{said}"
    );
}
