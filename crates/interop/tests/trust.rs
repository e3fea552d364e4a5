//! Signatures and chains: what `caramel` makes, dkimpy believes, and what dkimpy makes,
//! `caramel` believes.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;

use interop::{Server, program};
use tempfile::TempDir;

const DOMAIN: &str = "example.org";
const LETTER: &str = "From: Ada <ada@example.org>\r\nTo: bob@example.net\r\nSubject: Tea\r\n \
    at five\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <2@example.org>\r\n\r\n\
    At  five?\t \r\n\r\nAda\r\n\r\n\r\n";

fn run(name: &str, words: &[&str], folder: &Path, input: &str) -> String {
    let ended = program(name, words, folder, input).unwrap();
    assert!(ended.well, "{name} {words:?}\n{}\n{}", ended.out, ended.err);
    ended.out
}

fn caramel(words: &[&str], folder: &Path, input: &str) -> String {
    run(Server::binary().to_str().unwrap(), words, folder, input)
}

fn dkimpy(words: &[&str], folder: &Path, input: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/signatures.py");
    run("python3", &[&[script], words].concat(), folder, input)
}

/// A folder with two keys, `rsa2048` and `ed25519`, and a `zone` that has both.
fn keys() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut zone = String::new();
    for kind in ["rsa2048", "ed25519"] {
        let words = [
            "dkim",
            "key",
            kind,
            "--type",
            kind,
            "--domain",
            DOMAIN,
            "--selector",
            kind,
        ];
        zone += &caramel(&words, folder.path(), "");
    }
    fs::write(folder.path().join("zone"), zone).unwrap();
    folder
}

fn verified(letter: &str, folder: &Path) -> String {
    let words = ["dkim", "verify", "--zone", "zone"];
    caramel(&words, folder, letter)
}

#[test]
fn dkimpy_believes_our_signatures() {
    let folder = keys();
    let folder = folder.path();
    for kind in ["rsa2048", "ed25519"] {
        for (header, body) in [
            ("relaxed", "relaxed"),
            ("simple", "simple"),
            ("simple", "relaxed"),
        ] {
            let words = [
                "dkim",
                "sign",
                "--key",
                kind,
                "--domain",
                DOMAIN,
                "--selector",
                kind,
                "--header",
                header,
                "--body",
                body,
                "--identity",
                "ada@mail.example.org",
                "--days",
                "7",
            ];
            let signed = caramel(&words, folder, LETTER);
            assert_eq!(
                dkimpy(&["verify", "zone"], folder, &signed),
                "pass\n",
                "{signed}"
            );
            let changed = signed.replace("At  five", "At six");
            assert_eq!(dkimpy(&["verify", "zone"], folder, &changed), "fail\n");
            assert!(verified(&signed, folder).starts_with("pass example.org"));
        }
    }
}

#[test]
fn we_believe_the_signatures_of_others() {
    let folder = keys();
    let folder = folder.path();
    for kind in ["rsa2048", "ed25519"] {
        let signed = dkimpy(&["sign", "zone", DOMAIN, kind, kind], folder, LETTER);
        assert!(
            verified(&signed, folder).starts_with("pass example.org"),
            "{signed}"
        );
    }
}

// RFC 8301 §3.1: the tool signs by SHA-1 only.
#[test]
fn a_signature_that_proves_nothing_is_called_so() {
    let folder = keys();
    let folder = folder.path();
    let words = ["-d", DOMAIN, "-s", "rsa2048", "-k", "rsa2048", "-C"];
    let signed = run("opendkim-testmsg", &words, folder, LETTER);
    let words = ["dkim", "verify", "--zone", "zone"];
    let ended = program(Server::binary().to_str().unwrap(), &words, folder, &signed).unwrap();
    let expected = "policy example.org (key rsa2048, rsa-sha1): SHA-1 proves nothing any more\n";
    assert_eq!((ended.well, &*ended.out), (false, expected));
}

#[test]
fn chains_of_both_hold() {
    let folder = keys();
    let folder = folder.path();
    let client = [
        "--zone",
        "zone",
        "--ip",
        "192.0.2.1",
        "--helo",
        "a.example",
        "--server",
        DOMAIN,
    ];
    let seal = |kind: &str, letter: &str| {
        let key = ["--key", kind, "--domain", DOMAIN, "--selector", kind];
        caramel(
            &[&["trust", "seal"], &client[..], &key[..]].concat(),
            folder,
            letter,
        )
    };
    let ours = seal("rsa2048", LETTER);
    assert_eq!(
        dkimpy(&["chain", "zone"], folder, &ours),
        "pass\n",
        "{ours}"
    );
    let with_results = format!("Authentication-Results: {DOMAIN}; arc=pass\r\n{ours}");
    let words = ["seal", "zone", DOMAIN, "rsa2048", "rsa2048"];
    let theirs = dkimpy(&words, folder, &with_results);
    let last = seal("ed25519", &theirs);
    let checked = caramel(&[&["trust", "check"], &client[..]].concat(), folder, &last);
    let expected = "arc    pass: sealed by example.org, then example.org, then example.org";
    assert!(checked.contains(expected), "{checked}\n{last}");
    let broken = last.replace("At  five", "At six");
    let checked = caramel(
        &[&["trust", "check"], &client[..]].concat(),
        folder,
        &broken,
    );
    assert!(checked.contains("arc    fail: "), "{checked}");
}
