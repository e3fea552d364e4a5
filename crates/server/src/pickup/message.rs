//! A letter's file, read as far as is needed to know what it is.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

use bytes::Bytes;

use super::Trouble;
use super::letter::{LINE_OCTETS_MAX, LocalEnvelope};

/// Octets of a header that is completed; of a longer one the rest stays as it is.
const HEADER_OCTETS_MAX: usize = 1024 * 1024;
/// Octets a letter may have that is returned whole.
const RETURNED_OCTETS_MAX: u64 = 64 * 1024;

/// What a file holds.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) envelope: LocalEnvelope,
    /// Up to and with its blank line.
    pub(super) header: Vec<u8>,
    /// What follows in a short letter: all of it.
    pub(super) body: Bytes,
    /// What has not been read.
    pub(super) rest: BufReader<File>,
}

impl Message {
    /// Reads a file of so many octets.
    pub(super) fn read(file: File, octets: u64) -> Result<Self, Trouble> {
        let broken = |error: std::io::Error| Trouble::Later(error.to_string());
        let mut rest = BufReader::new(file);
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_OCTETS_MAX).unwrap_or(u64::MAX);
        let read = rest.by_ref().take(limit).read_until(b'\n', &mut line);
        read.map_err(broken)?;
        let envelope = LocalEnvelope::read(&line).map_err(Trouble::Unfit)?;
        let mut header = Vec::new();
        loop {
            let before = header.len();
            let room = HEADER_OCTETS_MAX.saturating_sub(before);
            let room = u64::try_from(room).unwrap_or_default();
            let read = rest.by_ref().take(room).read_until(b'\n', &mut header);
            let is_end = read.map_err(broken)? == 0;
            let line = header.get(before..).unwrap_or_default();
            if is_end || line == b"\r\n" || line == b"\n" {
                break;
            }
        }
        let mut body = Vec::new();
        if octets <= RETURNED_OCTETS_MAX {
            rest.read_to_end(&mut body).map_err(broken)?;
        }
        Ok(Self {
            envelope,
            header,
            body: body.into(),
            rest,
        })
    }
}
