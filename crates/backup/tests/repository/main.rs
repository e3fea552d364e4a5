//! Repositories on a disk that fails, and of houses that go on living.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod broken;
mod files;
mod kept;
mod life;
mod pruned;
mod sealed;
