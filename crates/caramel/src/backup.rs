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

use backup::{Flaw, Folder, Manifest, Medium, Repository, Restored};
use clap::Subcommand;
use mail::Timestamp;
use net::Clear;
use post::Post;
use store::disk::RealDisk;

use self::bucket::settings::{Address, SCHEME, Settings};
use crate::cli::{Listing, say};
use crate::complaint::Complaint;
use crate::compose::moment;
use crate::config::Config;
use crate::files;

mod account;
mod bucket;
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
    /// It works beside a server that runs, and where none does. What the place has already is not
    /// written again, so the second backup writes what has changed, and one that was broken off,
    /// given again, goes on where it was. Whoever can read the place can read all mail, if it is
    /// not encrypted.
    Create(create::Create),
    /// Lists the backups in a place.
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
    /// The folder with the backups, or a part of a bucket: `s3://BUCKET/PREFIX`.
    place: PathBuf,
    /// The file with their key, where they are encrypted.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A file of the form of `~/.aws/credentials`, of which `[default]` says where the object store
    /// is and what opens it. What it does not say, the variables `AWS_…` do.
    #[arg(long, value_name = "FILE")]
    s3_config: Option<PathBuf>,
    /// Speaks in the clear with an object store of `http://` that is not on this machine.
    #[arg(long)]
    s3_plain_http: bool,
}

impl Place {
    /// The repository, if there is one.
    fn open(&self) -> Result<Repository, Complaint> {
        let none = || {
            let what = format!("there is no backup in {}", self.place.display());
            Complaint::new(what).next("caramel backup create PLACE")
        };
        if let Some(folder) = self.folder()
            && !folder.join("manifests").is_dir()
        {
            return Err(none());
        }
        let repository = self.repository()?;
        if self.folder().is_none() {
            let backups = repository.backups().map_err(|error| complaint(&error))?;
            if backups.is_empty() {
                return Err(none());
            }
        }
        Ok(repository)
    }

    /// The repository; there need be none yet.
    fn repository(&self) -> Result<Repository, Complaint> {
        let medium = self.medium()?;
        let repository = match &self.key {
            None => Repository::new(medium),
            Some(file) => Repository::sealed(medium, key::read(file)?),
        };
        let checked = repository.check_key();
        checked.map_err(|error| complaint(&error))?;
        Ok(repository)
    }

    fn medium(&self) -> Result<Box<dyn Medium>, Complaint> {
        if let Some(folder) = self.folder() {
            if self.s3_config.is_some() || self.s3_plain_http {
                let what = format!("{} is a folder", self.place.display());
                return Err(Complaint::usage(what).next("s3://BUCKET/PREFIX, or no --s3-…"));
            }
            return Ok(Box::new(Folder::new(Arc::new(RealDisk), folder)));
        }
        let address = Address::parse(self.place.to_str().unwrap_or_default())?;
        let settings = Settings::read(self.s3_config.as_deref())?;
        let clear = match self.s3_plain_http {
            true => Clear::Anywhere,
            false => Clear::Here,
        };
        Ok(Box::new(settings.open(&address, clear)?))
    }

    /// The folder, if it is one.
    fn folder(&self) -> Option<&Path> {
        let is_bucket = self.place.as_os_str().as_encoded_bytes();
        let is_bucket = is_bucket.starts_with(SCHEME.as_bytes());
        (!is_bucket).then_some(&self.place)
    }

    /// A folder for a store that is thrown away. Beside backups that are encrypted it is not made
    /// unasked: what is in it is not. In a bucket there is no room for it.
    fn scratch(&self, named: Option<PathBuf>) -> Result<Scratch, Complaint> {
        let beside = self.folder().filter(|_| self.key.is_none());
        let path = named.or_else(|| Some(beside?.join("scratch")));
        let path = path.ok_or_else(|| {
            let what = match self.key {
                Some(_) => "where may mail lie that is not encrypted?",
                None => "where may mail lie for a while?",
            };
            Complaint::usage(what).next("--scratch DIR: it is removed afterwards")
        })?;
        Scratch::make(path)
    }
}

fn complaint(error: &backup::Error) -> Complaint {
    let complaint = Complaint::new(error.to_string());
    match error {
        backup::Error::Sealed => complaint.next("--key FILE"),
        backup::Error::Unsealed => complaint.next("another place, or no --key"),
        backup::Error::NoBackup(_) => complaint.next("caramel backup list PLACE"),
        backup::Error::Damaged { .. } => complaint.next("caramel backup list PLACE: an older one"),
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
    fn make(path: PathBuf) -> Result<Self, Complaint> {
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
