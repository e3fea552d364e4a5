//! A conversation with an IMAP server, told in order: one command, what came of it, the next.
//!
//! RFC 9051 §6.2 (logging in), RFC 4959 (initial responses), RFC 7628 and XOAUTH2 (tokens).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use imap::client::{Client, ClientPolicy, News, Request};
use imap::response::{Condition, Status};
use imap::{Command, Response};
use tokio::sync::mpsc;
use tokio::time::timeout;
use wire::sasl::client::TokenExchange;
use wire::sasl::{ClientResponse, Mechanism, Secret};

use super::line::Line;
use super::secret::{Proof, proof};
use super::source::{Source, When};
use super::trouble::Trouble;

pub(super) mod folder;
pub(super) mod listing;
pub(super) mod session;

/// Octets one response may have: a few messages.
const RESPONSE_OCTETS_MAX: usize = 8 * 1024 * 1024;
/// Responses that are on their way to the caller.
const RESPONSES_MAX: usize = 64;
/// How long the server may be silent while something is wanted of it.
const SILENCE_MAX: Duration = Duration::from_secs(5 * 60);
/// How long one IDLE lasts at most (RFC 9051 §6.3.13).
const IDLE_MAX: Duration = Duration::from_secs(28 * 60);

/// A conversation.
#[derive(Debug)]
pub struct Talk {
    line: Line,
    news: mpsc::Receiver<News>,
    requests: mpsc::Sender<Request>,
    /// What the server can do, in upper case.
    capabilities: Vec<String>,
    /// An IDLE ends when there is a message more.
    ends_idle: Arc<AtomicBool>,
    /// There are messages that were told since this was set to false.
    pub(super) has_more: bool,
    /// How long one IDLE lasts.
    pub(super) idle_max: Duration,
}

/// Hands news to whoever waits for it, and what they want to the client.
struct Messenger {
    news: mpsc::Sender<News>,
    requests: mpsc::Receiver<Request>,
    ends_idle: Arc<AtomicBool>,
}

impl net::House<Client> for Messenger {
    async fn ask(&mut self, news: News) -> Vec<Request> {
        if news == News::Idle {
            // Whoever has gone wants nothing more.
            return self.requests.recv().await.into_iter().collect();
        }
        let is_more = matches!(news, News::Response(Response::Exists(_)));
        let ends = is_more && self.ends_idle.swap(false, Ordering::Relaxed);
        // Nobody hears it any more: the next request is none.
        drop(self.news.send(news).await);
        match ends {
            true => vec![Request::Done],
            false => Vec::new(),
        }
    }
}

impl Talk {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Where the server cannot be reached, is another, or does not let the user in.
    pub async fn begin(source: &Source) -> Result<Self, Trouble> {
        let proof = proof(source).await?;
        let idle_max = match source.interval() {
            Duration::ZERO => IDLE_MAX,
            interval => interval.min(IDLE_MAX),
        };
        let policy = ClientPolicy {
            response_octets_max: RESPONSE_OCTETS_MAX,
            silence_max: SILENCE_MAX,
            idle_max,
        };
        let (told, news) = mpsc::channel(RESPONSES_MAX);
        let (requests, wanted) = mpsc::channel(1);
        let ends_idle = Arc::new(AtomicBool::new(false));
        let messenger = Messenger {
            news: told,
            requests: wanted,
            ends_idle: Arc::clone(&ends_idle),
        };
        let line = Line::open(source, Client::new(policy, []), messenger).await?;
        let mut talk = Self {
            line,
            news,
            requests,
            capabilities: Vec::new(),
            ends_idle,
            has_more: false,
            idle_max,
        };
        if source.tls.encrypted == When::Starttls {
            talk.good(source, Command::StartTls, |_| {}).await?;
        }
        talk.ask_capabilities(source).await?;
        talk.log_in(source, proof).await?;
        // What a server can do may change with who asks.
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

    /// A command that has to come to a good end; `each` hears what comes before that.
    ///
    /// # Errors
    /// Where it is refused, or the server has gone.
    pub async fn good(
        &mut self,
        source: &Source,
        command: Command,
        each: impl FnMut(Response) + Send,
    ) -> Result<(), Trouble> {
        let name = command.name();
        let status = self
            .request(source, Request::Command(command), each)
            .await?;
        match status.condition {
            Condition::Ok => Ok(()),
            _ => Err(Trouble::refused(
                source,
                &format!("refuses {name}"),
                status.text,
            )),
        }
    }

    /// A request, whatever comes of it; `each` hears what comes before that.
    ///
    /// # Errors
    /// Where the server has gone.
    pub async fn request(
        &mut self,
        source: &Source,
        request: Request,
        mut each: impl FnMut(Response) + Send,
    ) -> Result<Status, Trouble> {
        if self.requests.send(request).await.is_err() {
            return Err(self.line.lost(source, "the connection has ended").await);
        }
        let idles = self.ends_idle.load(Ordering::Relaxed);
        loop {
            // An IDLE has a time of its own.
            let limit = if idles { IDLE_MAX * 2 } else { SILENCE_MAX };
            let news = timeout(limit, self.news.recv()).await;
            match news.map_err(|_| Trouble::vanished(source, "it is silent"))? {
                Some(News::Response(response)) => {
                    self.has_more |= matches!(response, Response::Exists(_));
                    each(response);
                }
                Some(News::Done(_, status)) => return Ok(status),
                // One message that cannot be read keeps no other back.
                Some(News::Unreadable(error)) => {
                    tracing::debug!(source = source.name, %error, "passed over");
                }
                Some(News::Lost(why)) => return Err(self.line.lost(source, why).await),
                Some(News::Greeting(_) | News::Idle) => {}
                None => return Err(self.line.lost(source, "the connection has ended").await),
            }
        }
    }

    /// Waits until there is a message more, or the time of an IDLE is over.
    pub(super) async fn idle(
        &mut self,
        source: &Source,
        each: impl FnMut(Response) + Send,
    ) -> Result<(), Trouble> {
        self.ends_idle.store(true, Ordering::Relaxed);
        let idle = Request::Command(Command::Idle);
        let ended = self.request(source, idle, each).await;
        self.ends_idle.store(false, Ordering::Relaxed);
        let status = ended?;
        match status.condition {
            Condition::Ok => Ok(()),
            _ => Err(Trouble::refused(source, "refuses IDLE", status.text)),
        }
    }

    async fn ask_capabilities(&mut self, source: &Source) -> Result<(), Trouble> {
        let mut capabilities = Vec::new();
        self.good(source, Command::Capability, |response| {
            if let Response::Capability(told) = response {
                capabilities = told.iter().map(|one| one.to_ascii_uppercase()).collect();
            }
        })
        .await?;
        self.capabilities = capabilities;
        Ok(())
    }

    async fn log_in(&mut self, source: &Source, proof: Proof) -> Result<(), Trouble> {
        let user = source.user.clone();
        let request = match proof {
            Proof::Password(password) if self.can("AUTH=PLAIN") => {
                Request::Plain { user, password }
            }
            Proof::Password(_) if self.can("LOGINDISABLED") => {
                let (what, next) = (
                    "takes no password unless it is encrypted",
                    "tls = \"starttls\"",
                );
                return Err(Trouble::unable(source, what, next));
            }
            Proof::Password(password) => Request::Command(Command::Login { user, password }),
            Proof::Token(token) => {
                let offers = |mechanism: Mechanism| self.can(&format!("AUTH={}", mechanism.name()));
                let (name, initial) = token_response(source, token, offers)?;
                Request::Command(Command::Authenticate {
                    mechanism: name.to_owned(),
                    initial: Some(initial),
                })
            }
        };
        let status = self.request(source, request, |_| {}).await?;
        match status.condition {
            Condition::Ok => Ok(()),
            _ => Err(Trouble::login(source, status.text)),
        }
    }
}

/// The mechanism that takes a token, and what is said by it.
pub(super) fn token_response(
    source: &Source,
    token: String,
    offers: impl Fn(Mechanism) -> bool,
) -> Result<(&'static str, Vec<u8>), Trouble> {
    let known = [Mechanism::OauthBearer, Mechanism::Xoauth2];
    let Some(mechanism) = known.into_iter().find(|one| offers(*one)) else {
        let (what, next) = ("takes no access tokens", "password_cmd, or password_file");
        return Err(Trouble::unable(source, what, next));
    };
    let response = ClientResponse {
        authorization: Some(source.user.clone()),
        host: Some(source.host.clone()),
        port: Some(source.port),
        token: Some(Secret(token)),
    };
    match TokenExchange::begin(mechanism, &response) {
        Some((_, initial)) => Ok((mechanism.name(), initial)),
        None => Err(Trouble::login(source, "it cannot be said")),
    }
}
