//! Stored messages, or pieces of them, that become parts of one that comes (RFC 4469): copied
//! octet for octet, a bounded piece at a time.

use mail::{BlobRange, MailboxId, Rights, Uid, UidSet, UidValidity};

use crate::fetch::{Data, FetchPlan, Item};
use crate::{Account, Append, Error, Outcome};

/// Octets that are read at a time.
const PIECE_OCTETS_MAX: u64 = 256 * 1024;

impl Account {
    /// The mailbox of this name, if it is of this generation and its messages may be read.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`], [`crate::Why::Policy`] without the right.
    pub async fn source(&self, name: &str, uidvalidity: Option<UidValidity>) -> Outcome<MailboxId> {
        self.look(|ledger| {
            let (id, _) = self.reach(ledger, name, Rights::READ)?;
            let is_now = ledger.folder(id)?.row.uidvalidity;
            match uidvalidity {
                Some(meant) if meant != is_now => {
                    Err(Error::nonexistent("The mailbox is of another UIDVALIDITY"))
                }
                _ => Ok(id),
            }
        })
        .await?
    }
}

impl Append {
    /// Adds a message of a mailbox, or a piece of it; its flags stay as they are. Every piece is
    /// shown to `passing` before it is added; where that says no, the rest is left out, and the
    /// message is of no use. Returns how many octets were added.
    ///
    /// # Errors
    /// [`crate::Why::Nonexistent`] if the mailbox or the message is gone, or has no such part,
    /// [`crate::Why::Policy`] without the right to read it; as [`Append::room`] before anything is
    /// copied, and as [`Append::chunk`].
    pub async fn copy(
        &mut self,
        (source, mailbox): (&Account, MailboxId),
        uid: Uid,
        item: Item,
        mut passing: impl FnMut(&[u8]) -> bool + Send,
    ) -> Outcome<u64> {
        let range = match source.piece(mailbox, uid, item).await? {
            Data::Stored(range) => range,
            Data::Octets(octets) => {
                let len = u64::try_from(octets.len()).unwrap_or(u64::MAX);
                self.room(len).await?;
                if passing(&octets) {
                    self.chunk(octets).await?;
                }
                return Ok(len);
            }
            Data::Nothing | Data::Size(_) | Data::UnknownEncoding => {
                return Err(Error::nonexistent("The message has no such part"));
            }
            Data::Damaged => return Err(Error::damaged()),
        };
        self.room(range.len).await?;
        let mut copied = 0;
        while copied < range.len {
            let piece: BlobRange = range.part(copied, PIECE_OCTETS_MAX);
            let octets = source.house().read(piece).await?;
            if !passing(&octets) {
                break;
            }
            self.chunk(octets).await?;
            copied = copied.saturating_add(piece.len);
        }
        Ok(copied)
    }
}

impl Account {
    /// Where a piece of a message is, or its octets if they lie in no one place.
    async fn piece(&self, mailbox: MailboxId, uid: Uid, item: Item) -> Outcome<Data> {
        let plan = FetchPlan {
            items: vec![item],
            in_place: true,
            ..FetchPlan::default()
        };
        let one = UidSet::from_range(uid..=uid);
        let page = self.fetch(mailbox, &one, None, &plan).await?;
        let data = page.rows.into_iter().flat_map(|row| row.data).next();
        data.ok_or_else(|| Error::nonexistent("There is no such message"))
    }
}
