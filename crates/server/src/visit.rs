//! One connection from its arrival to its end.

use std::sync::Arc;

use mail::Timestamp;
use net::{Encryption, House, Identity, Peer, Socket, Stop, Stream, Terms};
use post::Post;
use wire::Session;
use wire::sasl::Mechanism;

use crate::audit::Auditor;
use crate::fetch::Fetcher;
use crate::forwards::ForwardDesk;
use crate::gallery::{Beginning, Gallery};
use crate::guest::Guest;
use crate::settings::{Door, Encrypted, Protocol, Settings};

/// Where ManageSieve is spoken (RFC 5804 §1.8).
const SIEVE_PORT: u16 = 4190;

/// What all connections through one door share.
#[derive(Debug)]
pub(crate) struct Hall {
    pub(crate) settings: Arc<Settings>,
    pub(crate) door: Door,
    pub(crate) post: Post,
    pub(crate) terms: Terms,
    pub(crate) gallery: Arc<Gallery>,
    /// When the server was started.
    pub(crate) began: Timestamp,
    pub(crate) auditor: Option<Auditor>,
    pub(crate) fetcher: Fetcher,
    /// Where users' `.forward` files are looked at, if they count.
    pub(crate) forwards: Option<ForwardDesk>,
    /// The port where scripts are kept, if there is one.
    pub(crate) sieve_port: Option<u16>,
}

impl Hall {
    /// How people may log in behind this door, the strongest first.
    pub(crate) fn mechanisms(&self) -> Vec<Mechanism> {
        let rules = self.post.rules();
        let wanted = |mechanism: &Mechanism| match mechanism {
            Mechanism::ScramSha1 | Mechanism::ScramSha1Plus => rules.scram_sha1,
            Mechanism::External => self.asks_for_certificates(),
            Mechanism::OauthBearer | Mechanism::Xoauth2 => self.takes_tokens(),
            Mechanism::ScramSha256
            | Mechanism::ScramSha256Plus
            | Mechanism::Plain
            | Mechanism::Login => true,
        };
        Mechanism::ALL.into_iter().filter(wanted).collect()
    }

    /// True if people may show a certificate here. Another mail server is not asked for one: what
    /// it shows would be refused.
    fn asks_for_certificates(&self) -> bool {
        let identity = self.settings.identity.as_ref();
        let people = matches!(
            self.door.protocol,
            Protocol::Submission | Protocol::Imap | Protocol::Pop3 | Protocol::ManageSieve
        );
        people && identity.is_some_and(Identity::asks_clients)
    }

    /// True if access tokens are taken, and there are keys to verify them with.
    fn takes_tokens(&self) -> bool {
        self.post.rules().tokens.is_some() && self.settings.judges_tokens()
    }

    /// How connections begin behind this door.
    fn beginning(&self) -> Beginning {
        let tls = self.door.encrypted == Encrypted::Implicit;
        Beginning {
            protocol: self.door.protocol,
            tls,
            clear: !tls && self.door.is_indoors(),
            starttls: self.offers_starttls(),
        }
    }

    /// Where scripts are kept: a host, and a port where it is not the usual one.
    pub(crate) fn sieve_place(&self) -> Option<String> {
        let host = self.settings.host.to_ascii();
        match self.sieve_port? {
            SIEVE_PORT => Some(host),
            port => Some(format!("{host}:{port}")),
        }
    }

    /// True if the peer may ask for TLS.
    pub(crate) fn offers_starttls(&self) -> bool {
        self.door.encrypted == Encrypted::StartTls && self.settings.identity.is_some()
    }
}

/// A connection that has just come in.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) hall: Arc<Hall>,
    pub(crate) peer: Peer,
    stream: Stream,
    stop: Stop,
}

/// Kept in one box, so that a waiting connection costs what it weighs and no more.
struct Conversation<S, H> {
    session: S,
    house: H,
    stream: Stream,
    stop: Stop,
    hall: Arc<Hall>,
    peer: Peer,
}

impl Visit {
    pub(crate) fn new(hall: Arc<Hall>, socket: Socket, peer: Peer, stop: Stop) -> Self {
        let encryption = match (&hall.settings.identity, hall.door.encrypted) {
            (None, _) | (_, Encrypted::Never) => Encryption::None,
            (Some(identity), _) if hall.asks_for_certificates() => {
                Encryption::Server(identity.clone())
            }
            (Some(identity), _) => Encryption::Server(identity.without_clients()),
        };
        Self {
            stream: Stream::plain(socket, encryption),
            hall,
            peer,
            stop,
        }
    }

    /// What it is made of, for whoever has no session.
    pub(crate) fn into_parts(self) -> (Arc<Hall>, Stream, Peer, Stop) {
        (self.hall, self.stream, self.peer, self.stop)
    }

    /// Nobody is logged in yet.
    pub(crate) fn guest(&self) -> Guest {
        let hall = &self.hall;
        let seat = hall.gallery.seat(self.peer, hall.beginning());
        Guest::new(hall.post.clone(), self.peer, hall.door.protocol)
            .seated(seat)
            .with_judges(&hall.settings)
    }

    /// Drives the session to its end; what went wrong is logged here and nowhere else.
    pub(crate) fn converse<S, H>(
        self,
        session: S,
        house: H,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        S: Session<Ask: Send, Answer: Send> + Send + 'static,
        H: House<S> + 'static,
    {
        let mut it = Box::new(Conversation {
            session,
            house,
            stream: self.stream,
            stop: self.stop,
            hall: self.hall,
            peer: self.peer,
        });
        async move {
            let conn = it.peer.conn;
            tracing::debug!(%conn, address = ?it.peer.address, door = ?it.hall.door.protocol, "in");
            match it.run().await {
                Ok(end) => tracing::debug!(%conn, ?end, "out"),
                Err(error) => tracing::info!(%conn, %error, "broken off"),
            }
        }
    }
}

impl<S, H> Conversation<S, H>
where
    S: Session<Ask: Send, Answer: Send> + Send,
    H: House<S>,
{
    async fn run(&mut self) -> Result<net::End, net::Error> {
        let terms = &self.hall.terms;
        if self.hall.door.encrypted == Encrypted::Implicit {
            self.stream.encrypt(terms.handshake_timeout).await?;
        }
        net::drive(
            &mut self.stream,
            &mut self.session,
            &mut self.house,
            terms,
            &mut self.stop,
        )
        .await
    }
}
