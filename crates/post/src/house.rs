//! The front of the house.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use mail::{AccountId, Address, BlobRange};
use store::{Sought, Store};
use tokio::sync::{oneshot, watch};

use crate::aggregate::Aggregates;
use crate::allowance::Allowances;
use crate::audit::Audited;
use crate::budget::{Keepers, MailboxMemory};
use crate::directory::Directory;
use crate::greylist::Turns;
use crate::happenings::Author;
use crate::history::{Actor, Client};
use crate::keeper::{Full, Keeper};
use crate::login::Gate;
use crate::queue::Queue;
use crate::scripts::Shelf;
use crate::search::Waiting;
use crate::spam::Models;
use crate::tally::{Tallied, Tally};
use crate::{Account, AliasFile, Error, Forwards, Outcome, Outside, Rules, Why};

/// From so many messages on, what is done with all of them at once takes milliseconds.
const LONG_MESSAGES_MIN: usize = 5000;

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
    /// Aliases that are in a file.
    pub(crate) alias_file: std::sync::RwLock<Arc<AliasFile>>,
    /// `.forward` files of users.
    pub(crate) forwards: std::sync::RwLock<Arc<Forwards>>,
    pub(crate) gate: Gate,
    pub(crate) full: Arc<Full>,
    /// One change at a time of who shares with whom.
    pub(crate) sharing: tokio::sync::Mutex<()>,
    /// One at a time forgets operations.
    pub(crate) forgetting: tokio::sync::Mutex<()>,
    /// Accounts whose index has fallen behind.
    pub(crate) waiting: Arc<Waiting>,
    /// Scripts as they are run.
    pub(crate) shelf: Shelf,
    /// What accounts have learned of junk.
    pub(crate) models: Models,
    /// What was seen of letters whose domains want to be told.
    pub(crate) aggregates: Aggregates,
    /// What audits found.
    pub(crate) audited: Audited,
    keepers: Keepers,
    /// Sources elsewhere that are being imported.
    pub(crate) imports: crate::import::Reading,
    /// Letters that wait to leave.
    pub(crate) queue: Arc<Queue>,
    /// One at a time changes what is remembered of a stranger.
    pub(crate) strangers: Turns,
    /// How much each account may still send.
    pub(crate) allowances: Allowances,
    /// Octets of all message bodies in memory on their way in.
    pub(crate) bodies: Arc<AtomicUsize>,
    /// What happened so far.
    pub(crate) tally: Arc<Tally>,
    /// How often somebody logged in: each login has its own number.
    logins: AtomicU64,
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
                keepers: Keepers::new(rules.mailbox_memory_octets_max),
                rules,
                stopped: Arc::new(watch::Sender::new(false)),
                directory,
                alias_file: std::sync::RwLock::default(),
                forwards: std::sync::RwLock::default(),
                gate,
                full: Arc::default(),
                sharing: tokio::sync::Mutex::default(),
                forgetting: tokio::sync::Mutex::default(),
                waiting: Arc::default(),
                shelf: Shelf::default(),
                models: Models::default(),
                aggregates: Aggregates::default(),
                audited: Audited::default(),
                imports: Arc::default(),
                queue: Arc::default(),
                strangers: Turns::default(),
                allowances: Allowances::default(),
                bodies: Arc::default(),
                tally: Arc::default(),
                logins: AtomicU64::new(0),
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

    /// What was counted since it was opened.
    #[must_use]
    pub fn tally(&self) -> Tallied {
        let accounts = self.inner.directory.maps().accounts.len();
        Tallied {
            queued: self.inner.queue.desk().known_letters(),
            accounts: u64::try_from(accounts).unwrap_or(u64::MAX),
            ..self.inner.tally.read()
        }
    }

    /// What the store did since it was opened.
    #[must_use]
    pub fn store_stats(&self) -> store::Stats {
        self.inner.store.stats()
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
            actor: Arc::new(Actor {
                who: address.to_string(),
                client: Client::command_line(),
            }),
            address,
            salt,
            visitor: None,
            author: Author(self.inner.logins.fetch_add(1, Ordering::Relaxed) + 1),
            gauge: Arc::default(),
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
    /// [`crate::Why::Damaged`] if a message that is read whole is not what was stored, or a fault.
    pub async fn read(&self, range: BlobRange) -> Outcome<Bytes> {
        let read = self.inner.store.read(range).await;
        read.map_err(Error::reading_message)
    }

    /// Octets of many stored ranges, in their order; at most as many as the caller wants in memory.
    ///
    /// # Errors
    /// As [`Post::read`].
    pub async fn read_many(&self, ranges: Vec<BlobRange>) -> Outcome<Vec<Bytes>> {
        let read = self.inner.store.read_many(ranges).await;
        read.map_err(Error::reading_message)
    }

    /// The same where rows say where the messages may be.
    ///
    /// # Errors
    /// As [`Post::read`].
    pub async fn read_sought(&self, sought: Vec<Sought>) -> Outcome<Vec<Bytes>> {
        let read = self.inner.store.read_sought(sought).await;
        read.map_err(Error::reading_message)
    }

    /// Tells of each of many stored messages whether its octets are those that were stored.
    pub(crate) async fn sound(&self, sought: Vec<Sought>) -> Outcome<Vec<bool>> {
        let sound = self.inner.store.sound(sought).await;
        sound.map_err(Error::reading("comparing messages"))
    }

    /// The one keeper of an account.
    pub(crate) fn keeper(&self, id: AccountId) -> Arc<Keeper> {
        self.inner.keepers.keeper(id, &self.inner.waiting)
    }

    /// Runs work about so many messages: much of it where nobody waits for it but who asked.
    pub(crate) async fn in_nobodys_way<T: Send + 'static>(
        &self,
        messages: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Outcome<T> {
        if messages < LONG_MESSAGES_MIN {
            return Ok(work());
        }
        let (done, answer) = oneshot::channel();
        self.inner.outside.run_long(Box::new(move || {
            // Whoever waited may have gone; then the answer goes nowhere.
            drop(done.send(work()));
        }));
        answer.await.map_err(|_| {
            let text = "Too much is asked at once; please try again later";
            Error::refused(Why::Unavailable, 450, [4, 3, 2], text)
        })
    }

    /// Drops accounts' memory if there is too much of it.
    pub(crate) fn make_room(&self) {
        self.inner.keepers.make_room();
    }

    /// What mailboxes take in memory.
    #[must_use]
    pub fn mailbox_memory(&self) -> MailboxMemory {
        self.inner.keepers.memory()
    }
}
