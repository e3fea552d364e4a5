//! Strings of a script with what is put into them when they are used.
//!
//! RFC 5228 §2.4.2.4 (encoded characters), RFC 5229 §3 (variables), RFC 6609 §3.4.2 (the namespace
//! of global ones).

use crate::extension::{Extension, Extensions};

/// Match variables there are beside `${0}` (RFC 5229 §6).
pub(crate) const MATCHES_MAX: usize = 31;

/// A string: literal where it has no reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) pieces: Vec<Piece>,
    /// As it stands in the script.
    pub(crate) written: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(Box<str>),
    Variable(Name),
    /// `${1}`.
    Match(usize),
}

/// A variable's name in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) name: Box<str>,
    /// True for `global.name`.
    pub(crate) global: bool,
}

impl Template {
    /// Reads a string with what the script has required.
    ///
    /// # Errors
    /// In words, where a reference is out of range.
    pub(crate) fn parse(text: &str, required: Extensions) -> Result<Self, String> {
        let written: Box<str> = text.into();
        let decoded = if required.has(Extension::EncodedCharacter) {
            decode_characters(text)?
        } else {
            text.to_owned()
        };
        let pieces = if required.has(Extension::Variables) {
            pieces(&decoded, required)?
        } else {
            vec![Piece::Literal(decoded.into())]
        };
        Ok(Self { pieces, written })
    }

    /// Octets of memory it takes, about.
    pub(crate) fn octets(&self) -> usize {
        // What it holds is not longer than it is written.
        size_of::<Self>() + self.pieces.len() * size_of::<Piece>() + 2 * self.written.len()
    }

    /// The text, where nothing is put into it.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

// RFC 5228 §2.4.2.4
fn decode_characters(text: &str) -> Result<String, String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        decoded.extend_from_slice(before.as_bytes());
        if let Some((octets, behind)) = encoded(from)? {
            decoded.extend_from_slice(&octets);
            rest = behind;
        } else {
            decoded.extend_from_slice(b"${");
            rest = from.get(2..).unwrap_or_default();
        }
    }
    decoded.extend_from_slice(rest.as_bytes());
    String::from_utf8(decoded).map_err(|_| "the octets of ${hex:…} make no UTF-8".to_owned())
}

/// Octets that one `${hex:…}` stands for, and the text behind it.
type Encoded<'a> = Option<(Vec<u8>, &'a str)>;

fn encoded(from: &str) -> Result<Encoded<'_>, String> {
    let Some((inside, behind)) = from.get(2..).and_then(|inside| inside.split_once('}')) else {
        return Ok(None);
    };
    let Some((kind, digits)) = inside.split_once(':') else {
        return Ok(None);
    };
    let hex = kind.eq_ignore_ascii_case("hex");
    if !hex && !kind.eq_ignore_ascii_case("unicode") {
        return Ok(None);
    }
    let blank = |letter| matches!(letter, ' ' | '\t' | '\r' | '\n');
    let words: Vec<&str> = digits
        .split(blank)
        .filter(|word| !word.is_empty())
        .collect();
    let fits = |word: &&str| {
        word.bytes().all(|octet| octet.is_ascii_hexdigit()) && (!hex || word.len() <= 2)
    };
    if words.is_empty() || !words.iter().all(fits) {
        return Ok(None);
    }
    let mut octets = Vec::new();
    for word in words {
        let digits = word.trim_start_matches('0');
        let number = if digits.is_empty() {
            Some(0)
        } else {
            u32::from_str_radix(digits, 16).ok()
        };
        let letter = number.and_then(char::from_u32);
        let Some(letter) = letter else {
            return Err(format!("'{word}' is the number of no character"));
        };
        if hex {
            octets.extend(u8::try_from(u32::from(letter)));
        } else {
            octets.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Ok(Some((octets, behind)))
}

// RFC 5229 §3
fn pieces(text: &str, required: Extensions) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        literal.push_str(before);
        let inside = from.get(2..).and_then(|inside| inside.split_once('}'));
        match inside.map(|(name, behind)| (reference(name, required), behind)) {
            Some((Ok(Some(piece)), behind)) => {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
                }
                pieces.push(piece);
                rest = behind;
            }
            Some((Err(text), _)) => return Err(text),
            Some((Ok(None), _)) | None => {
                literal.push_str("${");
                rest = from.get(2..).unwrap_or_default();
            }
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    Ok(pieces)
}

/// What stands between the braces; `None` if that is no reference.
fn reference(inside: &str, required: Extensions) -> Result<Option<Piece>, String> {
    if !inside.is_empty() && inside.bytes().all(|octet| octet.is_ascii_digit()) {
        let number = inside.trim_start_matches('0');
        let number = if number.is_empty() {
            Ok(0)
        } else {
            number.parse()
        };
        return match number {
            Ok(number) if number <= MATCHES_MAX => Ok(Some(Piece::Match(number))),
            _ => Err(format!(
                "there is no match variable beyond ${{{MATCHES_MAX}}}"
            )),
        };
    }
    if let Some((first, others)) = inside.split_once('.') {
        let named = is_identifier(first)
            && others.split('.').all(|one| {
                is_identifier(one) || !one.is_empty() && one.bytes().all(|o| o.is_ascii_digit())
            });
        if !named {
            return Ok(None);
        }
    }
    Name::parse(inside, required).map_or_else(
        |text| {
            if inside.contains('.') {
                Err(text)
            } else {
                Ok(None)
            }
        },
        |name| Ok(Some(Piece::Variable(name))),
    )
}

impl Name {
    /// Reads the name of a variable that can be set.
    ///
    /// # Errors
    /// In words, where it is none.
    pub(crate) fn parse(text: &str, required: Extensions) -> Result<Self, String> {
        let (namespace, name) = match text.split_once('.') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let global = namespace.is_some_and(|namespace| namespace.eq_ignore_ascii_case("global"));
        if namespace.is_some() && !(global && required.has(Extension::Include)) {
            let namespace = namespace.unwrap_or_default();
            return Err(format!("there is no namespace '{namespace}'"));
        }
        if !is_identifier(name) {
            return Err(format!("'{text}' is no name of a variable"));
        }
        Ok(Self {
            name: name.to_ascii_lowercase().into(),
            global,
        })
    }
}

pub(crate) fn is_identifier(text: &str) -> bool {
    let mut octets = text.bytes();
    octets
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && octets.all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(extensions: &[Extension]) -> Extensions {
        let mut set = Extensions::BASE;
        extensions.iter().for_each(|one| set.insert(*one));
        set
    }

    /// The examples of RFC 5228 §2.4.2.4.
    #[test]
    fn encoded_characters() {
        let required = with(&[Extension::EncodedCharacter]);
        for (text, expected) in [
            ("$${hex:40}", Some("$@")),
            ("${hex: 40 }", Some("@")),
            ("${HEX: 40}", Some("@")),
            ("${hex:40", Some("${hex:40")),
            ("${hex:400}", Some("${hex:400}")),
            ("${hex:4${hex:30}}", Some("${hex:40}")),
            ("${unicode:40}", Some("@")),
            ("${ unicode:40}", Some("${ unicode:40}")),
            ("${UnICoDE:0000040}", Some("@")),
            ("${Unicode:Cool}", Some("${Unicode:Cool}")),
            ("${unicode:200000}", None),
            ("${Unicode:DF01}", None),
            ("${hex:24 24}", Some("$$")),
            ("${hex:c3 a9}", Some("é")),
            ("${hex:c3}", None),
        ] {
            let template = Template::parse(text, required).ok();
            let constant = template.as_ref().and_then(Template::constant);
            assert_eq!(constant, expected, "{text}");
        }
    }

    #[test]
    fn references() {
        let required = with(&[Extension::Variables]);
        let variable = |name: &str| {
            Piece::Variable(Name {
                name: name.into(),
                global: false,
            })
        };
        let literal = |text: &str| Piece::Literal(text.into());
        for (text, expected) in [
            ("&%${}!", vec![literal("&%${}!")]),
            ("${doh!}", vec![literal("${doh!}")]),
            (
                "${BAD${Company}",
                vec![literal("${BAD"), variable("company")],
            ),
            ("${001}x", vec![Piece::Match(1), literal("x")]),
            ("${a}${b}", vec![variable("a"), variable("b")]),
        ] {
            let template = Template::parse(text, required).unwrap();
            assert_eq!(template.pieces, expected, "{text}");
        }
        for text in ["${global.a}", "${32}", "${foo.bar}"] {
            assert!(Template::parse(text, required).is_err(), "{text}");
        }
        let included = with(&[Extension::Variables, Extension::Include]);
        assert!(Template::parse("${global.a}", included).is_ok());
        assert!(Template::parse("${global.a.b}", included).is_err());
    }
}
