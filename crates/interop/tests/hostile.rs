//! Slow, greedy and broken peers: bounded memory, clear replies, everybody else served.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use interop::{Server, Talk, Tls, process};

const MIB: u64 = 1024 * 1024;
/// How much the server's memory may grow under any of these attacks, octets.
const GROWTH_OCTETS_MAX: u64 = 48 * MIB;

/// How often it is looked whether it has come down again.
const LOOKS_MAX: usize = 1000;

/// Memory of the server now, octets.
fn memory(server: &Server) -> u64 {
    process::cost(&[server.pid()]).private_octets
}

/// Runs an attack; the server must stay small and go on serving.
fn endure(name: &str, server: &Server, attack: impl FnOnce(&Server) -> String) {
    let before = memory(server);
    let said = attack(server);
    let mut grown = memory(server).saturating_sub(before);
    // What connections held goes when they are through, which takes a moment where there were many.
    for _ in 0..LOOKS_MAX {
        if grown < GROWTH_OCTETS_MAX {
            break;
        }
        let (_, greeting) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
        assert!(greeting.starts_with("220"), "{name}: {greeting}");
        grown = memory(server).saturating_sub(before);
    }
    eprintln!("{name}: {} KiB more; {said}", grown / 1024);
    assert!(grown < GROWTH_OCTETS_MAX, "{name}: {grown} octets more");
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    assert!(
        talk.smtp("EHLO test.localhost").unwrap().starts_with("250"),
        "{name}"
    );
}

/// Sends `piece` again and again, at most `times`, until the peer closes; returns what it said.
fn pour(address: SocketAddr, begin: &str, piece: &[u8], times: usize) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut back = stream.try_clone().unwrap();
    let said = std::thread::spawn(move || {
        let (mut said, mut octets) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = back.read(&mut octets) {
            if said.len() < 4096 {
                said.extend_from_slice(octets.get(..count).unwrap());
            }
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    let mut going = stream.write_all(begin.as_bytes()).is_ok();
    for _ in 0..times {
        going = going && stream.write_all(piece).is_ok();
    }
    drop(stream.shutdown(Shutdown::Write));
    said.join().unwrap()
}

#[test]
fn a_line_without_end_costs_nothing() {
    let server = Server::start().unwrap();
    for (protocol, begin, word) in [
        ("smtp", "EHLO ", "500"),
        ("imap", "a NOOP", "BAD"),
        ("pop3", "USER ", "-ERR"),
        ("managesieve", "NOOP ", "NO \"Line too long\""),
        ("submission", "AUTH ", "500"),
    ] {
        endure(protocol, &server, |server| {
            let address = server.address(protocol, Tls::Starttls);
            let said = pour(address, begin, &[b'x'; 65536], 1600);
            // Without an end there is no command to answer: what counts is that nothing is kept.
            let ended = pour(
                address,
                &format!("{begin}{}\r\nNOOP\r\n", "x".repeat(200_000)),
                b"",
                1,
            );
            assert!(ended.contains(word), "{protocol}: {ended}");
            said
        });
    }
}

#[test]
fn a_huge_script_is_thrown_away() {
    let server = Server::start().unwrap();
    let address = server.address("managesieve", Tls::Starttls);
    let login = "AUTHENTICATE \"PLAIN\" \"AGFkYUB0ZXN0LmxvY2FsaG9zdABzZWNyZXQ=\"\r\n";
    for (login, word) in [(login, "QUOTA/MAXSIZE"), ("", "NO \"Log in first\"")] {
        endure("a script of 100 MB", &server, |_| {
            let begin = format!("{login}PUTSCRIPT \"a\" {{104857600+}}\r\n");
            let end = "\r\nNOOP \"in step\"\r\nLOGOUT\r\n";
            let said = pour(address, &begin, &[b'x'; 65536], 1600);
            assert!(!said.contains("Goodbye"), "{said}");
            let small = format!(
                "{login}PUTSCRIPT \"a\" {{300000+}}\r\n{}",
                "x".repeat(300_000)
            );
            let said = pour(address, &(small + end), b"", 1);
            assert!(said.contains(word) && said.contains("in step"), "{said}");
            said
        });
    }
}

#[test]
fn a_huge_literal_is_refused_or_thrown_away() {
    let server = Server::start().unwrap();
    let login = "a LOGIN ada@test.localhost secret\r\n";
    let address = server.address("imap", Tls::Starttls);
    endure("a synchronising literal of 10 GB", &server, |_| {
        let begin = format!("{login}b APPEND INBOX {{10000000000}}\r\nc NOOP\r\nd LOGOUT\r\n");
        let said = pour(address, &begin, b"", 1);
        assert!(
            said.contains("b NO [TOOBIG]") && said.contains("c OK"),
            "{said}"
        );
        said
    });
    endure("an argument of 10 GB before login", &server, |_| {
        let said = pour(
            address,
            "a LOGIN {10000000000}\r\nc NOOP\r\nd LOGOUT\r\n",
            b"",
            1,
        );
        assert!(said.contains("a BAD") || said.contains("a NO"), "{said}");
        said
    });
    endure("a literal of 10 GB that just comes", &server, |_| {
        let begin = format!("{login}b APPEND INBOX {{10000000000+}}\r\n");
        pour(address, &begin, &[b'x'; 65536], 8000)
    });
    endure("a mail of 10 GB", &server, |server| {
        let begin = "EHLO x\r\nMAIL FROM:<x@elsewhere.example>\r\nRCPT TO:<ada@test.localhost>\r\n\
                     DATA\r\n";
        let line = [b'x'; 998]
            .iter()
            .copied()
            .chain(*b"\r\n")
            .collect::<Vec<u8>>()
            .repeat(64);
        pour(server.address("smtp", Tls::Starttls), begin, &line, 8000)
    });
}

#[test]
fn a_million_recipients_are_counted_not_kept() {
    let server = Server::start().unwrap();
    endure("a million recipients", &server, |server| {
        let begin = "EHLO x\r\nMAIL FROM:<x@elsewhere.example>\r\n";
        let recipients = b"RCPT TO:<ada@test.localhost>\r\nRCPT TO:<alan@test.localhost>\r\n";
        pour(
            server.address("smtp", Tls::Starttls),
            begin,
            &recipients.repeat(500),
            1000,
        )
    });
    let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    talk.smtp("EHLO x").unwrap();
    talk.smtp("MAIL FROM:<x@elsewhere.example>").unwrap();
    let mut said = String::new();
    for number in 0..2000 {
        said = talk
            .smtp(&format!("RCPT TO:<ada+{number}@test.localhost>"))
            .unwrap();
        if !said.starts_with("250") {
            break;
        }
    }
    assert!(said.starts_with("452 4.5.3"), "{said}");
}

#[test]
fn nesting_without_end_is_refused_or_flat() {
    let server = Server::start().unwrap();
    let address = server.address("imap", Tls::Starttls);
    let login = "a LOGIN ada@test.localhost secret\r\nb SELECT INBOX\r\n";
    endure("a search ten thousand deep", &server, |_| {
        let search = format!(
            "{login}c SEARCH {}ALL{}\r\n",
            "(".repeat(10_000),
            ")".repeat(10_000)
        );
        let said = pour(
            address,
            &(search + "d SEARCH " + &"NOT ".repeat(10_000) + "ALL\r\n"),
            b"",
            1,
        );
        assert!(said.contains("c BAD") && said.contains("d BAD"), "{said}");
        said
    });
    endure("a letter ten thousand parts deep", &server, |server| {
        let mut letter = String::from("Subject: deep\r\nMIME-Version: 1.0\r\n");
        for depth in 0..10_000 {
            letter += &format!(
                "Content-Type: multipart/mixed; boundary=\"{depth}\"\r\n\r\n--{depth}\r\n"
            );
        }
        letter += "\r\nThe bottom.";
        let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
        talk.smtp("EHLO x").unwrap();
        let reply = talk
            .deliver("x@elsewhere.example", &["ada@test.localhost"], &letter)
            .unwrap();
        assert!(reply.starts_with("250"), "{reply}");
        let fetch = "c FETCH 1 (BODYSTRUCTURE BODY.PEEK[1.1.1.1.1] BODY.PEEK[TEXT]<0.10>)\r\n\
                     d SEARCH TEXT bottom\r\n";
        let said = pour(address, &format!("{login}{fetch}e LOGOUT\r\n"), b"", 1);
        assert!(
            said.contains("* 1 FETCH (") && said.contains("UID"),
            "{said}"
        );
        said.chars().take(100).collect()
    });
}

#[test]
fn thousands_of_half_open_connections_do_not_keep_others_out() {
    let count = std::env::var("CARAMEL_SILENT")
        .ok()
        .and_then(|text| text.parse().ok());
    let count = count.unwrap_or(3000);
    let server = Server::start_with("[limits]\nconnections = 15000\n").unwrap();
    endure("silent connections", &server, |server| {
        let address = server.address("smtp", Tls::Starttls);
        let silent: Vec<TcpStream> = (0..count)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let (mut talk, greeting) = Talk::open(address).unwrap();
        assert!(greeting.starts_with("220"), "{greeting}");
        let grown = memory(server);
        assert!(talk.smtp("NOOP").unwrap().starts_with("250"));
        drop(silent);
        format!("{} KiB in all with them", grown / 1024)
    });
}

#[test]
fn a_log_that_nobody_reads_keeps_nobody_out() {
    let mut server = Server::start().unwrap();
    server.stop();
    server.run_unheard().unwrap();
    let (mut talk, _) = Talk::open(server.address("smtp", Tls::Starttls)).unwrap();
    talk.smtp("EHLO test.localhost").unwrap();
    let letter = "Subject: Unheard\r\n\r\nHello.";
    let answer = talk.deliver("eve@elsewhere.example", &["ada@test.localhost"], letter);
    assert!(answer.unwrap().starts_with("250"));
    let (mut talk, _) = Talk::open(server.address("imap", Tls::Starttls)).unwrap();
    talk.imap_login("ada@test.localhost", "secret").unwrap();
    let said = talk.imap("STATUS INBOX (MESSAGES)").unwrap();
    assert!(
        said.iter().any(|line| line.ends_with("(MESSAGES 1)")),
        "{said:?}"
    );
}
