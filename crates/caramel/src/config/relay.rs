//! Mail for elsewhere: who may send it, which way it goes, how long it is tried.

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mail::{Address, Host, Network};
use net::Authorities;
use post::Elsewhere;
use post::queue::QueueRules;
use server::{
    Encrypted, Reach, RelayProtocol, RelayRoute, RelaySettings, RelayTls, SmartHost, Sources,
};
use wire::sasl::Secret;

use super::setting::{self, Setting};
use super::written::{self, Meaning, Table, Value, Written};
use super::{ALL, Config, find};
use crate::complaint::Complaint;

/// Octets of a file with a password.
const PASSWORD_OCTETS_MAX: u64 = 4096;

/// The settings of a way, in `[relay]` or in a `[[relay.route]]`.
struct Keys {
    host: &'static Setting,
    protocol: &'static Setting,
    user: &'static Setting,
    password: &'static Setting,
    tls: &'static Setting,
    ca: &'static Setting,
}

const OF_RELAY: Keys = Keys {
    host: &setting::RELAY_HOST,
    protocol: &setting::RELAY_PROTOCOL,
    user: &setting::RELAY_USER,
    password: &setting::RELAY_PASSWORD,
    tls: &setting::RELAY_TLS,
    ca: &setting::RELAY_CA,
};

const OF_ROUTE: Keys = Keys {
    host: &setting::ROUTE_HOST,
    protocol: &setting::ROUTE_PROTOCOL,
    user: &setting::ROUTE_USER,
    password: &setting::ROUTE_PASSWORD,
    tls: &setting::ROUTE_TLS,
    ca: &setting::ROUTE_CA,
};

impl Config {
    /// What becomes of mail for elsewhere.
    pub(crate) fn elsewhere(&self) -> Elsewhere {
        match self.word(&setting::RELAY_MODE).as_str() {
            "capture" => Elsewhere::Capture,
            "refuse" => Elsewhere::Refuse,
            _ => Elsewhere::Relay,
        }
    }

    /// Whose mail for elsewhere is sent though nobody is logged in.
    pub(crate) fn trusted_networks(&self) -> Vec<Network> {
        self.many(&setting::RELAY_TRUSTED, |meaning| match meaning {
            Meaning::Network(network) => Some(network),
            _ => None,
        })
    }

    /// To how many an account may send in an hour.
    pub(crate) fn sends_per_hour(&self) -> u32 {
        u32::try_from(self.number(&setting::SENDS_PER_HOUR)).unwrap_or(u32::MAX)
    }

    /// To how many a script may send one message on.
    pub(crate) fn redirects(&self) -> u64 {
        self.number(&setting::REDIRECTS)
    }

    /// How long it is remembered what happened to each letter.
    pub(crate) fn journeys_window(&self) -> Duration {
        Duration::from_secs(self.number(&setting::JOURNEYS_WINDOW))
    }

    /// How long letters wait.
    pub(crate) fn queue(&self) -> QueueRules {
        let retry = self.many(&setting::QUEUE_RETRY, |meaning| match meaning {
            Meaning::Number(seconds) => Some(Duration::from_secs(seconds)),
            _ => None,
        });
        QueueRules {
            retry,
            expire: Duration::from_secs(self.number(&setting::QUEUE_EXPIRE)),
            warn_after: Duration::from_secs(self.number(&setting::QUEUE_WARN_AFTER)),
            letters_max: self.number(&setting::QUEUE_LETTERS),
            suppress: Duration::from_secs(self.number(&setting::QUEUE_SUPPRESS)),
        }
    }

    /// How letters leave.
    pub(crate) fn relay(&self) -> Result<RelaySettings, Complaint> {
        let own = self.value(&setting::RELAY_SOURCE);
        let own = own.as_ref().map_or_else(Sources::default, sources);
        let mut routes = Vec::new();
        for table in &self.routes {
            let value = |setting: &Setting| of_table(table, setting);
            let domain = |setting: &Setting| match value(setting)?.meaning {
                Meaning::Host(host) => Some(host),
                _ => None,
            };
            routes.push(RelayRoute {
                sender: domain(&setting::ROUTE_SENDER),
                recipient: domain(&setting::ROUTE_RECIPIENT),
                via: smart_host(&OF_ROUTE, value)?.map(Arc::new),
                sources: match value(&setting::ROUTE_SOURCE) {
                    Some(value) => sources(&value),
                    None => own,
                },
            });
        }
        if let Some(host) = smart_host(&OF_RELAY, |setting| self.value(setting))? {
            routes.push(RelayRoute {
                sender: None,
                recipient: None,
                via: Some(Arc::new(host)),
                sources: own,
            });
        }
        let count = |setting| usize::try_from(self.number(setting)).unwrap_or(usize::MAX);
        Ok(RelaySettings {
            port: u16::try_from(self.number(&setting::RELAY_PORT)).unwrap_or(25),
            routes,
            programs: self.programs().map(SmartHost::programs).map(Arc::new),
            forward_programs: self.forward_programs(),
            sources: own,
            connections_max: count(&setting::RELAY_CONNECTIONS),
            connections_per_destination_max: count(&setting::RELAY_CONNECTIONS_EACH),
            linger: Duration::from_secs(self.number(&setting::RELAY_LINGER)),
            tls: self.relay_tls()?,
            ..RelaySettings::default()
        })
    }

    /// In whose name other domains are told what came of TLS with their hosts.
    pub(crate) fn tls_reports(&self) -> Option<Address> {
        match self.value(&setting::RELAY_TLS_REPORTS)?.meaning {
            Meaning::Mail(address) => Some(address),
            _ => None,
        }
    }

    /// What is asked of other hosts' TLS.
    fn relay_tls(&self) -> Result<RelayTls, Complaint> {
        let path = self.value(&setting::RELAY_AUTHORITIES);
        let path = path.and_then(|value| match value.meaning {
            Meaning::Path(path) => Some(path),
            _ => None,
        });
        let authorities = match (Authorities::open(path.as_deref()), path) {
            (Ok(authorities), _) => Some(authorities),
            (Err(error), Some(_)) => {
                let error = Err(error).context("reading the authorities of other hosts");
                return error.map_err(Complaint::from);
            }
            // Mail goes on as it did: what cannot be verified is not.
            (Err(error), None) => {
                tracing::warn!(%error, "other hosts' certificates cannot be verified: no MTA-STS");
                None
            }
        };
        Ok(RelayTls {
            authorities,
            mta_sts: self.is_on(&setting::RELAY_MTA_STS),
            policy_port: u16::try_from(self.number(&setting::RELAY_POLICY_PORT)).unwrap_or(443),
            dane: self.is_on(&setting::RELAY_DANE),
            reports: self.tls_reports(),
        })
    }

    /// The ways that some mail takes, as they are written.
    pub(super) fn show_routes(&self, text: &mut String) {
        for table in &self.routes {
            let _written = writeln!(text, "\n[[relay.route]]");
            let of_route = |setting: &&Setting| setting.section == "relay.route";
            for setting in ALL.iter().filter(of_route) {
                if let Some(value) = table.get(&(setting.section, setting.key)) {
                    let _written = writeln!(text, "{} = {}", setting.key, value.shown);
                }
            }
        }
    }
}

pub(super) fn of_table(table: &Table, setting: &Setting) -> Option<Value> {
    let given = table.get(&(setting.section, setting.key)).cloned();
    given.or_else(|| written::default(setting))
}

fn smart_host(
    keys: &Keys,
    value: impl Fn(&Setting) -> Option<Value>,
) -> Result<Option<SmartHost>, Complaint> {
    let Some(Meaning::Reach(reach)) = value(keys.host).map(|value| value.meaning) else {
        return Ok(None);
    };
    let word = |setting: &Setting| match value(setting)?.meaning {
        Meaning::Word(word) => Some(word),
        _ => None,
    };
    let path = |setting: &Setting| match value(setting)?.meaning {
        Meaning::Path(path) => Some(path),
        _ => None,
    };
    let encrypted = match (&reach, word(keys.tls).as_deref()) {
        (Reach::Socket(_), _) | (_, Some("none")) => Encrypted::Never,
        (_, Some("implicit")) => Encrypted::Implicit,
        _ => Encrypted::StartTls,
    };
    let protocol = match word(keys.protocol).as_deref() {
        Some("lmtp") => RelayProtocol::Lmtp,
        _ => RelayProtocol::Smtp,
    };
    let trust = match (encrypted, path(keys.ca)) {
        (Encrypted::Never, _) => None,
        (_, Some(ca)) => Some(net::roots_from_pem(&ca).context("reading the relay's authorities")?),
        (_, None) => Some(net::roots_of_system().context("reading the system's authorities")?),
    };
    let login = match (word(keys.user), path(keys.password)) {
        (Some(user), Some(file)) => Some((user, Secret(password(&file)?))),
        _ => None,
    };
    Ok(Some(SmartHost {
        reach,
        protocol,
        encrypted,
        trust,
        login,
    }))
}

/// The addresses that a list names: the first of each family.
fn sources(value: &Value) -> Sources {
    let mut sources = Sources::default();
    for ip in ips(value) {
        match ip {
            IpAddr::V4(ip) => sources.v4 = sources.v4.or(Some(ip)),
            IpAddr::V6(ip) => sources.v6 = sources.v6.or(Some(ip)),
        }
    }
    sources
}

fn ips(value: &Value) -> Vec<IpAddr> {
    let Meaning::Many(all) = &value.meaning else {
        return Vec::new();
    };
    let ips = all.iter().filter_map(|one| match one {
        Meaning::Ip(ip) => Some(*ip),
        _ => None,
    });
    ips.collect()
}

pub(super) fn password(file: &Path) -> anyhow::Result<String> {
    let what = || format!("{} cannot be read", file.display());
    let opened = std::fs::File::open(file).with_context(what)?;
    let mut text = String::new();
    let read = opened.take(PASSWORD_OCTETS_MAX).read_to_string(&mut text);
    read.with_context(what)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Finds ways that lead nowhere: a name without a password, a port that is none.
pub(super) fn check(written: &mut Written, routes: &[Table]) {
    let own = written.values.clone();
    check_way(written, &OF_RELAY, &own);
    let source = find(written, &setting::RELAY_SOURCE);
    // Routes that go elsewhere may have been meant.
    if routes.is_empty() && is_socket(find(written, &setting::RELAY_HOST)) {
        check_no_source(written, source.as_ref());
    }
    check_sources(written, source);
    for table in routes {
        check_way(written, &OF_ROUTE, table);
        let given = |setting: &Setting| table.get(&(setting.section, setting.key)).cloned();
        let source = given(&setting::ROUTE_SOURCE);
        if is_socket(given(&setting::ROUTE_HOST)) {
            check_no_source(written, source.as_ref());
        }
        check_sources(written, source);
    }
    for setting in [&setting::RELAY_PORT, &setting::RELAY_POLICY_PORT] {
        let is_none = |port: u64| u16::try_from(port).is_err();
        let value = find(written, setting);
        if let Some(value) = value.filter(|value| value.number().is_some_and(is_none)) {
            let hint = format!("{} = {}", setting.key, setting.default);
            written.flaw(value.span, "this is not a port".to_owned(), hint);
        }
    }
    if let Some(value) = find(written, &setting::RELAY_AUTHORITIES)
        && let Meaning::Path(path) = &value.meaning
        && let Err(error) = std::fs::File::open(path)
    {
        let what = format!("{} cannot be opened", value.shown);
        written.flaw(value.span.clone(), what, error.to_string());
    }
}

/// Finds an address where there is nothing to be called from one.
fn check_no_source(written: &mut Written, source: Option<&Value>) {
    if let Some(source) = source.filter(|source| !ips(source).is_empty()) {
        let what = "a socket of this machine is not called from an address".to_owned();
        written.flaw(source.span.clone(), what, "leave `source` out");
    }
}

/// Finds a list of addresses that names two where one is wanted.
fn check_sources(written: &mut Written, value: Option<Value>) {
    let Some(value) = value else { return };
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = ips(&value).into_iter().partition(IpAddr::is_ipv4);
    if v4.len() > 1 || v6.len() > 1 {
        let what = "there is one address of each kind, IPv4 and IPv6, at most".to_owned();
        written.flaw(value.span, what, "source = [\"192.0.2.25\"]");
    }
}

fn check_way(written: &mut Written, keys: &Keys, table: &Table) {
    let given = |setting: &Setting| table.get(&(setting.section, setting.key)).cloned();
    let host = given(keys.host);
    for (one, other) in [
        (keys.user, keys.password),
        (keys.password, keys.user),
        (keys.user, keys.host),
        (keys.ca, keys.host),
    ] {
        if let (Some(value), None) = (given(one), given(other)) {
            let what = format!("`{}` is of no use without `{}`", one.key, other.key);
            written.flaw(
                value.span,
                what,
                format!("{} = {}", other.key, other.example),
            );
        }
    }
    let is = |value: &Value, word: &str| value.meaning == Meaning::Word(word.to_owned());
    let tls = given(keys.tls);
    let clear = tls.as_ref().is_some_and(|tls| is(tls, "none"));
    if let (Some(user), Some(Meaning::Reach(Reach::Host(host, _))), true) = (
        given(keys.user),
        host.as_ref().map(|host| &host.meaning),
        clear,
    ) && !is_this_machine(host)
    {
        let what = "a password is not sent to another machine without TLS".to_owned();
        written.flaw(user.span, what, "tls = \"starttls\"");
    }
    if is_socket(host.clone()) {
        // The default stands for nothing here.
        for value in [tls.filter(|tls| is(tls, "implicit")), given(keys.ca)] {
            let Some(value) = value else { continue };
            let what = "there is no TLS with a socket of this machine: none is needed".to_owned();
            written.flaw(value.span, what, "leave `tls` and `ca` out");
        }
    }
    let lmtp = given(keys.protocol).filter(|protocol| is(protocol, "lmtp"));
    match (lmtp, host) {
        (Some(lmtp), None) => {
            let what = "`protocol` is of no use without `host`".to_owned();
            written.flaw(lmtp.span, what, "host = \"store.example.org:24\"");
        }
        // RFC 2033 §5
        (Some(_), Some(host)) if matches!(host.meaning, Meaning::Reach(Reach::Host(_, 25))) => {
            let what = "LMTP is not spoken at port 25: who answers there speaks SMTP".to_owned();
            written.flaw(host.span, what, "host = \"store.example.org:24\"");
        }
        _ => {}
    }
    for setting in [keys.password, keys.ca] {
        if let Some(value) = given(setting)
            && let Meaning::Path(path) = &value.meaning
            && let Err(error) = std::fs::File::open(path)
        {
            let what = format!("{} cannot be opened", value.shown);
            written.flaw(value.span, what, error.to_string());
        }
    }
}

/// True if that is a socket of this machine.
fn is_socket(host: Option<Value>) -> bool {
    host.is_some_and(|host| matches!(host.meaning, Meaning::Reach(Reach::Socket(_))))
}

/// True if the host is this machine for sure.
pub(super) fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Ip(ip) => ip.is_loopback(),
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn with(relay: &str) -> String {
        format!(
            "hostname = \"h.example\"\n{relay}\n\
             [[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.1:25\"\n"
        )
    }

    #[test]
    fn ways_by_lmtp_and_through_sockets() {
        let text = with(
            "[relay]\nhost = \"a.example:587\"\ntls = \"none\"\nsource = [\"192.0.2.1\"]\n\
             [[relay.route]]\nrecipient = \"b.example\"\nprotocol = \"lmtp\"\n\
             host = \"192.0.2.2:24\"\ntls = \"none\"\n\
             [[relay.route]]\nrecipient = \"c.example\"\nprotocol = \"lmtp\"\n\
             host = \"unix:/run/dovecot/lmtp\"\n",
        );
        let config = parse("caramel.toml", text).unwrap();
        let again = parse("shown.toml", config.show()).unwrap();
        for config in [&config, &again] {
            let relay = config.relay().unwrap();
            let ways = relay.routes.iter().map(|route| {
                let via = route.via.as_ref().unwrap();
                let own = route.sources.v4.is_some();
                format!("{} {:?} {:?} {own}", via.reach, via.protocol, via.encrypted)
            });
            assert_eq!(
                ways.collect::<Vec<_>>(),
                [
                    "[192.0.2.2]:24 Lmtp Never true",
                    "unix:/run/dovecot/lmtp Lmtp Never true",
                    "a.example:587 Smtp Never true",
                ]
            );
        }
    }

    #[test]
    fn ways_that_lead_nowhere_are_told() {
        let socket = "[[relay.route]]\nhost = \"unix:/run/lmtp\"\nprotocol = \"lmtp\"\n";
        for (relay, what) in [
            (
                "[relay]\nprotocol = \"lmtp\"\n".to_owned(),
                "`protocol` is of no use without `host`",
            ),
            (
                "[relay]\nhost = \"a.example:25\"\nprotocol = \"lmtp\"\n".to_owned(),
                "LMTP is not spoken at port 25",
            ),
            (
                "[relay]\nhost = \"a.example\"\nprotocol = \"lmtp\"\n".to_owned(),
                "a host with its port, or a socket's path",
            ),
            (
                format!("{socket}tls = \"implicit\"\n"),
                "there is no TLS with a socket of this machine",
            ),
            (
                format!("{socket}ca = \"/dev/null\"\n"),
                "there is no TLS with a socket of this machine",
            ),
            (
                format!("{socket}source = [\"192.0.2.1\"]\n"),
                "is not called from an address",
            ),
            (
                "[relay]\nhost = \"unix:/run/lmtp\"\nsource = [\"192.0.2.1\"]\n".to_owned(),
                "is not called from an address",
            ),
        ] {
            let complaint = parse("caramel.toml", with(&relay)).unwrap_err().to_string();
            assert!(complaint.contains(what), "{what}: {complaint}");
        }
        // A password may go where nobody listens.
        let login = "tls = \"none\"\nuser = \"a\"\npassword_file = \"/dev/null\"\n";
        let text = with(&format!("{socket}{login}"));
        assert!(parse("caramel.toml", text).unwrap().relay().is_ok());
    }
}
