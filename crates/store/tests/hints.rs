//! Rows that say where their blob is, and values of which only a part is told.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use bytes::Bytes;
use mail::BlobRange;
use store::{
    Batch, Embedded, EmbeddedSettings, Hint, Memory, Page, Partition, Sought, Staged, Store, Table,
    Version, Write, Writes,
};
use tempfile::TempDir;

const AT: Partition = Partition(3);
const TABLE: Table = Table(5);

fn open(dir: &Path) -> Embedded {
    let settings = EmbeddedSettings {
        cache_octets: 1 << 20,
        segment_octets: 20_000,
        reserve_octets: 0,
        ..EmbeddedSettings::default()
    };
    Embedded::open(dir, settings).unwrap()
}

fn letter(number: u64) -> Bytes {
    format!("Subject: letter {number}\r\n\r\n{}", "x".repeat(3000)).into()
}

fn row(number: u64, octets: &Bytes) -> Write {
    let name = Staged::of(octets.clone()).blob.0;
    let value = [&[7][..], &name, &Hint::NONE.0, b"behind it"].concat();
    Write::PutBeside {
        table: TABLE,
        key: number.to_be_bytes().to_vec().into(),
        value: value.into(),
    }
}

/// Commits two rows at a time, each with its letter; the third pair brings the first once more.
async fn fill(store: &dyn Store) -> Vec<Bytes> {
    let mut letters = Vec::new();
    for pair in 0..6 {
        let two = [2 * pair, 2 * pair + 1].map(|number| match number {
            4 => letter(0),
            number => letter(number),
        });
        let writes = (2 * pair..)
            .zip(&two)
            .map(|(number, octets)| row(number, octets));
        let batch = Batch {
            parts: vec![Writes {
                partition: AT,
                from: Version(pair),
                writes: writes.collect(),
            }],
            blobs: two.iter().cloned().map(Staged::of).collect(),
        };
        store.commit(batch).await.unwrap();
        letters.extend(two);
    }
    letters
}

async fn cut(store: &dyn Store, cut: store::Cut) -> Page {
    let all = (Bytes::new(), None);
    store.scan_cut(AT, TABLE, all, 1000, cut).await.unwrap()
}

async fn rows(store: &dyn Store) -> Vec<(Bytes, Hint)> {
    let page = cut(store, |value| (value.len(), 0, 0)).await;
    let hint = |value: &Bytes| Hint(value.get(33..41).unwrap().try_into().unwrap());
    page.rows
        .iter()
        .map(|row| (row.value.clone(), hint(&row.value)))
        .collect()
}

fn sought(octets: &Bytes, hint: Hint, (offset, len): (u64, u64)) -> Sought {
    let blob = Staged::of(octets.clone()).blob;
    Sought {
        range: BlobRange { blob, offset, len },
        len: octets.len() as u64,
        hint,
    }
}

#[tokio::test]
async fn a_row_says_where_its_letter_is_also_when_the_view_is_made_again() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let letters = fill(&store).await;
    let told = rows(&store).await;
    let unhinted = |rows: &[(Bytes, Hint)]| -> Vec<usize> {
        let none = rows.iter().enumerate();
        let none = none.filter(|(_, (_, hint))| *hint == Hint::NONE);
        none.map(|(at, _)| at).collect()
    };
    // The letter that was there before came with another batch.
    assert_eq!(unhinted(&told), [4]);
    let pieces = letters.iter().zip(&told);
    let asked: Vec<_> = pieces
        .map(|(octets, (_, hint))| sought(octets, *hint, (0, 30)))
        .collect();
    let read = store.read_sought(asked.clone()).await.unwrap();
    let begun: Vec<_> = letters.iter().map(|octets| octets.slice(..30)).collect();
    assert_eq!(read, begun);
    drop(store);
    std::fs::remove_dir_all(dir.path().join("view")).unwrap();
    let store = open(dir.path());
    assert_eq!(rows(&store).await, told);
    drop(store);
    let report = Embedded::check(dir.path(), EmbeddedSettings::default()).unwrap();
    assert!(report.is_sound(), "{report}");
}

#[tokio::test]
async fn a_hint_spares_the_search_and_one_of_no_use_does_no_harm() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let letters = fill(&store).await;
    let told = rows(&store).await;
    let (octets, (_, hint)) = (letters.last().unwrap(), told.last().unwrap());
    // Under another name it cannot be found but by its hint.
    let mut unknown = sought(octets, *hint, (9, 9));
    unknown.range.blob.0 = [1; 32];
    let read = store.read_sought(vec![unknown]).await.unwrap();
    assert_eq!(read, [octets.slice(9..18)]);
    unknown.hint = Hint::NONE;
    assert!(store.read_sought(vec![unknown]).await.is_err());
    // A segment that is not there (any more).
    let gone = Hint(((9_u64 << 32) | 64).to_be_bytes());
    for hint in [gone, Hint::NONE, *hint] {
        let whole = sought(octets, hint, (0, octets.len() as u64));
        let other = sought(letters.first().unwrap(), Hint::NONE, (0, 7));
        let read = store.read_sought(vec![other, whole, other]).await.unwrap();
        assert_eq!(read, [&b"Subject"[..], octets, b"Subject"]);
        let beyond = sought(octets, hint, (octets.len() as u64, 1));
        assert!(store.read_sought(vec![beyond]).await.is_err());
    }
    // What a hint leads to is not believed where it can be told.
    let (wrong, first) = (
        sought(octets, told[0].1, (0, octets.len() as u64)),
        &letters[0],
    );
    assert_ne!(octets, first);
    assert!(store.read_sought(vec![wrong]).await.is_err());
}

#[tokio::test]
async fn a_large_letter_has_no_hint() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let octets = Bytes::from(vec![b'x'; 400_000]);
    let mut stage = store.stage();
    stage.write(octets.clone()).await.unwrap();
    let staged = stage.finish().await.unwrap();
    let batch = Batch {
        parts: vec![Writes {
            partition: AT,
            from: Version(0),
            writes: vec![row(1, &octets)],
        }],
        blobs: vec![staged],
    };
    store.commit(batch).await.unwrap();
    let told = rows(&store).await;
    let hints: Vec<_> = told.iter().map(|(_, hint)| *hint).collect();
    assert_eq!(hints, [Hint::NONE]);
    let read = store.read_sought(vec![sought(&octets, Hint::NONE, (5, 2))]);
    assert_eq!(read.await.unwrap(), [&b"xx"[..]]);
}

#[tokio::test]
async fn a_cut_leaves_two_pieces_of_a_value_in_every_store() {
    let dir = TempDir::new().unwrap();
    let embedded = open(dir.path());
    let memory = Memory::new();
    let stores: [&dyn Store; 2] = [&embedded, &memory];
    for store in stores {
        fill(store).await;
        let first = |page: Page| page.rows.into_iter().next().unwrap().value;
        let cases: [(store::Cut, &[u8]); 6] = [
            (|_| (1, 41, 47), b"\x07behind"),
            (|value| (1, 41, value.len() + 9), b"\x07behind it"),
            (|_| (0, 48, usize::MAX), b"it"),
            (|_| (0, 48, 41), b""),
            (|_| (0, usize::MAX, usize::MAX), b""),
            (|value| (1, 0, usize::from(value[0] > 9)), b"\x07"),
        ];
        for (how, left) in cases {
            assert_eq!(first(cut(store, how).await), left, "{store:?}");
        }
        let whole = first(cut(store, |_| (usize::MAX, 0, 0)).await);
        assert_eq!(whole.len(), 50);
        let overlapping = first(cut(store, |value| (45, 3, value.len())).await);
        assert_eq!(overlapping, whole);
    }
}
