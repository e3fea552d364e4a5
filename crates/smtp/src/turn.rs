//! A conversation that turns round: we call a host, log in, and ask for what it keeps for us
//! (ATRN); from then on it is the client, and we are the server that takes its letters.
//!
//! Not here: what is asked for (the caller), what becomes of the letters (the house).
//!
//! RFC 2645 §5.

use mail::Instant;
use wire::{Security, Session as _, Step};

use crate::diagram::Phase;
use crate::{Client, Session, ask, client};

/// A question of either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Of the client that we are at first.
    Client(client::Ask),
    /// Of the server that we are then.
    Server(ask::Ask),
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Ask::Client`].
    Client(client::Answer),
    /// To [`Ask::Server`].
    Server(ask::Answer),
}

/// A conversation that may turn round.
#[derive(Debug)]
pub struct Turn {
    client: Client,
    server: Box<Session>,
    has_turned: bool,
    security: Option<Security>,
    now: Instant,
}

impl Turn {
    /// With a host that has just been reached. Once it has answered ATRN with yes, `server` takes
    /// its letters.
    #[must_use]
    pub fn new(client: Client, server: Session) -> Self {
        Self {
            client,
            server: Box::new(server),
            has_turned: false,
            security: None,
            now: Instant::default(),
        }
    }

    /// True once the ends have changed places.
    #[must_use]
    pub const fn has_turned(&self) -> bool {
        self.has_turned
    }

    /// True once the ends have changed places, and the peer has taken its leave.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.has_turned && matches!(self.server.phase(), Phase::Closed)
    }

    // RFC 2645 §5.3: a greeting comes first, as always.
    fn turn(&mut self) {
        self.has_turned = true;
        if let Some(security) = self.security.take() {
            self.server.secured(security);
        }
        self.server.elapse(self.now);
    }
}

impl wire::Session for Turn {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, bytes: &[u8]) {
        match self.has_turned {
            true => self.server.receive(bytes),
            false => self.client.receive(bytes),
        }
    }

    fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Client(answer) => self.client.answer(answer),
            Answer::Server(answer) => self.server.answer(answer),
        }
    }

    fn elapse(&mut self, now: Instant) {
        self.now = now;
        match self.has_turned {
            true => self.server.elapse(now),
            false => self.client.elapse(now),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.has_turned {
            true => self.server.deadline(),
            false => self.client.deadline(),
        }
    }

    fn secured(&mut self, security: Security) {
        if self.has_turned {
            return self.server.secured(security);
        }
        self.security = Some(security.clone());
        self.client.secured(security);
    }

    fn whereabouts(&self) -> &'static str {
        match self.has_turned {
            true => self.server.whereabouts(),
            false => self.client.whereabouts(),
        }
    }

    fn step(&mut self) -> Step<Ask> {
        if !self.has_turned {
            match self.client.step() {
                // What the peer has said beyond its yes is thrown away: it has to wait for us.
                Step::Close if self.client.has_turned() => self.turn(),
                step => return told(step, Ask::Client),
            }
        }
        told(self.server.step(), Ask::Server)
    }
}

fn told<A>(step: Step<A>, ask: impl FnOnce(A) -> Ask) -> Step<Ask> {
    match step {
        Step::Read => Step::Read,
        Step::Write(octets) => Step::Write(octets),
        Step::Splice(range) => Step::Splice(range),
        Step::Ask(question) => Step::Ask(ask(question)),
        Step::Upgrade(upgrade) => Step::Upgrade(upgrade),
        Step::Close => Step::Close,
    }
}
