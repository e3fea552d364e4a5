//! A segment is asked for a needle, without being read whole: places, then blocks, then lists.
//!
//! Each step names octets to read. They are given back in the same order, and checked.

use std::ops::Range;

use bytes::Bytes;

use crate::Damaged;
use crate::bits::Bits;
use crate::gram::Condition;
use crate::rice::{read_list, read_number};
use crate::segment::{PLACE_OCTETS, SUM_OCTETS, Segment};

/// Runs that one condition may mean; one that means more is not asked.
pub const RANGE_RUNS_MAX: usize = 4096;
/// Octets of lists that are read for one condition; one that needs more is not asked.
const LISTS_OCTETS_MAX: u64 = 1 << 20;
/// Conditions whose lists are read: the rarest.
const CONDITIONS_MAX: usize = 16;
/// A list longer than the shortest one by this factor is not worth reading: looking at the
/// messages is cheaper.
const WORTH_FACTOR: u64 = 1024;
/// A list this long is worth reading however short the shortest is.
const WORTH_MIN: u64 = 4096;

const BEYOND: Damaged = Damaged("a place beyond the end");

/// Where the blocks of a segment are, and checksums.
#[derive(Clone, Debug)]
pub struct Places {
    segment: Segment,
    places: Bytes,
    sums: Bytes,
}

impl Places {
    /// Reads the octets that [`Segment::places`] named.
    ///
    /// # Errors
    /// If they are not what was written.
    pub fn read(segment: &Segment, octets: &[u8]) -> Result<Self, Damaged> {
        let whole = crate::wide(octets.len()) == segment.octets - segment.places_at;
        if !whole || crc32fast::hash(octets) != segment.places_sum {
            return Err(Damaged("the places"));
        }
        let (places, sums) = octets
            .split_at_checked(crate::narrow(segment.places_octets()))
            .ok_or(Damaged("the places"))?;
        Ok(Self {
            segment: segment.clone(),
            places: Bytes::copy_from_slice(places),
            sums: Bytes::copy_from_slice(sums),
        })
    }

    /// Which octets to read for [`Lists::choose`]: some ranges for each condition.
    #[must_use]
    pub fn blocks(&self, conditions: &[Condition]) -> Vec<Range<u64>> {
        let conditions = conditions.iter();
        conditions
            .map(|one| self.aligned(self.blocks_of(one)))
            .collect()
    }

    /// Where the blocks are that may have a condition's runs; empty if it means too many.
    fn blocks_of(&self, condition: &Condition) -> Range<u64> {
        let count = crate::narrow(self.segment.blocks);
        let first = self.behind(*condition.runs.start()).saturating_sub(1);
        let last = self.behind(*condition.runs.end());
        let many = last.saturating_sub(first) > RANGE_RUNS_MAX / crate::segment::BLOCK_RUNS;
        if first >= last || last > count || many {
            return 0..0;
        }
        self.begin(first)..self.begin(last)
    }

    /// The runs that meet a condition; `None` where it is not asked, since they are too many.
    fn group(
        &self,
        condition: &Condition,
        range: &Range<u64>,
        octets: &[u8],
    ) -> Result<Option<Group>, Damaged> {
        let blocks = self.blocks_of(condition);
        if blocks.is_empty() {
            let is_nowhere = self.behind(*condition.runs.end()) == 0;
            return Ok(is_nowhere.then(Group::default));
        }
        self.verify(range, octets)?;
        let skip = crate::narrow(blocks.start.saturating_sub(range.start));
        let len = crate::narrow(blocks.end - blocks.start);
        let blocks = octets.get(skip..).and_then(|rest| rest.get(..len));
        let mut group = Group::default();
        for entry in Entries::new(blocks.ok_or(BEYOND)?) {
            let entry = entry?;
            if condition.is_met_by(entry.run) {
                group.add(entry);
            }
        }
        Ok(Some(group))
    }

    /// How many blocks begin with this run or a smaller one.
    fn behind(&self, run: u64) -> usize {
        let (mut low, mut high) = (0, crate::narrow(self.segment.blocks));
        while low < high {
            let middle = low.midpoint(high);
            if self.number(middle * PLACE_OCTETS) <= run {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Where a block begins; of the one behind the last: where that one ends.
    fn begin(&self, block: usize) -> u64 {
        let skip = if block < crate::narrow(self.segment.blocks) {
            8
        } else {
            0
        };
        self.number(block * PLACE_OCTETS + skip)
    }

    fn number(&self, at: usize) -> u64 {
        let octets = self.places.get(at..).and_then(<[u8]>::first_chunk);
        octets.map_or(u64::MAX, |octets| u64::from_le_bytes(*octets))
    }

    pub(crate) fn all_blocks(&self) -> Range<u64> {
        self.begin(0)..self.segment.places_at
    }

    /// The range made longer, so that checksums cover it.
    fn aligned(&self, range: Range<u64>) -> Range<u64> {
        let head = crate::wide(Segment::HEAD_OCTETS);
        if range.is_empty() || range.start < head || range.end > self.segment.places_at {
            return 0..0;
        }
        let start = (range.start - head) / SUM_OCTETS * SUM_OCTETS + head;
        let end = range.end.min(self.segment.places_at) - head;
        let end = end.next_multiple_of(SUM_OCTETS) + head;
        start..end.min(self.segment.places_at)
    }

    /// Checks octets that were read for an aligned range.
    pub(crate) fn verify(&self, range: &Range<u64>, octets: &[u8]) -> Result<(), Damaged> {
        if crate::wide(octets.len()) != range.end.saturating_sub(range.start) {
            return Err(Damaged("octets are missing"));
        }
        let head = crate::wide(Segment::HEAD_OCTETS);
        let first = crate::narrow(range.start.saturating_sub(head) / SUM_OCTETS) * 4;
        let mut sums = self.sums.get(first..).unwrap_or_default();
        for piece in octets.chunks(crate::narrow(SUM_OCTETS)) {
            let (sum, rest) = sums.split_first_chunk().ok_or(Damaged("no checksum"))?;
            if crc32fast::hash(piece) != u32::from_le_bytes(*sum) {
                return Err(Damaged("a checksum"));
            }
            sums = rest;
        }
        Ok(())
    }
}

/// The lists that say which messages meet the conditions.
#[derive(Clone, Debug)]
pub struct Lists {
    places: Places,
    /// The conditions asked, the rarest first.
    groups: Vec<Group>,
    /// True if no condition was left out.
    complete: bool,
    /// The wild messages' list, then those of each group.
    ranges: Vec<Range<u64>>,
}

/// Which messages to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Those that may contain the text: no other does.
    pub candidates: Bits,
    /// Those of them of which nothing is known.
    pub unknown: Bits,
    /// True if every other candidate meets all conditions; else only those that were worth asking.
    pub complete: bool,
}

/// The runs that meet one condition: a message must have one of them.
#[derive(Clone, Debug, Default)]
struct Group {
    count: u64,
    entries: Vec<Entry>,
    /// Their lists, which lie side by side.
    lists: Range<u64>,
}

impl Group {
    fn add(&mut self, entry: Entry) {
        if self.entries.is_empty() {
            self.lists.start = entry.list.start;
        }
        self.lists.end = entry.list.end;
        self.count = self.count.saturating_add(entry.count);
        self.entries.push(entry);
    }

    fn is_small(&self) -> bool {
        self.lists.end.saturating_sub(self.lists.start) <= LISTS_OCTETS_MAX
    }
}

impl Lists {
    /// Finds the conditions' runs in the octets that [`Places::blocks`] named, and chooses which
    /// lists are worth reading.
    ///
    /// # Errors
    /// If the octets are not what was written.
    pub fn choose(
        places: &Places,
        conditions: &[Condition],
        ranges: &[Range<u64>],
        read: &[Bytes],
    ) -> Result<Self, Damaged> {
        let mut groups = Vec::new();
        for ((condition, range), octets) in conditions.iter().zip(ranges).zip(read) {
            groups.extend(places.group(condition, range, octets)?);
        }
        groups.retain(Group::is_small);
        groups.sort_by_key(|group| group.count);
        let rarest = groups.first().map_or(0, |group| group.count);
        let worth = rarest.saturating_mul(WORTH_FACTOR).max(WORTH_MIN);
        groups.retain(|group| group.count <= worth);
        groups.truncate(if rarest == 0 { 1 } else { CONDITIONS_MAX });
        // Where one is met by none, the others say nothing more.
        let complete = rarest == 0 && !groups.is_empty() || groups.len() == conditions.len();
        let lists = groups.iter().map(|group| group.lists.clone());
        let ranges = std::iter::once(places.segment.wild_list()).chain(lists);
        Ok(Self {
            ranges: ranges.map(|range| places.aligned(range)).collect(),
            places: places.clone(),
            groups,
            complete,
        })
    }

    /// Which octets to read for [`Self::found`].
    #[must_use]
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// The messages that meet the conditions chosen.
    ///
    /// # Errors
    /// If the octets are not what was written.
    pub fn found(&self, read: &[Bytes]) -> Result<Found, Damaged> {
        let segment = &self.places.segment;
        let mut read = self.ranges.iter().zip(read);
        let mut next = || read.next().ok_or(Damaged("octets are missing"));
        let mut unknown = Bits::new(segment.first, segment.last);
        let octets = self.part(&segment.wild_list(), next()?)?;
        self.show(octets, segment.wild, &mut unknown)?;
        let mut met: Option<Bits> = None;
        for group in &self.groups {
            let octets = self.part(&group.lists, next()?)?;
            let mut bits = Bits::new(segment.first, segment.last);
            for entry in &group.entries {
                let skip = crate::narrow(entry.list.start - group.lists.start);
                let len = crate::narrow(entry.list.end - entry.list.start);
                let list = octets.get(skip..).and_then(|rest| rest.get(..len));
                self.show(list.ok_or(BEYOND)?, entry.count, &mut bits)?;
            }
            match &mut met {
                None => met = Some(bits),
                Some(met) => met.intersect(&bits),
            }
        }
        let mut candidates = met.unwrap_or_else(|| {
            // Nothing was asked: every one.
            let mut every = Bits::new(segment.first, segment.last);
            (segment.first..=segment.last).for_each(|id| every.insert(id));
            every
        });
        unknown.iter().for_each(|id| candidates.insert(id));
        Ok(Found {
            candidates,
            unknown,
            complete: self.complete,
        })
    }

    /// The part that was wanted of what was read, checked.
    fn part<'a>(
        &self,
        wanted: &Range<u64>,
        (range, octets): (&Range<u64>, &'a Bytes),
    ) -> Result<&'a [u8], Damaged> {
        if wanted.is_empty() {
            return Ok(&[]);
        }
        self.places.verify(range, octets)?;
        let skip = crate::narrow(wanted.start.saturating_sub(range.start));
        let len = crate::narrow(wanted.end - wanted.start);
        let part = octets.get(skip..).and_then(|rest| rest.get(..len));
        part.ok_or(BEYOND)
    }

    fn show(&self, list: &[u8], count: u64, bits: &mut Bits) -> Result<(), Damaged> {
        let segment = &self.places.segment;
        read_list(list, count, segment.range(), |offset| {
            bits.insert(segment.first + offset);
        })
    }
}

/// A run with its list.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) run: u64,
    pub(crate) count: u64,
    pub(crate) list: Range<u64>,
}

/// The runs of some blocks.
pub(crate) struct Entries<'a> {
    octets: &'a [u8],
    /// Runs of the block that are still to come.
    left: usize,
    run: u64,
    list: u64,
}

impl<'a> Entries<'a> {
    pub(crate) const fn new(octets: &'a [u8]) -> Self {
        Self {
            octets,
            left: 0,
            run: 0,
            list: 0,
        }
    }

    fn read(&mut self) -> Result<Entry, Damaged> {
        let octets = &mut self.octets;
        if self.left == 0 {
            self.left = crate::segment::BLOCK_RUNS;
            self.run = 0;
            self.list = read_number(octets)?;
        }
        let run = self.run.checked_add(read_number(octets)?);
        let count = read_number(octets)?;
        let list = self.list.checked_add(read_number(octets)?);
        let (Some(run), Some(end)) = (run, list) else {
            return Err(Damaged("a number too large"));
        };
        let list = self.list..end;
        (self.run, self.list) = (run, end);
        self.left -= 1;
        Ok(Entry { run, count, list })
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.octets.is_empty() {
            return None;
        }
        let entry = self.read();
        if entry.is_err() {
            self.octets = &[];
        }
        Some(entry)
    }
}
