//! Thunderbird, without a screen: a whole round of reading, flagging, filing, sending, deleting.
//!
//! It is driven by Marionette, its own protocol of JSON in frames, as a person's hand would be.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use interop::{Server, Talk, Tls, program};
use serde_json::{Value, json};

/// How long the whole round may take, seconds.
const ROUND_SECONDS_MAX: u64 = 180;

/// No first-run pages, nothing asked of the net, no questions to somebody who is not there.
const PREFERENCES: &str = r#"
user_pref("app.donation.eoy.version.viewed", 999);
user_pref("app.update.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("mail.provider.suppress_dialog_on_startup", true);
user_pref("mail.rights.version", 1);
user_pref("mailnews.start_page.enabled", false);
user_pref("marionette.port", 0);
user_pref("network.proxy.type", 0);
"#;

/// A running Thunderbird, ended when it is dropped.
#[derive(Debug)]
struct Thunderbird {
    child: Child,
    profile: PathBuf,
    said: mpsc::Receiver<String>,
}

impl Thunderbird {
    fn start(folder: &Path, authority: &str) -> Self {
        let profile = folder.join("profile");
        fs::create_dir(&profile).unwrap();
        fs::write(profile.join("user.js"), PREFERENCES).unwrap();
        let database = format!("sql:{}", profile.display());
        let trust = [
            "-A", "-d", &database, "-n", "house", "-t", "C,,", "-i", authority,
        ];
        for words in [&["-N", "-d", &database, "--empty-password"][..], &trust] {
            let ended = program("certutil", words, folder, "").unwrap();
            assert!(ended.well, "{words:?}: {}", ended.err);
        }
        let mut child = Command::new("timeout")
            .args([&ROUND_SECONDS_MAX.to_string(), "thunderbird"])
            .args(["--headless", "--no-remote", "--marionette"])
            .args(["--remote-allow-system-access", "--profile"])
            .arg(&profile)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (tell, said) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Nobody listens any more once the round is over.
                tell.send(line).unwrap_or_default();
            }
        });
        Self {
            child,
            profile,
            said,
        }
    }

    /// Waits until it listens, and connects.
    fn drive(&self) -> Driver {
        let limit = Duration::from_secs(ROUND_SECONDS_MAX);
        let mut heard = Vec::new();
        while let Ok(line) = self.said.recv_timeout(limit) {
            if let Some((_, port)) = line.split_once("Listening on port ") {
                return Driver::connect(port.trim().parse().unwrap());
            }
            heard.push(line);
        }
        panic!("it does not listen: {heard:#?}");
    }
}

impl Drop for Thunderbird {
    fn drop(&mut self) {
        // `timeout` hands the signal on to what it runs.
        let pid = self.child.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.profile));
    }
}

/// The other end of Marionette.
#[derive(Debug)]
struct Driver {
    stream: BufReader<TcpStream>,
    commands: u32,
}

impl Driver {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let limit = Some(Duration::from_secs(ROUND_SECONDS_MAX));
        stream.set_read_timeout(limit).unwrap();
        let mut driver = Self {
            stream: BufReader::new(stream),
            commands: 0,
        };
        let greeting = driver.frame();
        assert_eq!(greeting["marionetteProtocol"], 3, "{greeting}");
        driver.command("WebDriver:NewSession", &json!({}));
        driver.command("Marionette:SetContext", &json!({"value": "chrome"}));
        let milliseconds = ROUND_SECONDS_MAX * 1000;
        driver.command("WebDriver:SetTimeouts", &json!({"script": milliseconds}));
        driver
    }

    /// A length in decimals, a colon, and so many octets of JSON.
    fn frame(&mut self) -> Value {
        let mut length = Vec::new();
        self.stream.read_until(b':', &mut length).unwrap();
        let length = String::from_utf8(length).unwrap();
        let length = length.trim_end_matches(':').parse().unwrap();
        let mut octets = vec![0; length];
        self.stream.read_exact(&mut octets).unwrap();
        serde_json::from_slice(&octets).unwrap()
    }

    fn command(&mut self, name: &str, parameters: &Value) -> Value {
        self.commands += 1;
        let command = json!([0, self.commands, name, parameters]).to_string();
        let frame = format!("{}:{command}", command.len());
        self.stream.get_mut().write_all(frame.as_bytes()).unwrap();
        let answer = self.frame();
        assert_eq!(answer[2], Value::Null, "{name}: {answer}");
        answer[3].clone()
    }

    /// Runs a script and answers what it hands to its last argument.
    fn script(&mut self, script: &str, arguments: &Value) -> String {
        let parameters = json!({
            "script": script, "args": arguments, "sandbox": "system", "newSandbox": true,
        });
        let answer = self.command("WebDriver:ExecuteAsyncScript", &parameters);
        answer["value"].as_str().unwrap_or_default().to_owned()
    }
}

fn deliver(server: &Server, subject: &str) {
    let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    talk.smtp("EHLO test.localhost").unwrap();
    let letter = format!(
        "From: guest@elsewhere.example\r\nSubject: {subject}\r\n\
         Date: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nBody {subject}"
    );
    let reply = talk.deliver("guest@elsewhere.example", &["ada@test.localhost"], &letter);
    assert!(reply.unwrap().starts_with("250"));
}

/// Subjects and flags of the messages in a mailbox.
fn mailbox(server: &Server, user: &str, name: &str) -> Vec<String> {
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login(user, "secret").unwrap();
    talk.imap(&format!("EXAMINE \"{name}\"")).unwrap();
    let lines = talk.imap("FETCH 1:* (FLAGS ENVELOPE)").unwrap();
    let fetched = lines
        .iter()
        .filter_map(|line| line.split_once(" FETCH (FLAGS "));
    let shown = fetched.map(|(_, items)| {
        let (flags, envelope) = items.split_once(" ENVELOPE (").unwrap();
        let subject = envelope.split('"').nth(3).unwrap();
        format!("{subject} {flags}")
    });
    shown.collect()
}

#[test]
fn thunderbird_reads_flags_files_sends_and_deletes() {
    let server = Server::start().unwrap();
    for subject in ["one", "two", "three"] {
        deliver(&server, subject);
    }
    let letter = server.folder().join("letter.eml");
    let text = "From: ada@test.localhost\r\nTo: alan@test.localhost\r\nSubject: Tea?\r\n\
        Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <put@test.localhost>\r\n\r\n\
        Green.\r\n";
    fs::write(&letter, text).unwrap();
    let bird = Thunderbird::start(server.folder(), &server.authority().unwrap());
    let mut driver = bird.drive();
    let port = |protocol| server.address(protocol, Tls::Implicit).port();
    let ports = json!([port("imap"), port("submission")]);
    let made = driver.script(include_str!("account.js"), &ports);
    assert_eq!(made, "set up", "{}", server.log());

    let seen = driver.script(include_str!("round.js"), &json!([letter.to_str()]));
    let wanted = "inbox: one, two, three\ntext: Body one\ncopied: true true $label1\nput: 0\n\
        renamed: two, Tea?\nsent: 0";
    assert_eq!(seen, wanted, "{}", server.log());
    let ada = |name| mailbox(&server, "ada@test.localhost", name);
    assert_eq!(ada("INBOX"), ["one (\\Seen \\Flagged $label1)", "three ()"]);
    assert_eq!(ada("Th&AOk- vert"), ["two ()", "Tea? ()"]);
    let alan = mailbox(&server, "alan@test.localhost", "INBOX");
    assert_eq!(alan, ["Tea? ()"]);

    // It idles: a letter that comes is seen at once.
    deliver(&server, "four");
    let seen = driver.script(include_str!("idle.js"), &json!(["four"]));
    assert_eq!(seen, "one, three, four", "{}", server.log());
}
