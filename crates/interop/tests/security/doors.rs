//! What else comes to a door: questions about who is here, passwords in the clear, guesses, what
//! is no mail at all.

use interop::{Server, Talk, Tls};

use super::{ADA, House, STRANGER, says};

#[test]
fn nobody_learns_who_is_here() {
    let house = House::start("");
    let mut talk = house.greet(STRANGER);
    let known = says(&mut talk, "VRFY ada", "252 ");
    assert_eq!(says(&mut talk, "VRFY nobody", "252 "), known);
    assert_eq!(says(&mut talk, "VRFY ada@test.localhost", "252 "), known);
    for name in ["ada", "staff", "postmaster"] {
        says(&mut talk, &format!("EXPN {name}"), "502 5.5.1 ");
    }
    // Who tries names at RCPT does not get far.
    let mut talk = house.greet(STRANGER);
    says(&mut talk, "MAIL FROM:<>", "250 ");
    let mut tried = 0;
    loop {
        let said = talk
            .smtp(&format!("RCPT TO:<name{tried}@test.localhost>"))
            .unwrap();
        if said.starts_with("421 4.7.0 ") {
            break;
        }
        assert!(
            said.starts_with("550 5.1.1 ") && tried < 101,
            "{tried}: {said}"
        );
        tried += 1;
    }
    assert_eq!(talk.hear_to_the_end().unwrap(), "");
    // At the other doors a wrong name is answered as a wrong password is.
    let server = Server::start().unwrap();
    for (protocol, at_login) in [
        ("imap", "t LOGIN WHO wrong"),
        ("pop3", "USER WHO\r\nPASS wrong"),
    ] {
        let said = [ADA, "nobody@test.localhost"].map(|who| {
            let (mut talk, _) = Talk::open(server.address(protocol, Tls::Starttls)).unwrap();
            let end = if protocol == "imap" {
                "u LOGOUT"
            } else {
                "QUIT"
            };
            let line = at_login.replace("WHO", who);
            talk.send(format!("{line}\r\n{end}\r\n").as_bytes())
                .unwrap();
            talk.hear_to_the_end().unwrap()
        });
        assert_eq!(said[0], said[1], "{protocol}");
        assert!(!said[0].contains("t OK"), "{}", said[0]);
    }
}

#[test]
fn no_password_is_taken_in_the_clear() {
    let house = House::start("");
    let plain = "AGFkYUB0ZXN0LmxvY2FsaG9zdABzZWNyZXQ=";
    let (mut talk, _) = house.call("submission", STRANGER);
    talk.send(b"EHLO client.example\r\n").unwrap();
    let mut offers = String::new();
    while !offers.starts_with("250 ") {
        offers = talk.hear().unwrap();
        let offers_password = offers.contains("AUTH") && offers.contains("PLAIN");
        assert!(!offers_password && !offers.contains("LOGIN"), "{offers}");
    }
    says(&mut talk, &format!("AUTH PLAIN {plain}"), "538 5.7.11 ");
    says(&mut talk, "AUTH LOGIN", "538 5.7.11 ");
    says(&mut talk, "MAIL FROM:<ada@test.localhost>", "530 5.7.0 ");
    // At the door for other hosts there is none to be taken at all.
    says(
        &mut house.greet(STRANGER),
        &format!("AUTH PLAIN {plain}"),
        "502 5.5.1 ",
    );

    let (mut talk, greeting) = house.call("imap", STRANGER);
    assert!(
        greeting.contains("LOGINDISABLED") && !greeting.contains("AUTH=PLAIN"),
        "{greeting}"
    );
    for command in [
        "LOGIN ada@test.localhost secret",
        &format!("AUTHENTICATE PLAIN {plain}"),
    ] {
        let said = talk.imap(command).unwrap();
        assert!(
            said.last().unwrap().starts_with("t NO [PRIVACYREQUIRED]"),
            "{said:?}"
        );
    }
    let (mut talk, _) = house.call("pop3", STRANGER);
    for line in [
        "USER ada@test.localhost\r\n",
        &format!("AUTH PLAIN {plain}\r\n"),
    ] {
        talk.send(line.as_bytes()).unwrap();
        let said = talk.hear().unwrap();
        assert!(said.starts_with("-ERR "), "{said}");
    }
    let (mut talk, _) = house.call("managesieve", STRANGER);
    talk.send(format!("AUTHENTICATE \"PLAIN\" \"{plain}\"\r\nLOGOUT\r\n").as_bytes())
        .unwrap();
    let said = talk.hear_to_the_end().unwrap();
    assert!(said.contains("\r\nNO (ENCRYPT-NEEDED)"), "{said}");
    assert!(
        said.contains("\"SASL\"") && !said.contains("PLAIN"),
        "{said}"
    );
}

/// Twenty guesses at an account, and nobody gets in there for a while who has never been; fifty
/// from a network, and it is the same for all accounts.
#[test]
fn guesses_come_to_an_end() {
    let server = Server::start().unwrap();
    let guess = |protocol: &str, user: &str, password: &str| -> String {
        let (mut talk, _) = Talk::open(server.address(protocol, Tls::Starttls)).unwrap();
        match protocol {
            "imap" => {
                let said = talk
                    .imap(&format!("LOGIN {user}@test.localhost {password}"))
                    .unwrap();
                said.last().unwrap().clone()
            }
            _ => {
                talk.send(format!("USER {user}@test.localhost\r\n").as_bytes())
                    .unwrap();
                talk.hear().unwrap();
                talk.send(format!("PASS {password}\r\n").as_bytes())
                    .unwrap();
                talk.hear().unwrap()
            }
        }
    };
    // What is long ago counts less: a few more than twenty may be needed.
    let mut guesses = 0;
    while !guess("imap", "ada", &format!("guess{guesses}")).starts_with("t NO [UNAVAILABLE]") {
        guesses += 1;
        assert!(guesses < 25, "no end");
    }
    assert!(guesses >= 20, "{guesses}");
    let said = guess("imap", "ada", "secret");
    assert!(said.starts_with("t NO [UNAVAILABLE]"), "{said}");
    let said = guess("pop3", "ada", "secret");
    assert!(said.starts_with("-ERR [SYS/TEMP]"), "{said}");
    // The other account is not meant.
    let said = guess("imap", "alan", "secret");
    assert!(said.starts_with("t OK"), "{said}");
    // One connection does not even get as far.
    let (mut talk, _) = Talk::open(server.address("submission", Tls::Starttls)).unwrap();
    says(&mut talk, "EHLO client.example", "250 ");
    let mut said = String::new();
    for _ in 0..20 {
        said = talk.smtp("AUTH PLAIN AG5vYm9keQB3cm9uZw==").unwrap();
        if !said.starts_with("535 ") && !said.starts_with("454 ") {
            break;
        }
    }
    assert!(said.starts_with("421 4.7.0 "), "{said}");
}

/// What is said at the `smtp` door in place of mail, in one go, and what is answered.
// tidy: table
const STRANGE: &[(&str, &str, &[&str])] = &[
    (
        "a browser's form that holds commands",
        "POST / HTTP/1.1\r\nHost: mail.test.localhost:25\r\nContent-Length: 99\r\n\r\n\
         EHLO a.example\r\nMAIL FROM:<eve@a.example>\r\nRCPT TO:<ada@test.localhost>\r\nDATA\r\n\
         Subject: by a form\r\n\r\nx\r\n.\r\n",
        &["421 4.7.0 "],
    ),
    (
        "a browser",
        "GET / HTTP/1.1\r\nHost: mail\r\n\r\n",
        &["421 4.7.0 "],
    ),
    (
        "a proxy's client",
        "CONNECT mail:25 HTTP/1.1\r\n\r\nEHLO a\r\n",
        &["421 4.7.0 "],
    ),
    (
        "TLS where there is none yet",
        "\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\r\n",
        &["500 5.5.1 "],
    ),
    (
        "letters before their envelope",
        "EHLO a.example\r\nDATA\r\nSubject: x\r\nMAIL\r\nQUIT\r\n",
        &["250 ", "503 5.5.1 ", "500 5.5.1 ", "501 5.5.4 ", "221 "],
    ),
    (
        "chunks within DATA",
        "EHLO a.example\r\nMAIL FROM:<eve@a.example>\r\nRCPT TO:<ada@test.localhost>\r\nDATA\r\n\
         BDAT 9 LAST\r\nVRFY ada\r\n.\r\nQUIT\r\n",
        &[
            "250 ",
            "250 ",
            "250 ",
            "354 ",
            "250 2.0.0 Taken as ",
            "221 ",
        ],
    ),
    (
        "DATA behind chunks",
        "EHLO a.example\r\nMAIL FROM:<eve@a.example>\r\nRCPT TO:<ada@test.localhost>\r\n\
         BDAT 9\r\nVRFY ada\nDATA\r\nRSET\r\nQUIT\r\n",
        &[
            "250 ",
            "250 ",
            "250 ",
            "550 5.6.11 ",
            "503 5.5.1 ",
            "250 ",
            "221 ",
        ],
    ),
    (
        "a chunk longer than anything",
        "EHLO a.example\r\nMAIL FROM:<eve@a.example>\r\nRCPT TO:<ada@test.localhost>\r\n\
         BDAT 18446744073709551615 LAST\r\nQUIT\r\n",
        &["250 ", "250 ", "250 "],
    ),
    (
        "a chunk of no octets there are",
        "EHLO a.example\r\nMAIL FROM:<eve@a.example>\r\nRCPT TO:<ada@test.localhost>\r\n\
         BDAT -1\r\nBDAT 1e3\r\nBDAT 99999999999999999999999\r\nQUIT\r\n",
        &[
            "250 ",
            "250 ",
            "250 ",
            "501 5.5.4 ",
            "501 5.5.4 ",
            "501 5.5.4 ",
            "221 ",
        ],
    ),
    (
        "NUL in front",
        "\0EHLO a.example\r\nQUIT\r\n",
        &["500 5.5.1 ", "221 "],
    ),
    (
        "nothing but ends",
        "\r\n\r\n\r\nQUIT\r\n",
        &["500 5.5.1 ", "500 5.5.1 ", "500 5.5.1 ", "221 "],
    ),
    (
        "a name for the relay",
        "PROXY TCP4 198.51.100.7 1.2.3.4 1 25\r\nQUIT\r\n",
        &["500 5.5.1 ", "221 "],
    ),
    (
        "XCLIENT",
        "EHLO a\r\nXCLIENT ADDR=198.51.100.7\r\nQUIT\r\n",
        &["250 ", "500 5.5.1 ", "221 "],
    ),
];

#[test]
fn what_is_no_mail_is_refused() {
    let house = House::start("");
    for (what, said, expected) in STRANGE {
        let (mut talk, _) = house.call("smtp", STRANGER);
        talk.send(said.as_bytes()).unwrap();
        talk.send_no_more().unwrap();
        let heard = talk.hear_to_the_end().unwrap();
        let is_last = |line: &&str| line.as_bytes().get(3) == Some(&b' ');
        let answers: Vec<&str> = heard.lines().filter(is_last).collect();
        assert_eq!(answers.len(), expected.len(), "{what}: {heard}");
        for (answer, expected) in answers.iter().zip(*expected) {
            assert!(answer.starts_with(expected), "{what}: {heard}");
        }
    }
    let mail = house.machine.mail(ADA);
    assert_eq!(mail.len(), 1, "{mail:?}");
    assert!(mail[0].ends_with("BDAT 9 LAST\r\nVRFY ada\r\n"), "{mail:?}");
    // Noise: octets by a rule that has no pattern, some of them line ends.
    let mut state: u32 = 1;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(100_000)
    .collect();
    for protocol in ["smtp", "submission", "imap", "pop3", "managesieve"] {
        let (mut talk, _) = house.call(protocol, STRANGER);
        // It is closed long before all of it was said.
        drop(talk.send(&noise));
        drop(talk.send_no_more());
        let heard = talk.hear_to_the_end().unwrap_or_default();
        assert!(heard.lines().count() < 60, "{protocol}: {heard}");
    }
    house.greet(STRANGER);
}
