//! The keeper of an account: one at a time prepares batches in memory and queues their commits;
//! whoever reads waits until what was read is on the disk.
//!
//! See `docs/decisions/004-keeper-and-read-barrier.md`.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail::{AccountId, ModSeq};
use store::{Batch, CommitError, Partition, Staged, Version, Writes};

mod settling;

pub(crate) use settling::Full;
use settling::{Party, Settling};

use crate::access::forbidden;
use crate::arranged::Arranged;
use crate::budget::Budget;
use crate::draft::Draft;
use crate::feed::Feed;
use crate::ledger::Ledger;
use crate::queue;
use crate::removed::REMOVED_MAIL;
use crate::search::{Index, Waiting};
use crate::tally::Noted;
use crate::{Error, Outcome, Post};

/// The keeper of one account.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) account: AccountId,
    /// Whoever goes to the desk waits here, so that no thread stands still while a change of very
    /// many messages is prepared.
    turn: tokio::sync::Mutex<()>,
    desk: Mutex<Desk>,
    loading: tokio::sync::Mutex<()>,
    settled: Feed<Settled>,
    pub(crate) modseq: Feed<ModSeq>,
    /// True while a POP3 connection has the inbox for itself.
    pub(crate) maildrop: AtomicBool,
    /// When it was last asked for, in asks of the whole house.
    used: AtomicU64,
    /// How many are in the middle of something that needs its memory.
    pins: AtomicUsize,
    pub(crate) index: Index,
    octets: AtomicUsize,
    budget: Arc<Budget>,
}

/// As long as it lives, an account's memory is not dropped to make room.
#[derive(Debug)]
pub(crate) struct Pinned<'a>(&'a Keeper);

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        self.0.pins.fetch_sub(1, Ordering::Release);
    }
}

#[derive(Debug, Default)]
struct Desk {
    /// How often the account's memory was thrown away.
    generation: u64,
    ledger: Option<Box<Ledger>>,
    /// The newest version that a commit was said to have reached: what was read of an older one
    /// lacks something that was acknowledged.
    acknowledged: Version,
}

/// How far an account is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Settled {
    generation: u64,
    version: Version,
}

/// What one look or one try at a change gave.
enum Tried<T> {
    /// The memory was thrown away meanwhile: load it and try anew.
    Away,
    /// An answer, good once these keepers are settled so far.
    Answer(T, Vec<Settled>),
    /// An answer, good once the commit is through.
    Commit(T, Box<Settling>),
}

impl Keeper {
    pub(crate) fn new(account: AccountId, budget: Arc<Budget>, waiting: Arc<Waiting>) -> Self {
        Self {
            account,
            turn: tokio::sync::Mutex::default(),
            desk: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            settled: Feed::default(),
            modseq: Feed::default(),
            maildrop: AtomicBool::new(false),
            used: AtomicU64::new(budget.ask()),
            pins: AtomicUsize::new(0),
            index: Index::new(account, waiting),
            octets: AtomicUsize::new(0),
            budget,
        }
    }

    pub(crate) const fn partition(&self) -> Partition {
        Partition(self.account.0 & !REMOVED_MAIL)
    }

    /// True if it keeps what was removed from an account: nothing is ever changed there.
    pub(crate) const fn is_removed_mail(&self) -> bool {
        self.account.0 & REMOVED_MAIL != 0
    }

    /// How many octets of memory the account takes, as was counted last.
    pub(crate) fn octets(&self) -> usize {
        self.octets.load(Ordering::Relaxed)
    }

    /// How many octets it takes, counted now.
    pub(crate) fn octets_now(&self) -> usize {
        self.desk().ledger.as_deref().map_or(0, Ledger::octets)
    }

    /// When it was last asked for.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Keeps its memory as long as the pin is held: for what asks several times. It costs no more
    /// than time if the memory goes all the same, so a pin is no lock.
    pub(crate) fn pin(&self) -> Pinned<'_> {
        self.pins.fetch_add(1, Ordering::Acquire);
        self.used.store(self.budget.ask(), Ordering::Relaxed);
        Pinned(self)
    }

    /// Gives its memory away to make room, unless somebody needs it or a commit is on its way.
    pub(crate) fn rest(&self) -> Option<Box<Ledger>> {
        // Whoever holds the lock uses it.
        let mut desk = self.desk.try_lock().ok()?;
        let ledger = desk.ledger.as_deref()?;
        if ledger.durable < ledger.version || self.pins.load(Ordering::Acquire) > 0 {
            return None;
        }
        let ledger = desk.ledger.take();
        self.discard(&mut desk);
        ledger
    }

    /// Throws the memory away: the next use reads the store.
    pub(crate) fn forget(&self) {
        let mut desk = self.desk();
        self.discard(&mut desk);
    }

    /// Uses the orders and threads that its memory has; `None` if it is not there.
    pub(crate) fn arranged<T>(&self, work: impl FnOnce(&mut Arranged) -> T) -> Option<T> {
        let mut desk = self.desk();
        let ledger = desk.ledger.as_deref_mut()?;
        let done = work(&mut ledger.arranged);
        self.weigh(ledger.octets());
        Some(done)
    }

    /// Wakes whoever watches, though the ledger has not moved.
    pub(crate) fn stir(&self) {
        self.modseq.change(|_| true);
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // A panic under the lock may have left the memory half changed: it is not used again.
        self.desk.lock().unwrap_or_else(|poison: PoisonError<_>| {
            let mut desk = poison.into_inner();
            self.discard(&mut desk);
            self.desk.clear_poison();
            desk
        })
    }

    fn discard(&self, desk: &mut Desk) {
        desk.generation += 1;
        desk.ledger = None;
        self.weigh(0);
        self.settled.set(Settled {
            generation: desk.generation,
            version: Version::default(),
        });
    }

    fn weigh(&self, octets: usize) {
        let before = self.octets.swap(octets, Ordering::Relaxed);
        self.budget.weigh(before, octets);
    }

    async fn load(&self, house: &Post) -> Outcome<()> {
        let _one_at_a_time = self.loading.lock().await;
        if self.desk().ledger.is_some() {
            return Ok(());
        }
        let owner = AccountId(self.partition().0);
        if house.inner.directory.is_removed(owner) {
            return Err(Error::nonexistent("There is no such account"));
        }
        let store = house.inner.store.as_ref();
        let ledger = match self.is_removed_mail() {
            true => Ledger::load_removed(store, self.partition()).await?,
            false => Ledger::load(store, self.partition()).await?,
        };
        let mut desk = self.desk();
        if ledger.version < desk.acknowledged {
            // A commit from before the memory was thrown away ended meanwhile: read again.
            return Ok(());
        }
        self.weigh(ledger.octets());
        self.settled.set(Settled {
            generation: desk.generation,
            version: ledger.durable,
        });
        self.publish(ledger.counters.modseq);
        if !self.is_removed_mail() {
            self.index
                .notice(ledger.counters.email, ledger.counters.usage.messages);
        }
        desk.ledger = Some(Box::new(ledger));
        Ok(())
    }

    fn publish(&self, modseq: ModSeq) {
        self.modseq.change(|known| {
            let moved = modseq > *known;
            *known = modseq.max(*known);
            moved
        });
    }

    /// Waits until the disk has what was seen; false if it never will.
    async fn settle(&self, seen: Settled) -> bool {
        let is_reached = |now: Settled| {
            let is_away = now.generation != seen.generation;
            is_away || now.version >= seen.version
        };
        let now = self.settled.until(is_reached).await;
        now.generation == seen.generation
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.weigh(0);
    }
}

impl Post {
    /// Looks at an account. The answer is handed out when all it was made of is durable.
    pub(crate) async fn look<T>(
        &self,
        keeper: &Keeper,
        look: impl FnMut(&Ledger) -> T + Send,
    ) -> Outcome<T>
    where
        T: Send,
    {
        let answer = {
            let _pinned = keeper.pin();
            self.look_pinned(keeper, look).await
        };
        self.make_room();
        answer
    }

    async fn look_pinned<T: Send>(
        &self,
        keeper: &Keeper,
        mut look: impl FnMut(&Ledger) -> T + Send,
    ) -> Outcome<T> {
        loop {
            let seen = {
                let _turn = keeper.turn.lock().await;
                let desk = keeper.desk();
                desk.ledger.as_ref().map(|ledger| {
                    let barrier = (ledger.durable < ledger.version).then_some(Settled {
                        generation: desk.generation,
                        version: ledger.version,
                    });
                    (look(ledger), barrier)
                })
            };
            match seen {
                None => keeper.load(self).await?,
                Some((answer, None)) => return Ok(answer),
                Some((answer, Some(barrier))) => {
                    if keeper.settle(barrier).await {
                        return Ok(answer);
                    }
                }
            }
        }
    }

    /// Looks at an account without waiting for the disk: for a first check of what is checked
    /// again later, never for an answer. `None` if it is not in memory.
    pub(crate) fn glance<T>(keeper: &Keeper, look: impl FnOnce(&Ledger) -> T) -> Option<T> {
        keeper.desk().ledger.as_deref().map(look)
    }

    /// Changes an account; the answer is handed out when the change is durable.
    ///
    /// `change` may run again if the memory it saw turns out to be stale; then what it did before
    /// is gone.
    pub(crate) async fn change<T: Send>(
        &self,
        keeper: &Arc<Keeper>,
        blobs: &[Staged],
        mut change: impl FnMut(&mut Draft<'_>) -> Outcome<T> + Send,
    ) -> Outcome<T> {
        let keepers = [Arc::clone(keeper)];
        let mut done = self
            .change_all(&keepers, blobs, |_, draft| change(draft))
            .await?;
        done.pop()
            .ok_or_else(|| Error::limit("Nothing was changed"))
    }

    /// Changes several accounts in one durable step. `keepers` are sorted by account, none twice.
    pub(crate) async fn change_all<T: Send>(
        &self,
        keepers: &[Arc<Keeper>],
        blobs: &[Staged],
        change: impl FnMut(usize, &mut Draft<'_>) -> Outcome<T> + Send,
    ) -> Outcome<Vec<T>> {
        let queue = queue::Change::default();
        self.change_with_queue(keepers, blobs, &queue, change).await
    }

    /// Changes several accounts, and the queue, in one durable step.
    pub(crate) async fn change_with_queue<T: Send>(
        &self,
        keepers: &[Arc<Keeper>],
        blobs: &[Staged],
        queue: &queue::Change,
        change: impl FnMut(usize, &mut Draft<'_>) -> Outcome<T> + Send,
    ) -> Outcome<Vec<T>> {
        let answer = {
            let _pinned: Vec<_> = keepers.iter().map(|keeper| keeper.pin()).collect();
            self.change_pinned(keepers, blobs, queue, change).await
        };
        self.make_room();
        answer
    }

    async fn change_pinned<T: Send>(
        &self,
        keepers: &[Arc<Keeper>],
        blobs: &[Staged],
        queue: &queue::Change,
        mut change: impl FnMut(usize, &mut Draft<'_>) -> Outcome<T> + Send,
    ) -> Outcome<Vec<T>> {
        // A full disk stays full for a while: accounts are not read anew for each letter.
        if !blobs.is_empty() && self.inner.full.is_recent(self.inner.outside.instant()) {
            return Err(Error::commit(CommitError::Full));
        }
        loop {
            let tried = {
                let mut turns = Vec::with_capacity(keepers.len());
                for keeper in keepers {
                    turns.push(keeper.turn.lock().await);
                }
                self.try_change(keepers, blobs, queue, &mut change)
            };
            match tried {
                Tried::Away => {
                    for keeper in keepers {
                        keeper.load(self).await?;
                    }
                    if !queue.is_empty() {
                        self.inner.queue.load(self.inner.store.as_ref()).await?;
                    }
                }
                Tried::Answer(answer, barriers) => {
                    let mut holds = true;
                    for (keeper, barrier) in keepers.iter().zip(barriers) {
                        holds &= keeper.settle(barrier).await;
                    }
                    if holds {
                        return answer;
                    }
                }
                Tried::Commit(answer, settling) => {
                    settling.await.map_err(Error::commit)?;
                    return answer;
                }
            }
        }
    }

    /// Prepares a batch under the keepers' locks and queues its commit before they are released.
    fn try_change<T>(
        &self,
        keepers: &[Arc<Keeper>],
        blobs: &[Staged],
        queue: &queue::Change,
        change: &mut impl FnMut(usize, &mut Draft<'_>) -> Outcome<T>,
    ) -> Tried<Outcome<Vec<T>>> {
        let mut desks: Vec<_> = keepers.iter().map(|keeper| keeper.desk()).collect();
        // Behind all accounts, so that nobody waits for the other in a circle.
        let waiting = (!queue.is_empty()).then(|| self.inner.queue.desk());
        let is_away = waiting.as_ref().is_some_and(|desk| !desk.is_loaded());
        if is_away || desks.iter().any(|desk| desk.ledger.is_none()) {
            return Tried::Away;
        }
        let (parts, blobs) = (Vec::new(), blobs.to_vec());
        let mut batch = Batch { parts, blobs };
        let mut parties = Vec::new();
        let mut answers = Vec::new();
        let mut noted = Noted::default();
        for (index, (keeper, desk)) in keepers.iter().zip(&mut desks).enumerate() {
            let generation = desk.generation;
            let Some(ledger) = desk.ledger.as_deref_mut() else {
                return Tried::Away;
            };
            let mut draft = Draft::new(ledger);
            if self.inner.rules.undo.is_on() {
                draft.remember(self.inner.outside.now());
            }
            match change(index, &mut draft) {
                Ok(answer) => answers.push(answer),
                Err(error) => {
                    let untouched = draft.is_empty() && parties.is_empty();
                    if untouched {
                        return Tried::Answer(Err(error), barriers(&desks));
                    }
                    // Half a change is in memory: drop it, the store knows better.
                    for (keeper, desk) in keepers.iter().zip(&mut desks) {
                        keeper.discard(desk);
                    }
                    return Tried::Answer(Err(error), Vec::new());
                }
            }
            if keeper.is_removed_mail() && !draft.is_empty() {
                keeper.discard(desk);
                return Tried::Answer(Err(forbidden()), Vec::new());
            }
            noted = noted.with(draft.noted());
            if let Some((writes, modseq)) = draft.finish() {
                batch.parts.push(Writes {
                    partition: keeper.partition(),
                    from: ledger.version,
                    writes,
                });
                ledger.version = ledger.version.next();
                keeper.weigh(ledger.octets());
                parties.push(Party {
                    keeper: Arc::clone(keeper),
                    generation,
                    version: ledger.version,
                    modseq,
                });
            }
        }
        match self.send(batch, (parties, noted), (waiting, queue)) {
            Some(settling) => Tried::Commit(Ok(answers), Box::new(settling)),
            None => Tried::Answer(Ok(answers), barriers(&desks)),
        }
    }

    /// Queues the commit of a batch and of what changes in the queue; `None` if that is nothing.
    /// Called while all that it is about is locked.
    fn send(
        &self,
        mut batch: Batch,
        (parties, noted): (Vec<Party>, Noted),
        (mut desk, change): (Option<MutexGuard<'_, queue::Desk>>, &queue::Change),
    ) -> Option<Settling> {
        let prepared = desk
            .as_mut()
            .and_then(|desk| desk.prepare(&self.inner.queue, change, self.tells_journeys()));
        let queue = prepared.map(|(writes, party)| {
            batch.parts.push(writes);
            party
        });
        if parties.is_empty() && queue.is_none() {
            return None;
        }
        let commit = self.inner.store.commit(batch);
        // Not before: two changes of the queue are committed in the order they were prepared in.
        drop(desk);
        let told = queue.as_ref().map(|party| party.noted);
        Some(Settling {
            commit: Some(commit),
            parties,
            noted: noted.with(told.unwrap_or_default()),
            tally: Arc::clone(&self.inner.tally),
            queue,
            outside: Arc::clone(&self.inner.outside),
            stopped: Arc::clone(&self.inner.stopped),
            full: Arc::clone(&self.inner.full),
            carried_on: false,
        })
    }
}

fn barriers(desks: &[MutexGuard<'_, Desk>]) -> Vec<Settled> {
    desks
        .iter()
        .map(|desk| Settled {
            generation: desk.generation,
            version: desk
                .ledger
                .as_ref()
                .map_or_else(Version::default, |ledger| ledger.version),
        })
        .collect()
}
