//! An account as a logged-in connection holds it.

use std::sync::Arc;

use bytes::Bytes;
use mail::{AccountId, Address, EmailId, Gauge, ModSeq};
use store::{Cut, Direction, Page, Table};

use crate::draft::Draft;
use crate::feed::Watch;
use crate::happenings::Author;
use crate::history::{Actor, Client};
use crate::keeper::Keeper;
use crate::ledger::Ledger;
use crate::tables::{self, DigestRow, EmailRow};
use crate::{Error, Fault, Outcome, Post};

/// From so many emails on it is asked whether a scan finds them.
const NEIGHBOURS_MIN: usize = 8;
/// A scan may pass over so many rows for each that is wanted.
const SPREAD_MAX: usize = 2;

/// An account. Cheap to clone: all clones are the same account.
#[derive(Clone, Debug)]
pub struct Account {
    pub(crate) house: Post,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) address: Address,
    /// The salt of the password it was opened with: each password has its own. A shared account
    /// has none.
    pub(crate) salt: Option<[u8; 16]>,
    /// Who looks at it, if not its owner; address and salt are this one's then.
    pub(crate) visitor: Option<AccountId>,
    /// This login, among all that change an account.
    pub(crate) author: Author,
    /// Who that is, and by what, as operations are listed.
    pub(crate) actor: Arc<Actor>,
    pub(crate) gauge: Arc<Gauge>,
}

impl Account {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.keeper.account
    }

    /// The name and first address of whoever looks at it.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The house it lives in.
    #[must_use]
    pub const fn house(&self) -> &Post {
        &self.house
    }

    /// Says by what it is used from here on: operations are listed with it.
    pub fn used_by(&mut self, client: Client) {
        let who = self.actor.who.clone();
        self.actor = Arc::new(Actor { who, client });
    }

    /// By what it is used.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.actor.client
    }

    /// Shows how far a search, a sort or a threading is that was begun with this or a clone of it.
    #[must_use]
    pub const fn gauge(&self) -> &Arc<Gauge> {
        &self.gauge
    }

    /// False once the account has another password than when this was opened, or is gone.
    /// [`Account::modseq_watch`] stirs when that happens.
    #[must_use]
    pub fn is_welcome(&self) -> bool {
        let maps = self.house.inner.directory.maps();
        let row = maps
            .accounts
            .get(&self.visitor.unwrap_or_else(|| self.id()));
        row.is_some_and(|row| row.salt() == self.salt)
    }

    /// Tells when the ledger moves: changes right after each commit is durable.
    #[must_use]
    pub fn modseq_watch(&self) -> Watch<ModSeq> {
        self.keeper.modseq.watch()
    }

    /// The last line of its ledger.
    ///
    /// # Errors
    /// If the account cannot be read.
    pub async fn modseq(&self) -> Outcome<ModSeq> {
        self.look(|ledger| ledger.counters.modseq).await
    }

    /// Looks at it in memory, behind the read barrier.
    pub(crate) async fn look<T: Send>(&self, look: impl FnMut(&Ledger) -> T + Send) -> Outcome<T> {
        self.house.look(&self.keeper, look).await
    }

    /// The rows of emails, `None` for those that are gone.
    pub(crate) async fn emails(&self, emails: &[EmailId]) -> Outcome<Vec<Option<EmailRow>>> {
        // One removed meanwhile lacks its row then, and not the rest.
        let digests = self.digest_rows(emails).await?;
        let rows = self
            .rows(tables::EMAILS, emails, None, EmailRow::read)
            .await?;
        let both = rows.into_iter().zip(digests);
        Ok(both.map(|(row, rest)| Some(row?.with(rest))).collect())
    }

    /// The same for whoever needs no more than the parts: those are [`EmailRow::bare`] of which
    /// that can be read alone.
    pub(crate) async fn bare_emails(&self, emails: &[EmailId]) -> Outcome<Vec<Option<EmailRow>>> {
        let cut: Cut = EmailRow::parts_only;
        self.rows(tables::EMAILS, emails, Some(cut), EmailRow::read_cut)
            .await
    }

    /// The digests and previews of emails that have them in rows of their own.
    pub(crate) async fn digest_rows(&self, emails: &[EmailId]) -> Outcome<Vec<Option<DigestRow>>> {
        self.rows(tables::DIGESTS, emails, None, DigestRow::read)
            .await
    }

    /// Rows of emails, as far as they are there, and as much of them as is wanted.
    async fn rows<T: Send>(
        &self,
        table: Table,
        emails: &[EmailId],
        cut: Option<Cut>,
        read: fn(&Bytes) -> Option<T>,
    ) -> Outcome<Vec<Option<T>>> {
        let read = |value: &Bytes| match read(value) {
            None => Err(Fault::Row("an email").into()),
            row => Ok(row),
        };
        if let Some(ends) = neighbours(emails) {
            let page = self.rows_between(table, ends, cut).await?;
            return find(&page, emails, read);
        }
        let keys = emails.iter().map(|email| tables::email_key(*email));
        let store = self.house.inner.store.as_ref();
        let values = store
            .get(self.keeper.partition(), table, keys.collect())
            .await
            .map_err(Error::reading("reading messages' rows"))?;
        let values = values.iter();
        values
            .map(|value| value.as_ref().map_or(Ok(None), read))
            .collect()
    }

    /// Rows of emails that lie close together: one scan finds them for much less.
    async fn rows_between(
        &self,
        table: Table,
        (first, last): (EmailId, EmailId),
        cut: Option<Cut>,
    ) -> Outcome<Page> {
        let range = (
            tables::email_key(first),
            last.0
                .checked_add(1)
                .map(|end| tables::email_key(EmailId(end))),
        );
        let store = self.house.inner.store.as_ref();
        let span = usize::try_from(last.0 - first.0).unwrap_or(usize::MAX);
        let (at, limit) = (self.keeper.partition(), span.saturating_add(1));
        let page = match cut {
            Some(cut) => store.scan_cut(at, table, range, limit, cut),
            None => store.scan(at, table, range, limit, Direction::Rising),
        };
        page.await.map_err(Error::reading("reading messages' rows"))
    }

    /// Changes it in one durable step.
    pub(crate) async fn change<T: Send>(
        &self,
        mut change: impl FnMut(&mut Draft<'_>) -> Outcome<T> + Send,
    ) -> Outcome<T> {
        let change = |draft: &mut Draft<'_>| {
            draft.sign(self.author, &self.actor);
            change(draft)
        };
        self.house.change(&self.keeper, &[], change).await
    }
}

/// Reads the rows of emails, each by its key.
fn find<T>(
    page: &Page,
    emails: &[EmailId],
    read: impl Fn(&Bytes) -> Outcome<Option<T>>,
) -> Outcome<Vec<Option<T>>> {
    let mut next = 0;
    let one = |email: &EmailId| {
        let key = email.0.to_be_bytes();
        // Most are asked for in their order.
        let is_next = page.rows.get(next).is_some_and(|row| *row.key == key);
        if !is_next {
            let found = page.rows.binary_search_by(|row| (*row.key).cmp(&key));
            let Ok(at) = found else { return Ok(None) };
            next = at;
        }
        let Some(row) = page.rows.get(next) else {
            return Ok(None);
        };
        next += 1;
        read(&row.value)
    };
    emails.iter().map(one).collect()
}

/// The first and the last of emails that lie close together.
fn neighbours(emails: &[EmailId]) -> Option<(EmailId, EmailId)> {
    let (first, last) = (emails.iter().min()?, emails.iter().max()?);
    let span = usize::try_from(last.0 - first.0).ok()?;
    let close = emails.len() >= NEIGHBOURS_MIN && span < emails.len().saturating_mul(SPREAD_MAX);
    close.then_some((*first, *last))
}
