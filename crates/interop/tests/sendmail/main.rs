//! The names that programs of a machine call: `sendmail` and its kin, and what they hand in, beside
//! Postfix's own; `deliver` behind Postfix and fetchmail, and scripts made of procmail's recipes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod aliases;
mod beside;
mod delivered;
mod forward;
mod handed_in;
mod letters;
mod machine;
mod programs;
mod recipes;
#[path = "../relay/sink.rs"]
mod sink;
mod table;
