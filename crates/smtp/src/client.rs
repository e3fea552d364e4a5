//! The client's end of a conversation: carries letters to a server and reports their fates.
//!
//! The caller is asked for letters ([`Ask::Letter`]) and, piece by piece, for their bodies; it
//! hears what became of each recipient ([`Ask::Fates`]). What can travel together does (RFC
//! 2920): one cursor counts the commands that were sent, another those that were answered.
//!
//! Instead of letters it may be asked for what the server keeps for us: by ETRN, or by ATRN, after
//! which the ends change places ([`crate::Turn`]).
//!
//! Not here: which host to ask, when to try again (`post`), sockets and TLS (`net`); how bodies are
//! written that the server does not take as they are: the caller is asked for that.
//!
//! RFC 5321 §3.1, §4.2, §4.5.3.2; RFC 1870, 1985, 2033, 2645, 2920, 3030, 3207, 3461, 4954, 6152,
//! 6531, 8689.

mod login;
mod offers;
mod stuffer;
mod transfer;

use std::time::Duration;

use bytes::Bytes;
use mail::{Envelope, Instant};
use wire::{Line, LineBuffer, Security, Session, Step, Upgrade};

use self::login::Talk;
pub use self::login::{Login, Proof};
use self::offers::Offers;
use self::transfer::Transfer;
use crate::command::Command;
use crate::diagram::{Class, Phase, Verb};
use crate::policy::Service;
use crate::reply::{LINE_OCTETS_MAX, Reader};
use crate::{Error, Reply};

/// What the caller wants of a connection.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// What to call ourselves.
    pub host: String,
    /// The protocol.
    pub service: Service,
    /// Whether to begin TLS; where there is TLS from the start it is not begun again.
    pub tls: Tls,
    /// True if the server has to pass on that TLS is wanted on all of a letter's way (RFC 8689).
    pub requiretls: bool,
    /// Whom to log in as.
    pub login: Option<Login>,
    /// How.
    pub proof: Proof,
    /// What makes a SCRAM exchange another one each time: printable ASCII without a comma, fresh.
    /// Without it there is no SCRAM.
    pub nonce: String,
    /// True to send a password in the clear, within this machine.
    pub cleartext_passwords: bool,
    /// True to send bodies by BDAT where it is offered, though DATA would do.
    pub chunking: bool,
    /// How long to wait for the server.
    pub patience: Patience,
}

/// Whether to begin TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    Never,
    /// Where it is offered.
    IfOffered,
    /// Or not at all.
    Required,
}

/// How long to wait for what (RFC 5321 §4.5.3.2).
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the greeting, and for the answer to each command not named here.
    pub command: Duration,
    /// For the answer to DATA.
    pub data: Duration,
    /// For the answer to ATRN: the server goes through its queue first (RFC 2645 §5.2.1).
    pub atrn: Duration,
    /// For the answer to the whole body.
    pub end: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(300),
            data: Duration::from_secs(120),
            atrn: Duration::from_secs(600),
            end: Duration::from_secs(600),
        }
    }
}

impl Wishes {
    /// To carry mail between hosts.
    #[must_use]
    pub fn relay(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            service: Service::Relay,
            tls: Tls::IfOffered,
            requiretls: false,
            login: None,
            proof: Proof::Password,
            nonce: String::new(),
            cleartext_passwords: false,
            chunking: false,
            patience: Patience::default(),
        }
    }

    /// To hand in a person's mail.
    #[must_use]
    pub fn submission(host: impl Into<String>, login: Login) -> Self {
        Self {
            service: Service::Submission,
            tls: Tls::Required,
            login: Some(login),
            ..Self::relay(host)
        }
    }

    /// To deliver to a mail system on the same site.
    #[must_use]
    pub fn lmtp(host: impl Into<String>) -> Self {
        Self {
            service: Service::Lmtp,
            tls: Tls::Never,
            ..Self::relay(host)
        }
    }
}

/// A message to be carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// From whom, to whom.
    pub envelope: Envelope,
    /// Its octets, where they are known.
    pub size: Option<u64>,
}

/// What the client asks its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The server is ready for a letter. Answer [`Answer::Letter`], [`Answer::Flush`],
    /// [`Answer::Turn`] or [`Answer::Quit`].
    Letter,
    /// The next piece of the letter's body, lines ending in CRLF. Answer [`Answer::Piece`]; an
    /// empty one is the end.
    Piece,
    /// The server takes the letter in lines of ASCII only. Answer [`Answer::Letter`] with it in
    /// that form, its envelope and size as they are then, or [`Answer::Unfit`].
    SevenBit,
    /// What became of the letter. Answer [`Answer::Heard`].
    Fates(Fates),
    /// What came of ETRN or ATRN. Answer [`Answer::Heard`]. It is asked for a letter again, unless
    /// the ends have changed places.
    Told(Verb, Reply),
    /// The connection cannot be used (any longer). Answer [`Answer::Heard`].
    Failed(Failure),
}

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fates {
    /// A fate for each recipient, in order.
    pub each: Vec<Fate>,
    /// True if the server was told what is to be reported, and sees to it (RFC 3461 §5.2.1).
    pub passes_reports: bool,
    /// What TLS agreed on; `None` if it went in the clear.
    pub security: Option<Security>,
}

/// What the caller answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Carry this.
    Letter(Box<Letter>),
    /// Send what you keep for this host, over connections of your own (ETRN, RFC 1985).
    Flush(String),
    /// Send what you keep for these domains over this connection; for all that are ours where none
    /// is named (ATRN, RFC 2645).
    Turn(Vec<String>),
    /// That was all.
    Quit,
    /// A piece of the body.
    Piece(Bytes),
    /// The letter has no form in lines of ASCII: the words say why.
    Unfit(String),
    /// The body cannot be read: the letter is given up, and the connection with it.
    Torn,
    /// News was heard.
    Heard,
}

/// What became of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server has taken the message over.
    Taken(Reply),
    /// It said no, for now or for ever as the code tells; or we know that it would.
    Refused(Reply),
    /// The connection broke before the server had answered: try again.
    Unknown,
}

/// Why a connection cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server said so.
    #[error("{verb} was answered {reply}", verb = .0.name(), reply = .1)]
    Refused(Verb, Reply),
    /// It sent something that is no reply.
    #[error("not a reply: {0}")]
    Garbled(Error),
    /// It sent a reply that cannot be one to this verb.
    #[error("{verb} cannot be answered {reply}", verb = .0.name(), reply = .1)]
    Senseless(Verb, Reply),
    /// It closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// It was silent for too long.
    #[error("no answer in time")]
    Silent,
    /// TLS was wished and is not offered.
    #[error("TLS is not offered")]
    NoTls,
    /// REQUIRETLS was wished and is not offered.
    #[error("REQUIRETLS is not offered")]
    NoRequireTls,
    /// No way to log in that we may use is offered.
    #[error("no way to log in is offered")]
    NoLogin,
    /// It let us in and did not prove that it knows us.
    #[error("the server did not prove that it knows the account")]
    Impostor,
    /// ETRN or ATRN was wished and is not offered.
    #[error("{verb} is not offered", verb = .0.name())]
    NotOffered(Verb),
    /// The caller could not read the letter.
    #[error("the letter could not be read")]
    Torn,
}

/// The client's end of a conversation.
#[derive(Debug)]
pub struct Client {
    wishes: Wishes,
    offers: Offers,
    /// What the server said to the last EHLO, line by line.
    hello: Vec<String>,
    phase: Phase,
    /// The verbs that were sent and are not answered.
    expected: std::collections::VecDeque<Verb>,
    transfer: Option<Box<Transfer>>,
    input: LineBuffer,
    reader: Reader,
    output: Vec<u8>,
    asks: std::collections::VecDeque<Ask>,
    awaiting: bool,
    security: Option<Security>,
    login: Option<Box<Talk>>,
    upgrade: bool,
    has_turned: bool,
    over: bool,
    now: Instant,
    /// When the server's turn began; `None` until the time is told after our own turn.
    since: Option<Instant>,
}

impl Client {
    /// A conversation with a server that has just been reached.
    #[must_use]
    pub fn new(wishes: Wishes) -> Self {
        Self {
            wishes,
            offers: Offers::default(),
            hello: Vec::new(),
            phase: Phase::Greeting,
            expected: [Verb::Connect].into(),
            transfer: None,
            input: LineBuffer::default(),
            reader: Reader::default(),
            output: Vec::new(),
            asks: std::collections::VecDeque::new(),
            awaiting: false,
            security: None,
            login: None,
            upgrade: false,
            has_turned: false,
            over: false,
            now: Instant::default(),
            since: None,
        }
    }

    /// True once the server has agreed to change places: this conversation is over, and another
    /// begins.
    #[must_use]
    pub const fn has_turned(&self) -> bool {
        self.has_turned
    }

    /// What the server said to the last EHLO: its name, then a line for each extension.
    #[must_use]
    pub fn hello_lines(&self) -> &[String] {
        &self.hello
    }

    /// What TLS agreed on.
    #[must_use]
    pub const fn security(&self) -> Option<&Security> {
        self.security.as_ref()
    }

    fn send(&mut self, command: &Command) {
        self.output
            .extend_from_slice(format!("{command}\r\n").as_bytes());
        self.expected.push_back(command.verb());
    }

    fn hello(&mut self) {
        let host = self.wishes.host.clone();
        self.send(&match self.wishes.service {
            Service::Lmtp => Command::Lhlo(host),
            Service::Relay | Service::Submission => Command::Ehlo(host),
        });
    }

    /// The connection is of no more use; a letter on its way gets the fates it has.
    fn fail(&mut self, failure: Failure) {
        if let Some(transfer) = self.transfer.take() {
            let fates = Fates {
                each: transfer.fates(),
                passes_reports: self.offers.dsn,
                security: self.security.clone(),
            };
            self.asks.push_back(Ask::Fates(fates));
        }
        self.asks.push_back(Ask::Failed(failure));
        self.over = true;
    }

    /// Takes a whole reply.
    fn heard(&mut self, reply: Reply) {
        let Some(verb) = self.expected.pop_front() else {
            let failure = match Class::of(reply.code) {
                Class::Closing => Failure::Refused(Verb::Silence, reply),
                _ => Failure::Senseless(Verb::Silence, reply),
            };
            return self.fail(failure);
        };
        let class = Class::of(reply.code);
        // Where several replies answer one body, the first has moved us on.
        let moved = verb == Verb::End || verb == Verb::Last;
        let again = moved && self.phase == Phase::Ready && class != Class::Intermediate;
        // RFC 2920 §3.1
        let nobody = verb == Verb::Data && class == Class::Intermediate;
        match self.phase.after(verb, class) {
            Some(next) => self.phase = next,
            None if again => {}
            None if nobody => self.phase = Phase::Data,
            None => return self.fail(Failure::Senseless(verb, reply)),
        }
        if class == Class::Closing && verb != Verb::End && verb != Verb::Last {
            return self.fail(Failure::Refused(verb, reply));
        }
        self.act(verb, class, reply);
    }

    fn act(&mut self, verb: Verb, class: Class, reply: Reply) {
        match (verb, class) {
            (Verb::Connect, Class::Success) => self.hello(),
            (Verb::Ehlo | Verb::Lhlo, Class::Success) => {
                self.offers = Offers::read(&reply);
                self.hello = reply.lines;
                self.prepare();
            }
            // RFC 5321 §3.2
            (Verb::Ehlo, Class::Failure) if (500..=504).contains(&reply.code.value()) => {
                let host = self.wishes.host.clone();
                self.send(&Command::Helo(host));
            }
            (Verb::Helo, Class::Success) => {
                self.offers = Offers::default();
                self.prepare();
            }
            (Verb::StartTls, Class::Success) => {
                self.upgrade = true;
                self.offers = Offers::default();
            }
            (Verb::StartTls, _) if self.wishes.tls == Tls::IfOffered => self.log_in(),
            (Verb::Auth | Verb::Response, Class::Success) => self.logged_in(),
            (Verb::Auth | Verb::Response, Class::Intermediate) => self.challenged(&reply),
            (Verb::Etrn | Verb::Atrn, _) => self.told(verb, class, reply),
            (Verb::Rset, _) => self.ready(),
            (Verb::Quit, _) => self.over = true,
            (Verb::Mail | Verb::Rcpt | Verb::Data | Verb::End | Verb::Bdat | Verb::Last, _) => {
                self.transfer_heard(verb, class, reply)
            }
            _ => self.fail(Failure::Refused(verb, reply)),
        }
    }

    /// The server has said what it offers: TLS, then login, then letters.
    fn prepare(&mut self) {
        let has_tls = self.security.is_some();
        if has_tls && self.wishes.requiretls && !self.offers.requiretls {
            // RFC 8689 §4.2.1
            self.fail(Failure::NoRequireTls);
        } else if has_tls || self.wishes.tls == Tls::Never {
            self.log_in();
        } else if self.offers.starttls {
            self.send(&Command::StartTls);
        } else if self.wishes.tls == Tls::Required {
            self.fail(Failure::NoTls);
        } else {
            self.log_in();
        }
    }

    /// Asks for what the server keeps for us.
    fn ask_for(&mut self, command: &Command, offered: bool) {
        match offered {
            true => self.send(command),
            false => self.fail(Failure::NotOffered(command.verb())),
        }
    }

    /// What came of it.
    fn told(&mut self, verb: Verb, class: Class, reply: Reply) {
        self.asks.push_back(Ask::Told(verb, reply));
        if verb == Verb::Atrn && class == Class::Success {
            self.has_turned = true;
            self.over = true;
        } else {
            self.asks.push_back(Ask::Letter);
        }
    }

    fn ready(&mut self) {
        if let Some(transfer) = self.transfer.take() {
            let fates = Fates {
                each: transfer.fates(),
                passes_reports: self.offers.dsn,
                security: self.security.clone(),
            };
            self.asks.push_back(Ask::Fates(fates));
        }
        self.asks.push_back(Ask::Letter);
    }

    fn patience(&self) -> Duration {
        match self.expected.front() {
            Some(Verb::Data) => self.wishes.patience.data,
            Some(Verb::Atrn) => self.wishes.patience.atrn,
            Some(Verb::End | Verb::Last | Verb::Bdat) => self.wishes.patience.end,
            _ => self.wishes.patience.command,
        }
    }

    /// Takes a line of the server's; false if none has arrived.
    fn read_line(&mut self) -> bool {
        let line = match self.input.line(LINE_OCTETS_MAX) {
            Line::Incomplete => return false,
            Line::TooLong => {
                self.fail(Failure::Garbled(Error::ReplyTooLong));
                return true;
            }
            // Replies carry nobody's mail: a lone LF does no harm here.
            Line::Whole(line) | Line::BareLf(line) => line,
        };
        match self.reader.line(&line) {
            Ok(Some(reply)) => self.heard(reply),
            Ok(None) => {}
            Err(error) => self.fail(Failure::Garbled(error)),
        }
        true
    }
}

impl Session for Client {
    type Ask = Ask;
    type Answer = Answer;

    fn receive(&mut self, bytes: &[u8]) {
        if self.over || self.awaiting {
            return;
        }
        self.since = Some(self.now);
        if !bytes.is_empty() {
            self.input.extend(bytes);
        } else if self.expected.front() == Some(&Verb::Quit) {
            self.over = true;
        } else {
            self.fail(Failure::Closed);
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.awaiting = false;
        self.since = None;
        match answer {
            Answer::Letter(letter) if !self.over => self.begin(*letter),
            Answer::Flush(host) if !self.over => {
                let offered = self.offers.etrn;
                self.ask_for(&Command::Etrn(host), offered);
            }
            Answer::Turn(domains) if !self.over => {
                let offered = self.offers.atrn;
                self.ask_for(&Command::Atrn(domains), offered);
            }
            Answer::Quit if !self.over => self.send(&Command::Quit),
            Answer::Piece(piece) => self.piece(&piece),
            Answer::Unfit(why) => self.unfit(&why),
            Answer::Torn if !self.over => self.fail(Failure::Torn),
            _ => {}
        }
    }

    fn elapse(&mut self, now: Instant) {
        self.now = now;
        let Some(since) = self.since else {
            self.since = Some(now);
            return;
        };
        let waits = !self.over && !self.awaiting && !self.expected.is_empty();
        if waits && now >= since.after(self.patience()) {
            self.fail(Failure::Silent);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.since {
            _ if self.over => None,
            None => Some(self.now),
            Some(since) => Some(since.after(self.patience())),
        }
    }

    fn secured(&mut self, security: Security) {
        self.security = Some(security);
        if self.phase == Phase::Hello {
            self.hello();
        }
    }

    fn step(&mut self) -> Step<Ask> {
        loop {
            if self.awaiting {
                return Step::Read;
            }
            if !self.output.is_empty() && !self.over {
                return Step::Write(Bytes::from(std::mem::take(&mut self.output)));
            }
            if let Some(ask) = self.asks.pop_front() {
                self.awaiting = true;
                return Step::Ask(ask);
            }
            if self.over {
                self.input.clear();
                return Step::Close;
            }
            if std::mem::take(&mut self.upgrade) {
                // RFC 3207 §4.2
                self.input.clear();
                return Step::Upgrade(Upgrade::Tls);
            }
            if self.wants_piece() {
                self.asks.push_back(Ask::Piece);
                continue;
            }
            if !self.read_line() {
                return Step::Read;
            }
        }
    }
}
