//! Repositories that nobody without the key can read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup::{Error, Folder, Key, Outcome, Repository};
use sim::{Failure, Fault, SimDisk};
use store::Memory;
use store::disk::Disk;

use crate::kept::{Digest, Still, contents_now, create, disk, noise, put, restored};

fn sealed(disk: &SimDisk, secret: u8) -> Repository {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let folder = Folder::new(disk, Path::new("/backups"));
    Repository::sealed(Box::new(folder), Key::new(&[secret; 32]))
}

fn plain(disk: &SimDisk) -> Repository {
    crate::kept::repository(disk)
}

/// Two accounts; among the bodies one of no octet, some around a frame, one of many pieces.
fn kept() -> Memory {
    let store = Memory::new();
    let sizes = [0, 1, 65_535, 65_536, 65_537, 3_000_000];
    let bodies = sizes.map(|size| noise(size, u64::try_from(size).unwrap()));
    put(&store, 1, (1..).zip(bodies));
    put(
        &store,
        2,
        (1..30).map(|number| (number, noise(700, 100 + number))),
    );
    store
}

fn files(disk: &SimDisk) -> Vec<PathBuf> {
    let folders = ["bodies", "rows", "manifests"];
    let lists = folders.map(|folder| disk.list(&Path::new("/backups").join(folder)).unwrap());
    lists
        .into_iter()
        .flatten()
        .chain([PathBuf::from("/backups/seal")])
        .collect()
}

fn octets(disk: &SimDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path).unwrap();
    let mut octets = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    let mut at = 0;
    while at < octets.len() {
        at += file.read_at(&mut octets[at..], at as u64).unwrap();
    }
    octets
}

fn is_whole(repository: &Repository, store: &Memory) {
    let (copy, found) = restored(repository).unwrap();
    assert_eq!(found.flaws, []);
    assert!(contents_now(&copy) == contents_now(store));
}

#[test]
fn all_of_it_goes_as_without_a_key_and_nothing_of_it_can_be_seen() {
    let (store, disk) = (kept(), disk(1));
    let repository = sealed(&disk, 7);
    create(&repository, &mut Still::of(&store), 100).unwrap();
    is_whole(&repository, &store);
    // Another process, with the same key.
    let repository = sealed(&disk, 7);
    let again = create(&repository, &mut Still::of(&store), 200).unwrap();
    assert_eq!((again.written, again.bodies), (0, 0));
    put(
        &store,
        2,
        (30..40).map(|number| (number, noise(900, 100 + number))),
    );
    let more = create(&repository, &mut Still::of(&store), 300).unwrap();
    assert_eq!(more.bodies, 10);
    let names: Vec<String> = repository
        .backups()
        .unwrap()
        .into_iter()
        .map(|one| one.name)
        .collect();
    backup::prune(&repository, &names[..2]).unwrap();
    is_whole(&repository, &store);
    // Neither octets nor digests nor words.
    let body = noise(3_000_000, 3_000_000);
    let digest = Digest::of(&body).0;
    let seen: [&[u8]; 7] = [
        &body[1000..1016],
        &digest[..16],
        b"secret",
        b"keys/one",
        b"mx.example",
        b"carampk1",
        b"carachk1",
    ];
    for path in files(&disk) {
        let all = octets(&disk, &path);
        for part in seen {
            assert!(
                !all.windows(part.len()).any(|some| some == part),
                "{path:?}"
            );
        }
    }
    // The names of packs tell nobody what is in them, not even whoever has the same mail.
    let other = crate::kept::disk(2);
    create(&sealed(&other, 8), &mut Still::of(&store), 300).unwrap();
    let both = [files(&disk), files(&other)];
    let shared = both[0].iter().filter(|path| both[1].contains(path));
    let shared: Vec<_> = shared.filter(|path| !path.ends_with("seal")).collect();
    assert!(
        shared
            .iter()
            .all(|path| path.starts_with("/backups/manifests")),
        "{shared:?}"
    );
}

fn refusal<T>(done: Outcome<T>) -> Error {
    match done {
        Ok(_) => panic!("it was done"),
        Err(error) => error,
    }
}

#[test]
fn another_key_or_none_is_told_and_nothing_is_done() {
    let (store, disk) = (kept(), disk(1));
    create(&sealed(&disk, 7), &mut Still::of(&store), 100).unwrap();
    let before = files(&disk);
    for seal in ["there", "damaged", "gone"] {
        let path = Path::new("/backups/seal");
        match seal {
            "damaged" => assert!(disk.flip(path, 45, 1)),
            "gone" => disk.remove(path).unwrap(),
            _ => {}
        }
        let wrong = refusal(create(&sealed(&disk, 8), &mut Still::of(&store), 200));
        match seal {
            "gone" => assert!(matches!(wrong, Error::Unsealed), "{wrong}"),
            _ => assert!(matches!(wrong, Error::WrongKey), "{wrong}"),
        }
        if seal != "gone" {
            let none = refusal(create(&plain(&disk), &mut Still::of(&store), 200));
            assert!(matches!(none, Error::Sealed), "{none}");
        }
        assert!(
            refusal(restored(&sealed(&disk, 8)))
                .to_string()
                .contains("of another key")
        );
        // The right one opens it all the same.
        sealed(&disk, 7).check_key().unwrap();
        is_whole(&sealed(&disk, 7), &store);
    }
    assert_eq!(files(&disk).len(), before.len());
    // Nor does a key make a repository secret that was none.
    let open = crate::kept::disk(2);
    create(&plain(&open), &mut Still::of(&store), 100).unwrap();
    let late = refusal(create(&sealed(&open, 7), &mut Still::of(&store), 200));
    assert!(matches!(late, Error::Unsealed), "{late}");
    is_whole(&plain(&open), &store);
}

#[test]
fn a_flipped_bit_is_found_and_an_object_has_one_name() {
    let (store, disk) = (kept(), disk(1));
    let repository = sealed(&disk, 7);
    let made = create(&repository, &mut Still::of(&store), 100).unwrap();
    for path in files(&disk) {
        if path.ends_with("seal") {
            continue;
        }
        let len = disk.len(&path).unwrap();
        for part in 0..40 {
            assert!(disk.flip(&path, len * part / 40, 3));
            match restored(&repository) {
                Ok((_, found)) => assert!(found.flaw_count > 0, "{path:?} at {part}"),
                Err(error) => assert!(path.starts_with("/backups/manifests"), "{error}"),
            }
            assert!(disk.flip(&path, len * part / 40, 3));
        }
    }
    is_whole(&repository, &store);
    // An old backup cannot be shown as a new one.
    let name = format!("/backups/manifests/{}", made.manifest.name());
    let later = "/backups/manifests/2030-01-01T000000Z-01";
    disk.rename(Path::new(&name), Path::new(later)).unwrap();
    assert!(
        refusal(restored(&repository))
            .to_string()
            .contains("damaged")
    );
}

#[test]
fn one_that_was_broken_off_anywhere_goes_on() {
    let store = kept();
    for passing in 0.. {
        let disk = disk(passing);
        disk.fail(Some(Fault {
            kind: None,
            passing,
            failure: Failure::Broken,
            then: sim::Then::Fail,
        }));
        let done = create(&sealed(&disk, 7), &mut Still::of(&store), 100);
        if disk.failed().is_none() {
            done.unwrap();
            assert!(passing > 20, "{passing} operations");
            return;
        }
        let disk = disk.cut();
        create(&sealed(&disk, 7), &mut Still::of(&store), 200).unwrap();
        is_whole(&sealed(&disk, 7), &store);
    }
}
