//! Messages that are fetched from elsewhere again and again: what is known of a source moves in
//! the batch that files its messages.
//!
//! So a fetch that is killed at any moment goes on where it was: no message is lost, as it is taken
//! away at the source only behind the commit, and none comes twice. A message goes the way that
//! letters go (the reader's script runs), or straight into a mailbox. Its octets stay what they
//! were.
//!
//! Not here: how a source is asked, and what its marks mean (the caller).
//!
//! RFC 1939 §7 (unique-ids), RFC 9051 §2.3.1.1 (UIDs and their validity).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bytes::Bytes;
use mail::{
    AccountId, BodyType, FlagSet, ForwardPath, JourneyId, Recipient, ReversePath, Role, Timestamp,
};
use store::{Staged, Write};

mod rows;

pub(crate) use rows::VERSIONS;
pub use rows::{FetchId, FetchMark, FetchNote};

use crate::draft::{self, Draft};
use crate::filter::Arrived;
use crate::import::{Source, SourceId};
use crate::incoming::{Delivery, INBOX, Letter};
use crate::journey::Teller;
use crate::mailbox;
use crate::queue;
use crate::spool::{Spool, Spooled};
use crate::{Account, Error, Origin, Outcome, Post, Protocol, Route, Sender, Usage};

/// Octets of whole messages that one step may have in memory.
const GROUP_OCTETS_MAX: usize = 4 * 1024 * 1024;
/// Messages one step may have.
const GROUP_MESSAGES_MAX: usize = 100;

/// Where fetched messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchInto {
    /// Into the inbox, or wherever the reader's script says.
    Delivery,
    /// Into the inbox, whatever a script says.
    Inbox,
    /// Into this mailbox, made where it is not there.
    Mailbox {
        /// Its name.
        name: String,
        /// What it is for, if nothing else has that role.
        role: Option<Role>,
    },
}

/// What is known of a message that has come whole.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Where it goes.
    pub into: FetchInto,
    /// Its flags.
    pub flags: FlagSet,
    /// Its INTERNALDATE; without it, now.
    pub date: Option<Timestamp>,
    /// Who sent it, as far as its header tells.
    pub reverse_path: ReversePath,
    /// Whom it is for, where that is not only the account: those that are not here do not count,
    /// and where nobody is left it is the account's.
    pub recipients: Vec<Recipient>,
    /// Where it was fetched.
    pub peer: IpAddr,
    /// What is to be known of it from now on.
    pub note: Option<(FetchId, FetchNote)>,
    /// All ids of the source up to this one are known from now on.
    pub through: Option<u32>,
}

/// A source that is being fetched. What is not committed when it is dropped never was.
#[derive(Debug)]
pub struct Fetching {
    account: Account,
    source: Source,
    mark: FetchMark,
    spool: Spool,
    whole: Vec<Whole>,
    /// Octets of `whole` that are in memory.
    waiting: usize,
    /// What scripts are to remember is known only behind the commit.
    is_urgent: bool,
}

/// A message that has come whole, and what becomes of it.
#[derive(Debug)]
struct Whole {
    way: Way,
    note: Option<(FetchId, FetchNote)>,
    through: Option<u32>,
    accounts: BTreeSet<AccountId>,
}

#[derive(Debug)]
enum Way {
    Delivery(Delivery),
    Mailbox {
        name: String,
        role: Option<Role>,
        flags: FlagSet,
        date: Option<Timestamp>,
        spooled: Spooled,
        teller: Teller,
    },
}

impl Account {
    /// Begins to fetch from a source, or goes on with it.
    ///
    /// # Errors
    /// [`crate::Why::InUse`] if it is being fetched already, [`crate::Why::Cannot`] for mailboxes
    /// of others, or if what is known cannot be read.
    pub async fn fetching(&self, source: SourceId) -> Outcome<Fetching> {
        if self.visitor.is_some() {
            return Err(Error::cannot("Only an account's own mail is fetched"));
        }
        let house = self.house();
        let source = Source::take(&house.inner.imports, (self.id(), source))?;
        let mark = self.fetch_mark(source.key.1).await?.unwrap_or_default();
        Ok(Fetching {
            spool: Spool::new(house),
            account: self.clone(),
            source,
            mark,
            whole: Vec::new(),
            waiting: 0,
            is_urgent: false,
        })
    }
}

impl Fetching {
    /// What was committed of the source so far.
    #[must_use]
    pub const fn mark(&self) -> &FetchMark {
        &self.mark
    }

    /// What is known of single ids, all of them.
    ///
    /// # Errors
    /// [`crate::Why::Limit`] if they are too many, or if they cannot be read.
    pub async fn notes(&mut self) -> Outcome<BTreeMap<FetchId, FetchNote>> {
        self.account.fetch_notes(self.source.key.1).await
    }

    /// Adds a piece of the message.
    ///
    /// # Errors
    /// [`crate::Why::TooBig`], or if the store cannot take it.
    pub async fn chunk(&mut self, octets: Bytes) -> Outcome<()> {
        self.spool.push(octets, Ok).await
    }

    /// Drops what has come of the message.
    pub fn forget(&mut self) {
        self.spool = Spool::new(self.account.house());
    }

    /// Ends the message; commits if enough has come.
    ///
    /// # Errors
    /// As [`Fetching::chunk`] and [`Fetching::commit`].
    pub async fn end(&mut self, fetched: Fetched) -> Outcome<()> {
        let spooled = self.spool.finish(Ok).await?;
        self.forget();
        let octets = spooled.staged.bytes.as_ref().map_or(0, Bytes::len);
        self.waiting += octets + spooled.outline.as_ref().map_or(0, Bytes::len);
        // Boxed, as few messages have scripts that need all of its room.
        let whole = Box::pin(self.judge(fetched, spooled)).await;
        self.whole.push(whole);
        let is_full = self.whole.len() >= GROUP_MESSAGES_MAX || self.waiting >= GROUP_OCTETS_MAX;
        match is_full || self.is_urgent {
            true => self.commit().await,
            false => Ok(()),
        }
    }

    /// Puts the messages that have come whole where they belong, and what is known of the source
    /// with them: on `Ok` all of it is on the disk.
    ///
    /// # Errors
    /// [`crate::Why::OverQuota`], [`crate::Why::Limit`], [`crate::Why::Cannot`] if a mailbox cannot
    /// have that name, or if they cannot be stored. Messages before the one that was refused are
    /// there all the same, and known of; the others are not.
    pub async fn commit(&mut self) -> Outcome<()> {
        let mut whole = std::mem::take(&mut self.whole);
        (self.waiting, self.is_urgent) = (0, false);
        match self.step(&mut whole).await {
            Err(Error::Refused(..)) if whole.len() > 1 => {
                for one in &mut whole {
                    self.step(std::slice::from_mut(one)).await?;
                }
                Ok(())
            }
            done => done,
        }
    }

    /// Notes what is known of single ids, `None` to forget it, and of the source.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn note(
        &mut self,
        changes: &[(FetchId, Option<FetchNote>)],
        mark: FetchMark,
    ) -> Outcome<()> {
        if changes.is_empty() && mark == self.mark {
            return Ok(());
        }
        let source = self.source.key.1;
        self.account
            .change(|draft| {
                for (id, note) in changes {
                    draft.write(match note {
                        Some(note) => note.put(source, id),
                        None => rows::forget(source, id),
                    });
                }
                if mark != self.mark {
                    draft.write(mark.put(source));
                }
                Ok(())
            })
            .await?;
        self.mark = mark;
        Ok(())
    }

    /// Whose a message is, and what their scripts want.
    async fn judge(&mut self, mut fetched: Fetched, spooled: Spooled) -> Whole {
        let (note, through) = (fetched.note.take(), fetched.through);
        let house = self.account.house().clone();
        let arrival = Arrival::of(&self.account, &fetched);
        let teller = arrival.teller(&house, &spooled);
        if let FetchInto::Mailbox { name, role } = fetched.into {
            let way = Way::Mailbox {
                name,
                role,
                flags: fetched.flags,
                date: fetched.date,
                spooled,
                teller,
            };
            let accounts = [self.account.id()].into();
            return Whole {
                way,
                note,
                through,
                accounts,
            };
        }
        let letter = Letter {
            flags: fetched.flags.clone(),
            date: fetched.date,
            ..Letter::of(INBOX, self.accounts(&house, &fetched.recipients), spooled)
        };
        let mut delivery = Delivery {
            letters: vec![letter],
            teller,
            ..Delivery::default()
        };
        if fetched.into == FetchInto::Delivery {
            arrival.filter(&house, &mut delivery).await;
        }
        // What the next script asks for must be known, and the answers that this one sends; what
        // is told in the queue is told of one letter.
        self.is_urgent |= delivery.plans.remembers()
            || !delivery.outgoing.is_empty()
            || !delivery.queue.begun.is_empty();
        let accounts = delivery.accounts();
        Whole {
            way: Way::Delivery(delivery),
            note,
            through,
            accounts,
        }
    }

    fn accounts(&self, house: &Post, recipients: &[Recipient]) -> BTreeSet<AccountId> {
        // It stays here: nobody's `.forward` is gone by.
        let routes = recipients.iter();
        let routes = routes.map(|one| house.route_to_accounts(&one.forward_path));
        let accounts: BTreeSet<AccountId> = routes.flat_map(Route::accounts).collect();
        match accounts.is_empty() {
            true => [self.account.id()].into(),
            false => accounts,
        }
    }

    /// One durable step, again where a letter of the same sender was answered meanwhile.
    async fn step(&mut self, whole: &mut [Whole]) -> Outcome<()> {
        loop {
            let mut answered = BTreeSet::new();
            let done = self.try_step(whole, &mut answered).await;
            if answered.is_empty() {
                return done;
            }
            for one in &mut *whole {
                if let Way::Delivery(delivery) = &mut one.way {
                    delivery.drop_answers(&answered);
                }
            }
        }
    }

    async fn try_step(
        &mut self,
        whole: &[Whole],
        answered: &mut BTreeSet<AccountId>,
    ) -> Outcome<()> {
        if whole.is_empty() {
            return Ok(());
        }
        let house = self.account.house().clone();
        let own = self.account.id();
        let mut accounts: BTreeSet<AccountId> = [own].into();
        accounts.extend(whole.iter().flat_map(|one| &one.accounts));
        let accounts: Vec<AccountId> = accounts.into_iter().collect();
        let keepers: Vec<_> = accounts.iter().map(|id| house.keeper(*id)).collect();
        let mut seen = BTreeSet::new();
        let blobs = whole.iter().flat_map(|one| one.way.staged());
        let blobs = blobs.filter(|staged| seen.insert(staged.blob));
        let blobs: Vec<Staged> = blobs.cloned().collect();
        let mut mark = self.mark.clone();
        mark.fetched += u64::try_from(whole.len()).unwrap_or_default();
        mark.through = whole
            .iter()
            .filter_map(|one| one.through)
            .fold(mark.through, u32::max);
        let (source, now) = (self.source.key.1, house.inner.outside.now());
        let changes = whole.iter().filter_map(|one| one.way.entries());
        let queue = changes.fold(queue::Change::default(), queue::Change::with);
        let filed = house.change_with_queue(&keepers, &blobs, &queue, |index, draft| {
            let account = accounts.get(index).copied().unwrap_or_default();
            let its = || whole.iter().filter(|one| one.accounts.contains(&account));
            if its().any(|one| one.way.is_answered(draft, account, now)) {
                answered.insert(account);
                return Err(Error::limit("It was answered meanwhile"));
            }
            its().try_for_each(|one| one.way.file(draft, account, now, &house))?;
            if account == own {
                let notes = whole.iter().filter_map(|one| one.note.as_ref());
                notes.for_each(|(id, note)| draft.write(note.put(source, id)));
                draft.write(mark.put(source));
            }
            Ok(())
        });
        filed.await?;
        self.mark = mark;
        Ok(())
    }
}

impl Way {
    /// What it brings to the queue.
    fn entries(&self) -> Option<queue::Change> {
        match self {
            Self::Delivery(delivery) => Some(delivery.queue_change()),
            Self::Mailbox { .. } => None,
        }
    }

    fn is_answered(&self, draft: &Draft<'_>, account: AccountId, now: Timestamp) -> bool {
        match self {
            Self::Delivery(delivery) => delivery.is_answered(draft, account, now),
            Self::Mailbox { .. } => false,
        }
    }

    fn staged(&self) -> impl Iterator<Item = &Staged> {
        let (delivery, straight) = match self {
            Self::Delivery(delivery) => (Some(delivery), None),
            Self::Mailbox { spooled, .. } => (None, Some(&spooled.staged)),
        };
        let delivered = delivery.into_iter().flat_map(Delivery::staged);
        delivered.chain(straight)
    }

    fn file(
        &self,
        draft: &mut Draft<'_>,
        account: AccountId,
        now: Timestamp,
        house: &Post,
    ) -> Outcome<()> {
        let (name, role, flags, date, spooled, teller) = match self {
            Self::Delivery(delivery) => return delivery.file(draft, account, now, house),
            Self::Mailbox {
                name,
                role,
                flags,
                date,
                spooled,
                teller,
            } => (name, *role, flags, *date, spooled, teller),
        };
        let rules = house.rules();
        draft.admit(house.quota(account), Usage::of([spooled.staged.len]))?;
        let mailbox = match draft.ledger().target(name) {
            Ok(mailbox) => mailbox,
            Err(_) => mailbox::make_by_script(draft, name, role, (rules, now))?,
        };
        let filing = draft::Filing {
            email: draft.email(&spooled.row()),
            flags: &crate::filter::fitting(draft.ledger(), mailbox, flags),
            date: date.unwrap_or(now),
            now,
            size: spooled.staged.len,
            unended: spooled.unended,
        };
        draft.file(mailbox, filing, rules.mailbox_messages_max)?;
        teller.file(draft, now, Vec::new());
        Ok(())
    }
}

/// A message as it arrives, in the words of those that are sent here.
struct Arrival {
    journey: JourneyId,
    origin: Origin,
    sender: Sender,
    recipients: Vec<Recipient>,
}

impl Arrival {
    fn of(account: &Account, fetched: &Fetched) -> Self {
        let origin = Origin {
            peer: fetched.peer,
            helo: String::new(),
            protocol: Protocol::Esmtp,
            tls: None,
            account: None,
            user: None,
        };
        let sender = Sender {
            reverse_path: fetched.reverse_path.clone(),
            size: None,
            body: BodyType::EightBitMime,
            smtputf8: false,
            ret: None,
            envid: None,
            tls: mail::TlsWish::Usual,
        };
        let own = || Recipient {
            forward_path: ForwardPath::Address(account.address().clone()),
            notify: None,
            orcpt: None,
        };
        let recipients = match fetched.recipients.is_empty() {
            true => vec![own()],
            false => fetched.recipients.clone(),
        };
        let mut id = [0; 8];
        account.house().inner.outside.fill(&mut id);
        Self {
            journey: JourneyId(u64::from_be_bytes(id)),
            origin,
            sender,
            recipients,
        }
    }

    /// What its journey begins with.
    fn teller(&self, house: &Post, spooled: &Spooled) -> Teller {
        if !house.tells_journeys() {
            return Teller::default();
        }
        let to = self.recipients.iter();
        let to = to.map(|one| one.forward_path.to_string()).collect();
        let way = (&self.origin, &self.sender);
        Teller::of((self.journey, to), way, spooled, Vec::new()).fetched()
    }

    /// Runs the readers' scripts.
    async fn filter(&self, house: &Post, delivery: &mut Delivery) {
        let Some(letter) = delivery.letters.first_mut() else {
            return;
        };
        let octets = letter.spooled.front().map(AsRef::as_ref);
        let readers = (&letter.accounts, false);
        let judged = house.judgements(octets.unwrap_or_default(), readers);
        delivery.judgements = judged.await;
        let arrived = Arrived {
            journey: self.journey,
            origin: &self.origin,
            sender: &self.sender,
            recipients: &self.recipients,
            relayed: &[],
            spooled: &letter.spooled,
            judged: Some(&delivery.judgements),
            scored: None,
            sealable: None,
        };
        let accounts: Vec<AccountId> = letter.accounts.iter().copied().collect();
        let mut plans = house.filter(arrived, accounts.into_iter()).await;
        // It was taken elsewhere already: nobody is there to whom it could be refused.
        for account in plans.refused().into_keys() {
            plans.keep_refused(account);
        }
        delivery.queue.begun = plans.entries(house, arrived);
        if !delivery.queue.begun.is_empty() {
            delivery.others.push(letter.spooled.staged.clone());
        }
        delivery.outgoing = plans.outgoing(house, arrived);
        letter.accounts.extend(plans.readers());
        delivery.plans = plans;
    }
}

/// A row that is put, or taken away.
const fn put(table: store::Table, key: Bytes, value: Bytes) -> Write {
    Write::Put { table, key, value }
}
