//! The whole house in one process: mail comes in by one door and is read at another.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod carrying;
mod dialogue;
mod doors;
mod dying;
mod imap;
mod mail;
mod reading;
mod smtp;
mod town;
