//! Which pack has what: asked for many items at once, so that each index is read once for all.
//!
//! Not here: what is in a pack that is being written (`pack`).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::medium::Object;
use crate::pack::{Entry, Index, Packer, read_at};
use crate::repository::Repository;
use crate::{Digest, Error, Outcome};

/// Octets of indexes that stay in memory; of what is beyond, each is read when it is asked.
const CACHE_OCTETS_MAX: usize = 32 << 20;
/// Packs that are open at once.
const OPEN_MAX: usize = 32;

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The pack, by its place in the list.
    pub(crate) pack: usize,
    /// Which of its items it is.
    pub(crate) at: usize,
    pub(crate) entry: Entry,
}

/// The packs of one folder.
pub(crate) struct Catalogue<'r> {
    repository: &'r Repository,
    folder: &'static str,
    packs: Vec<Digest>,
    indexes: HashMap<usize, Arc<Index>>,
    cached_octets: usize,
    open: HashMap<usize, Box<dyn Object>>,
    /// What is wrong with packs that could not be read.
    pub(crate) flaws: Vec<String>,
}

impl<'r> Catalogue<'r> {
    /// All packs of a folder.
    pub(crate) fn open(repository: &'r Repository, folder: &'static str) -> Outcome<Self> {
        Ok(Self {
            packs: repository.packs(folder)?,
            repository,
            folder,
            indexes: HashMap::new(),
            cached_octets: 0,
            open: HashMap::new(),
            flaws: Vec::new(),
        })
    }

    pub(crate) fn packs(&self) -> &[Digest] {
        &self.packs
    }

    /// Learns of the packs that were finished.
    pub(crate) fn add(&mut self, packer: &mut Packer) {
        self.packs.append(&mut packer.finished);
    }

    /// Takes a pack out that cannot be read, and remembers why.
    fn give_up(&mut self, pack: usize, error: Error) -> Outcome<()> {
        if !error.is_loss() {
            return Err(error);
        }
        let flaw = match error {
            Error::Damaged { .. } => error.to_string(),
            other => format!("{} is lost: {other}", self.path(pack)),
        };
        if !self.flaws.contains(&flaw) {
            self.flaws.push(flaw);
        }
        Ok(())
    }

    pub(crate) fn path(&self, pack: usize) -> String {
        let name = self.packs.get(pack).copied();
        let name = name.map(|name| name.to_string());
        format!("{}/{}", self.folder, name.unwrap_or_default())
    }

    /// Where items are; none for what no readable pack has.
    pub(crate) fn find(&mut self, wanted: &[Digest]) -> Outcome<Vec<Option<Place>>> {
        let mut places = vec![None; wanted.len()];
        let mut left: Vec<usize> = (0..wanted.len()).collect();
        for pack in 0..self.packs.len() {
            if left.is_empty() {
                break;
            }
            let index = match self.index(pack) {
                Ok(index) => index,
                Err(error) => {
                    self.give_up(pack, error)?;
                    continue;
                }
            };
            left.retain(|at| {
                let found = wanted.get(*at).and_then(|digest| index.find(digest));
                let place = found.map(|(at, entry)| Place { pack, at, entry });
                match places.get_mut(*at) {
                    Some(slot) if place.is_some() => *slot = place,
                    _ => return true,
                }
                false
            });
        }
        Ok(places)
    }

    /// The index of a pack.
    pub(crate) fn index(&mut self, pack: usize) -> Outcome<Arc<Index>> {
        if let Some(index) = self.indexes.get(&pack) {
            return Ok(Arc::clone(index));
        }
        let name = *self
            .packs
            .get(pack)
            .ok_or_else(|| Error::damaged("a list", "too short"))?;
        let (path, repository) = (self.path(pack), self.repository);
        let index = Arc::new(Index::read(self.object(pack)?, repository, name, &path)?);
        if self.cached_octets + index.octets() <= CACHE_OCTETS_MAX {
            self.cached_octets += index.octets();
            self.indexes.insert(pack, Arc::clone(&index));
        }
        Ok(index)
    }

    fn object(&mut self, pack: usize) -> Outcome<&mut dyn Object> {
        if !self.open.contains_key(&pack) {
            let object = self.repository.open(&self.path(pack))?;
            if self.open.len() >= OPEN_MAX {
                self.open.clear();
            }
            self.open.insert(pack, object);
        }
        match self.open.get_mut(&pack) {
            Some(object) => Ok(object.as_mut()),
            None => Err(Error::damaged(self.folder, "a pack was closed")),
        }
    }

    /// Reads a whole item, if it is not larger than this.
    pub(crate) fn read(&mut self, place: Place, octets_max: u64) -> Outcome<Bytes> {
        let Entry { digest, len, .. } = place.entry;
        if len > octets_max {
            let why = format!("{digest} in it is too large");
            return Err(Error::damaged(self.path(place.pack), why));
        }
        let octets = usize::try_from(len).unwrap_or(usize::MAX);
        let mut pieces = self.pieces(place, octets)?;
        let whole = pieces.next()?.unwrap_or_default();
        // The end says whether it is what it should be.
        pieces.next()?;
        Ok(whole.into())
    }

    /// The pieces of an item, at least one.
    pub(crate) fn pieces(&mut self, place: Place, octets_max: usize) -> Outcome<Pieces<'_>> {
        let path = self.path(place.pack);
        Ok(Pieces {
            object: self.object(place.pack)?,
            path,
            entry: place.entry,
            octets_max,
            done: None,
            hasher: blake3::Hasher::new(),
        })
    }
}

/// The pieces of an item: that it is what it should be is known once there are no more.
pub(crate) struct Pieces<'c> {
    object: &'c mut dyn Object,
    path: String,
    entry: Entry,
    octets_max: usize,
    /// Octets that were told.
    done: Option<u64>,
    hasher: blake3::Hasher,
}

impl Pieces<'_> {
    pub(crate) fn next(&mut self) -> Outcome<Option<Vec<u8>>> {
        let Entry {
            digest,
            offset,
            len,
        } = self.entry;
        if self.done == Some(len) {
            if *self.hasher.finalize().as_bytes() != digest.0 {
                let why = format!("{digest} in it is not what it was");
                return Err(Error::damaged(&self.path, why));
            }
            return Ok(None);
        }
        let done = self.done.unwrap_or(0);
        let left = usize::try_from(len - done).unwrap_or(usize::MAX);
        let mut piece = vec![0; left.min(self.octets_max)];
        let read = read_at(self.object, offset.saturating_add(done), &mut piece);
        read.map_err(Error::medium(format!("reading {}", self.path)))?;
        self.hasher.update(&piece);
        self.done = Some(done + piece.len() as u64);
        Ok(Some(piece))
    }
}
