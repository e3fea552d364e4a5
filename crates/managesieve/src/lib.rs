//! ManageSieve, both ends: filter scripts put, listed, made active.
//!
//! Read in this order: [`diagram`] (what may follow what), [`command`] and [`response`] (the
//! words), [`Ask`] (what the house is asked), [`Session`] (the server's end), [`client`] (the other
//! end).
//!
//! Not here: sockets and clocks (`net`), the language of the scripts (`sieve`), where they are kept
//! and who may log in (`post`), `sieve:` URLs.
//!
//! RFC 5804.
//!
//! ```
//! use managesieve::{Answer, Ask, Policy, Session};
//! use wire::dialogue::{Cut, play};
//! use wire::sasl::Verdict;
//!
//! let mut policy = Policy::new("mail.example");
//! policy.cleartext_passwords = true;
//! let mut session = Session::new(policy);
//! let mut house = |ask: Ask| match ask {
//!     Ask::Sasl(_) => Answer::Sasl(Verdict::Accepted),
//!     Ask::Open => Answer::Opened("ada@mail.example".to_owned()),
//!     _ => Answer::Done,
//! };
//! let login = "C: AUTHENTICATE \"PLAIN\" \"AGFkYQBzZWNyZXQ=\"";
//! let script = format!("{login}\nC: SETACTIVE \"work\"\nC: LOGOUT\n");
//! let transcript = play(&mut session, &mut house, &script, Cut::Lines);
//! assert!(transcript.contains("C: SETACTIVE \"work\"\nS: OK\n"));
//! ```

mod ask;
pub mod client;
pub mod command;
pub mod diagram;
mod frame;
mod policy;
pub mod response;
mod session;
mod text;

pub use ask::{Answer, Ask, Cause, Listed};
pub use policy::Policy;
pub use session::Session;
