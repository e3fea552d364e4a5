//! The protocol by which a mail server has letters looked at by filters (milters), the server's
//! end: version 6, as Sendmail's libmilter speaks it.
//!
//! A filter is told what happens in a conversation of SMTP, one [`Event`] after the other, and
//! answers each with what is to be done. At a letter's end it may change it ([`Change`]).
//! [`Talk`] is one conversation with one filter: it knows which events the filter wants, which it
//! answers, and what its answers mean; it makes packets and takes them. [`Letter`] is a letter that
//! is changed.
//!
//! rspamd is asked by HTTP as well: what is told then, and what its answer means, is here
//! ([`RspamdAsk`], [`RspamdAnswer`]).
//!
//! Not here: sockets and times ([`Talk`] says when an answer is due), who is filtered, and what
//! becomes of a letter where a filter is away (`server`).
//!
//! ```
//! use milter::{Event, Heard, Offer, Talk, Verdict};
//!
//! let mut talk = Talk::new(1 << 20);
//! let hello = talk.begin();
//! assert_eq!(&hello[..5], b"\0\0\0\x0dO");
//! // The filter wants nothing but the recipients.
//! let offer = Offer { actions: 0, steps: 0x7f & !0x08 };
//! talk.feed(&offer.packet());
//! assert!(matches!(talk.heard()?, Some(Heard::Ready)));
//! assert_eq!(talk.say(&Event::Helo("client.example")), None);
//! let packet = talk.say(&Event::Recipient("<ada@example.org>", &[])).unwrap();
//! assert_eq!(&packet[..], b"\0\0\0\x13R<ada@example.org>\0");
//! talk.feed(b"\0\0\0\x01r");
//! let Some(Heard::Verdict(verdict)) = talk.heard()? else { panic!() };
//! assert_eq!(verdict, Verdict::Reject);
//! # Ok::<(), milter::Error>(())
//! ```

mod answer;
mod event;
mod letter;
mod packet;
mod rspamd;
mod talk;

pub use answer::{Change, Verdict};
pub use event::{Event, Peer, Stage};
pub use letter::{Letter, written};
pub use packet::{Error, Offer, PACKET_OCTETS_MAX};
pub use rspamd::{RSPAMD_ANSWER_OCTETS_MAX, RSPAMD_PATH, RspamdAnswer, RspamdAsk, RspamdError};
pub use talk::{Heard, Talk};
