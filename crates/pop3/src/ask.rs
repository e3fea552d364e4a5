//! What a session asks the house, and what it may hear: four questions.

use bytes::Bytes;
use mail::Refusal;
use wire::sasl::{Question, Verdict};

use crate::Maildrop;

/// A question for the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A question of an exchange, or the check of USER and PASS. Answer: [`Answer::Sasl`].
    Sasl(Question),
    /// Opens the maildrop of the account that has logged in, for this connection alone.
    ///
    /// Answer: [`Answer::Opened`], [`Answer::InUse`] or [`Answer::Refused`].
    Open,
    /// The first piece of the message at this place in the maildrop, counted from 0.
    ///
    /// Answer: [`Answer::Piece`] or [`Answer::Refused`]. What is left of an earlier message is no
    /// longer wanted.
    Retrieve(usize),
    /// The next piece of the message. Answer: as to [`Ask::Retrieve`].
    More,
    /// Removes the messages at these places for good, all or none, and frees the maildrop.
    ///
    /// Answer: [`Answer::Updated`] or [`Answer::Refused`].
    Update(Vec<usize>),
}

/// The house's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The verdict on a login.
    Sasl(Verdict),
    /// The maildrop is open.
    Opened(Maildrop),
    /// Another connection has the maildrop.
    InUse,
    /// Octets of a message.
    Piece(Piece),
    /// The messages are removed.
    Updated,
    /// No, or not now.
    Refused(Refusal),
}

/// Some octets of a message, lines ended by CRLF, cut anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The octets; the house says how many it gives at once.
    pub bytes: Bytes,
    /// True if the message goes on.
    pub more: bool,
}
