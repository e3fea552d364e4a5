//! The client's end: one command after another, every response told to the caller.
//!
//! What comes back to [`News`] is what to do next: more requests for the queue, or none. With
//! nothing left to do the client asks once more ([`News::Idle`]); no request then ends it.
//!
//! Not here: pipelining, caching, any idea of what a mailbox holds.
//!
//! RFC 9051 §2.2.1, §5.5, §6.2.1 (STARTTLS), §6.2.2 (AUTHENTICATE), §6.3.12 (APPEND), §6.3.13
//! (IDLE); RFC 8508 (REPLACE).

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use mail::{BlobRange, FlagSet, Instant, SyntaxError, Timestamp};
use wire::sasl::Secret;
use wire::{Session, Step, Upgrade};

use crate::command::{Append, AppendData, AppendMessage, LiteralHeader, Replace};
use crate::response::{Condition, Status};
use crate::{Command, MailboxName, Names, Response, SeqNumber, Tag};

/// The limits of a client.
#[derive(Clone, Copy, Debug)]
pub struct ClientPolicy {
    /// Octets one response may have, literals included.
    pub response_octets_max: usize,
    /// How long the server may be silent while we wait for it.
    pub silence_max: Duration,
    /// How long one IDLE lasts (RFC 9051 §6.3.13).
    pub idle_max: Duration,
}

impl Default for ClientPolicy {
    fn default() -> Self {
        Self {
            response_octets_max: 64 * 1024 * 1024,
            silence_max: Duration::from_secs(30 * 60),
            idle_max: Duration::from_secs(28 * 60),
        }
    }
}

/// Something to do.
#[derive(Clone, Debug)]
pub enum Request {
    /// A command that needs nothing but its words. STARTTLS upgrades, IDLE lasts until
    /// [`Request::Done`] is the answer to news or its time is over.
    Command(Command),
    /// AUTHENTICATE PLAIN, the response sent when the server asks for it (RFC 4616).
    Plain {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// APPEND.
    Append {
        /// Where to.
        mailbox: MailboxName,
        /// The message's flags.
        flags: FlagSet,
        /// Its INTERNALDATE, if not now.
        date: Option<Timestamp>,
        /// The message.
        message: Message,
    },
    /// REPLACE, or UID REPLACE.
    Replace {
        /// True if the number is a UID.
        uid: bool,
        /// The message that goes.
        number: SeqNumber,
        /// Where the new one goes to.
        mailbox: MailboxName,
        /// The new message's flags.
        flags: FlagSet,
        /// Its INTERNALDATE, if not now.
        date: Option<Timestamp>,
        /// The new message.
        message: Message,
    },
    /// End an IDLE.
    Done,
}

/// A message to append.
#[derive(Clone, Debug)]
pub enum Message {
    /// Held in memory.
    Octets(Bytes),
    /// Held in a store: the driver splices it.
    Stored(BlobRange),
}

/// The words before a message.
fn append(
    mailbox: MailboxName,
    flags: FlagSet,
    date: Option<Timestamp>,
    message: &Message,
) -> Append {
    let literal = LiteralHeader {
        utf8: false,
        octets: message.octets(),
        sync: true,
        binary: false,
    };
    Append {
        mailbox,
        messages: vec![AppendMessage {
            flags,
            date,
            data: AppendData::Literal(literal),
        }],
    }
}

impl Message {
    fn octets(&self) -> u64 {
        match self {
            Self::Octets(octets) => u64::try_from(octets.len()).unwrap_or(u64::MAX),
            Self::Stored(range) => range.len,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The server's greeting.
    Greeting(Status),
    /// A response without a tag.
    Response(Response),
    /// A response that could not be read; it was passed over.
    Unreadable(SyntaxError),
    /// A request came to its end; the command's name.
    Done(&'static str, Status),
    /// Nothing is left to do.
    Idle,
    /// The server fell silent, left, or said too much; there will be no more news.
    Lost(&'static str),
}

/// A conversation, seen from the client.
#[derive(Debug)]
pub struct Client {
    policy: ClientPolicy,
    names: Names,
    queue: VecDeque<Request>,
    output: VecDeque<Output>,
    input: BytesMut,
    /// Octets of the input already searched for the end of a response.
    searched: usize,
    state: State,
    tags: u32,
    /// True once the caller was asked for more and nothing came since.
    asked: bool,
    now: Instant,
    /// Since when we wait for the server.
    heard: Option<Instant>,
}

#[derive(Debug)]
enum Output {
    Write(Bytes),
    Splice(BlobRange),
    /// Go on when the server says `+`.
    Await,
    /// Change to TLS; the server said so.
    Upgrade(Status),
    /// Tell that TLS is on.
    Upgraded(Status),
}

#[derive(Debug)]
enum State {
    /// The greeting has not come.
    Greeting,
    /// No command is under way.
    Ready,
    /// This command is under way.
    Busy(Tag, &'static str),
    /// The server takes no more commands until DONE.
    Idling(Tag, Instant),
    /// It is over; the news of it, if not told yet.
    Over(Option<&'static str>),
}

impl Client {
    /// A client that says nothing until it is greeted, then does the requests in order.
    #[must_use]
    pub fn new(policy: ClientPolicy, requests: impl IntoIterator<Item = Request>) -> Self {
        Self {
            policy,
            names: Names::default(),
            queue: requests.into_iter().collect(),
            output: VecDeque::new(),
            input: BytesMut::new(),
            searched: 0,
            state: State::Greeting,
            tags: 0,
            asked: false,
            now: Instant::default(),
            heard: None,
        }
    }

    /// Begins the next request; false if there is none.
    fn begin(&mut self) -> bool {
        let Some(request) = self.queue.pop_front() else {
            return false;
        };
        self.asked = false;
        match request {
            Request::Command(command) => self.send(&command),
            Request::Plain { user, password } => {
                let response = STANDARD.encode(format!("\0{user}\0{}", password.0));
                self.send(&Command::Authenticate {
                    mechanism: "PLAIN".to_owned(),
                    initial: None,
                });
                self.output.push_back(Output::Await);
                self.write(Bytes::from(response + "\r\n"));
            }
            Request::Append {
                mailbox,
                flags,
                date,
                message,
            } => {
                let append = append(mailbox, flags, date, &message);
                self.send_with(&Command::Append(append), message);
            }
            Request::Replace {
                uid,
                number,
                mailbox,
                flags,
                date,
                message,
            } => {
                let append = append(mailbox, flags, date, &message);
                let replace = Replace {
                    uid,
                    number,
                    append,
                };
                self.send_with(&Command::Replace(replace), message);
            }
            // No IDLE is under way: nothing to end.
            Request::Done => {}
        }
        true
    }

    /// Puts a command out, and its message when the server asks for it.
    fn send_with(&mut self, command: &Command, message: Message) {
        self.send(command);
        self.output.push_back(Output::Await);
        match message {
            Message::Octets(octets) => self.write(octets),
            Message::Stored(range) => self.output.push_back(Output::Splice(range)),
        }
        self.write(Bytes::from_static(b"\r\n"));
    }

    /// Puts a command out, waiting before the octets of each literal.
    fn send(&mut self, command: &Command) {
        self.heard = Some(self.now);
        self.tags = self.tags.wrapping_add(1);
        let tag = Tag::numbered(self.tags);
        let mut frame = BytesMut::new();
        command.write(&tag, &mut frame, self.names);
        frame.put_slice(b"\r\n");
        // RFC 9051 §4.3
        for (index, piece) in pieces(frame).into_iter().enumerate() {
            // An APPEND's message is no part of the frame: nothing is left behind its header.
            if index > 0 && !piece.is_empty() {
                self.output.push_back(Output::Await);
            }
            self.write(piece);
        }
        if matches!(command, Command::Idle) {
            self.output.push_back(Output::Await);
        }
        self.state = match command {
            Command::Idle => State::Idling(tag, self.now),
            other => State::Busy(tag, other.name()),
        };
    }

    fn write(&mut self, octets: Bytes) {
        if !octets.is_empty() {
            self.output.push_back(Output::Write(octets));
        }
    }

    /// Ends an IDLE; does nothing where none is under way.
    fn done(&mut self) {
        if let State::Idling(tag, _) = &self.state {
            let tag = tag.clone();
            self.write(Bytes::from_static(b"DONE\r\n"));
            self.state = State::Busy(tag, "IDLE");
        }
    }

    fn lose(&mut self, why: &'static str) {
        self.output.clear();
        self.input = BytesMut::new();
        self.searched = 0;
        self.state = State::Over(Some(why));
    }

    /// Takes the next whole response out of the input.
    fn frame(&mut self) -> Option<Bytes> {
        loop {
            let unsearched = self.input.get(self.searched..).unwrap_or_default();
            let Some(found) = memchr::memchr(b'\n', unsearched) else {
                let waiting = self.input.len().max(self.searched);
                if waiting > self.policy.response_octets_max {
                    self.lose("a response is too long");
                }
                return None;
            };
            let end = self.searched + found + 1;
            let line = self.input.get(self.searched..end).unwrap_or_default();
            if let Some(octets) = literal_octets(line) {
                self.searched = end.saturating_add(octets);
                continue;
            }
            let mut frame = self.input.split_to(end).freeze();
            self.searched = 0;
            if self.input.is_empty() {
                self.input = BytesMut::new();
            }
            frame.truncate(end - 1);
            if frame.last() == Some(&b'\r') {
                frame.truncate(end - 2);
            }
            return Some(frame);
        }
    }

    /// What a response means to us, and what of it is news.
    fn take(&mut self, frame: &[u8]) -> Option<Step<News>> {
        let response = match Response::parse(frame, self.names) {
            Ok(response) => response,
            Err(error) => return Some(Step::Ask(News::Unreadable(error))),
        };
        match response {
            Response::Untagged(status) if matches!(self.state, State::Greeting) => {
                self.state = if status.condition == Condition::Bye {
                    State::Over(Some("the server says goodbye"))
                } else {
                    State::Ready
                };
                Some(Step::Ask(News::Greeting(status)))
            }
            Response::Continue(text) => self.go_on(text),
            Response::Tagged(tag, status) => self.end(&tag, status),
            Response::Enabled(enabled) => {
                // RFC 9051 §6.3.1
                let utf8 = |name: &String| {
                    name.eq_ignore_ascii_case("IMAP4rev2")
                        || name.eq_ignore_ascii_case("UTF8=ACCEPT")
                };
                if enabled.iter().any(utf8) {
                    self.names = Names::Utf8;
                }
                Some(Step::Ask(News::Response(Response::Enabled(enabled))))
            }
            other => Some(Step::Ask(News::Response(other))),
        }
    }

    fn go_on(&mut self, text: String) -> Option<Step<News>> {
        if matches!(self.output.front(), Some(Output::Await)) {
            self.output.pop_front();
            // Only an IDLE's begin is news: what comes from now on comes by itself.
            return matches!(self.state, State::Idling(..))
                .then_some(Step::Ask(News::Response(Response::Continue(text))));
        }
        if matches!(self.state, State::Busy(_, "AUTHENTICATE")) {
            // A challenge we have no answer to.
            // RFC 9051 §6.2.2
            self.write(Bytes::from_static(b"*\r\n"));
            return None;
        }
        Some(Step::Ask(News::Response(Response::Continue(text))))
    }

    fn end(&mut self, tag: &Tag, status: Status) -> Option<Step<News>> {
        let name = match &self.state {
            State::Busy(current, name) if current == tag => *name,
            State::Idling(current, _) if current == tag => "IDLE",
            _ => {
                return Some(Step::Ask(News::Response(Response::Tagged(
                    tag.clone(),
                    status,
                ))));
            }
        };
        // A refused literal is not sent.
        self.output.clear();
        self.state = State::Ready;
        if name == "STARTTLS" && status.condition == Condition::Ok {
            // RFC 9051 §6.2.1
            self.input = BytesMut::new();
            self.searched = 0;
            self.output.push_back(Output::Upgrade(status));
            return None;
        }
        Some(Step::Ask(News::Done(name, status)))
    }

    /// Works off what is to be put out; `None` if that waits, or is nothing.
    fn put_out(&mut self) -> Option<Step<News>> {
        match self.output.front()? {
            Output::Await => return None,
            Output::Upgrade(status) => {
                let status = status.clone();
                self.output.pop_front();
                self.output.push_back(Output::Upgraded(status));
                return Some(Step::Upgrade(Upgrade::Tls));
            }
            _ => {}
        }
        match self.output.pop_front()? {
            Output::Write(octets) => Some(Step::Write(octets)),
            Output::Splice(range) => Some(Step::Splice(range)),
            Output::Upgraded(status) => Some(Step::Ask(News::Done("STARTTLS", status))),
            Output::Await | Output::Upgrade(_) => None,
        }
    }
}

impl Session for Client {
    type Ask = News;
    type Answer = Vec<Request>;

    fn receive(&mut self, bytes: &[u8]) {
        self.heard = Some(self.now);
        if matches!(self.state, State::Over(_)) {
            return;
        }
        if bytes.is_empty() {
            self.lose("the server is gone");
        } else {
            self.input.extend_from_slice(bytes);
        }
    }

    fn answer(&mut self, requests: Self::Answer) {
        for request in requests {
            match request {
                Request::Done => self.done(),
                other => self.queue.push_back(other),
            }
        }
    }

    fn elapse(&mut self, now: Instant) {
        let due = self.deadline().is_some_and(|deadline| now >= deadline);
        self.now = now;
        self.heard.get_or_insert(now);
        match self.state {
            State::Idling(..) if due => self.done(),
            _ if due => self.lose("the server is silent"),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Over(_) => None,
            State::Idling(_, since) => Some(since.after(self.policy.idle_max)),
            _ => Some(self.heard?.after(self.policy.silence_max)),
        }
    }

    fn step(&mut self) -> Step<News> {
        loop {
            if let Some(step) = self.put_out() {
                return step;
            }
            if let State::Over(why) = &mut self.state {
                return match why.take() {
                    Some(why) => Step::Ask(News::Lost(why)),
                    None => Step::Close,
                };
            }
            if !matches!(self.state, State::Ready) {
                let Some(frame) = self.frame() else {
                    if matches!(self.state, State::Over(_)) {
                        continue;
                    }
                    return Step::Read;
                };
                match self.take(&frame) {
                    Some(step) => return step,
                    None => continue,
                }
            }
            // What to say next is settled before more is heard: no cut of the input matters.
            if self.begin() {
                continue;
            }
            if self.asked {
                self.state = State::Over(None);
            } else {
                self.asked = true;
                return Step::Ask(News::Idle);
            }
        }
    }
}

/// Cuts a frame behind the header of each literal in it.
fn pieces(mut frame: BytesMut) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'\n', frame.get(from..).unwrap_or_default()) {
        let end = from + found + 1;
        let line = frame.get(from..end).unwrap_or_default();
        let Some(octets) = literal_octets(line) else {
            break;
        };
        pieces.push(frame.split_to(end).freeze());
        from = octets;
    }
    pieces.push(frame.freeze());
    pieces
}

/// How many octets follow a line that ends in the header of a literal.
fn literal_octets(line: &[u8]) -> Option<usize> {
    let header = line.strip_suffix(b"}\r\n")?;
    let open = memchr::memrchr(b'{', header)?;
    let digits = std::str::from_utf8(header.get(open + 1..)?).ok()?;
    let digits = digits.strip_suffix('+').unwrap_or(digits);
    let all_digits = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    // A number too large to hold is as good as endless.
    all_digits.then(|| digits.parse().unwrap_or(usize::MAX / 2))
}
