//! The repository: its packs and its backups.

use std::fmt;
use std::io::{self, ErrorKind, Read as _, Write as _};

use crate::manifest::Manifest;
use crate::medium::{Draft, Medium, Object};
use crate::seal::{Key, Sealed};
use crate::{BODIES, Digest, Error, MANIFESTS, Outcome, ROWS, SEAL};

/// A repository on a medium.
#[derive(Debug)]
pub struct Repository {
    medium: Box<dyn Medium>,
    key: Option<Key>,
}

/// How a repository and a key fit.
enum Fit {
    Right,
    /// There is no repository yet.
    New,
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
        Self { medium, key: None }
    }

    /// The same for one that nobody without the key can read.
    #[must_use]
    pub fn sealed(medium: Box<dyn Medium>, key: Key) -> Self {
        let sealed = Sealed {
            inner: medium,
            key: key.clone(),
        };
        Self {
            medium: Box::new(sealed),
            key: Some(key),
        }
    }

    /// Says whether this key, or none, is right for what there is.
    ///
    /// # Errors
    ///
    /// [`Error::Sealed`], [`Error::WrongKey`], [`Error::Unsealed`]; or if the medium says no.
    pub fn check_key(&self) -> Outcome<()> {
        self.fit().map(drop)
    }

    fn fit(&self) -> Outcome<Fit> {
        let seal = self.opens(SEAL)?;
        if self.key.is_none() {
            return match seal {
                Some(_) => Err(Error::Sealed),
                None => Ok(Fit::Right),
            };
        }
        let mut is_right = seal == Some(true);
        let backups = self.backups()?;
        for one in &backups {
            // The seal may be damaged or gone: any backup tells the key as well.
            is_right = is_right || self.opens(&format!("{MANIFESTS}/{}", one.name))? == Some(true);
        }
        let is_empty =
            backups.is_empty() && self.packs(BODIES)?.is_empty() && self.packs(ROWS)?.is_empty();
        match seal {
            _ if is_right => Ok(Fit::Right),
            Some(_) => Err(Error::WrongKey),
            None if is_empty => Ok(Fit::New),
            None => Err(Error::Unsealed),
        }
    }

    /// True if an object can be read; none if there is none.
    fn opens(&self, name: &str) -> Outcome<Option<bool>> {
        let read = self.medium.open(name).and_then(|mut object| {
            let mut octet = [0];
            object.read_exact(&mut octet)
        });
        match read {
            Ok(()) => Ok(Some(true)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let error = Error::medium(format!("opening {name}"))(error);
                match error.is_loss() {
                    true => Ok(Some(false)),
                    false => Err(error),
                }
            }
        }
    }

    /// The name of a pack with this index.
    pub(crate) fn name(&self, index: &[u8]) -> Digest {
        name(self.key.as_ref(), index)
    }

    pub(crate) fn key(&self) -> Option<Key> {
        self.key.clone()
    }

    /// Keeps all others from writing.
    pub(crate) fn hold(&self) -> Outcome<Box<dyn fmt::Debug>> {
        let held = self.medium.hold().map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => Error::Busy {
                who: error.get_ref().map(ToString::to_string).unwrap_or_default(),
            },
            _ => Error::medium("opening the repository")(error),
        })?;
        if let Fit::New = self.fit()? {
            let sealed = self.begin()?;
            keep_seal(sealed).map_err(Error::medium("writing the seal"))?;
        }
        Ok(held)
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

/// A pack's name is the digest of its index: a keyed one where nobody else is to tell what is in
/// it.
pub(crate) fn name(key: Option<&Key>, index: &[u8]) -> Digest {
    key.map_or_else(|| Digest::of(index), |key| key.name(index))
}

fn keep_seal(mut draft: Box<dyn Draft>) -> io::Result<()> {
    draft.write_all(b"caramel backups\n")?;
    draft.keep(SEAL)
}
