//! `caramel export`: mailboxes written as files.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mail::{Flag, FlagSet, Timestamp, Uid, UidValidity};
use message::mbox::Variant;
use serde_json::{Value, json};

use super::import::variant;
use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::line::Line;
use crate::progress::Progress;

mod eml;
mod maildir;
mod mbox;

/// What is exported, and where to.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The account whose mail it is.
    #[arg(long, value_name = "ADDRESS")]
    account: String,
    /// Only this mailbox; may be given several times.
    #[arg(long, value_name = "NAME")]
    mailbox: Vec<String>,
    /// What it becomes.
    #[arg(long, value_enum)]
    format: Form,
    /// Which kind of mbox.
    #[arg(long, value_name = "KIND", value_parser = variant, default_value = "mboxrd")]
    variant: Variant,
    /// Leaves flags, keywords and UIDs out of an mbox, where they are fields of the messages.
    #[arg(long)]
    no_fields: bool,
    /// Lines of JSON instead of words.
    #[arg(long)]
    json: bool,
    /// A folder that is made here; or, for one mailbox as an mbox, the file.
    target: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A file for each mailbox.
    Mbox,
    /// A Maildir++, with UIDs and keywords as Dovecot keeps them.
    Maildir,
    /// A folder for each mailbox, a file for each message.
    Eml,
}

/// A mailbox that is written.
#[derive(Clone, Debug)]
struct Mailbox {
    name: String,
    uidvalidity: Option<UidValidity>,
    uidnext: Option<Uid>,
    octets: u64,
}

/// A message that is written.
#[derive(Clone, Debug)]
struct Message {
    uid: Uid,
    flags: FlagSet,
    date: Timestamp,
    octets: u64,
    /// True if its octets are not there any more.
    damaged: bool,
}

/// What writes messages.
trait Writer {
    /// Begins a mailbox.
    fn mailbox(&mut self, mailbox: &Mailbox) -> anyhow::Result<()>;
    /// Begins a message.
    fn begin(&mut self, message: &Message) -> anyhow::Result<()>;
    /// Adds octets of it.
    fn octets(&mut self, octets: &[u8]) -> std::io::Result<()>;
    /// Ends it.
    fn end(&mut self, message: &Message) -> anyhow::Result<()>;
    /// Ends the mailbox: all of it is on the disk.
    fn close(&mut self) -> anyhow::Result<()>;
}

/// Does it.
pub(crate) fn run(config: &Config, export: &Export) -> Result<(), Complaint> {
    if export.target.exists() {
        let what = format!("{} is there already", export.target.display());
        return Err(Complaint::usage(what).next("name a folder that is not there yet"));
    }
    let mut line = Line::open(config)?;
    let account = json!({ "account": export.account });
    let told = line.call("Export/mailboxes", &account)?;
    let mailboxes = export.wanted(&told)?;
    let target = export.target.as_path();
    let mut writer: Box<dyn Writer> = match export.format {
        Form::Mbox => {
            let single = mailboxes.len() == 1 && !export.mailbox.is_empty();
            Box::new(mbox::Files::new(
                target,
                single,
                export.variant,
                !export.no_fields,
            ))
        }
        Form::Maildir => Box::new(maildir::Folders::new(target, &names(&told))),
        Form::Eml => Box::new(eml::Folders::new(target)),
    };
    let mut progress = Progress::new(export.json);
    progress.total = mailboxes.iter().map(|mailbox| mailbox.octets).sum();
    let mut damaged = Vec::new();
    for mailbox in &mailboxes {
        writer.mailbox(mailbox)?;
        let lost = one(&mut line, export, mailbox, (writer.as_mut(), &mut progress))?;
        writer.close()?;
        damaged.extend(lost.into_iter().map(|uid| (mailbox.name.as_str(), uid)));
    }
    progress.clear();
    let (messages, octets) = (progress.messages, progress.octets);
    let lost = damaged
        .iter()
        .map(|(mailbox, uid)| json!([mailbox, uid.value()]));
    let told = json!({
        "event": "done",
        "messages": messages,
        "octets": octets,
        "damaged": lost.collect::<Vec<_>>(),
    });
    match export.json {
        true => say(&told.to_string()),
        false => say(&format!("{}.", progress.sum())),
    }?;
    let Some((mailbox, uid)) = damaged.first() else {
        return Ok(());
    };
    let count = damaged.len();
    let what = format!("left out, as it is damaged where it is stored: {mailbox}, UID {uid}");
    let what = match count {
        1 => what,
        _ => format!("{count} messages are {what}, and others"),
    };
    Err(Complaint::new(what)
        .next("caramel audit --deep: all that are damaged; restore them from a backup"))
}

/// Writes a mailbox; tells which of its messages are damaged, and are left out.
fn one(
    line: &mut Line,
    export: &Export,
    mailbox: &Mailbox,
    (writer, progress): (&mut dyn Writer, &mut Progress),
) -> Result<Vec<Uid>, Complaint> {
    let mut damaged = Vec::new();
    let mut after = None;
    loop {
        let arguments = json!({
            "account": export.account,
            "mailbox": mailbox.name,
            "after": after.map(Uid::value),
        });
        let page = line.call("Export/messages", &arguments)?;
        let rows = page.get("list").and_then(Value::as_array);
        for row in rows.into_iter().flatten() {
            let Some(message) = message(row) else {
                return Err(Complaint::new("the server's answer cannot be read"));
            };
            after = Some(message.uid);
            if message.damaged {
                damaged.push(message.uid);
                continue;
            }
            writer.begin(&message)?;
            line.octets(message.octets, |piece| writer.octets(piece))?;
            writer.end(&message)?;
            progress.message(message.octets);
        }
        if page.get("more").is_none_or(Value::is_null) {
            return Ok(damaged);
        }
    }
}

impl Export {
    fn wanted(&self, told: &Value) -> Result<Vec<Mailbox>, Complaint> {
        let list = told.get("list").and_then(Value::as_array);
        let all = list.into_iter().flatten().filter_map(mailbox);
        if self.mailbox.is_empty() {
            return Ok(all.collect());
        }
        let all: Vec<Mailbox> = all.collect();
        let named = self.mailbox.iter().map(|name| {
            let found = all.iter().find(|mailbox| mailbox.name == *name);
            found.cloned().ok_or_else(|| {
                let names: Vec<&str> = all.iter().map(|mailbox| mailbox.name.as_str()).collect();
                let what = format!("there is no mailbox {name}");
                Complaint::new(what).next(format!("there are {}", names.join(", ")))
            })
        });
        named.collect()
    }
}

fn small(value: &Value, name: &str) -> Option<u32> {
    u32::try_from(value.get(name)?.as_u64()?).ok()
}

fn mailbox(told: &Value) -> Option<Mailbox> {
    told.get("selectable")?.as_bool()?.then_some(())?;
    Some(Mailbox {
        name: told.get("name")?.as_str()?.to_owned(),
        uidvalidity: small(told, "uidValidity").and_then(UidValidity::new),
        uidnext: small(told, "uidNext").and_then(Uid::new),
        octets: told.get("octets")?.as_u64()?,
    })
}

fn message(row: &Value) -> Option<Message> {
    let flags = row.get("flags")?.as_array()?.iter();
    let flags = flags.filter_map(Value::as_str).filter_map(Flag::parse);
    Some(Message {
        uid: small(row, "uid").and_then(Uid::new)?,
        flags: flags.collect(),
        date: Timestamp::utc(row.get("date")?.as_i64()?),
        octets: row.get("octets")?.as_u64()?,
        damaged: row.get("damaged")?.as_bool()?,
    })
}

/// The names subscribed to.
fn names(told: &Value) -> Vec<String> {
    let names = told.get("subscriptions").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

/// A mailbox's place below a folder: a level cannot lead elsewhere, or hide.
fn place(folder: &Path, name: &str) -> PathBuf {
    let levels = name.split('/').map(|level| match level.starts_with('.') {
        true => format!("_{level}"),
        false => level.to_owned(),
    });
    levels.fold(folder.to_owned(), |path, level| path.join(level))
}
