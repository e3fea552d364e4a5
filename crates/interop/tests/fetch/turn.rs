//! Hosts that keep mail for a domain: they are asked for it by ETRN and by ODMR, and we send by
//! ETRN what waits here.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use interop::{Server, Talk, Tls};

use super::count_here;

/// How long is waited for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host that plays a part for each connection. `C ` is a line that it has to hear, `P ` what it
/// says, `H` a greeting of any number of lines that it hears.
fn host(parts: Vec<Vec<&'static str>>) -> (u16, mpsc::Receiver<Result<(), String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, how) = mpsc::channel();
    thread::spawn(move || {
        for part in parts {
            let (stream, _) = listener.accept().unwrap();
            told.send(play(&stream, &part)).unwrap_or_default();
        }
    });
    (port, how)
}

fn play(stream: &TcpStream, part: &[&str]) -> Result<(), String> {
    let mut output = stream;
    let mut input = BufReader::new(stream);
    let mut hear = || {
        let mut line = String::new();
        let read = input
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        match read {
            0 => Err("they have gone".to_owned()),
            _ => Ok(line.trim_end().to_owned()),
        }
    };
    for line in part {
        match line.split_at(1) {
            ("P", text) => {
                let octets = format!("{}\r\n", text.trim_start());
                output
                    .write_all(octets.as_bytes())
                    .map_err(|error| error.to_string())?;
            }
            ("H", _) => while hear()?.as_bytes().get(3) == Some(&b'-') {},
            (_, text) => {
                let (heard, wanted) = (hear()?, text.trim_start());
                if !heard.starts_with(wanted) {
                    return Err(format!("{heard}, not {wanted}"));
                }
            }
        }
    }
    Ok(())
}

/// A provider's part up to where the customer has logged in.
const HELLO: [&str; 7] = [
    "P 220 EXAMPLE.NET on-demand mail relay server ready",
    "C EHLO mail.test.localhost",
    "P 250-EXAMPLE.NET",
    "P 250-AUTH PLAIN",
    "P 250 ATRN",
    // ada, secret
    "C AUTH PLAIN AGFkYQBzZWNyZXQ=",
    "P 235 now authenticated as test.localhost",
];

fn provider(more: &[&'static str]) -> Vec<&'static str> {
    [&HELLO, more].concat()
}

fn source(protocol: &str, port: u16, more: &str) -> String {
    format!(
        "[[source]]\nname = \"{protocol}\"\nprotocol = \"{protocol}\"\nhost = \"127.0.0.1\"\n\
         port = {port}\ntls = \"none\"\ninterval = \"0s\"\n{more}\n"
    )
}

const LOGIN: &str = "user = \"ada\"\npassword_cmd = \"echo secret\"\n";

fn failed(server: &Server, name: &str) -> String {
    let output = server.output(&["fetch", "run", name], "").unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a provider says in one session after the other.
fn sessions() -> Vec<Vec<&'static str>> {
    vec![
        provider(&[
            "C ATRN test.localhost,other.example",
            "P 250 OK now reversing the connection",
            "C 220 mail.test.localhost ESMTP",
            "P EHLO EXAMPLE.NET",
            "H",
            "P MAIL FROM:<bob@far.example>",
            "C 250",
            "P RCPT TO:<ada@test.localhost>",
            "C 250",
            // We are nobody's relay.
            "P RCPT TO:<x@elsewhere.example>",
            "C 550",
            "P DATA",
            "C 354",
            "P Authentication-Results: mail.test.localhost; spf=pass smtp.mailfrom=x@y.example",
            "P From: bob@far.example",
            "P Subject: kept for you",
            "P ",
            "P hello",
            "P .",
            "C 250 2.0.0 Taken",
            "P QUIT",
            "C 221",
        ]),
        provider(&["C ATRN", "P 453 You have no mail", "C QUIT", "P 221 Bye"]),
        provider(&["C ATRN", "P 450 4.7.1 Not so often", "C QUIT", "P 221 Bye"]),
        // It goes away in the middle of a letter.
        provider(&[
            "C ATRN",
            "P 250 OK",
            "C 220",
            "P EHLO EXAMPLE.NET",
            "H",
            "P MAIL FROM:<>",
            "C 250",
            "P RCPT TO:<ada@test.localhost>",
            "C 250",
            "P DATA",
            "C 354",
            "P Subject: half",
        ]),
        vec![
            "P 220 x",
            "C EHLO",
            "P 250-x",
            "P 250 AUTH PLAIN",
            "C AUTH",
            "P 535 5.7.8 No",
        ],
        provider(&["C QUIT", "P 221 Bye"]),
    ]
}

#[test]
fn a_connection_turns_round_and_mail_comes_over_it() {
    let (port, how) = host(sessions());
    let both = format!("{LOGIN}domains = [\"test.localhost\", \"other.example\"]");
    let all = source("odmr", port, LOGIN).replace("name = \"odmr\"", "name = \"all\"");
    let text = format!("{}{all}", source("odmr", port, &both));
    let server = Server::start_with(&text).unwrap();
    let said = server.command(&["fetch", "run", "odmr"], "").unwrap();
    assert!(said.starts_with("odmr: 1 message, "), "{said}");
    how.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(count_here(&server, "INBOX"), "1");
    let words = ["why", "bob@far.example"];
    let told = server.command(&words, "").unwrap();
    assert!(told.contains("by EXAMPLE.NET [127.0.0.1], ESMTP"), "{told}");
    // What pretends to be our own finding is gone.
    assert!(!told.contains("spf=pass"), "{told}");
    let said = server.command(&["fetch", "run", "all"], "").unwrap();
    assert_eq!(said.trim(), "all: ATRN 453 You have no mail");
    how.recv_timeout(PATIENCE).unwrap().unwrap();
    for what in [
        "127.0.0.1 refuses ATRN",
        "127.0.0.1 has gone in the middle",
        "127.0.0.1 does not take the name or the password of ada",
    ] {
        let said = failed(&server, "all");
        assert!(said.contains(what), "{what}: {said}");
        assert!(said.contains("next:"), "{said}");
        how.recv_timeout(PATIENCE).unwrap().unwrap();
    }
    assert_eq!(count_here(&server, "INBOX"), "1");
    let said = server.command(&["fetch", "check", "all"], "").unwrap();
    assert_eq!(said.trim(), "all: logged in at 127.0.0.1 as ada");
    how.recv_timeout(PATIENCE).unwrap().unwrap();
}

#[test]
fn hosts_are_asked_to_send_what_they_keep() {
    let (port, how) = host(vec![
        vec![
            "P 220 sigurd.innosoft.example -- Server SMTP",
            "C EHLO mail.test.localhost",
            "P 250-sigurd.innosoft.example",
            "P 250 ETRN",
            "C ETRN test.localhost",
            "P 253 OK, 14 pending messages for node test.localhost started",
            "C ETRN other.example",
            "P 251 OK, no messages waiting for node other.example",
            "C QUIT",
            "P 221 Goodbye",
        ],
        vec![
            "P 220 x",
            "C EHLO",
            "P 250-x",
            "P 250 ETRN",
            "C ETRN test.localhost",
            "P 459 Node test.localhost not allowed: who are you",
            "C ETRN other.example",
            "P 458 Unable to queue messages",
            "C QUIT",
            "P 221 Goodbye",
        ],
        vec![
            "P 220 x",
            "C EHLO",
            "P 250-x",
            "P 250 ETRN",
            "C ETRN test.localhost",
            "P 500 Syntax Error",
            "C QUIT",
            "P 221 Goodbye",
        ],
        vec!["P 220 x", "C EHLO", "P 250 x"],
    ]);
    let more = "domains = [\"test.localhost\", \"other.example\"]";
    let server = Server::start_with(&source("etrn", port, more)).unwrap();
    let said = server.command(&["fetch", "run"], "").unwrap();
    let first = "etrn: ETRN 253 OK, 14 pending messages for node test.localhost started; ETRN 251 ";
    assert!(said.starts_with(first), "{said}");
    how.recv_timeout(PATIENCE).unwrap().unwrap();
    let said = failed(&server, "etrn");
    let what = "127.0.0.1 refuses ETRN\n  why:  459 Node test.localhost not allowed: who are you";
    assert!(said.contains(what), "{said}");
    how.recv_timeout(PATIENCE).unwrap().unwrap();
    let said = failed(&server, "etrn");
    assert!(
        said.contains("127.0.0.1 refuses ETRN\n  why:  500 Syntax Error"),
        "{said}"
    );
    how.recv_timeout(PATIENCE).unwrap().unwrap();
    let said = failed(&server, "etrn");
    assert!(said.contains("127.0.0.1 does not know ETRN"), "{said}");
    let told = server.command(&["fetch", "status"], "").unwrap();
    assert_eq!(told.trim(), "etrn: not asked by itself");
}

/// Who may send through us may ask for what waits for them.
#[test]
fn what_waits_here_is_sent_when_it_is_asked_for() {
    // Nobody listens there: what is for it waits.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let more = format!(
        "[queue]\nretry = [\"1h\"]\n[relay]\nhost = \"[127.0.0.1]:{port}\"\ntls = \"none\"\n\
         trusted = [\"127.0.0.1/32\"]\n"
    );
    let server = Server::start_with(&more).unwrap();
    let smtp = server.address("smtp", Tls::Starttls);
    let (mut talk, _) = Talk::open(smtp).unwrap();
    let hello = talk.smtp("EHLO c.example").unwrap();
    assert!(hello.contains("ETRN"), "{hello}");
    let to = ["x@keeps.example"];
    talk.deliver("bob@far.example", &to, "Subject: waits\r\n\r\nx\r\n")
        .unwrap();
    let state = || {
        let listed = server.command(&["queue", "list", "--json"], "").unwrap();
        let letter: Option<serde_json::Value> = serde_json::from_str(listed.trim()).ok();
        letter.and_then(|letter| letter["attempts"].as_u64())
    };
    let until = |wanted: Option<u64>| {
        let begun = std::time::Instant::now();
        while state() != wanted {
            assert!(begun.elapsed() < PATIENCE, "{:?}", state());
        }
    };
    until(Some(1));
    let answer = talk.smtp("ETRN idle.example").unwrap();
    assert_eq!(
        answer,
        "251 2.0.0 OK, no messages waiting for node idle.example"
    );
    // Now somebody listens.
    let (sender, taken) = mpsc::channel();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let part = [
            "P 220 x",
            "C EHLO",
            "P 250 x",
            "C MAIL FROM:<bob@",
            "P 250 x",
            "C RCPT TO:<x@keeps.example>",
            "P 250 x",
            "C DATA",
            "P 354 x",
        ];
        sender.send(play(&stream, &part)).unwrap_or_default();
        let mut input = BufReader::new(&stream);
        let mut line = String::new();
        while input.read_line(&mut line).unwrap_or_default() > 0 && line != ".\r\n" {
            line.clear();
        }
        let mut output = &stream;
        output.write_all(b"250 taken\r\n").unwrap_or_default();
    });
    let answer = talk.smtp("ETRN Keeps.Example").unwrap();
    assert_eq!(
        answer,
        "253 2.0.0 OK, 1 pending messages for node Keeps.Example started"
    );
    taken.recv_timeout(PATIENCE).unwrap().unwrap();
    until(None);
}
