//! Messages become a segment.

use crate::segment::{IDS_MAX, Writer};
use crate::table::Table;
use crate::{Damaged, Document};

/// When a builder holds so many pairs of run and message it is full: 8 octets each, and 24 for each
/// different run.
pub const PAIRS_MAX: usize = 1 << 19;

/// Gathers messages by rising id, and makes a segment of them.
#[derive(Debug)]
pub struct Builder {
    first: u64,
    runs: Table,
    /// A run's number and a message's offset, by rising offset.
    pairs: Vec<(u32, u32)>,
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
            runs: Table::default(),
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
        let runs = document.runs().iter();
        self.pairs
            .extend(runs.map(|run| (self.runs.id(*run), offset)));
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
        let mut writer = Writer::new(self.first, last, &self.wild);
        let (ends, offsets) = self.lists();
        let mut order: Vec<(u64, usize)> = self.runs.runs().iter().copied().zip(0..).collect();
        order.sort_unstable();
        for (run, id) in order {
            let begin = id.checked_sub(1).and_then(|before| ends.get(before));
            let range = begin.copied().unwrap_or(0)..ends.get(id).copied().unwrap_or(0);
            writer.run(run, offsets.get(range).unwrap_or_default());
        }
        Ok(writer.finish(self.messages, self.newest, self.mark))
    }

    /// The offsets by run and rising, and where those of each run end.
    fn lists(&mut self) -> (Vec<usize>, Vec<u32>) {
        let index = |id: u32| crate::narrow(id.into());
        // A counting sort: where each run's begin, moved on with each offset to where they end.
        let mut ends = vec![0; self.runs.runs().len()];
        for (id, _) in &self.pairs {
            if let Some(count) = ends.get_mut(index(*id)) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut ends {
            sum += std::mem::replace(count, sum);
        }
        let mut offsets = vec![0; self.pairs.len()];
        for (id, offset) in std::mem::take(&mut self.pairs) {
            if let Some(end) = ends.get_mut(index(id)) {
                if let Some(place) = offsets.get_mut(*end) {
                    *place = offset;
                }
                *end += 1;
            }
        }
        (ends, offsets)
    }
}
