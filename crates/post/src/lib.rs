//! The post office: accounts, mailboxes, messages, delivery, submission. The only place with mail
//! rules.
//!
//! Not here: protocols (they ask through `server`), sockets, clocks, the disk (`store`), parsing of
//! messages (`message`), how other hosts are reached (`server`).
//!
//! RFC 5321 §4.4 (trace), §6.3 (loops), RFC 6409 §8 (what submission mends), RFC 9051 §5–6 (what a
//! mailbox is), RFC 7162 (mod-sequences), RFC 5802 §3 (what is kept of a password), RFC 7519 and
//! 7517 (access tokens and their keys), RFC 3461 and 3464 (reports), RFC 9208 (what an
//! account may hold), RFC 5464 (notes on mailboxes), RFC 5228 (scripts at delivery), RFC 5230, 5429
//! and 5435 (what they send), RFC 6785 (scripts that IMAP runs), RFC 5782 (lists in DNS).
//!
//! Begin at [`Post`]; [`Account`] is what a logged-in connection holds; [`Incoming`] is how a
//! message gets in:
//!
//! ```
//! # use std::sync::Arc;
//! # use mail::{Address, BodyType, ForwardPath, Host, Instant, Recipient, ReversePath, Timestamp};
//! # use post::{Origin, Outside, Post, Protocol, Rules, Sender};
//! # #[derive(Debug)]
//! # struct World;
//! # impl Outside for World {
//! #     fn now(&self) -> Timestamp { Timestamp::utc(1_700_000_000) }
//! #     fn instant(&self) -> Instant { Instant::default() }
//! #     fn fill(&self, octets: &mut [u8]) { octets.fill(7) }
//! #     fn run_heavy(&self, work: Box<dyn FnOnce() + Send>) { work() }
//! #     fn detach(&self, work: store::Boxed<'static, ()>) { drop(work) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rules = Rules::new(Host::parse("mx.example.org")?);
//! let post = Post::open(Arc::new(store::Memory::new()), Arc::new(World), rules).await?;
//! let ada = Address::parse("ada@example.org")?;
//! post.add_domain(&ada.host).await?;
//! post.add_account(&ada, "correct horse").await?;
//!
//! let origin = Origin {
//!     peer: "192.0.2.1".parse()?,
//!     helo: "mail.example.net".into(),
//!     protocol: Protocol::Esmtp,
//!     tls: None,
//!     account: None,
//!     user: None,
//! };
//! let sender = Sender {
//!     reverse_path: ReversePath::parse("<bob@example.net>")?,
//!     size: None,
//!     body: BodyType::SevenBit,
//!     smtputf8: false,
//!     ret: None,
//!     envid: None,
//!     tls: mail::TlsWish::Usual,
//! };
//! let mut letter = post.begin(origin, sender)?;
//! letter.recipient(Recipient {
//!     forward_path: ForwardPath::parse("<Ada+tea@example.org>")?,
//!     notify: None,
//!     orcpt: None,
//! }).await?;
//! letter.chunk("Subject: Tea\r\n\r\nAt five?\r\n".into()).await?;
//! letter.commit().await?; // now it is on the disk, and 250 may be said
//!
//! let peer = "192.0.2.2".parse()?;
//! let account = post.login_password(peer, "ada", None, "correct horse").await?;
//! assert_eq!(account.open("INBOX").await?.uids.len(), 1);
//! # Ok(())
//! # }
//! ```

mod access;
mod account;
mod aggregate;
mod allowance;
mod append;
mod applied;
mod arranged;
mod audit;
mod backup;
mod budget;
mod captured;
mod catenate;
mod changes;
mod copy;
mod digests;
mod directory;
mod draft;
mod error;
mod events;
mod expunge;
mod feed;
mod fetch;
mod fetched;
mod filter;
mod flags;
mod forget;
mod forms;
mod forwarding;
mod gap;
mod greylist;
mod handed;
mod happenings;
mod history;
mod house;
mod import;
mod incoming;
mod journey;
mod keeper;
mod ledger;
mod login;
mod mailbox;
mod maildrop;
mod metadata;
mod news;
mod octets;
mod outside;
mod past;
mod policies;
pub mod queue;
mod quota;
mod reclaim;
mod removed;
mod report;
mod rewrite;
mod route;
mod rules;
mod screening;
mod scripts;
mod scrutiny;
mod search;
mod sharing;
mod signing;
mod site;
mod sort;
mod spam;
mod spool;
mod stats;
mod sums;
mod tables;
mod tally;
mod thread;
mod tls_results;
mod trace;
mod undo;

pub use crate::spam::{Explained, SpamMeasure, SpamRules, SpamStatus, SpamWish, Trained};
pub use ::spam::{Class as SpamClass, Clues, Evidence, Verdict as SpamVerdict};
pub use account::Account;
pub use aggregate::ReportDue;
pub use allowance::{RateRules, SendRule};
pub use append::{Append, Appended};
pub use applied::{Applied, Apply};
pub use audit::{AtOnce, Audit, AuditStatus, Difference, Findings, Kind, Pace};
pub use backup::{AccountContents, Inventory, MailboxContents, StoredBody, stored_body};
pub use budget::MailboxMemory;
pub use changes::{Changed, Changes, Snapshot};
pub use copy::Copied;
pub use directory::{
    Alias, AliasFile, AliasName, AliasSource, Forward, Forwards, Listed, RecipientList,
    RecipientPage, RecipientsGathered, RelayedDomain, RemovedAccount, UserName, read_recipient,
};
pub use error::{Error, Fault, Outcome, Why};
pub use events::EventCause;
pub use expunge::Expunged;
pub use feed::Watch;
pub use fetch::{Data, FetchPage, FetchPlan, FetchRow, Form, Item, Preview};
pub use fetched::{FetchId, FetchInto, FetchMark, FetchNote, Fetched, Fetching};
pub use flags::{FlagAction, FlagChange, Stored};
pub use forget::{Purge, Purged};
pub use forms::{INDEX_FORM, ROW_FORMS, RowForm, TableOwner, index_form, row_form};
pub use greylist::GreyRules;
pub use handed::{HandedId, HandedIn, LocalUser};
pub use history::{Client, Operation, OperationKind, OperationState, UndoRules};
pub use house::Post;
pub use import::{Arrival, Destination, Import, ImportNote, Imported, SourceId};
pub use incoming::{Incoming, Origin, Protocol, Receipt, Sender, Tls};
pub use journey::{ArrivalTold, AttemptResult, Event, JourneyStep, JourneyTold, Sought};
pub use login::{
    Introspected, IntrospectedError, KEY_SET_OCTETS_MAX, KeySet, KeySetError, ScramHash, ScramKeys,
    TokenProof, TokenRules, is_signed_token,
};
pub use mailbox::{Mailbox, Status};
pub use maildrop::{Deposit, Maildrop};
pub use metadata::{Metadata, MetadataQuery};
pub use news::News;
pub use outside::Outside;
pub use past::{Past, PastMessage};
pub use policies::{KeptPolicy, PolicyFailure};
pub use quota::{Quota, Recount, Usage};
pub use reclaim::mention;
pub use rewrite::{CopyRule, Pattern, Rewrite, RewriteRules};
pub use route::Route;
pub use rules::{Elsewhere, Rules};
pub use screening::{ListDeed, ListRule};
pub use scripts::{KeptScript, ScriptVerdict};
pub use scrutiny::{DmarcMeasure, TrustRules};
pub use search::{Day, Found, Narrowed, Query, Within};
pub use sharing::{Neighbour, RightsChange};
pub use signing::{DomainKey, Keyring};
pub use site::{MailList, MailListError, ScoreForm, SieveRules, SpamField, VirusField, list_name};
pub use sort::{SortCriterion, SortKey, Sorted};
pub use stats::{Stats, TableStats};
pub use store::{Reclaimed, SegmentUse, Survey, Use};
pub use tally::Tallied;
pub use thread::Threading;
pub use tls_results::TlsResults;
pub use undo::{Revert, Reverted};
