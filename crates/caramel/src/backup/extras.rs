//! The files that belong to what is kept, beside the store: the configuration, the keys, and
//! whatever else lies in the data folder.
//!
//! What is left out is left out by its path: the store itself, what tells where a running server
//! listens, and the folder of the backups. Other folders of backups are left out as well, and told.
//! Sockets and pipes have nothing in them. Whatever else cannot be read is named in the backup.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use backup::{Draft, Extra, Object};

use super::restore::DRAFT;
use crate::complaint::Complaint;
use crate::config::Config;

/// Folders in folders that are looked into.
const DEPTH_MAX: usize = 16;
/// Where files of other folders are put when a backup is restored.
const ELSEWHERE: &str = "elsewhere";
/// A file while it is not whole.
const FILE_DRAFT: &str = "restored.part";
/// What a folder of backups has in it.
const REPOSITORY: [&str; 3] = ["manifests", "bodies", "rows"];

/// What was found.
pub(super) struct Found {
    /// Files, and folders that could not be looked into.
    paths: Vec<(PathBuf, io::Result<()>)>,
    /// Other folders of backups.
    pub(super) left_out: Vec<PathBuf>,
}

/// The way through a folder.
struct Walk {
    /// Paths that are none of it.
    without: HashSet<PathBuf>,
    /// Folders that were entered, by the paths that no link is in: each is entered once.
    entered: HashSet<PathBuf>,
    found: Found,
}

/// Looks for them; what lies in the backups' own folder is left out.
pub(super) fn find(config: &Config, backups: Option<&Path>) -> Result<Found, Complaint> {
    let data = config.data();
    let without = [
        config.store(),
        data.join(DRAFT),
        data.join(FILE_DRAFT),
        config.control(),
        config.listeners_file(),
    ];
    // A folder that is not there yet has nothing in it.
    let backups = backups.and_then(|folder| fs::canonicalize(folder).ok());
    let mut walk = Walk {
        without: without.into_iter().collect(),
        entered: backups.into_iter().collect(),
        found: Found {
            paths: Vec::new(),
            left_out: Vec::new(),
        },
    };
    let entries = fs::read_dir(data);
    let entries = entries.with_context(|| format!("reading {}", data.display()))?;
    walk.entered.extend(fs::canonicalize(data).ok());
    walk.folder(data, entries, DEPTH_MAX);
    let mut found = walk.found;
    let outside = config.all_files().into_iter();
    let outside = outside.filter(|path| !path.starts_with(data));
    found.paths.extend(outside.map(|path| (path, Ok(()))));
    Ok(found)
}

impl Walk {
    fn folder(&mut self, folder: &Path, entries: fs::ReadDir, depth: usize) {
        let mut paths = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(error) => self.found.paths.push((folder.to_owned(), Err(error))),
            }
        }
        paths.sort();
        for path in paths {
            if self.without.contains(&path) {
                continue;
            }
            let seen = fs::metadata(&path).and_then(|seen| {
                if seen.is_file() {
                    self.found.paths.push((path.clone(), Ok(())));
                } else if seen.is_dir() {
                    self.enter(&path, depth)?;
                }
                Ok(())
            });
            if let Err(error) = seen {
                self.found.paths.push((path, Err(error)));
            }
        }
    }

    fn enter(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        if !self.entered.insert(fs::canonicalize(folder)?) {
            return Ok(());
        }
        if REPOSITORY.iter().all(|name| folder.join(name).is_dir()) {
            self.found.left_out.push(folder.to_owned());
            return Ok(());
        }
        let below = depth.checked_sub(1);
        let below = below.ok_or_else(|| io::Error::other("it lies too deep"))?;
        let entries = fs::read_dir(folder)?;
        self.folder(folder, entries, below);
        Ok(())
    }
}

impl Found {
    /// The files, each opened when it is its turn; what has gone meanwhile is none.
    pub(super) fn files(self, data: &Path) -> impl Iterator<Item = Extra> {
        let gone = |path: &Path| fs::symlink_metadata(path).is_err_and(|error| is_none(&error));
        self.paths.into_iter().filter_map(move |(path, seen)| {
            let content = seen.and_then(|()| open(&path));
            let is_inside = path.starts_with(data);
            if is_inside && content.as_ref().is_err_and(is_none) && gone(&path) {
                return None;
            }
            let name = path.strip_prefix(data).unwrap_or(&path);
            let (path, content) = match name.to_str() {
                Some(name) => (name.to_owned(), content),
                None => {
                    let error = io::Error::other("its name is not UTF-8");
                    (name.display().to_string(), Err(error))
                }
            };
            Some(Extra { path, content })
        })
    }
}

fn is_none(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn open(path: &Path) -> io::Result<Box<dyn Object>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    Ok(Box::new(File::open(path)?))
}

/// Where a file of a backup is put in a data folder.
pub(super) fn place((data, store): (&Path, &Path), named: &str) -> PathBuf {
    let parts = Path::new(named).components();
    let relative: PathBuf = parts
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    let path = data.join(&relative);
    // The store is made of rows and bodies alone.
    match Path::new(named).is_absolute() || path.starts_with(store) {
        true => data.join(ELSEWHERE).join(relative),
        false => path,
    }
}

/// Begins a file of a data folder.
pub(super) fn begin(config: &Config) -> io::Result<Box<dyn Draft>> {
    let beside = config.data().join(FILE_DRAFT);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    Ok(Box::new(Returning {
        file: options.open(&beside)?,
        data: config.data().to_owned(),
        store: config.store(),
        beside,
    }))
}

/// A file that is on its way back; it goes if it is not kept.
struct Returning {
    data: PathBuf,
    store: PathBuf,
    beside: PathBuf,
    file: File,
}

impl Write for Returning {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Draft for Returning {
    fn keep(self: Box<Self>, name: &str) -> io::Result<()> {
        let path = place((&self.data, &self.store), name);
        let folder = path.parent().unwrap_or(&self.data);
        let mut folders = DirBuilder::new();
        folders.recursive(true).mode(0o700).create(folder)?;
        self.file.sync_all()?;
        fs::rename(&self.beside, &path)?;
        File::open(folder)?.sync_all()
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        match fs::remove_file(&self.beside) {
            Err(error) if !is_none(&error) => {
                tracing::warn!(%error, "a file stays that is not whole");
            }
            _ => {}
        }
    }
}

/// A file that is only read.
pub(super) fn nowhere() -> Box<dyn Draft> {
    Box::new(Nowhere)
}

struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Draft for Nowhere {
    fn keep(self: Box<Self>, _: &str) -> io::Result<()> {
        Ok(())
    }
}
