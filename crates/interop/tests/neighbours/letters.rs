//! Letters of all kinds there and back, in the clear.

use interop::{Kind, Neighbour, Tls, Wishes, free_address};

use super::machine::Machine;
use super::sink::wait;
use super::{ADA, ALAN, arrives, door, hand_in, report, server, told};

/// One at an address that our server finds by the zone it is given.
fn neighbour(kind: Kind, wishes: Wishes) -> Option<(Neighbour, String)> {
    let ip = match kind {
        Kind::Exim => "127.0.0.11",
        Kind::OpenSmtpd => "127.0.0.12",
    };
    let mut address = free_address().unwrap();
    address.set_ip(ip.parse().unwrap());
    let doors = door(address);
    let neighbour = Neighbour::start(kind, Wishes { doors, ..wishes }).unwrap()?;
    let domain = kind.domain();
    let zone = format!("{domain} MX 10 mx.{domain}\nmx.{domain} A {ip}");
    Some((neighbour, zone))
}

fn theirs<'a>(neighbour: &'a Neighbour) -> impl Fn() -> Vec<String> + 'a {
    || neighbour.letters()
}

fn ours<'a>(machine: &'a Machine, account: &'a str) -> impl Fn() -> Vec<String> + 'a {
    move || machine.mail(account)
}

const LONG_OCTETS: usize = 5000;

/// All that we send to one of them.
fn from_us(kind: Kind) {
    let Some((mut there, zone)) = neighbour(kind, Wishes::default()) else {
        return;
    };
    let (machine, _names) = server(&zone, there.address().port(), "");
    let here = machine.server.address("smtp", Tls::Starttls);
    let (x, y) = (
        format!("x@{}", kind.domain()),
        format!("y@{}", kind.domain()),
    );
    hand_in(here, ADA, &[&x], "plain", "first\r\n..dot\r\nlast");
    let letter = arrives(theirs(&there), "Subject: plain");
    assert!(letter.contains("first\n.dot\nlast\n"), "{letter}");
    assert!(letter.contains("mail.test.localhost"), "{letter}");

    hand_in(here, ADA, &[&x, &y], "several", "two of you");
    let several = || {
        there
            .letters()
            .iter()
            .filter(|one| one.contains(": several"))
            .count()
    };
    wait(|| (several() == 2).then_some(()));

    hand_in(here, ADA, &[&x], "eight", "Grüße aus Köln");
    let letter = arrives(theirs(&there), "Subject: eight");
    assert!(letter.contains("\nGrüße aus Köln\n"), "{letter}");

    let long = "x".repeat(LONG_OCTETS);
    hand_in(here, ADA, &[&x], "long", &long);
    let letter = arrives(theirs(&there), "Subject: long");
    assert!(letter.contains(&long), "{letter}");

    // The sender is one of theirs: what comes back goes to them, and is read.
    let nobody = format!("nobody@{}", kind.domain());
    hand_in(here, &x, &[&nobody], "nobody", "is anybody there?");
    let told = report(&arrives(theirs(&there), "Action: failed"));
    let told = &told["recipients"][0];
    let status = told["Status"].as_str().unwrap();
    assert!(status.starts_with("5."), "{told}");
    let words = told["Diagnostic-Code"].as_str().unwrap();
    assert!(words.starts_with("smtp; 5"), "{told}");

    let utf8 = format!("bücher@{}", kind.domain());
    hand_in(here, ADA, &[&utf8], "utf8", "Bücher");
    match kind {
        Kind::Exim => assert!(arrives(theirs(&there), "Subject: utf8").contains("Bücher")),
        // It does not offer SMTPUTF8, and there is no other way to write that name.
        Kind::OpenSmtpd => {
            let told = arrives(ours(&machine, ADA), "Action: failed");
            assert!(told.contains("5.6.7"), "{told}");
        }
    }
    if kind == Kind::Exim {
        let log = there.log();
        let taken = log
            .lines()
            .find(|line| line.contains("<= ada@test.localhost"));
        assert!(taken.unwrap().contains(" L"), "no pipelining: {log}");
    }
    sizes_and_delays(kind, &mut there, &machine, &x);
}

fn sizes_and_delays(kind: Kind, there: &mut Neighbour, machine: &Machine, x: &str) {
    let here = machine.server.address("smtp", Tls::Starttls);
    there
        .change(|wishes| wishes.octets_max = Some(20_000))
        .unwrap();
    hand_in(here, ADA, &[x], "large", &"0123456789\r\n".repeat(3000));
    let letter = arrives(ours(machine, ADA), "\r\nStatus: 5.3.4");
    assert_eq!(report(&letter)["recipients"][0]["Action"], "failed");

    there.change(|wishes| wishes.is_busy = true).unwrap();
    hand_in(here, ADA, &[x], "later", "at last");
    told(machine, x, "4.7.1 Not now");
    assert!(!there.letters().iter().any(|one| one.contains(": later")));
    there.change(|wishes| wishes.is_busy = false).unwrap();
    arrives(theirs(there), "Subject: later");
    wait(|| machine.is_done().then_some(()));
    assert_eq!(there.domain(), kind.domain());
}

/// All that one of them sends to us.
fn from_them(kind: Kind) {
    // Who has never called is asked to come back.
    let more = "[limits]\nmessage_size = \"40K\"\n\
        [trust]\nunchecked = [\"127.0.0.9\"]\ncheck = false\n\
        [trust.greylist]\ndelay = \"1s\"\nknown_after = 1\n";
    let names = interop::NameServer::start("a.example A 127.0.0.9").unwrap();
    let text = format!("[dns]\nservers = [\"{}\"]\n{more}", names.address());
    let machine = Machine::start(&text);
    let here = machine.server.address("smtp", Tls::Starttls);
    let words = ["alias", "add", "bücher@test.localhost", ADA];
    machine.server.command(&words, "").unwrap();
    let wishes = Wishes {
        sends_to: Some(here),
        ..Wishes::default()
    };
    let Some((there, _)) = neighbour(kind, wishes) else {
        return;
    };
    let (at, x) = (there.address(), format!("x@{}", kind.domain()));
    hand_in(at, &x, &[ADA], "later", "first\r\n..dot\r\nlast");
    let letter = wait(|| {
        there.hurry();
        let mail = machine.mail(ADA);
        mail.into_iter().find(|one| one.contains("Subject: later"))
    });
    assert!(letter.contains("first\r\n.dot\r\nlast\r\n"), "{letter}");
    assert!(there.log().contains("450 4.7.1"), "{}", there.log());

    hand_in(at, &x, &[ADA, ALAN], "several", "two of you");
    for account in [ADA, ALAN] {
        arrives(ours(&machine, account), "Subject: several");
    }
    hand_in(at, &x, &[ADA], "eight", "Grüße aus Köln");
    let letter = arrives(ours(&machine, ADA), "Subject: eight");
    assert!(letter.contains("\r\nGrüße aus Köln\r\n"), "{letter}");

    // Exim sends no line longer than RFC 5322 has it.
    let long = "x".repeat(match kind {
        Kind::Exim => 990,
        Kind::OpenSmtpd => LONG_OCTETS,
    });
    hand_in(at, &x, &[ADA], "long", &long);
    let letter = arrives(ours(&machine, ADA), "Subject: long");
    assert!(letter.replace("\r\n ", "").contains(&long), "{letter}");

    their_reports(&there, &machine);
    if kind == Kind::Exim {
        hand_in(at, &x, &["bücher@test.localhost"], "utf8", "Bücher");
        let letter = arrives(ours(&machine, ADA), "Subject: utf8");
        assert!(letter.contains("UTF8"), "{letter}");
        let log = there.log();
        let gone = log
            .lines()
            .find(|line| line.contains("=> ada@test.localhost"));
        assert!(gone.unwrap().contains(" L"), "no pipelining: {log}");
    }
}

/// Their reports come to us, and are read: OpenSMTPD's by people alone.
fn their_reports(there: &Neighbour, machine: &Machine) {
    let is_exim = there.domain() == Kind::Exim.domain();
    for (to, subject, text) in [
        (
            "nobody@test.localhost",
            "nobody",
            "is anybody there?".to_owned(),
        ),
        (ALAN, "large", "0123456789\r\n".repeat(5000)),
    ] {
        hand_in(there.address(), ADA, &[to], subject, &text);
        if !is_exim && subject == "large" {
            // Its report would have the letter in it, and be too large as well.
            let words = "message too large for peer";
            return wait(|| there.log().contains(words).then_some(()));
        }
        let letter = wait(|| {
            let mut mail = machine.mail(ADA).into_iter();
            mail.find(|one| one.starts_with("Return-Path: <>") && one.contains(to))
        });
        if is_exim {
            let told = report(&letter);
            assert_eq!(told["recipients"][0]["Action"], "failed", "{told}");
        }
        assert!(letter.contains(&format!("Subject: {subject}")), "{letter}");
    }
}

#[test]
fn exim_takes_our_letters() {
    from_us(Kind::Exim);
}

#[test]
fn opensmtpd_takes_our_letters() {
    from_us(Kind::OpenSmtpd);
}

#[test]
fn we_take_exims_letters() {
    from_them(Kind::Exim);
}

#[test]
fn we_take_opensmtpds_letters() {
    from_them(Kind::OpenSmtpd);
}
