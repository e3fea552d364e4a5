//! Text with what the shell's rules put into it: quotes, and the values of variables.
//!
//! procmailrc(5), BUGS: which substitutions there are.

/// Octets of a text with all that is put into it.
const OCTETS_MAX: usize = 16 * 1024;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// A variable whose value is known only when a letter comes.
    Variable(String),
    /// The same, `$\NAME`: none of its letters has a meaning in an expression.
    Disarmed(String),
}

/// A text, in pieces.
pub(super) type Phrase = Vec<Piece>;

/// What variables have for values; in words, why one has none that can be known.
pub(super) trait Values {
    fn value(&self, name: &str) -> Result<Phrase, String>;
}

/// The words of an action line: split where blanks are not quoted, up to a comment.
pub(super) fn words(raw: &str, values: &dyn Values) -> Result<Vec<Phrase>, String> {
    let mut reading = Reading::new(raw, values, true);
    reading.run(None)?;
    reading.end_word();
    Ok(reading.words)
}

/// A value: quotes go, nothing is split.
pub(super) fn value(raw: &str, values: &dyn Values) -> Result<Phrase, String> {
    let mut reading = Reading::new(raw, values, false);
    reading.run(None)?;
    Ok(reading.word)
}

/// A condition, by the rules inside double quotes.
pub(super) fn quoted(raw: &str, values: &dyn Values) -> Result<Phrase, String> {
    let mut reading = Reading::new(raw, values, false);
    reading.run(Some('\0'))?;
    Ok(reading.word)
}

/// The whole text, if all of it is known.
pub(super) fn constant(phrase: &[Piece]) -> Option<String> {
    let texts = phrase.iter().map(|piece| match piece {
        Piece::Text(text) => Some(text.as_str()),
        Piece::Variable(_) | Piece::Disarmed(_) => None,
    });
    texts.collect()
}

/// The text without a meaning for expressions.
fn disarm(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\^$.|?*+()[]".contains(letter) {
            safe.push('\\');
        }
        safe.push(letter);
    }
    safe
}

struct Reading<'a> {
    letters: Vec<char>,
    at: usize,
    values: &'a dyn Values,
    splits: bool,
    word: Phrase,
    /// True if there is a word, be it empty.
    begun: bool,
    words: Vec<Phrase>,
    octets: usize,
}

impl<'a> Reading<'a> {
    fn new(raw: &str, values: &'a dyn Values, splits: bool) -> Self {
        Self {
            letters: raw.chars().collect(),
            at: 0,
            values,
            splits,
            word: Vec::new(),
            begun: false,
            words: Vec::new(),
            octets: 0,
        }
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.letters.get(self.at).copied();
        self.at += usize::from(letter.is_some());
        letter
    }

    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn push(&mut self, letter: char) {
        self.begun = true;
        self.octets += letter.len_utf8();
        match self.word.last_mut() {
            Some(Piece::Text(text)) => text.push(letter),
            _ => self.word.push(Piece::Text(letter.into())),
        }
    }

    fn end_word(&mut self) {
        if self.begun {
            self.words.push(std::mem::take(&mut self.word));
        }
        self.begun = false;
    }

    /// Reads to the end; `quote` is NUL where all is as inside double quotes.
    fn run(&mut self, mut quote: Option<char>) -> Result<(), String> {
        while let Some(letter) = self.next() {
            match (quote, letter) {
                (Some('\''), '\'') | (Some('"'), '"') => quote = None,
                (Some('\''), _) => self.push(letter),
                (None, '\'' | '"') => {
                    self.begun = true;
                    quote = Some(letter);
                }
                (None, '\\') => match self.next() {
                    Some('\n') | None => {}
                    Some(next) => self.push(next),
                },
                (Some(_), '\\') => match self.peek() {
                    Some(next) if "$`\"\\".contains(next) => {
                        self.at += 1;
                        self.push(next);
                    }
                    _ => self.push('\\'),
                },
                (_, '`') => return Err("it has the output of a program".to_owned()),
                (_, '$') => self.reference(quote.is_some())?,
                (None, '#') if !self.begun && self.splits => break,
                (None, letter) if letter.is_whitespace() && self.splits => self.end_word(),
                _ => self.push(letter),
            }
            if self.octets > OCTETS_MAX {
                return Err("it is too long".to_owned());
            }
        }
        Ok(())
    }

    fn reference(&mut self, is_quoted: bool) -> Result<(), String> {
        let disarmed = self.peek() == Some('\\')
            && self
                .letters
                .get(self.at + 1)
                .is_some_and(|&next| is_first(next));
        if disarmed {
            self.at += 1;
        }
        match self.peek() {
            Some(letter) if is_first(letter) => {
                let name = self.name();
                let value = self.values.value(&name)?;
                self.put(value, is_quoted, disarmed);
            }
            Some('{') => {
                self.at += 1;
                self.braces(is_quoted)?;
            }
            Some(letter) if letter.is_ascii_digit() || "#?_@=-".contains(letter) => {
                return Err(format!("`${letter}` is known only while procmail runs"));
            }
            // The end of a line, for an expression.
            _ => self.push('$'),
        }
        Ok(())
    }

    /// `${NAME}`, `${NAME:-text}` and its kin.
    fn braces(&mut self, is_quoted: bool) -> Result<(), String> {
        let name = self.name();
        let mut inside = String::new();
        let mut open = 1;
        while let Some(letter) = self.next() {
            open += i32::from(letter == '{') - i32::from(letter == '}');
            if open == 0 {
                break;
            }
            inside.push(letter);
        }
        if name.is_empty() || open != 0 {
            return Err("a reference in braces cannot be read".to_owned());
        }
        let value = self.values.value(&name);
        let value = match inside.get(..1) {
            None => value?,
            Some(_) => {
                let empty_counts = !inside.starts_with(':');
                let inside = inside.trim_start_matches(':');
                let (kind, other) = inside.split_at_checked(1).unwrap_or_default();
                let other = Reading::within(other, self.values)?;
                let there = match &value {
                    Ok(phrase) => match constant(phrase) {
                        Some(text) => empty_counts || !text.is_empty(),
                        None => return Err(format!("whether {name} is empty is not known yet")),
                    },
                    Err(_) => false,
                };
                match (kind, there) {
                    ("-", true) => value?,
                    ("-", false) | ("+", true) => other,
                    ("+", false) => Vec::new(),
                    _ => return Err("a reference in braces cannot be read".to_owned()),
                }
            }
        };
        self.put(value, is_quoted, false);
        Ok(())
    }

    fn within(raw: &str, values: &dyn Values) -> Result<Phrase, String> {
        // What stands for another value may have references of its own, but not endlessly.
        if raw.matches('{').count() > 8 {
            return Err("references are nested too deep".to_owned());
        }
        value(raw, values)
    }

    fn name(&mut self) -> String {
        let rest = self.letters.iter().skip(self.at);
        let name: String = rest
            .take_while(|letter| letter.is_ascii_alphanumeric() || **letter == '_')
            .collect();
        self.at += name.len();
        name
    }

    fn put(&mut self, value: Phrase, is_quoted: bool, disarmed: bool) {
        for piece in value {
            match piece {
                Piece::Text(text) => {
                    let text = if disarmed { disarm(&text) } else { text };
                    for letter in text.chars() {
                        if letter.is_whitespace() && self.splits && !is_quoted && !disarmed {
                            self.end_word();
                        } else {
                            self.push(letter);
                        }
                    }
                }
                Piece::Variable(name) | Piece::Disarmed(name) => {
                    self.begun = true;
                    self.word.push(if disarmed {
                        Piece::Disarmed(name)
                    } else {
                        Piece::Variable(name)
                    });
                }
            }
        }
    }
}

fn is_first(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Some3;

    impl Values for Some3 {
        fn value(&self, name: &str) -> Result<Phrase, String> {
            match name {
                "A" => Ok(vec![Piece::Text("a.b".to_owned())]),
                "B" => Ok(vec![Piece::Text("x y".to_owned())]),
                "R" => Ok(vec![Piece::Variable("R".to_owned())]),
                "E" => Ok(Vec::new()),
                _ => Err(format!("{name} has no value")),
            }
        }
    }

    fn text(phrase: &[Piece]) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Variable(name) => format!("<{name}>"),
            Piece::Disarmed(name) => format!("<\\{name}>"),
        };
        phrase.iter().map(piece).collect()
    }

    #[test]
    fn words_are_split_where_nothing_quotes_them() {
        for (raw, expected) in [
            ("lists/rust # comment", "lists/rust"),
            ("a 'b c' \"d e\" f\\ g", "a|b c|d e|f g"),
            ("$A $B \"$B\" ${A}x", "a.b|x|y|x y|a.bx"),
            (
                "x$R/${E:-none}/${E-none}/${A:+yes}/${Z:-z}",
                "x<R>/none//yes/z",
            ),
            ("'$A' \\$A a$", "$A|$A|a$"),
            ("'' x", "|x"),
        ] {
            let found: Vec<String> = words(raw, &Some3)
                .unwrap()
                .iter()
                .map(|one| text(one))
                .collect();
            assert_eq!(found.join("|"), expected, "{raw}");
        }
    }

    #[test]
    fn conditions_are_as_inside_double_quotes() {
        for (raw, expected) in [
            ("^From:.*$A$", "^From:.*a.b$"),
            ("^From:.*$\\A", "^From:.*a\\.b"),
            ("\\$5 \\. \"x\" $\\R", "$5 \\. \"x\" <\\R>"),
            ("(a|$)", "(a|$)"),
        ] {
            assert_eq!(text(&quoted(raw, &Some3).unwrap()), expected, "{raw}");
        }
    }

    #[test]
    fn what_cannot_be_known_is_said() {
        for raw in ["`date`", "$1", "$Q", "${A", "\"`x`\"", "${R:-x}"] {
            assert!(words(raw, &Some3).is_err(), "{raw}");
        }
    }
}
