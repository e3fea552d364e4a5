//! A Maildir's names and lists: flags in files' names, and what Dovecot keeps beside the messages.
//!
//! A message is a file in `new` or `cur`; in `cur` its name ends in `:2,` and letters for its
//! flags. Small letters are keywords, named in `dovecot-keywords`; `,S=` and `,W=` before the colon
//! tell sizes. `dovecot-uidlist` has the UIDVALIDITY and each message's UID. In a Maildir++ the
//! mailboxes below INBOX are folders whose names begin with a dot, levels separated by dots.
//!
//! Not here: folders and files, modified UTF-7 (the protocol that uses it has it).

use std::collections::BTreeMap;

use mail::{Flag, FlagSet, Keyword, Uid, UidValidity};

/// Letters of flags, as they follow `:2,`.
const LETTERS: [(char, Flag); 5] = [
    ('D', Flag::Draft),
    ('F', Flag::Flagged),
    ('R', Flag::Answered),
    ('S', Flag::Seen),
    ('T', Flag::Deleted),
];
/// The keyword for the letter `P`, passed on (RFC 5788).
const FORWARDED: &str = "$Forwarded";
/// Keywords that have letters, `a` to `z`.
const KEYWORDS_MAX: usize = 26;

/// A message's file's name taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name<'a> {
    /// What stays the same when flags change: the name up to the colon, with its sizes.
    pub unique: &'a str,
    /// The letters behind `:2,`.
    pub letters: &'a str,
}

impl<'a> Name<'a> {
    /// Takes a name apart; one without letters has none.
    #[must_use]
    pub fn parse(name: &'a str) -> Self {
        let (unique, behind) = name.split_once(':').unwrap_or((name, ""));
        let letters = behind.strip_prefix("2,").unwrap_or_default();
        // What follows a comma is for others.
        let letters = letters.split(',').next().unwrap_or_default();
        Self { unique, letters }
    }

    /// The name without the sizes that Dovecot adds: what tells messages apart.
    #[must_use]
    pub fn base(&self) -> &'a str {
        let at = self.unique.find(",S=").or_else(|| self.unique.find(",W="));
        at.and_then(|at| self.unique.get(..at))
            .unwrap_or(self.unique)
    }

    /// The size that the name tells, in octets as the file has them.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        let (_, size) = self.unique.split_once(",S=")?;
        size.split(',').next()?.parse().ok()
    }

    /// The flags that the letters are.
    #[must_use]
    pub fn flags(&self, keywords: &Keywords) -> FlagSet {
        let mut flags = FlagSet::new();
        for letter in self.letters.chars() {
            let known = LETTERS.iter().find(|(known, _)| *known == letter);
            if let Some((_, flag)) = known {
                flags.insert(flag.clone());
            } else if letter == 'P' {
                flags.extend_keyword(Keyword::parse(FORWARDED));
            } else {
                flags.extend_keyword(keywords.0.get(&letter).cloned());
            }
        }
        flags
    }
}

/// Adds a keyword if there is one.
trait ExtendKeyword {
    fn extend_keyword(&mut self, keyword: Option<Keyword>);
}

impl ExtendKeyword for FlagSet {
    fn extend_keyword(&mut self, keyword: Option<Keyword>) {
        if let Some(keyword) = keyword {
            self.insert(Flag::Keyword(keyword));
        }
    }
}

/// The letters of a mailbox's keywords, as `dovecot-keywords` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keywords(BTreeMap<char, Keyword>);

impl Keywords {
    /// Reads lines of a number and a keyword; others are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let read = |line: &str| {
            let (number, word) = line.trim().split_once(' ')?;
            let letter = letter(number.parse().ok()?)?;
            Some((letter, Keyword::parse(word)?))
        };
        Self(text.lines().filter_map(read).collect())
    }

    /// The letters behind `:2,` for these flags. A new keyword takes the next letter, as long as
    /// there are any; the last word is false if there were none for some.
    pub fn letters(&mut self, flags: &FlagSet) -> (String, bool) {
        let mut letters: Vec<char> = Vec::new();
        let set = LETTERS.iter().filter(|(_, flag)| flags.contains(flag));
        letters.extend(set.map(|(letter, _)| *letter));
        let mut all = true;
        for keyword in flags.keywords() {
            if keyword.as_str().eq_ignore_ascii_case(FORWARDED) {
                letters.push('P');
                continue;
            }
            match self.letter(keyword) {
                Some(letter) => letters.push(letter),
                None => all = false,
            }
        }
        letters.sort_unstable();
        (letters.into_iter().collect(), all)
    }

    fn letter(&mut self, keyword: &Keyword) -> Option<char> {
        let known = self.0.iter().find(|(_, known)| *known == keyword);
        if let Some((letter, _)) = known {
            return Some(*letter);
        }
        let next = letter(self.0.len())?;
        self.0.insert(next, keyword.clone());
        Some(next)
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes them as `dovecot-keywords` has them.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines = self.0.values().enumerate();
        lines
            .map(|(number, word)| format!("{number} {word}\n"))
            .collect()
    }
}

fn letter(number: usize) -> Option<char> {
    ('a'..='z').take(KEYWORDS_MAX).nth(number)
}

/// The first line of `dovecot-uidlist`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidListHead {
    /// The mailbox's generation.
    pub uidvalidity: UidValidity,
    /// The UID that the next message will get.
    pub uidnext: Option<Uid>,
}

impl UidListHead {
    /// Reads the line, of version 1 (`1 validity next`) or 3 (`3 Vvalidity Nnext …`).
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let version = words.next()?;
        let (mut validity, mut next) = (None, None);
        if version == "1" {
            (validity, next) = (words.next(), words.next());
        }
        for word in words.filter(|_| version == "3") {
            match word.split_at_checked(1) {
                Some(("V", number)) => validity = Some(number),
                Some(("N", number)) => next = Some(number),
                _ => {}
            }
        }
        Some(Self {
            uidvalidity: UidValidity::new(validity?.parse().ok()?)?,
            uidnext: next.and_then(|next| next.parse().ok()).and_then(Uid::new),
        })
    }

    /// Writes the line, of version 3, without its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let next = self.uidnext.map_or(1, Uid::value);
        format!("3 V{} N{next}", self.uidvalidity.value())
    }
}

/// Reads another line of `dovecot-uidlist`: the UID and the file's name, without letters.
#[must_use]
pub fn uid_list_line(line: &str) -> Option<(Uid, &str)> {
    let (words, name) = match line.split_once(" :") {
        Some(split) => split,
        None => line.split_once(' ')?,
    };
    let uid = words.split(' ').next()?.parse().ok()?;
    Some((Uid::new(uid)?, Name::parse(name).unique))
}

/// The levels of a folder's name in a Maildir++, as they are written there; `None` if it is the
/// name of no mailbox.
#[must_use]
pub fn folder_levels(name: &str) -> Option<Vec<&str>> {
    let name = name.strip_prefix('.')?;
    let levels: Vec<&str> = name.split('.').collect();
    let fits = !levels
        .iter()
        .any(|level| level.is_empty() || level.contains('/'));
    fits.then_some(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let keywords = Keywords::parse("0 $Junk\n1 work\nx y\n26 late\n");
        for (name, unique, base, size, flags) in [
            ("1.M2P3.host", "1.M2P3.host", "1.M2P3.host", None, ""),
            (
                "1.h,S=10,W=12:2,RS",
                "1.h,S=10,W=12",
                "1.h",
                Some(10),
                "\\Seen \\Answered",
            ),
            (
                "1.h,W=12:2,DFTab",
                "1.h,W=12",
                "1.h",
                None,
                "\\Flagged \\Deleted \\Draft $Junk work",
            ),
            ("1.h:2,Pz", "1.h", "1.h", None, "$Forwarded"),
            ("1.h:1,x", "1.h", "1.h", None, ""),
            ("1.h:2,S,other", "1.h", "1.h", None, "\\Seen"),
        ] {
            let read = Name::parse(name);
            assert_eq!(read.unique, unique, "{name}");
            assert_eq!(read.base(), base, "{name}");
            assert_eq!(read.size(), size, "{name}");
            assert_eq!(read.flags(&keywords).to_string(), flags, "{name}");
        }
    }

    #[test]
    fn letters_read_back_as_the_flags() {
        let mut keywords = Keywords::default();
        let words = [
            "\\Seen",
            "\\Draft",
            "$Forwarded",
            "work",
            "home",
            "\\Flagged",
        ];
        let flags: FlagSet = words.iter().filter_map(|word| Flag::parse(word)).collect();
        let (letters, all) = keywords.letters(&flags);
        assert_eq!((letters.as_str(), all), ("DFPSab", true));
        let read = Keywords::parse(&keywords.to_text());
        assert_eq!(read, keywords);
        let name = format!("1.h:2,{letters}");
        assert_eq!(Name::parse(&name).flags(&read), flags);
        let many: FlagSet = (0..27)
            .filter_map(|number| Flag::parse(&format!("k{number}")))
            .collect();
        assert!(!keywords.letters(&many).1);
    }

    #[test]
    fn lists_of_uids_are_read() {
        let head = |line| UidListHead::parse(line).map(|head| (head.uidvalidity, head.uidnext));
        let numbers = (UidValidity::new(7).unwrap(), Uid::new(12));
        assert_eq!(head("1 7 12"), Some(numbers));
        assert_eq!(head("3 V7 N12 G0a0b"), Some(numbers));
        assert_eq!(head("2 V7 N12"), None);
        assert_eq!(head("3 V0 N12"), None);
        let written = UidListHead::parse("1 7 12").unwrap().to_line();
        assert_eq!(head(&written), Some(numbers));
        let uid = Uid::new(5).unwrap();
        for line in ["5 1.h", "5 :1.h", "5 W12 G0a :1.h:2,S", "5 S1 :1.h"] {
            assert_eq!(uid_list_line(line), Some((uid, "1.h")), "{line}");
        }
        assert_eq!(uid_list_line("0 :1.h"), None);
        assert_eq!(uid_list_line("x"), None);
    }

    #[test]
    fn folders_have_levels() {
        assert_eq!(folder_levels(".a.b c"), Some(vec!["a", "b c"]));
        for name in ["cur", ".", ".a..b", "..", ".a.", ""] {
            assert_eq!(folder_levels(name), None, "{name}");
        }
    }
}
