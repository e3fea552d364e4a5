//! Strangers want their letters carried elsewhere.

use super::{ADA, FRIEND, House, STRANGER, says};

/// What is tried, the recipient, and how the answer begins.
// tidy: table
const RECIPIENTS: &[(&str, &str, &str)] = &[
    ("plainly", "<user@there.example>", "550 5.7.1 "),
    ("upper case", "<USER@THERE.EXAMPLE>", "550 5.7.1 "),
    (
        "the postmaster there",
        "<postmaster@there.example>",
        "550 5.7.1 ",
    ),
    (
        "percent",
        "<user%there.example@test.localhost>",
        "550 5.1.1 ",
    ),
    (
        "percent, two hops",
        "<user%there.example%a.example@test.localhost>",
        "550 5.1.1 ",
    ),
    (
        "percent, quoted",
        "<\"user%there.example\"@test.localhost>",
        "550 5.1.1 ",
    ),
    ("percent, no domain", "<user%there.example>", "501 5.5.4 "),
    (
        "percent at our address",
        "<user%there.example@[127.0.0.1]>",
        "550 5.7.1 ",
    ),
    ("bangs", "<there.example!user@test.localhost>", "550 5.1.1 "),
    ("bangs, no domain", "<there.example!user>", "501 5.5.4 "),
    (
        "bangs, two hops",
        "<test.localhost!there.example!user@test.localhost>",
        "550 5.1.1 ",
    ),
    (
        "a route through us",
        "<@test.localhost:user@there.example>",
        "550 5.7.1 ",
    ),
    (
        "a route of two hops",
        "<@test.localhost,@mail.test.localhost:user@there.example>",
        "550 5.7.1 ",
    ),
    (
        "a route through itself",
        "<@there.example:user@there.example>",
        "550 5.7.1 ",
    ),
    (
        "a route that ends at nobody",
        "<@test.localhost:>",
        "501 5.5.4 ",
    ),
    (
        "an address in quotes",
        "<\"user@there.example\"@test.localhost>",
        "550 5.1.1 ",
    ),
    (
        "a quoted at",
        "<\"user\\@there.example\"@test.localhost>",
        "550 5.1.1 ",
    ),
    (
        "two at, ours last",
        "<user@there.example@test.localhost>",
        "501 5.5.4 ",
    ),
    (
        "two at, ours first",
        "<ada@test.localhost@there.example>",
        "501 5.5.4 ",
    ),
    (
        "two recipients",
        "<user@there.example,ada@test.localhost>",
        "501 5.5.4 ",
    ),
    (
        "two paths",
        "<ada@test.localhost> <user@there.example>",
        "555 5.5.4 ",
    ),
    ("a name in front", "Ada <user@there.example>", "501 5.5.4 "),
    (
        "a comment",
        "<ada(@test.localhost)@there.example>",
        "501 5.5.4 ",
    ),
    ("an address literal", "<user@[127.0.0.2]>", "550 5.7.1 "),
    ("an IPv6 literal", "<user@[IPv6:::1]>", "550 5.7.1 "),
    (
        "a mapped literal",
        "<user@[IPv6:::ffff:127.0.0.2]>",
        "550 5.7.1 ",
    ),
    ("our own literal", "<user@[127.0.0.1]>", "550 5.7.1 "),
    ("an address as a domain", "<user@127.0.0.2>", "550 5.7.1 "),
    ("a number as a domain", "<user@2130706434>", "550 5.7.1 "),
    ("a trailing dot", "<user@there.example.>", "501 5.5.4 "),
    (
        "our domain, a trailing dot",
        "<ada@test.localhost.>",
        "501 5.5.4 ",
    ),
    (
        "below our domain",
        "<user@there.example.test.localhost>",
        "550 5.7.1 ",
    ),
    (
        "our domain below theirs",
        "<user@test.localhost.there.example>",
        "550 5.7.1 ",
    ),
    (
        "our domain with a letter more",
        "<user@xtest.localhost>",
        "550 5.7.1 ",
    ),
    (
        "a domain beyond ASCII",
        "<user@thére.example>",
        "550 5.7.1 ",
    ),
    ("wide letters", "<user@ｔｈｅｒｅ.example>", "550 5.7.1 "),
    ("an ideographic dot", "<user@there。example>", "550 5.7.1 "),
    (
        "our domain, an ideographic dot",
        "<user@test.localhost。there.example>",
        "550 5.7.1 ",
    ),
    ("A-labels", "<user@xn--thre-dpa.example>", "550 5.7.1 "),
    ("a program", "<|/bin/sh@test.localhost>", "550 5.1.1 "),
    (
        "a program in quotes",
        "<\"|/bin/sh\"@test.localhost>",
        "550 5.1.1 ",
    ),
    ("a file", "</etc/passwd@test.localhost>", "550 5.1.1 "),
    (
        "a list of names",
        "<\":include:/etc/passwd\"@test.localhost>",
        "550 5.1.1 ",
    ),
    (
        "a rewritten sender",
        "<SRS0=aaaaaaaa=aa=there.example=user@mail.test.localhost>",
        "550 5.1.1 ",
    ),
    (
        "the first rewritten",
        "<SRS1=aaaaaaaa=there.example==user@mail.test.localhost>",
        "550 5.1.1 ",
    ),
    (
        "our recipient as the original one",
        "<user@there.example> ORCPT=rfc822;ada@test.localhost",
        "550 5.7.1 ",
    ),
    ("nobody", "<>", "501 5.5.4 "),
];

/// The same, where `customer.example` is relayed and nobody says who is there.
// tidy: table
const BEYOND: &[(&str, &str, &str)] = &[
    (
        "percent",
        "<user%there.example@customer.example>",
        "550 5.7.1 ",
    ),
    (
        "percent, two hops",
        "<user%there.example%a.example@customer.example>",
        "550 5.7.1 ",
    ),
    (
        "percent, quoted",
        "<\"user%there.example\"@customer.example>",
        "550 5.7.1 ",
    ),
    (
        "percent behind a plus",
        "<bob+user%there.example@customer.example>",
        "550 5.7.1 ",
    ),
    (
        "bangs",
        "<there.example!user@customer.example>",
        "550 5.7.1 ",
    ),
    (
        "an address in quotes",
        "<\"user@there.example\"@customer.example>",
        "550 5.7.1 ",
    ),
    (
        "a quoted at",
        "<\"user\\@there.example\"@customer.example>",
        "550 5.7.1 ",
    ),
    (
        "a route through it",
        "<@customer.example:user@there.example>",
        "550 5.7.1 ",
    ),
    (
        "a route through us and it",
        "<@test.localhost,@customer.example:user@there.example>",
        "550 5.7.1 ",
    ),
    (
        "two at, the relayed domain last",
        "<user@there.example@customer.example>",
        "501 5.5.4 ",
    ),
    ("below it", "<user@there.customer.example>", "550 5.7.1 "),
    (
        "it below theirs",
        "<user@customer.example.there.example>",
        "550 5.7.1 ",
    ),
    ("a letter more", "<user@xcustomer.example>", "550 5.7.1 "),
    ("a trailing dot", "<user@customer.example.>", "501 5.5.4 "),
    ("our own literal", "<user@[127.0.0.1]>", "550 5.7.1 "),
    ("this host", "<user@mail.test.localhost>", "550 5.7.1 "),
];

/// Who the letters are said to be from, with what is said of that.
// tidy: table
const SENDERS: &[(&str, &str)] = &[
    ("nobody", "<>"),
    ("somebody of ours", "<ada@test.localhost>"),
    ("our postmaster", "<postmaster@test.localhost>"),
    (
        "the postmaster of this host",
        "<postmaster@mail.test.localhost>",
    ),
    ("its own recipient", "<user@there.example>"),
    ("somebody at this machine", "<root@localhost>"),
    ("somebody at our address", "<ada@[127.0.0.1]>"),
    (
        "somebody by a route through us",
        "<@test.localhost:ada@test.localhost>",
    ),
    (
        "somebody who logged in elsewhere",
        "<ada@test.localhost> AUTH=ada@test.localhost",
    ),
];

/// What clients call themselves.
const NAMES: &[&str] = &[
    "mail.test.localhost",
    "test.localhost",
    "localhost",
    "[127.0.0.1]",
    "[IPv6:::1]",
    "there.example",
];

#[test]
fn nothing_is_carried_for_strangers() {
    let house = House::start("[forward]\nsrs = true");
    for (what, recipient, expected) in RECIPIENTS {
        let mut talk = house.greet(STRANGER);
        let utf8 = if recipient.is_ascii() {
            ""
        } else {
            " SMTPUTF8"
        };
        says(
            &mut talk,
            &format!("MAIL FROM:<eve@a.example>{utf8}"),
            "250 ",
        );
        let said = talk.smtp(&format!("RCPT TO:{recipient}")).unwrap();
        assert!(said.starts_with(expected), "{what}: {said}");
        says(&mut talk, "DATA", "503 ");
    }
    house.has_sent_nothing();
}

#[test]
fn a_relayed_domain_is_no_way_to_others() {
    let house = House::start("[forward]\nsrs = true");
    let relay = |name: &str| {
        let words = ["domain", "add", name, "--relay"];
        house.server().command(&words, "").unwrap();
    };
    relay("customer.example");
    relay("listed.example");
    let set = ["domain", "recipients", "listed.example", "--set", "-"];
    house.server().command(&set, "bob\nodd%name\n").unwrap();
    let tries = |recipient: &str, expected: &str| {
        let mut talk = house.greet(STRANGER);
        says(&mut talk, "MAIL FROM:<eve@a.example>", "250 ");
        let said = talk.smtp(&format!("RCPT TO:{recipient}")).unwrap();
        assert!(said.starts_with(expected), "{recipient}: {said}");
    };
    for (_, recipient, expected) in BEYOND {
        tries(recipient, expected);
        // With a list, what is at that domain is nobody.
        let listed = recipient.replace("customer.example", "listed.example");
        let at_it = listed.ends_with("@listed.example>") && *expected == "550 5.7.1 ";
        tries(&listed, if at_it { "550 5.1.1 " } else { expected });
    }
    // Without these the table would prove nothing.
    for recipient in [
        "<bob@customer.example>",
        "<Bob+tea@Customer.example>",
        "<@there.example:bob@customer.example>",
        "<Bob+tea@listed.example>",
        "<odd%name@listed.example>",
        "<postmaster@listed.example>",
    ] {
        tries(recipient, "250 ");
    }
    tries("<eve@listed.example>", "550 5.1.1 ");
    house.has_sent_nothing();
}

#[test]
fn no_name_opens_the_way() {
    let house = House::start("");
    for (what, sender) in SENDERS {
        let mut talk = house.greet(STRANGER);
        says(&mut talk, &format!("MAIL FROM:{sender}"), "250 ");
        let said = talk.smtp("RCPT TO:<user@there.example>").unwrap();
        assert!(said.starts_with("550 5.7.1 "), "{what}: {said}");
    }
    for name in NAMES {
        let (mut talk, _) = house.call("smtp", STRANGER);
        says(&mut talk, &format!("EHLO {name}"), "250 ");
        says(&mut talk, "MAIL FROM:<eve@a.example>", "250 ");
        says(&mut talk, "RCPT TO:<user@there.example>", "550 5.7.1 ");
    }
    // One who is ours does not take the others along.
    let mut talk = house.greet(STRANGER);
    says(&mut talk, "MAIL FROM:<eve@a.example>", "250 ");
    says(
        &mut talk,
        &format!("RCPT TO:<{ADA}> ORCPT=rfc822;user@there.example"),
        "250 ",
    );
    says(&mut talk, "RCPT TO:<user@there.example>", "550 5.7.1 ");
    says(&mut talk, "DATA", "354 ");
    says(
        &mut talk,
        "To: user@there.example\r\n\r\nOnly ada has it.\r\n.",
        "250 ",
    );
    assert_eq!(house.machine.mail(ADA).len(), 1);
    // Nobody but our own hands in at the door for that.
    let (mut talk, _) = house.call("submission", STRANGER);
    says(&mut talk, "EHLO client.example", "250 ");
    says(&mut talk, "MAIL FROM:<ada@test.localhost>", "530 5.7.0 ");
    says(&mut talk, "RCPT TO:<user@there.example>", "503 ");
    // Who may not send may not have others' mail sent either.
    let mut talk = house.greet(STRANGER);
    says(&mut talk, "ETRN there.example", "459 4.7.1 ");
    house.has_sent_nothing();
}

/// Without this the tables above would prove nothing.
#[test]
fn who_may_send_through_us_can() {
    let house = House::start("");
    let mut talk = house.greet(FRIEND);
    for recipient in ["user@there.example", "@test.localhost:user@there.example"] {
        says(&mut talk, "MAIL FROM:<eve@a.example>", "250 ");
        // Not for them, either.
        says(
            &mut talk,
            "RCPT TO:<user%there.example@test.localhost>",
            "550 5.1.1 ",
        );
        says(
            &mut talk,
            "RCPT TO:<there.example!user@test.localhost>",
            "550 5.1.1 ",
        );
        says(&mut talk, &format!("RCPT TO:<{recipient}>"), "250 ");
        says(&mut talk, "DATA", "354 ");
        says(&mut talk, "Subject: ours\r\n\r\nAt five?\r\n.", "250 ");
    }
    for letter in house.sink.takes(2) {
        assert_eq!(letter["to"], serde_json::json!(["<user@there.example>"]));
    }
}
