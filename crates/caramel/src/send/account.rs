//! A relay host and how it is talked with: the settings that `msmtprc`, `ssmtp.conf` and the
//! command line have in common, each by msmtp's name for it.
//!
//! Not here: the files' forms (`msmtp`, `ssmtp`), what is done with a letter (`letter`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mail::{Notify, Ret};
use net::{ClientConfig, Fingerprint};
use server::{CourierHost, CourierLogin, Encrypted};
use wire::sasl::{Mechanism, Secret};

use crate::complaint::Complaint;
use crate::sysexits;

/// How long it may take to reach a host, unless somebody says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Octets of a password.
const PASSWORD_OCTETS_MAX: usize = 16 * 1024;

/// An account at a relay host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) lmtp: bool,
    /// What to call ourselves.
    pub(super) domain: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) tls: bool,
    pub(super) starttls: bool,
    pub(super) checks: bool,
    pub(super) authorities: Option<PathBuf>,
    pub(super) fingerprint: Option<String>,
    pub(super) certified_name: Option<String>,
    pub(super) auth: Auth,
    pub(super) user: Option<String>,
    pub(super) password: Password,
    /// The envelope's sender.
    pub(super) from: Option<String>,
    /// True if `-f` counts more than that.
    pub(super) may_override: bool,
    /// True if whoever `From` names is the sender as well, where nobody else is named.
    pub(super) author_sends: bool,
    pub(super) from_header: Adding,
    pub(super) adds_date: bool,
    pub(super) adds_id: bool,
    pub(super) removes_bcc: bool,
    pub(super) hides_recipients: bool,
    pub(super) notify: Option<Notify>,
    pub(super) ret: Option<Ret>,
    pub(super) log_file: Option<PathBuf>,
    pub(super) aliases: Option<PathBuf>,
    /// The domain of names that have none.
    pub(super) local_domain: Option<String>,
    /// Who gets the mail of this machine's own names: of users whose number is below 1000.
    pub(super) root: Option<String>,
}

/// Whether to log in, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Auth {
    #[default]
    No,
    /// By the strongest mechanism that is offered.
    Any,
    Only(Mechanism),
}

/// Where the password is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) enum Password {
    #[default]
    None,
    Text(Secret),
    /// The first line that a command of the shell writes.
    Command(String),
}

/// When a field is written into the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adding {
    /// Where it is missing.
    Missing,
    /// Whatever is there.
    Always,
    Never,
}

/// The words for it.
const ADDINGS: &[(&str, Adding)] = &[
    ("auto", Adding::Missing),
    ("on", Adding::Always),
    ("", Adding::Always),
    ("off", Adding::Never),
];

/// The words for how much a report returns.
const RETURNS: &[(&str, Option<Ret>)] = &[
    ("off", None),
    ("headers", Some(Ret::Headers)),
    ("hdrs", Some(Ret::Headers)),
    ("full", Some(Ret::Full)),
];

/// What came of a setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// It is known, and nothing is done with it; why.
    Ignored(&'static str),
}

impl Default for Account {
    fn default() -> Self {
        Self {
            name: String::new(),
            host: None,
            port: None,
            lmtp: false,
            domain: None,
            timeout: None,
            tls: false,
            starttls: true,
            checks: true,
            authorities: None,
            fingerprint: None,
            certified_name: None,
            auth: Auth::No,
            user: None,
            password: Password::None,
            from: None,
            may_override: true,
            author_sends: false,
            from_header: Adding::Missing,
            adds_date: true,
            adds_id: true,
            removes_bcc: true,
            hides_recipients: false,
            notify: None,
            ret: None,
            log_file: None,
            aliases: None,
            local_domain: None,
            root: None,
        }
    }
}

impl Account {
    /// Takes a setting by its name in `msmtprc`. An empty value unsets it, or is `on`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<Taken, String> {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        let path = || Some(value).filter(|value| !value.is_empty()).map(home_path);
        match key {
            "host" => self.host = text(),
            "port" => self.port = number(value)?,
            "protocol" => self.lmtp = word(value, &[("smtp", false), ("lmtp", true)])?,
            "domain" => self.domain = text().map(|text| substituted(&text)),
            "timeout" => self.timeout = seconds(value)?,
            "tls" => self.tls = switch(value)?,
            "tls_starttls" => self.starttls = switch(value)?,
            "tls_certcheck" => self.checks = switch(value)?,
            "tls_trust_file" => {
                self.authorities = path().filter(|path| path != Path::new("system"));
            }
            "tls_fingerprint" => self.fingerprint = fingerprint(value)?,
            "tls_host_override" => self.certified_name = text(),
            "auth" => self.auth = auth(value)?,
            "user" => self.user = text(),
            "password" => {
                self.password = text().map_or(Password::None, |text| Password::Text(Secret(text)));
            }
            "passwordeval" => self.password = text().map_or(Password::None, Password::Command),
            "from" => self.from = text().map(|text| substituted(&text)),
            "allow_from_override" => self.may_override = switch(value)?,
            "set_from_header" => self.from_header = word(value, ADDINGS)?,
            "add_missing_from_header" => {
                self.from_header = match switch(value)? {
                    true => Adding::Missing,
                    false => Adding::Never,
                };
            }
            "set_date_header" | "add_missing_date_header" => self.adds_date = auto(value)?,
            "set_msgid_header" => self.adds_id = auto(value)?,
            "remove_bcc_headers" => self.removes_bcc = switch(value)?,
            "keepbcc" => self.removes_bcc = !switch(value)?,
            "undisclosed_recipients" => self.hides_recipients = switch(value)?,
            "dsn_notify" => self.notify = notify(value)?,
            "dsn_return" => self.ret = word(value, RETURNS)?,
            "logfile" => self.log_file = path(),
            "aliases" => self.aliases = path(),
            "maildomain" => self.local_domain = text(),
            "auto_from" => {
                if switch(value)? {
                    self.from = Some(user_name());
                }
            }
            _ => return ignored(key).ok_or_else(|| format!("`{key}` is not known")),
        }
        Ok(Taken::Yes)
    }

    /// When the connection is encrypted.
    pub(super) const fn encrypted(&self) -> Encrypted {
        match (self.tls, self.starttls) {
            (false, _) => Encrypted::Never,
            (true, true) => Encrypted::StartTls,
            (true, false) => Encrypted::Implicit,
        }
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| match self.encrypted() {
            Encrypted::Implicit => 465,
            Encrypted::StartTls | Encrypted::Never => 25,
        })
    }

    /// The host, as it is called.
    pub(super) fn courier_host(&self, logs_in: bool) -> Result<CourierHost, Complaint> {
        let Some(host) = self.host.clone() else {
            let what = format!("the account {} has no host", self.name);
            return Err(Complaint::new(what)
                .next("host smtp.example.org")
                .coded(sysexits::CONFIGURATION));
        };
        let here = host == "localhost"
            || host
                .parse()
                .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        let login = match (&self.auth, logs_in) {
            (Auth::No, _) | (_, false) => None,
            (auth, true) => Some(self.login(auth)?),
        };
        Ok(CourierHost {
            port: self.port(),
            encrypted: self.encrypted(),
            trust: self.trust()?,
            certified_name: self.certified_name.clone(),
            own_name: self.domain.clone().unwrap_or_else(host_name),
            lmtp: self.lmtp,
            login,
            cleartext_passwords: here,
            connect_timeout: self.timeout.unwrap_or(CONNECT_TIMEOUT),
            host,
        })
    }

    fn login(&self, auth: &Auth) -> Result<CourierLogin, Complaint> {
        let missing = |what: &str, next: &str| {
            let what = format!("the account {} has no {what}", self.name);
            Complaint::new(what)
                .next(next)
                .coded(sysexits::CONFIGURATION)
        };
        let user = self.user.clone();
        let user = user.ok_or_else(|| missing("user", "user ada"))?;
        let password = match &self.password {
            Password::Text(secret) => secret.clone(),
            Password::Command(command) => Secret(first_line_of(command)?),
            Password::None => return Err(missing("password", "passwordeval \"pass show relay\"")),
        };
        Ok(CourierLogin {
            user,
            password,
            mechanism: match auth {
                Auth::Only(mechanism) => Some(*mechanism),
                Auth::No | Auth::Any => None,
            },
        })
    }

    /// Whom the host's certificate is checked with.
    fn trust(&self) -> Result<Arc<ClientConfig>, Complaint> {
        let known = self.fingerprint.as_deref().and_then(Fingerprint::parse);
        let prepared = match (self.checks, known) {
            (false, _) => net::trusting_anybody(),
            (true, Some(known)) => net::trusting_fingerprint(known),
            (true, None) => net::trusting_authorities(self.authorities.as_deref()),
        };
        prepared.map_err(|error| {
            let complaint = Complaint::new("TLS cannot be prepared").because(error);
            complaint.coded(sysexits::CONFIGURATION)
        })
    }
}

/// Settings that are known and not followed.
fn ignored(key: &str) -> Option<Taken> {
    Some(Taken::Ignored(match key {
        "source_ip" => "the system chooses the address to call from",
        "proxy_host" | "proxy_port" => "no proxy is spoken with",
        "socket" => "only hosts are called",
        "ntlmdomain" => "NTLM is not known",
        "tls_key_file" | "tls_cert_file" => "logging in by a certificate is not known",
        "tls_crl_file" => "lists of revoked certificates are not read",
        "tls_priorities" | "tls_min_dh_prime_bits" | "tls_force_sslv3" => {
            "TLS 1.2 and 1.3 are spoken, with what is good in them"
        }
        "logfile_time_format" => "times are written as RFC 3339 has it",
        "syslog" => "only `logfile` is written",
        "from_full_name" => "-F names the sender",
        _ => return None,
    }))
}

fn switch(value: &str) -> Result<bool, String> {
    word(value, &[("on", true), ("", true), ("off", false)])
}

fn auto(value: &str) -> Result<bool, String> {
    word(
        value,
        &[("auto", true), ("on", true), ("", true), ("off", false)],
    )
}

fn word<T: Copy>(value: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(word, _)| *word == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let words = words.join(", ").replace(", ,", ",");
        format!("`{value}` is none of {words}")
    })
}

fn number(value: &str) -> Result<Option<u16>, String> {
    match value {
        "" => Ok(None),
        "smtp" => Ok(Some(25)),
        "smtps" | "submissions" => Ok(Some(465)),
        "submission" => Ok(Some(587)),
        text => match text.parse() {
            Ok(port) => Ok(Some(port)),
            Err(_) => Err(format!("`{text}` is no port")),
        },
    }
}

fn seconds(value: &str) -> Result<Option<Duration>, String> {
    match value {
        "" | "off" => Ok(None),
        text => match text.parse() {
            Ok(seconds) => Ok(Some(Duration::from_secs(seconds))),
            Err(_) => Err(format!("`{text}` is no number of seconds")),
        },
    }
}

fn fingerprint(value: &str) -> Result<Option<String>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let text = match value.to_ascii_lowercase().starts_with("sha256:") {
        true => value.to_owned(),
        false => format!("sha256:{value}"),
    };
    match Fingerprint::parse(&text) {
        Some(_) => Ok(Some(text)),
        None => Err(format!(
            "`{value}` is no SHA-256 fingerprint (SHA-1 and MD5 prove nothing)"
        )),
    }
}

fn auth(value: &str) -> Result<Auth, String> {
    let name = value.to_ascii_uppercase();
    match name.as_str() {
        "OFF" => Ok(Auth::No),
        "" | "ON" => Ok(Auth::Any),
        "CRAM-MD5" | "DIGEST-MD5" | "NTLM" | "GSSAPI" | "EXTERNAL" => Err(format!(
            "`{value}` is not known: `auth on` takes the strongest that is offered and known"
        )),
        name => match Mechanism::parse(name) {
            Some(mechanism) => Ok(Auth::Only(mechanism)),
            None => Err(format!("`{value}` is no way to log in")),
        },
    }
}

// RFC 3461 §4.1
fn notify(value: &str) -> Result<Option<Notify>, String> {
    match value {
        "off" => return Ok(None),
        "never" => return Ok(Some(Notify::Never)),
        _ => {}
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for one in value.split(',') {
        match one {
            "success" => success = true,
            "failure" => failure = true,
            "delay" => delay = true,
            _ => return Err(format!("`{one}` is none of never, success, failure, delay")),
        }
    }
    Ok(Some(Notify::On {
        success,
        failure,
        delay,
    }))
}

/// A path where `~` is the home folder.
pub(super) fn home_path(text: &str) -> PathBuf {
    match (text.strip_prefix('~'), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest.trim_start_matches('/')),
        _ => PathBuf::from(text),
    }
}

/// The name of who calls.
pub(super) fn user_name() -> String {
    let variable = |name| std::env::var(name).ok().filter(|name| !name.is_empty());
    let known = variable("USER").or_else(|| variable("LOGNAME"));
    known.unwrap_or_else(|| server::system_user(rustix::process::geteuid().as_raw()).name)
}

/// The name of this machine.
pub(super) fn host_name() -> String {
    let variable = std::env::var("HOSTNAME").unwrap_or_default();
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut names = [variable.trim(), told.trim()].into_iter();
    let name = names.find(|name| !name.is_empty());
    name.unwrap_or("localhost").to_owned()
}

/// Patterns, replaced: `%U` the user, `%H` and `%C` this machine, `%M` what `/etc/mailname` says.
fn substituted(text: &str) -> String {
    let mut out = text.to_owned();
    for (pattern, value) in [
        ("%U", user_name as fn() -> String),
        ("%H", host_name),
        ("%C", host_name),
        ("%M", mail_name),
    ] {
        if out.contains(pattern) {
            out = out.replace(pattern, &value());
        }
    }
    out
}

fn mail_name() -> String {
    let text = std::fs::read_to_string("/etc/mailname").unwrap_or_default();
    match text.lines().next().map(str::trim) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => host_name(),
    }
}

/// The first line that a command of the shell writes. What it complains of is seen.
pub(super) fn first_line_of(command: &str) -> Result<String, Complaint> {
    let failed = || {
        let complaint = Complaint::new(format!("`{command}` tells nothing"));
        complaint
            .next("run it by hand")
            .coded(sysexits::CONFIGURATION)
    };
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    shell.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = shell.output().map_err(|error| failed().because(error))?;
    if !output.status.success() {
        return Err(failed().because(output.status));
    }
    let octets = output
        .stdout
        .get(..output.stdout.len().min(PASSWORD_OCTETS_MAX))
        .unwrap_or_default();
    let text = String::from_utf8_lossy(octets);
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(failed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_taken_ignored_or_refused() {
        let mut account = Account::default();
        assert_eq!(
            (account.port(), account.encrypted()),
            (25, Encrypted::Never)
        );
        for (key, value) in [
            ("host", "smtp.example.org"),
            ("tls", ""),
            ("tls_starttls", "off"),
            ("auth", "scram-sha-256"),
            ("dsn_notify", "success,failure"),
            ("timeout", "7"),
            ("set_from_header", "on"),
        ] {
            assert_eq!(account.set(key, value), Ok(Taken::Yes), "{key}");
        }
        assert_eq!(
            (account.port(), account.encrypted()),
            (465, Encrypted::Implicit)
        );
        assert_eq!(account.auth, Auth::Only(Mechanism::ScramSha256));
        assert_eq!(account.from_header, Adding::Always);
        assert!(matches!(account.set("syslog", "on"), Ok(Taken::Ignored(_))));
        for (key, value, what) in [
            ("tls", "yes", "`yes` is none of on, off"),
            ("port", "x", "`x` is no port"),
            ("auth", "cram-md5", "is not known: `auth on`"),
            ("auth", "wombat", "is no way to log in"),
            ("tls_fingerprint", "AB:CD", "is no SHA-256 fingerprint"),
            ("dsn_notify", "always", "`always` is none of never"),
            ("wombat", "", "`wombat` is not known"),
        ] {
            let said = account.set(key, value).unwrap_err();
            assert!(said.contains(what), "{key}: {said}");
        }
    }

    #[test]
    fn what_is_missing_is_told() {
        let mut account = Account {
            name: "default".into(),
            auth: Auth::Any,
            ..Account::default()
        };
        let said = |account: &Account| account.courier_host(true).unwrap_err().to_string();
        assert!(said(&account).contains("default has no host"));
        account.host = Some("localhost".into());
        assert!(said(&account).contains("default has no user"));
        account.user = Some("ada".into());
        assert!(said(&account).contains("default has no password"));
        account.password = Password::Command("exit 3".into());
        assert!(said(&account).contains("`exit 3` tells nothing"));
        account.password = Password::Command("printf 'a b\\nc\\n'".into());
        let host = account.courier_host(true).unwrap();
        assert_eq!(host.login.unwrap().password.0, "a b");
        assert!(host.cleartext_passwords);
    }
}
