//! What a release finds of another one: which form each part of the store has, and what this one
//! does about it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use store::embedded::{Form, Ground, Holdings, Seen};
use store::{Embedded, Partition, Table};

use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::{audit, desk, inspect, serve};

/// The exit code where something would be rewritten.
const REWRITES: u8 = 3;
/// A view takes at most so many times the octets of its rows, while it is made.
const VIEW_FACTOR: u64 = 3;

/// How it is asked.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// Tells what would be done, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What was found.
struct Report {
    /// Files, and tables that have rows.
    forms: Vec<Form>,
    /// What the first start rewrites, in words.
    rewrites: Vec<String>,
    /// True if whichever release reads it now does so after a start as well.
    older_reads: bool,
    room_needed: u64,
    room: u64,
}

/// Looks at the store's forms, and unless that is all, brings them to this release's.
pub(crate) fn run(config: &Config, asked: &Upgrade) -> Result<(), Complaint> {
    inspect::require_store(config)?;
    if !asked.dry_run && desk::connect(config)?.is_some() {
        let complaint = Complaint::new("a server runs on this store: it is of that release's form");
        return Err(complaint.next("stop it first; or caramel upgrade --dry-run"));
    }
    let report = survey(config)?;
    if asked.json {
        say(&report.json().to_string())?;
    } else {
        report.show()?;
    }
    report.refuse()?;
    if asked.dry_run {
        if report.rewrites.is_empty() {
            return Ok(());
        }
        let mut complaint = Complaint::new("the first start rewrites something")
            .because(report.rewrites.join("; "))
            .next("caramel upgrade, or start the server: both do it");
        complaint.code = REWRITES;
        return Err(complaint);
    }
    // Opening does it; then all rows are read, and held against each other.
    let (summary, flaws) = audit::flaws(config, false)?;
    if !asked.json {
        say(&format!("Read: {summary}"))?;
    }
    if flaws.is_empty() {
        return Ok(());
    }
    Err(
        Complaint::new("the store can be read, but something differs")
            .because(flaws.join("; "))
            .next("caramel audit"),
    )
}

fn survey(config: &Config) -> Result<Report, Complaint> {
    let dir = config.store();
    let mut tables: BTreeMap<(Partition, u8), Form> = BTreeMap::new();
    let mut index = Form {
        is_derived: true,
        ..form("search index", (1, post::INDEX_FORM.0))
    };
    let mut pieces_made_anew = 0_u64;
    let mut each = |seen: Seen<'_>| match seen {
        Seen::Row(partition, table, value) => {
            // All accounts together, behind the directory and before the queue.
            let of = match post::TableOwner::of(partition) {
                post::TableOwner::Account => Partition(1),
                post::TableOwner::Directory | post::TableOwner::Queue => partition,
            };
            let key = (of, table.0);
            let form = tables
                .entry(key)
                .or_insert_with(|| row_form(partition, table));
            let version = value.first().copied().unwrap_or_default();
            *form.found.entry(version.into()).or_default() += 1;
        }
        Seen::Piece(head) => match post::index_form(head) {
            Some(found) if found == post::INDEX_FORM => {
                *index.found.entry(found.0).or_default() += 1;
            }
            Some(_) | None => pieces_made_anew += 1,
        },
    };
    let found = Embedded::forms(&dir, &mut each);
    let found = found.map_err(|error| inspect::not_open(config, &error))?;
    let is_marked = found
        .forms
        .iter()
        .all(|form| form.name != "folder" || form.found.contains_key(&form.newest));
    let mut rewrites = Vec::new();
    let mut room_needed = serve::store_settings(config).reserve_octets;
    if !is_marked {
        rewrites.push("the store gets another number (some octets)".to_owned());
    }
    if found.view_is_made_anew {
        let octets = found.row_octets.saturating_mul(VIEW_FACTOR);
        room_needed = room_needed.saturating_add(octets);
        rewrites.push("the view is made anew from the log, before the start ends".to_owned());
    }
    if pieces_made_anew > 0 {
        let held = Holdings::of(&dir).context("counting the store's files")?;
        room_needed = room_needed.saturating_add(held.derived.octets);
        rewrites.push(format!(
            "{pieces_made_anew} pieces of the search index are made anew, beside the work"
        ));
    }
    let room = Ground::real().disk.room(&dir);
    let mut forms = found.forms;
    forms.push(index);
    forms.extend(tables.into_values());
    Ok(Report {
        forms,
        rewrites,
        older_reads: is_marked,
        room_needed,
        room: room.context("asking for the room on the disk")?,
    })
}

const fn form(name: &'static str, (oldest, newest): (u32, u32)) -> Form {
    Form {
        name,
        oldest,
        newest,
        is_derived: false,
        found: BTreeMap::new(),
    }
}

/// The form of a table; whatever is in one that is not known is from a later release.
fn row_form(partition: Partition, table: Table) -> Form {
    let known = post::row_form(partition, table);
    let of = |version: Option<&u8>| version.map_or(0, |version| u32::from(*version));
    known.map_or_else(
        || form("an unknown table", (0, 0)),
        |known| {
            form(
                known.name,
                (of(known.versions.first()), of(known.versions.last())),
            )
        },
    )
}

impl Report {
    /// Forms of a later release that cannot be made again.
    fn newer(&self) -> impl Iterator<Item = (&'static str, u32, u32)> {
        let truth = self.forms.iter().filter(|form| !form.is_derived);
        truth.filter_map(|form| Some((form.name, form.newer()?, form.newest)))
    }

    fn refuse(&self) -> Result<(), Complaint> {
        let newer = self.newer().map(|(name, version, known)| {
            format!("{name}: version {version}, and this release reads up to {known}")
        });
        let newer: Vec<String> = newer.collect();
        if !newer.is_empty() {
            return Err(Complaint::new("a later release wrote this store")
                .because(newer.join("; "))
                .next(inspect::NEWER));
        }
        if self.room >= self.room_needed {
            return Ok(());
        }
        let (needed, room) = (self.room_needed, self.room);
        Err(Complaint::new("there is too little room on the disk")
            .because(format!("{needed} octets are needed, {room} are there")))
    }

    fn show(&self) -> Result<(), Complaint> {
        for form in &self.forms {
            let found = form.found.iter();
            let found = found.map(|(version, count)| format!("version {version}: {count}"));
            let found: Vec<String> = found.collect();
            let found = match found.is_empty() {
                true => "none".to_owned(),
                false => found.join(", "),
            };
            let (name, oldest, newest) = (form.name, form.oldest, form.newest);
            let read = match oldest == newest {
                true => newest.to_string(),
                false => format!("{oldest} to {newest}"),
            };
            say(&format!("{name:<22} {found:<34} read: {read}"))?;
        }
        say(match self.older_reads {
            true => "Every release that reads it now reads it after a start as well.",
            false => {
                "Releases of a lower number refuse it after a start, and those from before stores \
                 had a number cannot be relied on to read it: make a backup first."
            }
        })?;
        let (needed, room) = (self.room_needed, self.room);
        say(&format!("Room needed: {needed} octets; there are {room}."))?;
        if self.rewrites.is_empty() && self.newer().next().is_none() {
            return say("Nothing is rewritten.");
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let form = |form: &Form| {
            let found = form.found.iter();
            let found: serde_json::Map<_, _> = found
                .map(|(version, count)| (version.to_string(), json!(count)))
                .collect();
            json!({
                "name": form.name,
                "oldest": form.oldest,
                "newest": form.newest,
                "isDerived": form.is_derived,
                "found": found,
            })
        };
        let newer = self.newer().map(
            |(name, version, known)| json!({ "name": name, "version": version, "known": known }),
        );
        json!({
            "forms": self.forms.iter().map(form).collect::<Vec<_>>(),
            "newer": newer.collect::<Vec<_>>(),
            "rewrites": self.rewrites,
            "olderReads": self.older_reads,
            "roomNeeded": self.room_needed,
            "room": self.room,
        })
    }
}
