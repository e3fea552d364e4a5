//! Debian's Postfix, set up in a folder of its own.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Services, as `master.cf` lines: private, how often woken, how many. What nobody asks for never
/// starts.
const SERVICES: [&str; 20] = [
    "pickup unix n - n 60 1 pickup",
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "tlsmgr unix - - n 1000? 1 tlsmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "trace unix - - n - 0 bounce",
    "verify unix - - n - 1 verify",
    "proxymap unix - - n - - proxymap",
    "smtp unix - - n - - smtp",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "local unix - n n - - local",
    "virtual unix - n n - - virtual",
    "anvil unix - - n - 1 anvil",
    "scache unix - - n - 1 scache",
    "showq unix n - n - - showq",
    "flush unix n - n 1000? 0 flush",
    "postlog unix-dgram n - n - 1 postlogd",
];

/// Its programs.
const PROGRAMS: [&str; 12] = [
    "postalias",
    "postcat",
    "postconf",
    "postdrop",
    "postfix",
    "postkick",
    "postlock",
    "postlog",
    "postmap",
    "postmulti",
    "postqueue",
    "postsuper",
];

/// What it needs from where Debian keeps it.
const FILES: [&str; 4] = [
    "postfix-files",
    "postfix-script",
    "post-install",
    "dynamicmaps.cf",
];

/// Postfix, called `mx.post.example`; it ends when this is dropped.
#[derive(Debug)]
pub struct Postfix {
    folder: TempDir,
}

impl Postfix {
    /// Starts one with these lines more in its `main.cf`.
    ///
    /// # Errors
    /// Where it is not there; `cargo xtask test` installs it.
    pub fn start(more: &str) -> io::Result<Self> {
        Self::start_in(more, &[])
    }

    /// Starts one that sends everything to a host.
    ///
    /// # Errors
    /// As [`Postfix::start`].
    pub fn sending_to(host: SocketAddr) -> io::Result<Self> {
        Self::start(&format!("relayhost = [{}]:{}", host.ip(), host.port()))
    }

    /// Starts one that takes letters at an address, and keeps those for `x@post.example`.
    ///
    /// # Errors
    /// As [`Postfix::start`].
    pub fn listening_at(address: SocketAddr, more: &str) -> io::Result<Self> {
        Self::listening_at_each(&[(address, String::new())], more)
    }

    /// The same at several addresses, each with options of its own: `-o NAME=VALUE …`.
    ///
    /// # Errors
    /// As [`Postfix::start`].
    pub fn listening_at_each(doors: &[(SocketAddr, String)], more: &str) -> io::Result<Self> {
        Self::start_in(more, doors)
    }

    fn start_in(more: &str, doors: &[(SocketAddr, String)]) -> io::Result<Self> {
        if !Path::new("/usr/sbin/postfix").is_file() {
            let text = "postfix is missing: cargo xtask test installs it";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        let postfix = Self {
            folder: TempDir::new()?,
        };
        for part in ["etc", "queue", "data", "mail", "bin"] {
            fs::create_dir_all(postfix.place(part))?;
        }
        run("chmod", &["a+rx", &postfix.path("")]);
        run("chmod", &["a+rwx", &postfix.path("mail")]);
        run("chown", &["postfix", &postfix.path("data")]);
        // Without the right of their group, which a folder of one's own does not need.
        for program in PROGRAMS {
            let copy = postfix.place("bin").join(program);
            fs::copy(Path::new("/usr/sbin").join(program), &copy)?;
            run("chmod", &["755", &copy.display().to_string()]);
        }
        for file in FILES {
            let source = Path::new("/etc/postfix").join(file);
            if source.is_file() {
                fs::copy(source, postfix.place("etc").join(file))?;
            }
        }
        let mut master = SERVICES.join("\n") + "\n";
        let mut main = postfix.main();
        for (address, options) in doors {
            // Writing to a string cannot fail.
            writeln!(master, "{address} inet n - n - - smtpd {options}").unwrap_or_default();
        }
        if !doors.is_empty() {
            main.push_str(&postfix.keeping());
        }
        main.push_str(more);
        main.push('\n');
        fs::write(postfix.place("etc/master.cf"), master)?;
        fs::write(postfix.place("etc/main.cf"), main)?;
        run("postfix", &["-c", &postfix.path("etc"), "start"]);
        Ok(postfix)
    }

    fn main(&self) -> String {
        let home = self.folder.path().display();
        format!(
            "compatibility_level = 3.6\nmyhostname = mx.post.example\nmyorigin = far.example\n\
             mydestination =\nconfig_directory = {home}/etc\nqueue_directory = {home}/queue\n\
             data_directory = {home}/data\ncommand_directory = {home}/bin\n\
             mail_owner = postfix\nsetgid_group = postdrop\ninet_interfaces = 127.0.0.1\n\
             inet_protocols = ipv4\nmaillog_file = {home}/data/maillog\n\
             maillog_file_prefixes = /\ndisable_dns_lookups = yes\nalias_maps =\n\
             alias_database =\nqueue_run_delay = 1s\nminimal_backoff_time = 1s\n\
             maximal_backoff_time = 2s\n"
        )
    }

    /// How it keeps letters, one file for each.
    fn keeping(&self) -> String {
        let home = self.folder.path().display();
        format!(
            "smtpd_peername_lookup = no\nvirtual_mailbox_domains = post.example\n\
             virtual_mailbox_maps = inline:{{ {{ x@post.example = x/ }} }}\n\
             virtual_mailbox_base = {home}/mail\nvirtual_uid_maps = static:65534\n\
             virtual_gid_maps = static:65534\n"
        )
    }

    fn place(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    /// A place in its folder: `etc`, `data`, ….
    #[must_use]
    pub fn path(&self, part: &str) -> String {
        self.place(part).display().to_string()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.place("data/maillog")).unwrap_or_default()
    }

    /// Its `sendmail`.
    #[must_use]
    pub fn sendmail(&self, words: &[&str]) -> Command {
        let mut command = Command::new("/usr/sbin/sendmail");
        command.args(["-C", &self.path("etc")]).args(words);
        command
    }

    /// The letters that it keeps.
    #[must_use]
    pub fn letters(&self) -> Vec<String> {
        let files = files_below(&self.place("mail/x/new"));
        let texts = files.iter().map(fs::read_to_string);
        texts.filter_map(Result::ok).collect()
    }

    /// The letters that it has not got rid of.
    #[must_use]
    pub fn waiting(&self) -> Vec<PathBuf> {
        let parts = ["maildrop", "incoming", "active", "deferred"];
        let folders = parts.map(|part| self.place("queue").join(part));
        folders.iter().flat_map(|one| files_below(one)).collect()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        run("postfix", &["-c", &self.path("etc"), "stop"]);
    }
}

/// The files of a folder and of those in it; none where there is no such folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut ahead) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => ahead.push(path),
                path => found.push(path),
            }
        }
    }
    found
}

fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    let command = command.args(arguments);
    let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
    drop(silent.status());
}
