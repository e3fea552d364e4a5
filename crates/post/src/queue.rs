//! The queue: letters that wait to leave for other hosts.
//!
//! An entry is one letter for one destination, so that a dead destination harms nobody else and
//! each connection finds what is for it in order; all entries of a letter mention one blob. Its
//! life is drawn in [`diagram`]. Nothing of it is in memory but leases and two counters: what is
//! due is found by key.
//!
//! Not here: who carries letters (`server`), when other hosts are asked and how (`smtp`, `net`).
//!
//! RFC 5321 §4.5.4.1 (when it is tried again), §6.1 (what was accepted is not lost).

mod admin;
mod claim;
mod desk;
pub mod diagram;
mod entry;
mod fronts;
mod schedule;
mod settle;
mod suppressed;

pub use admin::{QueueDeed, QueueDone, QueuePage};
pub use claim::{Claimed, Sweep};
pub(crate) use desk::{Change, Desk, Party, Queue};
pub(crate) use entry::{
    ALL, COUNTS, DESTINATIONS, DUE, HANDED, LETTER_VERSIONS, LETTERS, VERSIONS,
};
pub use entry::{Entry, Place, Said, Waiting};
pub use schedule::QueueRules;
pub use settle::{Attempt, Fate};
pub(crate) use settle::{Note, header_is_ascii, return_path_octets};
pub use suppressed::Suppressed;
pub(crate) use suppressed::TABLE as SUPPRESSED;

use mail::{Address, ForwardPath, Host};

/// Where a path leads, as the queue calls it: a domain in A-labels, or an address literal.
#[must_use]
pub fn destination(path: &ForwardPath, own: &Host) -> String {
    match path {
        ForwardPath::Postmaster => own.to_ascii(),
        ForwardPath::Address(Address { host, .. }) => host.to_ascii().to_ascii_lowercase(),
    }
}
