//! What the embedded store keeps over restarts, lost views and damage, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mail::{BlobId, BlobRange};
use store::{
    Batch, CommitError, Direction, Embedded, EmbeddedSettings, Error, Page, Partition, Piece,
    Staged, Store, Table, Version, Write, Writes,
};
use tempfile::TempDir;

const TABLE: Table = Table(1);

fn settings() -> EmbeddedSettings {
    EmbeddedSettings {
        cache_octets: 1 << 20,
        segment_octets: 20_000,
        reserve_octets: 0,
        ..EmbeddedSettings::default()
    }
}

/// In memory where that is possible: what is synced does not matter here.
fn tempdir() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap()
}

fn open(dir: &Path) -> Embedded {
    Embedded::open(dir, settings()).unwrap()
}

fn batch(at: u64, from: u64, key: String, value: String, blob: Option<Staged>) -> Batch {
    Batch {
        parts: vec![Writes {
            partition: Partition(at),
            from: Version(from),
            writes: vec![Write::Put {
                table: TABLE,
                key: key.into(),
                value: value.into(),
            }],
        }],
        blobs: blob.into_iter().collect(),
    }
}

fn noise(seed: u64, len: usize) -> Bytes {
    let mut octets = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_be_bytes());
    hasher.finalize_xof().fill(&mut octets);
    octets.into()
}

async fn stage(store: &Embedded, octets: &Bytes) -> Staged {
    let mut stage = store.stage();
    let mut rest = octets.clone();
    while !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(50_000));
        stage.write(piece).await.unwrap();
    }
    stage.finish().await.unwrap()
}

/// Commits numbers `range` to two partitions, each with a blob; each fifth one is large.
async fn fill(store: &Embedded, range: std::ops::Range<u64>) {
    for n in range {
        let len = if n % 5 == 4 { 300_000 } else { 3000 };
        let staged = stage(store, &noise(n, len)).await;
        let (at, from) = (n % 2, n / 2);
        let key = format!("{:04}", n % 7);
        let batch = batch(at, from, key, format!("value {n}"), Some(staged));
        store.commit(batch).await.unwrap();
    }
}

/// All rows and versions, and whether all blobs of `range` are whole.
async fn contents(store: &Embedded, range: std::ops::Range<u64>) -> Vec<String> {
    let mut found = Vec::new();
    for at in 0..2 {
        let at = Partition(at);
        found.push(format!("{:?}", store.version(at).await.unwrap()));
        for row in scan(store, at).await.rows {
            found.push(format!("{:?}", row));
        }
    }
    for n in range {
        let len = if n % 5 == 4 { 300_000 } else { 3000 };
        let octets = noise(n, len);
        let blob = BlobId(*blake3::hash(&octets).as_bytes());
        let (offset, len) = (0, octets.len() as u64);
        let read = store.read(BlobRange { blob, offset, len }).await.unwrap();
        assert_eq!(read, octets);
    }
    found
}

async fn scan(store: &Embedded, at: Partition) -> Page {
    let all = (Bytes::new(), None);
    let page = store.scan(at, TABLE, all, 1000, Direction::Rising);
    page.await.unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(dir: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// All files under a directory.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in files(dir.to_owned()) {
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let dir = tempdir();
    let store = open(dir.path());
    fill(&store, 0..20).await;
    let before = contents(&store, 0..20).await;
    drop(store);
    for _ in 0..3 {
        assert_eq!(contents(&open(dir.path()), 0..20).await, before);
    }
    let report = Embedded::check(dir.path(), settings()).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.records, report.blobs), (20, 20));
    assert!(report.segments > 2, "{report}");
}

#[tokio::test]
async fn a_view_that_is_gone_older_or_damaged_is_made_again() {
    let dir = tempdir();
    let (view, old) = (dir.path().join("view"), dir.path().join("old"));
    let store = open(dir.path());
    fill(&store, 0..10).await;
    drop(store);
    copy(&view, &old);
    let store = open(dir.path());
    fill(&store, 10..20).await;
    let before = contents(&store, 0..20).await;
    drop(store);
    let again = || async {
        let store = open(dir.path());
        assert_eq!(contents(&store, 0..20).await, before);
        drop(store);
        let report = Embedded::check(dir.path(), settings()).unwrap();
        assert!(report.is_sound(), "{report}");
    };
    // Gone.
    fs::remove_dir_all(&view).unwrap();
    again().await;
    // Gone, with the checkpoint still there.
    fs::remove_dir_all(view.join("db")).unwrap();
    again().await;
    // An older copy.
    fs::remove_dir_all(&view).unwrap();
    copy(&old, &view);
    again().await;
    // An older copy under a newer checkpoint.
    let newer = fs::read(view.join("checkpoint")).unwrap();
    fs::remove_dir_all(&view).unwrap();
    copy(&old, &view);
    fs::write(view.join("checkpoint"), newer).unwrap();
    again().await;
    // No checkpoint.
    fs::remove_file(view.join("checkpoint")).unwrap();
    again().await;
    // Each file emptied.
    for path in files_below(&view) {
        if path.exists() {
            fs::write(&path, b"").unwrap();
            again().await;
        }
    }
}

/// So little memory that the engine writes tables, whose blocks are read long after the open.
fn with_tables() -> EmbeddedSettings {
    EmbeddedSettings {
        view_octets: 96 << 10,
        ..settings()
    }
}

/// Commits 200 rows, beginning at a version.
async fn fill_tables(store: &Embedded, from: u64) -> Result<(), CommitError> {
    for n in 0..200 {
        let value = format!("{from} {:?}", noise(n, 1000));
        let batch = batch(0, from + n, format!("{n:04}"), value, None);
        store.commit(batch).await?;
    }
    Ok(())
}

/// A store whose view opens, and has blocks that cannot be read; and its rows.
async fn with_damaged_tables(dir: &Path) -> Page {
    let store = Embedded::open(dir, with_tables()).unwrap();
    fill_tables(&store, 0).await.unwrap();
    let rows = scan(&store, Partition(0)).await;
    drop(store);
    damage_tables(dir);
    rows
}

/// Damages a block of each of the view's tables.
fn damage_tables(dir: &Path) {
    let mut damaged = 0;
    for path in files_below(&dir.join("view/db")) {
        let mut octets = fs::read(&path).unwrap();
        if path.parent().unwrap().ends_with("tables") && octets.len() > 6_000 {
            // Behind the mark, before what says which blocks there are: an open reads those.
            let middle = octets.len() / 2;
            *octets.get_mut(middle).unwrap() ^= 1;
            fs::write(path, octets).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0, "no tables");
}

/// The same where the open itself comes by it, as it looks for each large blob.
#[tokio::test]
async fn a_view_that_an_open_cannot_read_is_made_again() {
    let dir = tempdir();
    let store = Embedded::open(dir.path(), with_tables()).unwrap();
    fill(&store, 0..400).await;
    let before = contents(&store, 0..400).await;
    drop(store);
    damage_tables(dir.path());
    let store = Embedded::open(dir.path(), with_tables()).unwrap();
    assert_eq!(contents(&store, 0..400).await, before);
}

/// What is found damaged while it is read is told, and the next open makes the view again.
#[tokio::test]
async fn a_view_that_turns_out_to_be_damaged_is_made_again() {
    let dir = tempdir();
    let rows = with_damaged_tables(dir.path()).await;
    let store = Embedded::open(dir.path(), with_tables()).unwrap();
    let all = (Bytes::new(), None);
    let read = store.scan(Partition(0), TABLE, all, 1000, Direction::Rising);
    assert!(matches!(read.await, Err(Error::Engine { .. })));
    drop(store);
    assert!(dir.path().join("view/damaged").exists());
    let store = Embedded::open(dir.path(), with_tables()).unwrap();
    assert_eq!(scan(&store, Partition(0)).await.rows, rows.rows);
    assert!(!dir.path().join("view/damaged").exists());
}

/// The same where nobody reads it but the engine itself, which gives up then.
#[tokio::test]
async fn a_view_that_its_engine_cannot_read_is_made_again() {
    let dir = tempdir();
    with_damaged_tables(dir.path()).await;
    let store = Embedded::open(dir.path(), with_tables()).unwrap();
    let mut from = 200;
    while fill_tables(&store, from).await.is_ok() {
        from += 200;
        assert!(from < 20_000, "it never reads its tables");
    }
    drop(store);
    assert!(dir.path().join("view/damaged").exists());
    let store = Embedded::open(dir.path(), with_tables()).unwrap();
    let version = store.version(Partition(0)).await.unwrap();
    assert!(version >= Version(from));
    fill_tables(&store, version.0).await.unwrap();
    assert_eq!(scan(&store, Partition(0)).await.rows.len(), 200);
}

#[tokio::test]
async fn rebuild_gives_the_same_contents() {
    let dir = tempdir();
    let store = open(dir.path());
    fill(&store, 0..12).await;
    let before = contents(&store, 0..12).await;
    let (place, at) = (store.derived(), Partition(7));
    place.keep(at, Piece(1), "made of it".into()).await.unwrap();
    let busy = Embedded::rebuild(dir.path(), settings());
    assert!(busy.is_err(), "the store is open");
    drop(store);
    let report = Embedded::check(dir.path(), settings()).unwrap();
    assert_eq!((report.derived, report.derived_octets), (1, 10));
    assert_eq!(Embedded::rebuild(dir.path(), settings()).unwrap(), 12);
    let report = Embedded::check(dir.path(), settings()).unwrap();
    assert_eq!((report.derived, report.derived_octets), (0, 0));
    assert_eq!(contents(&open(dir.path()), 0..12).await, before);
}

#[tokio::test]
async fn derived_data_outlive_a_restart_and_half_of_them_do_not() {
    let dir = tempdir();
    let store = open(dir.path());
    let at = Partition(7);
    store
        .derived()
        .keep(at, Piece(1), "whole".into())
        .await
        .unwrap();
    drop(store);
    let derived = dir.path().join("derived");
    fs::create_dir_all(derived.join("unfinished")).unwrap();
    fs::write(derived.join("unfinished/half"), "ha").unwrap();
    fs::write(derived.join("0000000000000007/notes.txt"), "not ours").unwrap();
    let store = open(dir.path());
    assert_eq!(store.derived().pieces(at).await.unwrap(), [Piece(1)]);
    let read = store.derived().peruse(at, Piece(1), vec![0..2, 2..5]).await;
    assert_eq!(read.unwrap(), ["wh", "ole"]);
    assert!(!derived.join("unfinished").exists());
}

#[tokio::test]
async fn derived_data_leave_the_log_its_room() {
    let dir = tempdir();
    let settings = EmbeddedSettings {
        reserve_octets: u64::MAX / 2,
        ..settings()
    };
    let store = Embedded::open(dir.path(), settings).unwrap();
    let kept = store.derived().keep(Partition(7), Piece(1), "x".into());
    assert!(matches!(kept.await, Err(Error::Full)));
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_not_opened() {
    let dir = tempdir();
    let store = open(dir.path());
    fill(&store, 0..3).await;
    drop(store);
    let log = files(dir.path().join("log")).pop().unwrap();
    let octets = fs::read(&log).unwrap();
    fs::write(&log, &octets[..octets.len() - 1]).unwrap();
    let error = Embedded::open(dir.path(), settings()).unwrap_err();
    assert!(matches!(error, Error::Damaged(_)), "{error}");
    let report = Embedded::check(dir.path(), settings()).unwrap();
    assert!(!report.is_sound(), "{report}");
    // Nothing was cut: the octets that are left can still be looked at.
    assert_eq!(fs::read(&log).unwrap().len(), octets.len() - 1);
    // Whoever accepts the loss says so.
    assert_eq!(Embedded::rebuild(dir.path(), settings()).unwrap(), 2);
    let store = open(dir.path());
    assert_eq!(store.version(Partition(0)).await.unwrap(), Version(1));
}

#[tokio::test]
async fn a_check_tells_every_row() {
    let dir = tempdir();
    let store = open(dir.path());
    fill(&store, 0..20).await;
    let mut told = Vec::new();
    drop(store);
    let each = |partition, table, key: &[u8], value: &[u8]| {
        told.push((partition, table, key.to_vec(), value.to_vec()));
    };
    let report = Embedded::check_rows(dir.path(), settings(), each);
    assert!(report.unwrap().is_sound());
    let store = open(dir.path());
    let mut found = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (partition, table, _, _) in &told {
        if !seen.insert((*partition, *table)) {
            continue;
        }
        let range = (Bytes::new(), None);
        let page = store.scan(*partition, *table, range, 1000, Direction::Rising);
        for row in page.await.unwrap().rows {
            found.push((*partition, *table, row.key.to_vec(), row.value.to_vec()));
        }
    }
    assert!(!told.is_empty());
    assert_eq!(told, found);
}

#[tokio::test]
async fn a_damaged_log_is_told_and_not_opened() {
    let dir = tempdir();
    let store = open(dir.path());
    fill(&store, 0..20).await;
    drop(store);
    fs::remove_dir_all(dir.path().join("view")).unwrap();
    let logs = files(dir.path().join("log"));
    assert!(logs.len() > 2);
    for (log, at) in [(&logs[0], 100), (&logs[1], 5000), (&logs[1], 20)] {
        let octets = fs::read(log).unwrap();
        let mut damaged = octets.clone();
        damaged[at] ^= 1;
        fs::write(log, &damaged).unwrap();
        let error = Embedded::open(dir.path(), settings()).unwrap_err();
        assert!(error.to_string().contains("segment"), "{error}");
        let report = Embedded::check(dir.path(), settings()).unwrap();
        assert!(!report.is_sound() && report.records > 5, "{report}");
        assert!(Embedded::rebuild(dir.path(), settings()).is_err());
        fs::write(log, &octets).unwrap();
    }
    // A segment that is missing.
    let octets = fs::read(&logs[1]).unwrap();
    fs::remove_file(&logs[1]).unwrap();
    assert!(Embedded::open(dir.path(), settings()).is_err());
    assert!(!Embedded::check(dir.path(), settings()).unwrap().is_sound());
    fs::write(&logs[1], &octets).unwrap();
    // All as it was.
    contents(&open(dir.path()), 0..20).await;
}

#[tokio::test]
async fn a_damaged_or_missing_body_is_told() {
    let dir = tempdir();
    let store = open(dir.path());
    fill(&store, 0..5).await;
    drop(store);
    let bodies = files(dir.path().join("bodies"));
    assert_eq!(bodies.len(), 1);
    let octets = fs::read(&bodies[0]).unwrap();
    let mut damaged = octets.clone();
    damaged[200_000] ^= 1;
    for spoiled in [&damaged[..], &octets[..octets.len() - 1], &[]] {
        fs::write(&bodies[0], spoiled).unwrap();
        let report = Embedded::check(dir.path(), settings()).unwrap();
        assert_eq!(report.flaw_count, 1, "{report}");
    }
    fs::write(&bodies[0], &damaged).unwrap();
    let blob = BlobId(*blake3::hash(&noise(4, 300_000)).as_bytes());
    let (offset, len) = (0, 300_000);
    let read = open(dir.path()).read(BlobRange { blob, offset, len }).await;
    assert!(matches!(read, Err(Error::Damaged(_))));
}

#[tokio::test]
async fn what_nobody_committed_is_swept() {
    let dir = tempdir();
    let store = open(dir.path());
    fill(&store, 0..5).await;
    stage(&store, &noise(100, 400_000)).await;
    let mut unfinished = store.stage();
    unfinished.write(noise(101, 400_000)).await.unwrap();
    assert_eq!(files(dir.path().join("bodies")).len(), 3);
    drop(unfinished);
    drop(store);
    fs::write(dir.path().join("bodies/draft-0000"), b"left by a crash").unwrap();
    assert_eq!(files(dir.path().join("bodies")).len(), 3);
    let store = open(dir.path());
    assert_eq!(files(dir.path().join("bodies")).len(), 1);
    contents(&store, 0..5).await;
}

#[tokio::test]
async fn the_same_blob_is_written_once() {
    let dir = tempdir();
    let store = open(dir.path());
    for (n, len) in [(0, 10_000), (1, 10_000), (2, 500_000), (3, 500_000)] {
        let before = store.stats();
        let staged = stage(&store, &noise(len, usize::try_from(len).unwrap())).await;
        let batch = batch(0, n, "k".into(), "v".into(), Some(staged));
        store.commit(batch).await.unwrap();
        let after = store.stats();
        let log = after.log_octets - before.log_octets;
        assert_eq!(log > 10_000, n == 0, "{n}: {log}");
    }
    assert_eq!(files(dir.path().join("bodies")).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_share_syncs_and_lose_nothing() {
    let dir = tempdir();
    let store = open(dir.path());
    let mut tasks = Vec::new();
    for at in 0..32 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut answers = Vec::new();
            for n in 0..50 {
                let blob = Staged::of(noise(at * 1000 + n, 200));
                let batch = batch(at, n, format!("{n:02}"), format!("{at}"), Some(blob));
                answers.push(store.commit(batch));
            }
            for answer in answers {
                answer.await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let stats = store.stats();
    assert_eq!(stats.commits, 1600);
    assert!(stats.groups < 1600 && stats.group_max > 1, "{stats:?}");
    drop(store);
    fs::remove_dir_all(dir.path().join("view")).unwrap();
    let store = open(dir.path());
    for at in 0..32 {
        assert_eq!(scan(&store, Partition(at)).await.rows.len(), 50);
    }
}

#[tokio::test]
async fn a_closed_store_refuses_and_still_reads() {
    let dir = tempdir();
    let store = open(dir.path());
    fill(&store, 0..2).await;
    store.close();
    let refused = store
        .commit(batch(0, 1, "k".into(), "v".into(), None))
        .await;
    assert!(matches!(refused, Err(CommitError::Failed(_))));
    contents(&store, 0..2).await;
    assert!(Embedded::open(dir.path(), settings()).is_err(), "in use");
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let dir = tempdir();
    let store = open(dir.path());
    let long = batch(0, 0, "k".repeat(5000), String::new(), None);
    let large = batch(0, 0, "k".into(), "v".repeat(70 << 20), None);
    for batch in [long, large] {
        let refused = store.commit(batch).await;
        assert!(matches!(refused, Err(CommitError::Failed(_))));
    }
    assert_eq!(store.version(Partition(0)).await.unwrap(), Version(0));
}

#[tokio::test]
async fn a_checkpoint_leaves_nothing_to_replay() {
    let dir = tempdir();
    let store = open(dir.path());
    fill(&store, 0..4).await;
    assert_eq!(store.stats().checkpoints, 0);
    store.checkpoint().await.unwrap();
    store.checkpoint().await.unwrap();
    assert_eq!(store.stats().checkpoints, 1);
    assert!(dir.path().join("view/checkpoint").exists());
}

/// A store written by the first release: its log and a body, without a view.
#[tokio::test]
async fn the_first_format_is_still_read() {
    let dir = tempdir();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1");
    if std::env::var_os("UPDATE").is_some() {
        let fresh = tempdir();
        let store = open(fresh.path());
        let body = Staged::of("a small body".into());
        let first = batch(1, 0, "k".into(), "one".into(), Some(body));
        store.commit(first).await.unwrap();
        let staged = stage(&store, &Bytes::from(vec![b'x'; 262_145])).await;
        let second = batch(1, 1, "l".into(), "two".into(), Some(staged));
        store.commit(second).await.unwrap();
        drop(store);
        for part in ["log", "bodies"] {
            copy(&fresh.path().join(part), &fixture.join(part));
        }
    }
    copy(&fixture, dir.path());
    let store = open(dir.path());
    let at = Partition(1);
    assert_eq!(store.version(at).await.unwrap(), Version(2));
    let rows = scan(&store, at).await.rows;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (&row.key[..], &row.value[..]))
        .collect();
    assert_eq!(rows, [(&b"k"[..], &b"one"[..]), (b"l", b"two")]);
    for octets in [b"a small body".to_vec(), vec![b'x'; 262_145]] {
        let blob = BlobId(*blake3::hash(&octets).as_bytes());
        let (offset, len) = (0, octets.len() as u64);
        let read = store.read(BlobRange { blob, offset, len }).await.unwrap();
        assert_eq!(read, octets);
    }
    drop(store);
    let report = Embedded::check(dir.path(), settings()).unwrap();
    assert!(report.is_sound(), "{report}");
}
