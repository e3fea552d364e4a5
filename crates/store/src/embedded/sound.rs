//! Blobs that were read whole and found to be what was written, so that whoever tells only pieces
//! of them can know it too.
//!
//! Not here: damage that comes later. A blob that is read whole is compared each time, and `check`
//! compares all.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::{BlobId, BlobRange};

use super::places::Seed;
use super::reader::Reader;
use super::record::Place;
use crate::backend::{Error, Sought};

/// Names kept, about two megabytes; above that all are let go.
const NAMES_MAX: usize = 32_768;
/// Octets of small blobs that are in memory at once while they are compared.
const TOGETHER_OCTETS_MAX: u64 = 1 << 20;

/// Their names.
#[derive(Debug, Default)]
pub(super) struct Sound {
    names: Mutex<HashSet<BlobId, Seed>>,
}

impl Sound {
    fn has(&self, blob: BlobId) -> bool {
        self.lock().contains(&blob)
    }

    fn learn(&self, blobs: impl Iterator<Item = BlobId>) {
        let mut names = self.lock();
        for blob in blobs {
            if names.len() >= NAMES_MAX {
                names.clear();
            }
            names.insert(blob);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<BlobId, Seed>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Tells of each blob whether it is what its name says.
    pub(super) fn sound(&self, sought: &[Sought]) -> Result<Vec<bool>, Error> {
        let mut sound = Vec::with_capacity(sought.len());
        let mut rest = sought;
        while !rest.is_empty() {
            let (together, behind) = rest.split_at_checked(together(rest)).unwrap_or((rest, &[]));
            rest = behind;
            let unknown = together.iter().copied();
            let unknown = unknown.filter(|one| !self.sound.has(one.range.blob));
            let unknown: Vec<_> = unknown.map(whole).collect();
            let is_one = unknown.len() == 1;
            if unknown.is_empty() || !is_one && self.read_sought(&unknown).is_ok() {
                self.sound.learn(unknown.iter().map(|one| one.range.blob));
                sound.resize(sound.len().saturating_add(together.len()), true);
                continue;
            }
            for one in together {
                sound.push(self.is_sound(*one)?);
            }
        }
        Ok(sound)
    }

    fn is_sound(&self, sought: Sought) -> Result<bool, Error> {
        let blob = sought.range.blob;
        if self.sound.has(blob) {
            return Ok(true);
        }
        let found = match sought.len > TOGETHER_OCTETS_MAX {
            true => self.compare(sought),
            false => self.read_sought(&[whole(sought)]).map(drop),
        };
        match found {
            Ok(()) => {
                self.sound.learn(std::iter::once(blob));
                Ok(true)
            }
            Err(Error::Damaged(_) | Error::NoBlob(_) | Error::OutOfRange(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Compares a large blob with its name, piece by piece.
    fn compare(&self, sought: Sought) -> Result<(), Error> {
        let blob = sought.range.blob;
        let located = self.places.find(blob, |blob| self.view.blob(blob))?;
        let flaw = match located.place {
            Place::Log { .. } => return self.read_sought(&[whole(sought)]).map(drop),
            Place::Body => self.bodies.flaw(blob, located.len),
        };
        flaw.map_or(Ok(()), |flaw| Err(Error::Damaged(flaw)))
    }
}

/// How many of the first ones are read together: at least one.
fn together(sought: &[Sought]) -> usize {
    let mut octets = 0_u64;
    let fit = sought.iter().take_while(|one| {
        octets = octets.saturating_add(one.len);
        octets <= TOGETHER_OCTETS_MAX
    });
    fit.count().max(1)
}

const fn whole(mut sought: Sought) -> Sought {
    sought.range = BlobRange {
        blob: sought.range.blob,
        offset: 0,
        len: sought.len,
    };
    sought
}
