//! What is on the disk, what is durable of it, and what a power cut leaves.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::Dice;

/// The octets that a disk writes together.
const SECTOR_OCTETS: usize = 512;

/// A file, whatever its name.
pub(super) type Node = u64;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Dir,
    File(Node),
}

/// The disk.
#[derive(Debug, Default)]
pub(super) struct Image {
    nodes: BTreeMap<Node, Inode>,
    next: Node,
    names: BTreeMap<PathBuf, Entry>,
    durable: BTreeMap<PathBuf, Entry>,
    /// What is not durable of the names, in order.
    renaming: Vec<Naming>,
    /// Octets of all files.
    octets: u64,
}

#[derive(Debug, Default)]
struct Inode {
    durable: Vec<u8>,
    current: Vec<u8>,
    /// What a sync would make durable, in order.
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

/// What is kept of what was not synced, of a hundred. A file system writes what is in files and its
/// own structure at different times.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Sectors of files.
    octets: u64,
    /// Names, and lengths of files.
    structure: u64,
}

impl Kept {
    const HALF: Self = Self {
        octets: 50,
        structure: 50,
    };

    /// At times everything is lost that can be, or nothing.
    fn drawn(dice: &Dice) -> Self {
        let share = || *dice.of(&[0, 0, 20, 50, 90, 100, 100]).unwrap_or(&50);
        let octets = share();
        Self {
            octets,
            structure: share(),
        }
    }
}

#[derive(Clone, Debug)]
enum Naming {
    Link(PathBuf, Entry),
    /// With all that is below.
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, Entry),
}

impl Naming {
    /// The name that it is about in the end.
    fn path(&self) -> &Path {
        match self {
            Self::Link(path, _) | Self::Unlink(path) | Self::Rename(_, path, _) => path,
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Entry>) {
        match self {
            Self::Link(path, entry) => {
                names.insert(path.clone(), *entry);
            }
            Self::Unlink(path) => names.retain(|name, _| !name.starts_with(path)),
            Self::Rename(from, to, entry) => {
                let below: Vec<_> = names
                    .extract_if(.., |name, _| name.starts_with(from) || name.starts_with(to))
                    .collect();
                for (name, found) in below {
                    if let Ok(rest) = name.strip_prefix(from)
                        && rest != Path::new("")
                    {
                        names.insert(to.join(rest), found);
                    }
                }
                names.insert(to.clone(), *entry);
            }
        }
    }
}

impl Image {
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    pub(super) fn is_dir(&self, path: &Path) -> bool {
        path == Path::new("/") || self.names.get(path) == Some(&Entry::Dir)
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Node> {
        match self.names.get(path) {
            Some(Entry::File(node)) => Ok(*node),
            Some(Entry::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        if !self.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = self.names.keys().filter(|name| name.parent() == Some(dir));
        Ok(inside.cloned().collect())
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.renaming.push(naming);
        self.count();
    }

    pub(super) fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        if let Some(above) = path.parent()
            && !self.is_dir(above)
        {
            self.make_dir(above)?;
        }
        match self.names.get(path) {
            Some(Entry::File(_)) => Err(io::ErrorKind::AlreadyExists.into()),
            Some(Entry::Dir) => Ok(()),
            None => {
                self.name(Naming::Link(path.to_owned(), Entry::Dir));
                Ok(())
            }
        }
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<()> {
        if !path.parent().is_some_and(|above| self.is_dir(above)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if let Ok(node) = self.find(path) {
            self.set_len(node, 0);
            return Ok(());
        }
        self.next += 1;
        self.nodes.insert(self.next, Inode::default());
        self.name(Naming::Link(path.to_owned(), Entry::File(self.next)));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.name(Naming::Unlink(path.to_owned()));
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let entry = *self.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        if !to.parent().is_some_and(|above| self.is_dir(above)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.name(Naming::Rename(from.to_owned(), to.to_owned(), entry));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        let durable = &mut self.durable;
        self.renaming.retain(|naming| {
            let synced = naming.path().parent() == Some(dir);
            if synced {
                naming.apply(durable);
            }
            !synced
        });
    }

    pub(super) fn len(&self, node: Node) -> u64 {
        let len = self.nodes.get(&node).map_or(0, |inode| inode.current.len());
        len as u64
    }

    pub(super) fn read(&self, node: Node, octets: &mut [u8], at: u64) -> usize {
        let found = self.nodes.get(&node).map(|inode| &inode.current[..]);
        let rest = found.and_then(|found| found.get(place(at)..));
        let rest = rest.unwrap_or_default();
        let len = rest.len().min(octets.len());
        if let (Some(to), Some(from)) = (octets.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        len
    }

    pub(super) fn write(&mut self, node: Node, octets: &[u8], at: u64) {
        if let Some(inode) = self.nodes.get_mut(&node) {
            let before = inode.current.len();
            let change = Change::Write(place(at), octets.to_vec());
            change.apply(&mut inode.current);
            self.octets += (inode.current.len() - before) as u64;
            inode.unsynced.push(change);
        }
    }

    pub(super) fn set_len(&mut self, node: Node, len: u64) {
        if let Some(inode) = self.nodes.get_mut(&node) {
            let change = Change::SetLen(place(len));
            change.apply(&mut inode.current);
            inode.unsynced.push(change);
        }
        self.count();
    }

    pub(super) fn sync(&mut self, node: Node) {
        if let Some(inode) = self.nodes.get_mut(&node) {
            for change in inode.unsynced.drain(..) {
                change.apply(&mut inode.durable);
            }
        }
    }

    /// A sync that fails: what did not become durable by now never will.
    pub(super) fn sync_in_part(&mut self, node: Node, dice: &Dice) {
        if let Some(inode) = self.nodes.get_mut(&node) {
            for change in inode.unsynced.drain(..) {
                change.survive(&mut inode.durable, dice, Kept::HALF);
            }
        }
    }

    /// The power goes: what was not synced is there or not.
    pub(super) fn lose(&mut self, dice: &Dice) {
        let kept = Kept::drawn(dice);
        for naming in std::mem::take(&mut self.renaming) {
            if dice.percent(kept.structure) {
                naming.apply(&mut self.durable);
            }
        }
        // What is in a directory that is not there is nowhere.
        let names = self.durable.clone();
        self.durable.retain(|name, _| {
            let mut above = name.ancestors().skip(1);
            above.all(|dir| dir == Path::new("/") || names.get(dir) == Some(&Entry::Dir))
        });
        self.names = self.durable.clone();
        for inode in self.nodes.values_mut() {
            for change in inode.unsynced.drain(..) {
                change.survive(&mut inode.durable, dice, kept);
            }
            inode.current.clone_from(&inode.durable);
        }
        self.count();
    }

    pub(super) fn flip(&mut self, path: &Path, at: u64, bit: u32) -> bool {
        let Ok(node) = self.find(path) else {
            return false;
        };
        let Some(inode) = self.nodes.get_mut(&node) else {
            return false;
        };
        let mut flipped = false;
        for octets in [&mut inode.current, &mut inode.durable] {
            if let Some(octet) = octets.get_mut(place(at)) {
                *octet ^= 1_u8.rotate_left(bit);
                flipped = true;
            }
        }
        flipped
    }

    /// Forgets files without a name, and counts the octets of the others.
    fn count(&mut self) {
        let mut named: Vec<Node> = Vec::new();
        let entries = self.names.values().chain(self.durable.values());
        named.extend(entries.filter_map(|entry| match entry {
            Entry::File(node) => Some(*node),
            Entry::Dir => None,
        }));
        named.extend(self.renaming.iter().filter_map(|naming| match naming {
            Naming::Link(_, Entry::File(node)) | Naming::Rename(_, _, Entry::File(node)) => {
                Some(*node)
            }
            _ => None,
        }));
        named.sort_unstable();
        self.nodes
            .retain(|node, _| named.binary_search(node).is_ok());
        let octets = self.nodes.values().map(|inode| inode.current.len() as u64);
        self.octets = octets.sum();
    }
}

impl Change {
    fn apply(&self, octets: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => octets.resize(*len, 0),
            Self::Write(at, written) => put(octets, *at, written),
        }
    }

    /// What is left of it.
    fn survive(&self, octets: &mut Vec<u8>, dice: &Dice, kept: Kept) {
        let (at, written) = match self {
            Self::SetLen(_) => {
                if dice.percent(kept.structure) {
                    self.apply(octets);
                }
                return;
            }
            Self::Write(at, written) => (*at, written),
        };
        let end = at + written.len();
        if octets.len() < end && dice.percent(kept.structure) {
            // The file has its length, but not its octets.
            octets.resize(end, 0);
        }
        let mut from = at;
        while from < end {
            let to = end.min((from / SECTOR_OCTETS + 1) * SECTOR_OCTETS);
            if dice.percent(kept.octets) {
                put(
                    octets,
                    from,
                    written.get(from - at..to - at).unwrap_or_default(),
                );
            }
            from = to;
        }
    }
}

fn put(octets: &mut Vec<u8>, at: usize, written: &[u8]) {
    let end = at + written.len();
    if octets.len() < end {
        octets.resize(end, 0);
    }
    if let Some(place) = octets.get_mut(at..end) {
        place.copy_from_slice(written);
    }
}

/// A file here is always in memory.
fn place(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use store::disk::{Disk, DiskFile};

    use super::super::*;

    fn disk(seed: u64) -> SimDisk {
        SimDisk::new(Dice::new(seed, "disk"), Trace::default())
    }

    fn written(disk: &SimDisk, name: &str, octets: &[u8]) -> Arc<dyn DiskFile> {
        let file = disk.create(Path::new(name)).unwrap();
        file.write_at(octets, 0).unwrap();
        file
    }

    fn contents(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
        let file = disk.open(Path::new(name)).ok()?;
        let mut octets = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(&mut octets, 0).unwrap();
        Some(octets)
    }

    #[test]
    fn what_was_synced_outlives_every_cut() {
        for seed in 0..50 {
            let disk = disk(seed);
            written(&disk, "/kept", &[7; 2000]).sync().unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            let after = disk.cut();
            assert_eq!(contents(&after, "/kept"), Some(vec![7; 2000]));
            assert!(disk.open(Path::new("/kept")).is_err(), "no power");
        }
    }

    #[test]
    fn what_was_not_synced_is_there_in_part_or_not() {
        let (mut whole, mut torn, mut gone) = (0, 0, 0);
        for seed in 0..200 {
            let disk = disk(seed);
            written(&disk, "/new", &[7; 2000]);
            match contents(&disk.cut(), "/new") {
                None => gone += 1,
                Some(octets) if octets == [7; 2000] => whole += 1,
                Some(octets) => {
                    assert!(
                        octets
                            .chunks(512)
                            .all(|sector| { sector.iter().all(|octet| *octet == sector[0]) })
                    );
                    torn += 1;
                }
            }
        }
        assert!(
            whole > 10 && torn > 10 && gone > 10,
            "{whole} {torn} {gone}"
        );
    }

    #[test]
    fn a_name_is_durable_with_its_directory_alone() {
        let mut found = Vec::new();
        for seed in 0..100 {
            let disk = disk(seed);
            written(&disk, "/draft", b"x").sync().unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            disk.rename(Path::new("/draft"), Path::new("/final"))
                .unwrap();
            let after = disk.cut();
            let names = (contents(&after, "/draft"), contents(&after, "/final"));
            assert!(names.0.is_some() != names.1.is_some(), "{names:?}");
            found.push(names.0.is_some());
        }
        assert!(found.contains(&true) && found.contains(&false));
    }

    #[test]
    fn what_a_failed_sync_dropped_no_later_one_brings_back() {
        let mut lost = false;
        for seed in 0..50 {
            let disk = disk(seed);
            let file = written(&disk, "/file", &[0; 600]);
            file.sync().unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            file.write_at(&[7; 600], 0).unwrap();
            disk.fail(Some(Fault {
                kind: Some(Kind::Sync),
                passing: 0,
                failure: Failure::Broken,
                then: Then::Pass,
            }));
            file.sync().unwrap_err();
            file.sync().unwrap();
            assert_eq!(contents(&disk, "/file"), Some(vec![7; 600]));
            lost |= contents(&disk.cut(), "/file") != Some(vec![7; 600]);
        }
        assert!(lost);
    }

    #[test]
    fn a_full_disk_takes_a_part() {
        let disk = disk(1);
        disk.limit(Some(1000));
        let file = disk.create(Path::new("/file")).unwrap();
        file.write_at(&[7; 900], 0).unwrap();
        let error = file.write_at(&[7; 900], 900).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(file.len().unwrap() < 1801);
        disk.limit(None);
        file.write_at(&[7; 900], 900).unwrap();
    }
}
