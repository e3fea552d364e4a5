//! Messages become a segment.

use crate::segment::{IDS_MAX, Writer};
use crate::{Damaged, Document};

/// When a builder holds so many pairs of run and message it is full: 16 octets each.
pub const PAIRS_MAX: usize = 1 << 20;

/// Gathers messages by rising id, and makes a segment of them.
#[derive(Debug)]
pub struct Builder {
    first: u64,
    pairs: Vec<(u64, u32)>,
    wild: Vec<u32>,
    messages: u64,
    newest: u64,
    mark: [u8; 32],
}

impl Builder {
    /// Begins a segment that covers the ids from `first` on.
    #[must_use]
    pub fn new(first: u64) -> Self {
        Self {
            first,
            pairs: Vec::new(),
            wild: Vec::new(),
            messages: 0,
            newest: 0,
            mark: [0; 32],
        }
    }

    /// True if the next message belongs into another segment.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.pairs.len() >= PAIRS_MAX
    }

    /// Adds a message, whose id is larger than all before. By `mark` it can be known again.
    pub fn add(&mut self, id: u64, document: &Document, mark: &[u8; 32]) {
        let Ok(offset) = u32::try_from(id.saturating_sub(self.first)) else {
            return;
        };
        if document.is_wild() {
            self.wild.push(offset);
        }
        let pairs = document.runs().iter().map(|run| (*run, offset));
        self.pairs.extend(pairs);
        self.messages += 1;
        self.newest = id;
        self.mark = *mark;
    }

    /// Makes the segment, which covers the ids to `last`: what is there of them was added.
    ///
    /// # Errors
    /// If the ids are more than a segment can have.
    pub fn finish(mut self, last: u64) -> Result<Vec<u8>, Damaged> {
        let range = last.checked_sub(self.first);
        if range.is_none_or(|range| range >= IDS_MAX) || self.newest > last {
            return Err(Damaged("ids beyond a segment"));
        }
        self.pairs.sort_unstable();
        let mut writer = Writer::new(self.first, last, &self.wild);
        let mut offsets = Vec::new();
        for same in self.pairs.chunk_by(|left, right| left.0 == right.0) {
            offsets.clear();
            offsets.extend(same.iter().map(|(_, offset)| *offset));
            if let Some((run, _)) = same.first() {
                writer.run(*run, &offsets);
            }
        }
        Ok(writer.finish(self.messages, self.newest, self.mark))
    }
}
