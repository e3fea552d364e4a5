//! SASL: one value per exchange, the same for every protocol (RFC 4422); the client's end is in
//! [`client`].
//!
//! The octets here are decoded; base64 and line framing belong to the protocol that carries them.
//! Not here: who exists and which password is right (the house's), and the preparation of names
//! (RFC 4013), which belongs where they are looked up.
//!
//! RFC 4422 appendix A (EXTERNAL), RFC 4616 (PLAIN), RFC 5802 and 7677 (SCRAM), RFC 9266 and 5929
//! (channel bindings), RFC 7628 (OAUTHBEARER).

use std::fmt;

use mail::{Enhanced, Refusal};

use crate::{Security, witness};

mod bearer;
pub mod client;
mod scram;

pub use bearer::{ClientResponse, TOKEN_OCTETS_MAX, TokenError, TokenStatus};

/// Octets a decoded response without a token may have; longer ones are malformed.
pub const RESPONSE_OCTETS_MAX: usize = 4096;

/// A mechanism we offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 4422 appendix A, by a client's certificate.
    External,
    /// RFC 7628.
    OauthBearer,
    /// RFC 4616.
    Plain,
    /// Never specified, still spoken.
    Login,
    /// RFC 5802.
    ScramSha1,
    /// RFC 5802 with channel binding.
    ScramSha1Plus,
    /// RFC 7677.
    ScramSha256,
    /// RFC 7677 with channel binding.
    ScramSha256Plus,
    /// What OAUTHBEARER was before it was specified.
    Xoauth2,
}

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScramHash {
    /// RFC 5802. What is known against SHA-1, collisions, does not touch HMAC.
    Sha1,
    /// RFC 7677.
    Sha256,
}

impl Mechanism {
    /// All mechanisms, the strongest first.
    ///
    /// A binding weighs more than a hash: it keeps out whoever sits between.
    pub const ALL: [Self; 9] = [
        Self::External,
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::OauthBearer,
        Self::Xoauth2,
        Self::Plain,
        Self::Login,
    ];

    /// What needs nothing but a password's usual keys, the strongest first.
    pub const USUAL: [Self; 4] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::Plain,
        Self::Login,
    ];

    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::External => "EXTERNAL",
            Self::OauthBearer => "OAUTHBEARER",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::Xoauth2 => "XOAUTH2",
        }
    }

    /// Reads a name, whatever its case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// True if it may be offered on a connection; `clear` lets passwords pass without TLS.
    #[must_use]
    pub fn is_possible(self, security: Option<&Security>, clear: bool) -> bool {
        let bound = security.is_some_and(|security| security.binding.is_some());
        match self {
            Self::External => security.is_some_and(|security| !security.certified.is_empty()),
            // RFC 7628 §3
            Self::Plain | Self::Login | Self::OauthBearer | Self::Xoauth2 => {
                clear || security.is_some()
            }
            Self::ScramSha1 | Self::ScramSha256 => true,
            Self::ScramSha1Plus | Self::ScramSha256Plus => bound,
        }
    }

    /// SCRAM's hash, and whether a channel binding is part of it.
    const fn scram(self) -> Option<(ScramHash, bool)> {
        match self {
            Self::ScramSha1 => Some((ScramHash::Sha1, false)),
            Self::ScramSha1Plus => Some((ScramHash::Sha1, true)),
            Self::ScramSha256 => Some((ScramHash::Sha256, false)),
            Self::ScramSha256Plus => Some((ScramHash::Sha256, true)),
            Self::External | Self::OauthBearer | Self::Plain | Self::Login | Self::Xoauth2 => None,
        }
    }

    /// True if it takes a token, which somebody else has issued, for a password.
    #[must_use]
    pub const fn takes_token(self) -> bool {
        matches!(self, Self::OauthBearer | Self::Xoauth2)
    }

    /// True if an eavesdropper would learn the password or the token.
    #[must_use]
    pub const fn needs_tls(self) -> bool {
        matches!(self, Self::Plain | Self::Login) || self.takes_token()
    }
}

/// A password or a token on its way to the check; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What an exchange asks the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// May this user in with this password? `Accepted` logs the connection in.
    Password {
        /// The name to log in as.
        user: String,
        /// Whom to act as, where that is another.
        authorization: Option<String>,
        /// The password.
        password: Secret,
    },
    /// May whoever has shown a certificate for these addresses in? `Accepted` logs the connection
    /// in.
    Certified {
        /// The certificate's addresses.
        addresses: Vec<String>,
        /// Whom to log in as, where that is said.
        authorization: Option<String>,
    },
    /// May whoever has brought this token in? `Accepted` logs the connection in, and
    /// [`Verdict::TokenRefused`] tells where to get a better one.
    Token {
        /// The token; none where the client only asks what is wanted.
        token: Option<Secret>,
        /// Whom to log in as, where that is said.
        authorization: Option<String>,
    },
    /// What SCRAM needs to know of this user. An unknown user gets keys as well, made up but
    /// always the same, so that the answer does not tell who exists.
    Keys {
        /// The name to log in as.
        user: String,
        /// Which keys.
        hash: ScramHash,
    },
    /// This user has proved to know the password: `Accepted` logs the connection in.
    Proved {
        /// The name to log in as.
        user: String,
        /// Whom to act as, where that is another.
        authorization: Option<String>,
    },
    /// This user has failed to prove it: the house counts it and answers `Refused`.
    Failed {
        /// The name that was given.
        user: String,
    },
}

/// The house's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The connection is logged in.
    Accepted,
    /// To [`Question::Keys`].
    Keys(ScramKeys),
    /// To [`Question::Token`]: no, and what helps.
    TokenRefused(TokenError, Refusal),
    /// No, or not now.
    Refused(Refusal),
}

/// What the server keeps instead of the password (RFC 5802 §3), with a fresh nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramKeys {
    /// The salt.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2.
    pub iterations: u32,
    /// `H(ClientKey)`, as long as the hash.
    pub stored_key: Vec<u8>,
    /// `HMAC(SaltedPassword, "Server Key")`, as long as the hash.
    pub server_key: Vec<u8>,
    /// The server's part of the nonce: printable ASCII without a comma, fresh for each exchange.
    pub nonce: String,
}

/// What an exchange wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send this (base64-encoded), and feed the peer's response to [`Exchange::receive`].
    Challenge(Vec<u8>),
    /// Put this to the house, and feed its verdict to [`Exchange::answer`].
    Ask(Question),
    /// The user is logged in.
    Accepted,
    /// It is over: tell the peer.
    Refused(Refusal),
    /// The response was not in the mechanism's grammar: it is over (SMTP 501, IMAP BAD).
    Malformed,
}

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    state: State,
}

#[derive(Debug)]
enum State {
    /// With the addresses of the certificate.
    External(Vec<String>),
    Plain,
    Login,
    LoginPassword {
        user: String,
    },
    ScramFirst(scram::Terms),
    ScramKeys(scram::First),
    ScramFinal(scram::Challenged),
    /// The proof was right; the signature is sent when the house agrees.
    ScramProved(Vec<u8>),
    /// The signature was sent; the peer owes an empty response.
    ScramSigned,
    /// Of OAUTHBEARER or XOAUTH2.
    Token(Mechanism),
    TokenDeciding,
    /// The error was sent; the peer owes an answer without meaning.
    TokenRefused(Refusal),
    /// The house was asked the question that decides.
    Deciding,
    Over,
}

impl Exchange {
    /// Begins an exchange; `security` is what TLS agreed on, if there is TLS.
    ///
    /// Returns what to do first: with an initial response it is taken at once.
    #[must_use]
    pub fn begin(
        mechanism: Mechanism,
        security: Option<&Security>,
        initial: Option<&[u8]>,
    ) -> (Self, Next) {
        let binding = security.and_then(|security| security.binding.clone());
        let (state, greeting) = match (mechanism, mechanism.scram()) {
            (Mechanism::External, _) => {
                let certified = security.map(|security| security.certified.clone());
                (State::External(certified.unwrap_or_default()), &b""[..])
            }
            (Mechanism::Login, _) => (State::Login, &b"Username:"[..]),
            (mechanism, _) if mechanism.takes_token() => (State::Token(mechanism), &b""[..]),
            (_, Some((hash, plus))) => {
                let terms = scram::Terms {
                    hash,
                    binding,
                    plus,
                };
                (State::ScramFirst(terms), &b""[..])
            }
            (_, None) => (State::Plain, &b""[..]),
        };
        let mut exchange = Self { state };
        let next = match initial {
            Some(response) => exchange.receive(response),
            None => Next::Challenge(greeting.to_vec()),
        };
        (exchange, next)
    }

    /// Takes the peer's response.
    pub fn receive(&mut self, response: &[u8]) -> Next {
        let state = std::mem::replace(&mut self.state, State::Over);
        let Ok(text) = std::str::from_utf8(response) else {
            return Next::Malformed;
        };
        let octets_max = match &state {
            State::Token(_) => bearer::RESPONSE_OCTETS_MAX,
            _ => RESPONSE_OCTETS_MAX,
        };
        if text.len() > octets_max {
            return Next::Malformed;
        }
        let (state, next) = match state {
            State::External(addresses) => (State::Deciding, external(addresses, text)),
            State::Plain => (State::Deciding, plain(text)),
            State::Login if !text.is_empty() && !text.contains('\0') => {
                let user = text.to_owned();
                let next = Next::Challenge(b"Password:".to_vec());
                (State::LoginPassword { user }, next)
            }
            State::LoginPassword { user } => (
                State::Deciding,
                Next::Ask(Question::Password {
                    user,
                    authorization: None,
                    password: Secret(text.to_owned()),
                }),
            ),
            State::ScramFirst(terms) => first(&terms, text),
            State::ScramFinal(challenged) => last(&challenged, text),
            State::ScramSigned if text.is_empty() => (State::Over, Next::Accepted),
            State::Token(mechanism) => token(mechanism, text),
            // XOAUTH2's clients say nothing instead of what the RFC wants.
            // RFC 7628 §3.2.3
            State::TokenRefused(refusal) if matches!(text, "" | bearer::DUMMY) => {
                (State::Over, Next::Refused(refusal))
            }
            State::Login
            | State::TokenDeciding
            | State::TokenRefused(_)
            | State::ScramSigned
            | State::ScramKeys(_)
            | State::ScramProved(_)
            | State::Deciding
            | State::Over => (State::Over, Next::Malformed),
        };
        self.state = state;
        next
    }

    /// What may be shown of the peer's next response, still in base64.
    #[must_use]
    pub fn shown(&self, line: &[u8]) -> Vec<u8> {
        match &self.state {
            State::Plain => witness::shown_plain(line),
            State::Login | State::External(_) => witness::shown_name(line),
            State::Token(mechanism) => witness::shown_token(*mechanism, line),
            State::TokenRefused(_) => witness::shown_dummy(line),
            State::LoginPassword { .. }
            | State::ScramFirst(_)
            | State::ScramKeys(_)
            | State::ScramFinal(_)
            | State::ScramProved(_)
            | State::ScramSigned
            | State::TokenDeciding
            | State::Deciding
            | State::Over => witness::shown_proof(line),
        }
    }

    /// True if the challenge that was just made is not for others: who has it and the response
    /// can try passwords.
    #[must_use]
    pub const fn challenges_in_secret(&self) -> bool {
        matches!(self.state, State::ScramFinal(_) | State::ScramSigned)
    }

    /// Takes the house's verdict.
    pub fn answer(&mut self, verdict: Verdict) -> Next {
        let state = std::mem::replace(&mut self.state, State::Over);
        match (state, verdict) {
            (_, Verdict::Refused(refusal)) => Next::Refused(refusal),
            (State::ScramKeys(first), Verdict::Keys(keys)) => {
                let challenged = first.challenge(keys);
                let challenge = challenged.message().as_bytes().to_vec();
                self.state = State::ScramFinal(challenged);
                Next::Challenge(challenge)
            }
            (State::ScramProved(signature), Verdict::Accepted) => {
                self.state = State::ScramSigned;
                Next::Challenge(signature)
            }
            (State::TokenDeciding, Verdict::TokenRefused(error, refusal)) => {
                // RFC 7628 §3.2.3
                self.state = State::TokenRefused(refusal);
                Next::Challenge(error.write())
            }
            (State::Deciding | State::TokenDeciding, Verdict::Accepted) => Next::Accepted,
            // A house that answers another question than the one it was asked.
            (_, Verdict::Accepted | Verdict::Keys(_) | Verdict::TokenRefused(..)) => {
                Next::Refused(refusal("cannot check now"))
            }
        }
    }
}

/// The whole response is the authorization identity; it may be empty.
// RFC 4422 §A.1
fn external(addresses: Vec<String>, text: &str) -> Next {
    if text.contains('\0') {
        return Next::Malformed;
    }
    Next::Ask(Question::Certified {
        addresses,
        authorization: (!text.is_empty()).then(|| text.to_owned()),
    })
}

/// `[authzid] NUL authcid NUL passwd`.
// RFC 4616 §2
fn plain(text: &str) -> Next {
    let mut fields = text.split('\0');
    match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some(authorization), Some(user), Some(password), None)
            if !user.is_empty() && !password.is_empty() =>
        {
            let other = !authorization.is_empty() && authorization != user;
            Next::Ask(Question::Password {
                user: user.to_owned(),
                authorization: other.then(|| authorization.to_owned()),
                password: Secret(password.to_owned()),
            })
        }
        _ => Next::Malformed,
    }
}

fn token(mechanism: Mechanism, text: &str) -> (State, Next) {
    match ClientResponse::parse(mechanism, text) {
        Ok(response) => {
            let question = Question::Token {
                token: response.token,
                authorization: response.authorization,
            };
            (State::TokenDeciding, Next::Ask(question))
        }
        Err(fault) => ended(fault),
    }
}

fn ended(fault: scram::Fault) -> (State, Next) {
    match fault {
        scram::Fault::Malformed => (State::Over, Next::Malformed),
        scram::Fault::Refused(why) => (State::Over, Next::Refused(refusal(why))),
    }
}

fn first(terms: &scram::Terms, text: &str) -> (State, Next) {
    match terms.first(text) {
        Ok(first) => {
            let user = first.user().to_owned();
            let hash = terms.hash;
            let question = Question::Keys { user, hash };
            (State::ScramKeys(first), Next::Ask(question))
        }
        Err(fault) => ended(fault),
    }
}

fn last(challenged: &scram::Challenged, text: &str) -> (State, Next) {
    match challenged.verify(text) {
        Ok(signature) => {
            let (user, authorization) = challenged.names();
            let question = Question::Proved {
                user,
                authorization,
            };
            (State::ScramProved(signature), Next::Ask(question))
        }
        Err(scram::Fault::Malformed) => (State::Over, Next::Malformed),
        // The house counts the failure and words the refusal.
        Err(scram::Fault::Refused(_)) => {
            let (user, _) = challenged.names();
            (State::Deciding, Next::Ask(Question::Failed { user }))
        }
    }
}

fn refusal(why: &'static str) -> Refusal {
    Refusal::new(535, Enhanced::new(5, 7, 8), "Authentication failed").because(why)
}

#[cfg(test)]
mod tests;
