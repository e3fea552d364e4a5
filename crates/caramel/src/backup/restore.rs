//! `caramel backup restore`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use backup::{Manifest, Repository, Restored};
use clap::Args;
use store::{Embedded, EmbeddedSettings};
use tokio::runtime::Runtime;

use super::{Which, complaint, extras, open, tell_flaws};
use crate::cli::say;
use crate::complaint::Complaint;
use crate::config::{self, Config};
use crate::progress::Progress;
use crate::{desk, files};

/// The store while it is not whole.
const DRAFT: &str = "store.part";

/// What is restored, and where to.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The folder with the backups.
    folder: PathBuf,
    /// The data folder that it becomes; it has no store yet.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    which: Which,
}

/// Restores a whole backup.
pub(super) fn run(restore: &Restore) -> Result<(), Complaint> {
    let repository = open(&restore.folder)?;
    let manifest = restore.which.find(&repository)?;
    let config = config_of(&restore.to)?;
    if config.store().exists() {
        let what = format!("{} has a store already", config.data().display());
        return Err(Complaint::usage(what).next("name another folder, or move that store away"));
    }
    files::make_folder(config.data())?;
    let mut found = store(&repository, &manifest, &config)?;
    let extras = backup::files(&repository, &manifest, &mut found);
    for extra in extras.map_err(|error| complaint(&error))? {
        let path = extras::put_back(config.data(), &extra)?;
        if Path::new(&extra.path).is_absolute() {
            say(&format!("{} is in {}", extra.path, path.display()))?;
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
        let found = backup::restore(repository, manifest, &store, None, &mut passed).await;
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
