//! DMARC (RFC 9989): is one of those who answer for a letter its author's domain, and what does
//! that domain want done if none is?
//!
//! Where an organisation's names begin is found by walking up the tree of names, as RFC 9989 §4.10
//! has it; the list of public suffixes that RFC 7489 used is not needed any more.
//!
//! Not here: SPF and DKIM themselves; what is done with the letter; reports
//! ([`feedback`](crate::feedback)).

use std::fmt;

use message::{Correspondent, parse_addresses};

use crate::dkim::{self, ascii};
use crate::dns::{Answer, Answers, Check, Kind, Question};
use crate::letter::Letter;
use crate::spf;

mod record;

pub use record::{Policy, PublicSuffix, Record};

/// Questions that one walk up the tree asks (RFC 9989 §4.10).
pub const WALK_MAX: usize = 8;
/// Authors of one letter that are looked at.
const AUTHORS_MAX: usize = 100;

/// What DMARC says (RFC 9989 §9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The author's domain has no policy.
    None,
    /// The author's domain, or its organisation, answers for the letter.
    Pass,
    /// Nobody of the author's domain answers for the letter.
    Fail,
    /// DNS did not answer.
    TempError,
    /// There is no one author, or the policy is wrong.
    PermError,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
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
    /// What DMARC says.
    pub outcome: Outcome,
    /// The author's domain, where there is one.
    pub author: String,
    /// Where the policy was found, and the policy.
    pub found: Option<(String, Record)>,
    /// The author's domain is part of this one.
    pub organization: String,
    /// What the domain wants done with a letter that fails; a test takes a step off.
    pub wanted: Policy,
    /// The domain that SPF let pass, if it is the author's.
    pub spf: Option<String>,
    /// The domain of a signature that holds, if it is the author's.
    pub dkim: Option<String>,
    /// What was wrong, for the errors and for `none`.
    pub problem: Option<String>,
    /// The question that had no answer.
    pub unanswered: Option<Question>,
}

/// One check, ready to be run.
#[derive(Clone, Debug)]
pub struct Dmarc {
    author: Result<String, &'static str>,
    /// The domain that SPF let pass.
    spf: Option<String>,
    /// The domains of signatures that hold.
    dkim: Vec<String>,
}

impl Dmarc {
    /// For a letter and what was found about it.
    #[must_use]
    pub fn new(letter: &Letter, spf: &spf::Verdict, dkim: &[dkim::Verdict]) -> Self {
        let passed = dkim.iter().filter(|one| one.outcome == dkim::Outcome::Pass);
        let mut domains: Vec<String> = passed
            .filter_map(|one| Some(one.signature.as_ref()?.domain.clone()))
            .collect();
        domains.dedup();
        let passed = spf.outcome == spf::Outcome::Pass;
        Self {
            author: author(letter),
            spf: ascii(&spf.domain).filter(|_| passed),
            dkim: domains,
        }
    }
}

// RFC 9989 §5.3.1
/// The domain of the one author, in A-labels.
fn author(letter: &Letter) -> Result<String, &'static str> {
    let mut fields = letter.fields("From");
    let field = fields.next().ok_or("there is no From")?;
    if fields.next().is_some() {
        return Err("there are several From");
    }
    let mut domain = None;
    for one in parse_addresses(field.value, AUTHORS_MAX) {
        let Correspondent::Mailbox { host, .. } = one else {
            continue;
        };
        let host = ascii(&String::from_utf8_lossy(&host)).ok_or("From has no domain")?;
        if domain.get_or_insert_with(|| host.clone()) != &host {
            return Err("From has several domains");
        }
    }
    domain.ok_or("From has no domain")
}

/// Why a check goes no further.
enum Stop {
    Ask(Question),
    Unanswered(Question),
}

impl From<Question> for Stop {
    fn from(question: Question) -> Self {
        Self::Ask(question)
    }
}

impl Check for Dmarc {
    type Verdict = Verdict;

    fn judge(&self, answers: &Answers) -> Result<Verdict, Question> {
        let mut verdict = Verdict {
            outcome: Outcome::PermError,
            author: String::new(),
            found: None,
            organization: String::new(),
            wanted: Policy::None,
            spf: None,
            dkim: None,
            problem: None,
            unanswered: None,
        };
        let author = match &self.author {
            Ok(author) => author,
            Err(problem) => {
                verdict.problem = Some((*problem).to_owned());
                return Ok(verdict);
            }
        };
        verdict.author.clone_from(author);
        match self.evaluate(author, answers, &mut verdict) {
            Ok(()) => {}
            Err(Stop::Ask(question)) => return Err(question),
            Err(Stop::Unanswered(question)) => {
                verdict.outcome = Outcome::TempError;
                verdict.problem = Some(format!("no answer about {question}"));
                verdict.unanswered = Some(question);
            }
        }
        Ok(verdict)
    }
}

impl Dmarc {
    // RFC 9989 §5.3
    fn evaluate(&self, author: &str, answers: &Answers, verdict: &mut Verdict) -> Result<(), Stop> {
        let walk = Walk::from(author, answers)?;
        verdict.organization = walk.organization();
        let Some((domain, record)) = walk.policy() else {
            verdict.outcome = Outcome::None;
            verdict.problem = Some("no policy is published".to_owned());
            return Ok(());
        };
        verdict.found = Some((domain.clone(), record.clone()));
        if !record.applies() {
            verdict.problem = Some(format!("{domain}: a policy that says nothing"));
            return Ok(());
        }
        verdict.wanted = wanted(author, domain, record, answers)?;
        // RFC 9989 §5.3.4
        if let Some(domain) = &self.spf
            && verdict.is_author(domain, record.strict_spf, answers)?
        {
            verdict.spf = Some(domain.clone());
        }
        for domain in &self.dkim {
            if verdict.dkim.is_none() && verdict.is_author(domain, record.strict_dkim, answers)? {
                verdict.dkim = Some(domain.clone());
            }
        }
        let passed = verdict.spf.is_some() || verdict.dkim.is_some();
        verdict.outcome = match passed {
            true => Outcome::Pass,
            false => Outcome::Fail,
        };
        Ok(())
    }
}

impl Verdict {
    // RFC 9989 §4.10.2
    /// True if a domain that answers for the letter is the author's.
    fn is_author(&self, domain: &str, strict: bool, answers: &Answers) -> Result<bool, Stop> {
        if domain == self.author || strict {
            return Ok(domain == self.author);
        }
        Ok(Walk::from(domain, answers)?.organization() == self.organization)
    }
}

// RFC 9989 §4.10.1
/// What is wanted of a letter that fails.
fn wanted(author: &str, domain: &str, record: &Record, answers: &Answers) -> Result<Policy, Stop> {
    let [own, subdomains, nonexistent] = record.policies();
    let policy = if author == domain {
        own
    } else if answers.to(author, Kind::A)? == &Answer::NoSuchName {
        nonexistent.or(subdomains).or(own)
    } else {
        subdomains.or(own)
    };
    let policy = policy.unwrap_or(Policy::None);
    Ok(match record.testing {
        true => policy.milder(),
        false => policy,
    })
}

/// The policies found on the way up from a name, the longest name first.
struct Walk<'a> {
    start: &'a str,
    found: Vec<(String, Record)>,
}

impl<'a> Walk<'a> {
    // RFC 9989 §4.10
    fn from(start: &'a str, answers: &Answers) -> Result<Self, Stop> {
        let labels: Vec<&str> = start.split('.').collect();
        let mut found = Vec::new();
        // From eight labels on, the next name has seven.
        let shorter = (1..labels.len().min(WALK_MAX)).rev();
        for count in std::iter::once(labels.len()).chain(shorter) {
            let from = labels.len().saturating_sub(count);
            let name = labels.get(from..).unwrap_or_default().join(".");
            if let Some(record) = record_at(&name, answers)? {
                let last = record.public_suffix != PublicSuffix::Unknown;
                found.push((name, record));
                if last {
                    break;
                }
            }
        }
        Ok(Self { start, found })
    }

    // RFC 9989 §4.10.2
    fn organization(&self) -> String {
        let last = self.found.last();
        let Some((domain, record)) = last else {
            return self.start.to_owned();
        };
        if record.public_suffix != PublicSuffix::Yes || domain == self.start {
            return domain.clone();
        }
        // One label below.
        let above = self.start.len().saturating_sub(domain.len() + 1);
        let label = self.start.get(..above).unwrap_or_default();
        let label = label.rsplit('.').next().unwrap_or_default();
        format!("{label}.{domain}")
    }

    // RFC 9989 §4.10.1
    /// The author's own policy, or else its organisation's, or else that of the public suffix.
    fn policy(&self) -> Option<(&String, &Record)> {
        let organization = self.organization();
        let at = |name: &str| self.found.iter().find(|(domain, _)| domain == name);
        let found = at(self.start)
            .or_else(|| at(&organization))
            .or_else(|| self.found.last());
        found.map(|(domain, record)| (domain, record))
    }
}

/// The one policy that is published at a name.
fn record_at(name: &str, answers: &Answers) -> Result<Option<Record>, Stop> {
    let name = format!("_dmarc.{name}");
    let answer = answers.to(&name, Kind::Txt)?;
    if *answer == Answer::Failed
        && let Some(question) = Question::new(&name, Kind::Txt)
    {
        return Err(Stop::Unanswered(question));
    }
    let mut records = answer.texts().filter_map(Record::parse);
    let first = records.next();
    Ok(first.filter(|_| records.next().is_none()))
}

// RFC 9990 §4
/// Asks whether somebody else wants the reports about a domain: `rua=mailto:` may name strangers.
#[derive(Clone, Debug)]
pub struct ReportsWanted {
    domain: String,
    receiver: String,
}

impl ReportsWanted {
    /// For reports about `domain` to an address at `receiver`.
    #[must_use]
    pub fn new(domain: &str, receiver: &str) -> Self {
        Self {
            domain: domain.to_ascii_lowercase(),
            receiver: receiver.to_ascii_lowercase(),
        }
    }
}

impl Check for ReportsWanted {
    /// `None` where DNS did not answer.
    type Verdict = Option<bool>;

    fn judge(&self, answers: &Answers) -> Result<Option<bool>, Question> {
        let organization = |name| match Walk::from(name, answers) {
            Ok(walk) => Ok(Some(walk.organization())),
            Err(Stop::Ask(question)) => Err(question),
            Err(Stop::Unanswered(_)) => Ok(None),
        };
        let own = organization(&self.domain)?;
        if own.is_some() && own == organization(&self.receiver)? {
            return Ok(Some(true));
        }
        let name = format!("{}._report._dmarc.{}", self.domain, self.receiver);
        Ok(match answers.to(&name, Kind::Txt)? {
            Answer::Failed => None,
            answer => Some(answer.texts().filter_map(Record::parse).count() > 0),
        })
    }
}

#[cfg(test)]
mod tests;
