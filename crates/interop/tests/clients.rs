//! Letters sent and read by programs nobody here wrote.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;

use interop::{Ended, Server, Talk, Tls, program};

const LETTER: &str = "From: Guest <guest@elsewhere.example>\r\nTo: Ada <ada@test.localhost>\r\n\
    Subject: From outside\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\
    Message-ID: <outside@elsewhere.example>\r\n\r\n.A line that begins with a dot.\r\n\
    Good bye.\r\n";

fn run(server: &Server, name: &str, words: &[&str], input: &str) -> Ended {
    let ended = program(name, words, server.folder(), input).unwrap();
    assert!(
        ended.well,
        "{name} {words:?}\n{}\n{}\n{}",
        ended.out,
        ended.err,
        server.log()
    );
    ended
}

fn url(server: &Server, scheme: &str, protocol: &str, tls: Tls) -> String {
    format!("{scheme}://{}", server.address(protocol, tls))
}

/// Puts `count` letters into ada's INBOX by plain SMTP, `Letter 1` being the first.
fn deliver(server: &Server, count: usize) {
    let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    talk.smtp("EHLO test.localhost").unwrap();
    for number in 1..=count {
        let letter = LETTER.replace("From outside", &format!("Letter {number}"));
        let reply = talk.deliver("guest@elsewhere.example", &["ada@test.localhost"], &letter);
        assert!(reply.unwrap().starts_with("250"));
    }
}

#[test]
fn curl_sends_and_reads() {
    let mut server = Server::start().unwrap();
    let ca = server.authority().unwrap();
    let login = ["--user", "alan@test.localhost:secret"];
    let to = ["--mail-rcpt", "ada@test.localhost", "--upload-file", "-"];
    let quiet = ["--silent", "--show-error", "--cacert", &ca];
    let guest = url(&server, "smtp", "smtp", Tls::Starttls);
    let mut words = vec!["--mail-from", "guest@elsewhere.example", &guest];
    words.extend(quiet.into_iter().chain(to));
    run(&server, "curl", &words, LETTER);
    let letter = LETTER.replace(
        "Guest <guest@elsewhere.example>",
        "Alan <alan@test.localhost>",
    );
    for (scheme, tls) in [("smtp", Tls::Starttls), ("smtps", Tls::Implicit)] {
        let url = url(&server, scheme, "submission", tls);
        let mut words = vec!["--mail-from", "alan@test.localhost", "--ssl-reqd", &url];
        words.extend(login.into_iter().chain(quiet).chain(to));
        run(&server, "curl", &words, &letter);
    }
    let read = |server: &Server| {
        for (scheme, protocol, path) in [("pop3s", "pop3", "/2"), ("imaps", "imap", "/INBOX;UID=2")]
        {
            let url = url(server, scheme, protocol, Tls::Implicit) + path;
            let user = "ada@test.localhost:secret";
            let words = [
                "--silent",
                "--show-error",
                "--cacert",
                &ca,
                "--user",
                user,
                &url,
            ];
            let read = run(server, "curl", &words, "").out;
            assert!(
                read.contains("\r\n.A line that begins with a dot.\r\nGood bye.\r\n"),
                "{read}"
            );
            assert!(read.contains("Received: from "), "{read}");
            assert!(read.contains("Subject: From outside\r\n"), "{read}");
        }
    };
    read(&server);
    assert!(server.stop(), "{}", server.log());
    server.run().unwrap();
    read(&server);
}

#[test]
fn swaks_sends_in_every_way() {
    let server = Server::start().unwrap();
    let ca = server.authority().unwrap();
    let user = [
        "--auth-user",
        "alan@test.localhost",
        "--auth-password",
        "secret",
    ];
    let from = [
        "--to",
        "ada@test.localhost",
        "--from",
        "alan@test.localhost",
    ];
    let ways: &[(&str, Tls, &[&str], bool)] = &[
        ("smtp", Tls::Starttls, &[], false),
        ("smtp", Tls::Starttls, &["--tls"], false),
        (
            "submission",
            Tls::Starttls,
            &["--tls", "--auth", "PLAIN"],
            true,
        ),
        (
            "submission",
            Tls::Starttls,
            &["--tls", "--auth", "LOGIN"],
            true,
        ),
        (
            "submission",
            Tls::Implicit,
            &["--tls-on-connect", "--auth", "PLAIN"],
            true,
        ),
        ("smtp", Tls::Starttls, &["--pipeline"], false),
    ];
    for (protocol, tls, words, login) in ways {
        let address = server.address(protocol, *tls).to_string();
        let mut all = vec!["--server", &address, "--tls-ca-path", &ca];
        all.extend(*words);
        if *login {
            all.extend(user);
            all.extend(from);
        } else {
            all.extend([
                "--to",
                "ada@test.localhost",
                "--from",
                "guest@elsewhere.example",
            ]);
        }
        run(&server, "swaks", &all, "");
    }
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    let lines = talk.imap("STATUS INBOX (MESSAGES)").unwrap();
    assert_eq!(lines.first().unwrap(), "* STATUS INBOX (MESSAGES 6)");
}

#[test]
fn swaks_is_refused_where_it_must_be() {
    let server = Server::start().unwrap();
    let smtp = server.address("smtp", Tls::Starttls).to_string();
    let submission = server.address("submission", Tls::Implicit).to_string();
    let refused: &[(&[&str], &str)] = &[
        (
            &["--server", &smtp, "--to", "nobody@test.localhost"],
            "550 5.1.1",
        ),
        (
            &["--server", &smtp, "--to", "ada@elsewhere.example"],
            "550 5.7.1",
        ),
        (
            &[
                "--server",
                &submission,
                "--tls-on-connect",
                "--to",
                "ada@test.localhost",
            ],
            "530 5.7.0",
        ),
        (
            &[
                "--server",
                &submission,
                "--tls-on-connect",
                "--to",
                "ada@test.localhost",
                "--auth-user",
                "alan@test.localhost",
                "--auth-password",
                "wrong",
            ],
            "535 5.7.8",
        ),
        (
            &[
                "--server",
                &submission,
                "--tls-on-connect",
                "--to",
                "alan@test.localhost",
                "--from",
                "ada@test.localhost",
                "--auth-user",
                "alan@test.localhost",
                "--auth-password",
                "secret",
            ],
            "550 5.7.1",
        ),
    ];
    for (words, reply) in refused {
        let ended = program("swaks", words, server.folder(), "").unwrap();
        assert!(
            !ended.well && ended.out.contains(reply),
            "{words:?}\n{}",
            ended.out
        );
    }
}

/// Python's own libraries over TLS: send, read by POP3 with deletion, read and flag by IMAP.
const PYTHON: &str = include_str!("python/round.py");

#[test]
fn python_sends_reads_flags_and_files() {
    let server = Server::start().unwrap();
    let ca = server.authority().unwrap();
    let places = ["submission", "pop3", "imap"]
        .map(|protocol| server.address(protocol, Tls::Implicit).to_string());
    let [smtp, pop, imap] = &places;
    let ended = run(
        &server,
        "python3",
        &["-c", PYTHON, &ca, smtp, pop, imap],
        "",
    );
    assert_eq!(ended.out.trim(), "good");
}

#[test]
fn pop3_says_the_octets_that_python_counts() {
    let server = Server::start().unwrap();
    let ca = server.authority().unwrap();
    let [imap, pop] =
        ["imap", "pop3"].map(|protocol| server.address(protocol, Tls::Implicit).to_string());
    let words = ["-c", include_str!("python/sizes.py"), &ca, &imap, &pop];
    assert_eq!(run(&server, "python3", &words, "").out.trim(), "good");
}

#[test]
fn what_python_takes_away_comes_back() {
    let server = Server::start().unwrap();
    let ca = server.authority().unwrap();
    let (binary, config) = (Server::binary(), server.config());
    let imap = server.address("imap", Tls::Implicit).to_string();
    let words = [
        "-c",
        include_str!("python/undo.py"),
        binary.to_str().unwrap(),
        config.to_str().unwrap(),
        &ca,
        &imap,
        "2000",
    ];
    assert_eq!(run(&server, "python3", &words, "").out.trim(), "good");
}

#[test]
fn another_password_ends_what_is_open() {
    let server = Server::start().unwrap();
    let ca = server.authority().unwrap();
    let (binary, config) = (Server::binary(), server.config());
    let [imap, pop, smtp] = ["imap", "pop3", "submission"]
        .map(|protocol| server.address(protocol, Tls::Implicit).to_string());
    let words = [
        "-c",
        include_str!("python/dismissed.py"),
        binary.to_str().unwrap(),
        config.to_str().unwrap(),
        &ca,
        &imap,
        &pop,
        &smtp,
    ];
    let said = run(&server, "python3", &words, "").out;
    assert_eq!(said.lines().last(), Some("good"));
}

/// Writes what mbsync is to do, and returns the folder that it keeps mail in.
fn mbsync_settings(server: &Server) -> std::path::PathBuf {
    let ca = server.authority().unwrap();
    let port = server.address("imap", Tls::Starttls).port();
    let local = server.folder().join("Maildir");
    fs::create_dir(&local).unwrap();
    let rc = format!(
        "IMAPAccount ada\nHost 127.0.0.1\nPort {port}\nUser ada@test.localhost\nPass secret\n\
         SSLType STARTTLS\nCertificateFile {ca}\nSystemCertificates no\n\n\
         IMAPStore far\nAccount ada\n\n\
         MaildirStore near\nPath {0}/\nInbox {0}/INBOX\nSubFolders Verbatim\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\n\
         SyncState *\n",
        local.display()
    );
    fs::write(server.folder().join(".mbsyncrc"), rc).unwrap();
    local
}

#[test]
fn letters_with_raw_headers_move_in_where_that_is_allowed() {
    let old = b"Subject: Gr\xfc\xdfe\nFrom: J\xc3\xb6rg <j@example.org>\n\nTea\n";
    for (more, taken) in [("", false), ("[imap]\nraw_headers = \"keep\"\n", true)] {
        let server = Server::start_with(more).unwrap();
        let local = mbsync_settings(&server);
        run(&server, "mbsync", &["-a"], "");
        let letter = local.join("INBOX/new/1.own.test");
        fs::write(&letter, old).unwrap();
        let ended = run(&server, "mbsync", &["-a"], "");
        let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
        talk.imap_login("ada@test.localhost", "secret").unwrap();
        let status = talk.imap("STATUS INBOX (MESSAGES)").unwrap();
        let count = format!("* STATUS INBOX (MESSAGES {})", u8::from(taken));
        assert!(status.contains(&count), "{status:?}");
        if !taken {
            // It is told why, and the letter stays where it was.
            let said = format!("{}{}", ended.out, ended.err);
            assert!(said.contains("encode the header fields"), "{said}");
            assert_eq!(only(&local), old);
            continue;
        }
        // As it was, for whoever fetches it.
        fs::remove_dir_all(&local).unwrap();
        fs::create_dir(&local).unwrap();
        run(&server, "mbsync", &["-a"], "");
        let back = only(&local);
        for line in old.split(|octet| *octet == b'\n') {
            let mut lines = back.split(|octet| *octet == b'\n');
            assert!(lines.any(|known| known == line), "{back:?}");
        }
    }
}

/// The one letter in a folder.
fn only(folder: &std::path::Path) -> Vec<u8> {
    let files = listing(folder);
    assert_eq!(files.len(), 1, "{files:?}");
    fs::read(files.first().unwrap()).unwrap()
}

#[test]
fn mbsync_goes_both_ways_and_comes_to_rest() {
    let server = Server::start().unwrap();
    deliver(&server, 5);
    let local = mbsync_settings(&server);
    run(&server, "mbsync", &["-a"], "");
    let new = local.join("INBOX/new");
    assert_eq!(fs::read_dir(&new).unwrap().count(), 5);
    // One is read here, one is flagged there, one comes by here: the next run carries all over.
    let letter = fs::read_dir(&new).unwrap().next().unwrap().unwrap();
    let name = letter.file_name().into_string().unwrap();
    let seen = local
        .join("INBOX/cur")
        .join(format!("{}S", name.trim_end_matches('S')));
    let seen = if name.contains(":2,") {
        seen
    } else {
        seen.with_file_name(format!("{name}:2,S"))
    };
    fs::rename(letter.path(), seen).unwrap();
    fs::write(
        local.join("INBOX/new/1.own.test"),
        LETTER.replace("\r\n", "\n"),
    )
    .unwrap();
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    talk.imap("SELECT INBOX").unwrap();
    talk.imap("STORE 5 +FLAGS (\\Flagged)").unwrap();
    run(&server, "mbsync", &["-a"], "");
    let status = talk.imap("STATUS INBOX (MESSAGES UNSEEN)").unwrap();
    assert!(
        status
            .iter()
            .any(|line| line == "* STATUS INBOX (MESSAGES 6 UNSEEN 5)"),
        "{status:?}"
    );
    // At rest: a third run changes nothing on either side.
    let mut rest = || {
        let heard = talk.imap("STATUS INBOX (HIGHESTMODSEQ UIDNEXT)").unwrap();
        heard.into_iter().find(|line| line.starts_with("* STATUS"))
    };
    let before = rest();
    assert!(before.is_some());
    let files = listing(&local);
    run(&server, "mbsync", &["-a"], "");
    assert_eq!(rest(), before);
    assert_eq!(listing(&local), files);
}

fn listing(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(listing(&path));
        } else if !path.file_name().unwrap().to_string_lossy().starts_with('.') {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

#[test]
fn fetchmail_takes_all_by_pop3_and_imap() {
    let server = Server::start().unwrap();
    for (protocol, service) in [("pop3", "pop3"), ("imap", "imap")] {
        deliver(&server, 3);
        let port = server.address(service, Tls::Implicit).port();
        let ca = server.authority().unwrap();
        let got = server.folder().join(format!("got-{protocol}"));
        let rc = format!(
            "poll 127.0.0.1 protocol {protocol} port {port}\n user \"ada@test.localhost\" password \
             secret ssl sslcertck sslcertfile {ca} sslcommonname mail.test.localhost\n fetchall \
             no keep no rewrite mda \"cat >> {}\"\n",
            got.display()
        );
        let path = server.folder().join(".fetchmailrc");
        fs::write(&path, rc).unwrap();
        run(&server, "chmod", &["600", ".fetchmailrc"], "");
        run(
            &server,
            "fetchmail",
            &["--nosyslog", "-f", ".fetchmailrc", "--pidfile", "pid"],
            "",
        );
        let got = fs::read_to_string(got).unwrap();
        assert_eq!(got.matches("Subject: Letter").count(), 3, "{got}");
        let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
        talk.imap_login("ada@test.localhost", "secret").unwrap();
        let status = talk.imap("STATUS INBOX (MESSAGES)").unwrap();
        assert_eq!(
            status.first().unwrap(),
            "* STATUS INBOX (MESSAGES 0)",
            "after {protocol}"
        );
    }
}
