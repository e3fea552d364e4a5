//! Putting a message straight into a mailbox (RFC 9051 §6.3.12).

use bytes::Bytes;
use mail::{FlagSet, MailboxId, Timestamp, Uid, UidValidity};

use crate::draft::Filing;
use crate::spool::{Spool, too_big};
use crate::{Account, Outcome, Post};

/// A message on its way into a mailbox. Dropped before [`Append::commit`] said yes, it never was.
#[derive(Debug)]
pub struct Append {
    account: Account,
    to: String,
    flags: FlagSet,
    date: Timestamp,
    spool: Spool,
}

/// Where it was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its generation.
    pub uidvalidity: UidValidity,
    /// The message's UID.
    pub uid: Uid,
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
        let target = Post::glance(&self.keeper, |ledger| ledger.target(to).is_ok());
        if target != Some(true) {
            self.look(|ledger| ledger.target(to)).await??;
        }
        Ok(Append {
            to: to.to_owned(),
            flags,
            date: date.unwrap_or_else(|| house.outside.now()),
            spool: Spool::new(&self.house),
            account: self.clone(),
        })
    }
}

impl Append {
    /// Adds a piece of the message.
    ///
    /// # Errors
    /// [`crate::Why::TooBig`], or if the store cannot take it.
    pub async fn chunk(&mut self, bytes: Bytes) -> Outcome<()> {
        self.spool.push(bytes, Ok).await
    }

    /// Ends the message: on `Ok` it is in the mailbox and on the disk.
    ///
    /// # Errors
    /// As above, [`crate::Why::Limit`], or if it cannot be stored.
    pub async fn commit(mut self) -> Outcome<Appended> {
        let spooled = self.spool.finish(Ok).await?;
        let (house, keeper) = (&self.account.house, &self.account.keeper);
        let messages_max = house.rules().mailbox_messages_max;
        let (blob, size) = (spooled.staged.blob, spooled.staged.len);
        let blobs = [spooled.staged];
        house
            .change(keeper, &blobs, |draft| {
                let mailbox = draft.ledger().target(&self.to)?;
                let uidvalidity = draft.ledger().folder(mailbox)?.row.uidvalidity;
                let email = draft.email(blob, size, spooled.outline.clone());
                let filing = Filing {
                    email,
                    flags: &self.flags,
                    date: self.date,
                    size,
                };
                let uid = draft.file(mailbox, filing, messages_max)?;
                Ok(Appended {
                    mailbox,
                    uidvalidity,
                    uid,
                })
            })
            .await
    }
}
