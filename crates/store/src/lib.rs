//! What is kept: an ordered ledger in partitions, and immutable blobs beside it; and apart from
//! both, what can be made again from them.
//!
//! Not here: what the rows mean (`post`), any mail rule, any socket.
//!
//! ```
//! use store::{Batch, Memory, Partition, Staged, Store, Table, Write, Writes};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Memory::new();
//! let account = Partition(7);
//! let body = Staged::of("Subject: hello\r\n\r\n".into());
//! let put = Write::Put {
//!     table: Table(1),
//!     key: "inbox/1".into(),
//!     value: body.blob.0.to_vec().into(),
//! };
//! let part = Writes {
//!     partition: account,
//!     from: store.version(account).await?,
//!     writes: vec![put],
//! };
//! let batch = Batch {
//!     parts: vec![part],
//!     blobs: vec![body],
//! };
//! store.commit(batch).await?;
//! let rows = store.get(account, Table(1), vec!["inbox/1".into()]).await?;
//! assert!(rows[0].is_some());
//! # Ok(())
//! # }
//! ```

mod backend;
mod derived;
pub mod disk;
pub mod embedded;
mod memory;
mod packed;
mod reclaim;
mod snapshot;
pub mod testing;
pub mod verify;

pub use backend::{
    Batch, Boxed, CommitError, Cut, Direction, Error, Hint, Page, Partition, Row, Sought, Stage,
    Staged, Store, Table, Version, Write, Writes,
};
pub use derived::{Derived, Piece};
pub use embedded::{Embedded, EmbeddedSettings, Stats};
pub use memory::Memory;
pub use packed::Packed;
pub use reclaim::{Mention, Mentions, RateLimit, Reclaim, Reclaimed, SegmentUse, Survey, Use};
pub use snapshot::{Hold, Holds, Snapshot, SnapshotPage, SnapshotRow};
