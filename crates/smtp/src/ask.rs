//! What the session asks the house, and what the house says.

use bytes::Bytes;
use mail::{BodyType, Recipient, Refusal, Ret, ReversePath};
use wire::{Security, sasl};

/// A question for the house.
///
/// A transaction is `Mail`, `Recipient` (once or more), `Body`, `Chunk` (any number), `Accept`.
/// It ends by the answer to `Accept`, whatever that is, or by `Abort`; nothing else ends it: a
/// refused recipient or a refused body leaves it as it was. After a refused `Chunk` the rest of
/// the body is thrown away here, then comes `Abort`. When the connection breaks without a word the
/// session is dropped, which the house takes for an `Abort`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A question of the running SASL exchange. Answer [`Answer::Sasl`].
    Sasl(sasl::Question),
    /// A transaction begins. Answer [`Answer::Done`] or [`Answer::Refused`].
    Mail(Box<Transaction>),
    /// One more recipient. Answer [`Answer::Done`] or [`Answer::Refused`].
    Recipient(Recipient),
    /// The body is about to come. Answer [`Answer::Done`] or [`Answer::Refused`].
    Body,
    /// The next octets of the body, dots unstuffed. Answer [`Answer::Done`] or
    /// [`Answer::Refused`].
    Chunk(Bytes),
    /// The body is complete: take the message over. Answer [`Answer::Stored`] when it is safe,
    /// [`Answer::Refused`], or, under LMTP, [`Answer::Each`].
    Accept,
    /// Forget the transaction. Answer [`Answer::Done`].
    Abort,
    /// Does this user or address exist (VRFY)? Answer [`Answer::Verified`], [`Answer::Done`] for
    /// "perhaps", or [`Answer::Refused`].
    Verify(String),
    /// The peer wants what waits for that host to be sent (ETRN, RFC 1985). Answer
    /// [`Answer::Started`] or [`Answer::Refused`].
    Flush(String),
}

/// The house's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Done,
    /// No, or not now. A code the verb may not have is sent as one it may.
    Refused(Refusal),
    /// To [`Ask::Sasl`].
    Sasl(sasl::Verdict),
    /// The message is taken over; the text follows `250 2.0.0`.
    Stored(String),
    /// Under LMTP, what became of each accepted recipient, in their order (RFC 2033 §4.2).
    Each(Vec<Result<String, Refusal>>),
    /// To [`Ask::Verify`]: the address to use.
    Verified(String),
    /// To [`Ask::Flush`]: so many letters wait for that host, and are tried now.
    Started(u64),
}

/// What MAIL said, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Who hears of failures.
    pub reverse_path: ReversePath,
    /// What the body will be made of.
    pub body: BodyType,
    /// True if addresses or header fields may be in UTF-8.
    pub smtputf8: bool,
    /// The announced size in octets.
    pub size: Option<u64>,
    /// How much of the message a report returns.
    pub ret: Option<Ret>,
    /// The sender's name for this envelope, decoded.
    pub envid: Option<String>,
    /// Who submitted it, as the peer claims (RFC 4954 §5); of worth only from a trusted peer.
    pub submitter: Option<ReversePath>,
    /// True if it may go to nobody who is not known for sure (RFC 8689).
    pub requires_tls: bool,
    /// Where it comes from, for the trace field.
    pub origin: Origin,
}

/// What the trace field says of the connection (RFC 5321 §4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What the peer called itself at HELO, EHLO or LHLO: letters, digits, `-._[]:` or UTF-8.
    pub helo: String,
    /// How it was received: `SMTP`, `ESMTPSA`, `UTF8LMTPS` (RFC 3848, RFC 6531 §4.3).
    pub protocol: String,
    /// What TLS agreed on, if there is TLS.
    pub security: Option<Security>,
}
