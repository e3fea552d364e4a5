//! The view without an engine: maps in memory, each written to the store's disk whole.
//!
//! ```text
//! file: (key:u32 value:u32 key value)*, crc:u32
//! ```
//!
//! A keyspace may be written at other times than when it is asked for, as an engine's are: then
//! what a later open finds is newer than the checkpoint, and not of one record in all three.
//!
//! Not here: anything that would make this fast.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fjall::{UserKey, UserValue};

use super::changes::Told;
use super::{Changes, OpenError, Space, page};
use crate::backend::{Cut, Direction, Error, Page};
use crate::disk::{Disk, failed, read_whole, replace};
use crate::embedded::ground::Early;

type Map = BTreeMap<UserKey, UserValue>;

/// The maps; clones share them.
#[derive(Clone)]
pub(in crate::embedded) struct Plain {
    maps: Arc<Mutex<[Map; 3]>>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    early: Early,
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain")
    }
}

impl Plain {
    pub(super) fn open(disk: Arc<dyn Disk>, dir: &Path, early: Early) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Failed(failed("opening the view")(error));
        disk.make_dir(dir).map_err(failed)?;
        let [rows, versions, blobs] =
            Space::ALL.map(|space| match read_whole(&*disk, &dir.join(space.name())) {
                Ok(octets) => decode(&octets).ok_or_else(|| {
                    let name = space.name();
                    OpenError::Damaged(format!("the view's {name} are not readable"))
                }),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Map::new()),
                Err(error) => Err(failed(error)),
            });
        Ok(Self {
            maps: Arc::new(Mutex::new([rows?, versions?, blobs?])),
            disk,
            dir: dir.to_owned(),
            early,
        })
    }

    fn lock(&self) -> MutexGuard<'_, [Map; 3]> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn value(&self, space: Space, key: &[u8]) -> Option<UserValue> {
        map(&self.lock(), space).get(key).cloned()
    }

    pub(super) fn values(&self, keys: impl Iterator<Item = Vec<u8>>) -> Vec<Option<Bytes>> {
        let maps = self.lock();
        let rows = map(&maps, Space::Rows);
        let value = |key: Vec<u8>| {
            rows.get(&key[..])
                .map(|value| Bytes::copy_from_slice(value))
        };
        keys.map(value).collect()
    }

    pub(super) fn scan(
        &self,
        (first, last): (Bound<Vec<u8>>, Bound<Vec<u8>>),
        limit: usize,
        (direction, cut): (Direction, Option<Cut>),
    ) -> Result<Page, Error> {
        let maps = self.lock();
        let range = (
            first.as_ref().map(Vec::as_slice),
            last.as_ref().map(Vec::as_slice),
        );
        let rows = map(&maps, Space::Rows).range::<[u8], _>(range);
        let rows = rows.map(|(key, value)| Ok((key.clone(), value.clone())));
        match direction {
            Direction::Rising => page(rows, limit, cut),
            Direction::Falling => page(rows.rev(), limit, cut),
        }
    }

    pub(super) fn apply_piece(&self, changes: &mut Changes) {
        self.put(|each| changes.each_row(each));
    }

    pub(super) fn apply(&self, changes: Changes, sequence: u64) {
        self.put(|each| changes.each(sequence, each));
    }

    /// Puts in what `tell` tells, at once.
    fn put(&self, tell: impl FnOnce(&mut Told<'_>)) {
        let mut maps = self.lock();
        tell(&mut |space, key, value| {
            let map = map_mut(&mut maps, space);
            match value {
                Some(value) => drop(map.insert(key, value)),
                None => drop(map.remove(&key)),
            }
        });
        for space in Space::ALL {
            if (self.early)() {
                // What nobody asked for may fail as well.
                self.write(&maps, space).unwrap_or_default();
            }
        }
    }

    pub(super) fn persist(&self) -> Result<(), Error> {
        let maps = self.lock();
        Space::ALL
            .into_iter()
            .try_for_each(|space| self.write(&maps, space))
            .map_err(failed("syncing the view"))
    }

    fn write(&self, maps: &[Map; 3], space: Space) -> io::Result<()> {
        replace(
            &*self.disk,
            &self.dir,
            space.name(),
            &encode(map(maps, space)),
        )
    }

    pub(super) fn frozen(&self) -> FrozenPlain {
        FrozenPlain(Box::new(self.lock().clone()))
    }

    pub(super) fn all(&self, space: Space) -> Map {
        map(&self.lock(), space).clone()
    }
}

/// The maps as they were at one instant.
pub(in crate::embedded) struct FrozenPlain(Box<[Map; 3]>);

impl FrozenPlain {
    pub(super) fn range(
        &self,
        space: Space,
        range: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> impl Iterator<Item = Result<(UserKey, UserValue), Error>> {
        let rows = map(&self.0, space).range::<[u8], _>(range);
        rows.map(|(key, value)| Ok((key.clone(), value.clone())))
    }
}

fn map(maps: &[Map; 3], space: Space) -> &Map {
    let [rows, versions, blobs] = maps;
    match space {
        Space::Rows => rows,
        Space::Versions => versions,
        Space::Blobs => blobs,
    }
}

fn map_mut(maps: &mut [Map; 3], space: Space) -> &mut Map {
    let [rows, versions, blobs] = maps;
    match space {
        Space::Rows => rows,
        Space::Versions => versions,
        Space::Blobs => blobs,
    }
}

fn encode(map: &Map) -> Vec<u8> {
    let mut octets = Vec::new();
    for (key, value) in map {
        for len in [key.len(), value.len()] {
            let len = u32::try_from(len).unwrap_or(u32::MAX);
            octets.extend_from_slice(&len.to_be_bytes());
        }
        octets.extend_from_slice(key);
        octets.extend_from_slice(value);
    }
    let crc = crc32fast::hash(&octets);
    octets.extend_from_slice(&crc.to_be_bytes());
    octets
}

fn decode(octets: &[u8]) -> Option<Map> {
    let (mut rest, crc) = octets.split_last_chunk()?;
    if crc32fast::hash(rest) != u32::from_be_bytes(*crc) {
        return None;
    }
    let mut map = Map::new();
    while !rest.is_empty() {
        let (key_len, lens) = rest.split_first_chunk()?;
        let (value_len, both) = lens.split_first_chunk()?;
        let len = |len: &[u8; 4]| usize::try_from(u32::from_be_bytes(*len)).ok();
        let (key, behind) = both.split_at_checked(len(key_len)?)?;
        let (value, behind) = behind.split_at_checked(len(value_len)?)?;
        map.insert(key.into(), value.into());
        rest = behind;
    }
    Some(map)
}
