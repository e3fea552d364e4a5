//! The post office: accounts, mailboxes, messages, delivery, submission. The only place with mail
//! rules.
//!
//! Not here: protocols (they ask through `server`), sockets, clocks, the disk (`store`), parsing of
//! messages (`message`), the queue for other hosts.
//!
//! RFC 5321 §4.4 (trace), §6.3 (loops), RFC 6409 §8 (what submission mends), RFC 9051 §5–6 (what a
//! mailbox is), RFC 7162 (mod-sequences), RFC 5802 §3 (what is kept of a password).
//!
//! Begin at [`Post`]; [`Account`] is what a logged-in connection holds; [`Incoming`] is how a
//! message gets in.

mod account;
mod append;
mod changes;
mod copy;
mod directory;
mod draft;
mod error;
mod expunge;
mod fetch;
mod flags;
mod house;
mod incoming;
mod keeper;
mod ledger;
mod login;
mod mailbox;
mod maildrop;
mod octets;
mod outside;
mod route;
mod rules;
mod search;
mod spool;
mod tables;
mod trace;

pub use account::Account;
pub use append::{Append, Appended};
pub use changes::{Changed, Changes, Snapshot};
pub use copy::Copied;
pub use directory::{Alias, AliasSource, Listed};
pub use error::{Error, Fault, Outcome, Why};
pub use expunge::Expunged;
pub use fetch::{Data, FetchPage, FetchPlan, FetchRow, Form, Item};
pub use flags::{FlagAction, FlagChange, Stored};
pub use house::Post;
pub use incoming::{Incoming, Origin, Protocol, Receipt, Sender, Tls};
pub use login::ScramKeys;
pub use mailbox::{Mailbox, Status};
pub use maildrop::{Deposit, Maildrop};
pub use outside::Outside;
pub use route::Route;
pub use rules::{Elsewhere, Rules};
pub use search::{Day, Found, Query};
