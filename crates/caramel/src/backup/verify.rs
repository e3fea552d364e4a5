//! `caramel backup verify`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use tokio::runtime::Runtime;

use super::{Place, Which, complaint, extras, restore, tell_flaws};
use crate::cli::say;
use crate::complaint::Complaint;
use crate::progress::Progress;
use crate::{audit, desk};

/// Which backup is verified.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    which: Which,
    /// Where the store is made that is thrown away; it takes as much room as all mail does.
    /// Without it, `scratch` in the folder; with a key, or for a bucket, it has to be named.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// Restores into a scratch store and compares.
pub(super) fn run(verify: &Verify) -> Result<(), Complaint> {
    let repository = verify.place.open()?;
    let manifest = verify.which.find(&repository)?;
    let thrown_away = verify.place.scratch(verify.scratch.clone())?;
    let config = restore::config_of(&thrown_away.0)?;
    let restored = restore::store(&repository, &manifest, &config, None)?;
    let runtime = Runtime::new().context("starting")?;
    let (compared, flaws) = runtime.block_on(async {
        let (store, post) = desk::open(&config).await?;
        tell_flaws(&restored, &post)?;
        let mut progress = Progress::new(false);
        progress.total = manifest.sums().message_octets;
        let mut passed = |messages, octets| progress.add(messages, octets);
        let compared = backup::compare(&repository, &manifest, &store, &mut passed).await;
        progress.clear();
        let compared = compared.map_err(|error| complaint(&error))?;
        tell_flaws(&compared, &post)?;
        drop(post);
        store.close();
        let flaws = restored.flaw_count + compared.flaw_count;
        Ok::<_, Complaint>((compared, flaws))
    })?;
    drop(runtime);
    let mut lost = restored.clone();
    let mut begin = || Ok(extras::nowhere());
    let files = backup::files(&repository, &manifest, &mut lost, &mut begin);
    files.map_err(|error| complaint(&error))?;
    for flaw in lost.flaws.iter().skip(restored.flaws.len()) {
        say(&flaw.what)?;
    }
    let flaws = flaws + (lost.flaw_count - restored.flaw_count);
    let (summary, differences) = audit::flaws(&config, true)?;
    for difference in &differences {
        say(difference)?;
    }
    say(&format!("{}: {summary}", manifest.name()))?;
    say(&format!(
        "{} rows and {} messages of {} octets are what they were.",
        compared.rows, compared.bodies, compared.octets
    ))?;
    let differences = u64::try_from(differences.len()).unwrap_or(u64::MAX);
    match flaws + differences {
        0 => Ok(()),
        wrong => Err(
            Complaint::new(format!("{wrong} things are lost, damaged or different"))
                .next("remove the packs that are named: the next backup writes what is still kept"),
        ),
    }
}
