//! Digests of many messages, read from their rows: what sorting and threading look at.

use mail::{EmailId, MailboxId, Rights, ThreadId, Uid, UidSet};
use message::{Digest, ancestry};

use crate::fetch::at;
use crate::search::yield_now;
use crate::tables::{EmailRow, Entry};
use crate::thread::conversation;
use crate::{Account, Fault, Outcome};

/// Messages whose rows are read in one round trip.
const READ_AT_ONCE: usize = 128;

/// What of a digest is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Dates, addresses and subjects.
    Fields,
    /// The references as well.
    References,
}

impl Account {
    /// The entries of these messages, by rising UID.
    pub(crate) async fn entries(&self, mailbox: MailboxId, uids: &UidSet) -> Outcome<Vec<Entry>> {
        self.look(|ledger| {
            let folder = self.folder(ledger, mailbox, Rights::READ)?;
            Ok(folder.among(uids).copied().collect())
        })
        .await?
    }

    /// Shows the digest of each message, in their order; those removed meanwhile are left out.
    pub(crate) async fn digests(
        &self,
        mailbox: MailboxId,
        entries: &[Entry],
        wanted: Wanted,
        mut each: impl FnMut(&Entry, &Digest) + Send,
    ) -> Outcome<()> {
        for (at, batch) in entries.chunks(READ_AT_ONCE).enumerate() {
            self.gauge.show(at * READ_AT_ONCE, entries.len());
            let emails: Vec<_> = batch.iter().map(|entry| entry.email).collect();
            let known = self.kept_digests(&emails, wanted).await?;
            let lacking = emails.iter().zip(&known);
            let lacking = lacking.filter(|(_, digest)| digest.is_none());
            let lacking: Vec<_> = lacking.map(|(email, _)| *email).collect();
            let mut rows = match lacking.is_empty() {
                true => Vec::new(),
                false => self.emails(&lacking).await?,
            }
            .into_iter();
            for (entry, digest) in batch.iter().zip(known) {
                if let Some(digest) = digest {
                    each(entry, &digest);
                } else if let Some(row) = rows.next().flatten() {
                    let which = (mailbox, entry.uid, entry.email);
                    each(entry, &self.digest(which, &row, wanted).await?);
                }
            }
            // There may be a million; others want to be served meanwhile.
            yield_now().await;
        }
        Ok(())
    }

    /// The digests that stand in rows of their own and say what is wanted.
    async fn kept_digests(
        &self,
        emails: &[EmailId],
        wanted: Wanted,
    ) -> Outcome<Vec<Option<Digest>>> {
        let rows = self.digest_rows(emails).await?;
        let read = rows.into_iter().map(|row| match row {
            None => Ok(None),
            Some(row) => {
                let digest = Digest::decode(&row.head).map_err(|_| Fault::Row("a digest"))?;
                let has_all = wanted == Wanted::Fields || digest.references.is_some();
                Ok(has_all.then_some(digest))
            }
        });
        read.collect()
    }

    /// What a message's conversation is called.
    pub(crate) async fn conversation(
        &self,
        which: (MailboxId, Uid, EmailId),
        row: &EmailRow,
    ) -> Outcome<ThreadId> {
        let digest = self.digest(which, row, Wanted::References).await?;
        Ok(conversation(&digest, row.blob))
    }

    async fn digest(
        &self,
        (mailbox, uid, email): (MailboxId, Uid, EmailId),
        row: &EmailRow,
        wanted: Wanted,
    ) -> Outcome<Digest> {
        let known = match &row.outline {
            Some(stored) => Digest::decode(stored).map_err(|_| Fault::Row("an outline"))?,
            None => {
                let outline = self.outline(mailbox, uid, email, row).await?;
                outline.digest
            }
        };
        if wanted == Wanted::Fields || known.references.is_some() {
            return Ok(known);
        }
        // An outline from before references were kept.
        let outline = self.outline(mailbox, uid, email, row).await?;
        let header = self.house.read(at(row, outline.root.header)).await?;
        Ok(Digest {
            references: Some(ancestry(&header)),
            ..known
        })
    }
}

/// When the message was sent, in seconds; for want of a date when it arrived (RFC 5256 §2.2).
pub(crate) fn sent_seconds(entry: &Entry, digest: &Digest) -> i64 {
    digest
        .sent()
        .map_or(entry.date_seconds, |sent| sent.seconds)
}
