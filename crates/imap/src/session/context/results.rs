//! A result that changes, and the places at which it does (RFC 5267 §4.3.2 to §4.3.4).

use mail::{SeqNo, Uid, UidSet};

use crate::response::Placed;
use crate::session::sort::in_order;
use crate::session::store::{written_seqs, written_uids};
use crate::view::{View, intersect, subtract};

/// The messages that a search found.
#[derive(Debug)]
pub(in crate::session) enum Results {
    /// In the order of the mailbox.
    ByUid(UidSet),
    /// In an order of their own.
    InOrder(Vec<Uid>),
}

/// Messages that come or go.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Places {
    /// Wherever they stand by their numbers.
    ByUid(UidSet),
    /// One after the other from a place on; each counts on those before it being done.
    InOrder(Vec<(usize, Vec<Uid>)>),
}

impl Default for Results {
    fn default() -> Self {
        Self::ByUid(UidSet::new())
    }
}

impl Results {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::ByUid(uids) => usize::try_from(uids.len()).unwrap_or(usize::MAX),
            Self::InOrder(uids) => uids.len(),
        }
    }

    /// Those of these that are in it.
    pub(super) fn among(&self, these: &UidSet) -> UidSet {
        match self {
            Self::ByUid(uids) => intersect(uids, these),
            Self::InOrder(uids) => {
                let among = uids.iter().copied().filter(|&uid| these.contains(uid));
                rising(among.collect()).into_iter().collect()
            }
        }
    }

    /// The one at this place, from zero, of an order of their own.
    pub(super) fn at(&self, place: usize) -> Option<Uid> {
        match self {
            Self::ByUid(_) => None,
            Self::InOrder(uids) => uids.get(place).copied(),
        }
    }

    /// Octets they take in memory.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::ByUid(uids) => uids.ranges().count() * 2 * size_of::<u32>(),
            Self::InOrder(uids) => uids.len() * size_of::<Uid>(),
        }
    }

    /// Takes these out.
    pub(super) fn remove(&mut self, these: &UidSet) -> Places {
        match self {
            Self::ByUid(uids) => {
                let gone = intersect(uids, these);
                *uids = subtract(uids, &gone);
                Places::ByUid(gone)
            }
            Self::InOrder(uids) => {
                let mut places: Vec<(usize, Vec<Uid>)> = Vec::new();
                let mut left = 0;
                uids.retain(|&uid| {
                    if !these.contains(uid) {
                        left += 1;
                        return true;
                    }
                    run(&mut places, left, uid, |(from, _)| from);
                    false
                });
                Places::InOrder(places)
            }
        }
    }

    /// Puts these in, by their UIDs.
    pub(super) fn insert(&mut self, these: &UidSet) -> Places {
        let Self::ByUid(uids) = self else {
            return Places::InOrder(Vec::new());
        };
        let came = subtract(these, uids);
        for range in came.ranges() {
            uids.insert_range(range);
        }
        Places::ByUid(came)
    }

    /// Puts these in, rising, each before the one that is at its place now.
    pub(super) fn insert_at(&mut self, these: Vec<(usize, Uid)>) -> Places {
        let Self::InOrder(uids) = self else {
            return Places::InOrder(Vec::new());
        };
        let mut places = Vec::new();
        let mut all = Vec::with_capacity(uids.len() + these.len());
        let mut before = 0;
        for (place, uid) in these {
            all.extend_from_slice(uids.get(before..place).unwrap_or_default());
            before = before.max(place);
            run(&mut places, all.len(), uid, |(from, run)| from + run.len());
            all.push(uid);
        }
        all.extend_from_slice(uids.get(before..).unwrap_or_default());
        *uids = all;
        Places::InOrder(places)
    }
}

/// The same messages by rising UID.
pub(super) fn rising(mut uids: Vec<Uid>) -> Vec<Uid> {
    uids.sort_unstable();
    uids
}

/// Adds a message at a place, to the last run if that is where it `goes_on`.
fn run(
    places: &mut Vec<(usize, Vec<Uid>)>,
    place: usize,
    uid: Uid,
    goes_on: impl Fn((usize, &[Uid])) -> usize,
) {
    match places.last_mut() {
        Some((from, run)) if goes_on((*from, run)) == place => run.push(uid),
        _ => places.push((place, vec![uid])),
    }
}

/// Places as they are told, in the numbers that the client uses.
pub(super) fn told(places: Places, by_uid: bool, view: &View) -> Vec<Placed> {
    match places {
        Places::ByUid(uids) if uids.is_empty() => Vec::new(),
        Places::ByUid(uids) if by_uid => vec![(0, written_uids(&uids))],
        Places::ByUid(uids) => vec![(0, written_seqs(&view.seqs_of(&uids)))],
        Places::InOrder(places) => {
            let number = |uid: &Uid| match by_uid {
                true => Some(uid.value()),
                false => view.seq(*uid).map(SeqNo::value),
            };
            let placed = places.iter().map(|(place, run)| {
                let numbers: Vec<u32> = run.iter().filter_map(number).collect();
                let place = u32::try_from(place + 1).unwrap_or(u32::MAX);
                (place, in_order(&numbers))
            });
            placed.collect()
        }
    }
}
