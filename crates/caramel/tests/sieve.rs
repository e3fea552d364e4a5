//! `caramel sieve` as people meet it: the binary, files, standard input.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const SCRIPT: &str = "require [\"fileinto\", \"imap4flags\", \"include\"];\n\
    include :optional \"other\";\n\
    if header :contains \"list-id\" \"sieve\" {\n    fileinto :flags \"\\\\Seen\" \"Lists\";\n}\n\
    elsif address \"from\" \"boss@example.org\" { redirect \"me@example.net\"; }\n";
const LETTER: &str = "From: ada@example.org\r\nList-Id: <sieve.example.org>\r\n\r\ntext\r\n";

/// What was written to standard output and to standard error, and the exit code.
fn said(folder: &Path, words: &[&str], input: &str) -> (String, String, i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_caramel"))
        .arg("sieve")
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut standard = child.stdin.take().unwrap();
    standard.write_all(input.as_bytes()).unwrap_or_default();
    drop(standard);
    let output = child.wait_with_output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code().unwrap(),
    )
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.sieve"), SCRIPT).unwrap();
    folder
}

#[test]
fn a_script_is_checked() {
    let folder = folder();
    let right = said(folder.path(), &["check", "rules.sieve"], "");
    assert_eq!(right, ("rules.sieve: right\n".to_owned(), String::new(), 0));
    let (shown, complaint, code) = said(folder.path(), &["check", "-"], "keep;\n\tkep;\n");
    let expected = "-:2:2: unknown command 'kep'\n  \tkep;\n  \t^\n  hint: did you mean 'keep'?\n";
    assert_eq!(shown, expected);
    assert_eq!(complaint, "caramel: a script is not right\n");
    assert_eq!(code, 1);
}

#[test]
fn a_message_shows_what_would_be_done() {
    let folder = folder();
    let (shown, _, code) = said(folder.path(), &["run", "rules.sieve"], LETTER);
    assert_eq!(
        (shown.as_str(), code),
        ("fileinto \"Lists\" flags \\Seen\trules:4\n", 0)
    );
    let (shown, _, _) = said(
        folder.path(),
        &["run", "--json", "rules.sieve"],
        "From: a@b\n\n",
    );
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let action = shown.pointer("/actions/0").unwrap();
    assert_eq!(action.get("action").unwrap(), "keep");
    assert_eq!(action.get("implicit").unwrap(), true);
    assert_eq!(shown.get("fault").unwrap(), &Value::Null);
    let other = "require \"ihave\"; error \"no\";";
    std::fs::write(folder.path().join("other.sieve"), other).unwrap();
    let (shown, complaint, code) = said(folder.path(), &["run", "rules.sieve"], LETTER);
    assert_eq!((shown.as_str(), code), ("keep\timplicit\n", 1));
    assert!(complaint.contains("why:  other:1: no"), "{complaint}");
}

#[test]
fn tests_of_scripts_pass_and_fail() {
    let folder = folder();
    let tests = "# two tests\nscript rules.sieve\n\ntest lists\nmessage\n\
        List-Id: <sieve.x>\n\ntext\n.\n\
        expect fileinto \"Lists\" flags \\Seen\n\ntest others\nenvelope-from a@b.example\nmessage\n\
        From: x@y\n\n.\nexpect discard\n";
    std::fs::write(folder.path().join("rules.test"), tests).unwrap();
    let (shown, complaint, code) = said(folder.path(), &["test", "rules.test"], "");
    let expected =
        "ok      lists\nFAILED  others\n        expected  discard\n        found     keep\n";
    assert_eq!(shown, expected);
    assert_eq!((complaint.as_str(), code), ("caramel: a test fails\n", 1));
    std::fs::write(folder.path().join("bad.test"), "script x\nnonsense\n").unwrap();
    let (_, complaint, code) = said(folder.path(), &["test", "bad.test"], "");
    assert!(complaint.contains("line 2"), "{complaint}");
    assert_eq!(code, 2);
}
