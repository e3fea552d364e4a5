//! Large blobs, each in a file of its own, named by its hash.
//!
//! ```text
//! body: "carambdy" format:u32 hash:32 len:u64 segment:u64 crc:u32, then the octets
//! ```
//!
//! `segment` is where the log ended when the body was finished: the record that refers to it is
//! there or later. So whether a body is an orphan can be asked of the log, which is the truth.
//!
//! Not here: how a body is received (`stage`).

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mail::BlobId;

use super::forms;
use super::stats::Counters;
use crate::backend::Error;
use crate::disk::{Cursor, Disk, DiskFile, failed, gone};

/// Octets of a body's header.
pub(super) const BODY_HEADER_OCTETS: u64 = 64;

/// What its file begins with, before the version.
pub(super) const NAME: [u8; 8] = *b"carambdy";
/// The version of its form.
pub(super) const FORMAT: u32 = 1;
const MAGIC: [u8; 12] = forms::magic(NAME, FORMAT);
const DRAFT: &str = "draft-";

/// The directory of bodies.
#[derive(Debug)]
pub(super) struct Bodies {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) counters: Arc<Counters>,
    dir: PathBuf,
    /// The segment in which the log ends.
    segment: AtomicU64,
    drafts: AtomicU64,
}

/// What a body says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyHeader {
    pub(super) blob: BlobId,
    pub(super) len: u64,
    pub(super) segment: u64,
}

impl Bodies {
    pub(super) fn new(disk: Arc<dyn Disk>, counters: Arc<Counters>, dir: &Path) -> Self {
        Self {
            disk,
            counters,
            dir: dir.to_owned(),
            segment: AtomicU64::new(0),
            drafts: AtomicU64::new(0),
        }
    }

    /// Learns where the log ends.
    pub(super) fn log_is_in(&self, segment: u64) {
        self.segment.store(segment, Ordering::Release);
    }

    /// Begins a file that has no name of its own yet.
    pub(super) fn draft(&self) -> io::Result<(PathBuf, Arc<dyn DiskFile>)> {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{DRAFT}{number:016x}"));
        let file = self.disk.create(&path)?;
        Ok((path, file))
    }

    /// Makes a draft, whose octets are written, durable under its name.
    pub(super) fn keep(
        &self,
        draft: &Path,
        file: &dyn DiskFile,
        (blob, len): (BlobId, u64),
    ) -> io::Result<()> {
        let header = BodyHeader {
            blob,
            len,
            segment: self.segment.load(Ordering::Acquire),
        };
        file.write_at(&header.encode(), 0)?;
        file.sync()?;
        self.disk.rename(draft, &self.path(blob))?;
        self.disk.sync_dir(&self.dir)
    }

    /// The file of a body.
    pub(super) fn path(&self, blob: BlobId) -> PathBuf {
        self.dir.join(blob.to_string())
    }

    /// True if there is a file that can be this body.
    pub(super) fn has(&self, blob: BlobId, len: u64) -> bool {
        let found = self.disk.len(&self.path(blob));
        found.is_ok_and(|found| found == BODY_HEADER_OCTETS.saturating_add(len))
    }

    /// Removes a body's file, if it is there.
    pub(super) fn remove(&self, blob: BlobId) -> io::Result<()> {
        gone(self.disk.remove(&self.path(blob))).map(drop)
    }

    /// Removes the drafts that a crash left behind.
    pub(super) fn remove_drafts(&self) -> Result<(), Error> {
        let failed = failed("sweeping the bodies");
        for path in self.disk.list(&self.dir).map_err(&failed)? {
            let name = path.file_name().and_then(|name| name.to_str());
            if name.is_some_and(|name| name.starts_with(DRAFT)) {
                self.disk.remove(&path).map_err(&failed)?;
            }
        }
        Ok(())
    }

    /// The names of all bodies.
    pub(super) fn names(&self) -> Result<Vec<BlobId>, Error> {
        let failed = failed("listing the bodies");
        let mut names = Vec::new();
        for path in self.disk.list(&self.dir).map_err(&failed)? {
            let name = path.file_name().and_then(|name| name.to_str());
            names.extend(name.and_then(parse_name));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What a body says of itself; none if it is not readable.
    pub(super) fn header(&self, blob: BlobId) -> Option<BodyHeader> {
        let mut octets = [0; 64];
        let file = self.disk.open(&self.path(blob)).ok()?;
        Cursor::new(&*file, 0).read_exact(&mut octets).ok()?;
        BodyHeader::decode(&octets).filter(|header| header.blob == blob)
    }

    /// Says what is wrong with a body, if anything is.
    pub(super) fn flaw(&self, blob: BlobId, len: u64) -> Option<String> {
        let file = match self.disk.open(&self.path(blob)) {
            Ok(file) => file,
            Err(error) => return Some(format!("body {blob} is not readable: {error}")),
        };
        let mut file = Cursor::new(&*file, 0);
        let mut header = [0; 64];
        let mut hasher = blake3::Hasher::new();
        let read = file
            .read_exact(&mut header)
            .and_then(|()| io::copy(&mut file, &mut hasher));
        match read {
            Err(error) => Some(format!("body {blob} is not readable: {error}")),
            Ok(found) if found != len => {
                Some(format!("body {blob} has {found} octets and not {len}"))
            }
            Ok(_) if BodyHeader::decode(&header).is_none() => {
                Some(format!("body {blob} has a damaged header"))
            }
            Ok(_) => (*hasher.finalize().as_bytes() != blob.0)
                .then(|| format!("body {blob} is not what its name says")),
        }
    }
}

impl BodyHeader {
    fn encode(self) -> Vec<u8> {
        let mut octets = MAGIC.to_vec();
        octets.extend_from_slice(&self.blob.0);
        octets.extend_from_slice(&self.len.to_be_bytes());
        octets.extend_from_slice(&self.segment.to_be_bytes());
        let crc = crc32fast::hash(&octets);
        octets.extend_from_slice(&crc.to_be_bytes());
        octets
    }

    fn decode(octets: &[u8; 64]) -> Option<Self> {
        let (signed, crc) = octets.split_last_chunk()?;
        if crc32fast::hash(signed) != u32::from_be_bytes(*crc) {
            return None;
        }
        let rest = signed.strip_prefix(&MAGIC)?;
        let (blob, rest) = rest.split_first_chunk()?;
        let (len, segment) = rest.split_first_chunk()?;
        Some(Self {
            blob: BlobId(*blob),
            len: u64::from_be_bytes(*len),
            segment: u64::from_be_bytes(segment.try_into().ok()?),
        })
    }
}

fn parse_name(name: &str) -> Option<BlobId> {
    let (pairs, []) = name.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let octet = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let octets = pairs.iter().map(octet).collect::<Option<Vec<_>>>()?;
    let blob = BlobId(octets.try_into().ok()?);
    (blob.to_string() == name).then_some(blob)
}
