//! The octets of the log: segment headers, record headers, and one record's body.
//!
//! Not here: files, changes (`packed`), and where the octets of a group are until they are written
//! (`records`). Everything is big-endian. A record is one batch; it is whole or not there.
//!
//! ```text
//! segment: "caramlog" format:u32 epoch:u64 number:u64 durable:u64 crc:u32, zeros up to 64, records
//! record:  "CRec" length:u32 sequence:u64 durable:u64 format:u32 crc:u32, then length octets
//! body:    parts:u32 (partition:u64 version:u64 changes:u32 change*)*
//!          blobs:u32 (hash:32 place:u8 len:u64)*, octets of the inline blobs
//! place:   0 in the record, 1 in a file of its own, 2 nowhere any more
//! ```
//!
//! `durable` is the last sequence number that was synced when the record was written. A record
//! that is missing or invalid although a later one calls it durable was lost by the disk; any
//! other invalid end is a group that was being written when the power went.
//!
//! A record without parts is about blobs alone: those that were copied on, or are forgotten.

use mail::BlobId;

use super::records::Records;
use crate::backend::{Batch, Partition, Staged, Version};
use crate::packed::{self, Change, changes_of, octets_of};

/// Octets of a segment's header.
pub(super) const SEGMENT_HEADER_OCTETS: u64 = 64;
/// Octets of a record's header.
pub(super) const RECORD_HEADER_OCTETS: usize = 32;
/// What a record begins with.
pub(super) const RECORD_MAGIC: [u8; 4] = *b"CRec";
/// A record says it is longer: it is not a record.
pub(super) const BODY_OCTETS_MAX: usize = 256 << 20;

/// What a segment begins with.
pub(super) const SEGMENT_MAGIC: [u8; 8] = *b"caramlog";
/// The version of segments and records.
pub(super) const FORMAT: u32 = 1;
const INLINE: u8 = 0;
const OWN_FILE: u8 = 1;
const FORGOTTEN: u8 = 2;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Drawn anew for each segment, so that no record is valid in another one.
    pub(super) epoch: u64,
    /// Its place in the log.
    pub(super) number: u64,
    /// The last sequence number before it, which was durable when it was made.
    pub(super) durable: u64,
}

impl SegmentHeader {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(64);
        octets.extend_from_slice(&SEGMENT_MAGIC);
        octets.extend_from_slice(&FORMAT.to_be_bytes());
        octets.extend_from_slice(&self.epoch.to_be_bytes());
        octets.extend_from_slice(&self.number.to_be_bytes());
        octets.extend_from_slice(&self.durable.to_be_bytes());
        let crc = crc32fast::hash(&octets);
        octets.extend_from_slice(&crc.to_be_bytes());
        octets.resize(64, 0);
        octets
    }

    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        // All of it, or it was never written whole.
        let octets = octets.get(..64)?;
        let mut reader = Reader(octets);
        let signed = octets.get(..36)?;
        if reader.array()? != SEGMENT_MAGIC || reader.u32()? != FORMAT {
            return None;
        }
        let header = Self {
            epoch: reader.u64()?,
            number: reader.u64()?,
            durable: reader.u64()?,
        };
        (reader.u32()? == crc32fast::hash(signed)).then_some(header)
    }
}

/// What stands before a record's body.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordHeader {
    /// Octets of the body.
    pub(super) len: usize,
    /// The record's number; later records have larger ones, with gaps where a write failed.
    pub(super) sequence: u64,
    /// The last sequence number that was durable when this was written.
    pub(super) durable: u64,
    /// The version of its form; that of a later release only says that it is one.
    pub(super) format: u32,
    signed: [u8; 28],
    crc: u32,
}

impl RecordHeader {
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let signed = *octets.first_chunk()?;
        if reader.array()? != RECORD_MAGIC {
            return None;
        }
        let len = usize::try_from(reader.u32()?).ok()?;
        let sequence = reader.u64()?;
        let durable = reader.u64()?;
        let format = reader.u32()?;
        if format < FORMAT || len > BODY_OCTETS_MAX {
            return None;
        }
        Some(Self {
            len,
            sequence,
            durable,
            format,
            signed,
            crc: reader.u32()?,
        })
    }

    /// True if the body is the one that was written, in this segment.
    pub(super) fn fits(&self, epoch: u64, body: &[u8]) -> bool {
        body.len() == self.len && crc(epoch, &self.signed, [body]) == self.crc
    }
}

/// Where a blob's octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a record: its segment and the octet's position in that file.
    Log {
        /// The segment's number.
        segment: u64,
        /// From the file's beginning.
        offset: u64,
    },
    /// In a file of its own.
    Body,
}

/// A blob and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Located {
    /// Octets.
    pub(super) len: u64,
    /// Where.
    pub(super) place: Place,
}

/// A blob that a record brings.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlobEntry<'a> {
    /// Its name.
    pub(super) blob: BlobId,
    /// Where it is after this record.
    pub(super) located: Located,
    /// The octets, if they are in the record.
    pub(super) octets: Option<&'a [u8]>,
}

/// The changes of one partition, read back.
#[derive(Debug)]
pub(super) struct PartEntry<'a> {
    /// Which.
    pub(super) partition: Partition,
    /// Its version after the record.
    pub(super) version: Version,
    /// In order.
    pub(super) changes: Vec<Change<'a>>,
}

/// A record's body, read back.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// What changed.
    pub(super) parts: Vec<PartEntry<'a>>,
    /// What blobs came.
    pub(super) blobs: Vec<BlobEntry<'a>>,
    /// What blobs went.
    pub(super) forgotten: Vec<BlobId>,
}

impl<'a> Entry<'a> {
    /// Reads a body that begins at `offset` of `segment`.
    pub(super) fn decode(body: &'a [u8], segment: u64, offset: u64) -> Option<Self> {
        let mut reader = Reader(body);
        let count = reader.u32()?;
        let parts = (0..count)
            .map(|_| part(&mut reader))
            .collect::<Option<_>>()?;
        let count = reader.u32()?;
        let heads = (0..count)
            .map(|_| Some((BlobId(reader.array()?), reader.u8()?, reader.u64()?)))
            .collect::<Option<Vec<_>>>()?;
        let went = |(_, place, len): &(BlobId, u8, u64)| (*place, *len) == (FORGOTTEN, 0);
        let forgotten = heads.iter().filter(|head| went(head));
        let forgotten = forgotten.map(|(blob, ..)| *blob).collect();
        let blobs = heads
            .into_iter()
            .filter(|head| !went(head))
            .map(|(blob, place, len)| {
                let at = u64::try_from(body.len() - reader.0.len()).ok()?;
                let offset = offset + at;
                let (place, octets) = match place {
                    INLINE => {
                        let octets = reader.take(usize::try_from(len).ok()?)?;
                        (Place::Log { segment, offset }, Some(octets))
                    }
                    OWN_FILE => (Place::Body, None),
                    _ => return None,
                };
                let located = Located { len, place };
                Some(BlobEntry {
                    blob,
                    located,
                    octets,
                })
            })
            .collect::<Option<_>>()?;
        reader.0.is_empty().then_some(Self {
            parts,
            blobs,
            forgotten,
        })
    }
}

fn part<'a>(reader: &mut Reader<'a>) -> Option<PartEntry<'a>> {
    let partition = Partition(reader.u64()?);
    let version = Version(reader.u64()?);
    let count = reader.u32()?;
    let changes = (0..count)
        .map(|_| Change::read(&mut reader.0))
        .collect::<Option<_>>()?;
    Some(PartEntry {
        partition,
        version,
        changes,
    })
}

/// At most how many octets a batch's record has.
pub(super) fn octets_max(batch: &Batch) -> usize {
    let parts: usize = batch
        .parts
        .iter()
        .map(|part| {
            let writes: usize = part.writes.iter().map(octets_of).sum();
            20 + writes
        })
        .sum();
    let blobs: usize = batch
        .blobs
        .iter()
        .map(|staged| 41 + staged.bytes.as_ref().map_or(0, bytes::Bytes::len))
        .sum();
    RECORD_HEADER_OCTETS + 8 + parts + blobs
}

/// Adds a batch as one record; `skip` names the blobs that need not be written again.
///
/// Gives the position in `records` of the inline blobs' octets, which [`places`] takes apart.
pub(super) fn encode(
    records: &mut Records,
    batch: &Batch,
    skip: &[BlobId],
    header: (u64, u64, u64),
) -> u64 {
    let start = records.begin();
    let buffer = &mut records.octets;
    buffer.extend_from_slice(&count(batch.parts.len()));
    for part in &batch.parts {
        buffer.extend_from_slice(&part.partition.0.to_be_bytes());
        buffer.extend_from_slice(&part.from.next().0.to_be_bytes());
        let changes = part.writes.iter().map(changes_of);
        let changes = changes.fold(0, u32::saturating_add);
        buffer.extend_from_slice(&changes.to_be_bytes());
        for write in &part.writes {
            packed::encode(buffer, write);
        }
    }
    buffer.extend_from_slice(&count(fresh(batch, skip).count()));
    for staged in fresh(batch, skip) {
        buffer.extend_from_slice(&staged.blob.0);
        buffer.push(if staged.bytes.is_some() {
            INLINE
        } else {
            OWN_FILE
        });
        buffer.extend_from_slice(&staged.len.to_be_bytes());
    }
    let inline = records.len();
    for octets in fresh(batch, skip).filter_map(|staged| staged.bytes.as_ref()) {
        records.add(octets);
    }
    records.seal(start, header);
    inline
}

/// The blobs that a batch's record brings: each once, without those to be skipped.
fn fresh<'a>(batch: &'a Batch, skip: &'a [BlobId]) -> impl Iterator<Item = &'a Staged> {
    let blobs = batch.blobs.iter().enumerate();
    let fresh = blobs.filter(|(at, staged)| {
        let before = batch.blobs.iter().take(*at);
        let again = before.into_iter().any(|other| other.blob == staged.blob);
        !again && !skip.contains(&staged.blob)
    });
    fresh.map(|(_, staged)| staged)
}

/// Where the blobs are that a batch's record brought, whose inline ones begin at `offset` of
/// `segment`.
pub(super) fn places<'a>(
    batch: &'a Batch,
    skip: &'a [BlobId],
    (segment, mut offset): (u64, u64),
) -> impl Iterator<Item = (BlobId, Located)> {
    fresh(batch, skip).map(move |staged| {
        let len = staged.len;
        let place = match &staged.bytes {
            Some(_) => Place::Log { segment, offset },
            None => Place::Body,
        };
        offset += staged
            .bytes
            .as_ref()
            .map_or(0, |octets| octets.len() as u64);
        (staged.blob, Located { len, place })
    })
}

/// At most how many octets a record has that forgets so many blobs.
pub(super) const fn forgetting_octets(blobs: usize) -> usize {
    RECORD_HEADER_OCTETS + 8 + 41 * blobs
}

/// Adds a record that forgets blobs.
pub(super) fn encode_forgotten(records: &mut Records, blobs: &[BlobId], header: (u64, u64, u64)) {
    let start = records.begin();
    let buffer = &mut records.octets;
    buffer.extend_from_slice(&count(0));
    buffer.extend_from_slice(&count(blobs.len()));
    for blob in blobs {
        buffer.extend_from_slice(&blob.0);
        buffer.push(FORGOTTEN);
        buffer.extend_from_slice(&0_u64.to_be_bytes());
    }
    records.seal(start, header);
}

/// What a record's header signs: itself, the segment, and the record's body in its pieces.
pub(super) fn crc<'a>(epoch: u64, signed: &[u8], body: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&epoch.to_be_bytes());
    hasher.update(signed);
    body.into_iter().for_each(|piece| hasher.update(piece));
    hasher.finalize()
}

/// A count as it is written; batches above [`BODY_OCTETS_MAX`] are refused before they come here.
pub(super) fn count(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes()
}

/// Takes numbers and octets from the front.
#[derive(Debug)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[octet]| octet)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}
