//! Open files to read blobs from, kept for the next reader.
//!
//! Not here: where a blob is (`view`).

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use mail::BlobId;

use crate::disk::DiskFile;

/// Open files kept; above that all are let go.
const FILES_MAX: usize = 256;
/// Compressed ones among them, of some 120 KiB of memory each.
const COMPRESSED_MAX: usize = 64;

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
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    files: HashMap<Source, Arc<dyn DiskFile>>,
    /// How many compressed ones came since all were let go.
    compressed: usize,
}

impl Handles {
    /// Keeps the file of a source no longer: whoever has it goes on reading.
    pub(super) fn forget(&self, source: Source) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(open.files.remove(&source));
    }

    /// The file of a source, opened if it is not; `opened` says whether it is a compressed one.
    pub(super) fn open(
        &self,
        source: Source,
        opened: impl FnOnce() -> io::Result<(Arc<dyn DiskFile>, bool)>,
    ) -> io::Result<Arc<dyn DiskFile>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.files.get(&source) {
            return Ok(Arc::clone(file));
        }
        if open.files.len() >= FILES_MAX || open.compressed >= COMPRESSED_MAX {
            *open = Open::default();
        }
        let (file, is_compressed) = opened()?;
        open.compressed += usize::from(is_compressed);
        open.files.insert(source, Arc::clone(&file));
        Ok(file)
    }
}
