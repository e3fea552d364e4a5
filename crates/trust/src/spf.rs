//! SPF (RFC 7208): may this address send for this domain?
//!
//! Not here: what is done about the answer.

use std::fmt;
use std::net::IpAddr;

use crate::dkim::ascii;
use crate::dns::{Answers, Check, Question};

mod evaluation;
mod macros;
mod record;

/// Terms of a record, and of those it leads to, that may ask DNS (RFC 7208 §4.6.4).
pub const LOOKUPS_MAX: usize = 10;
/// Of those, how many may find nothing (RFC 7208 §4.6.4).
pub const VOID_LOOKUPS_MAX: usize = 2;
/// Hosts of one `mx` or `ptr` whose addresses are asked for (RFC 7208 §4.6.4).
pub const HOSTS_MAX: usize = 10;
/// Octets an explanation may have; a longer one is none (RFC 7208 §6.2).
pub const EXPLANATION_OCTETS_MAX: usize = 450;

/// Whose name is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The domain of the reverse-path.
    MailFrom,
    /// The name the client gave, for the null reverse-path or by itself.
    Helo,
}

/// One check, ready to be run.
#[derive(Clone, Debug)]
pub struct Spf {
    ip: IpAddr,
    helo: String,
    local: String,
    domain: String,
    identity: Identity,
    receiver: String,
    now: i64,
}

/// What SPF says (RFC 7208 §2.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// No policy, or no domain to look for one.
    #[default]
    None,
    /// The domain says nothing about the address.
    Neutral,
    /// The address may.
    Pass,
    /// The address may not.
    Fail,
    /// The address should not.
    SoftFail,
    /// DNS did not answer.
    TempError,
    /// The policy is wrong.
    PermError,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        })
    }
}

/// The outcome with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What SPF says.
    pub outcome: Outcome,
    /// Which name was checked.
    pub identity: Identity,
    /// The name itself.
    pub domain: String,
    /// The domain's local part, `postmaster` where there was none.
    pub local: String,
    /// The address that was checked.
    pub ip: IpAddr,
    /// The term that decided, as it stands in its record, and the domain of that record.
    pub decided: Option<(String, String)>,
    /// The domain's words for a failure: a stranger's words (RFC 7208 §6.2).
    pub explanation: Option<String>,
    /// What was wrong, for the errors and for `none`.
    pub problem: Option<String>,
    /// The question that had no answer, for a temporary error.
    pub unanswered: Option<Question>,
    /// Terms that asked DNS.
    pub lookups: usize,
}

impl Spf {
    /// Checks a reverse-path without its brackets; the null one stands for the client's name
    /// (RFC 7208 §2.4).
    #[must_use]
    pub fn mail_from(ip: IpAddr, helo: &str, path: &str) -> Self {
        if path.is_empty() {
            return Self::helo(ip, helo);
        }
        let (local, domain) = path.rsplit_once('@').unwrap_or(("", path));
        Self::new(ip, helo, (local, domain), Identity::MailFrom)
    }

    /// Checks the name that the client gave (RFC 7208 §2.3).
    #[must_use]
    pub fn helo(ip: IpAddr, helo: &str) -> Self {
        Self::new(ip, helo, ("", helo), Identity::Helo)
    }

    fn new(ip: IpAddr, helo: &str, (local, domain): (&str, &str), identity: Identity) -> Self {
        // RFC 7208 §4.3
        let local = match local {
            "" => "postmaster",
            local => local,
        };
        Self {
            ip: ip.to_canonical(),
            helo: a_labels(helo),
            local: local.to_owned(),
            domain: a_labels(domain),
            identity,
            receiver: "unknown".to_owned(),
            now: 0,
        }
    }

    /// Says who checks and when (seconds since 1970): some explanations want to know.
    #[must_use]
    pub fn checked_by(mut self, receiver: &str, now: i64) -> Self {
        receiver.clone_into(&mut self.receiver);
        self.now = now;
        self
    }
}

// RFC 8616 §4
/// A name in A-labels; what is none stays as it is.
fn a_labels(name: &str) -> String {
    let encoded = ascii(name).filter(|_| !name.is_ascii());
    encoded.unwrap_or_else(|| name.to_owned())
}

impl Check for Spf {
    type Verdict = Verdict;

    fn judge(&self, answers: &Answers) -> Result<Verdict, Question> {
        evaluation::evaluate(self, answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Answer, Record};

    fn judged(helo: &str, path: &str, policy: &str) -> (Outcome, Vec<String>) {
        let mut asked = Vec::new();
        let spf = Spf::mail_from(IpAddr::from([192, 0, 2, 1]), helo, path);
        let verdict = spf.settle(&mut Answers::default(), |question| {
            asked.push(question.to_string());
            Answer::Records(vec![Record::Txt(policy.as_bytes().to_vec())])
        });
        (verdict.outcome, asked)
    }

    // RFC 8616 §4.
    #[test]
    fn names_of_other_alphabets() {
        let (outcome, asked) = judged("mx.example", "ada@b\u{fc}cher.example", "v=spf1 -all");
        assert_eq!(outcome, Outcome::Fail);
        assert_eq!(asked, ["xn--bcher-kva.example TXT"]);
        // A term with such a local part matches nothing, and asks for nothing.
        let policy = "v=spf1 exists:%{l}.a.example a:%{s} mx:%{l}.b.example ?all";
        let (outcome, asked) = judged("mx.example", "\u{fc}@a.example", policy);
        assert_eq!((outcome, asked.len()), (Outcome::Neutral, 1));
    }

    // RFC 7208 §4.3.
    #[test]
    fn an_address_literal_has_no_policy() {
        for (helo, path) in [
            ("[192.0.2.1]", ""),
            ("mx", ""),
            ("mx.example", "a@[192.0.2.1]"),
        ] {
            assert_eq!(
                judged(helo, path, "v=spf1 +all"),
                (Outcome::None, Vec::new())
            );
        }
    }
}
