//! `caramel backup create`.

use backup::Created;
use clap::Args;
use mail::Timestamp;
use serde_json::{Value, json};
use store::embedded::Holdings;

use super::feed::Feed;
use super::{Place, complaint, extras};
use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::{self, Config};
use crate::line::Line;
use crate::progress::Progress;

/// What is backed up, and where to.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    place: Place,
    /// Octets that are read in a second at most: 20M. Without it, as many as there are.
    #[arg(long, value_name = "OCTETS", value_parser = config::octets)]
    rate: Option<u64>,
    /// Lines of JSON instead of words.
    #[arg(long)]
    json: bool,
}

/// Makes a backup.
pub(super) fn run(config: &Config, create: &Create) -> Result<(), Complaint> {
    net::let_others_go_first();
    let repository = create.place.repository()?;
    let mut line = Line::open(config)?;
    let begun = line.call("Backup/begin", &json!({}))?;
    let seconds = begun.get("seconds").and_then(Value::as_i64);
    let sequence = begun.get("sequence").and_then(Value::as_u64);
    let (Some(seconds), Some(sequence)) = (seconds, sequence) else {
        return Err(Complaint::new("the server's answer cannot be read"));
    };
    let found = extras::find(config, create.place.folder())?;
    for other in &found.left_out {
        if !create.json {
            say(&format!("{} has backups, and is left out", other.display()))?;
        }
    }
    let mut extras = found.files(config.data());
    let mut progress = Progress::new(create.json);
    let held = Holdings::of(&config.store()).unwrap_or_default();
    progress.total = held.log.octets + held.bodies.octets;
    let mut feed = Feed::new(line, progress, create.rate);
    let host = config.hostname().to_string();
    let about = (Timestamp::utc(seconds), host.as_str(), sequence);
    let made = backup::create(&repository, &mut feed, &mut extras, about);
    feed.progress().clear();
    let made = made.map_err(|error| match feed.broken() {
        // What it says is what happened; the other is what came of it.
        Some(complaint) => complaint,
        None => complaint(&error),
    })?;
    tell(create, &made, feed.progress())
}

fn tell(create: &Create, made: &Created, progress: &Progress) -> Result<(), Complaint> {
    let sums = made.manifest.sums();
    let name = made.manifest.name();
    if create.json {
        let lost: Vec<String> = made.lost.iter().map(ToString::to_string).collect();
        say(&json!({
            "event": "done",
            "backup": name,
            "accounts": sums.accounts,
            "messages": sums.messages,
            "octets": sums.message_octets,
            "written": made.written,
            "bodiesWritten": made.bodies,
            "chunksWritten": made.chunks,
            "lost": lost,
            "flaws": made.flaws,
            "unread": made.unread,
        })
        .to_string())?;
    } else {
        say(&format!(
            "{name}: {} accounts, {}. {} octets written: {} messages' bodies, {} pieces of rows.",
            sums.accounts,
            progress.sum(),
            made.written,
            made.bodies,
            made.chunks,
        ))?;
        for flaw in &made.flaws {
            say(&format!(
                "{flaw}; what was in it and is still kept was written again"
            ))?;
        }
        for lost in &made.lost {
            say(&format!("the message {lost} cannot be read in the store"))?;
        }
        for unread in &made.unread {
            say(&format!("the file {unread}"))?;
        }
    }
    let complain = |what: String| Complaint::new(what).because("the backup has everything else");
    match (sums.lost, sums.unread) {
        (0, 0) => Ok(()),
        (0, files) => Err(complain(format!("{files} files could not be read"))),
        (lost, 0) => {
            Err(complain(format!("{lost} messages could not be read")).next("caramel audit --deep"))
        }
        (lost, files) => Err(complain(format!(
            "{lost} messages and {files} files could not be read"
        ))
        .next("caramel audit --deep")),
    }
}
