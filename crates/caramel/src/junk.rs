//! `caramel spam`: what was learned about junk, taught, shown, and forgotten.
//!
//! A letter in a file is read here; only its clues are handed on. Not here: the arithmetic (the
//! room `spam`), where counts are kept (`post`).

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use post::Clues;
use serde_json::{Value, json};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::desk::{Talk, ask};
use crate::{crlf, input};

/// Clues that are shown unless more are asked for.
const SHOWN: usize = 10;

/// What is to be done with what was learned.
#[derive(Debug, Subcommand)]
pub(crate) enum SpamCommand {
    /// Teaches what is junk and what is not, by letters in files, folders of such, or a mailbox.
    ///
    /// A letter counts once. Said again it changes nothing; said otherwise, what was learned of it
    /// is taken back first.
    Train(Training),
    /// Says how likely a letter is junk, and which of its words say so.
    ///
    /// It is judged as if it came now; nothing is changed.
    Explain(Question),
    /// Shows how much was learned, and from when on a letter is junk.
    Status {
        #[command(flatten)]
        whose: Whose,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Says from how many of a hundred on a letter is junk to an account.
    Threshold {
        /// A number from 1 to 100, `off` for no letter at all, or `house` for what the
        /// configuration says.
        percent: String,
        #[command(flatten)]
        whose: Whose,
    },
    /// Forgets all that was learned.
    Forget {
        #[command(flatten)]
        whose: Whose,
    },
}

/// Whose counts are meant.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// The account; without it, the site's (`[spam] site`).
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
}

/// What letters are, and which.
#[derive(Debug, Args)]
pub(crate) struct Training {
    /// They are junk.
    #[arg(long, group = "class")]
    junk: bool,
    /// They are good.
    #[arg(long, group = "class")]
    good: bool,
    /// They count as nothing any more.
    #[arg(long, group = "class")]
    neither: bool,
    /// Files of one letter each, and folders of such; `-` for standard input.
    #[arg(required_unless_present = "mailbox", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// All letters of this mailbox of the account.
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "files",
        requires = "account"
    )]
    mailbox: Option<String>,
    #[command(flatten)]
    whose: Whose,
}

/// Which letter, and how it is told.
#[derive(Debug, Args)]
pub(crate) struct Question {
    /// The letter; `-` for standard input.
    #[arg(required_unless_present = "uid", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The mailbox of the account that it is in.
    #[arg(long, value_name = "NAME", default_value = "INBOX")]
    mailbox: String,
    /// Its UID there.
    #[arg(long, conflicts_with = "file", requires = "account")]
    uid: Option<u32>,
    #[command(flatten)]
    whose: Whose,
    /// All that says anything, not only the strongest.
    #[arg(long)]
    all: bool,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(crate) fn run(config: &Config, command: &SpamCommand) -> Result<(), Complaint> {
    match command {
        SpamCommand::Train(training) => train(config, training),
        SpamCommand::Explain(question) => explain(config, question),
        SpamCommand::Status { whose, json } => status(config, whose, *json),
        SpamCommand::Threshold { percent, whose } => {
            let arguments = json!({ "account": whose.account, "wish": percent });
            ask(config, "Spam/wish", &arguments)?;
            status(config, whose, false)
        }
        SpamCommand::Forget { whose } => {
            let answer = ask(config, "Spam/forget", &json!({ "account": whose.account }))?;
            say(&format!(
                "{} clues and notes are forgotten.",
                number(&answer, "forgotten")
            ))
        }
    }
}

fn train(config: &Config, training: &Training) -> Result<(), Complaint> {
    let class = match (training.junk, training.good, training.neither) {
        (true, _, _) => json!("junk"),
        (_, true, _) => json!("good"),
        (_, _, true) => Value::Null,
        _ => {
            let complaint = Complaint::usage("What are these letters?");
            return Err(complaint.next("--junk, --good, or --neither"));
        }
    };
    let mut talk = Talk::begin(config)?;
    let account = &training.whose.account;
    let (mut letters, mut learned) = (0, 0);
    if let Some(mailbox) = &training.mailbox {
        let mut after = Value::Null;
        loop {
            let arguments = json!({
                "account": account, "mailbox": mailbox, "class": class, "after": after,
            });
            let answer = talk.ask("Spam/trainMailbox", &arguments)?;
            letters += number(&answer, "letters");
            learned += number(&answer, "learned");
            match answer.get("next").filter(|next| !next.is_null()) {
                Some(next) => after = next.clone(),
                None => break,
            }
        }
    }
    for file in letters_of(&training.files)? {
        let clues = clues(&file)?;
        let arguments = json!({ "account": account, "class": class, "clues": clues });
        let answer = talk.ask("Spam/train", &arguments)?;
        letters += 1;
        learned += u64::from(answer.get("learned").and_then(Value::as_bool) == Some(true));
    }
    say(&format!(
        "{letters} letters, {learned} of them count otherwise than before."
    ))
}

/// The files of these, and those in folders among them, by name.
fn letters_of(files: &[PathBuf]) -> Result<Vec<PathBuf>, Complaint> {
    let mut letters = Vec::new();
    for file in files {
        if !file.is_dir() {
            letters.push(file.clone());
            continue;
        }
        let unreadable = |error| input::unreadable(file, &error);
        let entries = std::fs::read_dir(file).map_err(unreadable)?;
        let mut inside = Vec::new();
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            inside.extend(path.is_file().then_some(path));
        }
        inside.sort();
        letters.extend(inside);
    }
    Ok(letters)
}

/// The clues of a letter in a file.
fn clues(file: &Path) -> Result<Vec<String>, Complaint> {
    let (mut cr, mut letter) = (false, Vec::new());
    crlf::mend(&input::message(file)?, &mut cr, &mut letter);
    let clues = Clues::of_message(&letter);
    Ok(clues.iter().map(|(_, clue)| clue.to_owned()).collect())
}

fn explain(config: &Config, question: &Question) -> Result<(), Complaint> {
    let account = &question.whose.account;
    let arguments = match &question.file {
        Some(file) => json!({ "account": account, "clues": clues(file)? }),
        None => json!({ "account": account, "mailbox": question.mailbox, "uid": question.uid }),
    };
    let answer = ask(config, "Spam/explain", &arguments)?;
    if question.json {
        return say(&answer.to_string());
    }
    let asked = answer.get("asked").and_then(Value::as_array);
    let asked = asked.into_iter().flatten().filter_map(Value::as_str);
    let asked: Vec<&str> = asked.collect();
    if asked.is_empty() {
        return Err(Complaint::new("Too little was learned to say anything.")
            .next("caramel spam status; caramel spam train"));
    }
    let percent = number(&answer, "percent");
    let threshold = answer.get("threshold").and_then(Value::as_u64);
    let so = match threshold {
        Some(from) if percent >= from => format!("junk (from {from} on)"),
        Some(from) => format!("no junk (that is from {from} on)"),
        None => "nothing is filed as junk".to_owned(),
    };
    say(&format!(
        "{percent} of 100: {so}, by what {} learned",
        asked.join(" and ")
    ))?;
    let evidence = answer.get("evidence").and_then(Value::as_array);
    let shown = if question.all { usize::MAX } else { SHOWN };
    for one in evidence.into_iter().flatten().take(shown) {
        let clue = one.get("clue").and_then(Value::as_str).unwrap_or_default();
        let (junk, good) = (number(one, "junk"), number(one, "good"));
        let percent = number(one, "percent");
        say(&format!(
            "  {percent:>3}%  {clue}  (junk {junk}, good {good})"
        ))?;
    }
    Ok(())
}

fn status(config: &Config, whose: &Whose, as_json: bool) -> Result<(), Complaint> {
    let answer = ask(config, "Spam/status", &json!({ "account": whose.account }))?;
    if as_json {
        return say(&answer.to_string());
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let (good, junk) = (number(&answer, "good"), number(&answer, "junk"));
    say(&format!(
        "{} has learned {good} good letters and {junk} of junk: {} clues, {} letters noted.",
        text("account"),
        number(&answer, "clues"),
        number(&answer, "notes")
    ))?;
    if answer.get("trained").and_then(Value::as_bool) != Some(true) {
        let needed = number(&answer, "lettersMin");
        say(&format!(
            "That says nothing yet: it takes {needed} of either."
        ))?;
    }
    let own = match answer.get("own").and_then(Value::as_bool) {
        Some(true) => "by the account's own wish",
        _ => "as the configuration says",
    };
    match (
        text("filter"),
        answer.get("threshold").and_then(Value::as_u64),
    ) {
        ("off", _) => say("The filter is off: [spam] filter."),
        (_, None) => say(&format!("No letter is judged for it, {own}.")),
        ("mark", Some(_)) => say("Letters are marked, and none is filed as junk."),
        (_, Some(from)) => say(&format!("Letters are junk from {from} of 100 on, {own}.")),
    }
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}
