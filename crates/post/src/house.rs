//! The front of the house, and the accounts it holds in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use mail::{AccountId, Address, BlobRange};
use store::Store;
use tokio::sync::watch;

use crate::directory::Directory;
use crate::keeper::{Full, Keeper};
use crate::login::Gate;
use crate::search::Waiting;
use crate::{Account, Error, Outcome, Outside, Rules};

/// The post office. Cheap to clone: all clones are the same house.
#[derive(Clone, Debug)]
pub struct Post {
    pub(crate) inner: Arc<Inner>,
}

/// What all clones of a [`Post`] share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) rules: Rules,
    pub(crate) stopped: Arc<watch::Sender<bool>>,
    pub(crate) directory: Directory,
    pub(crate) gate: Gate,
    pub(crate) full: Arc<Full>,
    /// One change at a time of who shares with whom.
    pub(crate) sharing: tokio::sync::Mutex<()>,
    /// Accounts whose index has fallen behind.
    pub(crate) waiting: Arc<Waiting>,
    keepers: Mutex<HashMap<AccountId, Arc<Keeper>>>,
    /// Octets of all message bodies in memory on their way in.
    pub(crate) bodies: Arc<AtomicUsize>,
    /// Octets of all keepers.
    octets: Arc<AtomicUsize>,
    asks: AtomicU64,
}

impl Post {
    /// Opens the house: reads the directory.
    ///
    /// # Errors
    /// If the directory cannot be read, or, where there is none yet, not be written.
    pub async fn open(
        store: Arc<dyn Store>,
        outside: Arc<dyn Outside>,
        rules: Rules,
    ) -> Outcome<Self> {
        let directory = Directory::load(store.as_ref(), outside.as_ref()).await?;
        let gate = Gate::new(outside.as_ref(), directory.secret());
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                outside,
                rules,
                stopped: Arc::new(watch::Sender::new(false)),
                directory,
                gate,
                full: Arc::default(),
                sharing: tokio::sync::Mutex::default(),
                waiting: Arc::default(),
                keepers: Mutex::default(),
                bodies: Arc::default(),
                octets: Arc::default(),
                asks: AtomicU64::new(0),
            }),
        })
    }

    /// The rules it was opened with.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    /// The world outside.
    #[must_use]
    pub fn outside(&self) -> &Arc<dyn Outside> {
        &self.inner.outside
    }

    /// Becomes true when the store has died in the middle of a commit: the server has to stop
    /// and start anew.
    #[must_use]
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.inner.stopped.subscribe()
    }

    /// The account, for a connection that stays logged in to it.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if it is not there.
    pub async fn account(&self, id: AccountId) -> Outcome<Account> {
        let known = self.inner.directory.known(id);
        let (address, salt) =
            known.ok_or_else(|| Error::nonexistent("There is no such account"))?;
        let account = Account {
            keeper: self.keeper(id),
            house: self.clone(),
            address,
            salt,
            visitor: None,
        };
        // Loaded now, so that the ledger's end is known to whoever watches it.
        account.modseq().await?;
        Ok(account)
    }

    /// The account with this address, as its owner sees it; nobody need be logged in to it.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if it is not there.
    pub async fn account_at(&self, address: &Address) -> Outcome<Account> {
        let id = self.inner.directory.maps().known(address)?.0;
        self.account(id).await
    }

    /// Octets of a stored message; at most as many as the caller wants in memory.
    ///
    /// # Errors
    /// If the store cannot read them.
    pub async fn read(&self, range: BlobRange) -> Outcome<Bytes> {
        let read = self.inner.store.read(range).await;
        read.map_err(Error::reading("reading a message"))
    }

    /// The one keeper of an account.
    pub(crate) fn keeper(&self, id: AccountId) -> Arc<Keeper> {
        let inner = &self.inner;
        let ask = inner.asks.fetch_add(1, Ordering::Relaxed);
        let mut keepers = inner.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keeper) = keepers.get(&id) {
            keeper.used.store(ask, Ordering::Relaxed);
            return Arc::clone(keeper);
        }
        if inner.octets.load(Ordering::Relaxed) > inner.rules.memory_octets_max {
            evict(&mut keepers, inner.rules.memory_octets_max / 8);
        }
        let keeper = Arc::new(Keeper::new(
            id,
            Arc::clone(&inner.octets),
            Arc::clone(&inner.waiting),
        ));
        keeper.used.store(ask, Ordering::Relaxed);
        keepers.insert(id, Arc::clone(&keeper));
        keeper
    }
}

/// Drops accounts that nobody holds, the longest unused first, until `octets` are free.
fn evict(keepers: &mut HashMap<AccountId, Arc<Keeper>>, octets: usize) {
    // Under the map's lock no count of 1 can grow: only the map could hand out another.
    let mut idle: Vec<_> = keepers
        .values()
        .filter(|keeper| Arc::strong_count(keeper) == 1)
        .map(|keeper| (keeper.used.load(Ordering::Relaxed), keeper.account))
        .collect();
    idle.sort_unstable();
    let mut freed = 0;
    for (_, account) in idle {
        if freed >= octets {
            break;
        }
        if let Some(keeper) = keepers.remove(&account) {
            freed += keeper.octets();
            keeper.forget();
        }
    }
}
