//! What a segment looks like.
//!
//! ```text
//! head     128 octets: magic and version, ids, counts, places, a checksum
//! wild     offsets of the messages that are always looked at
//! lists    for each run, its messages' offsets, by rising run
//! blocks   for each 64 runs: where their lists begin; of each, the step from the run before,
//!          how many messages have it, and how long its list is
//! places   for each block, its first run and where it begins; the last one's end
//! sums     a checksum for each 4096 octets from the head's end to the blocks' end
//! ```
//!
//! Numbers outside of blocks are little-endian. An offset is an id less the segment's first.

use std::ops::Range;

use crate::Damaged;
use crate::rice::write_number;

/// Says what it is, and in the last octet the version of the form.
const MAGIC: [u8; 8] = *b"ngramsg\x01";
/// The version of the form.
pub const FORM: u32 = 1;
/// Octets of the head.
const HEAD_OCTETS: usize = 128;
/// Ids one segment may cover: a set of them takes 2 MiB.
pub const IDS_MAX: u64 = 1 << 24;
/// Octets no segment comes near to.
const OCTETS_MAX: u64 = 1 << 32;
/// Runs of one block.
pub(crate) const BLOCK_RUNS: usize = 64;
/// Octets with one checksum.
pub(crate) const SUM_OCTETS: u64 = 4096;
/// Octets of one place: the run and where its block begins.
pub(crate) const PLACE_OCTETS: usize = 16;

/// A segment as its head tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first id it covers.
    pub first: u64,
    /// The last id it covers.
    pub last: u64,
    /// How many messages are in it.
    pub messages: u64,
    /// The id of the newest of them; zero if there is none.
    pub newest: u64,
    /// What the newest one was given to be known by.
    pub mark: [u8; 32],
    pub(crate) wild: u64,
    pub(crate) wild_octets: u64,
    pub(crate) blocks: u64,
    /// Where the places begin.
    pub(crate) places_at: u64,
    /// Octets of the whole.
    pub octets: u64,
    pub(crate) places_sum: u32,
}

impl Segment {
    /// Octets to read of a segment before all else.
    pub const HEAD_OCTETS: usize = HEAD_OCTETS;

    /// Reads the head.
    ///
    /// # Errors
    /// If it is not what was written.
    pub fn read(octets: &[u8]) -> Result<Self, Damaged> {
        let head: &[u8; HEAD_OCTETS] = octets.first_chunk().ok_or(Damaged("no head"))?;
        let (told, sum) = head.split_last_chunk::<4>().ok_or(Damaged("no head"))?;
        let mut fields = Fields(told);
        if fields.take()? != MAGIC {
            return Err(Damaged("not a segment of this version"));
        }
        if crc32fast::hash(told) != u32::from_le_bytes(*sum) {
            return Err(Damaged("the head"));
        }
        let segment = Self {
            first: fields.number()?,
            last: fields.number()?,
            messages: fields.number()?,
            newest: fields.number()?,
            wild: fields.number()?,
            wild_octets: fields.number()?,
            blocks: fields.number()?,
            places_at: fields.number()?,
            octets: fields.number()?,
            places_sum: u32::from_le_bytes(fields.take()?),
            mark: fields.take()?,
        };
        // A head with the right checksum is trusted, but nothing may overflow because of it.
        let tail = segment.octets.checked_sub(segment.places_at);
        let fits = segment.first <= segment.last
            && segment.last < u64::MAX
            && segment.range() <= IDS_MAX
            && tail.is_some_and(|tail| tail >= segment.places_octets())
            && segment.wild <= segment.range()
            && segment.wild_list().end <= segment.places_at
            && segment.places_at <= OCTETS_MAX;
        fits.then_some(segment).ok_or(Damaged("the head"))
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        for number in [
            self.first,
            self.last,
            self.messages,
            self.newest,
            self.wild,
            self.wild_octets,
            self.blocks,
            self.places_at,
            self.octets,
        ] {
            head.extend_from_slice(&number.to_le_bytes());
        }
        head.extend_from_slice(&self.places_sum.to_le_bytes());
        head.extend_from_slice(&self.mark);
        head.resize(HEAD_OCTETS - 4, 0);
        head.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
        head
    }

    /// Ids it covers.
    pub(crate) const fn range(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// Which octets to read for [`crate::Places`].
    #[must_use]
    pub const fn places(&self) -> Range<u64> {
        self.places_at..self.octets
    }

    /// Where the list of the messages that are always looked at is.
    pub(crate) const fn wild_list(&self) -> Range<u64> {
        let head = HEAD_OCTETS as u64;
        head..head.saturating_add(self.wild_octets)
    }

    pub(crate) fn places_octets(&self) -> u64 {
        let one = crate::wide(PLACE_OCTETS);
        self.blocks.saturating_mul(one).saturating_add(8)
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Damaged("the head"))?;
        self.0 = rest;
        Ok(*field)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        Ok(u64::from_le_bytes(self.take()?))
    }
}

/// What a segment is written with: runs come rising, each with its rising offsets.
pub(crate) struct Writer {
    first: u64,
    range: u64,
    /// Wild messages and lists, from the head's end on.
    body: Vec<u8>,
    wild: (u64, u64),
    blocks: Vec<u8>,
    /// The first run of each block, and where it begins in `blocks`.
    places: Vec<(u64, u64)>,
    runs: usize,
    run: u64,
}

impl Writer {
    /// Begins a segment of the ids `first..=last`.
    pub(crate) fn new(first: u64, last: u64, wild: &[u32]) -> Self {
        let range = last.saturating_sub(first).saturating_add(1);
        let mut body = Vec::new();
        crate::rice::write_list(&mut body, wild, range);
        Self {
            first,
            range,
            wild: (crate::wide(wild.len()), crate::wide(body.len())),
            body,
            blocks: Vec::new(),
            places: Vec::new(),
            runs: 0,
            run: 0,
        }
    }

    pub(crate) fn run(&mut self, run: u64, offsets: &[u32]) {
        if self.runs.is_multiple_of(BLOCK_RUNS) {
            self.places.push((run, crate::wide(self.blocks.len())));
            let list = crate::wide(HEAD_OCTETS + self.body.len());
            write_number(&mut self.blocks, list);
            self.run = 0;
        }
        let before = self.body.len();
        crate::rice::write_list(&mut self.body, offsets, self.range);
        write_number(&mut self.blocks, run - self.run);
        write_number(&mut self.blocks, crate::wide(offsets.len()));
        write_number(&mut self.blocks, crate::wide(self.body.len() - before));
        self.run = run;
        self.runs += 1;
    }

    pub(crate) fn finish(self, messages: u64, newest: u64, mark: [u8; 32]) -> Vec<u8> {
        let head = crate::wide(HEAD_OCTETS);
        let blocks_at = head + crate::wide(self.body.len());
        let mut body = self.body;
        body.extend_from_slice(&self.blocks);
        let places_at = head + crate::wide(body.len());
        let mut tail = Vec::new();
        for (run, at) in &self.places {
            tail.extend_from_slice(&run.to_le_bytes());
            tail.extend_from_slice(&(blocks_at + at).to_le_bytes());
        }
        tail.extend_from_slice(&places_at.to_le_bytes());
        for piece in body.chunks(crate::narrow(SUM_OCTETS)) {
            tail.extend_from_slice(&crc32fast::hash(piece).to_le_bytes());
        }
        let segment = Segment {
            first: self.first,
            last: self.first + (self.range - 1),
            messages,
            newest,
            mark,
            wild: self.wild.0,
            wild_octets: self.wild.1,
            blocks: crate::wide(self.places.len()),
            places_at,
            octets: places_at + crate::wide(tail.len()),
            places_sum: crc32fast::hash(&tail),
        };
        let mut octets = segment.write();
        octets.reserve_exact(body.len() + tail.len());
        octets.append(&mut body);
        octets.append(&mut tail);
        octets
    }
}
