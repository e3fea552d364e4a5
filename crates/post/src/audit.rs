//! The audit: whether what is derived still says what the rows and bodies say.
//!
//! Counters, sums, sizes, outlines and the directory are derived from rows and bodies. They are
//! verified beside live sessions, a piece at a time, so that no account's keeper is held long. A
//! difference is counted and told; where the truth is known it is repaired in one batch through
//! the keeper. A body that is missing or damaged is named, and never removed.
//!
//! Not here: whether the log is sound (`store`), when it is done and how fast (`server`).
//!
//! See `docs/decisions/027-audit.md`.

mod directory;
mod judge;
mod letters;
mod memory;
mod operations;
mod place;
mod shares;
mod status;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;

use mail::{AccountId, EmailId, MailboxId, Uid};
use store::Boxed;

pub use self::status::AuditStatus;
pub(crate) use self::status::Audited;

use self::walk::Auditor;
use crate::tables::{Counters, EmailRow};
use crate::{Error, Fault, Outcome, Post, Why};

/// Differences that are told one by one of an account; of the others only the number.
const DIFFERENCES_MAX: usize = 50;

/// How an audit is done.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'a> {
    /// Of so many messages one is read whole: its hash, outline and preview are made again. With 1
    /// all are.
    pub every: u64,
    /// Which one of them: another in each round.
    pub turn: u64,
    /// True if what can be repaired is.
    pub repairs: bool,
    /// How fast.
    pub pace: &'a dyn Pace,
}

/// How fast an audit may go.
pub trait Pace: Send + Sync + fmt::Debug {
    /// Waits until so many octets more may have been read.
    fn spend(&self, octets: u64) -> Boxed<'_, ()>;
}

/// As fast as it goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct AtOnce;

impl Pace for AtOnce {
    fn spend(&self, _octets: u64) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Accounts looked at.
    pub accounts: u64,
    /// Mailboxes looked at.
    pub mailboxes: u64,
    /// Messages in mailboxes looked at.
    pub messages: u64,
    /// Bodies that were asked for.
    pub bodies: u64,
    /// Bodies that were read whole.
    pub read: u64,
    /// Octets of rows and bodies that were read.
    pub octets: u64,
    /// Pieces that changed too often meanwhile: the next round looks at them again.
    pub postponed: u64,
    /// Differences found.
    pub found: u64,
    /// Differences that were repaired.
    pub repaired: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

impl Findings {
    /// True if nothing is wrong, or everything that was is repaired.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.found == self.repaired
    }

    fn add(&mut self, difference: Difference) {
        self.found += 1;
        self.repaired += u64::from(difference.repaired);
        if self.differences.len() < DIFFERENCES_MAX {
            difference.tell();
            self.differences.push(difference);
        }
    }
}

/// What kind of thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What an account counts, against its messages.
    Counters,
    /// A number that was given is above what the counter says was given last.
    Bounds,
    /// The next UID is one that was given already.
    NextUid,
    /// A row belongs to a mailbox that is not there.
    Orphan,
    /// Messages belong to a mailbox that is not there.
    LostMailbox,
    /// A message is in no mailbox.
    OrphanEmail,
    /// A message in a mailbox has no row of its own.
    NoEmail,
    /// A size, against the message's.
    Size,
    /// Whether the last line has an end, against the message's.
    LastLine,
    /// A keyword that the mailbox does not know.
    Keyword,
    /// A body is not there.
    NoBody,
    /// A body is not what its name says, or cannot be read.
    DamagedBody,
    /// An outline, against the message's.
    Outline,
    /// A preview, against the message's.
    Preview,
    /// What is in memory, against the rows.
    Memory,
    /// What an operation did is not there any more: it cannot be undone.
    Operation,
    /// A row that cannot be read.
    Unreadable,
    /// Who shares with whom, against the mailboxes' lists.
    Share,
    /// The directory's rows, against each other.
    Directory,
}

impl Kind {
    /// Its name in counters and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counters => "counters",
            Self::Bounds => "bounds",
            Self::NextUid => "next-uid",
            Self::Orphan => "orphan",
            Self::LostMailbox => "lost-mailbox",
            Self::OrphanEmail => "orphan-email",
            Self::NoEmail => "no-email",
            Self::Size => "size",
            Self::LastLine => "last-line",
            Self::Keyword => "keyword",
            Self::NoBody => "no-body",
            Self::DamagedBody => "damaged-body",
            Self::Outline => "outline",
            Self::Preview => "preview",
            Self::Memory => "memory",
            Self::Operation => "operation",
            Self::Unreadable => "unreadable",
            Self::Share => "share",
            Self::Directory => "directory",
        }
    }
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Of which kind.
    pub kind: Kind,
    /// The account's address; empty for the directory.
    pub account: String,
    /// The mailbox, as its owner calls it.
    pub mailbox: Option<String>,
    /// The message.
    pub uid: Option<Uid>,
    /// What it is, for people.
    pub what: String,
    /// True if it was repaired.
    pub repaired: bool,
}

impl Difference {
    fn tell(&self) {
        let what = &self.what;
        tracing::warn!(
            account = self.account,
            mailbox = self.mailbox,
            uid = self.uid.map(Uid::value),
            kind = self.kind.name(),
            repaired = self.repaired,
            "audit: {what}"
        );
    }
}

/// Writes `ada@example.org, INBOX, UID 7: what it is (repaired)`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.account.as_str() {
            "" => f.write_str("directory")?,
            account => f.write_str(account)?,
        }
        if let Some(mailbox) = &self.mailbox {
            write!(f, ", {mailbox}")?;
        }
        if let Some(uid) = self.uid {
            write!(f, ", UID {uid}")?;
        }
        write!(f, ": {}", self.what)?;
        match self.repaired {
            true => f.write_str(" (repaired)"),
            false => Ok(()),
        }
    }
}

/// A difference as it is found, before it is repaired.
#[derive(Debug)]
struct Suspect {
    kind: Kind,
    place: Place,
    what: String,
    mend: Mend,
}

/// Where a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the account as a whole.
    Account,
    Mailbox(MailboxId),
    Message(MailboxId, Uid),
    /// Wherever this message is.
    Email(EmailId),
}

/// How it is repaired.
#[derive(Debug)]
enum Mend {
    /// Not at all.
    Nothing,
    /// The counters are written as they are in memory.
    Counters,
    /// Counters are raised to these.
    Raise(Box<Counters>),
    NextUid(MailboxId),
    /// A row goes.
    Row(store::Table, bytes::Bytes),
    /// A mailbox is made for messages that have none.
    Revive(MailboxId),
    /// The row of a message that is in no mailbox goes.
    Email(EmailId),
    /// A message's row is written anew.
    Learn(EmailId, Box<EmailRow>),
    Size(MailboxId, Uid, u32),
    LastLine(MailboxId, Uid, bool),
    Keywords(MailboxId, Uid, u64),
    /// The memory is thrown away: the next use reads the rows.
    Forget,
}

impl Post {
    /// Audits one account beside whoever uses it.
    ///
    /// # Errors
    /// If the store cannot be read. An account that was removed meanwhile has nothing to find.
    pub async fn audit_account(&self, id: AccountId, audit: &Audit<'_>) -> Outcome<Findings> {
        let mut findings = Findings::default();
        let Some(address) = self.inner.directory.address_of(id) else {
            return Ok(findings);
        };
        let keeper = self.keeper(id);
        let was_at_rest = keeper.octets() == 0;
        let done = match self.account(id).await {
            Ok(account) => {
                findings.accounts = 1;
                let auditor = Auditor::new(&account, audit, &mut findings);
                auditor.walk().await
            }
            Err(Error::Fault(Fault::Row(_))) => self.audit_unreadable(id, &mut findings).await,
            Err(error) if error.why() == Why::Nonexistent => {
                if self.inner.directory.address_of(id).is_some() {
                    findings.add(unreadable(&address.to_string(), "it has no counters"));
                }
                Ok(())
            }
            Err(error) => Err(error),
        };
        if was_at_rest {
            // Those in use are not to lose their places to one that was only looked at.
            drop(keeper.rest());
        }
        self.inner.audited.note(&findings);
        match done {
            // Removed in the middle.
            Err(error) if error.why() == Why::Nonexistent => Ok(findings),
            done => done.map(|()| findings),
        }
    }

    /// What audits did since the house was opened.
    #[must_use]
    pub fn audit_status(&self) -> AuditStatus {
        self.inner.audited.status()
    }

    /// Counts a round through all accounts that has come to its end.
    pub fn audit_round_done(&self) {
        self.inner.audited.round(self.inner.outside.now());
    }
}

fn unreadable(account: &str, what: impl Into<String>) -> Difference {
    Difference {
        kind: Kind::Unreadable,
        account: account.to_owned(),
        mailbox: None,
        uid: None,
        what: format!("the account cannot be read: {}", what.into()),
        repaired: false,
    }
}
