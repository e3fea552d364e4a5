//! Which address of this machine others are called from.

use super::sink::{Sink, wait};
use super::{town, words, zone};

#[test]
fn others_are_called_from_the_address_that_is_named() {
    let first = Sink::start("127.0.0.2", 0, None);
    let second = Sink::start("::1", first.port, None);
    let zone = zone(&[
        "a.example A 127.0.0.2",
        "b.example A 127.0.0.2",
        "c.example AAAA ::1",
        "d.example A 127.0.0.2",
    ]);
    let town = town(
        &zone,
        first.port,
        "source = [\"127.0.0.7\"]\n\
         [[relay.route]]\nrecipient = \"b.example\"\nsource = [\"127.0.0.8\", \"::1\"]\n\
         [[relay.route]]\nrecipient = \"d.example\"\nsource = [\"192.0.2.1\"]\n",
    );
    let to = ["x@a.example", "x@b.example", "x@c.example", "x@d.example"];
    town.send(&to, "from where", &[]);
    for letter in first.takes(2) {
        let expected = match letter["to"][0].as_str() {
            Some("<x@a.example>") => "127.0.0.7",
            _ => "127.0.0.8",
        };
        assert_eq!(words(&letter, "host"), expected, "{letter}");
    }
    assert_eq!(words(&second.takes(1)[0], "host"), "::1");
    // From what is no address of ours nothing leaves, and it is said why.
    let why = wait(|| {
        let why = town.server.output(&["why", "from where"], "").unwrap();
        let why = String::from_utf8(why.stdout).unwrap();
        why.contains("x@d.example> deferred").then_some(why)
    });
    let said = "192.0.2.1, which it is to be sent from, is no address of this machine (4.3.5)";
    assert!(why.contains(said), "{why}");
    assert_eq!(first.taken().len(), 2);
}
