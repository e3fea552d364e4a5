//! Backups that are broken off, packs that are damaged or gone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup::{Folder, Medium as _, Repository};
use sim::{Failure, Fault, SimDisk};
use store::Memory;
use store::disk::{Disk as _, RealDisk};

use crate::kept::{
    Digest, Still, contents_now, create, disk, noise, now, put, repository, restored,
};

/// Three accounts, one of them with a large body, one body in two of them.
fn kept() -> Memory {
    let store = Memory::new();
    put(
        &store,
        1,
        (1..40).map(|number| (number, noise(700, number))),
    );
    let bodies = [noise(0, 0), noise(3_000_000, 1), noise(700, 7)];
    put(&store, 2, (1..).zip(bodies));
    put(
        &store,
        9,
        (1..4).map(|number| (number, noise(90_000, 50 + number))),
    );
    store
}

fn packs(disk: &SimDisk, folder: &str) -> Vec<PathBuf> {
    disk.list(&Path::new("/backups").join(folder)).unwrap()
}

#[test]
fn a_backup_that_was_broken_off_anywhere_goes_on() {
    let store = kept();
    for seed in 0.. {
        let disk = disk(seed);
        let done = {
            disk.fail(Some(Fault {
                kind: None,
                passing: seed,
                failure: Failure::Broken,
                then: sim::Then::Fail,
            }));
            create(&repository(&disk), &mut Still::of(&store), 100)
        };
        if disk.failed().is_none() {
            done.unwrap();
            assert!(seed > 20, "{seed} operations");
            return;
        }
        let disk = disk.cut();
        let repository = repository(&disk);
        // What was acknowledged is a backup; what was not is one or none, and never half of one.
        let backups = repository.backups().unwrap();
        assert!(done.is_err() || backups.len() == 1, "{seed}");
        if !backups.is_empty() {
            let (copy, found) = restored(&repository).unwrap();
            assert_eq!(found.flaws, [], "{seed}");
            assert!(contents_now(&copy) == contents_now(&store), "{seed}");
        }
        // The next one, of a store that has gone on, has all of it.
        put(
            &store,
            9,
            [(100 + seed, noise(900, 1000 + seed))].into_iter(),
        );
        create(&repository, &mut Still::of(&store), 200).unwrap();
        let (copy, found) = restored(&repository).unwrap();
        assert_eq!(found.flaws, [], "{seed}");
        assert!(contents_now(&copy) == contents_now(&store), "{seed}");
    }
}

#[test]
fn what_is_there_is_not_written_again() {
    let (store, disk) = (kept(), disk(1));
    let repository = repository(&disk);
    let first = create(&repository, &mut Still::of(&store), 100).unwrap();
    assert_eq!((first.bodies, first.chunks), (44, 3));
    let again = create(&repository, &mut Still::of(&store), 200).unwrap();
    assert_eq!((again.bodies, again.chunks, again.written), (0, 0, 0));
    put(&store, 2, [(9, noise(500, 77))].into_iter());
    let mut source = Still::of(&store);
    let changed = create(&repository, &mut source, 300).unwrap();
    assert_eq!((changed.bodies, changed.chunks, source.fetched), (1, 1, 1));
    assert!(changed.written < 2000, "{}", changed.written);
    // Each of them is still what it was.
    let old = repository.as_of(250).unwrap();
    assert_eq!(old.name(), again.manifest.name());
    let copy = Memory::new();
    let mut passed = |_, _| {};
    let found = backup::restore(&repository, &old, &copy, None, &mut passed);
    assert_eq!(now(found).unwrap().bodies, 45);
    assert!(repository.as_of(99).is_err());
}

#[test]
fn a_snapshot_is_backed_up_whatever_happens_meanwhile() {
    let (store, disk) = (kept(), disk(2));
    let mut source = Still::of(&store);
    let before = contents_now(&store);
    let (other, mut number) = (store.clone(), 500);
    source.meanwhile = Box::new(move || {
        number += 1;
        put(
            &other,
            1 + number % 3,
            [(number, noise(300, number))].into_iter(),
        );
    });
    let repository = repository(&disk);
    create(&repository, &mut source, 100).unwrap();
    let (copy, found) = restored(&repository).unwrap();
    assert_eq!(found.flaws, []);
    assert!(contents_now(&copy) == before);
    assert!(contents_now(&store).len() > before.len());
}

#[test]
fn a_flipped_bit_is_found_named_and_costs_no_more_than_what_it_is_in() {
    let (store, disk) = (kept(), disk(3));
    let repository = repository(&disk);
    let made = create(&repository, &mut Still::of(&store), 100).unwrap();
    let all = contents_now(&store);
    let files = ["bodies", "rows", "manifests"].map(|folder| packs(&disk, folder));
    for path in files.iter().flatten() {
        let len = disk.len(path).unwrap();
        for part in 0..40 {
            let at = len * part / 40;
            assert!(disk.flip(path, at, 3));
            let told = match restored(&repository) {
                Ok((copy, found)) => {
                    let mut passed = |_, _| {};
                    let manifest = &made.manifest;
                    let compared = backup::compare(&repository, manifest, &copy, &mut passed);
                    let compared = now(compared).unwrap();
                    let is_same = contents_now(&copy) == all;
                    assert_eq!(compared.flaw_count == 0, is_same);
                    // A pack's first octets say only what it is.
                    assert!(found.flaw_count > 0 || is_same, "{path:?} at {at}");
                    found.flaw_count > 0
                }
                Err(error) => {
                    assert!(path.starts_with("/backups/manifests"), "{error}");
                    true
                }
            };
            assert!(told || at < 8, "{path:?} at {at} of {len}");
            assert!(disk.flip(path, at, 3));
        }
    }
    let (copy, found) = restored(&repository).unwrap();
    assert_eq!((found.flaws, contents_now(&copy) == all), (vec![], true));
}

#[test]
fn what_was_in_a_pack_that_is_gone_is_written_again() {
    let (store, disk) = (kept(), disk(4));
    let repository = repository(&disk);
    create(&repository, &mut Still::of(&store), 100).unwrap();
    for folder in ["bodies", "rows"] {
        for pack in packs(&disk, folder) {
            disk.remove(&pack).unwrap();
        }
        let (_, found) = restored(&repository).unwrap();
        assert!(found.flaw_count > 0);
        create(&repository, &mut Still::of(&store), 200).unwrap();
        let (copy, found) = restored(&repository).unwrap();
        assert_eq!(found.flaws, []);
        assert!(contents_now(&copy) == contents_now(&store));
    }
}

#[test]
fn a_body_that_the_store_lost_is_named_and_taken_when_it_is_back() {
    let (store, disk) = (kept(), disk(5));
    let repository = repository(&disk);
    let large = Digest::of(&noise(3_000_000, 1));
    let mut source = Still::of(&store);
    source.unreadable = vec![large];
    let made = create(&repository, &mut source, 100).unwrap();
    assert_eq!((made.lost, made.manifest.sums().lost), (vec![large], 1));
    let (_, found) = restored(&repository).unwrap();
    assert_eq!(found.flaw_count, 1);
    let made = create(&repository, &mut Still::of(&store), 200).unwrap();
    assert_eq!((made.bodies, made.manifest.sums().lost), (1, 0));
    let (copy, found) = restored(&repository).unwrap();
    assert_eq!(found.flaws, []);
    assert!(contents_now(&copy) == contents_now(&store));
}

#[test]
fn one_writes_at_a_time() {
    let (store, folder) = (kept(), tempfile::tempdir().unwrap());
    let medium = || Folder::new(Arc::new(RealDisk), folder.path());
    let repository = Repository::new(Box::new(medium()));
    let held = medium().hold().unwrap();
    let refused = create(&repository, &mut Still::of(&store), 200).unwrap_err();
    assert!(matches!(refused, backup::Error::Busy { .. }), "{refused}");
    drop(held);
    create(&repository, &mut Still::of(&store), 200).unwrap();
    let (copy, _) = restored(&repository).unwrap();
    assert!(contents_now(&copy) == contents_now(&store));
}
