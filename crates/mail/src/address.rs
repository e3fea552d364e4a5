//! Addresses and paths (RFC 5321 §4.1.2–3, RFC 6531 §3.3).
//!
//! RFC 5321 calls an address a Mailbox; here a mailbox is a folder.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets a local part may have (RFC 5321 §4.5.3.1.1).
pub const LOCAL_PART_OCTETS_MAX: usize = 64;
/// Octets a domain may have (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_OCTETS_MAX: usize = 255;

/// Where a parser stopped and what it wanted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at octet {at}: expected {expected}")]
pub struct SyntaxError {
    /// Octets read before the fault.
    pub at: usize,
    /// What would have been right.
    pub expected: &'static str,
}

/// What stands before the `@`, unquoted: `a b` for `"a b"`.
///
/// Compared octet by octet; only the host that owns it may ignore its case (RFC 5321 §2.4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPart(String);

impl LocalPart {
    /// Takes unquoted text: not empty, no control characters, at most
    /// [`LOCAL_PART_OCTETS_MAX`] octets.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.len() <= LOCAL_PART_OCTETS_MAX
            && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned()))
    }

    /// The unquoted text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_dot_string(&self) -> bool {
        self.0
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
    }
}

/// Writes the local part, quoted where it must be.
impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_dot_string() {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for letter in self.0.chars() {
            if matches!(letter, '"' | '\\') {
                f.write_str("\\")?;
            }
            fmt::Write::write_char(f, letter)?;
        }
        f.write_str("\"")
    }
}

/// What stands behind the `@`: a domain name or an address literal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A domain, as lower-case U-labels, without a trailing dot.
    Domain(String),
    /// `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
    Ip(IpAddr),
}

impl Host {
    /// Reads a domain or an address literal.
    ///
    /// # Errors
    /// Where the text is neither.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        match text.strip_prefix('[') {
            Some(rest) => literal(rest),
            None => domain(text),
        }
    }

    /// The domain in ASCII (A-labels), or the literal with its brackets.
    #[must_use]
    pub fn to_ascii(&self) -> String {
        match self {
            Self::Domain(name) => idna::domain_to_ascii(name).unwrap_or_else(|_| name.clone()),
            Self::Ip(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "[{ip}]"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[IPv6:{ip}]"),
        }
    }
}

/// A local part at a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Whom.
    pub local: LocalPart,
    /// Where.
    pub host: Host,
}

impl Address {
    /// Reads `local-part@host`, the local part quoted where it must be.
    ///
    /// # Errors
    /// Where the text is not an address; `at` counts octets.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let (local, used) = local_part(text)?;
        let rest = text.get(used..).unwrap_or_default();
        let Some(host) = rest.strip_prefix('@') else {
            return Err(SyntaxError {
                at: used,
                expected: "'@'",
            });
        };
        let host = Host::parse(host).map_err(|error| SyntaxError {
            at: used + 1 + error.at,
            expected: error.expected,
        })?;
        Ok(Self { local, host })
    }

    /// True if it cannot be written in ASCII: it needs SMTPUTF8 (RFC 6531).
    #[must_use]
    pub fn needs_utf8(&self) -> bool {
        !self.local.0.is_ascii()
    }

    /// The address as a field or a command has it that would rather be ASCII: its domain in
    /// A-labels, unless the local part needs UTF-8 anyway.
    #[must_use]
    pub fn written(&self) -> String {
        if self.needs_utf8() {
            return self.to_string();
        }
        format!("{}@{}", self.local, self.host.to_ascii())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.host)
    }
}

/// Who hears of failures: an address, or nobody (RFC 5321 §4.1.1.2, §4.5.5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReversePath {
    /// `<>`: reports about reports end here.
    Null,
    /// An address.
    Address(Address),
}

impl ReversePath {
    /// Reads a path between its angle brackets; a source route is read and dropped (§4.1.1.3).
    ///
    /// # Errors
    /// Where the text is no path.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let inner = bracketed(text)?;
        if inner.is_empty() {
            return Ok(Self::Null);
        }
        address_in_path(inner).map(Self::Address)
    }

    /// The address, if there is one.
    #[must_use]
    pub const fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }

    /// The path as [`Address::written`] has its address.
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Self::Null => "<>".to_owned(),
            Self::Address(address) => format!("<{}>", address.written()),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

/// Where a message goes (RFC 5321 §4.1.1.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForwardPath {
    /// `<Postmaster>`, without a domain, in any case (§4.5.1).
    Postmaster,
    /// An address.
    Address(Address),
}

impl ForwardPath {
    /// Reads a path between its angle brackets; a source route is read and dropped.
    ///
    /// # Errors
    /// Where the text is no path.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let inner = bracketed(text)?;
        if inner.eq_ignore_ascii_case("postmaster") {
            return Ok(Self::Postmaster);
        }
        address_in_path(inner).map(Self::Address)
    }

    /// The address, if it is not the bare postmaster.
    #[must_use]
    pub const fn address(&self) -> Option<&Address> {
        match self {
            Self::Postmaster => None,
            Self::Address(address) => Some(address),
        }
    }

    /// The path as [`Address::written`] has its address.
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Self::Postmaster => "<Postmaster>".to_owned(),
            Self::Address(address) => format!("<{}>", address.written()),
        }
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("<Postmaster>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

fn bracketed(text: &str) -> Result<&str, SyntaxError> {
    let Some(rest) = text.strip_prefix('<') else {
        return Err(SyntaxError {
            at: 0,
            expected: "'<'",
        });
    };
    rest.strip_suffix('>').ok_or(SyntaxError {
        at: text.len(),
        expected: "'>'",
    })
}

/// `[ A-d-l ":" ] Mailbox`: the route is accepted and ignored, as RFC 5321 §4.1.1.3 says.
fn address_in_path(inner: &str) -> Result<Address, SyntaxError> {
    let (skipped, address) = match inner.strip_prefix('@') {
        None => (0, inner),
        Some(route) => {
            let Some(colon) = route.find(':') else {
                return Err(SyntaxError {
                    at: inner.len(),
                    expected: "':' after a source route",
                });
            };
            for hop in route.get(..colon).unwrap_or_default().split(',') {
                domain(hop.trim_start_matches('@'))?;
            }
            (colon + 2, route.get(colon + 1..).unwrap_or_default())
        }
    };
    Address::parse(address).map_err(|error| SyntaxError {
        at: 1 + skipped + error.at,
        expected: error.expected,
    })
}

fn is_atext(letter: char) -> bool {
    !letter.is_control()
        && (!letter.is_ascii()
            || letter.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(letter))
}

/// The unquoted local part and how many octets of `text` it took.
fn local_part(text: &str) -> Result<(LocalPart, usize), SyntaxError> {
    let (unquoted, used) = match text.strip_prefix('"') {
        Some(rest) => quoted_string(rest)?,
        None => {
            let used = text
                .find(|letter: char| letter != '.' && !is_atext(letter))
                .unwrap_or(text.len());
            let dot_string = text.get(..used).unwrap_or_default();
            if dot_string.split('.').any(str::is_empty) {
                return Err(SyntaxError {
                    at: used,
                    expected: "a local part without empty atoms",
                });
            }
            (dot_string.to_owned(), used)
        }
    };
    let too_long = SyntaxError {
        at: used,
        expected: "a local part of 1 to 64 octets",
    };
    LocalPart::new(&unquoted)
        .map(|local| (local, used))
        .ok_or(too_long)
}

/// The text of a quoted string whose opening quote was read, and octets used, that quote included.
fn quoted_string(rest: &str) -> Result<(String, usize), SyntaxError> {
    let mut unquoted = String::new();
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((unquoted, at + 2)),
            '\\' => match letters.next() {
                Some((_, escaped)) if escaped == ' ' || escaped.is_ascii_graphic() => {
                    unquoted.push(escaped);
                }
                _ => {
                    return Err(SyntaxError {
                        at: at + 2,
                        expected: "a printable character",
                    });
                }
            },
            plain if plain.is_control() => {
                return Err(SyntaxError {
                    at: at + 1,
                    expected: "a printable character",
                });
            }
            plain => unquoted.push(plain),
        }
    }
    Err(SyntaxError {
        at: rest.len() + 1,
        expected: "'\"'",
    })
}

fn domain(text: &str) -> Result<Host, SyntaxError> {
    if text.is_empty() || text.len() > DOMAIN_OCTETS_MAX {
        return Err(SyntaxError {
            at: 0,
            expected: "a domain of 1 to 255 octets",
        });
    }
    let mut at = 0;
    for label in text.split('.') {
        if !is_label(label) {
            return Err(SyntaxError {
                at,
                expected: "a label of letters, digits and hyphens",
            });
        }
        at += label.len() + 1;
    }
    if text.is_ascii() && !text.to_ascii_lowercase().contains("xn--") {
        return Ok(Host::Domain(text.to_ascii_lowercase()));
    }
    let (name, checked) = idna::domain_to_unicode(text);
    match checked {
        Ok(()) => Ok(Host::Domain(name)),
        Err(_) => Err(SyntaxError {
            at: 0,
            expected: "an internationalised domain name",
        }),
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|letter| {
            letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_') || !letter.is_ascii()
        })
}

fn literal(rest: &str) -> Result<Host, SyntaxError> {
    let Some(inner) = rest.strip_suffix(']') else {
        return Err(SyntaxError {
            at: rest.len() + 1,
            expected: "']'",
        });
    };
    let ip = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner
            .get(5..)
            .unwrap_or_default()
            .parse::<Ipv6Addr>()
            .map(IpAddr::V6)
            .ok(),
        _ => inner.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
    };
    ip.map(Host::Ip).ok_or(SyntaxError {
        at: 1,
        expected: "an IPv4 or IPv6 address",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for text in [
            "ada@example.org",
            "a+b.c@example.org",
            "\"a b\"@example.org",
            "\"a\\\"b\"@example.org",
            "x@[192.0.2.1]",
            "x@[IPv6:2001:db8::1]",
            "jérôme@exemple.fr",
            "x@münchen.example",
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        let cases = [
            ("x@XN--MNCHEN-3YA.example", "x@münchen.example"),
            ("\"abc\"@Example.ORG", "abc@example.org"),
            ("x@[ipv6:::1]", "x@[IPv6:::1]"),
        ];
        for (text, canonical) in cases {
            assert_eq!(Address::parse(text).unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn what_is_no_address_says_where() {
        let cases = [
            ("", 0),
            ("ada", 3),
            (".a@b", 2),
            ("a..b@c", 4),
            ("a@", 2),
            ("a@-b", 2),
            ("a@b..c", 4),
            ("a@[1.2.3]", 3),
            ("\"a@b", 4),
            ("a b@c", 1),
            ("a@b c", 2),
        ];
        for (text, at) in cases {
            assert_eq!(
                Address::parse(text).map_err(|error| error.at),
                Err(at),
                "{text}"
            );
        }
        assert!(Address::parse(&format!("{}@b", "a".repeat(64))).is_ok());
        assert!(Address::parse(&format!("{}@b", "a".repeat(65))).is_err());
    }

    #[test]
    fn paths() {
        assert_eq!(ReversePath::parse("<>"), Ok(ReversePath::Null));
        assert_eq!(
            ForwardPath::parse("<postMASTER>"),
            Ok(ForwardPath::Postmaster)
        );
        let routed = ForwardPath::parse("<@a.example,@b.example:x@c.example>").unwrap();
        assert_eq!(routed.to_string(), "<x@c.example>");
        assert!(ForwardPath::parse("<>").is_err());
        assert!(ForwardPath::parse("x@y").is_err());
        assert!(ReversePath::parse("<a@b").is_err());
    }
}
