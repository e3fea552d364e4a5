//! What every backend must keep, as one suite that runs against any store.
//!
//! Not here: what happens to a store that is killed or whose disk fails; only a store that has a
//! disk can show that.

mod amending;
mod snapshots;

use bytes::Bytes;
use mail::{BlobId, BlobRange};

use crate::backend::{
    Batch, CommitError, Direction, Error, Partition, Staged, Store, Table, Version, Write, Writes,
};
use crate::derived::Piece;

mod reclaiming;

pub use self::reclaiming::Unlimited;

/// A promise that a store did not keep.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// Something else came out than must.
    #[error("{promise}: {found}")]
    Broken {
        /// What every store must do.
        promise: &'static str,
        /// What this one did.
        found: String,
    },
    /// A read failed.
    #[error("a read failed: {0}")]
    Read(#[from] Error),
    /// A commit failed.
    #[error("a commit failed: {0}")]
    Commit(#[from] CommitError),
}

/// The outcome of a part of the suite.
type Kept = Result<(), Violation>;

/// Partitions from here on are the suite's own; the store may hold others.
const FIRST: u64 = 0x7e57_0000;
const TABLE: Table = Table(1);
const OTHER: Table = Table(2);

/// Runs the whole suite on a store in which the suite has not run before.
///
/// # Errors
///
/// Says which promise was not kept.
pub async fn conform(store: &dyn Store) -> Kept {
    rows(store, Partition(FIRST)).await?;
    later_writes_win(store, Partition(FIRST + 1)).await?;
    tables_and_partitions_are_apart(store, Partition(FIRST + 2), Partition(FIRST + 3)).await?;
    conflict_changes_nothing(store, Partition(FIRST + 4), Partition(FIRST + 5)).await?;
    twice_named_changes_nothing(store, Partition(FIRST + 6)).await?;
    scans(store, Partition(FIRST + 7)).await?;
    order_is_the_order_of_calls(store, Partition(FIRST + 8)).await?;
    a_dropped_answer_is_still_a_commit(store, Partition(FIRST + 9)).await?;
    blobs(store, Partition(FIRST + 10)).await?;
    a_conflict_keeps_no_blob(store, Partition(FIRST + 11)).await?;
    same_blob_twice(store, Partition(FIRST + 12)).await?;
    many_ranges(store, Partition(FIRST + 15)).await?;
    snapshots::a_snapshot_stays_as_it_was(store, Partition(FIRST + 17)).await?;
    derived(store, Partition(FIRST + 13), Partition(FIRST + 14)).await?;
    // To the suite no row of those before mentions anything: their bodies go.
    reclaiming::reclaim(store, Partition(FIRST + 16)).await?;
    amending::amended(store, Partition(FIRST + 18)).await
}

async fn rows(store: &dyn Store, at: Partition) -> Kept {
    same(
        "an unknown partition is at zero",
        &store.version(at).await?,
        &Version(0),
    )?;
    same(
        "nothing is there at first",
        &value(store, at, TABLE, "a").await?,
        &None,
    )?;
    store
        .commit(batch(
            at,
            0,
            vec![put("a", "1"), put("b", ""), put("", "0")],
        ))
        .await?;
    same(
        "a commit raises the version by one",
        &store.version(at).await?,
        &Version(1),
    )?;
    let keys = ["b", "x", "", "a", "a"].map(octets).to_vec();
    same(
        "values come in the order of the keys",
        &store.get(at, TABLE, keys).await?,
        &vec![
            Some(octets("")),
            None,
            Some(octets("0")),
            Some(octets("1")),
            Some(octets("1")),
        ],
    )?;
    same(
        "no keys, no values",
        &store.get(at, TABLE, vec![]).await?,
        &vec![],
    )?;
    store
        .commit(batch(
            at,
            1,
            vec![put("a", "2"), delete("b"), delete("never")],
        ))
        .await?;
    same(
        "a put replaces",
        &value(store, at, TABLE, "a").await?,
        &Some(octets("2")),
    )?;
    same(
        "a delete removes",
        &value(store, at, TABLE, "b").await?,
        &None,
    )?;
    store.commit(batch(at, 2, vec![])).await?;
    same(
        "a commit without writes counts",
        &store.version(at).await?,
        &Version(3),
    )
}

async fn later_writes_win(store: &dyn Store, at: Partition) -> Kept {
    let writes = vec![
        put("a", "1"),
        put("a", "2"),
        put("b", "1"),
        delete("b"),
        delete("c"),
        put("c", "1"),
    ];
    store.commit(batch(at, 0, writes)).await?;
    let keys = ["a", "b", "c"].map(octets).to_vec();
    same(
        "the last write of a key wins",
        &store.get(at, TABLE, keys).await?,
        &vec![Some(octets("2")), None, Some(octets("1"))],
    )
}

async fn tables_and_partitions_are_apart(
    store: &dyn Store,
    one: Partition,
    two: Partition,
) -> Kept {
    let both = Batch {
        parts: vec![
            writes(one, 0, vec![put("k", "one"), put_in(OTHER, "k", "other")]),
            writes(two, 0, vec![put("k", "two")]),
        ],
        blobs: vec![],
    };
    store.commit(both).await?;
    for (at, table, expected) in [
        (one, TABLE, Some("one")),
        (one, OTHER, Some("other")),
        (two, TABLE, Some("two")),
        (two, OTHER, None),
    ] {
        same(
            "a row is in its partition and table only",
            &value(store, at, table, "k").await?,
            &expected.map(octets),
        )?;
        let page = store
            .scan(at, table, (Bytes::new(), None), 9, Direction::Rising)
            .await?;
        let expected: Vec<_> = expected.into_iter().map(octets).collect();
        let found: Vec<_> = page.rows.into_iter().map(|row| row.value).collect();
        same("a scan stays in its partition and table", &found, &expected)?;
    }
    Ok(())
}

async fn conflict_changes_nothing(store: &dyn Store, one: Partition, two: Partition) -> Kept {
    store.commit(batch(one, 0, vec![put("k", "1")])).await?;
    for stale in [0, 2] {
        let half = Batch {
            parts: vec![
                writes(two, 0, vec![put("k", "2")]),
                writes(one, stale, vec![put("k", "2")]),
            ],
            blobs: vec![],
        };
        same(
            "another version is a conflict",
            &store.commit(half).await,
            &Err(CommitError::Conflict),
        )?;
    }
    same(
        "a conflict leaves the row",
        &value(store, one, TABLE, "k").await?,
        &Some(octets("1")),
    )?;
    same(
        "a conflict leaves the other partition",
        &value(store, two, TABLE, "k").await?,
        &None,
    )?;
    same(
        "a conflict leaves the versions",
        &(store.version(one).await?, store.version(two).await?),
        &(Version(1), Version(0)),
    )
}

async fn twice_named_changes_nothing(store: &dyn Store, at: Partition) -> Kept {
    let twice = Batch {
        parts: vec![
            writes(at, 0, vec![put("k", "1")]),
            writes(at, 0, vec![put("k", "2")]),
        ],
        blobs: vec![],
    };
    let refused = matches!(store.commit(twice).await, Err(CommitError::Failed(_)));
    same("a partition named twice is refused", &refused, &true)?;
    same(
        "a refused batch changes nothing",
        &store.version(at).await?,
        &Version(0),
    )
}

/// From, to, limit, rising, what comes, and whether more is there.
type Scan<'a> = (&'a str, Option<&'a str>, usize, bool, &'a [&'a str], bool);

async fn scans(store: &dyn Store, at: Partition) -> Kept {
    let names = ["", "a", "a\0", "b", "c", "\u{7f}"];
    let rows = names.map(|name| put(name, name)).to_vec();
    store.commit(batch(at, 0, rows)).await?;
    let table: [Scan<'_>; 14] = [
        ("", None, 9, true, &names, false),
        ("", None, 6, true, &names, false),
        ("", None, 2, true, &["", "a"], true),
        ("", None, 0, true, &[], true),
        ("a", Some("b"), 9, true, &["a", "a\0"], false),
        ("a", Some("b"), 1, true, &["a"], true),
        ("a\0", Some("c"), 9, true, &["a\0", "b"], false),
        ("d", Some("e"), 9, true, &[], false),
        ("b", Some("b"), 9, true, &[], false),
        ("c", Some("a"), 9, true, &[], false),
        ("", None, 2, false, &["\u{7f}", "c"], true),
        ("", Some("c"), 2, false, &["b", "a\0"], true),
        ("a", Some("b"), 9, false, &["a\0", "a"], false),
        ("c", Some("a"), 9, false, &[], false),
    ];
    for (from, to, limit, rising, expected, more) in table {
        let direction = if rising {
            Direction::Rising
        } else {
            Direction::Falling
        };
        let range = (octets(from), to.map(octets));
        let page = store.scan(at, TABLE, range, limit, direction).await?;
        let found: Vec<_> = page.rows.iter().map(|row| row.key.clone()).collect();
        let expected: Vec<_> = expected.iter().map(|name| octets(name)).collect();
        same(
            "a scan gives its range in order, and says if it was cut",
            &(found, page.more),
            &(expected, more),
        )?;
        let paired = page.rows.iter().all(|row| row.key == row.value);
        same("a scan gives each key its value", &paired, &true)?;
    }
    Ok(())
}

async fn order_is_the_order_of_calls(store: &dyn Store, at: Partition) -> Kept {
    let mut answers = Vec::new();
    for n in 0..200 {
        let value = n.to_string();
        answers.push(store.commit(batch(at, n, vec![put("k", &value)])));
    }
    // The answers are awaited backwards: the order of commits is that of the calls.
    while let Some(answer) = answers.pop() {
        answer.await?;
    }
    same(
        "many commits in flight keep their order",
        &value(store, at, TABLE, "k").await?,
        &Some(octets("199")),
    )
}

async fn a_dropped_answer_is_still_a_commit(store: &dyn Store, at: Partition) -> Kept {
    drop(store.commit(batch(at, 0, vec![put("k", "1")])));
    store.commit(batch(at, 1, vec![put("l", "1")])).await?;
    same(
        "a commit nobody waits for is done",
        &value(store, at, TABLE, "k").await?,
        &Some(octets("1")),
    )
}

async fn blobs(store: &dyn Store, at: Partition) -> Kept {
    let nowhere = BlobRange {
        blob: BlobId([9; 32]),
        offset: 0,
        len: 1,
    };
    let found = store.read(nowhere).await;
    same(
        "a blob nobody wrote is not there",
        &matches!(found, Err(Error::NoBlob(_))),
        &true,
    )?;
    for (n, len) in [0, 1, 4096, 300_000, 2_000_000].into_iter().enumerate() {
        let body = noise(len, n);
        let staged = stage(store, &body, 65_536).await?;
        same(
            "a staged blob has its length",
            &staged.len,
            &(body.len() as u64),
        )?;
        same(
            "a blob is named by its hash",
            &staged.blob,
            &Staged::of(body.clone()).blob,
        )?;
        let blob = staged.blob;
        let mut one = batch(at, n as u64, vec![put("k", "1")]);
        one.blobs.push(staged);
        store.commit(one).await?;
        ranges(store, blob, &body).await?;
    }
    Ok(())
}

async fn ranges(store: &dyn Store, blob: BlobId, body: &Bytes) -> Kept {
    let len = body.len() as u64;
    for (offset, len) in [
        (0, len),
        (0, len / 2),
        (len / 2, len - len / 2),
        (len, 0),
        (len.saturating_sub(1), len.min(1)),
    ] {
        let range = BlobRange { blob, offset, len };
        let cut = usize::try_from(offset).ok().zip(usize::try_from(len).ok());
        let expected = cut.map(|(offset, len)| body.slice(offset..offset + len));
        let found = store.read(range).await?;
        if Some(&found) != expected.as_ref() {
            return broken(
                "a range of a blob is what was written",
                format!("{} octets at {offset} of {range:?}", found.len()),
            );
        }
    }
    for (offset, len) in [(0, len + 1), (len, 1), (len + 1, 0), (u64::MAX, 2)] {
        let found = store.read(BlobRange { blob, offset, len }).await;
        same(
            "a range beyond the end is an error",
            &matches!(found, Err(Error::OutOfRange(_))),
            &true,
        )?;
    }
    Ok(())
}

async fn many_ranges(store: &dyn Store, at: Partition) -> Kept {
    // Neighbours of one batch, one that is far away from them, and one in a file of its own.
    let bodies = [700, 1, 0, 90_000, 300, 400_000, 5000].map(|len| noise(len, len + 1));
    let mut first = batch(at, 0, vec![]);
    for body in &bodies {
        first.blobs.push(stage(store, body, 65_536).await?);
    }
    let blobs: Vec<BlobId> = first.blobs.iter().map(|staged| staged.blob).collect();
    store.commit(first).await?;
    let cuts = [(0, 1), (1, 2), (0, 2), (1, 3), (0, 0)];
    let (mut ranges, mut expected) = (Vec::new(), Vec::new());
    for (from, to) in cuts {
        for (blob, body) in blobs.iter().zip(&bodies) {
            // From `from` thirds on to `to` thirds.
            let part = body.slice(body.len() * from / 3..body.len() * to / 3);
            ranges.push(BlobRange {
                blob: *blob,
                offset: (body.len() * from / 3) as u64,
                len: part.len() as u64,
            });
            expected.push(part);
        }
    }
    for turn in 0..2 {
        let found = store.read_many(ranges.clone()).await?;
        if found != expected {
            return broken(
                "many ranges are what was written, in their order",
                format!("{} of {} in turn {turn}", found.len(), expected.len()),
            );
        }
        ranges.reverse();
        expected.reverse();
    }
    same(
        "no ranges, no octets",
        &store.read_many(vec![]).await?,
        &vec![],
    )?;
    let (here, gone) = (ranges.first().copied(), BlobId([8; 32]));
    let beyond = here.map(|range| BlobRange {
        offset: 1 << 40,
        ..range
    });
    let missing = here.map(|range| BlobRange {
        blob: gone,
        ..range
    });
    for (last, promise) in [
        (beyond, "one range beyond the end is an error"),
        (missing, "one blob that is not there is an error"),
    ] {
        let asked = here.into_iter().chain(last).collect();
        same(promise, &store.read_many(asked).await.is_err(), &true)?;
    }
    Ok(())
}

async fn a_conflict_keeps_no_blob(store: &dyn Store, at: Partition) -> Kept {
    for len in [100, 400_000] {
        let body = noise(len, 77);
        let staged = stage(store, &body, 10_000).await?;
        let range = BlobRange {
            blob: staged.blob,
            offset: 0,
            len: 1,
        };
        let mut stale = batch(at, 5, vec![]);
        stale.blobs.push(staged);
        same(
            "a stale batch with a blob is a conflict",
            &store.commit(stale).await,
            &Err(CommitError::Conflict),
        )?;
        let found = store.read(range).await;
        same(
            "a blob is readable only with its batch",
            &matches!(found, Err(Error::NoBlob(_))),
            &true,
        )?;
    }
    Ok(())
}

async fn same_blob_twice(store: &dyn Store, at: Partition) -> Kept {
    for (n, len) in [50, 50, 500_000, 500_000].into_iter().enumerate() {
        let body = noise(len, len);
        let staged = stage(store, &body, 100_000).await?;
        let blob = staged.blob;
        let mut again = batch(at, n as u64, vec![]);
        again.blobs.push(staged.clone());
        again.blobs.push(staged);
        store.commit(again).await?;
        ranges(store, blob, &body).await?;
    }
    Ok(())
}

async fn stage(store: &dyn Store, body: &Bytes, piece: usize) -> Result<Staged, Error> {
    let mut stage = store.stage();
    let mut rest = body.clone();
    while !rest.is_empty() {
        stage.write(rest.split_to(piece.min(rest.len()))).await?;
    }
    stage.finish().await
}

async fn value(
    store: &dyn Store,
    at: Partition,
    table: Table,
    key: &str,
) -> Result<Option<Bytes>, Error> {
    let values = store.get(at, table, vec![octets(key)]).await?;
    Ok(values.into_iter().next().flatten())
}

fn batch(at: Partition, from: u64, changes: Vec<Write>) -> Batch {
    Batch {
        parts: vec![writes(at, from, changes)],
        blobs: vec![],
    }
}

fn writes(partition: Partition, from: u64, writes: Vec<Write>) -> Writes {
    Writes {
        partition,
        from: Version(from),
        writes,
    }
}

fn put(key: &str, value: &str) -> Write {
    put_in(TABLE, key, value)
}

async fn derived(store: &dyn Store, at: Partition, other: Partition) -> Kept {
    let place = store.derived();
    same(
        "nothing is derived at first",
        &place.pieces(at).await?,
        &vec![],
    )?;
    for (piece, text) in [(2, "older"), (1, "first"), (2, "second")] {
        place.keep(at, Piece(piece), octets(text)).await?;
    }
    place.keep(other, Piece(u128::MAX), octets("other")).await?;
    same(
        "pieces are told in order, each partition's own",
        &place.pieces(at).await?,
        &vec![Piece(1), Piece(2)],
    )?;
    same(
        "a piece is read in ranges, and the last one kept counts",
        &place.peruse(at, Piece(2), vec![3..6, 0..2, 9..9]).await?,
        &vec![octets("ond"), octets("se"), octets("")],
    )?;
    for (piece, range) in [(2, 3..7), (2, 7..u64::MAX), (3, 0..1)] {
        let read = place.peruse(at, Piece(piece), vec![range]).await;
        same("what is not there is an error", &read.is_err(), &true)?;
    }
    for _ in 0..2 {
        place.discard(at, Piece(1)).await?;
    }
    same(
        "what is discarded is gone",
        &place.pieces(at).await?,
        &vec![Piece(2)],
    )?;
    same(
        "other partitions keep theirs",
        &place.pieces(other).await?,
        &vec![Piece(u128::MAX)],
    )
}

fn put_in(table: Table, key: &str, value: &str) -> Write {
    Write::Put {
        table,
        key: octets(key),
        value: octets(value),
    }
}

fn delete(key: &str) -> Write {
    Write::Delete {
        table: TABLE,
        key: octets(key),
    }
}

fn octets(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Octets without pattern, the same for the same seed.
fn noise(len: usize, seed: usize) -> Bytes {
    let mut octets = vec![0; len];
    let mut reader = blake3::Hasher::new()
        .update(&seed.to_be_bytes())
        .finalize_xof();
    reader.fill(&mut octets);
    octets.into()
}

fn same<T: PartialEq + std::fmt::Debug>(promise: &'static str, found: &T, expected: &T) -> Kept {
    if found == expected {
        return Ok(());
    }
    broken(promise, format!("{found:?} and not {expected:?}"))
}

fn broken(promise: &'static str, found: String) -> Kept {
    Err(Violation::Broken { promise, found })
}
