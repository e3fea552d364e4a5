//! A script's text cut into tokens (RFC 5228 §2 and §8.1).
//!
//! Line ends may be CRLF or LF; inside of strings they become CRLF.

use crate::fault::{Fault, Place};

/// One token with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, as written.
    Identifier(String),
    /// `:name`, without the colon.
    Tag(String),
    /// With its quantifier multiplied out.
    Number(u64),
    /// Unquoted, or unstuffed.
    Text(String),
    /// One of `;,()[]{}`.
    Mark(char),
    /// Behind the last token.
    End,
}

impl Kind {
    /// The token as it is named to people.
    pub(crate) fn named(&self) -> String {
        match self {
            Self::Identifier(name) => format!("'{name}'"),
            Self::Tag(name) => format!("':{name}'"),
            Self::Number(number) => format!("the number {number}"),
            Self::Text(_) => "a string".to_owned(),
            Self::Mark(mark) => format!("'{mark}'"),
            Self::End => "the end of the script".to_owned(),
        }
    }
}

/// Cuts the whole text; what is no token is passed over and reported.
pub(crate) fn tokens(text: &str, faults: &mut Vec<Fault>) -> Vec<Token> {
    let mut lexer = Lexer {
        rest: text,
        place: Place { line: 1, column: 1 },
        faults,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.space();
        let place = lexer.place;
        let kind = lexer.token();
        let end = kind == Some(Kind::End);
        tokens.extend(kind.map(|kind| Token { place, kind }));
        if end {
            return tokens;
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    place: Place,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let letter = letters.next()?;
        self.rest = letters.as_str();
        if letter == '\n' {
            self.place.line += 1;
            self.place.column = 1;
        } else {
            self.place.column += 1;
        }
        Some(letter)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let from = self.rest;
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
        let taken = from.len() - self.rest.len();
        from.get(..taken).unwrap_or_default()
    }

    fn fault(&mut self, place: Place, text: impl Into<String>) {
        self.faults.push(Fault::new(place, text));
    }

    /// Passes white space and comments.
    fn space(&mut self) {
        loop {
            self.take_while(|letter| matches!(letter, ' ' | '\t' | '\r' | '\n'));
            if self.rest.starts_with('#') {
                self.take_while(|letter| letter != '\n');
            } else if self.rest.starts_with("/*") {
                let place = self.place;
                self.bump();
                self.bump();
                while !self.rest.starts_with("*/") {
                    if self.bump().is_none() {
                        self.fault(place, "this comment has no end");
                        return;
                    }
                }
                self.bump();
                self.bump();
            } else {
                return;
            }
        }
    }

    /// Reads one token; `None` where there was none.
    fn token(&mut self) -> Option<Kind> {
        let place = self.place;
        let Some(letter) = self.peek() else {
            return Some(Kind::End);
        };
        match letter {
            ';' | ',' | '(' | ')' | '[' | ']' | '{' | '}' => {
                self.bump();
                Some(Kind::Mark(letter))
            }
            '"' => self.quoted(),
            '0'..='9' => self.number(),
            ':' => {
                self.bump();
                let name = self.name();
                if name.is_empty() {
                    self.fault(place, "expected a tag's name behind ':'");
                    return None;
                }
                Some(Kind::Tag(name))
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let name = self.name();
                if name.eq_ignore_ascii_case("text") && self.rest.starts_with(':') {
                    self.bump();
                    return self.multi_line(place);
                }
                Some(Kind::Identifier(name))
            }
            _ => {
                self.bump();
                self.fault(place, format!("unexpected character {letter:?}"));
                None
            }
        }
    }

    fn name(&mut self) -> String {
        if self.peek().is_some_and(|letter| letter.is_ascii_digit()) {
            return String::new();
        }
        self.take_while(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            .to_owned()
    }

    // RFC 5228 §2.4.1
    fn number(&mut self) -> Option<Kind> {
        let place = self.place;
        let digits = self.take_while(|letter| letter.is_ascii_digit());
        let quantifier = self.take_while(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        let shift = match quantifier {
            "" => 0,
            "k" | "K" => 10,
            "m" | "M" => 20,
            "g" | "G" => 30,
            _ => {
                let text = format!("a number ends in K, M, G or a digit, not in '{quantifier}'");
                self.fault(place, text);
                return Some(Kind::Number(0));
            }
        };
        let number = digits.parse::<u64>().ok();
        let number = number.and_then(|number| number.checked_mul(1 << shift));
        if number.is_none() {
            self.fault(place, "this number is too large");
        }
        Some(Kind::Number(number.unwrap_or_default()))
    }

    fn quoted(&mut self) -> Option<Kind> {
        let place = self.place;
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                None => {
                    self.fault(place, "this string has no end");
                    return Some(Kind::Text(text));
                }
                Some('"') => return Some(Kind::Text(text)),
                Some('\\') => text.extend(self.bump().filter(|&letter| letter != '\0')),
                Some('\r') if self.peek() == Some('\n') => {}
                Some('\n') => text.push_str("\r\n"),
                Some('\0') => self.fault(place, "a string may not hold NUL"),
                Some(letter) => text.push(letter),
            }
        }
    }

    /// Reads what follows `text:`.
    fn multi_line(&mut self, place: Place) -> Option<Kind> {
        self.take_while(|letter| matches!(letter, ' ' | '\t'));
        if self.peek() == Some('#') {
            self.take_while(|letter| letter != '\n');
        }
        self.take_while(|letter| letter == '\r');
        if self.peek() != Some('\n') {
            self.fault(place, "expected a line end behind 'text:'");
            return Some(Kind::Text(String::new()));
        }
        self.bump();
        let mut text = String::new();
        while !self.rest.is_empty() {
            let line = self.take_while(|letter| letter != '\n');
            let ended = self.bump().is_some();
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line == "." {
                return Some(Kind::Text(text));
            }
            if !ended {
                break;
            }
            // RFC 5228 §2.4.2: a dot is only in the way of another.
            let stuffed = line.starts_with("..");
            text.push_str(line.get(usize::from(stuffed)..).unwrap_or_default());
            text.push_str("\r\n");
        }
        let hint = "end it with a line that holds a dot alone";
        self.faults
            .push(Fault::new(place, "this text has no end").hinting(hint));
        Some(Kind::Text(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> (Vec<Kind>, Vec<String>) {
        let mut faults = Vec::new();
        let tokens = tokens(text, &mut faults);
        let kinds = tokens.into_iter().map(|token| token.kind).collect();
        (kinds, faults.iter().map(Fault::to_string).collect())
    }

    #[test]
    fn tokens_of_each_kind() {
        use Kind::{End, Identifier, Mark, Number, Tag, Text};
        let cases: &[(&str, Vec<Kind>)] = &[
            ("", vec![End]),
            ("keep;", vec![Identifier("keep".into()), Mark(';'), End]),
            ("# x\n/* y\n*/ :Is", vec![Tag("Is".into()), End]),
            (
                "100K 1m 0",
                vec![Number(102_400), Number(1 << 20), Number(0), End],
            ),
            (r#""a\"b\\c\d""#, vec![Text("a\"b\\cd".into()), End]),
            ("\"a\nb\r\nc\"", vec![Text("a\r\nb\r\nc".into()), End]),
            (
                "text: # x\n..a\n.b\n.\n;",
                vec![Text(".a\r\n.b\r\n".into()), Mark(';'), End],
            ),
            ("TEXT:\r\n.\r\n", vec![Text(String::new()), End]),
        ];
        for (text, expected) in cases {
            assert_eq!(kinds(text), (expected.clone(), vec![]), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_token() {
        for (text, fault) in [
            ("keep\n  @;", "line 2, column 3: unexpected character '@'"),
            ("\"a", "line 1, column 1: this string has no end"),
            ("/* a", "line 1, column 1: this comment has no end"),
            ("99999999999G", "line 1, column 1: this number is too large"),
            (
                "10x",
                "line 1, column 1: a number ends in K, M, G or a digit, not in 'x'",
            ),
            (
                "text:\na",
                "line 1, column 1: this text has no end \
                 (end it with a line that holds a dot alone)",
            ),
            ("é :", "line 1, column 1: unexpected character 'é'"),
        ] {
            assert_eq!(kinds(text).1.first().unwrap(), fault, "{text:?}");
        }
    }
}
