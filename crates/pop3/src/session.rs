//! The server's end.
//!
//! One command is answered whole before the next is looked at, so a pipelining peer costs no more
//! memory than any other; messages and listings leave piece by piece.

use bytes::{BufMut as _, BytesMut};
use mail::Instant;
use wire::sasl::{Exchange, Mechanism, Verdict};
use wire::witness::Heard;
use wire::{Line, LineBuffer, Security, Step, Upgrade, Witness};

use crate::command::{Command, Fault};
use crate::diagram::{Class, Phase, Verb};
use crate::response::{Code, Response};
use crate::stuffing::Stuffing;
use crate::{Answer, Ask, Maildrop, Piece, Policy};

mod listing;
mod login;
mod shown;

use listing::Listing;

/// A conversation with one client.
#[derive(Debug)]
pub struct Session {
    policy: Policy,
    state: State,
    /// What is being answered.
    verb: Verb,
    work: Work,
    input: LineBuffer,
    witness: Witness,
    output: BytesMut,
    security: Option<Security>,
    utf8: bool,
    faults: u32,
    now: Instant,
    /// Since when the peer is silent, where that is known.
    silent_since: Option<Instant>,
}

/// Where the conversation stands, with what is known there.
#[derive(Debug)]
enum State {
    Authorization {
        user: Option<String>,
    },
    /// The exchange itself is away while the house is asked.
    Exchange(Option<Box<Exchange>>),
    Transaction(Maildrop),
    Update,
    Closed,
}

/// What the session is about.
#[derive(Debug)]
enum Work {
    /// The next command.
    Command,
    /// An ask that is to be put, and what its answer is for.
    Ask(Ask, Purpose),
    /// An answer that is awaited.
    Wait(Purpose),
    /// A listing that is being written.
    List(Listing),
    /// TLS, now.
    Upgrade,
    /// The end.
    Close,
}

/// What an answer is for.
#[derive(Debug)]
enum Purpose {
    Password,
    Exchange(Box<Exchange>),
    Open,
    /// The message at a place, and so many lines of its body.
    First(usize, Option<u32>),
    More(Stuffing),
    Update,
}

impl State {
    const fn phase(&self) -> Phase {
        match self {
            Self::Authorization { .. } => Phase::Authorization,
            Self::Exchange(_) => Phase::Exchange,
            Self::Transaction(_) => Phase::Transaction,
            Self::Update => Phase::Update,
            Self::Closed => Phase::Closed,
        }
    }
}

impl Session {
    /// Begins a conversation with the greeting.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let mut session = Self {
            state: State::Authorization { user: None },
            verb: Verb::Unknown,
            work: Work::Command,
            input: LineBuffer::default(),
            witness: Witness::default(),
            output: BytesMut::new(),
            security: None,
            utf8: false,
            faults: 0,
            now: Instant::default(),
            silent_since: None,
            policy,
        };
        let greeting = format!("{} POP3 ready", session.policy.host);
        session.say(&Response::ok(greeting));
        session
    }

    /// Answers `verb` and goes where the answer leads.
    fn enter(&mut self, next: State, response: &Response) {
        if self.follow(next, response.class()) {
            self.say(response);
        }
    }

    /// The only writer of `state`: goes along an arrow of the drawing, and nowhere else.
    fn follow(&mut self, next: State, class: Class) -> bool {
        let drawn = self.state.phase().after(self.verb, class) == Some(next.phase());
        if drawn {
            self.state = next;
        } else {
            self.say(&Response::because(Code::SysTemp, "Internal error"));
            self.work = Work::Close;
        }
        drawn
    }

    /// Answers `-ERR` to what the peer should not have said. An exchange is over with it.
    fn refuse(&mut self, response: &Response) {
        self.work = Work::Command;
        match self.state {
            State::Exchange(_) => self.enter(State::Authorization { user: None }, response),
            _ => self.say(response),
        }
        self.faults += 1;
        if self.faults >= self.policy.faults_max {
            self.work = Work::Close;
        }
    }

    fn say(&mut self, response: &Response) {
        self.output.put_slice(response.to_string().as_bytes());
        self.output.put_slice(b"\r\n");
    }

    /// Takes the next line, if it has arrived; false if it has not.
    fn next_line(&mut self) -> bool {
        let in_exchange = matches!(self.state, State::Exchange(_));
        let octets_max = if in_exchange || self.input.peek().get(..5).is_some_and(is_auth) {
            self.policy.auth_octets_max
        } else {
            self.policy.command_octets_max
        };
        let line = self.input.line(octets_max);
        self.note(&line, octets_max);
        match line {
            Line::Incomplete => return false,
            Line::TooLong if in_exchange => self.respond(None),
            Line::TooLong => {
                self.verb = Verb::Unknown;
                self.refuse(&Response::err("Line too long"));
            }
            Line::Whole(line) | Line::BareLf(line) if in_exchange => self.respond(Some(&line)),
            Line::Whole(line) | Line::BareLf(line) => match Command::parse(&line) {
                Ok(command) => self.command(command),
                Err(fault) => self.misunderstand(fault),
            },
        }
        true
    }

    fn misunderstand(&mut self, fault: Fault) {
        self.verb = fault.verb;
        // RFC 1939 §3
        let response = match fault.expected {
            "" => Response::err("Unknown command"),
            expected => Response::err(format!("Expected: {expected}")),
        };
        self.refuse(&response);
    }

    fn command(&mut self, command: Command) {
        self.verb = command.verb();
        // RFC 1939 §3
        if !self.state.phase().admits(self.verb) {
            return self.refuse(&Response::err("Not now"));
        }
        match command {
            Command::Capa => {
                self.work = Work::List(Listing::lines(self.capabilities()));
                self.say(&Response::ok("Capabilities follow"));
            }
            Command::Lang(range) => self.language(range.as_deref()),
            Command::User(name) => self.user(name),
            Command::Pass(password) => self.pass(password),
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial.as_deref()),
            Command::Stls => self.stls(),
            Command::Utf8 => {
                self.utf8 = true;
                self.say(&Response::ok("UTF8 enabled"));
            }
            Command::Quit => self.quit(),
            Command::Noop => self.say(&Response::ok("")),
            Command::Stat
            | Command::List(_)
            | Command::Uidl(_)
            | Command::Retr(_)
            | Command::Top(..)
            | Command::Dele(_)
            | Command::Rset => self.transact(&command),
        }
    }

    /// What the maildrop answers.
    fn transact(&mut self, command: &Command) {
        let State::Transaction(maildrop) = &mut self.state else {
            return self.refuse(&Response::err("Not now"));
        };
        let place = match command {
            Command::List(Some(number))
            | Command::Uidl(Some(number))
            | Command::Retr(number)
            | Command::Top(number, _)
            | Command::Dele(number) => match maildrop.find(*number) {
                // RFC 1939 §5
                None => return self.say(&Response::err("No such message")),
                Some(place) => place,
            },
            _ => 0,
        };
        let octets = maildrop.octets(place).unwrap_or_default();
        let (count, total) = maildrop.total();
        let response = match command {
            Command::Stat => Response::ok(format!("{count} {total}")),
            Command::List(Some(number)) => Response::ok(format!("{number} {octets}")),
            Command::Uidl(Some(number)) => {
                Response::ok(format!("{number} {}", maildrop.name(place)))
            }
            Command::Dele(number) => {
                maildrop.delete(place);
                Response::ok(format!("Message {number} deleted"))
            }
            Command::Rset => {
                maildrop.reset();
                let (count, total) = maildrop.total();
                Response::ok(format!("{count} messages ({total} octets)"))
            }
            Command::Retr(_) => return self.ask(Ask::Retrieve(place), Purpose::First(place, None)),
            Command::Top(_, lines) => {
                return self.ask(Ask::Retrieve(place), Purpose::First(place, Some(*lines)));
            }
            Command::Uidl(_) => {
                self.work = Work::List(Listing::names());
                Response::ok("")
            }
            _ => {
                self.work = Work::List(Listing::sizes());
                Response::ok(format!("{count} messages ({total} octets)"))
            }
        };
        self.say(&response);
    }

    fn ask(&mut self, ask: Ask, purpose: Purpose) {
        self.work = Work::Ask(ask, purpose);
    }

    fn quit(&mut self) {
        let State::Transaction(maildrop) = &self.state else {
            self.work = Work::Close;
            return self.enter(State::Closed, &Response::ok("Goodbye"));
        };
        let deleted = maildrop.deleted();
        if self.follow(State::Update, Class::Work) {
            // RFC 1939 §6
            self.ask(Ask::Update(deleted), Purpose::Update);
        }
    }
}

/// Who are you: everything before the maildrop is open.
impl Session {
    fn capabilities(&self) -> Vec<String> {
        let mut lines: Vec<String> = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"]
            .map(str::to_owned)
            .to_vec();
        lines.push("EXPIRE NEVER".to_owned());
        if self.passwords_allowed() {
            lines.push("USER".to_owned());
        }
        let names: Vec<&str> = self.mechanisms().map(Mechanism::name).collect();
        // RFC 2449 §6.3
        if !names.is_empty() {
            lines.push(format!("SASL {}", names.join(" ")));
        }
        if self.stls_refusal().is_none() {
            lines.push("STLS".to_owned());
        }
        lines.extend(["UTF8 USER", "LANG", "IMPLEMENTATION Caramel"].map(str::to_owned));
        lines
    }

    /// We speak English; who asks for that, or leaves it to us, is served.
    fn language(&mut self, range: Option<&str>) {
        match range {
            None => {
                self.work = Work::List(Listing::lines(vec!["en English".to_owned()]));
                self.say(&Response::ok("Languages follow"));
            }
            // RFC 6856 §3.2
            Some(range) if range == "*" || range.eq_ignore_ascii_case("en") => {
                self.say(&Response::ok("en Language is English"));
            }
            Some(_) => self.refuse(&Response::err("Only en is spoken here")),
        }
    }

    /// Why STLS is not possible now.
    const fn stls_refusal(&self) -> Option<&'static str> {
        match &self.state {
            _ if self.security.is_some() => Some("Already encrypted"),
            _ if !self.policy.tls_offered => Some("No TLS here"),
            // RFC 6856 §2.1
            _ if self.utf8 => Some("Too late: STLS comes before UTF8"),
            State::Authorization { .. } => None,
            _ => Some("Not now"),
        }
    }

    fn stls(&mut self) {
        if let Some(why) = self.stls_refusal() {
            return self.refuse(&Response::err(why));
        }
        // RFC 2595 §4
        self.enter(
            State::Authorization { user: None },
            &Response::ok("Begin TLS"),
        );
        // RFC 2595 §2.2
        self.input.clear();
        self.work = Work::Upgrade;
    }

    fn verdict(&mut self, purpose: Purpose, verdict: Verdict) {
        match (purpose, verdict) {
            (Purpose::Exchange(mut exchange), verdict) => {
                let next = exchange.answer(verdict);
                self.proceed(exchange, next);
            }
            (_, Verdict::Accepted) => self.ask(Ask::Open, Purpose::Open),
            (_, Verdict::Refused(refusal)) => self.refuse(&Response::refused(&refusal)),
            (_, Verdict::Keys(_) | Verdict::TokenRefused(..)) => self.fail(),
        }
    }

    fn opened(&mut self, maildrop: Maildrop) {
        let (count, octets) = maildrop.total();
        let text = format!("{count} messages ({octets} octets)");
        self.faults = 0;
        self.enter(State::Transaction(maildrop), &Response::ok(text));
    }
}

/// What the house answers.
impl Session {
    fn piece(&mut self, purpose: Purpose, piece: &Piece) {
        let mut stuffing = match purpose {
            Purpose::First(place, lines) => {
                self.witness.note(|| Heard::Message);
                let text = match (&self.state, lines) {
                    (State::Transaction(maildrop), None) => {
                        format!("{} octets", maildrop.octets(place).unwrap_or_default())
                    }
                    _ => String::new(),
                };
                self.say(&Response::ok(text));
                Stuffing::begin(lines)
            }
            Purpose::More(stuffing) => stuffing,
            _ => return self.fail(),
        };
        let full = stuffing.push(&piece.bytes, &mut self.output);
        if piece.more && !full {
            return self.ask(Ask::More, Purpose::More(stuffing));
        }
        stuffing.end(&mut self.output);
        self.unhurried();
    }

    fn updated(&mut self, response: &Response) {
        self.work = Work::Close;
        self.enter(State::Closed, response);
    }

    /// A long answer may have kept the peer busy: its silence begins when we look again.
    fn unhurried(&mut self) {
        self.work = Work::Command;
        self.silent_since = None;
    }

    /// The house answers another question than the one it was asked, or fails half way.
    fn fail(&mut self) {
        self.work = Work::Close;
    }

    fn refused(&mut self, purpose: &Purpose, response: &Response) {
        match purpose {
            // The peer has half a message: only the end of the connection tells it so.
            Purpose::More(_) => self.fail(),
            // RFC 1939 §6
            Purpose::Update => self.updated(response),
            Purpose::First(..) => self.say(response),
            Purpose::Open | Purpose::Password | Purpose::Exchange(_) => self.refuse(response),
        }
    }
}

impl wire::Session for Session {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, bytes: &[u8]) {
        self.silent_since = Some(self.now);
        if bytes.is_empty() {
            // RFC 1939 §6
            self.work = Work::Close;
        }
        self.input.extend(bytes);
    }

    fn answer(&mut self, answer: Answer) {
        let Work::Wait(purpose) = std::mem::replace(&mut self.work, Work::Command) else {
            return self.fail();
        };
        match (purpose, answer) {
            (purpose @ (Purpose::Password | Purpose::Exchange(_)), Answer::Sasl(verdict)) => {
                self.verdict(purpose, verdict);
            }
            (Purpose::Open, Answer::Opened(maildrop)) => self.opened(maildrop),
            (Purpose::Open, Answer::InUse) => {
                // RFC 2449 §8.1.2
                let text = "Another connection has the maildrop";
                self.refuse(&Response::because(Code::InUse, text));
            }
            (purpose, Answer::Piece(piece)) => self.piece(purpose, &piece),
            (Purpose::Update, Answer::Updated) => self.updated(&Response::ok("Goodbye")),
            (purpose, Answer::Refused(refusal)) => {
                self.refused(&purpose, &Response::refused(&refusal));
            }
            (_, Answer::Sasl(_) | Answer::Opened(_) | Answer::InUse | Answer::Updated) => {
                self.fail();
            }
        }
    }

    fn dismiss(&mut self) {
        let why = Response::because(Code::Auth, "Your account or its password has changed");
        self.say(&why);
        self.work = Work::Close;
    }

    fn elapse(&mut self, now: Instant) {
        self.now = now;
        let since = *self.silent_since.get_or_insert(now);
        // RFC 1939 §3
        if now.since(since) >= self.policy.silence_max && matches!(self.work, Work::Command) {
            self.work = Work::Close;
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let since = self.silent_since.unwrap_or(self.now);
        Some(since.after(self.policy.silence_max))
    }

    fn secured(&mut self, security: Security) {
        self.security = Some(security);
    }

    fn witness(&mut self) -> Option<&mut Witness> {
        Some(&mut self.witness)
    }

    fn whereabouts(&self) -> &'static str {
        self.state.phase().name()
    }

    fn step(&mut self) -> Step<Ask> {
        loop {
            if !self.output.is_empty() {
                // Taken whole, so that an idle session keeps nothing.
                return Step::Write(std::mem::take(&mut self.output).freeze());
            }
            match std::mem::replace(&mut self.work, Work::Command) {
                Work::Command => {
                    if !self.next_line() {
                        return Step::Read;
                    }
                }
                Work::Ask(ask, purpose) => {
                    self.work = Work::Wait(purpose);
                    return Step::Ask(ask);
                }
                Work::Wait(purpose) => {
                    self.work = Work::Wait(purpose);
                    return Step::Read;
                }
                Work::List(listing) => self.list(listing),
                Work::Upgrade => return Step::Upgrade(Upgrade::Tls),
                Work::Close => {
                    self.work = Work::Close;
                    return Step::Close;
                }
            }
        }
    }
}

fn is_auth(start: &[u8]) -> bool {
    start.eq_ignore_ascii_case(b"AUTH ")
}
