//! How a message gets in: begin, add recipients, pieces of the body, commit or drop.

use std::net::IpAddr;

use bytes::Bytes;
use mail::{BodyType, JourneyId, Recipient, Ret, ReversePath};

use crate::{Account, Error, Fault, Outcome, Post};

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
    journey: JourneyId,
}

impl Post {
    /// Begins a message (MAIL).
    ///
    /// # Errors
    /// [`crate::Why::Policy`] (550 5.7.1) if the sender's address is not the submitter's own,
    /// [`crate::Why::TooBig`] (552 5.3.4) if it is said to be too large.
    pub fn begin(&self, origin: Origin, sender: Sender) -> Outcome<Incoming> {
        let _ = (origin, sender);
        Err(Error::Fault(Fault::Unfinished("incoming")))
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
    pub async fn recipient(&mut self, recipient: Recipient) -> Outcome<()> {
        let _ = recipient;
        Err(Error::Fault(Fault::Unfinished("incoming")))
    }

    /// Adds a piece of the message, dots already unstuffed, lines ending in CRLF.
    ///
    /// # Errors
    /// [`crate::Why::TooBig`] once it is too large; further pieces are swallowed, and the commit
    /// says the same.
    pub async fn chunk(&mut self, bytes: Bytes) -> Outcome<()> {
        let _ = bytes;
        Err(Error::Fault(Fault::Unfinished("incoming")))
    }

    /// Ends the message: on `Ok` it is in the recipients' mailboxes and on the disk.
    ///
    /// # Errors
    /// 554 5.4.6 for a loop, 552 5.3.4 for its size, 550 5.7.1 for a `From` that is not the
    /// submitter's, 452 4.3.1 or 451 4.3.0 if it cannot be stored.
    pub async fn commit(self) -> Outcome<Receipt> {
        Err(Error::Fault(Fault::Unfinished("incoming")))
    }
}
