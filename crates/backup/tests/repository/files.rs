//! Files beside the store: large ones, ones that cannot be read, ones that change.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use backup::{Extra, Restored};
use store::Memory;
use store::disk::Disk as _;

use crate::kept::{Still, create_with, disk, extra, files, noise, put, repository};

/// Octets that no answer has more of at once than were asked for; the most that were.
struct Watched {
    content: Cursor<Vec<u8>>,
    most: Arc<AtomicUsize>,
}

impl Read for Watched {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        self.most.fetch_max(octets.len(), Ordering::Relaxed);
        self.content.read(octets)
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.content.seek(to)
    }
}

#[test]
fn a_file_of_any_size_comes_back_and_is_written_once() {
    let (store, disk) = (Memory::new(), disk(1));
    let repository = repository(&disk);
    // Larger than a pack of rows, than a chunk, and than is read at once.
    let sizes = [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 100 << 20];
    let contents: Vec<Vec<u8>> = (0..)
        .zip(sizes)
        .map(|(n, size)| noise(size, n).into())
        .collect();
    let most = Arc::new(AtomicUsize::new(0));
    for round in 0..2 {
        let some = contents.iter().enumerate().map(|(number, content)| {
            let most = Arc::clone(&most);
            let content = Cursor::new(content.clone());
            extra(&format!("some/{number}"), Watched { content, most })
        });
        let made = create_with(&repository, &mut Still::of(&store), some, 100 + round).unwrap();
        assert_eq!(
            (made.written == 0, made.manifest.sums().files),
            (round == 1, 6)
        );
    }
    assert_eq!(most.load(Ordering::Relaxed), 1 << 20);
    let names: Vec<String> = repository
        .backups()
        .unwrap()
        .into_iter()
        .map(|one| one.name)
        .collect();
    let pruned = backup::prune(&repository, &names[..1]).unwrap();
    assert_eq!((pruned.packs, pruned.octets), (0, 0));
    let mut found = Restored::default();
    let given = files(&repository, &mut found).unwrap();
    assert_eq!(found.flaws, []);
    assert_eq!(given.len(), contents.len());
    for (number, ((path, octets), content)) in given.iter().zip(&contents).enumerate() {
        assert_eq!(path, &format!("some/{number}"));
        assert!(octets == content, "{path}");
    }
}

/// What is another each time it is read from the beginning, so many times; or then breaks.
struct Restless {
    content: Cursor<Vec<u8>>,
    turns: usize,
    breaks: bool,
}

impl Read for Restless {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        if self.breaks && self.turns == 0 && self.content.position() > 0 {
            return Err(io::Error::other("a bad sector"));
        }
        let some = octets.len().min(1000);
        self.content.read(&mut octets[..some])
    }
}

impl Seek for Restless {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if self.turns > 0 && matches!(to, SeekFrom::Start(_)) {
            self.turns -= 1;
            self.content.get_mut()[0] ^= u8::from(!self.breaks);
        }
        self.content.seek(to)
    }
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_there() {
    let restless = |turns, breaks| {
        let content = Cursor::new(noise(3000, 7).to_vec());
        Restless {
            content,
            turns,
            breaks,
        }
    };
    let (store, disk) = (Memory::new(), disk(2));
    put(&store, 1, (1..4).map(|number| (number, noise(100, number))));
    let repository = repository(&disk);
    let missing = Extra {
        path: "missing".to_owned(),
        content: Err(io::ErrorKind::PermissionDenied.into()),
    };
    let extras = [
        extra("first", Cursor::new(b"one")),
        missing,
        extra("breaks", restless(2, true)),
        extra("settles", restless(2, false)),
        extra("changes", restless(usize::MAX, false)),
        extra("last", Cursor::new(b"two")),
    ];
    let made = create_with(&repository, &mut Still::of(&store), extras, 100).unwrap();
    assert_eq!(
        (made.manifest.sums().files, made.manifest.sums().unread),
        (3, 3)
    );
    let told = made.unread.join("\n");
    let names = [
        "missing: permission",
        "breaks: a bad",
        "changes: it changes",
    ];
    assert!(names.iter().all(|name| told.contains(name)), "{told}");
    let mut found = Restored::default();
    let given = files(&repository, &mut found).unwrap();
    let paths: Vec<&str> = given.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["first", "settles", "last"]);
    let told: Vec<&str> = found.flaws.iter().map(|flaw| flaw.what.as_str()).collect();
    assert_eq!(told.len(), 3);
    assert!(
        told[2].starts_with("the file changes could not be read for the backup"),
        "{told:?}"
    );
}

#[test]
fn a_damaged_file_is_named_by_its_path_and_never_kept() {
    let (store, disk) = (Memory::new(), disk(3));
    let repository = repository(&disk);
    let content = noise(5000, 1);
    let extras = [
        extra("keys/one", Cursor::new(content)),
        extra("keys/two", Cursor::new(b"two")),
    ];
    create_with(&repository, &mut Still::of(&store), extras, 100).unwrap();
    let packs = disk.list(Path::new("/backups/rows")).unwrap();
    assert!(disk.flip(&packs[0], 4000, 1));
    let mut found = Restored::default();
    let given = files(&repository, &mut found).unwrap();
    assert_eq!(given, [("keys/two".to_owned(), b"two".to_vec())]);
    assert_eq!(found.flaw_count, 1);
    assert!(
        found.flaws[0]
            .what
            .starts_with("the file keys/one is lost: rows/"),
        "{found:?}"
    );
    // Others may still be able to make something of it.
    assert!(backup::prune(&repository, &[]).is_err());
}
