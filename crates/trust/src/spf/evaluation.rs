//! `check_host()` (RFC 7208 §4 to §6).

use std::net::IpAddr;

use super::macros::{MacroString, Place, dotted, fitting};
use super::record::{Mechanism, Prefix, Record, is_record};
use super::{
    EXPLANATION_OCTETS_MAX, HOSTS_MAX, LOOKUPS_MAX, Outcome, Spf, VOID_LOOKUPS_MAX, Verdict,
};
use crate::dns::{Answer, Answers, Kind, Question, Record as DnsRecord, is_within, reverse_name};

/// Why an evaluation goes no further.
enum Stop {
    /// An answer is missing.
    Ask(Question),
    /// DNS does not answer.
    Unanswered(Question),
    /// The policy is wrong, and how.
    Wrong(String),
}

impl From<Question> for Stop {
    fn from(question: Question) -> Self {
        Self::Ask(question)
    }
}

/// What a record came to.
#[derive(Default)]
struct Found {
    outcome: Outcome,
    decided: Option<(String, String)>,
    /// Where words about a failure are, and the domain whose record said so.
    explanation: Option<(MacroString, String)>,
    problem: Option<&'static str>,
}

struct Evaluation<'a> {
    spf: &'a Spf,
    answers: &'a Answers,
    lookups: usize,
    voids: usize,
}

/// Runs the check as far as the answers go.
pub(super) fn evaluate(spf: &Spf, answers: &Answers) -> Result<Verdict, Question> {
    let mut evaluation = Evaluation {
        spf,
        answers,
        lookups: 0,
        voids: 0,
    };
    let mut verdict = Verdict {
        outcome: Outcome::None,
        identity: spf.identity,
        domain: spf.domain.clone(),
        local: spf.local.clone(),
        ip: spf.ip,
        decided: None,
        explanation: None,
        problem: None,
        unanswered: None,
        lookups: 0,
    };
    match evaluation.check_host(&spf.domain) {
        Ok(found) => {
            verdict.outcome = found.outcome;
            verdict.decided = found.decided;
            verdict.problem = found.problem.map(str::to_owned);
            verdict.lookups = evaluation.lookups;
            if let (Outcome::Fail, Some((text, domain))) = (found.outcome, found.explanation) {
                verdict.explanation = evaluation.explanation(&text, &domain)?;
            }
        }
        Err(Stop::Ask(question)) => return Err(question),
        Err(Stop::Unanswered(question)) => {
            verdict.outcome = Outcome::TempError;
            verdict.problem = Some(format!("no answer about {question}"));
            verdict.unanswered = Some(question);
        }
        Err(Stop::Wrong(problem)) => {
            verdict.outcome = Outcome::PermError;
            verdict.problem = Some(problem);
        }
    }
    verdict.lookups = evaluation.lookups;
    Ok(verdict)
}

impl<'a> Evaluation<'a> {
    // RFC 7208 §4.3
    fn check_host(&mut self, domain: &str) -> Result<Found, Stop> {
        let none = |problem| Found {
            problem: Some(problem),
            ..Found::default()
        };
        let labels = domain.strip_suffix('.').unwrap_or(domain);
        let literal = labels.starts_with('[');
        if literal || !labels.contains('.') || Question::new(domain, Kind::Txt).is_none() {
            return Ok(none("not a domain that could have a policy"));
        }
        // RFC 7208 §4.4
        let answer = self.ask(domain, Kind::Txt)?;
        let mut records = answer.texts().filter(|text| is_record(text));
        // RFC 7208 §4.5
        let Some(record) = records.next() else {
            return Ok(none("no policy is published"));
        };
        if records.next().is_some() {
            return Err(Stop::Wrong(format!("{domain} has several policies")));
        }
        let record = Record::parse(record).map_err(|what| wrong(domain, &what))?;
        self.record(record, domain)
    }

    // RFC 7208 §4.6.2
    fn record(&mut self, record: Record, domain: &str) -> Result<Found, Stop> {
        for directive in record.directives {
            if self.matches(&directive.mechanism, domain)? {
                return Ok(Found {
                    outcome: directive.outcome,
                    decided: Some((directive.text, domain.to_owned())),
                    explanation: record.explanation.map(|text| (text, domain.to_owned())),
                    problem: None,
                });
            }
        }
        // RFC 7208 §6.1
        if let Some(redirect) = record.redirect {
            self.count()?;
            let target = self.target(&redirect, domain)?;
            return match self.check_host(&target)? {
                found if found.outcome == Outcome::None => {
                    Err(wrong(domain, &format!("redirect to {target}: no policy")))
                }
                found => Ok(found),
            };
        }
        // RFC 7208 §4.7
        Ok(Found {
            outcome: Outcome::Neutral,
            ..Found::default()
        })
    }

    // RFC 7208 §5
    fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Stop> {
        let ip = self.spf.ip;
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, bits) => Ok(within(ip, IpAddr::V4(*network), *bits)),
            Mechanism::Ip6(network, bits) => Ok(within(ip, IpAddr::V6(*network), *bits)),
            Mechanism::Include(text) => {
                self.count()?;
                let target = self.target(text, domain)?;
                // RFC 7208 §5.2
                match self.check_host(&target)?.outcome {
                    Outcome::Pass => Ok(true),
                    Outcome::None => Err(wrong(domain, &format!("include of {target}: no policy"))),
                    _ => Ok(false),
                }
            }
            Mechanism::A(text, prefix) => {
                self.count()?;
                let target = self.target_or(text.as_ref(), domain)?;
                let answer = self.ask_counting(&target, self.address_kind())?;
                Ok(answer.addresses().any(|found| prefix.covers(ip, found)))
            }
            Mechanism::Mx(text, prefix) => {
                self.count()?;
                let target = self.target_or(text.as_ref(), domain)?;
                self.mx(&target, *prefix)
            }
            Mechanism::Ptr(text) => {
                self.count()?;
                let target = self.target_or(text.as_ref(), domain)?;
                let names = self.validated_names(true)?;
                Ok(names.iter().any(|name| is_within(name, &target)))
            }
            Mechanism::Exists(text) => {
                self.count()?;
                let target = self.target(text, domain)?;
                let answer = self.ask_counting(&target, Kind::A)?;
                Ok(answer.addresses().next().is_some())
            }
        }
    }

    // RFC 7208 §5.4
    fn mx(&mut self, target: &str, prefix: Prefix) -> Result<bool, Stop> {
        let answer = self.ask_counting(target, Kind::Mx)?;
        let exchanges = answer.records().iter().filter_map(|record| match record {
            DnsRecord::Mx { exchange, .. } => Some(exchange),
            _ => None,
        });
        for (at, exchange) in exchanges.enumerate() {
            if at == HOSTS_MAX {
                let what = format!("more than {HOSTS_MAX} mail exchangers");
                return Err(wrong(target, &what));
            }
            let answer = self.ask(exchange, self.address_kind())?;
            if answer
                .addresses()
                .any(|found| prefix.covers(self.spf.ip, found))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    // RFC 7208 §5.5
    /// The names of the address that lead back to it; none where DNS fails.
    fn validated_names(&mut self, counting: bool) -> Result<Vec<String>, Stop> {
        let reverse = reverse_name(self.spf.ip);
        let answer = self.answers.to(&reverse, Kind::Ptr)?;
        if counting && answer.is_void() {
            self.count_void()?;
        }
        let names = answer.records().iter().filter_map(|record| match record {
            DnsRecord::Ptr(name) => Some(name),
            _ => None,
        });
        let mut validated = Vec::new();
        for name in names.take(HOSTS_MAX) {
            let answer = self.answers.to(name, self.address_kind())?;
            if answer.addresses().any(|found| found == self.spf.ip) {
                validated.push(name.strip_suffix('.').unwrap_or(name).to_owned());
            }
        }
        Ok(validated)
    }

    const fn address_kind(&self) -> Kind {
        match self.spf.ip {
            IpAddr::V4(_) => Kind::A,
            IpAddr::V6(_) => Kind::Aaaa,
        }
    }

    fn ask(&self, name: &str, kind: Kind) -> Result<&'a Answer, Stop> {
        match self.answers.to(name, kind)? {
            Answer::Failed => {
                let question = Question::new(name, kind);
                Err(question.map_or_else(|| wrong(name, "not a name"), Stop::Unanswered))
            }
            answer => Ok(answer),
        }
    }

    /// The same, where finding nothing counts.
    fn ask_counting(&mut self, name: &str, kind: Kind) -> Result<&'a Answer, Stop> {
        let answer = self.ask(name, kind)?;
        // A name that DNS cannot have was not looked up.
        if answer.is_void() && Question::new(name, kind).is_some() {
            self.count_void()?;
        }
        Ok(answer)
    }

    // RFC 7208 §4.6.4
    fn count(&mut self) -> Result<(), Stop> {
        if self.lookups == LOOKUPS_MAX {
            let what = format!("more than {LOOKUPS_MAX} look-ups");
            return Err(wrong(&self.spf.domain, &what));
        }
        self.lookups += 1;
        Ok(())
    }

    // RFC 7208 §4.6.4
    fn count_void(&mut self) -> Result<(), Stop> {
        if self.voids == VOID_LOOKUPS_MAX {
            let what = format!("more than {VOID_LOOKUPS_MAX} look-ups found nothing");
            return Err(wrong(&self.spf.domain, &what));
        }
        self.voids += 1;
        Ok(())
    }

    fn target_or(&mut self, text: Option<&MacroString>, domain: &str) -> Result<String, Stop> {
        match text {
            Some(text) => self.target(text, domain),
            None => Ok(domain.to_owned()),
        }
    }

    // RFC 7208 §4.8
    fn target(&mut self, text: &MacroString, domain: &str) -> Result<String, Stop> {
        let name = text.expand(|letter| {
            if letter == 'p' {
                self.count()?;
            }
            self.value(letter, domain)
        })?;
        Ok(fitting(&name).to_owned())
    }

    // RFC 7208 §7.2
    /// What a macro's letter stands for.
    fn value(&mut self, letter: char, domain: &str) -> Result<String, Stop> {
        let spf = self.spf;
        Ok(match letter {
            's' => format!("{}@{}", spf.local, spf.domain),
            'l' => spf.local.clone(),
            'o' => spf.domain.clone(),
            'd' => domain.to_owned(),
            'i' => dotted(spf.ip),
            'p' => self.validated_name(domain)?,
            'v' if spf.ip.is_ipv4() => "in-addr".to_owned(),
            'v' => "ip6".to_owned(),
            'h' => spf.helo.clone(),
            'c' => spf.ip.to_string(),
            'r' => spf.receiver.clone(),
            't' => spf.now.to_string(),
            _ => String::new(),
        })
    }

    /// The one name of the address that `%{p}` wants.
    fn validated_name(&mut self, domain: &str) -> Result<String, Stop> {
        let names = self.validated_names(false)?;
        let same = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
        let below = || names.iter().find(|name| is_within(name, domain));
        let any = same.or_else(below).or_else(|| names.first());
        Ok(any.map_or_else(|| "unknown".to_owned(), Clone::clone))
    }

    // RFC 7208 §6.2
    /// The domain's words; `None` if there is anything wrong with them.
    fn explanation(
        &mut self,
        text: &MacroString,
        domain: &str,
    ) -> Result<Option<String>, Question> {
        match self.words(text, domain) {
            Ok(words) => Ok(words),
            Err(Stop::Ask(question)) => Err(question),
            Err(Stop::Unanswered(_) | Stop::Wrong(_)) => Ok(None),
        }
    }

    fn words(&mut self, text: &MacroString, domain: &str) -> Result<Option<String>, Stop> {
        let name = text.expand(|letter| self.value(letter, domain))?;
        let answer = self.ask(fitting(&name), Kind::Txt)?;
        let mut texts = answer.texts();
        let (Some(text), None) = (texts.next(), texts.next()) else {
            return Ok(None);
        };
        let Ok(text) = std::str::from_utf8(text) else {
            return Ok(None);
        };
        let read = MacroString::parse(text, Place::Explanation);
        let read = read.map_err(|what| wrong(&name, what))?;
        let words = read.expand(|letter| self.value(letter, domain))?;
        let harmless = words.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        let fits = harmless && words.len() <= EXPLANATION_OCTETS_MAX;
        Ok(fits.then_some(words))
    }
}

fn wrong(domain: &str, what: &str) -> Stop {
    Stop::Wrong(format!("{domain}: {what}"))
}

impl Prefix {
    fn covers(self, ip: IpAddr, found: IpAddr) -> bool {
        let bits = match found {
            IpAddr::V4(_) => self.ip4,
            IpAddr::V6(_) => self.ip6,
        };
        within(ip, found, bits)
    }
}

/// True if the first `bits` of both addresses are the same.
fn within(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let differing = ip.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= u32::from(bits)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let differing = ip.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= u32::from(bits)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_within_networks() {
        for (ip, network, bits, expected) in [
            ("192.0.2.1", "192.0.2.255", 24, true),
            ("192.0.3.1", "192.0.2.255", 24, false),
            ("192.0.2.1", "10.0.0.1", 0, true),
            ("192.0.2.1", "192.0.2.1", 32, true),
            ("192.0.2.1", "192.0.2.0", 32, false),
            ("2001:db8::1", "2001:db8::ffff", 112, true),
            ("2001:db8::1", "2001:db8::ffff", 128, false),
            ("2001:db8::1", "192.0.2.0", 0, false),
        ] {
            let within = within(ip.parse().unwrap(), network.parse().unwrap(), bits);
            assert_eq!(within, expected, "{ip} {network}/{bits}");
        }
    }
}
