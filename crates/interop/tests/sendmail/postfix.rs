//! Debian's Postfix, set up in a folder: its own `sendmail` hands letters in, and it sends them all
//! to one host, or delivers them by a command.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Services that are needed, as `master.cf` lines.
const SERVICES: [&str; 19] = [
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

/// Postfix; it ends when it is dropped.
pub(crate) struct Postfix(TempDir);

impl Postfix {
    /// Starts one with these lines more in its `main.cf`.
    pub(crate) fn start(more: &str) -> Self {
        assert!(
            Path::new("/usr/sbin/postfix").is_file(),
            "postfix is missing: cargo xtask test installs it"
        );
        let folder = TempDir::new().unwrap();
        let home = folder.path().display();
        for part in ["etc", "queue", "data", "bin"] {
            fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        run("chmod", &["a+rx", &home.to_string()]);
        run("chown", &["postfix", &format!("{home}/data")]);
        // Without the right of their group, which a folder of one's own does not need.
        let bin = folder.path().join("bin");
        for program in PROGRAMS {
            let (source, copy) = (Path::new("/usr/sbin").join(program), bin.join(program));
            fs::copy(source, &copy).unwrap();
            run("chmod", &["755", &copy.display().to_string()]);
        }
        let main = format!(
            "compatibility_level = 3.6\nmyhostname = mx.post.example\nmyorigin = far.example\n\
             mydestination =\nconfig_directory = {home}/etc\nqueue_directory = {home}/queue\n\
             data_directory = {home}/data\ncommand_directory = {home}/bin\n\
             mail_owner = postfix\nsetgid_group = postdrop\ninet_interfaces = 127.0.0.1\n\
             inet_protocols = ipv4\nmaillog_file = {home}/data/maillog\n\
             maillog_file_prefixes = /\ndisable_dns_lookups = yes\nalias_maps =\n\
             alias_database =\n{more}\n"
        );
        fs::write(folder.path().join("etc/main.cf"), main).unwrap();
        let master = SERVICES.join("\n") + "\n";
        fs::write(folder.path().join("etc/master.cf"), master).unwrap();
        for file in [
            "postfix-files",
            "postfix-script",
            "post-install",
            "dynamicmaps.cf",
        ] {
            let source = Path::new("/etc/postfix").join(file);
            if source.is_file() {
                fs::copy(source, folder.path().join("etc").join(file)).unwrap();
            }
        }
        let postfix = Self(folder);
        run("postfix", &["-c", &postfix.path("etc"), "start"]);
        postfix
    }

    /// Starts one that sends everything to a host.
    pub(crate) fn sending_to(host: SocketAddr) -> Self {
        Self::start(&format!("relayhost = [{}]:{}", host.ip(), host.port()))
    }

    pub(crate) fn path(&self, part: &str) -> String {
        self.0.path().join(part).display().to_string()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("data/maillog")).unwrap_or_default()
    }

    /// Its `sendmail`.
    pub(crate) fn sendmail(&self, words: &[&str]) -> Command {
        let mut command = Command::new("/usr/sbin/sendmail");
        command.args(["-C", &self.path("etc")]).args(words);
        command
    }

    /// Letters that it has not got rid of.
    pub(crate) fn waiting(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for part in ["maildrop", "incoming", "active", "deferred"] {
            walk(&self.0.path().join("queue").join(part), &mut found);
        }
        found
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    // A queue in which nothing was has no folder.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => walk(&path, found),
            path => found.push(path),
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        run("postfix", &["-c", &self.path("etc"), "stop"]);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    let command = command.args(arguments);
    let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
    drop(silent.status());
}
