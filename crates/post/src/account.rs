//! An account as a logged-in connection holds it.

use mail::{AccountId, Address, ModSeq};
use tokio::sync::watch;

use crate::Post;

/// An account. Cheap to clone: all clones are the same account.
#[derive(Clone, Debug)]
pub struct Account {
    pub(crate) house: Post,
    pub(crate) id: AccountId,
    pub(crate) address: Address,
    pub(crate) watch: watch::Receiver<ModSeq>,
}

impl Account {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> AccountId {
        self.id
    }

    /// Its name and first address.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The house it lives in.
    #[must_use]
    pub const fn house(&self) -> &Post {
        &self.house
    }

    /// Tells when the ledger moves: changes right after each commit is durable.
    #[must_use]
    pub fn modseq_watch(&self) -> watch::Receiver<ModSeq> {
        self.watch.clone()
    }
}
