//! A seeded world: servers, clients, network, clock and disk in one process.
//!
//! Everything that chance decides is drawn from one seed, time passes only when everybody waits,
//! and no octet leaves the process. The same seed gives the same run, so a run that fails can be
//! looked at again.
//!
//! In it live the real sessions, driver, post and store: the log, the bodies, the recovery, the
//! committer. The world's own are the disk ([`SimDisk`]), the network, the clock, chance, and the
//! clients. What clients were told is kept by the [`oracle`]; after each fault every letter,
//! flag, name and number is looked at through the protocols, and compared.
//!
//! Letters that leave have a world of their own ([`departures`]): other hosts are its own as well,
//! and take, put off, refuse and lose what the real queue hands them.
//!
//! Not here: SMTP with other hosts, and DNS.

mod client;
pub mod departures;
mod dice;
mod disk;
mod fill;
mod house;
mod imap;
mod litter;
pub mod network;
pub mod oracle;
mod outside;
mod owner;
pub mod paths;
mod pop3;
mod smtp;
mod trace;
mod undo;
mod verify;
mod world;

pub use dice::Dice;
pub use disk::{Failure, Fault, Kind, SimDisk, Then};
pub use trace::Trace;
pub use world::{Broken, Tale, run};
