//! Sets of message numbers, kept as sorted, disjoint, non-adjacent ranges.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

/// A number that can be in a [`Set`].
pub trait Member: Copy + Ord {
    /// The bare number.
    fn ordinal(self) -> u32;
    /// The number back; `None` where the type has no such value.
    fn from_ordinal(ordinal: u32) -> Option<Self>;
}

/// A set of numbers; a million consecutive ones cost as much as one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Set<T> {
    /// Sorted; each range ends at least two below the start of the next.
    ranges: Vec<(u32, u32)>,
    member: PhantomData<T>,
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self {
            ranges: Vec::new(),
            member: PhantomData,
        }
    }
}

impl<T: Member> Set<T> {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All numbers from `range`'s start to its end, both included; empty if the end is smaller.
    #[must_use]
    pub fn from_range(range: RangeInclusive<T>) -> Self {
        let mut set = Self::new();
        set.insert_range(range);
        set
    }

    /// True if nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many numbers are in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges
            .iter()
            .map(|&(low, high)| u64::from(high) - u64::from(low) + 1)
            .sum()
    }

    /// How many ranges it is kept as: what it costs.
    #[must_use]
    pub fn ranges_count(&self) -> usize {
        self.ranges.len()
    }

    /// Octets of memory that its ranges take, those that wait for more of them included.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.ranges.capacity() * size_of::<(u32, u32)>()
    }

    /// Gives memory back that waits for more ranges.
    pub fn shrink_to_fit(&mut self) {
        self.ranges.shrink_to_fit();
    }

    /// Adds one number.
    pub fn insert(&mut self, member: T) {
        self.insert_range(member..=member);
    }

    /// Adds a range of numbers; adds nothing if its end is smaller than its start.
    pub fn insert_range(&mut self, range: RangeInclusive<T>) {
        let (mut low, mut high) = (range.start().ordinal(), range.end().ordinal());
        if low > high {
            return;
        }
        // Numbers mostly arrive in order: extend the last range without searching.
        if let Some(last) = self.ranges.last_mut()
            && low >= last.0
            && low <= last.1.saturating_add(1)
        {
            last.1 = last.1.max(high);
            return;
        }
        let from = self
            .ranges
            .partition_point(|&(_, end)| end.saturating_add(1) < low);
        let to = self
            .ranges
            .partition_point(|&(start, _)| start <= high.saturating_add(1));
        if let Some(touched) = self.ranges.get(from..to) {
            if let Some(first) = touched.first() {
                low = low.min(first.0);
            }
            if let Some(last) = touched.last() {
                high = high.max(last.1);
            }
        }
        self.ranges.splice(from..to.max(from), [(low, high)]);
    }

    /// True if `member` is in it.
    #[must_use]
    pub fn contains(&self, member: T) -> bool {
        let number = member.ordinal();
        let at = self.ranges.partition_point(|&(_, end)| end < number);
        self.ranges
            .get(at)
            .is_some_and(|&(start, _)| start <= number)
    }

    /// The ranges in rising order.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = RangeInclusive<T>> + Clone + '_ {
        self.ranges
            .iter()
            .filter_map(|&(low, high)| Some(T::from_ordinal(low)?..=T::from_ordinal(high)?))
    }

    /// The numbers in rising order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.ranges
            .iter()
            .flat_map(|&(low, high)| low..=high)
            .filter_map(T::from_ordinal)
    }

    /// The smallest number in it.
    #[must_use]
    pub fn first(&self) -> Option<T> {
        self.ranges
            .first()
            .and_then(|&(low, _)| T::from_ordinal(low))
    }

    /// The largest number in it.
    #[must_use]
    pub fn last(&self) -> Option<T> {
        self.ranges
            .last()
            .and_then(|&(_, high)| T::from_ordinal(high))
    }
}

impl<T: Member> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Self {
        let mut set = Self::new();
        members.into_iter().for_each(|member| set.insert(member));
        set
    }
}

/// Writes the set as IMAP does: `1:3,5,7:9`. The empty set writes nothing.
impl<T> fmt::Display for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &(low, high)) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            if low == high {
                write!(f, "{low}")?;
            } else {
                write!(f, "{low}:{high}")?;
            }
        }
        Ok(())
    }
}

impl<T> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use crate::{Uid, UidSet};

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    proptest! {
        #[test]
        fn a_set_is_a_naive_set(ranges in prop::collection::vec((1_u32..60, 0_u32..8), 0..20)) {
            let mut set = UidSet::new();
            let mut naive = BTreeSet::new();
            for (low, more) in ranges {
                set.insert_range(uid(low)..=uid(low + more));
                naive.extend(low..=low + more);
            }
            prop_assert_eq!(set.iter().map(Uid::value).collect::<Vec<_>>(),
                naive.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.len(), naive.len() as u64);
            for value in 1..70 {
                prop_assert_eq!(set.contains(uid(value)), naive.contains(&value));
            }
            let same: UidSet = naive.iter().map(|&value| uid(value)).collect();
            prop_assert_eq!(same, set);
        }
    }

    #[test]
    fn the_last_number_does_not_overflow() {
        let mut set = UidSet::from_range(Uid::MAX..=Uid::MAX);
        set.insert_range(uid(5)..=Uid::MAX);
        set.insert(Uid::MIN);
        assert_eq!(set.to_string(), format!("1,5:{}", u32::MAX));
    }
}
