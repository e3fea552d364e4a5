//! Domains that are relayed: in front of Debian's Postfix, which has them, and in its place while
//! it is away.

use std::net::{SocketAddr, TcpListener};

use interop::{Ended, Postfix, Tls, free_address, program};
use serde_json::{Value, json};

use super::sink::{Sink, wait};
use super::{Town, town, words, zone};

/// A stranger's letter, by swaks.
fn swaks(town: &Town, to: &str, subject: &str) -> Ended {
    let address = town.server.address("smtp", Tls::Starttls).to_string();
    let subject = format!("Subject: {subject}");
    let words = [
        "--server",
        &address,
        "--helo",
        "mx.bob.example",
        "--from",
        "bob@bob.example",
        "--to",
        to,
        "--header",
        &subject,
        "--body",
        "At five?",
    ];
    program("swaks", &words, town.server.folder(), "").unwrap()
}

fn sends(town: &Town, to: &str, subject: &str) {
    let ended = swaks(town, to, subject);
    assert!(ended.well, "{}\n{}", ended.out, town.server.log());
}

/// Takes a domain's mail for another host.
fn relays(town: &Town, domain: &str) {
    let words = ["domain", "add", domain, "--relay"];
    town.server.command(&words, "").unwrap();
}

fn postfix(address: SocketAddr) -> Postfix {
    let more = "smtpd_recipient_restrictions = reject_unauth_destination\n";
    Postfix::listening_at(address, more).unwrap()
}

/// The report that came to bob, as Python's email reads it.
fn report(town: &Town, sink: &Sink) -> Value {
    let letter = sink.takes(1).pop().unwrap();
    assert!(words(&letter, "from").starts_with("<>"), "{letter}");
    assert_eq!(letter.get("to"), Some(&json!(["<bob@bob.example>"])));
    let script = include_str!("../python/bounce.py");
    let (folder, body) = (town.server.folder(), words(&letter, "body"));
    let ended = program("python3", &["-c", script], folder, body).unwrap();
    assert!(ended.well, "{}\n{body}", ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn a_gateway_stands_in_front_of_postfix() {
    let address = free_address().unwrap();
    let sink = Sink::start("127.0.0.2", address.port(), None);
    // Others find us there; only the route knows where it goes.
    let zone = zone(&[
        "post.example MX 10 mail.test.localhost",
        "mail.test.localhost A 127.0.0.9",
        "bob.example A 127.0.0.2",
    ]);
    let route = format!(
        "[[relay.route]]\nrecipient = \"post.example\"\nhost = \"{address}\"\ntls = \"none\"\n\
         [forward]\nsrs = true\n[trust]\nunchecked = []\n"
    );
    let town = town(&zone, address.port(), &route);
    let postfix = postfix(address);
    let refused = swaks(&town, "x@post.example", "too early");
    assert!(refused.out.contains("<** 550 5.7.1 "), "{}", refused.out);
    relays(&town, "post.example");
    sends(&town, "x@post.example", "through the gateway");
    let letters = wait(|| Some(postfix.letters()).filter(|letters| !letters.is_empty()));
    let letter = &letters[0];
    // It is nobody else's letter for having come this way.
    for part in [
        "Return-Path: <bob@bob.example>\n",
        "Authentication-Results: mail.test.localhost;",
        "Subject: through the gateway\n",
    ] {
        assert!(letter.contains(part), "{part}: {letter}");
    }
    let why = ["why", "x@post.example"];
    let told = town.server.command(&why, "").unwrap();
    let line = "  taken for <x@post.example>, which is relayed\n";
    assert!(told.contains(line), "{told}");

    // Without a list Postfix says who is not there, to us, and we to whoever is named as its
    // sender.
    sends(&town, "nobody@post.example", "to nobody");
    let report = report(&town, &sink);
    let told = &report["recipients"][0];
    assert_eq!(words(told, "Final-Recipient"), "rfc822;nobody@post.example");
    assert_eq!(words(told, "Status"), "5.1.1", "{}", postfix.log());
    assert_eq!(words(told, "Action"), "failed");

    // With one, whoever is not there is refused while the client is.
    let set = ["domain", "recipients", "post.example", "--set", "-"];
    town.server.command(&set, "X@post.example\n").unwrap();
    let refused = swaks(&town, "nobody@post.example", "to nobody");
    assert!(!refused.well, "{}", refused.out);
    assert!(
        refused
            .out
            .contains("<** 550 5.1.1 There is no such user here"),
        "{}",
        refused.out
    );
    sends(&town, "x@post.example", "who is there");
    wait(|| (postfix.letters().len() == 2).then_some(()));
    town.is_done();
    assert_eq!(sink.taken().len(), 1);
}

#[test]
fn while_the_first_exchanger_is_away_letters_wait_here() {
    let address = free_address().unwrap();
    // Who is no nearer to the domain than we are is not asked.
    let further = Sink::start("127.0.0.3", address.port(), None);
    let zone = zone(&[
        "post.example MX 10 mx.post.example",
        "post.example MX 20 mail.test.localhost",
        "post.example MX 20 equal.example",
        "post.example MX 30 further.example",
        "mx.post.example A 127.0.0.1",
        "mail.test.localhost A 127.0.0.9",
        "equal.example A 127.0.0.3",
        "further.example A 127.0.0.3",
    ]);
    let mut town = town(&zone, address.port(), "");
    relays(&town, "post.example");
    for number in 0..3 {
        sends(&town, "x@post.example", &format!("number {number}"));
    }
    wait(|| {
        let queue = town.queue();
        let tried = |letter: &Value| letter["attempts"].as_u64() > Some(0);
        (queue.len() == 3 && queue.iter().any(tried)).then_some(())
    });
    // They are on the disk.
    town.server.kill();
    town.server.run().unwrap();
    assert_eq!(town.queue().len(), 3);
    let postfix = postfix(address);
    town.is_done();
    let letters = wait(|| Some(postfix.letters()).filter(|letters| letters.len() >= 3));
    for number in 0..3 {
        let subject = format!("Subject: number {number}\n");
        let count = letters.iter().filter(|one| one.contains(&subject)).count();
        assert_eq!(count, 1, "{letters:?}");
    }
    assert_eq!(postfix.letters().len(), 3);
    assert!(further.taken().is_empty(), "{:?}", further.taken());
}

#[test]
fn a_domain_that_leads_back_here_is_no_loop() {
    let free = TcpListener::bind("127.0.0.5:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let sink = Sink::start("127.0.0.2", port, None);
    let zone = zone(&[
        "only.example MX 10 mail.test.localhost",
        "mail.test.localhost A 127.0.0.5",
        "bob.example A 127.0.0.2",
    ]);
    drop(free);
    let more = format!(
        "[[relay.route]]\nrecipient = \"round.example\"\nhost = \"127.0.0.5:{port}\"\n\
         tls = \"none\"\n[[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.5:{port}\"\n\
         tls = \"none\"\n"
    );
    let town = town(&zone, port, &more);
    for (number, domain) in ["only.example", "round.example"].iter().enumerate() {
        relays(&town, domain);
        sends(&town, &format!("x@{domain}"), domain);
        let report = sink.takes(number + 1).pop().unwrap();
        let body = words(&report, "body");
        assert!(body.contains("Status: 5.4.6\r\n"), "{body}");
        assert!(body.contains(&format!("rfc822;x@{domain}")), "{body}");
        town.is_done();
    }
    assert_eq!(sink.taken().len(), 2);
}
