//! What is kept: an ordered ledger in partitions, and immutable blobs beside it.
//!
//! Not here: what the rows mean (`post`), any mail rule, any socket.

mod backend;
pub mod embedded;
mod memory;
pub mod testing;

pub use backend::{
    Batch, Boxed, CommitError, Direction, Error, Page, Partition, Row, Stage, Staged, Store, Table,
    Version, Write, Writes,
};
pub use embedded::{Embedded, EmbeddedSettings};
pub use memory::Memory;
