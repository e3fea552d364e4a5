//! `PARTIAL`: some of many results, counted from either end (RFC 9394).

use std::fmt;
use std::num::NonZeroU32;

use mail::{Member, Set};

use crate::cursor::{Cursor, Read};

/// Which of the results: `1:500`, or `-1:-100` from the last one down; either way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialRange {
    /// The place written first, from one.
    pub from: NonZeroU32,
    /// The place written last.
    pub to: NonZeroU32,
    /// True if the last result is the first place.
    pub from_end: bool,
}

impl PartialRange {
    /// Those of the results, in rising order, that are in these places.
    #[must_use]
    pub fn of<T: Member>(self, results: &Set<T>) -> Set<T> {
        let (low, high) = self.places(results.len());
        let mut these = Set::new();
        // Results before the range that is looked at.
        let mut before = 0;
        for range in results.ranges() {
            let (first, last) = (range.start().ordinal(), range.end().ordinal());
            let len = u64::from(last - first) + 1;
            let from = low.max(before + 1);
            let to = high.min(before + len);
            let member = |place: u64| {
                let steps = u32::try_from(place - before - 1).ok()?;
                T::from_ordinal(first.checked_add(steps)?)
            };
            if from <= to
                && let (Some(from), Some(to)) = (member(from), member(to))
            {
                these.insert_range(from..=to);
            }
            before += len;
            if before >= high {
                break;
            }
        }
        these
    }

    /// Those of the results in these places, where the results have an order of their own.
    #[must_use]
    pub fn among<T>(self, results: &[T]) -> &[T] {
        let place = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
        let (low, high) = self.places(results.len() as u64);
        let to = place(high).min(results.len());
        let from = place(low).saturating_sub(1).min(to);
        results.get(from..to).unwrap_or_default()
    }

    /// The first and the last place among so many, counted from one; they may lie outside.
    fn places(self, count: u64) -> (u64, u64) {
        let (low, high) = (self.from.min(self.to), self.from.max(self.to));
        let (low, high) = (u64::from(low.get()), u64::from(high.get()));
        if !self.from_end {
            return (low, high);
        }
        let place = |from_end: u64| count.saturating_add(1).saturating_sub(from_end);
        (place(high), place(low))
    }
}

impl fmt::Display for PartialRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.from_end { "-" } else { "" };
        write!(f, "{sign}{}:{sign}{}", self.from, self.to)
    }
}

/// Reads the range behind the word `PARTIAL`.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Read<PartialRange> {
    let at = cursor.position();
    let from_end = cursor.eat(b'-');
    let from = cursor.nz_number()?;
    cursor.expect(b':', "':'")?;
    // RFC 9394 §4
    if cursor.eat(b'-') != from_end {
        return Cursor::error_at(at, "a range such as 1:100 or -1:-100");
    }
    let to = cursor.nz_number()?;
    Ok(PartialRange { from, to, from_end })
}

#[cfg(test)]
mod tests {
    use mail::{Uid, UidSet};

    use super::*;

    fn uids(numbers: impl IntoIterator<Item = u32>) -> UidSet {
        numbers.into_iter().filter_map(Uid::new).collect()
    }

    #[test]
    fn places_are_counted_from_either_end() {
        let results = [2, 3, 4, 7, 9, 10, 11, 12, 40];
        let set = uids(results);
        for from in 1..12 {
            for to in 1..12 {
                let (low, high) = (from.min(to), from.max(to));
                let number = |number: usize| NonZeroU32::new(u32::try_from(number).unwrap());
                for from_end in [false, true] {
                    let range = PartialRange {
                        from: number(from).unwrap(),
                        to: number(to).unwrap(),
                        from_end,
                    };
                    let mut listed = results.to_vec();
                    if from_end {
                        listed.reverse();
                    }
                    let these = listed.into_iter().skip(low - 1).take(high - low + 1);
                    let these = uids(these);
                    assert_eq!(range.of(&set), these, "{range}");
                    let among = range.among(&results).iter().copied();
                    assert_eq!(uids(among), these, "{range}");
                }
            }
        }
    }

    #[test]
    fn the_largest_sets_and_places_are_no_trouble() {
        let all = UidSet::from_range(Uid::MIN..=Uid::MAX);
        for from_end in [false, true] {
            let last = PartialRange {
                from: NonZeroU32::MAX,
                to: NonZeroU32::MAX,
                from_end,
            };
            let expected = if from_end { Uid::MIN } else { Uid::MAX };
            assert_eq!(last.of(&all), UidSet::from_range(expected..=expected));
            assert!(last.of(&uids([5])).is_empty());
            assert!(last.of(&UidSet::new()).is_empty());
        }
    }
}
