//! The data folder: what is where, made so that nobody else can look into it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::config::Config;

impl Config {
    /// The store.
    pub(crate) fn store(&self) -> PathBuf {
        self.data().join("store")
    }

    /// The certificates of our own authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.data().join("tls")
    }

    /// The socket where a running server answers the command line.
    pub(crate) fn control(&self) -> PathBuf {
        self.data().join("control.sock")
    }

    /// Where a running server listens.
    pub(crate) fn listeners_file(&self) -> PathBuf {
        self.data().join("listeners.json")
    }

    /// The passwords of the demonstration.
    pub(crate) fn demo_file(&self) -> PathBuf {
        self.data().join("demo.json")
    }
}

/// Makes a folder and those above it, for its owner alone.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.with_context(|| format!("making the folder {}", path.display()))
}

/// Writes a file for its owner alone; it is there whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    written.with_context(|| format!("writing {}", path.display()))
}
