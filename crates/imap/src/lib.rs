//! IMAP4rev2 and IMAP4rev1, both ends.
//!
//! [`Session`] serves the mailboxes of an account, [`client::Client`] reads those of another. Both
//! share the grammar: [`Command`] and [`Response`]. Drive a session and it tells you what it wants:
//!
//! ```
//! use imap::{Ask, Policy, Session};
//! use wire::{Session as _, Step};
//!
//! let policy = Policy { clear_passwords: true, ..Policy::default() };
//! let mut session = Session::new(policy.into());
//! assert!(matches!(session.step(), Step::Write(greeting) if greeting.starts_with(b"* OK ")));
//! assert!(matches!(session.step(), Step::Read));
//! session.receive(b"a LOGIN ada secret\r\n");
//! assert!(matches!(session.step(), Step::Ask(Ask::Sasl(_))));
//! ```
//!
//! Not here: sockets, clocks, disks; flags, bodies and mailboxes, which the house has; the rules of
//! mail.
//!
//! RFC 9051 and 3501; 2177 (IDLE), 2342 (NAMESPACE), 2971 (ID), 3348 (CHILDREN), 3502
//! (MULTIAPPEND), 3516 (BINARY), 3691 (UNSELECT), 4314 (ACL), 4315 (UIDPLUS), 4469 (CATENATE), 4731
//! (ESEARCH), 4959 (SASL-IR), 4978 (COMPRESS), 5032 (WITHIN), 5092 (URLs of messages), 5161
//! (ENABLE), 5182 (SEARCHRES), 5255 §4.3 (I18NLEVEL=1), 5256 (SORT, THREAD), 5258 (LIST-EXTENDED),
//! 5267 (ESORT, CONTEXT), 5464 (METADATA), 5465 (NOTIFY), 5530 (response codes), 5819
//! (LIST-STATUS), 5957 (SORT=DISPLAY), 6154 (SPECIAL-USE), 6203 (SEARCH=FUZZY), 6851 (MOVE), 7162
//! (CONDSTORE, QRESYNC), 7377 (MULTISEARCH), 7888 (LITERAL+), 7889 (APPENDLIMIT), 8437
//! (UNAUTHENTICATE), 8438 (STATUS=SIZE), 8440 (LIST-MYRIGHTS), 8474 (OBJECTID), 8508 (REPLACE),
//! 8514 (SAVEDATE), 8970 (PREVIEW), 9208 (QUOTA), 9394 (PARTIAL), 9585 (INPROGRESS), 9586
//! (UIDONLY), 9590 (LIST-METADATA).

pub mod ask;
pub mod client;
pub mod command;
mod cursor;
pub mod diagram;
mod frame;
mod mailbox_name;
mod policy;
pub mod response;
mod sequence;
mod session;
pub mod url;
pub mod view;
mod writing;

pub use ask::{Answer, Ask};
pub use command::{Command, Failure, Tag};
pub use mailbox_name::{MailboxName, Names};
pub use policy::Policy;
pub use response::Response;
pub use sequence::{SeqNumber, SequenceRange, SequenceSet};
pub use session::Session;
pub use view::{Moment, View};
