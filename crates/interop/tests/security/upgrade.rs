//! What is said in the clear behind STARTTLS is never taken for what is said under TLS, by either
//! end.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use interop::{Dovecot, NameServer, Server, Tls, program, python};

use super::ADA;
use super::machine::Machine;
use super::sink::{Sink, wait};

/// Protocol, what is said behind STARTTLS, what must not be answered, and the whole answer to what
/// is said under TLS, where it is the same each time.
// tidy: table
const COMMANDS: &[(&str, &str, &str, &str)] = &[
    ("smtp", "RSET", "", "250 2.0.0 OK\r\n221 "),
    (
        "smtp",
        "MAIL FROM:<eve@a.example>",
        "2.1.0",
        "250 2.0.0 OK\r\n221 ",
    ),
    ("smtp", "QUIT", "", "250 2.0.0 OK\r\n221 "),
    ("submission", "EHLO evil", "evil", "250 2.0.0 OK\r\n221 "),
    (
        "submission",
        "AUTH PLAIN AGFkYUB0ZXN0LmxvY2FsaG9zdABzZWNyZXQ=",
        "235",
        "250 2.0.0 OK\r\n221 ",
    ),
    ("imap", "c LOGIN ada@test.localhost secret", "c OK", "y OK"),
    ("imap", "c CAPABILITY", "c OK", "y OK"),
    ("imap", "c LOGIN {3+}\r\nada {6+}\r\nsecret", "c ", "y OK"),
    ("pop3", "CAPA", "IMPLEMENTATION", "+OK"),
    (
        "pop3",
        "USER ada@test.localhost\r\nPASS secret",
        "-ERR",
        "+OK",
    ),
    ("managesieve", "NOOP \"evil\"", "evil", ""),
    (
        "managesieve",
        "AUTHENTICATE \"PLAIN\" \"AGFkYUB0ZXN0LmxvY2FsaG9zdABzZWNyZXQ=\"",
        "Logged",
        "",
    ),
];

#[test]
fn commands_in_front_of_tls_are_forgotten() {
    let server = Server::start().unwrap();
    let script = include_str!("../python/starttls.py");
    for (protocol, command, never, expected) in COMMANDS {
        let address = server.address(protocol, Tls::Starttls).to_string();
        let words = ["-c", script, protocol, &address, command];
        let ended = program("python3", &words, server.folder(), "").unwrap();
        assert!(ended.well, "{protocol} {command}: {}", ended.err);
        let said = ended.out.replace("\r\n", "\n").replace('\n', "\r\n");
        assert!(said.starts_with(expected), "{protocol} {command}: {said}");
        let is_silent = never.is_empty() || !said.contains(never);
        assert!(is_silent, "{protocol} {command}: {said}");
    }
}

/// Somebody on the way; ends when it is dropped.
struct Between {
    child: Child,
    said: BufReader<ChildStdout>,
    port: u16,
}

impl Between {
    fn start(address: &str, host: &str, port: u16, words: &str) -> Self {
        let script = include_str!("../python/starttls_proxy.py");
        let mut command = Command::new(python());
        command.args(["-c", script, address, host, &port.to_string(), words]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        Self {
            child,
            said,
            port: line.trim().parse().unwrap(),
        }
    }

    /// Waits until it has added its words.
    fn has_added(&mut self) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line, "added\n");
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Answers that come before TLS: a letter would come back, or a message not be fetched, if one of
/// them were believed.
#[test]
fn answers_in_front_of_tls_are_forgotten() {
    let dovecot = Dovecot::start_encrypted("sdbox").unwrap();
    let fill = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/fetch.py");
    let there = dovecot.port("imap").unwrap().to_string();
    let words = [fill, "fill", &there, "ada", "INBOX", "0", "3"];
    let filled = program("python3", &words, dovecot.folder(), "").unwrap();
    assert!(filled.well, "{}", filled.err);
    let tls = (dovecot.certificate(), dovecot.folder().join("key"));
    let sink = Sink::start("127.0.0.2", 0, Some((&tls.0, &tls.1)));
    let answers = "250-evil\\r\\n250 SIZE 10\\r\\n552 5.3.4 Too big\\r\\n554 5.5.0 No\\r\\n";
    let mut smtp = Between::start("127.0.0.3", "127.0.0.2", sink.port, answers);
    let names = NameServer::start("there.example A 127.0.0.3").unwrap();
    let mut text = format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1s\"]\n[relay]\nport = {}\n",
        names.address(),
        smtp.port
    );
    let mut ways = Vec::new();
    for (protocol, words) in [
        ("pop3", "-ERR evil\\r\\n+OK 0 0\\r\\n+OK\\r\\n.\\r\\n"),
        (
            "imap",
            "* BYE evil\\r\\n* CAPABILITY IMAP4rev1 LOGINDISABLED\\r\\n",
        ),
    ] {
        let way = Between::start(
            "127.0.0.1",
            "127.0.0.1",
            dovecot.port(protocol).unwrap(),
            words,
        );
        text.push_str(&format!(
            "[[source]]\nname = \"{protocol}\"\nprotocol = \"{protocol}\"\nhost = \"127.0.0.1\"\n\
             port = {}\ntls = \"starttls\"\nuser = \"ada\"\nto = \"{ADA}\"\nkeep = true\n\
             password_cmd = \"echo secret\"\nca = \"{}\"\ninterval = \"0s\"\nsieve = false\n",
            way.port,
            tls.0.display()
        ));
        ways.push((protocol, way));
    }
    let machine = Machine::start(&text);
    let mut command = machine.called("sendmail", &["user@there.example"]);
    let (code, said) = super::machine::feed(&mut command, "Subject: tea\n\nAt five?\n");
    assert_eq!(code, Some(0), "{said}");
    smtp.has_added();
    let letter = &sink.takes(1)[0];
    assert_eq!(letter["tls"], "TLSv1.3");
    wait(|| machine.is_done().then_some(()));
    for (protocol, way) in &mut ways {
        let said = machine
            .server
            .command(&["fetch", "run", protocol], "")
            .unwrap();
        assert!(said.contains("3 messages"), "{said}");
        way.has_added();
    }
    assert_eq!(machine.mail(ADA).len(), 6);
}
