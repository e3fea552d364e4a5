//! What a server is told: plain values, filled by the binary from its configuration.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mail::{Host, Network};
use net::{Endpoint, Identity};

use crate::audit::AuditRhythm;
use crate::fetch::Source;
use crate::filters::Milters;
use crate::introspection::Introspection;
use crate::key_file::KeyFile;
use crate::pickup::LocalSettings;
use crate::reclaim::ReclaimRhythm;
use crate::relay::RelaySettings;

/// A server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it calls itself in greetings.
    pub host: Host,
    /// Where it listens, and what it speaks there.
    pub doors: Vec<Door>,
    /// The certificate it shows; without one there is no TLS.
    pub identity: Option<Identity>,
    /// The keys of access tokens; without them none are taken, unless their issuer is asked.
    pub token_keys: Option<Arc<KeyFile>>,
    /// The issuer of access tokens, where it is asked about those that no key can tell of.
    pub introspection: Option<Arc<Introspection>>,
    /// Connections at once, through all doors.
    pub connections_max: usize,
    /// Connections at once from one IPv4 address or IPv6 /64.
    pub connections_per_network_max: usize,
    /// True if IMAP takes letters with header fields beyond ASCII from programs that have not
    /// enabled UTF8=ACCEPT as well.
    pub raw_headers: bool,
    /// True if IMAP offers UIDONLY.
    pub uid_only: bool,
    /// True if whoever may use the control socket may look on at conversations.
    pub dialogues: bool,
    /// How what is kept is verified beside the work.
    pub audit: AuditRhythm,
    /// How what is dead is freed beside the work.
    pub reclaim: ReclaimRhythm,
    /// What is handed in at this machine, if anything is.
    pub local: Option<LocalSettings>,
    /// Whose mail is fetched.
    pub sources: Vec<Source>,
    /// Filters that look at letters while they come in.
    pub milters: Arc<Milters>,
    /// How letters leave for other hosts.
    pub relay: RelaySettings,
    /// How long connections may go on once the server has to stop.
    pub grace: Duration,
}

/// A place where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// What is spoken there.
    pub protocol: Protocol,
    /// The address; port 0 lets the system choose.
    pub endpoint: Endpoint,
    /// How many following ports to try where the port is taken.
    pub ports_max: u16,
    /// When it is encrypted.
    pub encrypted: Encrypted,
    /// Proxies that call here for others, and say for whom; without them, anybody calls.
    pub proxies: Vec<Network>,
}

/// What is spoken behind a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Mail from other hosts (RFC 5321).
    Smtp,
    /// Mail from our own people (RFC 6409).
    Submission,
    /// Mail from another mail server of this house (RFC 2033).
    Lmtp,
    /// RFC 9051.
    Imap,
    /// RFC 1939.
    Pop3,
    /// RFC 5804.
    ManageSieve,
    /// Questions of the command line; only ever on a Unix socket.
    Control,
    /// LMTP of this machine's own people and programs; only ever on a Unix socket.
    Local,
    /// What is counted, for programs that watch; only ever for this machine.
    Metrics,
}

/// When a door is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encrypted {
    /// Never.
    Never,
    /// When the peer asks for it.
    StartTls,
    /// From the first octet (RFC 8314).
    Implicit,
}

impl Settings {
    /// True if there is something to judge access tokens by.
    pub(crate) fn judges_tokens(&self) -> bool {
        self.token_keys.is_some() || self.introspection.is_some()
    }

    /// The usual limits for a server of this name, with no door yet.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self {
            host,
            doors: Vec::new(),
            identity: None,
            token_keys: None,
            introspection: None,
            connections_max: 20_000,
            connections_per_network_max: 200,
            raw_headers: false,
            uid_only: false,
            dialogues: true,
            audit: AuditRhythm {
                round: Duration::from_secs(24 * 3600),
                octets_per_second: 4 << 20,
            },
            reclaim: ReclaimRhythm {
                every: Duration::from_secs(6 * 3600),
                octets_per_second: 16 << 20,
            },
            local: None,
            sources: Vec::new(),
            milters: Arc::default(),
            relay: RelaySettings::default(),
            grace: Duration::from_secs(10),
        }
    }
}

impl Door {
    /// True if only this machine's own programs reach it: there passwords may come unencrypted.
    pub(crate) fn is_indoors(&self) -> bool {
        match &self.endpoint {
            // Behind a proxy on this machine may be anybody.
            Endpoint::Tcp(address) => address.ip().is_loopback() && self.proxies.is_empty(),
            Endpoint::Unix(_) => true,
        }
    }
}

impl Protocol {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Smtp,
        Self::Submission,
        Self::Lmtp,
        Self::Imap,
        Self::Pop3,
        Self::ManageSieve,
        Self::Control,
        Self::Local,
        Self::Metrics,
    ];

    /// Its name, as people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Lmtp => "lmtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::ManageSieve => "managesieve",
            Self::Control => "control",
            Self::Local => "local",
            Self::Metrics => "metrics",
        }
    }

    /// Reads the name of a protocol that listens where people say.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = Self::ALL.into_iter();
        let mut said = all.filter(|one| !matches!(one, Self::Control | Self::Local));
        said.find(|protocol| protocol.name() == name)
    }

    /// What one connection too many is told.
    pub(crate) fn refusal(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Smtp | Self::Submission | Self::Lmtp | Self::Local => {
                b"421 4.7.0 Too many connections; please try again later\r\n"
            }
            Self::Imap => b"* BYE [UNAVAILABLE] Too many connections\r\n",
            Self::Pop3 => b"-ERR [SYS/TEMP] Too many connections\r\n",
            Self::ManageSieve => b"BYE (TRYLATER) \"Too many connections\"\r\n",
            Self::Control | Self::Metrics => b"",
        })
    }

    /// What a peer is told when the server stops.
    pub(crate) fn farewell(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Smtp | Self::Submission | Self::Lmtp | Self::Local => b"421 4.3.2 Stopping\r\n",
            Self::Imap => b"* BYE Stopping\r\n",
            Self::ManageSieve => b"BYE (TRYLATER) \"Stopping\"\r\n",
            // POP3 has no words for it (RFC 1939 §3): the server only ever answers.
            Self::Pop3 | Self::Control | Self::Metrics => b"",
        })
    }
}
