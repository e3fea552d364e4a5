//! Compares a store that was restored with the backup it is of: every row, and every body.
//!
//! Not here: whether the rows agree with each other (`post`'s audit).

use bytes::Bytes;
use mail::{BlobId, BlobRange};
use post::StoredBody;
use store::{Partition, SnapshotRow, Store};

use crate::chunk::{Chunk, Cutter};
use crate::manifest::{Manifest, Part, Parts};
use crate::repository::Repository;
use crate::restore::Restored;
use crate::{Digest, Outcome};

/// Octets of rows that are read at once.
const PAGE_OCTETS: usize = 1 << 20;
/// Octets of a body that are read at once.
const PIECE_OCTETS: u64 = 4 << 20;

/// The chunks that there should be.
struct Expected {
    parts: Parts,
    partition: Option<Partition>,
}

impl Expected {
    fn next(&mut self) -> Outcome<Option<(Partition, Digest)>> {
        while let Some(part) = self.parts.next()? {
            match part {
                Part::Partition(partition) => self.partition = Some(partition),
                Part::Chunk { digest, .. } => {
                    return Ok(self.partition.map(|partition| (partition, digest)));
                }
                Part::File { .. } | Part::Unread { .. } | Part::Lost(_) | Part::Packs(_) => {}
            }
        }
        Ok(None)
    }
}

/// Compares all rows of a store with a backup, and reads all bodies that they mention.
///
/// # Errors
///
/// If the store or the repository cannot be read; what differs is in what is returned.
pub async fn compare(
    repository: &Repository,
    manifest: &Manifest,
    store: &dyn Store,
    passed: &mut dyn FnMut(u64, u64),
) -> Outcome<Restored> {
    let mut expected = Expected {
        parts: manifest.parts(repository)?,
        partition: None,
    };
    let mut compared = Restored::default();
    let snapshot = store.snapshot().await?;
    let mut cutter = Cutter::default();
    let mut next = Some(Bytes::new());
    while let Some(from) = next {
        let page = snapshot.rows(from, PAGE_OCTETS).await?;
        let mut rest = &page.octets[..];
        while let Some(row) = SnapshotRow::take(&mut rest) {
            if let Some(chunk) = cutter.row(&row) {
                compare_chunk(&mut compared, store, &chunk, &mut expected).await?;
                passed(chunk.mentions.len() as u64, octets(&chunk));
            }
        }
        next = page.next;
    }
    if let Some(chunk) = cutter.end() {
        compare_chunk(&mut compared, store, &chunk, &mut expected).await?;
        passed(chunk.mentions.len() as u64, octets(&chunk));
    }
    while let Some((partition, digest)) = expected.next()? {
        compared.flaw(Some(partition), format!("rows are missing: {digest}"));
    }
    Ok(compared)
}

fn octets(chunk: &Chunk) -> u64 {
    chunk.mentions.iter().map(|mention| mention.octets).sum()
}

async fn compare_chunk(
    compared: &mut Restored,
    store: &dyn Store,
    chunk: &Chunk,
    expected: &mut Expected,
) -> Outcome<()> {
    let partition = Some(chunk.partition);
    if expected.next()? != Some((chunk.partition, chunk.digest)) {
        compared.flaw(partition, "rows are not those of the backup");
    }
    compared.rows += chunk.rows;
    for mention in &chunk.mentions {
        match hash(store, mention).await {
            Err(error) => compared.flaw(partition, error.to_string()),
            Ok(hash) if hash != mention.blob => {
                let what = format!("the message {} is not as it was", mention.blob);
                compared.flaw(partition, what);
            }
            Ok(_) => {
                compared.bodies += 1;
                compared.octets += mention.octets;
            }
        }
    }
    Ok(())
}

/// The hash of a body, read piece by piece.
async fn hash(store: &dyn Store, mention: &StoredBody) -> Result<BlobId, store::Error> {
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    loop {
        let range = BlobRange {
            blob: mention.blob,
            offset,
            len: PIECE_OCTETS.min(mention.octets - offset),
        };
        hasher.update(&store.read(range).await?);
        offset += range.len;
        if offset == mention.octets {
            return Ok(BlobId(*hasher.finalize().as_bytes()));
        }
    }
}
