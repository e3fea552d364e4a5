//! Access tokens at Dovecot, which asks whoever issued them (RFC 7662): by OAUTHBEARER and XOAUTH2,
//! by IMAP and POP3.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use interop::{Dovecot, Server};

use super::{ADA, count_here, fill};

const GOOD: &str = "a-token-that-is-good";

/// Who issues tokens: says of one that it is ada's, and of others nothing. Its port.
fn issuer() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It ends with the test.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever goes away hears nothing.
            thread::spawn(move || introspect(&stream).unwrap_or_default());
        }
    });
    port
}

fn introspect(stream: &TcpStream) -> Option<()> {
    let mut input = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    while input.read_line(&mut line).ok()? > 0 && line.trim() != "" {
        let lower = line.to_ascii_lowercase();
        if let Some(text) = lower.strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut asked = vec![0; length];
    input.read_exact(&mut asked).ok()?;
    let asked = String::from_utf8_lossy(&asked).into_owned();
    let answer = match asked.contains(&format!("token={GOOD}")) {
        true => "{\"active\":true,\"username\":\"ada\",\"scope\":\"mail\"}",
        false => "{\"active\":false}",
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{answer}",
        answer.len()
    );
    let mut output = stream;
    output.write_all(head.as_bytes()).ok()
}

/// Dovecot, which takes tokens by this mechanism, and passwords by PLAIN.
fn dovecot(mechanism: &str, issuer: u16, folder: &std::path::Path) -> Dovecot {
    let file = folder.join(format!("{mechanism}.conf"));
    let text = format!(
        "introspection_url = http://127.0.0.1:{issuer}/introspect\nintrospection_mode = post\n\
         username_attribute = username\nactive_attribute = active\nactive_value = true\n"
    );
    fs::write(&file, text).unwrap();
    let more = format!(
        "auth_mechanisms = plain {mechanism}\npassdb {{\n driver = oauth2\n \
         mechanisms = {mechanism}\n args = {}\n}}\n",
        file.display()
    );
    Dovecot::start_with("sdbox", &more).unwrap()
}

#[test]
fn tokens_are_shown_by_whatever_the_source_takes() {
    let folder = tempfile::TempDir::new().unwrap();
    let issuer = issuer();
    for mechanism in ["oauthbearer", "xoauth2"] {
        let dovecot = dovecot(mechanism, issuer, folder.path());
        let mut text = String::new();
        for (door, token) in [
            ("imaps", GOOD),
            ("pop3s", GOOD),
            ("imap", "old"),
            ("pop3", "old"),
        ] {
            let tls = if door.ends_with('s') {
                "implicit"
            } else {
                "starttls"
            };
            text.push_str(&format!(
                "[[source]]\nname = \"{door}\"\nprotocol = \"{}\"\nhost = \"127.0.0.1\"\n\
                 port = {}\ntls = \"{tls}\"\nca = \"{}\"\nuser = \"ada\"\nto = \"{ADA}\"\n\
                 token_cmd = \"echo {token}\"\ninterval = \"0s\"\ninto = \"{door}\"\n",
                door.trim_end_matches('s'),
                dovecot.port(door).unwrap(),
                dovecot.certificate().display(),
            ));
        }
        let server = Server::start_with(&text).unwrap();
        fill(&server, &dovecot, "INBOX", 0, 3);
        for door in ["imaps", "pop3s"] {
            let said = server.command(&["fetch", "run", door], "").unwrap();
            assert!(
                said.starts_with(&format!("{door}: 3 messages")),
                "{mechanism}: {said}"
            );
            assert_eq!(count_here(&server, door), "3");
        }
        for door in ["imap", "pop3"] {
            let output = server.output(&["fetch", "check", door], "").unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{mechanism}: {said}");
            let what = "127.0.0.1 does not take the name or the password of ada";
            assert!(said.contains(what), "{mechanism}: {said}");
        }
    }
}
