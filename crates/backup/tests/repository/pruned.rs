//! Old backups go; what others need stays, wherever the work is broken off.

use std::path::Path;

use sim::{Failure, Fault, SimDisk};
use store::disk::Disk as _;
use store::{Batch, Memory, Partition, Table, Write, Writes};

use crate::kept::{Still, contents_now, create, disk, noise, now, put, repository, restored};

fn delete(store: &Memory, at: u64, numbers: std::ops::Range<u64>) {
    let partition = Partition(at);
    let writes = numbers.map(|number| Write::Delete {
        table: Table(5),
        key: number.to_be_bytes().to_vec().into(),
    });
    let part = Writes {
        partition,
        from: now(store::Store::version(store, partition)).unwrap(),
        writes: writes.collect(),
    };
    let parts = vec![part];
    let blobs = Vec::new();
    now(store::Store::commit(store, Batch { parts, blobs })).unwrap();
}

fn octets(disk: &SimDisk) -> u64 {
    let folders = ["bodies", "rows", "manifests", "drafts"];
    let paths = folders.map(|folder| disk.list(&Path::new("/backups").join(folder)));
    let paths = paths.into_iter().flatten().flatten();
    paths.map(|path| disk.len(&path).unwrap()).sum()
}

/// Three backups; of the first, most is not in the others. Tells the names.
fn made(disk: &SimDisk, store: &Memory) -> Vec<String> {
    let repository = repository(disk);
    put(
        store,
        1,
        (0..100).map(|number| (number, noise(2000, number))),
    );
    put(
        store,
        2,
        (0..20).map(|number| (number, noise(100, 900 + number))),
    );
    create(&repository, &mut Still::of(store), 100).unwrap();
    delete(store, 1, 0..90);
    create(&repository, &mut Still::of(store), 200).unwrap();
    put(
        store,
        2,
        (20..30).map(|number| (number, noise(100, 900 + number))),
    );
    create(&repository, &mut Still::of(store), 300).unwrap();
    let backups = repository.backups().unwrap();
    backups.into_iter().map(|one| one.name).collect()
}

#[test]
fn what_only_old_backups_had_goes() {
    let (store, disk) = (Memory::new(), disk(1));
    let names = made(&disk, &store);
    let before = octets(&disk);
    let repository = repository(&disk);
    let pruned = backup::prune(&repository, &names[..1]).unwrap();
    assert_eq!(pruned.backups, 1);
    assert!(pruned.octets > 170_000, "{pruned:?}");
    assert!(octets(&disk) < before / 4, "{} of {before}", octets(&disk));
    let (copy, found) = restored(&repository).unwrap();
    assert_eq!(found.flaws, []);
    assert!(contents_now(&copy) == contents_now(&store));
    // What is gone is written again when it comes back: nothing is believed to be there.
    put(
        &store,
        1,
        (0..100).map(|number| (number, noise(2000, number))),
    );
    for moment in [400, 500] {
        create(&repository, &mut Still::of(&store), moment).unwrap();
        let (copy, found) = restored(&repository).unwrap();
        assert_eq!(found.flaws, []);
        assert!(contents_now(&copy) == contents_now(&store));
    }
    let again = backup::prune(&repository, &[]).unwrap();
    assert_eq!((again.packs, again.octets), (0, 0));
}

#[test]
fn wherever_it_is_broken_off_others_are_whole() {
    for passing in 0.. {
        let (store, disk) = (Memory::new(), disk(passing));
        let names = made(&disk, &store);
        disk.fail(Some(Fault {
            kind: None,
            passing,
            failure: Failure::Broken,
            then: sim::Then::Fail,
        }));
        let done = backup::prune(&repository(&disk), &names[..1]);
        if disk.failed().is_none() {
            done.unwrap();
            assert!(passing > 10, "{passing} operations");
            return;
        }
        let disk = disk.cut();
        let repository = repository(&disk);
        let check = |what: &str| {
            let (copy, found) = restored(&repository).unwrap();
            assert_eq!(found.flaws, [], "{passing}, {what}");
            assert!(
                contents_now(&copy) == contents_now(&store),
                "{passing}, {what}"
            );
        };
        check("cut");
        let left = repository.backups().unwrap();
        let old = left.first().filter(|one| one.name == names[0]);
        let old: Vec<String> = old.map(|one| one.name.clone()).into_iter().collect();
        backup::prune(&repository, &old).unwrap();
        check("again");
        create(&repository, &mut Still::of(&store), 400).unwrap();
        check("the next one");
    }
}

/// Two backups; of each pack of bodies the second needs a little.
fn half_needed(disk: &SimDisk, store: &Memory) -> Vec<String> {
    let repository = repository(disk);
    for moment in [100, 200] {
        let numbers = moment..moment + 20;
        let bodies = numbers.map(|number| (number, noise(2000, number)));
        put(store, 1, bodies);
        let seconds = i64::try_from(moment).unwrap();
        create(&repository, &mut Still::of(store), seconds).unwrap();
    }
    for moment in [100, 200] {
        delete(store, 1, moment + 3..moment + 20);
    }
    create(&repository, &mut Still::of(store), 300).unwrap();
    let backups = repository.backups().unwrap();
    backups.into_iter().map(|one| one.name).collect()
}

#[test]
fn a_damaged_pack_of_bodies_stays_and_the_others_are_done() {
    let mut stays = 0;
    for damaged in 0..2 {
        for part in 0..40 {
            let (store, disk) = (Memory::new(), disk(1));
            let names = half_needed(&disk, &store);
            let packs = disk.list(Path::new("/backups/bodies")).unwrap();
            assert_eq!(packs.len(), 2);
            let path = &packs[damaged];
            assert!(disk.flip(path, disk.len(path).unwrap() * part / 40, 1));
            let repository = repository(&disk);
            let pruned = backup::prune(&repository, &names[..2]).unwrap();
            assert_eq!(pruned.backups, 2);
            // The other one is written anew without what nobody needs.
            assert!(disk.len(&packs[1 - damaged]).is_err(), "{pruned:?}");
            let told = path.strip_prefix("/backups").unwrap();
            let is_told = |flaw: &String| flaw.contains(told.to_str().unwrap());
            assert_eq!(disk.len(path).is_ok(), pruned.flaws.iter().any(is_told));
            assert_eq!(disk.len(path).is_ok(), !pruned.flaws.is_empty());
            stays += pruned.flaws.len();
            let (copy, found) = restored(&repository).unwrap();
            let is_whole = contents_now(&copy) == contents_now(&store);
            assert_eq!(is_whole, found.flaws.is_empty());
            assert!(is_whole || disk.len(path).is_ok(), "{found:?}");
            // Once it is taken out, what it had is written again.
            drop(disk.remove(path));
            create(&repository, &mut Still::of(&store), 400).unwrap();
            let (copy, found) = restored(&repository).unwrap();
            assert_eq!(found.flaws, []);
            assert!(contents_now(&copy) == contents_now(&store));
        }
    }
    assert!((2..80).contains(&stays), "{stays}");
}

#[test]
fn nothing_goes_where_it_is_not_sure_what_is_needed() {
    let mut refusals = 0;
    for part in 0..30 {
        for pack in 0..3 {
            let (store, disk) = (Memory::new(), disk(1));
            let names = made(&disk, &store);
            let before = octets(&disk);
            let packs = disk.list(Path::new("/backups/rows")).unwrap();
            let at = disk.len(&packs[pack]).unwrap() * part / 30;
            assert!(disk.flip(&packs[pack], at, 1));
            let repository = repository(&disk);
            if backup::prune(&repository, &names[..1]).is_err() {
                refusals += 1;
                assert_eq!(octets(&disk), before, "{pack} at {at}");
            } else {
                // It was in what nobody needs.
                let (copy, found) = restored(&repository).unwrap();
                assert_eq!(found.flaws, []);
                assert!(contents_now(&copy) == contents_now(&store));
            }
        }
    }
    assert!(refusals > 20, "{refusals}");
}
