//! The names that programs of a machine call: `sendmail` and its kin, and what they hand in, beside
//! Postfix's own; `deliver` behind Postfix and fetchmail.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod aliases;
mod beside;
mod delivered;
mod handed_in;
mod machine;
mod postfix;
#[path = "../relay/sink.rs"]
mod sink;
mod table;
