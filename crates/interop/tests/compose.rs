//! What `caramel compose` writes: read by Python's email, verified by OpenSSL, sent by curl.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;

use interop::{Server, Tls, program};
use serde_json::{Value, json};
use tempfile::TempDir;

const LETTER: &str = "From: Grace <grace@example.org>\r\nTo: ada@example.org\r\n\
    Subject: Tea\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <2@example.org>\r\n\
    Disposition-Notification-To: Grace <grace@example.org>\r\n\r\nAt five?\r\n";

fn run(name: &str, words: &[&str], folder: &Path, input: &str) -> String {
    let ended = program(name, words, folder, input).unwrap();
    assert!(ended.well, "{name} {words:?}\n{}\n{}", ended.out, ended.err);
    ended.out
}

fn compose(words: &[&str], folder: &Path, input: &str) -> String {
    let binary = Server::binary();
    let words = [&["compose", "--from", "Ada <ada@test.localhost>"], words].concat();
    run(binary.to_str().unwrap(), &words, folder, input)
}

/// What Python reads; nothing in it may be wrong.
fn read(message: &str, folder: &Path) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/composed_read.py");
    let said: Value = serde_json::from_str(&run("python3", &[script], folder, message)).unwrap();
    assert_eq!(said["defects"], json!([]), "{message}");
    said
}

#[test]
fn python_reads_every_part() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    for (name, content) in [
        ("page.html", "<p>Grüße <img src=\"cid:logo@x\">\n"),
        ("logo.png", "PNG"),
        ("Plan für Ada.pdf", "%PDF"),
        ("list.csv", "ä,ö\n"),
        ("letter.eml", LETTER),
        ("text", "Grüße\nfrom here\n"),
    ] {
        fs::write(folder.join(name), content).unwrap();
    }
    let words = [
        "--to",
        "Jörg Müller <j@example.org>, Team Ü: a@example.org, B <b@example.org>;",
        "--cc",
        "\"O'Neil, Jr.\" <o@example.org>",
        "--subject",
        "Ein ziemlich langer Betreff über Tee, Törtchen und was sonst noch alles dazugehört",
        "--text",
        "text",
        "--html",
        "page.html",
        "--picture",
        "logo@x=logo.png",
        "--attach",
        "Plan für Ada.pdf",
        "--attach-as",
        "text/csv",
        "list.csv",
        "--forward",
        "letter.eml",
    ];
    let said = read(&compose(&words, folder, ""), folder);
    let tree = "multipart/mixed(multipart/alternative(text/plain \
        multipart/related(text/html image/png)) application/pdf text/csv message/rfc822)";
    assert_eq!(said["tree"], tree);
    assert_eq!(said["fields"]["subject"], words[5]);
    let to = json!([
        ["Jörg Müller", "j@example.org"],
        ["", "a@example.org"],
        ["B", "b@example.org"]
    ]);
    assert_eq!(said["addresses"]["to"], to);
    assert_eq!(
        said["addresses"]["cc"],
        json!([["O'Neil, Jr.", "o@example.org"]])
    );
    assert_eq!(said["groups"], json!([null, "Team Ü"]));
    let leaf = |at: usize| said["leaves"][at].clone();
    assert_eq!(leaf(0)["content"], "Grüße\nfrom here\n");
    assert_eq!(leaf(1)["content"], "<p>Grüße <img src=\"cid:logo@x\">\n");
    assert_eq!(
        (&leaf(2)["cid"], &leaf(2)["content"]),
        (&json!("<logo@x>"), &json!("504e47"))
    );
    assert_eq!(leaf(3)["name"], "Plan für Ada.pdf");
    assert_eq!(leaf(3)["content"], "25504446");
    assert_eq!(
        (&leaf(4)["name"], &leaf(4)["content"]),
        (&json!("list.csv"), &json!("ä,ö\n"))
    );
    assert_eq!(leaf(5)["content"], LETTER.replace("\r\n", "\n"));
}

#[test]
fn python_reads_answers_and_reports() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    fs::write(folder.join("letter"), LETTER).unwrap();
    let words = ["--answer", "letter", "--quote", "--flowed"];
    let answer = read(&compose(&words, folder, "Yes.\n"), folder);
    assert_eq!(answer["fields"]["subject"], "Re: Tea");
    assert_eq!(answer["fields"]["references"], "<2@example.org>");
    assert_eq!(
        answer["addresses"]["to"],
        json!([["Grace", "grace@example.org"]])
    );
    let text = "On Tue, 24 Nov 2026 08:00:00 +0000, Grace wrote:\n> At five?\n\nYes.\n";
    assert_eq!(answer["leaves"][0]["content"], text);
    let receipt = read(&compose(&["--receipt", "letter"], folder, ""), folder);
    let tree = "multipart/report(text/plain message/disposition-notification text/rfc822-headers)";
    assert_eq!(receipt["tree"], tree);
    let body = receipt["leaves"][1]["content"].as_str().unwrap();
    assert!(
        body.contains("Final-Recipient: rfc822;ada@test.localhost\n"),
        "{body}"
    );
    let words = ["--complaint", "letter", "--to", "abuse@example.org"];
    let complaint = read(&compose(&words, folder, ""), folder);
    let tree = "multipart/report(text/plain message/feedback-report message/rfc822)";
    assert_eq!(complaint["tree"], tree);
    let body = complaint["leaves"][1]["content"].as_str().unwrap();
    assert!(body.contains("Feedback-Type: abuse\n"), "{body}");
    let resent = compose(&["--resend", "letter", "--to", "b@example.org"], folder, "");
    assert_eq!(
        read(&resent, folder)["fields"]["resent-to"],
        "b@example.org"
    );
}

#[test]
fn a_signed_part_stays_signed() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let openssl = |words: &[&str], input: &str| run("openssl", words, folder, input);
    openssl(
        &[
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Ada", "-keyout", "key",
            "-out", "cert",
        ],
        "",
    );
    let sign = [
        "cms", "-sign", "-text", "-signer", "cert", "-inkey", "key", "-out", "signed",
    ];
    openssl(&sign, "Signed words \nof Ada\n");
    let message = compose(&["--part", "signed"], folder, "See the part.\n");
    assert!(message.contains("multipart/signed"), "{message}");
    fs::write(folder.join("message"), &message).unwrap();
    let header = message
        .split("Content-Type: multipart/signed")
        .nth(1)
        .unwrap();
    let end = header.rfind("\r\n--=_caramel").unwrap();
    let part = format!(
        "Content-Type: multipart/signed{}",
        header.get(..end).unwrap()
    );
    let verify = [
        "cms", "-verify", "-CAfile", "cert", "-purpose", "any", "-text",
    ];
    assert!(openssl(&verify, &part).contains("Signed words \r\nof Ada"));
}

#[test]
fn curl_sends_what_was_composed() {
    let server = Server::start().unwrap();
    let ca = server.authority().unwrap();
    let folder = server.folder();
    fs::write(folder.join("film.mp4"), "film".repeat(100_000)).unwrap();
    fs::write(folder.join("letter"), LETTER).unwrap();
    let letters = [
        compose(
            &["--to", "alan@test.localhost", "--attach", "film.mp4"],
            folder,
            "Grüße\n",
        ),
        compose(
            &["--to", "alan@test.localhost", "--forward", "letter"],
            folder,
            "See.\n",
        ),
        compose(&["--receipt", "letter"], folder, ""),
    ];
    let submission = format!("smtps://{}", server.address("submission", Tls::Implicit));
    let imap = format!("imaps://{}", server.address("imap", Tls::Implicit));
    let quiet = ["--silent", "--show-error", "--cacert", &ca];
    // RFC 8098 §3: nobody hears of a receipt that is lost.
    let senders = ["ada@test.localhost", "ada@test.localhost", ""];
    for ((letter, from), number) in letters.iter().zip(senders).zip(1..) {
        let mut words = vec!["--user", "ada@test.localhost:secret", "--mail-from", from];
        words.extend(["--mail-rcpt", "alan@test.localhost", "--upload-file", "-"]);
        words.push(&submission);
        words.extend(quiet);
        run("curl", &words, folder, letter);
        let url = format!("{imap}/INBOX;UID={number}");
        let mut words = vec!["--user", "alan@test.localhost:secret", &url];
        words.extend(quiet);
        let fetched = run("curl", &words, folder, "");
        assert!(fetched.ends_with(letter.as_str()), "{fetched}");
    }
}
