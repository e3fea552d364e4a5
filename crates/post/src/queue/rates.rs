//! How many letters each destination has taken in the last minute, in memory.
//!
//! Not here: how many it may be given (`server`).

use std::collections::{BTreeMap, VecDeque};

/// Destinations that are remembered; of more nothing is known.
const DESTINATIONS_MAX: usize = 10_000;
/// Seconds that count.
const SECONDS: i64 = 60;

/// How many letters were taken lately.
#[derive(Debug, Default)]
pub(super) struct Rates(BTreeMap<String, VecDeque<(i64, u32)>>);

impl Rates {
    /// A destination took so many in this second.
    pub(super) fn took(&mut self, destination: &str, letters: u32, now: i64) {
        if !self.0.contains_key(destination) {
            if self.0.len() >= DESTINATIONS_MAX {
                self.0.retain(|_, seconds| {
                    forget(seconds, now);
                    !seconds.is_empty()
                });
            }
            if self.0.len() >= DESTINATIONS_MAX {
                return;
            }
        }
        let seconds = self.0.entry(destination.to_owned()).or_default();
        forget(seconds, now);
        match seconds.back_mut() {
            Some((second, count)) if *second == now => *count = count.saturating_add(letters),
            _ => seconds.push_back((now, letters)),
        }
    }

    /// What each has taken in the last minute.
    pub(super) fn all(&mut self, now: i64) -> BTreeMap<String, u32> {
        self.0.retain(|_, seconds| {
            forget(seconds, now);
            !seconds.is_empty()
        });
        let counts = self.0.iter().map(|(destination, seconds)| {
            let count = seconds.iter().map(|(_, count)| *count);
            (destination.clone(), count.fold(0, u32::saturating_add))
        });
        counts.collect()
    }
}

/// Forgets what is older than a minute; and what is yet to come, where a clock went back.
fn forget(seconds: &mut VecDeque<(i64, u32)>, now: i64) {
    let counts = |(second, _): &(i64, u32)| *second > now.saturating_sub(SECONDS) && *second <= now;
    seconds.retain(counts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_counts() {
        let mut rates = Rates::default();
        rates.took("a.example", 2, 100);
        rates.took("a.example", 3, 100);
        rates.took("b.example", 1, 130);
        rates.took("a.example", 1, 159);
        let all = |rates: &mut Rates, now| {
            let all = rates.all(now);
            ["a.example", "b.example"].map(|name| all.get(name).copied())
        };
        assert_eq!(all(&mut rates, 159), [Some(6), Some(1)]);
        assert_eq!(all(&mut rates, 160), [Some(1), Some(1)]);
        assert_eq!(all(&mut rates, 190), [Some(1), None]);
        for number in 0..DESTINATIONS_MAX + 5 {
            rates.took(&number.to_string(), 1, 200);
        }
        assert!(rates.0.len() <= DESTINATIONS_MAX);
        // A clock that goes back counts anew.
        assert_eq!(rates.all(10).len(), 0);
    }
}
