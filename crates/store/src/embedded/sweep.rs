//! A sweep: which blobs does no row of the view mention?
//!
//! The rows of one instant are asked, piece by piece. Of each blob eight octets are kept in memory
//! meanwhile, so many at a time as there is room for. Names are hashes: two whose first eight
//! octets are the same are taken for one, and if it is mentioned both stay.
//!
//! Not here: what happens to those that are dead (`reclaim`).

use mail::BlobId;

use super::record::Located;
use super::view::{Frozen, Space, located, split_key};
use crate::backend::Error;
use crate::reclaim::{Mention, Mentions, RateLimit};

/// Names in memory at once, nine octets each: where there are more blobs, all rows are asked once
/// more for each so many.
const NAMES_MAX: usize = 1 << 22;

/// The view at one instant, and who reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep<'a> {
    pub(super) frozen: &'a Frozen,
    pub(super) mentions: Mentions,
    pub(super) limit: &'a dyn RateLimit,
}

/// Blobs by rising name, and which of them are mentioned.
#[derive(Debug, Default)]
pub(super) struct Names {
    heads: Vec<u64>,
    mentioned: Vec<bool>,
}

/// What was read of the rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) octets: u64,
    pub(super) unreadable: u64,
}

/// Blobs with their places.
pub(super) type Blobs = Vec<(BlobId, Located)>;

impl Names {
    /// True if all blobs there were fitted into it.
    pub(super) const fn is_last(&self) -> bool {
        self.heads.len() < NAMES_MAX
    }

    pub(super) const fn len(&self) -> usize {
        self.heads.len()
    }

    /// True if not every blob is mentioned.
    pub(super) fn has_dead(&self) -> bool {
        self.mentioned.contains(&false)
    }

    /// True if the blob of this number is mentioned; what is not known is.
    pub(super) fn is_mentioned(&self, number: usize) -> bool {
        self.mentioned.get(number).copied().unwrap_or(true)
    }

    fn mention(&mut self, blob: BlobId) {
        let head = head(blob);
        let first = self.heads.partition_point(|known| *known < head);
        let heads = self.heads.get(first..).unwrap_or_default();
        let mentioned = self.mentioned.get_mut(first..).unwrap_or_default();
        let same = heads.iter().zip(mentioned);
        same.take_while(|(known, _)| **known == head)
            .for_each(|(_, mentioned)| *mentioned = true);
    }
}

impl Sweep<'_> {
    /// The blobs behind a key, with the last one's key.
    pub(super) async fn names(&self, mut behind: Vec<u8>) -> Result<(Names, Vec<u8>), Error> {
        let mut names = Names::default();
        while names.is_last() {
            let (blobs, last) = self.blobs(&behind, NAMES_MAX - names.len()).await?;
            let Some(last) = last else { break };
            behind = last;
            names
                .heads
                .extend(blobs.iter().map(|(blob, _)| head(*blob)));
        }
        names.mentioned = vec![false; names.len()];
        Ok((names, behind))
    }

    /// The next blobs behind a key, at most so many, and the last one's key.
    pub(super) async fn blobs(
        &self,
        behind: &[u8],
        limit: usize,
    ) -> Result<(Blobs, Option<Vec<u8>>), Error> {
        let mut piece = self.frozen.piece(Space::Blobs, behind)?;
        piece.truncate(limit);
        let octets: usize = piece
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        let last = piece.last().map(|(key, _)| key.to_vec());
        let blob = |(key, value): &(fjall::UserKey, fjall::UserValue)| {
            let name = <[u8; 32]>::try_from(&key[..]).ok()?;
            Some((BlobId(name), located(value)?))
        };
        let blobs = piece.iter().map(blob).collect::<Option<Blobs>>();
        let blobs = blobs.ok_or_else(|| Error::Damaged("a blob's place in the view".into()))?;
        drop(piece);
        self.limit.spend(octets as u64).await;
        Ok((blobs, last))
    }

    /// Asks every row.
    pub(super) async fn ask(&self, names: &mut Names) -> Result<Asked, Error> {
        let mut asked = Asked::default();
        let mut behind = Frozen::BEGIN.to_vec();
        loop {
            let piece = self.frozen.piece(Space::Rows, &behind)?;
            let Some((last, _)) = piece.last() else {
                return Ok(asked);
            };
            behind = last.to_vec();
            let mut octets = 0;
            for (key, value) in &piece {
                octets += (key.len() + value.len()) as u64;
                let mention = split_key(key)
                    .map_or(Mention::Unreadable, |(partition, table, _)| {
                        (self.mentions)(partition, table, value)
                    });
                match mention {
                    Mention::Nothing => {}
                    Mention::Blob(blob) => names.mention(blob),
                    Mention::Unreadable => asked.unreadable += 1,
                }
            }
            asked.octets += octets;
            drop(piece);
            self.limit.spend(octets).await;
        }
    }
}

fn head(blob: BlobId) -> u64 {
    blob.0.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_the_same_beginning_stay_together() {
        let name = |first: u8, last: u8| {
            let mut octets = [first; 32];
            octets[31] = last;
            BlobId(octets)
        };
        let blobs = [name(1, 0), name(3, 0), name(3, 1), name(9, 9)];
        let mut names = Names {
            heads: blobs.into_iter().map(head).collect(),
            mentioned: vec![false; blobs.len()],
        };
        names.mention(name(2, 0));
        assert!((0..4).all(|number| !names.is_mentioned(number)));
        names.mention(name(3, 7));
        let mentioned: Vec<_> = (0..5).map(|number| names.is_mentioned(number)).collect();
        assert_eq!(mentioned, [false, true, true, false, true]);
        assert!(names.has_dead());
        names.mention(name(1, 0));
        names.mention(name(9, 0));
        assert!(!names.has_dead());
    }
}
