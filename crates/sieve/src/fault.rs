//! What is wrong with a script's text, and where.

use std::fmt;

/// A place in a script's text; both count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The character in it.
    pub column: u32,
}

/// Why a text is no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub text: String,
    /// What would be right, where that can be guessed.
    pub hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(place: Place, text: impl Into<String>) -> Self {
        Self {
            place,
            text: text.into(),
            hint: None,
        }
    }

    pub(crate) fn hinting(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "line {line}, column {column}: {}", self.text)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// The known word that is nearest to the one written, if one is near.
pub(crate) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_ascii_lowercase();
    let near = known.map(|word| (distance(&written, word), word));
    let (far, word) = near.min()?;
    (far <= 1 + written.len() / 4).then_some(word)
}

/// How many letters have to be changed, put in or taken out.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.bytes().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        let mut next = vec![left];
        for (column, known) in other.bytes().enumerate() {
            let above = row.get(column + 1).copied().unwrap_or(left);
            let changed = diagonal + usize::from(letter != known);
            left = changed.min(left + 1).min(above + 1);
            diagonal = above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_nearly_right_are_guessed() {
        let known = ["fileinto", "redirect", "keep", "discard"];
        for (written, guess) in [
            ("fileInto", Some("fileinto")),
            ("filein", Some("fileinto")),
            ("kep", Some("keep")),
            ("redirekt", Some("redirect")),
            ("vacation", None),
            ("x", None),
        ] {
            assert_eq!(nearest(written, known.into_iter()), guess, "{written}");
        }
    }
}
