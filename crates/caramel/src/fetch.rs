//! `caramel fetch`: mail from accounts elsewhere, now or from time to time.
//!
//! A running server is asked for it; where none runs, the store is opened here, and the same is
//! done in this process.
//!
//! Not here: how it is done (`server`), what is known of a source (`post`).

pub(crate) mod fetchmail;
mod import;
mod options;
mod rc;

use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use mail::Timestamp;
use serde_json::{Value, json};
use server::Source;

use self::import::ImportRc;
use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::config::Config;
use crate::line::Line;
use crate::progress::Progress;
use crate::told::{list, number, text};
use crate::{desk, serve};

/// How often it is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// What is asked of sources.
#[derive(Debug, Subcommand)]
pub(crate) enum FetchCommand {
    /// Fetches what is new, once.
    ///
    /// It ends with 1 where a source could not be fetched to its end.
    Run(Chosen),
    /// Fetches from time to time until it is told to stop, where no server runs.
    ///
    /// It is the server without its listeners: a running server fetches by itself.
    Daemon,
    /// Logs in at sources and says what is there, without fetching any of it.
    Check(Chosen),
    /// Says how sources stand: when they were fetched last, what is left there, what went wrong.
    Status(Chosen),
    /// Reads fetchmail's run control file, and writes it as `[[source]]` tables.
    ///
    /// Each line that is not carried, or not as it was, is told on standard error.
    ImportRc(ImportRc),
}

/// Which sources.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// Their names; all of them, if none is given.
    names: Vec<String>,
    #[command(flatten)]
    listing: Listing,
}

/// How one source went.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) name: String,
    pub(crate) messages: u64,
    pub(crate) trouble: Option<Trouble>,
    told: Value,
}

/// Why it did not come to its end.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// It is the name or the password.
    pub(crate) login: bool,
    pub(crate) complaint: Complaint,
}

/// Does what is asked.
pub(crate) fn run(config: &Config, command: &FetchCommand) -> Result<(), Complaint> {
    match command {
        FetchCommand::Run(chosen) => fetch(config, chosen),
        FetchCommand::Daemon => daemon(config),
        FetchCommand::Check(chosen) => check(config, chosen),
        FetchCommand::Status(chosen) => status(config, chosen),
        FetchCommand::ImportRc(asked) => import::run(config, asked),
    }
}

impl Chosen {
    fn sources(&self, config: &Config) -> Result<Vec<Source>, Complaint> {
        let mut sources = config.sources();
        if sources.is_empty() {
            return Err(Complaint::usage("there is no source")
                .because("the configuration has no [[source]]")
                .next("docs/fetch.md shows one"));
        }
        let known: Vec<String> = sources.iter().map(|one| one.name.clone()).collect();
        if let Some(unknown) = self.names.iter().find(|name| !known.contains(name)) {
            let what = format!("there is no source {unknown}");
            return Err(Complaint::usage(what).next(format!("one of {}", known.join(", "))));
        }
        sources.retain(|one| self.names.is_empty() || self.names.contains(&one.name));
        Ok(sources)
    }
}

fn daemon(config: &Config) -> Result<(), Complaint> {
    if desk::connect(config)?.is_some() {
        return Err(
            Complaint::new("a server runs, and fetches by itself").next("caramel fetch status")
        );
    }
    if config.sources().is_empty() {
        return Err(Complaint::usage("there is no source")
            .because("the configuration has no [[source]]")
            .next("docs/fetch.md shows one"));
    }
    serve::run_shut(config)
}

fn fetch(config: &Config, chosen: &Chosen) -> Result<(), Complaint> {
    let json = chosen.listing.json;
    let sources = chosen.sources(config)?;
    let mut line = Line::open(config)?;
    let mut failed = Vec::new();
    for ended in fetch_all(&mut line, &sources, json)? {
        match (json, ended.trouble) {
            (true, trouble) => {
                say(&json!({ "name": ended.name, "job": ended.told }).to_string())?;
                failed.extend(trouble.map(|_| ended.name));
            }
            (false, None) => say(&words(&ended.name, &ended.told))?,
            (false, Some(trouble)) => {
                eprintln!("{}", trouble.complaint);
                failed.push(ended.name);
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Complaint::new(format!(
            "not fetched to the end: {}",
            failed.join(", ")
        ))),
    }
}

/// What came of a source, for people.
fn words(name: &str, job: &Value) -> String {
    let said = list(job, "said").iter().filter_map(Value::as_str);
    let said: Vec<&str> = said.collect();
    let mut text = match (number(job, "filed"), number(job, "octets")) {
        (0, _) if !said.is_empty() => return format!("{name}: {}", said.join("; ")),
        (0, _) => format!("{name}: nothing new"),
        (1, octets) => format!("{name}: 1 message, {octets} octets"),
        (messages, octets) => format!("{name}: {messages} messages, {octets} octets"),
    };
    text.push_str(&left(job));
    text.push('.');
    text
}

fn left(job: &Value) -> String {
    let mut text = String::new();
    for (count, what) in [
        (number(job, "skipped"), "left there, being too large"),
        (number(job, "owed"), "still to be taken away there"),
    ] {
        if count > 0 {
            text.push_str(&format!("; {count} {what}"));
        }
    }
    text
}

/// Fetches sources at the same time, and shows how far they are.
pub(crate) fn fetch_all(
    line: &mut Line,
    sources: &[Source],
    json: bool,
) -> Result<Vec<Ended>, Complaint> {
    let mut ended = Vec::new();
    let mut working = Vec::new();
    for source in sources {
        match line.call("Fetch/run", &json!({ "source": source })) {
            Ok(_) => working.push((source.name.clone(), Value::Null)),
            Err(complaint) => ended.push(Ended {
                name: source.name.clone(),
                messages: 0,
                trouble: Some(Trouble {
                    login: false,
                    complaint: complaint.next("caramel fetch status"),
                }),
                told: Value::Null,
            }),
        }
    }
    let mut progress = Progress::new(json);
    while !working.is_empty() {
        let mut still = Vec::new();
        for (name, before) in working {
            let told = line.call("Fetch/progress", &json!({ "name": name }))?;
            let job = told.get("job").cloned().unwrap_or_default();
            let more = |field| number(&job, field).saturating_sub(number(&before, field));
            progress.total += more("octetsTotal");
            progress.add(more("messages"), more("octets"));
            match told.get("working").and_then(Value::as_bool) {
                Some(true) => still.push((name, job)),
                _ => ended.push(Ended {
                    messages: number(&job, "filed"),
                    trouble: trouble(&job),
                    name,
                    told: job,
                }),
            }
        }
        working = still;
        if !working.is_empty() {
            thread::sleep(ASK_EVERY);
        }
    }
    progress.clear();
    Ok(ended)
}

/// What went wrong, as the person at the keyboard is told.
fn trouble(told: &Value) -> Option<Trouble> {
    let trouble = told.get("trouble").filter(|trouble| !trouble.is_null())?;
    Some(Trouble {
        login: trouble.get("login").and_then(Value::as_bool) == Some(true),
        complaint: Complaint::new(text(trouble, "what"))
            .because(text(trouble, "why"))
            .next(text(trouble, "next")),
    })
}

fn check(config: &Config, chosen: &Chosen) -> Result<(), Complaint> {
    let sources = chosen.sources(config)?;
    let mut line = Line::open(config)?;
    let mut failed = Vec::new();
    for source in &sources {
        let told = line.call("Fetch/check", &json!({ "source": source }))?;
        let trouble = trouble(&told);
        failed.extend(trouble.as_ref().map(|_| source.name.clone()));
        match (chosen.listing.json, trouble) {
            (true, _) => say(&json!({ "name": source.name, "told": told }).to_string())?,
            (false, Some(trouble)) => eprintln!("{}", trouble.complaint),
            (false, None) => {
                let found = told.get("found").cloned().unwrap_or_default();
                let (name, host, user) = (&source.name, &source.host, &source.user);
                say(&match user.is_empty() {
                    true => format!("{name}: reached {host}"),
                    false => format!("{name}: logged in at {host} as {user}"),
                })?;
                for folder in list(&found, "folders") {
                    let (messages, new) = (number(folder, "messages"), number(folder, "new"));
                    let name = text(folder, "name");
                    say(&format!("  {name}: {messages} messages, {new} of them new"))?;
                }
                if source.idle && found.get("idle").and_then(Value::as_bool) == Some(false) {
                    say("  it tells of nothing by itself (IDLE): it is asked at intervals")?;
                }
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Complaint::new(format!(
            "not to be fetched: {}",
            failed.join(", ")
        ))),
    }
}

fn status(config: &Config, chosen: &Chosen) -> Result<(), Complaint> {
    let sources = chosen.sources(config)?;
    let mut line = Line::open(config)?;
    let told = line.call("Fetch/status", &json!({ "sources": sources }))?;
    for source in list(&told, "list") {
        match chosen.listing.json {
            true => say(&source.to_string())?,
            false => say(&standing(source))?,
        }
    }
    Ok(())
}

/// How a source stands, for people.
fn standing(source: &Value) -> String {
    let name = text(source, "name");
    let some = |field: &str| source.get(field).filter(|value| !value.is_null());
    let mut lines = Vec::new();
    match some("kept") {
        None if matches!(text(source, "protocol"), "etrn" | "odmr") => {
            lines.push(format!("{name}: {}", asked_for(some("own"))));
        }
        None => lines.push(format!("{name}: never fetched")),
        Some(kept) => {
            let fetched = number(kept, "fetched");
            let last = match kept.get("last").and_then(Value::as_i64) {
                Some(seconds) => format!(", last at {}", moment(seconds)),
                None => String::new(),
            };
            lines.push(format!(
                "{name}: {fetched} messages fetched{last}{}",
                left(kept)
            ));
            if !text(kept, "trouble").is_empty() {
                lines.push(format!("  trouble: {}", text(kept, "trouble")));
            }
        }
    }
    for (field, who) in [("own", "the server"), ("asked", "somebody")] {
        let Some(job) = some(field) else { continue };
        let next = job.get("next").and_then(Value::as_i64);
        lines.push(match (text(job, "phase"), next) {
            ("working" | "waiting", _) => {
                let (done, all) = (number(job, "messages"), number(job, "messagesTotal"));
                format!("  {who} fetches it: {done} of {all} messages")
            }
            ("watching", _) => "  the server is told of new mail by it".to_owned(),
            (_, Some(next)) => format!("  {who} asks it again at {}", moment(next)),
            _ => continue,
        });
    }
    lines.join("\n")
}

/// How a source stands that sends by itself: as far as the server that runs remembers it.
fn asked_for(job: Option<&Value>) -> String {
    let Some(job) = job else {
        return "not asked by itself".to_owned();
    };
    let trouble = job.get("trouble").filter(|trouble| !trouble.is_null());
    let last = job.get("last").and_then(Value::as_i64);
    let said = list(job, "said").iter().filter_map(Value::as_str);
    let said: Vec<&str> = said.collect();
    match (trouble, last) {
        (Some(trouble), _) => format!("trouble: {}", text(trouble, "what")),
        (None, Some(last)) => format!("asked last at {}: {}", moment(last), said.join("; ")),
        (None, None) => "not asked yet".to_owned(),
    }
}

fn moment(seconds: i64) -> String {
    Timestamp::utc(seconds).to_rfc3339().to_string()
}
