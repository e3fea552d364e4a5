//! How a message gets in: begin, add recipients, pieces of the body, commit or drop.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bytes::Bytes;
use mail::{
    AccountId, Address, BodyType, ForwardPath, JourneyId, Recipient, Refusal, Ret, ReversePath,
    Timestamp, TlsWish,
};
use message::Header;

mod back;
mod delivery;
mod filtered;
mod onward;

pub(crate) use delivery::{Delivery, Letter, LetterKind, Outgoing};
use filtered::Refusals;
use onward::Aside;
pub(crate) use onward::{original, without_success};

use crate::captured;
use crate::gap::{Fronted, field, held_place};
use crate::handed::{HandedIn, LocalUser};
use crate::ledger::Ledger;
use crate::queue;
use crate::report::{Report, Returned};
use crate::scrutiny::{Conclusion, Scrutiny, header_too_large};
use crate::signing::Signer;
use crate::spool::{Spool, too_big};
use crate::trace::{self, Trace, Traced};
use crate::{Account, Elsewhere, Error, Outcome, Post, Route, Usage, Why};

/// Where a message comes from, for its trace fields.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The peer's address.
    pub peer: IpAddr,
    /// What it called itself in HELO, EHLO or LHLO.
    pub helo: String,
    /// The protocol it speaks.
    pub protocol: Protocol,
    /// What TLS agreed on, if there is TLS.
    pub tls: Option<Tls>,
    /// Who is logged in: then it is a submission, else an arrival from elsewhere.
    pub account: Option<Account>,
    /// Who hands it in at this machine, if it comes by no protocol: a submission as well.
    pub user: Option<LocalUser>,
}

/// The protocol a message came by (RFC 3848).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP after HELO.
    Smtp,
    /// SMTP after EHLO.
    Esmtp,
    /// The same over a connection that we have made, from a host that kept our mail for us (RFC
    /// 2645): what can be known of its sender, that host had to find out.
    OnDemand,
    /// LMTP.
    Lmtp,
}

/// What TLS agreed on, in the words of a trace field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The version: `TLS1.3`.
    pub version: String,
    /// The cipher suite.
    pub cipher: String,
}

/// What MAIL says.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Who hears of failures.
    pub reverse_path: ReversePath,
    /// How large the message is said to be (RFC 1870).
    pub size: Option<u64>,
    /// What its body is made of.
    pub body: BodyType,
    /// True if it may need SMTPUTF8.
    pub smtputf8: bool,
    /// How much a report returns.
    pub ret: Option<Ret>,
    /// The sender's name for the envelope.
    pub envid: Option<String>,
    /// What the sender wants of TLS.
    pub tls: TlsWish,
}

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
    /// How many RCPT named.
    named: usize,
    /// In whose inboxes it goes.
    local: BTreeSet<AccountId>,
    /// What is known of its beginning.
    aside: Aside,
    /// What is found out about it, if it is looked at.
    scrutiny: Option<Box<Scrutiny>>,
    /// What was found.
    conclusion: Option<Conclusion>,
}

pub(crate) const INBOX: &str = "INBOX";
/// Where suspicious mail goes, unless another mailbox has that role.
const JUNK: &str = "Junk";
/// Where mail for elsewhere is kept if it does not go there.
const CAPTURED: &str = "Captured";

impl Post {
    /// The mailboxes into which letters come by themselves.
    #[must_use]
    pub fn inboxes(&self) -> Vec<String> {
        let captured = self.rules().elsewhere == Elsewhere::Capture;
        let captured = captured.then_some(CAPTURED);
        let junk = self.rules().trust.files_junk().then_some(JUNK);
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
    /// [`Why::TooBig`] (552 5.3.4) if it is said to be too large.
    pub fn begin(&self, origin: Origin, sender: Sender) -> Outcome<Incoming> {
        let rules = self.rules();
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
        let mut id = [0; 8];
        self.inner.outside.fill(&mut id);
        let is_checked = rules.trust.check && rules.is_outside(&origin);
        Ok(Incoming {
            scrutiny: is_checked.then(Box::default),
            conclusion: None,
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
            named: 0,
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

    /// Adds a recipient (RCPT). After a refusal the others stay.
    ///
    /// # Errors
    /// 550 5.1.1 for an unknown user, 550 5.7.1 for relaying, 452 4.5.3 for too many, 452 4.2.2
    /// where a mailbox or an account it leads to is full: then the others need not wait for it.
    /// 452 4.3.1 if the queue is full, 450 4.7.1 if the submitter has sent too much.
    /// 552 5.2.3 if the message is said to be larger than all that such an account may hold.
    pub async fn recipient(&mut self, recipient: Recipient) -> Outcome<()> {
        let rules = self.house.rules();
        // RFC 5321 §4.5.3.1.10
        if self.named >= rules.recipients_max {
            let text = "Too many recipients";
            return Err(Error::refused(Why::Limit, 452, [4, 5, 3], text));
        }
        if let Some(led) = self.house.led_back(&recipient.forward_path) {
            self.lead_back(recipient, led).await?;
            self.named += 1;
            return Ok(());
        }
        match self.house.route(&recipient.forward_path) {
            Route::Local(accounts) => self.take_local(recipient, accounts).await?,
            Route::Forwarded {
                accounts,
                addresses,
            } => self.forward(recipient, accounts, addresses).await?,
            Route::Nowhere(refusal) => return Err(Error::Refused(Why::Nonexistent, refusal)),
            Route::Elsewhere => match (&self.origin.account, rules.elsewhere) {
                (None, Elsewhere::Capture | Elsewhere::Refuse) if self.origin.user.is_some() => {
                    return Err(trace::foreign("Mail for other hosts is not sent from here"));
                }
                (_, Elsewhere::Relay) => self.relay(recipient)?,
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
        if let Some(scrutiny) = &mut self.scrutiny {
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
        let mut delivery = self.arrive().await?;
        // Who has handed it in has gone, and hears of it by a report.
        let hears = handed.is_none();
        let refusals = self.filter(&mut delivery, hears).await;
        self.report(&mut delivery, &refusals);
        if let Some(handed) = handed {
            self.report_failed(&handed, &mut delivery);
            delivery.queue.handed.push((handed.id, handed.left));
        }
        delivery.carry_out(&self.house).await?;
        delivery.tell(self.journey);
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
            let concluded = scrutiny.conclude(&self.house, &self.origin, &self.sender);
            self.conclusion = Some(Box::pin(concluded).await?);
        }
        let mut delivery = Delivery::default();
        let (front, here, captured, aside) = self.split();
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
            delivery.others.push(spooled.staged.clone());
            if !self.local.is_empty() {
                let mailbox = if is_junk { JUNK } else { INBOX };
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
            travels: !self.local.is_empty() || !self.relayed.is_empty(),
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
            octets: report.write(&self.house.rules().host, &mark, now, header),
            kind: LetterKind::Success,
            tls: self.sender.tls,
        };
        let (letters, blobs) = (&mut delivery.letters, &mut delivery.others);
        self.house
            .address(&note, now, letters, blobs, &mut delivery.queue);
    }
}

/// What goes before a message's octets.
struct Front<'a> {
    house: &'a Post,
    origin: &'a Origin,
    sender: &'a Sender,
    journey: JourneyId,
    recipients: &'a [Recipient],
    expanded: &'a [Recipient],
    relayed: &'a [Recipient],
    elsewhere: &'a [Recipient],
    /// True if it goes to inboxes here, or to other hosts.
    travels: bool,
    /// True while it is being found out what is to be said of it.
    is_checked: bool,
    conclusion: Option<&'a Conclusion>,
}

impl Front<'_> {
    /// The message for inboxes here and for other hosts; `aside` is left what is known of it.
    fn of(&self, octets: &[u8], aside: &mut Aside) -> Outcome<Traced> {
        let traced = self.traced_with(octets, None)?;
        *aside = self.aside_of(&traced);
        Ok(traced)
    }

    /// The message as it is captured: nobody but its sender sees the envelope.
    fn of_captured(&self, octets: &[u8]) -> Outcome<Traced> {
        Ok(self.with_envelope(&self.traced_with(octets, None)?))
    }

    /// The same for the beginning of a large message: its header must be in it whole, or what is
    /// checked and mended would not be all of it.
    fn of_streamed(&self, octets: &[u8], aside: &mut Aside) -> Outcome<Fronted> {
        has_whole_header(octets)?;
        let mut signer = None;
        let traced = self.traced_with(octets, Some(&mut signer))?;
        *aside = self.aside_of(&traced);
        Ok(Fronted::open(traced, signer))
    }

    fn of_captured_streamed(&self, octets: &[u8]) -> Outcome<Fronted> {
        has_whole_header(octets)?;
        let mut signer = None;
        let traced = self.traced_with(octets, Some(&mut signer))?;
        Ok(Fronted::open(self.with_envelope(&traced), signer))
    }

    fn aside_of(&self, traced: &Traced) -> Aside {
        let now = Timestamp::default();
        let reported = Report::of(self.sender, now, self.recipients, self.expanded).is_some();
        Aside::of(&traced.octets, reported)
    }

    fn with_envelope(&self, traced: &Traced) -> Traced {
        let mut whole = captured::fields(self.sender, self.elsewhere).into_bytes();
        let before = whole.len();
        whole.extend_from_slice(&traced.octets);
        Traced {
            octets: whole,
            statement: traced.statement.start + before..traced.statement.end + before,
        }
    }

    /// The message with its trace fields and what is said of it. Where more of it follows, that is
    /// said by `signer` at its end, or by what is found out.
    fn traced_with(
        &self,
        octets: &[u8],
        signer: Option<&mut Option<Box<Signer>>>,
    ) -> Outcome<Traced> {
        let all = [self.recipients, self.expanded, self.relayed, self.elsewhere];
        let mut all = all.iter().copied().flatten();
        let only_recipient = match (all.next(), all.next()) {
            (Some(only), None) => Some(&only.forward_path),
            _ => None,
        };
        let rules = self.house.rules();
        let now = self.house.inner.outside.now();
        let trace = Trace {
            origin: self.origin,
            reverse_path: &self.sender.reverse_path,
            smtputf8: self.sender.smtputf8,
            journey: self.journey,
            only_recipient,
            now,
            rules,
        };
        let Some(author) = self.origin.author() else {
            let statement = match self.conclusion {
                Some(conclusion) => field(&conclusion.results),
                None if self.is_checked => held_place(&rules.host),
                None => String::new(),
            };
            return trace::arrival(&trace, &statement, octets);
        };
        let owns = |address: &Address| self.house.writes_as(self.origin, address);
        let sign = |mended: &[u8]| {
            let begin = || Signer::begin(&rules.keys, mended, now.seconds).map(Box::new);
            if let Some(signer) = signer {
                *signer = begin();
            }
            begin().map_or_else(|| Ok(String::new()), |signer| signer.finish())
        };
        trace::submission(&trace, author, owns, octets, sign)
    }
}

fn has_whole_header(octets: &[u8]) -> Outcome<()> {
    let mut header = Header::parse(octets);
    header.by_ref().for_each(drop);
    match header.blank_line().is_empty() {
        true => Err(header_too_large()),
        false => Ok(()),
    }
}
