//! The binary, started in a folder of its own on ports of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

/// How long the server may take to be ready before a test gives up, seconds.
const READY_SECONDS_MAX: u64 = 60;

/// How a listener protects its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    None,
    /// On the peer's demand.
    Starttls,
    /// From the first octet.
    Implicit,
}

impl Tls {
    const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starttls => "starttls",
            Self::Implicit => "implicit",
        }
    }
}

/// Why the server could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or process said no.
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
    /// A `caramel` command failed.
    #[error("caramel {0}: {1}")]
    Command(String, String),
    /// It did not become ready.
    #[error("the server did not become ready:\n{0}")]
    NotReady(String),
}

/// A running server, killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    binary: PathBuf,
    folder: Folder,
    child: Option<Child>,
    addresses: Vec<(String, String, SocketAddr)>,
}

/// Where it keeps its data.
#[derive(Debug)]
enum Folder {
    Own(TempDir),
    Given(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}

impl Server {
    /// Starts a server with the accounts `ada` and `alan` at `test.localhost`, passwords `secret`.
    ///
    /// # Errors
    /// Where it does not become ready.
    pub fn start() -> Result<Self, Error> {
        let folder = TempDir::new().map_err(|error| Error::Io("making a folder", error))?;
        Self::start_in(binary(), Folder::Own(folder), "")
    }

    /// The same with more lines in its configuration.
    ///
    /// # Errors
    /// Where it does not become ready.
    pub fn start_with(more: &str) -> Result<Self, Error> {
        let folder = TempDir::new().map_err(|error| Error::Io("making a folder", error))?;
        Self::start_in(binary(), Folder::Own(folder), more)
    }

    /// The same with a given program, in a folder that outlives it.
    ///
    /// # Errors
    /// Where it does not become ready.
    pub fn start_at(binary: &Path, folder: &Path, more: &str) -> Result<Self, Error> {
        Self::start_in(binary.to_owned(), Folder::Given(folder.to_owned()), more)
    }

    fn start_in(binary: PathBuf, folder: Folder, more: &str) -> Result<Self, Error> {
        let mut server = Self {
            binary,
            folder,
            child: None,
            addresses: Vec::new(),
        };
        let fresh = !server.config().exists();
        let text = configuration(&server.data(), more);
        fs::write(server.config(), text)
            .map_err(|error| Error::Io("writing the configuration", error))?;
        if fresh {
            server.command(&["domain", "add", "test.localhost"], "")?;
            for name in ["ada", "alan"] {
                server.add_account(&format!("{name}@test.localhost"), "secret")?;
            }
        }
        server.run()?;
        Ok(server)
    }

    /// Where the data are.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("caramel.toml")
    }

    /// The program under test: `CARAMEL_BIN`, or the one built beside the tests.
    #[must_use]
    pub fn binary() -> PathBuf {
        binary()
    }

    /// The folder that holds the data, the configuration and whatever a test puts there.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The certificate of the authority that signed the server's.
    ///
    /// # Errors
    /// Where the command that names it fails.
    pub fn authority(&self) -> Result<String, Error> {
        Ok(self.command(&["cert", "ca"], "")?.trim().to_owned())
    }

    /// What the server said on its standard error.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The server's pid; zero while it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Where a protocol listens.
    ///
    /// # Panics
    /// Where it does not listen at all: a test's mistake.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "a test that asks for what it did not start is wrong"
    )]
    pub fn address(&self, protocol: &str, tls: Tls) -> SocketAddr {
        let found = self
            .addresses
            .iter()
            .find(|(known, how, _)| known == protocol && how == tls.word());
        let Some((_, _, address)) = found else {
            panic!("no listener for {protocol} with tls {}", tls.word())
        };
        *address
    }

    /// Adds an account.
    ///
    /// # Errors
    /// Where the command fails.
    pub fn add_account(&self, address: &str, password: &str) -> Result<(), Error> {
        self.command(&["account", "add", address, "--password-stdin"], password)
            .map(drop)
    }

    /// Runs a `caramel` command on this server's data and returns its standard output.
    ///
    /// # Errors
    /// Where it fails, with what it said.
    pub fn command(&self, words: &[&str], input: &str) -> Result<String, Error> {
        let output = self.output(words, input)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(Error::Command(
            words.join(" "),
            format!("{said}{complaint}"),
        ))
    }

    /// Runs a `caramel` command on this server's data.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn output(&self, words: &[&str], input: &str) -> Result<Output, Error> {
        let io = |error| Error::Io("running caramel", error);
        let mut child = Command::new(&self.binary)
            .arg("--config")
            .arg(self.config())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read its input closes it: that is its right.
            drop(stdin.write_all(input.as_bytes()));
        }
        child.wait_with_output().map_err(io)
    }

    /// Starts the server again after [`Self::stop`] or [`Self::kill`].
    ///
    /// # Errors
    /// Where it does not become ready.
    pub fn run(&mut self) -> Result<(), Error> {
        self.run_heard(true)
    }

    /// The same; once it is ready nobody hears what it says, and its standard error is broken.
    ///
    /// # Errors
    /// Where it does not become ready.
    pub fn run_unheard(&mut self) -> Result<(), Error> {
        self.run_heard(false)
    }

    fn run_heard(&mut self, to_its_end: bool) -> Result<(), Error> {
        let log = fs::File::create(self.folder.path().join("log"))
            .map_err(|error| Error::Io("creating the log", error))?;
        let mut child = Command::new(&self.binary)
            .arg("--config")
            .arg(self.config())
            .arg("serve")
            .env("CARAMEL_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Error::Io("starting caramel", error))?;
        let said = child.stderr.take();
        self.child = Some(child);
        let ready = said.map(|said| kept(said, log, to_its_end));
        let limit = Duration::from_secs(READY_SECONDS_MAX);
        let ready = ready.is_some_and(|ready| ready.recv_timeout(limit).is_ok());
        match read_listeners(&self.data().join("listeners.json")) {
            Some(addresses) if ready => {
                self.addresses = addresses;
                Ok(())
            }
            _ => Err(Error::NotReady(self.log())),
        }
    }

    /// Ends the server as an administrator does, and waits for it; true if it ended well.
    pub fn stop(&mut self) -> bool {
        let Some(mut child) = self.child.take() else {
            return false;
        };
        let pid = child.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        child.wait().is_ok_and(|status| status.success())
    }

    /// True if it was started and has not ended.
    pub fn is_running(&mut self) -> bool {
        let ended = self.child.as_mut().map(Child::try_wait);
        matches!(ended, Some(Ok(None)))
    }

    /// Ends the server at once, without a chance to do anything.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Keeps what the server says, as long as it says anything or until it is ready, and tells when it
/// is.
///
/// Where the server ends before that, the sender goes with its last line.
fn kept(said: ChildStderr, mut log: fs::File, to_its_end: bool) -> mpsc::Receiver<()> {
    let (ready, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(said);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
            // A full disk is among the things tests make: the server goes on, and so does this.
            drop(log.write_all(&line));
            if line.ends_with(b" ready\n") {
                if !to_its_end {
                    drop(lines);
                    return ready.send(()).unwrap_or_default();
                }
                ready.send(()).unwrap_or_default();
            }
            line.clear();
        }
    });
    wait
}

/// The program under test: `CARAMEL_BIN`, or the one built beside the tests.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CARAMEL_BIN") {
        return path.into();
    }
    let here = std::env::current_exe().unwrap_or_default();
    let folders = here.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder| folder.join("caramel"))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| "caramel".into())
}

fn configuration(data: &Path, more: &str) -> String {
    let mut text = format!(
        "hostname = \"mail.test.localhost\"\ndata = \"{}\"\n{more}\n",
        data.display()
    );
    let listeners = [
        ("smtp", Tls::Starttls),
        ("submission", Tls::Starttls),
        ("submission", Tls::Implicit),
        ("lmtp", Tls::None),
        ("imap", Tls::Starttls),
        ("imap", Tls::Implicit),
        ("pop3", Tls::Starttls),
        ("pop3", Tls::Implicit),
        ("managesieve", Tls::Starttls),
    ];
    for (protocol, tls) in listeners {
        text.push_str(&format!(
            "\n[[listener]]\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:0\"\ntls = \"{}\"\n",
            tls.word()
        ));
    }
    text
}

/// The file a server writes when it is ready: protocol, protection and address of each listener.
fn read_listeners(path: &Path) -> Option<Vec<(String, String, SocketAddr)>> {
    let text = fs::read_to_string(path).ok()?;
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    let word = |entry: &serde_json::Value, key: &str| Some(entry.get(key)?.as_str()?.to_owned());
    value
        .as_array()?
        .iter()
        .map(|entry| {
            let address = word(entry, "address")?.parse().ok()?;
            Some((word(entry, "protocol")?, word(entry, "tls")?, address))
        })
        .collect()
}
