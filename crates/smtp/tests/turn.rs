//! A conversation that turns round, against a provider that says what RFC 2645 §6 has it say.

#![expect(clippy::panic, reason = "a test")]

#[path = "scene/house.rs"]
mod scene;

use mail::Instant;
use scene::Scene;
use smtp::client::{self, Login, Proof, Tls, Wishes};
use smtp::{Client, Turn, TurnAnswer, TurnAsk};
use wire::dialogue::{House as _, security_for_tests};
use wire::sasl::Secret;
use wire::{Session as _, Step};

/// What was said, both ways, and what the caller heard.
struct Told {
    text: String,
    heard: Vec<String>,
    letters: Vec<String>,
    has_turned: bool,
}

fn wishes() -> Wishes {
    Wishes {
        tls: Tls::Never,
        proof: Proof::Password,
        ..Wishes::submission(
            "example.org",
            Login {
                user: "foo.bar".to_owned(),
                password: Secret("secret".to_owned()),
            },
        )
    }
}

/// Plays the provider's lines, cut into pieces of this size.
fn play(lines: &[&str], wants: &client::Answer, cut: usize) -> Told {
    let mut scene = Scene::new("# policy: relay");
    let mut turn = Turn::new(Client::new(wishes()), scene.session());
    turn.secured(security_for_tests());
    turn.elapse(Instant::default());
    let (mut text, mut heard, mut wants) = (String::new(), Vec::new(), vec![wants.clone()]);
    let mut lines = lines.iter();
    let mut waiting: Vec<Vec<u8>> = Vec::new();
    for _ in 0..10_000 {
        match turn.step() {
            Step::Write(octets) => {
                let lines = String::from_utf8_lossy(&octets).into_owned();
                lines
                    .lines()
                    .for_each(|line| text.push_str(&format!("C: {line}\n")));
            }
            Step::Ask(TurnAsk::Server(ask)) => {
                let answer = scene.answer(ask);
                turn.answer(TurnAnswer::Server(answer));
            }
            Step::Ask(TurnAsk::Client(ask)) => {
                let answer = match ask {
                    client::Ask::Letter => wants.pop().unwrap_or(client::Answer::Quit),
                    client::Ask::Told(verb, reply) => {
                        heard.push(format!("{}: {reply}", verb.name()));
                        client::Answer::Heard
                    }
                    client::Ask::Failed(failure) => {
                        heard.push(failure.to_string());
                        client::Answer::Heard
                    }
                    other => panic!("{other:?}"),
                };
                turn.answer(TurnAnswer::Client(answer));
            }
            Step::Read if waiting.is_empty() => {
                let Some(line) = lines.next() else {
                    turn.receive(b"");
                    continue;
                };
                text.push_str(&format!("P: {line}\n"));
                let octets = format!("{line}\r\n").into_bytes();
                waiting = octets.chunks(cut).rev().map(<[u8]>::to_vec).collect();
                turn.receive(&waiting.pop().unwrap_or_default());
            }
            Step::Read => turn.receive(&waiting.pop().unwrap_or_default()),
            Step::Close => {
                return Told {
                    text,
                    heard,
                    letters: scene.heard(),
                    has_turned: turn.has_turned(),
                };
            }
            Step::Splice(_) | Step::Upgrade(_) => panic!("nothing of that kind"),
        }
    }
    panic!("it never came to an end");
}

const HELLO: [&str; 5] = [
    "220 EXAMPLE.NET on-demand mail relay server ready",
    "250-EXAMPLE.NET",
    "250-AUTH PLAIN",
    "250 ATRN",
    "235 now authenticated as example.org",
];

fn with(more: &[&'static str]) -> Vec<&'static str> {
    HELLO.iter().chain(more).copied().collect()
}

#[test]
fn the_ends_change_places() {
    let lines = with(&[
        "250 OK now reversing the connection",
        "EHLO EXAMPLE.NET",
        "MAIL FROM:<lester@dot.example>",
        "RCPT TO:<eva@example.com>",
        "DATA",
        "Subject: x",
        "",
        "..",
        ".",
        "QUIT",
    ]);
    let domains = vec!["example.org".to_owned(), "example.com".to_owned()];
    for cut in [1, 3, 1000] {
        let told = play(&lines, &client::Answer::Turn(domains.clone()), cut);
        assert!(told.has_turned);
        assert_eq!(told.heard, ["ATRN: 250 OK now reversing the connection"]);
        let expected = "C: ATRN example.org,example.com\n\
                        P: 250 OK now reversing the connection\n\
                        C: 220 mx.example ESMTP Caramel\nP: EHLO EXAMPLE.NET\nC: 250-mx.example";
        assert!(told.text.contains(expected), "{}", told.text);
        // It is encrypted already.
        assert!(!told.text.contains("STARTTLS"), "{}", told.text);
        assert!(
            told.text
                .contains("P: .\nC: 250 2.0.0 Kept as j1\nP: QUIT\nC: 221 ")
        );
        let mail = "mail <lester@dot.example> with ESMTPS from EXAMPLE.NET";
        assert!(told.letters[0].starts_with(mail), "{:?}", told.letters);
        let body = "accept Subject: x\\r\\n\\r\\n.\\r\\n";
        assert!(
            told.letters.iter().any(|line| line == body),
            "{:?}",
            told.letters
        );
    }
}

#[test]
fn where_there_is_nothing_they_stay() {
    let lines = with(&["453 You have no mail", "221 Bye"]);
    let told = play(&lines, &client::Answer::Turn(Vec::new()), 1000);
    assert!(!told.has_turned);
    assert_eq!(told.heard, ["ATRN: 453 You have no mail"]);
    assert!(
        told.text.ends_with("C: QUIT\nP: 221 Bye\n"),
        "{}",
        told.text
    );
    assert!(told.letters.is_empty());
    let told = play(
        &with(&[]),
        &client::Answer::Flush("example.org".to_owned()),
        7,
    );
    assert_eq!(told.heard, ["ETRN is not offered"]);
}

/// A provider that has not waited for us has said nothing.
#[test]
fn what_comes_before_the_greeting_is_not_heard() {
    let lines = with(&["250 OK\r\nEHLO EXAMPLE.NET\r\nMAIL FROM:<>"]);
    let told = play(&lines, &client::Answer::Turn(Vec::new()), 1000);
    assert!(told.has_turned);
    assert!(told.letters.is_empty(), "{:?}", told.letters);
    assert!(
        told.text.ends_with("C: 220 mx.example ESMTP Caramel\n"),
        "{}",
        told.text
    );
}
