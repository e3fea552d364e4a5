//! The UIDs of a mailbox by rising number, as runs, written in few octets.
//!
//! A session that waits holds this and little else. Where messages were removed here and there, a
//! run takes two octets or three: how many UIDs lie before it and how many are in it, each minus
//! one and seven bits to an octet. Every [`RUNS_BETWEEN_MARKS`]th run has a mark, so that none is
//! far from where reading can begin.

/// Runs from one mark to the next.
const RUNS_BETWEEN_MARKS: usize = 32;

/// Messages with consecutive UIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) low: u32,
    pub(super) high: u32,
    /// The sequence number of `low`.
    pub(super) seq: u32,
}

impl Run {
    /// The sequence number of `high`.
    pub(super) const fn end(self) -> u32 {
        self.seq + (self.high - self.low)
    }
}

/// Runs by rising UID, none adjoining the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    marks: Box<[Mark]>,
    octets: Box<[u8]>,
    last: Option<Run>,
}

/// Where a run is written, and what was before it.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The highest UID before it; zero before the first.
    before: u32,
    /// How many messages are before it.
    count: u32,
    octet: u32,
}

impl Runs {
    /// These ranges of UIDs, by rising UID; adjoining ones become one.
    pub(super) fn new(ranges: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut writer = Writer::default();
        let mut open: Option<(u32, u32)> = None;
        for (low, high) in ranges {
            match &mut open {
                Some(run) if run.1.checked_add(1) == Some(low) => run.1 = high,
                Some(run) => {
                    writer.add(*run);
                    *run = (low, high);
                }
                None => open = Some((low, high)),
            }
        }
        if let Some(run) = open {
            writer.add(run);
        }
        Self {
            marks: writer.marks.into(),
            octets: writer.octets.into(),
            last: writer.last,
        }
    }

    /// The last run.
    pub(super) const fn last(&self) -> Option<Run> {
        self.last
    }

    /// How many messages there are.
    pub(super) fn count(&self) -> u32 {
        self.last.map_or(0, Run::end)
    }

    /// All runs.
    pub(super) fn iter(&self) -> impl Iterator<Item = Run> {
        self.read_from(0)
    }

    /// The runs from the first on that ends at this UID or behind it.
    pub(super) fn reaching_uid(&self, uid: u32) -> impl Iterator<Item = Run> {
        let behind = self.marks.partition_point(|mark| mark.before < uid);
        let runs = self.read_from(behind.saturating_sub(1));
        runs.skip_while(move |run| run.high < uid)
    }

    /// The runs from the first on that ends at this number or behind it.
    pub(super) fn reaching_seq(&self, seq: u32) -> impl Iterator<Item = Run> {
        let behind = self.marks.partition_point(|mark| mark.count < seq);
        let runs = self.read_from(behind.saturating_sub(1));
        runs.skip_while(move |run| run.end() < seq)
    }

    /// The runs from this mark on.
    fn read_from(&self, mark: usize) -> Reader<'_> {
        let mark = self.marks.get(mark).copied();
        let octets = mark.and_then(|mark| self.octets.get(usize::try_from(mark.octet).ok()?..));
        Reader {
            octets: octets.unwrap_or_default(),
            before: mark.map_or(0, |mark| mark.before),
            count: mark.map_or(0, |mark| mark.count),
        }
    }

    #[cfg(test)]
    pub(super) fn octets(&self) -> usize {
        self.octets.len() + self.marks.len() * size_of::<Mark>()
    }
}

#[derive(Debug, Default)]
struct Writer {
    marks: Vec<Mark>,
    octets: Vec<u8>,
    runs: usize,
    last: Option<Run>,
}

impl Writer {
    fn add(&mut self, (low, high): (u32, u32)) {
        let before = self.last.map_or(0, |run| run.high);
        let count = self.last.map_or(0, Run::end);
        if self.runs.is_multiple_of(RUNS_BETWEEN_MARKS) {
            self.marks.push(Mark {
                before,
                count,
                octet: u32::try_from(self.octets.len()).unwrap_or(u32::MAX),
            });
        }
        self.runs += 1;
        self.number(low.saturating_sub(before).saturating_sub(1));
        self.number(high - low);
        self.last = Some(Run {
            low,
            high,
            seq: count.saturating_add(1),
        });
    }

    fn number(&mut self, mut number: u32) {
        while let (rest @ 1.., low) = (number >> 7, number & 0x7f) {
            self.octets.extend(u8::try_from(low | 0x80));
            number = rest;
        }
        self.octets.extend(u8::try_from(number & 0x7f));
    }
}

/// Reads runs one after the other.
#[derive(Debug)]
struct Reader<'a> {
    octets: &'a [u8],
    before: u32,
    count: u32,
}

impl Reader<'_> {
    fn number(&mut self) -> Option<u32> {
        let mut number = 0;
        let mut shift = 0;
        loop {
            let (first, rest) = self.octets.split_first()?;
            self.octets = rest;
            number |= u32::from(first & 0x7f).checked_shl(shift)?;
            shift += 7;
            if first & 0x80 == 0 {
                return Some(number);
            }
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let low = self.before.saturating_add(1).saturating_add(self.number()?);
        let high = low.saturating_add(self.number()?);
        let run = Run {
            low,
            high,
            seq: self.count.saturating_add(1),
        };
        self.before = high;
        self.count = run.end();
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_read_as_they_were_written(
            gaps in prop::collection::vec((0_u32..400_000, 0_u32..300), 0..200),
            probe in any::<u32>(),
        ) {
            let mut naive = Vec::new();
            let (mut next, mut seq) = (1_u32, 1_u32);
            for (gap, more) in gaps {
                let low = next + gap;
                naive.push(Run { low, high: low + more, seq });
                seq += more + 1;
                next = low + more + 2;
            }
            let runs = Runs::new(naive.iter().map(|run| (run.low, run.high)));
            prop_assert_eq!(runs.iter().collect::<Vec<_>>(), naive.clone());
            prop_assert_eq!(runs.last(), naive.last().copied());
            prop_assert_eq!(runs.count(), seq - 1);
            let uid = probe % (next + 1);
            let behind: Vec<_> = naive.iter().copied().filter(|run| run.high >= uid).collect();
            prop_assert_eq!(runs.reaching_uid(uid).collect::<Vec<_>>(), behind);
            let number = probe % (seq + 1);
            let behind: Vec<_> = naive.iter().copied().filter(|run| run.end() >= number).collect();
            prop_assert_eq!(runs.reaching_seq(number).collect::<Vec<_>>(), behind);
        }
    }

    #[test]
    fn every_other_of_two_thousand_costs_little() {
        let runs = Runs::new((0..1000).map(|half| (half * 2 + 1, half * 2 + 1)));
        assert_eq!(runs.count(), 1000);
        assert!(runs.octets() < 2500, "{}", runs.octets());
    }

    #[test]
    fn the_ends_of_all_numbers_are_written_too() {
        let ranges = [(1, 1), (3, u32::MAX - 2), (u32::MAX, u32::MAX)];
        let runs = Runs::new(ranges.into_iter());
        let read: Vec<_> = runs.iter().map(|run| (run.low, run.high)).collect();
        assert_eq!(read, ranges);
    }
}
