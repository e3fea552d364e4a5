//! Logging in, from the client's end: which mechanism, and what is said to each challenge.
//!
//! RFC 4954 §4; LOGIN is what was never specified and is much offered.

use wire::Security;
use wire::sasl::client::{Credentials, Exchange, TokenExchange, choose};
use wire::sasl::{ClientResponse, Mechanism, Secret};

use super::{Client, Failure};
use crate::Reply;
use crate::command::{self, Command};
use crate::diagram::Verb;

/// How to log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// By a password and the strongest mechanism that is offered; the weakest, LOGIN, only where
    /// nothing else is.
    #[default]
    Password,
    /// By an access token, which stands where the password would.
    Token,
    /// By this mechanism or not at all.
    Only(Mechanism),
}

/// Whom to log in as.
#[derive(Clone, Debug)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password, or the access token.
    pub password: Secret,
}

/// An exchange that goes on.
#[derive(Debug)]
pub(super) enum Talk {
    Password(Exchange),
    Token(TokenExchange),
    /// LOGIN: what is still to be said, the last first.
    Login(Vec<String>),
}

impl Talk {
    /// The response to a challenge; `None` to give up.
    fn respond(&mut self, challenge: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Password(exchange) => exchange.receive(challenge).ok(),
            Self::Token(exchange) => exchange.receive(challenge).ok(),
            Self::Login(words) => words.pop().map(String::into_bytes),
        }
    }

    /// True if the server's word that we are logged in may be believed.
    const fn is_complete(&self) -> bool {
        match self {
            Self::Password(exchange) => exchange.is_complete(),
            Self::Token(_) | Self::Login(_) => true,
        }
    }
}

impl Client {
    /// Logs in, where that is wished; then there may be letters.
    pub(super) fn log_in(&mut self) {
        let Some(login) = self.wishes.login.clone() else {
            return self.ready();
        };
        let begun = self
            .mechanism()
            .and_then(|mechanism| Some((mechanism, self.begin_login(mechanism, login)?)));
        let Some((mechanism, (talk, initial))) = begun else {
            return self.fail(Failure::NoLogin);
        };
        self.login = Some(Box::new(talk));
        self.send(&Command::Auth {
            mechanism: mechanism.name().to_owned(),
            initial,
        });
    }

    /// The mechanism, if one is offered that may be used on this connection.
    fn mechanism(&self) -> Option<Mechanism> {
        let security = self.security.as_ref();
        let clear = self.wishes.cleartext_passwords;
        let offered = &self.offers.mechanisms;
        let may = |mechanism: &Mechanism| {
            offered.contains(mechanism) && mechanism.is_possible(security, clear)
        };
        let first = |all: &[Mechanism]| all.iter().copied().find(may);
        match self.wishes.proof {
            Proof::Only(mechanism) => Some(mechanism).filter(may),
            Proof::Token => first(&[Mechanism::OauthBearer, Mechanism::Xoauth2]),
            Proof::Password => {
                let scram = |mechanism: &Mechanism| !is_scram(*mechanism) || self.has_nonce();
                let fit: Vec<Mechanism> = offered.iter().copied().filter(scram).collect();
                let strongest = choose(&fit, security);
                strongest.or_else(|| first(&[Mechanism::Plain, Mechanism::Login]))
            }
        }
    }

    const fn has_nonce(&self) -> bool {
        !self.wishes.nonce.is_empty()
    }

    /// The exchange, and its initial response where it has one.
    fn begin_login(&self, mechanism: Mechanism, login: Login) -> Option<(Talk, Option<Vec<u8>>)> {
        let Login { user, password } = login;
        if mechanism == Mechanism::Login {
            return Some((Talk::Login(vec![password.0, user]), None));
        }
        if mechanism.takes_token() {
            let response = ClientResponse {
                authorization: Some(user),
                host: None,
                port: None,
                token: Some(password),
            };
            let (exchange, initial) = TokenExchange::begin(mechanism, &response)?;
            return Some((Talk::Token(exchange), Some(initial)));
        }
        if is_scram(mechanism) && !self.has_nonce() {
            return None;
        }
        let credentials = Credentials { user, password };
        // Who could bind it to the channel and says so is taken for a victim where that is offered:
        // without, by choice, nothing is said of it (RFC 5802 §6).
        let is_bound = |mechanism| self.offers.mechanisms.contains(&mechanism);
        let by_choice = match mechanism {
            Mechanism::ScramSha256 => is_bound(Mechanism::ScramSha256Plus),
            Mechanism::ScramSha1 => is_bound(Mechanism::ScramSha1Plus),
            _ => false,
        };
        let security: Option<&Security> = self.security.as_ref().filter(|_| !by_choice);
        let begun = Exchange::begin(mechanism, credentials, &self.wishes.nonce, security);
        begun.map(|(exchange, initial)| (Talk::Password(exchange), Some(initial)))
    }

    /// Answers a challenge, or gives up where it makes no sense.
    pub(super) fn challenged(&mut self, reply: &Reply) {
        let challenge = command::decode(reply.text().as_bytes()).ok();
        let response = match (&mut self.login, challenge) {
            (Some(talk), Some(challenge)) => talk.respond(&challenge),
            _ => None,
        };
        let line = response.map_or_else(|| "*".to_owned(), |octets| command::encode(&octets));
        self.output
            .extend_from_slice(format!("{line}\r\n").as_bytes());
        self.expected.push_back(Verb::Response);
    }

    /// The server says that we are logged in.
    pub(super) fn logged_in(&mut self) {
        match self.login.take() {
            // RFC 5802 §3: whoever does not prove that it knows us is somebody else.
            Some(talk) if !talk.is_complete() => self.fail(Failure::Impostor),
            _ => self.ready(),
        }
    }
}

const fn is_scram(mechanism: Mechanism) -> bool {
    matches!(
        mechanism,
        Mechanism::ScramSha1
            | Mechanism::ScramSha1Plus
            | Mechanism::ScramSha256
            | Mechanism::ScramSha256Plus
    )
}
