//! Carries one letter to one server, for whoever waits for the answer.
//!
//! Not here: the queue's letters (`relay`), which server it is.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use mail::{Enhanced, Envelope, Refusal};
use net::{Calling, Clock, Endpoint, House, Socket, Terms};
use smtp::Client;
use smtp::client::{Answer, Ask, Failure, Fate, Letter, Wishes};

/// How long a server may take to answer a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that takes letters from us.
#[derive(Debug)]
pub struct Courier {
    endpoint: Endpoint,
    wishes: Wishes,
}

/// Why a letter was not carried.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// There is no connection, or it broke.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// The server does not want to talk with us, or we not with it; the code tells whether that is
    /// for good.
    #[error("{0}")]
    Refused(Refusal),
}

impl Courier {
    /// The server of this machine, by LMTP.
    #[must_use]
    pub fn local(socket: PathBuf, host: &str) -> Self {
        Self {
            endpoint: Endpoint::Unix(socket),
            wishes: Wishes::lmtp(host),
        }
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
        let socket = net::connect(&self.endpoint, CONNECT_TIMEOUT).await?;
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
            letter: Some(Letter { envelope, size }),
            octets,
            fates: None,
            failure: None,
        };
        let mut client = Client::new(self.wishes);
        let terms = Terms::new(Clock::start());
        let ended = net::call(socket, Calling::Plain, &mut client, &mut errand, &terms).await;
        if let Some(fates) = errand.fates {
            return Ok(fates);
        }
        if let Some(failure) = errand.failure {
            return Err(CourierError::Refused(refusal(&failure)));
        }
        ended?;
        Err(CourierError::Refused(broken()))
    }
}

/// One letter on its way.
#[derive(Debug)]
struct Errand {
    letter: Option<Letter>,
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
        }
    }
}

fn refusal(failure: &Failure) -> Refusal {
    match failure {
        Failure::Refused(_, reply) => reply.to_refusal(),
        other => Refusal::new(451, Enhanced::new(4, 4, 2), other.to_string()),
    }
}

fn broken() -> Refusal {
    Refusal::new(451, Enhanced::new(4, 4, 2), "The connection broke")
}
