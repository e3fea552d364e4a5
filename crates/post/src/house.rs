//! The front of the house.

use std::sync::Arc;

use bytes::Bytes;
use mail::{AccountId, BlobRange};
use store::Store;
use tokio::sync::watch;

use crate::{Account, Error, Fault, Outcome, Outside, Rules};

/// The post office. Cheap to clone: all clones are the same house.
#[derive(Clone, Debug)]
pub struct Post {
    store: Arc<dyn Store>,
    outside: Arc<dyn Outside>,
    rules: Arc<Rules>,
    stopped: Arc<watch::Sender<bool>>,
}

impl Post {
    /// Opens the house: reads the directory.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub async fn open(
        store: Arc<dyn Store>,
        outside: Arc<dyn Outside>,
        rules: Rules,
    ) -> Outcome<Self> {
        Ok(Self {
            store,
            outside,
            rules: Arc::new(rules),
            stopped: Arc::new(watch::Sender::new(false)),
        })
    }

    /// The rules it was opened with.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The world outside.
    #[must_use]
    pub fn outside(&self) -> &Arc<dyn Outside> {
        &self.outside
    }

    /// Becomes true when the store has died in the middle of a commit: the server has to stop
    /// and start anew.
    #[must_use]
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    /// The account, for a connection that stays logged in to it.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if it is not there.
    pub async fn account(&self, id: AccountId) -> Outcome<Account> {
        let _ = id;
        Err(Error::Fault(Fault::Unfinished("Post::account")))
    }

    /// Octets of a stored message; at most as many as the caller wants in memory.
    ///
    /// # Errors
    /// If the store cannot read them.
    pub async fn read(&self, range: BlobRange) -> Outcome<Bytes> {
        self.store
            .read(range)
            .await
            .map_err(Error::reading("reading a message"))
    }
}
