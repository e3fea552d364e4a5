//! The filter language: read, check, run. Yields actions, performs none.
//!
//! [`Script::compile`] reads a text and says what is wrong with it, line by line. A [`Run`] takes a
//! script and a message; [`Run::step`] says what it wants to know ([`Ask`]) or, in the end, what is
//! to be done ([`Outcome`]). Whatever goes wrong, the message is kept.
//!
//! Not here: mailboxes, what was seen before, who is on which list, sending (whoever runs a script
//! answers and acts); managing scripts (RFC 5804).
//!
//! ```
//! use std::sync::Arc;
//! use sieve::{Circumstances, Deed, Letter, Limits, Run, Script, Step};
//!
//! let text = br#"require "fileinto"; if header :contains "subject" "hi" { fileinto "Fun"; }"#;
//! let script = Script::compile("main", text, &Limits::HOUSE).expect("it is a script");
//! let letter = Letter::parse(b"Subject: Oh, hi\r\n\r\n".as_slice().into());
//! let mut run = Run::new(Arc::new(script), Circumstances::new(letter), Limits::HOUSE);
//! let Step::Done(outcome) = run.step() else { panic!("it asks nothing") };
//! let action = outcome.actions.first().expect("there is one");
//! assert!(matches!(&action.deed, Deed::FileInto(filing) if filing.mailbox == "Fun"));
//! assert_eq!(action.cause.to_string(), "main:1");
//! ```
//!
//! RFCs: 5228 (the language), 3894 (copy), 5173 (body), 5183 (environment), 5229 (variables), 5230
//! and 6131 (vacation), 5231 (relational), 5232 (imap4flags), 5233 (subaddress), 5235 (spamtest,
//! virustest), 5260 (date, index), 5293 (editheader), 5429 (reject, ereject), 5435 and 5436
//! (enotify by mailto), 5463 (ihave), 5490 (mailbox, metadata), 5703 (foreverypart, mime,
//! extracttext, replace, enclose), 6009 (DSN, Deliver-By), 6134 (extlists), 6609 (include), 6785 §4
//! (imapsieve's environment), 7352 (duplicate), 8579 (special-use), 8580 (fcc), 9042 (mailboxid);
//! `regex` of draft-ietf-sieve-regex.

mod action;
mod ask;
mod check;
mod circumstances;
mod compare;
mod date;
mod extension;
mod fault;
mod fields;
mod glance;
mod language;
mod letters;
mod lexer;
mod limits;
mod needed;
mod notice;
mod reply;
mod run;
mod script;
mod syntax;
mod template;

pub use action::{Action, ByTime, Cause, Deed, DeliverBy, Filing, Redirect, Target};
pub use ask::{Answer, Ask, ForeignWord, Location};
pub use circumstances::{By, Circumstances, Envelope, Letter, Spam};
pub use extension::{Abilities, capabilities};
pub use fault::{Fault, Place};
pub use limits::Limits;
pub use notice::Notice;
pub use reply::Reply;
pub use run::{Outcome, Run, Step, Trouble};
pub use script::{Foreign, ForeignKind, Script};
