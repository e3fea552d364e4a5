//! The files that belong to what is kept, beside the store: the configuration and the keys.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use backup::Extra;

use crate::complaint::Complaint;
use crate::config::Config;

/// A larger file in the data folder is none of ours.
const FILE_OCTETS_MAX: u64 = 16 << 20;
/// Folders in folders that are looked into.
const DEPTH_MAX: usize = 4;
/// Where files of other folders are put when a backup is restored.
const ELSEWHERE: &str = "elsewhere";

/// Reads them; what lies in the backups' own folder is left out.
pub(super) fn gather(config: &Config, backups: &Path) -> Result<Vec<Extra>, Complaint> {
    let backups = std::path::absolute(backups).context("finding the folder")?;
    let mut extras = Vec::new();
    let mut paths = Vec::new();
    walk(config.data(), DEPTH_MAX, &mut |path| {
        let ours = path != config.listeners_file() && !path.starts_with(&backups);
        if ours {
            paths.push(path.to_owned());
        }
    })?;
    let outside = config.all_files();
    let outside = outside
        .into_iter()
        .filter(|path| !path.starts_with(config.data()));
    paths.extend(outside);
    for path in paths {
        let octets = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.strip_prefix(config.data()).unwrap_or(&path);
        extras.push(Extra {
            path: name.display().to_string(),
            octets,
        });
    }
    Ok(extras)
}

fn walk(folder: &Path, depth: usize, each: &mut dyn FnMut(&Path)) -> Result<(), Complaint> {
    let reading = || format!("reading {}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        entries.push(entry.with_context(reading)?);
    }
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let found = entry.metadata().with_context(reading)?;
        let path = entry.path();
        let is_ours = entry.file_name() != "store" && entry.file_name() != "lock";
        if found.is_dir() && depth > 0 && is_ours {
            walk(&path, depth - 1, each)?;
        } else if found.is_file() && found.len() <= FILE_OCTETS_MAX && is_ours {
            each(&path);
        }
    }
    Ok(())
}

/// Writes one back, and tells where.
pub(super) fn put_back(data: &Path, extra: &Extra) -> Result<PathBuf, Complaint> {
    let named = Path::new(&extra.path);
    let relative: PathBuf = named
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    let path = match named.is_absolute() {
        true => data.join(ELSEWHERE).join(relative),
        false => data.join(relative),
    };
    let writing = || format!("writing {}", path.display());
    let mut folders = DirBuilder::new();
    folders.recursive(true).mode(0o700);
    let folder = path.parent().unwrap_or(data);
    folders.create(folder).with_context(writing)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&path).and_then(|mut file| {
        file.write_all(&extra.octets)?;
        file.sync_all()
    });
    written.with_context(writing)?;
    Ok(path)
}
