//! The two ends talk to each other in memory, their octets cut at many sizes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "scene/house.rs"]
mod scene;

use bytes::Bytes;
use mail::{BodyType, Envelope, ForwardPath, Instant, Notify, Recipient, ReversePath};
use scene::Scene;
use smtp::Client;
use smtp::client::{Answer, Ask, Failure, Fate, Letter, Login, Proof, Tls, Wishes};
use wire::dialogue::{House, security_for_tests};
use wire::sasl::{Mechanism, Secret};
use wire::{Session, Step, Upgrade};

/// The caller of a client: its letters, and what it hears.
struct Caller {
    letters: Vec<(Letter, Vec<&'static [u8]>)>,
    pieces: Vec<&'static [u8]>,
    heard: Vec<String>,
}

impl House<Client> for Caller {
    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Letter if self.letters.is_empty() => Answer::Quit,
            Ask::Letter => {
                let (letter, mut pieces) = self.letters.remove(0);
                pieces.reverse();
                self.pieces = pieces;
                Answer::Letter(Box::new(letter))
            }
            Ask::Piece => Answer::Piece(Bytes::from_static(self.pieces.pop().unwrap_or_default())),
            Ask::SevenBit => Answer::Unfit("it is signed".to_owned()),
            Ask::Fates(fates) => {
                let words = fates.each.iter().map(|fate| match fate {
                    Fate::Taken(reply) => format!("taken {reply}"),
                    Fate::Refused(reply) => format!("refused {reply}"),
                    Fate::Unknown => "unknown".to_owned(),
                });
                self.heard.push(words.collect::<Vec<_>>().join("; "));
                Answer::Heard
            }
            Ask::Told(verb, reply) => {
                self.heard.push(format!("{}: {reply}", verb.name()));
                Answer::Heard
            }
            Ask::Failed(failure) => {
                self.heard.push(format!("failed: {failure}"));
                Answer::Heard
            }
        }
    }
}

/// One end, with what it has written and the other has not read.
struct End<S> {
    session: S,
    written: Vec<u8>,
    all: Vec<u8>,
    upgrade: bool,
    closed: bool,
}

impl<S: Session> End<S> {
    fn new(session: S) -> Self {
        let mut end = Self {
            session,
            written: Vec::new(),
            all: Vec::new(),
            upgrade: false,
            closed: false,
        };
        end.session.elapse(Instant::default());
        end
    }

    fn run(&mut self, house: &mut impl House<S>) {
        while !self.closed && !self.upgrade {
            match self.session.step() {
                Step::Read => return,
                Step::Write(octets) => {
                    self.all.extend_from_slice(&octets);
                    self.written.extend_from_slice(&octets);
                }
                Step::Splice(_) => panic!("nothing is spliced here"),
                Step::Ask(ask) => {
                    let answer = house.answer(ask);
                    self.session.answer(answer);
                }
                Step::Upgrade(upgrade) => {
                    assert_eq!(upgrade, Upgrade::Tls);
                    self.upgrade = true;
                }
                Step::Close => self.closed = true,
            }
        }
    }
}

/// Lets them talk until both have closed; gives what the caller and the house heard, and all that
/// the client wrote.
fn talk(
    header: &str,
    wishes: Wishes,
    letters: Vec<(Letter, Vec<&'static [u8]>)>,
    cut: usize,
) -> (Vec<String>, Vec<String>, String) {
    let mut scene = Scene::new(header);
    let mut caller = Caller {
        letters,
        pieces: Vec::new(),
        heard: Vec::new(),
    };
    let mut server = End::new(scene.session());
    let mut client = End::new(Client::new(wishes));
    for _ in 0..1_000_000 {
        server.run(&mut scene);
        client.run(&mut caller);
        if server.upgrade && client.upgrade && server.written.is_empty() {
            server.upgrade = false;
            client.upgrade = false;
            server.session.secured(security_for_tests());
            client.session.secured(security_for_tests());
        } else if !server.written.is_empty() && !client.closed {
            let size = cut.min(server.written.len());
            let octets: Vec<u8> = server.written.drain(..size).collect();
            client.session.receive(&octets);
        } else if !client.written.is_empty() && !server.closed {
            let size = cut.min(client.written.len());
            let octets: Vec<u8> = client.written.drain(..size).collect();
            server.session.receive(&octets);
        } else if client.closed && server.closed {
            assert!(!server.session.tripped());
            let wrote = String::from_utf8_lossy(&client.all).into_owned();
            return (caller.heard, scene.heard(), wrote);
        } else if server.closed {
            client.session.receive(b"");
        } else if client.closed {
            server.session.receive(b"");
        }
    }
    panic!("they never came to an end");
}

fn letter(recipients: &[&str]) -> Letter {
    let recipient = |name: &&str| Recipient {
        forward_path: ForwardPath::parse(&format!("<{name}@mx.example>")).unwrap(),
        notify: Some(Notify::Never),
        orcpt: None,
    };
    Letter {
        envelope: Envelope {
            reverse_path: ReversePath::parse("<ada@client.example>").unwrap(),
            recipients: recipients.iter().map(recipient).collect(),
            body: BodyType::EightBitMime,
            smtputf8: false,
            ret: None,
            envid: Some("j=1".to_owned()),
            tls: mail::TlsWish::Usual,
        },
        size: Some(20),
    }
}

const BODY: &[&[u8]] = &[b"Subject: x\r\n\r\n", b".dot\r\n", b"bare\nline"];
const KEPT: &str = "accept Subject: x\\r\\n\\r\\n.dot\\r\\nbare\\r\\nline\\r\\n";

/// The same story at every cut; returns it.
fn story(
    header: &str,
    wishes: &Wishes,
    letters: &[(Letter, Vec<&'static [u8]>)],
) -> (Vec<String>, Vec<String>, String) {
    let whole = talk(header, wishes.clone(), letters.to_vec(), usize::MAX);
    for cut in (1..30).chain([100, 500]) {
        let found = talk(header, wishes.clone(), letters.to_vec(), cut);
        assert_eq!(found.0, whole.0, "cut by {cut}");
        assert_eq!(found.1, whole.1, "cut by {cut}");
    }
    whole
}

#[test]
fn letters_arrive_and_fates_come_back() {
    let letters = [
        (letter(&["bob", "nobody", "carl", "later"]), BODY.to_vec()),
        (letter(&["nobody"]), BODY.to_vec()),
        (letter(&["bob"]), vec![]),
    ];
    let (fates, heard, wrote) = story("# policy: relay", &Wishes::relay("c.example"), &letters);
    assert_eq!(
        fates,
        [
            "taken 250 2.0.0 Kept as j1; refused 550 5.2.1 No such mailbox; \
             taken 250 2.0.0 Kept as j1; refused 451 4.2.1 Come back later",
            "refused 550 5.2.1 No such mailbox",
            "taken 250 2.0.0 Kept as j1",
        ]
    );
    assert!(heard.iter().any(|line| line == KEPT), "{heard:?}");
    assert!(
        heard
            .iter()
            .any(|line| line.contains("with ESMTPS from c.example"))
    );
    assert!(wrote.contains("SIZE=20 BODY=8BITMIME ENVID=j+3D1\r\n"));
    assert!(wrote.ends_with("QUIT\r\n"));
}

#[test]
fn letters_are_submitted_after_login() {
    let login = Login {
        user: "ada".to_owned(),
        password: Secret("secret".to_owned()),
    };
    let wishes = Wishes::submission("c.example", login);
    let letters = [(letter(&["bob"]), BODY.to_vec())];
    let (fates, heard, _) = story("# policy: submission", &wishes, &letters);
    assert_eq!(fates, ["taken 250 2.0.0 Kept as j1"]);
    assert!(heard.iter().any(|line| line.contains("with ESMTPSA")));

    let mut stranger = wishes.clone();
    stranger.login.as_mut().unwrap().password = Secret("wrong".to_owned());
    let (fates, _, _) = story("# policy: submission", &stranger, &letters);
    assert_eq!(
        fates,
        ["failed: AUTH was answered 535 5.7.8 Wrong password"]
    );

    let mut open = wishes;
    open.tls = Tls::Never;
    let (fates, _, _) = story("# policy: submission", &open, &letters);
    assert_eq!(fates, [format!("failed: {}", Failure::NoLogin)]);
}

/// How somebody logs in where these mechanisms are offered.
fn logged_in(
    offered: &str,
    (proof, nonce): (Proof, &str),
    password: &str,
) -> (Vec<String>, Vec<String>, String) {
    let login = Login {
        user: "ada".to_owned(),
        password: Secret(password.to_owned()),
    };
    let wishes = Wishes {
        proof,
        nonce: nonce.to_owned(),
        ..Wishes::submission("c.example", login)
    };
    let letters = [(letter(&["bob"]), BODY.to_vec())];
    let header = format!("# policy: submission mechanisms={offered}");
    story(&header, &wishes, &letters)
}

/// By each mechanism, and with a token.
#[test]
fn there_are_many_ways_to_log_in() {
    let all = "SCRAM-SHA-256,SCRAM-SHA-1,PLAIN,LOGIN,XOAUTH2,OAUTHBEARER";
    let login = Proof::Only(Mechanism::Login);
    for (proof, offered, said) in [
        (Proof::Password, all, "AUTH PLAIN "),
        (Proof::Password, "LOGIN", "AUTH LOGIN\r\n"),
        (login, all, "AUTH LOGIN\r\n"),
        (Proof::Token, all, "AUTH OAUTHBEARER "),
        (Proof::Token, "XOAUTH2", "AUTH XOAUTH2 "),
    ] {
        let (fates, _, wrote) = logged_in(offered, (proof, ""), "secret");
        assert_eq!(fates, ["taken 250 2.0.0 Kept as j1"], "{proof:?} {offered}");
        assert!(wrote.contains(said), "{wrote}");
        let (fates, heard, _) = logged_in(offered, (proof, ""), "wrong");
        assert!(fates[0].contains(" was answered 535 "), "{fates:?}");
        assert!(!heard.iter().any(|line| line.starts_with("mail")));
    }
    // Nobody's keys are known here: what counts is what is tried.
    let sha1 = Proof::Only(Mechanism::ScramSha1);
    for (proof, said) in [
        (Proof::Password, "AUTH SCRAM-SHA-256-PLUS "),
        (sha1, "AUTH SCRAM-SHA-1 "),
    ] {
        let offered = format!("SCRAM-SHA-256-PLUS,{all}");
        let (fates, _, wrote) = logged_in(&offered, (proof, "chance"), "secret");
        assert!(
            wrote.contains(said) || wrote.contains("AUTH SCRAM-SHA-256 "),
            "{wrote}"
        );
        assert!(fates[0].contains(" was answered 535 "), "{fates:?}");
    }
    let sha256 = Proof::Only(Mechanism::ScramSha256);
    let (fates, _, _) = logged_in("PLAIN", (sha256, "chance"), "secret");
    assert_eq!(fates, [format!("failed: {}", Failure::NoLogin)]);
}

#[test]
fn lmtp_tells_each_recipients_fate() {
    let letters = [
        (letter(&["bob", "nobody", "full", "carl"]), BODY.to_vec()),
        (letter(&["full"]), BODY.to_vec()),
    ];
    for chunking in [false, true] {
        let wishes = Wishes {
            chunking,
            ..Wishes::lmtp("c.example")
        };
        let (fates, _, _) = story("# policy: lmtp", &wishes, &letters);
        assert_eq!(
            fates,
            [
                "taken 250 2.0.0 Kept for bob; refused 550 5.2.1 No such mailbox; \
                 refused 452 4.2.1 No room left; taken 250 2.0.0 Kept for carl",
                "refused 452 4.2.1 No room left",
            ],
            "chunking {chunking}"
        );
    }
}

#[test]
fn chunks_carry_what_data_cannot() {
    let mut binary = letter(&["bob"]);
    binary.envelope.body = BodyType::BinaryMime;
    let letters = [(binary, vec![&b"\n.\r"[..], b"\x00\xff"])];
    let wishes = Wishes::relay("c.example");
    let (fates, heard, wrote) = story("# policy: relay binary", &wishes, &letters);
    assert_eq!(fates, ["taken 250 2.0.0 Kept as j1"]);
    assert!(heard.iter().any(|line| line == "accept \\n.\\r\\x00\\xff"));
    assert!(wrote.contains("BDAT 2 LAST\r\n"));
    let (fates, _, _) = story("# policy: relay", &wishes, &letters);
    let why = "The server takes ASCII only, and the letter stays as it is: it is signed";
    assert_eq!(fates, [format!("refused 554 5.6.3 {why}")]);
}

#[test]
fn what_the_server_would_refuse_is_not_sent() {
    let mut large = letter(&["bob"]);
    large.size = Some(2000);
    let mut foreign = letter(&["用户"]);
    foreign.envelope.body = BodyType::SevenBit;
    let letters = [(large, BODY.to_vec()), (foreign, BODY.to_vec())];
    let wishes = Wishes::relay("c.example");
    let (fates, heard, _) = story("# policy: relay no-utf8", &wishes, &letters);
    assert_eq!(
        fates,
        [
            "refused 552 5.3.4 The server does not take messages of this size",
            "refused 553 5.6.7 The server does not take addresses beyond ASCII",
        ]
    );
    assert!(heard.is_empty(), "{heard:?}");
    let (fates, _, wrote) = story("# policy: relay", &wishes, &letters[1..]);
    assert_eq!(fates, ["taken 250 2.0.0 Kept as j1"]);
    assert!(wrote.contains(" SMTPUTF8 ") && wrote.contains("RCPT TO:<用户@mx.example>"));
}

#[test]
fn many_recipients_travel_together_but_not_all_at_once() {
    let names: Vec<String> = (0..300).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let letters = [(letter(&names), BODY.to_vec())];
    let wishes = Wishes::relay("c.example");
    let (fates, _, _) = story("# policy: relay recipients=250", &wishes, &letters);
    let fates: Vec<&str> = fates[0].split("; ").collect();
    let taken = fates.iter().filter(|fate| fate.starts_with("taken"));
    assert_eq!(taken.count(), 250);
    assert_eq!(fates[299], "refused 452 4.5.3 Too many recipients");
}

#[test]
fn a_connection_that_breaks_leaves_fates_unknown() {
    let letters = [(letter(&["bob", "closing", "carl"]), BODY.to_vec())];
    let wishes = Wishes::relay("c.example");
    let (fates, heard, _) = story("# policy: relay", &wishes, &letters);
    assert_eq!(
        fates,
        [
            "unknown; unknown; unknown",
            "failed: RCPT was answered 421 4.2.1 We close",
        ]
    );
    assert_eq!(heard.last().map(String::as_str), Some("abort"));
    let (fates, _, _) = story("# policy: relay decline=554", &wishes, &letters);
    assert_eq!(
        fates,
        ["failed: (connect) was answered 554 mx.example No service for you"]
    );
}

/// What the client writes to a server that says these lines, one for each read.
fn against(lines: &[&str], wishes: Wishes) -> (String, Vec<String>) {
    let mut caller = Caller {
        letters: vec![(letter(&["bob", "carl"]), BODY.to_vec())],
        pieces: Vec::new(),
        heard: Vec::new(),
    };
    let mut client = End::new(Client::new(wishes));
    client.run(&mut caller);
    for line in lines {
        client.session.receive(format!("{line}\r\n").as_bytes());
        client.run(&mut caller);
    }
    (
        String::from_utf8_lossy(&client.all).into_owned(),
        caller.heard,
    )
}

#[test]
fn an_old_server_is_spoken_to_in_its_own_words() {
    let lines = [
        "220 old",
        "500 what?",
        "250 hello",
        "250 ok",
        "250 ok",
        "551 no",
        "354 go",
        "250 ok",
        "221 bye",
    ];
    let mut wishes = Wishes::relay("c.example");
    wishes.tls = Tls::IfOffered;
    let (wrote, _) = against(&lines[..3], wishes.clone());
    assert!(wrote.starts_with("EHLO c.example\r\nHELO c.example\r\n"));
    // It takes no 8-bit body, so nothing is sent.
    assert!(!wrote.contains("MAIL"));
    let (_, heard) = against(&lines[..3], wishes.clone());
    let why = "554 5.6.3 The server takes ASCII only, and the letter stays as it is: it is signed";
    assert_eq!(heard, [format!("refused {why}; refused {why}")]);

    let lines = [
        "220 x",
        "250-x\r\n250 8BITMIME",
        "250 ok",
        "250 ok",
        "551 no",
        "354 go",
        "250 ok",
        "221 bye",
    ];
    let (wrote, heard) = against(&lines, wishes.clone());
    assert_eq!(
        wrote,
        "EHLO c.example\r\nMAIL FROM:<ada@client.example> BODY=8BITMIME\r\n\
         RCPT TO:<bob@mx.example>\r\nRCPT TO:<carl@mx.example>\r\nDATA\r\n\
         Subject: x\r\n\r\n..dot\r\nbare\r\nline\r\n.\r\nQUIT\r\n"
    );
    assert_eq!(heard, ["taken 250 ok; refused 551 no"]);

    for (lines, failure) in [
        (&["HTTP/1.1 400"][..], "not a reply"),
        (&["220 x", "250 x", "354 go"], "QUIT cannot be answered 354"),
        (
            &["220 x", "250-x\r\n250 8BITMIME", "354 go"],
            "MAIL cannot be answered 354",
        ),
    ] {
        let mut wishes = wishes.clone();
        wishes.tls = Tls::Never;
        let (_, heard) = against(lines, wishes);
        let last = heard.last().cloned().unwrap_or_default();
        assert!(last.contains(failure), "{lines:?}: {heard:?}");
    }
    wishes.tls = Tls::Required;
    let (_, heard) = against(&["220 x", "250 x"], wishes);
    assert_eq!(heard, ["failed: TLS is not offered"]);
}

// RFC 5321 §4.5.3.1.10
#[test]
fn too_many_recipients_are_for_another_time() {
    for (said, expected) in [
        ("552 Too many recipients", "452 Too many recipients"),
        ("552 5.5.3 Too many", "452 4.5.3 Too many"),
        ("552 5.2.2 Mailbox full", "552 5.2.2 Mailbox full"),
        ("550 5.5.3 Too many", "550 5.5.3 Too many"),
    ] {
        let lines = [
            "220 x",
            "250-x\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME",
            "250 2.1.0 ok",
            "250 2.1.5 ok",
            said,
            "354 go",
            "250 2.0.0 ok",
            "221 bye",
        ];
        let mut wishes = Wishes::relay("c.example");
        wishes.tls = Tls::IfOffered;
        let (_, heard) = against(&lines, wishes);
        assert_eq!(heard, [format!("taken 250 2.0.0 ok; refused {expected}")]);
    }
}

#[test]
fn silence_ends_it() {
    let mut caller = Caller {
        letters: Vec::new(),
        pieces: Vec::new(),
        heard: Vec::new(),
    };
    let mut client = End::new(Client::new(Wishes::relay("c.example")));
    client.run(&mut caller);
    let deadline = client.session.deadline().expect("it waits");
    client.session.elapse(deadline);
    client.run(&mut caller);
    assert!(client.closed);
    assert_eq!(caller.heard, ["failed: no answer in time"]);
}

/// What a server may say, sensible or not.
const LINES: &[&str] = &[
    "220 x",
    "250 x",
    "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 8BITMIME",
    "250-x\r\n250 8BITMIME",
    "250 2.1.0 ok",
    "250 2.1.5 ok",
    "354 go",
    "450 4.2.0 later",
    "550 5.1.1 no",
    "503 no",
    "421 bye",
    "221 bye",
    "235 in",
    "334 ",
    "999 what",
    "25",
    "",
];

/// Replies at random: the client never panics, and each letter gets as many fates as recipients.
#[test]
fn whatever_a_server_says_the_client_comes_to_an_end() {
    let rounds = std::env::var("CARAMEL_LAWS").ok();
    let rounds = rounds.and_then(|count| count.parse().ok()).unwrap_or(2000);
    for seed in 0..rounds {
        let mut state: u64 = seed;
        let mut roll = |sides: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005);
            state = state.wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % sides
        };
        let mut wishes = Wishes::relay("c.example");
        wishes.chunking = roll(2) == 0;
        if roll(4) == 0 {
            wishes.service = smtp::Service::Lmtp;
        }
        let mut caller = Caller {
            letters: vec![
                (letter(&["bob", "carl", "dan"]), BODY.to_vec()),
                (letter(&["bob"]), BODY.to_vec()),
            ],
            pieces: Vec::new(),
            heard: Vec::new(),
        };
        let mut client = End::new(Client::new(wishes));
        client.run(&mut caller);
        let mut said = String::from("220 x\r\n250-x\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
        if roll(4) == 0 {
            said.clear();
        }
        for _ in 0..roll(14) {
            said.push_str(LINES.get(roll(LINES.len())).unwrap());
            said.push_str("\r\n");
        }
        let size = 1 + roll(50);
        for piece in said.as_bytes().chunks(size) {
            if client.closed {
                break;
            }
            client.upgrade = false;
            client.session.receive(piece);
            client.run(&mut caller);
        }
        if !client.closed {
            client.session.receive(b"");
            client.run(&mut caller);
        }
        assert!(client.closed, "seed {seed}: {said}");
        let fates = caller
            .heard
            .iter()
            .filter(|line| !line.starts_with("failed"));
        for fate in fates {
            let count = fate.split("; ").count();
            assert!(count == 3 || count == 1, "seed {seed}: {fate}");
        }
    }
}
