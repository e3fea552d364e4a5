//! The words everybody in the house uses: addresses, paths, envelope, ids, flags, codes, time.
//!
//! Not here: parsing of messages (`message`) or commands (the protocol rooms), input and output.
//!
//! RFC 5321 §4.1.2–3 (paths), RFC 6531 (internationalised addresses), RFC 3463 and 5248 (enhanced
//! status codes), RFC 4314 (rights), RFC 5788 and 8457 (keywords), RFC 6154 (roles), RFC 8474
//! (object ids), RFC 5804 §1.6 (names of scripts).

mod address;
mod blob;
mod envelope;
mod flag;
mod gauge;
mod id;
mod network;
mod news;
mod reply;
mod rights;
mod role;
mod script;
mod set;
mod time;
mod uid;

pub use address::{
    Address, DOMAIN_OCTETS_MAX, ForwardPath, Host, LOCAL_PART_OCTETS_MAX, LocalPart, ReversePath,
    SyntaxError,
};
pub use blob::BlobRange;
pub use envelope::{BodyType, Envelope, Notify, Recipient, Ret, TlsWish};
pub use flag::{Flag, FlagSet, Keyword};
pub use gauge::{Gauge, Progress};
pub use id::{AccountId, BlobId, ConnId, EmailId, JourneyId, MailboxId, QueueId, ThreadId};
pub use network::Network;
pub use news::{MailboxNews, Moved, Naming};
pub use reply::{Class, Enhanced, Refusal, ReplyCode};
pub use rights::Rights;
pub use role::Role;
pub use script::{SCRIPT_NAME_CHARS_MAX, ScriptName};
pub use set::{Member, Set};
pub use time::{Imap, Instant, Rfc3339, Rfc5322, Timestamp};
pub use uid::{ModSeq, SeqNo, SeqSet, Uid, UidSet, UidValidity};
