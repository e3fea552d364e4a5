//! Flags and keywords: one type for IMAP flags and JMAP keywords (RFC 9051 §2.3.2, RFC 5788).

use std::fmt;
use std::sync::Arc;

/// A keyword: an IMAP flag without a backslash, compared without regard to case.
#[derive(Clone, Debug)]
pub struct Keyword(Arc<str>);

impl Keyword {
    /// Octets a keyword may have.
    pub const OCTETS_MAX: usize = 128;

    /// Reads a keyword: an IMAP atom of at most [`Self::OCTETS_MAX`] octets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.len() <= Self::OCTETS_MAX
            && text
                .bytes()
                .all(|octet| octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(&octet));
        fits.then(|| Self(text.into()))
    }

    /// The keyword as it was first written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A flag of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It has been read.
    Seen,
    /// It has been answered.
    Answered,
    /// It is urgent or special.
    Flagged,
    /// It is marked for removal by EXPUNGE.
    Deleted,
    /// It is not finished.
    Draft,
    /// A word of the user's own or a registered one (`$Forwarded`, `$Junk`, …).
    Keyword(Keyword),
}

impl Flag {
    /// The five system flags, in the order of their bits in [`FlagSet::system_bits`].
    pub const SYSTEM: [Self; 5] = [
        Self::Seen,
        Self::Answered,
        Self::Flagged,
        Self::Deleted,
        Self::Draft,
    ];

    /// Reads a flag as IMAP writes it, whatever its case; `\Recent` is no flag that can be stored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some(name) = text.strip_prefix('\\') else {
            return Keyword::parse(text).map(Self::Keyword);
        };
        Self::SYSTEM
            .into_iter()
            .find(|flag| flag.name().eq_ignore_ascii_case(name))
    }

    fn name(&self) -> &str {
        match self {
            Self::Seen => "Seen",
            Self::Answered => "Answered",
            Self::Flagged => "Flagged",
            Self::Deleted => "Deleted",
            Self::Draft => "Draft",
            Self::Keyword(keyword) => keyword.as_str(),
        }
    }

    fn bit(&self) -> Option<u8> {
        match self {
            Self::Seen => Some(1),
            Self::Answered => Some(2),
            Self::Flagged => Some(4),
            Self::Deleted => Some(8),
            Self::Draft => Some(16),
            Self::Keyword(_) => None,
        }
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self, Self::Keyword(_)) {
            f.write_str("\\")?;
        }
        f.write_str(self.name())
    }
}

/// A set of flags. Without keywords it allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct FlagSet {
    system: u8,
    keywords: Vec<Keyword>,
}

impl FlagSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            system: 0,
            keywords: Vec::new(),
        }
    }

    /// The set of the system flags whose bits are set, in the order of [`Flag::SYSTEM`].
    #[must_use]
    pub const fn from_system_bits(bits: u8) -> Self {
        Self {
            system: bits & 0x1f,
            keywords: Vec::new(),
        }
    }

    /// The system flags as bits, the lowest bit first in [`Flag::SYSTEM`].
    #[must_use]
    pub const fn system_bits(&self) -> u8 {
        self.system
    }

    /// The keywords, in the order they were added.
    #[must_use]
    pub fn keywords(&self) -> &[Keyword] {
        &self.keywords
    }

    /// Adds a flag.
    pub fn insert(&mut self, flag: Flag) {
        if let Some(bit) = flag.bit() {
            self.system |= bit;
        } else if let Flag::Keyword(keyword) = flag
            && !self.keywords.contains(&keyword)
        {
            self.keywords.push(keyword);
        }
    }

    /// Takes a flag away.
    pub fn remove(&mut self, flag: &Flag) {
        if let Some(bit) = flag.bit() {
            self.system &= !bit;
        } else if let Flag::Keyword(keyword) = flag {
            self.keywords.retain(|known| known != keyword);
        }
    }

    /// True if the flag is in it.
    #[must_use]
    pub fn contains(&self, flag: &Flag) -> bool {
        match flag {
            Flag::Keyword(keyword) => self.keywords.contains(keyword),
            system => system.bit().is_some_and(|bit| self.system & bit != 0),
        }
    }

    /// True if nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.system == 0 && self.keywords.is_empty()
    }

    /// The flags: system flags first, then keywords.
    pub fn iter(&self) -> impl Iterator<Item = Flag> + '_ {
        Flag::SYSTEM
            .into_iter()
            .filter(|flag| flag.bit().is_some_and(|bit| self.system & bit != 0))
            .chain(self.keywords.iter().cloned().map(Flag::Keyword))
    }
}

impl PartialEq for FlagSet {
    fn eq(&self, other: &Self) -> bool {
        self.system == other.system
            && self.keywords.len() == other.keywords.len()
            && self
                .keywords
                .iter()
                .all(|keyword| other.keywords.contains(keyword))
    }
}

impl Eq for FlagSet {}

impl FromIterator<Flag> for FlagSet {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        let mut set = Self::new();
        flags.into_iter().for_each(|flag| set.insert(flag));
        set
    }
}

/// Writes the set as IMAP does: `\Seen \Flagged $Forwarded`, without parentheses.
impl fmt::Display for FlagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, flag) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            flag.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_read_back_and_ignore_case() {
        for text in ["\\Seen", "\\Deleted", "$Forwarded", "work"] {
            assert_eq!(Flag::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Flag::parse("\\sEEN"), Some(Flag::Seen));
        assert_eq!(Flag::parse("$junk"), Flag::parse("$Junk"));
        for text in ["", "\\Recent", "\\", "a b", "a]", "é"] {
            assert_eq!(Flag::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_set_holds_each_flag_once() {
        let mut set: FlagSet = ["\\Flagged", "a", "A", "\\Seen", "b"]
            .into_iter()
            .filter_map(Flag::parse)
            .collect();
        assert_eq!(set.to_string(), "\\Seen \\Flagged a b");
        set.remove(&Flag::parse("B").unwrap());
        set.remove(&Flag::Seen);
        assert_eq!(set.to_string(), "\\Flagged a");
    }
}
