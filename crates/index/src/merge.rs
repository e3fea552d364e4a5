//! Segments that follow one another become one.

use std::ops::Range;

use crate::bits::Bits;
use crate::lookup::{Entries, Entry};
use crate::rice::read_list;
use crate::segment::{IDS_MAX, Segment, Writer};
use crate::{Damaged, Places};

/// Makes one segment of several, given whole and in order, of those messages whose ids are among
/// `living`.
///
/// # Errors
/// If one of them is damaged, or they do not follow one another.
pub fn merge(sources: &[&[u8]], living: &[u64]) -> Result<Vec<u8>, Damaged> {
    let mut opened = sources
        .iter()
        .map(|octets| Source::open(octets))
        .collect::<Result<Vec<_>, _>>()?;
    let in_order = opened
        .windows(2)
        .all(|pair| matches!(pair, [left, right] if left.segment.last + 1 == right.segment.first));
    let (Some(first), Some(last)) = (opened.first(), opened.last()) else {
        return Err(Damaged("nothing to merge"));
    };
    let (first, last) = (first.segment.first, last.segment.last);
    if !in_order || last - first >= IDS_MAX {
        return Err(Damaged("segments out of order"));
    }
    let mut bits = Bits::new(first, last);
    living.iter().for_each(|id| bits.insert(*id));
    let living = bits;

    let mut offsets = Vec::new();
    for source in &opened {
        source.show(source.wild(), first, &living, &mut offsets)?;
    }
    let mut writer = Writer::new(first, last, &offsets);
    while let Some(run) = opened.iter().filter_map(Source::run).min() {
        offsets.clear();
        for source in opened.iter_mut().filter(|source| source.run() == Some(run)) {
            if let Some(entry) = source.next.take() {
                source.show((entry.count, entry.list), first, &living, &mut offsets)?;
            }
            source.next = source.entries.next().transpose()?;
        }
        if !offsets.is_empty() {
            writer.run(run, &offsets);
        }
    }
    let newest = opened.iter().rfind(|source| source.segment.newest != 0);
    let (newest, mark) = newest.map_or((0, [0; 32]), |source| {
        (source.segment.newest, source.segment.mark)
    });
    Ok(writer.finish(living.count(), newest, mark))
}

/// One of the segments, read run by run.
struct Source<'a> {
    octets: &'a [u8],
    segment: Segment,
    entries: Entries<'a>,
    next: Option<Entry>,
}

impl<'a> Source<'a> {
    fn open(octets: &'a [u8]) -> Result<Self, Damaged> {
        let segment = Segment::read(octets)?;
        let part = |range: Range<u64>| part(octets, &range);
        let places = Places::read(&segment, part(segment.places())?)?;
        let body = crate::wide(Segment::HEAD_OCTETS)..segment.places_at;
        places.verify(&body, part(body.clone())?)?;
        let mut entries = Entries::new(part(places.all_blocks())?);
        Ok(Self {
            octets,
            next: entries.next().transpose()?,
            entries,
            segment,
        })
    }

    fn run(&self) -> Option<u64> {
        self.next.as_ref().map(|entry| entry.run)
    }

    fn wild(&self) -> (u64, Range<u64>) {
        (self.segment.wild, self.segment.wild_list())
    }

    /// Appends those of a list that live, as offsets from `first`.
    fn show(
        &self,
        (count, list): (u64, Range<u64>),
        first: u64,
        living: &Bits,
        offsets: &mut Vec<u32>,
    ) -> Result<(), Damaged> {
        let list = part(self.octets, &list)?;
        read_list(list, count, self.segment.range(), |offset| {
            let id = self.segment.first + offset;
            if living.contains(id) {
                offsets.extend(u32::try_from(id - first));
            }
        })
    }
}

fn part<'a>(octets: &'a [u8], range: &Range<u64>) -> Result<&'a [u8], Damaged> {
    octets
        .get(crate::narrow(range.start)..crate::narrow(range.end))
        .ok_or(Damaged("a place beyond the end"))
}
