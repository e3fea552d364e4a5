//! Lists of addresses and domains that DNS publishes: who is on one, and what it says of them.
//!
//! Not here: what follows from it, and whether several lists are asked at once.
//!
//! RFC 5782 (how lists are asked), RFC 8904 (how it is told that one speaks for a client).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mail::{Host, Network};

use crate::dns::{Answer, Answers, Check, Kind, Question, reverse_name};

/// Octets of what a list says of an entry that are told.
pub const TEXT_OCTETS_MAX: usize = 255;

/// An address that no list has, as an IPv4 one.
// RFC 5782 §5
const ABSENT_V4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
/// The same as an IPv6 one.
const ABSENT_V6: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1);
/// A domain that no list has.
const ABSENT_NAME: &str = "invalid";

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What it is called here.
    pub name: String,
    /// The domain below which its entries are.
    pub zone: Host,
    /// What its entries are about.
    pub subject: Subject,
    /// The codes that count: any, where it is empty.
    pub codes: Vec<Network>,
}

/// What the entries of a list are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The client's address.
    Address,
    /// The domain of the reverse-path.
    Domain,
}

/// What became of a look into a list (RFC 8904 §3.1 calls the first two `pass` and `none`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has an entry.
    Listed,
    /// It has none, or there is nothing to ask about.
    Absent,
    /// DNS did not answer.
    TempError,
    /// It is no list: it has what no list has, or answers with what no list answers with.
    PermError,
}

/// The outcome with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What became of it.
    pub outcome: Outcome,
    /// The code of the entry that counted.
    pub code: Option<Ipv4Addr>,
    /// What the list says of the entry: printable ASCII, at most [`TEXT_OCTETS_MAX`].
    pub text: Option<String>,
    /// Why it is of no use, where it is.
    pub problem: Option<String>,
}

/// What a list said, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The domain below which the list has its entries.
    pub zone: String,
    /// True if its entries speak for somebody, false if they speak against them.
    pub speaks_for: bool,
    /// What came of the look.
    pub verdict: Verdict,
}

/// One look into a list, ready to be run.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// Which list.
    pub list: &'a List,
    /// The client's address.
    pub ip: IpAddr,
    /// The domain of the reverse-path in A-labels; empty where it has none.
    pub domain: &'a str,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listed => "pass",
            Self::Absent => "none",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        })
    }
}

impl List {
    /// The name of an entry.
    fn entry(&self, key: &str) -> String {
        format!("{key}.{}", self.zone.to_ascii())
    }

    /// True if an answer with this code counts.
    // RFC 5782 §2.3
    fn counts(&self, code: Ipv4Addr) -> bool {
        let mut codes = self.codes.iter();
        self.codes.is_empty() || codes.any(|network| network.contains(code.into()))
    }
}

impl Lookup<'_> {
    /// What is asked for below the zone, and what no list has there.
    fn keys(&self) -> Option<(String, String)> {
        match self.list.subject {
            Subject::Domain => {
                let domain = Some(self.domain).filter(|domain| !domain.is_empty())?;
                Some((domain.to_owned(), ABSENT_NAME.to_owned()))
            }
            // RFC 5782 §2.1, §2.4
            Subject::Address => {
                let ip = self.ip.to_canonical();
                let absent = match ip {
                    IpAddr::V4(_) => IpAddr::V4(ABSENT_V4),
                    IpAddr::V6(_) => IpAddr::V6(ABSENT_V6),
                };
                Some((turned(ip), turned(absent)))
            }
        }
    }
}

impl Check for Lookup<'_> {
    type Verdict = Verdict;

    fn judge(&self, answers: &Answers) -> Result<Verdict, Question> {
        let Some((key, absent)) = self.keys() else {
            return Ok(Verdict::of(Outcome::Absent));
        };
        let name = self.list.entry(&key);
        let answer = answers.to(&name, Kind::A)?;
        if *answer == Answer::Failed {
            return Ok(Verdict::of(Outcome::TempError));
        }
        if codes(answer).any(|code| !code.is_loopback()) {
            let problem = "it answers with addresses outside of 127.0.0.0/8";
            return Ok(Verdict::useless(problem));
        }
        let Some(code) = codes(answer).find(|code| self.list.counts(*code)) else {
            return Ok(Verdict::of(Outcome::Absent));
        };
        // A list whose domain has gone to somebody else has entries for everybody.
        // RFC 5782 §5
        match answers.to(&self.list.entry(&absent), Kind::A)? {
            Answer::Failed => return Ok(Verdict::of(Outcome::TempError)),
            Answer::Records(_) => {
                let problem = format!("it has an entry for {absent}, which no list has");
                return Ok(Verdict::useless(problem));
            }
            Answer::NoData | Answer::NoSuchName => {}
        }
        // The text is for people, and may be missing.
        // RFC 5782 §2.1
        let text = answers.to(&name, Kind::Txt)?.texts().next().map(printable);
        Ok(Verdict {
            code: Some(code),
            text: text.filter(|text| !text.is_empty()),
            ..Verdict::of(Outcome::Listed)
        })
    }
}

impl Verdict {
    const fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            code: None,
            text: None,
            problem: None,
        }
    }

    fn useless(problem: impl Into<String>) -> Self {
        Self {
            problem: Some(problem.into()),
            ..Self::of(Outcome::PermError)
        }
    }
}

fn codes(answer: &Answer) -> impl Iterator<Item = Ipv4Addr> {
    answer.addresses().filter_map(|ip| match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    })
}

/// An address as it stands below a zone: its octets, or its digits, from the last to the first.
fn turned(ip: IpAddr) -> String {
    let mut name = reverse_name(ip);
    for end in [".in-addr.arpa", ".ip6.arpa"] {
        if let Some(front) = name.strip_suffix(end) {
            name.truncate(front.len());
        }
    }
    name
}

/// Strangers' words as one may show them.
fn printable(text: &[u8]) -> String {
    let harmless = |octet: &u8| match octet {
        b' '..=b'~' => char::from(*octet),
        _ => '?',
    };
    let octets = text.iter().take(TEXT_OCTETS_MAX);
    octets.map(harmless).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::Record;

    fn list(subject: Subject, codes: &[&str]) -> List {
        List {
            name: "made".into(),
            zone: Host::parse("list.example").unwrap(),
            subject,
            codes: codes
                .iter()
                .filter_map(|code| Network::parse(code))
                .collect(),
        }
    }

    /// Looks into a list whose zone is a table: a code, a text in quotes, or `fail`.
    fn look(list: &List, ip: &str, domain: &str, zone: &[(&str, &str)]) -> (Verdict, Vec<String>) {
        let mut entries: HashMap<String, Vec<&str>> = HashMap::new();
        for (key, value) in zone {
            let entry = entries.entry(format!("{key}.list.example")).or_default();
            entry.push(value);
        }
        let mut asked = Vec::new();
        let lookup = Lookup {
            list,
            ip: ip.parse().unwrap(),
            domain,
        };
        let verdict = lookup.settle(&mut Answers::default(), |question| {
            asked.push(question.to_string());
            let Some(values) = entries.get(question.name()) else {
                return Answer::NoSuchName;
            };
            if values.contains(&"fail") {
                return Answer::Failed;
            }
            let records = values.iter().filter_map(|value| {
                match (value.strip_prefix('"'), question.kind()) {
                    (Some(text), Kind::Txt) => Some(Record::Txt(text.as_bytes().to_vec())),
                    (None, Kind::A) => Some(Record::A(value.parse().unwrap())),
                    _ => None,
                }
            });
            let records: Vec<Record> = records.collect();
            match records.is_empty() {
                true => Answer::NoData,
                false => Answer::Records(records),
            }
        });
        (verdict, asked)
    }

    // RFC 5782 §2.1, §2.4, §3.1: who is asked about, and by which name.
    #[test]
    fn entries_have_their_names() {
        let v6 = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
        for (subject, ip, domain, expected) in [
            (Subject::Address, "192.0.2.99", "", "99.2.0.192"),
            (Subject::Address, "::ffff:192.0.2.99", "", "99.2.0.192"),
            (Subject::Address, "2001:db8::cb01", "", v6),
            (
                Subject::Domain,
                "192.0.2.99",
                "a.example.net",
                "a.example.net",
            ),
        ] {
            let (verdict, asked) = look(&list(subject, &[]), ip, domain, &[]);
            assert_eq!(verdict, Verdict::of(Outcome::Absent), "{ip} {domain}");
            assert_eq!(asked, [format!("{expected}.list.example A")]);
        }
        // Nobody's letters have no domain, and nothing is asked.
        let (verdict, asked) = look(&list(Subject::Domain, &[]), "192.0.2.99", "", &[]);
        assert_eq!((verdict.outcome, asked.len()), (Outcome::Absent, 0));
    }

    // RFC 5782 §2.1, §2.3, §5.
    #[test]
    fn what_an_entry_says() {
        const LISTED: Outcome = Outcome::Listed;
        let entry = "99.2.0.192";
        let absent = "1.0.0.127";
        for (zone, codes, outcome, code) in [
            (&[(entry, "127.0.0.2")][..], &[][..], LISTED, "127.0.0.2"),
            (&[(entry, "127.0.0.2")], &["127.0.0.3"], Outcome::Absent, ""),
            (
                &[(entry, "127.0.0.2"), (entry, "127.0.0.9")],
                &["127.0.0.8/30"],
                LISTED,
                "127.0.0.9",
            ),
            (
                &[(entry, "127.3.2.1")],
                &["127.0.0.0/8"],
                LISTED,
                "127.3.2.1",
            ),
            (&[(entry, "\"only a text")], &[], Outcome::Absent, ""),
            (&[(entry, "fail")], &[], Outcome::TempError, ""),
            (
                &[(entry, "127.0.0.2"), (absent, "fail")],
                &[],
                Outcome::TempError,
                "",
            ),
            // Whoever has bought the domain of a list that is dead, or shows advertisements there.
            (&[(entry, "198.51.100.7")], &[], Outcome::PermError, ""),
            (
                &[(entry, "127.0.0.2"), (absent, "127.0.0.2")],
                &[],
                Outcome::PermError,
                "",
            ),
        ] {
            let (verdict, _) = look(&list(Subject::Address, codes), "192.0.2.99", "", zone);
            assert_eq!(verdict.outcome, outcome, "{zone:?} {codes:?}");
            let found = verdict.code.map(|code| code.to_string());
            assert_eq!(found.unwrap_or_default(), code, "{zone:?} {codes:?}");
            assert_eq!(verdict.problem.is_some(), outcome == Outcome::PermError);
        }
        let name = [("bad.example", "127.0.1.2"), ("invalid", "127.0.1.2")];
        let of_names = list(Subject::Domain, &[]);
        let (verdict, _) = look(&of_names, "192.0.2.99", "bad.example", &name);
        assert_eq!(verdict.outcome, Outcome::PermError);
        let v6 = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
        let absent = "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0";
        let zone = [(v6, "127.0.0.2"), (absent, "127.0.0.2")];
        let (verdict, _) = look(&list(Subject::Address, &[]), "2001:db8::cb01", "", &zone);
        assert_eq!(verdict.outcome, Outcome::PermError);
    }

    #[test]
    fn what_a_list_says_is_harmless() {
        let long = format!("\" see\r\nhttps://list.example/{}", "x".repeat(1000));
        let zone = [("99.2.0.192", "127.0.0.2"), ("99.2.0.192", long.as_str())];
        let (verdict, asked) = look(&list(Subject::Address, &[]), "192.0.2.99", "", &zone);
        let text = verdict.text.unwrap();
        assert!(text.starts_with("see??https://list.example/"), "{text}");
        assert!(text.len() <= TEXT_OCTETS_MAX);
        assert_eq!(asked.len(), 3);
    }
}
