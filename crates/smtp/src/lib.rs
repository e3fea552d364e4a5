//! SMTP, Submission and LMTP, both ends.
//!
//! [`Session`] is the server's end: it eats octets, asks the house ([`Ask`]) and replies.
//! [`Client`] is the other end: it carries messages to a server and reports what became of each
//! recipient. What may follow what is in [`diagram`]; which codes a verb may be answered with, in
//! [`reply::listed`]. Both ends go by both.
//!
//! Not here: who may send what to whom, trace fields, queues, retries (`post`); sockets and TLS
//! (`net`); message syntax beyond lines (`message`).
//!
//! RFC 5321 (SMTP), 1870 (SIZE), 1985 (ETRN), 2033 (LMTP), 2034 (ENHANCEDSTATUSCODES), 2645 (ODMR,
//! the customer's end), 2920 (PIPELINING), 3030 (CHUNKING, BINARYMIME), 3207 (STARTTLS), 3461 (DSN
//! parameters), 3848 (transmission types), 4954 (AUTH), 6152 (8BITMIME), 6409 (Submission), 6531
//! (SMTPUTF8).
//!
//! ```
//! use std::sync::Arc;
//! use smtp::{Answer, Ask, Policy, Session};
//! use wire::dialogue::{Cut, play};
//!
//! let mut session = Session::new(Arc::new(Policy::relay("mx.example")));
//! let mut house = |ask| match ask {
//!     Ask::Accept => Answer::Stored("Taken".to_owned()),
//!     _ => Answer::Done,
//! };
//! let peer = "C: HELO c.example\nC: MAIL FROM:<>\nC: RCPT TO:<a@mx.example>\nC: DATA\nC: .";
//! let told = play(&mut session, &mut house, peer, Cut::Lines);
//! assert!(told.ends_with("S: 250 2.0.0 Taken\n"));
//! ```

mod ask;
pub mod client;
pub mod command;
pub mod diagram;
mod parameters;
mod policy;
pub mod reply;
mod scanner;
mod session;
mod turn;

pub use ask::{Answer, Ask, Origin, Transaction};
pub use client::Client;
pub use command::Command;
pub use policy::{Policy, Service};
pub use reply::Reply;
pub use session::Session;
pub use turn::{Answer as TurnAnswer, Ask as TurnAsk, Turn};

/// Why a line of the peer's is no command or no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first word names no command we know.
    #[error("no such command")]
    UnknownCommand,
    /// The line breaks the grammar.
    #[error(transparent)]
    Syntax(#[from] mail::SyntaxError),
    /// MAIL or RCPT has a parameter that is not known.
    #[error("unknown parameter {0}")]
    UnknownParameter(String),
    /// A parameter's value is not what it should be, or it is there twice.
    #[error("bad value of parameter {0}")]
    BadParameter(&'static str),
    /// The line has control characters, or octets that are not UTF-8.
    #[error("Octets that may not stand here")]
    NoText,
    /// An address beyond ASCII, where SMTPUTF8 was not asked for.
    #[error("an address beyond ASCII")]
    NotAscii,
    /// The reply is longer than we are ready to read.
    #[error("a reply too long")]
    ReplyTooLong,
}
