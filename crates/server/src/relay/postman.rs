//! One conversation with one host after the other: letters are carried, and each one's fate is
//! written down before the next one goes.
//!
//! Not here: which hosts there are, and in which order (`talk`), what is asked of their TLS
//! (`guard`), letters in another form (`seven_bit`).
//!
//! RFC 7435 (TLS if it can be had).

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mail::{BlobRange, BodyType, Enhanced, Envelope, TlsWish};
use net::{Calling, Endpoint, House, ServerName, Socket, Terms};
use post::queue::{Attempt, Claimed, Entry, Fate, Runner, Said};
use smtp::client::{
    self, Answer, Ask, Client, Failure, Fates, Letter, Login, Patience, Tls, Wishes,
};
use smtp::diagram::Verb;
use smtp::{Reply, Service};
use wire::Security;

use super::TAKEN_LETTERS;
use super::guard::{Guard, Trouble, TroubleKind};
use super::hosts::Target;
use super::routes::{Reach, same};
use super::seven_bit::{Form, form};
use super::talk::{Way, partition};
use crate::Encrypted;

/// Letters that one connection carries before others get their turn.
const LETTERS_MAX: usize = 100;
/// Octets of a letter that are in memory at once.
pub(super) const PIECE_OCTETS: u64 = 64 * 1024;
/// How long programs of an alias may take: they wait for others that run, and each has its own
/// limit there.
const PROGRAMS_MAX: Duration = Duration::from_secs(3 * 3600);
/// Octets that a nonce is made of.
const NONCE_OCTETS: usize = 16;

/// Why a host took nothing.
#[derive(Clone, Debug)]
pub(super) struct Missed {
    pub(super) said: Said,
    /// What counts for its TLS.
    pub(super) tls: String,
    /// What was wrong with its TLS, where it was that.
    pub(super) trouble: Option<Trouble>,
}

impl Missed {
    /// True if the host's TLS is not what a letter wants, and no time mends that.
    pub(super) fn is_for_good(&self) -> bool {
        let kind = self.trouble.as_ref().map(|trouble| trouble.kind);
        kind.is_some_and(|kind| kind != TroubleKind::Dnssec)
    }
}

/// Carries letters over one connection after the other.
pub(super) struct Postman<'a> {
    way: &'a Way<'a>,
    pub(super) waiting: VecDeque<Claimed>,
    current: Option<Claimed>,
    /// Octets of the current letter that have been given.
    at: u64,
    /// The form that it has for a host that takes ASCII only.
    form: Option<Form>,
    /// Letters that were taken.
    pub(super) taken: usize,
    /// Letters whose fate is known.
    carried: usize,
    /// True once the host was connected with.
    reached: bool,
    /// True once it was ready for a letter.
    asked: bool,
    /// True for a letter that came when the connection had waited for it.
    lingered: bool,
    /// True once it turned out that the host had not waited as long as we had.
    stale: bool,
    /// True once the host asked to wait.
    pub(super) busy: bool,
    host: String,
    /// What is asked of its TLS; nothing of a host that we have chosen.
    guard: Option<Guard>,
    /// What TLS agreed on with it.
    security: Option<Security>,
    /// What the conversation failed with.
    failure: Option<Failure>,
}

impl<'a> Postman<'a> {
    pub(super) fn new(way: &'a Way<'a>, waiting: VecDeque<Claimed>) -> Self {
        Self {
            way,
            waiting,
            current: None,
            at: 0,
            form: None,
            taken: 0,
            carried: 0,
            reached: false,
            asked: false,
            lingered: false,
            stale: false,
            busy: false,
            host: String::new(),
            guard: None,
            security: None,
            failure: None,
        }
    }

    /// Calls a host. An error says why there was none; what waits then may go to the next.
    pub(super) async fn call(
        &mut self,
        target: &Target,
        guard: Option<Guard>,
    ) -> Result<(), Missed> {
        self.host.clone_from(&target.name);
        let needs_tls = guard.as_ref().is_none_or(|guard| guard.needs_tls);
        self.guard = guard;
        let via = self.way.course.via.as_ref();
        let tls = match via.map(|via| via.encrypted) {
            Some(Encrypted::Never) => Tls::Never,
            _ if needs_tls => Tls::Required,
            _ => Tls::IfOffered,
        };
        let mut result = self.converse(target, tls).await;
        if self.stale {
            result = self.converse(target, tls).await;
        }
        let result = match result {
            // No TLS is better than no mail, where nobody asked for TLS.
            // RFC 7435 §3
            Err(_)
                if tls == Tls::IfOffered
                    && self.reached
                    && !self.asked
                    && self.failure.is_none() =>
            {
                self.converse(target, Tls::Never).await
            }
            result => result,
        };
        result.map_err(|(said, trouble)| Missed {
            said,
            tls: self.guard.as_ref().map_or_else(String::new, Guard::counts),
            trouble,
        })
    }

    async fn converse(&mut self, target: &Target, tls: Tls) -> Result<(), (Said, Option<Trouble>)> {
        (self.reached, self.asked) = (false, false);
        (self.lingered, self.stale) = (false, false);
        (self.failure, self.security) = (None, None);
        let relay = self.way.relay;
        let via = self.way.course.via.clone();
        let socket = self
            .connect(target)
            .await
            .map_err(|error| (self.unreached(&error), None))?;
        self.reached = true;
        let login = via.as_ref().and_then(|via| via.login.clone());
        let mut nonce = [0; NONCE_OCTETS];
        relay.post.outside().fill(&mut nonce);
        let wishes = Wishes {
            tls,
            nonce: wire::sasl::client::nonce(&nonce),
            requiretls: self.way.course.wish == TlsWish::Required,
            login: login.map(|(user, password)| Login { user, password }),
            cleartext_passwords: target.ip.is_loopback(),
            service: self.way.course.service(),
            patience: match Runner::at(self.way.destination) {
                Some(_) => Patience {
                    end: PROGRAMS_MAX,
                    ..Patience::default()
                },
                None => Patience::default(),
            },
            ..Wishes::relay(relay.own.clone())
        };
        let calling = self.calling(target, tls);
        let mut client = Client::new(wishes);
        let terms = Terms::new(relay.clock);
        let ended = net::call(socket, calling, &mut client, self, &terms).await;
        self.security = client.security().cloned();
        self.keep_unsaid();
        // A letter in the middle of a connection that broke: whether it was taken nobody knows.
        if let Some(letter) = self.current.take() {
            let fate = Fate::Deferred(self.said(4, 2, "The connection broke"));
            let attempt = Attempt {
                tls: self.told(self.security.as_ref()),
                ..Attempt::all(&letter.entry, &fate)
            };
            relay.settle(&[(letter, attempt)]).await;
            self.carried += 1;
        }
        if let Some(trouble) = self.trouble(&ended) {
            return Err((self.untrusted(&trouble), Some(trouble)));
        }
        if let Err(error) = ended {
            return Err((self.unreached(&error), None));
        }
        match &self.failure {
            None => Ok(()),
            Some(Failure::Refused(_, reply)) => {
                self.busy = true;
                Err((self.answer(reply, 4), None))
            }
            Some(failure) => Err((self.said(4, 2, &failure.to_string()), None)),
        }
    }

    async fn connect(&self, target: &Target) -> Result<Socket, net::Error> {
        let (settings, course) = (&self.way.relay.settings, &self.way.course);
        let limit = settings.connect_timeout;
        let port = match course.via.as_ref().map(|via| &via.reach) {
            Some(Reach::Socket(path)) => {
                return net::connect(&Endpoint::Unix(path.clone()), limit).await;
            }
            Some(Reach::Host(_, port)) => *port,
            None => settings.port,
        };
        let address = SocketAddr::new(target.ip, port);
        match course.sources.towards(target.ip) {
            Some(source) => net::connect_from(source, address, limit).await,
            None => net::connect(&Endpoint::Tcp(address), limit).await,
        }
    }

    /// What came of the host's TLS, where it came so far.
    pub(super) fn session(&self, missed: Option<&Missed>) -> Option<(&Guard, Option<Trouble>)> {
        let guard = self.guard.as_ref()?;
        if let Some(trouble) = missed.and_then(|missed| missed.trouble.clone()) {
            return Some((guard, Some(trouble)));
        }
        match &self.security {
            _ if !self.asked => None,
            None => {
                let kind = TroubleKind::NoTls;
                let text = "TLS is not offered".to_owned();
                Some((guard, Some(Trouble { kind, text })))
            }
            Some(_) => Some((guard, guard.reported())),
        }
    }

    /// When the connection is encrypted, and whom it is with.
    fn calling(&self, target: &Target, tls: Tls) -> Calling {
        let by_ip = || ServerName::from(target.ip);
        match (&self.way.course.via, &self.guard) {
            _ if tls == Tls::Never => Calling::Plain,
            (Some(via), _) => {
                let name = ServerName::try_from(target.name.clone());
                let name = name.unwrap_or_else(|_| by_ip());
                match (&via.trust, via.encrypted) {
                    (None, _) => Calling::Plain,
                    (Some(trust), Encrypted::Implicit) => {
                        Calling::Implicit(Arc::clone(trust), name)
                    }
                    (Some(trust), _) => Calling::StartTls(Arc::clone(trust), name),
                }
            }
            (None, Some(guard)) => {
                Calling::StartTls(guard.examination.config(), guard.name.clone())
            }
            (None, None) => Calling::Plain,
        }
    }

    /// What is wrong with the host's TLS, where that is why nothing is sent.
    fn trouble(&self, ended: &Result<net::End, net::Error>) -> Option<Trouble> {
        let trouble = |kind, text: String| Some(Trouble { kind, text });
        if self.failure == Some(Failure::NoRequireTls) {
            return trouble(
                TroubleKind::NoRequireTls,
                "REQUIRETLS is not offered".to_owned(),
            );
        }
        let guard = self.guard.as_ref().filter(|guard| guard.needs_tls)?;
        if let Some(Failure::NoTls | Failure::Refused(Verb::StartTls, _)) = self.failure {
            return trouble(TroubleKind::NoTls, "TLS is not offered".to_owned());
        }
        match (ended, guard.examination.flaw()) {
            (Err(_), Some(flaw)) if guard.needs_certificate => Some(guard.trouble(&flaw)),
            (Err(error), _) if error.is_of_tls() => {
                trouble(TroubleKind::Validation, error.to_string())
            }
            _ => None,
        }
    }

    fn untrusted(&self, trouble: &Trouble) -> Said {
        let counts = self.guard.as_ref().map_or_else(String::new, Guard::counts);
        not_sent(&self.host, &counts, trouble)
    }

    /// What counts for the host's TLS, and what there was, in words.
    fn told(&self, security: Option<&Security>) -> String {
        match (&self.guard, security) {
            (Some(guard), security) => guard.told(security),
            (None, None) if self.way.course.socket().is_some() => "within this machine".to_owned(),
            (None, None) => "without TLS".to_owned(),
            (
                None,
                Some(Security {
                    version, cipher, ..
                }),
            ) => {
                format!("{version} {cipher}, certificate verified")
            }
        }
    }

    /// RFC 3463 §3.5: X.4.1, no answer from the host.
    fn unreached(&self, error: &net::Error) -> Said {
        let net::Error::Source { ip, cause } = error else {
            return self.said(4, 1, &error.to_string());
        };
        // That is our own affair.
        let text = match cause.kind() {
            ErrorKind::AddrNotAvailable => {
                format!("{ip}, which it is to be sent from, is no address of this machine")
            }
            _ => error.to_string(),
        };
        Said {
            host: None,
            ..self.said(3, 5, &text)
        }
    }

    fn said(&self, subject: u16, detail: u16, text: &str) -> Said {
        Said {
            host: Some(self.host.clone()),
            code: None,
            status: Enhanced::new(4, subject, detail),
            text: text.to_owned(),
        }
    }

    /// The next letter to be carried: one that was brought along, or the next that is due.
    async fn next(&mut self) -> Option<Claimed> {
        if self.way.relay.stop.is_asked() || self.carried >= LETTERS_MAX {
            return None;
        }
        if let Some(letter) = self.waiting.pop_front() {
            return Some(letter);
        }
        let (relay, way) = (self.way.relay, self.way);
        let more = relay.post.claim(way.destination, TAKEN_LETTERS).await;
        let (more, others) = partition(more.ok()?, |one| {
            same(&relay.course(&one.entry), &way.course)
        });
        // Those that take another way are due again.
        drop(others);
        self.waiting = more;
        if self.waiting.is_empty() && !self.busy && way.lingers {
            let mut stop = relay.stop.clone();
            let more = way.contact.wait(way.course.clone(), relay.settings.linger);
            self.waiting = tokio::select! {
                biased;
                () = stop.asked() => return None,
                letters = more => letters.into(),
            };
            self.lingered = !self.waiting.is_empty();
        }
        self.waiting.pop_front()
    }

    async fn piece(&mut self) -> Answer {
        let Some(letter) = &self.current else {
            return Answer::Torn;
        };
        let front = &letter.entry.front;
        let front_octets = u64::try_from(front.len()).unwrap_or(u64::MAX);
        let Some(at) = self.at.checked_sub(front_octets) else {
            self.at = front_octets;
            return Answer::Piece(front.clone());
        };
        let range = letter.entry.range();
        if let Some(form) = &mut self.form {
            return match form.piece(&self.way.relay.post, range).await {
                Ok(octets) => Answer::Piece(octets),
                Err(error) => unreadable(&error, letter),
            };
        }
        let len = PIECE_OCTETS.min(range.len.saturating_sub(at));
        if len == 0 {
            return Answer::Piece(Bytes::new());
        }
        let part = BlobRange {
            offset: range.offset + at,
            len,
            ..range
        };
        match self.way.relay.post.read(part).await {
            Ok(octets) => {
                self.at += len;
                Answer::Piece(octets)
            }
            Err(error) => unreadable(&error, letter),
        }
    }

    /// A letter's envelope; what its sender wants of TLS is no affair of a socket of this machine.
    fn envelope(&self, entry: &Entry) -> Envelope {
        let envelope = entry.envelope();
        let tls = match self.way.course.socket() {
            Some(_) => self.way.course.wish,
            None => envelope.tls,
        };
        Envelope { tls, ..envelope }
    }

    /// The letter for a host that takes ASCII only.
    // RFC 6152 §3
    async fn seven_bit(&mut self) -> Answer {
        let Some(letter) = &self.current else {
            return Answer::Torn;
        };
        let entry = &letter.entry;
        match form(&self.way.relay.post, entry.range()).await {
            Ok(Ok(form)) => {
                let front = u64::try_from(entry.front.len()).unwrap_or(u64::MAX);
                let size = Some(form.octets().saturating_add(front));
                let envelope = Envelope {
                    body: BodyType::SevenBit,
                    ..self.envelope(entry)
                };
                self.form = Some(form);
                Answer::Letter(Box::new(Letter { envelope, size }))
            }
            Ok(Err(obstacle)) => Answer::Unfit(obstacle.to_string()),
            Err(error) => unreadable(&error, letter),
        }
    }

    /// A letter that came when the connection had ended unnoticed is no worse for it: it goes over
    /// the next one.
    fn keep_unsaid(&mut self) {
        let unsaid = self.lingered && self.at == 0;
        if let Some(letter) = self.current.take_if(|_| unsaid) {
            self.waiting.push_front(letter);
            self.stale = true;
        }
    }

    async fn fates(&mut self, fates: Fates) {
        if fates.each.iter().all(|fate| *fate == client::Fate::Unknown) {
            self.keep_unsaid();
        }
        let Some(letter) = self.current.take() else {
            return;
        };
        let mut told = self.told(fates.security.as_ref());
        if self.form.take().is_some() {
            told.push_str("; in a form of ASCII only");
        }
        let each = fates.each.into_iter().map(|fate| match fate {
            client::Fate::Taken(reply) => Fate::Taken(self.answer(&reply, 2)),
            client::Fate::Refused(reply) if reply.code.value() >= 500 => {
                Fate::Failed(self.answer(&reply, 5))
            }
            client::Fate::Refused(reply) => Fate::Deferred(self.answer(&reply, 4)),
            client::Fate::Unknown => Fate::Deferred(self.said(4, 2, "The connection broke")),
        });
        let attempt = Attempt {
            fates: each.collect(),
            passes_reports: fates.passes_reports,
            tls: told,
        };
        let taken = |fate: &Fate| matches!(fate, Fate::Taken(_));
        let deferred = |fate: &Fate| matches!(fate, Fate::Deferred(_));
        let deferred = attempt.fates.iter().any(deferred);
        let taken = usize::from(attempt.fates.iter().any(taken));
        // Where each recipient is answered for itself, a mailbox that is full says nothing of all.
        let of_one = self.way.course.service() == Service::Lmtp && taken > 0;
        self.busy |= deferred && !of_one;
        self.taken += taken;
        if self.way.contact.took(taken) {
            self.way.relay.grown.notify_one();
        }
        self.way.relay.settle(&[(letter, attempt)]).await;
        self.lingered = false;
        self.carried += 1;
    }

    /// A reply, as it counts for letters: 2, 4 or 5.
    fn answer(&self, reply: &Reply, class: u8) -> Said {
        let enhanced = reply.to_refusal().enhanced;
        Said {
            host: Some(self.host.clone()),
            code: Some(reply.code),
            status: Enhanced { class, ..enhanced },
            text: reply.text(),
        }
    }
}

impl House<Client> for Postman<'_> {
    async fn ask(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Letter => {
                self.asked = true;
                match self.next().await {
                    Some(letter) => {
                        let envelope = self.envelope(&letter.entry);
                        let size = Some(letter.entry.travelling_octets());
                        (self.current, self.at, self.form) = (Some(letter), 0, None);
                        Answer::Letter(Box::new(Letter { envelope, size }))
                    }
                    None => Answer::Quit,
                }
            }
            Ask::Piece => self.piece().await,
            Ask::SevenBit => self.seven_bit().await,
            Ask::Fates(fates) => {
                self.fates(fates).await;
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

fn unreadable(error: &post::Error, letter: &Claimed) -> Answer {
    tracing::error!(%error, queue = %letter.id(), "a letter cannot be read");
    Answer::Torn
}

/// Why nothing is sent to a host.
pub(super) fn not_sent(host: &str, basis: &str, trouble: &Trouble) -> Said {
    // RFC 3463 §3.8: X.7.5, what is shown cannot be trusted; by RFC 5248's list, X.7.10, encryption
    // is needed, and X.7.30, REQUIRETLS is.
    let detail = match trouble.kind {
        TroubleKind::NoTls => 10,
        TroubleKind::NoRequireTls => 30,
        _ => 5,
    };
    Said {
        host: Some(host.to_owned()),
        code: None,
        status: Enhanced::new(4, 7, detail),
        text: match basis {
            "" => format!("Nothing is sent to it: {}", trouble.text),
            basis => format!("Nothing is sent to it ({basis}): {}", trouble.text),
        },
    }
}
