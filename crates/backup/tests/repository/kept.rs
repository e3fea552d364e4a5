//! A store with something in it, as a source; and what there is in one, for comparing.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ::mail::{BlobRange, Timestamp};
use backup::{
    Bodies, Created, Draft, Error, Extra, Folder, Object, Outcome, Repository, Restored, Rows,
    Source,
};
use bytes::Bytes;
use sim::{Dice, SimDisk, Trace};
use store::disk::Disk;
use store::{
    Batch, Hint, Memory, Partition, Snapshot, SnapshotPage, SnapshotRow, Sought, Staged, Store,
    Table, Write, Writes,
};

/// Octets of rows that are told at once.
const PAGE_OCTETS: usize = 3000;
/// The table of messages.
const EMAILS: Table = Table(5);

/// A store at one instant.
pub(crate) struct Still {
    pub(crate) store: Memory,
    snapshot: Arc<dyn Snapshot>,
    /// What is done between two questions, so that the store is not the same.
    pub(crate) meanwhile: Box<dyn FnMut()>,
    /// Bodies that cannot be read.
    pub(crate) unreadable: Vec<Digest>,
    /// Bodies that were asked for.
    pub(crate) fetched: usize,
}

pub(crate) use backup::Digest;

impl Still {
    pub(crate) fn of(store: &Memory) -> Self {
        Self {
            snapshot: now(store.snapshot()).unwrap(),
            store: store.clone(),
            meanwhile: Box::new(|| {}),
            unreadable: Vec::new(),
            fetched: 0,
        }
    }
}

impl Rows for Still {
    fn rows(&mut self, from: Bytes) -> Outcome<SnapshotPage> {
        (self.meanwhile)();
        now(self.snapshot.rows(from, PAGE_OCTETS)).map_err(|error| Error::Source(error.to_string()))
    }
}

impl Bodies for Still {
    fn bodies(
        &mut self,
        wanted: &[Sought],
        taken: &mut dyn FnMut(Option<Bytes>) -> Outcome<()>,
    ) -> Outcome<()> {
        for one in wanted {
            (self.meanwhile)();
            self.fetched += 1;
            let is_lost = self.unreadable.contains(&Digest(one.range.blob.0));
            let read = now(self.store.read(one.range)).ok();
            taken(read.filter(|_| !is_lost))?;
        }
        Ok(())
    }
}

impl Source for Still {
    fn passed(&mut self, _messages: u64, _octets: u64) {}
}

/// The outcome of what does not wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("memory does not wait"),
    }
}

pub(crate) fn disk(seed: u64) -> SimDisk {
    SimDisk::new(Dice::new(seed, "disk"), Trace::default())
}

pub(crate) fn repository(disk: &SimDisk) -> Repository {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Repository::new(Box::new(Folder::new(disk, Path::new("/backups"))))
}

pub(crate) fn extra(path: &str, content: impl Object + 'static) -> Extra {
    Extra {
        path: path.to_owned(),
        content: Ok(Box::new(content)),
    }
}

pub(crate) fn create_with(
    repository: &Repository,
    source: &mut Still,
    extras: impl IntoIterator<Item = Extra>,
    seconds: i64,
) -> Outcome<Created> {
    let about = (Timestamp::utc(seconds), "mx.example.org", 1);
    backup::create(repository, source, &mut extras.into_iter(), about)
}

pub(crate) fn create(
    repository: &Repository,
    source: &mut Still,
    seconds: i64,
) -> Outcome<Created> {
    let extras = [extra("keys/one", io::Cursor::new(b"secret"))];
    create_with(repository, source, extras, seconds)
}

/// The last backup, in a new store.
pub(crate) fn restored(repository: &Repository) -> Outcome<(Memory, Restored)> {
    let manifest = repository.manifest(None)?;
    let store = Memory::new();
    let mut passed = |_, _| {};
    let restored = backup::restore(repository, &manifest, &store, None, &mut passed);
    let mut restored = now(restored)?;
    let files = files(repository, &mut restored)?;
    if restored.flaw_count == 0 {
        assert_eq!(files, [("keys/one".to_owned(), b"secret".to_vec())]);
    }
    Ok((store, restored))
}

/// What was given back, by path.
type Given = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

struct Giving {
    given: Given,
    octets: Vec<u8>,
}

impl io::Write for Giving {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.octets.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Draft for Giving {
    fn keep(self: Box<Self>, name: &str) -> io::Result<()> {
        let mut given = self.given.lock().unwrap();
        given.push((name.to_owned(), self.octets));
        Ok(())
    }
}

/// The files of the last backup.
pub(crate) fn files(
    repository: &Repository,
    restored: &mut Restored,
) -> Outcome<Vec<(String, Vec<u8>)>> {
    let manifest = repository.manifest(None)?;
    let given = Given::default();
    let mut begin = || -> io::Result<Box<dyn Draft>> {
        Ok(Box::new(Giving {
            given: Arc::clone(&given),
            octets: Vec::new(),
        }))
    };
    let paths = backup::files(repository, &manifest, restored, &mut begin)?;
    let given = std::mem::take(&mut *given.lock().unwrap());
    assert!(given.iter().map(|(path, _)| path).eq(&paths));
    Ok(given)
}

/// All rows of a store, hints left out, and behind each its body, if it has one.
fn contents(snapshot: &dyn Snapshot, store: &Memory) -> Vec<(Vec<u8>, Option<Bytes>)> {
    let mut contents = Vec::new();
    let mut next = Some(Bytes::new());
    while let Some(from) = next {
        let page = now(snapshot.rows(from, 1 << 20)).unwrap();
        let mut rest = &page.octets[..];
        while let Some(row) = SnapshotRow::take(&mut rest) {
            let mention = post::stored_body(row.partition, row.table, row.value);
            let mut value = row.value.to_vec();
            let body = mention.map(|mention| {
                if mention.hint.is_some() {
                    value[33..41].fill(0);
                }
                let range = BlobRange {
                    blob: mention.blob,
                    offset: 0,
                    len: mention.octets,
                };
                now(store.read(range)).unwrap_or_default()
            });
            let partition = row.partition.0.to_be_bytes();
            contents.push((
                [&partition[..], &[row.table.0], row.key, &value].concat(),
                body,
            ));
        }
        next = page.next;
    }
    contents
}

pub(crate) fn contents_now(store: &Memory) -> Vec<(Vec<u8>, Option<Bytes>)> {
    contents(&*now(store.snapshot()).unwrap(), store)
}

/// Octets that look like chance.
pub(crate) fn noise(len: usize, seed: u64) -> Bytes {
    let mut octets = vec![0; len];
    Dice::new(seed, "noise").fill(&mut octets);
    octets.into()
}

/// A message's row with its body.
pub(crate) fn message(number: u64, body: &Bytes) -> (Write, Staged) {
    let staged = Staged::of(body.clone());
    let mut value = vec![3];
    value.extend_from_slice(&staged.blob.0);
    // A hint of this store, and of no other.
    value.extend_from_slice(&Hint(number.to_be_bytes()).0);
    let mut size = staged.len;
    while size >= 0x80 {
        value.push(u8::try_from(size & 0x7f).unwrap() | 0x80);
        size >>= 7;
    }
    value.push(u8::try_from(size).unwrap());
    value.extend_from_slice(&[0, 0]);
    let write = Write::PutBeside {
        table: EMAILS,
        key: Bytes::copy_from_slice(&number.to_be_bytes()),
        value: value.into(),
    };
    (write, staged)
}

/// Puts messages into a partition.
pub(crate) fn put(store: &Memory, at: u64, messages: impl Iterator<Item = (u64, Bytes)>) {
    let partition = Partition(at);
    let (mut writes, mut blobs) = (Vec::new(), Vec::new());
    for (number, body) in messages {
        let (write, staged) = message(number, &body);
        writes.push(write);
        blobs.push(staged);
    }
    let from = now(store.version(partition)).unwrap();
    let part = Writes {
        partition,
        from,
        writes,
    };
    let parts = vec![part];
    now(store.commit(Batch { parts, blobs })).unwrap();
}
