//! What is dead goes, what is mentioned stays, and nobody mentions what is gone.

use std::future;
use std::time::Duration;

use bytes::Bytes;
use mail::{BlobId, BlobRange};

use super::{FIRST, Kept, batch, delete, noise, put_in, same, stage};
use crate::backend::{Boxed, CommitError, Error, Hint, Partition, Store, Table, Write};
use crate::reclaim::{Mention, RateLimit, Reclaim};

/// The suite's table of rows that mention a blob.
const ABOUT: Table = Table(9);

/// As fast as it goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl RateLimit for Unlimited {
    fn spend(&self, _octets: u64) -> Boxed<'_, ()> {
        Box::pin(future::ready(()))
    }
}

/// Reads the rows of the suite; one that is empty cannot be read.
fn mention(partition: Partition, table: Table, value: &[u8]) -> Mention {
    if partition.0 < FIRST || table != ABOUT {
        return Mention::Nothing;
    }
    let name = value.get(1..33).and_then(|name| name.try_into().ok());
    name.map_or(Mention::Unreadable, |name| Mention::Blob(BlobId(name)))
}

/// How the suite frees.
const HOW: Reclaim<'_> = Reclaim {
    mentions: mention,
    limit: &Unlimited,
    grace: Duration::ZERO,
};

fn about(key: &str, blob: BlobId) -> Write {
    let value = [&[7][..], &blob.0, &Hint::NONE.0].concat();
    Write::PutBeside {
        table: ABOUT,
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.into(),
    }
}

pub(super) async fn reclaim(store: &dyn Store, at: Partition) -> Kept {
    let bodies = [3000, 5000, 300_000, 400_000].map(|len| noise(len, len));
    let mut names = Vec::new();
    for (from, body) in (0..).zip(&bodies) {
        let staged = stage(store, body, 65_536).await?;
        names.push(staged.blob);
        let mut one = batch(at, from, vec![about(&from.to_string(), staged.blob)]);
        one.blobs.push(staged);
        store.commit(one).await?;
    }
    let gone = |key| Write::Delete {
        table: ABOUT,
        key: Bytes::from_static(key),
    };
    let held = store.snapshot().await?;
    // Of the small ones as of the large ones the first goes.
    let went = batch(at, 4, vec![gone(b"0"), gone(b"2"), delete("never")]);
    store.commit(went).await?;
    let survey = store.survey(mention, &Unlimited).await?;
    same("what is mentioned lives", &survey.blobs.live, &2)?;
    same("and its octets count", &survey.blobs.live_octets, &405_000)?;
    same("what is dead is found", &(survey.blobs.dead >= 2), &true)?;
    let freed = store.reclaim(HOW).await?;
    same("what a snapshot mentions is held", &freed.forgotten, &0)?;
    drop(held);
    store.reclaim(HOW).await?;
    for (number, (name, body)) in names.iter().zip(&bodies).enumerate() {
        let range = BlobRange {
            blob: *name,
            offset: 0,
            len: body.len() as u64,
        };
        let read = store.read(range).await;
        if number.is_multiple_of(2) {
            let is_gone = matches!(read, Err(Error::NoBlob(_)));
            same("what was dead is gone", &is_gone, &true)?;
        } else {
            same("what was mentioned is there", &read?, body)?;
        }
    }
    let survey = store.survey(mention, &Unlimited).await?;
    same("nothing dead is left", &survey.blobs.dead, &0)?;
    gone_is_not_mentioned(store, at, &names, &bodies).await
}

async fn gone_is_not_mentioned(
    store: &dyn Store,
    at: Partition,
    names: &[BlobId],
    bodies: &[Bytes],
) -> Kept {
    let (Some(first), Some(second)) = (names.first(), names.get(1)) else {
        return Ok(());
    };
    let refused = store.commit(batch(at, 5, vec![about("a", *first)])).await;
    same(
        "a row about what is gone is refused",
        &refused,
        &Err(CommitError::Gone(*first)),
    )?;
    store
        .commit(batch(at, 5, vec![about("b", *second)]))
        .await?;
    for (from, (name, body)) in (6..).zip(names.iter().zip(bodies)) {
        let mut again = batch(at, from, vec![about("again", *name)]);
        again.blobs.push(stage(store, body, 65_536).await?);
        store.commit(again).await?;
        let (offset, len) = (0, body.len() as u64);
        let range = BlobRange {
            blob: *name,
            offset,
            len,
        };
        same("what was gone comes again", &store.read(range).await?, body)?;
    }
    let unreadable = Write::Put {
        table: ABOUT,
        key: Bytes::from_static(b"unreadable"),
        value: Bytes::new(),
    };
    store.commit(batch(at, 10, vec![unreadable])).await?;
    let refused = store.reclaim(HOW).await;
    same(
        "beside a row that cannot be read nothing is freed",
        &refused.is_err(),
        &true,
    )?;
    let fill = put_in(ABOUT, "unreadable", &"x".repeat(33));
    Ok(store.commit(batch(at, 11, vec![fill])).await?)
}
