//! Chunks of rows: a partition's rows in their order, cut where their keys say, so that a change
//! here moves no cut elsewhere, and what did not change is the same chunk again.
//!
//! ```text
//! chunk: magic:8 partition:u64 (table:u8 key:length value:length key value)*
//! ```
//!
//! A length has seven bits in an octet, the lowest first; the high bit says that more follow.
//!
//! Not here: where chunks are kept (`pack`).

use mail::BlobId;
use post::{StoredBody, stored_body};
use store::{Hint, Partition, SnapshotRow, Table};

use crate::Digest;

const MAGIC: [u8; 8] = *b"carachk1";
/// A chunk is not cut before it has so many octets, but at the end of its partition.
const CHUNK_OCTETS_MIN: usize = 16 << 10;
/// A chunk is cut behind the row with which it has so many octets.
const CHUNK_OCTETS_CUT: usize = 256 << 10;
/// One row in so many is one behind which a chunk may be cut.
const CUT_ROWS: u8 = 64;
/// A longer chunk is none: a row is no longer than a batch.
pub(crate) const CHUNK_OCTETS_MAX: u64 = 80 << 20;
/// Octets before a blob's name, in a row that has room for a hint.
const NAME_AT: usize = 1;

/// Rows of a partition.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) partition: Partition,
    pub(crate) digest: Digest,
    pub(crate) octets: Vec<u8>,
    pub(crate) rows: u64,
    pub(crate) mentions: Vec<StoredBody>,
}

/// A row that is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkRow<'a> {
    pub(crate) table: Table,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// Cuts rows, as they come, into chunks.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    partition: Option<Partition>,
    octets: Vec<u8>,
    rows: u64,
    mentions: Vec<StoredBody>,
    /// The last row is one behind which may be cut.
    ends: bool,
}

impl Cutter {
    /// Adds a row; tells the chunk that ends before it.
    pub(crate) fn row(&mut self, row: &SnapshotRow<'_>) -> Option<Chunk> {
        let ended = (self.ends || self.partition != Some(row.partition))
            .then(|| self.end())
            .flatten();
        if self.octets.is_empty() {
            self.partition = Some(row.partition);
            self.octets.extend_from_slice(&MAGIC);
            self.octets
                .extend_from_slice(&row.partition.0.to_be_bytes());
        }
        self.octets.push(row.table.0);
        put_len(&mut self.octets, row.key.len());
        put_len(&mut self.octets, row.value.len());
        self.octets.extend_from_slice(row.key);
        let value_at = self.octets.len();
        self.octets.extend_from_slice(row.value);
        if let Some(mention) = stored_body(row.partition, row.table, row.value) {
            if mention.hint.is_some() {
                // It is of no use to any other store, and it is another after every restore.
                let from = value_at + NAME_AT + mention.blob.0.len();
                let hint = self.octets.get_mut(from..from + Hint::OCTETS);
                hint.into_iter().for_each(|hint| hint.fill(0));
            }
            self.mentions.push(mention);
        }
        self.rows += 1;
        let len = self.octets.len();
        self.ends = len >= CHUNK_OCTETS_CUT || (len >= CHUNK_OCTETS_MIN && is_cut(row.key));
        ended
    }

    /// Ends the chunk, if there is anything in it.
    pub(crate) fn end(&mut self) -> Option<Chunk> {
        self.ends = false;
        let octets = std::mem::take(&mut self.octets);
        let rows = std::mem::take(&mut self.rows);
        let mentions = std::mem::take(&mut self.mentions);
        let partition = self.partition.take()?;
        Some(Chunk {
            partition,
            digest: Digest::of(&octets),
            octets,
            rows,
            mentions,
        })
    }
}

/// True for a key behind which a chunk may be cut.
fn is_cut(key: &[u8]) -> bool {
    blake3::hash(key)
        .as_bytes()
        .first()
        .is_some_and(|first| first % CUT_ROWS == 0)
}

/// The partition of a chunk, and its rows; none if it is not one.
pub(crate) fn read(chunk: &[u8]) -> Option<(Partition, Vec<ChunkRow<'_>>)> {
    let rest = chunk.strip_prefix(&MAGIC)?;
    let (partition, mut rest) = rest.split_first_chunk()?;
    let mut rows = Vec::new();
    while let Some((&table, behind)) = rest.split_first() {
        rest = behind;
        let (key_len, value_len) = (take_len(&mut rest)?, take_len(&mut rest)?);
        let (key, behind) = rest.split_at_checked(key_len)?;
        let (value, behind) = behind.split_at_checked(value_len)?;
        rest = behind;
        rows.push(ChunkRow {
            table: Table(table),
            key,
            value,
        });
    }
    Some((Partition(u64::from_be_bytes(*partition)), rows))
}

/// The digest of a body is its name in the store.
pub(crate) const fn digest(blob: BlobId) -> Digest {
    Digest(blob.0)
}

fn put_len(octets: &mut Vec<u8>, mut len: usize) {
    while len >= 0x80 {
        octets.push(u8::try_from(len & 0x7f).unwrap_or_default() | 0x80);
        len >>= 7;
    }
    octets.push(u8::try_from(len).unwrap_or_default());
}

fn take_len(octets: &mut &[u8]) -> Option<usize> {
    let mut len = 0_usize;
    for shift in (0..35).step_by(7) {
        let (&low, rest) = octets.split_first()?;
        *octets = rest;
        len |= usize::from(low & 0x7f).checked_shl(shift)?;
        if low & 0x80 == 0 {
            return Some(len);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(rows: &[(u64, u8, Vec<u8>, Vec<u8>)]) -> Vec<Chunk> {
        let mut cutter = Cutter::default();
        let mut chunks = Vec::new();
        for (partition, table, key, value) in rows {
            chunks.extend(cutter.row(&SnapshotRow {
                partition: Partition(*partition),
                table: Table(*table),
                key,
                value,
            }));
        }
        chunks.extend(cutter.end());
        chunks
    }

    proptest! {
        #[test]
        fn chunks_have_all_rows_in_order(
            rows in proptest::collection::btree_map(
                (0..3_u64, 20..24_u8, proptest::collection::vec(any::<u8>(), 0..200)),
                proptest::collection::vec(any::<u8>(), 0..3000),
                0..60,
            )
        ) {
            let rows: Vec<_> = rows
                .into_iter()
                .map(|((partition, table, key), value)| (partition, table, key, value))
                .collect();
            let mut back = Vec::new();
            for chunk in cut(&rows) {
                prop_assert_eq!(chunk.digest, Digest::of(&chunk.octets));
                let (partition, found) = read(&chunk.octets).unwrap();
                prop_assert_eq!((partition, found.len() as u64), (chunk.partition, chunk.rows));
                back.extend(found.iter().map(|row| {
                    (partition.0, row.table.0, row.key.to_vec(), row.value.to_vec())
                }));
            }
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn what_is_no_chunk_is_refused(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut chunk = MAGIC.to_vec();
            chunk.extend_from_slice(&octets);
            read(&chunk);
            read(&octets);
        }
    }

    #[test]
    fn a_change_leaves_most_chunks_as_they_are() {
        let row = |number: u32, value: u8| (9, 5, number.to_be_bytes().to_vec(), vec![value; 500]);
        let mut rows: Vec<_> = (0..20_000).map(|number| row(number, 1)).collect();
        let before: Vec<_> = cut(&rows).iter().map(|chunk| chunk.digest).collect();
        assert!(before.len() > 50, "{}", before.len());
        rows.insert(
            7000,
            (9, 5, [&7000_u32.to_be_bytes()[..], b"x"].concat(), vec![2]),
        );
        rows.remove(7000);
        rows[7000] = row(7000, 2);
        rows.remove(12_000);
        rows.push(row(20_000, 1));
        let after = cut(&rows);
        let new = after.iter().filter(|chunk| !before.contains(&chunk.digest));
        assert!(new.count() <= 5);
    }
}
