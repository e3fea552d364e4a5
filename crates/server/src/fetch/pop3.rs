//! A conversation with a POP3 server: commands that leave together, and what came of each.
//!
//! RFC 1939, RFC 2449 (CAPA, PIPELINING), RFC 2595 (STLS), RFC 5034 (AUTH).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pop3::client::{Client, News, Order};
use pop3::command::Command;
use pop3::response::{Code, Response, Status};
use tokio::sync::mpsc;
use tokio::time::timeout;
use wire::sasl::Mechanism;

use super::imap::token_response;
use super::line::Line;
use super::secret::{Proof, proof};
use super::source::{Source, When};
use super::trouble::{Trouble, TroubleKind};

pub(super) mod session;

/// Octets of a response that are told at a time.
const PIECE_OCTETS: usize = 64 * 1024;
/// Pieces that are on their way to the caller.
const PIECES_MAX: usize = 8;
/// How long the server may be silent while something is wanted of it.
const SILENCE_MAX: Duration = Duration::from_secs(5 * 60);

/// What came.
#[derive(Debug)]
pub(super) enum Event {
    /// The greeting, or the first line that answers a command.
    Reply(Response),
    /// Lines of a response, each ended by CRLF.
    Lines(Bytes),
    /// These were all of them.
    End,
    /// The server says what it must not.
    Nonsense,
}

/// A conversation.
#[derive(Debug)]
pub(super) struct Talk {
    line: Line,
    events: mpsc::Receiver<Event>,
    orders: mpsc::Sender<Vec<Command>>,
    /// What the server can do, in upper case; nothing where it does not tell.
    capabilities: Vec<String>,
}

/// Hands events to whoever waits for them, and what they want to the client.
struct Messenger {
    events: mpsc::Sender<Event>,
    orders: mpsc::Receiver<Vec<Command>>,
    lines: BytesMut,
    /// Commands that have not come to their end.
    expected: usize,
}

impl Messenger {
    async fn tell(&self, event: Event) {
        // Nobody hears it any more: the next order is to close.
        drop(self.events.send(event).await);
    }

    /// One command has come to its end: what is next, where it was the last.
    async fn ended(&mut self) -> Order {
        self.expected = self.expected.saturating_sub(1);
        if self.expected > 0 {
            return Order::Send(Vec::new());
        }
        match self.orders.recv().await {
            Some(commands) => {
                self.expected = commands.len();
                Order::Send(commands)
            }
            None => Order::Close,
        }
    }
}

impl net::House<Client> for Messenger {
    async fn ask(&mut self, news: News) -> Order {
        match news {
            News::Line(line) => {
                self.lines.extend_from_slice(&line);
                self.lines.extend_from_slice(b"\r\n");
                if self.lines.len() >= PIECE_OCTETS {
                    let piece = self.lines.split().freeze();
                    self.tell(Event::Lines(piece)).await;
                }
                Order::Send(Vec::new())
            }
            News::End => {
                let rest = self.lines.split().freeze();
                if !rest.is_empty() {
                    self.tell(Event::Lines(rest)).await;
                }
                self.tell(Event::End).await;
                self.ended().await
            }
            News::Greeting(response) => {
                self.tell(Event::Reply(response)).await;
                self.ended().await
            }
            News::Reply(command, response) => {
                let is_good = response.status == Status::Ok;
                self.tell(Event::Reply(response)).await;
                // What follows ends it.
                match is_good && (command.is_multi_line() || command == Command::Stls) {
                    true => Order::Send(Vec::new()),
                    false => self.ended().await,
                }
            }
            News::Secured(_) if self.expected == 0 => Order::Send(Vec::new()),
            News::Secured(_) => self.ended().await,
            // It says why the token is of no use, and wants to hear that we heard.
            News::Challenge(_) => Order::Cancel,
            News::Nonsense => {
                self.tell(Event::Nonsense).await;
                Order::Close
            }
        }
    }
}

impl Talk {
    /// Connects and logs in.
    pub(super) async fn begin(source: &Source) -> Result<Self, Trouble> {
        let proof = proof(source).await?;
        let (told, events) = mpsc::channel(PIECES_MAX);
        let (orders, wanted) = mpsc::channel(1);
        let messenger = Messenger {
            events: told,
            orders: wanted,
            lines: BytesMut::new(),
            expected: 0,
        };
        let line = Line::open(source, Client::new(), messenger).await?;
        let mut talk = Self {
            line,
            events,
            orders,
            capabilities: Vec::new(),
        };
        let greeting = talk.reply(source).await?;
        if greeting.status != Status::Ok {
            return Err(Trouble::refused(
                source,
                "is not to be talked with",
                greeting.text,
            ));
        }
        if source.tls.encrypted == When::Starttls {
            talk.good(source, Command::Stls).await?;
        }
        talk.ask_capabilities(source).await?;
        talk.log_in(source, proof).await?;
        talk.ask_capabilities(source).await?;
        Ok(talk)
    }

    /// Where it is fetched.
    pub(super) const fn peer(&self) -> std::net::IpAddr {
        self.line.peer
    }

    /// True if the server can do this.
    pub(super) fn can(&self, what: &str) -> bool {
        self.capabilities.iter().any(|one| one == what)
    }

    /// Orders commands that leave together.
    pub(super) async fn order(
        &mut self,
        source: &Source,
        commands: Vec<Command>,
    ) -> Result<(), Trouble> {
        match self.orders.send(commands).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.line.lost(source, "the connection has ended").await),
        }
    }

    /// What comes next.
    pub(super) async fn event(&mut self, source: &Source) -> Result<Event, Trouble> {
        let event = timeout(SILENCE_MAX, self.events.recv()).await;
        match event.map_err(|_| Trouble::vanished(source, "it is silent"))? {
            Some(Event::Nonsense) => {
                let why = "it says what POP3 does not know";
                Err(Trouble::refused(source, "cannot be understood", why))
            }
            Some(event) => Ok(event),
            None => Err(self.line.lost(source, "the connection has ended").await),
        }
    }

    /// The first line that answers a command.
    pub(super) async fn reply(&mut self, source: &Source) -> Result<Response, Trouble> {
        loop {
            if let Event::Reply(response) = self.event(source).await? {
                return Ok(response);
            }
        }
    }

    /// A command that has to come to a good end, and is answered by one line.
    pub(super) async fn good(&mut self, source: &Source, command: Command) -> Result<(), Trouble> {
        let name = command.verb().name();
        self.order(source, vec![command]).await?;
        let response = self.reply(source).await?;
        match response.status {
            Status::Ok => Ok(()),
            _ => Err(Trouble::refused(
                source,
                &format!("refuses {name}"),
                response.text,
            )),
        }
    }

    /// The lines that answer a command; `None` where it is refused.
    pub(super) async fn lines(
        &mut self,
        source: &Source,
        command: Command,
        mut each: impl FnMut(&[u8]) + Send,
    ) -> Result<bool, Trouble> {
        self.order(source, vec![command]).await?;
        if self.reply(source).await?.status != Status::Ok {
            return Ok(false);
        }
        loop {
            match self.event(source).await? {
                // A piece has whole lines.
                Event::Lines(piece) => {
                    let lines = piece.split(|octet| *octet == b'\n');
                    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
                    lines.filter(|line| !line.is_empty()).for_each(&mut each);
                }
                Event::End => return Ok(true),
                Event::Reply(_) | Event::Nonsense => {}
            }
        }
    }

    async fn ask_capabilities(&mut self, source: &Source) -> Result<(), Trouble> {
        let mut capabilities = Vec::new();
        self.lines(source, Command::Capa, |line| {
            let text = String::from_utf8_lossy(line).to_ascii_uppercase();
            match text.strip_prefix("SASL ") {
                Some(mechanisms) => capabilities.extend(
                    mechanisms
                        .split_whitespace()
                        .map(|one| format!("SASL {one}")),
                ),
                None => capabilities.extend(text.split_whitespace().next().map(str::to_owned)),
            }
        })
        .await?;
        self.capabilities = capabilities;
        Ok(())
    }

    async fn log_in(&mut self, source: &Source, proof: Proof) -> Result<(), Trouble> {
        let commands = match proof {
            Proof::Token(token) => {
                let offers = |mechanism: Mechanism| self.can(&format!("SASL {}", mechanism.name()));
                let (name, initial) = token_response(source, token, offers)?;
                vec![Command::Auth {
                    mechanism: name.to_owned(),
                    initial: Some(initial),
                }]
            }
            Proof::Password(password) if !self.can("USER") && self.can("SASL PLAIN") => {
                let initial = format!("\0{}\0{}", source.user, password.0);
                vec![Command::Auth {
                    mechanism: Mechanism::Plain.name().to_owned(),
                    initial: Some(initial.into_bytes()),
                }]
            }
            Proof::Password(password) => {
                vec![Command::User(source.user.clone()), Command::Pass(password)]
            }
        };
        for command in commands {
            self.order(source, vec![command]).await?;
            let response = self.reply(source).await?;
            if response.status == Status::Ok {
                continue;
            }
            return Err(match response.code {
                Some(Code::InUse | Code::LoginDelay | Code::SysTemp) => {
                    let what = format!("{} lets nobody in for the moment", source.host);
                    Trouble::new(TroubleKind::Passing, what).because(response.text)
                }
                _ => Trouble::login(source, response.text),
            });
        }
        Ok(())
    }
}
