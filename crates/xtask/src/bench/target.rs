//! A server under load, whoever made it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use interop::process::{self, Cost};
use interop::{Server, Talk, Tls};

/// The thread that makes the index of texts.
const INDEXER: &str = "index";

/// A running server: where it listens and which processes it is.
#[derive(Debug)]
pub(crate) struct Target {
    /// `caramel` or `peer`.
    pub(crate) name: &'static str,
    /// The domain it has mailboxes for: `ada`, `alan`, `u0` … `u9`, all with password `secret`.
    pub(crate) domain: &'static str,
    /// Its SMTP port.
    pub(crate) smtp: SocketAddr,
    /// Its IMAP port.
    pub(crate) imap: SocketAddr,
    /// Its IMAP port with TLS.
    pub(crate) imaps: SocketAddr,
    /// Its POP3 port; none where it has no POP3 server.
    pub(crate) pop3: Option<SocketAddr>,
    /// Its first processes.
    pub(crate) roots: Vec<u32>,
    /// How its users log in.
    pub(crate) full_names: bool,
}

impl Target {
    /// What it has cost so far.
    pub(crate) fn cost(&self) -> Cost {
        process::cost(&self.roots)
    }

    /// The processor time it has taken so far, seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        process::cpu_seconds(&self.roots)
    }

    /// What of it went into the index of texts, seconds: our own server makes it beside the rest,
    /// and it has a bench of its own.
    pub(crate) fn index_seconds(&self) -> f64 {
        process::thread_seconds(&self.roots, |name| name == INDEXER)
    }

    /// The time that all its other threads have taken so far, in fine steps, seconds.
    pub(crate) fn thread_seconds(&self) -> f64 {
        process::thread_seconds(&self.roots, |name| name != INDEXER)
    }

    /// The name a user logs in with.
    pub(crate) fn login(&self, user: &str) -> String {
        if self.full_names {
            format!("{user}@{}", self.domain)
        } else {
            user.to_owned()
        }
    }

    /// The address of a user.
    pub(crate) fn address(&self, user: &str) -> String {
        format!("{user}@{}", self.domain)
    }

    /// How many messages are in a user's INBOX.
    pub(crate) fn messages(&self, user: &str) -> Result<usize> {
        let (mut talk, _) = Talk::open(self.imap)?;
        talk.imap_login(&self.login(user), "secret")?;
        let lines = talk.imap("STATUS INBOX (MESSAGES)")?;
        let status = lines
            .iter()
            .find_map(|line| line.rsplit_once("(MESSAGES ")?.1.strip_suffix(')'));
        let count = status
            .with_context(|| format!("STATUS said {lines:?}"))?
            .parse();
        count.context("a number of messages")
    }

    /// Waits until a user's INBOX has so many messages.
    pub(crate) fn wait_for(&self, user: &str, messages: usize) -> Result<()> {
        let begun = Instant::now();
        while self.messages(user)? < messages {
            if begun.elapsed() > Duration::from_secs(300) {
                bail!("{}: {messages} messages never arrived", self.name);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// Starts Caramel in `folder` and returns it with the target it is.
pub(crate) fn caramel(binary: &Path, folder: &Path) -> Result<(Server, Target)> {
    let more = "[limits]\nconnections = 30000\nconnections_per_address = 30000\n";
    let server = Server::start_at(binary, folder, more)?;
    for user in 0..10 {
        server.add_account(&format!("u{user}@test.localhost"), "secret")?;
    }
    let target = again(&server);
    Ok((server, target))
}

/// The target that a server is, which may have been started anew.
pub(crate) fn again(server: &Server) -> Target {
    Target {
        name: "caramel",
        domain: "test.localhost",
        smtp: server.address("smtp", Tls::Starttls),
        imap: server.address("imap", Tls::Starttls),
        imaps: server.address("imap", Tls::Implicit),
        pop3: Some(server.address("pop3", Tls::Starttls)),
        roots: vec![server.pid()],
        full_names: true,
    }
}
