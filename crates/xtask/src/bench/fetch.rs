//! Mail fetched from one Dovecot into one Caramel, by `caramel fetch` and by the programs that
//! people fetch mail with: fetchmail and getmail, which hand it in by LMTP.
//!
//! What is counted is the processor time of the client and of Caramel, not of Dovecot, which does
//! the same for all of them. It stays there, so each finds the same.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use interop::{Dovecot, Server, Tls};

use super::table::Table;
use super::target::{self, Target};

/// Messages, unless `CARAMEL_MESSAGES` says otherwise.
const MESSAGES: usize = 2000;
/// Octets of a message's text.
const TEXT_OCTETS: usize = 2048;
const ADA: &str = "ada@test.localhost";

/// A program that fetches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    Caramel,
    Fetchmail,
    Getmail,
}

impl Client {
    /// The column: what is compared with is the peer.
    const fn column(self) -> &'static str {
        match self {
            Self::Caramel => "caramel",
            Self::Fetchmail => "peer",
            Self::Getmail => "getmail",
        }
    }
}

/// Runs the rows, by turns.
pub(crate) fn run(binary: &Path, folder: &Path, rounds: usize, table: &mut Table) -> Result<()> {
    let wanted = std::env::var("CARAMEL_MESSAGES").ok();
    let messages = wanted.and_then(|text| text.parse().ok());
    let messages = messages.unwrap_or(MESSAGES);
    let dovecot = Dovecot::start_encrypted("maildir").context("starting Dovecot")?;
    fill(&dovecot, messages)?;
    let mut clients = vec![Client::Caramel, Client::Fetchmail];
    match crate::tools::present("getmail") {
        true => clients.push(Client::Getmail),
        false => println!("getmail is not there: apt-get install getmail6"),
    }
    for round in 0..rounds {
        println!("round {}", round + 1);
        for protocol in ["pop3", "imap"] {
            for client in &clients {
                let name = format!("{}-{protocol}-{round}", client.column());
                let place = folder.join(name);
                fs::create_dir_all(&place)?;
                let errand = Errand {
                    dovecot: &dovecot,
                    protocol,
                    messages,
                };
                errand.row(binary, &place, *client, table)?;
                fs::remove_dir_all(&place)?;
            }
        }
    }
    Ok(())
}

/// Puts messages into Dovecot's Maildir, as a delivery would have.
fn fill(dovecot: &Dovecot, messages: usize) -> Result<()> {
    let maildir = dovecot.folder().join("mail/ada");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(part))?;
    }
    let line = format!("{}\r\n", "all work and no play ".repeat(3).trim_end());
    let text = line.repeat(TEXT_OCTETS / line.len());
    for number in 0..messages {
        let mut letter = String::new();
        write!(
            letter,
            "Return-Path: <bob@far.example>\r\nDelivered-To: ada@near.example\r\n\
             Received: from far.example by near.example with ESMTP id {number};\r\n\
             \tMon, 23 Nov 2026 12:00:00 +0000\r\nFrom: Bob <bob@far.example>\r\n\
             To: ada@near.example\r\nSubject: number {number}\r\n\
             Message-ID: <{number}@far.example>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\n\
             {text}"
        )?;
        fs::write(maildir.join(format!("new/{number}.bench")), letter)?;
    }
    let owned = Command::new("chown")
        .args(["-R", "dovecot:dovecot"])
        .arg(dovecot.folder().join("mail"))
        .status();
    match owned.is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => bail!("the Maildir cannot be given to Dovecot: run it as root"),
    }
}

/// What is fetched.
struct Errand<'a> {
    dovecot: &'a Dovecot,
    protocol: &'a str,
    messages: usize,
}

impl Errand<'_> {
    fn row(&self, binary: &Path, place: &Path, client: Client, table: &mut Table) -> Result<()> {
        let port = self.dovecot.port(self.protocol).unwrap_or_default();
        let source = format!(
            "[[source]]\nname = \"old\"\nprotocol = \"{}\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             tls = \"none\"\nuser = \"ada\"\npassword_cmd = \"echo secret\"\nto = \"{ADA}\"\n\
             interval = \"0s\"\n",
            self.protocol
        );
        let server = Server::start_at(binary, place, &source)?;
        let target = target::again(&server);
        let mut command = match client {
            Client::Caramel => fetch(binary, &server),
            Client::Fetchmail => self.fetchmail(&server, place, port)?,
            Client::Getmail => self.getmail(&server, place, port)?,
        };
        // The index of texts is made beside it, sooner or later.
        let cost = || target.cpu_seconds() - target.index_seconds();
        let before = cost();
        let took = timed(&mut command)?;
        self.is_there(&target)?;
        let served = cost() - before;
        let real = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let messages = real(self.messages);
        let mut note = |what: &str, figure: f64| {
            table.note(
                &format!("{}: {what}", self.protocol),
                client.column(),
                figure,
            );
        };
        note("seconds", took.seconds);
        note(
            "CPU ms per message",
            (took.cpu_seconds + served) * 1000.0 / messages,
        );
        note("of it the client", took.cpu_seconds * 1000.0 / messages);
        Ok(())
    }

    fn is_there(&self, target: &Target) -> Result<()> {
        match target.messages("ada")? {
            count if count == self.messages => Ok(()),
            count => bail!("{count} messages of {} are there", self.messages),
        }
    }

    fn fetchmail(&self, server: &Server, place: &Path, port: u16) -> Result<Command> {
        let lmtp = server.address("lmtp", Tls::None).port();
        let text = format!(
            "set no syslog\nset no bouncemail\nset idfile {}\npoll 127.0.0.1 proto {} \
             service {port} user ada password secret is {ADA} here sslproto '' keep fetchall\n\
             smtphost 127.0.0.1/{lmtp} lmtp smtpname {ADA}\n",
            place.join("ids").display(),
            self.protocol,
        );
        let file = private(place.join("fetchmailrc"), &text)?;
        let mut command = Command::new("fetchmail");
        command.arg("-f").arg(file).args(["--silent", "--pidfile"]);
        command.arg(place.join("pid")).env("HOME", place);
        Ok(command)
    }

    fn getmail(&self, server: &Server, place: &Path, port: u16) -> Result<Command> {
        let lmtp = server.address("lmtp", Tls::None).port();
        let kind = match self.protocol {
            "pop3" => "SimplePOP3Retriever",
            _ => "SimpleIMAPRetriever",
        };
        let text = format!(
            "[retriever]\ntype = {kind}\nserver = 127.0.0.1\nport = {port}\nusername = ada\n\
             password = secret\n\n[destination]\ntype = MDA_lmtp\nhost = 127.0.0.1\n\
             port = {lmtp}\noverride = {ADA}\n\n[options]\nread_all = true\ndelete = false\n\
             verbose = 0\n"
        );
        let file = private(place.join("getmailrc"), &text)?;
        let mut command = Command::new("getmail");
        command.arg("--getmaildir").arg(place).arg("--rcfile");
        command.arg(file).arg("--quiet").env("HOME", place);
        Ok(command)
    }
}

fn fetch(binary: &Path, server: &Server) -> Command {
    let mut command = Command::new(binary);
    command.arg("--config").arg(server.config());
    command.args(["fetch", "run", "old"]);
    command
}

/// A file that nobody else may read: they ask for that.
fn private(path: PathBuf, text: &str) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(path)
}

/// What a command took.
struct Took {
    seconds: f64,
    cpu_seconds: f64,
}

/// Runs a command to its good end; the shell counts what it and all that it starts cost.
fn timed(command: &mut Command) -> Result<Took> {
    let mut shell = Command::new("bash");
    shell.args(["-c", "TIMEFORMAT='took %R %U %S'; time \"$@\"", "bash"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let output = shell.output().context("running a client")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{} failed: {said}", command.get_program().to_string_lossy());
    }
    let line = said.lines().find_map(|line| line.strip_prefix("took "));
    let figures = line.unwrap_or_default().split(' ');
    let figures: Vec<f64> = figures.filter_map(|figure| figure.parse().ok()).collect();
    match figures.as_slice() {
        [seconds, user, system] => Ok(Took {
            seconds: *seconds,
            cpu_seconds: user + system,
        }),
        _ => bail!("the shell has not said how long it took: {said}"),
    }
}
