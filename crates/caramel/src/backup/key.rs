//! The key of encrypted backups, in a file: one line.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use backup::{Digest, Key};

use crate::cli::say;
use crate::complaint::Complaint;

/// What stands before the key.
const PREFIX: &str = "caramel-backup-key-1 ";

/// Makes a file with a key that nobody knows.
pub(super) fn make(path: &Path) -> Result<(), Complaint> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| io::Error::other(error.to_string()))
        .context("making a key")?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    // A digest is written as 64 hexadecimal digits, and so is this.
    let line = format!("{PREFIX}{}\n", Digest(secret));
    let written = options.open(path).and_then(|mut file| {
        file.write_all(line.as_bytes())?;
        file.sync_all()
    });
    written.with_context(|| format!("writing {}", path.display()))?;
    say(&format!(
        "{} has the key. Keep it in two places, and neither of them among the backups: without it \
         they are lost.",
        path.display()
    ))
}

/// Reads a key.
pub(super) fn read(path: &Path) -> Result<Key, Complaint> {
    let text = fs::read_to_string(path);
    let text = text.with_context(|| format!("reading {}", path.display()))?;
    let secret = text.trim_end().strip_prefix(PREFIX).and_then(Digest::parse);
    let secret = secret.ok_or_else(|| {
        let what = format!("{} is no key of backups", path.display());
        Complaint::usage(what).next("caramel backup key FILE makes one")
    })?;
    Ok(Key::new(&secret.0))
}
