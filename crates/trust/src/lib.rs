//! Who sent this and may they: SPF, DKIM, DMARC, ARC, and what domains say about TLS.
//!
//! A letter is read once ([`Reader`]), and then judged. Each judgement is a [`Check`]: a function
//! of the answers that are known, which gives its verdict or the one question it lacks. Each
//! verdict carries its evidence: the record, the key, the look-up that failed.
//!
//! Read in this order: [`dns`] (questions and answers), [`spf`], the letter ([`Letter`]) with
//! [`dkim`] and [`arc`], [`dmarc`], [`list`], [`results`] (what is said of it all); then what
//! letters going out need: [`dkim::sign`], [`arc::seal`], [`srs`], [`mta_sts`], [`dane`]; and the
//! reports, [`feedback`] and [`tlsrpt`].
//!
//! Not here: asking DNS, what is done with a letter, where keys are kept.
//!
//! RFCs: 7208 (SPF), 6376, 8301, 8463, 8616 (DKIM), 9989 and 9990 (DMARC), 8617 (ARC), 8601
//! (Authentication-Results), 5782 and 8904 (lists in DNS), 8461 (MTA-STS), 8460 (reports about
//! TLS), 6698, 7671, 7672 (DANE).
//!
//! ```
//! use trust::spf::{Outcome, Spf};
//! use trust::{Answer, Answers, Check as _, Record};
//!
//! let spf = Spf::mail_from("192.0.2.1".parse()?, "mx.example.org", "ada@example.org");
//! let verdict = spf.settle(&mut Answers::default(), |question| {
//!     assert_eq!(question.to_string(), "example.org TXT");
//!     Answer::Records(vec![Record::Txt(b"v=spf1 ip4:192.0.2.0/24 -all".to_vec())])
//! });
//! assert_eq!(verdict.outcome, Outcome::Pass);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

pub mod arc;
mod canonical;
pub mod dane;
pub mod dkim;
pub mod dmarc;
pub mod dns;
pub mod feedback;
pub mod iprev;
mod letter;
pub mod list;
pub mod mta_sts;
pub mod results;
pub mod spf;
pub mod srs;
mod tags;
pub mod tlsrpt;

pub use canonical::{BodyForm, BodyHash, Canonicalization};
pub use dns::{Answer, Answers, Check, Kind, Proven, Question, Record};
pub use letter::{Error, HEADER_OCTETS_MAX, Letter, Reader};
