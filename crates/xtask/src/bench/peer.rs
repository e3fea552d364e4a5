//! Debian's Postfix and Dovecot, set up in a folder and at their best: Postfix hands each message
//! to Dovecot by LMTP; caches on, DNS off, processes waiting.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use interop::Talk;

use super::target::{self, Target};

const SMTP_PORT: u16 = 12_025;
/// Where Postfix hands on what is not for Dovecot.
pub(super) const SINK_PORT: u16 = 12_026;
const LMTP_PORT: u16 = 12_024;
const IMAP_PORT: u16 = 12_143;
const IMAPS_PORT: u16 = 12_993;
const POP3_PORT: u16 = 12_110;
/// Dovecot's POP3 server: a package of its own.
const POP3_PROGRAM: &str = "/usr/lib/dovecot/pop3";

/// Postfix's services that this chain needs, as `master.cf` lines with their process limits.
const SERVICES: &[(&str, &str, &str, &str)] = &[
    ("cleanup", "unix", "-", "0"),
    ("qmgr", "unix", "300", "1"),
    ("tlsmgr", "unix", "1000?", "1"),
    ("rewrite", "unix", "-", "-"),
    ("bounce", "unix", "-", "0"),
    ("defer", "unix", "-", "0"),
    ("trace", "unix", "-", "0"),
    ("verify", "unix", "-", "1"),
    ("flush", "unix", "1000?", "0"),
    ("proxymap", "unix", "-", "-"),
    ("smtp", "unix", "-", "-"),
    ("showq", "unix", "-", "-"),
    ("error", "unix", "-", "-"),
    ("retry", "unix", "-", "-"),
    ("discard", "unix", "-", "-"),
    ("lmtp", "unix", "-", "20"),
    ("anvil", "unix", "-", "1"),
    ("scache", "unix", "-", "1"),
    ("postlog", "unix-dgram", "-", "1"),
];

/// Both, running; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    folder: PathBuf,
    target: Option<Target>,
    /// More lines for Dovecot.
    more: String,
}

/// Measures both servers, by turns.
pub(super) fn by_turns(
    binary: &Path,
    folder: &Path,
    rounds: usize,
    mut rows: impl FnMut(&Target) -> Result<()>,
) -> Result<()> {
    for round in 0..rounds {
        println!("round {}", round + 1);
        let place = folder.join(format!("caramel-{round}"));
        fs::create_dir_all(&place)?;
        let (server, ours) = target::caramel(binary, &place)?;
        rows(&ours)?;
        drop(server);
        let peer = Peer::start(&folder.join(format!("peer-{round}")))?;
        rows(peer.target())?;
    }
    Ok(())
}

impl Peer {
    /// Sets both up in `folder`, starts them and waits until both answer.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, String::new())
    }

    /// The same where Dovecot runs a filter script for one user, and takes letters at a port.
    pub(crate) fn filtering(folder: &Path, user: &str, script: &str) -> Result<Self> {
        if !crate::tools::present("sievec") {
            bail!("the peer's filter is missing: apt-get install dovecot-sieve");
        }
        let scripts = folder.join("sieve");
        fs::create_dir_all(&scripts).context("making the scripts' folder")?;
        fs::write(scripts.join(format!("{user}.sieve")), script).context("writing a script")?;
        // It compiles a script when it first runs it, and keeps that beside it.
        let at = scripts.display().to_string();
        sh("chown", &["-R", "dovecot:dovecot", &at])?;
        let more = format!(
            "service lmtp {{\n inet_listener lmtp {{\n address = 127.0.0.1\n \
             port = {LMTP_PORT}\n }}\n}}\n\
             protocol lmtp {{\n mail_plugins = $mail_plugins sieve\n}}\n\
             plugin {{\n sieve = file:{at}/%n.sieve\n}}\n"
        );
        Self::start_with(folder, more)
    }

    /// Where Dovecot takes letters, if it filters.
    pub(crate) fn lmtp() -> std::net::SocketAddr {
        ([127, 0, 0, 1], LMTP_PORT).into()
    }

    fn start_with(folder: &Path, more: String) -> Result<Self> {
        for program in ["postfix", "dovecot"] {
            if !crate::tools::present(program) {
                bail!("the peers are missing: apt-get install postfix dovecot-imapd dovecot-lmtpd");
            }
        }
        for part in ["etc", "queue", "data", "dovecot", "mail"] {
            fs::create_dir_all(folder.join(part)).context("making the peers' folders")?;
        }
        // Both run as users of their own below it.
        sh("chmod", &["a+rx", &folder.display().to_string()])?;
        if let Some(parent) = folder.parent() {
            sh("chmod", &["a+rx", &parent.display().to_string()])?;
        }
        let mut peer = Self {
            folder: folder.to_owned(),
            target: None,
            more,
        };
        peer.configure()?;
        peer.configure_dovecot("optimized")?;
        sh("dovecot", &["-c", &peer.dovecot()])?;
        sh("postfix", &["-c", &peer.path("etc"), "start"])?;
        peer.target = Some(Target {
            name: "peer",
            domain: "peer.localhost",
            smtp: ([127, 0, 0, 1], SMTP_PORT).into(),
            imap: ([127, 0, 0, 1], IMAP_PORT).into(),
            imaps: ([127, 0, 0, 1], IMAPS_PORT).into(),
            pop3: Path::new(POP3_PROGRAM)
                .is_file()
                .then(|| ([127, 0, 0, 1], POP3_PORT).into()),
            roots: Vec::new(),
            full_names: false,
        });
        peer.wait()?;
        let roots = vec![
            peer.pid("queue/pid/master.pid")?,
            peer.pid("dovecot/run/master.pid")?,
        ];
        if let Some(target) = &mut peer.target {
            target.roots = roots;
        }
        Ok(peer)
    }

    /// Does something with a Dovecot that syncs nothing: of use only where a mailbox is filled and
    /// nothing measured. Connections from before do not know of it; sessions begun in it end here.
    pub(crate) fn hurried(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.configure_dovecot("never")?;
        self.restart_dovecot()?;
        work()?;
        self.configure_dovecot("optimized")?;
        self.restart_dovecot()
    }

    /// Takes away what Dovecot keeps of an INBOX beside its index: what it is asked then, it is
    /// asked for the first time. Of use only while nobody has the mailbox open.
    pub(crate) fn forget(&self, login: &str) -> Result<()> {
        let user = login.split('@').next().unwrap_or(login);
        let folder = self.path(&format!("mail/{user}/mailboxes/INBOX/dbox-Mails"));
        for file in fs::read_dir(folder).context("Dovecot's INBOX")? {
            let path = file?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "cache")
            {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn restart_dovecot(&self) -> Result<()> {
        sh("doveadm", &["-c", &self.dovecot(), "reload"])?;
        self.wait()
    }

    /// Where they are.
    #[expect(clippy::expect_used, reason = "set by start, the only way to a Peer")]
    pub(crate) fn target(&self) -> &Target {
        self.target.as_ref().expect("set by start")
    }

    fn path(&self, part: &str) -> String {
        self.folder.join(part).display().to_string()
    }

    fn dovecot(&self) -> String {
        self.path("dovecot/dovecot.conf")
    }

    fn pid(&self, part: &str) -> Result<u32> {
        let text = fs::read_to_string(self.folder.join(part)).context("reading a pid file")?;
        text.trim().parse().context("a pid")
    }

    fn wait(&self) -> Result<()> {
        let begun = Instant::now();
        let target = self.target();
        loop {
            let up = Talk::open(target.smtp).is_ok_and(|(_, greeting)| greeting.starts_with("220"));
            if up && target.messages("ada").is_ok() {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_secs(60) {
                bail!("the peers did not come up; see {}", self.folder.display());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn configure(&self) -> Result<()> {
        let home = self.folder.display();
        let main = format!(
            "compatibility_level = 3.6\nmyhostname = peer.localhost\nmydomain = localhost\n\
             mydestination =\nconfig_directory = {home}/etc\nqueue_directory = {home}/queue\n\
             data_directory = {home}/data\nmail_owner = postfix\nsetgid_group = postdrop\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\n\
             virtual_mailbox_domains = peer.localhost\nvirtual_mailbox_maps =\n\
             virtual_transport = lmtp:unix:{home}/dovecot/run/lmtp\nsmtpd_peername_lookup = no\n\
             smtpd_recipient_restrictions = permit_mynetworks, reject\n\
             maillog_file = {home}/data/maillog\nmaillog_file_prefixes = /\n\
             default_process_limit = 60\nin_flow_delay = 0\n\
             lmtp_connection_cache_on_demand = yes\ndisable_dns_lookups = yes\n\
             smtpd_client_connection_count_limit = 0\n\
             relayhost = [127.0.0.1]:{SINK_PORT}\nalias_maps =\nalias_database =\n"
        );
        let mut master = String::new();
        for (service, kind, wake, limit) in SERVICES {
            let program = match *service {
                "rewrite" => "trivial-rewrite",
                "defer" | "trace" => "bounce",
                "retry" => "error",
                "postlog" => "postlogd",
                same => same,
            };
            let public = ["cleanup", "qmgr", "flush", "showq", "postlog"].contains(service);
            let private = if public { "n" } else { "-" };
            let line = format!("{service} {kind} {private} - n {wake} {limit} {program}\n");
            master.push_str(&line);
        }
        master.push_str(&format!("127.0.0.1:{SMTP_PORT} inet n - n - - smtpd\n"));
        fs::write(self.folder.join("etc/main.cf"), main)?;
        fs::write(self.folder.join("etc/master.cf"), master)?;
        for file in [
            "postfix-files",
            "postfix-script",
            "post-install",
            "dynamicmaps.cf",
        ] {
            let source = Path::new("/etc/postfix").join(file);
            if source.is_file() {
                fs::copy(source, self.folder.join("etc").join(file))?;
            }
        }
        sh("chown", &["postfix", &self.path("data")])?;
        self.make_certificate()
    }

    fn make_certificate(&self) -> Result<()> {
        let (key, certificate) = (self.path("dovecot/key"), self.path("dovecot/certificate"));
        sh(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-subj",
                "/CN=peer.localhost",
                "-days",
                "2",
                "-keyout",
                &key,
                "-out",
                &certificate,
            ],
        )
    }

    fn configure_dovecot(&self, sync: &str) -> Result<()> {
        let home = self.folder.display();
        let (key, certificate) = (self.path("dovecot/key"), self.path("dovecot/certificate"));
        let (pop3, pop3_login) = if Path::new(POP3_PROGRAM).is_file() {
            (" pop3", pop3_login())
        } else {
            ("", String::new())
        };
        let text = format!(
            "base_dir = {home}/dovecot/run\nstate_dir = {home}/dovecot/run\n\
             protocols = imap lmtp{pop3}\nlisten = 127.0.0.1\nlog_path = {home}/dovecot/log\n\
             ssl = yes\nssl_cert = <{certificate}\nssl_key = <{key}\n\
             disable_plaintext_auth = no\nmail_location = sdbox:{home}/mail/%n\n\
             mail_fsync = {sync}\nfirst_valid_uid = 1\nmail_uid = dovecot\n\
             mail_gid = dovecot\nauth_cache_size = 1M\nmail_max_userip_connections = 20000\n\
             passdb {{\n driver = static\n args = password=secret\n}}\n\
             userdb {{\n driver = static\n args = uid=dovecot gid=dovecot home={home}/mail/%n \
             allow_all_users=yes\n}}\n\
             service imap-login {{\n inet_listener imap {{\n port = {IMAP_PORT}\n }}\n \
             inet_listener imaps {{\n port = {IMAPS_PORT}\n }}\n service_count = 0\n \
             process_min_avail = 2\n}}\n\
             service imap {{\n process_min_avail = 4\n service_count = 100\n \
             vsz_limit = 8G\n}}\n\
             service lmtp {{\n unix_listener lmtp {{\n mode = 0666\n }}\n \
             process_min_avail = 20\n service_count = 0\n}}\n\
             default_client_limit = 20000\ndefault_process_limit = 20000\n{pop3_login}{}",
            self.more
        );
        fs::write(self.dovecot(), text)?;
        sh("chown", &["dovecot:dovecot", &self.path("mail")])
    }
}

fn pop3_login() -> String {
    format!(
        "service pop3-login {{\n inet_listener pop3 {{\n port = {POP3_PORT}\n }}\n \
         inet_listener pop3s {{\n port = 0\n }}\n service_count = 0\n \
         process_min_avail = 1\n}}\n"
    )
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(sh("postfix", &["-c", &self.path("etc"), "stop"]));
        drop(sh("dovecot", &["-c", &self.dovecot(), "stop"]));
        // The next round wants the same ports: wait until the masters are gone.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20)
            && [SMTP_PORT, IMAP_PORT]
                .iter()
                .any(|port| Talk::open(([127, 0, 0, 1], *port).into()).is_ok())
        {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn sh(program: &str, words: &[&str]) -> Result<()> {
    let status = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("starting {program}"))?;
    if !status.success() {
        bail!("{program} {} failed", words.join(" "));
    }
    Ok(())
}
