//! What is backed up: where rows and bodies come from, however they are fetched.

use bytes::Bytes;
use store::{SnapshotPage, Sought};

use crate::Outcome;

/// What is backed up.
pub trait Source: Rows + Bodies {
    /// Told how far it is: so many messages more of so many octets were looked at.
    fn passed(&mut self, messages: u64, octets: u64);
}

/// Where rows come from.
pub trait Rows {
    /// Rows of one snapshot, from the one that `from` names on.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn rows(&mut self, from: Bytes) -> Outcome<SnapshotPage>;
}

/// Where bodies come from.
pub trait Bodies {
    /// Fetches these pieces of bodies, and hands them over in their order; none for what is
    /// damaged or not there.
    ///
    /// # Errors
    ///
    /// If nothing more can be fetched, or `taken` says so.
    fn bodies(
        &mut self,
        wanted: &[Sought],
        taken: &mut dyn FnMut(Option<Bytes>) -> Outcome<()>,
    ) -> Outcome<()>;
}
