//! Where each destination's letters begin, in memory.
//!
//! Letters that are gone leave traces in the store's engine for a while, and whoever looks for the
//! first one left would walk over all of them again and again. So it is remembered before which
//! place there is nothing; what is put there moves it back.
//!
//! Not here: the rows (`entry`).

use std::collections::HashMap;

use super::entry::Place;

/// Destinations that are remembered; beyond that all are forgotten, which costs a walk each.
const FRONTS_MAX: usize = 10_000;

/// Where the letters of destinations begin.
#[derive(Debug, Default)]
pub(super) struct Fronts {
    known: HashMap<String, Front>,
    born: u64,
}

#[derive(Debug, Default)]
struct Front {
    born: u64,
    /// Nothing is before it.
    place: Place,
    /// Looks that have not ended.
    looks: usize,
    /// The first place that was given during these: they may not have seen it.
    low: Option<Place>,
}

/// A look at the letters of a destination that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    born: u64,
    /// Where it begins.
    pub(super) from: Place,
}

impl Fronts {
    /// Begins to look at a destination's letters.
    pub(super) fn begin(&mut self, destination: &str) -> Look {
        if self.known.len() >= FRONTS_MAX && !self.known.contains_key(destination) {
            self.known.clear();
        }
        let born = self.born;
        let front = self.known.entry(destination.to_owned()).or_insert_with(|| {
            let place = Place::default();
            Front {
                born,
                place,
                ..Front::default()
            }
        });
        self.born += 1;
        front.looks += 1;
        Look {
            born: front.born,
            from: front.place,
        }
    }

    /// Ends a look: nothing was before `first`. Without it, nothing was learned.
    pub(super) fn end(&mut self, destination: &str, look: Look, first: Option<Place>) {
        let front = self.known.get_mut(destination);
        let Some(front) = front.filter(|front| front.born == look.born) else {
            return;
        };
        front.looks = front.looks.saturating_sub(1);
        if let Some(first) = first {
            let first = front.low.map_or(first, |low| low.min(first));
            front.place = front.place.max(first);
        }
        if front.looks == 0 {
            front.low = None;
        }
    }

    /// A letter of this destination got a place.
    pub(super) fn put(&mut self, destination: &str, place: Place) {
        let Some(front) = self.known.get_mut(destination) else {
            return;
        };
        front.place = front.place.min(place);
        if front.looks > 0 {
            front.low = Some(front.low.map_or(place, |low| low.min(place)));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use mail::QueueId;

    use super::*;

    fn place(due: i64) -> Place {
        Place {
            due,
            id: QueueId(7),
        }
    }

    #[test]
    fn a_front_never_passes_what_may_be_there() {
        let mut fronts = Fronts::default();
        let first = fronts.begin("a.example");
        assert_eq!(first.from, Place::default());
        fronts.end("a.example", first, Some(place(10)));
        // What comes behind it changes nothing, what comes before it does.
        fronts.put("a.example", place(12));
        fronts.put("b.example", place(1));
        let look = fronts.begin("a.example");
        assert_eq!(look.from, place(10));
        fronts.end("a.example", look, Some(place(10)));
        fronts.put("a.example", place(8));
        let (one, other) = (fronts.begin("a.example"), fronts.begin("a.example"));
        assert_eq!((one.from, other.from), (place(8), place(8)));
        // Looks that may have missed what was put meanwhile do not pass it, in whichever order.
        fronts.put("a.example", place(9));
        fronts.end("a.example", other, Some(place(20)));
        fronts.end("a.example", one, Some(place(30)));
        let look = fronts.begin("a.example");
        assert_eq!(look.from, place(9));
        fronts.end("a.example", look, Some(place(9)));
        // A look that failed tells nothing.
        let failed = fronts.begin("a.example");
        fronts.end("a.example", failed, None);
        assert_eq!(fronts.begin("a.example").from, place(9));
    }

    #[test]
    fn what_is_forgotten_begins_at_the_beginning() {
        let mut fronts = Fronts::default();
        let old = fronts.begin("a.example");
        for number in 0..FRONTS_MAX {
            fronts.begin(&format!("{number}.example"));
        }
        assert!(fronts.known.len() <= FRONTS_MAX);
        let new = fronts.begin("a.example");
        // The old look knows of another front.
        fronts.put("a.example", place(3));
        fronts.end("a.example", old, Some(place(10)));
        fronts.end("a.example", new, Some(place(5)));
        assert_eq!(fronts.begin("a.example").from, place(3));
        fronts.clear();
        assert_eq!(fronts.begin("a.example").from, Place::default());
    }
}
