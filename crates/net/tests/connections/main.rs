//! Conversations over real streams: the driver, TLS, doors.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod compression;
mod doors;
mod driver;
mod encryption;
mod http_place;
mod script;
