//! What is damaged in the middle of the log is isolated, and everything else serves.

use super::reclaiming::{about, stage, whole};
use super::*;
use mail::BlobId;

/// Letters, one in each record, and where each is.
async fn letters(dir: &Path) -> Vec<(BlobId, Bytes, u64, u64)> {
    let store = Embedded::open(dir, small()).unwrap();
    let mut letters = Vec::new();
    for from in 0..12 {
        let octets = body(from, 900);
        let staged = stage(&store, &octets).await;
        let blob = staged.blob;
        store.commit(about(from, blob, Some(staged))).await.unwrap();
        // The view has followed when it is told.
        store.version(AT).await.unwrap();
        let located = store.inner.reader.view.blob(blob).unwrap().unwrap();
        let Place::Log { segment, offset } = located.place else {
            panic!("it is in the log");
        };
        letters.push((blob, octets, segment, offset));
    }
    store.close();
    letters
}

fn flip(dir: &Path, segment: u64, at: u64) {
    let path = segment_path(&dir.join("log"), segment);
    let mut octets = std::fs::read(&path).unwrap();
    octets[usize::try_from(at).unwrap()] ^= 1;
    std::fs::write(&path, octets).unwrap();
}

/// Whether each letter can be read.
async fn readable(store: &Embedded, letters: &[(BlobId, Bytes, u64, u64)]) -> Vec<bool> {
    let mut readable = Vec::new();
    for (blob, octets, ..) in letters {
        let read = store.read(whole(*blob, octets)).await;
        readable.push(read.is_ok_and(|read| read == octets));
    }
    readable
}

#[tokio::test]
async fn a_damaged_record_is_left_out_and_the_others_serve() {
    for keeps_view in [true, false] {
        let dir = tempdir();
        let letters = letters(dir.path()).await;
        let (_, _, segment, offset) = letters[4];
        flip(dir.path(), segment, offset + 10);
        if !keeps_view {
            std::fs::remove_dir_all(dir.path().join("view")).unwrap();
            let refused = Embedded::open(dir.path(), small());
            assert!(matches!(refused, Err(Error::Damaged(_))));
        }
        let lost = Embedded::repair(dir.path(), small()).unwrap().left_out;
        // What is before the view's end is not even looked at: its rows are there.
        assert_eq!(lost.len(), usize::from(!keeps_view), "{lost:?}");
        for loses_view in [false, true] {
            if loses_view {
                std::fs::remove_dir_all(dir.path().join("view")).unwrap();
            }
            let store = Embedded::open(dir.path(), small()).unwrap();
            let others: Vec<bool> = (0..letters.len()).map(|at| at != 4).collect();
            assert_eq!(readable(&store, &letters).await, others);
            let all = (Bytes::new(), None);
            let page = store.scan(AT, TABLE, all, 100, Direction::Rising);
            let rows = page.await.unwrap().rows.len();
            assert_eq!(rows, letters.len() - usize::from(!keeps_view));
            let version = store.version(AT).await.unwrap();
            assert_eq!(version, Version(letters.len() as u64));
            store.close();
        }
        let report = Embedded::check(dir.path(), small()).unwrap();
        // A letter that is missed is told; where nobody knows of it nothing is.
        assert_eq!(report.flaw_count, u64::from(keeps_view), "{report}");
    }
}

#[tokio::test]
async fn a_segment_that_is_gone_is_left_out() {
    let dir = tempdir();
    let letters = letters(dir.path()).await;
    let gone = letters[4].2;
    assert!(gone > 1 && letters.iter().any(|(.., segment, _)| *segment > gone));
    std::fs::remove_file(segment_path(&dir.path().join("log"), gone)).unwrap();
    assert!(Embedded::open(dir.path(), small()).is_err());
    let repaired = Embedded::repair(dir.path(), small()).unwrap();
    assert_eq!(repaired.left_out.len(), 1);
    let store = Embedded::open(dir.path(), small()).unwrap();
    let others: Vec<bool> = letters
        .iter()
        .map(|(.., segment, _)| *segment != gone)
        .collect();
    assert_eq!(readable(&store, &letters).await, others);
}

#[tokio::test]
async fn a_sound_store_stays_as_it_is() {
    let dir = tempdir();
    let letters = letters(dir.path()).await;
    let repaired = Embedded::repair(dir.path(), small()).unwrap();
    assert_eq!(repaired, Repaired::default());
    assert!(Embedded::check(dir.path(), small()).unwrap().is_sound());
    let store = Embedded::open(dir.path(), small()).unwrap();
    assert!(readable(&store, &letters).await.iter().all(|is| *is));
}
