//! What is dead goes, also where the power goes in the middle; what somebody mentions stays.

use super::*;
use crate::embedded::chores::Chore;
use crate::reclaim::{Mention, Reclaim};
use crate::testing::Unlimited;
use mail::BlobId;

/// Rows are names of blobs.
fn mention(_: Partition, _: Table, value: &[u8]) -> Mention {
    let name = value.get(1..33).and_then(|name| name.try_into().ok());
    name.map_or(Mention::Nothing, |name| Mention::Blob(BlobId(name)))
}

pub(super) const HOW: Reclaim<'_> = Reclaim {
    mentions: mention,
    limit: &Unlimited,
    grace: Duration::ZERO,
};

/// A row about a blob, or none any more.
pub(super) fn about(from: u64, blob: BlobId, staged: Option<Staged>) -> Batch {
    let write = Write::PutBeside {
        table: TABLE,
        key: Bytes::copy_from_slice(&blob.0),
        value: [&[1][..], &blob.0, &[0; 8]].concat().into(),
    };
    changing(from, write, staged)
}

pub(super) fn without(from: u64, blob: BlobId) -> Batch {
    let write = Write::Delete {
        table: TABLE,
        key: Bytes::copy_from_slice(&blob.0),
    };
    changing(from, write, None)
}

fn changing(from: u64, write: Write, staged: Option<Staged>) -> Batch {
    Batch {
        parts: vec![Writes {
            partition: AT,
            from: Version(from),
            writes: vec![write],
        }],
        blobs: staged.into_iter().collect(),
    }
}

pub(super) async fn stage(store: &Embedded, octets: &Bytes) -> Staged {
    let mut stage = store.stage();
    stage.write(octets.clone()).await.unwrap();
    stage.finish().await.unwrap()
}

pub(super) fn whole(blob: BlobId, octets: &Bytes) -> BlobRange {
    BlobRange {
        blob,
        offset: 0,
        len: octets.len() as u64,
    }
}

/// A letter that came and went, and the version behind that.
async fn dead_letter(store: &Embedded, octets: &Bytes) -> (BlobId, u64) {
    let staged = stage(store, octets).await;
    let blob = staged.blob;
    store.commit(about(0, blob, Some(staged))).await.unwrap();
    store.commit(without(1, blob)).await.unwrap();
    (blob, 2)
}

#[tokio::test]
async fn what_comes_again_beside_a_sweep_stays() {
    for len in [2000, 300_000] {
        let dir = tempdir();
        let store = Embedded::open(dir.path(), small()).unwrap();
        let octets = body(1, len);
        let (blob, from) = dead_letter(&store, &octets).await;
        let _watching = store.inner.reader.touched.watch();
        // It is there, so a large one is not written to a file once more.
        let staged = stage(&store, &octets).await;
        let forget = |answer| Chore::Forget(vec![blob], answer);
        if len < 10_000 {
            store.commit(about(from, blob, Some(staged))).await.unwrap();
            assert!(store.inner.chore(forget).await.unwrap().is_empty());
        } else {
            assert!(store.inner.chore(forget).await.unwrap().is_empty());
            store.commit(about(from, blob, Some(staged))).await.unwrap();
        }
        assert_eq!(store.read(whole(blob, &octets)).await.unwrap(), octets);
    }
}

#[tokio::test]
async fn a_row_that_is_copied_beside_a_sweep_keeps_its_letter() {
    let dir = tempdir();
    let store = Embedded::open(dir.path(), small()).unwrap();
    let octets = body(1, 2000);
    let (blob, from) = dead_letter(&store, &octets).await;
    let watching = store.inner.reader.touched.watch();
    store.commit(about(from, blob, None)).await.unwrap();
    let forget = |answer| Chore::Forget(vec![blob], answer);
    assert!(store.inner.chore(forget).await.unwrap().is_empty());
    drop(watching);
    // Without a sweep nobody may forget anything.
    let forget = |answer| Chore::Forget(vec![blob], answer);
    assert!(store.inner.chore(forget).await.unwrap().is_empty());
    assert_eq!(store.read(whole(blob, &octets)).await.unwrap(), octets);
}

#[tokio::test]
async fn a_forgotten_body_that_is_still_there_goes_at_the_next_start() {
    let (dir, kept) = (tempdir(), tempdir());
    let octets = body(1, 300_000);
    let kept = kept.path().join("body");
    let mut store = Embedded::open(dir.path(), small()).unwrap();
    let (blob, mut from) = dead_letter(&store, &octets).await;
    let path = store.inner.reader.bodies.path(blob);
    std::fs::copy(&path, &kept).unwrap();
    for comes_again in [false, true] {
        assert_eq!(store.reclaim(HOW).await.unwrap().files, 1);
        assert!(!path.exists());
        if comes_again {
            let staged = stage(&store, &octets).await;
            store.commit(about(from, blob, Some(staged))).await.unwrap();
            from += 1;
        }
        store.close();
        drop(store);
        // As if the power had gone before the removal was durable.
        std::fs::copy(&kept, &path).unwrap();
        let lost = comes_again.then(|| std::fs::remove_dir_all(dir.path().join("view")).unwrap());
        store = Embedded::open(dir.path(), small()).unwrap();
        assert_eq!(path.exists(), comes_again, "{lost:?}");
        let read = store.read(whole(blob, &octets)).await;
        assert_eq!(read.is_ok(), comes_again);
        if !comes_again {
            let staged = stage(&store, &octets).await;
            store.commit(about(from, blob, Some(staged))).await.unwrap();
            store.commit(without(from + 1, blob)).await.unwrap();
            from += 2;
        }
    }
    store.close();
    drop(store);
    let report = Embedded::check(dir.path(), small()).unwrap();
    assert!(report.is_sound(), "{report}");
}
