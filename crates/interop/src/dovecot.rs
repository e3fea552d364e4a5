//! Dovecot in a folder of its own, on ports of its own.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

/// How long it may take to be ready before a test gives up, seconds.
const READY_SECONDS_MAX: u64 = 60;

/// What leaves a mailbox no room.
const NO_ROOM: &str = "userdb_quota_rule=*:bytes=1";

/// The doors of one that speaks TLS.
const ENCRYPTED: &[&str] = &["imap", "imaps", "pop3", "pop3s"];

/// Dovecot, which ends when this is dropped. Everybody's password is `secret`.
#[derive(Debug)]
pub struct Dovecot {
    folder: TempDir,
    child: Option<Child>,
    addresses: Vec<(&'static str, SocketAddr)>,
}

impl Dovecot {
    /// Starts one that keeps mail in this form: `sdbox`, `maildir`.
    ///
    /// # Errors
    /// Where it does not start; `cargo xtask test` installs it.
    pub fn start(form: &str) -> io::Result<Self> {
        Self::start_in(form, &["imap"], "")
    }

    /// The same with POP3 beside IMAP, and both with TLS from the first octet as well: `pop3`,
    /// `pop3s`, `imaps`.
    ///
    /// # Errors
    /// Where it does not start; `cargo xtask test` installs it.
    pub fn start_encrypted(form: &str) -> io::Result<Self> {
        Self::start_in(form, ENCRYPTED, "")
    }

    /// The same with more lines in its configuration.
    ///
    /// # Errors
    /// Where it does not start; `cargo xtask test` installs it.
    pub fn start_with(form: &str, more: &str) -> io::Result<Self> {
        Self::start_in(form, ENCRYPTED, more)
    }

    /// The same, and it tells Postfix who may log in, at the port `auth`: by PLAIN and LOGIN.
    ///
    /// # Errors
    /// Where it does not start; `cargo xtask test` installs it.
    pub fn start_authenticating() -> io::Result<Self> {
        Self::start_authenticating_by("plain login")
    }

    /// The same by these mechanisms of SASL.
    ///
    /// # Errors
    /// Where it does not start; `cargo xtask test` installs it.
    pub fn start_authenticating_by(mechanisms: &str) -> io::Result<Self> {
        let doors = [ENCRYPTED, &["auth"]].concat();
        let more = format!("auth_mechanisms = {mechanisms}\n");
        Self::start_in("sdbox", &doors, &more)
    }

    /// Starts one that takes letters by LMTP, at the port `lmtp` and at [`Self::socket`]: for
    /// `cat`, and for `full`, whose mailbox has no room until [`Self::make_room`].
    ///
    /// # Errors
    /// Where it does not start; `cargo xtask test` installs it.
    pub fn start_delivering() -> io::Result<Self> {
        let more = "mail_plugins = quota\nquota_full_tempfail = yes\nmailbox_list_index = yes\n\
                    plugin {\n quota = count:all\n quota_vsizes = yes\n}\n";
        Self::start_in("maildir", &["imap", "lmtp"], more)
    }

    /// The socket at which it takes letters by LMTP.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder().join("run/lmtp")
    }

    /// Gives `full` room; Dovecot sees it within a second.
    ///
    /// # Errors
    /// Where its list of users cannot be written.
    pub fn make_room(&self) -> io::Result<()> {
        self.write_users("")
    }

    fn write_users(&self, rule: &str) -> io::Result<()> {
        let mail = self.folder().join("mail");
        let line =
            |name: &str, rule: &str| format!("{name}:::::{}/{name}::{rule}\n", mail.display());
        let written = self.folder().join("users.new");
        fs::write(&written, line("cat", "") + &line("full", rule))?;
        fs::rename(written, self.folder().join("users"))
    }

    /// What lies in a mailbox that is a Maildir.
    #[must_use]
    pub fn letters(&self, name: &str) -> Vec<String> {
        let mut letters = Vec::new();
        for part in ["new", "cur"] {
            let folder = self.folder().join("mail").join(name).join(part);
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let octets = fs::read(entry.path()).unwrap_or_default();
                letters.push(String::from_utf8_lossy(&octets).into_owned());
            }
        }
        letters
    }

    /// The configuration of a Postfix that lets in whom this one knows, and talks to nobody without
    /// TLS.
    #[must_use]
    pub fn postfix_behind(&self) -> String {
        let there = self.folder().display();
        let port = self.port("auth").unwrap_or_default();
        format!(
            "mynetworks =\nsmtpd_recipient_restrictions = permit_sasl_authenticated, reject\n\
             smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {there}/certificate\n\
             smtpd_tls_key_file = {there}/key\nsmtpd_sasl_auth_enable = yes\n\
             smtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:127.0.0.1:{port}\n"
        )
    }

    fn start_in(form: &str, doors: &[&'static str], more: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        // It runs as users of its own below the folder.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))?;
        let mut free = Vec::new();
        for door in doors {
            free.push((*door, TcpListener::bind("127.0.0.1:0")?));
        }
        let addresses = free.iter();
        let addresses = addresses.map(|(door, listener)| Ok((*door, listener.local_addr()?)));
        let addresses = addresses.collect::<io::Result<_>>()?;
        drop(free);
        let mut dovecot = Self {
            folder,
            child: None,
            addresses,
        };
        if dovecot.port("lmtp").is_some() {
            dovecot.write_users(NO_ROOM)?;
        } else if doors.len() > 1 {
            dovecot.certify()?;
        }
        let text = dovecot.text(form) + more;
        fs::write(dovecot.configuration(), text)?;
        dovecot.run()?;
        Ok(dovecot)
    }

    fn configuration(&self) -> PathBuf {
        self.folder().join("dovecot.conf")
    }

    fn text(&self, form: &str) -> String {
        let home = self.folder().display();
        let port = |name| self.port(name).unwrap_or_default();
        let (protocols, tls) = match self.port("pop3") {
            None if self.port("lmtp").is_some() => ("imap lmtp", "ssl = no\n".to_owned()),
            Some(_) => (
                "imap pop3",
                format!("ssl = yes\nssl_cert = <{home}/certificate\nssl_key = <{home}/key\n"),
            ),
            None => ("imap", "ssl = no\n".to_owned()),
        };
        let users = match self.port("lmtp") {
            Some(_) => format!("passwd-file\n args = username_format=%n {home}/users"),
            None => format!(
                "static\n args = uid=dovecot gid=dovecot home={home}/mail/%n allow_all_users=yes"
            ),
        };
        let mut text = format!(
            "base_dir = {home}/run\nstate_dir = {home}/run\nprotocols = {protocols}\n\
             listen = 127.0.0.1\nlog_path = /dev/stderr\n{tls}\
             disable_plaintext_auth = no\nmail_location = {form}:{home}/mail/%n\n\
             first_valid_uid = 1\nmail_uid = dovecot\nmail_gid = dovecot\n\
             mail_max_userip_connections = 100\n\
             passdb {{\n driver = static\n args = password=secret\n}}\n\
             userdb {{\n driver = {users}\n}}\n\
             service imap-login {{\n inet_listener imap {{\n port = {}\n }}\n \
             inet_listener imaps {{\n port = {}\n }}\n}}\n",
            port("imap"),
            port("imaps"),
        );
        if protocols.contains("pop3") {
            text.push_str(&format!(
                "service pop3-login {{\n inet_listener pop3 {{\n port = {}\n }}\n \
                 inet_listener pop3s {{\n port = {}\n }}\n}}\n",
                port("pop3"),
                port("pop3s"),
            ));
        }
        if let Some(port) = self.port("lmtp") {
            text.push_str(&format!(
                "service lmtp {{\n inet_listener lmtp {{\n address = 127.0.0.1\n \
                 port = {port}\n }}\n unix_listener lmtp {{\n mode = 0666\n }}\n}}\n"
            ));
        }
        if let Some(port) = self.port("auth") {
            text.push_str(&format!(
                "service auth {{\n inet_listener {{\n address = 127.0.0.1\n \
                 port = {port}\n }}\n}}\n"
            ));
        }
        text
    }

    /// Makes a certificate for 127.0.0.1 that nobody else vouches for.
    fn certify(&self) -> io::Result<()> {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"])
            .args(["-subj", "/CN=127.0.0.1", "-addext"])
            .args(["subjectAltName=IP:127.0.0.1", "-addext"])
            .args(["basicConstraints=critical,CA:FALSE", "-keyout", "key"])
            .args(["-out", "certificate"])
            .current_dir(self.folder())
            .stderr(Stdio::null())
            .status()?;
        match made.success() {
            true => Ok(()),
            false => Err(io::Error::other("openssl made no certificate")),
        }
    }

    /// Starts it again after [`Self::stop`].
    ///
    /// # Errors
    /// Where it does not start.
    pub fn run(&mut self) -> io::Result<()> {
        let mut child = Command::new("dovecot")
            .arg("-F")
            .arg("-c")
            .arg(self.configuration())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = child.stderr.take();
        self.child = Some(child);
        match log.map(wait_until_it_listens) {
            Some(true) => Ok(()),
            Some(false) | None => Err(io::Error::other("Dovecot did not start")),
        }
    }

    /// Ends it; its mail stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = child.id().to_string();
            drop(Command::new("kill").args(["-TERM", &pid]).status());
            drop(child.wait());
        }
    }

    /// Where it listens, without encryption.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = self.addresses.first();
        first.map_or(any, |(_, address)| *address)
    }

    /// The port of one of its doors: `imap`, `imaps`, `pop3`, `pop3s`, `lmtp`.
    #[must_use]
    pub fn port(&self, door: &str) -> Option<u16> {
        let mut addresses = self.addresses.iter();
        let found = addresses.find(|(name, _)| *name == door);
        found.map(|(_, address)| address.port())
    }

    /// The certificate that it shows, which is its own authority.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder().join("certificate")
    }

    /// The folder that has everybody's mail in `mail/NAME`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Waits for the line Dovecot logs when all its sockets listen. A thread reads on behind it, so
/// that Dovecot is never kept waiting, and shows the log where the test fails.
fn wait_until_it_listens(log: ChildStderr) -> bool {
    let (listens, wait) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains(" starting up ") {
                listens.send(()).unwrap_or_default();
            }
            eprintln!("dovecot: {line}");
        }
    });
    // Where Dovecot ends instead, the sender goes with its log.
    let limit = Duration::from_secs(READY_SECONDS_MAX);
    wait.recv_timeout(limit).is_ok()
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.stop();
    }
}
