//! Blobs that were mentioned anew while a sweep goes on, though it may have found them dead.
//!
//! A sweep asks the rows of one instant. Whoever mentions a blob later that is there already says
//! so here, and then it stays.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::BlobId;

/// Names that are kept, some fifty megabytes; a sweep beside which more were mentioned frees
/// nothing.
const TOUCHED_MAX: usize = 1 << 20;

/// What was mentioned since a sweep began; nothing where there is none.
#[derive(Debug, Default)]
pub(super) struct Touched(Mutex<Option<HashSet<BlobId>>>);

/// A sweep that goes on; the end of it when it is dropped.
#[derive(Debug)]
pub(super) struct Watching<'a>(&'a Touched);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

impl Touched {
    /// Notes from now on what is mentioned.
    pub(super) fn watch(&self) -> Watching<'_> {
        *self.lock() = Some(HashSet::new());
        Watching(self)
    }

    /// A blob that is there already is mentioned by somebody.
    pub(super) fn note(&self, blob: BlobId) {
        if let Some(touched) = &mut *self.lock()
            && touched.len() <= TOUCHED_MAX
        {
            touched.insert(blob);
        }
    }

    /// True if a blob has to stay.
    pub(super) fn keeps(&self, blob: BlobId) -> bool {
        let touched = self.lock();
        // Without a sweep nothing goes.
        let touched = touched.as_ref();
        touched.is_none_or(|touched| touched.len() > TOUCHED_MAX || touched.contains(&blob))
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashSet<BlobId>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
