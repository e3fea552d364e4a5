//! Debian's Postfix: it takes letters of one domain into a Maildir, and sends its reports back to
//! the server under test.

use std::net::SocketAddr;

use interop::{Dovecot, NameServer, Postfix, Server, Talk, Tls, free_address};
use serde_json::json;

use super::sink::{Sink, wait};
use super::{Town, town, words};

/// One that takes letters at an address, and sends its own to another.
fn postfix(address: SocketAddr, reports_to: SocketAddr) -> Postfix {
    let (ip, port) = (reports_to.ip(), reports_to.port());
    let more = format!(
        "mynetworks = 127.0.0.0/8\nrelayhost = [{ip}]:{port}\n\
         smtpd_recipient_restrictions = reject_unauth_destination\n"
    );
    Postfix::listening_at(address, &more).unwrap()
}

#[test]
fn postfix_takes_letters_and_its_reports_come_back() {
    let address = free_address().unwrap();
    let zone = "post.example MX 10 mx.post.example\nmx.post.example A 127.0.0.1";
    let town = town(zone, address.port(), "");
    let postfix = postfix(address, town.server.address("smtp", Tls::Starttls));
    let to = ["x@post.example", "nobody@post.example"];
    town.send(
        &to,
        "to Postfix",
        &["notify=SUCCESS,FAILURE", "envid=A+2BB"],
    );
    // It refuses one at once: that is our report; of the other it tells us itself.
    let ours = town.report("Action: failed");
    let told = &ours["recipients"][0];
    assert_eq!(words(told, "Final-Recipient"), "rfc822;nobody@post.example");
    assert_eq!(words(told, "Status"), "5.1.1", "{}", postfix.log());
    let theirs = town.report("Action: delivered");
    assert!(
        words(&theirs, "words").contains("mx.post.example"),
        "{theirs}"
    );
    assert_eq!(words(&theirs["message"], "Original-Envelope-Id"), "A+B");
    assert_eq!(theirs["defects"], json!([]));
    let letters = postfix.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].contains("Subject: to Postfix\n"), "{letters:?}");
    assert!(letters[0].contains("first\n.dot\nlast\n"), "{letters:?}");
    town.is_done();
}

/// All letters through one host, as people behind a provider send them.
#[test]
fn one_host_is_logged_in_to_under_tls() {
    for (offered, used) in [
        ("plain login", "PLAIN"),
        ("plain scram-sha-256", "SCRAM-SHA-256"),
    ] {
        let dovecot = Dovecot::start_authenticating_by(offered).unwrap();
        let address = free_address().unwrap();
        let postfix = Postfix::listening_at(address, &dovecot.postfix_behind()).unwrap();
        let file = dovecot.folder().join("relay-password");
        std::fs::write(&file, "secret\n").unwrap();
        let relay = format!(
            "host = \"{address}\"\nuser = \"ada\"\npassword_file = \"{}\"\nca = \"{}\"\n",
            file.display(),
            dovecot.certificate().display(),
        );
        let town = town("", address.port(), &relay);
        town.send(&["x@post.example"], "by one host", &[]);
        town.is_done();
        wait(|| (postfix.letters().len() == 1).then_some(()));
        let line = format!("sasl_method={used}, sasl_username=ada");
        assert!(postfix.log().contains(&line), "{}", postfix.log());
        assert!(town.names.asked().is_empty());
    }
}

/// A letter that is sent on by an alias names this host as its sender; what Postfix tells of it
/// comes here, and goes on to whoever sent it.
#[test]
fn what_postfix_tells_of_a_letter_that_was_sent_on_reaches_its_sender() {
    let address = free_address().unwrap();
    let sink = Sink::start("127.0.0.2", address.port(), None);
    let zone = "post.example MX 10 mx.post.example\nmx.post.example A 127.0.0.1\n\
                bob.example A 127.0.0.2";
    let more = "[forward]\nsrs = true\n";
    let town = town(zone, address.port(), more);
    let postfix = postfix(address, town.server.address("smtp", Tls::Starttls));
    for (name, target) in [("away", "x@post.example"), ("gone", "nobody@post.example")] {
        let name = format!("{name}@test.localhost");
        let words = ["alias", "add", &name, target];
        town.server.command(&words, "").unwrap();
    }
    let (mut smtp, _) = Talk::open(town.server.address("smtp", Tls::Starttls)).unwrap();
    let mut say = |line: &str, expected: &str| {
        let said = smtp.smtp(line).unwrap();
        assert!(said.starts_with(expected), "{line}: {said}");
    };
    say("EHLO mx.bob.example", "250");
    for name in ["away", "gone"] {
        say("MAIL FROM:<bob@bob.example>", "250");
        let to = format!("RCPT TO:<{name}@test.localhost> NOTIFY=SUCCESS,FAILURE");
        say(&to, "250");
        say("DATA", "354");
        say(&format!("Subject: {name}\r\n\r\nAt five?\r\n."), "250");
    }
    // Nobody else gets through by such an address.
    say("MAIL FROM:<>", "250");
    say(
        "RCPT TO:<SRS0=aaaaaaaa=aa=bob.example=bob@mail.test.localhost>",
        "550 5.1.1",
    );
    let taken = sink.takes(2);
    let to_bob = |letter: &&serde_json::Value| letter["to"] == json!(["<bob@bob.example>"]);
    let reports: Vec<_> = taken.iter().filter(to_bob).collect();
    assert_eq!(reports.len(), 2, "{taken:?}\n{}", postfix.log());
    let has = |part: &str| {
        let mut bodies = reports.iter().map(|letter| words(letter, "body"));
        bodies.any(|body| body.contains(part))
    };
    assert!(
        has("Action: delivered") && has("Action: failed"),
        "{reports:?}"
    );
    assert!(has("mx.post.example"), "{reports:?}");
    let letters = postfix.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let returned = "Return-Path: <SRS0=";
    assert!(letters[0].contains(returned), "{letters:?}");
    assert!(
        letters[0].contains("=bob.example=bob@mail.test.localhost>"),
        "{letters:?}"
    );
    town.is_done();
}

/// Nothing is sent for a while to an address of which Postfix has said that there is nobody.
#[test]
fn where_postfix_says_that_there_is_nobody_nothing_is_sent_again() {
    let address = free_address().unwrap();
    let zone = "post.example MX 10 mx.post.example\nmx.post.example A 127.0.0.1";
    let names = NameServer::start(zone).unwrap();
    let text = format!(
        "[dns]\nservers = [\"{}\"]\n[queue]\nretry = [\"1s\"]\nsuppress = \"1h\"\n\
         [relay]\nport = {}\n",
        names.address(),
        address.port()
    );
    let server = Server::start_with(&text).unwrap();
    let town = Town { names, server };
    let _postfix = postfix(address, town.server.address("smtp", Tls::Starttls));
    town.send(&["nobody@post.example"], "to nobody", &[]);
    let said = |words: &[&str]| town.server.command(words, "").unwrap();
    let listed = wait(|| Some(said(&["queue", "suppressed"])).filter(|it| !it.starts_with("0 ")));
    assert!(
        listed.starts_with("nobody@post.example  since "),
        "{listed}"
    );
    assert!(
        listed.contains("mx.post.example said: 550 5.1.1 "),
        "{listed}"
    );
    assert!(listed.ends_with("1 address.\n"), "{listed}");
    let again = town.try_send(&["Nobody@post.example"], "to nobody", &[]);
    assert!(
        again.err.contains("5.1.1 Mail to this address failed at "),
        "{}",
        again.err
    );
    town.is_done();
    let freed = said(&["queue", "unsuppress", "nobody@post.example"]);
    assert_eq!(freed, "Mail goes to 1 address again.\n");
    town.send(&["nobody@post.example"], "to nobody", &[]);
    let json = wait(|| Some(said(&["queue", "suppressed", "--json"])).filter(|it| !it.is_empty()));
    assert!(
        json.contains("\"address\":\"nobody@post.example\""),
        "{json}"
    );
    assert_eq!(
        said(&["queue", "unsuppress", "--all"]),
        "Mail goes to 1 address again.\n"
    );
    assert_eq!(said(&["queue", "suppressed"]), "0 addresses.\n");
}
