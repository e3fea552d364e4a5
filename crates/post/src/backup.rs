//! What a backup has to know of rows: which of them say that there is a body somewhere.
//!
//! Not here: the backup itself (`backup`), which takes rows as they are.

use std::sync::Arc;

use mail::BlobId;
use store::{Hint, Partition, Snapshot, Table};

use crate::tables::{self, EmailRow};
use crate::{Error, Outcome, Post};

/// What a row says of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBody {
    /// The body's name.
    pub blob: BlobId,
    /// Its octets.
    pub octets: u64,
    /// Where it may be, if the row has room for that: of use to the store that wrote it alone.
    pub hint: Option<Hint>,
}

/// What a row says of a body, if it says anything. Whatever has a blob's name in it is known here:
/// a body that nothing mentions is in no backup.
#[must_use]
pub fn stored_body(partition: Partition, table: Table, value: &[u8]) -> Option<StoredBody> {
    if partition == Partition::DIRECTORY || table != tables::EMAILS {
        return None;
    }
    let (blob, octets, hint) = EmailRow::body(value)?;
    Some(StoredBody { blob, octets, hint })
}

impl Post {
    /// All rows as they are now.
    ///
    /// # Errors
    /// If the store has stopped.
    pub async fn snapshot(&self) -> Outcome<Arc<dyn Snapshot>> {
        let snapshot = self.inner.store.snapshot().await;
        snapshot.map_err(Error::reading("taking a snapshot"))
    }
}
