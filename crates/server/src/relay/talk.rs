//! One conversation with one destination: its hosts are called one after the other until one takes
//! the letters, and each letter's fate is written down before the next one goes.
//!
//! Not here: which letters are due (`post`), how many conversations there are (`relay`).
//!
//! RFC 5321 §5.1 (the next host if one cannot be reached), RFC 7435 (TLS if it can be had).

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mail::{BlobRange, Enhanced};
use net::{Calling, Endpoint, House, ServerName, Terms};
use post::queue::{Attempt, Claimed, Fate, Said};
use smtp::Reply;
use smtp::client::{self, Answer, Ask, Client, Failure, Fates, Letter, Login, Tls, Wishes};
use tokio::time::sleep;

use super::contact::Contact;
use super::hosts::{Obstacle, Target, addresses, targets};
use super::pace::Mood;
use super::routes::{SmartHost, same};
use super::{Relay, SETTLE_PAUSE, TAKEN_LETTERS};
use crate::Encrypted;

/// Letters that one connection carries before others get their turn.
const LETTERS_MAX: usize = 100;
/// Octets of a letter that are in memory at once.
const PIECE_OCTETS: u64 = 64 * 1024;
/// Letters that share the fate of one that found nobody, settled in one step.
const SHARED_FATES: usize = 30;

/// Hands letters of one destination on, and says how it went. If it `lingers`, it waits a moment
/// for more before it ends.
pub(super) async fn talk(
    relay: &Relay,
    destination: &str,
    letters: Vec<Claimed>,
    (contact, lingers): (&Contact, bool),
) -> Mood {
    let mut by_way: Vec<(Option<Arc<SmartHost>>, VecDeque<Claimed>)> = Vec::new();
    for letter in letters {
        let via = relay.way(&letter.entry);
        match by_way.iter_mut().find(|(known, _)| same(known, &via)) {
            Some((_, letters)) => letters.push_back(letter),
            None => by_way.push((via, [letter].into())),
        }
    }
    let mut mood = Mood::Willing;
    // Letters that take another way do not wait for that.
    let lingers = lingers && by_way.len() == 1;
    for (via, letters) in by_way {
        let way = Way {
            relay,
            destination,
            via,
            contact,
            lingers,
        };
        match way.hand_on(letters).await {
            Mood::Willing => {}
            worse => mood = worse,
        }
    }
    mood
}

/// One way to one destination.
struct Way<'a> {
    relay: &'a Relay,
    destination: &'a str,
    via: Option<Arc<SmartHost>>,
    contact: &'a Contact,
    lingers: bool,
}

impl Way<'_> {
    async fn hand_on(&self, letters: VecDeque<Claimed>) -> Mood {
        let targets = match self.targets().await {
            Ok(targets) => targets,
            Err(Obstacle::Ever(said)) => {
                self.settle_all(letters, &Fate::Failed(said)).await;
                return Mood::Willing;
            }
            Err(Obstacle::Now(said)) => {
                self.nobody(letters, said).await;
                return Mood::Away;
            }
        };
        let mut postman = Postman {
            way: self,
            waiting: letters,
            current: None,
            at: 0,
            taken: 0,
            carried: 0,
            reached: false,
            asked: false,
            lingered: false,
            stale: false,
            busy: false,
            host: String::new(),
            failure: None,
        };
        let mut last = None;
        for target in targets {
            match postman.call(&target).await {
                Ok(()) => {}
                Err(said) => last = Some(said),
            }
            if postman.waiting.is_empty() || self.relay.stop.is_asked() {
                break;
            }
        }
        let Postman {
            waiting,
            taken,
            busy,
            ..
        } = postman;
        let mood = if busy { Mood::Busy } else { Mood::Willing };
        // Whoever is asked to stop leaves what waits as it is.
        if waiting.is_empty() || self.relay.stop.is_asked() {
            return mood;
        }
        // It takes a few at a time: the others are due for the next conversation.
        if taken > 0 {
            return mood;
        }
        let said = last.unwrap_or_else(|| ours("It did not take all that it was to be given"));
        // A host that takes no mail at all.
        // RFC 7504 §3
        if said.code.is_some_and(|code| code.value() == 521) {
            let status = Enhanced::new(5, 3, 2);
            self.settle_all(waiting, &Fate::Failed(Said { status, ..said }))
                .await;
            return Mood::Willing;
        }
        self.nobody(waiting, said).await;
        Mood::Away
    }

    async fn targets(&self) -> Result<Vec<Target>, Obstacle> {
        let outside = self.relay.post.outside().as_ref();
        match self.via.as_deref().map(|via| &via.host) {
            None => targets(outside, self.destination, &self.relay.own).await,
            Some(mail::Host::Ip(ip)) => Ok(vec![Target {
                name: ip.to_string(),
                ip: *ip,
            }]),
            Some(host) => match addresses(outside, &[host.to_ascii()]).await {
                // That host is ours to choose: a mistake there is no letter's fault.
                Err(Obstacle::Ever(said) | Obstacle::Now(said)) => Err(Obstacle::Now(Said {
                    status: Enhanced::new(4, 4, 3),
                    ..said
                })),
                found => found,
            },
        }
    }

    /// Nobody was there: all letters of the destination whose time has come share that fate.
    async fn nobody(&self, letters: VecDeque<Claimed>, said: Said) {
        let fate = Fate::Deferred(said);
        self.settle_all(letters, &fate).await;
        // Those that take another way are not asked for again as long as they are held.
        let mut others = Vec::new();
        loop {
            let claimed = self.relay.post.claim(self.destination, SHARED_FATES).await;
            let claimed = claimed.unwrap_or_else(|error| {
                tracing::error!(%error, "the queue cannot be read");
                Vec::new()
            });
            if claimed.is_empty() || others.len() > SHARED_FATES {
                return;
            }
            let is_ours = |one: &Claimed| same(&self.relay.way(&one.entry), &self.via);
            let (ours, theirs): (VecDeque<_>, Vec<_>) = partition(claimed, is_ours);
            others.extend(theirs);
            self.settle_all(ours, &fate).await;
        }
    }

    async fn settle_all(&self, letters: VecDeque<Claimed>, fate: &Fate) {
        let attempts: Vec<(Claimed, Attempt)> = letters
            .into_iter()
            .map(|letter| {
                let attempt = Attempt::all(&letter.entry, fate);
                (letter, attempt)
            })
            .collect();
        self.relay.settle(&attempts).await;
    }
}

fn partition(
    claimed: Vec<Claimed>,
    is_ours: impl Fn(&Claimed) -> bool,
) -> (VecDeque<Claimed>, Vec<Claimed>) {
    let (mut ours, mut theirs) = (VecDeque::new(), Vec::new());
    for one in claimed {
        match is_ours(&one) {
            true => ours.push_back(one),
            false => theirs.push(one),
        }
    }
    (ours, theirs)
}

/// Carries letters over one connection after the other.
struct Postman<'a> {
    way: &'a Way<'a>,
    waiting: VecDeque<Claimed>,
    current: Option<Claimed>,
    /// Octets of the current letter that have been given.
    at: u64,
    /// Letters that were taken.
    taken: usize,
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
    busy: bool,
    host: String,
    /// What the conversation failed with.
    failure: Option<Failure>,
}

impl Postman<'_> {
    /// Calls a host. An error says why there was none; what waits then may go to the next.
    async fn call(&mut self, target: &Target) -> Result<(), Said> {
        self.host = target.name.clone();
        let via = self.way.via.clone();
        let encrypted = via
            .as_ref()
            .map_or(Encrypted::StartTls, |via| via.encrypted);
        let tls = match (&via, encrypted) {
            (_, Encrypted::Never) => Tls::Never,
            (None, _) => Tls::IfOffered,
            (Some(_), _) => Tls::Required,
        };
        let mut result = self.converse(target, tls).await;
        if self.stale {
            result = self.converse(target, tls).await;
        }
        match result {
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
        }
    }

    async fn converse(&mut self, target: &Target, tls: Tls) -> Result<(), Said> {
        (self.reached, self.asked) = (false, false);
        (self.lingered, self.stale) = (false, false);
        self.failure = None;
        let relay = self.way.relay;
        let via = self.way.via.clone();
        let port = via.as_ref().map_or(relay.settings.port, |via| via.port);
        let endpoint = Endpoint::Tcp(SocketAddr::new(target.ip, port));
        let socket = net::connect(&endpoint, relay.settings.connect_timeout).await;
        let socket = socket.map_err(|error| self.unreached(&error))?;
        self.reached = true;
        let trust = match &via {
            None => Some(&relay.anybody),
            Some(via) => via.trust.as_ref(),
        };
        let name = server_name(target);
        let calling = match (tls, via.as_ref().map(|via| via.encrypted), trust) {
            (Tls::Never, ..) | (_, _, None) => Calling::Plain,
            (_, Some(Encrypted::Implicit), Some(trust)) => {
                Calling::Implicit(Arc::clone(trust), name)
            }
            (_, _, Some(trust)) => Calling::StartTls(Arc::clone(trust), name),
        };
        let login = via.as_ref().and_then(|via| via.login.clone());
        let wishes = Wishes {
            tls,
            login: login.map(|(user, password)| Login { user, password }),
            cleartext_passwords: target.ip.is_loopback(),
            ..Wishes::relay(relay.own.clone())
        };
        let mut client = Client::new(wishes);
        let terms = Terms::new(relay.clock);
        let ended = net::call(socket, calling, &mut client, self, &terms).await;
        self.keep_unsaid();
        // A letter in the middle of a connection that broke: whether it was taken nobody knows.
        if let Some(letter) = self.current.take() {
            let fate = Fate::Deferred(self.said(4, 2, "The connection broke"));
            let attempt = Attempt::all(&letter.entry, &fate);
            relay.settle(&[(letter, attempt)]).await;
            self.carried += 1;
        }
        if let Err(error) = ended {
            return Err(self.unreached(&error));
        }
        match &self.failure {
            None => Ok(()),
            Some(Failure::Refused(_, reply)) => {
                self.busy = true;
                Err(self.answer(reply, 4))
            }
            Some(failure) => Err(self.said(4, 2, &failure.to_string())),
        }
    }

    /// RFC 3463 §3.5: X.4.1, no answer from the host.
    fn unreached(&self, error: &net::Error) -> Said {
        self.said(4, 1, &error.to_string())
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
        let (more, others) = partition(more.ok()?, |one| same(&relay.way(&one.entry), &way.via));
        // Those that take another way are due again.
        drop(others);
        self.waiting = more;
        if self.waiting.is_empty() && !self.busy && way.lingers {
            let mut stop = relay.stop.clone();
            let more = way.contact.wait(way.via.clone(), relay.settings.linger);
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
            Err(error) => {
                tracing::error!(%error, queue = %letter.id(), "a letter cannot be read");
                Answer::Torn
            }
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
        };
        let taken = |fate: &Fate| matches!(fate, Fate::Taken(_));
        let deferred = |fate: &Fate| matches!(fate, Fate::Deferred(_));
        self.busy |= attempt.fates.iter().any(deferred);
        let taken = usize::from(attempt.fates.iter().any(taken));
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
                        let envelope = letter.entry.envelope();
                        let size = Some(letter.entry.travelling_octets());
                        (self.current, self.at) = (Some(letter), 0);
                        Answer::Letter(Box::new(Letter { envelope, size }))
                    }
                    None => Answer::Quit,
                }
            }
            Ask::Piece => self.piece().await,
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

/// What we said ourselves.
fn ours(text: &str) -> Said {
    Said {
        host: None,
        code: None,
        status: Enhanced::new(4, 4, 2),
        text: text.to_owned(),
    }
}

fn server_name(target: &Target) -> ServerName {
    let ip = |ip: IpAddr| ServerName::from(ip);
    ServerName::try_from(target.name.clone()).unwrap_or_else(|_| ip(target.ip))
}

impl Relay {
    /// Writes down what came of attempts. What cannot be written is tried until it can: to forget
    /// that a letter was taken is to send it twice.
    async fn settle(&self, attempts: &[(Claimed, Attempt)]) {
        let mut pause = SETTLE_PAUSE;
        while let Err(error) = self.post.settle_queued(attempts).await {
            tracing::error!(%error, "what came of a letter cannot be written down yet");
            if *self.post.stopped().borrow() {
                return;
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(Duration::from_secs(60));
        }
    }
}
