//! `programs`: runs the programs that aliases or a `.forward` name, for a server that hands letters
//! over.
//!
//! It is a process of its own, with a user of its own, and reads no configuration: what it runs is
//! in the file of aliases or in its user's `.forward`, and what it is told is on its command line.
//!
//! Not here: how a program is run (`server`).

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use net::Stopper;
use server::{ProgramFile, ProgramSettings, Programs};
use tokio::signal::unix::{SignalKind, signal};

use crate::complaint::Complaint;
use crate::{config, logging};

/// Seconds that all programs of a name may take for a letter, whatever is asked for: the server
/// waits for longer.
const RUN_SECONDS_MAX: u64 = 3600;
/// How long programs that run may go on once this has to stop.
const GRACE: Duration = Duration::from_secs(60);
/// What programs are told of whoever they run as.
const VARIABLES: &[&str] = &["HOME", "LANG", "SHELL", "TZ"];

/// Where letters come from, and what is run for them.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// The file of aliases: the same that `[local] aliases` names. It is read anew when it has
    /// changed.
    #[arg(long, value_name = "FILE", required_unless_present = "forward")]
    aliases: Option<PathBuf>,
    /// The `.forward` of whoever runs this, instead of a file of aliases: its programs get every
    /// letter. It is read anew when it has changed.
    #[arg(long, value_name = "FILE", conflicts_with = "aliases")]
    forward: Option<PathBuf>,
    /// The socket at which the server hands letters over, as `[local] programs` or `[local]
    /// forward_programs` names it.
    #[arg(long, value_name = "unix:PATH", value_parser = socket)]
    listen: PathBuf,
    /// How long all programs of one name may take for a letter before they are killed: an hour at
    /// most.
    #[arg(long, value_name = "SPAN", default_value = "1000s", value_parser = run_seconds)]
    run_time: u64,
    /// For how many letters programs run at once; others wait.
    #[arg(long, value_name = "NUMBER", default_value = "10")]
    at_once: NonZeroUsize,
    /// How large a letter may be: as large as the server takes them, and a little more.
    #[arg(long, value_name = "OCTETS", default_value = "64M", value_parser = config::octets)]
    letter_size: u64,
}

impl Asked {
    /// What names the programs.
    fn file(&self) -> Result<ProgramFile, Complaint> {
        let (aliases, forward) = (self.aliases.clone(), self.forward.clone());
        let aliases = aliases.map(ProgramFile::Aliases);
        let file = forward.map(ProgramFile::Forward).or(aliases);
        file.ok_or_else(|| Complaint::usage("no file names programs"))
    }
}

fn socket(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix:").map(PathBuf::from);
    path.filter(|path| path.is_absolute())
        .ok_or_else(|| "write unix:/run/caramel-programs/lmtp".to_owned())
}

fn run_seconds(text: &str) -> Result<u64, String> {
    match config::span(text)? {
        seconds @ 1..=RUN_SECONDS_MAX => Ok(seconds),
        _ => Err("write a span from 1s to 1h".to_owned()),
    }
}

/// Runs programs until told to stop.
pub(crate) fn run(asked: &Asked) -> Result<(), Complaint> {
    if rustix::process::geteuid().is_root() {
        return Err(Complaint::usage("programs are not run as root")
            .because("whoever writes to an alias would have them run with all rights")
            .next("start it as a user of its own: User= in its unit of systemd"));
    }
    logging::begin_alone();
    let runtime = tokio::runtime::Runtime::new().context("starting")?;
    runtime.block_on(serve(asked))
}

async fn serve(asked: &Asked) -> Result<(), Complaint> {
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let variable = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
    let settings = ProgramSettings {
        file: asked.file()?,
        socket: asked.listen.clone(),
        run_time_max: Duration::from_secs(asked.run_time),
        programs_max: asked.at_once.get(),
        message_octets_max: asked.letter_size,
        variables: VARIABLES.iter().filter_map(variable).collect(),
    };
    let opened = Programs::open(settings).await;
    let (programs, faults) = opened.map_err(|error| {
        Complaint::new("no programs are run")
            .because(error)
            .next("can this user read the file, and make the socket?")
    })?;
    for fault in faults {
        tracing::warn!(%fault, "left out");
    }
    tracing::info!(names = programs.names(), "ready");
    let stopper = Stopper::default();
    let serving = tokio::spawn(programs.serve(stopper.listen()));
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stopper.stop(GRACE).await;
    serving.await.context("stopping")?;
    Ok(())
}
