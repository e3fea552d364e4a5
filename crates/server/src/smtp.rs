//! What SMTP, Submission and LMTP ask, answered by the post.
//!
//! Not here: who may send what to whom (`post`), what is offered behind which door (the policy,
//! made once for each door from its settings).

use std::net::SocketAddr;
use std::sync::Arc;

use mail::{Address, Enhanced, ForwardPath, Host, Refusal, TlsWish};
use net::{House, Onlooker, Peer};
use post::{Elsewhere, Error, Incoming, Origin, Post, Route, Sender, Tls};
use smtp::{Answer, Ask, Policy, Session, Transaction};

use self::filtered::Beside;
use crate::filters::Filters;
use crate::guest::Guest;
use crate::settings::Protocol;
use crate::visit::{Hall, Visit};

mod filtered;

/// ETRN commands of one connection.
const FLUSHES_MAX: u32 = 20;

/// True if there are hosts that may ask for what waits for them.
fn may_flush(post: &Post) -> bool {
    let rules = post.rules();
    rules.elsewhere == Elsewhere::Relay && !rules.trusted_networks.is_empty()
}

/// What a session behind this door may do; made once for each door.
pub(crate) fn policy(hall: &Hall) -> Arc<Policy> {
    let host = hall.settings.host.to_ascii();
    let policy = match hall.door.protocol {
        Protocol::Submission => Policy::submission(host),
        Protocol::Lmtp => Policy::lmtp(host),
        Protocol::Local => Policy {
            verify: true,
            ..Policy::lmtp(host)
        },
        _ => Policy::relay(host),
    };
    let mechanisms = match hall.door.protocol {
        Protocol::Submission => hall.mechanisms(),
        _ => Vec::new(),
    };
    Arc::new(Policy {
        mechanisms,
        // Where nothing leaves, reports of success stay in the house
        // (docs/decisions/006-reports-where-they-can-go.md).
        dsn: hall.door.protocol == Protocol::Submission
            || hall.post.rules().elsewhere == Elsewhere::Relay,
        // Who may send through us may ask for what waits for them (RFC 1985).
        etrn_max: match hall.door.protocol == Protocol::Smtp && may_flush(&hall.post) {
            true => FLUSHES_MAX,
            false => 0,
        },
        tls_offered: hall.offers_starttls(),
        cleartext_passwords: hall.door.is_indoors(),
        message_octets_max: hall.post.rules().message_octets_max,
        recipients_max: u32::try_from(hall.post.rules().recipients_max).unwrap_or(u32::MAX),
        ..policy
    })
}

/// Talks with one peer until it has gone.
pub(crate) fn converse(
    visit: Visit,
    policy: &Arc<Policy>,
) -> impl Future<Output = ()> + Send + use<> {
    let desk = Desk {
        guest: visit.guest(),
        protocol: visit.hall.door.protocol,
        on_demand: false,
        incoming: None,
        beside: beside(&visit),
    };
    let policy = match desk.is_welcome() {
        true => Arc::clone(policy),
        false => too_soon(policy),
    };
    visit.converse(Session::new(policy), desk)
}

/// The filters at a door, if there are any.
fn beside(visit: &Visit) -> Option<Box<Beside>> {
    let hall = &visit.hall;
    let address = visit.peer.address.map(|address| {
        let ip = address.ip().to_canonical();
        SocketAddr::new(ip, address.port())
    });
    let peer = milter::Peer {
        name: address.map_or_else(
            || "localhost".to_owned(),
            |address| format!("[{}]", address.ip()),
        ),
        address,
    };
    let peer_name = peer.name.clone();
    let mut filters = Filters::at(&hall.settings.milters, hall.door.protocol, peer)?;
    let facts = filters.facts();
    facts.learn("j", hall.settings.host.to_ascii());
    facts.learn("v", "Caramel");
    facts.learn("_", peer_name);
    facts.learn("{daemon_name}", hall.door.protocol.name());
    if let Some(address) = address {
        facts.learn("{client_addr}", address.ip().to_string());
        facts.learn("{client_port}", address.port().to_string());
    }
    Some(Box::new(Beside::new(filters)))
}

/// What a session may do whose peer connects too often.
fn too_soon(policy: &Policy) -> Arc<Policy> {
    let text = "Too many connections from you lately; please try again later";
    Arc::new(Policy {
        refusal: Some(Refusal::new(421, Enhanced::new(4, 7, 0), text)),
        ..policy.clone()
    })
}

/// Where one peer hands in its messages.
#[derive(Debug)]
pub(crate) struct Desk {
    guest: Guest,
    protocol: Protocol,
    /// We have called the peer, which kept these messages for us.
    on_demand: bool,
    /// The message that is being handed in; dropped, it never was.
    incoming: Option<Box<Incoming>>,
    /// The filters that see it, if there are any.
    beside: Option<Box<Beside>>,
}

impl House<Session> for Desk {
    async fn ask(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Sasl(question) => Answer::Sasl(self.guest.verdict(question).await),
            Ask::Mail(transaction) => self.begin(*transaction).await,
            Ask::Recipient(recipient) => self.recipient(recipient).await,
            Ask::Body => Answer::Done,
            Ask::Chunk(octets) => self.chunk(octets).await,
            Ask::Accept => self.accept().await,
            Ask::Abort => {
                self.incoming = None;
                if let Some(beside) = &mut self.beside {
                    beside.forget().await;
                }
                Answer::Done
            }
            Ask::Flush(host) => self.flush(&host).await,
            Ask::Verify(who) if self.protocol == Protocol::Local => self.verify(&who),
            // Whoever asks only wants to know whom to send to: they may send and see.
            Ask::Verify(_) => Answer::Done,
        }
    }

    fn is_dismissed(&mut self) -> bool {
        self.guest.is_dismissed()
    }

    fn onlooker(&mut self) -> Option<&mut dyn Onlooker> {
        self.guest.onlooker()
    }

    fn rests(&mut self, whereabouts: &'static str, encrypted: bool) {
        self.guest.rests(whereabouts, encrypted);
    }
}

impl Desk {
    /// For a host that we have called, and that hands over what it kept for us (RFC 2645).
    pub(crate) fn on_demand(post: Post, peer: Peer) -> Self {
        Self {
            guest: Guest::new(post, peer, Protocol::Smtp),
            protocol: Protocol::Smtp,
            on_demand: true,
            incoming: None,
            beside: None,
        }
    }

    /// True unless it connects too often.
    fn is_welcome(&self) -> bool {
        match self.protocol {
            Protocol::Smtp | Protocol::Submission => {
                self.guest.post.allows_connection(self.guest.ip())
            }
            _ => true,
        }
    }

    async fn begin(&mut self, transaction: Transaction) -> Answer {
        let origin = transaction.origin;
        let protocol = match (self.protocol, origin.protocol.as_str()) {
            _ if self.on_demand => post::Protocol::OnDemand,
            (Protocol::Lmtp, _) => post::Protocol::Lmtp,
            // Whoever hands it over has gone by `.forward` files, or was called by one.
            (Protocol::Local, _) => post::Protocol::Deliver,
            (_, "SMTP") => post::Protocol::Smtp,
            _ => post::Protocol::Esmtp,
        };
        let tls = origin.security.map(|security| Tls {
            version: security.version,
            cipher: security.cipher,
        });
        let origin = Origin {
            peer: self.guest.ip(),
            helo: origin.helo,
            protocol,
            tls,
            account: self.guest.account().cloned(),
            user: None,
        };
        let sender = Sender {
            reverse_path: transaction.reverse_path,
            size: transaction.size,
            body: transaction.body,
            smtputf8: transaction.smtputf8,
            ret: transaction.ret,
            envid: transaction.envid,
            tls: match transaction.requires_tls {
                true => TlsWish::Required,
                false => TlsWish::Usual,
            },
        };
        let Some(beside) = &mut self.beside else {
            let outcome = self.guest.post.begin(origin, sender);
            let outcome = outcome.map(|incoming| self.incoming = Some(Box::new(incoming)));
            return self.answer(outcome);
        };
        let incoming = match self.guest.post.begin(origin.clone(), sender.clone()) {
            Ok(incoming) => incoming,
            Err(error) => return self.refused(&error),
        };
        if let Err(refusal) = beside.begin(&origin, &sender, incoming.journey()).await {
            beside.forget().await;
            let conn = self.guest.peer.conn;
            tracing::info!(%conn, %refusal, cause = refusal.cause, "refused");
            return Answer::Refused(refusal);
        }
        self.incoming = Some(Box::new(incoming));
        Answer::Done
    }

    /// Tries what waits for a host, for whoever may send through us.
    // RFC 1985 §5.1, §8
    async fn flush(&mut self, host: &str) -> Answer {
        let rules = self.guest.post.rules();
        let ip = self.guest.ip();
        let is_trusted = rules.trusted_networks.iter().any(|it| it.contains(ip));
        let Ok(named) = Host::parse(host) else {
            let text = format!("Node {host} not allowed: this is no name of a host");
            return Answer::Refused(Refusal::new(459, Enhanced::new(4, 1, 2), text));
        };
        if !is_trusted {
            let text = format!("Node {host} not allowed: you may not send through us");
            return Answer::Refused(Refusal::new(459, Enhanced::new(4, 7, 1), text));
        }
        let destination = named.to_ascii().to_ascii_lowercase();
        match self.guest.post.retry_destination(&destination).await {
            Ok(count) => Answer::Started(count),
            Err(error) => self.refused(&error),
        }
    }

    /// Whether mail for an address would be taken from this machine's own people.
    // RFC 5321 §3.5.3
    fn verify(&self, who: &str) -> Answer {
        let Ok(address) = Address::parse(who.trim_matches(['<', '>'])) else {
            let text = "This is no address";
            return Answer::Refused(Refusal::new(553, Enhanced::new(5, 1, 3), text));
        };
        let post = &self.guest.post;
        match post.route(&ForwardPath::Address(address.clone())) {
            Route::Local(_) | Route::Forwarded { .. } | Route::Relayed { is_listed: true } => {
                Answer::Verified(format!("<{address}>"))
            }
            Route::Elsewhere | Route::Relayed { .. }
                if post.rules().elsewhere == Elsewhere::Relay =>
            {
                Answer::Done
            }
            Route::Elsewhere | Route::Relayed { .. } => {
                let text = "Mail for other hosts is not sent from here";
                Answer::Refused(Refusal::new(550, Enhanced::new(5, 7, 1), text))
            }
            Route::Nowhere(refusal) => Answer::Refused(refusal),
        }
    }

    async fn accept(&mut self) -> Answer {
        if let Some(answer) = self.filter().await {
            return answer;
        }
        let Some(incoming) = self.incoming.take() else {
            return Answer::Done;
        };
        match incoming.commit().await {
            Ok(receipt) => {
                let (conn, journey) = (self.guest.peer.conn, receipt.journey);
                tracing::info!(%conn, %journey, "taken");
                let taken = format!("Taken as {journey}");
                if receipt.refused.is_empty() {
                    return Answer::Stored(taken);
                }
                // RFC 2033 §4.2
                let mut each = vec![Ok(taken); receipt.recipients];
                for (number, refusal) in receipt.refused {
                    if let Some(answer) = each.get_mut(number) {
                        *answer = Err(refusal);
                    }
                }
                Answer::Each(each)
            }
            Err(error) => self.refused(&error),
        }
    }

    fn answer(&self, outcome: Result<(), Error>) -> Answer {
        match outcome {
            Ok(()) => Answer::Done,
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&self, error: &Error) -> Answer {
        let conn = self.guest.peer.conn;
        match error {
            Error::Refused(..) => tracing::info!(%conn, %error, "refused"),
            Error::Fault(fault) => tracing::error!(%conn, %fault, "not taken"),
        }
        Answer::Refused(error.refusal())
    }
}
