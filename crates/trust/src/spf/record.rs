//! An SPF record taken apart (RFC 7208 §4.6, §5, §6, §12).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Outcome;
use super::macros::{MacroString, Place};

/// Octets a record may have; RFC 7208 §3.4 asks publishers for 450.
const RECORD_OCTETS_MAX: usize = 8192;

/// A record: what to look for in order, and where to go on if nothing is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<MacroString>,
    pub(super) explanation: Option<MacroString>,
}

/// One term that decides if it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) outcome: Outcome,
    pub(super) mechanism: Mechanism,
    /// As it stands in the record.
    pub(super) text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(MacroString),
    A(Option<MacroString>, Prefix),
    Mx(Option<MacroString>, Prefix),
    Ptr(Option<MacroString>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(MacroString),
}

/// How many bits of an address count, of both kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) ip4: u8,
    pub(super) ip6: u8,
}

// RFC 7208 §4.5
/// True for a text that is an SPF record, right or wrong.
pub(super) fn is_record(text: &[u8]) -> bool {
    let Some((version, rest)) = text.split_at_checked(6) else {
        return false;
    };
    version.eq_ignore_ascii_case(b"v=spf1") && matches!(rest.first(), None | Some(b' '))
}

impl Record {
    // RFC 7208 §4.6
    /// Reads all of it: a mistake anywhere is a mistake.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() > RECORD_OCTETS_MAX {
            return Err(format!("a record of more than {RECORD_OCTETS_MAX} octets"));
        }
        let text = std::str::from_utf8(text)
            .ok()
            .filter(|text| text.is_ascii());
        let text = text.ok_or("a record with octets that are not ASCII")?;
        let mut record = Self::default();
        for term in text.split(' ').skip(1).filter(|term| !term.is_empty()) {
            record
                .term(term)
                .map_err(|what| format!("`{}`: {what}", term.escape_debug()))?;
        }
        Ok(record)
    }

    fn term(&mut self, term: &str) -> Result<(), &'static str> {
        let Some((name, value)) = term.split_once('=').filter(|(name, _)| is_modifier(name)) else {
            self.directives.push(directive(term)?);
            return Ok(());
        };
        // RFC 7208 §6
        let slot = if name.eq_ignore_ascii_case("redirect") {
            &mut self.redirect
        } else if name.eq_ignore_ascii_case("exp") {
            &mut self.explanation
        } else {
            return MacroString::parse(value, Place::Unknown).map(drop);
        };
        match slot {
            Some(_) => Err("a modifier that may stand once"),
            None => {
                *slot = Some(MacroString::parse(value, Place::Domain)?);
                Ok(())
            }
        }
    }
}

fn is_modifier(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet))
}

fn directive(text: &str) -> Result<Directive, &'static str> {
    let (outcome, rest) = match text.as_bytes().first() {
        Some(b'+') => (Outcome::Pass, text.get(1..)),
        Some(b'-') => (Outcome::Fail, text.get(1..)),
        Some(b'?') => (Outcome::Neutral, text.get(1..)),
        Some(b'~') => (Outcome::SoftFail, text.get(1..)),
        _ => (Outcome::Pass, Some(text)),
    };
    Ok(Directive {
        outcome,
        mechanism: mechanism(rest.unwrap_or_default())?,
        text: text.to_owned(),
    })
}

// RFC 7208 §5
fn mechanism(text: &str) -> Result<Mechanism, &'static str> {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end).unwrap_or_default();
    let argument = rest.strip_prefix(':');
    let named = || argument.ok_or("a mechanism without its domain");
    let bare = || match argument {
        None if !rest.is_empty() => Err("a mechanism that has no prefix length"),
        argument => argument.map(domain).transpose(),
    };
    Ok(match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(domain(named()?)?),
        "exists" => Mechanism::Exists(domain(named()?)?),
        "ptr" => Mechanism::Ptr(bare()?),
        "a" => {
            let (domain, prefix) = dual(rest)?;
            Mechanism::A(domain, prefix)
        }
        "mx" => {
            let (domain, prefix) = dual(rest)?;
            Mechanism::Mx(domain, prefix)
        }
        "ip4" => {
            let (ip, bits) = network(named()?, 32)?;
            Mechanism::Ip4(ip, bits)
        }
        "ip6" => {
            let (ip, bits) = network(named()?, 128)?;
            Mechanism::Ip6(ip, bits)
        }
        _ => return Err("no such mechanism"),
    })
}

fn domain(text: &str) -> Result<MacroString, &'static str> {
    MacroString::parse(text, Place::Domain)
}

/// `[":" domain-spec] ["/" bits] ["//" bits]`; the lengths are looked for from the end, for a
/// domain may have slashes.
fn dual(rest: &str) -> Result<(Option<MacroString>, Prefix), &'static str> {
    let (rest, ip6) = ending(rest, "//", 128)?;
    let (rest, ip4) = ending(rest, "/", 32)?;
    let prefix = Prefix { ip4, ip6 };
    match rest.strip_prefix(':') {
        Some(name) => Ok((Some(domain(name)?), prefix)),
        None if rest.is_empty() => Ok((None, prefix)),
        None => Err("a prefix length that is none"),
    }
}

/// Takes a prefix length off the end, if there is one.
fn ending<'a>(text: &'a str, mark: &str, max: u8) -> Result<(&'a str, u8), &'static str> {
    match text.rsplit_once(mark) {
        Some((before, digits))
            if !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit()) =>
        {
            Ok((before, bits(digits, max)?))
        }
        _ => Ok((text, max)),
    }
}

fn bits(digits: &str, max: u8) -> Result<u8, &'static str> {
    let padded = digits.len() > 1 && digits.starts_with('0');
    let plain = digits.bytes().all(|octet| octet.is_ascii_digit());
    let bits = digits.parse().ok().filter(|bits| *bits <= max);
    bits.filter(|_| plain && !padded)
        .ok_or("a prefix length out of its range")
}

/// `192.0.2.0/24`
fn network<Ip: std::str::FromStr>(text: &str, max: u8) -> Result<(Ip, u8), &'static str> {
    let (ip, bits) = match text.split_once('/') {
        Some((ip, digits)) => (ip, bits(digits, max)?),
        None => (text, max),
    };
    let ip = ip.parse().map_err(|_| "an address that is none")?;
    Ok((ip, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7208 §12.
    #[test]
    fn records_by_the_grammar() {
        for text in [
            "v=spf1",
            "v=spf1 ",
            "V=SPF1  A  mx:a.example/24//64 -ALL",
            "v=spf1 a/0 a//0 a:%{d}/24 ptr ptr:a.example include:a.example ?exists:%{i}.a.example",
            "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ~all redirect=a.example exp=b.example",
            "v=spf1 a:x/y.example moo.cow-far_out=man:dog/cat",
        ] {
            assert!(is_record(text.as_bytes()), "{text}");
            assert!(Record::parse(text.as_bytes()).is_ok(), "{text}");
        }
        for terms in [
            "all:a.example",
            "all/8",
            "all.",
            "a:",
            "a:org",
            "a/33",
            "a/032",
            "a/",
            "a/1/2",
            "mx//129",
            "ip4",
            "ip4:",
            "ip4:1.2.3",
            "ip4:192.0.2.1/33",
            "ip4:192.0.2.1//32",
            "ip6:192.0.2.1",
            "ip6:::1/129",
            "include",
            "include/24",
            "ptr:",
            "ptr/0",
            "exists",
            "exists:",
            "moo",
            "redirect=",
            "exp=",
            "redirect=a.b redirect=a.b",
            "-redirect=a.b",
            "a\tb",
            "x=%",
            "ip4:192.0.2.1/+8",
        ] {
            assert!(
                Record::parse(format!("v=spf1 {terms}").as_bytes()).is_err(),
                "{terms}"
            );
        }
        for text in ["v=spf10", "v=spf", "spf1", " v=spf1", "v=spf1\t"] {
            assert!(!is_record(text.as_bytes()), "{text}");
        }
        let long = format!("v=spf1{}", " a".repeat(RECORD_OCTETS_MAX));
        assert!(Record::parse(long.as_bytes()).is_err());
    }
}
