//! Open files to read blobs from, kept for the next reader.
//!
//! Not here: where a blob is (`view`).

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use mail::BlobId;

use crate::disk::{Disk, DiskFile};

/// Open files kept; above that all are let go.
const FILES_MAX: usize = 256;

/// A file that blobs are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// A segment of the log.
    Segment(u64),
    /// A body.
    Body(BlobId),
}

/// The open files.
#[derive(Debug, Default)]
pub(super) struct Handles {
    files: Mutex<HashMap<Source, Arc<dyn DiskFile>>>,
}

impl Handles {
    /// Keeps the file of a source no longer: whoever has it goes on reading.
    pub(super) fn forget(&self, source: Source) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        drop(files.remove(&source));
    }

    /// The file of a source, opened if it is not.
    pub(super) fn open(
        &self,
        disk: &dyn Disk,
        source: Source,
        path: impl FnOnce() -> PathBuf,
    ) -> io::Result<Arc<dyn DiskFile>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&source) {
            return Ok(Arc::clone(file));
        }
        if files.len() >= FILES_MAX {
            files.clear();
        }
        let file = disk.open(&path())?;
        files.insert(source, Arc::clone(&file));
        Ok(file)
    }
}
