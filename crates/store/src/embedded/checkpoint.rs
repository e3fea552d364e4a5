//! How far into the log the view is durable: a small file beside the view.
//!
//! It is written only after the view was synced, so an old one is always right, only slow.
//!
//! Not here: replaying from it (`recovery`).

use std::path::Path;

use super::forms;
use super::log::Position;
use crate::backend::Error;
use crate::disk::{Disk, failed, read_whole, replace};

/// What its file begins with, before the version.
pub(super) const FORM_NAME: [u8; 8] = *b"caramchk";
/// The version of its form.
pub(super) const FORMAT: u32 = 1;
const MAGIC: [u8; 12] = forms::magic(FORM_NAME, FORMAT);
pub(super) const NAME: &str = "checkpoint";

/// The position that the view is durable up to; none if there is no valid one.
pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Option<Position> {
    let octets = read_whole(disk, &dir.join(NAME)).ok()?;
    let (signed, crc) = octets.split_last_chunk()?;
    if crc32fast::hash(signed) != u32::from_be_bytes(*crc) {
        return None;
    }
    let rest = signed.strip_prefix(&MAGIC)?;
    let (segment, rest) = rest.split_first_chunk()?;
    let (offset, sequence) = rest.split_first_chunk()?;
    Some(Position {
        segment: u64::from_be_bytes(*segment),
        offset: u64::from_be_bytes(*offset),
        sequence: u64::from_be_bytes(sequence.try_into().ok()?),
    })
}

/// Stores a position durably, in place of the one before.
pub(super) fn write(disk: &dyn Disk, dir: &Path, position: Position) -> Result<(), Error> {
    let mut octets = MAGIC.to_vec();
    for number in [position.segment, position.offset, position.sequence] {
        octets.extend_from_slice(&number.to_be_bytes());
    }
    let crc = crc32fast::hash(&octets);
    octets.extend_from_slice(&crc.to_be_bytes());
    replace(disk, dir, NAME, &octets).map_err(failed("storing the checkpoint"))
}
