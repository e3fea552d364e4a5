//! The store on a disk, on a disk that fails at each of its operations, and on damaged logs.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use mail::BlobRange;
use tempfile::TempDir;

use super::failing::{FailingDisk, Failure};
use super::log::segment_path;
use super::record::{Place, octets_max};
use super::records::Records;
use super::recovery::{Found, walk};
use super::*;
use crate::backend::{
    Batch, CommitError, Direction, Hint, Sought, Staged, Store, Version, Write, Writes,
};
use crate::disk::{Disk, RealDisk};
use crate::packed::Packed;

mod compressing;
mod pieces;
mod reclaiming;
mod repairing;
mod shrinking;

const AT: Partition = Partition(7);
const TABLE: Table = Table(3);

fn small() -> EmbeddedSettings {
    EmbeddedSettings {
        cache_octets: 1 << 20,
        segment_octets: 4096,
        reserve_octets: 0,
        compress: false,
        ..EmbeddedSettings::default()
    }
}

/// In memory where that is possible: what is synced does not matter here, only when.
pub(super) fn tempdir() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap()
}

fn open_on(disk: &FailingDisk, dir: &Path) -> Result<Embedded, Error> {
    let ground = Ground {
        disk: Arc::new(disk.clone()),
        ..Ground::real()
    };
    Embedded::open_on(&ground, dir, small())
}

/// A batch that brings a row and replaces another.
fn batch(from: u64, value: &str, blob: Option<Staged>) -> Batch {
    let put = |key: String| Write::Put {
        table: TABLE,
        key: key.into(),
        value: value.to_owned().into(),
    };
    Batch {
        parts: vec![Writes {
            partition: AT,
            from: Version(from),
            writes: vec![put(format!("{from:04}")), put("last".into())],
        }],
        blobs: blob.into_iter().collect(),
    }
}

fn body(seed: u64, len: usize) -> Bytes {
    let octets = seed.to_be_bytes().into_iter().cycle().take(len);
    octets.collect::<Vec<_>>().into()
}

#[tokio::test]
async fn nobody_else_looks_into_a_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempdir();
    let root = dir.path().join("new/store");
    drop(Embedded::open(&root, small()).unwrap());
    let mode = std::fs::metadata(&root).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_crowd_of_blobs_leaves_the_memory_early() {
    let dir = tempdir();
    let store = Embedded::open(dir.path(), small()).unwrap();
    let afloat = || store.inner.reader.afloat.load(Ordering::Relaxed);
    let drafts = || {
        std::fs::read_dir(dir.path().join("bodies"))
            .unwrap()
            .count()
    };
    let none = drafts();
    let mut stage = store.stage();
    stage.write(body(1, 20_000)).await.unwrap();
    assert_eq!((afloat(), drafts()), (20_000, none));

    store
        .inner
        .reader
        .afloat
        .fetch_add(64 << 20, Ordering::Relaxed);
    stage.write(body(2, 1)).await.unwrap();
    assert_eq!((afloat(), drafts()), (64 << 20, none + 1));
    stage.write(body(3, 1000)).await.unwrap();
    let staged = stage.finish().await.unwrap();
    assert_eq!((staged.len, afloat()), (21_001, 64 << 20));
    let blob = staged.blob;
    store.commit(batch(0, "x", Some(staged))).await.unwrap();
    let range = BlobRange {
        blob,
        offset: 20_001,
        len: 1000,
    };
    assert_eq!(store.read(range).await.unwrap(), body(3, 1000));

    let mut given_up = store.stage();
    given_up.write(body(4, 5000)).await.unwrap();
    drop(given_up);
    assert_eq!(afloat(), 64 << 20);
}

#[tokio::test]
async fn conforms() {
    let dir = tempdir();
    let store = Embedded::open(dir.path(), EmbeddedSettings::default()).unwrap();
    crate::testing::conform(&store).await.unwrap();
    drop(store);
    let report = Embedded::check(dir.path(), small()).unwrap();
    assert!(report.is_sound(), "{report}");
}

#[tokio::test]
async fn conforms_with_small_segments() {
    let dir = tempdir();
    let store = Embedded::open(dir.path(), small()).unwrap();
    crate::testing::conform(&store).await.unwrap();
    drop(store);
    let report = Embedded::check(dir.path(), small()).unwrap();
    assert!(report.is_sound() && report.segments > 3, "{report}");
}

/// A ground as a simulated world has it: the view in memory, the committer a task.
fn world() -> Ground {
    let asked = AtomicUsize::new(0);
    let early = move || asked.fetch_add(1, Ordering::Relaxed) % 5 == 4;
    Ground {
        view: ViewForm::Plain(Arc::new(early)),
        pace: Pace::Task(Arc::new(|| Duration::from_millis(3))),
        ..Ground::real()
    }
}

#[tokio::test(start_paused = true)]
async fn conforms_with_its_view_in_memory_and_its_committer_in_a_task() {
    let dir = tempdir();
    let ground = world();
    let store = Embedded::open_on(&ground, dir.path(), small()).unwrap();
    crate::testing::conform(&store).await.unwrap();
    let rows = rows(&store).await;
    store.close();
    // A closed store has made its view durable by the time it refuses.
    let refused = store.commit(batch(0, "late", None)).await;
    assert!(refused.is_err(), "{refused:?}");
    drop(store);
    let report = Embedded::check_on(&ground, dir.path(), small(), |_, _, _, _| {});
    let report = report.unwrap();
    assert!(report.is_sound() && report.segments > 3, "{report}");
    let again = Embedded::open_on(&ground, dir.path(), small()).unwrap();
    assert_eq!(self::rows(&again).await, rows);
    drop(again);
    tokio::task::yield_now().await;
    let records = Embedded::rebuild_on(&ground, dir.path(), small()).unwrap();
    assert_eq!(records, report.records);
}

/// What was answered on the failing disk.
#[derive(Debug, Default)]
struct Told {
    rows: BTreeMap<String, String>,
    /// The row that may or may not be there.
    unknown: Option<(String, String)>,
    blobs: Vec<(mail::BlobId, Bytes)>,
}

/// Commits one batch after the other; a refused one is tried again with another value.
async fn live(store: &Embedded, told: &mut Told) {
    let mut from = told.rows.len() as u64;
    let mut unsure = false;
    for step in 0..8 {
        let value = format!("step {step}");
        let octets = body(step, if step == 4 { 300_000 } else { 1500 });
        let mut stage = store.stage();
        let staged = match stage.write(octets.clone()).await {
            Ok(()) => stage.finish().await.ok(),
            Err(_) => None,
        };
        let blob = staged.as_ref().map(|staged| staged.blob);
        let outcome = store.commit(batch(from, &value, staged)).await;
        if unsure {
            assert!(matches!(outcome, Err(CommitError::Unknown(_))));
        }
        let row = (format!("{from:04}"), value);
        match outcome {
            Ok(()) => {
                told.rows.extend([row]);
                told.blobs.extend(blob.map(|blob| (blob, octets)));
                from += 1;
            }
            Err(CommitError::Unknown(_)) => {
                told.unknown.get_or_insert(row);
                unsure = true;
            }
            Err(CommitError::Conflict) => panic!("nobody else writes here"),
            Err(CommitError::Gone(blob)) => panic!("nothing went, but {blob}"),
            Err(CommitError::Full | CommitError::Failed(_)) => {}
        }
    }
}

async fn rows(store: &Embedded) -> BTreeMap<String, String> {
    let range = (Bytes::from("0"), Some(Bytes::from("a")));
    let page = store.scan(AT, TABLE, range, 1000, Direction::Rising);
    let text = |octets: Bytes| String::from_utf8(octets.to_vec()).unwrap();
    let rows = page.await.unwrap().rows;
    rows.into_iter()
        .map(|row| (text(row.key), text(row.value)))
        .collect()
}

/// After whatever failed, a new start on a good disk shows exactly what was told.
async fn as_told(store: &Embedded, told: &Told) {
    let found = rows(store).await;
    let mut expected = told.rows.clone();
    if found.len() > expected.len() {
        expected.extend(told.unknown.clone());
    }
    assert_eq!(found, expected);
    let version = store.version(AT).await.unwrap();
    assert_eq!(version, Version(found.len() as u64));
    let last = store.get(AT, TABLE, vec!["last".into()]).await.unwrap();
    let last = last[0].as_ref().map(|value| value.to_vec());
    let expected = found.last_key_value();
    assert_eq!(last, expected.map(|(_, value)| value.clone().into_bytes()));
    for (blob, octets) in &told.blobs {
        let (offset, len, blob) = (0, octets.len() as u64, *blob);
        let found = store.read(BlobRange { blob, offset, len }).await.unwrap();
        assert_eq!(&found, octets);
    }
}

async fn fail_at_every_operation(failure: Failure, forever: bool) {
    for n in 0.. {
        let dir = tempdir();
        let disk = FailingDisk::new(failure, forever);
        let mut told = Told::default();
        disk.fail_after(n);
        if let Ok(store) = open_on(&disk, dir.path()) {
            live(&store, &mut told).await;
        }
        let failed = disk.has_failed();
        disk.lose_power(n);
        let store = Embedded::open(dir.path(), small()).unwrap();
        as_told(&store, &told).await;
        let from = store.version(AT).await.unwrap().0;
        store.commit(batch(from, "after", None)).await.unwrap();
        drop(store);
        let report = Embedded::check(dir.path(), small()).unwrap();
        assert!(report.is_sound() && report.orphans == 0, "{n}: {report}");
        assert_eq!((report.records, report.torn_octets), (from + 1, 0));
        if !failed {
            assert!(n > 30, "only {n} operations");
            assert_eq!(told.rows.len(), 8);
            return;
        }
    }
}

#[tokio::test]
async fn a_full_disk_at_every_operation() {
    fail_at_every_operation(Failure::Full, false).await;
}

#[tokio::test]
async fn a_failing_disk_at_every_operation() {
    fail_at_every_operation(Failure::Broken, false).await;
}

#[tokio::test]
async fn a_dying_disk_at_every_operation() {
    fail_at_every_operation(Failure::Broken, true).await;
}

/// Lives until an operation fails, loses power, and starts again; says if all was as told.
async fn power_fails_after(n: u64, lying: bool, lose_view: bool) -> Option<bool> {
    let dir = tempdir();
    let disk = FailingDisk::dying(lying);
    let mut told = Told::default();
    disk.fail_after(n);
    if let Ok(store) = open_on(&disk, dir.path()) {
        live(&store, &mut told).await;
    }
    let failed = disk.has_failed();
    disk.lose_power(n);
    if lose_view {
        let removed = std::fs::remove_dir_all(dir.path().join("view"));
        // Its own making may have been what failed.
        assert!(removed.is_ok() || n < 30, "{removed:?}");
    }
    let Ok(store) = Embedded::open(dir.path(), small()) else {
        return Some(false);
    };
    if lying {
        let found = rows(&store).await;
        return Some(
            told.rows
                .iter()
                .all(|(key, value)| found.get(key) == Some(value)),
        );
    }
    as_told(&store, &told).await;
    drop(store);
    let report = Embedded::check(dir.path(), small()).unwrap();
    assert!(report.is_sound() && report.orphans == 0, "{n}: {report}");
    failed.then_some(true)
}

#[tokio::test]
async fn a_power_loss_at_every_operation() {
    for lose_view in [false, true] {
        let mut n = 0;
        while let Some(kept) = power_fails_after(n, false, lose_view).await {
            assert!(kept, "power failed after {n} operations");
            n += 1;
        }
        assert!(n > 30, "only {n} operations");
    }
}

/// The test above would notice a missing sync.
#[tokio::test]
async fn a_disk_that_lies_about_syncs_loses_mail() {
    for lose_view in [false, true] {
        assert_eq!(power_fails_after(36, true, lose_view).await, Some(false));
    }
}

#[tokio::test]
async fn a_body_that_was_not_written_whole_is_never_finished() {
    let dir = tempdir();
    let disk = FailingDisk::new(Failure::Full, false);
    let store = open_on(&disk, dir.path()).unwrap();
    for passed in [0, 1] {
        let mut stage = store.stage();
        disk.fail_after(passed);
        assert!(matches!(
            stage.write(body(1, 300_000)).await,
            Err(Error::Full)
        ));
        assert!(stage.write(body(2, 10)).await.is_err());
        assert!(stage.finish().await.is_err());
    }
    let left = std::fs::read_dir(dir.path().join("bodies")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_full_disk_refuses_and_the_store_lives_on() {
    let dir = tempdir();
    let disk = FailingDisk::new(Failure::Full, false);
    let store = open_on(&disk, dir.path()).unwrap();
    // The first operation of a group asks for room; the second writes, as the group before has
    // left zeros ahead.
    for passed in [0, 1] {
        disk.fail_after(passed);
        let refused = store.commit(batch(passed, "refused", None)).await;
        assert_eq!(refused, Err(CommitError::Full));
        let stale = store.commit(batch(passed + 1, "stale", None)).await;
        assert_eq!(stale, Err(CommitError::Conflict));
        store.commit(batch(passed, "written", None)).await.unwrap();
    }
    assert_eq!(store.stats().full, 2);
    assert_eq!(store.version(AT).await.unwrap(), Version(2));
}

#[tokio::test]
async fn no_room_left_for_the_view_is_full() {
    let dir = tempdir();
    let settings = EmbeddedSettings {
        reserve_octets: u64::MAX,
        ..small()
    };
    let store = Embedded::open(dir.path(), settings).unwrap();
    let refused = store.commit(batch(0, "refused", None)).await;
    assert_eq!(refused, Err(CommitError::Full));
}

#[tokio::test]
async fn a_failed_sync_is_final() {
    let dir = tempdir();
    let disk = FailingDisk::new(Failure::Broken, false);
    let store = open_on(&disk, dir.path()).unwrap();
    store.commit(batch(0, "written", None)).await.unwrap();
    disk.fail_after(2);
    for value in ["unsynced", "refused"] {
        let outcome = store.commit(batch(1, value, None)).await;
        assert!(matches!(outcome, Err(CommitError::Unknown(_))));
    }
    assert!(store.stopped().await.contains("does not answer"));
    assert_eq!(store.version(AT).await.unwrap(), Version(1));
    // Its view may lack what the log has: no snapshot is made of it, and nothing goes.
    assert!(store.reclaim(reclaiming::HOW).await.is_err());
}

fn owner(disk: Arc<dyn Disk>) -> (Arc<dyn Disk>, Epochs) {
    (disk, Ground::real().epochs)
}

/// A log of groups with so many records each, and where each record ends.
fn log_of(dir: &Path, groups: &[u64]) -> (Vec<u8>, Vec<u64>) {
    let limits = Limits {
        segment_octets: 1 << 20,
        reserve_octets: 0,
    };
    let mut log = Log::create(owner(Arc::new(RealDisk)), dir, Arc::default(), limits).unwrap();
    let mut from = 0;
    for records in groups {
        log.begin(1000).unwrap();
        for _ in 0..*records {
            let blob = Staged::of(body(!from, 10));
            log.add(&batch(from, "value", Some(blob)), &[]);
            from += 1;
        }
        log.write().unwrap();
    }
    let mut ends = vec![record::SEGMENT_HEADER_OCTETS];
    let end = walk(&RealDisk, dir, (1, None), &mut |found| {
        ends.extend(match found {
            Found::Record(behind, _) => Some(behind.offset),
            Found::Damage(what) => panic!("{what}"),
        });
        Ok(())
    });
    assert_eq!(end.unwrap().unwrap().position, log.position());
    let mut octets = std::fs::read(segment_path(dir, 1)).unwrap();
    octets.truncate(usize::try_from(log.position().offset).unwrap());
    (octets, ends)
}

/// How many records a start would see in these octets; none if it would refuse.
fn records_seen(dir: &Path, octets: &[u8]) -> Option<u64> {
    std::fs::write(segment_path(dir, 1), octets).unwrap();
    let mut records = 0;
    let mut expected = 1;
    let end = walk(&RealDisk, dir, (1, None), &mut |found| match found {
        Found::Record(behind, entry) => {
            assert_eq!(behind.sequence, expected);
            assert_eq!(entry.parts[0].changes.len(), 2);
            expected += 1;
            records += 1;
            Ok(())
        }
        Found::Damage(what) => Err(Error::Damaged(what)),
    });
    end.is_ok().then_some(records)
}

#[test]
fn what_was_refused_does_not_come_back_when_the_power_goes() {
    let dir = tempdir();
    let disk = FailingDisk::new(Failure::Full, false);
    let limits = Limits {
        segment_octets: 1 << 20,
        reserve_octets: 0,
    };
    let owner = owner(Arc::new(disk.clone()));
    let mut log = Log::create(owner, dir.path(), Arc::default(), limits).unwrap();
    // Two thirds of three records are written before the disk is full.
    log.begin(1000).unwrap();
    for from in 0..3 {
        log.add(&batch(from, "refused", None), &[]);
    }
    disk.fail_after(0);
    log.write().unwrap_err();
    disk.lose_last();
    let octets = std::fs::read(segment_path(dir.path(), 1)).unwrap();
    assert_eq!(records_seen(dir.path(), &octets), Some(0));
}

#[test]
fn a_log_cut_anywhere_keeps_the_records_before_the_cut() {
    let dir = tempdir();
    let (octets, ends) = log_of(dir.path(), &[1, 3, 2]);
    for cut in 0..=octets.len() {
        // What was written ahead is the same as nothing.
        let zeros = if cut % 2 == 0 { 0 } else { 300 };
        let whole = ends.iter().filter(|end| **end <= cut as u64).count();
        let left = [&octets[..cut], &vec![0; zeros]].concat();
        let seen = records_seen(dir.path(), &left);
        assert_eq!(seen, Some(whole.saturating_sub(1) as u64), "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_is_refused_or_in_the_last_group() {
    let dir = tempdir();
    let (octets, ends) = log_of(dir.path(), &[1, 3, 2]);
    for at in 0..octets.len() {
        let mut damaged = octets.clone();
        damaged[at] ^= 1 << (at % 8);
        let seen = records_seen(dir.path(), &damaged);
        let record = ends.iter().filter(|end| **end <= at as u64).count();
        // Six records: one, then three, then two that may have been torn by a power loss. The
        // zeros behind the segment's header say nothing.
        let expected = match (record, at) {
            (0, 36..40) => None,
            (0, 40..) => Some(6),
            (5 | 6, _) => Some(record as u64 - 1),
            _ => None,
        };
        assert_eq!(seen, expected, "flipped at {at}");
    }
}

#[test]
fn octets_of_another_segment_are_no_records() {
    let (one, two) = (tempdir(), tempdir());
    let (octets, _) = log_of(one.path(), &[1, 3]);
    let (stale, ends) = log_of(two.path(), &[1, 3, 2]);
    let mut recycled = octets.clone();
    let from = usize::try_from(ends[4]).unwrap();
    recycled.extend_from_slice(&stale[from..]);
    assert_eq!(records_seen(one.path(), &recycled), Some(4));
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let mut written = batch(41, "value", Some(Staged::of(body(1, 100))));
    let far = Staged {
        bytes: None,
        ..Staged::of(body(2, 7))
    };
    written.blobs.push(far.clone());
    written.parts[0].writes.push(Write::Delete {
        table: Table(255),
        key: Bytes::new(),
    });
    let mut records = Records::default();
    records.octets.extend_from_slice(&[0; 3]);
    let inline = record::encode(&mut records, &written, &[], (9, 12, 11));
    let buffer: Vec<_> = records
        .slices()
        .iter()
        .flat_map(|piece| piece.iter())
        .copied()
        .collect();
    assert!(buffer.len() - 3 <= octets_max(&written));
    let (head, rest) = buffer[3..].split_at(record::RECORD_HEADER_OCTETS);
    let header = record::RecordHeader::decode(head).unwrap();
    assert!(header.fits(9, rest) && !header.fits(8, rest));
    assert_eq!((header.sequence, header.durable), (12, 11));
    let entry = record::Entry::decode(rest, 5, 1000).unwrap();
    assert_eq!(entry.parts[0].version, Version(42));
    let values: Vec<_> = entry.parts[0]
        .changes
        .iter()
        .map(|change| (change.table.0, change.key, change.value))
        .collect();
    assert_eq!(values[1], (3, &b"last"[..], Some(&b"value"[..])));
    assert_eq!(values[2], (255, &b""[..], None));
    assert_eq!(entry.blobs[0].octets, Some(&body(1, 100)[..]));
    let offset = 1000 + inline - 3 - record::RECORD_HEADER_OCTETS as u64;
    let place = Place::Log { segment: 5, offset };
    assert_eq!(entry.blobs[0].located.place, place);
    assert_eq!(entry.blobs[1].blob, far.blob);
    assert_eq!(entry.blobs[1].located.place, Place::Body);
    for cut in 0..rest.len() {
        assert!(record::Entry::decode(&rest[..cut], 5, 1000).is_none());
    }
}
