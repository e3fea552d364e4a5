//! A set of messages: one bit for each id of a range.

/// A set of message ids from a first one on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    first: u64,
    words: Vec<u64>,
}

impl Bits {
    /// The empty set over the ids `first..=last`.
    #[must_use]
    pub fn new(first: u64, last: u64) -> Self {
        let count = last.saturating_add(1).saturating_sub(first);
        Self {
            first,
            words: vec![0; crate::narrow(count.div_ceil(64))],
        }
    }

    /// Puts an id in; one outside of the range is ignored.
    pub fn insert(&mut self, id: u64) {
        if let Some((at, bit)) = self.place(id)
            && let Some(word) = self.words.get_mut(at)
        {
            *word |= bit;
        }
    }

    /// True if the id is in it.
    #[must_use]
    pub fn contains(&self, id: u64) -> bool {
        self.place(id)
            .and_then(|(at, bit)| Some(self.words.get(at)? & bit != 0))
            .unwrap_or(false)
    }

    /// How many ids are in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        let ones = self.words.iter().map(|word| u64::from(word.count_ones()));
        ones.sum()
    }

    /// Its ids, rising.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        let words = self.words.iter().enumerate();
        words.flat_map(move |(at, word)| {
            let base = self.first.saturating_add(crate::wide(at) * 64);
            let mut left = *word;
            std::iter::from_fn(move || {
                let next = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(base + u64::from(next))
            })
        })
    }

    /// Keeps what is in the other as well, which has the same range.
    pub fn intersect(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    /// Takes in what is in the other, which has the same range.
    pub fn unite(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    fn place(&self, id: u64) -> Option<(usize, u64)> {
        let offset = id.checked_sub(self.first)?;
        Some((crate::narrow(offset / 64), 1 << (offset % 64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_or_out() {
        let mut bits = Bits::new(10, 200);
        for id in [5, 10, 73, 74, 200, 1000] {
            bits.insert(id);
        }
        assert_eq!(bits.iter().collect::<Vec<_>>(), [10, 73, 74, 200]);
        assert_eq!(bits.count(), 4);
        assert!(bits.contains(74) && !bits.contains(75) && !bits.contains(5));
        let mut others = Bits::new(10, 200);
        others.insert(74);
        others.insert(11);
        let mut all = bits.clone();
        all.unite(&others);
        assert_eq!(all.count(), 5);
        bits.intersect(&others);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [74]);
    }
}
