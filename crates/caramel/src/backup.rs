//! Backups: `caramel backup`.
//!
//! What is kept is read over the control socket, beside the server that runs, or from the store
//! opened here; what is read is packed, hashed and written here, in a process that lets all others
//! go first.
//!
//! Not here: what a repository looks like (`backup`), what a snapshot is (`store`).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup::{Flaw, Folder, Manifest, Repository, Restored};
use clap::Subcommand;
use mail::Timestamp;
use post::Post;
use store::disk::RealDisk;

use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::compose::moment;
use crate::config::Config;
use crate::files;

mod account;
mod create;
mod extras;
mod feed;
mod key;
mod list;
mod prune;
mod restore;
mod show;
mod verify;

/// What is done with backups.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Makes a backup: all mail, accounts, keys and the configuration, as they are at one moment.
    ///
    /// It works beside a server that runs, and where none does. What the folder has already is not
    /// written again, so the second backup writes what has changed, and one that was broken off,
    /// given again, goes on where it was. Whoever can read the folder can read all mail.
    Create(create::Create),
    /// Lists the backups in a folder.
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        listing: Listing,
    },
    /// Makes a key for backups that nobody without it can read.
    Key {
        /// The file, which is not there yet.
        file: PathBuf,
    },
    /// Shows what one backup holds: accounts, mailboxes with messages and octets, and files.
    ///
    /// No message is read. It ends with 1 where rows are lost or damaged; they do not count.
    Show(show::Show),
    /// Restores a backup into a store that is thrown away, and compares all of it: accounts,
    /// mailboxes, UIDs, flags, and the hash of every message.
    ///
    /// It ends with 1 where something is lost, damaged or different. No configuration is needed.
    Verify(verify::Verify),
    /// Restores all of a backup into a data folder that has no store, or an account, or a message.
    ///
    /// What is damaged or lost is named, and the rest is restored; it ends with 1 then. Only for an
    /// account a configuration is needed: that of the server it goes to.
    Restore(Box<restore::Restore>),
    /// Removes old backups, and what only they had.
    Prune(prune::Prune),
}

impl BackupCommand {
    /// Does what needs no configuration; `None` if it does need one.
    pub(crate) fn run_without_configuration(&self) -> Option<Result<(), Complaint>> {
        match self {
            Self::Create(_) => None,
            Self::List { place, listing } => Some(list::run(place, listing)),
            Self::Key { file } => Some(key::make(file)),
            Self::Show(show) => Some(show::run(show)),
            Self::Verify(verify) => Some(verify::run(verify)),
            Self::Restore(restore) if restore.needs_configuration() => None,
            Self::Restore(restore) => Some(restore::run(restore)),
            Self::Prune(prune) => Some(prune::run(prune)),
        }
    }

    /// Does what needs one.
    pub(crate) fn run(&self, config: &Config) -> Result<(), Complaint> {
        match self {
            Self::Create(create) => create::run(config, create),
            Self::Restore(restore) => restore.run_with(config),
            Self::List { .. }
            | Self::Key { .. }
            | Self::Show(_)
            | Self::Verify(_)
            | Self::Prune(_) => Ok(()),
        }
    }
}

/// Which backup.
#[derive(Debug, clap::Args)]
struct Which {
    /// The backup, or how its name begins; without it the last one.
    #[arg(long, value_name = "NAME", conflicts_with = "as_of")]
    backup: Option<String>,
    /// The last one that was made by this moment: 2026-11-23T20:15:00+01:00.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    as_of: Option<Timestamp>,
}

impl Which {
    fn find(&self, repository: &Repository) -> Result<Manifest, Complaint> {
        let found = match self.as_of {
            Some(moment) => repository.as_of(moment.seconds),
            None => repository.manifest(self.backup.as_deref()),
        };
        found.map_err(|error| complaint(&error))
    }
}

/// Where backups are.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The folder with the backups.
    folder: PathBuf,
    /// The file with their key, where they are encrypted.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Place {
    /// The repository, if there is one.
    fn open(&self) -> Result<Repository, Complaint> {
        if !self.folder.join("manifests").is_dir() {
            let what = format!("there is no backup in {}", self.folder.display());
            return Err(Complaint::new(what).next("caramel backup create FOLDER"));
        }
        self.repository()
    }

    /// The repository; there need be none yet.
    fn repository(&self) -> Result<Repository, Complaint> {
        let medium = Box::new(Folder::new(Arc::new(RealDisk), &self.folder));
        let repository = match &self.key {
            None => Repository::new(medium),
            Some(file) => Repository::sealed(medium, key::read(file)?),
        };
        let checked = repository.check_key();
        checked.map_err(|error| complaint(&error))?;
        Ok(repository)
    }

    /// A folder for a store that is thrown away. Beside backups that are encrypted it is not made
    /// unasked: what is in it is not.
    fn scratch(&self, named: Option<PathBuf>) -> Result<Scratch, Complaint> {
        if self.key.is_some() && named.is_none() {
            return Err(
                Complaint::usage("where may mail lie that is not encrypted?")
                    .next("--scratch DIR: it is removed afterwards"),
            );
        }
        Scratch::make(named, &self.folder)
    }
}

fn complaint(error: &backup::Error) -> Complaint {
    let complaint = Complaint::new(error.to_string());
    match error {
        backup::Error::Sealed => complaint.next("--key FILE"),
        backup::Error::Unsealed => complaint.next("another folder, or no --key"),
        backup::Error::NoBackup(_) => complaint.next("caramel backup list FOLDER"),
        backup::Error::Damaged { .. } => complaint.next("caramel backup list FOLDER: an older one"),
        _ => complaint,
    }
}

/// Says what is lost, damaged or different, and whose it is.
fn tell_flaws(found: &Restored, post: &Post) -> Result<(), Complaint> {
    let accounts = post.accounts();
    for Flaw { partition, what } in &found.flaws {
        let account = accounts
            .iter()
            .find(|one| Some(one.id.0) == partition.map(|of| of.0));
        match (account, partition) {
            (Some(account), _) => say(&format!("{}: {what}", account.address))?,
            (None, Some(partition)) if partition.0 == 0 => say(&format!("the directory: {what}"))?,
            (None, Some(partition)) => say(&format!("account {}: {what}", partition.0))?,
            (None, None) => say(what)?,
        }
    }
    let told = u64::try_from(found.flaws.len()).unwrap_or(u64::MAX);
    match found.flaw_count.saturating_sub(told) {
        0 => Ok(()),
        more => say(&format!("{more} more")),
    }
}

/// A folder that goes when this does.
struct Scratch(PathBuf);

impl Scratch {
    /// Makes one that was not there.
    fn make(named: Option<PathBuf>, folder: &Path) -> Result<Self, Complaint> {
        let path = named.unwrap_or_else(|| folder.join("scratch"));
        if path.exists() {
            let what = format!("{} is there already", path.display());
            let next = "remove it, or name another with --scratch";
            return Err(Complaint::usage(what).next(next));
        }
        files::make_folder(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "the scratch store stays");
        }
    }
}
