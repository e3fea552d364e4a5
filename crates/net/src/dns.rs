//! Questions to DNS: put to the servers that resolve names for this machine, and remembered for as
//! long as their answers say.
//!
//! Not here: what answers mean; names in `/etc/hosts`, search lists: a name is asked about as it
//! is, and an answer is worth what the way to the server is worth. Of DNSSEC, only what a server
//! says that validates it (`proven`).
//!
//! RFC 1034, 1035, 2308 and, of names that nobody has to be asked about (`localhost`, 127.0.0.1),
//! 6761, by hickory.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver as Hickory, TokioResolver};
use tokio::sync::Semaphore;
use tokio::time::timeout;

mod proven;

pub use proven::DnsProven;

/// Answers that are remembered.
const CACHED_ANSWERS_MAX: u64 = 16_384;
/// For how long an answer is remembered at most, seconds: whoever says longer is asked again.
const CACHED_SECONDS_MAX: u64 = 24 * 3600;
/// The same for an answer that there is nothing (RFC 2308 §5: hours are too long).
const CACHED_NOTHING_SECONDS_MAX: u64 = 3600;
/// Questions that are on their way at the same time; more wait, within their own time.
const QUESTIONS_MAX: usize = 256;
/// Records of one answer that are looked at.
const RECORDS_MAX: usize = 200;
/// How often a server that is silent is asked.
const TRIES_MAX: u32 = 3;
/// Where the system says who resolves names.
const SYSTEM_FILE: &str = "/etc/resolv.conf";
/// Servers of that file that are asked.
const SYSTEM_SERVERS_MAX: usize = 3;
/// Where name servers answer (RFC 1035 §4.2).
const PORT: u16 = 53;

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// Servers that resolve names, of which two are asked at once, and those first that answered
    /// best; none for those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// How long a question may take, its waiting included.
    pub timeout: Duration,
    /// Whose word is taken that DNSSEC proves an answer.
    pub trust_ad: TrustAd,
}

/// Whose word is taken that DNSSEC proves an answer (the AD bit): a server that validates, and to
/// which the way is safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustAd {
    /// Nobody's.
    Never,
    /// That of servers on this machine.
    #[default]
    Local,
    /// That of all servers.
    Always,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(5),
            trust_ad: TrustAd::default(),
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsKind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail exchangers.
    Mx,
    /// Names of an address.
    Ptr,
    /// Texts.
    Txt,
    /// Certificates (RFC 6698).
    Tlsa,
}

/// One record of an answer. Names are without their last dot: the root is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A mail exchanger.
    Mx {
        /// The lower, the sooner.
        preference: u16,
        /// Its name; empty where the domain takes no mail (RFC 7505).
        exchange: String,
    },
    /// A name.
    Ptr(String),
    /// A text, its strings put together.
    Txt(Vec<u8>),
    /// What a certificate must be (RFC 6698 §2.1).
    Tlsa {
        /// How it is used.
        usage: u8,
        /// What of it is looked at.
        selector: u8,
        /// How it is compared.
        matching: u8,
        /// What it is compared with.
        data: Vec<u8>,
    },
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsFound {
    /// These, at least one; the name may be another one's alias.
    Records(Vec<DnsData>),
    /// The name is there, but nothing of this kind.
    NoData,
    /// There is no such name.
    NoSuchName,
    /// Nobody knows for now: no server answered in time, or it failed.
    Failed,
}

/// Asks, and remembers. It is made ready when it is first asked, inside the runtime.
#[derive(Debug)]
pub struct Resolver {
    settings: DnsSettings,
    inner: OnceLock<Option<TokioResolver>>,
    believed: OnceLock<Vec<SocketAddr>>,
    turns: Semaphore,
}

impl Resolver {
    /// One that asks these servers.
    #[must_use]
    pub fn new(settings: DnsSettings) -> Self {
        Self {
            settings,
            inner: OnceLock::new(),
            believed: OnceLock::new(),
            turns: Semaphore::new(QUESTIONS_MAX),
        }
    }

    /// Finds out what there is of this kind at a name, which is taken octet for octet. It takes no
    /// longer than the settings say.
    pub async fn ask(&self, name: &str, kind: DnsKind) -> DnsFound {
        let Some(name) = written(name) else {
            return DnsFound::NoSuchName;
        };
        let found = timeout(self.settings.timeout, self.look_up(&name, kind)).await;
        found.unwrap_or_else(|_| {
            tracing::debug!(%name, ?kind, "DNS was silent");
            DnsFound::Failed
        })
    }

    /// Finds out the same, and whether DNSSEC proves it. Where no server is believed about that,
    /// nothing is proven.
    pub async fn ask_proven(&self, asked: &str, kind: DnsKind) -> DnsProven {
        let name = written(asked).filter(|_| !is_known_by_all(asked));
        let (Some(name), false) = (name, self.believed().is_empty()) else {
            return DnsProven::unproven(self.ask(asked, kind).await, asked);
        };
        let question = async {
            let _turn = self.turns.acquire().await.ok()?;
            let limit = self.settings.timeout / TRIES_MAX;
            for _ in 0..TRIES_MAX {
                let found = proven::ask(self.believed(), &name, kind, limit).await;
                if found.is_some() {
                    return found;
                }
            }
            None
        };
        let found = timeout(self.settings.timeout, Box::pin(question)).await;
        let found = found.unwrap_or_default();
        found.unwrap_or_else(|| DnsProven::unproven(DnsFound::Failed, asked))
    }

    /// The servers whose word is taken that an answer is proven.
    fn believed(&self) -> &[SocketAddr] {
        self.believed.get_or_init(|| {
            let mut servers = servers(&self.settings);
            match self.settings.trust_ad {
                TrustAd::Never => servers.clear(),
                TrustAd::Local => servers.retain(|server| server.ip().is_loopback()),
                TrustAd::Always => {}
            }
            servers
        })
    }

    async fn look_up(&self, name: &Name, kind: DnsKind) -> DnsFound {
        let inner = self.inner.get_or_init(|| open(&self.settings));
        let (Some(inner), Ok(_turn)) = (inner, self.turns.acquire().await) else {
            return DnsFound::Failed;
        };
        match Box::pin(inner.lookup(name.clone(), kind.into())).await {
            Ok(found) => {
                let records = found.answers().iter();
                let of_kind = records.filter_map(|record| data(&record.data, kind));
                let records: Vec<DnsData> = of_kind.take(RECORDS_MAX).collect();
                match records.is_empty() {
                    true => DnsFound::NoData,
                    false => DnsFound::Records(records),
                }
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
                ResponseCode::NoError => DnsFound::NoData,
                ResponseCode::NXDomain => DnsFound::NoSuchName,
                code => failed(name, kind, &code),
            },
            Err(error) => failed(name, kind, &error),
        }
    }
}

fn failed(name: &Name, kind: DnsKind, why: &dyn std::fmt::Display) -> DnsFound {
    tracing::debug!(%name, ?kind, %why, "DNS failed");
    DnsFound::Failed
}

/// A name as it is asked about; `None` if no query can be made of it.
fn written(name: &str) -> Option<Name> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut name = Name::from_labels(name.split('.').map(str::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// The servers that are asked.
fn servers(settings: &DnsSettings) -> Vec<SocketAddr> {
    match settings.servers.is_empty() {
        true => of_system(&fs::read_to_string(SYSTEM_FILE).unwrap_or_default()),
        false => settings.servers.clone(),
    }
}

/// True for names that nobody is asked about (RFC 6761 §6.3, §6.4).
fn is_known_by_all(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost") || last.eq_ignore_ascii_case("invalid")
}

fn open(settings: &DnsSettings) -> Option<TokioResolver> {
    let servers = servers(settings).into_iter().map(server).collect();
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = Hickory::builder_with_config(config, TokioRuntimeProvider::default());
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = settings.timeout / TRIES_MAX;
    options.attempts = usize::try_from(TRIES_MAX - 1).unwrap_or_default();
    options.cache_size = CACHED_ANSWERS_MAX;
    options.positive_max_ttl = Some(Duration::from_secs(CACHED_SECONDS_MAX));
    options.negative_max_ttl = Some(Duration::from_secs(CACHED_NOTHING_SECONDS_MAX));
    options.use_hosts_file = ResolveHosts::Never;
    options.max_active_requests = QUESTIONS_MAX;
    let built = builder.build();
    built
        .inspect_err(|error| tracing::error!(%error, "names cannot be resolved"))
        .ok()
}

fn server(address: SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    // What it says is final: others would only say the same.
    NameServerConfig::new(address.ip(), true, ways.map(at_port).to_vec())
}

/// The servers that the system's file names; this machine, where it names none.
fn of_system(text: &str) -> Vec<SocketAddr> {
    let lines = text.lines().map(str::split_whitespace);
    let named = lines.filter_map(|mut words| match words.next() {
        Some("nameserver") => words.next()?.parse::<IpAddr>().ok(),
        _ => None,
    });
    let mut servers: Vec<IpAddr> = named.take(SYSTEM_SERVERS_MAX).collect();
    if servers.is_empty() {
        servers.push(Ipv4Addr::LOCALHOST.into());
    }
    let at_port = |ip| SocketAddr::new(ip, PORT);
    servers.into_iter().map(at_port).collect()
}

impl From<DnsKind> for RecordType {
    fn from(kind: DnsKind) -> Self {
        match kind {
            DnsKind::A => Self::A,
            DnsKind::Aaaa => Self::AAAA,
            DnsKind::Mx => Self::MX,
            DnsKind::Ptr => Self::PTR,
            DnsKind::Txt => Self::TXT,
            DnsKind::Tlsa => Self::TLSA,
        }
    }
}

/// A record, if it is of the kind that was asked for.
fn data(data: &RData, kind: DnsKind) -> Option<DnsData> {
    let data = match (data, kind) {
        (RData::A(ip), DnsKind::A) => DnsData::A(ip.0),
        (RData::AAAA(ip), DnsKind::Aaaa) => DnsData::Aaaa(ip.0),
        (RData::MX(mx), DnsKind::Mx) => DnsData::Mx {
            preference: mx.preference,
            exchange: bare(&mx.exchange),
        },
        (RData::PTR(name), DnsKind::Ptr) => DnsData::Ptr(bare(&name.0)),
        (RData::TXT(text), DnsKind::Txt) => DnsData::Txt(text.txt_data.concat()),
        (RData::TLSA(tlsa), DnsKind::Tlsa) => DnsData::Tlsa {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            data: tlsa.cert_data.clone(),
        },
        _ => return None,
    };
    Some(data)
}

fn bare(name: &Name) -> String {
    let text = name.to_ascii();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_the_system() {
        let text = "# nameserver 192.0.2.9\n; x\nsearch example.org\nnameserver 192.0.2.1\n\
            nameserver 2001:db8::1 # x\nnameserver nonsense\nnameserver 192.0.2.2\n\
            nameserver 192.0.2.3\n";
        let found: Vec<String> = of_system(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.2:53"]);
        for text in ["", "nameserver\n"] {
            assert_eq!(of_system(text), [SocketAddr::from(([127, 0, 0, 1], 53))]);
        }
    }
}
