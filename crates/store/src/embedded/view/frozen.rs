//! The view as it was at one instant, read piece by piece while others change it.

use std::fmt;
use std::ops::Bound;

use fjall::{UserKey, UserValue};

use super::engine::FrozenEngine;
use super::plain::FrozenPlain;
use super::{MARK, Space};
use crate::backend::Error;

/// Keys of one piece at most.
const PIECE_KEYS_MAX: usize = 4096;
/// A piece ends behind the key with which it has so many octets.
const PIECE_OCTETS: usize = 256 << 10;

/// The view at one instant.
pub(in crate::embedded) enum Frozen {
    /// Of an engine.
    Engine(FrozenEngine),
    /// Of maps in memory.
    Plain(FrozenPlain),
}

/// Is shown a key with its value, and says whether to go on.
type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool, Error> + 'a;

/// Keys with their values, by rising key.
pub(in crate::embedded) type Rows = Vec<(UserKey, UserValue)>;

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frozen")
    }
}

impl Frozen {
    /// What is before every key.
    pub(in crate::embedded) const BEGIN: &[u8] = &MARK;

    /// The next keys behind one, the mark left out; none at the end.
    pub(in crate::embedded) fn piece(&self, space: Space, behind: &[u8]) -> Result<Rows, Error> {
        let range = (Bound::Excluded(behind), Bound::Unbounded);
        match self {
            Self::Engine(engine) => gather(engine.range(space, range)),
            Self::Plain(plain) => gather(plain.range(space, range)),
        }
    }

    /// Shows the keys from one on, until it is enough: `each` says false.
    pub(in crate::embedded) fn each_from(
        &self,
        space: Space,
        from: &[u8],
        each: &mut Each<'_>,
    ) -> Result<(), Error> {
        let range = (Bound::Included(from), Bound::Unbounded);
        match self {
            Self::Engine(engine) => show(engine.range(space, range), each),
            Self::Plain(plain) => show(plain.range(space, range), each),
        }
    }
}

fn show(
    rows: impl Iterator<Item = Result<(UserKey, UserValue), Error>>,
    each: &mut Each<'_>,
) -> Result<(), Error> {
    for row in rows {
        let (key, value) = row?;
        if !each(&key, &value)? {
            break;
        }
    }
    Ok(())
}

fn gather(rows: impl Iterator<Item = Result<(UserKey, UserValue), Error>>) -> Result<Rows, Error> {
    let (mut piece, mut octets) = (Rows::new(), 0);
    for row in rows {
        let (key, value) = row?;
        octets += key.len() + value.len();
        piece.push((key, value));
        if octets >= PIECE_OCTETS || piece.len() >= PIECE_KEYS_MAX {
            break;
        }
    }
    Ok(piece)
}
