//! `caramel dkim` and `caramel trust` as people and programs meet them.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Lines end as editors end them.
const LETTER: &str = "From: Ada <ada@example.org>\nTo: bob@example.net\nSubject: Tea\n\nAt five?\n";
const ZONE: &str = "example.org TXT \"v=spf1 ip4:192.0.2.0/24 -all exp=why.example.org\"\n\
    why.example.org TXT \"%{i} is not ours\"\n\
    _dmarc.example.org TXT \"v=DMARC1; p=reject\"\n\
    1.2.0.192.in-addr.arpa PTR mx.example.org.\nmx.example.org A 192.0.2.1\n\
    silent.example FAIL\n";

fn run(words: &[&str], folder: &Path, input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_caramel"))
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input closes it.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn said(words: &[&str], folder: &Path, input: &str) -> String {
    let output = run(words, folder, input);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with a key and a zone that has it.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let words = [
        "--type",
        "ed25519",
        "--domain",
        "example.org",
        "--selector",
        "s1",
    ];
    let words = [&["dkim", "key", "s1.pem"], &words[..]].concat();
    let record = said(&words, folder.path(), "");
    assert!(record.starts_with("s1._domainkey.example.org. IN TXT \"v=DKIM1; k=ed25519; p="));
    fs::write(folder.path().join("zone"), format!("{ZONE}{record}")).unwrap();
    folder
}

const SIGN: [&str; 8] = [
    "dkim",
    "sign",
    "--key",
    "s1.pem",
    "--domain",
    "example.org",
    "--selector",
    "s1",
];

#[test]
fn a_key_is_made_once_and_for_its_owner() {
    let folder = folder();
    let folder = folder.path();
    let key = folder.join("s1.pem");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let before = fs::read(&key).unwrap();
    let words = [
        "dkim",
        "key",
        "s1.pem",
        "--domain",
        "example.org",
        "--selector",
        "s1",
    ];
    assert!(!run(&words, folder, "").status.success());
    assert_eq!(fs::read(&key).unwrap(), before);
    let record = [
        "dkim",
        "record",
        "s1.pem",
        "--domain",
        "example.org",
        "--selector",
        "s1",
    ];
    let record = said(&record, folder, "");
    assert!(
        fs::read_to_string(folder.join("zone"))
            .unwrap()
            .ends_with(&record)
    );
    let words = ["dkim", "record", "zone", "--domain", "a", "--selector", "b"];
    assert_eq!(run(&words, folder, "").status.code(), Some(2));
}

#[test]
fn letters_are_signed_and_verified() {
    let folder = folder();
    let folder = folder.path();
    let signed = said(&SIGN, folder, LETTER);
    assert!(
        signed.starts_with("DKIM-Signature: v=1; a=ed25519-sha256;"),
        "{signed}"
    );
    assert!(signed.ends_with("\r\n\r\nAt five?\r\n"), "{signed}");
    let verify = ["dkim", "verify", "--zone", "zone"];
    let expected = "pass example.org (key s1, ed25519-sha256)\n";
    assert_eq!(said(&verify, folder, &signed), expected);
    // An editor's line ends change nothing.
    assert_eq!(
        said(&verify, folder, &signed.replace("\r\n", "\n")),
        expected
    );
    let changed = run(&verify, folder, &signed.replace("five", "six"));
    assert_eq!(changed.status.code(), Some(1));
    let shown = String::from_utf8(changed.stdout).unwrap();
    assert_eq!(
        shown,
        format!(
            "{}: the body was changed\n",
            expected.trim_end().replace("pass", "fail")
        )
    );
    assert_eq!(run(&verify, folder, LETTER).stdout, b"none\n");
    let revoked = "s1._domainkey.example.org=v=DKIM1; p=";
    let output = run(
        &["dkim", "verify", "--json", "--record", revoked],
        folder,
        &signed,
    );
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let first = shown.pointer("/dkim/0").unwrap();
    assert_eq!(first.pointer("/result").unwrap(), "permerror");
    assert_eq!(first.pointer("/reason").unwrap(), "its key was revoked");
    assert_eq!(first.pointer("/signature/selector").unwrap(), "s1");
    assert_eq!(
        first.pointer("/asked").unwrap(),
        "s1._domainkey.example.org TXT"
    );
}

fn check(ip: &str, from: &str, folder: &Path, letter: &str) -> Value {
    let words = [
        "trust",
        "check",
        "--json",
        "--zone",
        "zone",
        "--helo",
        "mx.example.org",
    ];
    let client = ["--ip", ip, "--from", from, "--server", "mail.example.net"];
    let shown = said(&[&words[..], &client[..]].concat(), folder, letter);
    serde_json::from_str(&shown).unwrap()
}

#[test]
fn all_checks_say_why() {
    let folder = folder();
    let folder = folder.path();
    let signed = said(&SIGN, folder, LETTER);
    let forged = format!("Authentication-Results: mail.example.net; dkim=pass\r\n{signed}");
    for (ip, from, letter, expected) in [
        (
            "192.0.2.1",
            "ada@example.org",
            &signed,
            ["pass", "pass", "pass", "pass"],
        ),
        (
            "192.0.2.1",
            "ada@example.org",
            &LETTER.to_owned(),
            ["pass", "pass", "", "pass"],
        ),
        (
            "203.0.113.1",
            "<ada@example.org>",
            &signed,
            ["permerror", "fail", "pass", "pass"],
        ),
        (
            "203.0.113.1",
            "ada@example.org",
            &LETTER.to_owned(),
            ["permerror", "fail", "", "fail"],
        ),
        (
            "192.0.2.1",
            "x@silent.example",
            &forged,
            ["pass", "temperror", "pass", "pass"],
        ),
        ("192.0.2.1", "", &signed, ["pass", "none", "pass", "pass"]),
    ] {
        let shown = check(ip, from, folder, letter);
        let results = [
            "/iprev/result",
            "/spf/result",
            "/dkim/0/result",
            "/dmarc/result",
        ];
        let found = results.map(|at| {
            shown
                .pointer(at)
                .and_then(Value::as_str)
                .unwrap_or_default()
        });
        assert_eq!(found, expected, "{ip} {from}: {shown:#}");
        assert_eq!(shown.pointer("/dmarc/wanted").unwrap(), "reject");
        assert_eq!(
            shown.pointer("/forged").unwrap(),
            usize::from(*letter == forged)
        );
    }
}

#[test]
fn the_reasons_stand_below_the_field() {
    let folder = folder();
    let folder = folder.path();
    let words = [
        "trust",
        "check",
        "--zone",
        "zone",
        "--helo",
        "mx.example.org",
    ];
    let client = ["--ip", "203.0.113.1", "--from", "ada@example.org"];
    let shown = said(&[&words[..], &client[..]].concat(), folder, LETTER);
    for expected in [
        "Authentication-Results: localhost;\n\t",
        "iprev=permerror policy.iprev=203.0.113.1;\n\tspf=none",
        " smtp.helo=mx.example.org;\n\tspf=fail",
        "\nhelo   none mx.example.org for 203.0.113.1",
        "\nspf    fail example.org for 203.0.113.1: `-all` of example.org \
         (example.org explains: 203.0.113.1 is not ours)\n",
        "\ndkim   none: it is not signed\n",
        "\ndmarc  fail example.org: the policy of example.org wants `reject`\n",
        "\narc    none\n",
    ] {
        assert!(shown.contains(expected), "{expected:?}\n{shown}");
    }
    let bad = run(&["dkim", "verify", "--zone", "s1.pem"], folder, LETTER);
    assert_eq!(bad.status.code(), Some(2));
}

#[test]
fn what_was_found_is_sealed() {
    let folder = folder();
    let folder = folder.path();
    let client = [
        "--zone",
        "zone",
        "--ip",
        "192.0.2.1",
        "--helo",
        "mx.example.org",
    ];
    let from = ["--from", "ada@example.org", "--server", "list.example.org"];
    let key = [
        "--key",
        "s1.pem",
        "--domain",
        "example.org",
        "--selector",
        "s1",
    ];
    let seal = [&["trust", "seal"], &client[..], &from[..], &key[..]].concat();
    let sealed = said(&seal, folder, LETTER);
    let shown = check("203.0.113.1", "list@other.example", folder, &sealed);
    assert_eq!(shown.pointer("/arc/result").unwrap(), "pass", "{shown:#}");
    let saw = shown
        .pointer("/arc/sealers/0/results")
        .unwrap()
        .as_str()
        .unwrap();
    assert!(
        saw.contains("spf=pass smtp.mailfrom=ada@example.org"),
        "{saw}"
    );
    let twice = said(&seal, folder, &sealed);
    let shown = check("203.0.113.1", "list@other.example", folder, &twice);
    assert_eq!(
        shown
            .pointer("/arc/sealers")
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let broken = check(
        "203.0.113.1",
        "",
        folder,
        &twice.replace("cv=pass", "cv=none"),
    );
    assert_eq!(broken.pointer("/arc/result").unwrap(), "fail");
}
