//! How a message gets in: begin, add recipients, pieces of the body, commit or drop.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bytes::Bytes;
use mail::{
    AccountId, Address, BodyType, FlagSet, JourneyId, Recipient, Ret, ReversePath, Timestamp,
};
use message::Header;
use store::Staged;

use crate::draft::{Draft, Filing};
use crate::spool::{Spool, Spooled, too_big};
use crate::trace::{self, Trace};
use crate::{Account, Elsewhere, Error, Outcome, Post, Route, Rules, Why};

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
    spool: Spool,
    recipients: Vec<Recipient>,
    /// In whose inboxes it goes.
    local: BTreeSet<AccountId>,
    /// True if it also goes to the sender's own mailbox for captured mail.
    captured: bool,
}

/// Where mail for elsewhere is kept if it does not go there.
const CAPTURED: &str = "Captured";

impl Post {
    /// Begins a message (MAIL).
    ///
    /// # Errors
    /// [`Why::Policy`] (550 5.7.1) if the sender's address is not the submitter's own,
    /// [`Why::TooBig`] (552 5.3.4) if it is said to be too large.
    pub fn begin(&self, origin: Origin, sender: Sender) -> Outcome<Incoming> {
        let rules = self.rules();
        if sender
            .size
            .is_some_and(|size| size > rules.message_octets_max)
        {
            return Err(too_big());
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
            spool: Spool::new(&self.inner.store, rules),
            recipients: Vec::new(),
            local: BTreeSet::new(),
            captured: false,
        })
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
    /// 550 5.1.1 for an unknown user, 550 5.7.1 for relaying, 452 4.5.3 for too many.
    pub fn recipient(&mut self, recipient: Recipient) -> Outcome<()> {
        let rules = self.house.rules();
        // RFC 5321 §4.5.3.1.10
        if self.recipients.len() >= rules.recipients_max {
            let text = "Too many recipients";
            return Err(Error::refused(Why::Limit, 452, [4, 5, 3], text));
        }
        match self.house.route(&recipient.forward_path) {
            Route::Local(accounts) => self.local.extend(accounts),
            Route::Nowhere(refusal) => return Err(Error::Refused(Why::Nonexistent, refusal)),
            Route::Elsewhere => match (&self.origin.account, rules.elsewhere) {
                (Some(_), Elsewhere::Capture) => self.captured = true,
                (Some(_), Elsewhere::Refuse) => {
                    return Err(trace::foreign("Mail for other hosts is not sent from here"));
                }
                (None, _) => return Err(trace::foreign("We do not relay for you")),
            },
        }
        self.recipients.push(recipient);
        Ok(())
    }

    /// Adds a piece of the message, dots already unstuffed, lines ending in CRLF.
    ///
    /// # Errors
    /// [`Why::TooBig`] once it is too large; further pieces are swallowed, and the commit says the
    /// same. Other refusals may come early as well; the commit then says [`Why::TooBig`].
    pub async fn chunk(&mut self, bytes: Bytes) -> Outcome<()> {
        let front = Front {
            house: &self.house,
            origin: &self.origin,
            sender: &self.sender,
            journey: self.journey,
            recipients: &self.recipients,
        };
        let streamed = |octets: Vec<u8>| front.of_streamed(&octets);
        self.spool.push(bytes, streamed).await
    }

    /// Ends the message: on `Ok` it is in the recipients' mailboxes and on the disk.
    ///
    /// # Errors
    /// 554 5.4.6 for a loop, 552 5.3.4 for its size, 550 5.7.1 for a `From` that is not the
    /// submitter's, 452 4.3.1 or 451 4.3.0 if it cannot be stored.
    pub async fn commit(self) -> Outcome<Receipt> {
        if self.recipients.is_empty() {
            let text = "There are no valid recipients";
            return Err(Error::refused(Why::Policy, 554, [5, 5, 1], text));
        }
        let front = Front {
            house: &self.house,
            origin: &self.origin,
            sender: &self.sender,
            journey: self.journey,
            recipients: &self.recipients,
        };
        let spooled = self.spool.finish(|octets| front.of(&octets)).await?;
        let sender = self.origin.account.as_ref().filter(|_| self.captured);
        let delivery = Delivery {
            inboxes: self.local,
            captured_for: sender.map(Account::id),
            spooled,
        };
        delivery.carry_out(&self.house).await?;
        tracing::info!(
            journey = %self.journey,
            from = %self.sender.reverse_path,
            recipients = self.recipients.len(),
            octets = delivery.spooled.staged.len,
            "delivered"
        );
        Ok(Receipt {
            journey: self.journey,
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
}

impl Front<'_> {
    fn of(&self, octets: &[u8]) -> Outcome<Vec<u8>> {
        let only_recipient = match self.recipients {
            [only] => Some(&only.forward_path),
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
    fn of_streamed(&self, octets: &[u8]) -> Outcome<Vec<u8>> {
        let mut header = Header::parse(octets);
        header.by_ref().for_each(drop);
        if header.blank_line().is_empty() {
            let text = "The header section is too large";
            return Err(Error::refused(Why::TooBig, 552, [5, 3, 4], text));
        }
        self.of(octets)
    }
}

/// One message for several accounts, in one durable step.
struct Delivery {
    inboxes: BTreeSet<AccountId>,
    captured_for: Option<AccountId>,
    spooled: Spooled,
}

impl Delivery {
    async fn carry_out(&self, house: &Post) -> Outcome<()> {
        let mut accounts = self.inboxes.clone();
        accounts.extend(self.captured_for);
        let keepers: Vec<_> = accounts.iter().map(|id| house.keeper(*id)).collect();
        let now = house.inner.outside.now();
        let blobs = [self.spooled.staged.clone()];
        house
            .change_all(&keepers, &blobs, |index, draft| {
                let account = keepers.get(index).map(|keeper| keeper.account);
                self.file(draft, account.unwrap_or_default(), now, house.rules())
            })
            .await?;
        Ok(())
    }

    fn file(
        &self,
        draft: &mut Draft<'_>,
        account: AccountId,
        now: Timestamp,
        rules: &Rules,
    ) -> Outcome<()> {
        let Staged { blob, len, .. } = self.spooled.staged;
        let mut targets = Vec::new();
        if self.inboxes.contains(&account) {
            targets.push(draft.ledger().target("INBOX")?);
        }
        if self.captured_for == Some(account) {
            targets.push(match draft.ledger().target(CAPTURED) {
                Ok(mailbox) => mailbox,
                Err(_) if draft.ledger().find(CAPTURED).is_none() => {
                    draft.subscribe(CAPTURED, true);
                    draft.add_mailbox(CAPTURED, None, now)
                }
                Err(error) => return Err(error),
            });
        }
        let email = draft.email(blob, len, self.spooled.outline.clone());
        for (index, mailbox) in targets.into_iter().enumerate() {
            let filing = Filing {
                email,
                flags: &FlagSet::new(),
                date: now,
                size: len,
            };
            draft.file(mailbox, filing, rules.mailbox_messages_max)?;
            if index > 0 {
                draft.share(email);
            }
        }
        Ok(())
    }
}
