//! `caramel sieve`: filter scripts checked, tried on a message, tested; those of accounts kept.
//!
//! What is checked and tried needs neither configuration nor store. Not here: the language (the
//! room `sieve`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::sieve::{Circumstances, Fault, Letter, Limits, Outcome, Script};
use clap::{Args, Subcommand};
use mail::{ForwardPath, Recipient, ReversePath};

use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::config::Config;
use crate::input;

mod apply;
mod expect;
mod house;
mod kept;
mod procmail;
mod show;

use apply::Application;
use house::House;
use procmail::Recipes;

/// What is to be done with a script.
#[derive(Debug, Subcommand)]
pub(crate) enum SieveCommand {
    /// Says whether scripts are right, and where they are not.
    ///
    /// It ends with 0 where all are right, and with 1 where one is not: each fault with its line,
    /// its column and, where one can be guessed, a hint.
    Check {
        /// The scripts; `-` for standard input.
        #[arg(required = true)]
        scripts: Vec<PathBuf>,
    },
    /// Shows what a script would do with a message, and which line wants it. Nothing is done.
    ///
    /// Every mailbox is taken for one that is there, and nothing for seen before. Scripts to be
    /// included lie beside the script. It ends with 1 where the script fails: the message is then
    /// kept.
    Run(Trial),
    /// Runs a file of tests: messages, and what is to become of them.
    ///
    /// It ends with 0 where all come out as expected, and with 1 where one does not.
    Test {
        /// The file.
        file: PathBuf,
    },
    /// Makes a script of procmail's recipes.
    ///
    /// Folders below MAILDIR become mailboxes of the same names. What cannot be carried, such as a
    /// program that is run, is reported with its line and why, and stands in the script as a
    /// comment; so are lines whose meaning is the same but for a detail. It ends with 0 where all
    /// is carried, and with 1 where something is not.
    FromProcmail(Recipes),
    /// Applies a script of an account to the messages that are in a mailbox already.
    ///
    /// `keep` leaves a message where it is, `fileinto` moves it there, `discard` removes it; flags
    /// are added. Nothing is sent, answered or refused: that is counted, and the message stays.
    /// What is done can be undone: `caramel undo ADDRESS`. A second time nothing is left to do.
    Apply(Application),
    /// Gives an account a script, in the place of one of the same name.
    ///
    /// A text that is no script is not taken, nor one that requires what delivery does not carry
    /// out.
    Put {
        /// The account.
        #[arg(value_name = "ADDRESS")]
        account: String,
        /// The script; `-` for standard input.
        file: PathBuf,
        /// What it is called there; else as the file, without its extension.
        #[arg(long)]
        name: Option<String>,
        /// Makes it the one that runs.
        #[arg(long)]
        activate: bool,
    },
    /// Lists the scripts of an account.
    List {
        /// The account.
        #[arg(value_name = "ADDRESS")]
        account: String,
        #[command(flatten)]
        listing: Listing,
    },
    /// Writes a script of an account to standard output.
    Get {
        /// The account.
        #[arg(value_name = "ADDRESS")]
        account: String,
        /// The script's name.
        name: String,
    },
    /// Makes a script the one that runs for what comes to an account.
    Activate {
        /// The account.
        #[arg(value_name = "ADDRESS")]
        account: String,
        /// The script's name.
        name: String,
    },
    /// Lets no script run for an account.
    Deactivate {
        /// The account.
        #[arg(value_name = "ADDRESS")]
        account: String,
    },
    /// Removes a script of an account; not the one that runs.
    Rm {
        /// The account.
        #[arg(value_name = "ADDRESS")]
        account: String,
        /// The script's name.
        name: String,
    },
    /// Gives a script of an account another name.
    Rename {
        /// The account.
        #[arg(value_name = "ADDRESS")]
        account: String,
        /// The script's name.
        name: String,
        /// The new one.
        new: String,
    },
}

/// A script to be tried.
#[derive(Debug, Args)]
pub(crate) struct Trial {
    /// The script.
    script: PathBuf,
    /// The message; standard input unless given.
    #[arg(default_value = "-", hide_default_value = true)]
    message: PathBuf,
    /// Who sends it, as SMTP says it; empty for a report.
    #[arg(long, value_name = "ADDRESS", value_parser = reverse_path)]
    envelope_from: Option<ReversePath>,
    /// Whose script it is, as SMTP says it.
    #[arg(long, value_name = "ADDRESS", value_parser = forward_path)]
    envelope_to: Option<ForwardPath>,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

fn reverse_path(text: &str) -> Result<ReversePath, mail::SyntaxError> {
    let bare = text.trim_start_matches('<').trim_end_matches('>');
    ReversePath::parse(&format!("<{bare}>"))
}

fn forward_path(text: &str) -> Result<ForwardPath, mail::SyntaxError> {
    let bare = text.trim_start_matches('<').trim_end_matches('>');
    ForwardPath::parse(&format!("<{bare}>"))
}

/// Does what was asked, if it needs no configuration.
pub(crate) fn run_without_configuration(command: &SieveCommand) -> Option<Result<(), Complaint>> {
    Some(match command {
        SieveCommand::Check { scripts } => check(scripts),
        SieveCommand::Run(trial) => try_out(trial),
        SieveCommand::Test { file } => expect::run(file),
        SieveCommand::FromProcmail(recipes) => procmail::run(recipes),
        _ => return None,
    })
}

/// Does what was asked of an account's scripts.
pub(crate) fn run(config: &Config, command: &SieveCommand) -> Result<(), Complaint> {
    match command {
        SieveCommand::Apply(application) => apply::run(config, application),
        SieveCommand::Put {
            account,
            file,
            name,
            activate,
        } => kept::put(config, account, (file, name.as_deref()), *activate),
        SieveCommand::List { account, listing } => kept::list(config, account, listing),
        SieveCommand::Get { account, name } => kept::get(config, account, name),
        SieveCommand::Activate { account, name } => kept::activate(config, account, Some(name)),
        SieveCommand::Deactivate { account } => kept::activate(config, account, None),
        SieveCommand::Rm { account, name } => kept::remove(config, account, name),
        SieveCommand::Rename { account, name, new } => kept::rename(config, account, (name, new)),
        SieveCommand::Check { .. }
        | SieveCommand::Run(_)
        | SieveCommand::Test { .. }
        | SieveCommand::FromProcmail(_) => Ok(()),
    }
}

fn check(paths: &[PathBuf]) -> Result<(), Complaint> {
    let mut wrong = 0_usize;
    for path in paths {
        let text = input::message(path)?;
        match Script::compile(&name_of(path), &text, &Limits::HOUSE) {
            Ok(_) => say(&format!("{}: right", path.display()))?,
            Err(faults) => {
                wrong += 1;
                say(show::faults(path, &text, &faults).trim_end())?;
            }
        }
    }
    match wrong {
        0 => Ok(()),
        1 => Err(Complaint::new("a script is not right")),
        many => Err(Complaint::new(format!("{many} scripts are not right"))),
    }
}

fn try_out(trial: &Trial) -> Result<(), Complaint> {
    let script = read(&trial.script)?;
    let message = input::message(&trial.message)?;
    let from = trial.envelope_from.clone();
    let outcome = outcome(
        script,
        &trial.script,
        message,
        from,
        trial.envelope_to.clone(),
    );
    if trial.json {
        say(&show::json(&outcome).to_string())?;
    } else {
        for action in &outcome.actions {
            say(&format!("{}\t{}", show::words(action), action.cause))?;
        }
        for note in &outcome.notes {
            say(&format!("({})\t{}:{}", note.text, note.script, note.line))?;
        }
    }
    match outcome.fault {
        None => Ok(()),
        Some(trouble) => {
            let complaint = Complaint::new("the script fails, and the message is kept");
            Err(complaint.because(trouble))
        }
    }
}

/// Runs a script whose includes lie beside it.
fn outcome(
    script: Script,
    path: &Path,
    message: Vec<u8>,
    from: Option<ReversePath>,
    to: Option<ForwardPath>,
) -> Outcome {
    let letter = Letter::parse(message.into());
    let mut circumstances = Circumstances::new(letter);
    let envelope = ::sieve::Envelope {
        reverse_path: from.unwrap_or(ReversePath::Null),
        recipient: Recipient {
            forward_path: to.unwrap_or(ForwardPath::Postmaster),
            notify: None,
            orcpt: None,
        },
        ret: None,
        envid: None,
        auth: None,
        by: None,
    };
    circumstances.envelope = Some(Arc::new(envelope));
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    House::new(folder).run(Arc::new(script), circumstances)
}

fn read(path: &Path) -> Result<Script, Complaint> {
    let text = input::message(path)?;
    Script::compile(&name_of(path), &text, &Limits::HOUSE)
        .map_err(|faults| wrong(path, &text, &faults))
}

fn wrong(path: &Path, text: &[u8], faults: &[Fault]) -> Complaint {
    let shown = show::faults(path, text, faults);
    Complaint::new(format!("the script is not right\n{}", shown.trim_end()))
}

/// The script's name: that of the file, without its extension.
fn name_of(path: &Path) -> String {
    let name = path.file_stem().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
