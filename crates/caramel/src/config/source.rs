//! Sources elsewhere whose mail is fetched.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use mail::Host;
use net::Fingerprint;
use server::{Preserves, Source, SourceProtocol, SourceSecret, SourceTls, When};

use super::relay::{is_this_machine, of_table};
use super::setting::{self, Setting};
use super::written::{Meaning, Table, Value, Written};
use super::{ALL, Config};

impl Config {
    /// Whose mail is fetched.
    pub(crate) fn sources(&self) -> Vec<Source> {
        self.sources
            .iter()
            .map(|(_, source)| source.clone())
            .collect()
    }

    /// The sources, as they are written.
    pub(super) fn show_sources(&self, text: &mut String) {
        for (table, _) in &self.sources {
            let _written = writeln!(text, "\n[[source]]");
            let of_source = |setting: &&Setting| setting.section == "source";
            for setting in ALL.iter().filter(of_source) {
                if let Some(value) = table.get(&(setting.section, setting.key)) {
                    let _written = writeln!(text, "{} = {}", setting.key, value.shown);
                }
            }
        }
    }
}

/// Reads the tables of `[[source]]`.
pub(super) fn sources(written: &mut Written) -> Vec<(Table, Source)> {
    let mut names = BTreeSet::new();
    let mut sources = Vec::new();
    for (table, span) in written.take_list("source") {
        let Some(source) = source(&table, &span, written) else {
            continue;
        };
        if !names.insert(source.name.clone()) {
            let what = format!("there are two sources `{}`", source.name);
            written.flaw(span.clone(), what, "each has a name of its own");
        }
        check(&table, &span, &source, written);
        sources.push((table, source));
    }
    sources
}

/// One source, each setting by itself.
struct Given<'a>(&'a Table);

impl Given<'_> {
    fn value(&self, setting: &Setting) -> Option<Value> {
        of_table(self.0, setting)
    }

    fn word(&self, setting: &Setting) -> Option<String> {
        match self.value(setting)?.meaning {
            Meaning::Word(word) => Some(word),
            _ => None,
        }
    }

    fn number(&self, setting: &Setting) -> Option<u64> {
        self.value(setting)?.number()
    }

    fn is_on(&self, setting: &Setting) -> bool {
        let value = self.value(setting);
        value.is_some_and(|value| value.meaning == Meaning::Switch(true))
    }

    fn words(&self, setting: &Setting) -> Vec<String> {
        let Some(Meaning::Many(all)) = self.value(setting).map(|value| value.meaning) else {
            return Vec::new();
        };
        let words = all.into_iter().filter_map(|one| match one {
            Meaning::Word(word) => Some(word),
            _ => None,
        });
        words.collect()
    }

    fn domains(&self) -> Vec<String> {
        let value = self.value(&setting::SOURCE_DOMAINS);
        let Some(Meaning::Many(all)) = value.map(|value| value.meaning) else {
            return Vec::new();
        };
        let names = all.into_iter().filter_map(|one| match one {
            Meaning::Host(host) => Some(host.to_ascii()),
            _ => None,
        });
        names.collect()
    }

    fn path(&self, setting: &Setting) -> Option<std::path::PathBuf> {
        match self.value(setting)?.meaning {
            Meaning::Path(path) => Some(path),
            _ => None,
        }
    }

    fn secret(&self) -> Option<SourceSecret> {
        let file = self.path(&setting::SOURCE_PASSWORD).map(SourceSecret::File);
        let command = || {
            self.word(&setting::SOURCE_PASSWORD_CMD)
                .map(SourceSecret::Command)
        };
        let token = || {
            self.word(&setting::SOURCE_TOKEN_CMD)
                .map(SourceSecret::TokenCommand)
        };
        file.or_else(command).or_else(token)
    }
}

/// Finds what has to be there.
fn require(given: &Given<'_>, span: &Range<usize>, written: &mut Written) {
    let protocol = given.word(&setting::SOURCE_PROTOCOL);
    let is = |name: &str| protocol.as_deref() == Some(name);
    let mut needs = vec![
        &setting::SOURCE_NAME,
        &setting::SOURCE_PROTOCOL,
        &setting::SOURCE_HOST,
    ];
    if !is("etrn") {
        needs.push(&setting::SOURCE_USER);
    }
    if is("etrn") {
        needs.push(&setting::SOURCE_DOMAINS);
    } else if !is("odmr") {
        needs.push(&setting::SOURCE_TO);
    }
    for needed in needs {
        if given.value(needed).is_none() {
            let what = format!("this source needs `{}`", needed.key);
            let hint = format!("{} = {}", needed.key, needed.example);
            written.flaw(span.clone(), what, hint);
        }
    }
    let logs_in = !is("etrn") || given.value(&setting::SOURCE_USER).is_some();
    if logs_in && given.secret().is_none() {
        let what = "this source needs a password".to_owned();
        written.flaw(
            span.clone(),
            what,
            "password_cmd = \"pass show old\", or password_file",
        );
    }
}

fn source(table: &Table, span: &Range<usize>, written: &mut Written) -> Option<Source> {
    let given = Given(table);
    require(&given, span, written);
    let protocol = match given.word(&setting::SOURCE_PROTOCOL)?.as_str() {
        "pop3" => SourceProtocol::Pop3,
        "etrn" => SourceProtocol::Etrn,
        "odmr" => SourceProtocol::Odmr,
        _ => SourceProtocol::Imap,
    };
    let encrypted = match given.word(&setting::SOURCE_TLS)?.as_str() {
        "none" => When::None,
        "starttls" => When::Starttls,
        _ => When::Implicit,
    };
    let port = given.number(&setting::SOURCE_PORT).map(u16::try_from);
    let port = port.unwrap_or_else(|| Ok(protocol.port(encrypted)));
    if port.is_err() {
        written.flaw(span.clone(), "its port is none".to_owned(), "port = 993");
    }
    let preserves = given.words(&setting::SOURCE_PRESERVE);
    let preserves = |word: &str| preserves.iter().any(|one| one == word);
    let to = match given.value(&setting::SOURCE_TO).map(|value| value.meaning) {
        Some(Meaning::Mail(address)) => address.to_string(),
        _ if protocol.is_asked_for() => String::new(),
        _ => return None,
    };
    let nobody = || (protocol == SourceProtocol::Etrn).then(String::new);
    let nothing = || SourceSecret::Password(String::new());
    let secret = given.secret().or_else(|| nobody().map(|_| nothing()));
    Some(Source {
        name: given.word(&setting::SOURCE_NAME)?,
        protocol,
        host: given.word(&setting::SOURCE_HOST)?,
        port: port.ok()?,
        tls: SourceTls {
            encrypted,
            fingerprint: given.word(&setting::SOURCE_FINGERPRINT),
            authorities: given.path(&setting::SOURCE_CA),
        },
        user: given.word(&setting::SOURCE_USER).or_else(nobody)?,
        secret: secret?,
        to,
        into: given.word(&setting::SOURCE_INTO),
        folders: given.words(&setting::SOURCE_FOLDERS),
        keep: given.is_on(&setting::SOURCE_KEEP),
        only_new: given.is_on(&setting::SOURCE_ONLY_NEW),
        flush: false,
        idle: given.is_on(&setting::SOURCE_IDLE),
        interval_seconds: given.number(&setting::SOURCE_INTERVAL).unwrap_or_default(),
        message_octets_max: given.number(&setting::SOURCE_LIMIT),
        messages_max: None,
        preserves: Preserves {
            flags: preserves("flags"),
            dates: preserves("dates"),
            folders: preserves("folders"),
        },
        sieve: given.is_on(&setting::SOURCE_SIEVE),
        envelope: given.word(&setting::SOURCE_ENVELOPE),
        domains: given.domains(),
    })
}

/// What an account elsewhere has, and a host that sends by itself has not.
const OF_ACCOUNTS: &[&Setting] = &[
    &setting::SOURCE_TO,
    &setting::SOURCE_INTO,
    &setting::SOURCE_FOLDERS,
    &setting::SOURCE_KEEP,
    &setting::SOURCE_ONLY_NEW,
    &setting::SOURCE_IDLE,
    &setting::SOURCE_LIMIT,
    &setting::SOURCE_PRESERVE,
    &setting::SOURCE_SIEVE,
    &setting::SOURCE_ENVELOPE,
];

/// Finds what does not go together.
fn check(table: &Table, span: &Range<usize>, source: &Source, written: &mut Written) {
    let place = |setting: &Setting| {
        let given = table.get(&(setting.section, setting.key));
        given.map_or_else(|| span.clone(), |value| value.span.clone())
    };
    let is_pop3 = source.protocol == SourceProtocol::Pop3;
    for of_imap in [&setting::SOURCE_FOLDERS, &setting::SOURCE_IDLE] {
        if is_pop3 && table.contains_key(&(of_imap.section, of_imap.key)) {
            let what = format!("POP3 has no `{}`", of_imap.key);
            written.flaw(place(of_imap), what, "protocol = \"imap\"");
        }
    }
    let (others, name): (&[&Setting], _) = match source.protocol {
        SourceProtocol::Etrn => (OF_ACCOUNTS, "ETRN"),
        SourceProtocol::Odmr => (OF_ACCOUNTS, "ODMR"),
        SourceProtocol::Imap => (&[&setting::SOURCE_DOMAINS], "IMAP"),
        SourceProtocol::Pop3 => (&[&setting::SOURCE_DOMAINS], "POP3"),
    };
    for other in others {
        if table.contains_key(&(other.section, other.key)) {
            let what = format!("{name} has no `{}`", other.key);
            written.flaw(place(other), what, "leave it out");
        }
    }
    if source.keep && !source.only_new {
        let what = "what is kept there would be fetched again each time".to_owned();
        written.flaw(
            place(&setting::SOURCE_ONLY_NEW),
            what,
            "keep = false, or only_new = true",
        );
    }
    let ip = source.host.parse().map(Host::Ip);
    let host = ip.or_else(|_| Host::parse(&source.host));
    let here = host.is_ok_and(|host| is_this_machine(&host));
    if source.tls.encrypted == When::None && !here {
        let what = "a password is not sent to another machine without TLS".to_owned();
        written.flaw(
            place(&setting::SOURCE_TLS),
            what,
            "tls = \"implicit\", or \"starttls\"",
        );
    }
    if let Some(text) = &source.tls.fingerprint
        && Fingerprint::parse(text).is_none()
    {
        let what = "this is no fingerprint".to_owned();
        let hint = "sha256: and 64 hexadecimal digits, with colons between them or without";
        written.flaw(place(&setting::SOURCE_FINGERPRINT), what, hint);
    }
    let secrets = [
        &setting::SOURCE_PASSWORD,
        &setting::SOURCE_PASSWORD_CMD,
        &setting::SOURCE_TOKEN_CMD,
    ];
    let mut given = secrets
        .iter()
        .filter(|one| table.contains_key(&(one.section, one.key)));
    if let (Some(_), Some(second)) = (given.next(), given.next()) {
        let what = format!("`{}` is one too many", second.key);
        written.flaw(
            place(second),
            what,
            "one of password_file, password_cmd and token_cmd",
        );
    }
}
