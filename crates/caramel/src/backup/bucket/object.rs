//! An object of a bucket that is read.
//!
//! Each question takes as long as the way to the store: so what is around is fetched with what was
//! asked for, and more where one reads on. What was fetched stays for a while, within a budget of
//! memory for all objects together. The end is fetched as the object is opened: there a pack says
//! what it has, and a small object is all end.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use object_store::{GetOptions, GetRange};

use super::{Failure, Found, Shared};

/// Octets that are fetched at least.
pub(super) const WINDOW_OCTETS_MIN: u64 = 256 << 10;
/// Octets that are fetched at most, where one reads on and on.
const WINDOW_OCTETS_MAX: u64 = 8 << 20;
/// Octets of what was fetched that stay in memory.
const KEPT_OCTETS_MAX: usize = 48 << 20;
/// Octets that may be skipped by one who still reads on.
const SKIPPED_MAX: u64 = 128 << 10;

/// Which object: its name, and what tells it from others of that name.
type Which = (Arc<str>, Option<Arc<str>>);

/// What was fetched, the oldest first.
#[derive(Default)]
pub(super) struct Windows {
    kept: VecDeque<(Which, u64, Bytes)>,
    octets: usize,
}

impl Windows {
    fn keep(&mut self, which: &Which, at: u64, octets: Bytes) {
        self.octets += octets.len();
        self.kept.push_back((which.clone(), at, octets));
        while self.octets > KEPT_OCTETS_MAX
            && let Some((_, _, oldest)) = self.kept.pop_front()
        {
            self.octets -= oldest.len();
        }
    }

    /// What is there of an object from a place on.
    fn find(&self, which: &Which, at: u64) -> Option<Bytes> {
        let windows = self.kept.iter().rev();
        let mut of_it = windows.filter(|(whose, _, _)| whose == which);
        of_it.find_map(|(_, from, octets)| {
            let skipped = usize::try_from(at.checked_sub(*from)?).ok()?;
            (skipped < octets.len()).then(|| octets.slice(skipped..))
        })
    }
}

/// An object that is read.
pub(super) struct BucketObject {
    shared: Arc<Shared>,
    which: Which,
    len: u64,
    at: u64,
    /// Where what was fetched last ends, and how much it was.
    last: (u64, u64),
}

impl BucketObject {
    pub(super) fn open(shared: &Arc<Shared>, name: &str) -> io::Result<Self> {
        let found = end(shared, name)?;
        let which = (name.into(), found.tag.map(Arc::from));
        let from = found.len.checked_sub(found.octets.len() as u64);
        let from = from.ok_or(ErrorKind::InvalidData)?;
        shared.windows().keep(&which, from, found.octets);
        Ok(Self {
            shared: Arc::clone(shared),
            which,
            len: found.len,
            at: 0,
            last: (0, 0),
        })
    }

    /// Fetches what is at this place, and what is behind it.
    fn fetch(&mut self, wanted: u64) -> io::Result<Bytes> {
        let (end, octets) = self.last;
        let reads_on = self
            .at
            .checked_sub(end)
            .is_some_and(|skipped| skipped <= SKIPPED_MAX);
        let octets = match reads_on {
            true => (octets * 2).min(WINDOW_OCTETS_MAX),
            false => 0,
        };
        let octets = octets.max(wanted).max(WINDOW_OCTETS_MIN);
        let end = self.at.saturating_add(octets).min(self.len);
        let options = GetOptions {
            range: Some(GetRange::Bounded(self.at..end)),
            if_match: self.which.1.as_deref().map(str::to_owned),
            ..GetOptions::default()
        };
        let found = self.shared.get(&self.which.0, options)?;
        if found.octets.len() as u64 != end - self.at {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.last = (end, octets);
        let fetched = found.octets.clone();
        self.shared
            .windows()
            .keep(&self.which, self.at, found.octets);
        Ok(fetched)
    }
}

/// The end of an object, or all of a small one.
fn end(shared: &Shared, name: &str) -> Result<Found, Failure> {
    let part = |range| GetOptions {
        range: Some(range),
        ..GetOptions::default()
    };
    match shared.get(name, part(GetRange::Suffix(WINDOW_OCTETS_MIN))) {
        // Nothing has no end, and some stores give no more than there is in another way.
        Err(failure) if !failure.is_absent() && !failure.is_denied() => {
            let head = GetOptions {
                head: true,
                ..GetOptions::default()
            };
            let found = shared.get(name, head)?;
            let from = found.len.saturating_sub(WINDOW_OCTETS_MIN);
            match found.len {
                0 => Ok(found),
                len => shared.get(name, part(GetRange::Bounded(from..len))),
            }
        }
        found => found,
    }
}

impl Read for BucketObject {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.len || octets.is_empty() {
            return Ok(0);
        }
        let ahead = self.shared.windows().find(&self.which, self.at);
        let ahead = match ahead {
            Some(ahead) => ahead,
            None => self.fetch(octets.len() as u64)?,
        };
        let read = (&ahead[..]).read(octets)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for BucketObject {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
