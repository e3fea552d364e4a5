//! Entries of fetchmail's run control file as sources: `caramel fetch import-rc`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use mail::{Address, Host};
use net::Fingerprint;
use server::{Preserves, Source, SourceProtocol, SourceSecret, SourceTls, When};

use super::rc::{self, Entry, Note, Rc};
use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::files;

/// How often a source is fetched where nothing says how often, seconds.
const INTERVAL_SECONDS: u64 = 300;

/// What is read, and whose mail it is here.
#[derive(Debug, Args)]
pub(crate) struct ImportRc {
    /// fetchmail's file: ~/.fetchmailrc.
    file: PathBuf,
    /// The domain that is put behind local names without one.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// The account that gets all of it, whatever the file says.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// Where passwords go that are in the file, each into a file of its own; without it, `secrets`
    /// in the data folder.
    #[arg(long, value_name = "FOLDER")]
    secrets: Option<PathBuf>,
}

/// Writes `[[source]]` tables to standard output, and what is not carried to standard error.
pub(crate) fn run(config: &Config, asked: &ImportRc) -> Result<(), Complaint> {
    let text = std::fs::read_to_string(&asked.file)
        .map_err(|error| crate::input::unreadable(&asked.file, &error))?;
    let named = |note: &Note| format!("{}:{}: {}", asked.file.display(), note.line, note.text);
    let rc = rc::read(&text).map_err(|note| {
        Complaint::usage(named(&note)).next("mend the line; fetchmail --version reads it as well")
    })?;
    let whose = Whose {
        domain: asked.domain.clone(),
        to: asked.to.clone(),
        again: false,
        host: config.hostname().to_ascii(),
    };
    let (sources, notes) = sources(&rc, &whose)?;
    let folder = asked.secrets.clone();
    let folder = folder.unwrap_or_else(|| config.data().join("secrets"));
    for source in &sources {
        let mut source = source.clone();
        if let SourceSecret::Password(password) = &source.secret
            && !password.is_empty()
        {
            source.secret = SourceSecret::File(keep(&folder, &source.name, password)?);
        }
        say(&table(&source))?;
    }
    for note in &notes {
        eprintln!("{}", named(note));
    }
    let (count, left) = (sources.len(), notes.len());
    eprintln!("{count} sources; {left} things are not carried, or not as they were.");
    Ok(())
}

/// Puts a password where a source reads it.
fn keep(folder: &Path, name: &str, password: &str) -> Result<PathBuf, Complaint> {
    files::make_folder(folder)?;
    let plain = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() || "@.-_".contains(letter) => letter,
        _ => '_',
    };
    let name: String = name.chars().map(plain).collect();
    let path = folder.join(format!("fetch-{name}"));
    files::write_private(&path, &format!("{password}\n"))?;
    Ok(std::path::absolute(&path).context("naming a file")?)
}

/// Whose mail it is here.
#[derive(Debug, Default)]
pub(super) struct Whose {
    pub(super) domain: Option<String>,
    pub(super) to: Option<String>,
    /// What is kept there may be fetched again as often as somebody asks for it.
    pub(super) again: bool,
    /// This host: whose mail is asked for where nothing else is said.
    pub(super) host: String,
}

/// What entries mean, and what of them is not carried.
pub(super) fn sources(rc: &Rc, whose: &Whose) -> Result<(Vec<Source>, Vec<Note>), Complaint> {
    let mut notes = rc.notes.clone();
    let mut names = BTreeSet::new();
    let mut sources = Vec::new();
    for entry in &rc.entries {
        let mut note = |text: String| {
            let line = entry.line;
            notes.push(Note { line, text });
        };
        let Some(mut source) = source(entry, whose, &mut note)? else {
            continue;
        };
        let own = source.name.clone();
        let mut number = 2;
        while !names.insert(source.name.clone()) {
            source.name = format!("{own}-{number}");
            number += 1;
        }
        let round = rc.daemon_seconds.unwrap_or(INTERVAL_SECONDS);
        source.interval_seconds = match entry.polls {
            true => round.saturating_mul(entry.rounds.unwrap_or(1)),
            false => 0,
        };
        if !entry.polls {
            note(format!(
                "skip {}: interval = \"0s\", so only when it is named",
                entry.label
            ));
        }
        sources.push(source);
    }
    notes.sort_by_key(|note| note.line);
    Ok((sources, notes))
}

/// One entry, if there is such a source.
pub(super) fn source(
    entry: &Entry,
    whose: &Whose,
    note: &mut impl FnMut(String),
) -> Result<Option<Source>, Complaint> {
    let Some(protocol) = protocol(entry, note) else {
        return Ok(None);
    };
    let user = entry.user.clone();
    let nobody = || (protocol == SourceProtocol::Etrn).then(String::new);
    let Some(user) = user.or_else(nobody) else {
        note(format!(
            "{}: it has no user, so it is left out",
            entry.label
        ));
        return Ok(None);
    };
    let host = entry.via.clone().unwrap_or_else(|| entry.label.clone());
    let tls = tls(entry, &host, note);
    let port = port(entry, protocol, tls.encrypted)?;
    let to = match protocol.is_asked_for() {
        true => String::new(),
        false => to(entry, whose, note)?,
    };
    tell(entry, whose, protocol, note);
    let is_imap = protocol == SourceProtocol::Imap;
    Ok(Some(Source {
        name: match user.is_empty() {
            true => entry.label.replace([' ', '"', '\\'], "_"),
            false => format!("{user}@{}", entry.label).replace([' ', '"', '\\'], "_"),
        },
        protocol,
        host,
        port,
        tls,
        user,
        secret: SourceSecret::Password(entry.password.clone().unwrap_or_default()),
        to,
        into: None,
        folders: match entry.folders.is_empty() || !is_imap {
            true => vec!["INBOX".to_owned()],
            false => entry.folders.clone(),
        },
        keep: entry.keep,
        only_new: !entry.fetchall || entry.keep && !whose.again,
        flush: entry.flush,
        idle: entry.idle && is_imap,
        interval_seconds: INTERVAL_SECONDS,
        message_octets_max: entry.limit_octets,
        messages_max: entry.messages_max,
        // fetchmail hands on messages alone, all of them the same way.
        preserves: Preserves {
            flags: false,
            dates: false,
            folders: false,
        },
        sieve: true,
        envelope: entry.envelope.clone(),
        domains: match (protocol.is_asked_for(), entry.domains.is_empty()) {
            (false, _) => Vec::new(),
            (true, false) => entry.domains.clone(),
            (true, true) => vec![whose.host.clone()],
        },
    }))
}

fn port(entry: &Entry, protocol: SourceProtocol, encrypted: When) -> Result<u16, Complaint> {
    Ok(match entry.port.as_deref() {
        None => protocol.port(encrypted),
        Some("imaps") => 993,
        Some("pop3s") => 995,
        Some("imap" | "imap2") => 143,
        Some("pop3" | "pop-3") => 110,
        Some("smtp") => 25,
        Some("odmr") => 366,
        Some(text) => text.parse().map_err(|_| {
            let what = format!("{}: `{text}` is no port", entry.label);
            Complaint::usage(what).next("write its number")
        })?,
    })
}

/// What is not as it was.
fn tell(entry: &Entry, whose: &Whose, protocol: SourceProtocol, note: &mut impl FnMut(String)) {
    if !entry.domains.is_empty() && !protocol.is_asked_for() {
        note("fetchdomains: only ETRN and ODMR ask for domains".to_owned());
    }
    if entry.keep && entry.fetchall && !whose.again {
        note("fetchall: what is kept there is fetched once".to_owned());
    }
    if entry.flush && !whose.again {
        note("flush: what was fetched and kept before stays there".to_owned());
    }
    if entry.messages_max.is_some() && !whose.again {
        note("fetchlimit: a session lasts an hour at most, and the next goes on".to_owned());
    }
    if entry.password.is_none() && entry.user.is_some() {
        note(format!(
            "{}: it has no password; password_cmd tells one",
            entry.label
        ));
    }
}

fn protocol(entry: &Entry, note: &mut impl FnMut(String)) -> Option<SourceProtocol> {
    match entry.protocol.as_deref() {
        Some("pop3") => Some(SourceProtocol::Pop3),
        Some("etrn") => Some(SourceProtocol::Etrn),
        Some("odmr") => Some(SourceProtocol::Odmr),
        Some("imap" | "imap4" | "imaprev1" | "imap4rev1") => Some(SourceProtocol::Imap),
        Some("apop") => {
            note("proto apop: the password is shown as it is, within TLS".to_owned());
            Some(SourceProtocol::Pop3)
        }
        None | Some("auto") => {
            note(format!(
                "{}: IMAP is taken; protocol = \"pop3\" if not",
                entry.label
            ));
            Some(SourceProtocol::Imap)
        }
        Some(other) => {
            note(format!(
                "{}: {other} is not known, so it is left out",
                entry.label
            ));
            None
        }
    }
}

fn tls(entry: &Entry, host: &str, note: &mut impl FnMut(String)) -> SourceTls {
    let here = host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let encrypted = match (entry.ssl, entry.sslproto.as_deref()) {
        (true, _) => When::Implicit,
        (false, Some("")) if here => When::None,
        (false, Some("")) => {
            note("sslproto '': no password goes to another machine without TLS".to_owned());
            When::Starttls
        }
        (false, _) => When::Starttls,
    };
    let fingerprint = entry.fingerprint.as_deref();
    let known = fingerprint.and_then(Fingerprint::parse);
    if fingerprint.is_some() && known.is_none() {
        note(
            "sslfingerprint: MD5 proves nothing; `caramel fetch check` tells the SHA-256"
                .to_owned(),
        );
    }
    SourceTls {
        encrypted,
        fingerprint: known.map(|known| known.to_string()),
        authorities: entry.authorities.clone().map(PathBuf::from),
    }
}

/// The account that gets it.
fn to(entry: &Entry, whose: &Whose, note: &mut impl FnMut(String)) -> Result<String, Complaint> {
    let locals: Vec<&str> = entry.locals.iter().map(String::as_str).collect();
    if locals.len() > 1 || locals.iter().any(|local| local.contains(['=', '*'])) {
        let line = "is/to: a message goes to those its envelope names; `envelope` names the header";
        note(line.to_owned());
    }
    if let Some(to) = &whose.to {
        return address(to);
    }
    let of = |name: &&str| !name.contains('*');
    let first = locals.iter().copied().find(|name| of(name));
    let local = first.map(|name| name.rsplit_once('=').map_or(name, |(_, here)| here));
    // What somebody is called there may be an address, but of that house.
    let user = entry.user.as_deref().unwrap_or_default();
    let user = user.split('@').next().unwrap_or_default();
    let local = local.unwrap_or(user);
    match (local.contains('@'), &whose.domain) {
        (true, _) => address(local),
        (false, Some(domain)) => address(&format!("{local}@{domain}")),
        (false, None) => {
            let what = format!("whose mail here is that of `{local}`?");
            Err(Complaint::usage(what).next("--domain example.org, or --to ada@example.org"))
        }
    }
}

fn address(text: &str) -> Result<String, Complaint> {
    let parsed = Address::parse(text);
    let is_domain = parsed
        .as_ref()
        .is_ok_and(|it| matches!(it.host, Host::Domain(_)));
    match is_domain {
        true => Ok(text.to_owned()),
        false => Err(Complaint::usage(format!("{text} is not an address"))),
    }
}

/// A source as it is written in the configuration.
fn table(source: &Source) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut text = String::from("[[source]]\n");
    let mut line = |key: &str, value: String| {
        let _written = writeln!(text, "{key} = {value}");
    };
    line("name", quoted(&source.name));
    line("protocol", quoted(source.protocol.name()));
    line("host", quoted(&source.host));
    if source.port != source.protocol.port(source.tls.encrypted) {
        line("port", source.port.to_string());
    }
    let tls = match source.tls.encrypted {
        When::None => "none",
        When::Starttls => "starttls",
        When::Implicit => "implicit",
    };
    line("tls", quoted(tls));
    for (key, value) in [
        ("fingerprint", source.tls.fingerprint.clone()),
        ("envelope", source.envelope.clone()),
    ] {
        if let Some(value) = value {
            line(key, quoted(&value));
        }
    }
    if let Some(path) = &source.tls.authorities {
        line("ca", quoted(&path.display().to_string()));
    }
    if !source.user.is_empty() {
        line("user", quoted(&source.user));
    }
    match &source.secret {
        _ if source.user.is_empty() => {}
        SourceSecret::File(path) => line("password_file", quoted(&path.display().to_string())),
        SourceSecret::Command(command) => line("password_cmd", quoted(command)),
        SourceSecret::TokenCommand(command) => line("token_cmd", quoted(command)),
        SourceSecret::Password(_) => line("# password_cmd", quoted("pass show …")),
    }
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        format!("[{}]", names.join(", "))
    };
    if source.protocol.is_asked_for() {
        line("domains", list(&source.domains));
        line("interval", quoted(&format!("{}s", source.interval_seconds)));
        return text;
    }
    line("to", quoted(&source.to));
    if source.protocol == SourceProtocol::Imap {
        line("folders", list(&source.folders));
        line("idle", source.idle.to_string());
    }
    line("keep", source.keep.to_string());
    line("only_new", source.only_new.to_string());
    line("interval", quoted(&format!("{}s", source.interval_seconds)));
    if let Some(octets) = source.message_octets_max {
        line("limit", octets.to_string());
    }
    line("preserve", "[]".to_owned());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (Vec<Source>, Vec<String>) {
        let whose = Whose {
            domain: Some("example.org".into()),
            host: "h.example".into(),
            ..Whose::default()
        };
        let (sources, notes) = sources(&rc::read(text).unwrap(), &whose).unwrap();
        let notes = notes.into_iter();
        let notes = notes.map(|note| format!("{} {}", note.line, note.text));
        (sources, notes.collect())
    }

    #[test]
    fn entries_become_sources() {
        let (sources, notes) = told(
            "set daemon 60\npoll pop.example.net proto pop3 interval 5\n user ada pass x is a ssl\n\
             skip here via localhost proto imap sslproto '' user bob is bob@example.net keep \
             idle\npoll d.example proto pop3 user carol@d.example pass x\n",
        );
        let first = &sources[0];
        assert_eq!(
            (first.name.as_str(), first.port),
            ("ada@pop.example.net", 995)
        );
        assert_eq!(
            (first.to.as_str(), first.interval_seconds),
            ("a@example.org", 300)
        );
        assert!(!first.keep && first.only_new && !first.idle);
        let second = &sources[1];
        assert_eq!(second.tls.encrypted, When::None);
        assert_eq!((second.port, second.interval_seconds), (143, 0));
        assert!(second.keep && second.idle);
        assert_eq!(sources[2].to, "carol@example.org");
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(
            notes[0].starts_with("4 here: it has no password"),
            "{notes:?}"
        );
        assert!(notes[1].starts_with("4 skip here"), "{notes:?}");
    }

    #[test]
    fn what_cannot_be_is_told() {
        let (sources, notes) = told(
            "poll a.example proto uucp user x\npoll b.example proto pop3\n\
             poll c.example proto pop3 user c sslproto '' sslfingerprint 'AB:CD' is c d\n",
        );
        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].tls.encrypted, When::Starttls);
        let all = notes.join("\n");
        for what in [
            "1 a.example: uucp",
            "2 b.example: it has no user",
            "3 sslproto ''",
            "3 sslfingerprint",
            "3 is/to",
            "3 c.example: it has no password",
        ] {
            assert!(all.contains(what), "{what}: {all}");
        }
    }

    #[test]
    fn hosts_that_keep_mail_are_asked_for_it() {
        let (sources, notes) = told(
            "poll a.example proto etrn\npoll b.example proto odmr user ada pass x \
             fetchdomains c.example d.example\n",
        );
        assert!(notes.is_empty(), "{notes:?}");
        let [etrn, odmr] = sources.as_slice() else {
            panic!("{sources:?}");
        };
        assert_eq!((etrn.name.as_str(), etrn.port), ("a.example", 25));
        assert_eq!(etrn.domains, ["h.example"]);
        assert_eq!((odmr.name.as_str(), odmr.port), ("ada@b.example", 366));
        assert_eq!(odmr.domains, ["c.example", "d.example"]);
        for source in sources {
            let source = Source {
                secret: match source.user.is_empty() {
                    true => SourceSecret::Password(String::new()),
                    false => SourceSecret::File("/tmp/secret".into()),
                },
                ..source
            };
            let text = format!("hostname = \"h.example\"\n{}", table(&source));
            let read = crate::config::parse("caramel.toml", text)
                .unwrap()
                .sources();
            let [read] = read.as_slice() else {
                panic!("{read:?}");
            };
            assert_eq!((&read.name, read.port), (&source.name, source.port));
            assert_eq!((&read.domains, &read.tls), (&source.domains, &source.tls));
        }
    }

    #[test]
    fn what_is_written_is_a_configuration() {
        let (sources, _) =
            told("poll a.example proto imap user 'a b' pass x is ada folder INBOX Old ssl");
        let source = Source {
            secret: SourceSecret::File("/tmp/secret".into()),
            ..sources[0].clone()
        };
        let text = format!("hostname = \"h.example\"\n{}", table(&source));
        let config = crate::config::parse("caramel.toml", text).unwrap();
        let read = config.sources();
        let mut expected = source;
        // Passes are fetchmail's affair: files cannot say it.
        expected.messages_max = None;
        assert_eq!(read, [expected]);
    }
}
