//! SASL, the client's end: what a client, a relay or a test says to a server.
//!
//! LOGIN is not spoken: whoever offers it offers PLAIN. [`Exchange`] knows a password,
//! [`TokenExchange`] brings a token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use super::bearer::{self, ClientResponse};
use super::scram::{attribute, binding_name, binding_octets, digest, mac, xor};
use super::{Mechanism, ScramHash, Secret};
use crate::Security;

/// Rounds of PBKDF2 a server may ask of us; more would only burn our time.
pub const ITERATIONS_MAX: u32 = 1_000_000;

/// A client's nonce of these octets, which nobody can foresee (RFC 5802 §5.1).
#[must_use]
pub fn nonce(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// Who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name to log in as.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Why the exchange must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server's message is not in the mechanism's grammar.
    #[error("the server's challenge makes no sense")]
    Malformed,
    /// The server asks for more rounds than [`ITERATIONS_MAX`].
    #[error("the server asks for too many iterations")]
    TooManyIterations,
    /// The server does not know the password's keys: it is not the one it claims to be.
    #[error("the server did not prove that it knows the account")]
    Impostor,
}

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    credentials: Credentials,
    /// Of no account where the mechanism is not SCRAM.
    hash: ScramHash,
    state: State,
}

#[derive(Debug)]
enum State {
    Sent,
    First {
        cbind_input: Vec<u8>,
        nonce: String,
        bare: String,
    },
    Final {
        signature: Vec<u8>,
    },
    Proved,
    Over,
}

/// The strongest of the offered mechanisms by which a password is proved on this connection.
#[must_use]
pub fn choose(offered: &[Mechanism], security: Option<&Security>) -> Option<Mechanism> {
    Mechanism::ALL.into_iter().find(|mechanism| {
        *mechanism != Mechanism::Login
            && !mechanism.takes_token()
            && offered.contains(mechanism)
            && mechanism.is_possible(security, false)
    })
}

impl Exchange {
    /// Begins an exchange with its initial response; `nonce` is printable ASCII without a comma,
    /// fresh each time.
    ///
    /// `None` for LOGIN, for what takes no password, and for a -PLUS without a channel binding.
    #[must_use]
    pub fn begin(
        mechanism: Mechanism,
        credentials: Credentials,
        nonce: &str,
        security: Option<&Security>,
    ) -> Option<(Self, Vec<u8>)> {
        let binding = security.and_then(|security| security.binding.as_ref());
        let Some((hash, plus)) = mechanism.scram() else {
            return (mechanism == Mechanism::Plain).then(|| plain(credentials));
        };
        // RFC 5802 §6
        let (header, data) = match (plus, binding) {
            (false, None) => ("n,,".to_owned(), &[][..]),
            (false, Some(_)) => ("y,,".to_owned(), &[][..]),
            (true, Some(binding)) => {
                let header = format!("p={},,", binding_name(binding));
                (header, binding_octets(binding))
            }
            (true, None) => return None,
        };
        let user = credentials.user.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={user},r={nonce}");
        let message = format!("{header}{bare}").into_bytes();
        let state = State::First {
            cbind_input: [header.as_bytes(), data].concat(),
            nonce: nonce.to_owned(),
            bare,
        };
        let exchange = Self {
            credentials,
            hash,
            state,
        };
        Some((exchange, message))
    }

    /// Takes a challenge; returns the response.
    ///
    /// # Errors
    /// Where the server may not be believed: cancel the exchange.
    pub fn receive(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Error> {
        let text = std::str::from_utf8(challenge).map_err(|_| Error::Malformed)?;
        match std::mem::replace(&mut self.state, State::Over) {
            State::First {
                cbind_input,
                nonce,
                bare,
            } => self.prove(&cbind_input, &nonce, &bare, text),
            State::Final { signature } => {
                let verifier = text.split(',').next().and_then(|v| v.strip_prefix("v="));
                let shown = verifier.and_then(|shown| STANDARD.decode(shown).ok());
                if !bool::from(shown.unwrap_or_default().ct_eq(&signature)) {
                    return Err(Error::Impostor);
                }
                self.state = State::Proved;
                Ok(Vec::new())
            }
            State::Sent | State::Proved | State::Over => Err(Error::Malformed),
        }
    }

    /// True if the server's word that we are logged in may be believed.
    ///
    /// SCRAM's server must have proved that it knows us.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::Sent | State::Proved)
    }

    fn prove(
        &mut self,
        cbind_input: &[u8],
        nonce: &str,
        bare: &str,
        text: &str,
    ) -> Result<Vec<u8>, Error> {
        let mut attributes = text.split(',');
        let shared = attribute(attributes.next(), "r=").map_err(|_| Error::Malformed)?;
        let salt = attribute(attributes.next(), "s=").map_err(|_| Error::Malformed)?;
        let rounds = attribute(attributes.next(), "i=").map_err(|_| Error::Malformed)?;
        let salt = STANDARD.decode(salt).map_err(|_| Error::Malformed)?;
        let rounds: u32 = rounds.parse().map_err(|_| Error::Malformed)?;
        // RFC 5802 §5.1
        if !shared.starts_with(nonce) || shared.len() == nonce.len() || rounds == 0 {
            return Err(Error::Malformed);
        }
        if rounds > ITERATIONS_MAX {
            return Err(Error::TooManyIterations);
        }
        let hash = self.hash;
        let salted = salted_password(hash, &self.credentials.password, &salt, rounds);
        let unproved = format!("c={},r={shared}", STANDARD.encode(cbind_input));
        let auth_message = format!("{bare},{text},{unproved}");
        let client_key = mac(hash, &salted, b"Client Key");
        let signature = mac(hash, &digest(hash, &client_key), auth_message.as_bytes());
        let server_key = mac(hash, &salted, b"Server Key");
        self.state = State::Final {
            signature: mac(hash, &server_key, auth_message.as_bytes()),
        };
        let proof = STANDARD.encode(xor(client_key, &signature));
        Ok(format!("{unproved},p={proof}").into_bytes())
    }
}

/// One exchange by OAUTHBEARER or XOAUTH2.
#[derive(Debug)]
pub struct TokenExchange {
    error: Option<String>,
}

impl TokenExchange {
    /// Begins an exchange with its initial response.
    ///
    /// `None` for another mechanism, and for XOAUTH2 without a user.
    #[must_use]
    pub fn begin(mechanism: Mechanism, response: &ClientResponse) -> Option<(Self, Vec<u8>)> {
        let complete = mechanism != Mechanism::Xoauth2 || response.authorization.is_some();
        let message = (mechanism.takes_token() && complete).then(|| response.write(mechanism))?;
        Some((Self { error: None }, message.into_bytes()))
    }

    /// Takes the server's error; returns the response that lets the server end the exchange.
    ///
    /// # Errors
    /// Where the challenge is no error, or a second one: cancel the exchange.
    // RFC 7628 §3.2.3
    pub fn receive(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Error> {
        let text = std::str::from_utf8(challenge).map_err(|_| Error::Malformed)?;
        if text.is_empty() || self.error.is_some() {
            return Err(Error::Malformed);
        }
        self.error = Some(text.to_owned());
        Ok(bearer::DUMMY.into())
    }

    /// What the server told of the token: JSON as it came.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

fn plain(credentials: Credentials) -> (Exchange, Vec<u8>) {
    let message = format!("\0{}\0{}", credentials.user, credentials.password.0).into_bytes();
    let exchange = Exchange {
        credentials,
        hash: ScramHash::Sha256,
        state: State::Sent,
    };
    (exchange, message)
}

/// `Hi(password, salt, rounds)`: PBKDF2 for one block.
fn salted_password(hash: ScramHash, password: &Secret, salt: &[u8], rounds: u32) -> Vec<u8> {
    let key = password.0.as_bytes();
    let mut block = mac(hash, key, &[salt, &[0, 0, 0, 1]].concat());
    let mut sum = block.clone();
    for _ in 1..rounds {
        block = mac(hash, key, &block);
        sum = xor(sum, &block);
    }
    sum
}
