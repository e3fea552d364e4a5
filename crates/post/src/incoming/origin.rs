//! Where a message comes from, and what its sender says of it before it is here.

use std::net::IpAddr;

use mail::{BodyType, Ret, ReversePath, TlsWish};

use crate::Account;
use crate::handed::LocalUser;
use crate::route::AtAccounts;

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
    /// The same, from another mailer of this machine that hands a letter over for the mailboxes of
    /// its recipients: what their `.forward` files say was its affair.
    Deliver,
}

impl Protocol {
    /// True where each recipient gets an answer of its own (RFC 2033 §4.2).
    pub(crate) const fn answers_each(self) -> bool {
        matches!(self, Self::Lmtp | Self::Deliver)
    }

    /// Whether what reaches an account goes on by its owner's `.forward`.
    pub(crate) const fn at_accounts(self) -> AtAccounts {
        match self {
            Self::Deliver => AtAccounts::Stays,
            Self::Smtp | Self::Esmtp | Self::OnDemand | Self::Lmtp => AtAccounts::GoesOn,
        }
    }
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
