//! `fetchmail`: the same under that name, with its options, its file and its exit codes.
//!
//! What an option asks for that is not known here is passed over, and said with `-v`.
//!
//! Not here: the file (`rc`), what entries mean (`import`), how mail is fetched (`fetch`).

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use server::{Source, SourceSecret};

use super::import::{self, Whose};
use super::rc::{self, Entry, Rc};
use super::{fetch_all, options};
use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::{self, Config};
use crate::line::Line;
use crate::told::number;
use crate::{demo, files};
use options::{Asked, Options};

/// What the program is called then.
pub(crate) const NAME: &str = "fetchmail";
/// Where the configuration is named in the environment, and where it usually is.
const CONFIG: &str = "CARAMEL_CONFIG";
const USUAL_CONFIG: &str = "/etc/caramel/caramel.toml";

/// fetchmail's exit codes.
const RETRIEVED: u8 = 0;
const NOTHING: u8 = 1;
const NOT_REACHED: u8 = 2;
const NOT_LET_IN: u8 = 3;
const WRONG_WORDS: u8 = 5;

/// Does what fetchmail would do.
pub(crate) fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = words
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let ended = Options::parse(&words).and_then(|options| carry_out(&options, &words));
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::from(match complaint.code {
                2 => WRONG_WORDS,
                _ => NOT_REACHED,
            })
        }
    }
}

fn carry_out(options: &Options, words: &[String]) -> Result<u8, Complaint> {
    match options.asked {
        Asked::Help => {
            say(options::USAGE)?;
            return Ok(RETRIEVED);
        }
        Asked::Quit => return quit(&pid_file(options)?),
        Asked::Version | Asked::Check | Asked::Fetch => {}
    }
    let config = configuration()?;
    let rc = read_rc(options)?;
    let (sources, notes) = sources(&config, options, &rc)?;
    if options.asked == Asked::Version {
        return version(&sources);
    }
    if options.verbose {
        notes.iter().for_each(|note| eprintln!("fetchmail: {note}"));
    }
    if sources.is_empty() {
        let next = "name one: fetchmail -p imap -u ada imap.example.org; or write ~/.fetchmailrc";
        return Err(Complaint::usage("no mail servers have been specified").next(next));
    }
    if options.asked == Asked::Check {
        return check(&config, &sources, options);
    }
    let daemon_seconds = options.daemon_seconds.or(rc.daemon_seconds).unwrap_or(0);
    match (daemon_seconds, options.stays) {
        (0, _) => once(&config, &sources, options),
        (seconds, true) => again(&config, &sources, options, seconds),
        (_, false) => detach(words, options),
    }
}

fn configuration() -> Result<Config, Complaint> {
    let named = std::env::var_os(CONFIG).map(PathBuf::from);
    let usual = || Some(PathBuf::from(USUAL_CONFIG)).filter(|path| path.is_file());
    match named.or_else(usual) {
        Some(path) => config::read(&path),
        None => demo::configuration(),
    }
}

fn home() -> Result<PathBuf, Complaint> {
    let home = std::env::var_os("FETCHMAILHOME").or_else(|| std::env::var_os("HOME"));
    home.map(PathBuf::from)
        .ok_or_else(|| Complaint::usage("there is no home folder").because("HOME is not set"))
}

/// The file, as far as there is one.
fn read_rc(options: &Options) -> Result<Rc, Complaint> {
    let (path, has_to_be) = match &options.file {
        Some(path) => (PathBuf::from(path), true),
        None => (home()?.join(".fetchmailrc"), false),
    };
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(&path)
    };
    let text = match text {
        Ok(text) => text,
        Err(error) if !has_to_be && error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(crate::input::unreadable(&path, &error)),
    };
    rc::read(&text).map_err(|note| {
        let what = format!("{}:{}: {}", path.display(), note.line, note.text);
        Complaint::usage(what).next("mend the line")
    })
}

/// The sources that are meant, and what of their entries is not carried.
fn sources(
    config: &Config,
    options: &Options,
    rc: &Rc,
) -> Result<(Vec<Source>, Vec<String>), Complaint> {
    let mut chosen = Vec::new();
    match options.servers.is_empty() {
        true => chosen.extend(rc.entries.iter().filter(|entry| entry.polls).cloned()),
        false => {
            for name in &options.servers {
                let named = rc.entries.iter().filter(|entry| entry.label == *name);
                let named: Vec<Entry> = named.cloned().collect();
                match named.is_empty() {
                    false => chosen.extend(named),
                    true => chosen.push(Entry {
                        label: name.clone(),
                        polls: true,
                        user: std::env::var("USER").ok(),
                        ..Entry::default()
                    }),
                }
            }
        }
    }
    chosen.iter_mut().for_each(|entry| {
        entry.polls = true;
        options.change.iter().for_each(|change| change.apply(entry));
    });
    let chosen = Rc {
        entries: chosen,
        daemon_seconds: None,
        notes: rc.notes.clone(),
    };
    let whose = Whose {
        domain: only_domain(config)?,
        to: None,
        again: true,
        host: config.hostname().to_ascii(),
    };
    let (mut sources, notes) = import::sources(&chosen, &whose)?;
    let password = std::env::var_os("FETCHMAIL_PASSWORD");
    let password = password.map(|password| password.to_string_lossy().into_owned());
    for source in &mut sources {
        let none = SourceSecret::Password(String::new());
        if let Some(password) = password.clone().filter(|_| source.secret == none) {
            source.secret = SourceSecret::Password(password);
        }
    }
    let options = options.passed_over.iter().cloned();
    let more = notes
        .iter()
        .map(|note| format!("line {}: {}", note.line, note.text));
    Ok((sources, options.chain(more).collect()))
}

/// The local domain of this house, where it has only one: local names are of that.
fn only_domain(config: &Config) -> Result<Option<String>, Complaint> {
    let told = crate::desk::ask(config, "Domain/list", &serde_json::json!({}))?;
    let all = super::list(&told, "list").iter();
    let mut local = all.filter(|domain| super::text(domain, "kind") == "local");
    Ok(match (local.next(), local.next()) {
        (Some(only), None) => Some(super::text(only, "name").to_owned()),
        _ => None,
    })
}

fn version(sources: &[Source]) -> Result<u8, Complaint> {
    say(&format!(
        "This is Caramel {}, called as fetchmail.",
        env!("CARGO_PKG_VERSION")
    ))?;
    for source in sources {
        say(&format!(
            "{}: {} at {}:{} as {}, for {}, {}",
            source.name,
            source.protocol.name(),
            source.host,
            source.port,
            source.user,
            source.to,
            if source.keep {
                "kept there"
            } else {
                "taken away there"
            },
        ))?;
    }
    Ok(RETRIEVED)
}

fn check(config: &Config, sources: &[Source], options: &Options) -> Result<u8, Complaint> {
    let mut line = Line::open(config)?;
    let mut code = NOTHING;
    for source in sources {
        let told = line.call("Fetch/check", &serde_json::json!({ "source": source }))?;
        if let Some(trouble) = super::trouble(&told) {
            eprintln!("{}", trouble.complaint);
            code = failure(trouble.login, code);
            continue;
        }
        let found = told.get("found").cloned().unwrap_or_default();
        let folders = super::list(&found, "folders").iter();
        let (mut messages, mut new) = (0, 0);
        for folder in folders {
            messages += number(folder, "messages");
            new += number(folder, "new");
        }
        if !options.silent {
            let (user, host) = (&source.user, &source.host);
            say(&format!(
                "{messages} messages ({new} new) for {user} at {host}"
            ))?;
        }
        if new > 0 {
            code = RETRIEVED;
        }
    }
    Ok(code)
}

/// The last failure counts, unless something was retrieved.
const fn failure(login: bool, before: u8) -> u8 {
    match (before, login) {
        (RETRIEVED, _) => RETRIEVED,
        (_, true) => NOT_LET_IN,
        (_, false) => NOT_REACHED,
    }
}

fn once(config: &Config, sources: &[Source], options: &Options) -> Result<u8, Complaint> {
    let mut line = Line::open(config)?;
    let mut code = NOTHING;
    for ended in fetch_all(&mut line, sources, false)? {
        if ended.messages > 0 {
            code = RETRIEVED;
        }
        match ended.trouble {
            Some(trouble) => {
                eprintln!("{}", trouble.complaint);
                code = failure(trouble.login, code);
            }
            None if options.silent => {}
            None => say(&format!(
                "{}: {} messages fetched",
                ended.name, ended.messages
            ))?,
        }
    }
    Ok(code)
}

/// Fetches again and again, until it is told to stop.
fn again(
    config: &Config,
    sources: &[Source],
    options: &Options,
    seconds: u64,
) -> Result<u8, Complaint> {
    let path = pid_file(options)?;
    files::write_private(&path, &format!("{} {seconds}\n", std::process::id()))?;
    loop {
        if let Err(complaint) = once(config, sources, options) {
            eprintln!("{complaint}");
        }
        thread::sleep(Duration::from_secs(seconds));
    }
}

/// Does the same behind the terminal's back.
fn detach(words: &[String], options: &Options) -> Result<u8, Complaint> {
    let wrong = |error| Complaint::new("the daemon cannot be started").because(error);
    let program = std::env::current_exe().map_err(wrong)?;
    let log = match &options.log_file {
        Some(path) => {
            let opened = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path);
            let path = Path::new(path);
            Stdio::from(opened.map_err(|error| crate::input::unreadable(path, &error))?)
        }
        None => Stdio::null(),
    };
    let mut command = Command::new(program);
    command.arg0(NAME).args(words).arg("--nodetach");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let child = command.process_group(0).spawn().map_err(wrong)?;
    if !options.silent {
        say(&format!("fetchmail: started, pid {}", child.id()))?;
    }
    Ok(RETRIEVED)
}

fn pid_file(options: &Options) -> Result<PathBuf, Complaint> {
    match &options.pid_file {
        Some(path) => Ok(PathBuf::from(path)),
        None => Ok(home()?.join(".fetchmail.pid")),
    }
}

/// Ends the daemon that a file tells of.
fn quit(path: &Path) -> Result<u8, Complaint> {
    let none = || Complaint::new("no fetchmail runs").because(path.display());
    let text = std::fs::read_to_string(path).map_err(|_| none())?;
    let pid = text
        .split_whitespace()
        .next()
        .and_then(|pid| pid.parse().ok());
    let pid = pid
        .and_then(rustix::process::Pid::from_raw)
        .ok_or_else(none)?;
    // Another process may have its number by now.
    let command = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
    let is_ours = std::fs::read(command).is_ok_and(|words| words.starts_with(NAME.as_bytes()));
    if !is_ours {
        return Err(none());
    }
    let killed = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    killed.map_err(|error| none().because(error))?;
    drop(std::fs::remove_file(path));
    Ok(RETRIEVED)
}
