//! Macros of SPF (RFC 7208 §7): parts of a record that the letter and its way fill in.

use std::net::IpAddr;

use crate::dns::{NAME_OCTETS_MAX, bare};

/// Octets an expanded text may come to; what is beyond is not put in.
const EXPANDED_OCTETS_MAX: usize = 4096;

/// A macro-string taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MacroString(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Expand(Expand),
}

/// `%{d2r-}`
#[derive(Clone, Debug, PartialEq, Eq)]
struct Expand {
    letter: char,
    /// Written in upper case: the value is escaped as URLs are.
    escaped: bool,
    parts: Option<usize>,
    reversed: bool,
    delimiters: String,
}

/// Where a macro-string stands decides what may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Makes a name: no spaces, and an end that names have.
    Domain,
    /// In a modifier that nobody here knows: syntax only.
    Unknown,
    /// The text that explains.
    Explanation,
}

impl MacroString {
    // RFC 7208 §7.1
    /// Reads it; the error says what is wrong.
    pub(super) fn parse(text: &str, place: Place) -> Result<Self, &'static str> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars();
        let mut ends_in_macro = false;
        while let Some(letter) = rest.next() {
            ends_in_macro = letter == '%';
            match letter {
                '%' => match rest.next() {
                    Some('%') => literal.push('%'),
                    Some('_') => literal.push(' '),
                    Some('-') => literal.push_str("%20"),
                    Some('{') => {
                        let (inside, behind) = rest
                            .as_str()
                            .split_once('}')
                            .ok_or("a macro is not closed")?;
                        rest = behind.chars();
                        if !literal.is_empty() {
                            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                        }
                        pieces.push(Piece::Expand(expand(inside, place)?));
                    }
                    _ => return Err("a % stands alone"),
                },
                '!'..='~' => literal.push(letter),
                ' ' if place == Place::Explanation => literal.push(letter),
                _ => return Err("a character that no macro-string has"),
            }
        }
        if place == Place::Domain && !ends_in_macro && !ends_as_names_do(text) {
            return Err("it does not end as a domain does");
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// Puts it together; `value` says what a letter stands for.
    pub(super) fn expand<E>(
        &self,
        mut value: impl FnMut(char) -> Result<String, E>,
    ) -> Result<String, E> {
        let mut text = String::new();
        for piece in &self.0 {
            let next = match piece {
                Piece::Literal(literal) => literal.clone(),
                Piece::Expand(expand) => expand.apply(&value(expand.letter)?),
            };
            if text.len() + next.len() <= EXPANDED_OCTETS_MAX {
                text += &next;
            }
        }
        Ok(text)
    }
}

impl Expand {
    // RFC 7208 §7.3
    fn apply(&self, value: &str) -> String {
        let transformed = self.parts.is_some() || self.reversed || !self.delimiters.is_empty();
        let value = if transformed {
            let delimiters = match self.delimiters.as_str() {
                "" => ".",
                delimiters => delimiters,
            };
            let mut parts: Vec<&str> = value.split(|letter| delimiters.contains(letter)).collect();
            if self.reversed {
                parts.reverse();
            }
            let skipped = parts
                .len()
                .saturating_sub(self.parts.unwrap_or(parts.len()));
            parts.get(skipped..).unwrap_or_default().join(".")
        } else {
            value.to_owned()
        };
        match self.escaped {
            true => url_escaped(&value),
            false => value,
        }
    }
}

/// Reads what stands between the braces.
fn expand(inside: &str, place: Place) -> Result<Expand, &'static str> {
    let mut letters = inside.chars();
    let letter = letters.next().ok_or("a macro is empty")?;
    let known = match letter.to_ascii_lowercase() {
        's' | 'l' | 'o' | 'd' | 'i' | 'p' | 'h' | 'v' => true,
        'c' | 'r' | 't' => place != Place::Domain,
        _ => false,
    };
    if !known {
        return Err("a macro with a letter that has no meaning here");
    }
    let rest = letters.as_str();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = rest.split_at_checked(digits).unwrap_or_default();
    let parts = match digits {
        "" => None,
        digits => match digits.parse() {
            Ok(0) => return Err("a macro that wants no part at all"),
            Ok(parts) => Some(parts),
            // More than there can be.
            Err(_) => Some(usize::MAX),
        },
    };
    let reversed = rest.starts_with(['r', 'R']);
    let delimiters = rest.get(usize::from(reversed)..).unwrap_or_default();
    if !delimiters.chars().all(|letter| ".-+,/_=".contains(letter)) {
        return Err("a macro with an end that is no delimiter");
    }
    Ok(Expand {
        letter: letter.to_ascii_lowercase(),
        escaped: letter.is_ascii_uppercase(),
        parts,
        reversed,
        delimiters: delimiters.to_owned(),
    })
}

/// True for a dot and a top label at the end.
fn ends_as_names_do(text: &str) -> bool {
    let Some((_, label)) = bare(text).rsplit_once('.') else {
        return false;
    };
    let inner = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
    label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().any(|letter| !letter.is_ascii_digit())
}

// RFC 7208 §7.3
/// The expanded name cut from the left until DNS can have its length.
pub(super) fn fitting(name: &str) -> &str {
    let mut name = bare(name);
    while name.len() > NAME_OCTETS_MAX {
        match name.split_once('.') {
            Some((_, rest)) => name = rest,
            None => break,
        }
    }
    name
}

/// The address as `%{i}` has it.
pub(super) fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let nibbles = ip
                .octets()
                .map(|octet| format!("{:x}.{:x}", octet >> 4, octet & 15));
            nibbles.join(".")
        }
    }
}

/// RFC 3986 §2.3: what is not unreserved is written as `%` and two digits.
fn url_escaped(text: &str) -> String {
    let mut escaped = String::new();
    for octet in text.bytes() {
        match octet {
            b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(octet)),
            _ if octet.is_ascii_alphanumeric() => escaped.push(char::from(octet)),
            _ => escaped += &format!("%{octet:02X}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str, ip: &str) -> Result<String, &'static str> {
        let read = MacroString::parse(text, Place::Explanation)?;
        read.expand(|letter| {
            Ok(match letter {
                's' => "strong-bad@email.example.com".to_owned(),
                'o' | 'd' => "email.example.com".to_owned(),
                'l' => "strong-bad".to_owned(),
                'i' => dotted(ip.parse().unwrap()),
                'v' if ip.contains(':') => "ip6".to_owned(),
                'v' => "in-addr".to_owned(),
                _ => letter.to_string(),
            })
        })
    }

    // RFC 7208 §7.4.
    #[test]
    fn the_expansions_of_rfc_7208() {
        for (text, value) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d3}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            (
                "%{ir}.%{v}._spf.%{d2}",
                "3.2.0.192.in-addr._spf.example.com",
            ),
            (
                "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
                "3.2.0.192.in-addr.strong.lp._spf.example.com",
            ),
            ("%{S}%%%_%-", "strong-bad%40email.example.com% %20"),
        ] {
            assert_eq!(expanded(text, "192.0.2.3").as_deref(), Ok(value), "{text}");
        }
        assert_eq!(
            expanded("%{ir}.%{v}", "2001:db8::cb01").as_deref(),
            Ok("1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6")
        );
    }

    // RFC 7208 §7.1, §7.3.
    #[test]
    fn what_is_no_macro_string() {
        for text in [
            "%", "%(ir)", "%{}", "%{x}", "%{d0}", "%{d", "%{dr2}", "%{d!}", "a\tb", "é", "%{d-r}",
        ] {
            assert!(
                MacroString::parse(text, Place::Explanation).is_err(),
                "{text}"
            );
        }
        for text in [
            "", "org", "a b.org", "a.1", "a.-b", "a.b-", "a..", "%{c}", "a.%{d}}", "a.b/24",
        ] {
            assert!(MacroString::parse(text, Place::Domain).is_err(), "{text}");
        }
        for text in [
            "a.org",
            "a.org.",
            "%{d}",
            "a.%{d99999999999999999999}",
            "a.1b",
            "a%%",
        ] {
            assert!(MacroString::parse(text, Place::Domain).is_ok(), "{text}");
        }
    }

    #[test]
    fn names_are_cut_from_the_left() {
        let long = "abc.".repeat(100) + "org";
        let cut = fitting(&long);
        assert_eq!((cut.len(), cut.starts_with("abc.")), (251, true));
        assert_eq!(fitting("a.org."), "a.org");
        assert_eq!(fitting(&"a".repeat(300)).len(), 300);
    }
}
