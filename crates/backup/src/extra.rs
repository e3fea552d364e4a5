//! The files beside the store: written piece by piece, and given back so.
//!
//! A file is read twice: once for its digest, and again if the repository has not got it. One that
//! changes meanwhile is read anew, so that what is kept is what it was at one time.
//!
//! Not here: which files, and where they are put (`caramel`).

use std::fmt;
use std::io::{self, Read as _, SeekFrom};

use crate::catalogue::{Catalogue, Place};
use crate::manifest::{Manifest, Part};
use crate::medium::{Draft, Object};
use crate::pack::Packer;
use crate::repository::Repository;
use crate::restore::Restored;
use crate::{Digest, Error, Outcome, ROWS};

/// Octets of a file that are in memory at once.
const PIECE_OCTETS: usize = 1 << 20;
/// How often a file that changes while it is read is read anew.
const READINGS_MAX: usize = 3;

/// A file that belongs to what is kept and is not in the store.
pub struct Extra {
    /// Its path; relative to the data folder, or not.
    pub path: String,
    /// What is in it, or why that cannot be read.
    pub content: io::Result<Box<dyn Object>>,
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extra({})", self.path)
    }
}

/// Writes what is in a file, if the repository has not got it; tells its digest, or why it cannot
/// be read.
pub(crate) fn put(
    content: &mut dyn Object,
    repository: &Repository,
    (catalogue, packer): &mut (Catalogue<'_>, Packer),
) -> Outcome<io::Result<Digest>> {
    for _ in 0..READINGS_MAX {
        // What is appended from now on belongs to the next backup.
        let len = match content.seek(SeekFrom::End(0)) {
            Ok(len) => len,
            Err(error) => return Ok(Err(error)),
        };
        let digest = match pass(content, len, &mut |_| Ok(()))? {
            Ok(digest) => digest,
            Err(error) => return Ok(Err(error)),
        };
        let known = catalogue.find(&[digest])?;
        if known.iter().any(Option::is_some) || packer.has(&digest) {
            return Ok(Ok(digest));
        }
        // One without an octet is an item as well.
        packer.write(repository, &[])?;
        let read = pass(content, len, &mut |piece| packer.write(repository, piece))?;
        if let Err(error) = read {
            packer.abandon();
            return Ok(Err(error));
        }
        if packer.end(Some(digest)).is_some() {
            return Ok(Ok(digest));
        }
    }
    Ok(Err(io::Error::other("it changes while it is read")))
}

/// Reads so many octets of a file, or as many as there are; tells their digest.
fn pass(
    content: &mut dyn Object,
    len: u64,
    each: &mut dyn FnMut(&[u8]) -> Outcome<()>,
) -> Outcome<io::Result<Digest>> {
    if let Err(error) = content.seek(SeekFrom::Start(0)) {
        return Ok(Err(error));
    }
    let mut input = content.take(len);
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE_OCTETS.min(usize::try_from(len).unwrap_or(PIECE_OCTETS))];
    loop {
        let read = match input.read(&mut piece) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(error)),
        };
        let octets = piece.get(..read).unwrap_or_default();
        if octets.is_empty() {
            return Ok(Ok(Digest(*hasher.finalize().as_bytes())));
        }
        hasher.update(octets);
        each(octets)?;
    }
}

/// Gives back the files beside the store, each to a draft that `begin` makes and that is kept under
/// the file's path once it is whole. Tells the paths of those that were.
///
/// # Errors
///
/// If the repository cannot be read, or a draft says no; a file that is damaged or lost, or could
/// not be read when the backup was made, is told as a flaw.
pub fn files(
    repository: &Repository,
    manifest: &Manifest,
    restored: &mut Restored,
    begin: &mut dyn FnMut() -> io::Result<Box<dyn Draft>>,
) -> Outcome<Vec<String>> {
    let mut catalogue = Catalogue::open(repository, ROWS)?;
    let mut files = Vec::new();
    let mut parts = manifest.parts(repository)?;
    while let Some(part) = parts.next()? {
        let (path, digest) = match part {
            Part::File { path, digest } => (path, digest),
            Part::Unread { path, why } => {
                let what = format!("the file {path} could not be read for the backup: {why}");
                restored.flaw(None, what);
                continue;
            }
            _ => continue,
        };
        let place = catalogue.find(&[digest])?.into_iter().next().flatten();
        let read = match place {
            Some(place) => give_back(&mut catalogue, place, &path, begin)?,
            None => Err(Error::damaged(digest.to_string(), "no pack has it")),
        };
        match read {
            Ok(()) => files.push(path),
            Err(error) if error.is_loss() => {
                restored.flaw(None, format!("the file {path} is lost: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// Fills one draft; the inner outcome is that of reading.
fn give_back(
    catalogue: &mut Catalogue<'_>,
    place: Place,
    path: &str,
    begin: &mut dyn FnMut() -> io::Result<Box<dyn Draft>>,
) -> Outcome<Outcome<()>> {
    let failed = |cause| Error::medium(format!("writing {path}"))(cause);
    let mut pieces = match catalogue.pieces(place, PIECE_OCTETS) {
        Ok(pieces) => pieces,
        Err(error) => return Ok(Err(error)),
    };
    let mut draft = begin().map_err(failed)?;
    loop {
        match pieces.next() {
            Ok(Some(piece)) => draft.write_all(&piece).map_err(failed)?,
            Ok(None) => break,
            Err(error) => return Ok(Err(error)),
        }
    }
    draft.keep(path).map_err(failed)?;
    Ok(Ok(()))
}
