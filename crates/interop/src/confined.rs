//! Programs that want the machine for themselves: users, folders and files at places that cannot
//! be set. Each sees its own in their place, in a name space of its own, and nothing of the machine
//! is changed.
//!
//! Not here: how their packages come to be unpacked (`cargo xtask test`).

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to be ready before a test gives up.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long is waited between looks at whether it is.
const LOOK: Duration = Duration::from_millis(10);

/// Users that they look for, with numbers that nobody else has.
const USERS: &str = "Debian-exim:x:4201:4201::/nonexistent:/usr/sbin/nologin\n\
    opensmtpd:x:4202:4202::/nonexistent:/usr/sbin/nologin\n\
    opensmtpq:x:4203:4203::/nonexistent:/usr/sbin/nologin\n\
    keeper:x:4204:4204::/nonexistent:/usr/sbin/nologin\n";
const GROUPS: &str = "Debian-exim:x:4201:\nopensmtpd:x:4202:\nopensmtpq:x:4203:\nkeeper:x:4204:\n";
/// The user that Exim is.
pub(crate) const EXIM: u32 = 4201;
/// The group that may ask OpenSMTPD to do something.
pub(crate) const OPENSMTPQ: u32 = 4203;
/// The user whose files delivered letters are.
pub(crate) const KEEPER: u32 = 4204;

/// A program with its children; all end when this is dropped.
#[derive(Debug)]
pub(crate) struct Confined {
    child: Child,
}

impl Confined {
    /// Runs a command of the shell whose machine has these users; what it says goes into a file.
    /// Commands in front of it may put files and folders in the place of others.
    ///
    /// The shell stays: who changes users or is set-user-ID is not told that its parent has gone,
    /// and all end with the first process of the space.
    pub(crate) fn start(folder: &Path, script: &str, log: &Path) -> io::Result<Self> {
        for (name, more) in [("passwd", USERS), ("group", GROUPS)] {
            let text = fs::read_to_string(Path::new("/etc").join(name))?;
            fs::write(folder.join(name), text + more)?;
        }
        let home = folder.display();
        let whole = format!(
            "set -e\nmount --make-rprivate /\nmount --bind {home}/passwd /etc/passwd\n\
             mount --bind {home}/group /etc/group\n{script} &\nwait\n"
        );
        let said = File::options().create(true).append(true).open(log)?;
        let child = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", &whole])
            .env("LD_LIBRARY_PATH", libraries())
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()?;
        Ok(Self { child })
    }

    /// Waits until somebody takes connections at an address.
    pub(crate) fn listens(&mut self, address: SocketAddr) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < READY_MAX {
            if TcpStream::connect(address).is_ok() {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() {
                return Err(io::Error::other("it has ended"));
            }
            std::thread::park_timeout(LOOK);
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Runs a program in the same name space, in a group.
    pub(crate) fn run(&self, program: &Path, words: &[&str], group: u32) -> io::Result<bool> {
        let shell = self.shell().ok_or(io::ErrorKind::NotFound)?;
        let status = Command::new("nsenter")
            .args([
                "--mount",
                "--target",
                &shell,
                "--setgid",
                &group.to_string(),
            ])
            .arg(program)
            .args(words)
            .env("LD_LIBRARY_PATH", libraries())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        Ok(status.success())
    }

    /// The first process of the space.
    fn shell(&self) -> Option<String> {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = fs::read_to_string(children).ok()?;
        children.split_whitespace().next().map(str::to_owned)
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        // It is not gone before all others of its space are.
        let ended = self.shell().map(|shell| {
            let mut kill = Command::new("kill");
            kill.args(["-KILL", &shell]).status()
        });
        if !ended.is_some_and(|status| status.is_ok_and(|status| status.success())) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

/// The folder that strangers are unpacked in: `CARAMEL_STRANGERS`, or the one beside the tests.
fn unpacked() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CARAMEL_STRANGERS") {
        return Some(path.into());
    }
    let here = std::env::current_exe().ok()?;
    let mut folders = here.ancestors().skip(1).take(4);
    folders.find_map(|folder| Some(folder.join("strangers")).filter(|path| path.is_dir()))
}

/// Where a program of an unpacked package is; nothing where it is not there or cannot be confined,
/// with one line that says so.
#[expect(clippy::print_stdout, reason = "whoever runs the tests is to know")]
pub(crate) fn stranger(program: &str) -> Option<PathBuf> {
    let path = unpacked().map(|folder| folder.join(program));
    let Some(path) = path.filter(|path| path.is_file()) else {
        println!("skipped: no {program} (cargo xtask test unpacks it)");
        return None;
    };
    let mut tries = Command::new("unshare");
    tries.args(["--mount", "--pid", "--fork", "--mount-proc", "true"]);
    let status = tries.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        println!("skipped: {program} needs a name space of its own (root)");
        return None;
    }
    Some(path)
}

/// Where the libraries are that came with them.
pub(crate) fn libraries() -> String {
    let folders = ["usr/lib", "lib"].map(|part| unpacked().unwrap_or_default().join(part));
    let found = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    let paths = found.flatten().map(|entry| entry.path());
    let libraries = paths.filter(|path| path.to_string_lossy().contains("-linux-gnu"));
    let libraries: Vec<String> = libraries.map(|path| path.display().to_string()).collect();
    libraries.join(":")
}
