//! Samples of others read by `caramel`, by Python's email and by Dovecot: each difference is judged
//! in `docs/differences`.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test"
)]

mod dovecot;
mod imap;
mod james;
#[path = "../../../message/tests/differential/judged.rs"]
mod judged;
mod python;
