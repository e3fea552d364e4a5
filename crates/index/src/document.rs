//! One message on its way into a segment: the different runs of its texts.

use crate::gram::runs;
use crate::table::Table;

/// Different runs one message may have; with more it is always looked at.
pub const RUNS_MAX: usize = 1 << 18;

/// The different runs of a message's texts. To be used again for the next message.
#[derive(Debug, Default)]
pub struct Document {
    table: Table,
    /// True once it has too many.
    wild: bool,
}

impl Document {
    /// Adds a folded text of the message.
    pub fn text(&mut self, folded: &str) {
        runs(folded, |run| self.run(run.of_text()));
    }

    /// Adds what the same text is when it is bare, if that is something else.
    pub fn bare(&mut self, bare: &str) {
        runs(bare, |run| {
            if !self.wild && !self.table.has(run.of_text()) {
                self.run(run.of_bare());
            }
        });
    }

    fn run(&mut self, run: u64) {
        if self.wild {
            return;
        }
        self.table.id(run);
        if self.table.runs().len() > RUNS_MAX {
            self.unknown();
        }
    }

    /// Says that not all of the message is known: it is always to be looked at.
    pub fn unknown(&mut self) {
        self.wild = true;
        self.table.clear();
    }

    /// Makes it ready for another message.
    pub fn clear(&mut self) {
        self.wild = false;
        self.table.clear();
    }

    /// True if the message is always to be looked at.
    pub(crate) const fn is_wild(&self) -> bool {
        self.wild
    }

    /// The different runs, in no order.
    pub(crate) fn runs(&self) -> &[u64] {
        self.table.runs()
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
    fn of_a_bare_text_only_what_differs_is_kept() {
        let mut document = Document::default();
        document.text("e\u{301}tude tude");
        let runs = document.runs().len();
        document.bare("etude tude");
        assert_eq!(document.runs().len(), runs + 1, "etu");
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
