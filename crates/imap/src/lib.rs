//! IMAP4rev2 and IMAP4rev1, both ends.

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
