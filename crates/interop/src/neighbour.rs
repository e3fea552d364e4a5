//! Exim and OpenSMTPD, each in a folder of its own: they keep letters of a domain, and send all
//! others to one host.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::confined::{Confined, EXIM, KEEPER, OPENSMTPQ, stranger};
use crate::port::free_address;
use crate::postfix::files_below;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's `exim4-daemon-light`.
    Exim,
    /// Debian's `opensmtpd`.
    OpenSmtpd,
}

/// What one is to do.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Its addresses; the first is that of [`Neighbour::address`].
    pub doors: Vec<Door>,
    /// Where letters for other domains go.
    pub sends_to: Option<SocketAddr>,
    /// How it treats TLS there.
    pub tls: Sending,
    /// A file with authorities that it believes.
    pub authorities: Option<PathBuf>,
    /// Octets that a letter may have.
    pub octets_max: Option<u64>,
    /// It says "not now" to all recipients.
    pub is_busy: bool,
}

/// One address.
#[derive(Clone, Debug)]
pub struct Door {
    /// The address, with the port that all of them share.
    pub address: SocketAddr,
    /// A file with key and certificates; without it there is no STARTTLS.
    pub papers: Option<PathBuf>,
}

/// What is asked of the host that letters are sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sending {
    /// TLS where it is offered.
    #[default]
    May,
    /// No TLS.
    Never,
    /// TLS, with whatever certificate.
    Encrypted,
    /// TLS, with a certificate that is good.
    Verified,
}

/// One that runs; it ends when this is dropped.
#[derive(Debug)]
pub struct Neighbour {
    kind: Kind,
    program: PathBuf,
    folder: TempDir,
    wishes: Wishes,
    running: Option<Confined>,
}

/// The name that its host is called by, in its certificate as well.
const HOST_OF_SENDING: &str = "mail.test.localhost";

impl Neighbour {
    /// Starts one; nothing where its package is not unpacked, or where it cannot be confined.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(kind: Kind, wishes: Wishes) -> io::Result<Option<Self>> {
        let Some(program) = stranger(kind.program()) else {
            return Ok(None);
        };
        let mut wishes = wishes;
        if wishes.doors.is_empty() {
            let address = free_address()?;
            let papers = None;
            wishes.doors.push(Door { address, papers });
        }
        let mut neighbour = Self {
            kind,
            program,
            folder: TempDir::new()?,
            wishes,
            running: None,
        };
        open_to_all(neighbour.folder.path())?;
        for part in ["spool", "log", "mail"] {
            let place = neighbour.place(part);
            fs::create_dir(&place)?;
            let owner = match (kind, part) {
                // Started with a file of its own it may not become anybody else.
                (Kind::Exim, _) => EXIM,
                (Kind::OpenSmtpd, "mail") => KEEPER,
                (Kind::OpenSmtpd, _) => 0,
            };
            // OpenSMTPD wants it so.
            let mode = if part == "spool" { 0o711 } else { 0o755 };
            fs::set_permissions(&place, fs::Permissions::from_mode(mode))?;
            chown(place, Some(owner), Some(owner))?;
        }
        neighbour.run()?;
        Ok(Some(neighbour))
    }

    /// Ends it and starts it again with other wishes, at the same addresses, with its queue.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn change(&mut self, change: impl FnOnce(&mut Wishes)) -> io::Result<()> {
        self.running = None;
        change(&mut self.wishes);
        self.run()
    }

    fn run(&mut self) -> io::Result<()> {
        self.lay_papers()?;
        let configuration = match self.kind {
            Kind::Exim => self.exim(),
            Kind::OpenSmtpd => self.opensmtpd(),
        };
        let file = self.place("configuration");
        fs::write(&file, configuration)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
        let script = self.script();
        let log = self.place("said");
        let mut confined = Confined::start(self.folder.path(), &script, &log)?;
        for door in &self.wishes.doors {
            if let Err(error) = confined.listens(door.address) {
                let what = format!("{:?}: {error}\n{}", self.kind, self.log());
                return Err(io::Error::other(what));
            }
        }
        self.running = Some(confined);
        Ok(())
    }

    /// Puts keys, certificates and authorities where it may read them: key and chain apart, and
    /// the key its own.
    fn lay_papers(&self) -> io::Result<()> {
        let mut papers = Vec::new();
        for (number, door) in self.wishes.doors.iter().enumerate() {
            if let Some(file) = &door.papers {
                let all = fs::read_to_string(file)?;
                let at = all.find("-----BEGIN CERTIFICATE").unwrap_or(0);
                let (key, chain) = all.split_at(at);
                papers.push((format!("{number}.key"), key.to_owned(), 0o600));
                papers.push((format!("{number}.pem"), chain.to_owned(), 0o644));
            }
        }
        if let Some(file) = &self.wishes.authorities {
            papers.push(("authorities".to_owned(), fs::read_to_string(file)?, 0o644));
        }
        for (name, text, mode) in papers {
            let file = self.place(&name);
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
            if self.kind == Kind::Exim {
                chown(&file, Some(EXIM), Some(EXIM))?;
            }
        }
        Ok(())
    }

    fn script(&self) -> String {
        let (home, program) = (self.folder.path().display(), self.program.display());
        match self.kind {
            Kind::Exim => format!("{program} -C {home}/configuration -bdf -q1s"),
            Kind::OpenSmtpd => {
                let unpacked = self.program.ancestors().nth(2).unwrap_or(&self.program);
                let mut script = format!(
                    "mount -t tmpfs none /var/lib\nmkdir -p /var/lib/opensmtpd/empty\n\
                     mount -t tmpfs none /var/spool\nmkdir -m 711 /var/spool/smtpd\n\
                     mount --bind {home}/spool /var/spool/smtpd\n\
                     mount -t tmpfs none /run\n\
                     mount --bind {}/libexec /usr/libexec\n\
                     echo 127.0.0.1 localhost {HOST_OF_SENDING} > {home}/hosts\n\
                     mount --bind {home}/hosts /etc/hosts\n",
                    unpacked.display()
                );
                if self.wishes.authorities.is_some() {
                    let place = "/etc/ssl/certs/ca-certificates.crt";
                    // Writing to a string cannot fail.
                    writeln!(script, "mount --bind {home}/authorities {place}").unwrap_or_default();
                }
                script + &format!("{program} -d -f {home}/configuration")
            }
        }
    }

    /// Its first address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        self.wishes.doors.first().map_or(any, |door| door.address)
    }

    /// The domain whose letters it keeps: those for `x`, `y` and, where it can be, `bücher`.
    #[must_use]
    pub const fn domain(&self) -> &'static str {
        self.kind.domain()
    }

    /// The letters that it keeps.
    #[must_use]
    pub fn letters(&self) -> Vec<String> {
        let files = files_below(&self.place("mail"));
        let is_there =
            |path: &&PathBuf| path.parent().is_some_and(|parent| parent.ends_with("new"));
        let texts = files.iter().filter(is_there).map(fs::read);
        let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
        texts.filter_map(Result::ok).map(text).collect()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        let mut all = String::new();
        for file in files_below(&self.place("log"))
            .iter()
            .chain([&self.place("said")])
        {
            all.push_str(&fs::read_to_string(file).unwrap_or_default());
        }
        all
    }

    /// Lets it try again what waits; Exim does so each second by itself.
    pub fn hurry(&self) {
        if let (Kind::OpenSmtpd, Some(running)) = (self.kind, &self.running) {
            let control = self.program.with_file_name("smtpctl");
            drop(running.run(&control, &["schedule", "all"], OPENSMTPQ));
        }
    }

    fn place(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    fn exim(&self) -> String {
        let home = self.folder.path().display();
        let wishes = &self.wishes;
        let hosts: Vec<String> = wishes
            .doors
            .iter()
            .map(|door| door.address.ip().to_string())
            .collect();
        let busy = if wishes.is_busy {
            "defer message = 4.7.1 Not now\n"
        } else {
            ""
        };
        let limit = wishes.octets_max.unwrap_or(50 << 20);
        let (domain, program) = (self.domain(), self.program.display());
        format!(
            "exim_path = {program}\nexim_user = Debian-exim\nexim_group = Debian-exim\n\
             never_users =\nprimary_hostname = mx.{domain}\nqualify_domain = {domain}\n\
             spool_directory = {home}/spool\nlog_file_path = {home}/log/%slog\n\
             pid_file_path = {home}/spool/pid\ndaemon_smtp_ports = {port}\n\
             local_interfaces = <; {hosts}\ndomainlist local_domains = {domain} : *.{domain}\n\
             acl_smtp_rcpt = check\ndns_ipv4_lookup = *\nhost_lookup =\n\
             keep_environment = LD_LIBRARY_PATH\nsmtputf8_advertise_hosts = *\n\
             dsn_advertise_hosts = *\n\
             log_selector = +pipelining +tls_cipher +tls_certificate_verified\n\
             message_size_limit = {limit}\nsmtp_accept_max = 0\n{tls}\
             begin acl\ncheck:\n{busy}accept domains = +local_domains\nendpass\n\
             verify = recipient\naccept hosts = 127.0.0.0/8\n\
             begin routers\nkeep:\ndriver = accept\ndomains = +local_domains\n\
             local_parts = x : y : bücher\ntransport = files\n{route}\
             begin transports\nfiles:\ndriver = appendfile\n\
             directory = {home}/mail/$local_part_data\nmaildir_format\ncreate_directory\n\
             user = Debian-exim\ngroup = Debian-exim\nreturn_path_add\nenvelope_to_add\n{sending}\
             begin retry\n* * F,1h,1s\n",
            port = self.address().port(),
            hosts = hosts.join(" ; "),
            tls = self.exim_tls(),
            route = self.exim_route(),
            sending = self.exim_sending(),
        )
    }

    /// TLS at those of its addresses that have papers, each with its own.
    fn exim_tls(&self) -> String {
        let home = self.folder.path().display();
        let (mut keys, mut chains, mut offered) = (String::new(), String::new(), String::new());
        for (number, door) in self.wishes.doors.iter().enumerate() {
            if door.papers.is_some() {
                let here = format!("eq{{$received_ip_address}}{{{}}}", door.address.ip());
                keys += &format!("${{if {here}{{{home}/{number}.key}}}}");
                chains += &format!("${{if {here}{{{home}/{number}.pem}}}}");
                offered += &format!("{{{here}}}");
            }
        }
        match offered.is_empty() {
            true => "tls_advertise_hosts =\n".to_owned(),
            false => format!(
                "tls_advertise_hosts = ${{if or{{{offered}}}{{*}}}}\n\
                 tls_certificate = {chains}\ntls_privatekey = {keys}\n"
            ),
        }
    }

    const fn exim_route(&self) -> &'static str {
        match self.wishes.sends_to {
            Some(_) => {
                "on:\ndriver = manualroute\ndomains = ! +local_domains\n\
                 route_list = * 127.0.0.1 byname\nself = send\ntransport = out\n"
            }
            None => "",
        }
    }

    fn exim_sending(&self) -> String {
        let Some(address) = self.wishes.sends_to else {
            return String::new();
        };
        let home = self.folder.path().display();
        let loose = "tls_verify_hosts =\ntls_try_verify_hosts =\n";
        let policy = match self.wishes.tls {
            Sending::May => loose.to_owned(),
            Sending::Never => "hosts_avoid_tls = *\n".to_owned(),
            Sending::Encrypted => format!("hosts_require_tls = *\n{loose}"),
            // The host is an address here, and no certificate names that.
            Sending::Verified => format!(
                "hosts_require_tls = *\ntls_verify_hosts = *\ntls_verify_cert_hostnames =\n\
                 tls_verify_certificates = {home}/authorities\n"
            ),
        };
        let port = address.port();
        format!("out:\ndriver = smtp\nport = {port}\nallow_localhost\nhosts_try_dane =\n{policy}")
    }

    fn opensmtpd(&self) -> String {
        let home = self.folder.path().display();
        let (wishes, domain) = (&self.wishes, self.domain());
        let mut text = String::new();
        let mut busy = "";
        if wishes.is_busy {
            text += "filter \"busy\" phase mail-from match !rdns <nobody> \
                     reject \"451 4.7.1 Not now\"\n";
            busy = "filter \"busy\" ";
        }
        if let Some(max) = wishes.octets_max {
            text += &format!("smtp max-message-size \"{max}\"\n");
        }
        for (number, door) in wishes.doors.iter().enumerate() {
            let mut tls = String::new();
            if door.papers.is_some() {
                text += &format!(
                    "pki p{number} cert \"{home}/{number}.pem\"\n\
                     pki p{number} key \"{home}/{number}.key\"\n"
                );
                tls = format!("tls pki p{number} ");
            }
            let (ip, port) = (door.address.ip(), door.address.port());
            text += &format!("listen on {ip} port {port} {tls}{busy}hostname mx.{domain}\n");
        }
        text += &format!(
            "action \"keep\" maildir \"{home}/mail/%{{rcpt.user}}\" virtual <keepers>\n\
             match from any for domain {{ \"{domain}\", \"*.{domain}\" }} action \"keep\"\n"
        );
        if let Some(address) = wishes.sends_to {
            let (scheme, more) = match wishes.tls {
                Sending::May => ("smtp", ""),
                Sending::Never => ("smtp+notls", ""),
                Sending::Encrypted => ("smtp+tls", " tls no-verify"),
                Sending::Verified => ("smtp+tls", ""),
            };
            let port = address.port();
            text += &format!(
                "action \"on\" relay host \"{scheme}://{HOST_OF_SENDING}:{port}\"{more}\n\
                 match from any for any action \"on\"\n"
            );
        }
        let tables = "table nobody { \"nobody\" }\n\
            table keepers { \"x\" = \"keeper\", \"y\" = \"keeper\" }\n";
        tables.to_owned() + &text
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}: {}", self.kind, self.log());
        }
    }
}

impl Kind {
    const fn program(self) -> &'static str {
        match self {
            Self::Exim => "usr/sbin/exim4",
            Self::OpenSmtpd => "usr/sbin/smtpd",
        }
    }

    /// The domain whose letters it keeps.
    #[must_use]
    pub const fn domain(self) -> &'static str {
        match self {
            Self::Exim => "exim.example",
            Self::OpenSmtpd => "open.example",
        }
    }
}

fn open_to_all(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}
