//! `caramel backup restore`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use backup::{Digest, Manifest, Repository, Restored};
use clap::Args;
use store::{Embedded, EmbeddedSettings, Partition};
use tokio::runtime::Runtime;

use super::{Place, Which, account, complaint, extras, tell_flaws};
use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::{self, Config};
use crate::progress::Progress;
use crate::{desk, files};

/// The store while it is not whole.
pub(super) const DRAFT: &str = "store.part";

/// What is restored, and where to.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    pub(super) place: Place,
    /// The data folder that all of it becomes; it has no store yet.
    #[arg(
        long, value_name = "DIR", required_unless_present_any = ["account", "message"],
        conflicts_with_all = ["account", "message"],
    )]
    to: Option<PathBuf>,
    /// One account: into a mailbox `Restored` of it, or, where it never had a message, with its
    /// mailboxes and UIDs as they were. A server may run.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "message")]
    account: Option<String>,
    /// Into this account instead.
    #[arg(long, value_name = "ADDRESS", requires = "account")]
    pub(super) into: Option<String>,
    /// Only this mailbox; may be given several times.
    #[arg(long, value_name = "NAME", requires = "account")]
    pub(super) mailbox: Vec<String>,
    /// Only the message with this UID; may be given several times.
    #[arg(long, value_name = "UID", requires = "mailbox")]
    pub(super) uid: Vec<u32>,
    /// Where the store is made that is thrown away. Without it, `scratch` in the folder; with a
    /// key, or for a bucket, it has to be named.
    #[arg(long, value_name = "DIR", requires = "account")]
    pub(super) scratch: Option<PathBuf>,
    /// One message, to standard output, by its digest: `caramel audit` names those it lacks.
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    message: Option<Digest>,
    /// A file for it, which is not there yet.
    #[arg(long, value_name = "FILE", requires = "message")]
    output: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

fn digest(text: &str) -> Result<Digest, &'static str> {
    Digest::parse(text).ok_or("64 hexadecimal digits")
}

impl Restore {
    /// True if there is a house that it goes to.
    pub(super) const fn needs_configuration(&self) -> bool {
        self.account.is_some()
    }

    /// Restores an account into that house.
    pub(super) fn run_with(&self, config: &Config) -> Result<(), Complaint> {
        let repository = self.place.open()?;
        let manifest = self.which.find(&repository)?;
        let address = self.account.as_deref().unwrap_or_default();
        account::run(config, self, (&repository, &manifest), address)
    }
}

/// Restores a whole backup, or one message.
pub(super) fn run(restore: &Restore) -> Result<(), Complaint> {
    let repository = restore.place.open()?;
    if let Some(digest) = restore.message {
        return account::message(&repository, digest, restore.output.as_deref());
    }
    match &restore.to {
        Some(to) => whole(restore, &repository, to),
        None => Err(Complaint::usage("where to? --to DIR")),
    }
}

fn whole(restore: &Restore, repository: &Repository, to: &Path) -> Result<(), Complaint> {
    let manifest = restore.which.find(repository)?;
    let config = config_of(to)?;
    if config.store().exists() {
        let what = format!("{} has a store already", config.data().display());
        return Err(Complaint::usage(what).next("name another folder, or move that store away"));
    }
    files::make_folder(config.data())?;
    let mut found = store(repository, &manifest, &config, None)?;
    let mut begin = || extras::begin(&config);
    let paths = backup::files(repository, &manifest, &mut found, &mut begin);
    for path in paths.map_err(|error| complaint(&error))? {
        if Path::new(&path).is_absolute() {
            let place = extras::place((config.data(), &config.store()), &path);
            say(&format!("{path} is in {}", place.display()))?;
        }
    }
    let runtime = Runtime::new().context("starting")?;
    let (store, post) = runtime.block_on(desk::open(&config))?;
    tell_flaws(&found, &post)?;
    drop(post);
    store.close();
    say(&format!(
        "{}: {} rows and {} messages of {} octets are in {}.",
        manifest.name(),
        found.rows,
        found.bodies,
        found.octets,
        config.data().display()
    ))?;
    match found.flaw_count {
        0 => Ok(()),
        lost => Err(
            Complaint::new(format!("{lost} things could not be restored"))
                .because("everything else is there")
                .next("caramel audit --deep; caramel backup list: an older backup may have them"),
        ),
    }
}

/// The configuration that opens what was restored.
pub(super) fn config_of(data: &Path) -> Result<Config, Complaint> {
    let text = "hostname = \"localhost\"\ndata = \".\"\n";
    let mut config = config::parse("the restored one", text.to_owned())?;
    config.move_data(data)?;
    Ok(config)
}

/// Fills the store of a data folder that has none: it has its name once it is whole.
pub(super) fn store(
    repository: &Repository,
    manifest: &Manifest,
    config: &Config,
    only: Option<&[Partition]>,
) -> Result<Restored, Complaint> {
    let draft = config.data().join(DRAFT);
    if draft.exists() {
        // Of one that was broken off.
        fs::remove_dir_all(&draft).context("removing what was restored in part")?;
    }
    let store = Embedded::open(&draft, EmbeddedSettings::default());
    let store = store.context("making a store")?;
    let runtime = Runtime::new().context("starting")?;
    let mut progress = Progress::new(false);
    progress.total = manifest.sums().message_octets;
    let found = runtime.block_on(async {
        let mut passed = |messages, octets| progress.add(messages, octets);
        let found = backup::restore(repository, manifest, &store, only, &mut passed).await;
        match found {
            Ok(found) => store.checkpoint().await.map(|()| found).map_err(Into::into),
            Err(error) => Err(error),
        }
    });
    progress.clear();
    store.close();
    drop(store);
    let found = found.map_err(|error| complaint(&error))?;
    let moved = fs::rename(&draft, config.store());
    let synced = moved.and_then(|()| fs::File::open(config.data())?.sync_all());
    synced.context("giving the store its name")?;
    Ok(found)
}
