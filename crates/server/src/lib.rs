//! Joins sessions to the post: one file of answers per protocol.
//!
//! Not here: what a protocol says (the protocol rooms), mail's rules (`post`), sockets (`net`), the
//! configuration file (`caramel`).
//!
//! A connection comes through a [`Door`], becomes a `Visit`, and its protocol's file makes a
//! session and a house for it: `smtp.rs`, `imap.rs`, `pop3.rs`,
//! `managesieve.rs`. Each house answers asks one by one
//! by asking the post, and holds a `Guest`: what is known of the peer and of who is logged in.

mod alias_file;
mod audit;
mod control;
mod courier;
mod entrance;
mod fetch;
mod filters;
mod forwards;
mod gallery;
mod guest;
mod imap;
mod introspection;
mod key_file;
mod managesieve;
mod metrics;
mod names;
mod outside;
mod pickup;
mod pop3;
mod programs;
mod reclaim;
mod relay;
mod run;
mod settings;
mod smtp;
mod visit;

pub use alias_file::{AliasFault, AliasTargets, AliasesRead, read_aliases};
pub use audit::AuditRhythm;
pub use control::{administer, converse_alone};
pub use courier::{Courier, CourierError, CourierHost, CourierLogin, CourierSight};
pub use entrance::{Conversation, Entrance};
pub use fetch::{
    ImapTalk, Preserves, Source, SourceProtocol, SourceSecret, SourceTls, Trouble, When,
};
pub use filters::{Asked, MilterSettings, Milters, RspamdSettings};
pub use forwards::UserPath;
pub use introspection::{Introspection, IntrospectionError, IntrospectionSettings};
pub use key_file::{KeyFile, KeyFileError};
pub use outside::World;
pub use pickup::{
    HouseFacts, LocalDraft, LocalEnvelope, LocalSettings, LocalSpool, SystemUser, hand_in_by_smtp,
    notify, system_user,
};
pub use programs::{ProgramFile, ProgramSettings, Programs, ProgramsError};
pub use reclaim::ReclaimRhythm;
pub use relay::{Reach, RelayProtocol, RelayRoute, RelaySettings, RelayTls, SmartHost, Sources};
pub use run::{Error, Running, run};
pub use settings::{Door, Encrypted, Protocol, Settings};
