//! The configuration: one file for the machine. People and domains live in the store.
//!
//! [`Written`] is the file as it was typed, with places; [`Config`] is what it means. Not here:
//! what the server makes of it (`serve`).

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mail::{Address, Host, Network};
use net::Endpoint;
use post::{Quota, SieveRules, UndoRules};
use server::{AuditRhythm, Encrypted, Protocol, ReclaimRhythm, Source};

use crate::complaint::Complaint;

mod local;
mod memory;
mod milter;
mod oauth;
mod outside;
mod relay;
mod setting;
mod sieve;
pub(crate) mod source;
mod spam;
mod store;
mod strangers;
mod transfer;
mod written;

pub(crate) use local::spool_of;
use outside::Signatures;
use setting::{ALL, LISTS, SECTIONS, Setting};
use written::{Meaning, Table, Value, Written};

/// What the file means.
#[derive(Debug)]
pub(crate) struct Config {
    values: Table,
    pub(crate) listeners: Vec<Listener>,
    /// The tables of `[[relay.route]]`.
    routes: Vec<Table>,
    /// The tables of `[[source]]`, and what they mean.
    sources: Vec<(Table, Source)>,
    /// The tables of `[[trust.list]]`.
    trust_lists: Vec<Table>,
    /// The tables of `[[trust.milter]]`.
    milters: Vec<Table>,
    /// The tables of `[[rewrite]]` and `[[copy]]`.
    transfer: transfer::Tables,
    /// What letters of our own people are signed with.
    signatures: Signatures,
    /// The tables of `[[sieve.list]]`.
    lists: Vec<Table>,
    /// What filter scripts of the house are, and what they have to work with.
    sieve: Arc<SieveRules>,
    data: PathBuf,
    /// Where it was read, if it is a file.
    file: Option<PathBuf>,
    /// How many following ports to try where one is taken.
    pub(crate) ports_max: u16,
    /// True if there is no file: two accounts and their mail are made.
    pub(crate) is_demo: bool,
}

/// A place where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: Endpoint,
    pub(crate) encrypted: Encrypted,
    /// Proxies that call there for others.
    pub(crate) proxies: Vec<Network>,
}

/// Reads a configuration file.
pub(crate) fn read(path: &Path) -> Result<Config, Complaint> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let what = format!("{} cannot be read", path.display());
        Complaint::usage(what).because(error)
    })?;
    let mut config = parse(&path.display().to_string(), text)?;
    config.file = std::path::absolute(path).ok();
    Ok(config)
}

/// Reads a configuration.
pub(crate) fn parse(name: &str, text: String) -> Result<Config, Complaint> {
    let mut written = Written::read(name, text);
    let listeners = listeners(&mut written);
    require_hostname(&mut written);
    check_certificate(&mut written);
    oauth::check(&mut written);
    memory::check(&mut written);
    store::check(&mut written);
    outside::check(&mut written);
    spam::check(&mut written);
    local::check(&mut written);
    let routes = written.take_list("relay.route");
    let routes: Vec<Table> = routes.into_iter().map(|(route, _)| route).collect();
    relay::check(&mut written, &routes);
    let sources = source::sources(&mut written);
    let trust_lists = written.take_list("trust.list");
    strangers::check(&mut written, &trust_lists);
    let milters = written.take_list("trust.milter");
    milter::check(&mut written, &milters);
    let transfer = transfer::take(&mut written);
    let signatures = outside::signatures(&mut written);
    let data = match written
        .values
        .get(&(setting::DATA.section, setting::DATA.key))
    {
        Some(Value {
            meaning: Meaning::Path(path),
            ..
        }) => path.clone(),
        _ => data_folder()?,
    };
    let values = std::mem::take(&mut written.values);
    let lists = written.take_list("sieve.list");
    let mut config = Config {
        values,
        listeners: listeners
            .iter()
            .map(|(listener, _)| listener.clone())
            .collect(),
        routes,
        sources,
        trust_lists: trust_lists.into_iter().map(|(list, _)| list).collect(),
        milters: milters.into_iter().map(|(milter, _)| milter).collect(),
        transfer,
        signatures,
        lists: lists.iter().map(|(list, _)| list.clone()).collect(),
        sieve: Arc::default(),
        data,
        file: None,
        ports_max: 0,
        is_demo: false,
    };
    config.sieve = Arc::new(sieve::read(&config, &mut written, &lists));
    match written.complaint() {
        Some(complaint) => Err(complaint),
        None => Ok(config),
    }
}

/// `caramel` in the user's folder for data.
pub(crate) fn data_folder() -> Result<PathBuf, Complaint> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = match folder("XDG_DATA_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let home = folder("HOME").ok_or_else(|| {
                Complaint::usage("there is no folder for the data")
                    .because("neither XDG_DATA_HOME nor HOME is set")
                    .next("caramel --data DIR")
            })?;
            PathBuf::from(home).join(".local/share")
        }
    };
    Ok(base.join("caramel"))
}

impl Config {
    /// Keeps the data elsewhere.
    pub(crate) fn move_data(&mut self, data: &Path) -> Result<(), Complaint> {
        self.data = std::path::absolute(data)
            .map_err(|error| Complaint::usage("--data is not a path").because(error))?;
        Ok(())
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// All files that it is in and that it names.
    pub(crate) fn all_files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.file.clone().into_iter().collect();
        let keys = self.signatures.named.iter();
        files.extend(keys.map(|key| key.path.clone()));
        files.extend(self.sieve_files());
        let settings = ALL
            .iter()
            .filter(|setting| **setting != setting::LOCAL_SPOOL);
        for value in settings.filter_map(|setting| self.value(setting)) {
            match value.meaning {
                // One that cannot be looked at is named by whoever reads it.
                Meaning::Path(path) if !path.is_dir() => files.push(path),
                _ => {}
            }
        }
        files
    }

    pub(crate) fn hostname(&self) -> Host {
        match self.value(&setting::HOSTNAME) {
            Some(Value {
                meaning: Meaning::Host(host),
                ..
            }) => host,
            _ => Host::Domain("localhost".to_owned()),
        }
    }

    pub(crate) fn postmaster(&self) -> Option<Address> {
        match self.value(&setting::POSTMASTER) {
            Some(Value {
                meaning: Meaning::Mail(address),
                ..
            }) => Some(address),
            _ => None,
        }
    }

    /// Octets that mailboxes may take in memory.
    pub(crate) fn mailbox_memory(&self) -> u64 {
        self.part(&setting::MAILBOX_MEMORY)
    }

    /// Octets of rows that are read often.
    pub(crate) fn cache_memory(&self) -> u64 {
        self.part(&setting::CACHE_MEMORY)
    }

    /// Octets of rows that the view has not written yet.
    pub(crate) fn view_memory(&self) -> u64 {
        self.part(&setting::VIEW_MEMORY)
    }

    /// Octets of letters on their way in.
    pub(crate) fn incoming_memory(&self) -> u64 {
        self.part(&setting::INCOMING_MEMORY)
    }

    /// Octets of changes that wait for the disk.
    pub(crate) fn waiting_memory(&self) -> u64 {
        self.part(&setting::WAITING_MEMORY)
    }

    /// How the audit goes on beside the work.
    pub(crate) fn audit(&self) -> AuditRhythm {
        AuditRhythm {
            round: Duration::from_secs(self.number(&setting::AUDIT)),
            octets_per_second: self.number(&setting::AUDIT_RATE),
        }
    }

    /// How what is dead is freed beside the work.
    pub(crate) fn reclaim(&self) -> ReclaimRhythm {
        ReclaimRhythm {
            every: Duration::from_secs(self.number(&setting::RECLAIM)),
            octets_per_second: self.number(&setting::RECLAIM_RATE),
        }
    }

    /// True if files of the log are compressed once they are complete.
    pub(crate) fn compresses(&self) -> bool {
        self.is_on(&setting::COMPRESS)
    }

    /// For how long and how much what people do can be undone.
    pub(crate) fn undo(&self) -> UndoRules {
        UndoRules {
            window: Duration::from_secs(self.number(&setting::UNDO_WINDOW)),
            octets_max: self.number(&setting::UNDO_SIZE),
            operations_max: usize::try_from(self.number(&setting::UNDO_OPERATIONS))
                .unwrap_or(usize::MAX),
        }
    }

    pub(crate) fn message_size(&self) -> u64 {
        self.number(&setting::MESSAGE_SIZE)
    }

    pub(crate) fn recipients(&self) -> u64 {
        self.number(&setting::RECIPIENTS)
    }

    /// What an account may hold that has no quota of its own.
    pub(crate) fn quota(&self) -> Quota {
        let limit = |setting| self.value(setting).map(|_| self.number(setting));
        Quota {
            octets_max: limit(&setting::ACCOUNT_SIZE),
            messages_max: limit(&setting::ACCOUNT_MESSAGES),
        }
    }

    pub(crate) fn connections(&self) -> u64 {
        self.number(&setting::CONNECTIONS)
    }

    pub(crate) fn connections_per_address(&self) -> u64 {
        self.number(&setting::CONNECTIONS_PER_ADDRESS)
    }

    pub(crate) fn stop_within_seconds(&self) -> u64 {
        self.number(&setting::STOP_WITHIN)
    }

    pub(crate) fn scram_sha1(&self) -> bool {
        self.is_on(&setting::SCRAM_SHA1)
    }

    pub(crate) fn keeps_raw_headers(&self) -> bool {
        self.word(&setting::RAW_HEADERS) == "keep"
    }

    pub(crate) fn offers_uid_only(&self) -> bool {
        self.is_on(&setting::UID_ONLY)
    }

    pub(crate) fn shows_removed_mail(&self) -> bool {
        self.is_on(&setting::REMOVED_MAIL)
    }

    pub(crate) fn allows_dialogue(&self) -> bool {
        self.is_on(&setting::ALLOW_DIALOGUE)
    }

    pub(crate) fn log_level(&self) -> String {
        self.word(&setting::LEVEL)
    }

    pub(crate) fn logs_json(&self) -> bool {
        self.word(&setting::FORMAT) == "json"
    }

    /// Certificate and key, where they are given.
    pub(crate) fn certificate(&self) -> Option<(PathBuf, PathBuf)> {
        match (
            self.value(&setting::CERTIFICATE)?.meaning,
            self.value(&setting::KEY)?.meaning,
        ) {
            (Meaning::Path(certificate), Meaning::Path(key)) => Some((certificate, key)),
            _ => None,
        }
    }

    /// Whose certificates people may log in with.
    pub(crate) fn client_ca(&self) -> Option<PathBuf> {
        match self.value(&setting::CLIENT_CA)?.meaning {
            Meaning::Path(path) => Some(path),
            _ => None,
        }
    }

    /// All settings as a file, with a word on where each value comes from.
    pub(crate) fn show(&self) -> String {
        let mut text = String::new();
        for (section, _) in SECTIONS
            .iter()
            .filter(|(section, _)| !LISTS.contains(section))
        {
            if !section.is_empty() {
                let _written = writeln!(text, "\n[{section}]");
            }
            for setting in ALL.iter().filter(|setting| setting.section == *section) {
                self.show_setting(setting, &mut text);
            }
        }
        for listener in &self.listeners {
            let address = match &listener.endpoint {
                Endpoint::Tcp(address) => address.to_string(),
                Endpoint::Unix(path) => format!("unix:{}", path.display()),
            };
            let _written = writeln!(
                text,
                "\n[[listener]]\nprotocol = \"{}\"\naddress = \"{address}\"\ntls = \"{}\"",
                listener.protocol.name(),
                encrypted_name(listener.encrypted),
            );
            if !listener.proxies.is_empty() {
                let proxies = listener.proxies.iter().map(|one| format!("\"{one}\""));
                let proxies: Vec<String> = proxies.collect();
                let _written = writeln!(text, "proxy = [{}]", proxies.join(", "));
            }
        }
        self.show_routes(&mut text);
        self.show_sources(&mut text);
        self.show_lists(&mut text);
        self.show_trust_lists(&mut text);
        self.show_milters(&mut text);
        self.show_transfer(&mut text);
        for key in &self.signatures.named {
            text.push_str(&key.show());
        }
        text
    }

    fn show_setting(&self, setting: &Setting, text: &mut String) {
        let key = setting.key;
        let given = self.values.get(&(setting.section, key));
        let _written = match (self.value(setting), given) {
            _ if *setting == setting::DATA => {
                let shown = toml::Value::String(self.data.display().to_string());
                writeln!(text, "{key} = {shown}")
            }
            (Some(value), Some(_)) => writeln!(text, "{key} = {}", value.shown),
            (Some(value), None) => writeln!(text, "{key} = {}  # default", value.shown),
            (None, _) if memory::PARTS.iter().any(|(part, _)| *part == setting) => {
                let octets = self.part(setting);
                writeln!(text, "{key} = {octets}  # its share of `memory`")
            }
            (None, _) => writeln!(text, "# {key} is not set"),
        };
    }

    fn value(&self, setting: &Setting) -> Option<Value> {
        let given = self.values.get(&(setting.section, setting.key));
        given.cloned().or_else(|| written::default(setting))
    }

    fn is_on(&self, setting: &Setting) -> bool {
        let value = self.value(setting);
        value.is_some_and(|value| value.meaning == Meaning::Switch(true))
    }

    fn number(&self, setting: &Setting) -> u64 {
        match self.value(setting) {
            Some(Value {
                meaning: Meaning::Number(number),
                ..
            }) => number,
            _ => 0,
        }
    }

    fn word(&self, setting: &Setting) -> String {
        match self.value(setting) {
            Some(Value {
                meaning: Meaning::Word(word),
                ..
            }) => word,
            _ => String::new(),
        }
    }
}

/// Octets as they are written for people: a number, or one with K, M or G.
pub(crate) fn octets(text: &str) -> Result<u64, String> {
    let octets = text.parse().ok().or_else(|| written::octets(text));
    octets.ok_or_else(|| "octets, or a number with K, M or G: 2G".to_owned())
}

/// Seconds as they are written for people: `30s`, `5m`, `1h`.
pub(crate) fn span(text: &str) -> Result<u64, String> {
    written::span(text).ok_or_else(|| "a number with s, m, h or d: 30s".to_owned())
}

/// The word for when a connection is encrypted.
pub(crate) const fn encrypted_name(encrypted: Encrypted) -> &'static str {
    match encrypted {
        Encrypted::Never => "none",
        Encrypted::StartTls => "starttls",
        Encrypted::Implicit => "implicit",
    }
}

fn listeners(written: &mut Written) -> Vec<(Listener, Range<usize>)> {
    let mut listeners = Vec::new();
    for (table, span) in written.take_list("listener") {
        let value = |setting: &Setting| {
            let given = table.get(&(setting.section, setting.key)).cloned();
            given
                .or_else(|| written::default(setting))
                .map(|value| value.meaning)
        };
        let parts = (
            value(&setting::PROTOCOL),
            value(&setting::ADDRESS),
            value(&setting::TLS),
        );
        let (Some(Meaning::Word(protocol)), Some(Meaning::Endpoint(endpoint)), Some(tls)) = parts
        else {
            let what = "this listener needs `protocol` and `address`".to_owned();
            let hint = "protocol = \"imap\", address = \"[::]:143\"";
            written.flaw(span, what, hint);
            continue;
        };
        let protocol = Protocol::parse(&protocol).unwrap_or(Protocol::Pop3);
        let encrypted = match tls {
            _ if protocol == Protocol::Metrics => Encrypted::Never,
            Meaning::Word(word) if word == "none" => Encrypted::Never,
            Meaning::Word(word) if word == "implicit" => Encrypted::Implicit,
            _ => Encrypted::StartTls,
        };
        if protocol == Protocol::Metrics && !is_here(&endpoint) {
            let what = "what is counted is told to this machine alone".to_owned();
            let hint = "address = \"127.0.0.1:9320\"";
            written.flaw(span, what, hint);
            continue;
        }
        let proxies = proxies(&table);
        if let (Some(value), Endpoint::Unix(_)) = (&proxies, &endpoint) {
            let what = "nobody calls for others at a socket's path".to_owned();
            written.flaw(value.span.clone(), what, "address = \"127.0.0.1:2525\"");
        }
        let listener = Listener {
            protocol,
            endpoint,
            encrypted,
            proxies: networks(proxies),
        };
        listeners.push((listener, span));
    }
    listeners
}

/// True for a place that no other machine reaches.
fn is_here(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Tcp(address) => address.ip().is_loopback(),
        Endpoint::Unix(_) => true,
    }
}

/// The proxies in front of a listener, where some are named.
fn proxies(table: &Table) -> Option<Value> {
    let given = table
        .get(&(setting::PROXY.section, setting::PROXY.key))
        .cloned();
    given.filter(|value| value.meaning != Meaning::Many(Vec::new()))
}

fn networks(value: Option<Value>) -> Vec<Network> {
    let Some(Meaning::Many(all)) = value.map(|value| value.meaning) else {
        return Vec::new();
    };
    let networks = all.into_iter().filter_map(|one| match one {
        Meaning::Network(network) => Some(network),
        _ => None,
    });
    networks.collect()
}

fn require_hostname(written: &mut Written) {
    if !written
        .values
        .contains_key(&(setting::HOSTNAME.section, setting::HOSTNAME.key))
    {
        let what = "`hostname` is missing".to_owned();
        written.flaw(
            0..0,
            what,
            "hostname = \"mail.example.org\", on the first line",
        );
    }
}

fn find(written: &Written, setting: &Setting) -> Option<Value> {
    written.values.get(&(setting.section, setting.key)).cloned()
}

fn check_certificate(written: &mut Written) {
    let certificate = find(written, &setting::CERTIFICATE);
    let key = find(written, &setting::KEY);
    match (&certificate, &key) {
        (Some(value), None) => {
            let what = "a certificate is of no use without its key".to_owned();
            written.flaw(value.span.clone(), what, "key = \"/etc/caramel/key.pem\"");
        }
        (None, Some(value)) => {
            let what = "a key is of no use without its certificate".to_owned();
            written.flaw(
                value.span.clone(),
                what,
                "certificate = \"/etc/caramel/chain.pem\"",
            );
        }
        _ => {}
    }
    let clients = find(written, &setting::CLIENT_CA);
    for value in certificate.into_iter().chain(key).chain(clients) {
        if let Meaning::Path(path) = &value.meaning
            && let Err(error) = std::fs::File::open(path)
        {
            let what = format!("{} cannot be opened", value.shown);
            written.flaw(value.span, what, error.to_string());
        }
    }
}

/// The reference, in Markdown.
#[cfg(test)]
fn reference() -> String {
    let mut page = String::from(
        "# Configuration\n\nMade from `crates/caramel/src/config/setting.rs`; not to be edited.\n\n\
         One file in TOML, named with `--config`. `caramel --config FILE config check` says \
                whether \
         it is right,\n`config show` what is in effect. Domains, accounts and aliases are not in \
         it: they live in the store and\nchange with `caramel domain`, `account` and `alias`.\n\n\
         A file for one machine:\n\n```toml\n",
    );
    page.push_str(EXAMPLE);
    page.push_str("```\n");
    for (section, words) in SECTIONS {
        let title = match *section {
            "" => "The top".to_owned(),
            list if LISTS.contains(&list) => format!("`[[{list}]]`"),
            section => format!("`[{section}]`"),
        };
        let _written = writeln!(page, "\n## {title}\n\n{words}\n");
        for setting in ALL.iter().filter(|setting| setting.section == *section) {
            let default = match setting.default {
                "" => "not set".to_owned(),
                default => format!("`{default}`"),
            };
            let _written = writeln!(page, "### `{}`\n\n{}\n", setting.key, setting.doc);
            let expected = setting.kind.expected();
            let _written = writeln!(page, "- may be: {expected}\n- default: {default}");
            let _written = writeln!(page, "- example: `{} = {}`\n", setting.key, setting.example);
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

#[cfg(test)]
const EXAMPLE: &str = r#"hostname = "mail.example.org"
data = "/var/lib/caramel"

[tls]
certificate = "/etc/caramel/chain.pem"
key = "/etc/caramel/key.pem"

[[listener]]
protocol = "smtp"
address = "[::]:25"

[[listener]]
protocol = "submission"
address = "[::]:465"
tls = "implicit"

[[listener]]
protocol = "imap"
address = "[::]:993"
tls = "implicit"
"#;

#[cfg(test)]
mod tests;
