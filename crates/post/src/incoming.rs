//! How a message gets in: begin, add recipients, pieces of the body, commit or drop.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bytes::Bytes;
use mail::{
    AccountId, Address, BodyType, FlagSet, ForwardPath, JourneyId, Recipient, Ret, ReversePath,
    Timestamp,
};
use message::Header;
use store::Staged;

use crate::captured;
use crate::draft::{Draft, Filing};
use crate::ledger::Ledger;
use crate::report::Report;
use crate::spool::{Spool, Spooled, too_big};
use crate::trace::{self, Trace};
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
}

/// The protocol a message came by (RFC 3848).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP after HELO.
    Smtp,
    /// SMTP after EHLO.
    Esmtp,
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
}

/// A message that was taken: it is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The name of its way through the house, as its `Received` field has it.
    pub journey: JourneyId,
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
    /// Recipients elsewhere, whose mail is captured.
    elsewhere: Vec<Recipient>,
    /// In whose inboxes it goes.
    local: BTreeSet<AccountId>,
    /// Its header as it is delivered, where a report returns it.
    header: Vec<u8>,
}

const INBOX: &str = "INBOX";
/// Where mail for elsewhere is kept if it does not go there.
const CAPTURED: &str = "Captured";

impl Post {
    /// The mailboxes into which letters come by themselves.
    #[must_use]
    pub fn inboxes(&self) -> Vec<String> {
        let captured = self.rules().elsewhere == Elsewhere::Capture;
        let captured = captured.then_some(CAPTURED);
        let names = std::iter::once(INBOX).chain(captured);
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
        if let (Some(account), ReversePath::Address(address)) =
            (&origin.account, &sender.reverse_path)
            && !self.owns(account, address)
        {
            return Err(trace::foreign("The sender's address is not yours"));
        }
        let mut id = [0; 8];
        self.inner.outside.fill(&mut id);
        Ok(Incoming {
            house: self.clone(),
            origin,
            sender,
            journey: JourneyId(u64::from_be_bytes(id)),
            spool: Spool::new(self),
            captured: Spool::new(self),
            recipients: Vec::new(),
            elsewhere: Vec::new(),
            local: BTreeSet::new(),
            header: Vec::new(),
        })
    }

    /// Whether one more message fits into a mailbox, as far as can be told before it is there.
    async fn has_room(&self, account: AccountId, mailbox: &str, size: Option<u64>) -> Outcome<()> {
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

    /// Adds a recipient (RCPT). After a refusal the others stay.
    ///
    /// # Errors
    /// 550 5.1.1 for an unknown user, 550 5.7.1 for relaying, 452 4.5.3 for too many, 452 4.2.2
    /// where a mailbox or an account it leads to is full: then the others need not wait for it.
    /// 552 5.2.3 if the message is said to be larger than all that such an account may hold.
    pub async fn recipient(&mut self, recipient: Recipient) -> Outcome<()> {
        let rules = self.house.rules();
        // RFC 5321 §4.5.3.1.10
        if self.recipients.len() + self.elsewhere.len() >= rules.recipients_max {
            let text = "Too many recipients";
            return Err(Error::refused(Why::Limit, 452, [4, 5, 3], text));
        }
        match self.house.route(&recipient.forward_path) {
            Route::Local(accounts) => {
                for account in &accounts {
                    let size = self.sender.size;
                    self.house.has_room(*account, INBOX, size).await?;
                }
                self.local.extend(accounts);
                self.recipients.push(recipient);
            }
            Route::Nowhere(refusal) => return Err(Error::Refused(Why::Nonexistent, refusal)),
            Route::Elsewhere => match (&self.origin.account, rules.elsewhere) {
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
        Ok(())
    }

    /// Adds a piece of the message, dots already unstuffed, lines ending in CRLF.
    ///
    /// # Errors
    /// [`Why::TooBig`] once it is too large; further pieces are swallowed, and the commit says the
    /// same. Other refusals may come early as well; the commit then says [`Why::TooBig`].
    pub async fn chunk(&mut self, bytes: Bytes) -> Outcome<()> {
        let (front, here, captured, header) = self.split();
        if !front.recipients.is_empty() {
            let streamed = |octets: Vec<u8>| front.of_streamed(&octets, header);
            here.push(bytes.clone(), streamed).await?;
        }
        if !front.elsewhere.is_empty() {
            let streamed = |octets: Vec<u8>| front.of_captured_streamed(&octets);
            captured.push(bytes, streamed).await?;
        }
        Ok(())
    }

    /// Ends the message: on `Ok` it is in the recipients' mailboxes and on the disk.
    ///
    /// # Errors
    /// 554 5.4.6 for a loop, 552 5.3.4 for its size, 550 5.7.1 for a `From` that is not the
    /// submitter's, 452 4.2.2 if somebody's room was filled meanwhile (then RCPT says whose), 452
    /// 4.3.1 or 451 4.3.0 if it cannot be stored.
    pub async fn commit(mut self) -> Outcome<Receipt> {
        if self.recipients.is_empty() && self.elsewhere.is_empty() {
            let text = "There are no valid recipients";
            return Err(Error::refused(Why::Policy, 554, [5, 5, 1], text));
        }
        let mut letters = Vec::new();
        let (front, here, captured, header) = self.split();
        if !front.recipients.is_empty() {
            let whole = |octets: Vec<u8>| front.of(&octets, header);
            letters.push((INBOX, here.finish(whole).await?));
        }
        if !front.elsewhere.is_empty() {
            let whole = |octets: Vec<u8>| front.of_captured(&octets);
            letters.push((CAPTURED, captured.finish(whole).await?));
        }
        let mut letters: Vec<Letter> = letters
            .into_iter()
            .map(|(mailbox, spooled)| Letter {
                mailbox,
                accounts: self.readers(mailbox),
                spooled,
                is_report: false,
            })
            .collect();
        letters.extend(self.report());
        let octets: u64 = letters.iter().map(|letter| letter.spooled.staged.len).sum();
        Delivery { letters }.carry_out(&self.house).await?;
        tracing::info!(
            journey = %self.journey,
            from = %self.sender.reverse_path,
            recipients = self.recipients.len(),
            captured = self.elsewhere.len(),
            octets,
            "delivered"
        );
        Ok(Receipt {
            journey: self.journey,
        })
    }

    /// What is needed at the same time to put the octets together.
    fn split(&mut self) -> (Front<'_>, &mut Spool, &mut Spool, &mut Vec<u8>) {
        let front = Front {
            house: &self.house,
            origin: &self.origin,
            sender: &self.sender,
            journey: self.journey,
            recipients: &self.recipients,
            elsewhere: &self.elsewhere,
        };
        (front, &mut self.spool, &mut self.captured, &mut self.header)
    }

    fn readers(&self, mailbox: &str) -> BTreeSet<AccountId> {
        if mailbox == INBOX {
            return self.local.clone();
        }
        self.origin.account.iter().map(Account::id).collect()
    }

    /// The report of success, where one was asked for and its reader lives here.
    fn report(&self) -> Option<Letter> {
        let report = Report::of(&self.sender, &self.recipients)?;
        let to = ForwardPath::Address(report.to.clone());
        let Route::Local(accounts) = self.house.route(&to) else {
            return None;
        };
        let now = self.house.inner.outside.now();
        let octets = report.write(&self.house.rules().host, self.journey, now, &self.header);
        Some(Letter {
            mailbox: INBOX,
            accounts: accounts.into_iter().collect(),
            spooled: Spooled::of(octets),
            is_report: true,
        })
    }
}

/// What goes before a message's octets.
struct Front<'a> {
    house: &'a Post,
    origin: &'a Origin,
    sender: &'a Sender,
    journey: JourneyId,
    recipients: &'a [Recipient],
    elsewhere: &'a [Recipient],
}

impl Front<'_> {
    /// The message for inboxes here; `header` is left what a report returns of it.
    fn of(&self, octets: &[u8], header: &mut Vec<u8>) -> Outcome<Vec<u8>> {
        let whole = self.traced(octets)?;
        if Report::of(self.sender, self.recipients).is_some() {
            let mut fields = Header::parse(&whole);
            fields.by_ref().for_each(drop);
            *header = whole.get(..fields.offset()).unwrap_or_default().to_vec();
        }
        Ok(whole)
    }

    /// The message as it is captured: nobody but its sender sees the envelope.
    fn of_captured(&self, octets: &[u8]) -> Outcome<Vec<u8>> {
        let mut whole = captured::fields(self.sender, self.elsewhere).into_bytes();
        whole.append(&mut self.traced(octets)?);
        Ok(whole)
    }

    fn traced(&self, octets: &[u8]) -> Outcome<Vec<u8>> {
        let only_recipient = match (self.recipients, self.elsewhere) {
            ([only], []) | ([], [only]) => Some(&only.forward_path),
            _ => None,
        };
        let trace = Trace {
            origin: self.origin,
            reverse_path: &self.sender.reverse_path,
            smtputf8: self.sender.smtputf8,
            journey: self.journey,
            only_recipient,
            now: self.house.inner.outside.now(),
            rules: self.house.rules(),
        };
        match &self.origin.account {
            None => trace::arrival(&trace, octets),
            Some(account) => {
                let owns = |address: &Address| self.house.owns(account, address);
                trace::submission(&trace, account.address(), owns, octets)
            }
        }
    }

    /// The same for the beginning of a large message: its header must be in it whole, or what is
    /// checked and mended would not be all of it.
    fn of_streamed(&self, octets: &[u8], header: &mut Vec<u8>) -> Outcome<Vec<u8>> {
        has_whole_header(octets)?;
        self.of(octets, header)
    }

    fn of_captured_streamed(&self, octets: &[u8]) -> Outcome<Vec<u8>> {
        has_whole_header(octets)?;
        self.of_captured(octets)
    }
}

fn has_whole_header(octets: &[u8]) -> Outcome<()> {
    let mut header = Header::parse(octets);
    header.by_ref().for_each(drop);
    if header.blank_line().is_empty() {
        let text = "The header section is too large";
        return Err(Error::refused(Why::TooBig, 552, [5, 3, 4], text));
    }
    Ok(())
}

/// Messages for several accounts, in one durable step.
struct Delivery {
    letters: Vec<Letter>,
}

/// One of them: whose mailboxes of which name it goes into.
struct Letter {
    mailbox: &'static str,
    accounts: BTreeSet<AccountId>,
    spooled: Spooled,
    is_report: bool,
}

impl Delivery {
    async fn carry_out(&self, house: &Post) -> Outcome<()> {
        let accounts = self.letters.iter().flat_map(|letter| &letter.accounts);
        let accounts: BTreeSet<AccountId> = accounts.copied().collect();
        let keepers: Vec<_> = accounts.iter().map(|id| house.keeper(*id)).collect();
        let now = house.inner.outside.now();
        let blobs = self.letters.iter().map(|letter| &letter.spooled.staged);
        let blobs: Vec<Staged> = blobs.cloned().collect();
        let filed = house
            .change_all(&keepers, &blobs, |index, draft| {
                let account = keepers.get(index).map(|keeper| keeper.account);
                self.file(draft, account.unwrap_or_default(), now, house)
            })
            .await;
        match filed {
            Ok(_) => Ok(()),
            // An account has been removed since its address was accepted. The others are to get
            // theirs: whoever sends it again hears at RCPT who is there.
            Err(error) if matches!(error.why(), Why::Nonexistent | Why::TryCreate) => {
                let text = "A mailbox has gone; please try again";
                Err(Error::refused(Why::Unavailable, 451, [4, 2, 1], text))
            }
            Err(error) => Err(error),
        }
    }

    fn file(
        &self,
        draft: &mut Draft<'_>,
        account: AccountId,
        now: Timestamp,
        house: &Post,
    ) -> Outcome<()> {
        let quota = house.quota(account);
        let own = |letter: &&Letter| letter.accounts.contains(&account);
        for letter in self.letters.iter().filter(own) {
            if quota.is_exhausted(draft.ledger().counters.usage) {
                // Nobody's letter fails for want of room for the report on it.
                if letter.is_report {
                    continue;
                }
                return Err(Error::over_quota());
            }
            let mailbox = match draft.ledger().target(letter.mailbox) {
                Ok(mailbox) => mailbox,
                Err(_) if letter.mailbox == CAPTURED && draft.ledger().find(CAPTURED).is_none() => {
                    draft.subscribe(letter.mailbox, true);
                    draft.add_mailbox(letter.mailbox, None, now)
                }
                Err(error) => return Err(error),
            };
            let filing = Filing {
                email: draft.email(&letter.spooled.row()),
                flags: &FlagSet::new(),
                date: now,
                now,
                size: letter.spooled.staged.len,
                unended: letter.spooled.unended,
            };
            draft.file(mailbox, filing, house.rules().mailbox_messages_max)?;
        }
        Ok(())
    }
}
