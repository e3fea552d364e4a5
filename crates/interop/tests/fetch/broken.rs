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

/// An IMAP server with one connection; it is gone in the middle of a message if it should be.
fn imap(stream: &TcpStream, breaks: bool, heard: &Mutex<Vec<String>>) -> Option<()> {
    let mut output = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines();
    output
        .write_all(b"* OK [CAPABILITY IMAP4rev1] x\r\n")
        .ok()?;
    while let Some(Ok(line)) = lines.next() {
        heard.lock().unwrap().push(line.clone());
        let (tag, command) = line.split_once(' ')?;
        let upper = command.to_ascii_uppercase();
        let each = |what: &dyn Fn(usize) -> String| -> String {
            (1..=MESSAGES).map(what).collect::<String>()
        };
        let told = if upper.starts_with("CAPABILITY") {
            "* CAPABILITY IMAP4rev1 UIDPLUS\r\n".to_owned()
        } else if upper.starts_with("LIST") {
            "* LIST () \"/\" INBOX\r\n".to_owned()
        } else if upper.starts_with("SELECT") {
            format!("* {MESSAGES} EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 4] x\r\n")
        } else if upper.starts_with("UID FETCH") && upper.contains("BODY") {
            let body = |at: usize| {
                let text = text(at - 1);
                format!(
                    "* {at} FETCH (UID {at} BODY[] {{{}}}\r\n{text})\r\n",
                    text.len()
                )
            };
            let whole = each(&body);
            if breaks {
                let half = whole.get(..whole.len() * 2 / 3)?;
                output.write_all(half.as_bytes()).ok()?;
                return None;
            }
            whole
        } else if upper.starts_with("UID FETCH") && heard_removal(heard) {
            String::new()
        } else if upper.starts_with("UID FETCH") {
            each(&|at| {
                let size = text(at - 1).len();
                format!(
                    "* {at} FETCH (UID {at} FLAGS () INTERNALDATE \"23-Nov-2026 12:00:00 +0000\" \
                     RFC822.SIZE {size})\r\n"
                )
            })
        } else if upper.starts_with("LOGOUT") {
            "* BYE x\r\n".to_owned()
        } else {
            String::new()
        };
        output
            .write_all(format!("{told}{tag} OK x\r\n").as_bytes())
            .ok()?;
    }
    None
}

fn heard_removal(heard: &Mutex<Vec<String>>) -> bool {
    let heard = heard.lock().unwrap();
    heard
        .iter()
        .any(|line| line.to_ascii_uppercase().contains("UID EXPUNGE"))
}

#[test]
fn an_imap_source_that_vanishes_loses_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            imap(&stream.unwrap(), number < 2, &hears);
        }
    });
    let text = format!(
        "[[source]]\nname = \"old\"\nprotocol = \"imap\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         tls = \"none\"\nuser = \"ada\"\npassword_cmd = \"echo secret\"\nto = \"{ADA}\"\n\
         keep = false\ninterval = \"0s\"\nsieve = false\n"
    );
    let server = Server::start_with(&text).unwrap();
    for _ in 0..2 {
        let output = server.output(&["fetch", "run"], "").unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1));
        let what = "caramel: 127.0.0.1 has gone in the middle";
        assert!(
            said.contains(what) && said.contains("next: nothing is lost"),
            "{said}"
        );
        assert!(!heard_removal(&heard), "{heard:?}");
    }
    server.command(&["fetch", "run"], "").unwrap();
    assert!(heard_removal(&heard), "{heard:?}");
    let here = here(&server);
    python(
        server.folder(),
        SCRIPT,
        &["whole", "0", "3", &here, ADA, "INBOX"],
    );
}

/// Whoever stands between takes the offer of TLS away: then nothing is said.
#[test]
fn a_password_is_not_said_where_tls_is_not_offered() {
    for (protocol, greeting) in [("pop3", "+OK x\r\n"), ("imap", "* OK x\r\n")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(String::new()));
        let hears = Arc::clone(&heard);
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut output = stream.try_clone().unwrap();
            output.write_all(greeting.as_bytes()).unwrap();
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                hears.lock().unwrap().push_str(&line);
                let tag = line.split(' ').next().unwrap_or_default();
                let no = match protocol {
                    "pop3" => "-ERR no\r\n".to_owned(),
                    _ => format!("{tag} BAD no\r\n"),
                };
                output.write_all(no.as_bytes()).unwrap_or_default();
            }
        });
        let text = format!(
            "[[source]]\nname = \"old\"\nprotocol = \"{protocol}\"\nhost = \"127.0.0.1\"\n\
             port = {port}\ntls = \"starttls\"\nuser = \"ada\"\npassword_cmd = \"echo geheim\"\n\
             to = \"{ADA}\"\ninterval = \"0s\"\n"
        );
        let server = Server::start_with(&text).unwrap();
        let output = server.output(&["fetch", "run"], "").unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("127.0.0.1 refuses ST"), "{said}");
        let heard = heard.lock().unwrap().clone();
        assert!(
            !heard.contains("geheim") && !heard.contains("ada"),
            "{heard}"
        );
    }
}
