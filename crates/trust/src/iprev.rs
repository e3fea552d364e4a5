//! iprev (RFC 8601 §3): has the client's address a name, and does the name lead back to it?

use std::fmt;
use std::net::IpAddr;

use crate::dns::{Answer, Answers, Check, Kind, Question, Record, bare, reverse_name};

/// Names of an address that are looked at.
pub const NAMES_MAX: usize = 10;

/// What became of it (RFC 8601 §2.7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A name leads back.
    Pass,
    /// There are names, but none leads back.
    Fail,
    /// DNS did not answer.
    TempError,
    /// There is no name.
    PermError,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        })
    }
}

/// The outcome with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What became of it.
    pub outcome: Outcome,
    /// The address.
    pub ip: IpAddr,
    /// The name that leads back.
    pub name: Option<String>,
    /// The question that had no answer.
    pub unanswered: Option<Question>,
}

/// One check, ready to be run.
#[derive(Clone, Copy, Debug)]
pub struct Iprev {
    /// The client's address.
    pub ip: IpAddr,
}

impl Check for Iprev {
    type Verdict = Verdict;

    // RFC 8601 §3
    fn judge(&self, answers: &Answers) -> Result<Verdict, Question> {
        let ip = self.ip.to_canonical();
        let mut verdict = Verdict {
            outcome: Outcome::PermError,
            ip,
            name: None,
            unanswered: None,
        };
        let reverse = reverse_name(ip);
        let answer = answers.to(&reverse, Kind::Ptr)?;
        if *answer == Answer::Failed {
            verdict.outcome = Outcome::TempError;
            verdict.unanswered = Question::new(&reverse, Kind::Ptr);
        }
        let kind = match ip {
            IpAddr::V4(_) => Kind::A,
            IpAddr::V6(_) => Kind::Aaaa,
        };
        for record in answer.records().iter().take(NAMES_MAX) {
            let Record::Ptr(name) = record else {
                continue;
            };
            let answer = answers.to(name, kind)?;
            if answer.addresses().any(|found| found == ip) {
                verdict.outcome = Outcome::Pass;
                verdict.name = Some(bare(name).to_owned());
                verdict.unanswered = None;
                break;
            }
            if *answer == Answer::Failed {
                verdict.outcome = Outcome::TempError;
                verdict.unanswered = Question::new(name, kind);
            } else if verdict.outcome == Outcome::PermError {
                verdict.outcome = Outcome::Fail;
            }
        }
        Ok(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8601 §2.7.3, §3.
    #[test]
    fn names_that_lead_back() {
        let found = |names: &[&str]| {
            let check = Iprev {
                ip: "::ffff:192.0.2.1".parse().unwrap(),
            };
            check.settle(&mut Answers::default(), |question| match question.name() {
                "1.2.0.192.in-addr.arpa" => match names {
                    [] => Answer::NoSuchName,
                    ["fails"] => Answer::Failed,
                    names => Answer::Records(
                        names
                            .iter()
                            .map(|name| Record::Ptr((*name).to_owned()))
                            .collect(),
                    ),
                },
                "good.example" => Answer::Records(vec![Record::A("192.0.2.1".parse().unwrap())]),
                "other.example" => Answer::Records(vec![Record::A("192.0.2.2".parse().unwrap())]),
                "silent.example" => Answer::Failed,
                _ => Answer::NoData,
            })
        };
        for (names, outcome) in [
            (&["other.example", "good.example."][..], Outcome::Pass),
            (&["silent.example", "good.example"], Outcome::Pass),
            (&["other.example", "gone.example"], Outcome::Fail),
            (&["other.example", "silent.example"], Outcome::TempError),
            (&["fails"], Outcome::TempError),
            (&[], Outcome::PermError),
        ] {
            let verdict = found(names);
            assert_eq!(verdict.outcome, outcome, "{names:?}");
            assert_eq!(
                verdict.name.is_some(),
                outcome == Outcome::Pass,
                "{names:?}"
            );
            assert_eq!(
                verdict.unanswered.is_some(),
                outcome == Outcome::TempError,
                "{names:?}"
            );
        }
        let many = vec!["other.example"; NAMES_MAX];
        let behind: Vec<&str> = many.into_iter().chain(["good.example"]).collect();
        assert_eq!(found(&behind).outcome, Outcome::Fail);
    }
}
