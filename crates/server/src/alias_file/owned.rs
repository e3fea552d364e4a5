//! Files that count because of whose they are: taken hold of once, looked at as they are held, and
//! only then opened.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// The number of root.
const ROOT: u32 = 0;
/// The bits of a file that others than its owner may write.
const OTHERS_WRITE: u32 = 0o022;

/// What tells a file from what it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is not there.
    Missing,
    /// It cannot be looked at.
    Hidden(ErrorKind),
    /// Device, number, octets, owner and mode, and when it was written and changed, in seconds and
    /// nanoseconds.
    There(Box<[i128; 9]>),
}

impl Seen {
    /// Looks at a path, following no link that it ends with.
    pub(crate) fn at(path: &Path) -> Self {
        Self::of(path.symlink_metadata())
    }

    /// What was found.
    pub(crate) fn of(found: io::Result<Metadata>) -> Self {
        match found {
            Ok(found) => Self::There(Box::new([
                found.dev().into(),
                found.ino().into(),
                found.size().into(),
                found.uid().into(),
                found.mode().into(),
                found.mtime().into(),
                found.mtime_nsec().into(),
                found.ctime().into(),
                found.ctime_nsec().into(),
            ])),
            Err(error) if is_missing(&error) => Self::Missing,
            Err(error) => Self::Hidden(error.kind()),
        }
    }
}

/// Why a file is not gone by.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It is not there, nor perhaps its folder.
    Missing,
    /// The system does not let it be read; the next time it may.
    Unreadable(String),
    /// It is not as it has to be.
    Wrong(String),
}

/// Reads the text of a file, so many octets at most, that one of these users or root owns and
/// nobody else may write; tells whose it is.
///
/// # Errors
/// Why it is not gone by.
pub(super) fn read_owned(
    path: &Path,
    may_own: &[u32],
    octets_max: u64,
) -> Result<(String, u32), Unfit> {
    let unreadable = |error: io::Error| Unfit::Unreadable(format!("it cannot be read: {error}"));
    let mut options = OpenOptions::new();
    // Only taken hold of: to open a device or a pipe would do something already.
    let flags = OFlags::NOFOLLOW | OFlags::PATH;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let held = match options.read(true).custom_flags(flags).open(path) {
        Ok(held) => held,
        Err(error) if is_missing(&error) => return Err(Unfit::Missing),
        Err(error) => return Err(unreadable(error)),
    };
    let found = held.metadata().map_err(unreadable)?;
    check(&found, may_own).map_err(Unfit::Wrong)?;
    // The very file that is held, whatever its path leads to by now.
    let file = File::open(format!("/proc/self/fd/{}", held.as_raw_fd())).map_err(unreadable)?;
    let mut octets = Vec::new();
    let mut limited = File::take(file, octets_max.saturating_add(1));
    limited.read_to_end(&mut octets).map_err(unreadable)?;
    if u64::try_from(octets.len()).is_ok_and(|len| len > octets_max) {
        let text = format!("it has more than {octets_max} octets, with the lists before it");
        return Err(Unfit::Wrong(text));
    }
    let text = String::from_utf8(octets);
    let text = text.map_err(|_| Unfit::Wrong("it is not in UTF-8".to_owned()))?;
    Ok((text, found.uid()))
}

/// Says why what is open is not gone by.
fn check(found: &Metadata, may_own: &[u32]) -> Result<(), String> {
    if found.is_symlink() {
        return Err("it is a link".to_owned());
    }
    if !found.is_file() {
        return Err("it is no file".to_owned());
    }
    let owner = found.uid();
    if owner != ROOT && !may_own.contains(&owner) {
        return Err(format!("it belongs to another user, of the number {owner}"));
    }
    // Another's file under a second name is not what its owner wrote there.
    if owner == ROOT && !may_own.contains(&owner) && found.nlink() != 1 {
        return Err("it is root's, and has another name as well".to_owned());
    }
    match found.mode() & OTHERS_WRITE {
        0 => Ok(()),
        _ => Err("others may write it: chmod go-w".to_owned()),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
