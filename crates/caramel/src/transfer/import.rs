//! `caramel import`: what was asked for, and how it went.

use std::fs;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use message::mbox::{Storing, Variant};
use net::Clock;
use serde_json::json;

use super::sink::{Opened, Sink};
use super::source::imap::{self, Login};
use super::source::{self, Format};
use super::target::Target;
use super::{key, manifest, verify};
use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::Config;
use crate::files;
use crate::line::Line;
use crate::progress::Progress;

/// What is imported, and where to.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Import {
    #[command(subcommand)]
    command: Option<Command>,
    /// The account that gets the mail.
    #[arg(long, value_name = "ADDRESS", required = true)]
    account: Option<String>,
    /// What the source is.
    #[arg(long, value_enum, default_value = "auto")]
    format: Format,
    /// Which kind of mbox; recognised by itself where it is not said.
    #[arg(long, value_name = "KIND", value_parser = variant)]
    variant: Option<Variant>,
    /// The mailbox that the source becomes; mailboxes inside it come below.
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// What a mailbox, and those below it, are called here; may be given several times.
    #[arg(long, value_name = "OLD=NEW", value_parser = renamed)]
    map: Vec<(String, String)>,
    /// Keeps UIDs and UIDVALIDITY where the source has them; the mailboxes here must be new.
    #[arg(long)]
    keep_uids: bool,
    /// Leaves Status, X-Status, X-Keywords and X-UID in messages out of an mbox, and their flags
    /// unread.
    #[arg(long)]
    keep_fields: bool,
    /// Reads the source, and puts nothing anywhere.
    #[arg(long)]
    dry_run: bool,
    /// Imports once more what was imported before.
    #[arg(long)]
    again: bool,
    /// Where the manifest is written; in the data folder, where it is not said.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// For another server: its password is the first line of this file.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// For another server: its password is the first line of standard input.
    #[arg(long, conflicts_with = "password_file")]
    password_stdin: bool,
    /// For another server: authorities to trust instead of the system's, in PEM.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// For another server: no encryption; the password can be read on the way.
    #[arg(long)]
    insecure: bool,
    /// Lines of JSON instead of words.
    #[arg(long)]
    json: bool,
    /// Files, folders, or servers: imaps://user@host, imap://user@host (with STARTTLS).
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compares the mail that is here with a manifest, octet for octet.
    Verify {
        /// The manifest.
        manifest: PathBuf,
        /// The key it must be signed with, if it is not this installation's.
        #[arg(long, value_name = "HEX")]
        key: Option<String>,
    },
}

pub(super) fn variant(text: &str) -> Result<Variant, String> {
    Variant::parse(text).ok_or_else(|| {
        let names = Variant::ALL.map(Variant::name);
        format!("it is one of {}", names.join(", "))
    })
}

fn renamed(text: &str) -> Result<(String, String), String> {
    let (old, new) = text.split_once('=').ok_or("it is OLD=NEW")?;
    Ok((old.to_owned(), new.to_owned()))
}

/// Does it.
pub(crate) fn run(config: &Config, import: &Import) -> Result<(), Complaint> {
    if let Some(Command::Verify { manifest, key }) = &import.command {
        return verify::run(config, manifest, key.as_deref());
    }
    let account = import.account.clone().unwrap_or_default();
    let target = Target {
        account: account.clone(),
        mailbox: import.mailbox.clone(),
        map: import.map.clone(),
        keep_uids: import.keep_uids,
        variant: import.variant,
        storing: match import.keep_fields {
            true => Storing::Left,
            false => Storing::Taken,
        },
    };
    let line = match import.dry_run {
        true => None,
        false => Some(Line::open(config)?),
    };
    let mut sink = Sink::new(line, &account, Progress::new(import.json));
    sink.again = import.again;
    let paths = import
        .sources
        .iter()
        .filter(|source| !source.contains("://"));
    sink.progress.total = paths.map(|path| source::octets(Path::new(path))).sum();
    let password = import.password()?;
    let mut read = Ok(());
    for source in &import.sources {
        read = import.one(source, &password, &target, &mut sink);
        if read.is_err() {
            break;
        }
    }
    sink.progress.clear();
    read?;
    import.finish(config, &account, sink)
}

impl Import {
    fn one(
        &self,
        source: &str,
        password: &str,
        target: &Target,
        sink: &mut Sink,
    ) -> Result<(), Complaint> {
        if !source.contains("://") {
            if self.format == Format::Imap {
                let what = format!("{source} is not the address of a server");
                return Err(Complaint::usage(what).next("imaps://user@host"));
            }
            return source::import(Path::new(source), self.format, target, sink);
        }
        let Some(mut login) = Login::parse(source) else {
            let what = format!("{source} is not the address of an account");
            return Err(Complaint::usage(what).next("imaps://user@host, imap://user@host:port"));
        };
        password.clone_into(&mut login.password);
        login.clear = self.insecure;
        login.authorities.clone_from(&self.ca);
        imap::import(&login, target, sink)
    }

    fn password(&self) -> Result<String, Complaint> {
        let mut line = String::new();
        if let Some(path) = &self.password_file {
            line =
                fs::read_to_string(path).map_err(|error| crate::input::unreadable(path, &error))?;
        } else if self.password_stdin {
            let read = io::stdin().lock().read_line(&mut line);
            read.context("reading the password")?;
        } else if self.sources.iter().any(|source| source.contains("://")) {
            let what = "another server wants a password";
            return Err(Complaint::usage(what).next("--password-file FILE, or --password-stdin"));
        }
        Ok(line.lines().next().unwrap_or_default().to_owned())
    }

    /// Writes the manifest and says how it went.
    fn finish(&self, config: &Config, account: &str, mut sink: Sink) -> Result<(), Complaint> {
        let opened = std::mem::take(&mut sink.opened);
        let (left_out, fewer) = (sink.left_out, sink.fewer_keywords);
        let (messages, octets) = (sink.progress.messages, sink.progress.octets);
        let sum = sink.progress.sum();
        let manifest = match sink.line() {
            Some(line) => self.manifest(config, account, (line, &opened))?,
            None => None,
        };
        let told = json!({
            "event": "done",
            "messages": messages,
            "octets": octets,
            "leftOut": left_out,
            "fewerKeywords": fewer,
            "manifest": manifest,
        });
        let mut words = match self.dry_run {
            true => format!("{sum}; it was a trial, nothing was put anywhere."),
            false => format!("{sum}."),
        };
        if left_out > 0 {
            words.push_str(&format!("\n{left_out} were left out, being too large."));
        }
        if fewer > 0 {
            words.push_str(&format!(
                "\n{fewer} lost a keyword: mailboxes have 64 at most."
            ));
        }
        if let Some(path) = manifest {
            words.push_str(&format!("\nThe manifest: {}", path.display()));
        }
        match self.json {
            true => say(&told.to_string()),
            false => say(&words),
        }
    }

    /// Writes the manifest; none where nothing was imported and none was asked for.
    fn manifest(
        &self,
        config: &Config,
        account: &str,
        (line, opened): (&mut Line, &[Opened]),
    ) -> Result<Option<PathBuf>, Complaint> {
        let path = self.manifest_path(config)?;
        let key = key::open(config)?;
        let messages = manifest::write(&path, line, account, opened, &key)?;
        if messages == 0 && self.manifest.is_none() {
            fs::remove_file(&path).context("removing an empty manifest")?;
            return Ok(None);
        }
        Ok(Some(path))
    }

    fn manifest_path(&self, config: &Config) -> Result<PathBuf, Complaint> {
        if let Some(path) = &self.manifest {
            return Ok(path.clone());
        }
        let folder = config.data().join("manifests");
        files::make_folder(&folder)?;
        let seconds = Clock::today().seconds;
        let mut number = 0_u32;
        loop {
            let path = folder.join(format!("import-{seconds}-{number}.jsonl"));
            if !path.exists() {
                return Ok(path);
            }
            number += 1;
        }
    }
}
