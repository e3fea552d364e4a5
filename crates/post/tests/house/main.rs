//! The house as its guests see it, over a store in memory that can be made to wait and to fail.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod delivery;
mod keeper;
mod login;
mod mailboxes;
mod messages;
mod model;
mod reports;
mod routes;
mod search;
mod submission;
mod world;
