//! How much memory accounts may take, and whose goes when it is short.
//!
//! See `docs/decisions/016-mailboxes-in-memory.md`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail::AccountId;

use crate::keeper::Keeper;
use crate::search::Waiting;

/// What mailboxes take in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxMemory {
    /// Octets, as they were counted when something changed.
    pub octets: usize,
    /// The same, counted now: both are equal while nothing happens.
    pub recounted_octets: usize,
    /// How many octets it may be.
    pub octets_max: usize,
    /// Accounts that are in memory.
    pub accounts: usize,
    /// How often room was wanted and all that could be dropped was not enough.
    pub shortages: u64,
}

/// What all accounts of a house take in memory.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    octets_max: usize,
    octets: AtomicUsize,
    /// How often an account was asked for: the time by which the longest unused is known.
    asks: AtomicU64,
    /// After a shortage nobody looks for room before so many asks.
    again_at: AtomicU64,
    shortages: AtomicU64,
    /// True once a shortage was told in the log.
    told: AtomicBool,
}

impl Budget {
    /// One more ask.
    pub(crate) fn ask(&self) -> u64 {
        self.asks.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// An account takes so many octets where it took others before.
    pub(crate) fn weigh(&self, before: usize, octets: usize) {
        // In this order, so that it is never below nothing.
        self.octets.fetch_add(octets, Ordering::Relaxed);
        self.octets.fetch_sub(before, Ordering::Relaxed);
    }

    fn is_short(&self) -> bool {
        self.octets.load(Ordering::Relaxed) > self.octets_max
            && self.asks.load(Ordering::Relaxed) >= self.again_at.load(Ordering::Relaxed)
    }

    /// Notes that nothing more could be dropped of so many accounts.
    fn fall_short(&self, accounts: usize) {
        let octets = self.octets.load(Ordering::Relaxed);
        self.shortages.fetch_add(1, Ordering::Relaxed);
        // Each account was looked at: not again before as many asks.
        let pause = u64::try_from(accounts).unwrap_or(u64::MAX);
        let again_at = self.asks.load(Ordering::Relaxed).saturating_add(pause);
        self.again_at.store(again_at, Ordering::Relaxed);
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                octets,
                octets_max = self.octets_max,
                "mailboxes in use take more memory than is meant for them"
            );
        }
    }
}

/// The keepers of a house: one for each account that somebody holds or has asked for.
#[derive(Debug)]
pub(crate) struct Keepers {
    budget: Arc<Budget>,
    map: Mutex<HashMap<AccountId, Arc<Keeper>>>,
}

impl Keepers {
    pub(crate) fn new(octets_max: usize) -> Self {
        Self {
            budget: Arc::new(Budget {
                octets_max,
                ..Budget::default()
            }),
            map: Mutex::default(),
        }
    }

    /// The one keeper of an account.
    pub(crate) fn keeper(&self, id: AccountId, waiting: &Arc<Waiting>) -> Arc<Keeper> {
        let mut map = self.lock();
        let keeper = map.entry(id).or_insert_with(|| {
            let budget = Arc::clone(&self.budget);
            Arc::new(Keeper::new(id, budget, Arc::clone(waiting)))
        });
        Arc::clone(keeper)
    }

    /// Where more is in memory than may be, drops accounts, the longest unused first, until an
    /// eighth is free. The one that was used last stays: it may be larger than all there is.
    pub(crate) fn make_room(&self) {
        if !self.budget.is_short() {
            return;
        }
        let octets_wanted = self.budget.octets_max - self.budget.octets_max / 8;
        let mut dropped = Vec::new();
        let mut gone = Vec::new();
        let mut map = self.lock();
        let mut accounts: Vec<_> = map
            .values()
            .map(|keeper| (keeper.used(), keeper.account, keeper.octets()))
            .collect();
        accounts.sort_unstable();
        accounts.pop();
        for (_, account, octets) in accounts {
            let enough = self.budget.octets.load(Ordering::Relaxed) <= octets_wanted;
            let Some(keeper) = map.get(&account) else {
                continue;
            };
            if octets > 0 && !enough {
                dropped.extend(keeper.rest());
            }
            // Under the map's lock a count of 1 cannot grow: only the map could hand out another.
            if keeper.octets() == 0 && Arc::strong_count(keeper) == 1 {
                gone.extend(map.remove(&account));
            }
        }
        if self.budget.octets.load(Ordering::Relaxed) > self.budget.octets_max {
            self.budget.fall_short(map.len());
        }
        // Freeing takes time: not under the lock.
        drop(map);
    }

    /// What it all takes.
    pub(crate) fn memory(&self) -> MailboxMemory {
        let keepers: Vec<_> = self.lock().values().map(Arc::clone).collect();
        let octets = keepers.iter().map(|keeper| keeper.octets_now());
        let octets: Vec<_> = octets.filter(|octets| *octets > 0).collect();
        MailboxMemory {
            octets: self.budget.octets.load(Ordering::Relaxed),
            recounted_octets: octets.iter().sum(),
            octets_max: self.budget.octets_max,
            accounts: octets.len(),
            shortages: self.budget.shortages.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Arc<Keeper>>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
