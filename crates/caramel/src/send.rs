//! `send`, `msmtp`, `ssmtp`: a letter on standard input, handed to a mail host by SMTP, with no
//! server and no store on this machine.
//!
//! What is not taken is not kept: the exit code says so, and whoever calls tries again.
//! docs/decisions/051-sending-without-a-server.md says why.
//!
//! Not here: how a letter is carried (`server::Courier`), letters of a machine with a server
//! (`sendmail`).

use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mail::{Envelope, Refusal};
use server::{Courier, CourierError, Encrypted};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::sendmail::{Intake, Words, addresses, named_in};
use crate::sysexits;

mod account;
mod letter;
mod msmtp;
mod options;
mod ssmtp;

use account::{Account, Auth, Password, Taken, home_path};
use options::{Asked, HELP, Options};

/// Octets of a letter, which is in memory while it is carried.
const LETTER_OCTETS_MAX: usize = 100 * 1024 * 1024;

/// The files, where none is named.
const MSMTP_OF_SYSTEM: &str = "/etc/msmtprc";
const SSMTP_OF_SYSTEM: &str = "/etc/ssmtp/ssmtp.conf";
/// The account that is meant where none is named.
const USUAL_ACCOUNT: &str = "default";

/// Whose options and files are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `caramel send`: msmtp's options, whatever files there are.
    Send,
    /// `msmtp`.
    Msmtp,
    /// `ssmtp`.
    Ssmtp,
}

/// All accounts there are, the user's own before the system's.
#[derive(Debug, Default)]
struct Known {
    accounts: Vec<Account>,
    notes: Vec<String>,
    /// Where they are, for complaints.
    paths: Vec<PathBuf>,
}

/// Does what is asked.
pub(crate) fn run(dialect: Dialect, words: &Words) -> Result<(), Complaint> {
    let words: Vec<String> = words
        .all()
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let options = Options::read(dialect, &words)?;
    match options.asked {
        Asked::Help => return say(HELP.trim_end()),
        Asked::Version => {
            let version = env!("CARGO_PKG_VERSION");
            return say(&format!(
                "Caramel {version}, which hands in what msmtp does"
            ));
        }
        Asked::Pretend | Asked::ServerInfo | Asked::Send => {}
    }
    let known = match options.host {
        Some(_) => Known::default(),
        None => known(dialect, &options)?,
    };
    for note in &known.notes {
        eprintln!("caramel: {note}");
    }
    if options.asked == Asked::Send {
        return send(&options, &known);
    }
    let account = chosen(&options, &known, options.from.as_deref())?;
    match options.asked {
        Asked::Pretend => say(&shown(&account)),
        _ => look(&account),
    }
}

/// The accounts of the files.
fn known(dialect: Dialect, options: &Options) -> Result<Known, Complaint> {
    let mut known = Known::default();
    if let Some(path) = &options.file {
        let path = home_path(path);
        let is_ssmtp = dialect == Dialect::Ssmtp
            || dialect == Dialect::Send && path.extension().is_some_and(|end| end == "conf");
        known.add(&path, is_ssmtp, true)?;
    } else if dialect != Dialect::Ssmtp
        && let Some(path) = own_file()
    {
        known.add(&path, false, true)?;
    }
    let system = Path::new(MSMTP_OF_SYSTEM);
    if dialect != Dialect::Ssmtp && system.is_file() {
        known.add(system, false, false)?;
    }
    let system = Path::new(SSMTP_OF_SYSTEM);
    let is_wanted = dialect == Dialect::Ssmtp && options.file.is_none();
    let is_all = dialect == Dialect::Send && known.paths.is_empty();
    if is_wanted || is_all && system.is_file() {
        known.add(system, true, false)?;
    }
    Ok(known)
}

/// The user's own file.
fn own_file() -> Option<PathBuf> {
    let configured = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let configured = configured.unwrap_or_else(|| home_path("~/.config"));
    let places = [home_path("~/.msmtprc"), configured.join("msmtp/config")];
    places.into_iter().find(|path| path.is_file())
}

impl Known {
    fn add(&mut self, path: &Path, is_ssmtp: bool, own: bool) -> Result<(), Complaint> {
        self.paths.push(path.to_owned());
        if is_ssmtp {
            let read = ssmtp::read(path)?;
            self.notes.extend(read.notes);
            self.accounts.push(Account {
                name: USUAL_ACCOUNT.to_owned(),
                ..read.account
            });
            return Ok(());
        }
        let read = msmtp::read(path, own)?;
        self.notes.extend(read.notes);
        // The user's own have their names first.
        let is_new = |one: &Account| !self.accounts.iter().any(|known| known.name == one.name);
        let new: Vec<Account> = read.accounts.into_iter().filter(is_new).collect();
        self.accounts.extend(new);
        Ok(())
    }

    fn named(&self, name: &str) -> Result<Account, Complaint> {
        let found = self.accounts.iter().find(|one| one.name == name);
        found.cloned().ok_or_else(|| {
            let paths = self.paths.iter();
            let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
            let why = match paths.is_empty() {
                true => "there is no configuration: ~/.msmtprc, /etc/msmtprc".to_owned(),
                false => format!("not in {}", paths.join(", ")),
            };
            Complaint::new(format!("there is no account {name}"))
                .because(why)
                .next("--host and other options, without a file: caramel send --help")
                .coded(sysexits::CONFIGURATION)
        })
    }
}

/// The account that is meant, with what the options say.
fn chosen(options: &Options, known: &Known, from: Option<&str>) -> Result<Account, Complaint> {
    let of_sender = |from: &str| {
        let mut accounts = known.accounts.iter();
        accounts.find(|one| one.from.as_deref().is_some_and(|own| matches(own, from)))
    };
    let mut account = match (&options.host, &options.account) {
        (Some(host), _) => Account {
            name: host.clone(),
            host: Some(host.clone()),
            ..Account::default()
        },
        (None, Some(name)) => known.named(name)?,
        (None, None) => match from.and_then(of_sender) {
            Some(account) => account.clone(),
            None => known.named(USUAL_ACCOUNT)?,
        },
    };
    for (key, value) in &options.settings {
        let option = format!("--{}", key.replace('_', "-"));
        let taken = account.set(key, value);
        let taken = taken
            .map_err(|why| Complaint::new(format!("{option}: {why}")).coded(sysexits::USAGE))?;
        if let Taken::Ignored(why) = taken {
            eprintln!("caramel: {option}: {why}");
        }
    }
    Ok(account)
}

/// True if an account's sender is this one, which may have a detail behind `+`. `*` and `?` stand
/// for letters.
fn matches(own: &str, from: &str) -> bool {
    let without_detail = |text: &str| match text.split_once('@') {
        Some((local, domain)) => {
            let local = local.split('+').next().unwrap_or_default();
            format!("{local}@{domain}").to_ascii_lowercase()
        }
        None => text.to_ascii_lowercase(),
    };
    let (own, from) = (own.to_ascii_lowercase(), from.to_ascii_lowercase());
    fits(own.as_bytes(), from.as_bytes()) || fits(own.as_bytes(), without_detail(&from).as_bytes())
}

/// A pattern of the shell's, without its classes. Greedy with one place to go back to, so that no
/// pattern takes long.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), text.get(t)) {
            (Some(b'*'), _) => {
                back = Some((p + 1, t));
                p += 1;
            }
            (Some(one), Some(other)) if *one == b'?' || one == other => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((after, at)) => {
                    back = Some((after, at + 1));
                    (p, t) = (after, at + 1);
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|one| *one == b'*')
}

/// Reads a letter and hands it over.
fn send(options: &Options, known: &Known) -> Result<(), Complaint> {
    let mut intake = Intake::new(BufReader::new(io::stdin().lock()), options.dots_are_lines);
    let header = intake.header()?;
    let author = letter::author(&header);
    let said = options.from.clone();
    let said = said.or_else(|| author.clone().filter(|_| options.reads_sender));
    let account = chosen(options, known, said.as_deref())?;
    let from = sender(&account, said, author)?;
    let mut to: Vec<String> = options
        .recipients
        .iter()
        .flat_map(|list| addresses(list.as_bytes()))
        .collect();
    if options.reads_recipients {
        to.extend(named_in(&header));
    }
    if to.is_empty() {
        let complaint = Complaint::new("there is nobody to send to");
        let next = "name recipients, or -t where the header does";
        return Err(complaint.next(next).coded(sysexits::USAGE));
    }
    let mut body = Vec::new();
    while intake.piece(&mut body)? {
        if header.len() + body.len() > LETTER_OCTETS_MAX {
            let complaint = Complaint::new("the letter is too long");
            let complaint = complaint.because(format!("more than {LETTER_OCTETS_MAX} octets"));
            return Err(complaint.coded(sysexits::DATA_ERROR));
        }
    }
    let full_name = options.full_name.as_deref();
    let octets = letter::finished(&account, &from, full_name, &header, &body)?;
    let is_ascii = octets.is_ascii();
    let envelope = letter::envelope(&account, &from, &to, is_ascii)?;
    let size = octets.len();
    if options.verbose {
        let (host, port) = (account.host.clone().unwrap_or_default(), account.port());
        let count = envelope.recipients.len();
        eprintln!("caramel: {size} octets for {count} to {host}:{port}");
    }
    let told = carry(&account, envelope.clone(), octets);
    let logged = log(&account, &envelope, size, &told);
    told?;
    logged
}

/// Who hears of failures.
fn sender(
    account: &Account,
    said: Option<String>,
    author: Option<String>,
) -> Result<String, Complaint> {
    let own = account.from.clone();
    let chosen = match account.may_override {
        true if account.author_sends => said.or(author).or(own),
        true => said.or(own),
        false => own.or(said),
    };
    chosen.ok_or_else(|| {
        let what = format!("the account {} says of nobody who sends", account.name);
        let complaint = Complaint::new(what).next("from ada@example.org; or -f");
        complaint.coded(sysexits::CONFIGURATION)
    })
}

fn carry(account: &Account, envelope: Envelope, octets: bytes::Bytes) -> Result<(), Complaint> {
    let courier = Courier::to(account.courier_host(true)?);
    let courier = courier.map_err(|error| failed(account, &error))?;
    let names: Vec<String> = envelope
        .recipients
        .iter()
        .map(|one| one.forward_path.to_string())
        .collect();
    let runtime = tokio::runtime::Runtime::new().context("starting")?;
    let fates = runtime.block_on(courier.carry(envelope, octets));
    let fates = fates.map_err(|error| failed(account, &error))?;
    let refused: Vec<(&String, &Refusal)> = names
        .iter()
        .zip(&fates)
        .filter_map(|(name, fate)| Some((name, fate.as_ref().err()?)))
        .collect();
    let Some((_, first)) = refused.first() else {
        return Ok(());
    };
    let mut list: Vec<String> = Vec::new();
    for (name, refusal) in &refused {
        list.push(format!("{name}: {refusal}"));
    }
    let what = match refused.len() == names.len() {
        true => "the host has not taken the letter".to_owned(),
        false => format!(
            "the host has taken the letter, but not for {}",
            refused.len()
        ),
    };
    let complaint = Complaint::new(what).because(list.join("; "));
    Err(complaint.coded(sysexits::of_refusal(first)))
}

/// Why there was no conversation, or none of use.
fn failed(account: &Account, error: &CourierError) -> Complaint {
    let host = account.host.clone().unwrap_or_default();
    let at = format!("{host}:{}", account.port());
    let complaint = |what: String, code: u8| Complaint::new(what).because(error).coded(code);
    match error {
        CourierError::Net(net) => match net.certificate() {
            Some(why) => Complaint::new(format!("{host} does not prove that it is {host}"))
                .because(why)
                .next("tls_fingerprint, or tls_trust_file, if it is right")
                .coded(sysexits::UNAVAILABLE),
            None => complaint(format!("{at} cannot be reached"), sysexits::TEMPORARY)
                .next("is the name right, and the host up? try again later"),
        },
        CourierError::Unknown(..) => {
            complaint(format!("{at} cannot be reached"), sysexits::TEMPORARY)
                .next("is the name right?")
        }
        CourierError::Login(refusal) => {
            let user = account.user.clone().unwrap_or_default();
            let code = match refusal.code.value() < 500 {
                true => sysexits::TEMPORARY,
                false => sysexits::NO_PERMISSION,
            };
            let what = format!("{host} does not take the name or the password of {user}");
            complaint(what, code)
        }
        CourierError::Unable(_) => {
            let what = format!("{host} cannot be used");
            let next = "tls on, for a password; `auth` and `tls` as the host offers them: -S";
            complaint(what, sysexits::UNAVAILABLE).next(next)
        }
        CourierError::Refused(refusal) => {
            let code = sysexits::of_refusal(refusal);
            complaint(format!("{host} takes no letters from us"), code)
        }
    }
}

/// One line for each letter, where a log file is named.
fn log(
    account: &Account,
    envelope: &Envelope,
    size: usize,
    told: &Result<(), Complaint>,
) -> Result<(), Complaint> {
    let Some(path) = &account.log_file else {
        return Ok(());
    };
    let on = |is_on: bool| if is_on { "on" } else { "off" };
    let to = envelope.recipients.iter();
    let to: Vec<String> = to.map(|one| one.forward_path.to_string()).collect();
    let mut line = format!(
        "{} host={} tls={} auth={}",
        letter::now().to_rfc3339(),
        account.host.clone().unwrap_or_default(),
        on(account.tls),
        on(account.auth != Auth::No),
    );
    if let (true, Some(user)) = (account.auth != Auth::No, &account.user) {
        line.push_str(&format!(" user={user}"));
    }
    let bare = |text: String| text.replace(['<', '>'], "");
    let from = bare(envelope.reverse_path.to_string());
    line.push_str(&format!(" from={from} recipients={}", bare(to.join(","))));
    line.push_str(&match told {
        Ok(()) => format!(" mailsize={size} exitcode=EX_OK"),
        Err(complaint) => {
            let said = complaint.to_string().replace('\n', " ");
            format!(" errormsg='{said}' exitcode={}", complaint.code)
        }
    });
    if path == Path::new("-") {
        return say(&line);
    }
    let opened = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    // The letter is away, or is not: a log that cannot be written changes neither.
    if let Err(error) = opened.and_then(|mut file| writeln!(file, "{line}")) {
        eprintln!("caramel: {} cannot be written: {error}", path.display());
    }
    Ok(())
}

/// What would be used, by msmtp's names.
fn shown(account: &Account) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "(not set)".to_owned());
    let on = |is_on: bool| if is_on { "on" } else { "off" };
    let path = |value: &Option<PathBuf>, none: &str| match value {
        Some(path) => path.display().to_string(),
        None => none.to_owned(),
    };
    let auth = match &account.auth {
        Auth::No => "off".to_owned(),
        Auth::Any => "on".to_owned(),
        Auth::Only(mechanism) => mechanism.name().to_ascii_lowercase(),
    };
    let lines = [
        ("account", account.name.clone()),
        ("host", text(&account.host)),
        ("port", account.port().to_string()),
        (
            "protocol",
            if account.lmtp { "lmtp" } else { "smtp" }.to_owned(),
        ),
        ("domain", text(&account.domain)),
        (
            "tls",
            on(account.encrypted() != Encrypted::Never).to_owned(),
        ),
        ("tls_starttls", on(account.starttls).to_owned()),
        ("tls_certcheck", on(account.checks).to_owned()),
        ("tls_trust_file", path(&account.authorities, "system")),
        ("tls_fingerprint", text(&account.fingerprint)),
        ("auth", auth),
        ("user", text(&account.user)),
        (
            "password",
            match &account.password {
                Password::None => "(not set)".to_owned(),
                Password::Text(_) => "*".to_owned(),
                Password::Command(command) => format!("what `{command}` writes"),
            },
        ),
        ("from", text(&account.from)),
        ("maildomain", text(&account.local_domain)),
        ("aliases", path(&account.aliases, "(not set)")),
        ("logfile", path(&account.log_file, "(not set)")),
    ];
    let lines: Vec<String> = lines
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    lines.join("\n")
}

/// Looks at a host.
fn look(account: &Account) -> Result<(), Complaint> {
    let courier = Courier::to(account.courier_host(false)?);
    let courier = courier.map_err(|error| failed(account, &error))?;
    let runtime = tokio::runtime::Runtime::new().context("starting")?;
    let sight = runtime.block_on(courier.look());
    let sight = sight.map_err(|error| failed(account, &error))?;
    let mut lines = sight.hello.iter();
    let name = lines.next().cloned().unwrap_or_default();
    let host = account.host.clone().unwrap_or_default();
    say(&format!("{host}:{}: {name}", account.port()))?;
    say(&format!(
        "  TLS: {}",
        sight.tls.as_deref().unwrap_or("none")
    ))?;
    for line in lines {
        say(&format!("  {line}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_find_their_accounts() {
        for (own, from, expected) in [
            ("ada@a.example", "ADA@a.example", true),
            ("ada@a.example", "ada+lists@a.example", true),
            ("*@a.example", "bob@a.example", true),
            ("a?a@*.example", "ada@b.example", true),
            ("ada@a.example", "ada@b.example", false),
            ("*@a.example", "bob@a.example.org", false),
        ] {
            assert_eq!(matches(own, from), expected, "{own} {from}");
        }
        let stars = "*a".repeat(30);
        assert!(!fits(
            stars.as_bytes(),
            "a".repeat(5000).as_bytes().get(..29).unwrap()
        ));
    }

    #[test]
    fn options_change_the_account_that_is_chosen() {
        let rc = "account work\nhost w.example\nfrom ada@w.example\n\
                  account default\nhost d.example\nfrom ada@d.example\n";
        let known = Known {
            accounts: msmtp::parse("rc", rc).unwrap().accounts,
            ..Known::default()
        };
        let with = |words: &[&str], from: Option<&str>| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            let options = Options::read(Dialect::Msmtp, &words).unwrap();
            let account = chosen(&options, &known, from)?;
            Ok::<_, Complaint>(format!(
                "{}:{}",
                account.host.clone().unwrap(),
                account.port()
            ))
        };
        assert_eq!(with(&[], None).unwrap(), "d.example:25");
        assert_eq!(with(&[], Some("ada+x@w.example")).unwrap(), "w.example:25");
        assert_eq!(
            with(&["-a", "work", "--port=26"], None).unwrap(),
            "w.example:26"
        );
        assert_eq!(
            with(&["--host", "h", "--tls", "--tls-starttls=off"], None).unwrap(),
            "h:465"
        );
        let none = with(&["-a", "none"], None).unwrap_err();
        assert_eq!(none.code, sysexits::CONFIGURATION);
        assert_eq!(
            with(&["--tls=perhaps"], None).unwrap_err().code,
            sysexits::USAGE
        );
    }
}
