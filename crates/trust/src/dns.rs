//! Questions to the world, and a book of its answers.
//!
//! A [`Check`] is a function of the answers that are known. It gives its verdict, or the one
//! question it lacks the answer to; whoever runs it finds that out, puts it into the book, and asks
//! the check again. So a check is written from top to bottom as its RFC has it, keeps no state, and
//! one book serves all checks of a letter: nothing is asked twice.
//!
//! Not here: the asking itself, caches, time-outs (a question that takes too long has [`Failed`]).
//!
//! [`Failed`]: Answer::Failed

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets a name may have (RFC 1035 §2.3.4, in text and without the last dot).
pub(crate) const NAME_OCTETS_MAX: usize = 253;
/// Octets a label may have (RFC 1035 §2.3.4).
const LABEL_OCTETS_MAX: usize = 63;
/// Records of one answer that are looked at.
pub const RECORDS_MAX: usize = 200;
/// Octets of one text that are looked at; longer ones are left out.
pub const TEXT_OCTETS_MAX: usize = 65_536;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail exchangers.
    Mx,
    /// Names of an address.
    Ptr,
    /// Texts, the strings of each put together.
    Txt,
    /// Certificates (RFC 6698).
    Tlsa,
    /// Not DNS: the text at `https://mta-sts.NAME/.well-known/mta-sts.txt` (RFC 8461 §3.3).
    StsPolicy,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Mx => "MX",
            Self::Ptr => "PTR",
            Self::Txt => "TXT",
            Self::Tlsa => "TLSA",
            Self::StsPolicy => "HTTPS",
        })
    }
}

/// A question: a name that DNS can have, in lower case without the last dot, and a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    name: String,
    kind: Kind,
}

impl Question {
    /// `None` where no query can be made of the name: a label is empty or too long, all of it is,
    /// or it is not in A-labels.
    #[must_use]
    pub fn new(name: &str, kind: Kind) -> Option<Self> {
        is_name(name).then(|| Self {
            name: bare(name).to_ascii_lowercase(),
            kind,
        })
    }

    /// The name asked about.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is asked about it.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.kind)
    }
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A mail exchanger.
    Mx {
        /// The lower, the sooner.
        preference: u16,
        /// Its name.
        exchange: String,
    },
    /// A name.
    Ptr(String),
    /// A text, or the body of an HTTPS answer.
    Txt(Vec<u8>),
    /// What a certificate must be (RFC 6698 §2.1).
    Tlsa(crate::dane::Tlsa),
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These; at least one.
    Records(Vec<Record>),
    /// The name is there, but nothing of this kind.
    NoData,
    /// There is no such name (NXDOMAIN).
    NoSuchName,
    /// Nobody knows for now: no server answered, or it failed.
    Failed,
}

/// An answer, and whether it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The answer.
    pub answer: Answer,
    /// True if DNSSEC proves it; also that there is nothing.
    pub is_proven: bool,
    /// The name whose records these are: another than was asked about where that is an alias.
    pub name: String,
}

impl Answer {
    /// The addresses in it.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.records().iter().filter_map(|record| match record {
            Record::A(ip) => Some(IpAddr::V4(*ip)),
            Record::Aaaa(ip) => Some(IpAddr::V6(*ip)),
            _ => None,
        })
    }

    /// The texts in it.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.records().iter().filter_map(|record| match record {
            Record::Txt(text) => Some(text.as_slice()),
            _ => None,
        })
    }

    /// The records in it.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        match self {
            Self::Records(records) => records,
            Self::NoData | Self::NoSuchName | Self::Failed => &[],
        }
    }

    /// True where DNS says that there is nothing.
    #[must_use]
    pub fn is_void(&self) -> bool {
        matches!(self, Self::NoData | Self::NoSuchName)
    }
}

/// What is known so far.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    known: HashMap<Question, Answer>,
}

impl Answers {
    /// The answer to a question; a name that no query can be made of does not exist.
    ///
    /// # Errors
    /// The question, where its answer is not known yet.
    pub fn to(&self, name: &str, kind: Kind) -> Result<&Answer, Question> {
        match Question::new(name, kind) {
            Some(question) => self.known.get(&question).ok_or(question),
            None => Ok(&Answer::NoSuchName),
        }
    }

    /// Puts an answer in. Beyond [`RECORDS_MAX`] and [`TEXT_OCTETS_MAX`] records are left out.
    pub fn put(&mut self, question: Question, answer: Answer) {
        let answer = match answer {
            Answer::Records(mut records) => {
                records.retain(|record| match record {
                    Record::Txt(text) => text.len() <= TEXT_OCTETS_MAX,
                    _ => true,
                });
                records.truncate(RECORDS_MAX);
                match records.is_empty() {
                    true => Answer::NoData,
                    false => Answer::Records(records),
                }
            }
            none => none,
        };
        self.known.insert(question, answer);
    }

    /// All questions with their answers, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Question, &Answer)> {
        self.known.iter()
    }
}

/// Something to be found out with the help of answers.
pub trait Check {
    /// What comes of it.
    type Verdict;

    /// The verdict.
    ///
    /// # Errors
    /// The question whose answer it lacks.
    fn judge(&self, answers: &Answers) -> Result<Self::Verdict, Question>;

    /// Asks on until there is a verdict. Each check bounds how many questions that takes.
    fn settle(
        &self,
        answers: &mut Answers,
        mut ask: impl FnMut(&Question) -> Answer,
    ) -> Self::Verdict {
        loop {
            match self.judge(answers) {
                Ok(verdict) => return verdict,
                Err(question) => {
                    let answer = ask(&question);
                    answers.put(question, answer);
                }
            }
        }
    }
}

/// The name without the dot that may end it.
pub(crate) fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// True if DNS can have the name.
pub(crate) fn is_name(name: &str) -> bool {
    let name = bare(name);
    name.is_ascii()
        && name.len() <= NAME_OCTETS_MAX
        && name
            .split('.')
            .all(|label| (1..=LABEL_OCTETS_MAX).contains(&label.len()))
}

/// True if both are the same name, or the first is below the second.
pub(crate) fn is_within(name: &str, above: &str) -> bool {
    let (name, above) = (bare(name), bare(above));
    let Some(at) = name.len().checked_sub(above.len()) else {
        return false;
    };
    let ends = name
        .get(at..)
        .is_some_and(|end| end.eq_ignore_ascii_case(above));
    ends && (at == 0 || name.as_bytes().get(at - 1) == Some(&b'.'))
}

/// The name under which an address has its names: `1.2.0.192.in-addr.arpa`.
#[must_use]
pub fn reverse_name(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(ip) => {
            let mut name = String::with_capacity(72);
            for octet in ip.octets().iter().rev() {
                name += &format!("{:x}.{:x}.", octet & 15, octet >> 4);
            }
            name + "ip6.arpa"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_query_can_have_are_not_asked_about() {
        let long = "a".repeat(64);
        for name in ["", ".", "a..b", ".a", "\u{e4}.b", &long, &"abc.".repeat(80)] {
            assert_eq!(Question::new(name, Kind::A), None, "{name}");
            assert_eq!(
                Answers::default().to(name, Kind::A),
                Ok(&Answer::NoSuchName),
                "{name}"
            );
        }
        let asked = Question::new("Example.ORG.", Kind::Txt).unwrap();
        assert_eq!(asked.to_string(), "example.org TXT");
    }

    #[test]
    fn what_is_within_what() {
        for (name, above, expected) in [
            ("example.org", "example.org", true),
            ("A.Example.org.", "example.ORG", true),
            ("anexample.org", "example.org", false),
            ("org", "example.org", false),
        ] {
            assert_eq!(is_within(name, above), expected, "{name} {above}");
        }
    }

    #[test]
    fn addresses_have_names() {
        let name = |ip: &str| reverse_name(ip.parse().unwrap());
        assert_eq!(name("192.0.2.1"), "1.2.0.192.in-addr.arpa");
        assert_eq!(
            name("2001:db8::cb01"),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }

    #[test]
    fn an_answer_is_bounded() {
        let question = Question::new("a", Kind::Txt).unwrap();
        let mut answers = Answers::default();
        let text = |octets| Record::Txt(vec![b'x'; octets]);
        answers.put(question.clone(), Answer::Records(vec![text(1); 1000]));
        let known = answers.to("a", Kind::Txt).unwrap();
        assert_eq!(known.records().len(), RECORDS_MAX);
        answers.put(question, Answer::Records(vec![text(TEXT_OCTETS_MAX + 1)]));
        assert_eq!(answers.to("a", Kind::Txt), Ok(&Answer::NoData));
    }
}
