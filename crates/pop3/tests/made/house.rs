//! A made-up house: ada and her password, three messages, told piece by piece.

use bytes::Bytes;
use mail::{Enhanced, Refusal};
use pop3::{Answer, Ask, Maildrop, Piece, Policy, Session};
use wire::dialogue::{security_for_tests, token_for_tests};
use wire::sasl::{Mechanism, Question, ScramKeys, Verdict};
use wire::witness::STAND_IN;

/// The messages.
pub(crate) const MESSAGES: [&str; 3] = [
    "From: alan@caramel.example\r\nSubject: One\r\n\r\nFirst line\r\n.dot\r\n..\r\nlast\r\n",
    "Subject: Two\r\n\r\n\r\n\r\nno end",
    "Subject: Header only\r\n",
];

/// Octets of one piece.
const PIECE: usize = 10;

/// The house; what it was told to remove is kept.
#[derive(Debug, Default)]
pub(crate) struct Made {
    rest: Bytes,
    /// Places of the removed messages.
    pub(crate) removed: Vec<usize>,
}

/// A session as the first comment of a script wants it: `# tls`, `# clear`, `# no tls`;
/// `# mechanisms` tells which there are.
pub(crate) fn session(script: &str) -> Session {
    let mut policy = Policy::new("mail.caramel.example");
    policy.listing_octets_max = 10;
    let first = script.lines().find(|line| line.starts_with('#'));
    let first = first.unwrap_or_default();
    policy.cleartext_passwords = first.starts_with("# clear");
    policy.tls_offered = !first.starts_with("# no tls");
    let named = |line: &str| Some(line.strip_prefix("# mechanisms ")?.to_owned());
    if let Some(names) = script.lines().find_map(named) {
        policy.mechanisms = names.split(' ').filter_map(Mechanism::parse).collect();
    }
    let mut session = Session::new(policy);
    if first.starts_with("# tls") {
        let mut security = security_for_tests();
        let shown = script
            .lines()
            .filter_map(|line| line.strip_prefix("# certificate "));
        security.certified = shown.map(str::to_owned).collect();
        wire::Session::secured(&mut session, security);
    }
    session
}

impl Made {
    /// A house where nothing was removed.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn piece(&mut self) -> Answer {
        let bytes = self.rest.split_to(PIECE.min(self.rest.len()));
        let more = !self.rest.is_empty();
        Answer::Piece(Piece { bytes, more })
    }

    fn login(question: &Question) -> Verdict {
        if let Some(verdict) = token_for_tests(question) {
            return verdict;
        }
        match question {
            Question::Password { user, password, .. }
                if password.0 == "secret word" || password.0 == STAND_IN =>
            {
                match user.as_str() {
                    "ada" | "busy" | "broken" => Verdict::Accepted,
                    "late" => Verdict::Refused(no(454, Enhanced::new(4, 7, 0), "Try again later")),
                    _ => {
                        Verdict::Refused(no(535, Enhanced::new(5, 7, 8), "Wrong name or password"))
                    }
                }
            }
            Question::Certified {
                addresses,
                authorization,
            } if authorization
                .as_ref()
                .is_none_or(|name| addresses.contains(name)) =>
            {
                Verdict::Accepted
            }
            Question::Keys { .. } => Verdict::Keys(ScramKeys {
                salt: b"salt".to_vec(),
                iterations: 4096,
                stored_key: vec![1; 32],
                server_key: vec![2; 32],
                nonce: "server".to_owned(),
            }),
            _ => Verdict::Refused(no(535, Enhanced::new(5, 7, 8), "Wrong name or password")),
        }
    }
}

fn no(code: u16, enhanced: Enhanced, text: &str) -> Refusal {
    Refusal::new(code, enhanced, text)
}

impl wire::dialogue::House<Session> for Made {
    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Sasl(question) => {
                if let Question::Password { user, .. } = &question {
                    self.rest = Bytes::from(user.clone());
                }
                Answer::Sasl(Self::login(&question))
            }
            Ask::Open if self.rest == "busy" => Answer::InUse,
            Ask::Open => {
                let mut maildrop = Maildrop::default();
                for (message, name) in MESSAGES.iter().zip(["a1", "b2", "c3"]) {
                    let unended = !message.ends_with("\r\n");
                    maildrop.push(name, u64::try_from(message.len()).unwrap(), unended);
                }
                Answer::Opened(maildrop)
            }
            Ask::Retrieve(2) if self.rest == "broken" => {
                Answer::Refused(no(451, Enhanced::new(4, 3, 0), "The disk does not answer"))
            }
            Ask::Retrieve(place) => {
                self.rest = Bytes::from_static(MESSAGES[place].as_bytes());
                self.piece()
            }
            Ask::More => self.piece(),
            Ask::Update(places) if places == [0, 1, 2] => {
                Answer::Refused(no(451, Enhanced::new(4, 3, 0), "Nothing was removed"))
            }
            Ask::Update(places) => {
                self.removed = places;
                Answer::Updated
            }
        }
    }
}
