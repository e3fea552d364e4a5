//! The RFCs' own lines, lines out of the grammar, and hostile ones.
#![expect(clippy::panic, reason = "a test")]

mod commands;
mod imaptest;
mod responses;
mod searches;
