//! Putting messages straight into a mailbox (RFC 9051 §6.3.12, RFC 3502), in the place of another
//! if it is so wanted (RFC 8508).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use mail::{FlagSet, MailboxId, Rights, Timestamp, Uid, UidSet, UidValidity};
use store::Staged;

use crate::access::Settable;
use crate::draft::Filing;
use crate::ledger::Ledger;
use crate::spool::{Spool, Spooled, too_big};
use crate::{Account, Error, OperationKind, Outcome, Post, Quota, Usage, Why};

/// What taking a message out of a mailbox needs.
pub(crate) const REMOVES: Rights =
    Rights::from_bits(Rights::READ.bits() | Rights::MARK_DELETED.bits() | Rights::EXPUNGE.bits());
/// Octets of whole messages that may wait in memory for the rest of their command.
const WAITING_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// Messages on their way into a mailbox. Dropped before [`Append::commit`] said yes, they never
/// were.
#[derive(Debug)]
pub struct Append {
    account: Account,
    to: String,
    /// Those that have come whole.
    whole: Vec<Arrived>,
    waiting: Waiting,
    flags: FlagSet,
    date: Timestamp,
    spool: Spool,
    /// The message that goes in the same step.
    replaces: Option<(MailboxId, Uid)>,
}

/// A message that has come whole.
#[derive(Debug)]
struct Arrived {
    flags: FlagSet,
    date: Timestamp,
    spooled: Spooled,
}

/// Where they were put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its generation.
    pub uidvalidity: UidValidity,
    /// Their UIDs, rising as they came.
    pub uids: UidSet,
}

impl Account {
    /// Begins an append. `date` becomes INTERNALDATE; without it, now.
    ///
    /// # Errors
    /// [`crate::Why::TryCreate`] if the mailbox is not there, [`crate::Why::TooBig`] if `size`, as
    /// far as it is known, is too large.
    pub async fn append(
        &self,
        to: &str,
        flags: FlagSet,
        date: Option<Timestamp>,
        size: Option<u64>,
    ) -> Outcome<Append> {
        let house = &self.house.inner;
        if size.is_some_and(|size| size > house.rules.message_octets_max) {
            return Err(too_big());
        }
        // Only a refusal is an answer; a yes is checked again at the end, and need not wait.
        let target = Post::glance(&self.keeper, |ledger| self.target(ledger, to).is_ok());
        if target != Some(true) {
            self.look(|ledger| self.target(ledger, to)).await??;
        }
        Ok(Append {
            to: to.to_owned(),
            whole: Vec::new(),
            waiting: Waiting {
                own: 0,
                all: Arc::clone(&house.bodies),
            },
            flags,
            date: date.unwrap_or_else(|| house.outside.now()),
            spool: Spool::new(&self.house),
            account: self.clone(),
            replaces: None,
        })
    }
}

impl Append {
    /// In whose account they are put.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Takes a message away in the same step, wherever the new one goes: both, or neither
    /// (RFC 8508).
    ///
    /// # Errors
    /// [`crate::Why::Expunged`] if it is no longer there; the commit may say the same.
    pub async fn replacing(mut self, mailbox: MailboxId, uid: Uid) -> Outcome<Self> {
        // As with the target: only a refusal is an answer.
        let there = Post::glance(&self.account.keeper, |ledger| {
            is_there(&self.account, ledger, mailbox, uid).is_ok()
        });
        if there != Some(true) {
            let account = &self.account;
            let look = account.look(|ledger| is_there(account, ledger, mailbox, uid));
            look.await??;
        }
        self.replaces = Some((mailbox, uid));
        Ok(self)
    }

    /// Checks that the message may go on with so many octets, and the account hold them with all
    /// that came, before they come.
    ///
    /// # Errors
    /// [`crate::Why::TooBig`], [`crate::Why::OverQuota`]; the commit may say the same.
    pub async fn room(&mut self, octets: u64) -> Outcome<()> {
        let Account { house, keeper, .. } = &self.account;
        let message = self.spool.octets().saturating_add(octets);
        if message > house.rules().message_octets_max {
            return Err(too_big());
        }
        let whole = self.whole.iter().map(|one| one.spooled.staged.len);
        let (quota, more) = (
            house.quota(keeper.account),
            Usage::of(whole.chain([message])),
        );
        let replaces = self.replaces;
        let check = |ledger: &Ledger| room(ledger, quota, more, replaces);
        // As with the target: only a refusal is an answer.
        if !matches!(Post::glance(keeper, check), Some(Ok(()))) {
            self.account.look(check).await??;
        }
        Ok(())
    }

    /// Adds a piece of the message.
    ///
    /// # Errors
    /// [`crate::Why::TooBig`], or if the store cannot take it.
    pub async fn chunk(&mut self, bytes: Bytes) -> Outcome<()> {
        self.spool.push(bytes, Ok).await
    }

    /// Ends the message and begins another, which will be put there in the same step.
    ///
    /// # Errors
    /// As [`Account::append`] and [`Append::chunk`]; [`crate::Why::Limit`] if they are too many
    /// octets to be kept in memory.
    pub async fn next(
        &mut self,
        flags: FlagSet,
        date: Option<Timestamp>,
        size: Option<u64>,
    ) -> Outcome<()> {
        let house = self.account.house.clone();
        if size.is_some_and(|size| size > house.rules().message_octets_max) {
            return Err(too_big());
        }
        self.end_message().await?;
        self.waiting.check(house.rules().bodies_memory_octets_max)?;
        self.flags = flags;
        self.date = date.unwrap_or_else(|| house.outside().now());
        self.spool = Spool::new(&house);
        Ok(())
    }

    async fn end_message(&mut self) -> Outcome<()> {
        let spooled = self.spool.finish(Ok).await?;
        let octets = spooled.staged.bytes.as_ref().map_or(0, Bytes::len);
        let outline = spooled.outline.as_ref().map_or(0, Bytes::len);
        self.waiting.add(octets + outline);
        self.whole.push(Arrived {
            flags: std::mem::take(&mut self.flags),
            date: self.date,
            spooled,
        });
        Ok(())
    }

    /// Ends the last message: on `Ok` they are in the mailbox and on the disk, all of them.
    ///
    /// # Errors
    /// As above, [`crate::Why::OverQuota`], [`crate::Why::Limit`], or if they cannot be stored;
    /// then none of them is there, and the message they were to replace is.
    pub async fn commit(mut self) -> Outcome<Appended> {
        self.end_message().await?;
        let (house, keeper) = (&self.account.house, &self.account.keeper);
        let messages_max = house.rules().mailbox_messages_max;
        let quota = house.quota(keeper.account);
        let more = Usage::of(self.whole.iter().map(|one| one.spooled.staged.len));
        let now = house.outside().now();
        let blobs: Vec<Staged> = self
            .whole
            .iter()
            .map(|one| one.spooled.staged.clone())
            .collect();
        house
            .change(keeper, &blobs, |draft| {
                let account = &self.account;
                draft.sign(account.author, &account.actor);
                let mailbox = account.target(draft.ledger(), &self.to)?;
                let folder = draft.ledger().folder(mailbox)?;
                let uidvalidity = folder.row.uidvalidity;
                let settable = Settable::by(account.rights(folder));
                room(draft.ledger(), quota, more, self.replaces)?;
                if let Some((source, uid)) = self.replaces {
                    is_there(account, draft.ledger(), source, uid)?;
                    // First, so that a full mailbox has room for what comes.
                    // RFC 8508 §3.4
                    draft.call(OperationKind::Replace);
                    draft.remove(source, &UidSet::from_range(uid..=uid));
                }
                let mut uids = UidSet::new();
                for Arrived {
                    flags,
                    date,
                    spooled,
                } in &self.whole
                {
                    let filing = Filing {
                        email: draft.email(&spooled.row()),
                        flags: &settable.among(flags),
                        date: *date,
                        now,
                        size: spooled.staged.len,
                        unended: spooled.unended,
                    };
                    uids.insert(draft.file(mailbox, filing, messages_max)?);
                }
                Ok(Appended {
                    mailbox,
                    uidvalidity,
                    uids,
                })
            })
            .await
    }
}

/// Whether the account may hold so much more, less what is replaced.
fn room(
    ledger: &Ledger,
    quota: Quota,
    mut more: Usage,
    replaces: Option<(MailboxId, Uid)>,
) -> Outcome<()> {
    let replaced = replaces.and_then(|(mailbox, uid)| ledger.folder(mailbox).ok()?.entry(uid));
    if let Some(entry) = replaced {
        more.remove(entry.size.into());
    }
    match quota.admits(ledger.counters.usage, more) {
        true => Ok(()),
        false => Err(Error::over_quota()),
    }
}

fn is_there(account: &Account, ledger: &Ledger, mailbox: MailboxId, uid: Uid) -> Outcome<()> {
    let folder = ledger.folder(mailbox).ok();
    if let Some(folder) = folder {
        account.may(folder, REMOVES)?;
    }
    let gone = || {
        let text = "The message to be replaced is gone";
        Error::refused(Why::Expunged, 550, [5, 2, 0], text)
    };
    let entry = folder.and_then(|folder| folder.entry(uid));
    entry.map(drop).ok_or_else(gone)
}

/// Octets of whole messages that wait in memory for the rest of their command.
#[derive(Debug)]
struct Waiting {
    own: usize,
    /// All that are in memory on their way in.
    all: Arc<AtomicUsize>,
}

impl Waiting {
    fn add(&mut self, octets: usize) {
        self.own = self.own.saturating_add(octets);
        self.all.fetch_add(octets, Ordering::Relaxed);
    }

    fn check(&self, all_max: usize) -> Outcome<()> {
        if self.own > WAITING_OCTETS_MAX {
            return Err(Error::limit("These are too many octets at once"));
        }
        if self.all.load(Ordering::Relaxed) > all_max {
            return Err(Error::limit(
                "Too much mail at once; please try again later",
            ));
        }
        Ok(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}
