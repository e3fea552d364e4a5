//! IMAP4rev2 and IMAP4rev1, both ends.

pub mod command;
mod cursor;
mod mailbox_name;
pub mod response;
mod sequence;
mod writing;

pub use command::{Command, Failure, Tag};
pub use mailbox_name::{MailboxName, Names};
pub use response::Response;
pub use sequence::{SeqNumber, SequenceRange, SequenceSet};
