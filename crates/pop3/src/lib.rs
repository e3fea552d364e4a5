//! POP3, both ends. The teaching room: read it first.
//!
//! A maildrop is opened for one reader, its messages are numbered, read and marked, and the marks
//! are carried out at the end. Read in this order: [`diagram`] (what may follow what), [`command`]
//! and [`response`] (the words), [`Ask`] (what the house is asked), [`Session`] (the server's end),
//! [`client`] (the other end).
//!
//! Not here: sockets and clocks (`net`), who may log in and what a maildrop is (`post`), APOP and
//! LAST (they need the password itself, and history).
//!
//! RFC 1939, 2449 (CAPA, response codes), 2595 (STLS), 3206 (SYS, AUTH), 5034 (AUTH), 6856 (UTF8,
//! LANG).
//!
//! ```
//! use pop3::{Answer, Ask, Maildrop, Policy, Session};
//! use wire::dialogue::{Cut, play};
//! use wire::sasl::Verdict;
//!
//! let mut policy = Policy::new("mail.example");
//! policy.cleartext_passwords = true;
//! let mut session = Session::new(policy);
//! let mut house = |ask: Ask| match ask {
//!     Ask::Sasl(_) => Answer::Sasl(Verdict::Accepted),
//!     Ask::Open => Answer::Opened(Maildrop::default()),
//!     _ => Answer::Updated,
//! };
//! let script = "C: USER ada\nC: PASS secret\nC: STAT\nC: QUIT\n";
//! let transcript = play(&mut session, &mut house, script, Cut::Lines);
//! assert!(transcript.contains("C: STAT\nS: +OK 0 0\n"));
//! ```

mod ask;
pub mod client;
pub mod command;
pub mod diagram;
mod maildrop;
mod policy;
pub mod response;
mod session;
mod stuffing;

pub use ask::{Answer, Ask, Piece};
pub use maildrop::Maildrop;
pub use policy::Policy;
pub use session::Session;
