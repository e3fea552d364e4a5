//! Where people look on at conversations: who is inside, who looks on at whom.
//!
//! While nobody looks on, a conversation pays for it with one atomic load at each step. Each
//! onlooker has a [`Ring`] of its own: what finds no room there is counted and told, and no
//! conversation ever waits for whoever looks on.
//!
//! Not here: what may be seen (each protocol's session knows its secrets), how it is put down
//! (`wire::recording`), the questions of the command line (`control`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail::{Address, ConnId, Timestamp};
use net::{Clock, Peer};

mod beginning;
mod ring;
mod seat;

pub(crate) use beginning::Beginning;
pub(crate) use ring::{Filter, Ring};
pub(crate) use seat::Seat;

/// Who may look on at once.
const ONLOOKERS_MAX: usize = 8;

/// All conversations and all who look on.
#[derive(Debug, Default)]
pub(crate) struct Gallery {
    /// How many look on.
    looking: AtomicUsize,
    /// Counts how often somebody came to look on or went.
    generation: AtomicUsize,
    inside: Mutex<BTreeMap<ConnId, Arc<Presence>>>,
    rings: Mutex<Vec<Arc<Ring>>>,
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Presence {
    pub(crate) peer: Peer,
    pub(crate) beginning: Beginning,
    pub(crate) since: Timestamp,
    standing: Mutex<Standing>,
}

/// Where a conversation stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// Who is logged in.
    pub(crate) account: Option<Address>,
    /// The phase it rested in last.
    pub(crate) phase: &'static str,
    /// True if it is encrypted.
    pub(crate) encrypted: bool,
}

/// Somebody's place to look on from; given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Looking {
    gallery: Arc<Gallery>,
    pub(crate) ring: Arc<Ring>,
}

impl Gallery {
    /// A seat for a connection that has just come in.
    pub(crate) fn seat(self: &Arc<Self>, peer: Peer, beginning: Beginning) -> Seat {
        let presence = Arc::new(Presence {
            peer,
            beginning,
            since: Clock::today(),
            standing: Mutex::default(),
        });
        locked(&self.inside).insert(peer.conn, Arc::clone(&presence));
        Seat::new(Arc::clone(self), presence)
    }

    /// Lets somebody look on; `None` if too many do.
    pub(crate) fn look(self: &Arc<Self>, filter: Filter) -> Option<Looking> {
        let mut rings = locked(&self.rings);
        if rings.len() >= ONLOOKERS_MAX {
            return None;
        }
        let ring = Arc::new(Ring::new(filter));
        rings.push(Arc::clone(&ring));
        self.recount(rings.len());
        Some(Looking {
            gallery: Arc::clone(self),
            ring,
        })
    }

    /// All connections that are open, the oldest first.
    pub(crate) fn inside(&self) -> Vec<Arc<Presence>> {
        locked(&self.inside).values().cloned().collect()
    }

    /// True if nobody looks on.
    fn is_empty(&self) -> bool {
        self.looking.load(Ordering::Relaxed) == 0
    }

    fn generation(&self) -> usize {
        self.generation.load(Ordering::Acquire)
    }

    fn rings(&self) -> Vec<Arc<Ring>> {
        locked(&self.rings).clone()
    }

    fn leave(&self, conn: ConnId) {
        locked(&self.inside).remove(&conn);
    }

    fn recount(&self, count: usize) {
        self.looking.store(count, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

impl Presence {
    pub(crate) fn standing(&self) -> Standing {
        locked(&self.standing).clone()
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let mut rings = locked(&self.gallery.rings);
        rings.retain(|ring| !Arc::ptr_eq(ring, &self.ring));
        self.gallery.recount(rings.len());
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
