//! Looking on at other people's programs.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use interop::{Server, Talk, Tls, program};

/// ada's name and password, as PLAIN sends them, and what stands for them.
const PLAIN: &str = "AGFkYUB0ZXN0LmxvY2FsaG9zdABzZWNyZXQ=";
const PLAIN_LEFT_OUT: &str = "AGFkYUB0ZXN0LmxvY2FsaG9zdAA8bGVmdC1vdXQ+";

const LETTER: &str = "From: ada@test.localhost\r\nSubject: one\r\n\r\nprivate matter\r\n";

/// Begins to look on, and returns once it does.
fn look(server: &Server, words: &[&str]) -> Child {
    let mut child = Command::new(Server::binary())
        .arg("--config")
        .arg(server.config())
        .arg("dialogue")
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let stderr = child.stderr.as_mut().unwrap();
    BufReader::new(stderr).read_line(&mut said).unwrap();
    assert!(said.starts_with("Looking on"), "{said}");
    child
}

/// What is written of a conversation in `protocol` that `talk` holds.
fn recorded(server: &Server, protocol: &str, talk: impl FnOnce()) -> String {
    let path = server.folder().join(format!("{protocol}.txt"));
    let file = path.display().to_string();
    let mut looking = look(server, &["--protocol", protocol, "--write", &file]);
    talk();
    assert!(looking.wait().unwrap().success());
    fs::read_to_string(path).unwrap()
}

/// The octets that the client sends in a dialogue, with the password in its place again.
fn octets(dialogue: &str) -> String {
    let mut octets = String::new();
    for line in dialogue.lines() {
        if let Some(text) = line.strip_prefix("C:") {
            octets.push_str(text.strip_prefix(' ').unwrap_or(text));
            octets.push_str("\r\n");
        } else if let Some(text) = line.strip_prefix("C* ") {
            let (count, text) = text.split_once(' ').unwrap();
            let text = text.replace("\\r\\n", "\r\n");
            octets.push_str(&text.repeat(count.parse().unwrap()));
        }
    }
    octets
        .replace(PLAIN_LEFT_OUT, PLAIN)
        .replace("<left-out>", "secret")
}

/// The server's lines, without what is told only once.
fn lines(dialogue: &str) -> Vec<String> {
    let lines = dialogue.lines().filter_map(|line| line.strip_prefix("S: "));
    let lines = lines.filter(|line| !line.contains("Taken as"));
    lines.map(str::to_owned).collect()
}

/// Says the client's part of a dialogue to the server, and hears its part.
fn runs_again(server: &Server, protocol: &str, dialogue: &str) {
    let (mut talk, greeting) = Talk::open(server.address(protocol, Tls::Starttls)).unwrap();
    talk.send(octets(dialogue).as_bytes()).unwrap();
    let mut heard = format!("S: {greeting}\n");
    while let Ok(line) = talk.hear() {
        heard.push_str(&format!("S: {line}\n"));
    }
    assert_eq!(lines(&heard), lines(dialogue));
}

/// Tells no password and nothing of the letter, but tells this; and runs.
fn is_discreet_and_runs(server: &Server, protocol: &str, dialogue: &str, part: &str) {
    for secret in ["secret", "c2VjcmV0", PLAIN, "private"] {
        assert!(!dialogue.contains(secret), "{secret} in\n{dialogue}");
    }
    assert!(dialogue.contains(part), "{part} not in\n{dialogue}");
    assert!(dialogue.ends_with("~ close\n"), "{dialogue}");
    runs_again(server, protocol, dialogue);
}

fn curl(server: &Server, protocol: &str, scheme: &str, words: &[&str]) {
    let address = server.address(protocol, Tls::Starttls);
    let path = if scheme == "imap" { "/INBOX" } else { "/" };
    let url = format!("{scheme}://{address}{path}");
    let ada = ["--user", "ada@test.localhost:secret", "--silent", &url];
    let words = [&ada[..], words].concat();
    let ended = program("curl", &words, server.folder(), LETTER).unwrap();
    assert!(ended.well, "{words:?}\n{}\n{}", ended.out, ended.err);
}

#[test]
fn what_curl_says_is_put_down_without_its_password_and_runs_again() {
    let server = Server::start().unwrap();
    let plain = ["--login-options", "AUTH=PLAIN"];
    let envelope = [
        "--mail-from",
        "ada@test.localhost",
        "--mail-rcpt",
        "ada@test.localhost",
        "--upload-file",
        "-",
    ];
    let sending = [&plain[..], &envelope].concat();
    let left_out = format!("# {} octets left out\n", LETTER.len());
    let conversations: [(&str, &str, &[&str], &str); 3] = [
        ("submission", "smtp", &sending, &left_out),
        ("imap", "imap", &plain, PLAIN_LEFT_OUT),
        ("pop3", "pop3", &plain, PLAIN_LEFT_OUT),
    ];
    for (protocol, scheme, words, part) in conversations {
        let dialogue = recorded(&server, protocol, || curl(&server, protocol, scheme, words));
        is_discreet_and_runs(&server, protocol, &dialogue, part);
    }
    assert!(server.log().contains("somebody looks on at conversations"));
}

const IMAPLIB: &str = "
import imaplib, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.check_hostname = False
client = imaplib.IMAP4_SSL(*sys.argv[2].split(':'), ssl_context=context)
client.login('ada@test.localhost', 'secret')
client.append('INBOX', None, None, b'Subject: x\\r\\n\\r\\nprivate matter\\r\\n')
client.select('INBOX')
client.fetch('1', '(BODY[])')
client.logout()
";

#[test]
fn what_python_says_inside_of_tls_is_seen_without_its_contents() {
    let server = Server::start().unwrap();
    let ca = server.authority().unwrap();
    let address = server.address("imap", Tls::Implicit).to_string();
    let dialogue = recorded(&server, "imap", || {
        let words = ["-c", IMAPLIB, &ca, &address];
        let ended = program("python3", &words, server.folder(), "").unwrap();
        assert!(ended.well, "{}\n{}", ended.out, ended.err);
    });
    for secret in ["secret", "private", "matter"] {
        assert!(!dialogue.contains(secret), "{secret} in\n{dialogue}");
    }
    for part in [
        " LOGIN ada@test.localhost <left-out>\n",
        " APPEND INBOX {30}\nS: + Ready\n# 30 octets left out\nC* 30 x\nC:\n",
        "S: * 1 FETCH (BODY[] {30}\nS+ <30 octets left out>\nS:  FLAGS (\\Seen))\n",
    ] {
        assert!(dialogue.contains(part), "{part} not in\n{dialogue}");
    }
}

#[test]
fn what_passes_compressed_is_seen_as_it_was() {
    let server = Server::start().unwrap();
    let ca = server.authority().unwrap();
    let address = server.address("imap", Tls::Implicit).to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/extensions.py");
    let dialogue = recorded(&server, "imap", || {
        let words = [script, "compress", &ca, &address];
        let ended = program("python3", &words, server.folder(), "").unwrap();
        assert!(ended.well, "{}\n{}", ended.out, ended.err);
    });
    let (_, behind) = dialogue.split_once("\n~ deflate\n").unwrap();
    let left_out = "# 170018 octets left out\nC* 170018 x\nC:\n";
    assert_eq!(behind.matches(left_out).count(), 3, "{behind}");
    assert_eq!(
        behind.matches("S+ <170018 octets left out>\n").count(),
        3,
        "{behind}"
    );
    assert!(!behind.contains("again"), "{behind}");
    assert!(behind.ends_with("\n~ close\n"), "{behind}");
}

#[test]
fn an_account_is_looked_at_from_its_greeting_on() {
    let server = Server::start().unwrap();
    let mut looking = look(
        &server,
        &["--account", "alan@test.localhost", "--lines", "5"],
    );
    let mut ada = Talk::open(server.address("imap", Tls::Starttls)).unwrap().0;
    ada.imap_login("ada@test.localhost", "secret").unwrap();
    let mut alan = Talk::open(server.address("imap", Tls::Starttls)).unwrap().0;
    alan.imap("NOOP").unwrap();
    alan.imap_login("alan@test.localhost", "secret").unwrap();
    assert!(looking.wait().unwrap().success());
    let seen = std::io::read_to_string(looking.stdout.take().unwrap()).unwrap();
    let seen: Vec<&str> = seen.lines().collect();
    let begins = [
        "# connection ",
        "S: * OK ",
        "# clear",
        "C: t NOOP",
        "S: t OK ",
    ];
    assert_eq!(seen.len(), begins.len(), "{seen:?}");
    for (line, begin) in seen.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line} {begin}");
    }
    let list = server.command(&["connections", "--json"], "").unwrap();
    for name in ["ada", "alan"] {
        let account = format!("\"account\":\"{name}@test.localhost\"");
        assert!(list.contains(&account), "{list}");
    }
    let list = server.command(&["connections"], "").unwrap();
    assert_eq!(list.matches("clear  Authenticated ").count(), 2, "{list}");
}

#[test]
fn it_may_be_forbidden_and_needs_a_server() {
    let mut server = Server::start_with("[privacy]\nallow_dialogue = false").unwrap();
    let said = server
        .command(&["dialogue", "--lines", "1"], "")
        .unwrap_err();
    assert!(
        said.to_string().contains("allow_dialogue is false"),
        "{said}"
    );
    server.stop();
    let said = server.command(&["connections"], "").unwrap_err();
    assert!(said.to_string().contains("no server runs"), "{said}");
}
