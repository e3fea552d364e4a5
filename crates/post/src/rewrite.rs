//! Addresses that are others here, and whose letters somebody gets a copy of.
//!
//! A recipient is rewritten when it is named, once, before anything is asked about it; a sender
//! only of letters that people and machines of this house hand in, in the envelope and in the
//! fields that name it, before the letter is signed. A copy is one more recipient, whom nobody
//! sees.
//!
//! Not here: aliases, which lead to several and to one another (`route`), senders of letters that
//! are sent on (`forwarding`).

use std::borrow::Cow;

use mail::{Address, ForwardPath, Host, LocalPart, ReversePath};
use message::{Builder, Correspondent, Header, parse_addresses};

use crate::{Origin, Rules};

/// Addresses of a field that are looked at.
const ADDRESSES_MAX: usize = 1000;

/// Fields that name who has written a letter, and who is answered.
const FIELDS: [&str; 6] = [
    "From",
    "Sender",
    "Reply-To",
    "Resent-From",
    "Resent-Sender",
    "Resent-Reply-To",
];

/// An address, or all of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Whose it is; `None` is anybody.
    local: Option<LocalPart>,
    host: Host,
}

/// What is rewritten into what: of a domain into a domain, names stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Which addresses.
    pub from: Pattern,
    /// What they are instead.
    pub to: Pattern,
}

/// Whose letters, and to whom, somebody gets a copy of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyRule {
    /// Of these senders; of any where there is none.
    pub sender: Option<Pattern>,
    /// To one of these at least; to any where there is none.
    pub recipient: Option<Pattern>,
    /// Who gets it.
    pub to: Address,
}

/// What is rewritten, and what is copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RewriteRules {
    /// Recipients: the first that fits counts.
    pub recipients: Vec<Rewrite>,
    /// Senders of letters that this house hands in: the first that fits counts.
    pub senders: Vec<Rewrite>,
    /// Copies: all that fit count.
    pub copies: Vec<CopyRule>,
}

impl Pattern {
    /// `ada@example.org`, or `@example.org`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(host) = text.strip_prefix('@') {
            let host @ Host::Domain(_) = Host::parse(host).ok()? else {
                return None;
            };
            return Some(Self { local: None, host });
        }
        let Address { local, host } = Address::parse(text).ok()?;
        let local = Some(local);
        Some(Self { local, host })
    }

    /// What stands behind the `+` of an address that it fits; `None` if it does not fit. Names are
    /// compared without regard to case, as those of accounts are.
    fn fits<'a>(&self, address: &'a Address) -> Option<&'a str> {
        if self.host != address.host {
            return None;
        }
        let Some(own) = &self.local else {
            return Some("");
        };
        let (own, local) = (own.as_str(), address.local.as_str());
        if own.to_lowercase() == local.to_lowercase() {
            return Some("");
        }
        let at = local.find('+')?;
        let (base, detail) = local.split_at_checked(at)?;
        (own.to_lowercase() == base.to_lowercase()).then_some(detail)
    }

    /// True if an address is one of those that are meant.
    pub(crate) fn is_about(&self, address: &Address) -> bool {
        self.fits(address).is_some()
    }

    /// True for all of a domain.
    pub(crate) const fn is_domain(&self) -> bool {
        self.local.is_none()
    }
}

/// What an address is instead; `None` where it stays as it is.
fn rewritten(rules: &[Rewrite], address: &Address) -> Option<Address> {
    let fitting = |rule: &Rewrite| Some((rule.to.clone(), rule.from.fits(address)?.to_owned()));
    let (to, detail) = rules.iter().find_map(fitting)?;
    let local = match &to.local {
        None => address.local.clone(),
        Some(local) => LocalPart::new(&format!("{}{detail}", local.as_str()))?,
    };
    let host = to.host;
    let other = Address { local, host };
    (other != *address).then_some(other)
}

impl RewriteRules {
    /// What a recipient is instead.
    pub(crate) fn recipient(&self, path: &ForwardPath) -> Option<Address> {
        rewritten(&self.recipients, path.address()?)
    }

    /// What a sender is instead.
    pub(crate) fn sender(&self, path: &ReversePath) -> Option<Address> {
        rewritten(&self.senders, path.address()?)
    }

    /// A header, or a message, whose fields name its senders as they are here; and what was
    /// rewritten.
    pub(crate) fn header<'a>(&self, octets: &'a [u8]) -> (Cow<'a, [u8]>, Vec<String>) {
        let mut told = Vec::new();
        if self.senders.is_empty() {
            return (Cow::Borrowed(octets), told);
        }
        let (mut out, mut behind) = (Vec::new(), 0);
        for field in Header::parse(octets) {
            let Some(name) = FIELDS.into_iter().find(|name| field.is(name)) else {
                continue;
            };
            let mut people = parse_addresses(field.value, ADDRESSES_MAX);
            let mut changes = false;
            for one in &mut people {
                let Some(address) = one.address() else {
                    continue;
                };
                if let Some(other) = rewritten(&self.senders, &address) {
                    told.push(format!("rewrite: {name} {address} to {other}"));
                    replace(one, &other);
                    changes = true;
                }
            }
            if changes {
                let letters = match field.raw.is_ascii() && told.iter().all(|line| line.is_ascii())
                {
                    true => Builder::new(),
                    false => Builder::utf8(),
                };
                out.extend_from_slice(octets.get(behind..field.offset).unwrap_or_default());
                let anew = letters.correspondents(name, &people).in_front_of(&[]);
                out.extend_from_slice(&anew);
                behind = field.offset + field.raw.len();
            }
        }
        if told.is_empty() {
            return (Cow::Borrowed(octets), told);
        }
        out.extend_from_slice(octets.get(behind..).unwrap_or_default());
        (Cow::Owned(out), told)
    }

    /// Who gets a copy of a letter from this sender to these; nobody twice, and nobody who gets it
    /// anyway. Of what is sent in nobody's name there are no copies: reports about copies would
    /// have copies.
    pub(crate) fn copies(&self, sender: &ReversePath, recipients: &[ForwardPath]) -> Vec<Address> {
        let ReversePath::Address(sender) = sender else {
            return Vec::new();
        };
        let mut copies: Vec<Address> = Vec::new();
        for rule in &self.copies {
            let mut to = recipients.iter().filter_map(ForwardPath::address);
            let is_sender = rule.sender.as_ref().is_none_or(|one| one.is_about(sender));
            let is_recipient = rule
                .recipient
                .as_ref()
                .is_none_or(|one| to.any(|address| one.is_about(address)));
            let mut to = recipients.iter().filter_map(ForwardPath::address);
            let is_there = copies.contains(&rule.to) || to.any(|address| *address == rule.to);
            if is_sender && is_recipient && !is_there {
                copies.push(rule.to.clone());
            }
        }
        copies
    }
}

impl Rules {
    /// True for letters that people and machines of this house hand in.
    pub(crate) fn is_of_house(&self, origin: &Origin) -> bool {
        let trusts = |network: &mail::Network| network.contains(origin.peer);
        origin.author().is_some() || self.trusted_networks.iter().any(trusts)
    }
}

/// Gives a correspondent another address; its name stays.
fn replace(one: &mut Correspondent, other: &Address) {
    if let Correspondent::Mailbox {
        route, local, host, ..
    } = one
    {
        *route = None;
        *local = other.local.as_str().as_bytes().to_vec();
        *host = other.host.to_string().into_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(pairs: &[(&str, &str)]) -> Vec<Rewrite> {
        let pattern = |text: &str| Pattern::parse(text).unwrap();
        let rule = |(from, to): &(&str, &str)| Rewrite {
            from: pattern(from),
            to: pattern(to),
        };
        pairs.iter().map(rule).collect()
    }

    #[test]
    fn addresses_and_domains_are_rewritten_once() {
        let rules = rules(&[
            ("ada@old.example", "lovelace@new.example"),
            ("@old.example", "@new.example"),
            ("@new.example", "@newer.example"),
            ("all@x.example", "@y.example"),
            ("@z.example", "one@y.example"),
        ]);
        for (address, expected) in [
            ("Ada@OLD.example", Some("lovelace@new.example")),
            ("ada+tea@old.example", Some("lovelace+tea@new.example")),
            ("bob+x@old.example", Some("bob+x@new.example")),
            ("bob@new.example", Some("bob@newer.example")),
            ("bob@x.example", None),
            ("all@x.example", Some("all@y.example")),
            ("any@z.example", Some("one@y.example")),
            ("one@y.example", None),
            ("bob@sub.old.example", None),
        ] {
            let found = rewritten(&rules, &Address::parse(address).unwrap());
            assert_eq!(
                found.map(|one| one.to_string()).as_deref(),
                expected,
                "{address}"
            );
        }
        for wrong in ["", "ada", "@", "@[192.0.2.1]", "a@b@c"] {
            assert_eq!(Pattern::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn fields_that_name_senders_are_written_anew() {
        let rules = RewriteRules {
            senders: rules(&[("@host.internal", "@example.org")]),
            ..RewriteRules::default()
        };
        let header = "X: root@host.internal\r\nFROM: \"Cron, the\"\r\n <root@host.internal>, \
            b@x.example\r\nTo: root@host.internal\r\nReply-To: people: a@host.internal;\r\n\r\n\
            From: root@host.internal\r\n";
        let expected = "X: root@host.internal\r\nFrom: \"Cron, the\" <root@example.org>, \
            b@x.example\r\nTo: root@host.internal\r\nReply-To: people: a@example.org;\r\n\r\n\
            From: root@host.internal\r\n";
        let (found, told) = rules.header(header.as_bytes());
        assert_eq!(String::from_utf8_lossy(&found), expected);
        assert_eq!(
            told,
            [
                "rewrite: From root@host.internal to root@example.org",
                "rewrite: Reply-To a@host.internal to a@example.org"
            ]
        );
        let (same, told) = rules.header(expected.as_bytes());
        assert!(matches!(same, Cow::Borrowed(_)) && told.is_empty());
    }

    #[test]
    fn copies_are_for_others_and_never_of_reports() {
        let rule = |sender: &str, recipient: &str, to: &str| CopyRule {
            sender: Pattern::parse(sender),
            recipient: Pattern::parse(recipient),
            to: Address::parse(to).unwrap(),
        };
        let rules = RewriteRules {
            copies: vec![
                rule("", "", "all@archive.example"),
                rule("@example.org", "", "out@archive.example"),
                rule("", "bob@example.org", "bob@archive.example"),
                rule("", "", "all@archive.example"),
                rule("a@x.example", "b@x.example", "both@archive.example"),
            ],
            ..RewriteRules::default()
        };
        let copies = |from: &str, to: &[&str]| {
            let to = to
                .iter()
                .map(|path| ForwardPath::parse(&format!("<{path}>")).unwrap());
            let to: Vec<ForwardPath> = to.collect();
            let found = rules.copies(&ReversePath::parse(from).unwrap(), &to);
            let names = found.iter().map(|one| one.local.as_str().to_owned());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(copies("<a@x.example>", &["c@x.example"]), "all");
        assert_eq!(
            copies("<a@x.example>", &["c@x.example", "b@x.example"]),
            "all both"
        );
        assert_eq!(
            copies("<a@example.org>", &["bob+x@example.org"]),
            "all out bob"
        );
        assert_eq!(copies("<a@example.org>", &["all@archive.example"]), "out");
        assert_eq!(copies("<>", &["bob@example.org"]), "");
    }
}
