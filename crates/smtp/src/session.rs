//! The server's end of a conversation.
//!
//! Not here: what each command does (`session/commands.rs`), AUTH (`session/login.rs`), bodies
//! (`session/body.rs`). Here are the states, the order of things, and `enter`, which alone moves
//! from one state to the next.

mod body;
mod commands;
mod login;
mod shown;

use std::sync::Arc;

use bytes::Bytes;
use mail::{Enhanced, Instant, Refusal};
use wire::sasl::{Exchange, Verdict};
use wire::{Line, LineBuffer, Security, Step, Upgrade, Witness};

use self::body::{Body, Chunk};
use crate::diagram::{Class, Phase, Verb};
use crate::policy::Service;
use crate::reply::{fitting, listed};
use crate::{Answer, Ask, Policy, Reply};

/// Replies gathered before they are written, however many commands wait.
const OUTPUT_OCTETS_MAX: usize = 16 * 1024;

/// The server's end of a conversation.
#[derive(Debug)]
pub struct Session {
    policy: Arc<Policy>,
    state: State,
    input: LineBuffer,
    witness: Witness,
    output: Vec<u8>,
    peer: Peer,
    body: Box<Body>,
    /// Octets of BDAT that are still to be read.
    chunk: Option<Chunk>,
    exchange: Option<Box<Exchange>>,
    ask: Option<Ask>,
    awaiting: Option<Awaiting>,
    /// True while the house has a transaction of ours.
    open: bool,
    upgrade: bool,
    ended: bool,
    tripped: bool,
    faults: u32,
    /// Recipients refused for good since a message was taken.
    refused: u32,
    /// ETRN commands that were put to the house.
    flushes: u32,
    now: Instant,
    /// When the peer's turn began; `None` until the time is told after our own turn.
    heard: Option<Instant>,
    /// When the body began that is being read.
    body_began: Option<Instant>,
}

/// Where we stand, and what is known there.
#[derive(Clone, Copy, Debug)]
enum State {
    Greeting,
    Declined,
    Hello,
    Ready,
    Auth,
    Mail(Envelope),
    Rcpt(Envelope),
    Data(Envelope),
    Chunks(Envelope),
    Closed,
}

/// What this side has to know of the transaction; the house has the rest.
#[derive(Clone, Copy, Debug, Default)]
struct Envelope {
    smtputf8: bool,
    binary: bool,
    /// Accepted ones.
    recipients: u32,
}

/// What we know of the peer; forgotten when TLS begins (RFC 3207 §4.2).
#[derive(Debug, Default)]
struct Peer {
    helo: String,
    /// True if it said EHLO or LHLO.
    extended: bool,
    authenticated: bool,
    security: Option<Security>,
}

/// Which answer we wait for.
#[derive(Debug)]
enum Awaiting {
    Sasl,
    Mail(Envelope),
    Recipient(Envelope),
    Body(Envelope),
    Chunk,
    Accept(Verb),
    Abort(Option<Conclusion>),
    Verify,
    Flush(String),
}

/// How a verb is answered, once the house has forgotten the transaction it ends.
#[derive(Debug)]
struct Conclusion {
    verb: Verb,
    replies: Vec<Reply>,
    next: State,
}

impl State {
    const fn phase(self) -> Phase {
        match self {
            Self::Greeting => Phase::Greeting,
            Self::Declined => Phase::Declined,
            Self::Hello => Phase::Hello,
            Self::Ready => Phase::Ready,
            Self::Auth => Phase::Auth,
            Self::Mail(_) => Phase::Mail,
            Self::Rcpt(_) => Phase::Rcpt,
            Self::Data(_) => Phase::Data,
            Self::Chunks(_) => Phase::Chunks,
            Self::Closed => Phase::Closed,
        }
    }

    const fn envelope(self) -> Option<Envelope> {
        match self {
            Self::Mail(envelope)
            | Self::Rcpt(envelope)
            | Self::Data(envelope)
            | Self::Chunks(envelope) => Some(envelope),
            _ => None,
        }
    }
}

impl Session {
    /// A conversation with a peer that has just connected.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            state: State::Greeting,
            input: LineBuffer::default(),
            witness: Witness::default(),
            output: Vec::new(),
            peer: Peer::default(),
            body: Box::default(),
            chunk: None,
            exchange: None,
            ask: None,
            awaiting: None,
            open: false,
            upgrade: false,
            ended: false,
            tripped: false,
            faults: 0,
            refused: 0,
            flushes: 0,
            now: Instant::default(),
            heard: None,
            body_began: None,
        }
    }

    /// Where the conversation stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// True if the session was about to break its own drawing: a fault of ours.
    #[must_use]
    pub const fn tripped(&self) -> bool {
        self.tripped
    }

    /// The only writer of `state`: sends the replies (LMTP has several) and goes to `next`, if the
    /// drawing has that arrow and the table those codes; otherwise it gives up with 421.
    fn enter(&mut self, verb: Verb, replies: &[Reply], next: State) {
        let lawful = replies.iter().all(|reply| {
            let arrow = self.state.phase().after(verb, Class::of(reply.code));
            arrow == Some(next.phase()) && listed(verb).contains(&reply.code.value())
        });
        if lawful && !replies.is_empty() {
            for reply in replies {
                reply.write(&mut self.output);
            }
            self.state = next;
        } else {
            self.tripped = true;
            reply(421, (4, 3, 0), "Something is wrong here").write(&mut self.output);
            self.state = State::Closed;
        }
    }

    /// Answers `verb` and goes to `next`; where that ends a transaction, the house hears it first.
    fn conclude(&mut self, verb: Verb, replies: Vec<Reply>, next: State) {
        if self.open && next.envelope().is_none() {
            self.open = false;
            let conclusion = Conclusion {
                verb,
                replies,
                next,
            };
            self.put(Ask::Abort, Awaiting::Abort(Some(conclusion)));
        } else {
            self.enter(verb, &replies, next);
        }
    }

    /// Answers `verb` with `reply` and goes where the drawing says.
    fn reply(&mut self, verb: Verb, reply: Reply) {
        let next = self.landing(verb, &reply);
        self.conclude(verb, vec![reply], next);
    }

    /// Says no, and counts what looks like a broken or hostile program.
    fn refuse(&mut self, verb: Verb, reply: Reply) {
        if verb == Verb::Response {
            self.exchange = None;
        }
        let fault = matches!(reply.code.value(), 500..=504 | 535);
        self.faults += u32::from(fault);
        if self.faults >= self.policy.faults_max.max(1) {
            self.faults = 0;
            self.conclude(verb, vec![too_many_faults()], State::Closed);
        } else {
            self.reply(verb, reply);
        }
    }

    /// Says no in the house's words, with a code the verb may have.
    fn refuse_with(&mut self, verb: Verb, refusal: &Refusal) {
        self.refuse(verb, fitted(verb, refusal));
    }

    /// The state a reply leads to where the drawing leaves no choice but to stay or to let go.
    fn landing(&self, verb: Verb, reply: &Reply) -> State {
        let here = self.state.phase();
        match here.after(verb, Class::of(reply.code)) {
            Some(Phase::Closed) => State::Closed,
            Some(Phase::Declined) => State::Declined,
            Some(Phase::Hello) => State::Hello,
            Some(Phase::Ready) => State::Ready,
            _ => self.state,
        }
    }

    fn put(&mut self, ask: Ask, awaiting: Awaiting) {
        self.ask = Some(ask);
        self.awaiting = Some(awaiting);
    }

    fn greet(&mut self) {
        let policy = Arc::clone(&self.policy);
        let greeting = match &policy.refusal {
            None => {
                let protocol = match policy.service {
                    Service::Lmtp => "LMTP",
                    Service::Relay | Service::Submission => "ESMTP",
                };
                let text = format!("{} {protocol} {}", policy.host, policy.banner);
                Reply::new(220, None, text.trim_end())
            }
            Some(refusal) => {
                let code = fitting(Verb::Connect, refusal.code);
                Reply::new(code, None, format!("{} {}", policy.host, refusal.text))
            }
        };
        self.reply(Verb::Connect, greeting);
    }

    /// Works on what has arrived; false if more is needed.
    fn advance(&mut self) -> bool {
        if matches!(self.state, State::Data(_)) {
            return self.read_data();
        }
        if self.chunk.is_some() {
            return self.read_chunk();
        }
        let octets_max = if matches!(self.state, State::Auth) || self.begins_auth() {
            self.policy.auth_octets_max
        } else {
            self.policy.command_octets_max
        };
        let line = self.input.line(octets_max);
        self.note(&line, octets_max);
        let verb = match self.state {
            State::Auth => Verb::Response,
            _ => Verb::Unknown,
        };
        match line {
            Line::Incomplete => return false,
            // RFC 5321 §4.5.3.1.4
            Line::TooLong => {
                self.refuse(verb, reply(500, (5, 5, 6), "Line too long"));
            }
            // RFC 5321 §2.3.8
            Line::BareLf(_) => self.break_off(verb),
            Line::Whole(line) if line.contains(&b'\r') => {
                self.refuse(verb, reply(500, (5, 5, 2), BARE));
            }
            Line::Whole(line) if verb == Verb::Response => self.response(&line),
            Line::Whole(line) => self.command(&line),
        }
        true
    }

    /// To whoever let an LF through, what stands behind it was no line of its own: it is not read.
    fn break_off(&mut self, verb: Verb) {
        self.exchange = None;
        self.conclude(verb, vec![reply(421, (4, 5, 2), BARE)], State::Closed);
    }

    fn begins_auth(&self) -> bool {
        let front = self.input.peek().get(..5).unwrap_or_default();
        front.eq_ignore_ascii_case(b"AUTH ")
    }

    /// The peer has ended its side; no word of ours would be read.
    fn hang_up(&mut self) {
        self.ended = true;
        if self.open {
            self.open = false;
            self.put(Ask::Abort, Awaiting::Abort(None));
        }
    }

    /// True while octets of a body are read, not commands.
    const fn reads_body(&self) -> bool {
        matches!(self.state, State::Data(_)) || self.chunk.is_some()
    }

    /// When the peer, whose turn began then, has been waited for long enough.
    fn enough(&self, heard: Instant) -> Instant {
        let turn = heard.after(self.patience());
        match self.body_began {
            Some(began) => turn.min(began.after(self.policy.body_timeout)),
            None => turn,
        }
    }

    fn patience(&self) -> std::time::Duration {
        if self.reads_body() {
            self.policy.data_timeout
        } else {
            self.policy.command_timeout
        }
    }
}

impl wire::Session for Session {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, bytes: &[u8]) {
        if self.awaiting.is_some() || matches!(self.state, State::Closed) {
            return;
        }
        self.heard = Some(self.now);
        if bytes.is_empty() {
            self.hang_up();
        } else {
            self.input.extend(bytes);
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.heard = None;
        match (self.awaiting.take(), answer) {
            (Some(Awaiting::Sasl), Answer::Sasl(verdict)) => self.judged(verdict),
            (Some(Awaiting::Sasl), Answer::Refused(refusal)) => {
                self.judged(Verdict::Refused(refusal));
            }
            (Some(Awaiting::Mail(envelope)), answer) => self.mail_answered(envelope, answer),
            (Some(Awaiting::Recipient(envelope)), answer) => {
                self.recipient_answered(envelope, answer);
            }
            (Some(Awaiting::Body(envelope)), answer) => self.body_answered(envelope, answer),
            (Some(Awaiting::Chunk), Answer::Refused(refusal)) => self.body.refuse(refusal),
            (Some(Awaiting::Chunk), _) => {}
            (Some(Awaiting::Accept(verb)), answer) => self.accept_answered(verb, answer),
            (Some(Awaiting::Abort(Some(conclusion))), _) => {
                self.enter(conclusion.verb, &conclusion.replies, conclusion.next);
            }
            (Some(Awaiting::Abort(None)) | None, _) => {}
            (Some(Awaiting::Verify), answer) => self.verify_answered(answer),
            (Some(Awaiting::Flush(host)), answer) => self.flush_answered(&host, answer),
            (Some(Awaiting::Sasl), _) => self.judged(Verdict::Refused(unanswered())),
        }
    }

    fn elapse(&mut self, now: Instant) {
        self.now = now;
        if !self.reads_body() {
            self.body_began = None;
        } else if self.body_began.is_none() {
            self.body_began = Some(now);
        }
        let heard = *self.heard.get_or_insert(now);
        let resting = self.awaiting.is_none() && !matches!(self.state, State::Closed);
        if resting && !self.ended && now >= self.enough(heard) {
            // RFC 5321 §4.5.3.2.7
            let farewell = reply(421, (4, 4, 2), "Silent for too long");
            self.conclude(Verb::Silence, vec![farewell], State::Closed);
        }
    }

    fn dismiss(&mut self) {
        let text = "Your account or its password has changed";
        let farewell = reply(421, (4, 7, 0), text);
        // Nothing the peer said led here: for the drawing that is silence.
        self.conclude(Verb::Silence, vec![farewell], State::Closed);
    }

    fn deadline(&self) -> Option<Instant> {
        match (self.state, self.heard) {
            (State::Closed, _) => None,
            (_, None) => Some(self.now),
            (_, Some(heard)) => Some(self.enough(heard)),
        }
    }

    fn secured(&mut self, security: Security) {
        self.peer = Peer {
            security: Some(security),
            ..Peer::default()
        };
    }

    fn witness(&mut self) -> Option<&mut Witness> {
        Some(&mut self.witness)
    }

    fn whereabouts(&self) -> &'static str {
        self.phase().name()
    }

    fn step(&mut self) -> Step<Ask> {
        loop {
            if let Some(ask) = self.ask.take() {
                return Step::Ask(ask);
            }
            if self.awaiting.is_some() {
                return Step::Read;
            }
            let over = matches!(self.state, State::Closed) || self.ended;
            // Whoever looks on sees each reply behind its command.
            let gathered_max = match self.witness.is_on() {
                true => 1,
                false => OUTPUT_OCTETS_MAX,
            };
            let rests = over || self.upgrade || self.output.len() >= gathered_max;
            if !rests && matches!(self.state, State::Greeting) {
                self.greet();
                continue;
            }
            if !rests && self.advance() {
                continue;
            }
            if !self.output.is_empty() {
                return Step::Write(Bytes::from(std::mem::take(&mut self.output)));
            }
            if over {
                self.input.clear();
                return Step::Close;
            }
            if self.upgrade {
                self.upgrade = false;
                // RFC 3207 §4.2
                self.input.clear();
                return Step::Upgrade(Upgrade::Tls);
            }
            return Step::Read;
        }
    }
}

/// A reply with its enhanced code.
fn reply(code: u16, (class, subject, detail): (u8, u16, u16), text: impl Into<String>) -> Reply {
    Reply::new(code, Some(Enhanced::new(class, subject, detail)), text)
}

/// A refusal as a reply to `verb`, with a code that verb may have.
fn fitted(verb: Verb, refusal: &Refusal) -> Reply {
    let code = fitting(verb, refusal.code);
    let mut enhanced = refusal.enhanced;
    enhanced.class = u8::try_from(code / 100).unwrap_or(5);
    Reply {
        lines: refusal.lines(),
        ..Reply::new(code, Some(enhanced), "")
    }
}

/// What is told of a CR or an LF alone (RFC 5321 §2.3.8).
const BARE: &str = "Lines end in CRLF; CR and LF stand nowhere else";

fn too_many_faults() -> Reply {
    reply(421, (4, 7, 0), "Too many errors")
}

/// What the peer hears when the house answered something else than was asked.
fn unanswered() -> Refusal {
    Refusal::new(451, Enhanced::new(4, 3, 0), "Try again later")
}
