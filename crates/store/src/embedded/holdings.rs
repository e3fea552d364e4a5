//! What lies in a store's directory, by the files alone: a running store may have it open.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Files of a store, and their octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Segments of the log.
    pub log: Files,
    /// Bodies with a file of their own.
    pub bodies: Files,
    /// The view's.
    pub view: Files,
    /// Snapshots of the view, behind which segments were removed.
    pub snapshots: Files,
    /// What else can be made again.
    pub derived: Files,
}

/// So many files of so many octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// How many.
    pub files: u64,
    /// Octets in all of them.
    pub octets: u64,
}

impl Holdings {
    /// Counts the files of the store in a directory.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read. Files that go meanwhile are left out.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let count = |name: &str| {
            let mut files = Files::default();
            files.add(&dir.join(name)).map(|()| files)
        };
        Ok(Self {
            log: count("log")?,
            bodies: count("bodies")?,
            view: count("view")?,
            snapshots: count("snapshots")?,
            derived: count("derived")?,
        })
    }
}

impl Files {
    fn add(&mut self, dir: &Path) -> io::Result<()> {
        let Some(entries) = there(std::fs::read_dir(dir))? else {
            return Ok(());
        };
        for entry in entries {
            let entry = entry?;
            // `None` for one that has gone.
            let Some(found): Option<Metadata> = there(entry.metadata())? else {
                continue;
            };
            if found.is_dir() {
                self.add(&entry.path())?;
            } else {
                self.files += 1;
                self.octets += found.len();
            }
        }
        Ok(())
    }
}

fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_where_there_are_any() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Holdings::of(dir.path()).unwrap(), Holdings::default());
        for (name, octets) in [("log/a", 3), ("log/b", 4), ("derived/1/2", 5)] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, vec![0; octets]).unwrap();
        }
        let found = Holdings::of(dir.path()).unwrap();
        let log = Files {
            files: 2,
            octets: 7,
        };
        assert_eq!(found.log, log);
        assert_eq!((found.derived.files, found.derived.octets), (1, 5));
        assert_eq!(found.bodies, Files::default());
    }
}
