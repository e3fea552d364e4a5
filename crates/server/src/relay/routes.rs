//! Which way letters for elsewhere take: to the hosts of their destination, or through another.
//!
//! Not here: which hosts a destination has (`hosts`).
//!
//! RFC 2033 (LMTP, to a mail system of this house).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mail::{Address, Host, ReversePath, TlsWish};
use net::{Authorities, ClientConfig};
use post::queue::Runner;
use smtp::Service;
use wire::sasl::Secret;

use crate::forwards::UserPath;

/// What the relay is told.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// The port that other hosts are called at.
    pub port: u16,
    /// Ways that letters take, the first that fits; none: to the hosts of their destination.
    pub routes: Vec<RelayRoute>,
    /// The process that runs programs of aliases, where there is one.
    pub programs: Option<Arc<SmartHost>>,
    /// The sockets at which users run those of their `.forward`.
    pub forward_programs: Option<UserPath>,
    /// Where letters come from that take none of them.
    pub sources: Sources,
    /// Connections at once, to all destinations.
    pub connections_max: usize,
    /// Connections at once to one destination.
    pub connections_per_destination_max: usize,
    /// How long a connection is kept for the next letter: short beside the five minutes for which
    /// a host waits (RFC 5321 §4.5.3.2.7).
    pub linger: Duration,
    /// How long it may take to reach a host.
    pub connect_timeout: Duration,
    /// What is asked of their TLS.
    pub tls: RelayTls,
}

/// What is asked of other hosts' TLS.
#[derive(Clone, Debug)]
pub struct RelayTls {
    /// Whom certificates are verified by; nothing where nobody is known.
    pub authorities: Option<Authorities>,
    /// True if policies of MTA-STS are gone by (RFC 8461).
    pub mta_sts: bool,
    /// The port that they are fetched at.
    pub policy_port: u16,
    /// True if DANE is gone by, where its records are proven (RFC 7672).
    pub dane: bool,
    /// In whose name reports about TLS are sent to other domains; without it none are.
    pub reports: Option<Address>,
}

impl Default for RelayTls {
    fn default() -> Self {
        Self {
            authorities: None,
            mta_sts: true,
            policy_port: 443,
            dane: true,
            reports: None,
        }
    }
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            port: 25,
            routes: Vec::new(),
            programs: None,
            forward_programs: None,
            sources: Sources::default(),
            connections_max: 500,
            connections_per_destination_max: 20,
            linger: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(30),
            tls: RelayTls::default(),
        }
    }
}

/// A way for some letters.
#[derive(Clone, Debug)]
pub struct RelayRoute {
    /// Of senders at this domain only.
    pub sender: Option<Host>,
    /// To recipients at this domain only.
    pub recipient: Option<Host>,
    /// Through this host; `None`: to the hosts of their destination.
    pub via: Option<Arc<SmartHost>>,
    /// Where they come from.
    pub sources: Sources,
}

/// Addresses of this machine that others are called from, one of each family; where there is none,
/// the system chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// For hosts with an address of IPv4.
    pub v4: Option<Ipv4Addr>,
    /// For those with one of IPv6.
    pub v6: Option<Ipv6Addr>,
}

impl Sources {
    /// The address that this one is called from.
    pub(super) fn towards(self, ip: IpAddr) -> Option<IpAddr> {
        match ip {
            IpAddr::V4(_) => self.v4.map(IpAddr::V4),
            IpAddr::V6(_) => self.v6.map(IpAddr::V6),
        }
    }
}

/// Where a host that we have chosen answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At a name or an address, and a port.
    Host(Host, u16),
    /// At a socket in the file system of this machine.
    Socket(PathBuf),
}

/// Its words.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, port) => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What a host that we have chosen speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayProtocol {
    /// One answer for all recipients of a letter (RFC 5321).
    Smtp,
    /// One for each of them (RFC 2033).
    Lmtp,
}

impl RelayProtocol {
    /// The same in the words of the protocol.
    pub(super) const fn service(self) -> Service {
        match self {
            Self::Smtp => Service::Relay,
            Self::Lmtp => Service::Lmtp,
        }
    }
}

/// A host that takes letters for everywhere, or for some.
#[derive(Clone)]
pub struct SmartHost {
    /// Where it answers.
    pub reach: Reach,
    /// What it speaks.
    pub protocol: RelayProtocol,
    /// When the connection is encrypted.
    pub encrypted: crate::Encrypted,
    /// Whom its certificate is checked with; `None` where there is no TLS.
    pub trust: Option<Arc<ClientConfig>>,
    /// Name and password, where it wants them.
    pub login: Option<(String, Secret)>,
}

/// Without what it is trusted with.
impl fmt::Debug for SmartHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmartHost")
            .field("reach", &self.reach)
            .field("protocol", &self.protocol)
            .field("encrypted", &self.encrypted)
            .finish_non_exhaustive()
    }
}

impl SmartHost {
    /// The process at a socket of this machine that runs programs of aliases.
    #[must_use]
    pub const fn programs(socket: PathBuf) -> Self {
        Self {
            reach: Reach::Socket(socket),
            protocol: RelayProtocol::Lmtp,
            encrypted: crate::Encrypted::Never,
            trust: None,
            login: None,
        }
    }

    /// The socket of this machine that it answers at, where it does.
    pub(super) fn socket(&self) -> Option<&PathBuf> {
        match &self.reach {
            Reach::Host(..) => None,
            Reach::Socket(path) => Some(path),
        }
    }
}

impl RelaySettings {
    /// The way of a letter: the host it goes through, if it does, and where it comes from.
    pub(super) fn way(
        &self,
        reverse_path: &ReversePath,
        destination: &str,
    ) -> (Option<Arc<SmartHost>>, Sources) {
        if let Some(runner) = Runner::at(destination) {
            return (self.runs(&runner), Sources::default());
        }
        let sender = reverse_path.address().map(|address| &address.host);
        let fits = |route: &&RelayRoute| {
            let of = route.sender.as_ref();
            let to = route.recipient.as_ref();
            of.is_none_or(|host| sender == Some(host))
                && to.is_none_or(|host| host.to_ascii().eq_ignore_ascii_case(destination))
        };
        match self.routes.iter().find(fits) {
            Some(route) => (route.via.clone(), route.sources),
            None => (None, self.sources),
        }
    }

    /// The process that runs programs.
    fn runs(&self, runner: &Runner) -> Option<Arc<SmartHost>> {
        match runner {
            Runner::Aliases => self.programs.clone(),
            Runner::User(user) => {
                let socket = self.forward_programs.as_ref()?.of(user);
                Some(Arc::new(SmartHost::programs(socket)))
            }
        }
    }
}

/// Which way a letter takes, and what its sender wants of TLS there: letters of which all is the
/// same share connections.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) via: Option<Arc<SmartHost>>,
    pub(super) sources: Sources,
    pub(super) wish: TlsWish,
}

impl Course {
    /// The socket of this machine that it leads to, where it does.
    pub(super) fn socket(&self) -> Option<&PathBuf> {
        self.via.as_ref()?.socket()
    }

    /// What is spoken there.
    pub(super) fn service(&self) -> Service {
        let via = self.via.as_ref();
        via.map_or(Service::Relay, |via| via.protocol.service())
    }
}

/// True if both lead the same way.
pub(super) fn same(one: &Course, other: &Course) -> bool {
    if one.wish != other.wish || one.sources != other.sources {
        return false;
    }
    match (&one.via, &other.via) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            // Those of users who run programs are made for each letter.
            let is_plain = |host: &SmartHost| host.socket().is_some() && host.login.is_none();
            let is_alike = one.reach == other.reach && one.protocol == other.protocol;
            Arc::ptr_eq(one, other) || is_plain(one) && is_plain(other) && is_alike
        }
        _ => false,
    }
}

/// The address that a destination is, if it is an address literal.
pub(super) fn literal(destination: &str) -> Option<IpAddr> {
    match Host::parse(destination).ok()? {
        Host::Ip(ip) => Some(ip),
        Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use post::queue::PROGRAMS;

    use super::*;

    fn smart(name: &str) -> Arc<SmartHost> {
        Arc::new(SmartHost {
            reach: Reach::Host(Host::parse(name).unwrap(), 587),
            protocol: RelayProtocol::Smtp,
            encrypted: crate::Encrypted::StartTls,
            trust: None,
            login: None,
        })
    }

    #[test]
    fn letters_with_the_same_course_share_connections() {
        let (one, other) = (Some(smart("a.example")), Some(smart("a.example")));
        let course = |via: &Option<Arc<SmartHost>>, wish| Course {
            via: via.clone(),
            sources: Sources::default(),
            wish,
        };
        let usual = TlsWish::Usual;
        let first = course(&one, usual);
        assert!(same(&first, &course(&one, usual)));
        assert!(same(&course(&None, usual), &course(&None, usual)));
        for strange in [
            course(&other, usual),
            course(&None, usual),
            course(&one, TlsWish::Required),
            Course {
                sources: Sources {
                    v6: Some(Ipv6Addr::LOCALHOST),
                    ..Sources::default()
                },
                ..course(&one, usual)
            },
        ] {
            assert!(!same(&first, &strange), "{strange:?}");
        }
    }

    #[test]
    fn the_first_way_that_fits_is_taken() {
        let host = |name: &str| Some(Host::parse(name).unwrap());
        let from = |last| Sources {
            v4: Some([127, 0, 0, last].into()),
            v6: None,
        };
        let settings = RelaySettings {
            routes: vec![
                RelayRoute {
                    sender: None,
                    recipient: host("direct.example"),
                    via: None,
                    sources: from(7),
                },
                RelayRoute {
                    sender: host("a.example"),
                    recipient: None,
                    via: Some(smart("of-a.example")),
                    sources: Sources::default(),
                },
                RelayRoute {
                    sender: None,
                    recipient: host("b.example"),
                    via: Some(smart("to-b.example")),
                    sources: Sources::default(),
                },
                RelayRoute {
                    sender: None,
                    recipient: host("store.example"),
                    via: Some(Arc::new(SmartHost::programs("/run/lmtp".into()))),
                    sources: Sources::default(),
                },
                RelayRoute {
                    sender: host("z.example"),
                    recipient: None,
                    via: Some(smart("rest.example")),
                    sources: from(9),
                },
            ],
            programs: Some(Arc::new(SmartHost::programs("/run/programs".into()))),
            forward_programs: UserPath::parse("/run/{user}/programs"),
            sources: from(8),
            ..RelaySettings::default()
        };
        let cases = [
            ("<x@a.example>", "direct.example", None),
            ("<x@a.example>", "b.example", Some("of-a.example:587")),
            ("<x@c.example>", "b.example", Some("to-b.example:587")),
            ("<>", "B.example", Some("to-b.example:587")),
            ("<>", "store.example", Some("unix:/run/lmtp")),
            ("<x@z.example>", "c.example", Some("rest.example:587")),
            // Whoever sends, no route is one to programs.
            ("<x@z.example>", PROGRAMS, Some("unix:/run/programs")),
            ("<>", "|programs/ada", Some("unix:/run/ada/programs")),
            ("<>", "c.example", None),
        ];
        for (sender, to, expected) in cases {
            let path = ReversePath::parse(sender).unwrap();
            let way = || settings.way(&path, to).0;
            let told = way().map(|via| via.reach.to_string());
            assert_eq!(told.as_deref(), expected, "{sender} {to}");
            // Whenever it is asked for, it is the same.
            let course = || Course {
                via: way(),
                sources: Sources::default(),
                wish: TlsWish::Usual,
            };
            assert!(same(&course(), &course()), "{to}");
        }
        for (to, v4) in [("direct.example", 7), ("c.example", 8)] {
            let sources = settings.way(&ReversePath::Null, to).1;
            let called_from = |ip: [u8; 4]| sources.towards(ip.into());
            assert_eq!(called_from([192, 0, 2, 1]), Some([127, 0, 0, v4].into()));
            assert_eq!(sources.towards(Ipv6Addr::LOCALHOST.into()), None);
        }
        assert_eq!(literal("[192.0.2.1]"), Some([192, 0, 2, 1].into()));
        assert_eq!(literal("192.0.2.1.example"), None);
    }
}
