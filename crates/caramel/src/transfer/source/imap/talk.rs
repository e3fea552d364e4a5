//! A conversation with another server, told in order: one command, what came of it, the next.
//!
//! It is the one that sources are fetched by (`server::ImapTalk`), waited for.

use std::path::PathBuf;

use anyhow::Context as _;
use imap::client::Request;
use imap::response::Status;
use imap::{Command, Response};
use server::{ImapTalk, Source, SourceProtocol, SourceSecret, SourceTls, When};
use tokio::runtime::{Builder, Runtime};

use crate::complaint::Complaint;

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

    fn source(&self) -> Source {
        let tls = SourceTls {
            encrypted: match (self.clear, self.implicit) {
                (true, _) => When::None,
                (false, true) => When::Implicit,
                (false, false) => When::Starttls,
            },
            fingerprint: None,
            authorities: self.authorities.clone(),
        };
        Source {
            port: self.port,
            user: self.user.clone(),
            secret: SourceSecret::Password(self.password.clone()),
            ..Source::new("import", SourceProtocol::Imap, &self.host, tls)
        }
    }
}

/// The conversation.
#[derive(Debug)]
pub(super) struct Talk {
    talk: ImapTalk,
    source: Source,
    /// What the conversation goes on in.
    runtime: Runtime,
}

impl Talk {
    /// Connects and logs in.
    pub(super) fn begin(login: &Login) -> Result<Self, Complaint> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("starting")?;
        let source = login.source();
        let talk = runtime.block_on(ImapTalk::begin(&source))?;
        Ok(Self {
            talk,
            source,
            runtime,
        })
    }

    /// A command that has to come to a good end.
    pub(super) fn good(
        &mut self,
        command: Command,
        each: impl FnMut(Response) -> Result<(), Complaint> + Send,
    ) -> Result<(), Complaint> {
        let mut heard = Heard::new(each);
        let done = self.talk.good(&self.source, command, |it| heard.hear(it));
        self.runtime.block_on(done)?;
        heard.end
    }

    /// A command, whatever comes of it.
    pub(super) fn command(
        &mut self,
        command: Command,
        each: impl FnMut(Response) -> Result<(), Complaint> + Send,
    ) -> Result<Status, Complaint> {
        let mut heard = Heard::new(each);
        let request = Request::Command(command);
        let done = self
            .talk
            .request(&self.source, request, |it| heard.hear(it));
        let status = self.runtime.block_on(done)?;
        heard.end.map(|()| status)
    }
}

/// Whoever hears responses, until that fails.
struct Heard<F> {
    each: F,
    end: Result<(), Complaint>,
}

impl<F: FnMut(Response) -> Result<(), Complaint>> Heard<F> {
    const fn new(each: F) -> Self {
        Self { each, end: Ok(()) }
    }

    fn hear(&mut self, response: Response) {
        if self.end.is_ok() {
            self.end = (self.each)(response);
        }
    }
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
