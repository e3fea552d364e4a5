//! The client's end: sends commands as they are ordered and tells what came back.
//!
//! Several commands may be ordered at once: they leave together, and the responses are matched in
//! order. Not here: what to do with the scripts, when to log in, and how.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, BytesMut};
use mail::Instant;
use wire::{Security, Step, Upgrade};

use crate::command::Command;
use crate::frame::{Framed, Frames};
use crate::response::{Code, Data, Line, Response, Status};
use crate::text::{Writer, put_string};

/// Octets of one line a server may send, literals inside: a script is one.
pub const LINE_OCTETS_MAX: usize = 1024 * 1024;
/// Octets of all lines of one response.
pub const RESPONSE_OCTETS_MAX: usize = 2 * LINE_OCTETS_MAX;

/// What happened; its answer is what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// What the server can do: at the beginning, and anew when the connection is encrypted.
    Greeting(Vec<Data>, Response),
    /// A command was answered.
    Reply(Command, Vec<Data>, Response),
    /// AUTHENTICATE wants a response to this.
    Challenge(Vec<u8>),
    /// The connection is encrypted; a greeting follows.
    Secured(Security),
    /// The server said what it must not, or too much: the connection is over.
    Nonsense,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Send these, maybe none, and wait.
    Send(Vec<Command>),
    /// Answer the challenge.
    Respond(Vec<u8>),
    /// Give the exchange up.
    Cancel,
    /// Close without a word.
    Close,
}

/// A conversation with one server.
#[derive(Debug)]
pub struct Client {
    /// What the server can do is still to come.
    greets: bool,
    expected: VecDeque<Command>,
    data: Vec<Data>,
    data_octets: usize,
    news: VecDeque<News>,
    input: Frames,
    output: BytesMut,
    upgrade: bool,
    closed: bool,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// Waits for the greeting.
    #[must_use]
    pub fn new() -> Self {
        Self {
            greets: true,
            expected: VecDeque::new(),
            data: Vec::new(),
            data_octets: 0,
            news: VecDeque::new(),
            input: Frames::new(Writer::Server),
            output: BytesMut::new(),
            upgrade: false,
            closed: false,
        }
    }

    fn line(&mut self, line: Line, octets: usize) {
        let response = match line {
            Line::Data(data) => return self.data(data, octets),
            Line::Response(response) => response,
        };
        let data = std::mem::take(&mut self.data);
        self.data_octets = 0;
        if self.greets {
            self.greets = false;
            return self.news.push_back(News::Greeting(data, response));
        }
        let Some(command) = self.expected.pop_front() else {
            // BYE may come at any time.
            // RFC 5804 §1.2
            self.closed |= response.status == Status::Bye;
            return if self.closed {
                self.news.push_back(News::Greeting(data, response));
            } else {
                self.nonsense();
            };
        };
        if response.status == Status::Ok && command == Command::StartTls {
            self.upgrade = true;
            self.greets = true;
            // What came behind the reply in the clear is nobody's word.
            self.input.clear();
        }
        self.news.push_back(News::Reply(command, data, response));
    }

    fn data(&mut self, data: Data, octets: usize) {
        if let Some(Command::Authenticate { .. }) = self.expected.front()
            && !self.greets
        {
            return match STANDARD.decode(&data.text) {
                Ok(challenge) => self.news.push_back(News::Challenge(challenge)),
                Err(_) => self.nonsense(),
            };
        }
        self.data_octets += octets;
        if self.data_octets > RESPONSE_OCTETS_MAX {
            return self.nonsense();
        }
        self.data.push(data);
    }

    fn nonsense(&mut self) {
        self.input.clear();
        self.data = Vec::new();
        self.closed = true;
        self.news.push_back(News::Nonsense);
    }

    fn respond(&mut self, text: &str) {
        put_string(&mut self.output, text.as_bytes(), Writer::Client);
        self.output.put_slice(b"\r\n");
    }
}

/// What ends an exchange where it came with the OK (RFC 5804 §1.3), decoded.
#[must_use]
pub fn final_data(response: &Response) -> Option<Vec<u8>> {
    match &response.code {
        Some(Code::Sasl(text)) => STANDARD.decode(text).ok(),
        _ => None,
    }
}

impl wire::Session for Client {
    type Ask = News;
    type Answer = Order;

    fn receive(&mut self, bytes: &[u8]) {
        self.closed |= bytes.is_empty();
        self.input.extend(bytes);
    }

    fn answer(&mut self, order: Order) {
        match order {
            Order::Send(commands) => {
                for command in commands {
                    command.write(&mut self.output);
                    self.output.put_slice(b"\r\n");
                    self.expected.push_back(command);
                }
            }
            Order::Respond(response) => self.respond(&STANDARD.encode(response)),
            Order::Cancel => self.respond("*"),
            Order::Close => self.closed = true,
        }
    }

    fn elapse(&mut self, _now: Instant) {}

    /// Whoever runs the client knows how long it may take.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn secured(&mut self, security: Security) {
        self.news.push_back(News::Secured(security));
    }

    fn step(&mut self) -> Step<News> {
        loop {
            if let Some(news) = self.news.pop_front() {
                return Step::Ask(news);
            }
            if std::mem::take(&mut self.upgrade) {
                return Step::Upgrade(Upgrade::Tls);
            }
            if !self.output.is_empty() {
                return Step::Write(std::mem::take(&mut self.output).freeze());
            }
            match self.input.next(LINE_OCTETS_MAX) {
                Framed::Whole(frame) => match Line::parse(&frame.octets) {
                    Some(line) => self.line(line, frame.octets.len()),
                    None => self.nonsense(),
                },
                Framed::TooLarge(..) => self.nonsense(),
                Framed::Incomplete if self.closed => return Step::Close,
                Framed::Incomplete => return Step::Read,
            }
        }
    }
}
