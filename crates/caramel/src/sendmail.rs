//! `sendmail`, `mailq`, `newaliases`: how programs of this machine hand mail in, as they have done
//! for decades.
//!
//! A letter is written into the local spool, whether the server runs or not, and that is all that
//! is waited for: exit code 0 says that it is on the disk. What cannot be delivered comes back in a
//! report. docs/decisions/043-handing-in-at-this-machine.md says why.
//!
//! Not here: what a letter lacks, and who may write in whose name (the server).

use std::ffi::OsString;
use std::io::{self, BufReader, ErrorKind, Read, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use anyhow::Context as _;
use clap::Args;
use mail::Notify;
use net::Socket;
use server::{HouseFacts, LocalEnvelope, LocalSpool};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::place::Place;
use crate::{desk, queue, serve, sysexits};

mod intake;
mod mailq;
mod options;
mod verify;

pub(crate) use intake::{Intake, addresses, recipients as named_in};
use options::{Flushed, Mode, Options};

/// Octets a message may have where the server has not said it yet.
const MESSAGE_OCTETS_MAX: u64 = 50 * 1024 * 1024;

/// What `sendmail` is given, as it is.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub(crate) struct Words {
    /// Options and recipients.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "WORDS"
    )]
    words: Vec<OsString>,
}

/// The program whose name was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// `sendmail`.
    Sendmail,
    /// `mailq`: `sendmail -bp`.
    Mailq,
    /// `newaliases`: `sendmail -bi`.
    Newaliases,
}

impl Words {
    /// The words behind a program's name.
    pub(crate) const fn of(words: Vec<OsString>) -> Self {
        Self { words }
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[OsString] {
        &self.words
    }
}

/// Does what is asked.
pub(crate) fn run(name: Name, words: &Words, place: Place) -> Result<(), Complaint> {
    let words: Vec<String> = words
        .words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let [only] = words.as_slice()
        && only == "--help"
    {
        return say(HELP.trim_end());
    }
    let mut options = Options::read(&words)?;
    match name {
        Name::Sendmail => {}
        Name::Mailq => options.mode = Mode::Queue,
        Name::Newaliases => options.mode = Mode::Aliases,
    }
    for warning in &options.warnings {
        eprintln!("caramel: {warning}");
    }
    let place = match &options.config {
        Some(path) => place.with_config(path),
        None => place,
    };
    match &options.mode {
        Mode::HandIn => hand_in(&options, &place.spool()?, io::stdin().lock()),
        Mode::Smtp => converse(place.spool()?),
        Mode::Queue => mailq::run(&place, options.json),
        Mode::Aliases => aliases(&place),
        Mode::Verify => verify::run(&place.spool()?, &options),
        Mode::Flush(flushed) => flush(&place, flushed),
        Mode::Serve => {
            eprintln!("caramel: sendmail -bd is `caramel serve`, which does not go aside");
            serve::run(&place.configuration()?)
        }
    }
}

/// Hands in what the input has.
fn hand_in(options: &Options, spool: &LocalSpool, input: impl Read) -> Result<(), Complaint> {
    let mut to: Vec<String> = options
        .words
        .iter()
        .flat_map(|list| addresses(list.as_bytes()))
        .collect();
    if to.is_empty() && !options.from_header {
        let complaint = Complaint::new("there is nobody to send to").coded(sysexits::USAGE);
        return Err(complaint.next("name recipients, or -t where the header does"));
    }
    let mut intake = Intake::new(BufReader::new(input), options.dots_are_lines);
    let header = intake.header()?;
    if options.from_header {
        to.extend(intake::recipients(&header));
    }
    let mut seen = std::collections::BTreeSet::new();
    to.retain(|one| seen.insert(one.clone()));
    if to.is_empty() {
        let complaint = Complaint::new("the header says for nobody").coded(sysexits::USAGE);
        return Err(complaint.next("write a To, Cc or Bcc field, or name recipients"));
    }
    let all = Notify::On {
        success: true,
        failure: true,
        delay: true,
    };
    let notify = options.notify.or_else(|| options.verbose.then_some(all));
    let envelope = LocalEnvelope {
        from: sender(options)?,
        name: full_name(options),
        envid: options.envid.clone(),
        gateway: options.gateway,
        ..LocalEnvelope::new(to).reporting(notify, options.ret)
    };
    spool
        .make_as_owner()
        .map_err(|error| unmade(spool, &error))?;
    let failed = |error: io::Error| unwritten(spool, &error);
    let mut draft = spool.begin(&envelope).map_err(failed)?;
    draft.write(&header).map_err(failed)?;
    let most = spool
        .house()
        .map_or(MESSAGE_OCTETS_MAX, |facts| facts.octets_max);
    let (mut piece, mut octets) = (Vec::new(), header.len());
    while intake.piece(&mut piece)? {
        octets = octets.saturating_add(piece.len());
        if u64::try_from(octets).is_ok_and(|octets| octets > most) {
            let complaint = Complaint::new("the message is too long");
            let complaint = complaint.because(format!("it has more than {most} octets"));
            return Err(complaint.coded(sysexits::DATA_ERROR));
        }
        draft.write(&piece).map_err(failed)?;
        piece.clear();
    }
    draft.commit().map_err(failed)
}

/// The envelope's sender, where one is given.
fn sender(options: &Options) -> Result<Option<String>, Complaint> {
    let Some(given) = &options.from else {
        return Ok(None);
    };
    if matches!(given.trim(), "" | "<>") {
        return Ok(Some(String::new()));
    }
    match addresses(given.as_bytes()).as_slice() {
        [only] => Ok(Some(only.clone())),
        _ => {
            let complaint = Complaint::new(format!("{given} is no address"));
            Err(complaint.coded(sysexits::DATA_ERROR))
        }
    }
}

/// What people call the sender: as it is given, or as the environment has it.
fn full_name(options: &Options) -> Option<String> {
    let named = || std::env::var("NAME").ok();
    let name = options.full_name.clone().or_else(named);
    name.filter(|name| !name.is_empty())
}

/// What is said where there is no spool.
pub(crate) fn unmade(spool: &LocalSpool, error: &io::Error) -> Complaint {
    let what = format!("there is no spool at {}", spool.folder().display());
    let why = match error.kind() {
        ErrorKind::NotFound => "no server has made it yet".to_owned(),
        _ => error.to_string(),
    };
    let next = "caramel serve makes it; `[local] spool` says where, for everybody to reach";
    let complaint = Complaint::new(what).because(why).next(next);
    complaint.coded(sysexits::CANNOT_CREATE)
}

fn unwritten(spool: &LocalSpool, error: &io::Error) -> Complaint {
    let code = match error.kind() {
        ErrorKind::PermissionDenied => sysexits::NO_PERMISSION,
        // A full disk does not stay full.
        _ => sysexits::TEMPORARY,
    };
    let what = format!("nothing can be handed in at {}", spool.folder().display());
    let next = "`[local] spool` names a folder that everybody can reach";
    Complaint::new(what).because(error).next(next).coded(code)
}

/// Talks SMTP on standard input and output.
fn converse(spool: LocalSpool) -> Result<(), Complaint> {
    spool
        .make_as_owner()
        .map_err(|error| unmade(&spool, &error))?;
    let facts = spool.house().unwrap_or_else(|| HouseFacts {
        host: "localhost".to_owned(),
        domain: "localhost".to_owned(),
        octets_max: MESSAGE_OCTETS_MAX,
    });
    let (ours, theirs) = UnixStream::pair().context("making a pair of sockets")?;
    let mut from_input = ours.try_clone().context("using the connection")?;
    let mut to_output = ours;
    thread::spawn(move || {
        let copied = io::copy(&mut io::stdin().lock(), &mut from_input);
        // Whoever has left does not hear the end of it.
        let ended = copied.and_then(|_| from_input.shutdown(Shutdown::Write));
        ended.unwrap_or_default();
    });
    let shown = thread::spawn(move || {
        let mut output = io::stdout().lock();
        let mut buffer = [0; 4096];
        loop {
            let read = to_output.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            output.write_all(buffer.get(..read).unwrap_or_default())?;
            output.flush()?;
        }
    });
    let runtime = tokio::runtime::Runtime::new().context("starting")?;
    runtime.block_on(async {
        theirs
            .set_nonblocking(true)
            .context("using the connection")?;
        let socket = tokio::net::UnixStream::from_std(theirs).context("using the connection")?;
        let talk = server::hand_in_by_smtp(spool, facts, Socket::Unix(socket));
        talk.await.context("talking SMTP")
    })?;
    let shown: io::Result<()> = shown.join().unwrap_or(Ok(()));
    // Standard input may go on, and nobody reads it any more.
    let written = shown.context("writing to standard output");
    Ok(written?)
}

/// Checks the file of aliases, and has a server that runs read it anew, and look at `.forward`
/// files. Those that are in the store are always in effect.
fn aliases(place: &Place) -> Result<(), Complaint> {
    let config = place.configuration()?;
    if let Some(path) = config.local().aliases {
        return alias_file(&config, &path);
    }
    if config.local().forward.is_some() && desk::connect(&config)?.is_some() {
        let nothing = serde_json::json!({});
        tell_forwards(&desk::ask_running(&config, "Alias/reload", &nothing)?)?;
    }
    let found = desk::ask(&config, "Alias/list", &serde_json::json!({}))?;
    let list = found.get("list").and_then(serde_json::Value::as_array);
    let count = list.map_or(0, Vec::len);
    say(&format!(
        "{count} aliases are in effect; nothing has to be made anew (caramel alias list)."
    ))
}

fn alias_file(config: &Config, path: &Path) -> Result<(), Complaint> {
    let read = server::read_aliases(path, config.local().alias_targets());
    let mut faults: Vec<String> = read.faults.iter().map(ToString::to_string).collect();
    let mut count = read.aliases.len();
    let nothing = serde_json::json!({});
    // What it cannot read itself, it says.
    let told = match faults.is_empty() && desk::connect(config)?.is_some() {
        true => Some(desk::ask_running(config, "Alias/reload", &nothing)?),
        false => None,
    };
    let is_running = told.is_some();
    if let Some(told) = told {
        tell_forwards(&told)?;
        faults.extend(faults_in(&told));
        let counted = told.get("count").and_then(serde_json::Value::as_u64);
        count = counted
            .and_then(|it| usize::try_from(it).ok())
            .unwrap_or(count);
    }
    if !faults.is_empty() {
        faults.iter().for_each(|fault| eprintln!("{fault}"));
        let complaint = Complaint::new(format!("{} is not right", path.display()));
        let complaint = complaint.because(match is_running {
            true => "the server goes by what it had read before",
            false => "nothing has been changed",
        });
        return Err(complaint
            .next("mend it, then: newaliases")
            .coded(sysexits::DATA_ERROR));
    }
    let path = path.display();
    say(&match is_running {
        true => format!("{path}: {count} aliases are in effect."),
        false => format!("{path}: {count} aliases; the server reads them when it starts."),
    })
}

/// Tells what is wrong in users' `.forward` files, and how many are gone by. That is no fault of
/// whoever asks: letters stay in those users' mailboxes.
fn tell_forwards(told: &serde_json::Value) -> Result<(), Complaint> {
    let Some(forwards) = told.get("forwards") else {
        return Ok(());
    };
    for fault in faults_in(forwards) {
        eprintln!("{fault}");
    }
    match forwards.get("count").and_then(serde_json::Value::as_u64) {
        Some(count) => say(&format!("{count} .forward files are in effect.")),
        None => Ok(()),
    }
}

fn faults_in(told: &serde_json::Value) -> Vec<String> {
    let list = told.get("faults").and_then(serde_json::Value::as_array);
    let list = list.into_iter().flatten();
    let texts = list.filter_map(|fault| fault.as_str().map(str::to_owned));
    texts.collect()
}

fn flush(place: &Place, flushed: &Flushed) -> Result<(), Complaint> {
    place.spool()?.notice();
    let which = (flushed.to.as_deref(), flushed.from.as_deref());
    queue::retry(&place.configuration()?, flushed.id.as_deref(), which)
}

const HELP: &str = "\
Usage: sendmail [options] [recipient ...]
       mailq [--json]
       newaliases

Reads a message from standard input and hands it in: exit code 0 says that it is on
the disk. What cannot be delivered comes back to its sender in a report.

  -t             recipients are in To, Cc and Bcc as well
  -i, -oi        a line with a dot does not end the message
  -f, -r SENDER  who hears of failures; nobody: -f ''
  -F NAME        the name in From, where the message has none
  -N WORDS       what is reported: never, or of success, failure, delay
  -R full|hdrs   how much of the message a report returns
  -V ID          the sender's name for the envelope
  -B BODY        7BIT or 8BITMIME
  -G             through a gateway: the header is left as it is
  -v             a report says what became of it
  -bm            hands in (the default)
  -bs            talks SMTP on standard input and output
  -bp            lists the queue (mailq)
  -bi, -I        checks the file of aliases, and has it read anew (newaliases)
  -bv, -bt       says whether recipients would be taken
  -q[IRS...]     tries the queue now: all, an id, a destination, a sender
  -bd            runs the server (caramel serve)
  -C FILE.toml   the configuration; else CARAMEL_CONFIG, else
                 /etc/caramel/caramel.toml

Taken and left: -A -C -D -d -e -h -L -m -n -O -o -p -s -U -X.
";
