//! What people hand to a command: a file, or standard input where they write `-`.
//!
//! Not here: the configuration (`config`), the data folder (`files`).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::complaint::Complaint;

/// Octets a message may have here, and a text; it is read whole.
const MESSAGE_OCTETS_MAX: u64 = 1 << 30;

/// True for standard input.
pub(crate) fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads one message.
pub(crate) fn message(path: &Path) -> Result<Vec<u8>, Complaint> {
    let next = "give the path of a file that holds one message, or `-`";
    let octets = whole(path).map_err(|error| unreadable(path, &error).next(next))?;
    octets.ok_or_else(|| {
        let complaint = Complaint::new(format!("{} is too long for a message", path.display()));
        let complaint = complaint.because(format!("it has more than {MESSAGE_OCTETS_MAX} octets"));
        complaint.next("an mbox has to be cut into its messages first")
    })
}

/// Reads something else that goes into a message.
pub(crate) fn content(path: &Path) -> Result<Vec<u8>, Complaint> {
    let next = "give the path of a file";
    let octets = whole(path).map_err(|error| unreadable(path, &error).next(next))?;
    octets.ok_or_else(|| {
        let complaint = Complaint::new(format!("{} is too long for a part", path.display()));
        let complaint = complaint.because(format!("it has more than {MESSAGE_OCTETS_MAX} octets"));
        complaint.next("--attach takes files of any length")
    })
}

/// What is said of a file that cannot be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Complaint {
    Complaint::new(format!("{} cannot be read", path.display())).because(error)
}

/// All octets; `None` where they are too many.
fn whole(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut octets = Vec::new();
    let read = if is_standard(path) {
        let input = io::stdin().lock();
        input.take(MESSAGE_OCTETS_MAX + 1).read_to_end(&mut octets)
    } else {
        let file = File::open(path)?;
        let expected = file.metadata().map_or(0, |found| found.len());
        octets.reserve(usize::try_from(expected.min(MESSAGE_OCTETS_MAX)).unwrap_or_default());
        file.take(MESSAGE_OCTETS_MAX + 1).read_to_end(&mut octets)
    };
    let count = u64::try_from(read?).unwrap_or(u64::MAX);
    Ok((count <= MESSAGE_OCTETS_MAX).then_some(octets))
}
