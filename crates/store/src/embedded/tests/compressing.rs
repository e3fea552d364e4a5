//! Sealed segments become shorter, and what is in them is what it was, whatever fails meanwhile.

use super::reclaiming::{HOW, about, stage, whole, without};
use super::shrinking::copy;
use super::*;
use crate::embedded::compressed::{self, BLOCK_OCTETS, Compressed, Damage, Encoder};
use crate::embedded::holdings::Holdings;
use crate::embedded::log::compressed_path;
use crate::reclaim::Reclaimed;
use mail::BlobId;
use std::path::PathBuf;

fn settings(compress: bool) -> EmbeddedSettings {
    EmbeddedSettings {
        segment_octets: 50_000,
        compress,
        ..small()
    }
}

/// Octets that no two letters share and nobody makes shorter.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut octets = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_be_bytes());
    hasher.finalize_xof().fill(&mut octets);
    octets
}

/// A letter of words that many have, in an order of its own.
fn letter(seed: u64, len: usize) -> Bytes {
    const WORDS: [&str; 8] = [
        "letter ",
        "from ",
        "the ",
        "town ",
        "hall, ",
        "about ",
        "water.\r\n",
        "Received: by ",
    ];
    let mut text = format!("Subject: letter {seed}\r\n\r\n").into_bytes();
    for octet in noise(seed, len) {
        text.extend_from_slice(WORDS[usize::from(octet % 8)].as_bytes());
    }
    text.truncate(len);
    text.into()
}

/// A store with letters in some segments.
struct Town {
    dir: TempDir,
    store: Option<Embedded>,
    letters: Vec<(BlobId, Bytes)>,
    version: u64,
}

impl Town {
    async fn of(letters: impl IntoIterator<Item = Bytes>) -> Self {
        let dir = tempdir();
        let mut town = Self {
            store: Some(Embedded::open(dir.path(), settings(true)).unwrap()),
            dir,
            letters: Vec::new(),
            version: 0,
        };
        for octets in letters {
            town.gets(octets).await;
        }
        town
    }

    /// Letters in some five segments.
    async fn found() -> Self {
        Self::of((0..180).map(|seed| letter(seed, 1500 + 70 * usize::try_from(seed % 60).unwrap())))
            .await
    }

    async fn gets(&mut self, octets: Bytes) {
        let staged = stage(self.store(), &octets).await;
        let blob = staged.blob;
        let came = about(self.version, blob, Some(staged));
        self.store().commit(came).await.unwrap();
        self.version += 1;
        self.letters.push((blob, octets));
    }

    async fn loses(&mut self, count: usize) {
        for (blob, _) in self.letters.drain(..count).collect::<Vec<_>>() {
            let gone = without(self.version, blob);
            self.store().commit(gone).await.unwrap();
            self.version += 1;
        }
    }

    fn store(&self) -> &Embedded {
        self.store.as_ref().unwrap()
    }

    fn close(&mut self) {
        if let Some(store) = self.store.take() {
            store.close();
        }
    }

    fn open(&mut self) -> Result<(), Error> {
        self.store = Some(Embedded::open(self.dir.path(), settings(true))?);
        Ok(())
    }

    fn lose_the_view(&self) {
        std::fs::remove_dir_all(self.dir.path().join("view")).unwrap();
    }

    fn log(&self, kind: &str) -> Vec<PathBuf> {
        let mut files = RealDisk.list(&self.dir.path().join("log")).unwrap();
        files.retain(|path| path.extension().is_some_and(|found| found == kind));
        files
    }

    fn log_octets(&self) -> u64 {
        Holdings::of(self.dir.path()).unwrap().log.octets
    }

    /// Every letter, whole, in part, and where its row says that it is.
    async fn is_whole(&self) {
        let store = self.store();
        let all = (Bytes::new(), None);
        let page = store.scan(AT, TABLE, all, 1000, Direction::Rising);
        let rows = page.await.unwrap().rows;
        assert_eq!(rows.len(), self.letters.len());
        for (blob, octets) in &self.letters {
            assert_eq!(store.read(whole(*blob, octets)).await.unwrap(), octets);
            let (blob, len) = (*blob, octets.len() as u64);
            let part = BlobRange {
                blob,
                offset: len / 3,
                len: len / 2,
            };
            let expected = octets.slice(octets.len() / 3..octets.len() / 3 + octets.len() / 2);
            assert_eq!(store.read(part).await.unwrap(), expected);
            let row = rows.iter().find(|row| row.key == blob.0[..]).unwrap();
            let hint = Hint(row.value[33..41].try_into().unwrap());
            let range = part;
            let sought = Sought { range, len, hint };
            assert_eq!(store.read_sought(vec![sought]).await.unwrap(), [expected]);
        }
    }

    fn is_sound(&self) {
        let report = Embedded::check(self.dir.path(), settings(true)).unwrap();
        assert!(report.is_sound(), "{report}");
    }
}

#[tokio::test]
async fn sealed_segments_become_shorter_and_nothing_else_changes() {
    let mut town = Town::found().await;
    let (before, plain) = (town.log_octets(), town.log("log").len());
    let done = town.store().reclaim(HOW).await.unwrap();
    assert!(plain > 4, "{plain}");
    assert_eq!(done.compressed, plain as u64 - 2);
    assert_eq!((done.files, done.copied_octets), (0, 0));
    assert!(done.compressed_to_octets < done.compressed_from_octets / 2);
    let (longer, shorter) = (town.log("log"), town.log("zlog"));
    assert_eq!((longer.len(), shorter.len()), (2, plain - 2));
    assert!(town.log_octets() < before / 2);
    let survey = town.store().survey(HOW.mentions, HOW.limit).await.unwrap();
    let shrunk = |segment: &&crate::SegmentUse| segment.stored_octets < segment.octets / 2;
    assert_eq!(survey.segments.iter().filter(shrunk).count(), plain - 2);
    town.is_whole().await;
    let again = town.store().reclaim(HOW).await.unwrap();
    assert_eq!(again.compressed, 0);
    for lost in [false, true] {
        town.close();
        town.is_sound();
        if lost {
            town.lose_the_view();
            town.is_sound();
        }
        town.open().unwrap();
        town.is_whole().await;
    }
    let forms = Embedded::forms(town.dir.path(), &mut |_| {}).unwrap();
    let form = |name| forms.forms.iter().find(|form| form.name == name).unwrap();
    assert_eq!(form("compressed segments").found[&1], plain as u64 - 2);
    // All records are still told.
    assert_eq!(form("records").found[&1], town.version);
}

#[tokio::test]
async fn what_would_not_become_shorter_stays_as_it_is() {
    let letters = (0..60).map(|seed| Bytes::from(noise(seed, 8000)));
    let town = Town::of(letters).await;
    let before = town.log_octets();
    for _ in 0..2 {
        let done = town.store().reclaim(HOW).await.unwrap();
        assert_eq!(done.compressed, 0);
    }
    assert_eq!(town.log("zlog"), [] as [PathBuf; 0]);
    assert_eq!((town.log("new").len(), town.log_octets()), (0, before));
    town.is_whole().await;
}

#[tokio::test]
async fn where_it_is_not_wished_nothing_is_compressed_and_what_is_can_be_read() {
    let mut town = Town::found().await;
    town.store().reclaim(HOW).await.unwrap();
    let shorter = town.log("zlog");
    town.close();
    let off = settings(false);
    town.store = Some(Embedded::open(town.dir.path(), off).unwrap());
    for seed in 200..300 {
        town.gets(letter(seed, 3000)).await;
    }
    let done = town.store().reclaim(HOW).await.unwrap();
    assert_eq!((done.compressed, town.log("zlog")), (0, shorter));
    town.is_whole().await;
}

#[tokio::test]
async fn a_compressed_segment_with_little_in_it_goes_like_any_other() {
    let mut town = Town::found().await;
    town.store().reclaim(HOW).await.unwrap();
    let before = town.log("zlog");
    town.loses(60).await;
    let done = town.store().reclaim(HOW).await.unwrap();
    assert_eq!(done.forgotten, 60);
    assert!(done.files > 0, "{done:?}");
    assert!(before.iter().any(|path| !path.exists()));
    town.is_whole().await;
    town.close();
    town.is_sound();
    town.lose_the_view();
    town.open().unwrap();
    town.is_whole().await;
}

#[tokio::test]
async fn what_a_crash_left_goes_at_the_next_start() {
    let mut town = Town::found().await;
    let first = segment_path(&town.dir.path().join("log"), 1);
    let longer = std::fs::read(&first).unwrap();
    town.store().reclaim(HOW).await.unwrap();
    town.close();
    let shorter = compressed_path(&town.dir.path().join("log"), 1);
    assert!(shorter.exists());
    // As if the removal had not been durable; and another had been begun.
    std::fs::write(&first, &longer).unwrap();
    let draft = first.with_file_name("0000000000000002.new");
    std::fs::write(&draft, "half").unwrap();
    town.is_sound();
    town.open().unwrap();
    assert_eq!(
        (first.exists(), shorter.exists(), draft.exists()),
        (true, false, false)
    );
    town.is_whole().await;
}

#[tokio::test]
async fn a_log_that_lost_what_is_behind_a_compressed_segment_is_not_opened() {
    let mut town = Town::found().await;
    town.store().reclaim(HOW).await.unwrap();
    town.close();
    for path in town.log("log") {
        std::fs::remove_file(path).unwrap();
    }
    assert!(matches!(town.open(), Err(Error::Damaged(_))));
    town.lose_the_view();
    let octets = |town: &Town| {
        let files = town.log("zlog").into_iter();
        files
            .map(|path| std::fs::read(path).unwrap())
            .collect::<Vec<_>>()
    };
    let before = octets(&town);
    assert!(matches!(town.open(), Err(Error::Damaged(_))));
    let repaired = Embedded::repair(town.dir.path(), settings(true));
    assert!(matches!(repaired, Err(Error::Damaged(_))));
    assert_eq!(octets(&town), before);
}

/// One bit makes the letters of one block unreadable at most, and is told wherever it is; a wrong
/// octet is never given out.
#[tokio::test]
async fn a_damaged_octet_costs_a_block_at_most() {
    let mut town = Town::found().await;
    town.store().reclaim(HOW).await.unwrap();
    town.close();
    let path = town.log("zlog").remove(1);
    let whole_file = std::fs::read(&path).unwrap();
    let mut costly = 0;
    for at in (0..whole_file.len()).step_by(whole_file.len() / 40) {
        let mut octets = whole_file.clone();
        octets[at] ^= 4;
        std::fs::write(&path, &octets).unwrap();
        town.open().unwrap();
        let mut lost = 0;
        for (blob, octets) in &town.letters {
            let (blob, len) = (*blob, octets.len() as u64);
            let half = BlobRange {
                blob,
                offset: 0,
                len: len / 2,
            };
            for range in [half, whole(blob, octets)] {
                match town.store().read(range).await {
                    Ok(read) => assert_eq!(read, octets[..read.len()]),
                    Err(Error::Damaged(_)) => lost += len,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        // Those at its edges are in the next ones as well.
        assert!(lost < 4 * BLOCK_OCTETS as u64, "{at}: {lost}");
        town.close();
        let report = Embedded::check(town.dir.path(), settings(true)).unwrap();
        assert!(!report.is_sound(), "{at}: {report}");
        assert_eq!(report.is_readable(), lost == 0, "{at}: {report}");
        costly += u64::from(lost > 0);
    }
    assert!(costly > 20, "{costly}");
}

/// The records of one block are lost, and those behind it are not, not even where it had the
/// segment's header.
#[tokio::test]
async fn what_is_damaged_can_be_left_out_as_in_any_segment() {
    for is_first in [true, false] {
        let mut town = Town::found().await;
        town.store().reclaim(HOW).await.unwrap();
        town.close();
        let path = town.log("zlog").remove(1);
        let mut octets = std::fs::read(&path).unwrap();
        let at = if is_first { 200 } else { octets.len() / 2 };
        octets[at] ^= 4;
        std::fs::write(&path, octets).unwrap();
        town.lose_the_view();
        assert!(matches!(town.open(), Err(Error::Damaged(_))));
        let repaired = Embedded::repair(town.dir.path(), settings(true)).unwrap();
        assert_eq!(repaired.left_out.len(), 1, "{repaired:?}");
        town.open().unwrap();
        let mut missed = 0;
        for (blob, octets) in &town.letters {
            match town.store().read(whole(*blob, octets)).await {
                Ok(read) => assert_eq!(read, octets),
                Err(Error::NoBlob(_)) => missed += octets.len(),
                Err(other) => panic!("{other}"),
            }
        }
        assert!(0 < missed && missed < 2 * BLOCK_OCTETS, "{at}: {missed}");
    }
}

/// What happens to a file.
type Way = fn(&mut Vec<u8>);

/// One of its two heads gone: nothing is lost, it is told, and written again by a repair.
#[tokio::test]
async fn a_damaged_head_is_told_and_written_again_from_the_other() {
    let mut town = Town::found().await;
    town.store().reclaim(HOW).await.unwrap();
    town.close();
    let path = town.log("zlog").remove(1);
    let whole_file = std::fs::read(&path).unwrap();
    let ways: [(&str, Way); 4] = [
        ("first", |octets| octets[70] ^= 1),
        ("last", |octets| {
            let at = octets.len() - 70;
            octets[at] ^= 1;
        }),
        ("last", |octets| octets.truncate(octets.len() - 20)),
        ("last", |octets| octets.extend_from_slice(&[7; 9])),
    ];
    for (which, damage) in ways {
        let mut octets = whole_file.clone();
        damage(&mut octets);
        std::fs::write(&path, &octets).unwrap();
        let report = Embedded::check(town.dir.path(), settings(true)).unwrap();
        assert_eq!((report.flaw_count, report.spare_flaw_count), (1, 1));
        let told = format!("the {which} head of segment 2 is damaged: nothing is lost");
        assert!(report.flaws[0].starts_with(&told), "{report}");
        let repaired = Embedded::repair(town.dir.path(), settings(true)).unwrap();
        let again = [format!("the {which} head of segment 2")];
        assert_eq!(
            (&*repaired.left_out, &*repaired.written_again),
            (&[][..], &again[..])
        );
        assert!(std::fs::read(&path).unwrap() == whole_file, "{which}");
    }
    town.is_sound();
    town.open().unwrap();
    town.is_whole().await;
}

/// Both heads gone: then it is a segment whose header is damaged.
#[tokio::test]
async fn a_file_without_its_heads_is_told() {
    let mut town = Town::found().await;
    town.store().reclaim(HOW).await.unwrap();
    town.close();
    let path = town.log("zlog").remove(0);
    let mut octets = std::fs::read(&path).unwrap();
    let last = octets.len() - 1;
    octets[3] ^= 1;
    octets[last] ^= 1;
    std::fs::write(&path, &octets).unwrap();
    let report = Embedded::check(town.dir.path(), settings(true)).unwrap();
    assert!(!report.is_sound());
    town.open().unwrap();
    let (first, octets) = &town.letters[0];
    let read = town.store().read(whole(*first, octets)).await;
    assert!(matches!(read, Err(Error::Damaged(_))), "{read:?}");
    let (last, octets) = town.letters.last().unwrap();
    assert_eq!(
        &town.store().read(whole(*last, octets)).await.unwrap(),
        octets
    );
}

/// Frees and compresses on a disk that fails after some operations, and then loses its power; says
/// what was done, if nothing failed.
async fn fails_after(
    before: &Town,
    n: u64,
    (failure, forever): (Failure, bool),
    lose_view: bool,
) -> Option<Reclaimed> {
    let dir = tempdir();
    copy(before.dir.path(), dir.path());
    let disk = FailingDisk::new(failure, forever);
    let ground = Ground {
        disk: Arc::new(disk.clone()),
        ..Ground::real()
    };
    let mut town = Town {
        store: Some(Embedded::open_on(&ground, dir.path(), settings(true)).unwrap()),
        dir,
        letters: before.letters.clone(),
        version: before.version,
    };
    disk.fail_after(n);
    let done = town.store().reclaim(HOW).await;
    let failed = disk.has_failed();
    assert!(failed || done.is_ok(), "{done:?}");
    town.close();
    disk.lose_power(n);
    if lose_view {
        town.lose_the_view();
    }
    town.open().unwrap();
    town.is_whole().await;
    assert_eq!(town.log("new"), [] as [PathBuf; 0]);
    town.close();
    town.is_sound();
    if failed { None } else { done.ok() }
}

#[tokio::test]
async fn a_disk_that_fails_at_each_operation_loses_nothing() {
    let mut before = Town::of((0..24).map(|seed| letter(seed, 11_000))).await;
    before.loses(5).await;
    before.close();
    for (how, lose_view) in [
        ((Failure::Full, false), false),
        ((Failure::Broken, false), true),
        ((Failure::Broken, true), false),
        ((Failure::Broken, true), true),
    ] {
        let mut n = 0;
        let done = loop {
            if let Some(done) = fails_after(&before, n, how, lose_view).await {
                break done;
            }
            n += 1;
        };
        assert!(n > 40 && done.compressed > 1, "{n}: {done:?}");
    }
}

/// A compressed file of some octets, read back through a disk.
fn compressed(octets: &[u8], dictionary: Vec<u8>) -> (TempDir, PathBuf) {
    let mut encoder = Encoder::new(octets.len() as u64, dictionary).unwrap();
    let mut file = vec![0; usize::try_from(encoder.begin()).unwrap()];
    for block in octets.chunks(BLOCK_OCTETS) {
        encoder.add(block, &mut file).unwrap();
    }
    let (head, end) = encoder.heads();
    file[..head.len()].copy_from_slice(&head);
    file.extend_from_slice(&end);
    let dir = tempdir();
    let path = dir.path().join("file");
    std::fs::write(&path, file).unwrap();
    (dir, path)
}

#[test]
fn any_range_of_a_compressed_file_is_what_it_was() {
    use crate::disk::DiskFile as _;
    let blocks = |seed| letter(seed, BLOCK_OCTETS).to_vec();
    let dictionary = compressed::train(&(0..40).map(blocks).collect::<Vec<_>>());
    assert!(dictionary.len() > 1000, "{}", dictionary.len());
    let mixed = [
        blocks(50),
        noise(1, 3 * BLOCK_OCTETS),
        vec![0; 40_000],
        blocks(51),
    ]
    .concat();
    for (octets, dictionary) in [
        (Vec::new(), Vec::new()),
        (vec![7], Vec::new()),
        (blocks(52), dictionary.clone()),
        (mixed.clone(), Vec::new()),
        (mixed[..70_001].to_vec(), dictionary.clone()),
        (mixed, dictionary),
    ] {
        let (_dir, path) = compressed(&octets, dictionary);
        let file = Compressed::open(RealDisk.open(&path).unwrap(), Damage::Fails).unwrap();
        assert_eq!(file.len().unwrap(), octets.len() as u64);
        for turn in 0..400 {
            let chance = noise(turn, 8);
            let from = u32::from_be_bytes(chance[..4].try_into().unwrap()) as usize;
            let from = from % (octets.len() + 20);
            let len = u32::from_be_bytes(chance[4..].try_into().unwrap()) as usize % 50_000;
            let mut read = vec![0; len];
            let count = file.read_at(&mut read, from as u64).unwrap();
            let rest = octets.get(from..).unwrap_or_default();
            assert_eq!(count, rest.len().min(len));
            assert_eq!(read[..count], rest[..count]);
        }
    }
}

#[test]
fn letters_take_less_room_with_a_dictionary() {
    let blocks: Vec<_> = (0..80).map(|seed| letter(seed, 2000).to_vec()).collect();
    let dictionary = compressed::train(&blocks[..40]);
    let [with, without] = [dictionary, Vec::new()]
        .map(|dictionary| compressed::estimate(&blocks[40..], &dictionary).unwrap());
    assert!(with < without, "{with} {without}");
}
