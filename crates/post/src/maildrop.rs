//! The inbox as POP3 sees it (RFC 1939 §3, §5–7): locked for one, numbered, changed at the end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use mail::{BlobRange, MailboxId, Uid, UidSet};

use crate::keeper::Keeper;
use crate::tables::EmailRow;
use crate::{Account, Error, Outcome, Why};

/// An inbox locked for one POP3 connection; dropping it frees it and changes nothing.
#[derive(Debug)]
pub struct Maildrop {
    account: Account,
    mailbox: MailboxId,
    deposits: Vec<Deposit>,
    _lock: Lock,
}

/// A message in a maildrop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// Which.
    pub uid: Uid,
    /// Octets of the message.
    pub octets: u64,
    /// True if its last line has no CRLF.
    pub unended: bool,
    /// Its name for ever: UIDL (RFC 1939 §7).
    pub uidl: String,
}

impl Account {
    /// Locks the inbox for a POP3 connection.
    ///
    /// # Errors
    /// [`crate::Why::InUse`] if another connection has it.
    pub async fn maildrop(&self) -> Outcome<Maildrop> {
        let lock = Lock::take(&self.keeper)?;
        let (mailbox, deposits) = self
            .look(|ledger| {
                let mailbox = ledger.target("INBOX")?;
                let folder = ledger.folder(mailbox)?;
                let uidvalidity = folder.row.uidvalidity;
                let deposits = folder.entries.iter().map(|entry| Deposit {
                    uid: entry.uid,
                    octets: entry.size.into(),
                    unended: entry.unended,
                    uidl: format!("{uidvalidity}.{}", entry.uid),
                });
                Ok::<_, Error>((mailbox, deposits.collect()))
            })
            .await??;
        Ok(Maildrop {
            account: self.clone(),
            mailbox,
            deposits,
            _lock: lock,
        })
    }
}

impl Maildrop {
    /// The account.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// The messages, the oldest first; the list never changes.
    #[must_use]
    pub fn deposits(&self) -> &[Deposit] {
        &self.deposits
    }

    /// The stored octets of a message.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if another session removed it meanwhile, [`crate::Why::Damaged`]
    /// if its octets are not those that were stored.
    pub async fn locate(&self, uid: Uid) -> Outcome<BlobRange> {
        let entry = self
            .account
            .look(|ledger| Ok::<_, Error>(ledger.folder(self.mailbox)?.entry(uid).copied()))
            .await??
            .ok_or_else(removed)?;
        let rows = self.account.bare_emails(&[entry.email]).await?;
        let row = rows.into_iter().flatten().next().ok_or_else(removed)?;
        let sought = row.sought();
        match self.account.house.sound(vec![sought]).await?.first() {
            Some(true) => Ok(sought.range),
            _ => Err(Error::damaged()),
        }
    }

    /// The stored octets of the message at a place, whole, and of up to `behind` messages behind
    /// it, as long as all together are no more than `octets_max`. That the first one has its place
    /// in memory is the caller's affair.
    ///
    /// # Errors
    /// As [`Maildrop::locate`], if it is the first that was removed; else what is told ends before
    /// one that was.
    pub async fn read(&self, place: usize, behind: usize, octets_max: u64) -> Outcome<Vec<Bytes>> {
        let mut octets = 0_u64;
        let mut uids = Vec::new();
        let deposits = self.deposits.get(place..).unwrap_or_default();
        for deposit in deposits.iter().take(behind.saturating_add(1)) {
            octets = octets.saturating_add(deposit.octets);
            if octets > octets_max && !uids.is_empty() {
                break;
            }
            uids.push(deposit.uid);
        }
        let emails: Vec<_> = self
            .account
            .look(|ledger| {
                let folder = ledger.folder(self.mailbox)?;
                let found = uids.iter().map_while(|uid| folder.entry(*uid));
                Ok::<_, Error>(found.map(|entry| entry.email).collect())
            })
            .await??;
        let rows = self.account.bare_emails(&emails).await?;
        let found = rows.iter().map_while(Option::as_ref);
        let sought: Vec<_> = found.map(EmailRow::sought).collect();
        if sought.is_empty() {
            return Err(removed());
        }
        match self.account.house.read_sought(sought.clone()).await {
            // Perhaps one behind it.
            Err(error) if error.why() == Why::Damaged && sought.len() > 1 => {
                let first = sought.into_iter().take(1).collect();
                self.account.house.read_sought(first).await
            }
            read => read,
        }
    }

    /// Removes messages for good and frees the maildrop (the UPDATE state).
    ///
    /// # Errors
    /// If it cannot be stored; then nothing is removed.
    pub async fn update(self, delete: &UidSet) -> Outcome<()> {
        self.account
            .change(|draft| {
                draft.remove(self.mailbox, delete);
                Ok(())
            })
            .await
    }
}

/// The one lock of an inbox; dropping it frees the inbox.
#[derive(Debug)]
struct Lock(Arc<Keeper>);

impl Lock {
    // RFC 1939 §4
    fn take(keeper: &Arc<Keeper>) -> Outcome<Self> {
        if keeper.maildrop.swap(true, Ordering::AcqRel) {
            return Err(Error::refused(
                Why::InUse,
                451,
                [4, 2, 0],
                "Another connection has the maildrop",
            ));
        }
        Ok(Self(Arc::clone(keeper)))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.maildrop.store(false, Ordering::Release);
    }
}

fn removed() -> Error {
    Error::nonexistent("The message has been removed meanwhile")
}
