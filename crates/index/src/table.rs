//! Runs get numbers, in the order in which they come.

/// Places of a fresh table.
const PLACES_MIN: usize = 1 << 12;
/// Places that a table keeps when it is made empty.
const PLACES_KEPT: usize = 1 << 13;

/// Runs with their numbers.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By the runs' hash; a power of two, at most half full. A run is never zero.
    places: Vec<(u64, u32)>,
    runs: Vec<u64>,
}

impl Table {
    /// The number of a run: a new one if it has none.
    pub(crate) fn id(&mut self, run: u64) -> u32 {
        if self.runs.len() * 2 >= self.places.len() {
            self.grow();
        }
        let new = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        let id = put(&mut self.places, run, new);
        if id == new {
            self.runs.push(run);
        }
        id
    }

    /// True if the run has a number.
    pub(crate) fn has(&self, run: u64) -> bool {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = hash(run) & mask;
        while let Some(place) = self.places.get(at) {
            if place.0 == run || place.0 == 0 {
                return place.0 == run;
            }
            at = (at + 1) & mask;
        }
        false
    }

    /// The runs by their numbers.
    pub(crate) fn runs(&self) -> &[u64] {
        &self.runs
    }

    pub(crate) fn clear(&mut self) {
        self.runs.clear();
        self.places.truncate(PLACES_KEPT);
        self.places.fill((0, 0));
    }

    fn grow(&mut self) {
        let len = (self.places.len() * 2).max(PLACES_MIN);
        self.places.clear();
        self.places.resize(len, (0, 0));
        for (id, run) in (0..).zip(&self.runs) {
            put(&mut self.places, *run, id);
        }
    }
}

/// Where a run is looked for first.
fn hash(run: u64) -> usize {
    // The highest bits of the product depend on all letters.
    crate::narrow((run ^ (run >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 38)
}

/// Puts a run where it belongs, if it is not there; gives the number that it has there.
fn put(places: &mut [(u64, u32)], run: u64, new: u32) -> u32 {
    let mask = places.len().wrapping_sub(1);
    let mut at = hash(run) & mask;
    while let Some(place) = places.get_mut(at) {
        if place.0 == run {
            return place.1;
        }
        if place.0 == 0 {
            *place = (run, new);
            return new;
        }
        at = (at + 1) & mask;
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay() {
        let mut table = Table::default();
        for round in 0..2 {
            for twice in 0..2 {
                for run in 1..10_000_u64 {
                    let id = table.id(run * 77_777 + round);
                    assert_eq!(u64::from(id), run - 1, "{round} {twice}");
                    assert!(table.has(run * 77_777 + round) && !table.has(run * 77_777 + 2));
                }
            }
            assert_eq!(table.runs().len(), 9_999);
            table.clear();
        }
    }
}
