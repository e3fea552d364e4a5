//! The tokens of fetchmail's run control file: words, numbers, quoted strings.

use super::Note;
use super::word::WORDS;

/// Words that mean nothing, and those that begin something.
const NOISE: [&str; 8] = [
    "and", "with", "has", "wants", "options", "here", "there", "no",
];
const BEGINS: [&str; 5] = ["poll", "server", "skip", "set", "defaults"];
const USERS: [&str; 2] = ["user", "username"];

/// A word, a number, or what stood between quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
    quoted: bool,
}

impl Token {
    /// The word that it is; nothing if it is a quoted string.
    pub(super) fn word(&self) -> &str {
        match self.quoted {
            true => "",
            false => &self.text,
        }
    }

    /// True if an entry, or a global option, begins.
    pub(super) fn begins_entry(&self) -> bool {
        BEGINS.contains(&self.word())
    }

    /// True if it is no value.
    pub(super) fn is_keyword(&self) -> bool {
        let word = self.word();
        let known = || WORDS.iter().any(|known| known.names.contains(&word));
        self.begins_entry() || NOISE.contains(&word) || USERS.contains(&word) || known()
    }
}

/// Takes a text apart.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Note> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    let mut line = 1;
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => line += 1,
            '#' => while letters.next_if(|letter| *letter != '\n').is_some() {},
            ',' | ';' | ':' => {}
            // Between a name there and one here.
            '=' => tokens.push(Token {
                text: "=".to_owned(),
                line,
                quoted: false,
            }),
            '"' | '\'' => {
                let begin = line;
                let mut text = String::new();
                loop {
                    match letters.next() {
                        Some(end) if end == letter => break,
                        Some('\\') => escape(&mut letters, &mut text, &mut line),
                        Some(other) => {
                            line += usize::from(other == '\n');
                            text.push(other);
                        }
                        None => {
                            let text = "a quoted string never ends".to_owned();
                            return Err(Note { line: begin, text });
                        }
                    }
                }
                tokens.push(Token {
                    text,
                    line: begin,
                    quoted: true,
                });
            }
            letter if letter.is_whitespace() => {}
            letter => {
                let mut text = String::from(letter);
                let more = |letter: &char| {
                    !letter.is_whitespace() && !matches!(letter, ',' | ';' | ':' | '=')
                };
                while let Some(letter) = letters.next_if(more) {
                    text.push(letter);
                }
                tokens.push(Token {
                    text,
                    line,
                    quoted: false,
                });
            }
        }
    }
    Ok(tokens)
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What follows a backslash in a quoted string.
fn escape(letters: &mut Letters<'_>, text: &mut String, line: &mut usize) {
    let Some(letter) = letters.next() else {
        return;
    };
    let mut digits = |radix: u32, first: Option<char>, most: usize| {
        let mut value = first
            .and_then(|first| first.to_digit(radix))
            .unwrap_or_default();
        for _ in 0..most {
            match letters.next_if(|letter| letter.is_digit(radix)) {
                Some(letter) => {
                    value = value * radix + letter.to_digit(radix).unwrap_or_default();
                }
                None => break,
            }
        }
        char::from_u32(value & 0xff)
    };
    match letter {
        '\n' => *line += 1,
        'n' => text.push('\n'),
        't' => text.push('\t'),
        'b' => text.push('\u{8}'),
        'r' => text.push('\r'),
        'x' => text.extend(digits(16, None, 2)),
        '0' => text.extend(digits(8, None, 3)),
        first @ '1'..='9' => text.extend(digits(10, Some(first), 2)),
        other => text.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quoted_strings_are_told_apart() {
        let all = tokens("poll 'poll' a=b,c; \"x\\\ny\\x41\\65\\0101\\t\" # rest\nend").unwrap();
        let texts: Vec<(&str, &str, usize)> = all
            .iter()
            .map(|token| (token.text.as_str(), token.word(), token.line))
            .collect();
        assert_eq!(
            texts,
            [
                ("poll", "poll", 1),
                ("poll", "", 1),
                ("a", "a", 1),
                ("=", "=", 1),
                ("b", "b", 1),
                ("c", "c", 1),
                ("xyAAA\t", "", 1),
                ("end", "end", 3),
            ]
        );
    }
}
