//! Batches of very many rows, which are put into the view in pieces.

use super::*;
use crate::embedded::committer::{Request, Written};
use crate::embedded::unseen::Unseen;

fn key(number: u32) -> Bytes {
    number.to_be_bytes().to_vec().into()
}

async fn keys(store: &Embedded) -> Vec<Bytes> {
    let all = (Bytes::new(), None);
    let page = store.scan(AT, TABLE, all, 1 << 20, Direction::Rising);
    let rows = page.await.unwrap().rows;
    rows.into_iter().map(|row| row.key).collect()
}

#[tokio::test]
async fn a_batch_of_very_many_rows_is_there_whole() {
    let dir = tempdir();
    let store = Embedded::open(dir.path(), small()).unwrap();
    let (mut puts, mut deletes) = (Packed::default(), Packed::default());
    for number in 0..30_000_u32 {
        puts.push(&Write::Put {
            table: TABLE,
            key: key(number),
            value: "x".into(),
        });
        if number % 3 > 0 {
            deletes.push(&Write::Delete {
                table: TABLE,
                key: key(number),
            });
        }
    }
    for (from, many) in (0..).zip([puts, deletes]) {
        let writes = vec![Write::Packed(many)];
        let batch = Batch {
            parts: vec![Writes {
                partition: AT,
                from: Version(from),
                writes,
            }],
            blobs: Vec::new(),
        };
        store.commit(batch).await.unwrap();
        assert_eq!(store.version(AT).await.unwrap(), Version(from + 1));
        let there = if from == 0 { 30_000 } else { 10_000 };
        assert_eq!(keys(&store).await.len(), there);
    }
    let left: Vec<_> = (0..30_000).step_by(3).map(key).collect();
    assert_eq!(keys(&store).await, left);
    drop(store);
    std::fs::remove_dir_all(dir.path().join("view")).unwrap();
    let store = Embedded::open(dir.path(), small()).unwrap();
    assert_eq!(keys(&store).await, left);
    drop(store);
    let report = Embedded::check(dir.path(), small()).unwrap();
    assert!(report.is_sound(), "{report}");
}

#[tokio::test]
async fn what_was_answered_is_waited_for() {
    use std::task::{Context, Poll, Waker};
    let dir = tempdir();
    let store = Embedded::open(dir.path(), small()).unwrap();
    store.commit(batch(0, "x", None)).await.unwrap();
    assert_eq!(store.version(AT).await.unwrap(), Version(1));
    let mut context = Context::from_waker(Waker::noop());
    let unseen = |sequence| Unseen {
        requests: vec![Request {
            batch: batch(1, "y", None),
            octets: 0,
            outcome: Ok(Written::default()),
            answer: None,
        }],
        segment: 1,
        sequence,
    };
    let horizon = &store.inner.horizon;
    horizon.behind(&unseen(2));
    let all = || (Bytes::new(), None);
    let mut version = store.version(AT);
    let mut rows = store.get(AT, TABLE, vec![key(0)]);
    let mut page = store.scan(AT, TABLE, all(), 9, Direction::Rising);
    assert!(version.as_mut().poll(&mut context).is_pending());
    assert!(rows.as_mut().poll(&mut context).is_pending());
    assert!(page.as_mut().poll(&mut context).is_pending());
    assert_eq!(store.version(Partition(8)).await.unwrap(), Version(0));
    // Who comes while a later group is on its way waits for that one, and nobody else does.
    horizon.behind(&unseen(3));
    let told = version.as_mut().poll(&mut context);
    assert!(matches!(told, Poll::Ready(Ok(Version(1)))));
    assert!(rows.as_mut().poll(&mut context).is_ready());
    assert!(page.as_mut().poll(&mut context).is_ready());
    assert!(store.version(AT).as_mut().poll(&mut context).is_pending());
    let stopped = watch::Sender::default();
    let follower = Follower {
        view: store.inner.reader.view.clone(),
        horizon: horizon.clone(),
        stopped,
    };
    follower.follow(&unseen(3));
    assert_eq!(store.version(AT).await.unwrap(), Version(2));
    follower.fail("a test");
    // It stays so, whatever was on its way.
    horizon.behind(&unseen(4));
    follower.follow(&unseen(4));
    assert!(store.version(AT).await.is_err());
    assert!(store.get(AT, TABLE, vec![key(0)]).await.is_err());
}
