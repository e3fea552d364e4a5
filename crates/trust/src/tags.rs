//! Lists of tags (RFC 6376 §3.2): `v=1; d=example.org; …`, as signatures, keys and policies have
//! them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Tags one list may have.
const TAGS_MAX: usize = 100;

/// Base64 as written by people as well: padding may be missing, last bits may be set.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A list in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    // RFC 6376 §3.2
    /// Reads a list. A name that stands twice spoils it all.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
        let mut tags: Vec<(&str, &str)> = Vec::new();
        let mut specs = text.split(';').peekable();
        while let Some(spec) = specs.next() {
            if spec.trim_ascii().is_empty() && specs.peek().is_none() {
                break;
            }
            let (name, value) = spec.split_once('=').ok_or("a tag without `=`")?;
            let (name, value) = (name.trim_ascii(), value.trim_ascii());
            let named = name.starts_with(|letter: char| letter.is_ascii_alphabetic())
                && name
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
            if !named {
                return Err("a tag whose name is none");
            }
            if tags.iter().any(|(known, _)| *known == name) {
                return Err("a tag that stands twice");
            }
            if tags.len() == TAGS_MAX {
                return Err("too many tags");
            }
            tags.push((name, value));
        }
        Ok(Self(tags))
    }

    /// A tag's value without white space around it.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }

    /// The first tag.
    pub(crate) fn first(&self) -> Option<(&'a str, &'a str)> {
        self.0.first().copied()
    }

    /// A value of items with colons between.
    pub(crate) fn list(&self, name: &str) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        Some(self.text(name)?.split(':').map(str::trim_ascii))
    }

    /// Decoded base64; `None` where there is none, or it is wrong.
    pub(crate) fn base64(&self, name: &str) -> Option<Vec<u8>> {
        decoded(self.text(name)?)
    }

    /// A number of at most twelve digits; `Some(None)` if it is none.
    pub(crate) fn number(&self, name: &str) -> Option<Option<u64>> {
        let text = self.text(name)?;
        let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        Some(text.parse().ok().filter(|_| digits))
    }
}

/// Base64 with white space anywhere.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    let dense: Vec<u8> = text
        .bytes()
        .filter(|octet| !octet.is_ascii_whitespace())
        .collect();
    BASE64.decode(dense).ok()
}

/// Base64 on one line.
pub(crate) fn encoded(octets: &[u8]) -> String {
    BASE64.encode(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags() {
        let tags = Tags::parse(b" v = 1;\r\n\ta=b; h=From : To;p=aG\r\n k=;x_1= a b ;; ");
        assert_eq!(tags, Err("a tag without `=`"));
        let tags = Tags::parse(b" v = 1;\r\n\ta=b; h=From : To;p=aG\r\n k=;x_1= a b=c ; ").unwrap();
        assert_eq!(tags.first(), Some(("v", "1")));
        assert_eq!(tags.text("x_1"), Some("a b=c"));
        assert_eq!(tags.text("X_1"), None);
        assert_eq!(tags.base64("p").as_deref(), Some(&b"hi"[..]));
        let names: Vec<_> = tags.list("h").unwrap().collect();
        assert_eq!(names, ["From", "To"]);
        assert_eq!(
            (tags.number("v"), tags.number("a")),
            (Some(Some(1)), Some(None))
        );
        for wrong in ["a=1;a=2", "=1", "1=2", "a b=1", ";", "a=1;;b=2", "\u{e4}=1"] {
            assert!(Tags::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert_eq!(Tags::parse(b" \r\n "), Ok(Tags::default()));
        let many: String = (0..=TAGS_MAX).map(|at| format!("a{at}=;")).collect();
        assert_eq!(Tags::parse(many.as_bytes()), Err("too many tags"));
    }
}
