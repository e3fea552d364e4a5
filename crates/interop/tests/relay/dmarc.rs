//! Domains are told what was seen of letters in their name: Python reads the letter that they get.

use std::fs;

use interop::{NameServer, Server, Tls, program};

use super::sink::Sink;
use super::words;

fn letter(domain: &str) -> String {
    format!(
        "From: Bob <bob@{domain}>\r\nTo: ada@test.localhost\r\nSubject: Tea\r\n\
         Date: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@{domain}>\r\n\r\nAt five?\r\n"
    )
}

/// Sends a letter from a domain; what the server says of it.
fn send(server: &Server, domain: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/receipt.py");
    let address = server.address("smtp", Tls::Starttls);
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let from = format!("bob@{domain}");
    let words = [script, "send", &ip, &port, &from, "ada@test.localhost"];
    program("python3", &words, server.folder(), &letter(domain))
        .unwrap()
        .out
}

const ZONE: &str = "good.example TXT \"v=spf1 ip4:127.0.0.1 -all\"\n\
    good.example A 127.0.0.2\n\
    _dmarc.good.example TXT \"v=DMARC1; p=reject; rua=mailto:d@good.example\"\n\
    bad.example TXT \"v=spf1 -all\"\n\
    _dmarc.bad.example TXT \"v=DMARC1; p=reject; adkim=s; \
    rua=mailto:d@watch.example,mailto:d@mute.example,https://bad.example/\"\n\
    watch.example A 127.0.0.2\nmute.example A 127.0.0.2\n\
    bad.example._report._dmarc.watch.example TXT \"v=DMARC1\"\n\
    silent.example TXT \"v=spf1 ip4:127.0.0.1 -all\"\n\
    _dmarc.silent.example TXT \"v=DMARC1; p=none\"\n";

#[test]
fn domains_that_ask_are_told_what_was_seen() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let names = NameServer::start(ZONE).unwrap();
    let server = Server::start_with(&format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1s\"]\n[relay]\nport = {}\n\
         [trust]\nunchecked = []\nreports = true\n",
        names.address(),
        sink.port
    ))
    .unwrap();
    for domain in ["good.example", "good.example", "silent.example"] {
        assert!(send(&server, domain).starts_with("250 "));
    }
    assert!(send(&server, "bad.example").starts_with("550 5.7.26"));
    let due = server.command(&["dmarc", "list"], "").unwrap();
    let told: Vec<&str> = due
        .lines()
        .map(|line| line.rsplit('\t').next().unwrap())
        .collect();
    assert_eq!(told, ["1 letters", "2 letters"], "{due}");
    assert!(
        due.starts_with("bad.example\t") && !due.contains("silent"),
        "{due}"
    );

    let sent = server.command(&["dmarc", "send"], "").unwrap();
    assert_eq!(sent, "2 reports are sent.\n");
    assert_eq!(server.command(&["dmarc", "list"], "").unwrap(), "");
    // A stranger who does not say so is not told, nor is anybody by other ways than mail.
    let taken = sink.takes(2);
    let mut read = Vec::new();
    for one in &taken {
        let body = words(one, "body");
        let file = server.folder().join("report.eml");
        fs::write(&file, body).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/dmarc.py");
        let ended = program("python3", &[script], server.folder(), body).unwrap();
        assert!(ended.well, "{}\n{body}", ended.err);
        let ours = server
            .command(&["dmarc", "report", file.to_str().unwrap()], "")
            .unwrap();
        read.push((ended.out, ours, words(one, "from").to_owned()));
    }
    read.sort();
    let [(bad, bad_ours, from), (good, good_ours, _)] = &read[..] else {
        panic!("{read:?}");
    };
    assert!(from.starts_with("<>"), "{from}");
    let expected = "bad.example p=reject adkim=s to d@watch.example\n\
        127.0.0.1 1 reject dkim=fail spf=fail bad.example mfrom=fail\n";
    assert_eq!(bad, expected);
    let expected = "good.example p=reject adkim=r to d@good.example\n\
        127.0.0.1 2 pass dkim=fail spf=pass good.example mfrom=pass\n";
    assert_eq!(good, expected);
    assert!(
        bad_ours.contains("1  127.0.0.1  from bad.example: reject"),
        "{bad_ours}"
    );
    assert!(good_ours.contains("2 letters"), "{good_ours}");
    // Nothing was found to send then.
    assert_eq!(
        server.command(&["dmarc", "send"], "").unwrap(),
        "0 reports are sent.\n"
    );
}

#[test]
fn what_was_seen_outlives_a_restart() {
    let sink = Sink::start("127.0.0.2", 0, None);
    let names = NameServer::start(ZONE).unwrap();
    let mut server = Server::start_with(&format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1s\"]\n[relay]\nport = {}\n\
         [trust]\nunchecked = []\nreports = true\n",
        names.address(),
        sink.port
    ))
    .unwrap();
    for domain in ["good.example", "bad.example"] {
        send(&server, domain);
    }
    assert!(server.stop());
    server.run().unwrap();
    let due = || server.command(&["dmarc", "list"], "").unwrap();
    let listed = due();
    assert_eq!(listed.matches("\t1 letters\n").count(), 2, "{listed}");
    assert!(send(&server, "good.example").starts_with("250 "));
    assert!(due().contains("\t2 letters\n"));
    let sent = server.command(&["dmarc", "send"], "").unwrap();
    assert_eq!(sent, "2 reports are sent.\n");
    let taken = sink.takes(2);
    let told: Vec<String> = taken
        .iter()
        .map(|one| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/dmarc.py");
            let body = words(one, "body");
            let ended = program("python3", &[script], server.folder(), body).unwrap();
            assert!(ended.well, "{}\n{body}", ended.err);
            ended.out
        })
        .collect();
    let good = "127.0.0.1 2 pass dkim=fail spf=pass good.example mfrom=pass\n";
    assert!(told.iter().any(|one| one.ends_with(good)), "{told:?}");
    // What was told is not told again.
    assert!(server.stop());
    server.run().unwrap();
    assert_eq!(server.command(&["dmarc", "list"], "").unwrap(), "");
}
