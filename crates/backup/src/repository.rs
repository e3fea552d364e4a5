//! The repository: its packs and its backups.

use std::fmt;

use crate::manifest::Manifest;
use crate::medium::{Draft, Medium, Object};
use crate::{Digest, Error, MANIFESTS, Outcome};

/// A repository on a medium.
#[derive(Debug)]
pub struct Repository {
    medium: Box<dyn Medium>,
}

/// A backup that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name: when it was made, and a number that tells it from others of that second.
    pub name: String,
}

impl Repository {
    /// The repository on a medium; there need be none yet.
    #[must_use]
    pub fn new(medium: Box<dyn Medium>) -> Self {
        Self { medium }
    }

    /// Keeps all others from writing.
    pub(crate) fn hold(&self) -> Outcome<Box<dyn fmt::Debug>> {
        self.medium.hold().map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => Error::Busy,
            _ => Error::medium("opening the repository")(error),
        })
    }

    /// The backups, the oldest first.
    ///
    /// # Errors
    ///
    /// If the medium says no.
    pub fn backups(&self) -> Outcome<Vec<Listed>> {
        let names = self.medium.list(MANIFESTS);
        let names = names.map_err(Error::medium("listing backups"))?;
        Ok(names.into_iter().map(|name| Listed { name }).collect())
    }

    /// Opens a backup: the one of that name, or whose name begins so, or the last one.
    ///
    /// # Errors
    ///
    /// [`Error::NoBackup`] if there is none, or more than one.
    pub fn manifest(&self, name: Option<&str>) -> Outcome<Manifest> {
        let backups = self.backups()?;
        let found = match name {
            None => backups.last(),
            Some(name) => {
                let mut like = backups.iter().filter(|one| one.name.starts_with(name));
                like.next().filter(|_| like.next().is_none())
            }
        };
        let none = || Error::NoBackup(name.unwrap_or_default().to_owned());
        Manifest::open(self, &found.ok_or_else(none)?.name)
    }

    /// The newest backup that was not made after a moment, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`Error::NoBackup`] if there is none.
    pub fn as_of(&self, seconds: i64) -> Outcome<Manifest> {
        for listed in self.backups()?.iter().rev() {
            let manifest = Manifest::open(self, &listed.name)?;
            if manifest.made().seconds <= seconds {
                return Ok(manifest);
            }
        }
        Err(Error::NoBackup("that is as old".to_owned()))
    }

    /// Removes what there is under a name.
    pub(crate) fn remove(&self, name: &str) -> Outcome<()> {
        let doing = format!("removing {name}");
        self.medium.remove(name).map_err(Error::medium(doing))
    }

    /// The packs of a folder.
    pub(crate) fn packs(&self, folder: &str) -> Outcome<Vec<Digest>> {
        let names = self.medium.list(folder);
        let names = names.map_err(Error::medium("listing packs"))?;
        Ok(names
            .iter()
            .filter_map(|name| Digest::parse(name))
            .collect())
    }

    pub(crate) fn begin(&self) -> Outcome<Box<dyn Draft>> {
        self.medium
            .begin()
            .map_err(Error::medium("beginning an object"))
    }

    pub(crate) fn open(&self, name: &str) -> Outcome<Box<dyn Object>> {
        let doing = format!("opening {name}");
        self.medium.open(name).map_err(Error::medium(doing))
    }
}
