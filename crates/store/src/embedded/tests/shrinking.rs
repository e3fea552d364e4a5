//! Segments of which little is live go, and the view is made again without them.

use super::reclaiming::{HOW, about, stage, whole, without};
use super::*;
use crate::embedded::holdings::Holdings;
use crate::reclaim::Reclaimed;
use mail::BlobId;

/// Letters that came, of which each fourth stayed.
struct Town {
    dir: TempDir,
    store: Option<Embedded>,
    stay: Vec<(BlobId, Bytes)>,
    version: u64,
}

impl Town {
    async fn found() -> Self {
        let dir = tempdir();
        let store = Embedded::open(dir.path(), small()).unwrap();
        let (mut stay, mut go, mut version) = (Vec::new(), Vec::new(), 0);
        for seed in 0..40 {
            let octets = body(seed, 1500);
            let staged = stage(&store, &octets).await;
            let blob = staged.blob;
            let came = about(version, blob, Some(staged));
            store.commit(came).await.unwrap();
            version += 1;
            match seed % 4 {
                0 => stay.push((blob, octets)),
                _ => go.push(blob),
            }
        }
        for blob in go {
            store.commit(without(version, blob)).await.unwrap();
            version += 1;
        }
        Self {
            dir,
            store: Some(store),
            stay,
            version,
        }
    }

    fn store(&self) -> &Embedded {
        self.store.as_ref().unwrap()
    }

    fn close(&mut self) {
        self.store.take().unwrap().close();
    }

    fn open(&mut self) -> Result<(), Error> {
        self.store = Some(Embedded::open(self.dir.path(), small())?);
        Ok(())
    }

    fn lose_the_view(&self) {
        std::fs::remove_dir_all(self.dir.path().join("view")).unwrap();
    }

    fn log_octets(&self) -> u64 {
        Holdings::of(self.dir.path()).unwrap().log.octets
    }

    fn files(&self, of: &str) -> Vec<std::path::PathBuf> {
        RealDisk.list(&self.dir.path().join(of)).unwrap()
    }

    async fn is_whole(&self) {
        let store = self.store();
        assert_eq!(store.version(AT).await.unwrap(), Version(self.version));
        let all = (Bytes::new(), None);
        let page = store.scan(AT, TABLE, all, 1000, Direction::Rising);
        let rows = page.await.unwrap().rows;
        assert_eq!(rows.len(), self.stay.len());
        for (blob, octets) in &self.stay {
            assert_eq!(store.read(whole(*blob, octets)).await.unwrap(), octets);
            let row = rows.iter().find(|row| row.key == blob.0[..]).unwrap();
            let hint = Hint(row.value[33..41].try_into().unwrap());
            let (range, len) = (whole(*blob, octets), octets.len() as u64);
            let sought = Sought { range, len, hint };
            let read = store.read_sought(vec![sought]).await.unwrap();
            assert_eq!(read, std::slice::from_ref(octets));
        }
    }

    fn is_sound(&self) {
        let report = Embedded::check(self.dir.path(), small()).unwrap();
        assert!(report.is_sound(), "{report}");
        assert_eq!(report.blobs, self.stay.len() as u64);
    }
}

/// What is written for each octet that is freed.
fn is_cheap(done: &Reclaimed) {
    let written = done.copied_octets + done.snapshot_octets;
    assert!(written <= 2 * done.freed_octets, "{done:?}");
}

#[tokio::test]
async fn the_log_shrinks_and_nothing_is_lost() {
    let mut town = Town::found().await;
    let before = town.log_octets();
    let done = town.store().reclaim(HOW).await.unwrap();
    assert_eq!(done.forgotten, 30);
    is_cheap(&done);
    assert!(done.copied_octets > 0 && done.snapshot_octets > 0);
    assert!(town.log_octets() < before / 2, "{before}: {done:?}");
    town.is_whole().await;
    // More comes and goes; numbers of segments go on.
    for seed in 100..130 {
        let octets = body(seed, 1500);
        let staged = stage(town.store(), &octets).await;
        let blob = staged.blob;
        let came = about(town.version, blob, Some(staged));
        town.store().commit(came).await.unwrap();
        let gone = without(town.version + 1, blob);
        town.store().commit(gone).await.unwrap();
        town.version += 2;
    }
    let done = town.store().reclaim(HOW).await.unwrap();
    is_cheap(&done);
    assert!(done.files > 5, "{done:?}");
    assert_eq!(town.files("snapshots").len(), 1);
    town.is_whole().await;
    town.close();
    town.is_sound();
    town.lose_the_view();
    town.is_sound();
    town.open().unwrap();
    town.is_whole().await;
    town.close();
    Embedded::rebuild(town.dir.path(), small()).unwrap();
    town.is_sound();
    town.open().unwrap();
    town.is_whole().await;
}

#[tokio::test]
async fn where_little_is_dead_nothing_is_written() {
    let town = Town::found().await;
    town.store().reclaim(HOW).await.unwrap();
    let before = town.files("snapshots");
    let done = town.store().reclaim(HOW).await.unwrap();
    let nothing = Reclaimed {
        sweeps: 1,
        ..Reclaimed::default()
    };
    assert_eq!((done, town.files("snapshots")), (nothing, before));
}

#[tokio::test]
async fn a_view_from_before_the_snapshot_is_made_again() {
    let mut town = Town::found().await;
    town.store().checkpoint().await.unwrap();
    let old = tempdir();
    let (view, old) = (town.dir.path().join("view"), old.path().join("view"));
    town.close();
    copy(&view, &old);
    town.open().unwrap();
    town.store().reclaim(HOW).await.unwrap();
    town.close();
    town.lose_the_view();
    copy(&old, &view);
    town.open().unwrap();
    town.is_whole().await;
}

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for path in RealDisk.list(from).unwrap() {
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(std::fs::copy(&path, &target).unwrap()),
        }
    }
}

#[tokio::test]
async fn of_a_damaged_snapshot_nothing_is_used() {
    let mut town = Town::found().await;
    town.store().reclaim(HOW).await.unwrap();
    town.close();
    let [path] = <[_; 1]>::try_from(town.files("snapshots")).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for (at, cut) in [
        (0, false),
        (20, false),
        (300, false),
        (whole.len() - 1, false),
        (90, true),
    ] {
        let mut octets = whole.clone();
        octets[at] ^= 4;
        if cut {
            octets.truncate(at);
        }
        std::fs::write(&path, &octets).unwrap();
        // The view has everything; but it is told.
        town.open().unwrap();
        town.is_whole().await;
        town.close();
        assert!(
            !Embedded::check(town.dir.path(), small())
                .unwrap()
                .is_sound()
        );
        let view = tempdir();
        copy(&town.dir.path().join("view"), view.path());
        town.lose_the_view();
        for _ in 0..2 {
            let refused = town.open();
            assert!(
                matches!(refused, Err(Error::Damaged(_))),
                "{at}: {refused:?}"
            );
        }
        std::fs::write(&path, &whole).unwrap();
        town.open().unwrap();
        town.is_whole().await;
        town.close();
        town.lose_the_view();
        copy(view.path(), &town.dir.path().join("view"));
    }
    // Longer than it was.
    std::fs::write(&path, [&whole[..], &[0; 8]].concat()).unwrap();
    town.lose_the_view();
    assert!(matches!(town.open(), Err(Error::Damaged(_))));
    // Nor can it be done without.
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(town.open(), Err(Error::Damaged(_))));
}

#[tokio::test]
async fn a_segment_that_lacks_behind_the_snapshot_is_told() {
    let mut town = Town::found().await;
    town.store().reclaim(HOW).await.unwrap();
    for seed in 200..210 {
        let octets = body(seed, 3000);
        let staged = stage(town.store(), &octets).await;
        let came = about(town.version, staged.blob, Some(staged));
        town.store().commit(came).await.unwrap();
        town.version += 1;
    }
    town.close();
    let log = town.files("log");
    let path = &log[log.len() - 3];
    std::fs::remove_file(path).unwrap();
    assert!(matches!(town.open(), Err(Error::Damaged(_))));
    town.lose_the_view();
    assert!(matches!(town.open(), Err(Error::Damaged(_))));
    for path in log {
        drop(std::fs::remove_file(path));
    }
    assert!(matches!(town.open(), Err(Error::Damaged(_))));
}

#[tokio::test]
async fn a_damaged_letter_keeps_its_segment() {
    let town = Town::found().await;
    let (blob, octets) = &town.stay[2];
    let place = town.store().inner.reader.view.blob(*blob).unwrap().unwrap();
    let Place::Log { segment, offset } = place.place else {
        panic!("it is in the log");
    };
    let path = segment_path(&town.dir.path().join("log"), segment);
    let mut file = std::fs::read(&path).unwrap();
    file[usize::try_from(offset).unwrap() + 7] ^= 1;
    std::fs::write(&path, &file).unwrap();
    let done = town.store().reclaim(HOW).await.unwrap();
    assert!(path.exists() && done.files > 0, "{done:?}");
    for (other, octets) in town.stay.iter().filter(|(other, _)| other != blob) {
        assert_eq!(
            town.store().read(whole(*other, octets)).await.unwrap(),
            octets
        );
    }
    let read = town.store().read(whole(*blob, octets)).await;
    assert!(matches!(read, Err(Error::Damaged(_))));
    // It is not tried again and again.
    let again = town.store().reclaim(HOW).await.unwrap();
    assert_eq!(again.snapshot_octets, 0, "{again:?}");
}
