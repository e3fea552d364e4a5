//! What a door does with strangers: the running server, called from several addresses of this
//! machine by programs that nobody here wrote.
#![expect(clippy::unwrap_used, reason = "a test")]

mod greylist;
mod lists;
mod milter;
mod proxy;
mod rates;
mod rspamd;

use interop::{Server, Tls, program};

/// A letter from a domain that nobody speaks for.
const LETTER: &str = "From: Bob <bob@bad.example>\r\nTo: ada@test.localhost\r\nSubject: Tea\r\n\
    Date: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@bad.example>\r\n\r\nAt five?\r\n";

/// Sends a letter by swaks from an address of this machine; what the server said last, in front of
/// its goodbye.
fn swaks(server: &Server, from: &str, words: &[&str]) -> String {
    let address = server.address("smtp", Tls::Starttls);
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let all = [
        "--server",
        &ip,
        "--port",
        &port,
        "--local-interface",
        from,
        "--helo",
        "client.test",
        "--from",
        "bob@bad.example",
        "--data",
        "-",
        "--hide-send",
        "--hide-informational",
        "--timeout",
        "60",
    ];
    let all = [&all[..], words].concat();
    let ended = program("swaks", &all, server.folder(), LETTER).unwrap();
    let mut said: Vec<&str> = ended
        .out
        .lines()
        .filter(|line| line.starts_with('<'))
        .collect();
    said.retain(|line| !line.contains(" 221 "));
    let last = said.last().copied().unwrap_or_default();
    let (_, words) = last.split_once(' ').unwrap_or_default();
    match words.is_empty() {
        true => format!("{}{}", ended.out, ended.err),
        false => words.trim_start().to_owned(),
    }
}

/// The last letter in a mailbox of ada's.
fn last(server: &Server, mailbox: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/receipt.py");
    let address = server.address("imap", Tls::Implicit);
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let words = [script, "read", &ip, &port, "ada@test.localhost", mailbox];
    let ended = program("python3", &words, server.folder(), "").unwrap();
    assert!(ended.well, "{}", ended.err);
    ended.out.split_whitespace().collect::<Vec<_>>().join(" ")
}
