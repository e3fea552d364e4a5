//! How a message gets in: begin, add recipients, pieces of the body, commit or drop.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use mail::{AccountId, ForwardPath, JourneyId, Recipient, Refusal, ReversePath};

mod back;
mod copied;
mod delivery;
mod filtered;
mod front;
mod onward;
mod origin;
mod relayed;
mod screen;

use copied::Copies;
pub(crate) use delivery::{Delivery, Letter, LetterKind, Outgoing};
use filtered::Refusals;
use front::Front;
use onward::Aside;
pub(crate) use onward::{original, without_success};
pub use origin::{Origin, Protocol, Sender, Tls};

use crate::handed::HandedIn;
use crate::ledger::Ledger;
use crate::queue;
use crate::report::{Report, Returned};
use crate::screening::Screening;
use crate::scrutiny::{Conclusion, Scrutiny};
use crate::spool::{Spool, too_big};
use crate::trace;
use crate::{Account, Elsewhere, Error, Outcome, Post, Route, Usage, Why};

/// A message that was taken: it is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The name of its way through the house, as its `Received` field has it.
    pub journey: JourneyId,
    /// How many recipients it has.
    pub recipients: usize,
    /// Under LMTP, those whose scripts have refused it, by their number from 0, and what the peer
    /// is to be told of each (RFC 5429 §2.1).
    pub refused: Vec<(usize, Refusal)>,
}

/// A message on its way in. Dropped before [`Incoming::commit`] said yes, it never was.
#[derive(Debug)]
pub struct Incoming {
    house: Post,
    origin: Origin,
    sender: Sender,
    journey: JourneyId,
    /// What goes into inboxes here.
    spool: Spool,
    /// The same for the sender's own mailbox for captured mail, its envelope before it.
    captured: Spool,
    /// Recipients here.
    recipients: Vec<Recipient>,
    /// Their numbers among all that RCPT named.
    numbers: Vec<usize>,
    /// Recipients here that stand for several.
    expanded: Vec<Recipient>,
    /// Recipients elsewhere, whose mail is captured.
    elsewhere: Vec<Recipient>,
    /// Recipients elsewhere, to whom it is sent.
    relayed: Vec<Recipient>,
    /// The paths of those among them that nobody named: aliases lead to them.
    forwarded: BTreeSet<String>,
    /// The domains of the aliases that lead to them.
    forwarders: BTreeSet<String>,
    /// The paths of those at relayed domains.
    taken_on: Vec<String>,
    /// How many RCPT named.
    named: usize,
    /// Who they are, where that decides on copies.
    addressed: Vec<ForwardPath>,
    /// Who gets it besides, seen by nobody.
    copies: Box<Copies>,
    /// In whose inboxes it goes.
    local: BTreeSet<AccountId>,
    /// What is known of its beginning.
    aside: Aside,
    /// What lists say of who sends it, once they were asked.
    screening: Option<Box<Screening>>,
    /// What the client is known by, once that was asked.
    client: Option<String>,
    /// What is told of it besides, by whoever had to do with it on its way in.
    notes: Vec<String>,
    /// True if somebody thinks that it is junk.
    is_suspected: bool,
    /// How likely it is spam, of a hundred, where somebody has looked at it.
    scored: Option<u8>,
    /// True if what is checked is told apart from what is kept.
    is_heard_apart: bool,
    /// What is found out about it, if it is looked at.
    scrutiny: Option<Box<Scrutiny>>,
    /// What was found.
    conclusion: Option<Conclusion>,
}

/// Lines that are told of a message besides.
const NOTES_MAX: usize = 32;

pub(crate) const INBOX: &str = "INBOX";
/// Where suspicious mail goes, unless another mailbox has that role.
const JUNK: &str = crate::spam::JUNK;
/// Where mail for elsewhere is kept if it does not go there.
const CAPTURED: &str = "Captured";

impl Post {
    /// The mailboxes into which letters come by themselves.
    #[must_use]
    pub fn inboxes(&self) -> Vec<String> {
        let captured = self.rules().elsewhere == Elsewhere::Capture;
        let captured = captured.then_some(CAPTURED);
        let files_junk = self.rules().trust.files_junk() || self.rules().spam.files_junk();
        let junk = files_junk.then_some(JUNK);
        let names = std::iter::once(INBOX).chain(junk).chain(captured);
        names.map(str::to_owned).collect()
    }
}

impl Post {
    /// Begins a message (MAIL).
    ///
    /// # Errors
    /// [`Why::Policy`] (550 5.7.1) if the sender's address is not the submitter's own, or the
    /// submitter has been removed since,
    /// [`Why::TooBig`] (552 5.3.4) if it is said to be too large,
    /// [`Why::Limit`] (451 4.7.1) if there were too many of late.
    pub fn begin(&self, origin: Origin, mut sender: Sender) -> Outcome<Incoming> {
        let rules = self.rules();
        let notes = self.rewrite_sender(&origin, &mut sender);
        if sender
            .size
            .is_some_and(|size| size > rules.message_octets_max)
        {
            return Err(too_big());
        }
        let gone = |account: &Account| self.inner.directory.address_of(account.id()).is_none();
        if origin.account.as_ref().is_some_and(gone) {
            return Err(trace::foreign("Your account has gone"));
        }
        if let ReversePath::Address(address) = &sender.reverse_path
            && !self.writes_as(&origin, address)
        {
            return Err(trace::foreign("The sender's address is not yours"));
        }
        self.allow_letter(&origin)?;
        let mut id = [0; 8];
        self.inner.outside.fill(&mut id);
        let is_checked = rules.trust.check && rules.is_outside(&origin);
        Ok(Incoming {
            scrutiny: is_checked.then(|| Box::new(Scrutiny::begin(rules))),
            conclusion: None,
            screening: None,
            client: None,
            notes: notes.into_iter().collect(),
            is_suspected: false,
            scored: None,
            is_heard_apart: false,
            house: self.clone(),
            origin,
            sender,
            journey: JourneyId(u64::from_be_bytes(id)),
            spool: Spool::new(self),
            captured: Spool::new(self),
            recipients: Vec::new(),
            numbers: Vec::new(),
            expanded: Vec::new(),
            elsewhere: Vec::new(),
            relayed: Vec::new(),
            forwarded: BTreeSet::new(),
            forwarders: BTreeSet::new(),
            taken_on: Vec::new(),
            named: 0,
            addressed: Vec::new(),
            copies: Box::default(),
            local: BTreeSet::new(),
            aside: Aside::default(),
        })
    }

    /// Whether one more message fits into a mailbox, as far as can be told before it is there.
    pub(crate) async fn has_room(
        &self,
        account: AccountId,
        mailbox: &str,
        size: Option<u64>,
    ) -> Outcome<()> {
        let messages_max = self.rules().mailbox_messages_max;
        let (quota, more) = (self.quota(account), Usage::of([size.unwrap_or(0).max(1)]));
        if quota.octets_max.is_some_and(|max| more.octets > max.max(1)) {
            return Err(Error::above_quota());
        }
        let room = |ledger: &Ledger| {
            let folder = ledger.target(mailbox).and_then(|id| ledger.folder(id));
            if folder.is_ok_and(|folder| folder.entries.len() >= messages_max) {
                return Err(Error::mailbox_full());
            }
            match quota.admits(ledger.counters.usage, more) {
                true => Ok(()),
                false => Err(Error::over_quota()),
            }
        };
        let keeper = self.keeper(account);
        // Only a refusal is an answer; a yes is checked again at the end, and need not wait.
        if matches!(Self::glance(&keeper, room), Some(Ok(()))) {
            return Ok(());
        }
        match self.look(&keeper, room).await {
            Ok(answer) => answer,
            // An account that has just been removed is the end's affair.
            Err(error) if error.why() == Why::Nonexistent => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Incoming {
    /// The name of its way through the house.
    #[must_use]
    pub const fn journey(&self) -> JourneyId {
        self.journey
    }

    pub(crate) const fn house(&self) -> &Post {
        &self.house
    }

    pub(crate) const fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Where an address leads for this message.
    #[must_use]
    pub fn route(&self, path: &ForwardPath) -> Route {
        let at = self.origin.protocol.at_accounts();
        self.house.route_by(path, at).0
    }

    /// Adds a recipient (RCPT). After a refusal the others stay.
    ///
    /// # Errors
    /// 550 5.1.1 for an unknown user, 550 5.7.1 for relaying, 452 4.5.3 for too many, 452 4.2.2
    /// where a mailbox or an account it leads to is full: then the others need not wait for it.
    /// 452 4.3.1 if the queue is full, 451 4.3.5 for a relayed domain while nothing is sent on,
    /// 450 4.7.1 if the submitter has sent too much, or a stranger has named too many.
    /// 552 5.2.3 if the message is said to be larger than all that such an account may hold.
    /// 550 5.7.1 if lists speak against the client or the sender, 450 4.7.1 if these are not known
    /// yet and are to come back.
    pub async fn recipient(&mut self, recipient: Recipient) -> Outcome<()> {
        let (recipients_max, elsewhere) = {
            let rules = self.house.rules();
            (rules.recipients_max, rules.elsewhere)
        };
        // RFC 5321 §4.5.3.1.10
        if self.named >= recipients_max {
            let text = "Too many recipients";
            return Err(Error::refused(Why::Limit, 452, [4, 5, 3], text));
        }
        self.house.allow_recipient(&self.origin)?;
        if let Some(led) = self.house.led_back(&recipient.forward_path) {
            self.lead_back(recipient, led).await?;
            self.named += 1;
            return Ok(());
        }
        let named = recipient.clone();
        let recipient = self.rewritten(recipient);
        let (route, by) = self.way_of(&named, &recipient);
        let paths = (recipient.forward_path.clone(), named.forward_path.clone());
        if !matches!(route, Route::Elsewhere | Route::Nowhere(_)) {
            self.screen(&recipient.forward_path).await?;
        }
        match route {
            Route::Local(accounts) => self.take_local(recipient, accounts).await?,
            Route::Forwarded {
                accounts,
                addresses,
            } => self.forward(named, accounts, addresses).await?,
            Route::Nowhere(refusal) => return Err(Error::Refused(Why::Nonexistent, refusal)),
            Route::Relayed { is_listed } if !self.house.rules().is_of_house(&self.origin) => {
                self.take_relayed(recipient, is_listed).await?;
            }
            Route::Elsewhere | Route::Relayed { .. } => match (&self.origin.account, elsewhere) {
                (None, Elsewhere::Capture | Elsewhere::Refuse) if self.origin.user.is_some() => {
                    return Err(trace::foreign("Mail for other hosts is not sent from here"));
                }
                (_, Elsewhere::Relay) => self.relay(recipient).await?,
                (Some(account), Elsewhere::Capture) => {
                    let size = self.sender.size;
                    let captured = self.house.has_room(account.id(), CAPTURED, size);
                    captured.await?;
                    self.elsewhere.push(recipient);
                }
                (Some(_), Elsewhere::Refuse) => {
                    return Err(trace::foreign("Mail for other hosts is not sent from here"));
                }
                (None, _) => return Err(trace::foreign("We do not relay for you")),
            },
        }
        self.address(paths);
        for address in by {
            let words = format!("forward: by the .forward of {address}");
            if !self.notes.contains(&words) {
                self.note(words);
            }
        }
        self.named += 1;
        Ok(())
    }

    async fn take_local(&mut self, recipient: Recipient, accounts: Vec<AccountId>) -> Outcome<()> {
        self.add_local(accounts).await?;
        self.recipients.push(recipient);
        self.numbers.push(self.named);
        Ok(())
    }

    async fn add_local(&mut self, accounts: Vec<AccountId>) -> Outcome<()> {
        for account in &accounts {
            let size = self.sender.size;
            self.house.has_room(*account, INBOX, size).await?;
        }
        self.local.extend(accounts);
        Ok(())
    }

    /// Adds a piece of the message, dots already unstuffed, lines ending in CRLF.
    ///
    /// # Errors
    /// [`Why::TooBig`] once it is too large; further pieces are swallowed, and the commit says the
    /// same. Other refusals may come early as well; the commit then says [`Why::TooBig`].
    pub async fn chunk(&mut self, bytes: Bytes) -> Outcome<()> {
        self.add_copies();
        if let Some(scrutiny) = &mut self.scrutiny
            && !self.is_heard_apart
        {
            scrutiny.feed(&bytes);
            self.spool.keeps_beside(scrutiny.memory_octets());
        }
        let taken = self.spool_piece(bytes).await;
        if taken.is_err() {
            // It will be refused: nobody need be asked about it.
            self.scrutiny = None;
        }
        taken
    }

    /// Hears a piece of the message as it came, where somebody changes it before it is kept: what
    /// is checked is what came, and [`Incoming::chunk`] is told what is kept.
    pub fn came_as(&mut self, bytes: &[u8]) {
        self.is_heard_apart = true;
        if let Some(scrutiny) = &mut self.scrutiny {
            scrutiny.feed(bytes);
        }
    }

    /// Has it filed as junk, whatever else is found out about it.
    pub fn suspect(&mut self) {
        self.is_suspected = true;
    }

    /// Has something told of it besides: a line that says what was done with it.
    pub fn note(&mut self, words: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(words);
        }
    }

    async fn spool_piece(&mut self, bytes: Bytes) -> Outcome<()> {
        let (front, here, captured, aside) = self.split();
        if front.travels {
            let streamed = |octets: Vec<u8>| front.of_streamed(&octets, aside);
            here.push(bytes.clone(), streamed).await?;
        }
        if !front.elsewhere.is_empty() {
            let streamed = |octets: Vec<u8>| front.of_captured_streamed(&octets);
            captured.push(bytes, streamed).await?;
        }
        Ok(())
    }

    /// Ends the message: on `Ok` it is in the recipients' mailboxes and in the queue, on the disk,
    /// but for those who have refused it.
    ///
    /// # Errors
    /// 550 5.7.1 with the reason if all have refused it by their scripts, and for a `From` that is
    /// not the submitter's; 554 5.4.6 for a loop, 552 5.3.4 for its size, 550 5.7.26 if the
    /// author's domain does not answer for it and wants it refused, 452 4.2.2 if somebody's room
    /// was filled meanwhile (then RCPT says whose), 452 4.3.1 or 451 4.3.0 if it cannot be stored.
    pub async fn commit(self) -> Outcome<Receipt> {
        self.finish(None).await
    }

    pub(crate) async fn finish(mut self, handed: Option<HandedIn>) -> Outcome<Receipt> {
        let is_told = handed.as_ref().is_some_and(|one| !one.failed.is_empty());
        if self.named == 0 && !is_told {
            let text = "There are no valid recipients";
            return Err(Error::refused(Why::Policy, 554, [5, 5, 1], text));
        }
        let tally = Arc::clone(&self.house.inner.tally);
        self.add_copies();
        let mut delivery = self.arrive().await.inspect_err(|_| tally.letter(false))?;
        // Who has handed it in has gone, and hears of it by a report.
        let hears = handed.is_none();
        let refusals = self.filter(&mut delivery, hears).await;
        // What all refuse nobody gets a copy of.
        if refusals.all.is_none() {
            delivery.queue.begun.append(&mut self.copies.entries);
        }
        self.report(&mut delivery, &refusals);
        if let Some(handed) = handed {
            self.report_failed(&handed, &mut delivery);
            delivery.queue.handed.push((handed.id, handed.left));
        }
        delivery.carry_out(&self.house).await?;
        delivery.tell(self.journey);
        tally.letter(refusals.all.is_none());
        if let Some(refusal) = refusals.all {
            return Err(Error::Refused(Why::Policy, refusal));
        }
        tracing::info!(
            journey = %self.journey,
            from = %self.sender.reverse_path,
            recipients = self.recipients.len(),
            captured = self.elsewhere.len(),
            queued = self.relayed.len(),
            octets = delivery.octets(),
            "accepted"
        );
        Ok(Receipt {
            journey: self.journey,
            recipients: self.named,
            refused: refusals.spoken,
        })
    }

    /// All octets are there: what is put into inboxes and the queue, before scripts are asked.
    async fn arrive(&mut self) -> Outcome<Delivery> {
        if let Some(scrutiny) = self.scrutiny.take() {
            // Boxed, so that its size is paid only while it lasts.
            let screening = self.screening.as_deref();
            let way = (&self.origin, &self.sender);
            let concluded = scrutiny.conclude(&self.house, way, screening);
            self.conclusion = Some(Box::pin(concluded).await?);
        }
        let mut delivery = Delivery {
            judgements: self.judgements().await,
            ..Delivery::default()
        };
        let is_suspected = self.is_suspected;
        let judged = delivery.judgements.field();
        let (mut front, here, captured, aside) = self.split();
        front.judged = &judged;
        let results = front.conclusion.map(|conclusion| &conclusion.results);
        let is_junk = front
            .conclusion
            .is_some_and(|conclusion| conclusion.is_junk);
        if let Some(begins) = here.close_gap(results).await? {
            aside.begins(&begins);
        }
        captured.close_gap(results).await?;
        let travels = match front.travels {
            true => Some(here.finish(|octets| front.of(&octets, aside)).await?),
            false => None,
        };
        let captured = match front.elsewhere.is_empty() {
            true => None,
            false => Some(captured.finish(|octets| front.of_captured(&octets)).await?),
        };
        delivery.teller = self.teller(travels.as_ref().or(captured.as_ref()));
        if let Some(spooled) = travels {
            delivery.queue.begun = self.entries(&spooled);
            self.copies.entries = self.copy_entries(&spooled);
            delivery.others.push(spooled.staged.clone());
            if !self.local.is_empty() {
                let mailbox = match is_junk || is_suspected {
                    true => JUNK,
                    false => INBOX,
                };
                let letter = Letter::of(mailbox, self.local.clone(), spooled);
                delivery.letters.push(letter);
            }
        }
        if let Some(spooled) = captured {
            let sender = self.origin.account.iter().map(Account::id);
            let letter = Letter::of(CAPTURED, sender.collect(), spooled);
            delivery.letters.push(letter);
        }
        Ok(delivery)
    }

    /// What is needed at the same time to put the octets together.
    fn split(&mut self) -> (Front<'_>, &mut Spool, &mut Spool, &mut Aside) {
        let front = Front {
            house: &self.house,
            origin: &self.origin,
            sender: &self.sender,
            journey: self.journey,
            recipients: &self.recipients,
            expanded: &self.expanded,
            relayed: &self.relayed,
            elsewhere: &self.elsewhere,
            is_checked: self.scrutiny.is_some(),
            conclusion: self.conclusion.as_ref(),
            judged: "",
            travels: !self.local.is_empty()
                || !self.relayed.is_empty()
                || !self.copies.elsewhere.is_empty(),
        };
        (front, &mut self.spool, &mut self.captured, &mut self.aside)
    }

    /// The report of success, where one was asked for; not for those who have refused it.
    fn report(&self, delivery: &mut Delivery, refusals: &Refusals) {
        let now = self.house.inner.outside.now();
        let all = self.recipients.iter().enumerate();
        let here = all.filter(|(place, _)| !refusals.refusing.contains(place));
        let here: Vec<&Recipient> = here.map(|(_, recipient)| recipient).collect();
        let report = Report::of(&self.sender, now, here, &self.expanded);
        let Some(report) = report else { return };
        let (mark, header) = (
            self.journey.to_string(),
            Returned::Header(&self.aside.header),
        );
        let note = queue::Note {
            to: ForwardPath::Address(report.to.clone()),
            stays: false,
            octets: report.write(&self.house.rules().host, &mark, now, header),
            kind: LetterKind::Success,
            tls: self.sender.tls,
        };
        let (letters, blobs) = (&mut delivery.letters, &mut delivery.others);
        self.house
            .address(&note, now, letters, blobs, &mut delivery.queue);
    }
}
