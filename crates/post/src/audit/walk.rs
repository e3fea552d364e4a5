//! The way through one account: pieces are read, judged beside the memory of the same version,
//! and what differs is repaired if nothing has changed since.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use bytes::Bytes;
use mail::{EmailId, MailboxId, Uid};
use store::{Direction, Page, Row, Table, Version};

use super::judge;
use super::{Audit, Difference, Findings, Kind, Mend, Place, Suspect};
use crate::draft::Draft;
use crate::ledger::{Ledger, scan};
use crate::search::yield_now;
use crate::tables::{self, EmailRow, Entry};
use crate::{Account, Error, Outcome};

/// How often a piece is read anew that changes meanwhile.
const TRIES_MAX: usize = 8;
/// Entries of one piece.
const ENTRIES_MAX: usize = 500;
/// Rows of messages of one piece: each has its outline.
pub(super) const EMAILS_MAX: usize = 64;
/// What a row costs besides its octets.
const ROW_OCTETS: usize = 16;

/// Walks through one account.
pub(super) struct Auditor<'a> {
    pub(super) account: &'a Account,
    pub(super) audit: &'a Audit<'a>,
    pub(super) findings: &'a mut Findings,
    /// Messages that are in mailboxes, rising.
    pub(super) emails: Vec<EmailId>,
    /// What was seen of bodies that were read whole.
    pub(super) ends: Ends,
    /// Where it ends: what comes meanwhile is the next round's, or it would go on for ever.
    pub(super) horizon: Horizon,
}

/// What there was when the walk began.
#[derive(Debug, Default)]
pub(super) struct Horizon {
    /// The newest message.
    pub(super) email: u64,
    /// The next UID of each mailbox; `None` where all were used.
    uids: BTreeMap<MailboxId, Option<Uid>>,
}

impl Horizon {
    fn of(ledger: &Ledger) -> Self {
        let folders = ledger.folders.iter();
        Self {
            email: ledger.counters.email,
            uids: folders.map(|(id, folder)| (*id, folder.next_uid)).collect(),
        }
    }

    /// The key behind this one where the walk goes on.
    fn behind(&self, key: &[u8]) -> Option<Bytes> {
        let (id, uid) = judge::split(key)?;
        let is_within = match self.uids.get(&id) {
            Some(Some(end)) => uid + 1 < end.value(),
            Some(None) => true,
            None => false,
        };
        if is_within {
            return Some(behind(key));
        }
        next(id).map(|next| tables::entry_key(next, Uid::MIN))
    }
}

/// How the bodies end that were read whole.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// The last message whose row was looked at.
    pub(super) to: EmailId,
    /// Those whose last line has no end, rising.
    pub(super) unended: Vec<EmailId>,
    /// Those that could not be read, rising.
    pub(super) unread: Vec<EmailId>,
}

/// Rows of a piece, and what belongs to them.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// By table.
    pub(super) small: Vec<(Table, Row)>,
    /// Mailboxes that are not there and have messages.
    pub(super) lost: Vec<MailboxId>,
    /// Where the entries begin.
    pub(super) from: Bytes,
    pub(super) page: Page,
    /// The rows of the entries' messages.
    pub(super) emails: Vec<(EmailId, Option<EmailRow>)>,
    /// Whether the last lines of those messages that were read lack an end.
    pub(super) unended: BTreeMap<EmailId, bool>,
}

/// Which piece.
enum Wanted<'w> {
    /// All rows of all tables but those of messages.
    Small,
    /// Entries from a key on.
    Entries(&'w Bytes),
}

impl<'a> Auditor<'a> {
    pub(super) fn new(
        account: &'a Account,
        audit: &'a Audit<'a>,
        findings: &'a mut Findings,
    ) -> Self {
        Self {
            account,
            audit,
            findings,
            emails: Vec::new(),
            ends: Ends::default(),
            horizon: Horizon::default(),
        }
    }

    pub(super) async fn walk(mut self) -> Outcome<()> {
        self.piece(&Wanted::Small, judge::small).await?;
        self.horizon = self.account.look(Horizon::of).await?;
        self.memory().await?;
        self.letters().await?;
        self.entries().await?;
        self.shares().await
    }

    async fn entries(&mut self) -> Outcome<()> {
        let mut from = Bytes::new();
        loop {
            let wanted = Wanted::Entries(&from);
            let piece = self.piece(&wanted, judge::entries).await?;
            self.findings.messages += count(piece.page.rows.len());
            let Some(last) = piece.page.rows.last().filter(|_| piece.page.more) else {
                return Ok(());
            };
            let Some(next) = self.horizon.behind(&last.key) else {
                return Ok(());
            };
            from = next;
        }
    }

    /// Reads a piece and judges it; gives it back as it was read last.
    async fn piece(
        &mut self,
        wanted: &Wanted<'_>,
        judge: fn(&Ledger, &Piece) -> Vec<Suspect>,
    ) -> Outcome<Piece> {
        let mut piece = Piece::default();
        for _ in 0..TRIES_MAX {
            let seen = self.version().await?;
            piece = self.read(wanted).await?;
            match self.beside(seen, |ledger| judge(ledger, &piece)).await? {
                ControlFlow::Break(suspects) => {
                    let again = suspects.iter().any(Suspect::asks_for_more);
                    if self.settle(seen, suspects).await? && !(again && self.audit.repairs) {
                        return Ok(piece);
                    }
                }
                ControlFlow::Continue(()) => {}
            }
            yield_now().await;
        }
        self.findings.postponed += 1;
        Ok(piece)
    }

    pub(super) async fn version(&self) -> Outcome<Version> {
        self.account.look(|ledger| ledger.version).await
    }

    /// Looks at the memory if it is still the one of this version and the store has no other.
    pub(super) async fn beside<T: Send>(
        &mut self,
        seen: Version,
        mut look: impl FnMut(&Ledger) -> T + Send,
    ) -> Outcome<ControlFlow<T>> {
        let keeper = &self.account.keeper;
        let store = self.account.house.inner.store.as_ref();
        let stored = store.version(keeper.partition()).await;
        let stored = stored.map_err(Error::reading("reading a version"))?;
        let looked = self
            .account
            .look(|ledger| (ledger.version == seen).then(|| look(ledger)));
        match looked.await? {
            // All commits go through the keeper, which numbers them when they begin.
            Some(_) if stored != seen => {
                let what = "the rows are of another version than what is in memory".to_owned();
                let suspect = Suspect::of(Kind::Memory, Place::Account, what, Mend::Forget);
                self.settle(seen, vec![suspect]).await?;
                Ok(ControlFlow::Continue(()))
            }
            Some(answer) => Ok(ControlFlow::Break(answer)),
            None => Ok(ControlFlow::Continue(())),
        }
    }

    async fn read(&mut self, wanted: &Wanted<'_>) -> Outcome<Piece> {
        let piece = match wanted {
            Wanted::Small => self.read_small().await?,
            Wanted::Entries(from) => self.read_entries(from).await?,
        };
        let small = piece.small.iter().map(|(_, row)| row);
        let rows = small.chain(&piece.page.rows);
        let octets: usize = rows.map(octets).sum();
        self.spend(count(octets)).await;
        Ok(piece)
    }

    async fn read_small(&self) -> Outcome<Piece> {
        let store = self.account.house.inner.store.as_ref();
        let partition = self.account.keeper.partition();
        let mut piece = Piece::default();
        let apart = [
            tables::ENTRIES,
            tables::EMAILS,
            tables::DIGESTS,
            tables::GONE,
        ];
        for table in tables::ALL.into_iter().filter(|one| !apart.contains(one)) {
            scan(store, partition, table, |row| {
                piece.small.push((table, row.clone()));
                Some(())
            })
            .await?;
        }
        let known = piece.small.iter().filter_map(|(table, row)| {
            let is_mailbox = *table == tables::MAILBOXES;
            is_mailbox.then(|| tables::read_mailbox_key(&row.key))?
        });
        let known: Vec<MailboxId> = known.collect();
        piece.lost = self.lost(&known).await?;
        Ok(piece)
    }

    /// Mailboxes that have entries and are not among those known, which rise.
    async fn lost(&self, known: &[MailboxId]) -> Outcome<Vec<MailboxId>> {
        let store = self.account.house.inner.store.as_ref();
        let mut lost = Vec::new();
        let mut from = Some(MailboxId(0));
        let ends = known.iter().map(|id| Some(*id)).chain([None]);
        for end in ends {
            while let Some(first) = from {
                let key = |id: MailboxId| Bytes::copy_from_slice(&id.0.to_be_bytes());
                let range = (key(first), end.map(key));
                let partition = self.account.keeper.partition();
                let page = store
                    .scan(partition, tables::ENTRIES, range, 1, Direction::Rising)
                    .await
                    .map_err(Error::reading("reading a table"))?;
                let found = page.rows.first().and_then(|row| row.key.first_chunk());
                let Some(found) = found.map(|id| MailboxId(u64::from_be_bytes(*id))) else {
                    break;
                };
                lost.push(found);
                from = next(found);
            }
            from = end.and_then(next);
        }
        Ok(lost)
    }

    async fn read_entries(&self, from: &Bytes) -> Outcome<Piece> {
        let store = self.account.house.inner.store.as_ref();
        let (partition, range) = (self.account.keeper.partition(), (from.clone(), None));
        let page = store
            .scan(
                partition,
                tables::ENTRIES,
                range,
                ENTRIES_MAX,
                Direction::Rising,
            )
            .await
            .map_err(Error::reading("reading a table"))?;
        let ids = page.rows.iter().filter_map(|row| {
            let (_, entry) = Entry::read(&row.key, &row.value)?;
            Some(entry.email)
        });
        let mut ids: Vec<EmailId> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let keys = ids.iter().map(|id| tables::email_key(*id)).collect();
        let rows = store.get(partition, tables::EMAILS, keys).await;
        let rows = rows.map_err(Error::reading("reading messages' rows"))?;
        // Those that cannot be read were named with the letters.
        let emails = ids.iter().zip(rows).filter_map(|(id, row)| match row {
            None => Some((*id, None)),
            Some(row) => EmailRow::read(&row).map(|row| (*id, Some(row))),
        });
        let emails = emails.collect();
        let read = ids.iter().filter(|id| self.is_read(**id));
        let unended = read.map(|id| (*id, self.ends.unended.binary_search(id).is_ok()));
        Ok(Piece {
            from: from.clone(),
            page,
            unended: unended.collect(),
            emails,
            ..Piece::default()
        })
    }

    /// True if the body of this message belongs to those that are read whole.
    pub(super) const fn is_chosen(&self, id: EmailId) -> bool {
        let every = match self.audit.every {
            0 => 1,
            every => every,
        };
        id.0 % every == self.audit.turn % every
    }

    /// True if it was.
    fn is_read(&self, id: EmailId) -> bool {
        id <= self.ends.to && self.is_chosen(id) && self.ends.unread.binary_search(&id).is_err()
    }

    pub(super) async fn spend(&mut self, octets: u64) {
        self.findings.octets += octets;
        self.audit.pace.spend(octets).await;
    }

    /// Repairs what can be and counts it all; false if the account has changed since it was seen,
    /// and nothing was done.
    pub(super) async fn settle(&mut self, seen: Version, suspects: Vec<Suspect>) -> Outcome<bool> {
        if suspects.is_empty() {
            return Ok(true);
        }
        let repairs = self.audit.repairs;
        let now = self.account.house.inner.outside.now();
        let settled = self
            .account
            .change(|draft| {
                if draft.ledger().version != seen {
                    return Ok(None);
                }
                let known = known(draft.ledger(), &suspects);
                if repairs {
                    let real = |suspect: &&Suspect| !suspect.is_refuted(&known);
                    let (first, rest): (Vec<_>, Vec<_>) = suspects
                        .iter()
                        .filter(real)
                        .partition(|suspect| matches!(suspect.mend, Mend::Raise(_)));
                    for suspect in first.into_iter().chain(rest) {
                        suspect.mend.apply(draft, now);
                    }
                }
                Ok(Some(known))
            })
            .await;
        let (known, repaired) = match settled {
            Ok(None) => return Ok(false),
            Ok(Some(known)) => (known, repairs),
            Err(error) => {
                tracing::warn!(account = self.account.id().0, %error, "audit: not repaired");
                (HashSet::new(), false)
            }
        };
        if repaired && suspects.iter().any(Suspect::asks_for_reading) {
            self.account.keeper.forget();
        }
        for suspect in suspects.iter().filter(|one| !one.is_refuted(&known)) {
            let difference = self.difference(suspect, repaired).await?;
            self.findings.add(difference);
        }
        Ok(true)
    }

    async fn difference(&self, suspect: &Suspect, repaired: bool) -> Outcome<Difference> {
        let place = suspect.place;
        let named = self.account.look(|ledger| place.name(ledger)).await?;
        Ok(Difference {
            kind: suspect.kind,
            account: self.account.address.to_string(),
            mailbox: named.0,
            uid: named.1,
            what: suspect.what.clone(),
            repaired: repaired && !matches!(suspect.mend, Mend::Nothing),
        })
    }
}

/// Which of the messages that seemed to be in no mailbox are in one.
fn known(ledger: &Ledger, suspects: &[Suspect]) -> HashSet<EmailId> {
    let asked = suspects.iter().filter_map(|suspect| match suspect.mend {
        Mend::Email(email) => Some(email),
        _ => None,
    });
    let asked: HashSet<EmailId> = asked.collect();
    if asked.is_empty() {
        return asked;
    }
    let entries = ledger.folders.values().flat_map(|folder| &folder.entries);
    let there = entries.filter(|entry| asked.contains(&entry.email));
    there.map(|entry| entry.email).collect()
}

impl Suspect {
    pub(super) const fn of(kind: Kind, place: Place, what: String, mend: Mend) -> Self {
        Self {
            kind,
            place,
            what,
            mend,
        }
    }

    fn is_refuted(&self, known: &HashSet<EmailId>) -> bool {
        matches!(self.mend, Mend::Email(email) if known.contains(&email))
    }

    /// True if the account has to be read anew once this is repaired.
    fn asks_for_reading(&self) -> bool {
        match self.mend {
            Mend::Forget | Mend::Revive(_) => true,
            // Messages are counted that it names.
            Mend::Row(table, _) => table == tables::GONE,
            _ => false,
        }
    }

    /// True if there may be more to repair once this is.
    const fn asks_for_more(&self) -> bool {
        matches!(self.mend, Mend::Forget | Mend::Revive(_) | Mend::Raise(_))
    }
}

impl Mend {
    fn apply(&self, draft: &mut Draft<'_>, now: mail::Timestamp) {
        match self {
            Self::Nothing | Self::Forget => {}
            Self::Counters => draft.write_counters(),
            Self::Raise(least) => draft.raise_counters(least),
            Self::NextUid(id) => draft.raise_next_uid(*id),
            Self::Row(table, key) => draft.drop_row(*table, key.clone()),
            Self::Revive(id) => draft.revive_mailbox(*id, now),
            Self::Email(id) => draft.drop_email(*id),
            Self::Learn(id, row) => draft.learn(*id, row),
            Self::Size(mailbox, uid, size) => {
                draft.mend_entry(*mailbox, *uid, |entry| entry.size = *size);
            }
            Self::LastLine(mailbox, uid, unended) => {
                draft.mend_entry(*mailbox, *uid, |entry| entry.unended = *unended);
            }
            Self::Keywords(mailbox, uid, keywords) => {
                draft.mend_entry(*mailbox, *uid, |entry| entry.keywords = *keywords);
            }
        }
    }
}

/// The smallest key behind this one.
pub(super) fn behind(key: &[u8]) -> Bytes {
    [key, &[0][..]].concat().into()
}

pub(super) fn octets(row: &Row) -> usize {
    row.key.len() + row.value.len() + ROW_OCTETS
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn next(id: MailboxId) -> Option<MailboxId> {
    id.0.checked_add(1).map(MailboxId)
}
