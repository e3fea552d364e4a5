//! Where blobs are that were read lately, so that the next reader need not look into the view.
//!
//! A blob that is there stays where it is: nothing is ever removed from the log, and a body keeps
//! its name. So what is known here cannot become wrong while the store is open.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mail::BlobId;

use super::record::Located;
use crate::backend::Error;

/// Places kept, some three megabytes; above that all are let go.
const PLACES_MAX: usize = 32_768;

/// The places.
#[derive(Debug, Default)]
pub(super) struct Places {
    known: Mutex<HashMap<BlobId, Located>>,
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
        let mut known = self.lock();
        if known.len() >= PLACES_MAX {
            known.clear();
        }
        known.insert(blob, located);
        Ok(located)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<BlobId, Located>> {
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
