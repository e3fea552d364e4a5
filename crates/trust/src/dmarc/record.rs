//! A policy as DNS has it (RFC 9989 §4.7, §4.8).

use std::fmt;

/// Addresses for reports that are kept of one tag.
const ADDRESSES_MAX: usize = 20;
/// Tags of one record that are looked at.
const TAGS_MAX: usize = 50;

/// What a domain wants done with a letter that nobody of it answers for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nothing.
    #[default]
    None,
    /// To be looked at with suspicion.
    Quarantine,
    /// To be refused.
    Reject,
}

impl Policy {
    fn parse(text: &str) -> Option<Self> {
        let all = [Self::None, Self::Quarantine, Self::Reject];
        all.into_iter()
            .find(|policy| policy.name().eq_ignore_ascii_case(text))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    // RFC 9989 §4.7
    /// One step below, as a domain that tests wants it.
    #[must_use]
    pub const fn milder(self) -> Self {
        match self {
            Self::Reject => Self::Quarantine,
            Self::Quarantine | Self::None => Self::None,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a domain says about being a public suffix (`psd=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PublicSuffix {
    /// Others have names below it.
    Yes,
    /// It is an organisation's.
    No,
    /// It does not say.
    #[default]
    Unknown,
}

/// A policy record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// For the domain itself (`p=`); `None` where it says nothing that is known.
    pub policy: Option<Policy>,
    /// For the domains below it (`sp=`).
    pub subdomains: Option<Policy>,
    /// For those below it that do not exist (`np=`).
    pub nonexistent: Option<Policy>,
    /// DKIM's domain must be the very same (`adkim=s`).
    pub strict_dkim: bool,
    /// SPF's domain must be the very same (`aspf=s`).
    pub strict_spf: bool,
    /// The domain tests its policy (`t=y`).
    pub testing: bool,
    /// What it says about being a public suffix (`psd=`).
    pub public_suffix: PublicSuffix,
    /// Where reports about many letters go (`rua=`): URIs.
    pub aggregate: Vec<String>,
    /// Where reports about one letter go (`ruf=`): URIs.
    pub failure: Vec<String>,
    /// When those are wanted (`fo=`), as written.
    pub failure_options: String,
    /// A policy was written that is none.
    broken: bool,
}

impl Record {
    // RFC 9989 §4.8
    /// Reads a record; `None` if it is not one of this version. What is wrong in it is passed over.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let mut tags = text.split(';').map(|tag| {
            let (name, value) = tag.split_once('=').unwrap_or_default();
            (name.trim_ascii(), value.trim_ascii())
        });
        if tags.next() != Some(("v", "DMARC1")) {
            return None;
        }
        let mut record = Self::default();
        let mut seen = Vec::new();
        for (name, value) in tags {
            let name = name.to_ascii_lowercase();
            if !seen.contains(&name) && seen.len() < TAGS_MAX {
                record.tag(&name, value);
                seen.push(name);
            }
        }
        Some(record)
    }

    fn tag(&mut self, name: &str, value: &str) {
        match name {
            "p" => self.policy = self.request(value),
            "sp" => self.subdomains = self.request(value),
            "np" => self.nonexistent = self.request(value),
            "adkim" => self.strict_dkim = value.eq_ignore_ascii_case("s"),
            "aspf" => self.strict_spf = value.eq_ignore_ascii_case("s"),
            "t" => self.testing = value.eq_ignore_ascii_case("y"),
            "psd" => {
                self.public_suffix = match value {
                    "y" | "Y" => PublicSuffix::Yes,
                    "n" | "N" => PublicSuffix::No,
                    _ => PublicSuffix::Unknown,
                }
            }
            "rua" => self.aggregate = addresses(value),
            "ruf" => self.failure = addresses(value),
            "fo" => value.clone_into(&mut self.failure_options),
            _ => {}
        }
    }

    fn request(&mut self, value: &str) -> Option<Policy> {
        let policy = Policy::parse(value);
        self.broken |= policy.is_none();
        policy
    }

    // RFC 9989 §4.10.1
    /// True if the record is one to go by: its policies are known, or it wants reports at least.
    /// In the second case nothing else is wanted.
    #[must_use]
    pub fn applies(&self) -> bool {
        self.is_whole() || !self.aggregate.is_empty()
    }

    const fn is_whole(&self) -> bool {
        self.policy.is_some() && !self.broken
    }

    /// The policies, where they are to be gone by.
    pub(super) fn policies(&self) -> [Option<Policy>; 3] {
        match self.is_whole() {
            true => [self.policy, self.subdomains, self.nonexistent],
            false => [Some(Policy::None), None, None],
        }
    }
}

// RFC 9989 §4.6
/// The URIs of a list; the sizes that older records put behind them are dropped.
fn addresses(value: &str) -> Vec<String> {
    let uris = value.split(',').map(|uri| uri.split('!').next());
    let uris = uris.flatten().map(str::trim_ascii);
    let valid = uris.filter(|uri| {
        let scheme = uri.split_once(':').filter(|(_, rest)| !rest.is_empty());
        scheme.is_some_and(|(scheme, _)| {
            scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
                && scheme
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
        })
    });
    valid.take(ADDRESSES_MAX).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9989 §4.7, §4.8, appendix B.2.
    #[test]
    fn records_by_the_grammar() {
        let text = "v=DMARC1 ; p = Reject;sp=quarantine; np=none; adkim=s; aspf=S; t=y; psd=n; \
            rua=mailto:a@example.org!10m , https://b.example/x; ruf=mailto:c@d.example; \
            fo=1:d; pct=5; p=none; nonsense;";
        let record = Record::parse(text.as_bytes()).unwrap();
        let expected = Record {
            policy: Some(Policy::Reject),
            subdomains: Some(Policy::Quarantine),
            nonexistent: Some(Policy::None),
            strict_dkim: true,
            strict_spf: true,
            testing: true,
            public_suffix: PublicSuffix::No,
            aggregate: vec!["mailto:a@example.org".into(), "https://b.example/x".into()],
            failure: vec!["mailto:c@d.example".into()],
            failure_options: "1:d".into(),
            broken: false,
        };
        assert_eq!(record, expected);
        for text in [
            "",
            "v=dmarc1; p=none",
            "p=none; v=DMARC1",
            "v=DMARC2",
            "v=spf1 -all",
        ] {
            assert_eq!(Record::parse(text.as_bytes()), None, "{text}");
        }
    }

    // RFC 9989 §4.10.1.
    #[test]
    fn records_that_say_little() {
        for (text, applies, policy) in [
            ("v=DMARC1; p=reject", true, Policy::Reject),
            ("v=DMARC1", false, Policy::None),
            ("v=DMARC1; rua=mailto:a@b.example", true, Policy::None),
            (
                "v=DMARC1; p=reject; sp=loud; rua=mailto:a@b.example",
                true,
                Policy::None,
            ),
            (
                "v=DMARC1; p=reject; np=loud; rua=nobody",
                false,
                Policy::None,
            ),
        ] {
            let record = Record::parse(text.as_bytes()).unwrap();
            assert_eq!(record.applies(), applies, "{text}");
            assert_eq!(record.policies()[0], Some(policy), "{text}");
        }
    }
}
