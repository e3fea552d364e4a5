//! MTA-STS (RFC 8461): a domain's word that its exchangers speak TLS with good certificates, kept
//! for a while, so that nobody between takes it back.
//!
//! Not here: fetching and keeping (the check is given what is kept), the certificates themselves.

use std::time::Duration;

use crate::dns::{Answer, Answers, Check, Kind, Question, bare, is_name};
use crate::tags::Tags;

/// Octets a policy may have (RFC 8461 §3.3 suggests as many).
pub const POLICY_OCTETS_MAX: usize = 65_536;
/// Patterns a policy may have.
pub const PATTERNS_MAX: usize = 200;
/// Seconds a policy may be kept (RFC 8461 §3.2).
const AGE_MAX: u64 = 31_557_600;

/// How much a policy is meant (RFC 8461 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is sent to who does not match.
    Enforce,
    /// It is sent, and reported.
    Testing,
    /// There is no policy any more.
    None,
}

/// A policy (RFC 8461 §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How much it is meant.
    pub mode: Mode,
    /// How long it may be kept.
    pub age: Duration,
    /// Patterns of the exchangers' names, in lower case.
    pub patterns: Vec<String>,
}

impl Policy {
    // RFC 8461 §3.2
    /// Reads a policy.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, &'static str> {
        if body.len() > POLICY_OCTETS_MAX {
            return Err("it is too long");
        }
        let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8")?;
        let (mut version, mut mode, mut age) = (None, None, None);
        let mut patterns = Vec::new();
        for line in text.lines().filter(|line| !line.trim_ascii().is_empty()) {
            let (key, value) = line.split_once(':').ok_or("a line without a colon")?;
            let value = value.trim_ascii();
            // Of all but `mx` the first one counts.
            let slot = match key.trim_ascii() {
                "version" => &mut version,
                "mode" => &mut mode,
                "max_age" => &mut age,
                "mx" if patterns.len() < PATTERNS_MAX => {
                    patterns.push(pattern(value)?);
                    continue;
                }
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        if version != Some("STSv1") {
            return Err("its version is not STSv1");
        }
        let mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            _ => return Err("it does not say how much it is meant (mode)"),
        };
        if patterns.is_empty() && mode != Mode::None {
            return Err("it names no exchanger (mx)");
        }
        let digits =
            age.filter(|age| age.len() <= 10 && age.bytes().all(|octet| octet.is_ascii_digit()));
        let age: Option<u64> = digits.and_then(|digits| digits.parse().ok());
        Ok(Self {
            mode,
            age: Duration::from_secs(
                age.ok_or("it does not say how long it holds (max_age)")?
                    .min(AGE_MAX),
            ),
            patterns,
        })
    }

    // RFC 8461 §4.1
    /// True if a host of this name may be an exchanger.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        let host = bare(host).to_ascii_lowercase();
        self.patterns
            .iter()
            .any(|pattern| match pattern.strip_prefix("*.") {
                // One label, whatever it is.
                Some(domain) => host
                    .split_once('.')
                    .is_some_and(|(label, rest)| !label.is_empty() && rest == domain),
                None => host == *pattern,
            })
    }
}

fn pattern(text: &str) -> Result<String, &'static str> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    match is_name(name) && name.bytes().all(plain) {
        true => Ok(bare(text).to_ascii_lowercase()),
        false => Err("a name that is none (mx)"),
    }
}

// RFC 8461 §3.1
/// The id in a record `v=STSv1; id=…;`; `None` if it is none.
#[must_use]
pub fn record_id(text: &[u8]) -> Option<&str> {
    let tags = Tags::parse(text).ok()?;
    let id = tags
        .text("id")
        .filter(|_| tags.first() == Some(("v", "STSv1")))?;
    let plain = id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    (plain && (1..=32).contains(&id.len())).then_some(id)
}

// RFC 8460 §3
/// Where reports about TLS are wanted, by a record `v=TLSRPTv1; rua=…`; empty if it is none.
#[must_use]
pub fn report_addresses(text: &[u8]) -> Vec<&str> {
    let Ok(tags) = Tags::parse(text) else {
        return Vec::new();
    };
    if tags.first() != Some(("v", "TLSRPTv1")) {
        return Vec::new();
    }
    let uris = tags
        .text("rua")
        .unwrap_or_default()
        .split(',')
        .map(str::trim_ascii);
    uris.filter(|uri| uri.starts_with("mailto:") || uri.starts_with("https://"))
        .collect()
}

/// A policy that was fetched before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The id its record had.
    pub id: String,
    /// The policy.
    pub policy: Policy,
}

/// Finds the policy of a domain.
#[derive(Clone, Debug)]
pub struct MtaSts<'a> {
    /// The domain letters go to, in A-labels.
    pub domain: &'a str,
    /// What is kept of it and has not expired.
    pub kept: Option<&'a Kept>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The policy to go by.
    pub policy: Option<Kept>,
    /// True if it was fetched and is to be kept from now on.
    pub fetched: bool,
    /// Why nothing new was found.
    pub problem: Option<Problem>,
}

/// Why nothing new is known of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of reason it is.
    pub kind: ProblemKind,
    /// The reason, in words.
    pub text: String,
}

/// At which step nothing new was found of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Nobody answered about its record.
    Unanswered,
    /// There is no record, or none that can be used.
    Unpublished,
    /// There is one, and its policy cannot be fetched.
    Unfetched,
    /// There is one, and what was fetched is no policy.
    Invalid,
}

impl ProblemKind {
    /// True where the domain says that there is a policy.
    #[must_use]
    pub const fn has_record(self) -> bool {
        matches!(self, Self::Unfetched | Self::Invalid)
    }
}

impl Check for MtaSts<'_> {
    type Verdict = Verdict;

    // RFC 8461 §3.3, §5.1
    fn judge(&self, answers: &Answers) -> Result<Verdict, Question> {
        let same = || Verdict {
            policy: self.kept.cloned(),
            fetched: false,
            problem: None,
        };
        let without = |kind, text: &str| Verdict {
            problem: Some(Problem {
                kind,
                text: text.to_owned(),
            }),
            ..same()
        };
        let answer = answers.to(&format!("_mta-sts.{}", self.domain), Kind::Txt)?;
        if *answer == Answer::Failed {
            return Ok(without(
                ProblemKind::Unanswered,
                "no answer about its record",
            ));
        }
        let mut ids = answer.texts().filter(|text| text.starts_with(b"v=STSv1"));
        let id = match (ids.next(), ids.next()) {
            (Some(text), None) => record_id(text),
            _ => None,
        };
        let Some(id) = id else {
            return Ok(without(ProblemKind::Unpublished, "no record is published"));
        };
        if self.kept.is_some_and(|kept| kept.id == id) {
            return Ok(same());
        }
        let answer = answers.to(self.domain, Kind::StsPolicy)?;
        let Some(body) = answer.texts().next() else {
            return Ok(without(
                ProblemKind::Unfetched,
                "its policy cannot be fetched",
            ));
        };
        Ok(match Policy::parse(body) {
            Ok(policy) => Verdict {
                policy: Some(Kept {
                    id: id.to_owned(),
                    policy,
                }),
                fetched: true,
                problem: None,
            },
            Err(problem) => without(ProblemKind::Invalid, &format!("its policy: {problem}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Record;

    const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n\
        mx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n";

    // RFC 8461 §3.2, appendix A.
    #[test]
    fn policies_by_the_grammar() {
        let policy = Policy::parse(POLICY.as_bytes()).unwrap();
        assert_eq!(
            (policy.mode, policy.age),
            (Mode::Enforce, Duration::from_secs(604_800))
        );
        assert_eq!(
            Policy::parse(POLICY.replace("\r\n", "\n").as_bytes()),
            Ok(policy)
        );
        for (from, to) in [
            ("STSv1", "STSv2"),
            ("version: STSv1\r\n", ""),
            ("enforce", "force"),
            ("mode: enforce\r\n", ""),
            ("max_age: 604800", "max_age: -1"),
            ("max_age: 604800\r\n", ""),
            ("mx: mail.example.com", "mx: mail..com"),
            ("mx: mail.example.com", "mx: *.*.com"),
            ("mx: ", "xm: "),
            ("mx: mail", "mail"),
        ] {
            let text = POLICY.replace(from, to);
            assert!(Policy::parse(text.as_bytes()).is_err(), "{from} {to}");
        }
        let none = b"version: STSv1\nmode: none\nmode: enforce\nx: y\nmax_age: 99999999\n";
        let none = Policy::parse(none).unwrap();
        assert_eq!(
            (none.mode, none.age),
            (Mode::None, Duration::from_secs(AGE_MAX))
        );
        assert!(Policy::parse(&vec![b'\n'; POLICY_OCTETS_MAX + 1]).is_err());
    }

    // RFC 8461 §4.1.
    #[test]
    fn exchangers_that_match() {
        let policy = Policy::parse(POLICY.as_bytes()).unwrap();
        for (host, expected) in [
            ("mail.example.com", true),
            ("MAIL.Example.com.", true),
            ("mx.example.net", true),
            ("example.net", false),
            (".example.net", false),
            ("a.mx.example.net", false),
            ("example.com", false),
        ] {
            assert_eq!(policy.allows(host), expected, "{host}");
        }
    }

    // RFC 8461 §3.1, RFC 8460 §3.
    #[test]
    fn records_by_the_grammar() {
        assert_eq!(
            record_id(b"v=STSv1; id=20160831085700Z;"),
            Some("20160831085700Z")
        );
        for text in [
            "v=STSv1;",
            "id=1; v=STSv1",
            "v=STSv2; id=1",
            "v=STSv1; id=a-b",
            "v=STSv1; id=",
        ] {
            assert_eq!(record_id(text.as_bytes()), None, "{text}");
        }
        assert_eq!(
            report_addresses(b"v=TLSRPTv1; rua=mailto:a@b.example, https://c.example/d;"),
            ["mailto:a@b.example", "https://c.example/d"]
        );
        assert!(report_addresses(b"v=TLSRPTv2; rua=mailto:a@b.example").is_empty());
        assert!(report_addresses(b"v=TLSRPTv1; rua=ftp://a").is_empty());
    }

    // RFC 8461 §3.3, §5.1.
    #[test]
    fn what_is_kept_and_what_is_fetched() {
        let old = Kept {
            id: "1".to_owned(),
            policy: Policy::parse(POLICY.replace("enforce", "testing").as_bytes()).unwrap(),
        };
        let found = |record: &str, body: &str, kept| {
            let check = MtaSts {
                domain: "example.com",
                kept,
            };
            check.settle(&mut Answers::default(), |question| {
                let text = match question.kind() {
                    Kind::Txt => record,
                    _ => body,
                };
                match text {
                    "" => Answer::Failed,
                    text => Answer::Records(vec![Record::Txt(text.as_bytes().to_vec())]),
                }
            })
        };
        let fresh = found("v=STSv1; id=2", POLICY, Some(&old));
        assert!(fresh.fetched && fresh.problem.is_none());
        assert_eq!(fresh.policy.unwrap().id, "2");
        let same = found("v=STSv1; id=1", "", Some(&old));
        assert_eq!((same.policy, same.problem), (Some(old.clone()), None));
        for (record, body, kind) in [
            ("", "", ProblemKind::Unanswered),
            ("v=STSv1", POLICY, ProblemKind::Unpublished),
            ("v=STSv1; id=2", "", ProblemKind::Unfetched),
            ("v=STSv1; id=2", "x", ProblemKind::Invalid),
        ] {
            let kept = found(record, body, Some(&old));
            assert_eq!(kept.policy.as_ref(), Some(&old), "{record} {body}");
            assert_eq!(kept.problem.unwrap().kind, kind, "{record} {body}");
            assert_eq!(found(record, body, None).policy, None, "{record} {body}");
        }
    }
}
