//! Texts compared: match types and comparators.
//!
//! RFC 5228 §2.7, RFC 4790 and 5051 (comparators), RFC 5231 (relations), RFC 5229 §3.2 (what
//! wildcards have matched).

use std::borrow::Cow;

use message::casemap;
use regex::{Regex, RegexBuilder};

use crate::template::MATCHES_MAX;

/// Which letters are the same, and what comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Comparator {
    Octet,
    #[default]
    AsciiCasemap,
    AsciiNumeric,
    UnicodeCasemap,
}

/// How a value is compared with a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Match {
    #[default]
    Is,
    Contains,
    Matches,
    Value(Relation),
    Count(Relation),
    Regex,
    List,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

impl Relation {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        const NAMES: [(&str, Relation); 6] = [
            ("gt", Relation::Greater),
            ("ge", Relation::GreaterOrEqual),
            ("lt", Relation::Less),
            ("le", Relation::LessOrEqual),
            ("eq", Relation::Equal),
            ("ne", Relation::NotEqual),
        ];
        let mut names = NAMES.iter();
        let found = names.find(|(name, _)| text.eq_ignore_ascii_case(name))?;
        Some(found.1)
    }

    const fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
        }
    }
}

impl Comparator {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "i;octet" => Self::Octet,
            "i;ascii-casemap" => Self::AsciiCasemap,
            "i;ascii-numeric" => Self::AsciiNumeric,
            "i;unicode-casemap" => Self::UnicodeCasemap,
            _ => return None,
        })
    }

    fn fold(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Octet | Self::AsciiNumeric => Cow::Borrowed(text),
            Self::AsciiCasemap if text.bytes().any(|octet| octet.is_ascii_lowercase()) => {
                Cow::Owned(text.to_ascii_uppercase())
            }
            Self::AsciiCasemap => Cow::Borrowed(text),
            Self::UnicodeCasemap => Cow::Owned(casemap(text)),
        }
    }

    /// Which of two comes first.
    fn order(self, one: &str, other: &str) -> std::cmp::Ordering {
        if self == Self::AsciiNumeric {
            return Number::of(one).cmp(&Number::of(other));
        }
        self.fold(one).as_bytes().cmp(self.fold(other).as_bytes())
    }

    /// True if `:contains` and `:matches` make sense.
    pub(crate) fn has_substrings(self) -> bool {
        // RFC 4790 §9.1
        self != Self::AsciiNumeric
    }
}

/// What `i;ascii-numeric` sees: the digits at the beginning; a text without any is the largest of
/// all (RFC 4790 §9.1).
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Number<'a> {
    /// Without leading zeros: the longer is the larger.
    Digits(usize, &'a str),
    None,
}

impl<'a> Number<'a> {
    fn of(text: &'a str) -> Self {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Self::None;
        }
        let digits = text
            .get(..digits)
            .unwrap_or_default()
            .trim_start_matches('0');
        Self::Digits(digits.len(), digits)
    }
}

/// Compares one value with one key; what wildcards have matched, the whole first, is added to
/// `matched` where the match type gives it.
pub(crate) fn compare(
    (kind, comparator): (Match, Comparator),
    value: &str,
    key: &str,
    matched: &mut Vec<String>,
) -> bool {
    match kind {
        Match::Is if comparator == Comparator::AsciiCasemap => value.eq_ignore_ascii_case(key),
        Match::Is => comparator.order(value, key).is_eq(),
        Match::Contains
            if comparator == Comparator::AsciiCasemap
                && is_quick(value.as_bytes(), key.as_bytes()) =>
        {
            position(value.as_bytes(), key.as_bytes()).is_some()
        }
        Match::Contains => {
            let (value, key) = (comparator.fold(value), comparator.fold(key));
            memchr::memmem::find(value.as_bytes(), key.as_bytes()).is_some()
        }
        Match::Value(relation) | Match::Count(relation) => {
            relation.holds(comparator.order(value, key))
        }
        Match::Matches => Pattern::new(comparator, key).matches(value, matched),
        // These are asked elsewhere.
        Match::Regex | Match::List => false,
    }
}

/// True where looking at each place anew takes less than folding a copy, however alike they are.
pub(crate) const fn is_quick(value: &[u8], key: &[u8]) -> bool {
    value.len().saturating_mul(key.len()) <= QUICK_COMPARISONS
}

/// Comparisons of octets that take about as long as folding and searching a short text.
const QUICK_COMPARISONS: usize = 8 * 1024;

/// Where the key is in the value, whatever the case of ASCII letters.
pub(crate) fn position(value: &[u8], key: &[u8]) -> Option<usize> {
    let Some((first, rest)) = key.split_first() else {
        return Some(0);
    };
    let last = value.len().checked_sub(rest.len())?;
    let (small, large) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    let mut places = memchr::memchr2_iter(small, large, value.get(..last).unwrap_or_default());
    places.find(|place| {
        let found = value.get(place + 1..place + 1 + rest.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(rest))
    })
}

/// Makes a regular expression that takes at most so much memory.
///
/// # Errors
/// In words, where it is none or too large.
pub(crate) fn regex(
    text: &str,
    comparator: Comparator,
    octets_max: usize,
) -> Result<Regex, String> {
    let made = RegexBuilder::new(text)
        .case_insensitive(comparator != Comparator::Octet)
        .size_limit(octets_max)
        .dfa_size_limit(octets_max)
        .build();
    made.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "this regular expression is too large".to_owned(),
        error => {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default();
            let why = why.strip_prefix("error: ").unwrap_or(why);
            format!("this is no regular expression: {why}")
        }
    })
}

/// True where the expression is found; what it and its groups have matched is added.
pub(crate) fn search(expression: &Regex, value: &str, matched: &mut Vec<String>) -> bool {
    // Most are not found, and that costs less.
    if !expression.is_match(value) {
        return false;
    }
    let Some(found) = expression.captures(value) else {
        return false;
    };
    let groups = found.iter().take(MATCHES_MAX + 1);
    let texts = groups.map(|group| group.map_or("", |group| group.as_str()).to_owned());
    matched.extend(texts);
    true
}

/// A piece of a pattern.
#[derive(Clone, Debug)]
enum Token {
    Literal(Box<[u8]>),
    /// `?`: one character.
    Any,
    /// `*`: as few as possible.
    Star,
}

/// A key of `:matches`, read once.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    comparator: Comparator,
    /// Its letters folded.
    tokens: Vec<Token>,
}

impl Pattern {
    pub(crate) fn new(comparator: Comparator, key: &str) -> Self {
        let mut tokens = Vec::new();
        let mut literal = String::new();
        let mut end = |literal: &mut String, token: Option<Token>| {
            if !literal.is_empty() {
                let folded = comparator.fold(literal);
                tokens.push(Token::Literal(folded.as_bytes().into()));
                literal.clear();
            }
            tokens.extend(token);
        };
        let mut letters = key.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '*' => end(&mut literal, Some(Token::Star)),
                '?' => end(&mut literal, Some(Token::Any)),
                '\\' => literal.push(letters.next().unwrap_or('\\')),
                _ => literal.push(letter),
            }
        }
        end(&mut literal, None);
        Self { comparator, tokens }
    }

    /// Octets of memory it takes, about.
    pub(crate) fn octets(&self) -> usize {
        let literals = self.tokens.iter().map(|token| match token {
            Token::Literal(literal) => literal.len(),
            Token::Any | Token::Star => 0,
        });
        self.tokens.len() * size_of::<Token>() + literals.sum::<usize>()
    }

    /// The longest of its literals: what it matches has that in it.
    pub(crate) fn longest(&self) -> Option<&[u8]> {
        let literals = self.tokens.iter().filter_map(|token| match token {
            Token::Literal(literal) => Some(&**literal),
            Token::Any | Token::Star => None,
        });
        literals.max_by_key(|literal| literal.len())
    }

    /// True if a value begins with a literal of this pattern.
    fn begins(&self, value: &[u8], literal: &[u8]) -> bool {
        let Some(begin) = value.get(..literal.len()) else {
            return false;
        };
        match self.comparator {
            Comparator::AsciiCasemap => begin.eq_ignore_ascii_case(literal),
            _ => begin == literal,
        }
    }

    /// Where such a literal begins next, in octets.
    fn find(&self, value: &[u8], literal: &[u8]) -> Option<usize> {
        match self.comparator {
            Comparator::AsciiCasemap => position(value, literal),
            _ => memchr::memmem::find(value, literal),
        }
    }

    /// Where what is behind a star may begin, at or after `from`.
    fn resume(&self, subject: &Subject<'_>, token: usize, mut from: usize) -> Option<usize> {
        let literal = match self.tokens.get(token + 1) {
            Some(Token::Literal(literal)) => literal,
            Some(_) => return Some(from),
            // The last one takes the rest.
            None => return Some(subject.folded.len()),
        };
        loop {
            let rest = subject.folded.as_bytes().get(from..)?;
            from += self.find(rest, literal)?;
            if subject.begins_at(from) {
                return Some(from);
            }
            from += 1;
        }
    }

    /// True if it is all of the value; what its wildcards have matched is added.
    pub(crate) fn matches(&self, value: &str, matched: &mut Vec<String>) -> bool {
        let subject = Subject::new(self.comparator, value);
        let octets = subject.folded.as_bytes();
        let mut spans: Vec<(usize, usize)> = Vec::new();
        let mut star: Option<Star> = None;
        let (mut at, mut token) = (0, 0);
        loop {
            match self.tokens.get(token) {
                Some(Token::Star) => {
                    let Some(to) = self.resume(&subject, token, at) else {
                        return false;
                    };
                    star = Some(Star {
                        token,
                        from: at,
                        to,
                        matched: spans.len(),
                    });
                    spans.push((at, to));
                    at = to;
                    token += 1;
                    continue;
                }
                Some(Token::Any) if at < octets.len() => {
                    let next = subject.next(at);
                    spans.push((at, next));
                    at = next;
                    token += 1;
                    continue;
                }
                Some(Token::Literal(literal))
                    if self.begins(octets.get(at..).unwrap_or_default(), literal) =>
                {
                    at += literal.len();
                    token += 1;
                    continue;
                }
                None if at == octets.len() => break,
                _ => {}
            }
            // Only the last star can help: those before it have taken as little as they could.
            let Some(last) = star.as_mut().filter(|last| last.to < octets.len()) else {
                return false;
            };
            let Some(to) = self.resume(&subject, last.token, subject.next(last.to)) else {
                return false;
            };
            last.to = to;
            spans.truncate(last.matched);
            spans.push((last.from, last.to));
            at = last.to;
            token = last.token + 1;
        }
        matched.push(value.to_owned());
        let texts = spans.into_iter().take(MATCHES_MAX);
        matched.extend(texts.map(|span| subject.text(span)));
        true
    }
}

/// A value with its letters folded where that may move some, and where each of the folded octets
/// comes from.
struct Subject<'a> {
    value: &'a str,
    folded: Cow<'a, str>,
    /// Octets of the value before the letter; empty where folding moves nothing.
    origin: Vec<usize>,
}

impl<'a> Subject<'a> {
    fn new(comparator: Comparator, value: &'a str) -> Self {
        if comparator != Comparator::UnicodeCasemap || value.is_ascii() {
            return Self {
                value,
                folded: match comparator {
                    Comparator::UnicodeCasemap => comparator.fold(value),
                    // What is compared with it does not mind the case.
                    _ => Cow::Borrowed(value),
                },
                origin: Vec::new(),
            };
        }
        let mut folded = String::with_capacity(value.len());
        let mut origin = Vec::with_capacity(value.len());
        for (at, letter) in value.char_indices() {
            folded.push_str(&casemap(letter.encode_utf8(&mut [0; 4])));
            origin.resize(folded.len(), at);
        }
        Self {
            value,
            folded: Cow::Owned(folded),
            origin,
        }
    }

    /// True if a letter of the value begins at this octet, not one that folding has put behind it.
    fn begins_at(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.origin.get(before));
        before.is_none_or(|before| self.origin.get(at) != Some(before))
    }

    /// Where the character at `at` ends, in folded octets.
    fn next(&self, at: usize) -> usize {
        if self.origin.is_empty() {
            let rest = self.folded.get(at..).unwrap_or_default();
            return at + rest.chars().next().map_or(1, char::len_utf8);
        }
        let here = self.origin.get(at);
        let same = self
            .origin
            .iter()
            .skip(at)
            .take_while(|one| Some(*one) == here);
        at + same.count().max(1)
    }

    fn text(&self, (start, end): (usize, usize)) -> String {
        let place = |at: usize| {
            if self.origin.is_empty() {
                at
            } else {
                self.origin.get(at).copied().unwrap_or(self.value.len())
            }
        };
        let text = self.value.get(place(start)..place(end));
        text.unwrap_or_default().to_owned()
    }
}

/// A star that was passed: it can always take one character more.
struct Star {
    token: usize,
    from: usize,
    to: usize,
    matched: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparators_and_match_types() {
        use Comparator::{AsciiCasemap, AsciiNumeric, Octet, UnicodeCasemap};
        let cases = [
            (Match::Is, Octet, "a", "A", false),
            (Match::Is, AsciiCasemap, "a", "A", true),
            (Match::Is, AsciiCasemap, "é", "É", false),
            (Match::Is, UnicodeCasemap, "é", "É", true),
            (Match::Is, AsciiNumeric, "010x", "10", true),
            (Match::Is, AsciiNumeric, "x", "", true),
            (Match::Contains, AsciiCasemap, "Frobnitzm", "NIT", true),
            (Match::Contains, Octet, "Frobnitzm", "NIT", false),
            (Match::Contains, Octet, "", "", true),
            (Match::Contains, AsciiCasemap, "", "", true),
            (Match::Contains, AsciiCasemap, "", "a", false),
            (Match::Contains, AsciiCasemap, "aab", "AB", true),
            (Match::Contains, AsciiCasemap, "aab", "aaba", false),
            (Match::Contains, AsciiCasemap, "1@[", "@[", true),
            (Match::Contains, AsciiCasemap, "a`{", "@[", false),
            (Match::Contains, AsciiCasemap, "zÉa", "éA", false),
            (Match::Contains, AsciiCasemap, "zéa", "éA", true),
            (
                Match::Value(Relation::Greater),
                AsciiNumeric,
                "x",
                "99999999999999999999",
                true,
            ),
            (Match::Value(Relation::Less), AsciiNumeric, "9", "10", true),
            (Match::Value(Relation::Less), Octet, "9", "10", false),
            (Match::Matches, AsciiCasemap, "abc", "A?C", true),
            (Match::Matches, AsciiCasemap, "a*c", r"a\*c", true),
            (Match::Matches, AsciiCasemap, "abc", r"a\*c", false),
            (Match::Matches, Octet, "", "*", true),
            (Match::Matches, Octet, "", "?", false),
            (Match::Matches, Octet, "é", "?", true),
            (Match::Matches, UnicodeCasemap, "éa", "?A", true),
            (Match::Matches, UnicodeCasemap, "aéa", "*\u{301}A", false),
            (Match::Matches, UnicodeCasemap, "aéa", "*ÉA", true),
            (Match::Matches, UnicodeCasemap, "aéa", "*É*", true),
            (
                Match::Matches,
                AsciiCasemap,
                "an iNvoice",
                "*invoice*",
                true,
            ),
            (
                Match::Matches,
                AsciiCasemap,
                "an invoic",
                "*invoice*",
                false,
            ),
            (Match::Matches, AsciiCasemap, "aab", "*AB", true),
            (Match::Matches, AsciiCasemap, "abab", "*ab*ab", true),
            (Match::Matches, AsciiCasemap, "abab", "*ab*abb", false),
        ];
        for (kind, comparator, value, key, expected) in cases {
            let found = compare((kind, comparator), value, key, &mut Vec::new());
            assert_eq!(found, expected, "{kind:?} {comparator:?} {value} {key}");
        }
    }

    #[test]
    fn wildcards_match_as_little_as_possible() {
        for (value, key, expected) in [
            (
                "[acme-users] [fwd] version 1.0 is out",
                "[*] *",
                vec!["acme-users", "[fwd] version 1.0 is out"],
            ),
            (
                "coyote@ACME.Example.COM",
                "coyote@**.com",
                vec!["", "ACME.Example"],
            ),
            ("abcabd", "*b?", vec!["abca", "d"]),
            ("Éa", "?*", vec!["É", "a"]),
        ] {
            for comparator in [Comparator::AsciiCasemap, Comparator::UnicodeCasemap] {
                let mut matched = Vec::new();
                assert!(compare(
                    (Match::Matches, comparator),
                    value,
                    key,
                    &mut matched
                ));
                assert_eq!(matched.remove(0), value);
                assert_eq!(matched, expected, "{value} {key}");
            }
        }
    }

    #[test]
    fn regular_expressions_are_small() {
        let octets = Comparator::Octet;
        assert!(
            regex("a{1000}{1000}", octets, 1 << 20)
                .unwrap_err()
                .contains("too large")
        );
        assert!(
            regex("(", octets, 1 << 20)
                .unwrap_err()
                .contains("unclosed group")
        );
        let mut matched = Vec::new();
        let found = regex("(b+)(x)?", Comparator::AsciiCasemap, 1 << 20).unwrap();
        assert!(search(&found, "aBBc", &mut matched));
        assert_eq!(matched, ["BB", "BB", ""]);
    }
}
