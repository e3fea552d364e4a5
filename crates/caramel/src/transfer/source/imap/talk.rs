//! A conversation with another server, told in order: one command, what came of it, the next.

use std::net::ToSocketAddrs as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use imap::client::{Client, ClientPolicy, News, Request};
use imap::response::Status;
use imap::{Command, Response};
use net::{Calling, ClientConfig, Clock, Endpoint, ServerName, Terms};
use tokio::runtime::Builder;
use tokio::sync::mpsc as answers;
use wire::sasl::Secret;

use super::is_good;
use crate::complaint::Complaint;

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// Octets one response may have: a few messages.
const RESPONSE_OCTETS_MAX: usize = 8 * 1024 * 1024;
/// Where systems keep the authorities they trust.
const AUTHORITIES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Whom to ask, and as whom.
#[derive(Debug)]
pub(in crate::transfer) struct Login {
    pub(in crate::transfer) host: String,
    pub(in crate::transfer) port: u16,
    pub(in crate::transfer) user: String,
    pub(in crate::transfer) password: String,
    /// From the first octet.
    pub(in crate::transfer) implicit: bool,
    /// Not at all, on this machine.
    pub(in crate::transfer) clear: bool,
    /// Authorities to trust instead of the system's.
    pub(in crate::transfer) authorities: Option<PathBuf>,
}

impl Login {
    /// Reads `imaps://user@host:port`.
    pub(in crate::transfer) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (implicit, port) = match scheme {
            "imaps" => (true, 993),
            "imap" => (false, 143),
            _ => return None,
        };
        let (user, host) = rest.trim_end_matches('/').rsplit_once('@')?;
        let (host, port) = match host.rsplit_once(':') {
            Some((host, digits)) if !digits.ends_with(']') => (host, digits.parse().ok()?),
            _ => (host, port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Self {
            host: host.to_owned(),
            port,
            user: user.replace("%40", "@"),
            password: String::new(),
            implicit,
            clear: false,
            authorities: None,
        })
    }

    /// The account over there, however it is reached.
    pub(super) fn identity(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }

    fn calling(&self) -> Result<Calling, Complaint> {
        if self.clear {
            return Ok(Calling::Plain);
        }
        let config = self.trust()?;
        let name = ServerName::try_from(self.host.clone()).context("reading the server's name")?;
        Ok(match self.implicit {
            true => Calling::Implicit(config, name),
            false => Calling::StartTls(config, name),
        })
    }

    fn trust(&self) -> Result<Arc<ClientConfig>, Complaint> {
        let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let own = AUTHORITIES.iter().map(PathBuf::from);
        let paths = self.authorities.clone().into_iter().chain(named).chain(own);
        let Some(path) = paths.into_iter().find(|path| path.is_file()) else {
            let what = "the authorities that this system trusts are not where they are looked for";
            return Err(Complaint::new(what).next("--ca names a file with them"));
        };
        let roots = net::roots_from_pem(Path::new(&path));
        Ok(roots.with_context(|| format!("reading {}", path.display()))?)
    }
}

/// The conversation.
pub(super) struct Talk {
    news: mpsc::Receiver<News>,
    answers: answers::UnboundedSender<Vec<Request>>,
    /// Why the connection came to an end, once it has.
    end: mpsc::Receiver<String>,
}

/// Hands news to whoever waits for it, and what they want to the client.
struct Messenger {
    news: mpsc::SyncSender<News>,
    answers: answers::UnboundedReceiver<Vec<Request>>,
}

impl net::House<Client> for Messenger {
    async fn ask(&mut self, news: News) -> Vec<Request> {
        // Whoever has gone wants nothing more.
        match self.news.send(news) {
            Ok(()) => self.answers.recv().await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
}

impl Talk {
    /// Connects and logs in.
    pub(super) fn begin(login: &Login) -> Result<Self, Complaint> {
        let place = (login.host.as_str(), login.port);
        let found = place
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next());
        let Some(address) = found else {
            return Err(Complaint::new(format!("{} is not found", login.host)));
        };
        let calling = login.calling()?;
        let (told, news) = mpsc::sync_channel(0);
        let (wanted, asked) = answers::unbounded_channel();
        let (ended, end) = mpsc::channel();
        let mut messenger = Messenger {
            news: told,
            answers: asked,
        };
        let work = move || {
            let outcome = converse(&Endpoint::Tcp(address), calling, &mut messenger);
            drop(messenger);
            drop(ended.send(outcome.map_or_else(|error| format!("{error:#}"), |()| String::new())));
        };
        let thread = thread::Builder::new().name("imap".into()).spawn(work);
        thread.context("starting a thread")?;
        let mut talk = Self {
            news,
            answers: wanted,
            end,
        };
        if !login.implicit && !login.clear {
            talk.good(Command::StartTls, |_| Ok(()))?;
        }
        let password = Secret(login.password.clone());
        let user = login.user.clone();
        talk.checked(Request::Plain { user, password }, |_| Ok(()))?;
        Ok(talk)
    }

    /// A command that has to come to a good end.
    pub(super) fn good(
        &mut self,
        command: Command,
        each: impl FnMut(Response) -> Result<(), Complaint>,
    ) -> Result<(), Complaint> {
        self.checked(Request::Command(command), each)
    }

    /// A command, whatever comes of it.
    pub(super) fn command(
        &mut self,
        command: Command,
        each: impl FnMut(Response) -> Result<(), Complaint>,
    ) -> Result<Status, Complaint> {
        self.request(Request::Command(command), each)
    }

    fn checked(
        &mut self,
        request: Request,
        each: impl FnMut(Response) -> Result<(), Complaint>,
    ) -> Result<(), Complaint> {
        let status = self.request(request, each)?;
        match is_good(status.condition) {
            true => Ok(()),
            false => Err(Complaint::new("the other server said no").because(status.text)),
        }
    }

    fn request(
        &mut self,
        request: Request,
        mut each: impl FnMut(Response) -> Result<(), Complaint>,
    ) -> Result<Status, Complaint> {
        let mut request = Some(request);
        loop {
            let Ok(news) = self.news.recv() else {
                return Err(self.lost());
            };
            let mut more = Vec::new();
            let mut done = None;
            match news {
                News::Idle => more.extend(request.take()),
                News::Response(response) => each(response)?,
                News::Done(_, status) => done = Some(status),
                News::Unreadable(error) => {
                    let what = "the other server said something that cannot be read";
                    return Err(Complaint::new(what).because(error));
                }
                News::Lost(why) => {
                    return Err(Complaint::new("the other server has gone").because(why));
                }
                News::Greeting(_) => {}
            }
            if self.answers.send(more).is_err() {
                return Err(self.lost());
            }
            if let Some(status) = done {
                return Ok(status);
            }
        }
    }

    fn lost(&self) -> Complaint {
        let why = self.end.recv().unwrap_or_default();
        Complaint::new("the other server cannot be asked").because(why)
    }
}

fn converse(
    endpoint: &Endpoint,
    calling: Calling,
    messenger: &mut Messenger,
) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let socket = net::connect(endpoint, CONNECT_MAX).await?;
        let policy = ClientPolicy {
            response_octets_max: RESPONSE_OCTETS_MAX,
            ..ClientPolicy::default()
        };
        let mut client = Client::new(policy, []);
        let terms = Terms::new(Clock::start());
        net::call(socket, calling, &mut client, messenger, &terms).await?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let read = |url| {
            let login = Login::parse(url)?;
            Some((login.user, login.host, login.port, login.implicit))
        };
        let expected = |user: &str, host: &str, port, implicit| {
            Some((user.to_owned(), host.to_owned(), port, implicit))
        };
        for (url, known) in [
            ("imaps://ada@mx.org", expected("ada", "mx.org", 993, true)),
            (
                "imap://ada@x.org@mx.org:99/",
                expected("ada@x.org", "mx.org", 99, false),
            ),
            ("imaps://a%40b@[::1]:99", expected("a@b", "::1", 99, true)),
            ("imaps://a@[::1]", expected("a", "::1", 993, true)),
            ("imaps://mx.org", None),
            ("pop3://a@mx.org", None),
            ("/home/ada/mail", None),
        ] {
            assert_eq!(read(url), known, "{url}");
        }
    }
}
