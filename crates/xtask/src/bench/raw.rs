//! The limit of the disk: appending the same octets and syncing them in groups.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};

/// Messages a second when `group` messages of `octets` each share one append and one fdatasync.
pub(crate) fn appends(folder: &Path, octets: usize, group: usize, messages: usize) -> Result<f64> {
    let path = folder.join("raw");
    let mut file = File::create(&path).context("creating the raw file")?;
    let piece = vec![0x5a_u8; octets * group];
    let begun = Instant::now();
    for _ in 0..messages.div_ceil(group) {
        file.write_all(&piece).context("appending")?;
        file.sync_data().context("syncing")?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    std::fs::remove_file(&path).context("removing the raw file")?;
    let messages = u32::try_from(messages.div_ceil(group) * group).unwrap_or(u32::MAX);
    Ok(f64::from(messages) / seconds)
}
