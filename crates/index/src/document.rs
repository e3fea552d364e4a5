//! One message on its way into a segment: the different runs of its texts.

use crate::gram::{Gram, runs};

/// Different runs one message may have; with more it is always looked at.
pub const RUNS_MAX: usize = 1 << 18;

/// Places of a fresh table.
const TABLE_MIN: usize = 1 << 12;

/// The different runs of a message's texts. To be used again for the next message.
#[derive(Debug, Default)]
pub struct Document {
    /// Runs by their hash, zero where there is none: a power of two, at most half full.
    table: Vec<u64>,
    runs: Vec<u64>,
    /// True once it has too many.
    wild: bool,
}

impl Document {
    /// Adds a folded text of the message.
    pub fn text(&mut self, folded: &str) {
        if !self.wild {
            runs(folded, |run| self.insert(run));
        }
    }

    /// Says that not all of the message is known: it is always to be looked at.
    pub fn unknown(&mut self) {
        self.wild = true;
        self.runs.clear();
    }

    /// Makes it ready for another message.
    pub fn clear(&mut self) {
        self.wild = false;
        self.runs.clear();
        self.table.truncate(TABLE_MIN * 4);
        self.table.fill(0);
    }

    /// True if the message is always to be looked at.
    pub(crate) const fn is_wild(&self) -> bool {
        self.wild
    }

    /// The different runs, in no order.
    pub(crate) fn runs(&self) -> &[u64] {
        &self.runs
    }

    fn insert(&mut self, run: Gram) {
        if self.runs.len() * 2 >= self.table.len() {
            self.grow();
        }
        if self.wild {
            return;
        }
        if place(&mut self.table, run.0) {
            self.runs.push(run.0);
        }
    }

    fn grow(&mut self) {
        if self.runs.len() >= RUNS_MAX {
            self.unknown();
            return;
        }
        let len = (self.table.len() * 2).max(TABLE_MIN);
        self.table.clear();
        self.table.resize(len, 0);
        for run in &self.runs {
            place(&mut self.table, *run);
        }
    }
}

/// Puts a run where it belongs; false if it was there.
fn place(table: &mut [u64], run: u64) -> bool {
    let mask = table.len().wrapping_sub(1);
    let hash = run.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let mut at = crate::narrow(hash) & mask;
    loop {
        match table.get_mut(at) {
            Some(found) if *found == run => return false,
            Some(found) if *found == 0 => {
                *found = run;
                return true;
            }
            Some(_) => at = (at + 1) & mask,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_kept_once() {
        let mut document = Document::default();
        for _ in 0..2 {
            document.text("abcabcabc");
            document.text("abc");
            assert_eq!(document.runs().len(), 5, "abc bca cab bc c");
            document.clear();
        }
    }

    #[test]
    fn too_many_are_none() {
        let mut document = Document::default();
        let mut dice = 1_u32;
        let mut letter = || {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from_u32(0x4e00 + (dice >> 18)).unwrap()
        };
        let text: String = (0..100_000).map(|_| letter()).collect();
        document.text(&text);
        assert!(!document.is_wild() && document.runs().len() > 90_000);
        let text: String = (0..200_000).map(|_| letter()).collect();
        document.text(&text);
        assert!(document.is_wild() && document.runs().is_empty());
        document.clear();
        document.text("abc");
        assert_eq!(document.runs().len(), 3);
    }
}
