//! What can be made again from rows and blobs: kept beside them, and never trusted.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::backend::{Boxed, Error, Partition};

/// The name of a piece of derived data; whoever keeps it gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece(pub u128);

/// A place for data that can be made again, in named pieces for each partition.
///
/// Nothing here is durable: a piece may be gone or be damaged after a crash, and an owner may
/// remove them all. So a piece carries its own checksums. It is there whole or not at all, as long
/// as the machine stays up.
pub trait Derived: Send + Sync + fmt::Debug {
    /// The names of a partition's pieces, rising.
    fn pieces(&self, partition: Partition) -> Boxed<'_, Result<Vec<Piece>, Error>>;

    /// Keeps a piece; one of the same name is replaced.
    fn keep(
        &self,
        partition: Partition,
        piece: Piece,
        octets: Bytes,
    ) -> Boxed<'_, Result<(), Error>>;

    /// Octets of a piece, for each range in order: all that it names, or an error. A range of no
    /// octets is always there.
    fn peruse(
        &self,
        partition: Partition,
        piece: Piece,
        ranges: Vec<Range<u64>>,
    ) -> Boxed<'_, Result<Vec<Bytes>, Error>>;

    /// Removes a piece if it is there.
    fn discard(&self, partition: Partition, piece: Piece) -> Boxed<'_, Result<(), Error>>;
}
