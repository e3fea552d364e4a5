//! Our own client hands letters to our own server.

use std::collections::VecDeque;

use ::mail::{BodyType, Envelope, ForwardPath, Recipient, ReversePath};
use bytes::Bytes;
use net::{Calling, Clock, End, House, Terms};
use server::Protocol;
use smtp::client::{Answer, Ask, Client, Failure, Fate, Letter, Login, Wishes};
use wire::sasl::Secret;

use crate::town::{PASSWORD, Town};

/// Has letters to carry, and keeps what it hears of them.
#[derive(Default)]
struct Postman {
    letters: VecDeque<(Letter, Vec<Bytes>)>,
    pieces: VecDeque<Bytes>,
    fates: Vec<Vec<u16>>,
    failure: Option<Failure>,
}

impl House<Client> for Postman {
    async fn ask(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Letter => match self.letters.pop_front() {
                Some((letter, pieces)) => {
                    self.pieces = pieces.into();
                    Answer::Letter(Box::new(letter))
                }
                None => Answer::Quit,
            },
            Ask::Piece => Answer::Piece(self.pieces.pop_front().unwrap_or_default()),
            Ask::SevenBit => Answer::Torn,
            Ask::Fates(fates) => {
                let codes = fates.each.iter().map(|fate| match fate {
                    Fate::Taken(reply) | Fate::Refused(reply) => reply.code.value(),
                    Fate::Unknown => 0,
                });
                self.fates.push(codes.collect());
                Answer::Heard
            }
            Ask::Failed(failure) => {
                self.failure = Some(failure);
                Answer::Heard
            }
            Ask::Told(..) => Answer::Heard,
        }
    }
}

fn letter(sender: &str, recipients: &[&str]) -> Letter {
    let recipients = recipients.iter().map(|path| Recipient {
        forward_path: ForwardPath::parse(path).unwrap(),
        notify: None,
        orcpt: None,
    });
    Letter {
        envelope: Envelope {
            reverse_path: ReversePath::parse(sender).unwrap(),
            recipients: recipients.collect(),
            body: BodyType::EightBitMime,
            smtputf8: false,
            ret: None,
            envid: None,
            tls: mail::TlsWish::Usual,
        },
        size: None,
    }
}

/// A letter of three megabytes whose lines begin with dots as often as not.
fn long_body() -> Vec<Bytes> {
    let head = "From: alice@example.org\r\nSubject: long\r\n\r\n";
    let lines = (0..50_000).map(|number| match number % 2 {
        0 => format!(".{number} in the morning there was a dot in front of this line\r\n"),
        _ => format!("{number} and in the afternoon there was none, it had gone away\r\n"),
    });
    let whole = head.to_owned() + &lines.collect::<String>();
    let pieces = whole.as_bytes().chunks(50_001);
    pieces.map(Bytes::copy_from_slice).collect()
}

async fn carry(town: &Town, wishes: Wishes, letters: Vec<(Letter, Vec<Bytes>)>) -> Postman {
    let protocol = match wishes.service {
        smtp::Service::Submission => Protocol::Submission,
        smtp::Service::Lmtp => Protocol::Lmtp,
        smtp::Service::Relay => Protocol::Smtp,
    };
    let (socket, trust, name) = town.reach(protocol).await;
    let calling = match protocol {
        Protocol::Submission => Calling::Implicit(trust, name),
        _ => Calling::StartTls(trust, name),
    };
    let mut postman = Postman {
        letters: letters.into(),
        ..Postman::default()
    };
    let mut client = Client::new(wishes);
    let terms = Terms::new(Clock::start());
    let end = net::call(socket, calling, &mut client, &mut postman, &terms).await;
    assert_eq!(end.unwrap(), End::Closed);
    postman
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_carried_by_our_client_arrive_whole() {
    let town = Town::found().await;
    let body = long_body();
    let whole = body.concat();
    for (count, chunking) in [(1, false), (2, true)] {
        let wishes = Wishes {
            tls: smtp::client::Tls::Required,
            chunking,
            ..Wishes::relay("client.example.net")
        };
        let to = [
            "<alice@example.org>",
            "<nobody@example.org>",
            "<bob@example.org>",
        ];
        let letters = vec![(letter("<carol@example.net>", &to), body.clone())];
        let postman = carry(&town, wishes, letters).await;
        assert_eq!(postman.fates, [[250, 550, 250]]);
        assert_eq!(postman.failure, None);
        for user in ["alice", "bob"] {
            let (mut pop3, stat) = town.collect(user).await;
            assert!(stat.starts_with(&format!("+OK {count} ")), "{stat}");
            let heard = pop3.tell(&format!("RETR {count}\r\n"), ".\r\n").await;
            let unstuffed = heard.replace("\r\n..", "\r\n.");
            let expected = String::from_utf8_lossy(&whole).into_owned() + ".\r\n";
            assert!(unstuffed.ends_with(&expected), "chunking: {chunking}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_submits_many_letters_on_one_connection() {
    let town = Town::found().await;
    let login = |password: &str| Login {
        user: "alice@example.org".to_owned(),
        password: Secret(password.to_owned()),
    };
    let letters = |count: usize| {
        let body = Bytes::from_static(b"From: alice@example.org\r\n\r\nhello\r\n");
        let letter = letter("<alice@example.org>", &["<bob@example.org>"]);
        vec![(letter, vec![body]); count]
    };
    let wishes = Wishes::submission("client.example.org", login(PASSWORD));
    let postman = carry(&town, wishes, letters(20)).await;
    assert_eq!(postman.fates, vec![vec![250]; 20]);
    let (_, stat) = town.collect("bob").await;
    assert!(stat.starts_with("+OK 20 "), "{stat}");

    let wishes = Wishes::submission("client.example.org", login("wrong"));
    let postman = carry(&town, wishes, letters(1)).await;
    assert!(postman.fates.is_empty());
    let refused =
        matches!(postman.failure, Some(Failure::Refused(_, reply)) if reply.code.value() == 535);
    assert!(refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_hands_over_by_lmtp_with_a_fate_for_each() {
    let town = Town::found().await;
    let to = [
        "<alice@example.org>",
        "<nobody@example.org>",
        "<bob@example.org>",
    ];
    let body = vec![Bytes::from_static(b"Subject: hello\r\n\r\nhello\r\n")];
    let letters = vec![(letter("<>", &to), body)];
    let postman = carry(&town, Wishes::lmtp("other.example.org"), letters).await;
    assert_eq!(postman.fates, [[250, 550, 250]]);
}
