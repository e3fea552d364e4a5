//! Where blobs are that were read lately, so that the next reader need not look into the view.
//!
//! What is known here may be out of date: a blob may have been moved or forgotten since. Whoever
//! does not find the file asks the view; what is found is right, as numbers of segments are never
//! used again.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::BlobId;

use super::record::Located;
use crate::backend::Error;

/// Places kept, some three megabytes; above that all are let go.
const PLACES_MAX: usize = 32_768;

/// The places.
#[derive(Debug, Default)]
pub(super) struct Places {
    known: Mutex<HashMap<BlobId, Located, Seed>>,
}

/// Spreads names that are hashes already: a few of their octets are enough, folded with a number
/// that is drawn anew each time, so that nobody can choose bodies whose names fall together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed(u64);

impl Default for Seed {
    fn default() -> Self {
        // Odd, so that it loses nothing.
        Self(RandomState::new().hash_one(PLACES_MAX) | 1)
    }
}

impl BuildHasher for Seed {
    type Hasher = Fold;

    fn build_hasher(&self) -> Fold {
        Fold(self.0)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, octets: &[u8]) {
        let first = octets.first_chunk().copied().map(u64::from_le_bytes);
        let wide = u128::from(first.unwrap_or_default()) * u128::from(self.0);
        let [low, high] = [wide, wide >> 64].map(|half| half & u128::from(u64::MAX));
        self.0 = u64::try_from(low ^ high).unwrap_or_default();
    }

    fn write_usize(&mut self, _: usize) {
        // All names are of one length.
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Places {
    /// Where a blob is; what is not known is looked up.
    pub(super) fn find(
        &self,
        blob: BlobId,
        look_up: impl FnOnce(BlobId) -> Result<Option<Located>, Error>,
    ) -> Result<Located, Error> {
        if let Some(located) = self.lock().get(&blob) {
            return Ok(*located);
        }
        // Unlocked meanwhile: it may wait for the disk.
        let located = look_up(blob)?.ok_or(Error::NoBlob(blob))?;
        self.learn(&[(blob, located)]);
        Ok(located)
    }

    /// Where many blobs are, in their order.
    pub(super) fn find_many(
        &self,
        blobs: impl ExactSizeIterator<Item = BlobId> + Clone,
        look_up: impl Fn(BlobId) -> Result<Option<Located>, Error>,
    ) -> Result<Vec<Located>, Error> {
        let known: Vec<_> = {
            let known = self.lock();
            blobs
                .clone()
                .map(|blob| known.get(&blob).copied())
                .collect()
        };
        let mut fresh = Vec::new();
        let found = blobs.zip(known).map(|(blob, known)| match known {
            Some(located) => Ok(located),
            None => {
                let located = look_up(blob)?.ok_or(Error::NoBlob(blob))?;
                fresh.push((blob, located));
                Ok(located)
            }
        });
        let found = found.collect();
        self.learn(&fresh);
        found
    }

    /// Lets go of what is known of a blob.
    pub(super) fn forget(&self, blob: BlobId) {
        self.lock().remove(&blob);
    }

    fn learn(&self, fresh: &[(BlobId, Located)]) {
        if fresh.is_empty() {
            return;
        }
        let mut known = self.lock();
        if known.len().saturating_add(fresh.len()) > PLACES_MAX {
            known.clear();
        }
        known.extend(fresh.iter().take(PLACES_MAX).copied());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BlobId, Located, Seed>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::record::Place;

    fn name(number: usize) -> BlobId {
        BlobId(*blake3::hash(&number.to_be_bytes()).as_bytes())
    }

    #[test]
    fn what_was_found_is_not_looked_up_again() {
        let places = Places::default();
        let located = Located {
            len: 7,
            place: Place::Body,
        };
        let absent = places.find(name(1), |_| Ok(None));
        assert!(matches!(absent, Err(Error::NoBlob(blob)) if blob == name(1)));
        // That it was not there is not remembered.
        assert_eq!(
            places.find(name(1), |_| Ok(Some(located))).unwrap(),
            located
        );
        let again = places.find(name(1), |_| panic!("looked up"));
        assert_eq!(again.unwrap(), located);
    }

    #[test]
    fn no_more_than_so_many_are_kept() {
        let places = Places::default();
        let located = Located {
            len: 1,
            place: Place::Body,
        };
        for number in 0..=PLACES_MAX {
            places.find(name(number), |_| Ok(Some(located))).unwrap();
        }
        assert!(places.lock().len() <= PLACES_MAX);
    }
}
