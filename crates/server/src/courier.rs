//! Carries one letter to one server, for whoever waits for the answer.
//!
//! Not here: the queue's letters (`relay`), which server it is.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mail::{BodyType, Enhanced, Envelope, Refusal};
use net::{Calling, ClientConfig, Clock, Endpoint, House, ServerName, Socket, Terms};
use smtp::Client;
use smtp::client::{Answer, Ask, Failure, Fate, Letter, Login, Proof, Tls, Wishes};
use smtp::diagram::Verb;
use tokio::net::lookup_host;
use wire::sasl::{Mechanism, Secret};

use crate::Encrypted;

/// How long a server may take to answer a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;
/// Octets of chance in a login.
const NONCE_OCTETS: usize = 16;

/// A server that takes letters from us.
#[derive(Debug)]
pub struct Courier {
    place: Place,
    calling: Calling,
    wishes: Wishes,
    connect_timeout: Duration,
}

/// Where it is.
#[derive(Debug)]
enum Place {
    Socket(PathBuf),
    Host(String, u16),
}

/// A host that takes letters from a program of this machine, and how it is talked with.
#[derive(Clone)]
pub struct CourierHost {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When the connection is encrypted.
    pub encrypted: Encrypted,
    /// Whom its certificate is checked with.
    pub trust: Arc<ClientConfig>,
    /// The name that its certificate has to be good for, where that is not `host`.
    pub certified_name: Option<String>,
    /// What to call ourselves.
    pub own_name: String,
    /// True if LMTP is spoken there.
    pub lmtp: bool,
    /// Whom to log in as.
    pub login: Option<CourierLogin>,
    /// True to send a password in the clear.
    pub cleartext_passwords: bool,
    /// How long it may take to reach it.
    pub connect_timeout: Duration,
}

/// Whom to log in as, and how.
#[derive(Clone)]
pub struct CourierLogin {
    /// The name.
    pub user: String,
    /// The password; an access token, where the mechanism takes one.
    pub password: Secret,
    /// The mechanism; without one, the strongest that is offered.
    pub mechanism: Option<Mechanism>,
}

/// Without what it is trusted with.
impl fmt::Debug for CourierHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CourierHost")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("encrypted", &self.encrypted)
            .finish_non_exhaustive()
    }
}

/// Without the password.
impl fmt::Debug for CourierLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CourierLogin")
            .field("user", &self.user)
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// What a server shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CourierSight {
    /// What TLS agreed on, if there is TLS.
    pub tls: Option<String>,
    /// Its name, then a line for each extension.
    pub hello: Vec<String>,
}

/// Why a letter was not carried.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// There is no connection, or it broke.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// The host has no address.
    #[error("{0} is not found: {1}")]
    Unknown(String, String),
    /// The server does not want to talk with us, or we not with it; the code tells whether that is
    /// for good.
    #[error("{0}")]
    Refused(Refusal),
    /// It does not take the name or the password.
    #[error("{0}")]
    Login(Refusal),
    /// What was to be done there is not offered: TLS, or a way to log in.
    #[error("{0}")]
    Unable(String),
}

impl Courier {
    /// The server of this machine, by LMTP.
    #[must_use]
    pub fn local(socket: PathBuf, host: &str) -> Self {
        Self {
            place: Place::Socket(socket),
            calling: Calling::Plain,
            wishes: Wishes::lmtp(host),
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    /// A host somewhere, by SMTP.
    ///
    /// # Errors
    /// If the host's name is none that a certificate can be good for.
    pub fn to(host: CourierHost) -> Result<Self, CourierError> {
        let name = host.certified_name.as_ref().unwrap_or(&host.host).clone();
        let name = || {
            ServerName::try_from(name.clone())
                .map_err(|error| CourierError::Unknown(name.clone(), error.to_string()))
        };
        let calling = match host.encrypted {
            Encrypted::Never => Calling::Plain,
            Encrypted::StartTls => Calling::StartTls(host.trust, name()?),
            Encrypted::Implicit => Calling::Implicit(host.trust, name()?),
        };
        let mut nonce = [0; NONCE_OCTETS];
        let has_chance = getrandom::fill(&mut nonce).is_ok();
        let wishes = match host.lmtp {
            true => Wishes::lmtp(host.own_name),
            false => Wishes::relay(host.own_name),
        };
        let mechanism = host.login.as_ref().and_then(|login| login.mechanism);
        Ok(Self {
            place: Place::Host(host.host, host.port),
            calling,
            wishes: Wishes {
                tls: match host.encrypted {
                    Encrypted::Never => Tls::Never,
                    Encrypted::StartTls | Encrypted::Implicit => Tls::Required,
                },
                login: host.login.map(|login| Login {
                    user: login.user,
                    password: login.password,
                }),
                proof: mechanism.map_or(Proof::Password, Proof::Only),
                nonce: match has_chance {
                    true => wire::sasl::client::nonce(&nonce),
                    false => String::new(),
                },
                cleartext_passwords: host.cleartext_passwords,
                ..wishes
            },
            connect_timeout: host.connect_timeout,
        })
    }

    /// Carries a letter, and tells what became of each recipient.
    ///
    /// # Errors
    /// If there is no server, or it takes no letters from us.
    pub async fn carry(
        self,
        envelope: Envelope,
        octets: Bytes,
    ) -> Result<Vec<Result<(), Refusal>>, CourierError> {
        let socket = self.connect().await?;
        self.carry_over(socket, envelope, octets).await
    }

    /// The same over a connection that is there.
    ///
    /// # Errors
    /// As [`Courier::carry`].
    pub async fn carry_over(
        self,
        socket: Socket,
        envelope: Envelope,
        octets: Bytes,
    ) -> Result<Vec<Result<(), Refusal>>, CourierError> {
        let size = u64::try_from(octets.len()).ok();
        let mut errand = Errand {
            envelope: Some(envelope.clone()),
            letter: Some(Letter { envelope, size }),
            octets,
            ..Errand::default()
        };
        let (_, ended) = self.converse(socket, &mut errand).await;
        if let Some(fates) = errand.fates {
            return Ok(fates);
        }
        ended?;
        Err(CourierError::Refused(broken()))
    }

    /// Looks at a server, and leaves again.
    ///
    /// # Errors
    /// As [`Courier::carry`].
    pub async fn look(self) -> Result<CourierSight, CourierError> {
        let socket = self.connect().await?;
        let (client, ended) = self.converse(socket, &mut Errand::default()).await;
        ended?;
        let security = client.security();
        Ok(CourierSight {
            tls: security.map(|security| format!("{} {}", security.version, security.cipher)),
            hello: client.hello_lines().to_vec(),
        })
    }

    async fn connect(&self) -> Result<Socket, CourierError> {
        let (host, port) = match &self.place {
            Place::Socket(path) => {
                let endpoint = Endpoint::Unix(path.clone());
                return Ok(net::connect(&endpoint, self.connect_timeout).await?);
            }
            Place::Host(host, port) => (host, *port),
        };
        let unknown = |why: String| CourierError::Unknown(host.clone(), why);
        let found = lookup_host((host.as_str(), port)).await;
        let found = found.map_err(|error| unknown(error.to_string()))?;
        let mut last = unknown("it has no address".to_owned());
        for address in found.take(ADDRESSES_MAX) {
            match net::connect(&Endpoint::Tcp(address), self.connect_timeout).await {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    async fn converse(
        self,
        socket: Socket,
        errand: &mut Errand,
    ) -> (Client, Result<(), CourierError>) {
        let mut client = Client::new(self.wishes);
        let terms = Terms::new(Clock::start());
        let ended = net::call(socket, self.calling, &mut client, errand, &terms).await;
        let ended = match (errand.failure.take(), ended) {
            (Some(failure), _) => Err(failed(&failure)),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(_)) => Ok(()),
        };
        (client, ended)
    }
}

/// One letter on its way, or none.
#[derive(Debug, Default)]
struct Errand {
    letter: Option<Letter>,
    /// The letter's, for another form of it.
    envelope: Option<Envelope>,
    octets: Bytes,
    fates: Option<Vec<Result<(), Refusal>>>,
    failure: Option<Failure>,
}

impl House<Client> for Errand {
    async fn ask(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Letter => match self.letter.take() {
                Some(letter) => Answer::Letter(Box::new(letter)),
                None => Answer::Quit,
            },
            Ask::Piece => Answer::Piece(std::mem::take(&mut self.octets)),
            Ask::SevenBit => self.seven_bit(),
            Ask::Fates(fates) => {
                let each = fates.each.into_iter().map(|fate| match fate {
                    Fate::Taken(_) => Ok(()),
                    Fate::Refused(reply) => Err(reply.to_refusal()),
                    Fate::Unknown => Err(broken()),
                });
                self.fates = Some(each.collect());
                Answer::Heard
            }
            Ask::Failed(failure) => {
                self.failure = Some(failure);
                Answer::Heard
            }
            // It is never asked for.
            Ask::Told(..) => Answer::Heard,
        }
    }
}

impl Errand {
    /// The letter for a server that takes ASCII only.
    // RFC 6152 §3
    fn seven_bit(&mut self) -> Answer {
        let Some(envelope) = self.envelope.take() else {
            return Answer::Torn;
        };
        match message::to_seven_bit(&self.octets) {
            Ok(form) => {
                let size = u64::try_from(form.len()).ok();
                self.octets = form.into();
                let body = BodyType::SevenBit;
                let envelope = Envelope { body, ..envelope };
                Answer::Letter(Box::new(Letter { envelope, size }))
            }
            Err(obstacle) => Answer::Unfit(obstacle.to_string()),
        }
    }
}

fn failed(failure: &Failure) -> CourierError {
    match failure {
        Failure::Refused(Verb::Auth | Verb::Response, reply) => {
            CourierError::Login(reply.to_refusal())
        }
        Failure::Refused(_, reply) => CourierError::Refused(reply.to_refusal()),
        Failure::NoTls | Failure::NoLogin | Failure::Impostor => {
            CourierError::Unable(failure.to_string())
        }
        other => {
            CourierError::Refused(Refusal::new(451, Enhanced::new(4, 4, 2), other.to_string()))
        }
    }
}

fn broken() -> Refusal {
    Refusal::new(451, Enhanced::new(4, 4, 2), "The connection broke")
}
