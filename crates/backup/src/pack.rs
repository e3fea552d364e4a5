//! A pack: items back to back, and an index of their digests at its end.
//!
//! ```text
//! pack:  magic:8, items, index, footer
//! index: (digest:32 offset:u64 len:u64)*, rising
//! footer: items:u64 index_at:u64 name:32 magic:8
//! ```
//!
//! A pack's name is the digest of its index (a keyed one where it is sealed), which has the digests
//! of its items: so who knows the name knows every octet.
//!
//! Not here: which packs there are (`catalogue`).

use std::collections::HashSet;
use std::io::{SeekFrom, Write};

use crate::medium::{Draft, Object};
use crate::repository::{self, Repository};
use crate::seal::Key;
use crate::{Digest, Error, Outcome};

/// Items of a pack at most: its index is read whole.
pub(crate) const ITEMS_MAX: usize = 1 << 16;
/// Octets of an entry of the index.
const ENTRY_OCTETS: usize = 48;
const FOOTER_OCTETS: usize = 56;
const MAGIC: [u8; 8] = *b"carampk1";

/// Where an item is in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) digest: Digest,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// A pack being written.
pub(crate) struct Packer {
    folder: &'static str,
    octets_max: u64,
    key: Option<Key>,
    draft: Option<Box<dyn Draft>>,
    at: u64,
    entries: Vec<Entry>,
    /// What it has, for who asks before it is finished.
    known: HashSet<Digest>,
    /// The item that is being written: where it began, and its hash so far.
    item: Option<(u64, blake3::Hasher)>,
    /// Octets of all packs that were finished.
    pub(crate) written: u64,
    /// Names of the packs that were finished.
    pub(crate) finished: Vec<Digest>,
}

impl Packer {
    /// Packs for a folder, each of about so many octets.
    pub(crate) fn new(repository: &Repository, folder: &'static str, octets_max: u64) -> Self {
        Self {
            folder,
            octets_max,
            key: repository.key(),
            draft: None,
            at: 0,
            entries: Vec::new(),
            known: HashSet::new(),
            item: None,
            written: 0,
            finished: Vec::new(),
        }
    }

    /// True if this item is in the pack that is not finished.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.known.contains(digest)
    }

    /// Adds octets to the item that is being written, or begins one.
    pub(crate) fn write(&mut self, repository: &Repository, octets: &[u8]) -> Outcome<()> {
        let begun = match self.draft.take() {
            Some(draft) => draft,
            None => {
                let mut draft = repository.begin()?;
                draft
                    .write_all(&MAGIC)
                    .map_err(Error::medium("writing a pack"))?;
                self.at = MAGIC.len() as u64;
                draft
            }
        };
        let draft = self.draft.insert(begun);
        let at = self.at;
        let (_, hasher) = self.item.get_or_insert_with(|| (at, blake3::Hasher::new()));
        hasher.update(octets);
        draft
            .write_all(octets)
            .map_err(Error::medium("writing a pack"))?;
        self.at += octets.len() as u64;
        Ok(())
    }

    /// Ends the item, and says what it is; it counts if it is `wanted`, or if nothing was.
    pub(crate) fn end(&mut self, wanted: Option<Digest>) -> Option<Digest> {
        let (offset, hasher) = self.item.take()?;
        let digest = Digest(*hasher.finalize().as_bytes());
        if wanted.is_some_and(|wanted| wanted != digest) {
            return None;
        }
        if self.known.insert(digest) {
            let len = self.at - offset;
            self.entries.push(Entry {
                digest,
                offset,
                len,
            });
        }
        Some(digest)
    }

    /// Gives the item up: its octets stay, and nothing names them.
    pub(crate) fn abandon(&mut self) {
        self.item = None;
    }

    /// True if it is as large as it should become.
    pub(crate) fn is_full(&self) -> bool {
        self.at >= self.octets_max || self.entries.len() >= ITEMS_MAX
    }

    /// Ends the pack, if there is anything in it: then it is durable.
    pub(crate) fn finish(&mut self) -> Outcome<()> {
        let Some(mut draft) = self.draft.take() else {
            return Ok(());
        };
        let mut entries = std::mem::take(&mut self.entries);
        self.known.clear();
        entries.sort_unstable_by_key(|entry| entry.digest);
        let index = encode(&entries);
        let name = repository::name(self.key.as_ref(), &index);
        let mut footer = (entries.len() as u64).to_be_bytes().to_vec();
        footer.extend_from_slice(&self.at.to_be_bytes());
        footer.extend_from_slice(&name.0);
        footer.extend_from_slice(&MAGIC);
        let path = format!("{}/{name}", self.folder);
        let kept = draft
            .write_all(&index)
            .and_then(|()| draft.write_all(&footer))
            .and_then(|()| draft.keep(&path));
        kept.map_err(Error::medium("finishing a pack"))?;
        self.written += self.at + index.len() as u64 + FOOTER_OCTETS as u64;
        self.finished.push(name);
        Ok(())
    }
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut index = Vec::with_capacity(entries.len() * ENTRY_OCTETS);
    for entry in entries {
        index.extend_from_slice(&entry.digest.0);
        index.extend_from_slice(&entry.offset.to_be_bytes());
        index.extend_from_slice(&entry.len.to_be_bytes());
    }
    index
}

fn decode(entry: &[u8; ENTRY_OCTETS]) -> Option<Entry> {
    let (digest, rest) = entry.split_first_chunk()?;
    let (offset, len) = rest.split_first_chunk()?;
    Some(Entry {
        digest: Digest(*digest),
        offset: u64::from_be_bytes(*offset),
        len: u64::from_be_bytes(len.try_into().ok()?),
    })
}

/// The index of a pack.
#[derive(Debug)]
pub(crate) struct Index {
    octets: Vec<u8>,
}

impl Index {
    /// Reads and verifies the index of a pack with this name.
    pub(crate) fn read(
        object: &mut dyn Object,
        repository: &Repository,
        name: Digest,
        path: &str,
    ) -> Outcome<Self> {
        let doing = || format!("reading {path}");
        let damaged = |why: &str| Error::damaged(path, why);
        let len = object
            .seek(SeekFrom::End(0))
            .map_err(Error::medium(doing()))?;
        let at = len.checked_sub(FOOTER_OCTETS as u64);
        let at = at.ok_or_else(|| damaged("it is too short"))?;
        let mut footer = [0; FOOTER_OCTETS];
        read_at(object, at, &mut footer).map_err(Error::medium(doing()))?;
        let (index_at, items) = footer_of(&footer, name)
            .filter(|(from, items)| {
                let octets = items.checked_mul(ENTRY_OCTETS as u64);
                octets.and_then(|octets| octets.checked_add(*from)) == Some(at)
            })
            .ok_or_else(|| damaged("its end is not what its name says"))?;
        let items = usize::try_from(items)
            .ok()
            .filter(|items| *items <= ITEMS_MAX);
        let items = items.ok_or_else(|| damaged("it has too many items"))?;
        let mut octets = vec![0; items * ENTRY_OCTETS];
        read_at(object, index_at, &mut octets).map_err(Error::medium(doing()))?;
        if repository.name(&octets) != name {
            return Err(damaged("its index is not what its name says"));
        }
        Ok(Self { octets })
    }

    /// An item, and which one it is.
    pub(crate) fn find(&self, digest: &Digest) -> Option<(usize, Entry)> {
        let (entries, _) = self.octets.as_chunks::<ENTRY_OCTETS>();
        let digest_of = |entry: &[u8; ENTRY_OCTETS]| entry.first_chunk().copied().map(Digest);
        let at = entries
            .binary_search_by_key(&Some(*digest), digest_of)
            .ok()?;
        Some((at, decode(entries.get(at)?)?))
    }

    /// All items, in their order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        let (entries, _) = self.octets.as_chunks();
        entries.iter().filter_map(decode)
    }

    /// Octets that it takes in memory.
    pub(crate) const fn octets(&self) -> usize {
        self.octets.len()
    }
}

/// Where the index begins and how many items it has, if this is the footer of a pack of that name.
fn footer_of(footer: &[u8; FOOTER_OCTETS], name: Digest) -> Option<(u64, u64)> {
    let (items, rest) = footer.split_first_chunk()?;
    let (index_at, rest) = rest.split_first_chunk()?;
    let right = rest.strip_prefix(&name.0) == Some(&MAGIC[..]);
    right.then_some((u64::from_be_bytes(*index_at), u64::from_be_bytes(*items)))
}

pub(crate) fn read_at(object: &mut dyn Object, at: u64, octets: &mut [u8]) -> std::io::Result<()> {
    object.seek(SeekFrom::Start(at))?;
    object.read_exact(octets)
}
