//! Behind a proxy, a connection is whose the proxy says it is: headers made by swaks and curl.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use interop::{NameServer, Server, Talk, Tls, program};

use super::{LETTER, last};

/// A server with two more listeners, behind proxies of this machine.
struct Behind {
    server: Server,
    smtp: SocketAddr,
    pop3: SocketAddr,
    _names: NameServer,
}

fn behind() -> Behind {
    let names = NameServer::start("9.2.0.192.block.example A 127.0.0.2\n").unwrap();
    let servers = names.address();
    let more = format!(
        "[dns]\nservers = [\"{servers}\"]\ntimeout = \"2s\"\n\
         [[trust.list]]\nzone = \"block.example\"\nname = \"block\"\n\
         [[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.3:0\"\ntls = \"none\"\n\
         proxy = [\"127.0.9.0/24\"]\n\
         [[listener]]\nprotocol = \"pop3\"\naddress = \"127.0.0.3:0\"\ntls = \"implicit\"\n\
         proxy = [\"127.0.0.0/8\"]\n"
    );
    let server = Server::start_with(&more).unwrap();
    Behind {
        // Those that a test asks for come first.
        smtp: server.address("smtp", Tls::None),
        pop3: server.address("pop3", Tls::Implicit),
        server,
        _names: names,
    }
}

/// Sends a letter by swaks, which says first for whom it calls.
fn swaks(behind: &Behind, from: &str, words: &[&str]) -> String {
    let (ip, port) = (behind.smtp.ip().to_string(), behind.smtp.port().to_string());
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
        "--to",
        "ada@test.localhost",
        "--data",
        "-",
        "--timeout",
        "60",
    ];
    let all = [&all[..], words].concat();
    let ended = program("swaks", &all, behind.server.folder(), LETTER).unwrap();
    format!("{}{}", ended.out, ended.err)
}

#[test]
fn who_calls_is_whom_the_proxy_names() {
    let behind = behind();
    let of = |version, family, source, destination| {
        [
            "--proxy-version",
            version,
            "--proxy-family",
            family,
            "--proxy-source",
            source,
            "--proxy-source-port",
            "4321",
            "--proxy-dest",
            destination,
            "--proxy-dest-port",
            "25",
        ]
    };
    for (version, family, source, destination, shown) in [
        ("1", "TCP4", "192.0.2.7", "198.51.100.1", "([192.0.2.7])"),
        ("2", "AF_INET", "192.0.2.8", "198.51.100.1", "([192.0.2.8])"),
        (
            "1",
            "TCP6",
            "2001:db8::7",
            "2001:db8::1",
            "([IPv6:2001:db8::7])",
        ),
    ] {
        let said = swaks(
            &behind,
            "127.0.9.1",
            &of(version, family, source, destination),
        );
        assert!(said.contains("250 2.0.0 Taken as "), "{said}");
        let stored = last(&behind.server, "INBOX");
        assert!(
            stored.contains(&format!("from client.test {shown}")),
            "{stored}"
        );
        // It is a stranger, though its proxy is on this machine: it was checked.
        assert!(
            stored.contains("Authentication-Results: mail.test.localhost"),
            "{stored}"
        );
    }
    let said = swaks(
        &behind,
        "127.0.9.1",
        &of("2", "AF_INET", "192.0.2.9", "198.51.100.1"),
    );
    assert!(
        said.contains("550 5.7.1 [192.0.2.9] is on the list block"),
        "{said}"
    );
}

#[test]
fn nobody_else_calls_for_others() {
    let behind = behind();
    // Not from there, and not without saying for whom.
    let header = ["--proxy", "TCP4 192.0.2.7 198.51.100.1 4321 25"];
    let said = swaks(&behind, "127.0.8.1", &header);
    assert!(!said.contains("220 "), "{said}");
    let said = swaks(&behind, "127.0.9.1", &["--proxy", "TCP4 192.0.2.7"]);
    assert!(!said.contains("220 "), "{said}");
    let mut hello = TcpStream::connect(behind.smtp).unwrap();
    hello
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    hello.write_all(b"EHLO client.example\r\n").unwrap();
    let mut heard = Vec::new();
    // A reset says the same as an end.
    drop(hello.read_to_end(&mut heard));
    assert_eq!(heard, b"");
    // Where no proxy is named, the header is a word that nobody knows.
    let (mut talk, _) = Talk::open(behind.server.address("smtp", Tls::Starttls)).unwrap();
    let said = talk.smtp(&format!("PROXY {}", header[1])).unwrap();
    assert!(said.starts_with("500 "), "{said}");
}

#[test]
fn tls_begins_behind_the_header() {
    let behind = behind();
    let header = ["--proxy", "TCP4 192.0.2.7 198.51.100.1 4321 25"];
    let said = swaks(&behind, "127.0.9.1", &header);
    assert!(said.contains("250 2.0.0 Taken as "), "{said}");
    let url = format!("pop3s://{}/1", behind.pop3);
    let words = [
        "--silent",
        "--show-error",
        "--insecure",
        "--haproxy-protocol",
        "--user",
        "ada@test.localhost:secret",
        "--url",
        &url,
    ];
    let ended = program("curl", &words, behind.server.folder(), "").unwrap();
    assert!(ended.well, "{}", ended.err);
    assert!(ended.out.contains("Subject: Tea"), "{}", ended.out);
}
