//! The server's end.
//!
//! One command is answered whole before the next is looked at, so a pipelining peer costs no more
//! memory than any other.

use bytes::{Bytes, BytesMut};
use mail::Instant;
use wire::sasl::{Exchange, Mechanism};
use wire::{Security, Step, Upgrade, Witness};

use crate::ask::{Answer, Ask, Cause, Listed};
use crate::command::{Command, Fault};
use crate::diagram::{Class, Phase, Verb};
use crate::frame::{Frame, Framed, Frames};
use crate::policy::Policy;
use crate::response::{Code, Data, Response, Status};
use crate::text::Writer;

mod login;
mod shown;

/// A conversation with one client.
#[derive(Debug)]
pub struct Session {
    policy: Policy,
    state: State,
    /// What is being answered.
    verb: Verb,
    work: Work,
    input: Frames,
    witness: Witness,
    output: BytesMut,
    security: Option<Security>,
    faults: u32,
    now: Instant,
    /// Since when the peer is silent, where that is known.
    silent_since: Option<Instant>,
}

/// Where the conversation stands, with what is known there.
#[derive(Debug)]
enum State {
    NonAuthenticated,
    /// The exchange itself is away while the house is asked.
    Exchange(Option<Box<Exchange>>),
    Authenticated {
        owner: String,
    },
    Closed,
}

/// What the session is about.
#[derive(Debug)]
enum Work {
    /// What can be done here: at the beginning, and when there is TLS.
    Greet,
    /// The next command.
    Command,
    /// An ask that is to be put, and what its answer is for.
    Ask(Ask, Purpose),
    /// An answer that is awaited.
    Wait(Purpose),
    /// TLS, now.
    Upgrade,
    /// The end.
    Close,
}

/// What an answer is for.
#[derive(Debug)]
enum Purpose {
    Exchange(Box<Exchange>),
    Open,
    /// A command about scripts.
    Scripts,
    Leave,
}

impl State {
    const fn phase(&self) -> Phase {
        match self {
            Self::NonAuthenticated => Phase::NonAuthenticated,
            Self::Exchange(_) => Phase::Exchange,
            Self::Authenticated { .. } => Phase::Authenticated,
            Self::Closed => Phase::Closed,
        }
    }
}

impl Session {
    /// Begins a conversation; what can be done here is its greeting.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            state: State::NonAuthenticated,
            verb: Verb::Unknown,
            work: Work::Greet,
            input: Frames::new(Writer::Client),
            witness: Witness::default(),
            output: BytesMut::new(),
            security: None,
            faults: 0,
            now: Instant::default(),
            silent_since: None,
            policy,
        }
    }

    /// Answers `verb` and goes where the answer leads.
    fn enter(&mut self, next: State, response: &Response) {
        if self.follow(next, response.class()) {
            response.write(&mut self.output);
        }
    }

    /// The only writer of `state`: goes along an arrow of the drawing, and nowhere else.
    fn follow(&mut self, next: State, class: Class) -> bool {
        let drawn = self.state.phase().after(self.verb, class) == Some(next.phase());
        if drawn {
            self.state = next;
        } else {
            let fault = Response::bye("Internal error").because(Code::TryLater);
            fault.write(&mut self.output);
            self.work = Work::Close;
        }
        drawn
    }

    /// Answers where the state stays as it is.
    fn say(&mut self, response: &Response) {
        response.write(&mut self.output);
    }

    /// Says good-bye, whatever the peer is about.
    fn part(&mut self, response: &Response) {
        self.work = Work::Close;
        self.enter(State::Closed, response);
    }

    /// Answers what the peer should not have said. An exchange is over with it, and so is the
    /// connection where it happens too often.
    fn refuse(&mut self, mut response: Response) {
        self.work = Work::Command;
        self.faults += 1;
        if self.faults >= self.policy.faults_max {
            // RFC 5804 §1.2
            response.status = Status::Bye;
            return self.part(&response);
        }
        match self.state {
            State::Exchange(_) => self.enter(State::NonAuthenticated, &response),
            _ => self.say(&response),
        }
    }

    /// The house answers another question than the one it was asked, or fails.
    fn fail(&mut self) {
        self.part(&Response::bye("Internal error").because(Code::TryLater));
    }

    /// Takes the next command, if it has arrived; false if it has not.
    fn next_frame(&mut self) -> bool {
        let script = match self.state {
            State::Authenticated { .. } => self.policy.script_octets_max,
            _ => 0,
        };
        let framed = self.input.next(self.policy.command_octets_max + script);
        self.note(&framed);
        let in_exchange = matches!(self.state, State::Exchange(_));
        match framed {
            Framed::Incomplete => return false,
            Framed::TooLarge(..) if in_exchange => self.respond(None),
            Framed::TooLarge(beginning, _) => self.too_large(&beginning),
            Framed::Whole(frame) if in_exchange => self.respond(Some(&frame.octets)),
            Framed::Whole(Frame { octets, .. }) => match Command::parse(&octets) {
                Ok(command) => self.command(command),
                Err(fault) => self.misunderstand(fault),
            },
        }
        true
    }

    fn too_large(&mut self, beginning: &[u8]) {
        let word = beginning.split(|octet| *octet == b' ').next();
        let word = std::str::from_utf8(word.unwrap_or_default()).ok();
        let verb = word.and_then(Verb::parse).filter(|verb| verb.is_command());
        self.verb = verb.unwrap_or(Verb::Unknown);
        let phase = self.state.phase();
        let no = match self.verb {
            Verb::PutScript if phase.admits(self.verb) => {
                let text = format!(
                    "The script is larger than {} octets",
                    self.policy.script_octets_max
                );
                return self.say(&Response::no(text).because(Code::QuotaMaxSize));
            }
            Verb::CheckScript if phase.admits(self.verb) => {
                let max = self.policy.script_octets_max;
                return self.say(&Response::no(format!(
                    "The script is larger than {max} octets"
                )));
            }
            verb if phase.admits(verb) || verb == Verb::Unknown => Response::no("Line too long"),
            _ => not_now(phase),
        };
        self.refuse(no);
    }

    fn misunderstand(&mut self, fault: Fault) {
        self.verb = fault.verb;
        let phase = self.state.phase();
        let response = match fault.expected {
            "" => Response::no("Unknown command"),
            _ if !phase.admits(self.verb) => not_now(phase),
            expected => Response::no(format!("Expected: {expected}")),
        };
        self.refuse(response);
    }

    fn command(&mut self, command: Command) {
        self.verb = command.verb();
        let phase = self.state.phase();
        // RFC 5804 §2
        if !phase.admits(self.verb) {
            return self.refuse(not_now(phase));
        }
        let ask = match command {
            Command::Authenticate { mechanism, initial } => {
                return self.authenticate(&mechanism, initial.as_deref());
            }
            Command::StartTls => return self.start_tls(),
            Command::Logout => return self.part(&Response::ok("Goodbye")),
            Command::Capability => {
                self.capabilities();
                return self.say(&Response::ok(""));
            }
            Command::Noop(None) => return self.say(&Response::ok("Done")),
            Command::Noop(Some(tag)) => {
                return self.say(&Response::ok("Done").because(Code::Tag(tag)));
            }
            Command::Unauthenticate => return self.ask(Ask::Leave, Purpose::Leave),
            Command::HaveSpace(name, octets) => Ask::HaveSpace(name, octets.into()),
            // RFC 5804 §2.6
            Command::PutScript(_, script) | Command::CheckScript(script) if script.is_empty() => {
                return self.say(&Response::no("The script is empty"));
            }
            Command::PutScript(name, script) => Ask::Put(name, script),
            Command::ListScripts => Ask::List,
            Command::SetActive(name) => Ask::Activate(name),
            Command::GetScript(name) => Ask::Get(name),
            Command::DeleteScript(name) => Ask::Delete(name),
            Command::RenameScript(name, new) => Ask::Rename(name, new),
            Command::CheckScript(script) => Ask::Check(script),
        };
        self.ask(ask, Purpose::Scripts);
    }

    fn ask(&mut self, ask: Ask, purpose: Purpose) {
        self.work = Work::Ask(ask, purpose);
    }

    fn capabilities(&mut self) {
        let mechanisms: Vec<&str> = self.mechanisms().map(Mechanism::name).collect();
        let redirects = self.policy.redirects_max.map(|count| count.to_string());
        let notify = self.policy.notify_methods.join(" ");
        let lists = self.policy.list_schemes.join(" ");
        let owner = match &self.state {
            State::Authenticated { owner } => Some(owner.clone()),
            _ => None,
        };
        let sieve = self.policy.extensions.join(" ");
        let values = [
            ("IMPLEMENTATION", Some("Caramel".to_owned())),
            ("SIEVE", Some(sieve)),
            ("SASL", Some(mechanisms.join(" "))),
            ("MAXREDIRECTS", redirects),
            ("NOTIFY", Some(notify).filter(|methods| !methods.is_empty())),
            // RFC 6134 §2.8
            (
                "EXTLISTS",
                Some(lists).filter(|schemes| !schemes.is_empty()),
            ),
            ("LANGUAGE", Some("en".to_owned())),
            ("OWNER", owner),
            ("VERSION", Some("1.0".to_owned())),
        ];
        for (name, value) in values {
            if let Some(value) = value {
                Data::capability(name, Some(&value)).write(&mut self.output);
            }
        }
        Data::capability("UNAUTHENTICATE", None).write(&mut self.output);
        // RFC 5804 §2.2
        if self.start_tls_refusal().is_none() {
            Data::capability("STARTTLS", None).write(&mut self.output);
        }
    }

    fn greet(&mut self) {
        self.capabilities();
        let greeting = format!("{} ManageSieve ready", self.policy.host);
        self.say(&Response::ok(greeting));
    }
}

/// What the house answers.
impl Session {
    fn scripts(&mut self, answer: Answer) {
        let response = match answer {
            Answer::Done => Response::ok(""),
            Answer::Warned(text) => Response::ok(text).because(Code::Warnings),
            Answer::Listed(scripts) => {
                self.list(&scripts);
                Response::ok("")
            }
            Answer::Script(text) => {
                Data::write_script(&text, &mut self.output);
                Response::ok("")
            }
            Answer::No(cause, text) => no(cause, text),
            Answer::Refused(refusal) => Response::refused(&refusal),
            Answer::Sasl(_) | Answer::Opened(_) => return self.fail(),
        };
        self.say(&response);
    }

    fn list(&mut self, scripts: &[Listed]) {
        for script in scripts {
            let data = Data {
                is_active: script.is_active,
                ..Data::new(Bytes::copy_from_slice(script.name.as_str().as_bytes()))
            };
            data.write(&mut self.output);
        }
    }

    fn opened(&mut self, owner: String) {
        self.faults = 0;
        self.enter(State::Authenticated { owner }, &Response::ok("Logged in"));
    }
}

impl wire::Session for Session {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, bytes: &[u8]) {
        self.silent_since = Some(self.now);
        if bytes.is_empty() {
            self.work = Work::Close;
        }
        self.input.extend(bytes);
    }

    fn answer(&mut self, answer: Answer) {
        let Work::Wait(purpose) = std::mem::replace(&mut self.work, Work::Command) else {
            return self.fail();
        };
        match (purpose, answer) {
            (Purpose::Exchange(exchange), Answer::Sasl(verdict)) => self.verdict(exchange, verdict),
            (Purpose::Open, Answer::Opened(owner)) => self.opened(owner),
            (Purpose::Exchange(_) | Purpose::Open, Answer::Refused(refusal)) => {
                self.refuse(Response::refused(&refusal));
            }
            (Purpose::Scripts, answer) => self.scripts(answer),
            (Purpose::Leave, Answer::Done) => {
                self.enter(State::NonAuthenticated, &Response::ok(""))
            }
            // It never fails but with the connection.
            // RFC 5804 §2.14.1
            (Purpose::Leave | Purpose::Exchange(_) | Purpose::Open, _) => self.fail(),
        }
    }

    fn dismiss(&mut self) {
        self.verb = Verb::Unknown;
        self.part(&Response::bye("Your account or its password has changed"));
    }

    fn elapse(&mut self, now: Instant) {
        self.now = now;
        let since = *self.silent_since.get_or_insert(now);
        if now.since(since) >= self.silence_max() && matches!(self.work, Work::Command) {
            self.verb = Verb::Unknown;
            self.part(&Response::bye("Silent for too long"));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let since = self.silent_since.unwrap_or(self.now);
        Some(since.after(self.silence_max()))
    }

    fn secured(&mut self, security: Security) {
        self.security = Some(security);
        // RFC 5804 §2.2
        self.work = Work::Greet;
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
                Work::Greet => self.greet(),
                Work::Command => {
                    if !self.next_frame() {
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
                Work::Upgrade => return Step::Upgrade(Upgrade::Tls),
                Work::Close => {
                    self.work = Work::Close;
                    return Step::Close;
                }
            }
        }
    }
}

fn not_now(phase: Phase) -> Response {
    Response::no(match phase {
        Phase::NonAuthenticated => "Log in first",
        _ => "Not now",
    })
}

fn no(cause: Cause, text: String) -> Response {
    let response = Response::no(text);
    match cause {
        Cause::Nonexistent => response.because(Code::Nonexistent),
        Cause::AlreadyExists => response.because(Code::AlreadyExists),
        Cause::Active => response.because(Code::Active),
        Cause::TooMany => response.because(Code::QuotaMaxScripts),
        Cause::TooLarge => response.because(Code::QuotaMaxSize),
        Cause::OverQuota => response.because(Code::Quota),
        Cause::Unavailable => response.because(Code::TryLater),
        Cause::Faulty | Cause::Other => response,
    }
}
