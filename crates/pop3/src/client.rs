//! The client's end: sends commands as they are ordered and tells what came back.
//!
//! Several commands may be ordered at once: they leave together (RFC 2449 §6.6), and the replies
//! are matched in order. Not here: what to do with the messages, when to log in, and how.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use mail::Instant;
use wire::{Line, LineBuffer, Security, Step, Upgrade};

use crate::command::Command;
use crate::response::{Response, Status};

/// Octets of one line a server may send; RFC 5322 §2.1.1 allows 1000, the world more.
pub const LINE_OCTETS_MAX: usize = 64 * 1024;

/// What happened; its answer is what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The server's first line.
    Greeting(Response),
    /// A command was answered; where more lines follow they come as [`News::Line`].
    Reply(Command, Response),
    /// A line of a multi-line response, its dot taken away, without its CRLF.
    Line(Bytes),
    /// The multi-line response is over.
    End,
    /// AUTH wants a response to this.
    Challenge(Vec<u8>),
    /// The connection is encrypted.
    Secured(Security),
    /// The server said what it must not: the connection is over.
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
#[derive(Debug, Default)]
pub struct Client {
    greeted: bool,
    expected: VecDeque<Command>,
    /// Lines of a response follow.
    in_lines: bool,
    news: VecDeque<News>,
    input: LineBuffer,
    output: BytesMut,
    upgrade: bool,
    closed: bool,
}

impl Client {
    /// Waits for the greeting.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn line(&mut self, line: &Bytes) {
        if self.in_lines {
            let news = match line.as_ref() {
                b"." => {
                    self.in_lines = false;
                    News::End
                }
                // RFC 1939 §3
                [b'.', ..] => News::Line(line.slice(1..)),
                _ => News::Line(line.clone()),
            };
            return self.news.push_back(news);
        }
        let text = std::str::from_utf8(line).unwrap_or_default();
        let Some(response) = Response::parse(text) else {
            return self.nonsense();
        };
        if !self.greeted {
            self.greeted = true;
            return self.news.push_back(News::Greeting(response));
        }
        if response.status == Status::Challenge {
            return match (self.expected.front(), STANDARD.decode(&response.text)) {
                (Some(Command::Auth { .. }), Ok(challenge)) => {
                    self.news.push_back(News::Challenge(challenge));
                }
                _ => self.nonsense(),
            };
        }
        let Some(command) = self.expected.pop_front() else {
            return self.nonsense();
        };
        if response.status == Status::Ok {
            self.in_lines = command.is_multi_line();
            self.upgrade = command == Command::Stls;
        }
        if self.upgrade {
            // What came behind the reply in the clear is nobody's word.
            self.input.clear();
        }
        self.news.push_back(News::Reply(command, response));
    }

    fn nonsense(&mut self) {
        self.input.clear();
        self.closed = true;
        self.news.push_back(News::Nonsense);
    }

    fn write(&mut self, line: &str) {
        self.output.put_slice(line.as_bytes());
        self.output.put_slice(b"\r\n");
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
                    self.write(&command.to_string());
                    self.expected.push_back(command);
                }
            }
            Order::Respond(response) => self.write(&STANDARD.encode(response)),
            Order::Cancel => self.write("*"),
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
            match self.input.line(LINE_OCTETS_MAX) {
                Line::Whole(line) | Line::BareLf(line) => self.line(&line),
                Line::TooLong => self.nonsense(),
                Line::Incomplete if self.closed => return Step::Close,
                Line::Incomplete => return Step::Read,
            }
        }
    }
}
