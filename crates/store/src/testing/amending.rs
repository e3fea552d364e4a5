//! Blobs whose first octets are known last.

use bytes::Bytes;

use super::{Kept, batch, noise, ranges, same};
use crate::backend::{Partition, Store};

/// Octets in one piece.
const PIECE_OCTETS: usize = 100_000;

/// Whether a blob is in memory, in a file or between the two, what is amended is what is read.
pub(super) async fn amended(store: &dyn Store, at: Partition) -> Kept {
    let cases = [
        (10, 10),
        (1000, 0),
        (1000, 7),
        (700_000, 2048),
        (700_000, 400_000),
    ];
    let all = cases
        .into_iter()
        .chain([(300_000, 300_000), (700_000, 700_000)]);
    for (n, (len, front)) in all.enumerate() {
        let (first, last) = (noise(len, 1), noise(front, 2));
        let mut stage = store.stage();
        let mut rest = first.clone();
        while !rest.is_empty() {
            stage
                .write(rest.split_to(PIECE_OCTETS.min(rest.len())))
                .await?;
        }
        let beyond = stage.amend(noise(len + 1, 3)).await;
        same("no more is amended than is there", &beyond.is_err(), &true)?;
        stage.amend(last.clone()).await?;
        // What comes behind it is not disturbed.
        stage.write(last.clone()).await?;
        let staged = stage.finish().await?;
        let kept = first.get(front..).unwrap_or_default();
        let body = Bytes::from([last.as_ref(), kept, last.as_ref()].concat());
        let blob = staged.blob;
        let mut commit = batch(at, n as u64, vec![]);
        commit.blobs.push(staged);
        store.commit(commit).await?;
        ranges(store, blob, &body).await?;
    }
    Ok(())
}
