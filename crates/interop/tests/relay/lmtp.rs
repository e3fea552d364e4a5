//! Letters leave by LMTP: for Debian's Dovecot, over the network and at a socket of this machine,
//! for another of our servers, and for one that breaks off between its answers.

use interop::{Dovecot, Server, Tls, free_address};
use serde_json::{Value, json};

use super::sink::{Sink, wait};
use super::{Town, town, words};

const SUBJECT: &str = "for the store";

/// A server whose letters for `store.example` go this way.
fn routed(host: &str) -> Town {
    let route = format!(
        "[[relay.route]]\nrecipient = \"store.example\"\nprotocol = \"lmtp\"\n\
         host = \"{host}\"\ntls = \"none\"\n"
    );
    town("", free_address().unwrap().port(), &route)
}

/// Who is still waited for.
fn waiting(town: &Town) -> Vec<Value> {
    let queue = town.queue();
    let recipients = queue
        .iter()
        .flat_map(|entry| entry["recipients"].as_array().unwrap());
    recipients.map(|one| one["to"].clone()).collect()
}

fn why(town: &Town) -> String {
    let why = town.server.output(&["why", SUBJECT], "").unwrap();
    String::from_utf8(why.stdout).unwrap()
}

#[test]
fn dovecot_answers_for_each_recipient() {
    for way in ["without TLS", "within this machine"] {
        // One for each way: it looks at its list of users once a second only, and would take a
        // mailbox that was filled up again for one with room.
        let dovecot = Dovecot::start_delivering().unwrap();
        let place = match way {
            "without TLS" => format!("127.0.0.1:{}", dovecot.port("lmtp").unwrap()),
            _ => format!("unix:{}", dovecot.socket().display()),
        };
        let town = routed(&place);
        let to = ["cat", "nobody", "full"].map(|name| format!("{name}@store.example"));
        town.send(&to.each_ref().map(String::as_str), SUBJECT, &[]);
        // Of the one who is not there a report comes, and of nobody else.
        let report = town.report("Action: failed");
        let told = report["recipients"].as_array().unwrap();
        assert_eq!(told.len(), 1, "{report}");
        assert_eq!(
            words(&told[0], "Final-Recipient"),
            "rfc822;nobody@store.example"
        );
        assert_eq!(words(&told[0], "Status"), "5.1.1");
        assert_eq!(
            told[0].get("Remote-MTA").is_some(),
            way == "without TLS",
            "{report}"
        );
        // The full mailbox waits alone, and is tried again alone.
        wait(|| (waiting(&town) == [json!("<full@store.example>")]).then_some(()));
        let told = wait(|| {
            let told = why(&town);
            let tries = told.matches("full@store.example> deferred").count();
            (tries > 1).then_some(told)
        });
        assert!(told.contains("452 4.2.2 "), "{told}");
        assert!(told.contains(way), "{told}");
        assert_eq!(
            told.matches("cat@store.example> delivered").count(),
            1,
            "{told}"
        );
        assert_eq!(dovecot.letters("cat").len(), 1);
        dovecot.make_room().unwrap();
        town.is_done();
        let full = dovecot.letters("full");
        assert_eq!(full.len(), 1, "{full:?}");
        assert!(full[0].contains(SUBJECT), "{full:?}");
        assert_eq!(dovecot.letters("cat").len(), 1);
    }
}

/// From one of our servers to another, with TLS.
#[test]
fn another_of_our_servers_takes_letters_by_lmtp() {
    let door = "[[listener]]\nprotocol = \"lmtp\"\naddress = \"127.0.0.1:0\"\ntls = \"starttls\"\n";
    let other = Server::start_with(door).unwrap();
    let port = other.address("lmtp", Tls::Starttls).port();
    let authority = other.authority().unwrap();
    let route = format!(
        "[[relay.route]]\nrecipient = \"other.localhost\"\nprotocol = \"lmtp\"\n\
         host = \"mail.test.localhost:{port}\"\nca = \"{authority}\"\n"
    );
    let command = |words: &[&str]| other.command(words, "secret").unwrap();
    command(&["domain", "add", "other.localhost"]);
    command(&["alias", "add", "ada@other.localhost", "ada@test.localhost"]);
    let zone = "mail.test.localhost A 127.0.0.1";
    let town = town(zone, free_address().unwrap().port(), &route);
    let to = ["ada@other.localhost", "nobody@other.localhost"];
    town.send(&to, SUBJECT, &[]);
    let report = town.report("Action: failed");
    let told = report["recipients"].as_array().unwrap();
    assert_eq!(told.len(), 1, "{report}");
    assert_eq!(words(&told[0], "Status"), "5.1.1");
    town.is_done();
    let told = why(&town);
    assert!(told.contains("ada@other.localhost> delivered"), "{told}");
    assert!(told.contains("certificate verified"), "{told}");
    let there = Town {
        names: interop::NameServer::start("").unwrap(),
        server: other,
    };
    there.receives(SUBJECT);
}

/// Whoever was answered is not tried again.
#[test]
fn a_connection_that_breaks_between_the_answers_settles_those_that_came() {
    let sink = Sink::start("127.0.0.1", 0, None);
    sink.switch("lmtp", true);
    let town = routed(&format!("127.0.0.1:{}", sink.port));
    let to = ["one", "lost", "two"].map(|name| format!("{name}@store.example"));
    town.send(&to.each_ref().map(String::as_str), SUBJECT, &[]);
    town.is_done();
    let taken: Vec<Value> = sink
        .takes(2)
        .into_iter()
        .map(|letter| letter["to"].clone())
        .collect();
    assert_eq!(
        taken,
        [
            json!([
                "<one@store.example>",
                "<lost@store.example>",
                "<two@store.example>"
            ]),
            json!(["<lost@store.example>", "<two@store.example>"]),
        ]
    );
    let told = why(&town);
    assert_eq!(
        told.matches("one@store.example> delivered").count(),
        1,
        "{told}"
    );
    assert!(told.contains("two@store.example> deferred"), "{told}");
    assert!(!told.contains("one@store.example> deferred"), "{told}");
}
