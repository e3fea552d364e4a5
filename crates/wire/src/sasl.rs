//! SASL, the server's end: one value per exchange, the same for every protocol (RFC 4422).
//!
//! The octets here are decoded; base64 and line framing belong to the protocol that carries them.

use std::fmt;

use mail::Refusal;

use crate::Security;

/// A mechanism we offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Never specified, still spoken.
    Login,
    /// RFC 7677.
    ScramSha256,
    /// RFC 7677 with channel binding.
    ScramSha256Plus,
}

impl Mechanism {
    /// All mechanisms, the strongest first.
    pub const ALL: [Self; 4] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::Plain,
        Self::Login,
    ];

    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }

    /// Reads a name, whatever its case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// True if an eavesdropper would learn the password.
    #[must_use]
    pub const fn needs_tls(self) -> bool {
        matches!(self, Self::Plain | Self::Login)
    }
}

/// A password on its way to the check; `Debug` does not show it.
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
    /// What SCRAM needs to know of this user. An unknown user gets keys as well, made up but
    /// always the same, so that the answer does not tell who exists.
    Keys {
        /// The name to log in as.
        user: String,
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
    /// `H(ClientKey)`.
    pub stored_key: [u8; 32],
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: [u8; 32],
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
    mechanism: Mechanism,
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
        let _plus = security.and_then(|security| security.binding.as_ref());
        let mut exchange = Self { mechanism };
        let next = match initial {
            Some(response) => exchange.receive(response),
            None => Next::Challenge(Vec::new()),
        };
        (exchange, next)
    }

    /// Takes the peer's response.
    pub fn receive(&mut self, response: &[u8]) -> Next {
        let text = std::str::from_utf8(response).unwrap_or_default();
        let mut fields = text.split('\0');
        match (self.mechanism, fields.next(), fields.next(), fields.next()) {
            (Mechanism::Plain, Some(authorization), Some(user), Some(password)) => {
                Next::Ask(Question::Password {
                    user: user.to_owned(),
                    authorization: (!authorization.is_empty()).then(|| authorization.to_owned()),
                    password: Secret(password.to_owned()),
                })
            }
            _ => Next::Malformed,
        }
    }

    /// Takes the house's verdict.
    pub fn answer(&mut self, verdict: Verdict) -> Next {
        match verdict {
            Verdict::Accepted => Next::Accepted,
            Verdict::Refused(refusal) => Next::Refused(refusal),
            Verdict::Keys(_) => Next::Malformed,
        }
    }
}
