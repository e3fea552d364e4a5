//! Letters from elsewhere that are sent on are sealed, and reports are signed: dkimpy believes
//! both.

use std::fs;
use std::path::Path;

use interop::{NameServer, Server, Tls, program};
use serde_json::Value;

use super::sink::Sink;
use super::words;

const LETTER: &str = "From: Bob <bob@good.example>\r\nTo: team@test.localhost\r\nSubject: Tea\r\n\
    Date: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@good.example>\r\n\r\n\
    At  five?\t \r\n\r\nBob\r\n";

/// A server that sends on, in a town that can be asked.
struct Forwarder {
    _names: NameServer,
    server: Server,
    sink: Sink,
}

/// Keys: whose, by which selector and file, and of which kind.
const KEYS: [(&str, &str, &str); 3] = [
    ("test.localhost", "ed25519", "ed25519"),
    ("test.localhost", "rsa2048", "rsa2048"),
    ("list.example", "list", "rsa2048"),
];

/// The keys in a folder, and `zone` there with their records.
fn keys(folder: &Path) -> String {
    let mut zone = String::new();
    for (domain, selector, kind) in KEYS {
        let words = [
            "dkim",
            "key",
            selector,
            "--type",
            kind,
            "--domain",
            domain,
            "--selector",
            selector,
        ];
        let binary = Server::binary();
        let ended = program(binary.to_str().unwrap(), &words, folder, "").unwrap();
        assert!(ended.well, "{}", ended.err);
        zone += &ended.out;
    }
    fs::write(folder.join("zone"), &zone).unwrap();
    zone.replace(". IN TXT ", " TXT ")
}

fn forwarder(folder: &Path, more: &str) -> Forwarder {
    let records = keys(folder);
    let sink = Sink::start("127.0.0.2", 0, None);
    let zone = format!(
        "a.example A 127.0.0.2\ngood.example A 127.0.0.2\n\
         good.example TXT \"v=spf1 ip4:127.0.0.1 -all\"\n{records}"
    );
    let names = NameServer::start(&zone).unwrap();
    let mut text = format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1s\"]\n[relay]\nport = {}\n\
         [trust]\nunchecked = []\n{more}",
        names.address(),
        sink.port
    );
    for kind in ["ed25519", "rsa2048"] {
        let key = folder.join(kind).display().to_string();
        text += &format!(
            "[[dkim]]\ndomain = \"test.localhost\"\nselector = \"{kind}\"\nkey = \"{key}\"\n"
        );
    }
    let server = Server::start_with(&text).unwrap();
    let words = ["alias", "add", "team@test.localhost", "x@a.example"];
    server.command(&words, "").unwrap();
    Forwarder {
        _names: names,
        server,
        sink,
    }
}

impl Forwarder {
    /// Bob sends a letter from elsewhere.
    fn send(&self, to: &str, letter: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/receipt.py");
        let address = self.server.address("smtp", Tls::Starttls);
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let words = [script, "send", &ip, &port, "bob@good.example", to];
        let ended = program("python3", &words, self.server.folder(), letter).unwrap();
        assert!(
            ended.well,
            "{}{}\n{}",
            ended.out,
            ended.err,
            self.server.log()
        );
    }

    /// The letter that came next.
    fn takes(&self, count: usize) -> String {
        let taken: Vec<Value> = self.sink.takes(count);
        words(taken.get(count - 1).unwrap(), "body").to_owned()
    }
}

fn dkimpy(words: &[&str], folder: &Path, input: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/signatures.py");
    let ended = program("python3", &[&[script], words].concat(), folder, input).unwrap();
    assert!(ended.well, "{}\n{input}", ended.err);
    ended.out
}

#[test]
fn letters_that_are_sent_on_are_sealed() {
    let folder = tempfile::TempDir::new().unwrap();
    let folder = folder.path();
    let town = forwarder(folder, "");
    // By an alias, small and so large that it is streamed.
    let large = format!("{LETTER}{}", "A line of a long letter.\r\n".repeat(20_000));
    for (count, letter) in [(1, LETTER), (2, &large)] {
        town.send("team@test.localhost", letter);
        let sent = town.takes(count);
        assert!(sent.starts_with("ARC-Seal: i=1;"), "{sent:.2000}");
        assert_eq!(
            dkimpy(&["chain", "zone"], folder, &sent),
            "pass\n",
            "{sent:.3000}"
        );
        for wanted in [
            "cv=none",
            "s=rsa2048",
            "spf=pass smtp.mailfrom=bob@good.example",
        ] {
            assert!(sent.contains(wanted), "{wanted}: {sent:.3000}");
        }
        let changed = sent.replace("At  five", "At six");
        assert_eq!(dkimpy(&["chain", "zone"], folder, &changed), "fail\n");
    }
    // What comes sealed is sealed once more, above: our verdict stands in it.
    let results = format!("Authentication-Results: list.example; arc=none\r\n{LETTER}");
    let sealed = dkimpy(
        &["seal", "zone", "list.example", "list", "list"],
        folder,
        &results,
    );
    let sealed = sealed.replace("\r\n", "\n").replace('\n', "\r\n");
    town.send("team@test.localhost", &sealed);
    let sent = town.takes(3);
    assert!(
        sent.starts_with("ARC-Seal: i=2;") && sent.contains("cv=pass"),
        "{sent}"
    );
    assert_eq!(
        dkimpy(&["chain", "zone"], folder, &sent),
        "pass\n",
        "{sent}"
    );
    // One that was broken on its way is sealed as broken.
    town.send("team@test.localhost", &sealed.replace("At  five", "At six"));
    let sent = town.takes(4);
    assert!(
        sent.starts_with("ARC-Seal: i=2;") && sent.contains("cv=fail"),
        "{sent}"
    );
}

#[test]
fn what_scripts_send_on_is_sealed_as_it_came_and_as_they_change_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let folder = folder.path();
    let town = forwarder(folder, "");
    let scripts = [
        "redirect \"x@a.example\";",
        "require \"editheader\"; addheader \"X-Seen\" \"yes\"; redirect \"x@a.example\";",
    ];
    for (count, script) in (1..).zip(scripts) {
        let put = [
            "sieve",
            "put",
            "ada@test.localhost",
            "-",
            "--name",
            "on",
            "--activate",
        ];
        town.server.command(&put, script).unwrap();
        town.send("ada@test.localhost", LETTER);
        let sent = town.takes(count);
        assert!(sent.starts_with("ARC-Seal: i=1;"), "{sent}");
        assert_eq!(
            dkimpy(&["chain", "zone"], folder, &sent),
            "pass\n",
            "{sent}"
        );
    }
}

#[test]
fn nothing_is_sealed_where_that_is_not_wanted() {
    let folder = tempfile::TempDir::new().unwrap();
    let town = forwarder(folder.path(), "[forward]\nseal = false\n");
    town.send("team@test.localhost", LETTER);
    assert!(!town.takes(1).contains("ARC-"));
}

#[test]
fn reports_are_signed() {
    let folder = tempfile::TempDir::new().unwrap();
    let town = forwarder(folder.path(), "");
    let words = ["alias", "add", "gone@test.localhost", "never@a.example"];
    town.server.command(&words, "").unwrap();
    town.send("gone@test.localhost", LETTER);
    let report = town.takes(1);
    assert!(report.starts_with("DKIM-Signature: "), "{report}");
    let verdicts = dkimpy(&["verify", "zone"], folder.path(), &report);
    assert_eq!(verdicts, "pass\npass\n", "{report}");
    // The domain that signs is the one above the author's.
    assert!(
        report.contains("postmaster@mail.test.localhost"),
        "{report}"
    );
    assert!(report.contains("d=test.localhost"), "{report}");
}
