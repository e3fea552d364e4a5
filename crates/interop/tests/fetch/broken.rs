//! A POP3 server that goes away in the middle: what had come is here once, and nothing was deleted
//! there before it was.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use interop::Server;

use super::{ADA, SCRIPT, here, python};

const MESSAGES: usize = 3;

/// What `fetch.py` makes of a number.
fn text(number: usize) -> String {
    let lines: String = (0..number % 60)
        .map(|line| format!("{number} line {line}\r\n"))
        .collect();
    format!(
        "Received: from b.example by c.example; Mon, 23 Nov 2026 12:00:{:02} +0000\r\n\
         From: a@b.example\r\nTo: ada@test.localhost\r\nSubject: number {number}\r\n\r\n\
         {lines}.\r\n..\r\nend\r\n",
        number % 60
    )
}

/// Talks with one client; in the middle of this message it is gone.
fn talk(stream: &TcpStream, breaks_at: Option<usize>, heard: &Mutex<Vec<String>>) -> Option<()> {
    let mut output = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines();
    output.write_all(b"+OK\r\n").ok()?;
    while let Some(Ok(line)) = lines.next() {
        heard.lock().unwrap().push(line.clone());
        let mut words = line.split(' ');
        let verb = words.next()?.to_ascii_uppercase();
        let number = words.next().and_then(|word| word.parse::<usize>().ok());
        let answer = match (verb.as_str(), number) {
            ("CAPA", _) => "+OK\r\nUIDL\r\nUSER\r\nPIPELINING\r\n.\r\n".to_owned(),
            ("UIDL", _) => {
                let list: String = (1..=MESSAGES)
                    .map(|at| format!("{at} id{at}\r\n"))
                    .collect();
                format!("+OK\r\n{list}.\r\n")
            }
            ("LIST", _) => {
                let list: String = (1..=MESSAGES)
                    .map(|at| format!("{at} {}\r\n", text(at - 1).len()))
                    .collect();
                format!("+OK\r\n{list}.\r\n")
            }
            ("RETR", Some(at)) => {
                let text = text(at - 1).replace("\r\n.", "\r\n..");
                if breaks_at == Some(at) {
                    let half = text.get(..text.len() / 2)?;
                    output.write_all(format!("+OK\r\n{half}").as_bytes()).ok()?;
                    return None;
                }
                format!("+OK\r\n{text}.\r\n")
            }
            ("QUIT", _) => {
                output.write_all(b"+OK\r\n").ok()?;
                return None;
            }
            _ => "+OK\r\n".to_owned(),
        };
        output.write_all(answer.as_bytes()).ok()?;
    }
    None
}

#[test]
fn a_source_that_vanishes_loses_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    thread::spawn(move || {
        let mut breaks = vec![None, Some(3), Some(2)];
        for stream in listener.incoming() {
            let breaks_at = breaks.pop().flatten();
            hears.lock().unwrap().push("connected".to_owned());
            talk(&stream.unwrap(), breaks_at, &hears);
        }
    });
    let text = format!(
        "[[source]]\nname = \"old\"\nprotocol = \"pop3\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         tls = \"none\"\nuser = \"ada\"\npassword_cmd = \"echo secret\"\nto = \"{ADA}\"\n\
         keep = false\ninterval = \"0s\"\nsieve = false\n"
    );
    let server = Server::start_with(&text).unwrap();
    for _ in 0..2 {
        let output = server.output(&["fetch", "run"], "").unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            said.contains("caramel: 127.0.0.1 has gone in the middle"),
            "{said}"
        );
        assert!(said.contains("next: nothing is lost"), "{said}");
    }
    let deleted = |heard: &Mutex<Vec<String>>| {
        let heard = heard.lock().unwrap();
        heard.iter().filter(|line| line.starts_with("DELE")).count()
    };
    assert_eq!(deleted(&heard), 0);
    server.command(&["fetch", "run"], "").unwrap();
    assert_eq!(deleted(&heard), MESSAGES);
    let here = here(&server);
    python(
        server.folder(),
        SCRIPT,
        &["whole", "0", "3", &here, ADA, "INBOX"],
    );
}
