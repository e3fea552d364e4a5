//! A machine with our server and the names that programs call.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use interop::Server;
use tempfile::TempDir;

/// The server, and a folder with links to its program.
pub(crate) struct Machine {
    pub(crate) server: Server,
    folder: TempDir,
}

impl Machine {
    /// Starts one whose spool everybody reaches.
    pub(crate) fn start(more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let spool = folder.path().join("spool");
        let line = format!("spool = \"{}\"", spool.display());
        let more = match more.split_once("[local]\n") {
            Some((before, after)) => format!("{before}[local]\n{line}\n{after}"),
            None => format!("{more}\n[local]\n{line}\n"),
        };
        open_to_all(folder.path());
        let server = Server::start_with(&more).unwrap();
        // What everybody has to read: the program, and where the spool is.
        let config = folder.path().join("caramel.toml");
        fs::copy(server.config(), &config).unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        open_to_all(&bin);
        for name in [
            "sendmail",
            "mailq",
            "newaliases",
            "deliver",
            "procmail",
            "maildrop",
        ] {
            std::os::unix::fs::symlink(Server::binary(), bin.join(name)).unwrap();
        }
        Self { server, folder }
    }

    /// A command by one of our names.
    pub(crate) fn called(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(self.program(name));
        command.args(words).env("CARAMEL_CONFIG", self.config());
        command.env_remove("NAME").current_dir("/");
        command
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("caramel.toml")
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.path().join("bin").join(name)
    }

    /// Files in the spool that nobody has picked up.
    pub(crate) fn spooled(&self) -> usize {
        let drop = self.folder.path().join("spool/drop");
        fs::read_dir(drop).unwrap().count()
    }

    /// True if nothing waits, in the spool and in the queue.
    pub(crate) fn is_done(&self) -> bool {
        let queue = self.server.command(&["queue", "list", "--json"], "");
        self.spooled() == 0 && queue.is_ok_and(|list| list.is_empty())
    }

    /// What is in the mailboxes of an account.
    pub(crate) fn mail(&self, account: &str) -> Vec<String> {
        self.mail_in(account, "")
    }

    /// What is in a mailbox of an account; in all of them, where it has no name.
    pub(crate) fn mail_in(&self, account: &str, mailbox: &str) -> Vec<String> {
        let folder = TempDir::new().unwrap();
        let to = folder.path().join("eml");
        let words = ["export", "--account", account, "--format", "eml"];
        let words = [&words[..], &[to.to_str().unwrap()]].concat();
        self.server.command(&words, "").unwrap();
        let mut found = Vec::new();
        walk(&to.join(mailbox), &mut found);
        found.sort();
        let text = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        found.iter().map(text).collect()
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    // A mailbox that is not there has nothing.
    for entry in fs::read_dir(folder).into_iter().flatten() {
        match entry.unwrap().path() {
            path if path.is_dir() => walk(&path, found),
            path if path.extension().is_some_and(|end| end == "eml") => found.push(path),
            _ => {}
        }
    }
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs a command with an input; its exit code, and what it said.
pub(crate) fn feed(command: &mut Command, input: &str) -> (Option<i32>, String) {
    let command = command.stdin(Stdio::piped());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read its input closes it: that is its right.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}
