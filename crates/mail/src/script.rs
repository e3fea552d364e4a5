//! The name of a filter script.

use std::fmt;

/// Characters that a script's name may have (RFC 5804 §1.6).
pub const SCRIPT_NAME_CHARS_MAX: usize = 128;

/// The name of a filter script: 1 to [`SCRIPT_NAME_CHARS_MAX`] characters, none of them a control
/// or the end of a line or a paragraph (RFC 5804 §1.6). Names are compared as they are written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScriptName(String);

impl ScriptName {
    /// Reads a name; `None` where it is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        // RFC 5804 §1.6
        let fits =
            |letter: char| !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}');
        let count = name.chars().take(SCRIPT_NAME_CHARS_MAX + 1).count();
        let fits = (1..=SCRIPT_NAME_CHARS_MAX).contains(&count) && name.chars().all(fits);
        fits.then(|| Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScriptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_is_none() {
        let longest = "ä".repeat(SCRIPT_NAME_CHARS_MAX);
        for name in [
            "a",
            "summer holidays",
            "clever\"script",
            "ünï/..",
            longest.as_str(),
        ] {
            let read = ScriptName::parse(name);
            assert_eq!(read.as_ref().map(ScriptName::as_str), Some(name));
        }
        let long = "a".repeat(SCRIPT_NAME_CHARS_MAX + 1);
        for name in [
            "",
            "a\nb",
            "a\u{7f}",
            "a\u{85}",
            "a\u{2028}",
            "\0",
            long.as_str(),
        ] {
            assert_eq!(ScriptName::parse(name), None, "{name:?}");
        }
    }
}
