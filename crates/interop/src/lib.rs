//! Foreigners: the running binary driven from outside, and plain clients to drive it with.
//!
//! Not here: any of the house's own code. What these tests see is what anybody's program sees.

mod confined;
mod dns;
mod dovecot;
mod neighbour;
pub mod page;
mod port;
mod postfix;
pub mod process;
mod program;
mod rspamd;
mod server;
mod signed;
mod talk;

pub use dns::NameServer;
pub use dovecot::Dovecot;
pub use neighbour::{Door, Kind, Neighbour, Sending, Wishes};
pub use port::free_address;
pub use postfix::Postfix;
pub use program::{Ended, program, python, python_with};
pub use rspamd::Rspamd;
pub use server::{Error, Server, Tls};
pub use signed::{SignedZones, Signing, Zone};
pub use talk::{Talk, expect};
