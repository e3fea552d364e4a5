//! Laws: what holds for every conversation. `CARAMEL_LAWS` says how many are tried.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

#[path = "scene/house.rs"]
mod scene;

use mail::{Enhanced, ForwardPath, Instant, Notify, Recipient, ReversePath};
use proptest::prelude::*;
use scene::Scene;
use smtp::command::{Command, MailParameters};
use smtp::diagram::{Class, Phase, Verb};
use smtp::reply::{Reader, listed};
use smtp::{Reply, Session};
use wire::dialogue::{Cut, House, record, security_for_tests, tells};
use wire::recording::Manner;
use wire::{Session as _, Step};

fn rounds(usual: u32) -> u32 {
    let wanted = std::env::var("CARAMEL_LAWS").ok();
    wanted.and_then(|count| count.parse().ok()).unwrap_or(usual)
}

/// A small generator, so that a seed is a conversation.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const HEADERS: &[&str] = &[
    "# policy: relay etrn=2",
    "# policy: relay binary size=50 recipients=3",
    "# policy: submission cleartext faults=5",
    "# policy: submission tls",
    "# policy: lmtp",
    "# policy: relay decline=554",
    "# policy: relay no-dsn no-utf8 verify tls-required line=1",
];

const LINES: &[&str] = &[
    "EHLO c.example\r\n",
    "ETRN busy.example\r\n",
    "ATRN busy.example\r\n",
    "HELO c.example\r\n",
    "LHLO c.example\r\n",
    "MAIL FROM:<a@b.example>\r\n",
    "MAIL FROM:<> SIZE=40 BODY=8BITMIME\r\n",
    "MAIL FROM:<a@b.example> BODY=BINARYMIME RET=FULL ENVID=x\r\n",
    "MAIL FROM:<jérôme@b.example> SMTPUTF8\r\n",
    "MAIL FROM:<a@bad.example>\r\n",
    "RCPT TO:<bob@mx.example>\r\n",
    "RCPT TO:<bob@mx.example>\r\n",
    "RCPT TO:<full@mx.example> NOTIFY=FAILURE\r\n",
    "RCPT TO:<nobody@mx.example>\r\n",
    "RCPT TO:<later@mx.example>\r\n",
    "DATA\r\n",
    "DATA\r\nSubject: x\r\n\r\ntext\r\n.\r\n",
    "Subject: spam\r\n.\r\n",
    "FULL\r\n",
    "..\r\n",
    ".\r\n",
    "BDAT 4\r\nab\r\n",
    "BDAT 4 LAST\r\nab\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT 60\r\n",
    "BDAT x\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "VRFY ada\r\n",
    "EXPN list\r\n",
    "HELP\r\n",
    "QUIT\r\n",
    "STARTTLS\r\n",
    "AUTH PLAIN AGFkYQBzZWNyZXQ=\r\n",
    "AUTH PLAIN\r\n",
    "AUTH SCRAM-SHA-256\r\n",
    "AUTH LOGIN\r\n",
    "AGFkYQBzZWNyZXQ=\r\n",
    "*\r\n",
    "FOO\r\n",
    "\r\n",
];

/// A likely conversation, with some octets changed, lost or doubled.
fn conversation(dice: &mut Dice) -> Vec<u8> {
    let mut octets = Vec::new();
    let straight = [
        "EHLO c.example\r\n",
        "MAIL FROM:<a@b.example>\r\n",
        "RCPT TO:<bob@mx.example>\r\n",
    ];
    for line in &straight[..dice.roll(4)] {
        octets.extend_from_slice(line.as_bytes());
    }
    for _ in 0..dice.roll(25) {
        octets.extend_from_slice(dice.pick(LINES).as_bytes());
    }
    for _ in 0..dice.roll(3) {
        if octets.is_empty() {
            break;
        }
        let at = dice.roll(octets.len());
        match dice.roll(4) {
            0 => octets[at] = u8::try_from(dice.roll(256)).unwrap(),
            1 => drop(octets.remove(at)),
            2 => octets.insert(at, b"\r\n. <>"[dice.roll(6)]),
            _ => octets.truncate(at),
        }
    }
    octets
}

/// Everything the server wrote, and the house heard, when the octets came in pieces of `cut`.
///
/// Where TLS begins, what comes later in the same piece is lost, so all of it is lost here.
fn converse(header: &str, octets: &[u8], cut: usize, patience: u64) -> (Vec<u8>, Vec<String>) {
    let mut scene = Scene::new(header);
    let mut session = scene.session();
    let mut written = Vec::new();
    session.elapse(Instant::default());
    let mut over = run(&mut session, &mut scene, &mut written);
    for piece in octets.chunks(cut).chain([&b""[..]]) {
        if over {
            break;
        }
        assert!(session.deadline().is_some());
        session.receive(piece);
        over = run(&mut session, &mut scene, &mut written);
        if !over && patience > 0 {
            let late = Instant(std::time::Duration::from_secs(patience));
            session.elapse(late);
            over = run(&mut session, &mut scene, &mut written);
        }
    }
    assert!(over, "the end of the input is the end");
    assert!(!session.tripped(), "{}", octets.escape_ascii());
    (written, scene.heard())
}

/// True when it is over.
fn run(session: &mut Session, scene: &mut Scene, written: &mut Vec<u8>) -> bool {
    for _ in 0..100_000 {
        match session.step() {
            Step::Read => return false,
            Step::Write(octets) => written.extend_from_slice(&octets),
            Step::Splice(_) => panic!("nothing is spliced here"),
            Step::Ask(ask) => {
                let answer = scene.answer(ask);
                session.answer(answer);
            }
            Step::Upgrade(_) => {
                session.secured(security_for_tests());
                return true;
            }
            Step::Close => return true,
        }
    }
    panic!("endless");
}

/// Each reply is one the drawing's reader can read, with codes from 200 to 599.
fn check_replies(written: &[u8]) {
    let mut reader = Reader::default();
    let mut lines = written.split_inclusive(|octet| *octet == b'\n');
    for line in &mut lines {
        let line = line.strip_suffix(b"\r\n").expect("replies end in CRLF");
        assert!(!line.contains(&b'\r'));
        if let Some(reply) = reader.line(line).expect("a reply") {
            let code = reply.code.value();
            let known = Verb::ALL.iter().any(|verb| listed(*verb).contains(&code));
            assert!(known, "{code} is in no list");
        }
    }
}

#[test]
fn random_conversations_keep_to_the_drawing_however_they_are_cut() {
    for seed in 0..rounds(2000) {
        let mut dice = Dice(u64::from(seed));
        let header = dice.pick(HEADERS);
        let octets = conversation(&mut dice);
        let (written, heard) = converse(header, &octets, usize::MAX, 0);
        check_replies(&written);
        let sizes = [1, 1 + dice.roll(7), 1 + dice.roll(60)];
        for size in sizes {
            // Whole and cut, TLS begins at the same octet.
            let (cut, heard_cut) = converse(header, &octets, size, 0);
            assert_eq!(heard, heard_cut, "seed {seed} cut by {size}");
            assert_eq!(
                written.escape_ascii().to_string(),
                cut.escape_ascii().to_string(),
                "seed {seed} cut by {size}: {}",
                octets.escape_ascii()
            );
        }
        let patience = 1 + u64::try_from(dice.roll(1000)).unwrap();
        check_replies(&converse(header, &octets, sizes[1], patience).0);
    }
}

/// Whatever lines come in which order, whoever looks on sees no password.
#[test]
fn random_recordings_tell_no_password() {
    for seed in 0..rounds(2000) {
        let mut dice = Dice(u64::from(seed));
        let header = dice.pick(HEADERS);
        let lines = (0..dice.roll(25)).map(|_| dice.pick(LINES).escape_debug().to_string());
        let script = format!("C+ {}\n", lines.collect::<String>());
        let mut scene = Scene::new(header);
        let mut session = scene.session();
        let cut = Cut::Every(1 + dice.roll(60));
        let recording = record(&mut session, &mut scene, &script, cut, Manner::default());
        assert!(
            !tells(&recording, "secret"),
            "seed {seed}:\n{script}{recording}"
        );
    }
}

/// Parts of the drawing that a reader of the RFCs would look for first.
#[test]
fn the_drawing_says_what_the_rfcs_say() {
    for phase in Phase::ALL {
        for verb in Verb::ALL {
            // After 421 nothing comes.
            let closing = phase.after(verb, Class::Closing);
            assert_eq!(closing.is_some(), phase != Phase::Closed);
            // RFC 5321 §4.1.1.10: not within a body, not before the greeting.
            if verb == Verb::Quit {
                let silent = [Phase::Greeting, Phase::Auth, Phase::Data, Phase::Closed];
                assert_eq!(phase.admits(verb), !silent.contains(&phase), "{phase:?}");
            }
            // RFC 4954 §4 and RFC 3030 §3: never.
            if matches!(verb, Verb::AuthAgain | Verb::DataBinary) {
                assert!(!phase.admits(verb));
            }
            // A verb that is admitted somewhere has codes for it.
            if phase.after(verb, Class::Intermediate).is_some() {
                assert!(listed(verb).iter().any(|code| code / 100 == 3));
            }
        }
    }
    assert!(!Phase::Hello.admits(Verb::Mail));
    assert!(!Phase::Mail.admits(Verb::Data));
    assert!(!Phase::Chunks.admits(Verb::Data));
    assert_eq!(
        Phase::Data.after(Verb::End, Class::Failure),
        Some(Phase::Ready)
    );
}

fn hosts() -> impl Strategy<Value = String> {
    "[a-z]{1,8}(\\.[a-z][a-z0-9]{0,5}){0,2}|\\[192\\.0\\.2\\.[1-9]\\]|\\[IPv6:2001:db8::[1-9]\\]"
}

fn addresses() -> impl Strategy<Value = String> {
    let locals = "[a-z+=]{1,9}(\\.[a-z0-9]{1,5})?|\"[a-z >\\\\]{0,0}[a-z >]{1,8}\"|[a-zé用]{1,6}";
    (locals, hosts()).prop_map(|(local, host)| format!("{local}@{host}"))
}

fn paths() -> impl Strategy<Value = ReversePath> {
    prop_oneof![
        Just(ReversePath::Null),
        addresses().prop_map(|text| ReversePath::parse(&format!("<{text}>")).unwrap()),
    ]
}

fn parameters() -> impl Strategy<Value = MailParameters> {
    use mail::{BodyType, Ret};
    let bodies = prop_oneof![
        Just(BodyType::SevenBit),
        Just(BodyType::EightBitMime),
        Just(BodyType::BinaryMime)
    ];
    let rets = prop_oneof![Just(Ret::Full), Just(Ret::Headers)];
    (
        proptest::option::of(any::<u64>()),
        proptest::option::of(bodies),
        proptest::option::of(rets),
        proptest::option::of("[ -~]{1,30}"),
        proptest::option::of(paths()),
        any::<bool>(),
    )
        .prop_map(
            |(size, body, ret, envid, submitter, requires_tls)| MailParameters {
                size,
                body,
                smtputf8: true,
                ret,
                envid,
                submitter,
                requires_tls,
            },
        )
}

fn notifies() -> impl Strategy<Value = Notify> {
    let events = (any::<bool>(), any::<bool>(), any::<bool>());
    prop_oneof![
        Just(Notify::Never),
        events
            .prop_filter("none is not written", |(one, two, three)| *one
                || *two
                || *three)
            .prop_map(|(success, failure, delay)| Notify::On {
                success,
                failure,
                delay
            }),
    ]
}

fn recipients() -> impl Strategy<Value = Recipient> {
    let forward = prop_oneof![
        Just(ForwardPath::Postmaster),
        addresses().prop_map(|text| ForwardPath::parse(&format!("<{text}>")).unwrap()),
    ];
    let orcpt = proptest::option::of("rfc822;[ -~]{1,30}");
    (forward, proptest::option::of(notifies()), orcpt).prop_map(|(forward_path, notify, orcpt)| {
        Recipient {
            forward_path,
            notify,
            orcpt,
        }
    })
}

fn commands() -> impl Strategy<Value = Command> {
    let word = "[a-z][a-z ]{0,8}[a-z]";
    prop_oneof![
        hosts().prop_map(Command::Helo),
        hosts().prop_map(Command::Ehlo),
        hosts().prop_map(Command::Lhlo),
        (paths(), parameters()).prop_map(|(reverse_path, parameters)| Command::Mail {
            reverse_path,
            parameters
        }),
        recipients().prop_map(Command::Rcpt),
        Just(Command::Data),
        (any::<u64>(), any::<bool>()).prop_map(|(octets, last)| Command::Bdat { octets, last }),
        Just(Command::Rset),
        Just(Command::Noop),
        word.prop_map(Command::Vrfy),
        word.prop_map(Command::Expn),
        word.prop_map(Command::Help),
        Just(Command::Quit),
        Just(Command::StartTls),
        "[@#]?[a-z.-]{1,20}".prop_map(Command::Etrn),
        proptest::collection::vec("[a-z0-9.-]{1,10}", 0..4).prop_map(Command::Atrn),
        (
            "[A-Z][A-Z0-9-]{0,19}",
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..30))
        )
            .prop_map(|(mechanism, initial)| Command::Auth { mechanism, initial }),
    ]
}

fn replies() -> impl Strategy<Value = Reply> {
    let line = "([A-Za-zé用][ -~]{0,40})?";
    let enhanced = proptest::option::of((0_u16..8, 0_u16..100));
    (
        (2_u16..=5, 0_u16..=5, 0_u16..=9),
        enhanced,
        proptest::collection::vec(line, 1..5),
    )
        .prop_map(|((first, second, third), enhanced, lines)| {
            let class = u8::try_from(first).unwrap();
            let enhanced = enhanced.filter(|_| first != 3);
            Reply {
                lines,
                ..Reply::new(
                    first * 100 + second * 10 + third,
                    enhanced.map(|(subject, detail)| Enhanced::new(class, subject, detail)),
                    "",
                )
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: rounds(256),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_command_reads_back(command in commands()) {
        let line = command.to_string();
        prop_assert_eq!(Command::parse(line.as_bytes()), Ok(command), "{}", line);
    }

    #[test]
    fn a_reply_reads_back(reply in replies()) {
        let mut octets = Vec::new();
        reply.write(&mut octets);
        let mut reader = Reader::default();
        let mut found = None;
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            prop_assert!(found.is_none());
            found = reader.line(line.strip_suffix(b"\r\n").unwrap()).unwrap();
        }
        prop_assert_eq!(found, Some(reply));
    }

    #[test]
    fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _command = Command::parse(&line);
        let _reply = Reader::default().line(&line);
    }
}
