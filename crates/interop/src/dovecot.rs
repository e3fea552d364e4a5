//! Dovecot in a folder of its own, on a port of its own.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

/// How long it may take to be ready before a test gives up, seconds.
const READY_SECONDS_MAX: u64 = 60;

/// Dovecot, which ends when this is dropped. Everybody's password is `secret`.
#[derive(Debug)]
pub struct Dovecot {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
}

impl Dovecot {
    /// Starts one that keeps mail in this form: `sdbox`, `maildir`.
    ///
    /// # Errors
    /// Where it does not start; `cargo xtask test` installs it.
    pub fn start(form: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        // It runs as users of its own below the folder.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))?;
        let free = TcpListener::bind("127.0.0.1:0")?;
        let address = free.local_addr()?;
        drop(free);
        let configuration = folder.path().join("dovecot.conf");
        let home = folder.path().display();
        let text = format!(
            "base_dir = {home}/run\nstate_dir = {home}/run\nprotocols = imap\n\
             listen = 127.0.0.1\nlog_path = /dev/stderr\nssl = no\n\
             disable_plaintext_auth = no\nmail_location = {form}:{home}/mail/%n\n\
             first_valid_uid = 1\nmail_uid = dovecot\nmail_gid = dovecot\n\
             passdb {{\n driver = static\n args = password=secret\n}}\n\
             userdb {{\n driver = static\n args = uid=dovecot gid=dovecot home={home}/mail/%n \
             allow_all_users=yes\n}}\n\
             service imap-login {{\n inet_listener imap {{\n port = {}\n }}\n \
             inet_listener imaps {{\n port = 0\n }}\n}}\n",
            address.port()
        );
        fs::write(&configuration, text)?;
        let mut child = Command::new("dovecot")
            .arg("-F")
            .arg("-c")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = child.stderr.take();
        let dovecot = Self {
            folder,
            child,
            address,
        };
        match log.map(wait_until_it_listens) {
            Some(true) => Ok(dovecot),
            Some(false) | None => Err(io::Error::other("Dovecot did not start")),
        }
    }

    /// Where it listens, without encryption.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
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
        let pid = self.child.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        drop(self.child.wait());
    }
}
