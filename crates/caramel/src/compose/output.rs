//! Where the message goes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use anyhow::Context as _;
use message::builder::Piece;

use super::files::Attachments;
use crate::complaint::Complaint;

/// Writes a message that is known whole.
pub(super) fn message(to: Option<&Path>, message: Vec<u8>) -> Result<(), Complaint> {
    pieces(to, &[Piece::Octets(message)], Attachments::default())
}

/// Writes a message, its attachments as they are read.
pub(super) fn pieces(
    to: Option<&Path>,
    pieces: &[Piece],
    mut attachments: Attachments,
) -> Result<(), Complaint> {
    let mut write = |output: &mut dyn Write| {
        for piece in pieces {
            let written = match piece {
                Piece::Octets(octets) => output.write_all(octets),
                Piece::Content(number) => attachments.write(*number, output)?,
            };
            if written.is_err() {
                return Ok(written);
            }
        }
        Ok(output.flush())
    };
    match to {
        Some(path) => into_file(path, &mut write),
        None => match write(&mut BufWriter::new(io::stdout().lock()))? {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written.context("writing to standard output")?),
        },
    }
}

/// Writes all of a message; a failure of the output is apart from one of an attachment.
type Writer<'a> = dyn FnMut(&mut dyn Write) -> Result<io::Result<()>, Complaint> + 'a;

/// Writes beside and renames, so that the file is there whole or not at all, and may be one that
/// is attached; what is no file (a device, a pipe) is written to.
fn into_file(path: &Path, write: &mut Writer<'_>) -> Result<(), Complaint> {
    let failed = |error: io::Error| {
        Complaint::new(format!("{} cannot be written", path.display())).because(error)
    };
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let file = File::options().write(true).open(path).map_err(failed)?;
        return write(&mut BufWriter::new(file))?.map_err(failed);
    }
    let mut beside = OsString::from(path);
    beside.push(format!(".{}.new", std::process::id()));
    let file = File::create_new(&beside).map_err(failed)?;
    let written = write(&mut BufWriter::new(&file));
    let done = match written {
        Ok(written) => written
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&beside, path))
            .map_err(failed),
        Err(complaint) => Err(complaint),
    };
    if done.is_err() {
        // The first failure is the one to tell.
        drop(fs::remove_file(&beside));
    }
    done
}
