//! Conditions of recipes, as tests.

use super::action::Lost;
use super::area::{Area, compare};
use super::convert::Conversion;
use super::field;
use super::folder::template;
use super::pattern::{self, Read};
use super::rc::Recipe;
use super::script::{How, Test};
use super::words::{self, Phrase, Piece};

/// A condition, and what `MATCH` is after it.
pub(super) type Tested = (Test, Option<String>);

/// What is searched.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Searched {
    Header,
    Body,
    Both,
    Text(String),
}

impl Conversion<'_> {
    /// What all conditions of a recipe ask, and what `MATCH` is then.
    pub(super) fn conditions(&mut self, recipe: &Recipe) -> Result<Tested, Lost> {
        let mut tests = Vec::new();
        let mut last: Option<(Test, String)> = None;
        for (line, text) in &recipe.conditions {
            let tested = self.condition((*line, text), recipe);
            let (test, matched) =
                tested.map_err(|why| Lost::new(*line, &format!("* {text}"), why))?;
            match matched {
                Some(matched) => {
                    if let Some((before, _)) = last.replace((test, matched)) {
                        tests.push(before);
                    }
                }
                None => tests.push(test),
            }
        }
        // What it leaves behind must not be what another test has matched.
        let matched = last.map(|(test, matched)| {
            tests.push(test);
            matched
        });
        Ok((Test::all(tests), matched))
    }

    fn condition(
        &mut self,
        (line, text): (usize, &str),
        recipe: &Recipe,
    ) -> Result<Tested, String> {
        let mut searched = match (recipe.has('H'), recipe.has('B')) {
            (true, true) => Searched::Both,
            (false, true) => Searched::Body,
            _ => Searched::Header,
        };
        let mut phrase: Phrase = vec![Piece::Text(text.to_owned())];
        let mut negated = false;
        let mut substituted = 0;
        let test = loop {
            let first = match phrase.first_mut() {
                Some(Piece::Text(first)) => {
                    *first = first.trim_start().to_owned();
                    first.clone()
                }
                _ => String::new(),
            };
            let set_first = |phrase: &mut Phrase, text: &str| {
                if let Some(Piece::Text(first)) = phrase.first_mut() {
                    text.clone_into(first);
                }
            };
            if let Some(rest) = first.strip_prefix('!') {
                negated = !negated;
                set_first(&mut phrase, rest);
            } else if let Some(rest) = first.strip_prefix('$').filter(|_| substituted < 4) {
                // Substituted once, it is read again.
                substituted += 1;
                if phrase.len() > 1 {
                    return Err("what is put in is to be put in again".to_owned());
                }
                phrase = words::quoted(rest, self)?;
            } else if first.starts_with('?') {
                return Err("a program is asked".to_owned());
            } else if first.starts_with(['<', '>']) {
                break (self.size(line, text, &first)?, None);
            } else if weighs(&first) {
                return Err("conditions are weighed against each other".to_owned());
            } else if let Some((name, rest)) = named_area(&first) {
                searched = match name {
                    "H" => Searched::Header,
                    "B" => Searched::Body,
                    "HB" | "BH" => Searched::Both,
                    name => Searched::Text(template(&words::Values::value(self, name)?)?),
                };
                set_first(&mut phrase, rest);
                break self.expression((line, text), &phrase, recipe.has('D'), &searched)?;
            } else {
                // A backslash in front of what would be no expression.
                if first.starts_with("\\<") || first.starts_with("\\>") {
                    set_first(&mut phrase, first.get(1..).unwrap_or_default());
                }
                break self.expression((line, text), &phrase, recipe.has('D'), &searched)?;
            }
        };
        match (negated, test) {
            (true, (test, _)) => Ok((test.negated(), None)),
            (false, tested) => Ok(tested),
        }
    }

    fn size(&mut self, line: usize, text: &str, condition: &str) -> Result<Test, String> {
        let (sign, number) = condition.split_at(1);
        let number = number.trim_start();
        let end = number.find(|letter: char| !letter.is_ascii_digit());
        let (digits, behind) = number.split_at(end.unwrap_or(number.len()));
        let octets: u64 = digits
            .parse()
            .map_err(|_| "it is no number of octets".to_owned())?;
        if !behind.trim().is_empty() {
            self.note(
                line,
                text,
                format!("procmail passes over `{}`", behind.trim()),
            );
        }
        Ok(match sign {
            "<" => Test::Under(octets),
            _ => Test::Over(octets),
        })
    }

    fn expression(
        &mut self,
        (line, text): (usize, &str),
        phrase: &Phrase,
        exact: bool,
        searched: &Searched,
    ) -> Result<Tested, String> {
        template(phrase)?;
        let loose = self.loose(phrase)?;
        let named = phrase.iter().cloned().map(|piece| match piece {
            Piece::Text(text) => Piece::Text(field::named(&text)),
            other => other,
        });
        let phrase: Phrase = named.collect();
        let Read { pattern, dots } = pattern::read(&phrase)?;
        let mut notes = Vec::new();
        let mut header = || -> Result<Tested, String> {
            let found = field::header(&pattern, exact)?;
            notes.extend(found.notes);
            Ok((found.test, found.matched))
        };
        let body = || -> Result<Tested, String> {
            if field::is_macro(&pattern) {
                return Err("procmail's own name is looked for in the body".to_owned());
            }
            let found = compare(&pattern, Area::Lines, exact)?;
            let matched = found.captured.map(|group| format!("${{{group}}}"));
            Ok((Test::Body(found.keys), matched))
        };
        let (test, matched) = match searched {
            Searched::Header => header()?,
            Searched::Body => body()?,
            Searched::Both => {
                let (one, first) = header()?;
                let (other, second) = body()?;
                if first.is_some() || second.is_some() {
                    return Err("`\\/` looks at header and body".to_owned());
                }
                (Test::any(vec![one, other]), None)
            }
            Searched::Text(value) => {
                let found = compare(&pattern, Area::Line { anchored: false }, exact)?;
                let matched = found.captured.map(|group| format!("${{{group}}}"));
                (Test::Text(value.clone(), found.keys), matched)
            }
        };
        if loose && uses_patterns(&test) {
            return Err("what a variable holds would have a meaning in the expression".to_owned());
        }
        if dots {
            notes.push("a point matches any character; taken for a dot".to_owned());
        }
        for note in notes {
            self.note(line, &format!("* {text}"), note);
        }
        let matched = matched.filter(|_| self.facts.matched);
        Ok((test, matched))
    }

    /// True if it has variables whose values must not be taken for expressions.
    fn loose(&self, phrase: &Phrase) -> Result<bool, String> {
        let mut found = false;
        for piece in phrase {
            let is_loose = |name: &String| name == "MATCH" || self.facts.loose.contains(name);
            match piece {
                Piece::Variable(name) if is_loose(name) => {
                    return Err(format!("what {name} holds may be any expression"));
                }
                Piece::Disarmed(name) if is_loose(name) => found = true,
                _ => {}
            }
        }
        Ok(found)
    }
}

/// True if keys of the test are patterns.
fn uses_patterns(test: &Test) -> bool {
    match test {
        Test::Header(_, keys) | Test::Sender(keys) | Test::Body(keys) | Test::Text(_, keys) => {
            matches!(keys.how, How::Regex | How::Matches)
        }
        Test::Not(inner) => uses_patterns(inner),
        Test::All(tests) | Test::Any(tests) => tests.iter().any(uses_patterns),
        _ => false,
    }
}

/// `w^x`: procmailsc(5).
fn weighs(text: &str) -> bool {
    let is_number = |letter: char| letter.is_ascii_digit() || ".-+".contains(letter);
    let rest = text.trim_start_matches(is_number);
    let digits = text.get(..text.len() - rest.len()).unwrap_or_default();
    let has_digit = digits.contains(|letter: char| letter.is_ascii_digit());
    let behind = rest.trim_start().strip_prefix('^');
    let begins = |text: &str| text.trim_start().starts_with(is_number);
    has_digit && behind.is_some_and(begins)
}

/// `NAME ?? …`
fn named_area(text: &str) -> Option<(&str, &str)> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let rest = text.trim_start_matches(is_name);
    let name = text.get(..text.len() - rest.len())?;
    let behind = rest.trim_start().strip_prefix("??")?;
    (!name.is_empty()).then(|| (name, behind.trim_start()))
}
