//! Hosts that keep mail for our domains: they are asked to send it, over connections of their own
//! (ETRN), or over the one that we have made, which turns round (ODMR).
//!
//! Nothing is known of such a source from one time to the next: what that host has handed over, it
//! does not keep. A letter is on the disk before it hears that it was taken.
//!
//! Not here: what becomes of letters (`post`), who is asked when (`fetch`).
//!
//! RFC 1985, RFC 2645.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mail::ConnId;
use net::{Clock, Peer, Terms};
use post::Post;
use smtp::client::{self, Client, Failure, Login, Tls, Wishes};
use smtp::diagram::{Class, Verb};
use smtp::{Policy, Reply, Session, Turn, TurnAnswer, TurnAsk};
use wire::sasl::Secret;

use super::job::Tally;
use super::line;
use super::secret::{self, proof};
use super::source::{Source, SourceProtocol, When};
use super::trouble::{Trouble, TroubleKind};
use crate::smtp::Desk;

/// Octets of chance in a login.
const NONCE_OCTETS: usize = 16;

/// What is asked of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// That it sends what it keeps.
    Mail,
    /// Only whether it lets us in.
    Nothing,
}

/// Asks a host for what it keeps; tells what it says.
pub(super) async fn ask(
    post: &Post,
    source: &Source,
    tally: &Tally,
    wanted: Wanted,
) -> Result<Vec<String>, Trouble> {
    let wishes = wishes(post, source).await?;
    let reached = line::reach(source).await?;
    let mut caller = Caller {
        waiting: questions(source, wanted),
        heard: Vec::new(),
        said: Vec::new(),
        failure: None,
        tally,
        desk: Desk::on_demand(post.clone(), peer(reached.peer, source.port)),
    };
    let server = Session::new(Arc::new(policy(post)));
    let mut turn = Turn::new(Client::new(wishes), server);
    let terms = Terms::new(Clock::start());
    let ended = net::call(
        reached.socket,
        reached.calling,
        &mut turn,
        &mut caller,
        &terms,
    )
    .await;
    let breaks_off = turn.has_turned() && !turn.is_over();
    if let Some(failure) = caller.failure {
        return Err(failed(source, &failure));
    }
    for (verb, reply) in &caller.heard {
        judge(source, *verb, reply)?;
    }
    match ended {
        Ok(_) if breaks_off => Err(Trouble::vanished(source, "the connection has ended")),
        Ok(_) => Ok(caller.said),
        Err(error) => Err(line::broken(source, error)),
    }
}

/// What is asked, the last first.
fn questions(source: &Source, wanted: Wanted) -> Vec<client::Answer> {
    match (wanted, source.protocol) {
        (Wanted::Nothing, _) => Vec::new(),
        (Wanted::Mail, SourceProtocol::Odmr) => vec![client::Answer::Turn(source.domains.clone())],
        (Wanted::Mail, _) => {
            let domains = source.domains.iter().rev().cloned();
            domains.map(client::Answer::Flush).collect()
        }
    }
}

async fn wishes(post: &Post, source: &Source) -> Result<Wishes, Trouble> {
    let host = post.rules().host.to_ascii();
    let mut nonce = [0; NONCE_OCTETS];
    post.outside().fill(&mut nonce);
    let (login, proof) = match source.user.is_empty() {
        true => (None, client::Proof::Password),
        false => {
            let (password, way) = match proof(source).await? {
                secret::Proof::Password(password) => (password, client::Proof::Password),
                secret::Proof::Token(token) => (Secret(token), client::Proof::Token),
            };
            let user = source.user.clone();
            (Some(Login { user, password }), way)
        }
    };
    Ok(Wishes {
        tls: match source.tls.encrypted {
            When::None => Tls::Never,
            When::Starttls | When::Implicit => Tls::Required,
        },
        login,
        proof,
        nonce: wire::sasl::client::nonce(&nonce),
        cleartext_passwords: source.tls.encrypted == When::None,
        ..Wishes::relay(host)
    })
}

/// What is offered to a host that has turned round: what everybody else is, but TLS, which there is
/// already or was not wanted.
fn policy(post: &Post) -> Policy {
    let rules = post.rules();
    Policy {
        tls_offered: false,
        dsn: rules.elsewhere == post::Elsewhere::Relay,
        message_octets_max: rules.message_octets_max,
        recipients_max: u32::try_from(rules.recipients_max).unwrap_or(u32::MAX),
        ..Policy::relay(rules.host.to_ascii())
    }
}

const fn peer(ip: IpAddr, port: u16) -> Peer {
    Peer {
        conn: ConnId(0),
        address: Some(SocketAddr::new(ip, port)),
        local: None,
        user: None,
    }
}

/// Who asks, and then takes what comes.
struct Caller<'a> {
    /// What is still to be asked, the last first.
    waiting: Vec<client::Answer>,
    heard: Vec<(Verb, Reply)>,
    /// The same in words.
    said: Vec<String>,
    failure: Option<Failure>,
    tally: &'a Tally,
    desk: Desk,
}

impl net::House<Turn> for Caller<'_> {
    async fn ask(&mut self, ask: TurnAsk) -> TurnAnswer {
        match ask {
            TurnAsk::Client(ask) => TurnAnswer::Client(self.client(ask)),
            TurnAsk::Server(ask) => {
                let octets = match &ask {
                    smtp::Ask::Chunk(octets) => octets.len(),
                    _ => 0,
                };
                let ends = ask == smtp::Ask::Accept;
                let answer = net::House::<Session>::ask(&mut self.desk, ask).await;
                self.tally.octets(u64::try_from(octets).unwrap_or_default());
                if ends && matches!(answer, smtp::Answer::Stored(_)) {
                    self.tally.taken();
                }
                TurnAnswer::Server(answer)
            }
        }
    }
}

impl Caller<'_> {
    fn client(&mut self, ask: client::Ask) -> client::Answer {
        match ask {
            client::Ask::Letter => self.waiting.pop().unwrap_or(client::Answer::Quit),
            client::Ask::Piece | client::Ask::SevenBit => client::Answer::Torn,
            client::Ask::Fates(_) => client::Answer::Heard,
            client::Ask::Told(verb, reply) => {
                // Who says no for good does so to all.
                // RFC 1985 §5.2
                if reply.code.value() >= 500 {
                    self.waiting.clear();
                }
                self.said.push(format!("{} {reply}", verb.name()));
                self.heard.push((verb, reply));
                client::Answer::Heard
            }
            client::Ask::Failed(failure) => {
                self.failure = Some(failure);
                client::Answer::Heard
            }
        }
    }
}

/// Whether what was asked for is done.
fn judge(source: &Source, verb: Verb, reply: &Reply) -> Result<(), Trouble> {
    let asked = format!("refuses {}", verb.name());
    match (Class::of(reply.code), reply.code.value()) {
        (Class::Success, _) => Ok(()),
        // RFC 2645 §5.2.1: there is no mail.
        (_, 453) if verb == Verb::Atrn => Ok(()),
        (_, 530) => Err(Trouble::login(source, reply)),
        (_, 500..) => {
            let next = "does it keep mail for these domains, and send it when it is asked?";
            Err(Trouble::unable(source, &asked, next).because(reply))
        }
        _ => Err(Trouble::refused(source, &asked, reply)),
    }
}

/// Why it came to nothing.
fn failed(source: &Source, failure: &Failure) -> Trouble {
    match failure {
        Failure::Refused(Verb::Auth | Verb::Response, reply) if reply.code.value() >= 500 => {
            Trouble::login(source, reply)
        }
        Failure::Refused(verb, reply) => {
            Trouble::refused(source, &format!("refuses {}", verb.name()), reply)
        }
        Failure::NoTls => {
            let next = "tls = \"implicit\", if it speaks that at another port";
            Trouble::unable(source, "offers no TLS (STARTTLS)", next)
        }
        Failure::NoLogin => {
            let what = "offers no way to log in that may be used here";
            Trouble::unable(source, what, "ask its owner for PLAIN within TLS, or SCRAM")
        }
        Failure::NoRequireTls => {
            Trouble::unable(source, "does not know REQUIRETLS", "is it the right host?")
        }
        Failure::NotOffered(verb) => {
            let what = format!("does not know {}", verb.name());
            Trouble::unable(source, &what, "is it the right host, port and protocol?")
        }
        Failure::Impostor => {
            let what = format!(
                "{} does not prove that it knows {}",
                source.host, source.user
            );
            Trouble::new(TroubleKind::Lasting, what).next("is it the right host?")
        }
        Failure::Garbled(_) | Failure::Senseless(..) => {
            Trouble::refused(source, "cannot be understood", failure)
        }
        Failure::Closed | Failure::Silent | Failure::Torn => Trouble::vanished(source, failure),
    }
}
