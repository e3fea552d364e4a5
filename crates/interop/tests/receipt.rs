//! Letters from outside are checked when they come, and letters of our own people signed when they
//! leave: the running server, a name server whose zone is a table, Python and dkimpy.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::fs;
use std::path::Path;

use interop::{Ended, NameServer, Server, Tls, program};
use tempfile::TempDir;

const LETTER: &str = "From: Bob <bob@good.example>\r\nTo: ada@test.localhost\r\nSubject: Tea\r\n\
    Date: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@good.example>\r\n\r\n\
    At  five?\t \r\n\r\nBob\r\n";

/// A folder with the keys `rsa2048` and `ed25519`, and their records for a domain.
fn keys(domain: &str) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let mut records = String::new();
    for kind in ["rsa2048", "ed25519"] {
        let words = [
            "dkim",
            "key",
            kind,
            "--type",
            kind,
            "--domain",
            domain,
            "--selector",
            kind,
        ];
        let binary = Server::binary();
        let ended = program(binary.to_str().unwrap(), &words, folder.path(), "").unwrap();
        assert!(ended.well, "{}", ended.err);
        records += &ended.out.replace(". IN TXT ", " TXT ");
    }
    (folder, records)
}

fn zone(records: &str) -> String {
    format!(
        "1.0.0.127.in-addr.arpa PTR localhost.example\nlocalhost.example A 127.0.0.1\n\
         good.example TXT \"v=spf1 ip4:127.0.0.1 -all\"\n{records}\
         _dmarc.good.example TXT \"v=DMARC1; p=reject\"\n\
         bad.example TXT \"v=spf1 ip4:192.0.2.1 -all\"\n\
         none.example TXT \"v=spf1 -all\"\n_dmarc.none.example TXT \"v=DMARC1; p=none\"\n\
         reject.example TXT \"v=spf1 -all\"\n_dmarc.reject.example TXT \"v=DMARC1; p=reject\"\n\
         junk.example TXT \"v=spf1 -all\"\n_dmarc.junk.example TXT \"v=DMARC1; p=quarantine\"\n"
    )
}

/// A server that checks everybody, and asks there.
fn checking(names: &NameServer, more: &str) -> Server {
    let servers = names.address();
    Server::start_with(&format!(
        "{more}\n[dns]\nservers = [\"{servers}\"]\ntimeout = \"2s\"\n\
         [trust]\nunchecked = []\ntimeout = \"5s\"\n"
    ))
    .unwrap()
}

fn python(server: &Server, what: &str, protocol: &str, words: &[&str], input: &str) -> Ended {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/receipt.py");
    let tls = match protocol {
        "smtp" => Tls::Starttls,
        _ => Tls::Implicit,
    };
    let address = server.address(protocol, tls);
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let words = [&[script, what, &ip, &port], words].concat();
    program("python3", &words, server.folder(), input).unwrap()
}

/// Sends a letter from a domain; what the server says of it.
fn send(server: &Server, domain: &str, letter: &str) -> String {
    let from = format!("bob@{domain}");
    python(
        server,
        "send",
        "smtp",
        &[&from, "ada@test.localhost"],
        letter,
    )
    .out
}

/// The last letter in a mailbox; nothing where there is none.
fn last(server: &Server, user: &str, mailbox: &str) -> String {
    let user = format!("{user}@test.localhost");
    let ended = python(server, "read", "imap", &[&user, mailbox], "");
    assert!(ended.well, "{}", ended.err);
    ended.out.replace('\n', "\r\n").replace("\r\r\n", "\r\n")
}

/// The results above a letter, on one line.
fn results(letter: &str) -> String {
    let (_, field) = letter.split_once("Authentication-Results: ").unwrap();
    let (field, _) = field.split_once("Received: ").unwrap();
    field.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn dkimpy(words: &[&str], folder: &Path, input: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/signatures.py");
    let words = [&[script], words].concat();
    let ended = program("python3", &words, folder, input).unwrap();
    assert!(ended.well, "{}", ended.err);
    ended.out
}

/// What OpenDKIM says, which wants a name server where the system has it: in a network of its own.
fn opendkim(folder: &Path, letter: &str) -> Option<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/opendkim.py");
    let apart = ["--net", "--mount", "--map-root-user"];
    let may = program("unshare", &[&apart[..], &["true"]].concat(), folder, "");
    if !may.is_ok_and(|ended| ended.well) {
        println!("skipped: nobody may have a network of their own here (unshare)");
        return None;
    }
    let words = [&apart[..], &["python3", script, "zone"]].concat();
    let ended = program("unshare", &words, folder, letter).unwrap();
    assert!(ended.well, "{}", ended.err);
    Some(ended.out)
}

/// The envelope's domain; the letter, by its key or what is wrong with it; where it goes, nowhere
/// if it is refused; what is said of it.
const CASES: [(&str, &str, &str, &[&str]); 10] = [
    (
        "good.example",
        "rsa2048",
        "INBOX",
        &[
            "iprev=pass policy.iprev=127.0.0.1",
            "spf=pass smtp.mailfrom=bob@good.example",
            "dkim=pass header.d=good.example",
            "header.a=rsa-sha256",
            "dmarc=pass header.from=good.example policy.dmarc=reject",
        ],
    ),
    (
        "bad.example",
        "ed25519",
        "INBOX",
        &[
            "spf=fail smtp.mailfrom=bob@bad.example",
            "header.a=ed25519-sha256",
            "dmarc=pass header.from=good.example",
        ],
    ),
    (
        "bad.example",
        "unsigned",
        "INBOX",
        &[
            "spf=fail smtp.mailfrom=bob@bad.example",
            "dkim=none",
            "dmarc=none",
        ],
    ),
    (
        "good.example",
        "broken",
        "INBOX",
        &["dkim=fail reason=\"the body was changed\"", "dmarc=pass"],
    ),
    (
        "bad.example",
        "broken",
        "",
        &["550 5.7.26 The policy of good.example (DMARC)"],
    ),
    (
        "none.example",
        "unsigned",
        "INBOX",
        &["dmarc=fail header.from=none.example"],
    ),
    (
        "reject.example",
        "unsigned",
        "",
        &["550 5.7.26 The policy of reject.example"],
    ),
    (
        "junk.example",
        "unsigned",
        "Junk",
        &["dmarc=fail header.from=junk.example"],
    ),
    (
        "bad.example",
        "large",
        "INBOX",
        &["dkim=pass header.d=good.example"],
    ),
    (
        "bad.example",
        "large broken",
        "",
        &["550 5.7.26 The policy of good.example"],
    ),
];

/// The letter of a case, signed by dkimpy.
fn letter(folder: &Path, domain: &str, what: &str) -> String {
    let signed = |key: &str, letter: &str| {
        let words = ["sign", "zone", "good.example", key, key];
        dkimpy(&words, folder, letter)
    };
    let large = || format!("{LETTER}{}", "and so on\r\n".repeat(50_000));
    match what {
        "unsigned" => LETTER.replace("good.example", domain),
        "broken" => signed("rsa2048", LETTER).replace("five", "six"),
        "large" => signed("rsa2048", &large()),
        "large broken" => signed("rsa2048", &large()).replacen("and so", "and no", 1),
        key => signed(key, LETTER),
    }
}

#[test]
fn letters_are_judged_when_they_come() {
    let (folder, records) = keys("good.example");
    let folder = folder.path();
    fs::write(folder.join("zone"), &records).unwrap();
    let names = NameServer::start(&zone(&records)).unwrap();
    let server = checking(&names, "");
    let forged = "Authentication-Results: mail.test.localhost; dmarc=pass\r\n \
        header.from=bank.example\r\n";
    for (domain, what, mailbox, expected) in CASES {
        let letter = letter(folder, domain, what);
        let said = send(&server, domain, &format!("{forged}{letter}"));
        let mut found = said.clone();
        if !mailbox.is_empty() {
            assert!(said.starts_with("250 "), "{domain} {what}: {said}");
            let stored = last(&server, "ada", mailbox);
            assert!(!stored.contains("bank.example"), "{stored:.3000}");
            let fields = stored.matches("\r\nAuthentication-Results: ");
            assert_eq!(fields.count(), 1, "{stored:.3000}");
            found = results(&stored);
        }
        for expected in expected {
            let there = found.contains(expected);
            assert!(there, "{domain} {what}: no {expected} in {found}");
        }
    }
}

#[test]
fn no_letter_is_lost_where_dns_is_dead() {
    let names = NameServer::start("").unwrap();
    let server = checking(&names, "");
    drop(names);
    let said = send(&server, "good.example", LETTER);
    assert!(said.starts_with("250 "), "{said}");
    let found = results(&last(&server, "ada", "INBOX"));
    for expected in ["spf=temperror", "dkim=none", "dmarc=temperror"] {
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn this_machine_is_not_checked_unless_it_is_so_wanted() {
    let names = NameServer::start("").unwrap();
    let servers = names.address();
    let server = Server::start_with(&format!("[dns]\nservers = [\"{servers}\"]")).unwrap();
    let said = send(&server, "good.example", LETTER);
    assert!(said.starts_with("250 "), "{said}");
    assert!(!last(&server, "ada", "INBOX").contains("Authentication-Results"));
    assert_eq!(names.asked(), Vec::<String>::new());
}

#[test]
fn letters_of_our_own_are_signed_and_dkimpy_believes_it() {
    let (folder, records) = keys("test.localhost");
    let folder = folder.path();
    fs::write(folder.join("zone"), &records).unwrap();
    let entry = |key: &str| {
        let path = folder.join(key);
        let path = path.display();
        format!("[[dkim]]\ndomain = \"test.localhost\"\nselector = \"{key}\"\nkey = \"{path}\"\n")
    };
    let more = ["rsa2048", "ed25519"].map(entry).concat();
    let server = Server::start_with(&more).unwrap();
    let small = "From: Ada <ada@test.localhost>\r\nTo: alan@test.localhost\r\nSubject: Tea\r\n\r\n\
        At  five?\t \r\n\r\nAda\r\n";
    let large = format!("{small}{}", "and so on \r\n".repeat(50_000));
    for letter in [small, &large] {
        let people = ["ada@test.localhost", "alan@test.localhost"];
        let ended = python(&server, "submit", "submission", &people, letter);
        assert!(ended.well, "{}{}", ended.out, ended.err);
        let stored = last(&server, "alan", "INBOX");
        let verify = ["verify", "zone"];
        assert_eq!(
            dkimpy(&verify, folder, &stored),
            "pass\npass\n",
            "{stored:.2000}"
        );
        let changed = stored.replace("five", "six");
        assert_eq!(dkimpy(&verify, folder, &changed), "fail\nfail\n");
        if let Some(judged) = opendkim(folder, &stored) {
            assert_eq!(judged, "pass\n");
            assert_eq!(opendkim(folder, &changed).as_deref(), Some("fail\n"));
        }
    }
}
