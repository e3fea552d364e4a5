//! Derived data as files beside the log: `derived/PARTITION/PIECE`, both in hexadecimal.
//!
//! A piece is written under another name and then renamed, without a sync: after a power cut it
//! may be short or empty, and whoever kept it makes it again.

use std::io::{self, ErrorKind, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::offload::Work;
use crate::backend::{Boxed, Error, Partition};
use crate::derived::{Derived, Piece};
use crate::disk::{Cursor, Disk, failed, gone};

/// So many octets are read without leaving the caller's thread.
const PERUSE_HERE_OCTETS_MAX: u64 = 256 << 10;
/// Where pieces are written before they get their names.
const UNFINISHED: &str = "unfinished";

/// The files.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) work: Work,
    /// Room that is left to the log.
    pub(super) reserve_octets: u64,
}

impl Files {
    /// Removes what a process that was killed was writing.
    pub(super) fn sweep(&self) -> Result<(), Error> {
        let removed = gone(self.disk.remove_dir(&self.dir.join(UNFINISHED)));
        removed.map(drop).map_err(failed("removing derived data"))
    }

    fn folder(&self, partition: Partition) -> PathBuf {
        self.dir.join(format!("{:016x}", partition.0))
    }

    fn path(&self, partition: Partition, piece: Piece) -> PathBuf {
        self.folder(partition).join(format!("{:032x}", piece.0))
    }

    fn write(&self, partition: Partition, piece: Piece, octets: &[u8]) -> Result<(), Error> {
        let failed = failed("keeping derived data");
        let folder = self.folder(partition);
        let unfinished = self.dir.join(UNFINISHED);
        for folder in [&folder, &unfinished] {
            self.disk.make_dir(folder).map_err(&failed)?;
        }
        let room = self.disk.room(&folder).map_err(&failed)?;
        let len = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        if room < len.saturating_add(self.reserve_octets) {
            return Err(Error::Full);
        }
        let path = self.path(partition, piece);
        let unfinished = unfinished.join(format!("{:016x}-{:032x}", partition.0, piece.0));
        let write = || {
            self.disk.create(&unfinished)?.write_at(octets, 0)?;
            self.disk.rename(&unfinished, &path)
        };
        let written = write();
        if written.is_err() {
            // Half a piece is only in the way.
            self.disk.remove(&unfinished).unwrap_or_default();
        }
        written.map_err(failed)
    }

    fn list(&self, partition: Partition) -> Result<Vec<Piece>, Error> {
        let mut pieces = Vec::new();
        let paths = entries(&*self.disk, &self.folder(partition));
        for path in paths.map_err(failed("listing derived data"))? {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.filter(|name| name.len() == 32);
            let piece = name.and_then(|name| u128::from_str_radix(name, 16).ok());
            pieces.extend(piece.map(Piece));
        }
        pieces.sort_unstable();
        Ok(pieces)
    }
}

impl Derived for Files {
    fn pieces(&self, partition: Partition) -> Boxed<'_, Result<Vec<Piece>, Error>> {
        Box::pin(async move { self.list(partition) })
    }

    fn keep(
        &self,
        partition: Partition,
        piece: Piece,
        octets: Bytes,
    ) -> Boxed<'_, Result<(), Error>> {
        let files = self.clone();
        Box::pin(async move {
            let work = files.work;
            work.run(move || files.write(partition, piece, &octets))
                .await?
        })
    }

    fn peruse(
        &self,
        partition: Partition,
        piece: Piece,
        ranges: Vec<Range<u64>>,
    ) -> Boxed<'_, Result<Vec<Bytes>, Error>> {
        let (disk, work) = (Arc::clone(&self.disk), self.work);
        let path = self.path(partition, piece);
        let octets = ranges
            .iter()
            .map(|range| range.end.saturating_sub(range.start));
        let octets = octets.fold(0, u64::saturating_add);
        Box::pin(async move {
            if octets <= PERUSE_HERE_OCTETS_MAX {
                return peruse(&*disk, &path, &ranges);
            }
            work.run(move || peruse(&*disk, &path, &ranges)).await?
        })
    }

    fn discard(&self, partition: Partition, piece: Piece) -> Boxed<'_, Result<(), Error>> {
        let path = self.path(partition, piece);
        Box::pin(async move {
            let removed = gone(self.disk.remove(&path));
            removed.map(drop).map_err(failed("removing derived data"))
        })
    }
}

fn peruse(disk: &dyn Disk, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Error> {
    let failed = failed("reading derived data");
    let file = disk.open(path).map_err(&failed)?;
    let len = file.len().map_err(&failed)?;
    let read = |range: &Range<u64>| -> io::Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        // Before the memory for it is taken: the range may be nonsense.
        if range.end > len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut octets = vec![0; usize::try_from(range.end - range.start).unwrap_or_default()];
        Cursor::new(&*file, range.start).read_exact(&mut octets)?;
        Ok(octets.into())
    };
    ranges
        .iter()
        .map(|range| read(range).map_err(&failed))
        .collect()
}

/// How many pieces there are, and their octets.
pub(super) fn count(disk: &dyn Disk, dir: &Path) -> io::Result<(u64, u64)> {
    let (mut pieces, mut octets) = (0, 0);
    let folders = entries(disk, dir)?.into_iter();
    for folder in folders.filter(|folder| !folder.ends_with(UNFINISHED)) {
        for piece in entries(disk, &folder)? {
            pieces += 1;
            octets += disk.len(&piece)?;
        }
    }
    Ok((pieces, octets))
}

fn entries(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<PathBuf>> {
    match disk.list(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries,
    }
}
