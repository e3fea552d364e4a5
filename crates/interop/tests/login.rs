//! Ways to log in, as programs nobody here wrote know them.
#![expect(clippy::unwrap_used, reason = "a test")]

use interop::{Ended, Server, Tls, program};

fn run(server: &Server, name: &str, words: &[&str]) -> Ended {
    program(name, words, server.folder(), "").unwrap()
}

/// GNU SASL logs in, and must be let in or not. Without TLS: it asks SMTP for STARTTLS before EHLO.
fn gsasl(server: &Server, protocol: &str, mechanism: &str, password: &str, well: bool) {
    let listener = if protocol == "smtp" {
        "submission"
    } else {
        protocol
    };
    let address = server.address(listener, Tls::Starttls);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let protocol = format!("--{protocol}");
    let words = [
        protocol.as_str(),
        "--no-starttls",
        "--verbose",
        "--mechanism",
        mechanism,
        "--authentication-id",
        "ada@test.localhost",
        "--password",
        password,
        &host,
        &port,
    ];
    let ended = run(server, "gsasl", &words);
    assert_eq!(ended.well, well, "{words:?}\n{}\n{}", ended.out, ended.err);
}

#[test]
fn gsasl_proves_a_password_by_scram() {
    let server = Server::start_with("[login]\nscram_sha1 = true").unwrap();
    for protocol in ["smtp", "imap"] {
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-1"] {
            gsasl(&server, protocol, mechanism, "secret", true);
            gsasl(&server, protocol, mechanism, "Secret", false);
        }
    }
}
