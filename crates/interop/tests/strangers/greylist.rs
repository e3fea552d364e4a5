//! Strangers are asked to come back, also by a server that was started anew meanwhile.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use interop::{Postfix, Server, Tls};

use super::{LETTER, last, swaks};

#[test]
fn who_comes_back_is_let_in() {
    let more = "[trust]\nunchecked = [\"127.0.0.1\"]\ncheck = false\n\
        [trust.greylist]\ndelay = \"2s\"\nknown_after = 1\n\
        [dns]\nservers = [\"127.0.0.1:1\"]\ntimeout = \"1s\"\n";
    let mut server = Server::start_with(more).unwrap();
    let to_ada = ["--to", "ada@test.localhost"];
    let call = |server: &Server, from: &str| swaks(server, from, &to_ada);
    let said = call(&server, "127.0.4.1");
    assert!(
        said.starts_with("450 4.7.1 We do not know you yet; "),
        "{said}"
    );
    // Our own are never asked.
    let said = call(&server, "127.0.0.1");
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    server.kill();
    server.run().unwrap();
    let begun = Instant::now();
    loop {
        let said = call(&server, "127.0.4.2");
        if said.starts_with("250 2.0.0 ") {
            break;
        }
        assert!(
            said.starts_with("450 4.7.1 We do not know you yet; "),
            "{said}"
        );
        assert!(begun.elapsed() < Duration::from_secs(30), "never let in");
    }
    // It is known now, whoever it sends to; another network is not.
    let said = swaks(&server, "127.0.4.3", &["--to", "alan@test.localhost"]);
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    let said = call(&server, "127.0.5.1");
    assert!(said.starts_with("450 4.7.1 "), "{said}");
    let why = server.command(&["why", "bob@bad.example"], "").unwrap();
    for expected in [
        "wanted to come from bob@bad.example for <ada@test.localhost>",
        "checked: not known yet; asked to come back after",
        "checked: not known before; has come back after",
    ] {
        assert!(why.contains(expected), "{expected}: {why}");
    }
}

/// Postfix keeps a letter that it is to bring again, and brings it again.
#[test]
fn a_server_that_queues_its_mail_comes_back() {
    let more = "[trust]\nunchecked = [\"127.0.0.1\"]\ncheck = false\n\
        [trust.greylist]\ndelay = \"1s\"\n\
        [dns]\nservers = [\"127.0.0.1:1\"]\ntimeout = \"1s\"\n";
    let server = Server::start_with(more).unwrap();
    let address = server.address("smtp", Tls::Starttls);
    let (ip, port) = (address.ip(), address.port());
    let more = format!("relayhost = [{ip}]:{port}\nsmtp_bind_address = 127.0.4.1\n");
    let postfix = Postfix::start(&more).unwrap();
    let mut sendmail = postfix.sendmail(&["-f", "bob@bad.example", "ada@test.localhost"]);
    let mut child = sendmail.stdin(Stdio::piped()).spawn().unwrap();
    let letter = LETTER.replace("\r\n", "\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(letter.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
    let begun = Instant::now();
    let mut stored = String::new();
    while !stored.contains("Subject: Tea") {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{}",
            postfix.log()
        );
        let mut flush = Command::new("postfix");
        let flush = flush.args(["-c", &postfix.path("etc"), "flush"]);
        drop(flush.stdout(Stdio::null()).stderr(Stdio::null()).status());
        stored = last(&server, "INBOX");
    }
    let log = postfix.log();
    let told = "450 4.7.1 We do not know you yet; please try again in 1 seconds";
    assert!(log.contains(told), "{log}");
}
