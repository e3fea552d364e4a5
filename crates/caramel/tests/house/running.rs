//! The real binary in a folder of its own, on ports the system chose.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// How long a peer may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

const LISTENERS: [(&str, &str); 4] = [
    ("smtp", "starttls"),
    ("lmtp", "none"),
    ("imap", "starttls"),
    ("pop3", "starttls"),
];

/// A folder with a configuration, and the server that runs on it, if one does.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) folder: TempDir,
    child: Option<Child>,
    /// The log of the server that runs; held, so that it can always write.
    log: Option<BufReader<ChildStderr>>,
}

impl House {
    /// A house with domain and account, where no server runs yet.
    pub(crate) fn new() -> Self {
        let house = Self::empty();
        house.done(&["domain", "add", "test.localhost"], "");
        house.done(
            &["account", "add", "ada@test.localhost", "--password-stdin"],
            "secret word\n",
        );
        house
    }

    /// A house where nothing was done.
    pub(crate) fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        let mut text = format!(
            "hostname = \"mail.test.localhost\"\ndata = \"{}\"\n\
             [limits]\naccount_size = \"2G\"\n",
            folder.path().join("data").display()
        );
        for (protocol, tls) in LISTENERS {
            text.push_str(&format!(
                "[[listener]]\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:0\"\n\
                 tls = \"{tls}\"\n"
            ));
        }
        std::fs::write(folder.path().join("caramel.toml"), text).unwrap();
        Self {
            folder,
            child: None,
            log: None,
        }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("caramel.toml")
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, words: &[&str], input: &str) -> Output {
        let mut child = caramel(&self.folder)
            .arg("--config")
            .arg(self.config())
            .args(words)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap_or_default();
        child.wait_with_output().unwrap()
    }

    /// Runs a command that has to succeed; what it says.
    pub(crate) fn done(&self, words: &[&str], input: &str) -> String {
        let output = self.run(words, input);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn start(&mut self) {
        let mut command = caramel(&self.folder);
        command.arg("--config").arg(self.config()).arg("serve");
        self.begin(&mut command);
    }

    /// Starts the demonstration and waits until it is ready.
    pub(crate) fn start_demo(&mut self) {
        let mut command = caramel(&self.folder);
        self.begin(&mut command);
    }

    fn begin(&mut self, command: &mut Command) {
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        self.child = Some(child);
        let mut said = String::new();
        while !said.ends_with("ready\n") {
            assert_ne!(
                log.read_line(&mut said).unwrap(),
                0,
                "it did not become ready:\n{said}"
            );
        }
        self.log = Some(log);
    }

    /// Tells the server to stop, as an administrator does; what it said, and whether it ended well.
    pub(crate) fn stop(&mut self) -> (String, bool) {
        let child = self.child.take().unwrap();
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let output = child.wait_with_output().unwrap();
        (
            String::from_utf8(output.stdout).unwrap(),
            output.status.success(),
        )
    }

    /// A conversation with one of the listeners, after its greeting.
    pub(crate) fn call(&self, protocol: &str) -> Talk {
        let path = self.folder.path().join("data/listeners.json");
        let text = std::fs::read_to_string(path).unwrap();
        let at = text
            .split(&format!("\"protocol\":\"{protocol}\""))
            .next()
            .unwrap()
            .len();
        // The keys are sorted: the address stands before the protocol.
        let address = text[..at].rsplit("\"address\":\"").next().unwrap();
        let address = address.split('"').next().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut talk = Talk(BufReader::new(stream));
        let greeting = talk.line();
        assert!(
            ["220", "* OK", "+OK"]
                .iter()
                .any(|ok| greeting.starts_with(ok)),
            "{greeting}"
        );
        talk
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap_or_default();
            child.wait().map(drop).unwrap_or_default();
        }
    }
}

/// The binary, with its data below the folder whatever happens; another one where
/// `CARAMEL_BINARY` names it.
fn caramel(folder: &TempDir) -> Command {
    let other = std::env::var_os("CARAMEL_BINARY");
    let built = || env!("CARGO_BIN_EXE_caramel").into();
    let mut command = Command::new(other.unwrap_or_else(built));
    command
        .env("XDG_DATA_HOME", folder.path())
        .env("CARAMEL_LOG", "info");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A conversation in lines.
#[derive(Debug)]
pub(crate) struct Talk(BufReader<TcpStream>);

impl Talk {
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends a line and reads up to the line that begins with one of these.
    pub(crate) fn say(&mut self, line: &str, ends: &[&str]) -> String {
        self.0
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .unwrap();
        let mut heard = String::new();
        loop {
            let line = self.line();
            heard.push_str(&line);
            heard.push('\n');
            if line.is_empty() && heard.ends_with("\n\n\n")
                || ends.iter().any(|end| line.starts_with(end))
            {
                return heard;
            }
        }
    }
}
